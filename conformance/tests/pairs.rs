//! Two operations at once: what was left on running kernels, and what the model can reach.
//! `SPEC_BLESS=1 cargo test -p lockwalk-conformance --test
//! pairs` rewrites what docs/COUNTS.md says of it; `lockwalk conform --pairs 20000 --record
//! conformance/pairs/6.18-here.txt` records on the running kernel, and `conformance/emulate --pairs
//! 2000` on others.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lockwalk::Protocol;
use lockwalk::conform::{self, Reachable};
use lockwalk_conformance::Pair;

/// From each beginning; the second if the first do not reach what was seen.
/// `lockwalk conform --pairs` runs all there are.
const EXECUTIONS: [u64; 2] = [3_000, 100_000];

#[test]
fn what_was_left_is_reachable() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pairs");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("pairs/ is there")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no kernel was asked");
    let mut asked = BTreeSet::new();
    let mut text = String::new();
    for file in files {
        let (trace, protocol): (_, Protocol) = (common::read(&file), common::protocol(&file));
        let seen: BTreeMap<_, _> = trace
            .sequences
            .iter()
            .map(|sequence| (sequence.title.as_str(), &sequence.lines))
            .collect();
        let odd: Vec<_> =
            seen.keys().filter(|title| Pair::ALL.iter().all(|pair| pair.name != **title)).collect();
        assert!(odd.is_empty(), "{} has what is no pair: {odd:?}", file.display());
        let kernel = trace.says("kernel").expect("a kernel has a name");
        let under = trace.says("under").map(|under| format!(" under {under}")).unwrap_or_default();
        let runs = trace.says("runs").expect("it is said how often");
        writeln!(text, "Linux {kernel}{under}, {runs}, beside {protocol}:\n").expect("a string");
        writeln!(
            text,
            "| two at once | executions of the model | states reachable | seen | never seen |\n| \
             --- | --: | --: | --: | --- |"
        )
        .expect("a string");
        let models = common::each::each(Pair::ALL, |pair| {
            let seen = seen.get(pair.name)?;
            let reaches =
                |model: &Reachable| seen.iter().all(|ending| model.endings.contains(ending));
            let [some, more] = EXECUTIONS;
            let model = Some(conform::reachable(&protocol, pair, Some(some))).filter(reaches);
            Some(model.unwrap_or_else(|| conform::reachable(&protocol, pair, Some(more))))
        });
        for (pair, model) in Pair::ALL.iter().zip(models) {
            let (Some(seen), Some(model)) = (seen.get(pair.name), model) else {
                // A file of some pairs says so in its name; one node cannot migrate.
                let some = file
                    .file_stem()
                    .is_some_and(|name| name.to_string_lossy().ends_with("-migration"));
                let migrates = pair
                    .both()
                    .iter()
                    .any(|op| matches!(op, lockwalk_conformance::Op::Migrate { .. }));
                assert!(some || migrates, "{} lacks '{}'", file.display(), pair.name);
                continue;
            };
            asked.insert(pair.name);
            let violated: Vec<_> = model.violations().collect();
            assert!(violated.is_empty(), "{}: {violated:?}", pair.name);
            for ending in *seen {
                assert!(
                    model.endings.contains(ending),
                    "{}, {}: '{ending}' is none of {:#?}",
                    file.display(),
                    pair.name,
                    model.endings
                );
            }
            let never: Vec<_> = model
                .endings
                .iter()
                .filter(|ending| !seen.contains(ending))
                .map(|ending| format!("`{}`", ending.replace('|', "\\|")))
                .collect();
            let [first, second] = pair.both();
            let more =
                if model.outcomes.iter().any(|outcome| outcome.coverage.unfinished().is_some()) {
                    "more than "
                } else {
                    ""
                };
            let least = if more.is_empty() { "" } else { "at least " };
            let counts = format!(
                "{more}{} | {least}{} | {}",
                model.executions(),
                model.endings.len(),
                seen.len()
            );
            writeln!(
                text,
                "| {}: `{first}`, `{second}` | {counts} | {} |",
                pair.name,
                never.join("<br>")
            )
            .expect("a string");
        }
        text.push('\n');
    }
    let never: Vec<_> =
        Pair::ALL.iter().map(|pair| pair.name).filter(|name| !asked.contains(name)).collect();
    assert!(never.is_empty(), "no kernel was asked about {never:?}");
    common::generated::generated("pairs", &text);
}
