//! Rounds of retry loops that lead on, though nobody has noticed them yet.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::common::Word;
use dpor::{Explorer, Strategy};

fn hash(state: [i64; 2]) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// What the second task has seen in some execution of a program of two.
fn seen(
    explorer: Explorer,
    first: impl Fn(&[Word; 2]) + Send + Sync + Copy + 'static,
    second: impl Fn(&[Word; 2]) -> i64 + Send + Sync + Copy + 'static,
) -> BTreeSet<i64> {
    let all = Arc::new(Mutex::new(BTreeSet::new()));
    let sink = Arc::clone(&all);
    let report = explorer.run(move || {
        let words = Rc::new([Word::new(0), Word::new(0)]);
        let _ = dpor::data(); // the program says who changes its data: nobody
        let (named, ended) = (Rc::clone(&words), Rc::new(Cell::new(0)));
        let told = Rc::clone(&ended);
        dpor::name_state(move |digest| {
            (named.each_ref().map(Word::peek), told.get()).hash(digest);
        });
        let of_first = Rc::clone(&words);
        let first = dpor::spawn("first", move || first(&of_first));
        let sink = Arc::clone(&sink);
        let second = dpor::spawn("second", move || {
            let value = second(&words);
            ended.set(value);
            sink.lock().unwrap().insert(value);
        });
        [first, second].into_iter().for_each(dpor::JoinHandle::join);
    });
    assert!(report.exhausted && report.failing == 0, "{report:?}");
    std::mem::take(&mut *all.lock().unwrap())
}

/// A round in which a task has only looked leads on if it carries something else along: nobody goes
/// round in a circle, which would be unfinished by few states.
#[test]
fn what_is_carried_round_tells_rounds_apart() {
    let by_states = Explorer::new(Strategy::States).few_states(1_000);
    for explorer in [Explorer::new(Strategy::Dpor), by_states] {
        let first = |[asked, other]: &[Word; 2]| {
            for tries in 0..4 {
                dpor::round_carrying(0, tries, || hash([asked.peek(), other.peek()]));
                asked.read();
                if tries == 2 {
                    other.write(1);
                }
            }
        };
        let second = |[asked, other]: &[Word; 2]| {
            let value = other.read();
            asked.write(1);
            value
        };
        assert_eq!(seen(explorer, first, second), [0, 1].into());
    }
}

/// So it does if it leaves something behind that nobody has looked at yet.
#[test]
fn a_round_that_changes_something_leads_on() {
    for strategy in [Strategy::Dpor, Strategy::States] {
        let first = |[flag, counter]: &[Word; 2]| {
            loop {
                dpor::round(0, || hash([flag.peek(), counter.peek()]));
                let next = (counter.peek() + 1) % 3;
                counter.write(next);
                if flag.read() != 0 {
                    break;
                }
            }
        };
        let second = |[flag, counter]: &[Word; 2]| {
            let value = counter.read();
            flag.write(1);
            value
        };
        assert_eq!(seen(Explorer::new(strategy), first, second), [0, 1, 2].into());
    }
}
