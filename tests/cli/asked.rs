//! The same question asked otherwise has the same answer: with another number of threads, and with
//! the protocol spelled another way.

use super::{good, run};

/// Times are the only thing in an output that varies.
fn timeless(text: &str) -> String {
    let is_time = |words: &[&str], n: usize| {
        let seconds = words.get(n + 1).is_some_and(|unit| unit.trim_end() == "s")
            || n > 0 && words[n - 1].ends_with("\"seconds\":");
        seconds && words[n].trim_end_matches(',').parse::<f64>().is_ok()
    };
    let line = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let kept = (0..words.len()).filter(|&n| !is_time(&words, n)).map(|n| words[n]);
        kept.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Asks with 1, 2 and 7 threads, each time in another spelling, and wants one answer, and this exit
/// status.
#[track_caller]
fn one_answer(question: &str, spellings: [&str; 3], status: i32) -> String {
    let ask = |(jobs, spelling): (u32, &str)| {
        let (said, complaints) = run(
            &format!("check {question} --engine dpor --protocol {spelling} --jobs {jobs}"),
            status,
        );
        timeless(&said) + &timeless(&complaints)
    };
    let answers: Vec<_> = [1, 2, 7].into_iter().zip(spellings).map(ask).collect();
    answers.iter().for_each(|answer| assert_eq!(answer, &answers[0], "{question}"));
    answers[0].clone()
}

/// 2.6.34, and choices that change nothing, or that another kernel makes otherwise.
const V2_6_34: [&str; 3] = [
    "2.6.34",
    "2.6.34+vma_adjust_lock=nothing+gup=get",
    "2.6.33+vma_adjust_lock=nothing+shared_mapping=oldest+anon_vma_link=chained+unuse_address=any",
];

/// The same of 2.6.11, under which two go round for ever.
const V2_6_11: [&str; 3] =
    ["2.6.11", "2.6.11+gather_put=before-unlink+rmap_order=entry-first", "2.6.11+zap_drain=yes"];

const TRYLOCK_RESTART: [&str; 3] = [
    "2.6.34+vma_adjust_lock=vma+rmap_walk_lock=trylock-restart",
    "2.6.34+rmap_walk_lock=trylock-restart+vma_adjust_lock=vma",
    "2.6.33+anon_vma_link=chained+rmap_walk_lock=trylock-restart\
     +shared_mapping=oldest+vma_adjust_lock=vma+unuse_address=any",
];

/// A violation ends its execution early, so how many there are depends on how the exploration is
/// divided: it is not divided then.
#[test]
fn violations_in_a_large_exploration() {
    let said = one_answer("=S0.9 --format json", V2_6_34, 1);
    assert!(
        said.contains("\"kind\": \"exhaustive\"")
            && said.contains("\"DATA-1\"")
            && said.contains("\"PIN-1\""),
        "{said}"
    );
}

#[test]
fn violations_in_an_exploration_that_is_cut() {
    for format in ["table", "lines", "json"] {
        let said = one_answer(&format!("=S0.9 --executions 6000 --format {format}"), V2_6_34, 1);
        assert!(
            said.contains("the budget of executions") || said.contains("of executions\n"),
            "{said}"
        );
    }
    let said = one_answer("=S3.7 =S3.1 --executions 400 --format lines", V2_6_34, 1);
    assert!(
        said.contains(
            "S3.7 2.6.34  Sometimes, not all explored (the budget of executions is used up)"
        ),
        "{said}"
    );
}

#[test]
fn nothing_in_an_exploration_that_is_cut() {
    let said = one_answer(
        "=S3/munmap --executions 6000 --format lines",
        ["3.7", "3.7+vm_end_lock=always", "3.7+gup=get"],
        3,
    );
    assert!(said.contains("Undecided (the budget of executions is used up) 0/"), "{said}");
}

#[test]
fn what_is_documented() {
    for format in ["table", "lines", "json"] {
        one_answer(&format!("=S0.2 --format {format}"), V2_6_11, 0);
        one_answer(&format!("=S3.1 --format {format}"), V2_6_34, 0);
    }
    // The shortest livelock takes some thousand executions to find: once will do.
    one_answer("=S3.4 --format json", TRYLOCK_RESTART, 0);
    one_answer("=S3.4 --executions 1", TRYLOCK_RESTART, 3);
}

/// Both show the steps that repeat, and count those that they show.
#[test]
fn a_livelock_is_as_long_in_the_table_as_in_the_picture() {
    let number = |text: &str, before: &str| {
        let (number, _) =
            text.split_once(before).unwrap_or_else(|| panic!("{before} is not in {text}"));
        number
            .split_whitespace()
            .last()
            .and_then(|number| number.parse::<u32>().ok())
            .unwrap_or_else(|| panic!("no number in {text}"))
    };
    for race in ["=S3.4", "=S0.2 --protocol 2.6.11"] {
        let (table, picture) =
            (good(&format!("check {race} --engine dpor")), good(&format!("explain {race}")));
        assert_eq!(
            number(&table, " steps repeat"),
            number(&picture, " steps bring everybody back"),
            "{race}"
        );
    }
}
