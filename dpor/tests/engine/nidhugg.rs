//! Counts equal those of another optimal explorer.
//!
//! The numbers are the traces that Nidhugg (github.com/nidhugg/nidhugg at 0aea4d23, LLVM 14) counts
//! for the same programs in C, with `pthread_mutex_t` and sequentially consistent C11 atomics,
//! under `nidhuggc -- -sc -optimal`. A compare-and-swap is a try here, since there one that fails
//! only reads; an addition whose result is not used is an update.

use std::sync::Arc;

use crate::common::{Lock, Word};
use dpor::{Explorer, Strategy};

/// Classes of a program of `tasks` tasks that share words and a lock.
fn classes(
    tasks: usize,
    words: usize,
    body: impl Fn(i64, &[Word], &Lock) + Send + Sync + 'static,
) -> u64 {
    let body = Arc::new(body);
    let report = Explorer::new(Strategy::Dpor).run(move || {
        let (shared, lock): (Vec<Word>, _) =
            ((0..words).map(|_| Word::new(0)).collect(), Lock::new());
        for task in 0..tasks as i64 {
            let (body, shared, lock) = (Arc::clone(&body), shared.clone(), lock.clone());
            let _not_joined = dpor::spawn("task", move || body(task, &shared, &lock));
        }
    });
    assert!(report.exhausted && report.failing == 0, "{report}");
    report.complete
}

#[test]
fn locks() {
    for (tasks, rounds, count) in [(3, 1, 6), (2, 2, 6), (3, 2, 90)] {
        let found = classes(tasks, 0, move |_, _, lock| {
            for _ in 0..rounds {
                lock.lock();
                lock.unlock();
            }
        });
        assert_eq!(found, count, "{tasks} {rounds}");
    }
}

/// There: a compare-and-swap from 0 to 1, and a store. (With `pthread_mutex_trylock` it has 24,
/// 1620 and 192 for the second, fourth and fifth, since it keeps failed tries of one critical
/// section in order, although they only read.)
#[test]
fn tries() {
    for (tasks, rounds, count) in [(2, 1, 4), (3, 1, 21), (2, 2, 26), (3, 2, 1263), (4, 1, 148)] {
        let found = classes(tasks, 0, move |_, _, lock| {
            for _ in 0..rounds {
                if lock.try_lock() {
                    lock.unlock();
                }
            }
        });
        assert_eq!(found, count, "{tasks} {rounds}");
    }
}

#[test]
fn compare_and_swap() {
    for (tasks, tries, count) in
        [(2, 1, 4), (2, 2, 4), (3, 1, 27), (3, 2, 48), (3, 3, 48), (4, 1, 280)]
    {
        let found = classes(tasks, 1, move |_, x, _| {
            let mut value = x[0].read();
            for _ in 0..tries {
                match x[0].cas(value, value + 1) {
                    Ok(()) => break,
                    Err(seen) => value = seen,
                }
            }
        });
        assert_eq!(found, count, "{tasks} {tries}");
    }
}

#[test]
fn litmus() {
    let store_buffering = classes(2, 2, |task, x, _| {
        x[task as usize].write(1);
        x[1 - task as usize].read();
    });
    let two_writes = classes(2, 2, |task, x, _| {
        x[task as usize].write(1);
        x[1 - task as usize].write(2);
    });
    let independent_reads = classes(4, 2, |task, x, _| {
        if task < 2 {
            x[task as usize].write(1);
        } else {
            x[task as usize - 2].read();
            x[3 - task as usize].read();
        }
    });
    assert_eq!((store_buffering, two_writes, independent_reads), (3, 3, 15));
}

#[test]
fn readers_and_additions() {
    for (others, reading, adding) in [(2, 4, 4), (3, 8, 8), (4, 16, 16), (5, 32, 32), (7, 128, 128)]
    {
        let one_writer = classes(others + 1, 1, |task, x, _| match task {
            0 => x[0].write(1),
            _ => _ = x[0].read(),
        });
        let one_reader = classes(others + 1, 1, |task, x, _| match task {
            0 => _ = x[0].read(),
            _ => x[0].add(1),
        });
        assert_eq!((one_writer, one_reader), (reading, adding), "{others}");
    }
    for (others, count) in [(2, 6), (3, 24), (4, 120)] {
        let used = classes(others + 1, 2, |task, x, _| {
            if task == 0 {
                x[0].read();
            } else if x[0].fetch_add(1) == 1 {
                x[1].write(task);
            }
        });
        assert_eq!(used, count, "{others}");
    }
}

/// Each task sets its entry from the one before; one looks for the last that is zero.
#[test]
fn last_zero() {
    for (n, count) in [(3, 12), (5, 64), (7, 320)] {
        let found = classes(n + 1, n + 1, move |task, x, _| {
            if task == 0 {
                let mut last = n;
                while x[last].read() != 0 && last > 0 {
                    last -= 1;
                }
            } else {
                let before = x[task as usize - 1].read();
                x[task as usize].write(before + 1);
            }
        });
        assert_eq!(found, count, "{n}");
    }
}

/// Each task puts two entries into a hash table of four.
#[test]
fn indexer() {
    for (tasks, count) in [(2, 3), (3, 14)] {
        let found = classes(tasks, 4, |task, x, _| {
            for round in 0..2 {
                let mut slot = (task as usize * 3 + round * 5) % 4;
                for _ in 0..4 {
                    if x[slot].cas(0, task + 1).is_ok() {
                        break;
                    }
                    slot = (slot + 1) % 4;
                }
            }
        });
        assert_eq!(found, count, "{tasks}");
    }
}

#[test]
fn fibonacci() {
    for (rounds, count) in [(2, 19), (3, 141), (4, 1107)] {
        let found = classes(2, 2, move |task, x, _| {
            let (mine, other) = (&x[task as usize], &x[1 - task as usize]);
            for _ in 0..rounds {
                let value = mine.read();
                mine.write(value + other.read());
            }
        });
        assert_eq!(found, count, "{rounds}");
    }
}

/// Peterson's lock, waiting for it a bounded number of times.
#[test]
fn peterson() {
    for (rounds, count) in [(1, 10), (2, 20), (3, 34)] {
        let found = classes(2, 4, move |task, x, _| {
            let (me, other) = (task as usize, 1 - task as usize);
            let (turn, counter) = (&x[2], &x[3]);
            x[me].write(1);
            turn.write(other as i64);
            for _ in 0..rounds {
                if x[other].read() == 0 || turn.read() != other as i64 {
                    let value = counter.read();
                    counter.write(value + 1);
                    x[me].write(0);
                    break;
                }
            }
        });
        assert_eq!(found, count, "{rounds}");
    }
}
