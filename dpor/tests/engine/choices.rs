//! Steps whose outcome the explorer chooses.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use dpor::{Commute, Explorer, JoinHandle, Memory, Strategy, Unfinished};

use crate::common::Word;

type Endings = Arc<Mutex<BTreeSet<Vec<u64>>>>;

/// Two tasks choose what they write to one word; what they chose, and what is left. `wrong` is an
/// ending that fails.
fn program(wrong: Option<[u64; 3]>, endings: Endings) -> impl Fn() + Send + Sync + 'static {
    move || {
        let (word, chosen) = (Word::new(0), Rc::new(RefCell::new(vec![0, 0])));
        let writers = [0, 1].map(|task| {
            let (word, chosen) = (word.clone(), Rc::clone(&chosen));
            dpor::spawn("writer", move || {
                let choice = u64::from(dpor::choose(2 + task as u32));
                chosen.borrow_mut()[task] = choice;
                word.write(10 * (task as i64 + 1) + choice as i64);
            })
        });
        writers.into_iter().for_each(JoinHandle::join);
        if dpor::aborting() {
            return;
        }
        let mut ending = chosen.borrow().clone();
        ending.push(word.read() as u64);
        dpor::note(|| [("ending", format!("{ending:?}"))]);
        endings.lock().unwrap().insert(ending.clone());
        assert_ne!(Some(&ending[..]), wrong.as_ref().map(|wrong| &wrong[..]), "it is wrong");
    }
}

fn explored(explorer: Explorer) -> (BTreeSet<Vec<u64>>, dpor::Report) {
    let endings = Endings::default();
    let report = explorer.run(program(None, Arc::clone(&endings)));
    (std::mem::take(&mut *endings.lock().unwrap()), report)
}

/// Each choice with each order of the writes.
#[test]
fn all_of_them() {
    let all: BTreeSet<Vec<u64>> = (0..2)
        .flat_map(|a| (0..3).flat_map(move |b| [vec![a, b, 10 + a], vec![a, b, 20 + b]]))
        .collect();
    for memory in Memory::ALL {
        for (strategy, classes) in [(Strategy::Dpor, true), (Strategy::Dfs, false)] {
            let (found, report) = explored(Explorer::new(strategy).memory(memory));
            assert!(report.exhausted && found == all, "{memory:?}: {report} {found:?}");
            assert!(!classes || report.complete == 12 && report.blocked == 0, "{report}");
        }
    }
    let (found, _) = explored(Explorer::new(Strategy::Random { seed: 1, iterations: 300 }));
    assert_eq!(found, all);
    let (found, report) = explored(Explorer::new(Strategy::Dpor).jobs(2).always_give());
    assert!(report.exhausted && report.complete == 12 && found == all, "{report}");
    let shards = (0..2).map(|shard| explored(Explorer::new(Strategy::Dpor).shard(shard, 2)));
    let (found, complete) = shards.fold((BTreeSet::new(), 0), |(mut all, sum), (found, report)| {
        all.extend(found);
        (all, sum + report.complete)
    });
    assert!(complete == 12 && found == all, "{complete}");
    let checked = Explorer::new(Strategy::Dpor)
        .commute(Commute::default(), program(None, Endings::default()));
    checked.expect("choices commute");
}

/// A choice is no preemption, whatever was chosen; and it is part of the schedule.
#[test]
fn the_fewest_preemptions() {
    let wrong = Some([1, 2, 11]);
    let report = Explorer::new(Strategy::FewestPreemptions { max: None })
        .run(program(wrong, Endings::default()));
    let failure = &report.failures[0];
    assert!(report.minimal && failure.preemptions == 0, "{report} {failure}");
    let schedule = failure.schedule.to_string();
    assert!(schedule.contains("1:1") && schedule.contains("2:2"), "{schedule}");
    let replayed = Explorer::new(Strategy::Replay(failure.schedule.clone()))
        .run(program(wrong, Endings::default()));
    assert_eq!(replayed.failing, 1);
    let other = schedule.replace("2:2", "2:3").parse().unwrap();
    let misfit = Explorer::new(Strategy::Replay(other)).run(program(wrong, Endings::default()));
    assert!(
        matches!(&misfit.why_unfinished, Some(Unfinished::Misfit { why, .. })
            if why == "outcome 3 is asked for, and the step does not have it"),
        "{misfit}"
    );
}

/// Who asks in every round may be told the same for ever; if he is told so each time but the last, he
/// goes on.
#[test]
fn a_loop_that_chooses() {
    let program = || {
        let (tells, told) = (Word::new(0), Rc::new(RefCell::new(false)));
        let (asks, theirs) = (Rc::clone(&told), tells.clone());
        let asking = dpor::spawn("asks", move || {
            loop {
                dpor::round(0, || u64::from(*asks.borrow()));
                if dpor::choose(2) == 1 || dpor::aborting() {
                    break;
                }
            }
            theirs.write(1);
        });
        asking.join();
        *told.borrow_mut() = tells.read() == 1;
    };
    let report = Explorer::new(Strategy::Dpor).run(program);
    let livelocks =
        |failure: &dpor::Failure| matches!(failure.kind, dpor::FailureKind::Livelock { .. });
    assert!(report.exhausted && report.failures.iter().all(livelocks), "{report}");
    assert!(report.failing > 0 && report.complete > report.failing, "{report}");
}

/// A search by states has none, and says so.
#[test]
fn not_by_states() {
    let report = Explorer::new(Strategy::States).run(|| {
        dpor::name_state(|_| ());
        dpor::choose(2);
    });
    assert!(
        matches!(&report.why_unfinished, Some(Unfinished::Unavailable(why)) if why.contains("choose")),
        "{report}"
    );
}
