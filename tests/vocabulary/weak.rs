//! What each memory model makes of the vocabulary, on the exhaustive engine: everything is
//! exhausted, without a bound.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use lockwalk::Memory::{Pso, Sc, Tso, Weak};
use lockwalk::sync::{MmuWord, Published, Rcu, RwSem, SpinLock, Word, fence};
use lockwalk::{Litmus, Memory, Method};

use super::memory::reuse;
use super::{name, search};

type Two = (Word<u64>, Word<u64>);

fn two() -> Two {
    (Word::new(name("x"), 0), Word::new(name("y"), 0))
}

/// Under which models it comes to this.
pub fn under<T: Send + Sync + 'static>(ending: &str, litmus: &Litmus<T>) -> Vec<Memory> {
    let comes_to_it = |memory: &Memory| {
        search(&litmus.clone().memory(*memory), &Method::Exhaustive).ended(ending)
    };
    Memory::ALL.into_iter().filter(comes_to_it).collect()
}

#[test]
fn stores_are_buffered_unless_something_full_is_in_between() {
    type Between = fn(&Two, &SpinLock<()>);
    let stale = |between: Between| {
        let build = || (two(), SpinLock::new(name("a"), ()), SpinLock::new(name("b"), ()));
        let litmus = Litmus::new(build)
            .cpu(move |(words, lock, _)| {
                words.0.write(1);
                between(words, lock);
                words.1.read()
            })
            .cpu(move |(words, _, lock)| {
                words.1.write(1);
                between(words, lock);
                words.0.read()
            });
        under("0, 0", &litmus)
    };
    assert_eq!(stale(|_, _| ()), [Tso, Pso, Weak]);
    assert_eq!(stale(|_, _| fence(SeqCst)), []);
    // x86 takes a lock by a locked instruction; others need more than that.
    assert_eq!(stale(|_, lock| (lock.lock(), lock.unlock()).1), [Pso, Weak]);
}

/// What returns a value stands between two full barriers, unless it is relaxed; x86 locks it anyway.
#[test]
fn relaxed_atomics_order_nothing() {
    type Atomic = fn(&Word<i64>, &Word<bool>, &MmuWord<u64>);
    let stale = |atomic: Atomic| {
        let others = |at| {
            (Word::new(name(at), 0i64), Word::new(name(at), false), MmuWord::new(name(at), 0u64))
        };
        let cpu = move |mine: &Word<u64>, (count, bit, entry): &(_, _, _), other: &Word<u64>| {
            mine.write(1);
            atomic(count, bit, entry);
            other.read()
        };
        let litmus = Litmus::new(move || (two(), others("a"), others("b")))
            .cpu(move |((x, y), a, _)| cpu(x, a, y))
            .cpu(move |((x, y), _, b)| cpu(y, b, x));
        under("0, 0", &litmus)
    };
    let ordered: [Atomic; 5] = [
        |count, _, _| _ = count.add_return(1),
        |count, _, _| _ = count.cmpxchg(0, 1),
        |count, _, _| _ = count.update(|count| count + 1),
        |_, bit, _| _ = bit.test_and_set(),
        |_, _, entry| _ = entry.write(1),
    ];
    let relaxed: [Atomic; 5] = [
        |count, _, _| _ = count.add_return_relaxed(1),
        |count, _, _| _ = count.cmpxchg_relaxed(0, 1),
        |count, _, _| _ = count.update_relaxed(|count| count + 1),
        |_, bit, _| _ = bit.test_and_set_relaxed(),
        |_, _, entry| _ = entry.write_relaxed(1),
    ];
    for (number, (ordered, relaxed)) in ordered.into_iter().zip(relaxed).enumerate() {
        assert_eq!(stale(ordered), [], "atomic {number}");
        assert_eq!(stale(relaxed), [Pso, Weak], "relaxed atomic {number}");
    }
}

#[test]
fn an_unlock_is_no_full_barrier() {
    let critical = |mine: &Word<u64>, lock: &SpinLock<()>, other: &Word<u64>| {
        lock.lock();
        mine.write(1);
        lock.unlock();
        other.read()
    };
    let litmus =
        Litmus::new(|| (two(), SpinLock::new(name("a"), ()), SpinLock::new(name("b"), ())))
            .cpu(move |((x, y), a, _)| critical(x, a, y))
            .cpu(move |((x, y), _, b)| critical(y, b, x));
    assert_eq!(under("0, 0", &litmus), [Tso, Pso, Weak]);
}

#[test]
fn what_is_written_under_a_lock_is_seen_under_it() {
    let litmus = Litmus::new(|| (two(), SpinLock::new(name("lock"), ())))
        .cpu(|((x, y), lock)| {
            lock.lock();
            x.write(1);
            y.write(1);
            lock.unlock();
        })
        .cpu(|((x, y), lock)| {
            lock.lock();
            let seen = (y.read(), x.read());
            lock.unlock();
            seen
        });
    for memory in Memory::ALL {
        assert_eq!(
            search(&litmus.clone().memory(memory), &Method::Exhaustive).endings(),
            ["(), (0, 0)", "(), (1, 1)"],
            "{memory:?}"
        );
    }
}

/// Whoever looks at an entry, or asks whether a lock is held, without an acquisition before, may see
/// what was there before. When all CPUs have been interrupted for the entry, nobody does.
#[test]
fn a_look_may_be_stale() {
    type Before = fn(&MmuWord<u64>, &SpinLock<()>);
    type Look = fn(&MmuWord<u64>, &SpinLock<()>) -> bool;
    let stale = |before: Before, look: Look, acquires| {
        let build = || (two(), MmuWord::new(name("pte"), 0), SpinLock::new(name("lock"), ()));
        let litmus = Litmus::new(build)
            .cpu(move |((x, _), entry, lock)| {
                before(entry, lock);
                fence(SeqCst);
                x.write(1);
            })
            .cpu(move |((x, _), entry, lock)| {
                let seen = x.load(acquires);
                (seen, look(entry, lock))
            });
        under("(), (1, true)", &litmus)
    };
    let set: Before = |entry, _| _ = entry.write(1);
    let is_none: Look = |entry, _| entry.read() == 0;
    assert_eq!(stale(set, is_none, Relaxed), [Weak]);
    assert_eq!(stale(set, is_none, Acquire), []);
    assert_eq!(stale(set, |entry, _| entry.read_newest() == 0, Relaxed), []);
    let flushed: Before = |entry, _| {
        entry.write_unflushed(1);
        entry.flush();
    };
    assert_eq!(stale(flushed, is_none, Relaxed), []);
    // Until then somebody may, whatever he has seen that was written after the entry.
    let between = Litmus::new(|| (two(), MmuWord::new(name("pte"), 0u64)))
        .cpu(|((x, _), entry)| {
            entry.write_unflushed(1);
            x.write(1);
            entry.flush();
        })
        .cpu(move |((x, _), entry)| (x.read(), entry.read() == 0));
    assert_eq!(under("(), (1, true)", &between), [Weak]);
    let passed: Before = |_, lock| {
        lock.lock();
        lock.unlock();
    };
    let is_locked: Look = |_, lock| lock.is_locked();
    assert_eq!(stale(passed, is_locked, Relaxed), [Weak]);
    assert_eq!(stale(passed, is_locked, Acquire), []);
    // A semaphore likewise, whichever side it was held on, and by however many.
    type Hold = fn(&RwSem);
    let stale = |holders: usize, hold: Hold, acquires| {
        let build = || (two(), RwSem::looked_at(name("sem")));
        let holds = move |word: &Word<u64>, sem: &RwSem| {
            hold(sem);
            fence(SeqCst);
            word.write(1);
        };
        let mut litmus = Litmus::new(build).cpu(move |((x, _), sem)| holds(x, sem));
        if holders == 2 {
            litmus = litmus.cpu(move |((_, y), sem)| holds(y, sem));
        }
        let litmus = litmus.cpu(move |((x, y), sem)| {
            let seen = x.load(acquires) + y.load(acquires);
            (seen, sem.is_locked())
        });
        under(&format!("{}({holders}, true)", "(), ".repeat(holders)), &litmus)
    };
    let reads: Hold = |sem| {
        sem.down_read();
        sem.up_read();
    };
    let writes: Hold = |sem| {
        sem.down_write();
        sem.up_write();
    };
    for (holders, hold) in [(1, reads), (1, writes), (2, reads), (2, writes)] {
        assert_eq!(stale(holders, hold, Relaxed), [Weak]);
        assert_eq!(stale(holders, hold, Acquire), []);
    }
}

/// A slot that is published by a relaxed store shows what it was before.
#[test]
fn a_message_needs_a_release_and_an_acquisition() {
    let message = |store, load| {
        let litmus = Litmus::new(two)
            .cpu(move |(data, flag): &Two| {
                data.write(1);
                flag.store(1, store);
            })
            .cpu(move |(data, flag)| (flag.load(load), data.read()));
        under("(), (1, 0)", &litmus)
    };
    assert_eq!(message(Relaxed, Relaxed), [Pso, Weak]);
    assert_eq!(message(Relaxed, Acquire), [Pso, Weak]);
    assert_eq!(message(Release, Relaxed), [Weak]);
    assert_eq!(message(Release, Acquire), []);
    type Publish = fn(&Published<Vec<i32>>);
    let published = |publish: Publish| {
        let litmus =
            Litmus::new(|| (Published::new(name("list"), vec![1]), Word::new(name("word"), 0u64)))
                .cpu(move |(list, word)| {
                    word.write(1);
                    publish(list);
                })
                .cpu(|(list, word)| (list.read()[0], word.read()));
        under("(), (2, 0)", &litmus)
    };
    assert_eq!(published(|list| list.publish(vec![2])), []);
    assert_eq!(published(|list| list.publish_relaxed(vec![2])), [Pso, Weak]);
}

/// FINDING-12.
#[test]
fn who_finds_the_next_owners_count_needs_a_full_barrier() {
    let mapped = |reference| under("(), (), (true, 1)", &reuse(reference));
    assert_eq!(mapped(Word::inc_not_zero), []);
    assert_eq!(mapped(|count| count.load(Acquire) != 0), [Weak]);
    assert_eq!(mapped(|count| count.inc_not_zero_relaxed()), [Weak]);
}

/// FINDING-76: the reader of a sequence count needs a barrier behind the first look at it, and one
/// before the second.
#[test]
fn a_sequence_count_needs_both_its_read_barriers() {
    let torn = |first, second: fn()| {
        let litmus = Litmus::new(|| (Word::new(name("sequence"), 0u64), two()))
            .cpu(|(sequence, (x, y))| {
                sequence.update(|count| count + 1);
                x.write(1);
                y.write(1);
                sequence.update(|count| count + 1);
            })
            .cpu(move |(sequence, (x, y))| {
                let before = sequence.load(first);
                let seen = (x.read(), y.read());
                second();
                before % 2 == 0 && sequence.read() == before && seen.0 != seen.1
            });
        under("(), true", &litmus)
    };
    assert_eq!(torn(Acquire, || fence(Acquire)), []);
    assert_eq!(torn(Relaxed, || fence(Acquire)), [Weak]);
    assert_eq!(torn(Acquire, || ()), [Weak]);
}

/// FINDING-81: who finds that nobody else has a reference has not seen yet what they did before they
/// dropped it, unless a barrier comes between the two looks; that of an atomic will do.
#[test]
fn the_last_reference_is_seen_before_what_came_before_it() {
    let dropped = |look: fn(&Word<bool>, &Word<i64>) -> bool| {
        let litmus = Litmus::new(|| {
            let words = (Word::new(name("dirty"), false), Word::new(name("mapcount"), 1i64));
            (Word::new(name("count"), 3i64), words)
        })
        .cpu(|(count, (dirty, mapcount))| {
            dirty.write(true);
            mapcount.add(-1);
            count.add_return(-1);
        })
        .cpu(move |(count, (dirty, mapcount))| count.read() == 2 && look(dirty, mapcount));
        under("(), true", &litmus)
    };
    assert_eq!(dropped(|dirty, _| !dirty.read()), [Weak]);
    let barrier = |dirty: &Word<bool>, _: &Word<i64>| {
        fence(Acquire);
        !dirty.read()
    };
    assert_eq!(dropped(barrier), []);
    let relaxed = |dirty: &Word<bool>, mapcount: &Word<i64>| {
        dirty.test_and_clear_relaxed();
        mapcount.read() != 0
    };
    assert_eq!(dropped(relaxed), [Weak]);
    let full = |dirty: &Word<bool>, mapcount: &Word<i64>| {
        dirty.test_and_clear();
        mapcount.read() != 0
    };
    assert_eq!(dropped(full), []);
}

#[test]
fn an_atomic_whose_condition_fails_orders_nothing() {
    let cpu = |mine: &Word<u64>, other: &Word<u64>, third: &Word<u64>| {
        mine.write(1);
        (third.cmpxchg(7, 8), other.read())
    };
    let litmus = Litmus::new(|| (two(), Word::new(name("z"), 0)))
        .cpu(move |((x, y), z)| cpu(x, y, z))
        .cpu(move |((x, y), z)| cpu(y, x, z));
    assert_eq!(under("(false, 0), (false, 0)", &litmus), [Tso, Pso, Weak]);
}

#[test]
fn a_grace_period_orders_what_it_waits_for() {
    let litmus = |synchronize: bool| {
        let litmus = Litmus::new(|| (Rcu::new(), two()))
            .cpu(|(rcu, (x, y))| {
                rcu.read_lock();
                let seen = (x.read(), y.read());
                rcu.read_unlock();
                seen
            })
            .cpu(move |(rcu, (x, y))| {
                x.write(1);
                if synchronize {
                    rcu.synchronize();
                }
                y.write(1);
            });
        under("(0, 1), ()", &litmus)
    };
    assert_eq!(litmus(true), []);
    assert_eq!(litmus(false), [Sc, Tso, Pso, Weak]);
}

/// A store through an entry is in memory when a shootdown is over; what was written before an entry
/// is seen through it.
#[test]
fn a_shootdown_waits_for_stores_through_the_entry() {
    let litmus = Litmus::new(|| (MmuWord::new(name("pte"), 1u64), Word::new(name("page"), 0u64)))
        .cpu(|(pte, page)| {
            let before = pte.write(0);
            (before, page.read())
        })
        .cpu(|(pte, page)| {
            let there = pte.begin_access();
            if there == 1 {
                page.write(7);
            }
            pte.end_access(None);
            there
        });
    assert_eq!(under("(1, 0), 1", &litmus), []);
}
