//! Two operations at once: what was left on running kernels, and what the model can reach. `SPEC_BLESS=1 cargo test -p lockwalk-conformance
//! --test pairs` rewrites what docs/COUNTS.md says of it; `lockwalk conform --pairs 20000 --record conformance/pairs/6.18-here.txt` records.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lockwalk::{Protocol, conform};
use lockwalk_conformance::Pair;

/// Of a pair with more executions, the rest is left to `lockwalk conform --pairs`, which runs all.
const EXECUTIONS: u64 = 50_000;

#[test]
fn what_was_left_is_reachable() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pairs");
    let mut files: Vec<_> = fs::read_dir(folder).expect("pairs/ is there").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no kernel was asked");
    let mut text = String::new();
    for file in files {
        let (trace, protocol): (_, Protocol) = (common::read(&file), common::protocol(&file));
        let seen: BTreeMap<_, _> = trace.sequences.iter().map(|sequence| (sequence.title.as_str(), &sequence.lines)).collect();
        writeln!(text, "Linux {}, beside {protocol}:\n", trace.says("kernel").expect("a kernel has a name")).expect("a string");
        writeln!(text, "| two at once | executions of the model | states reachable | seen | never seen |\n| --- | --: | --: | --: | --- |")
            .expect("a string");
        for pair in Pair::ALL {
            let Some(seen) = seen.get(pair.name) else {
                assert!(pair.migrates(), "{}: nothing of '{}'", file.display(), pair.name); // that machine may have one node
                continue;
            };
            let model = conform::reachable(&protocol, pair, Some(EXECUTIONS));
            let violated: Vec<_> = model.violations().collect();
            assert!(violated.is_empty(), "{}: {violated:?}", pair.name);
            for ending in *seen {
                assert!(model.endings.contains(ending), "{}, {}: '{ending}' is none of {:#?}", file.display(), pair.name, model.endings);
            }
            let never: Vec<_> = model
                .endings
                .iter()
                .filter(|ending| !seen.contains(ending))
                .map(|ending| format!("`{}`", ending.replace('|', "\\|")))
                .collect();
            let [first, second] = pair.both();
            let more = if model.outcomes.iter().any(|outcome| outcome.coverage.unfinished().is_some()) { "more than " } else { "" };
            let counts = format!("{more}{} | {} | {}", model.executions(), model.endings.len(), seen.len());
            writeln!(text, "| {}: `{first}`, `{second}` | {counts} | {} |", pair.name, never.join("<br>")).expect("a string");
        }
        text.push('\n');
    }
    common::generated::generated("pairs", &text);
}
