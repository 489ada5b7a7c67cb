//! `lockwalk source` cuts out what a protocol does not take. That nothing else is gone is seen by
//! running what is left.

use std::path::PathBuf;

use lockwalk::{Era, Protocol};
use lockwalk_source::{Choices, Sources};

use super::common::each;
use super::sweep::{Copy, End, run, workspace};

/// The files of `src/mm`.
fn files() -> Vec<(String, String)> {
    let files = std::fs::read_dir(workspace().join("src/mm")).expect("a folder of sources");
    let mut files: Vec<_> = files
        .map(|file| {
            let path = file.expect("a folder that can be read").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (format!("src/mm/{name}"), std::fs::read_to_string(path).expect("a source file"))
        })
        .collect();
    files.sort();
    files
}

fn sources() -> Sources {
    Sources::new(files().iter().map(|(file, text)| (&**file, &**text))).expect("it compiles")
}

fn choices(protocol: &Protocol) -> Choices {
    protocol
        .rules
        .spelled()
        .into_iter()
        .map(|(rule, its_type, arm)| (rule, (its_type, arm)))
        .collect()
}

/// Under every protocol that has a name, each function is Rust still, and asks nothing any more.
#[test]
fn what_is_left_asks_no_rule() {
    let sources = sources();
    for protocol in Era::all() {
        for (file, text) in sources.all_under(&choices(&protocol)) {
            syn::parse_file(&text)
                .unwrap_or_else(|error| panic!("{file} under {protocol} is no Rust: {error}"));
            for (at, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let asks = code.contains("rules()") && !code.contains("fn rules()");
                assert!(!asks, "{file} under {protocol} asks still, in line {}: {line}", at + 1);
            }
        }
    }
}

/// All that the catalogue says of a kernel is as before where `src/mm` holds nothing but what that
/// kernel takes: verdicts, executions, and how many classes of interleavings there are.
#[test]
#[ignore = "builds lockwalk once for each kernel"]
fn what_is_left_does_the_same() {
    let sources = sources();
    let whole = Copy::build("source-whole", &[], "");
    for protocol in
        [Era::RMAP_10, Era::DOCUMENT_0, Era::V2_6_34, Era::V5_19, Era::V6_18, Era::DOCUMENT_2]
    {
        let files = sources.all_under(&choices(&protocol));
        let texts: Vec<_> =
            files.into_iter().map(|(file, text)| (PathBuf::from(file), text)).collect();
        let cut = Copy::build("source-cut", &texts, "");
        let listed = run(&mut whole.verdicts(&["--cases"]), "");
        let name = protocol.to_string();
        let cases: Vec<_> =
            listed.stdout.lines().filter(|case| case.split('\t').nth(1) == Some(&*name)).collect();
        assert!(cases.len() > 5, "the catalogue has next to nothing under {protocol}");
        each(&cases, |case| {
            let args: Vec<_> = ["--case"].into_iter().chain(case.split('\t')).collect();
            let [before, after] = [&whole, &cut].map(|copy| run(&mut copy.verdicts(&args), ""));
            assert!(
                before.end == End::Well && after.end == End::Well,
                "{case}: {}{}",
                before.stderr,
                after.stderr
            );
            assert_eq!(before.stdout, after.stdout, "{case}");
        });
        println!("{protocol}: {} cases as before", cases.len());
    }
}
