//! Nonsense of every kind: each is refused in one line, at once, and nothing is written.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Output;

use super::{directory, lockwalk};

/// Texts that name nothing, and are no number, size, time or schedule.
fn odd_texts() -> Vec<OsString> {
    let texts = [
        " ",
        "=",
        "+",
        "*",
        "/",
        ".",
        ",",
        "''",
        "é",
        "∞",
        "NaN",
        "\u{202e}1.3S",
        "a\nb",
        "\x1b[31mred\x1b[0m",
        "\t",
        "😀",
        "%s%n",
        "1e9",
        "0x10",
    ];
    let mut odd: Vec<OsString> = texts.into_iter().map(OsString::from).collect();
    odd.push("x".repeat(5000).into());
    #[cfg(unix)]
    odd.push(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff, 0xfe, b'!']));
    odd
}

/// These are no positive numbers that fit.
fn odd_numbers() -> Vec<OsString> {
    let numbers = [
        "",
        "-1",
        "0",
        "1.5",
        "1_000",
        "1,000",
        "18446744073709551616",
        "-99999999999999999999",
        "١",
    ];
    odd_texts().into_iter().chain(numbers.map(OsString::from)).collect()
}

/// Runs it with one odd argument in the place of `?`, in a directory of its own.
#[track_caller]
fn refuses(within: &Path, command: &str, odd: &OsString) {
    let words = command.split_whitespace();
    let (first, after): (Vec<_>, Vec<_>) = (
        words.clone().take_while(|word| !word.contains('?')).collect(),
        words.skip_while(|word| !word.contains('?')).collect(),
    );
    let mut place = OsString::from(after[0].trim_end_matches('?'));
    place.push(odd);
    let mut command = lockwalk("");
    command.args(first).arg(place).args(&after[1..]).current_dir(within);
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let line = String::from_utf8(stderr).expect("UTF-8");
    let said = format!("{command:?}: {status}\n{line}");
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(stdout.is_empty(), "{said}");
    assert!(
        line.starts_with("error: ") && line.ends_with('\n') && line.lines().count() == 1,
        "{said}"
    );
    assert!(!line.trim_end().contains(char::is_control), "{said}");
    assert!(line.len() > "error: ".len() + 10 && !line.contains("panicked"), "{said}");
    assert_eq!(fs::read_dir(within).expect("it is still there").count(), 0, "{said}");
}

/// All of these, with each of those.
#[track_caller]
fn refuses_all(name: &str, commands: &[&str], odd: &[OsString]) {
    let within = directory(name);
    commands.iter().for_each(|command| odd.iter().for_each(|odd| refuses(&within, command, odd)));
}

#[test]
fn what_names_nothing() {
    let commands = [
        "?",
        "check ?",
        "check =S3.1 ?",
        "check S3.1 --protocol=?",
        "check S3.1 --protocol=2.6.34+?",
        "check S3.1 --engine=?",
        "check S3.1 --format=?",
        "--color=?",
        "explain ?",
        "report ? --output g",
        "explain S3.1 --protocol=?",
        "explain S3.1 --format=?",
        "replay ? --protocol 2.6.34 --schedule 1",
        "list ?",
        "list --format=?",
        "matrix ?",
        "matrix --rule=?",
        "matrix --base=?",
        "bench --family=?",
        "completions ?",
        "man ?",
    ];
    refuses_all("names-nothing", &commands, &odd_texts());
}

#[test]
fn what_is_no_number() {
    let commands = [
        "check S3.1 --engine random --iterations=?",
        "check S3.1 --engine pct --depth=?",
        "check S3.1 --engine dpor --executions=?",
        "check S3.1 --engine dpor --jobs=?",
        "check S3.1 --engine dpor --save s.json --shard=?",
        "check S3.1 --time=?",
        "check S3.1 --states --memory-limit=?",
        "matrix --executions=?",
        "matrix --time=?",
        "matrix --jobs=?",
        "bench --size=?",
        "bench --size=1,1,?",
        "bench --time=?",
        "conform --scripts=?",
        "conform --length=?",
        "conform --pairs=?",
        "conform --time=?",
    ];
    // Some are a time, or are cut off behind a comma.
    let odd: Vec<_> = odd_numbers()
        .into_iter()
        .filter(|odd| !["1.5", "18446744073709551616"].iter().any(|time| odd == time))
        .collect();
    refuses_all("no-number", &commands, &odd);
    refuses_all("too-large", &commands[..5], &["18446744073709551616".into()]);
    let schedules = [
        "-1",
        "1*0",
        "1*",
        "*3",
        "1**2",
        "1.2*-3",
        "1*99999999999",
        "1*18446744073709551616",
        "1..",
    ]
    .map(OsString::from);
    refuses_all(
        "no-schedule",
        &["replay S3.8 --protocol 2.6.34 --schedule=?"],
        &[&odd_texts()[..], &schedules].concat(),
    );
}

#[test]
fn what_is_not_asked_for() {
    let commands = [
        "check",
        "explain",
        "replay",
        "list",
        "report",
        "matrix",
        "selfcheck",
        "merge",
        "bench",
        "conform",
        "completions",
        "man",
        "",
    ];
    let unknown = ["--nonsense", "-Z", "--format", "--output", "--é", "--=x", "---", "--format=\n"]
        .map(OsString::from);
    let commands: Vec<_> = commands.iter().map(|command| format!("{command} ?")).collect();
    refuses_all(
        "not-asked-for",
        &commands.iter().map(String::as_str).collect::<Vec<_>>(),
        &unknown,
    );
    let twice =
        ["bench ?", "report --output g ?", "explain S3.1 ?", "completions bash ?", "man check ?"];
    refuses_all("too-many", &twice, &odd_texts());
}

#[cfg(unix)]
#[test]
fn what_is_no_file() {
    let elsewhere = directory("no-file-elsewhere");
    let path = |name: &str| elsewhere.join(name).into_os_string();
    fs::write(path("file"), "a file").expect("writable");
    std::os::unix::fs::symlink("round", path("round")).expect("writable");
    let mut odd = vec![
        path("no/such/x"),
        path("file/x"),
        path("round"),
        path("new/"),
        path(&"x".repeat(5000)),
        "".into(),
        "/proc/nothing".into(),
    ];
    let write = [
        "explain S3.8 --output=?",
        "explain S3.8 -o?",
        "check =S3.8 --engine dpor --save=?",
        "conform --record=?",
    ];
    refuses_all("not-written", &write, &[&odd[..], &[path("")]].concat());
    refuses_all(
        "no-directory",
        &["report -o?"],
        &[&odd[1..3], &[path("file"), "".into(), "-".into()]].concat(),
    );
    odd.extend(
        [
            "/dev/zero",
            "/dev/urandom",
            "/dev/null",
            "/proc/self/mem",
            "/proc/self/environ",
            "/etc/passwd",
            "-",
        ]
        .map(OsString::from),
    );
    odd.extend([path("file"), path("")]);
    let read = [
        "check --engine dpor --save s.json --resume=?",
        "check --engine dpor --resume=?",
        "merge ?",
        "conform --trace=?",
    ];
    refuses_all("not-read", &read, &odd);
    assert_eq!(fs::read_to_string(path("file")).expect("still there"), "a file");
    assert_eq!(fs::read_dir(&elsewhere).expect("still there").count(), 2);
}
