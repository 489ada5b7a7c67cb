//! The parts of SPEC.md that are generated.

use std::collections::{BTreeMap, BTreeSet};

use lockwalk::spec::{Kind, Rules};
use lockwalk::{Clause, Documented, Era, Race, races};

use super::document::table;
use super::evidence::{Run, violates};
use super::source::{self, Function};

fn code(text: impl std::fmt::Display) -> String {
    format!("`{text}`")
}

fn listed(items: impl IntoIterator<Item = String>, empty: &str) -> String {
    let items: Vec<_> = items.into_iter().collect();
    if items.is_empty() { empty.into() } else { items.join(", ") }
}

/// The functions that evaluate each clause.
pub fn sites(functions: &[Function]) -> BTreeMap<Clause, Vec<&Function>> {
    let mut sites: BTreeMap<Clause, Vec<&Function>> = BTreeMap::new();
    for function in functions {
        for id in function.evaluates() {
            let clause = Clause::ALL.iter().find(|clause| format!("{clause:?}") == id);
            sites.entry(*clause.unwrap_or_else(|| panic!("{id} is no clause"))).or_default().push(function);
        }
    }
    sites
}

/// What the code says of a clause.
pub fn clause(clause: Clause, sites: &[&Function]) -> String {
    let when = match clause.kind() {
        Kind::Always => "always: at every step that it speaks of",
        Kind::Quiescence => "quiescence: once all CPUs have ended",
        Kind::Liveness => "liveness: of the schedule as a whole",
        Kind::Exploration => "exploration: of all executions together",
    };
    let at = sites.iter().map(|site| format!("{} in [{}]({})", code(&site.name), site.file, site.file));
    let killed = races::all().into_iter().filter(|race| race.cases().iter().any(|&(_, said)| violates(said) == Some(clause)));
    format!(
        "- evaluated {when} ({})\n- by {}\n- races that break it: {}",
        clause.fact(),
        listed(at, "nothing"),
        listed(killed.map(|race| race.id().to_owned()), "none yet")
    )
}

/// Every rule and arm, with what the code says of it, and which protocols choose it.
pub fn rules() -> String {
    let docs: BTreeMap<_, _> = source::rule_docs().into_iter().collect();
    let doc = |name: String| docs.get(&name).unwrap_or_else(|| panic!("{name} has no comment in src/spec/rules.rs")).replace('|', "\\|");
    Rules::catalogue().into_iter().fold(String::new(), |text, (rule, arms)| {
        let row = |arm: &&str| {
            let chosen = Era::all().into_iter().filter(|era| era.rules.choices().contains(&(rule, *arm)));
            let only = if chosen_by_races(rule, arm) { "a race" } else { "nobody" };
            vec![code(arm), plain(&doc(format!("{rule}={arm}"))), listed(chosen.map(|era| era.to_string()), only)]
        };
        let table = table(&["arm", "what it does", "protocols"], arms.iter().map(row));
        text + &format!("**`{rule}`** {}\n\n{table}\n", plain(&doc(rule.into())))
    })
}

/// A comment's links to code are none in SPEC.md.
fn plain(doc: &str) -> String {
    doc.replace("[`", "`").replace("`]", "`")
}

/// Does some race choose this arm?
pub fn chosen_by_races(rule: &'static str, arm: &'static str) -> bool {
    let choices = races::all().into_iter().flat_map(|race| race.cases().to_vec()).flat_map(|(protocol, _)| protocol.rules.choices());
    choices.into_iter().any(|choice| choice == (rule, arm))
}

/// The protocols, and what each does otherwise than the one before.
pub fn protocols() -> String {
    let docs: BTreeMap<_, _> = source::era_docs().into_iter().collect();
    let mut before = Vec::new();
    let rows = Era::all().into_iter().map(|era| {
        let name = era.to_string();
        let doc = docs.get(&name).unwrap_or_else(|| panic!("{name} has no comment in src/spec/protocol.rs"));
        let choices = era.rules.choices();
        let new: Vec<_> = choices.iter().filter(|choice| !before.contains(*choice)).map(|(rule, arm)| code(format!("{rule}={arm}"))).collect();
        before = choices;
        vec![code(name), plain(doc), listed(new, "nothing")]
    });
    table(&["protocol", "what it is", "other than the one before"], rows)
}

/// The races: what is documented, and what must be reachable.
pub fn races_table() -> String {
    let row = |race: &Race| {
        let cases = |wanted: fn(Documented) -> bool| {
            let cases: Vec<_> = race.cases().iter().filter(|(_, said)| wanted(*said)).collect();
            listed(
                cases.into_iter().map(|(protocol, said)| match violates(*said) {
                    Some(clause) => format!("{} ([{clause}](#{}))", code(protocol), clause.id().to_lowercase()),
                    None => code(protocol),
                }),
                "",
            )
        };
        let conditions = |label: &str, all: &[lockwalk::Condition]| all.iter().map(|c| format!("{label}{}", c.label)).collect::<Vec<_>>();
        let must: Vec<_> = [conditions("violated only while: ", race.shows()), conditions("", race.endings())].concat();
        vec![
            race.id().to_owned(),
            race.title().to_owned(),
            cases(|said| matches!(said, Documented::Violates(_))),
            cases(|said| matches!(said, Documented::StillViolates(_))),
            cases(|said| said == Documented::Holds),
            must.join("; "),
        ]
    };
    let head = ["race", "what collides", "violated under", "offered as a fix, violated still", "holds under", "must be reachable where it holds"];
    table(&head, races::all().iter().map(row))
}

/// Every verdict of a run.
pub fn evidence(runs: &[Run]) -> String {
    let rows = runs.iter().map(|run| {
        let [verdict, what] = run.evidence();
        vec![run.race.id().to_owned(), code(&run.protocol), verdict, what]
    });
    table(&["race", "protocol", "verdict", "rests on"], rows)
}

/// The class of a lock: its name without numbers.
pub fn class(name: &str) -> String {
    name.replace("%a", "").replace("%b", "").chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Which classes of locks were waited for while which was held, in any execution.
pub fn lock_order(runs: &[Run]) -> BTreeMap<String, BTreeSet<String>> {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (earlier, later) in runs.iter().flat_map(|run| &run.lock_order) {
        seen.entry(class(earlier)).or_default().extend(later.iter().map(|name| class(name)));
    }
    seen
}
