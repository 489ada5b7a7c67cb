//! Threads, shards and pauses do not change what is found.

mod common;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::check::explore;
use common::program::{Flavour, Program};
use common::{Variant, family};
use dpor::{Budget, Explorer, Saved, Strategy, Unfinished};

#[test]
fn any_number_of_jobs_counts_the_same() {
    for jobs in [1, 2, 3, 5] {
        for (variant, t, k, classes) in [(Variant::FixedPlain, 3, 2, 630), (Variant::NoAssert, 3, 2, 4416), (Variant::FixedPlain, 1, 1, 2)]
        {
            let report = Explorer::new(Strategy::Dpor).jobs(jobs).run(family(variant, 2, t, k));
            assert!(report.exhausted && report.complete == classes, "{jobs} jobs: {report}");
            eprintln!("{jobs} jobs: {report} in {:?}", report.elapsed);
        }
    }
}

#[test]
fn random_programs_in_parts() {
    for seed in 1..150 {
        for flavour in [Flavour::Locks, Flavour::All, Flavour::Shared, Flavour::Failing] {
            let program = Program::random(seed, flavour);
            let (alone, seen) = explore(&program, Explorer::new(Strategy::Dpor), None);
            let dpor = || Explorer::new(Strategy::Dpor);
            for explorer in [dpor().jobs(3), dpor().always_give(), dpor().shard(0, 1).jobs(2), dpor().shard(0, 1).always_give()] {
                let (report, again) = explore(&program, explorer, None);
                // A failure ends its execution, so what is counted as failing depends on the order.
                if seen.failures.is_empty() {
                    assert_eq!((alone.complete, &seen.classes), (report.complete, &again.classes), "seed {seed} {flavour:?}");
                }
                assert!(report.saved.is_some_and(|saved| saved.is_done()) || report.why_unfinished.is_some());
                assert_eq!((&seen.endings, &seen.failures), (&again.endings, &again.failures), "seed {seed} {flavour:?}");
            }
        }
    }
}

#[test]
fn threads_take_part() {
    let workers = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&workers);
    let explorer = Explorer::new(Strategy::Dpor).jobs(3).on_execution(move |_| {
        seen.lock().unwrap().insert(thread::current().id());
        ControlFlow::Continue(())
    });
    let report = explorer.run(family(Variant::FixedPlain, 2, 3, 3));
    assert!(report.exhausted && report.complete == 16_800, "{report}");
    assert!(workers.lock().unwrap().len() > 1, "one thread did everything");
}

/// By hand: `cargo test -p dpor --test parallel -- --ignored --nocapture`.
#[test]
#[ignore = "takes seconds"]
fn speed_of_jobs() {
    for jobs in [1, 2] {
        let report = Explorer::new(Strategy::Dpor).jobs(jobs).run(family(Variant::FixedPlain, 2, 3, 4));
        eprintln!("{jobs} jobs: {report} in {:?}", report.elapsed);
        assert_eq!(report.complete, 450_450);
    }
}

#[test]
fn shards_add_up() {
    for shards in [1, 2, 3, 7] {
        let saved: Vec<Saved> = (0..shards)
            .map(|shard| {
                let report = Explorer::new(Strategy::Dpor).shard(shard, shards).run(family(Variant::Buggy, 2, 3, 1));
                assert!(!report.exhausted && report.why_unfinished == Some(Unfinished::Shard));
                report.saved.unwrap().to_string().parse().unwrap()
            })
            .collect();
        let merged = Saved::merge(&saved).unwrap();
        let alone = Explorer::new(Strategy::Dpor).run(family(Variant::Buggy, 2, 3, 1));
        assert_eq!(merged.failures[0].0, alone.failures[0].kind.class());
        assert!(Saved::merge(&saved[1..]).is_err() || shards == 1);
        let fixed: Vec<Saved> = (0..shards)
            .map(|shard| {
                let explorer = Explorer::new(Strategy::Dpor).shard(shard, shards).jobs(1 + shard as usize % 2);
                explorer.run(family(Variant::NoAssert, 2, 3, 1)).saved.unwrap()
            })
            .collect();
        assert_eq!(Saved::merge(&fixed).unwrap().complete, 144);
    }
}

#[test]
fn stopping_and_going_on_changes_nothing() {
    for (jobs, slice) in [(1, 1), (1, 37), (2, 50)] {
        let mut saved: Option<Saved> = None;
        let mut slices = 0;
        loop {
            let mut explorer = Explorer::new(Strategy::Dpor).jobs(jobs);
            explorer = explorer.budget(Budget { executions: Some(slice), time: None });
            if let Some(saved) = saved.take() {
                explorer = explorer.resume(saved.to_string().parse().unwrap());
            }
            let report = explorer.run(family(Variant::FixedPlain, 2, 2, 2));
            let state = report.saved.clone().unwrap();
            assert_eq!(state.to_string().parse::<Saved>().unwrap(), state);
            slices += 1;
            if report.exhausted {
                assert_eq!(report.complete, 30, "{report}");
                break;
            }
            assert!(report.why_unfinished == Some(Unfinished::Executions) && !state.is_done());
            assert!(slices < 200);
            saved = Some(state);
        }
        assert!(slices > 1 || slice > 30);
    }
}

#[test]
fn never_exhausted_when_stopped() {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let explorer = Explorer::new(Strategy::Dpor).jobs(2).stop_flag(stop).on_progress(move |_| flag.store(true, Ordering::Relaxed));
    let report = explorer.run(family(Variant::FixedPlain, 2, 3, 4));
    assert!(!report.exhausted && report.why_unfinished == Some(Unfinished::Stopped) && report.frontier > 0, "{report}");
    let budget = Budget { executions: None, time: Some(Duration::from_millis(20)) };
    let report = Explorer::new(Strategy::Dpor).budget(budget).run(family(Variant::FixedPlain, 2, 3, 4));
    assert!(!report.exhausted && report.why_unfinished == Some(Unfinished::Time), "{report}");
}

#[test]
fn malformed_saves_are_errors() {
    for text in [
        "",
        "dpor exploration 2",
        "dpor exploration 2\nstate 0 - - -\nend",
        "dpor exploration 2\ndepth x\nend",
        "dpor exploration 2\nleft 1\nend",
    ] {
        assert!(text.parse::<Saved>().is_err(), "{text:?}");
    }
}
