//! What running kernels showed, and what the model makes of the same scripts. Needs neither root
//! nor Linux.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use common::{folder, protocol, read};
use lockwalk::conform::{self, Model};
use lockwalk_conformance::{Sequence, State};

fn golden() -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder())
        .expect("golden/ is there")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    files
}

#[test]
fn the_model_does_what_kernels_did() {
    let mut kernels = BTreeSet::new();
    for file in golden() {
        let (trace, protocol) = (read(&file), protocol(&file));
        let (kernel, swap) = (
            trace.says("kernel").expect("a kernel has a name"),
            trace.says("swap").unwrap_or("loop"),
        );
        assert!(kernels.insert((kernel.to_owned(), swap.to_owned())), "{}: twice", file.display());
        let least = if swap == "memory" { 60 } else { 250 };
        assert!(
            trace.sequences.len() >= least,
            "{} has {} sequences",
            file.display(),
            trace.sequences.len()
        );
        for sequence in &trace.sequences {
            let script = sequence.script().expect("operations");
            assert!(
                State::allows_all(&script),
                "{}: {} makes no sense",
                file.display(),
                sequence.title
            );
            if let Some((at, model)) = conform::difference(Model::of(&protocol, &trace), sequence) {
                let shown = sequence.lines[..=at.min(sequence.lines.len() - 1)].join("\n  ");
                panic!("{}, {}:\n  {shown}\nmodel:\n  {model}", file.display(), sequence.title);
            }
        }
    }
    assert!(kernels.len() >= 5, "{kernels:?}");
}

/// What no sequence does, no trace can tell.
#[test]
fn every_operation_is_there() {
    let traces: Vec<_> = golden().iter().map(|file| read(file)).collect();
    let lines =
        traces.iter().flat_map(|trace| &trace.sequences).flat_map(|sequence| &sequence.lines);
    let names: BTreeSet<_> =
        lines.map(|line| line.split(' ').next().expect("a word").to_owned()).collect();
    let all: BTreeSet<_> =
        lockwalk_conformance::Op::NAMES.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(names, all);
}

/// A model that goes round for ever, or violates a clause, says so and comes back.
#[test]
fn what_goes_wrong_in_the_model_is_a_line() {
    let script = |lines: &[&str]| {
        lines.iter().map(|line| line.parse().expect("an operation")).collect::<Vec<_>>()
    };
    // What 2.6.13 does to a device: the page is unmapped under it, and the store goes to a copy.
    let script =
        script(&["store 0 0 1", "pin 0 0", "fork 0 1", "store 0 0 2", "dmaw 0 3", "load 0 0"]);
    let ran = conform::run(&"2.6.13".parse().expect("a protocol"), &script);
    assert!(!ran.violations.is_empty(), "{ran:#?}");
    let agreeing = Sequence { title: String::new(), lines: ran.lines };
    assert!(
        conform::difference(&"2.6.13".parse().expect("a protocol"), &agreeing)
            .is_some_and(|(_, model)| model.contains("the model violates"))
    );
}
