//! Worlds that take minutes: too large for the catalogue, whose verdicts come in seconds.
//!
//! ```sh
//! cargo test --release -p lockwalk-shuttle-tests --test deep -- --ignored --nocapture
//! ```
//!
//! Each case is explored exhaustively, each state once, for as long as `LOCKWALK_DEEP` says (seconds
//! a case, 600 if it does not). Where that is not enough, the case is sampled: random walks, each
//! with the audit at its end. Nothing may be violated either way; what was covered is printed.
//! `LOCKWALK_ONLY` is a word that has to stand in "race · protocol".

use std::time::Duration;

use lockwalk::witness::Coverage;
use lockwalk::{Era, Method, Options, Outcome, Protocol, Race, races};

/// Race, and the protocol under which it holds as far as anybody got.
const CASES: [(&str, &str); 17] = [
    ("S0.9/fast", "5.19"),
    ("S0.9/unmap", "5.19"),
    ("S0.10/round", "2.6.13"),
    ("S0.10/bystander", "2.6.11"),
    ("S0.10/reading", "5.19"),
    ("S0.10/reading", "6.18"),
    ("S3.13/back", "2.6.36"),
    ("S3.13/bypass", "5.19+swap_bypass=no"),
    ("S3.13/swapoff", "2.6.36"),
    ("S3/family-pages", "2.6.33"),
    ("S3/family-pages", "2.6.38"),
    ("S3/family-pages", "3.7"),
    ("S3.13/two", "2.6.36"),
    ("S3.13/two", "2.6.36+move_mapping=count+find_get_page=locked"),
    ("S3.13/two", "2.6.38"),
    ("S3.13/two-mapped", "2.6.29"),
    ("S4.1", "5.19"),
];

/// Race, a protocol that violates something, which clause, and what samples show that, where it
/// takes the exhaustive search too long.
const SHOWN: [(&str, &str, &str, Method); 1] = [(
    "S0.9/unmap",
    "5.19+unmap_check=unpinned-before",
    "PIN-1",
    Method::Pct { seed: 1, depth: 3, iterations: SAMPLE },
)];

/// Executions of each way to sample.
const SAMPLE: u64 = 100_000;

fn race(id: &str) -> Race {
    races::all().into_iter().find(|race| race.id() == id).expect("the catalogue has it")
}

#[track_caller]
fn check(race: &Race, protocol: &Protocol, method: &Method, time: Option<Duration>) -> Outcome {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options::default().jobs(jobs);
    options.time = time;
    let outcome = race.check_with(protocol, method, &options);
    let states = outcome.states.map_or(String::new(), |states| format!("{states} states, "));
    println!(
        "{} · {protocol} · {} · {states}{} executions in {:.0} s",
        race.id(),
        outcome.verdict(),
        outcome.executions,
        outcome.seconds
    );
    assert!(
        outcome.violations.is_empty(),
        "{} under {protocol}: {:?}",
        race.id(),
        outcome.violations
    );
    outcome
}

#[test]
#[ignore = "takes up to an hour"]
fn nothing_is_violated() {
    let seconds = std::env::var("LOCKWALK_DEEP")
        .map_or(600, |seconds| seconds.parse().expect("LOCKWALK_DEEP is a number of seconds"));
    let only = std::env::var("LOCKWALK_ONLY").unwrap_or_default();
    let wanted = |(id, protocol): &&(_, _)| format!("{id} · {protocol}").contains(&only);
    let cases: Vec<_> = CASES.iter().filter(wanted).collect();
    assert!(!cases.is_empty(), "LOCKWALK_ONLY leaves nothing of them");
    for &(id, protocol) in cases {
        let (race, protocol) = (race(id), protocol.parse().expect("a protocol"));
        let outcome = check(&race, &protocol, &Method::States, Some(Duration::from_secs(seconds)));
        if outcome.coverage != Coverage::Exhaustive {
            check(&race, &protocol, &Method::Random { seed: 1, iterations: SAMPLE }, None);
            check(&race, &protocol, &Method::Pct { seed: 1, depth: 3, iterations: SAMPLE }, None);
        }
    }
}

#[test]
#[ignore = "takes minutes"]
fn what_is_violated_shows_in_samples() {
    for (id, protocol, clause, method) in SHOWN {
        let outcome = race(id).check_with(
            &protocol.parse().expect("a protocol"),
            &method,
            &Options::default(),
        );
        println!(
            "{id} · {protocol} · {} · {} executions in {:.0} s",
            outcome.verdict(),
            outcome.executions,
            outcome.seconds
        );
        assert!(
            outcome.violations.iter().any(|count| count.name == clause),
            "{id} under {protocol}: {:?}",
            outcome.violations
        );
    }
}

/// S3.13/swapoff shows what memory hot-removal does, as document 0 has it. Reclaim does for that
/// (FINDING-87).
#[test]
#[ignore = "takes minutes"]
fn reclaim_unmaps_again_what_swapoff_brings_back() {
    let race = Race::new("reclaim", "S3.13/swapoff with reclaim in the place of hot-removal")
        .world(|w| {
            let parent = w.new_process();
            parent.mmap(1..2);
            parent.touch(1);
            let child = parent.fork();
            child.mmap(2..3);
            child.touch(2);
            child.swap_out(2);
            child.munmap(2..3);
            parent.swap_out(1);
            parent.read_ahead(1);
            w.contend_mmap_sem();
        })
        .cpu("swapoff (one round)", |w| {
            w.swapoff_begins();
            w.unuse_next();
        })
        .cpu("kswapd", |w| {
            w.process(0).page_now(1).into_iter().for_each(|page| w.shrink_page(page));
        })
        .cpu("store (the parent's)", |w| w.process(0).store(1, 8).expect("it is mapped"));
    for (protocol, expected) in
        [(Era::V2_6_13, Some("COW-2")), (Era::V2_6_29, Some("COW-2")), (Era::V2_6_36, None)]
    {
        let outcome = race.check_with(&protocol, &Method::States, &Options::default());
        println!("{protocol} · {} · {:?} states", outcome.verdict(), outcome.states);
        assert_eq!(outcome.coverage, Coverage::Exhaustive, "{protocol}");
        let violated: Vec<_> = outcome.violations.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(violated, Vec::from_iter(expected), "{protocol}");
    }
}
