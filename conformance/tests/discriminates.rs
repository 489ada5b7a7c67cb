//! Would the traces notice? Each arm of each rule is put in place of a kernel's own, and the
//! sequences of its trace that differ then are counted. `SPEC_BLESS=1 cargo test -p
//! lockwalk-conformance --test discriminates` rewrites what docs/COUNTS.md says of it.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lockwalk::conform::{self, Model};
use lockwalk::spec::Rules;
use lockwalk::{Documented, Protocol, races};
use lockwalk_conformance::{Mix, Sequence, generate};

/// Of each mix so many scripts of that length are recorded, and those in `chosen`.
const COUNT: u64 = 34;
const LENGTH: usize = 12;

/// The traces that are asked: each for what the next older one does not do.
const ASKED: [&str; 3] = ["5.10", "6.18", "7.3"];

/// Those besides whose swap device is memory: for what is read beside the swap cache without a
/// claim, with one, and not at all.
const TO_MEMORY: [&str; 3] = ["5.10-memory", "6.18-memory", "7.3-memory"];

#[test]
fn the_table_is_what_the_traces_say() {
    let asked: Vec<_> = ASKED
        .iter()
        .chain(&TO_MEMORY)
        .map(|name| common::folder().join(format!("{name}.txt")))
        .collect();
    let traces: Vec<_> = asked.iter().map(|file| common::read(file)).collect();
    let own: Vec<_> = asked.iter().map(|file| common::protocol(file)).collect();
    let arms: Vec<_> = Rules::catalogue()
        .into_iter()
        .flat_map(|(rule, arms)| arms.into_iter().map(move |arm| (rule, arm)))
        .collect();
    let cells: Vec<_> =
        arms.iter().flat_map(|&arm| (0..asked.len()).map(move |trace| (arm, trace))).collect();
    let counts = common::each::each(&cells, |&((rule, arm), trace)| {
        let mut changed = own[trace].clone();
        assert!(changed.rules.choose(rule, arm), "{rule}={arm}");
        (changed != own[trace]).then(|| {
            traces[trace]
                .sequences
                .iter()
                .filter(|&sequence| differs(Model::of(&changed, &traces[trace]), sequence))
                .count()
        })
    });
    let sizes: Vec<_> = traces.iter().map(|trace| trace.sequences.len()).collect();
    let names = own.iter().zip(&traces).map(|(own, trace)| {
        if Model::of(own, trace).swap_to_memory {
            format!("{own} to memory")
        } else {
            own.to_string()
        }
    });
    let heads: Vec<_> =
        names.zip(&sizes).map(|(name, size)| format!("{name}, of {size}")).collect();
    let mut table = format!(
        "| rule | arm | {} | races that it decides |\n| --- | --- | {}--- |\n",
        heads.join(" | "),
        "--: | ".repeat(asked.len())
    );
    let mut blind = Vec::new();
    for ((rule, arm), counts) in arms.iter().zip(counts.chunks(asked.len())) {
        let cell =
            |count: &Option<usize>| count.map_or("its own".to_owned(), |count| count.to_string());
        let row: Vec<_> = counts.iter().map(cell).collect();
        let deciding = deciding(rule);
        if counts.iter().all(Option::is_none) {
            continue;
        }
        if counts.iter().all(|count| count.is_none_or(|count| count == 0)) {
            blind.push((*rule, *arm, deciding));
            continue;
        }
        writeln!(table, "| `{rule}` | `{arm}` | {} | {} |", row.join(" | "), deciding.join(", "))
            .expect("a string");
    }
    let mut text = format!(
        "Sequences of a kernel's trace that differ when the model makes one choice \
         otherwise.\n\n{table}\n"
    );
    text += "No sequence sees these arms, in place of the kernels' own; where races are named, \
             they are decided there:\n\n";
    let mut rules: Vec<_> = blind.iter().map(|(rule, ..)| *rule).collect();
    rules.dedup();
    for rule in rules {
        let of_rule: Vec<_> = blind.iter().filter(|(other, ..)| *other == rule).collect();
        let arms: Vec<_> = of_rule.iter().map(|(_, arm, _)| format!("`{arm}`")).collect();
        let races = &of_rule[0].2;
        let races = if races.is_empty() { "no race".to_owned() } else { races.join(", ") };
        writeln!(text, "- `{rule}`: {} ({races})", arms.join(", ")).expect("a string");
    }
    common::generated::generated("discriminates", &text);
}

/// So many sequences should see an arm that can be seen at all.
const WANTED: usize = 4;

/// Scripts that are looked through for one arm.
const LOOKED_THROUGH: u64 = 4_000;

/// By hand, when there are new arms: `cargo test --release -p lockwalk-conformance --test
/// discriminates -- --ignored`, then `conformance/emulate`.
#[test]
#[ignore = "rewrites conformance/chosen, after which traces must be recorded anew"]
fn scripts_are_chosen_that_see_what_chance_does_not() {
    let own: Vec<Protocol> = ASKED.map(|name| name.parse().expect("a protocol")).into();
    let mut scripts: Vec<_> =
        (1..=COUNT).flat_map(|seed| Mix::ALL.iter().map(move |mix| (mix, seed))).collect();
    let recorded = scripts.len();
    let more = (1_000..1_000 + LOOKED_THROUGH / Mix::ALL.len() as u64)
        .flat_map(|seed| Mix::ALL.iter().map(move |mix| (mix, seed)));
    scripts.extend(more);
    let run = |protocol: &Protocol, (mix, seed): &(&Mix, u64)| {
        conform::run(protocol, &generate(mix, *seed, LENGTH)).lines
    };
    let bases: Vec<_> = own
        .iter()
        .map(|protocol| common::each::each(&scripts, |script| run(protocol, script)))
        .collect();
    let arms = Rules::catalogue()
        .into_iter()
        .flat_map(|(rule, arms)| arms.into_iter().map(move |arm| (rule, arm)));
    let changes: Vec<_> =
        arms.flat_map(|arm| (0..own.len()).map(move |base| (arm, base))).collect();
    let seen = common::each::each(&changes, |&((rule, arm), base)| {
        let mut changed = own[base].clone();
        changed.rules.choose(rule, arm);
        let mut seen = Vec::new();
        for (at, script) in scripts.iter().enumerate() {
            if changed == own[base] || seen.len() >= WANTED {
                break;
            }
            if run(&changed, script) != bases[base][at] {
                seen.push(at);
            }
        }
        seen
    });
    let chosen: BTreeSet<_> = seen.into_iter().flatten().filter(|&at| at >= recorded).collect();
    let text: String =
        chosen.iter().map(|&at| format!("{} {}\n", scripts[at].0.name, scripts[at].1)).collect();
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("chosen"), text)
        .expect("it can be written");
}

fn differs(model: Model<'_>, sequence: &Sequence) -> bool {
    conform::difference(model, sequence).is_some()
}

/// Races of which something else is documented under two protocols that differ in this rule alone.
fn deciding(rule: &str) -> Vec<String> {
    let alone = |a: &Protocol, b: &Protocol| {
        let (a, b) = (a.rules.choices(), b.rules.choices());
        let differ: Vec<_> = a.iter().zip(&b).filter(|(a, b)| a != b).map(|(a, _)| a.0).collect();
        differ == [rule]
    };
    let holds = |documented: Documented| documented == Documented::Holds;
    let decides = |race: &lockwalk::Race| {
        let cases = race.cases();
        cases.iter().any(|(a, is)| {
            cases.iter().any(|(b, other)| holds(*is) && !holds(*other) && alone(a, b))
        })
    };
    races::all().iter().filter(|race| decides(race)).map(|race| race.id().to_owned()).collect()
}
