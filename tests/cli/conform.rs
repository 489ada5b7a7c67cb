//! `lockwalk conform`, without a kernel to ask: with traces.

use std::fs;

use super::{directory, good, refused, run};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/golden");

#[test]
fn a_trace_agrees_with_its_kernels_protocol() {
    let said = good(&format!("conform --ascii --trace {GOLDEN}/7.3.txt"));
    assert!(
        said.contains("the model's protocol is 7.3") && said.contains("no difference"),
        "{said}"
    );
}

#[test]
fn what_differs_is_shown_as_both_see_it() {
    let (said, _) = run(&format!("conform --trace {GOLDEN}/6.18.txt --protocol 5.10"), 1);
    assert!(said.contains("    kernel: ") && said.contains("    model:  "), "{said}");
    let trace = directory("conform").join("odd.txt");
    fs::write(&trace, "# kernel: 6.18\n\n@ mine\nstore 0 0 1 => p0[a1x - -]\nload 0 0 => 2\n")
        .expect("writable");
    let (said, _) = run(&format!("conform --trace {}", trace.display()), 1);
    assert!(
        said.ends_with(
            "  mine\n    store 0 0 1 => p0[a1x - -]\n    kernel: load 0 0 => 2\n    model:  load \
             0 0 => 1\n"
        ),
        "{said}"
    );
}

#[test]
fn what_is_no_trace_is_refused() {
    let folder = directory("conform-odd");
    let odd = [
        ("nothing", "", "it is no trace"),
        ("words", "some words", "an operation outside of a sequence"),
        ("operation", "@ mine\nfly 0 0 =>\n", "'fly 0 0' is no operation"),
        ("sense", "# kernel: 6.18\n@ mine\nload 0 0 => 1\n", "mine makes no sense"),
        ("whose", "@ mine\nstore 0 0 1 => p0[a1x - -]\n", "does not say which kernel it is of"),
        ("unlike", "# like: other.txt\n", "No such file"),
    ];
    for (name, text, why) in odd {
        let file = folder.join(name);
        fs::write(&file, text).expect("writable");
        let said = refused(&format!("conform --trace {}", file.display()));
        assert!(said.contains(why), "{name}: {said}");
    }
    assert!(refused("conform swop").contains("no mix is called 'swop'"));
    assert!(refused("conform --protocol 6.19").contains("6.19"));
}
