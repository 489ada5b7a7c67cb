//! What `lockwalk source` prints of a name is what a protocol gets to.

use std::fs;
use std::path::Path;

use lockwalk::{Era, Protocol};
use lockwalk_source::{Choices, Sources};

use super::{each, parts};

fn choices(protocol: &Protocol) -> Choices {
    let spelled = protocol.rules.spelled().into_iter();
    spelled.map(|(rule, its_type, arm)| (rule, (its_type, arm))).collect()
}

/// Under every protocol, and for every name of steps.
#[test]
fn every_function_that_is_printed_is_called() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join("src/mm")).expect("a folder of sources");
    let files: Vec<_> = files
        .map(|file| {
            let path = file.expect("a folder that can be read").path();
            (path.display().to_string(), fs::read_to_string(path).expect("a source file"))
        })
        .collect();
    let parts = parts();
    let described = |steps: &str| {
        let part = parts.iter().find(|part| part.function == steps);
        choices(&part.expect("SPEC.md has the steps").protocol)
    };
    // What is parsed stays on its thread.
    let eras = Era::all();
    let shares: Vec<_> = eras.chunks(eras.len().div_ceil(2)).collect();
    each::each(&shares, |eras| {
        let texts = files.iter().map(|(file, text)| (&**file, &**text));
        let sources = Sources::new(texts).expect("it is Rust");
        eras.iter().for_each(|protocol| is_reached(protocol, &sources, described));
    });
}

fn is_reached(protocol: &Protocol, sources: &Sources, described: impl Fn(&str) -> Choices + Copy) {
    let choices = choices(protocol);
    for name in sources.names_of_steps() {
        let told = sources.told(&name, &choices, described);
        let is_called = |name: &str| {
            let calls = [format!(".{name}("), format!("::{name}(")];
            let mut texts = told.iter().map(|(_, reading)| &reading.text);
            texts.any(|text| calls.iter().any(|call| text.contains(call)))
        };
        for (found, _) in told.iter().skip(1) {
            let printed = found.name();
            assert!(is_called(printed), "{name} under {protocol}: nothing calls {printed}");
        }
        let missing = sources.find(&name).into_iter().flat_map(|found| found.steps);
        let has = |step: &str| {
            told.iter().any(|(_, reading)| {
                reading.left_out.iter().any(|left| left == step)
                    || reading.text.contains(&format!("// {step}: "))
            })
        };
        let missing: Vec<_> =
            missing.map(|n| format!("{name}.{n}")).filter(|step| !has(step)).collect();
        assert_eq!(missing, [""; 0], "neither told nor left out under {protocol}");
    }
}
