//! `lockwalk list`.

use super::{good, refused};

#[test]
fn the_list_names_everything() {
    let listing: serde_json::Value =
        serde_json::from_str(&good("list --format json")).expect("JSON");
    let count = |what: &str| listing[what].as_array().expect("a list").len();
    assert_eq!(count("races"), lockwalk::races::all().len());
    assert_eq!(count("protocols"), lockwalk::Era::all().len());
    assert_eq!(count("rules"), lockwalk::spec::Rules::catalogue().len());
    assert_eq!(count("clauses"), lockwalk::Clause::ALL.len());
    assert_eq!(count("marks"), lockwalk::Mark::ALL.len());
    for mark in listing["marks"].as_array().expect("a list") {
        let text = mark["text"].as_str().expect("a sentence");
        assert!(text == text.trim() && text.ends_with('.'), "{text:?}");
    }
    for (rule, text, arms) in lockwalk::spec::Rules::texts() {
        let listed = good(&format!("list {rule}"));
        for (arm, its) in [(rule, text)].into_iter().chain(arms) {
            assert!(
                !its.is_empty()
                    && listed
                        .lines()
                        .any(|line| line.split_whitespace().next() == Some(arm)
                            && line.ends_with(its)),
                "{arm}: {listed}"
            );
        }
    }
    let text = good("list");
    for race in lockwalk::races::all() {
        assert!(text.contains(&format!("  {} · {}\n", race.id(), race.title())), "{text}");
    }
    for clause in lockwalk::Clause::ALL {
        assert!(text.contains(clause.text()) && text.contains(clause.why()), "{text}");
    }
    for (protocol, says) in lockwalk::Era::texts() {
        assert!(says.len() > 80 && text.contains(&format!("\n  {protocol}  {says}\n")), "{says}");
    }
}

/// A document is told by the kernel that it changes, and so is the kernel behind it.
#[test]
fn a_protocol_is_told_by_what_it_changed() {
    let text = good("list protocols");
    let of = |name: &str| {
        let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("  {name}  ")));
        lines.next().expect("it is listed");
        lines.take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>()
    };
    assert_eq!(of("document-2"), ["hinting=volatile", "remove_mapping=count"]);
    assert!(!of("2.6.29").iter().any(|choice| choice.starts_with("hinting=")), "{text}");
}

#[test]
fn the_list_can_be_of_some_names_only() {
    let text = good("list MIG-1 =S3.8 vma_adjust_lock 2.6.36");
    for part in ["  S3.8 · ", "  MIG-1 ", "  vma_adjust_lock ", "  2.6.36 "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("  S3.1 · ") && !text.contains("MIG-2"), "{text}");
    assert_eq!(good("list MIG-1").lines().count(), 7, "its family is named, and why it is one");
    assert_eq!(good("list marks").lines().count(), lockwalk::Mark::ALL.len() + 2);
    assert_eq!(good("list MARKS"), good("list marks"));
    assert_eq!(
        refused("list MIG1"),
        "error: no claim, race, protocol, rule, clause or mark is called 'MIG1'; did you mean \
         'MIG-1'?"
    );
    assert!(refused("list FINDING-9").ends_with("'FINDING-9'; findings are in SPEC.md"));
    assert!(refused("check document-3").ends_with("did you mean 'S3', its claims and races?"));
}
