//! SPEC.md and the code say the same, in both directions. `SPEC_BLESS=1 cargo test --test catalogue
//! spec_ties` rewrites what is generated.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use lockwalk::spec::{Claim, Rules, Topic};
use lockwalk::witness::render::{self, Detail, Style};
use lockwalk::{
    Clause, Documented, Era, Mark, Method, Options, Outcome, Protocol, Race, Witness, matrix, races,
};

use super::common::{self, Case};
use super::generated::{blessing, generated, spec};
use super::{EXPLORED, verdicts, written};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `dir`.
fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).expect("a folder of sources") {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("below the root").display().to_string();
            found.push((name, fs::read_to_string(&path).expect("a source file")));
        }
    }
    found.sort();
}

pub(super) fn sources_of(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&root().join(folder), &mut found);
    found
}

pub(super) fn all_sources() -> Vec<(String, String)> {
    sources_of("src")
}

/// The lines that evaluate each clause, as `file: code`: what somebody must look at again when the
/// clause's words change.
fn sites() -> BTreeMap<Clause, Vec<String>> {
    let mut sites: BTreeMap<Clause, Vec<String>> = BTreeMap::new();
    let only_named = ["src/races", "src/spec", "src/conform.rs", "src/explore/machine.rs"];
    for (file, text) in all_sources()
        .iter()
        .filter(|(file, _)| !only_named.iter().any(|place| file.starts_with(place)))
    {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for &clause in Clause::ALL {
                let name = format!("Clause::{clause:?}");
                let named = line.split(&name).nth(1).is_some_and(|rest| {
                    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                });
                if named {
                    sites.entry(clause).or_default().push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    sites
}

fn fingerprint(text: &str) -> String {
    #[expect(deprecated, reason = "a hash that stays the same from one Rust to the next")]
    let mut hasher = std::hash::SipHasher::new();
    hasher.write(text.as_bytes());
    format!("{:016x}", hasher.finish())
}

/// What is written down in `src/spec`, with who is told apart by it: that needs no execution.
#[test]
fn clauses_rules_and_protocols_are_what_the_code_says() {
    generated("clauses", &clauses());
    generated("rules", &rules());
    generated("protocols", &protocols());
}

/// What executions show.
#[test]
fn generated_parts_are_what_the_code_says() {
    for (_, race, protocol) in SHOWN {
        let is = |(case, outcome): &(Case, Outcome)| {
            case.0.id() == race && case.1.to_string() == protocol && outcome.witness.is_some()
        };
        assert!(
            EXPLORED.iter().any(is),
            "{race} under {protocol} is to be shown, and violates nothing"
        );
    }
    for claim in Claim::ALL {
        generated(
            &format!("claim {}", claim.id),
            &format!("{} *Source: {}.*", claim.says, claim.source),
        );
        generated(&format!("seen {}", claim.id), &seen(claim));
    }
    generated("races", &race_table());
    generated("evidence", &evidence());
    generated("matrix", &matrices(&DEAR));
}

#[test]
fn every_finding_has_its_day() {
    let text = spec();
    let (_, findings) = text.split_once("## 11 Findings").expect("the part is there");
    for finding in findings.split("\n### FINDING-").skip(1) {
        let (number, said) = finding.split_once("\n\n*").unwrap_or((finding, ""));
        let day = said.split_once(".* ").map_or("", |(day, _)| day);
        let words: Vec<_> = day.split(' ').collect();
        assert!(
            matches!(
                words[..],
                [day, _, year]
                    if day.parse().is_ok_and(|day: u8| day < 32) && year.starts_with("20")
            ),
            "FINDING-{number} has no day"
        );
    }
}

/// By hand: `cargo test --release --test catalogue -- --ignored`, with `SPEC_BLESS=1` before it
/// where a row of a dear race is to be written.
#[test]
#[ignore = "takes minutes"]
fn the_matrix_is_what_the_code_says_in_all_its_rows() {
    generated("matrix", &matrices(&[]));
}

/// As `lockwalk matrix --format markdown` prints it, and the same with `--eras`. In the rows of the
/// races `taken`, only the cells that the catalogue decides are computed: the others are taken from
/// where they are written.
fn matrices(taken: &[&str]) -> String {
    let reuse = matrix::arms("reuse", &Era::V2_6_29).expect("there is such a rule");
    format!(
        "The rule `reuse` in 2.6.29, by arm (`lockwalk matrix`):\n\n{}\nThe named protocols \
         (`lockwalk matrix --eras`):\n\n{}",
        family(&reuse, taken),
        family(&matrix::eras(), taken)
    )
}

/// Executions of a case, until states are tried.
const EXECUTIONS: u64 = 5_000;

/// What is left undecided is given up after this.
const BY_STATES: Duration = Duration::from_secs(150);

/// What takes more than two seconds a row.
const DEAR: [&str; 23] = [
    "S0.1",
    "S0.1/migrated",
    "S0.1/read",
    "S0.2",
    "S0.2/suspended",
    "S0.2/writes",
    "S0.3/own-store",
    "S0.4/batched",
    "S0.7",
    "S0.8/shared",
    "S0.8/writes",
    "S0.9",
    "S0.9/fast",
    "S0.9/unmap",
    "S0.10",
    "S0.10/beside",
    "S0.10/bystander",
    "S0.10/gives-up",
    "S0.10/progress",
    "S0.10/readahead",
    "S0.10/reading",
    "S0.10/round",
    "S0.10/users",
];

fn family(columns: &[matrix::Column], taken: &[&str]) -> String {
    let races: Vec<_> =
        races::all().into_iter().filter(|race| race.id().starts_with("S0.")).collect();
    let (head, text) = (matrix::markdown(columns, &[]), spec());
    let written: Vec<_> = text.split_once(&head).map_or(Vec::new(), |(_, rows)| {
        rows.lines().take_while(|line| line.starts_with('|')).collect()
    });
    let row_of =
        |race: &Race| written.iter().find(|line| line.starts_with(&format!("| {} |", race.id())));
    // A new row is computed when it is to be written.
    let computed = races
        .iter()
        .filter(|race| !taken.contains(&race.id()) || (row_of(race).is_none() && blessing()));
    let cells: Vec<_> = computed
        .flat_map(|race| columns.iter().map(move |(_, protocol)| (race, protocol)))
        .collect();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((race, protocol)) = cells.get(next.fetch_add(1, Relaxed)).copied() {
                    let outcome =
                        known(race, protocol).unwrap_or_else(|| by_either(race, protocol));
                    outcomes
                        .lock()
                        .expect("no check panics")
                        .insert((race.id().to_owned(), protocol.clone()), outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no check panics");
    let row = |race: &Race| {
        let row: Vec<_> = columns
            .iter()
            .map(|(_, protocol)| outcomes.get(&(race.id().to_owned(), protocol.clone())).cloned())
            .collect();
        let cells =
            columns.iter().zip(row).enumerate().map(|(at, (column, outcome))| {
                match outcome.or_else(|| known(race, &column.1)) {
                    Some(outcome) => cell(column, race, outcome),
                    None => {
                        let cell = row_of(race)
                            .and_then(|line| line.trim_matches('|').split('|').nth(1 + at));
                        cell.unwrap_or_else(|| {
                            panic!(
                                "SPEC.md has no row for {}: bless it with -- --ignored",
                                race.id()
                            )
                        })
                        .trim()
                        .to_owned()
                    }
                }
            });
        cells.fold(format!("| {} |", race.id()), |row, cell| row + " " + &cell + " |")
    };
    races.iter().fold(head.clone(), |table, race| table + &row(race) + "\n")
}

/// By executions, or, where they are not all, by states.
fn by_either(race: &Race, protocol: &Protocol) -> Outcome {
    let race = matrix::undocumented(race);
    let check = |method, options: Options| race.check_with(protocol, &method, &options);
    let first = check(Method::Exhaustive, Options::default().executions(EXECUTIONS));
    if first.coverage.unfinished().is_none() {
        return first;
    }
    let states = check(Method::States, Options::default().time(BY_STATES));
    if states.coverage.unfinished().is_none() { states } else { first }
}

/// What stands in the table's only cell.
fn cell(column: &matrix::Column, race: &Race, outcome: Outcome) -> String {
    let table =
        matrix::markdown(std::slice::from_ref(column), &[(race.id().to_owned(), vec![outcome])]);
    let row = table.trim_end().lines().last().expect("a row");
    row.trim_matches('|').split('|').nth(1).expect("a cell").trim().to_owned()
}

/// What came out where nothing is documented to be violated: then nothing was left, either.
fn known(race: &Race, protocol: &Protocol) -> Option<Outcome> {
    let same = |(other, under, documented): &Case| {
        other.id() == race.id() && under == protocol && *documented == Documented::Holds
    };
    EXPLORED.iter().find(|(case, _)| same(case)).map(|(_, outcome)| outcome.clone())
}

fn clauses() -> String {
    let sites = sites();
    let mut out = String::new();
    for (title, rationale, of_family) in Clause::FAMILIES {
        write!(out, "### {title}\n\n{rationale}\n\n").expect("a string");
        of_family.iter().for_each(|&clause| out += &one_clause(clause, &sites));
    }
    out
}

fn one_clause(clause: Clause, sites: &BTreeMap<Clause, Vec<String>>) -> String {
    let dies: Vec<_> = races::all()
        .iter()
        .filter(|race| race.cases().iter().any(|&(_, d)| violates(d) == Some(clause)))
        .map(|r| r.id().to_owned())
        .collect();
    let at = sites.get(&clause).map(Vec::as_slice).unwrap_or_default();
    let mut files: Vec<_> = at
        .iter()
        .filter_map(|site| site.split_once(':'))
        .map(|(file, _)| format!("`{file}`"))
        .collect();
    files.dedup();
    let broken = broken_by(&dies, &kills(clause));
    format!(
        "#### {clause}\n\n**{}** {}\n\n{} · evaluated in {}{}{broken}\n\n",
        clause.text(),
        clause.why(),
        format!("{:?}", clause.kind()).to_lowercase(),
        files.join(", "),
        if broken.is_empty() { "" } else { " · broken by " }
    )
}

/// A mutant of the sweep, the case in which it violates one clause and no other, and how many
/// executions that took.
struct Kill<'t> {
    mutant: &'t str,
    case: String,
    executions: u64,
}

/// What `kills.txt` says of a clause. That it fits the code is looked at beside it.
fn kills(clause: Clause) -> Vec<Kill<'static>> {
    let lines = include_str!("../../shuttle-tests/tests/mutants/kills.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let read = |line: &'static str| match line.split('\t').collect::<Vec<_>>()[..] {
        [mutant, race, protocol, what, executions] => {
            let executions = executions.parse().expect("a number");
            (what == clause.id()).then(|| Kill {
                mutant,
                case: format!("{race} under `{protocol}`"),
                executions,
            })
        }
        _ => panic!("kills.txt: {line}"),
    };
    lines.filter_map(read).collect()
}

/// The races; and how many mutants, of which one is named where there is no race.
fn broken_by(races: &[String], kills: &[Kill<'_>]) -> String {
    let count =
        if kills.len() == 1 { "1 mutant".to_owned() } else { format!("{} mutants", kills.len()) };
    match kills.iter().min_by_key(|kill| (kill.executions, kill.mutant)) {
        None => races.join(", "),
        Some(Kill { mutant, case, .. }) if races.is_empty() => {
            format!("{count}, such as `{mutant}` in {case}")
        }
        Some(_) => format!("{} and {count}", races.join(", ")),
    }
}

fn violates(documented: Documented) -> Option<Clause> {
    match documented {
        Documented::Violates(clause) | Documented::StillViolates(clause) => Some(clause),
        Documented::Holds => None,
    }
}

fn rules() -> String {
    let (texts, mut out) = (Rules::texts(), String::new());
    for topic in Topic::ALL {
        writeln!(out, "#### Rules: {}\n", topic.title).expect("a string");
        for name in topic.rules {
            let (rule, text, arms) =
                texts.iter().find(|(rule, ..)| rule == name).expect("a topic has rules");
            let apart = told_apart(rule);
            let apart =
                if apart.is_empty() { String::new() } else { format!(" *{}*", apart.join(", ")) };
            let mut lines = wrapped(&format!("**`{rule}`** {text}{apart}"), "") + "\n";
            for (arm, text) in arms {
                let whose = match &Topic::whose(rule, arm)[..] {
                    [] => "none".to_owned(),
                    protocols => protocols.join(", "),
                };
                lines += &wrapped(&format!("- `{arm}` ({whose}): {text}"), "  ");
            }
            writeln!(out, "{lines}").expect("a string");
        }
    }
    let of_topics = Topic::ALL.iter().flat_map(|topic| topic.rules);
    let known: Vec<_> = texts.iter().map(|(rule, ..)| rule).collect();
    for rule in &known {
        assert_eq!(of_topics.clone().filter(|of| of == rule).count(), 1, "{rule}: one topic");
    }
    assert_eq!(of_topics.count(), known.len());
    out
}

/// The races of which two cases differ in this rule alone, and in what comes out.
fn told_apart(rule: &str) -> Vec<String> {
    let only = |one: &Protocol, other: &Protocol| {
        let both = one.rules.choices().into_iter().zip(other.rules.choices());
        both.filter(|(ours, theirs)| ours != theirs).map(|((name, _), _)| name).eq([rule])
    };
    let tells = |race: &&Race| {
        race.cases().iter().any(|(one, came)| {
            race.cases()
                .iter()
                .any(|(other, out)| violates(*came) != violates(*out) && only(one, other))
        })
    };
    races::all().iter().filter(tells).map(|race| race.id().to_owned()).collect()
}

/// In lines of at most 100 columns, each but the first behind `hang`.
fn wrapped(text: &str, hang: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > 100 {
            write!(out, "\n{hang}{word}").expect("a string");
            column = hang.len() + width;
        } else {
            let between = if column > 0 { " " } else { "" };
            write!(out, "{between}{word}").expect("a string");
            column += between.len() + width;
        }
    }
    out + "\n"
}

fn protocols() -> String {
    let mut out = String::new();
    for (protocol, text) in Era::texts() {
        let name = protocol.to_string();
        let says = text.strip_prefix(&name).map_or_else(|| format!(": {text}"), str::to_owned);
        let changes = match Era::before(&protocol) {
            None => format!("The oldest; `lockwalk list {name}` prints its choices."),
            Some(before) => {
                let both = before.rules.choices().into_iter().zip(protocol.rules.choices());
                let changed = both
                    .filter(|(old, new)| old != new)
                    .map(|((rule, old), (_, new))| format!("`{rule}` `{old}` → `{new}`"));
                format!("Against {before}: {}.", changed.collect::<Vec<_>>().join(", "))
            }
        };
        for paragraph in [format!("**{name}**{says}"), changes] {
            writeln!(out, "{}", wrapped(&paragraph, "")).expect("a string");
        }
    }
    out
}

/// What shows a claim better than the first violation of its races in the order of the catalogue.
const SHOWN: [(&str, &str, &str); 10] = [
    ("S0.3", "S0.3", "2.6.11"),
    ("S0.6", "S0.6/contended", "document-0"),
    ("S0.10", "S0.10/round", "2.6.13+try_to_unuse=keep"),
    ("S1.2", "S1.2/unmapped", "2.6.22"),
    ("S2.6", "S2.6/mremap", "document-2"),
    ("S2.12", "S2.12/torn", "document-2"),
    ("S3.2", "S3.2", "2.6.34+vma_adjust_lock=vma"),
    ("S3.8", "S3.8", "2.6.36"),
    ("S3.12", "S3.12", "2.6.36+anon_vma_life=nothing+zap_migration=wait"),
    ("S3.13", "S3.13", "2.6.36+move_mapping=unchecked"),
];

/// What a claim's violation looks like: the one that is `SHOWN`, or the first.
fn seen(claim: &Claim) -> String {
    let of = |(case, _): &&(Case, Outcome)| Claim::of(case.0.id()) == Some(claim);
    let chosen = |(case, _): &&(Case, Outcome)| {
        SHOWN.contains(&(claim.id, case.0.id(), &*case.1.to_string()))
    };
    let mut all = EXPLORED.iter().filter(of);
    let witness =
        all.clone().find(chosen).or_else(|| all.find(|(_, outcome)| outcome.witness.is_some()));
    let Some(witness) =
        witness.map(|(_, outcome)| outcome.witness.as_ref().expect("what is shown is violated"))
    else {
        let cases = common::cases()
            .into_iter()
            .filter(|case| Claim::of(case.0.id()) == Some(claim))
            .count();
        let none = if cases == 1 {
            "Its one case violates nothing".to_owned()
        } else {
            format!("None of its {cases} cases violates anything")
        };
        let others = if claim.document() == 0 {
            "; what other protocols do there is in \"The design space of reuse\""
        } else {
            ""
        };
        return format!("{none}{others}.");
    };
    let style = Style { hide_source: true, detail: Detail::Brief, ..Style::default() };
    let Witness { race, protocol, clause, .. } = witness;
    let file = verdicts::file(witness);
    // One file stands for all protocols that go the same way.
    let told = file.rsplit('/').next().and_then(|name| name.strip_suffix(".txt"));
    let same = match told.filter(|told| told != protocol) {
        Some(other) => format!("the same under {other}: "),
        None => String::new(),
    };
    format!(
        "{clause} in {race} under {protocol} ({same}[all of \
         it]({file})):\n\n```text\n{}```\n",
        render::rows(witness, 96, style)
    )
}

fn race_table() -> String {
    let mut out = String::from(
        "| race | what collides | broken under | holds under |\n| --- | --- | --- | --- |\n",
    );
    for race in races::all() {
        let list = |wanted: fn(Documented) -> bool| {
            let cases = race.cases().iter().filter(|&&(_, d)| wanted(d));
            let say = |(p, d): &(lockwalk::Protocol, Documented)| match violates(*d) {
                Some(clause) => format!("`{p}` ({clause})"),
                None => format!("`{p}`"),
            };
            cases.map(say).collect::<Vec<_>>().join("<br>")
        };
        let (broken, holds) = (list(|d| d != Documented::Holds), list(|d| d == Documented::Holds));
        writeln!(out, "| {} | {} | {broken} | {holds} |", race.id(), race.title())
            .expect("a string");
    }
    out
}

/// Executions to the verdict, from a run of the whole catalogue; and the proof that no clause goes
/// unevaluated.
fn evidence() -> String {
    let mut out =
        String::from("| race | protocol | verdict | executions |\n| --- | --- | --- | ---: |\n");
    let mut evaluated: BTreeMap<String, u64> = BTreeMap::new();
    let mut explored = EXPLORED.iter();
    for (race, protocol, _) in &common::cases() {
        if let Some(written) = written(race, protocol) {
            writeln!(
                out,
                "| {} | `{protocol}` | {} | {} |",
                written.race, written.verdict, written.executions
            )
            .expect("a string");
            continue;
        }
        let (_, outcome) = explored.next().expect("every other case is explored");
        for count in &outcome.clauses {
            *evaluated.entry(count.name.clone()).or_default() += count.count;
        }
        let (race, protocol, verdict) = (&outcome.race, &outcome.protocol, outcome.verdict());
        writeln!(out, "| {race} | `{protocol}` | {verdict} | {} |", outcome.executions)
            .expect("a string");
    }
    // A livelock is not a condition that is evaluated at some place: the scheduler looks for it in
    // every execution.
    let silent = |clause: &&Clause| {
        **clause != Clause::LIVELOCK && evaluated.get(clause.id()).copied().unwrap_or(0) == 0
    };
    let never: Vec<_> = Clause::ALL.iter().filter(silent).map(|clause| clause.id()).collect();
    assert!(never.is_empty(), "no race evaluates {never:?}");
    out
}

/// A clause's words and the code that evaluates it change together, or somebody says that he has
/// looked at the other.
#[test]
fn words_and_code_were_looked_at_together() {
    let path = root().join("tests/spec/looked-at.txt");
    let mut now = String::from(
        "# clause, its words, the lines that evaluate it: SPEC_BLESS=1 once you have looked at \
         both\n",
    );
    let sites = sites();
    for &clause in Clause::ALL {
        let code = sites.get(&clause).map(|sites| sites.join("\n")).unwrap_or_default();
        assert!(!code.is_empty(), "nothing evaluates {clause}");
        writeln!(now, "{clause} {} {}", fingerprint(clause.text()), fingerprint(&code))
            .expect("a string");
    }
    if blessing() {
        fs::write(&path, &now).expect("the record can be written");
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<_> =
        now.lines().filter(|line| !recorded.lines().any(|old| old == *line)).collect();
    assert!(
        changed.is_empty() && recorded.lines().count() == now.lines().count(),
        "look at the words and the code of: {changed:#?}"
    );
}

#[test]
fn every_claim_finding_and_assumption_that_the_code_names_stands_in_the_spec() {
    let spec = spec();
    for (file, text) in all_sources() {
        for word in text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '.')) {
            let word = word.trim_end_matches(['.', '-']);
            let names = ["FINDING-", "ASSUME-"]
                .iter()
                .any(|kind| word.strip_prefix(kind).is_some_and(|n| n.parse::<u32>().is_ok()));
            assert!(
                !names || spec.contains(&format!("### {word}")),
                "{file} refers to {word}, which SPEC.md does not have"
            );
        }
    }
    for race in races::all() {
        let claim = race.id().split('/').next().unwrap_or_default();
        assert!(
            ["S2", "S3", "S4"].contains(&claim) || spec.contains(&format!("\n### {claim}\n")),
            "SPEC.md has no claim {claim}"
        );
    }
}

/// A race of a claim decides something of it, and the claim says that it does; it names no other.
#[test]
fn every_race_of_a_claim_stands_with_the_claim() {
    let spec = spec();
    for claim in Claim::ALL {
        let text = spec
            .split_once(&format!("\n### {}\n", claim.id))
            .unwrap_or_else(|| panic!("SPEC.md has no claim {}", claim.id))
            .1;
        let decided = text
            .split("\n### ")
            .next()
            .and_then(|text| text.split_once("*Decided by:* "))
            .expect("races decide it")
            .1;
        let named: Vec<_> =
            decided.lines().next().unwrap_or_default().trim_end_matches('.').split(", ").collect();
        for race in races::all().iter().filter(|race| race.id().split('/').next() == Some(claim.id))
        {
            assert!(named.contains(&race.id()), "{} does not name {}", claim.id, race.id());
        }
        // A test may decide, too.
        let known = |name: &&str| {
            races::all().iter().any(|race| race.id() == *name)
                || root().join(name.trim_matches('`')).is_file()
        };
        assert!(named.iter().all(known), "{} names a race that is not there: {named:?}", claim.id);
    }
}

/// A condition that asks for a mark that nothing sets says nothing.
#[test]
fn every_mark_is_set_somewhere() {
    let protocol = all_sources()
        .into_iter()
        .filter(|(file, _)| file.starts_with("src/mm/") && file != "src/mm/marks.rs");
    let code: String = protocol.map(|(_, text)| text).collect();
    for mark in Mark::ALL {
        let name = format!("Mark::{}", mark.name());
        let set = code
            .split(&name)
            .skip(1)
            .any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        assert!(set, "nothing sets {name}");
    }
}

#[test]
fn every_arm_of_every_rule_is_somebodys_choice() {
    let mut chosen: Vec<(&str, &str)> = Era::all().iter().flat_map(|p| p.rules.choices()).collect();
    chosen.extend(races::all().iter().flat_map(|race| {
        race.cases().iter().flat_map(|(p, _)| p.rules.choices()).collect::<Vec<_>>()
    }));
    for (rule, arms) in Rules::catalogue() {
        for arm in arms {
            assert!(chosen.contains(&(rule, arm)), "no protocol and no race uses {rule}={arm}");
        }
    }
}
