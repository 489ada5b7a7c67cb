//! The search that goes on from each state once, against enumeration and an independent machine,
//! without its rules, and with keys that lack something.
//!
//! `DPOR_SEED` chooses other programs, `DPOR_PROGRAMS` how many of each kind.

use crate::common::Lock;
use crate::common::check::{explore, fault_by_states, in_slices};
use crate::common::program::{BLIND, Flavour, LEFT_OUT, Program, env};
use crate::structured::check::{Limits, fault_by_states as structured_fault};
use crate::structured::generate::{THEMES, Theme, program};
use dpor::{Access, Commute, DependenceRule, Explorer, Report, Strategy, Unfinished};

const LIMITS: Limits = Limits { states: 20_000, classes: 6_000, plain: 600 };

fn compare(flavour: Flavour) {
    let (mut compared, mut dpor, mut states, mut executions) = (0, 0, 0, 0);
    for seed in env("DPOR_SEED", 1).. {
        if compared == env("DPOR_PROGRAMS", 100) {
            break;
        }
        let program = Program::random(seed, flavour);
        match fault_by_states(&program, None) {
            Ok(None) => {}
            Ok(Some((plain, met, run))) => {
                compared += 1;
                dpor += plain;
                states += met;
                executions += run;
            }
            Err(first) => {
                let smallest = program.shrink(|program| fault_by_states(program, None).is_err());
                panic!(
                    "{flavour:?} seed {seed}: {smallest:#?}\n{}\nfirst: {first}",
                    fault_by_states(&smallest, None).unwrap_err()
                );
            }
        }
    }
    eprintln!(
        "{flavour:?}: {compared} programs agree, {dpor} executions of source-DPOR, {states} \
         states in {executions}"
    );
}

fn compare_structured(theme: Theme) {
    let (mut compared, mut dpor, mut states, mut executions, mut failing) = (0, 0, 0, 0, 0);
    for seed in env("DPOR_SEED", 1).. {
        if compared == env("DPOR_PROGRAMS", 100) {
            break;
        }
        let program = program(seed, theme);
        match structured_fault(&program, None, LIMITS) {
            Ok(None) => {}
            Ok(Some((plain, met, run, fails))) => {
                compared += 1;
                dpor += plain;
                states += met;
                executions += run;
                failing += u64::from(fails);
            }
            Err(first) => {
                let smallest =
                    program.shrink(|program| structured_fault(program, None, LIMITS).is_err());
                let why = structured_fault(&smallest, None, LIMITS).unwrap_err();
                panic!("{theme:?} seed {seed}: {smallest:#?}\n{why}\nfirst: {first}");
            }
        }
    }
    eprintln!(
        "{theme:?}: {compared} programs agree ({failing} fail), {dpor} executions of source-DPOR, \
         {states} states in {executions}"
    );
}

#[test]
fn flavours() {
    for flavour in
        [Flavour::Locks, Flavour::All, Flavour::Shared, Flavour::Semaphore, Flavour::Failing]
    {
        compare(flavour);
    }
}

#[test]
fn themes() {
    THEMES.into_iter().for_each(compare_structured);
}

/// Programs of each kind to try.
const KILLING: u64 = 3_000;

/// Does a program tell that the rule is dropped? From this seed on: nearer ones do not.
fn missed(rule: DependenceRule, from: u64) -> bool {
    let flavours = [Flavour::Locks, Flavour::Shared, Flavour::Failing, Flavour::All];
    (from..from + KILLING).any(|seed| {
        let flat = flavours.iter().find(|&&flavour| {
            fault_by_states(&Program::random(seed, flavour), Some(rule)).is_err()
        });
        let structured = || {
            THEMES
                .into_iter()
                .find(|&theme| structured_fault(&program(seed, theme), Some(rule), LIMITS).is_err())
        };
        let (flat, structured) = (flat, if flat.is_none() { structured() } else { None });
        if flat.is_some() || structured.is_some() {
            eprintln!("{rule:?}: seed {seed} {flat:?} {structured:?}");
        }
        flat.is_some() || structured.is_some()
    })
}

#[test]
fn every_rule_of_the_matching_is_needed() {
    for (rule, from) in [
        (DependenceRule::Summaries, 24),
        (DependenceRule::WaitingFollows, 40),
        (DependenceRule::UnknownBefore, 883),
        (DependenceRule::WokenStates, 1710),
        (DependenceRule::AloneNoMore, 1),
    ] {
        assert!(missed(rule, from), "{rule:?} is not missed");
    }
}

/// A part of the state that is not in its key is noticed, by the check or by what comes out.
#[test]
fn a_key_that_lacks_something_is_noticed() {
    let flavours =
        [Flavour::Locks, Flavour::Shared, Flavour::Failing, Flavour::All, Flavour::Semaphore];
    for part in ["words", "sem"] {
        LEFT_OUT.set(Some(part));
        let noticed = (1..KILLING).find_map(|seed| {
            flavours
                .iter()
                .find_map(|&flavour| fault_by_states(&Program::random(seed, flavour), None).err())
        });
        LEFT_OUT.set(None);
        let noticed = noticed.expect(part);
        eprintln!("{part}: {}", &noticed[..noticed.len().min(200)]);
    }
}

/// States that are forgotten are gone on from again.
#[test]
fn few_states_to_remember() {
    for seed in 1..60 {
        let program = Program::random(seed, Flavour::All);
        let (dpor, all) = explore(&program, Explorer::new(Strategy::Dpor), None);
        for (most, jobs) in [(0, 1), (3, 1), (10, 1), (3, 2), (10, 3)] {
            let explorer = Explorer::new(Strategy::States).max_states(most);
            let (report, seen) = explore(&program, explorer.jobs(jobs).in_turns(seed), None);
            assert!(report.exhausted && dpor.exhausted, "{report}");
            assert_eq!(
                (seen.failures, seen.endings),
                (all.failures.clone(), all.endings.clone()),
                "seed {seed}, {most} states, {jobs} jobs: {program:?}"
            );
        }
    }
}

/// Or there may be only so many of them at all.
#[test]
fn few_states_to_meet() {
    let mut decided = 0;
    for seed in 1..60 {
        let program = Program::random(seed, Flavour::All);
        let (whole, all) = explore(&program, Explorer::new(Strategy::States), None);
        let most = usize::try_from(whole.states).expect("a number of states");
        let few = |most| explore(&program, Explorer::new(Strategy::States).few_states(most), None);
        let (enough, seen) = few(most);
        if enough.why_unfinished == Some(Unfinished::States(most)) {
            continue; // its executions need not end
        }
        assert!(enough.exhausted && enough.states == whole.states, "seed {seed}: {enough}");
        assert_eq!((seen.failures, seen.endings), (all.failures, all.endings), "seed {seed}");
        let Some(fewer) = most.checked_sub(1) else { continue };
        let (short, _) = few(fewer);
        assert_eq!(short.why_unfinished, Some(Unfinished::States(fewer)), "{short}");
        assert!(!short.exhausted, "{short}");
        decided += 1;
    }
    assert!(decided > 30, "only {decided} have executions that end");
}

/// So are those for which there is no memory: a process has more than a byte. Which task took a step
/// last makes states of this program differ, and it has more than are remembered before anybody
/// looks.
#[test]
fn little_memory() {
    let program = || {
        let object = dpor::object();
        let taken: std::rc::Rc<std::cell::RefCell<([u64; 3], usize)>> = Default::default();
        let named = std::rc::Rc::clone(&taken);
        dpor::name_state(move |digest| {
            let (counts, last) = *named.borrow();
            counts.into_iter().chain([last as u64]).for_each(|value| digest.put(value));
        });
        let task = |me: usize| {
            let taken = std::rc::Rc::clone(&taken);
            dpor::spawn(me.to_string(), move || {
                for _ in 0..3 {
                    dpor::step(object, Access::Write);
                    let mut taken = taken.borrow_mut();
                    (taken.0[me], taken.1) = (taken.0[me] + 1, me);
                }
                assert!(taken.borrow().0 != [3, 3, 3] || taken.borrow().1 != 2, "it is the last");
            })
        };
        for task in (0..3).map(task).collect::<Vec<_>>() {
            task.join();
        }
    };
    let states = || Explorer::new(Strategy::States);
    let (all, plenty) = (states().run(program), states().max_memory(u64::MAX).run(program));
    let few = states().max_memory(1).run(program);
    assert!(all.exhausted && plenty.exhausted && few.exhausted, "{all}, {plenty}, {few}");
    assert!(all.failing > 0 && few.failing >= all.failing, "{all}, {few}");
    assert_eq!(plenty.states, all.states);
    assert!(few.states > all.states || !cfg!(target_os = "linux"), "{all}, {few}");
}

#[test]
fn what_is_not_done_is_refused() {
    let unavailable = |report: Report| match report.why_unfinished {
        Some(Unfinished::Unavailable(why)) if !report.exhausted => why,
        _ => panic!("{report}"),
    };
    let unnamed = || {
        let object = dpor::object();
        dpor::spawn("task", move || dpor::step(object, Access::Write)).join();
    };
    eprintln!("{}", unavailable(Explorer::new(Strategy::States).run(unnamed)));
    let commuted = Explorer::new(Strategy::States)
        .commute(Commute::default(), unnamed)
        .expect("nothing was compared");
    eprintln!("{}", unavailable(commuted.report));
}

/// Classes are many and states few, whether what changes is protected by a lock or not.
#[test]
fn many_classes_of_few_states() {
    for locked in [true, false] {
        let program = move || {
            let (lock, object) = (Lock::new(), dpor::object());
            let count = std::rc::Rc::new(std::cell::Cell::new(0));
            let named = (lock.clone(), std::rc::Rc::clone(&count));
            dpor::name_state(move |digest| {
                digest.put(named.0.peek().into());
                digest.put(named.1.get());
            });
            let task = |name: &str| {
                let (lock, count) = (lock.clone(), std::rc::Rc::clone(&count));
                dpor::spawn(name, move || {
                    for _ in 0..4 {
                        if locked {
                            lock.lock();
                            count.set(count.get() + 1);
                            lock.unlock();
                        } else {
                            dpor::step(object, Access::Rmw);
                            count.set(count.get() + 1);
                            dpor::observed(0);
                        }
                    }
                })
            };
            for task in ["one", "another", "a third"].map(task) {
                task.join();
            }
        };
        let dpor = Explorer::new(Strategy::Dpor).run(program);
        assert!(dpor.exhausted && dpor.complete == 34_650, "{dpor}");
        let by_states = Explorer::new(Strategy::States).run(program);
        assert!(by_states.exhausted && by_states.executions < 400, "{by_states}");
        assert!(by_states.states < 200, "{} states", by_states.states);
    }
}

/// What a task has read and does not say is unlike anything else, on whichever thread that was, and
/// before and after a search was stopped.
#[test]
fn what_is_not_said_is_unlike_all_else() {
    for (sum, turns) in (0..5).flat_map(|sum| (0..60).map(move |turns| (sum, turns))) {
        let program = move || {
            let (object, other) = (dpor::object(), dpor::object());
            let shared = std::rc::Rc::new(std::cell::Cell::new(0));
            let named = std::rc::Rc::clone(&shared);
            dpor::name_state(move |digest| digest.put(named.get()));
            let read = std::rc::Rc::clone(&shared);
            let reader = dpor::spawn("reader", move || {
                let mut seen = 0;
                for _ in 0..2 {
                    dpor::step(object, Access::Read);
                    seen += read.get();
                    dpor::step(other, Access::Write);
                }
                assert_ne!(seen, sum);
            });
            let writer = dpor::spawn("writer", move || {
                for value in 1..3 {
                    dpor::step(object, Access::Write);
                    shared.set(value);
                }
            });
            [reader, writer].into_iter().for_each(dpor::JoinHandle::join);
        };
        let report = Explorer::new(Strategy::States).jobs(2).in_turns(turns).run(program);
        assert!(report.exhausted && report.failing > 0, "{sum}, turns by {turns}: {report}");
        let budget = dpor::Budget { executions: Some(1 + turns % 3), time: None };
        let explorer = Explorer::new(Strategy::States).in_turns(turns).budget(budget);
        let report = in_slices(explorer, 1_000, |slice| slice.run(program)).unwrap();
        assert!(report.failing > 0, "{sum}, in slices of {:?}: {report}", budget.executions);
    }
}

/// It does not look as if the program were not deterministic where a state is gone on from again.
#[test]
fn what_follows_may_not_be_said() {
    let report = Explorer::new(Strategy::States).run(|| {
        let (sum, done) = (dpor::object(), dpor::object());
        let shared = std::rc::Rc::new(std::cell::Cell::new((0, 0)));
        let named = std::rc::Rc::clone(&shared);
        dpor::name_state(move |digest| {
            digest.put(named.get().0);
            digest.put(named.get().1);
        });
        let adder = |value: u64| {
            let shared = std::rc::Rc::clone(&shared);
            dpor::spawn(value.to_string(), move || {
                dpor::step(sum, Access::Rmw);
                shared.set((shared.get().0 + value, shared.get().1));
                dpor::observed(0);
                dpor::step(done, Access::Update);
                shared.set((shared.get().0, shared.get().1 + 1));
            })
        };
        let tasks = [1, 2, 3].map(adder);
        let read = std::rc::Rc::clone(&shared);
        let reader = dpor::spawn("reader", move || {
            dpor::step_when(done, Access::Wait, &|| read.get().1 == 3);
            dpor::step(sum, Access::Read);
            let seen = read.get().0;
            dpor::step(sum, Access::Write);
            assert_eq!(seen, 6);
        });
        tasks.into_iter().chain([reader]).for_each(dpor::JoinHandle::join);
    });
    assert!(report.exhausted && report.failing == 0 && report.blocked > 0, "{report}");
}

/// Who makes its data first depends on the interleaving, and does not tell states apart.
#[test]
fn data_goes_by_who_made_it() {
    let report = Explorer::new(Strategy::States).run(|| {
        let (shared, lock) = (dpor::object(), Lock::new());
        let named = lock.clone();
        dpor::name_state(move |digest| digest.put(named.peek().into()));
        let task = |name: &str| {
            let lock = lock.clone();
            dpor::spawn(name, move || {
                dpor::step(shared, Access::Write);
                let cell = dpor::data();
                lock.lock();
                assert_eq!(dpor::data_access(cell, true), Ok(()));
                lock.unlock();
            })
        };
        for task in [task("one"), task("another")] {
            task.join();
        }
    });
    assert!(report.exhausted && report.failing == 0, "{report}");
}

/// What a task waits for, in rounds: whether it was set is all by which states are told apart.
#[derive(Clone)]
pub struct Flags(std::rc::Rc<[(dpor::ObjectId, std::cell::Cell<bool>); 2]>);

impl Flags {
    pub fn new() -> Self {
        let flags = Flags([(); 2].map(|()| (dpor::object(), Default::default())).into());
        let named = flags.clone();
        dpor::name_state(move |digest| {
            named.0.iter().for_each(|(_, set)| digest.put(set.get().into()));
        });
        flags
    }

    pub fn set(&self, which: usize) {
        let (object, set) = &self.0[which];
        dpor::step(*object, Access::Write);
        set.set(true);
    }

    pub fn is_set(&self, which: usize) -> bool {
        let (object, set) = &self.0[which];
        dpor::step(*object, Access::Read);
        dpor::observed(set.get().into());
        set.get()
    }

    pub fn wait_for(&self, which: usize, in_each_round: impl Fn()) {
        loop {
            dpor::round(which as u64, || 0);
            if self.is_set(which) {
                break;
            }
            in_each_round();
        }
    }

    /// Somebody goes round in a circle first, so that the search goes round in circles. Where he
    /// changed nothing, his rounds would be in vain.
    pub fn circle(&self) {
        let ([waits, sets], own) = ([self.clone(), self.clone()], dpor::data());
        let changes = move || assert_eq!(dpor::data_access(own, true), Ok(()));
        let waits = dpor::spawn("waits", move || waits.wait_for(1, changes));
        let sets = dpor::spawn("sets", move || sets.set(1));
        [waits, sets].into_iter().for_each(dpor::JoinHandle::join);
    }
}

/// A round forgets what it has touched: data that only races with a round before is found all the
/// same, whoever comes first.
#[test]
fn data_in_a_circle_races() {
    for rounds_first in [true, false] {
        let report = Explorer::new(Strategy::States).unchecked().run(move || {
            let (x, flags) = (dpor::data(), Flags::new());
            let [waits, sets] = [flags.clone(), flags.clone()];
            let rounds =
                move || waits.wait_for(0, || assert_eq!(dpor::data_access(x, true), Ok(())));
            let once = move || {
                sets.set(0);
                assert_eq!(dpor::data_access(x, false), Ok(()));
            };
            let tasks = if rounds_first {
                [dpor::spawn("rounds", rounds), dpor::spawn("once", once)]
            } else {
                [dpor::spawn("once", once), dpor::spawn("rounds", rounds)]
            };
            tasks.into_iter().for_each(dpor::JoinHandle::join);
        });
        assert!(report.failing > 0, "{rounds_first}: {report} {}", report.states);
    }
}

/// One has ended, and may have touched data or not: only who has joined it may touch it, too.
#[test]
fn data_of_who_has_ended_races() {
    for joins in [true, false] {
        let report = Explorer::new(Strategy::States).unchecked().run(move || {
            let (x, flags) = (dpor::data(), Flags::new());
            let [waits, sets, looks] = [(); 3].map(|()| flags.clone());
            flags.circle();
            let ends = move || {
                if !looks.is_set(0) {
                    assert_eq!(dpor::data_access(x, true), Ok(()));
                }
            };
            let rounds = move || {
                waits.wait_for(0, || ());
                assert_eq!(dpor::data_access(x, false), Ok(()));
            };
            let sets = move || sets.set(0);
            let tasks = if joins {
                dpor::spawn("ends", ends).join();
                vec![dpor::spawn("sets", sets), dpor::spawn("rounds", rounds)]
            } else {
                let (sets, ends) = (dpor::spawn("sets", sets), dpor::spawn("ends", ends));
                vec![sets, ends, dpor::spawn("rounds", rounds)]
            };
            tasks.into_iter().for_each(dpor::JoinHandle::join);
        });
        assert_eq!(report.failing > 0, !joins, "{report} {}", report.states);
    }
}

/// What is said of changes tells the same states apart as what names the whole.
#[test]
fn changes_tell_states_apart() {
    let states = |says: bool| {
        let report = Explorer::new(Strategy::States).run(move || {
            let words: std::rc::Rc<[(dpor::ObjectId, std::cell::Cell<u64>); 2]> =
                [(); 2].map(|()| (dpor::object(), Default::default())).into();
            let named = std::rc::Rc::clone(&words);
            dpor::name_state(move |digest| {
                named.iter().filter(|_| !says).for_each(|(_, value)| digest.put(value.get()))
            });
            let task = |number: u64| {
                let words = std::rc::Rc::clone(&words);
                dpor::spawn(number.to_string(), move || {
                    for (object, value) in words.iter() {
                        dpor::step(*object, Access::Rmw);
                        dpor::observed(value.get());
                        let of = |value: u64| {
                            let mut digest = dpor::Digest::default();
                            digest.put(value);
                            digest
                        };
                        let (before, after) = (value.get(), (value.get() + number) % 3);
                        value.set(after);
                        if says && dpor::tells() {
                            dpor::changed(*object, of(before), of(after));
                        }
                    }
                })
            };
            for task in (0..3).map(task).collect::<Vec<_>>() {
                task.join();
            }
        });
        assert!(report.exhausted && report.failing == 0, "{report}");
        (report.states, report.executions)
    };
    assert_eq!(states(true), states(false));
}

/// Tries until it gets the lock, and `says` what it does with its data, which is nothing.
pub fn tries(says: bool) -> impl Fn() + Send + Sync + Copy + 'static {
    move || {
        let lock = Lock::new();
        let _ = says.then(dpor::data);
        let (theirs, named) = (lock.clone(), lock.clone());
        dpor::name_state(move |digest| digest.put(named.peek().into()));
        let task = dpor::spawn("holder", move || {
            theirs.lock();
            theirs.unlock();
        });
        loop {
            dpor::round(0, || 0);
            if lock.try_lock() {
                break;
            }
        }
        lock.unlock();
        task.join();
    }
}

/// Rounds that only look make no circle, if nobody changes data in them.
#[test]
fn rounds_in_vain_are_no_circle() {
    let report = Explorer::new(Strategy::States).few_states(100).run(tries(true));
    assert!(report.exhausted && report.failing == 0 && report.complete > 1, "{report}");
}

/// A circle needs all of its states.
#[test]
fn a_circle_with_too_many_states_is_unfinished() {
    let program = tries(false);
    let whole = Explorer::new(Strategy::States).run(program);
    assert!(whole.exhausted && whole.failing == 0, "{whole}");
    // Where any circle ends it, no number of states is enough.
    let circle = Explorer::new(Strategy::States).few_states(100_000).run(program);
    assert_eq!(circle.why_unfinished, Some(Unfinished::States(100_000)), "{circle}");
    let short = Explorer::new(Strategy::States).max_states(1).run(program);
    assert!(
        !short.exhausted
            && matches!(
                short.why_unfinished,
                Some(Unfinished::States(1) | Unfinished::TooLong { .. })
            ),
        "{short}"
    );
}

#[test]
fn an_observation_that_lacks_is_noticed() {
    for task in 0..2 {
        BLIND.set(Some(task));
        let noticed = (1..KILLING).find_map(|seed| {
            LEFT_OUT.set(Some("registers"));
            fault_by_states(&Program::random(seed, Flavour::Failing), None).err()
        });
        BLIND.set(None);
        LEFT_OUT.set(None);
        assert!(noticed.is_some());
    }
}
