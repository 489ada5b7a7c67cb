//! What else there is besides exploring everything: other strategies, threads, parts, replays,
//! failures, and the rest of the crate.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::{Arc, Mutex};

use dpor::memory::{self, Word, fence};
use dpor::{
    Access, Budget, Commute, Explorer, FailureKind, JoinHandle, Memory, Report, Schedule, Strategy,
    Unfinished,
};

use crate::program::{Program, exhaust, explorable, explore, seeds};

/// Two tasks and words, and what is to be made of what the tasks return.
fn two(
    body: fn(usize, &[Word]) -> u64,
    verdict: fn([u64; 2]),
) -> impl Fn() + Send + Sync + 'static {
    move || {
        let words = [Word::new(0), Word::new(0)];
        let results = [0, 1].map(|_| Rc::new(Cell::new(0)));
        let tasks = [0, 1].map(|task| {
            let (words, result) = (words.clone(), Rc::clone(&results[task]));
            dpor::spawn(format!("P{task}"), move || result.set(body(task, &words)))
        });
        tasks.into_iter().for_each(JoinHandle::join);
        verdict(results.map(|result| result.get()));
    }
}

fn store_buffering() -> impl Fn() + Send + Sync + 'static {
    let body = |task: usize, words: &[Word]| {
        words[task].store(1, Relaxed);
        words[1 - task].load(Relaxed)
    };
    two(body, |read| assert_ne!(read, [0, 0], "both have read the old value"))
}

/// Plain enumeration finds the same outcomes.
#[test]
fn without_reduction() {
    let seeds = seeds(40);
    for memory in Memory::ALL {
        let (mut compared, mut reduction) = (0, 0);
        for seed in seeds.clone() {
            let program = Program::random(seed, 5);
            let (reduced, few) = exhaust(&program, memory);
            let explorer = Explorer::new(Strategy::Dfs)
                .memory(memory)
                .budget(Budget { executions: Some(20_000), time: None });
            let (all, many) = explore(explorer, &program);
            if many.exhausted {
                assert_eq!(all, reduced, "{memory:?} {program:?}");
                assert!(many.complete >= few.complete);
                (compared, reduction) = (compared + 1, reduction + many.complete - few.complete);
            }
        }
        eprintln!("{memory:?}: {compared} programs, {reduction} executions less");
        assert!(
            compared * 10 > 9 * (seeds.end - seeds.start) && reduction > compared,
            "{memory:?}: {compared}, {reduction}"
        );
    }
}

/// Executions whose steps are ordered alike are equivalent.
#[test]
fn steps_commute() {
    let seeds = seeds(100);
    for memory in Memory::ALL {
        let (mut replays, mut reordered, mut values) = (0, 0, 0);
        for seed in seeds.clone() {
            let program = Program::random(seed, 7);
            let explorer = Explorer::new(Strategy::Dpor).memory(memory);
            let checked =
                explorer.commute(Commute { seed, per_execution: 2 }, explorable(&program, drop));
            let checked = checked
                .unwrap_or_else(|disagreement| panic!("{memory:?} {program:?}\n{disagreement}"));
            assert!(checked.report.exhausted, "{memory:?} {program:?}: {checked}");
            replays += checked.replays;
            reordered += checked.reordered;
            values += checked.values;
        }
        eprintln!("{memory:?}: {replays} replays, {reordered} in another order, {values} values");
        assert!(
            reordered * 3 > replays && values > replays && replays > seeds.end - seeds.start,
            "{memory:?}"
        );
    }
}

/// Samplers find nothing else, and a good part of it.
#[test]
fn samples() {
    let iterations = 200;
    let strategies = [
        Strategy::Random { seed: 1, iterations },
        Strategy::Pct { seed: 1, depth: 3, iterations },
        Strategy::Urw { seed: 1, iterations },
    ];
    for memory in Memory::ALL {
        let (mut sampled, mut possible) = (0, 0);
        for (seed, strategy) in
            (0..15).flat_map(|seed| strategies.iter().map(move |strategy| (seed, strategy)))
        {
            let program = Program::random(seed, 7);
            let (outcomes, _) = exhaust(&program, memory);
            let (found, report) = explore(Explorer::new(strategy.clone()).memory(memory), &program);
            assert!(found.is_subset(&outcomes) && report.failing == 0, "{memory:?} {program:?}");
            (sampled, possible) = (sampled + found.len(), possible + outcomes.len());
        }
        assert!(sampled * 2 > possible, "{memory:?}: {sampled} of {possible}");
    }
}

/// A failure's schedule, with the outcomes in it, shows the failure again.
#[test]
fn failures_are_replayed() {
    for memory in [Memory::Tso, Memory::Pso, Memory::Weak] {
        let report = Explorer::new(Strategy::Dpor).memory(memory).run(store_buffering());
        assert!(report.exhausted && report.failing > 0, "{report}");
        let schedule: Schedule = report.failures[0].schedule.to_string().parse().unwrap();
        let replayed =
            Explorer::new(Strategy::Replay(schedule)).memory(memory).run(store_buffering());
        assert_eq!(
            replayed.failures[0].kind.class(),
            report.failures[0].kind.class(),
            "{memory:?}"
        );
        assert_eq!(replayed.failures[0].schedule, report.failures[0].schedule);
    }
    let report = Explorer::new(Strategy::Dpor).run(store_buffering());
    assert!(report.exhausted && report.failing == 0, "{report}");
}

/// A task that fails on a value that it reads does so if, and only if, it can read it.
#[test]
fn failures_are_found() {
    for memory in Memory::ALL {
        let mut failing = 0;
        for seed in 0..80 {
            let program = Program::random(seed, 7);
            let (outcomes, _) = exhaust(&program, memory);
            let reads = outcomes.first().unwrap().len() - program.words;
            for read in 0..reads {
                let bad = outcomes.iter().next_back().unwrap()[read];
                let other = 1 + program.tasks.iter().map(Vec::len).sum::<usize>() as u64;
                for value in [bad, other] {
                    let report = Explorer::new(Strategy::Dpor)
                        .memory(memory)
                        .run(failing_at(&program, read, value));
                    let possible = outcomes.iter().any(|outcome| outcome[read] == value);
                    assert!(
                        report.exhausted && (report.failing > 0) == possible,
                        "{memory:?} read {read} of {value}: {report} {program:?}"
                    );
                    failing += usize::from(possible);
                }
            }
        }
        assert!(failing > 50);
    }
}

/// The program, in which the task that reads the value there panics at once.
fn failing_at(program: &Program, read: usize, value: u64) -> impl Fn() + Send + Sync + 'static {
    let program = program.clone();
    move || {
        let words: Vec<Word> = (0..program.words).map(|_| Word::new(0)).collect();
        let mut before = 0;
        for instrs in &program.tasks {
            let (instrs, words, first) = (instrs.clone(), words.clone(), before);
            before += crate::program::reads(&instrs);
            let _not_joined = dpor::spawn("task", move || {
                crate::program::run(&instrs, &words, |index, seen| {
                    assert!(first + index != read || seen != value, "it is read")
                });
            });
        }
    }
}

fn unavailable(report: &Report) -> String {
    assert!(!report.exhausted);
    match &report.why_unfinished {
        Some(Unfinished::Unavailable(why)) => why.clone(),
        other => panic!("{other:?}"),
    }
}

/// What cannot be done is refused.
#[test]
fn what_is_not_available() {
    let weak = Explorer::new(Strategy::States).memory(Memory::Weak).run(store_buffering());
    assert!(unavailable(&weak).contains("not under Memory::Weak"));
    for memory in [Memory::Tso, Memory::Pso, Memory::Weak] {
        let report = Explorer::new(Strategy::FewestPreemptions { max: None })
            .memory(memory)
            .run(store_buffering());
        let failure = &report.failures[0];
        assert!(report.minimal && failure.kind.class().contains("old value"), "{report}");
        // One task goes on while the other's store is on its way, or does not see it.
        assert_eq!(failure.preemptions, 1, "{report}");
    }
}

/// Two writers of plain data, or one and a reader, are in order if a release and an acquisition are
/// between them.
#[test]
fn plain_data() {
    let program = |release: bool, acquire: bool, fences: bool| {
        move || {
            let (data, flag) = (dpor::data(), Word::new(0));
            let theirs = flag.clone();
            let writer = dpor::spawn("writer", move || {
                dpor::data_access(data, true).unwrap_or_else(|race| panic!("{race}"));
                if fences && release {
                    fence(Release);
                }
                theirs.store(1, if release && !fences { Release } else { Relaxed });
            });
            if flag.load(if acquire && !fences { Acquire } else { Relaxed }) == 1 {
                if fences && acquire {
                    fence(Acquire);
                }
                dpor::data_access(data, true).unwrap_or_else(|race| panic!("{race}"));
            }
            writer.join();
            dpor::data_access(data, false).unwrap_or_else(|race| panic!("{race}"));
        }
    };
    for memory in Memory::ALL {
        for (release, acquire, fences) in [
            (false, false, false),
            (true, false, false),
            (false, true, false),
            (true, true, false),
            (true, true, true),
            (true, false, true),
        ] {
            let report =
                Explorer::new(Strategy::Dpor).memory(memory).run(program(release, acquire, fences));
            // Under the others, a store goes to memory after all that its task has done, and a load
            // comes before.
            let ordered = memory != Memory::Weak || release && acquire;
            assert_eq!(
                report.failing == 0,
                ordered,
                "{memory:?} {release} {acquire} {fences}: {report}"
            );
        }
    }
}

/// A lock that is made of steps, and tasks that are spawned and joined, order what is done with
/// words.
/// Two bits of one word, and a third task between them: who has seen the second one set sees the
/// first as it was set before, by program order or by reading.
#[test]
fn parts_of_one_word() {
    for (parts, between) in [(false, false), (true, false), (false, true), (true, true)] {
        let stale = Arc::new(Mutex::new(false));
        let sink = Arc::clone(&stale);
        let report = Explorer::new(Strategy::Dpor).memory(Memory::Weak).run(move || {
            let [first, second, flag] = [0; 3].map(Word::new);
            if parts {
                memory::parts(&[first.object(), second.object()]);
            }
            let seen = Rc::new(Cell::new(false));
            let sets = {
                let (first, second, flag) = (first.clone(), second.clone(), flag.clone());
                dpor::spawn("sets", move || {
                    first.update(Relaxed, |_| 1);
                    (if between { flag } else { second }).update(Relaxed, |_| 1);
                })
            };
            let passes = {
                let (second, flag) = (second.clone(), flag.clone());
                dpor::spawn("passes on", move || {
                    if between && flag.load(Relaxed) == 1 {
                        second.update(Relaxed, |_| 1);
                    }
                })
            };
            let looks = {
                let seen = Rc::clone(&seen);
                dpor::spawn("looks", move || {
                    seen.set(second.load(Relaxed) == 1 && first.load(Relaxed) == 0);
                })
            };
            [sets, passes, looks].into_iter().for_each(JoinHandle::join);
            *sink.lock().unwrap() |= seen.get();
        });
        assert!(report.exhausted && report.failing == 0, "{report}");
        assert_eq!(*stale.lock().unwrap(), !parts, "{between}");
    }
}

#[test]
fn locks_and_tasks() {
    let program = || {
        let (lock, held, word) = (dpor::object(), Rc::new(Cell::new(false)), Word::new(5));
        word.store(7, Relaxed);
        let tasks = [1, 2].map(|number| {
            let (held, word) = (Rc::clone(&held), word.clone());
            dpor::spawn("adder", move || {
                if number == 1 {
                    dpor::step_when(lock, Access::Acquire, &|| !held.get());
                } else {
                    loop {
                        dpor::step(lock, Access::TryAcquire);
                        dpor::tried(!held.get());
                        if !held.get() {
                            break;
                        }
                        dpor::step_when(lock, Access::Wait, &|| !held.get());
                    }
                }
                held.set(true);
                let before = word.load(Relaxed);
                word.store(before + number, Relaxed);
                dpor::step(lock, Access::Release);
                held.set(false);
            })
        });
        tasks.into_iter().for_each(JoinHandle::join);
        assert_eq!(word.load(Relaxed), 10);
    };
    for memory in Memory::ALL {
        let report = Explorer::new(Strategy::Dpor).memory(memory).run(program);
        assert!(
            report.exhausted && report.failing == 0 && report.complete > 1,
            "{memory:?}: {report}"
        );
    }
}

/// Who finds a lock taken knows nothing of what its holder has done. Who takes it knows what was
/// done under it, also by a try of which nothing is said.
#[test]
fn tries() {
    let program = |finds_it_taken: bool, says: bool| {
        move || {
            let (lock, word) = (dpor::object(), Word::new(0));
            let [held, done] = [false, false].map(|flag| Rc::new(Cell::new(flag)));
            let (theirs, taken, is_done) = (word.clone(), Rc::clone(&held), Rc::clone(&done));
            let holder = dpor::spawn("holder", move || {
                theirs.store(1, Relaxed);
                dpor::step_when(lock, Access::Acquire, &|| !taken.get());
                taken.set(true);
                theirs.store(2, Relaxed);
                is_done.set(true);
                dpor::step(lock, Access::Release);
                taken.set(false);
            });
            dpor::step(lock, Access::TryAcquire);
            let succeeds = !held.get();
            if says || !succeeds {
                dpor::tried(succeeds);
            }
            if succeeds {
                held.set(true);
                assert!(!done.get() || word.load(Relaxed) == 2, "it is not seen");
                dpor::step(lock, Access::Release);
                held.set(false);
            } else if finds_it_taken {
                assert_ne!(word.load(Relaxed), 0, "it is not seen");
            }
            holder.join();
        }
    };
    for memory in Memory::ALL {
        for says in [false, true] {
            let [taken, free] = [true, false].map(|taken| {
                Explorer::new(Strategy::Dpor).memory(memory).run(program(taken, says))
            });
            assert!(
                free.exhausted && free.failing == 0 && free.complete > 2,
                "{memory:?} {says}: {free}"
            );
            assert!(
                taken.exhausted && (taken.failing > 0) == (memory == Memory::Weak),
                "{memory:?} {says}: {taken}"
            );
        }
    }
}

/// A task that reads what it has stored itself costs nothing.
#[test]
fn own_stores() {
    let body = |task: usize, words: &[Word]| {
        words[task].store(1, Relaxed);
        assert_eq!(words[task].load(Relaxed), 1);
        words[1 - task].load(Relaxed)
    };
    for (memory, executions) in
        [(Memory::Sc, 3), (Memory::Tso, 4), (Memory::Pso, 4), (Memory::Weak, 5)]
    {
        let report = Explorer::new(Strategy::Dpor).memory(memory).run(two(body, |_| ()));
        assert!(report.exhausted && report.failing == 0, "{report}");
        assert_eq!(report.complete, executions, "{memory:?}");
    }
}

/// An explorer that does not name a model explores sequential consistency, and an ordering that
/// makes no sense is refused.
#[test]
fn orderings_that_make_no_sense() {
    let programs: [fn(); 7] = [
        || _ = Word::new(0).load(Release),
        || _ = Word::new(0).load(AcqRel),
        || Word::new(0).store(1, Acquire),
        || Word::new(0).store(1, AcqRel),
        || fence(Relaxed),
        // Whether or not it fails.
        || _ = Word::new(0).compare_exchange(0, 1, AcqRel, Release),
        || _ = Word::new(0).compare_exchange(1, 2, AcqRel, AcqRel),
    ];
    for memory in Memory::ALL {
        for program in programs {
            let report = Explorer::new(Strategy::Dpor).memory(memory).run(program);
            let FailureKind::Panic { message, .. } = &report.failures[0].kind else {
                panic!("{report}")
            };
            assert!(
                message.contains(" does not ") || message.contains("no relaxed fence"),
                "{message}"
            );
        }
        let stronger = || assert_eq!(Word::new(5).compare_exchange(4, 6, Relaxed, SeqCst), Err(5));
        let report = Explorer::new(Strategy::Dpor).memory(memory).run(stronger);
        assert!(report.exhausted && report.failing == 0, "{report}");
    }
    let seen: Arc<Mutex<Option<Memory>>> = Arc::default();
    let theirs = Arc::clone(&seen);
    Explorer::new(Strategy::Dpor)
        .run(move || *theirs.lock().unwrap() = Some(dpor::memory::model()));
    assert_eq!(*seen.lock().unwrap(), Some(Memory::Sc));
    // So that all orderings of fences are used.
    let report = Explorer::new(Strategy::Dpor).memory(Memory::Weak).run(|| fence(SeqCst));
    assert!(report.exhausted && report.complete == 1, "{report}");
}

/// A replay in which a step cannot have its outcome differs.
#[test]
fn an_outcome_that_is_gone_is_found() {
    let program = || {
        let (words, acquires) = ([Word::new(0), Word::new(0)], Rc::new(Cell::new(false)));
        let theirs = words.clone();
        let writer = dpor::spawn("writer", move || {
            theirs[0].store(1, Relaxed);
            theirs[1].store(1, Release);
        });
        let (read, seen) = (words.clone(), Rc::clone(&acquires));
        let reader = dpor::spawn("reader", move || {
            let order = |acquires| if acquires { Acquire } else { Relaxed };
            // Nothing announces who decides that.
            read[1].load(order(seen.get()));
            read[0].load(Relaxed);
        });
        let other = dpor::spawn("other", move || {
            dpor::step(dpor::object(), Access::Write);
            acquires.set(true);
        });
        [writer, reader, other].into_iter().for_each(JoinHandle::join);
    };
    let disagreement = Explorer::new(Strategy::Dpor)
        .memory(Memory::Weak)
        .commute(Commute::default(), program)
        .unwrap_err();
    let mut both = [disagreement.difference.original.as_str(), &disagreement.difference.reordered];
    both.sort_unstable();
    assert_eq!(
        both,
        ["had outcome 0 of 1, from 0", "had outcome 1 of 2, from 0"],
        "{disagreement}"
    );
}

/// The outcomes of a schedule are those of the program, or it does not fit.
#[test]
fn outcomes_that_do_not_fit() {
    let replay = |schedule: &str, memory| {
        Explorer::new(Strategy::Replay(schedule.parse().unwrap()))
            .memory(memory)
            .run(store_buffering())
    };
    let report = Explorer::new(Strategy::Dpor).memory(Memory::Weak).run(store_buffering());
    let schedule = report.failures[0].schedule.to_string();
    assert_eq!(schedule, "1*2.2.2:1");
    assert_eq!(replay(&schedule, Memory::Weak).failing, 1);
    let misfit = |schedule: &str, memory| match replay(schedule, memory).why_unfinished {
        Some(Unfinished::Misfit { step, why, .. }) => (step, why),
        other => panic!("{schedule} under {memory:?}: {other:?}"),
    };
    let none =
        |outcome: u32| format!("outcome {outcome} is asked for, and the step does not have it");
    // An outcome of a load, of its last step or before it, of a store, and of a step that comes
    // after.
    assert_eq!(misfit("1*2.2.2:2", Memory::Weak), (3, none(2)));
    assert_eq!(misfit("1.1:1.2.2:1", Memory::Weak), (1, none(1)));
    assert_eq!(misfit("1:7", Memory::Weak), (0, none(7)));
    for memory in [Memory::Sc, Memory::Tso, Memory::Pso] {
        assert_eq!(misfit("1:1", memory), (0, none(1)), "{memory:?}");
    }
    assert_eq!(misfit(&schedule, Memory::Sc), (3, none(1)));
}

/// What happens when a store arrives was known to its task when it went its way, and tells states
/// apart, though the task has ended and stores the same in either case. The other's store is to the
/// same word, so that both orders of the two are run, and a step follows, so that a state does.
#[test]
fn what_a_store_brings_along_is_part_of_the_state() {
    for memory in [Memory::Sc, Memory::Tso, Memory::Pso] {
        let brought = Arc::new(Mutex::new(BTreeSet::new()));
        let hears = Arc::clone(&brought);
        let report = Explorer::new(Strategy::States).memory(memory).run(move || {
            let (word, log) = (Word::new(0), Rc::new(Cell::new(2)));
            let named = Rc::clone(&log);
            dpor::name_state(move |state| state.put(named.get()));
            let (own, others, stored) = (word.clone(), word.clone(), Rc::clone(&log));
            let tasks = [
                dpor::spawn("load, then store", move || {
                    let seen = own.load(Relaxed);
                    own.store_then(2, Relaxed, move || stored.set(seen));
                }),
                dpor::spawn("store", move || others.store(1, Relaxed)),
            ];
            tasks.into_iter().for_each(JoinHandle::join);
            word.load(Relaxed);
            if !dpor::aborting() {
                hears.lock().unwrap().insert(log.get());
            }
        });
        assert!(report.exhausted, "{memory:?}: {report}");
        assert_eq!(*brought.lock().unwrap(), BTreeSet::from([0, 1]), "{memory:?}");
    }
}
