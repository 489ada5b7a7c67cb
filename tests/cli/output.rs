//! What characters and colours are printed, and when.

use serde_json::Value;

use super::{good, lockwalk};

#[test]
fn colours_are_for_terminals() {
    let colored = |args: &str, variables: &[(&str, &str)]| {
        let output = lockwalk(args).envs(variables.iter().copied()).output().expect("it starts");
        String::from_utf8_lossy(&output.stdout).contains('\x1b')
    };
    let (force, no) = (("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1"));
    // Help comes from elsewhere, and has the same rule.
    for args in ["explain =S3.1", "--help"] {
        assert!(!colored(args, &[("NO_COLOR", "")]), "{args}");
        assert!(!colored(args, &[("CLICOLOR", "1")]), "{args}");
        assert!(colored(args, &[force]), "{args}");
        assert!(!colored(args, &[force, no]), "{args}");
    }
    assert!(!colored("explain =S3.1 --color never", &[force]));
    assert!(colored("explain =S3.1 --color always", &[no]), "what is asked for explicitly wins");
}

#[test]
fn ascii_is_all_that_is_printed_if_asked_for() {
    for args in [
        "explain =S3.3",
        "explain =S3.1 --protocol 2.6.36",
        "check =S3.1 --engine dpor",
        "check =S3.1 --engine dpor --format lines",
        "list",
        "matrix =S0.9 --rule vma_adjust_lock --executions 60",
        "selfcheck =S3.1 --executions 3",
        "source page_referenced",
        "stress --threads 1 --operations 100",
        "bench --size 1,1,1 --time 50ms",
    ] {
        let output = lockwalk(&format!("{args} --ascii")).output().expect("it starts");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(said.is_ascii() && !said.is_empty() && output.stderr.is_ascii(), "{args}: {said}");
        let with_others = lockwalk(args).output().expect("it starts").stdout;
        assert!(args.starts_with("source") || !with_others.is_ascii(), "{args} is no example");
    }
    // What a program reads says the same.
    let by_number = |text: &str| {
        text.split_inclusive(';')
            .map(|part| match part.rsplit_once('#') {
                Some((before, number)) => {
                    let c = number.trim_end_matches(';').parse().ok().and_then(char::from_u32);
                    let before = before.strip_suffix('&').unwrap_or(before);
                    c.map_or_else(|| part.to_owned(), |c| format!("{before}{c}"))
                }
                None => part.to_owned(),
            })
            .collect::<String>()
    };
    for format in ["svg", "mermaid"] {
        let both =
            ["", "--ascii"].map(|how| good(&format!("explain =S3.1 --format {format} {how}")));
        assert!(both[1].is_ascii() && !both[0].is_ascii(), "{}", both[1]);
        assert_eq!(by_number(&both[0]), by_number(&both[1]));
    }
    let [all, ascii] =
        ["", "--ascii"].map(|how| good(&format!("explain =S3.1 --format json {how}")));
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert!(ascii.is_ascii() && !all.is_ascii() && json(&ascii) == json(&all), "{ascii}");
}

/// They are read by `man` and in terminals that show nothing else.
#[test]
fn help_and_manual_pages_are_ascii() {
    let page = good("man");
    let commands =
        page.lines().filter_map(|line| line.strip_prefix("lockwalk\\-")?.strip_suffix("(1)"));
    for command in [""].into_iter().chain(commands.filter(|command| *command != "help")) {
        for text in [good(&format!("{command} --help")), good(&format!("man {command}"))] {
            assert!(text.is_ascii(), "{command}: {text}");
        }
    }
}
