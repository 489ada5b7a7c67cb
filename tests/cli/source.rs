//! `lockwalk source`: a function as one kernel reads it.

use std::collections::BTreeMap;

use super::{good, refused};

/// A sentence stands only where it is true; where one is left out, that is said.
#[test]
fn a_step_that_another_kernel_takes_otherwise_is_left_out() {
    let of_2_6_34 = good("source vma_adjust,unlink_anon_vmas --protocol 2.6.34");
    assert!(
        of_2_6_34.contains(
            "// Left out, because they tell of 5.19, which does otherwise in these steps or in \
             what they call, or rest on one that is left out: vma_adjust.2, vma_adjust.3, vma_adjust.7.\n"
        ),
        "{of_2_6_34}"
    );
    let has = |step: &str| of_2_6_34.contains(&format!("// {step}: "));
    assert!(has("vma_adjust.1") && has("vma_adjust.4"), "{of_2_6_34}");
    assert!(!has("vma_adjust.3") && !has("unlink_anon_vmas.1"), "{of_2_6_34}");
}

/// SPEC.md says whose steps they are, and of that protocol they say everything.
#[test]
fn nothing_is_left_out_of_the_protocol_that_is_described() {
    let spec = include_str!("../../SPEC.md");
    let parts = spec
        .lines()
        .filter_map(|line| line.strip_prefix("<!-- generated: steps ")?.strip_suffix(" -->"));
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for part in parts {
        let (name, protocol) = part.split_once(" under ").unwrap_or((part, "5.19"));
        names.entry(protocol).or_default().push(name);
    }
    assert_eq!(names.keys().copied().collect::<Vec<_>>(), ["5.19", "document-2"]);
    for (protocol, names) in names {
        let text = good(&format!("source {} --protocol {protocol}", names.join(",")));
        assert!(!text.contains("// Left out, "), "{protocol}: {text}");
    }
}

/// What a kernel calls `do_swap_page` is five functions here, and `dup_mmap` none of its name.
#[test]
fn a_function_is_found_by_its_steps() {
    let found = |args: &str| {
        let text = good(args);
        let heads = text.lines().filter(|line| line.starts_with("// It has "));
        heads.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        found("source do_swap_page"),
        [
            "// It has steps 3, 4, 5, 6 of do_swap_page.",
            "// It has step 7 of do_swap_page.",
            "// It has steps 8, 9, 10, 11, 12, 16 of do_swap_page.",
            "// It has steps 13, 14, 15 of do_swap_page.",
        ]
    );
    assert_eq!(
        found("source dup_mmap --protocol 3.7"),
        ["// It has steps 1, 2, 3, 8 of dup_mmap.", "// It has steps 4, 5, 6, 7 of dup_mmap."]
    );
    assert_eq!(found("source do_swap_page.7"), ["// It has step 7 of do_swap_page."]);
    assert_eq!(
        refused("source dup_mmp"),
        "error: src/mm has no function and no step 'dup_mmp'; did you mean 'dup_mmap'?"
    );
    assert_eq!(
        refused("source migrate_pages"),
        "error: src/mm calls the kernel's 'migrate_pages' otherwise; did you mean 'migrate'?"
    );
    assert!(refused("source do_swap_page.99").contains("no step 'do_swap_page.99'"));
    assert!(refused("source do_swap_page.x").contains("no step 'do_swap_page.x'"));
}
