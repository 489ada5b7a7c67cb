//! Words, fences, published pointers, and plain data.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use lockwalk::sync::{Arena, MmuWord, Plain, Published, SpinLock, Word, fence};
use lockwalk::{Clause, Litmus, Method};

use super::{CONSISTENT, SEARCHES, ends, name, search};

fn two_words() -> (Word<u64>, Word<u64>) {
    (Word::new(name("x"), 0), Word::new(name("y"), 0))
}

/// Store buffering (SB): each CPU writes one word and reads the other.
fn store_buffering(fenced: bool) -> Litmus<(Word<u64>, Word<u64>)> {
    let cpu = move |mine: &Word<u64>, other: &Word<u64>| {
        mine.write(1);
        if fenced {
            fence(SeqCst);
        }
        other.read()
    };
    Litmus::new(two_words).cpu(move |(x, y)| cpu(x, y)).cpu(move |(x, y)| cpu(y, x))
}

#[test]
fn stores_are_buffered_under_loom_unless_fenced() {
    let consistent = ["0, 1", "1, 0", "1, 1"];
    assert_eq!(
        search(&store_buffering(false), &Method::Loom).endings(),
        ["0, 0", "0, 1", "1, 0", "1, 1"]
    );
    for method in &CONSISTENT {
        assert_eq!(
            search(&store_buffering(false), method).endings(),
            consistent,
            "{}",
            method.name()
        );
    }
    ends(&store_buffering(true), &consistent);
}

/// Message passing (MP): is what was written before the flag there when the flag is seen?
#[test]
fn a_release_store_publishes_what_was_written_before_it() {
    let message = |store, load| {
        Litmus::new(two_words)
            .cpu(move |(data, flag)| {
                data.write(1);
                flag.store(1, store);
            })
            .cpu(move |(data, flag)| (flag.load(load), data.read()))
    };
    let consistent = ["(), (0, 0)", "(), (0, 1)", "(), (1, 1)"];
    ends(&message(Release, Acquire), &consistent);
    assert!(search(&message(Relaxed, Relaxed), &Method::Loom).ended("(), (1, 0)"));
    for method in &CONSISTENT {
        assert_eq!(
            search(&message(Relaxed, Relaxed), method).endings(),
            consistent,
            "{}",
            method.name()
        );
    }
}

/// loom 0.7.2 by itself declares this exhausted after one execution
/// (`loom-tests/tests/findings.rs`).
#[test]
fn a_store_races_with_a_load_behind_its_own() {
    let litmus =
        Litmus::new(|| Word::new(name("x"), 0u64)).cpu(|x| (x.read(), x.read())).cpu(|x| {
            let before = x.read();
            x.write(1);
            before
        });
    ends(&litmus, &["(0, 0), 0", "(0, 1), 0", "(1, 1), 0"]);
}

#[test]
fn read_modify_writes_are_atomic() {
    let counter = || Word::new(name("count"), 1i64);
    let get = |count: &Word<i64>| count.add_return(1);
    ends(&Litmus::new(counter).cpu(get).cpu(get), &["2, 3", "3, 2"]);
    let put = |count: &Word<i64>| count.add_return(-1);
    let get_unless_zero = |count: &Word<i64>| count.inc_not_zero();
    ends(&Litmus::new(counter).cpu(put).cpu(get_unless_zero), &["0, false", "1, true"]);
    let add = |count: &Word<i64>| count.add(1);
    ends(
        &Litmus::new(counter).cpu(add).cpu(add).cpu(|count| count.read()),
        &["(), (), 1", "(), (), 2", "(), (), 3"],
    );
    let flag = || Word::new(name("flag"), false);
    ends(
        &Litmus::new(flag).cpu(Word::test_and_set).cpu(Word::test_and_set),
        &["false, true", "true, false"],
    );
    ends(
        &Litmus::new(flag).cpu(Word::test_and_set).cpu(Word::test_and_clear),
        &["false, false", "false, true"],
    );
}

/// The kernel's atomics that return a value are full barriers, before and after: MP and SB with
/// nothing else to order them.
#[test]
fn an_update_is_a_full_barrier() {
    let message = Litmus::new(two_words)
        .cpu(|(data, flag)| {
            data.update(|_| 1);
            flag.write(1);
        })
        .cpu(|(data, flag)| (flag.update(|flag| flag), data.read()));
    ends(&message, &["(), (0, 0)", "(), (0, 1)", "(), (1, 1)"]);
    let set: [fn(&Word<u64>) -> bool; 3] =
        [|x| x.update(|_| 1) == 0, |x| x.xchg(1) == 0, |x| x.cmpxchg(0, 1)];
    for set in set {
        let cpu = move |mine: &Word<u64>, other: &Word<u64>| {
            assert!(set(mine));
            other.read()
        };
        let buffering =
            Litmus::new(two_words).cpu(move |(x, y)| cpu(x, y)).cpu(move |(x, y)| cpu(y, x));
        ends(&buffering, &["0, 1", "1, 0", "1, 1"]);
    }
}

/// But one that changes nothing, because its condition fails, orders nothing.
#[test]
fn an_update_that_fails_orders_nothing() {
    let cpu = |mine: &Word<u64>, other: &Word<u64>, third: &Word<u64>| {
        mine.write(1);
        let changed = third.cmpxchg(7, 8);
        (changed, other.read())
    };
    let three = || (Word::new(name("x"), 0), Word::new(name("y"), 0), Word::new(name("z"), 0));
    let litmus =
        Litmus::new(three).cpu(move |(x, y, z)| cpu(x, y, z)).cpu(move |(x, y, z)| cpu(y, x, z));
    assert!(search(&litmus, &Method::Loom).ended("(false, 0), (false, 0)"));
}

type Objects = (Word<i64>, SpinLock<bool>, Word<i64>);

/// Why 3.7's increment-unless-zero must be a full barrier (FINDING-12). The first CPU unmaps a page
/// and frees its object; the next owner takes the object and sets its count by a plain store; who
/// finds that count must not find the page mapped still.
pub fn reuse(reference: fn(&Word<i64>) -> bool) -> Litmus<Objects> {
    let objects = || {
        (
            Word::new(name("mapcount"), 1i64),
            SpinLock::new(name("slab"), false),
            Word::new(name("refcount"), 0i64),
        )
    };
    Litmus::new(objects)
        .cpu(|(mapcount, slab, _): &Objects| {
            mapcount.add_return(-1);
            slab.lock();
            *slab.data() = true;
            slab.unlock();
        })
        .cpu(|(_, slab, refcount)| {
            slab.lock();
            let free = *slab.data();
            slab.unlock();
            if free {
                refcount.write(1);
            }
        })
        .cpu(move |(mapcount, _, refcount)| (reference(refcount), mapcount.read()))
}

#[test]
fn who_finds_the_next_owners_count_finds_what_was_before_it() {
    ends(
        &reuse(Word::inc_not_zero),
        &["(), (), (false, 0)", "(), (), (false, 1)", "(), (), (true, 0)"],
    );
    assert!(
        search(&reuse(|count| count.load(Acquire) != 0), &Method::Loom).ended("(), (), (true, 1)")
    );
}

/// An object that a CPU makes, and another finds through a plain store, may show the zeroes that
/// its memory held before.
#[test]
fn a_new_object_is_memory_that_was_there_before() {
    let made = || (Arena::<Word<u64>>::new(), Word::new(name("pointer"), 0u64));
    let litmus = |store, load| {
        Litmus::new(made)
            .cpu(move |(arena, pointer)| {
                arena.push_with(|_| Word::new(name("field"), 7u64));
                pointer.store(1, store);
            })
            .cpu(move |(arena, pointer)| if pointer.load(load) == 1 { arena[0].read() } else { 1 })
    };
    ends(&litmus(Release, Acquire), &["(), 1", "(), 7"]);
    assert_eq!(
        search(&litmus(Relaxed, Relaxed), &Method::Loom).endings(),
        ["(), 0", "(), 1", "(), 7"]
    );
}

#[test]
fn a_published_pointer_shows_one_value_or_the_other_and_what_was_written_before_it() {
    let litmus =
        Litmus::new(|| (Published::new(name("list"), vec![1, 1]), Word::new(name("word"), 0u64)))
            .cpu(|(list, word)| {
                word.write(1);
                list.publish(vec![2, 2]);
            })
            .cpu(|(list, word)| (list.read().to_vec(), word.read()));
    ends(&litmus, &["(), ([1, 1], 0)", "(), ([1, 1], 1)", "(), ([2, 2], 1)"]);
}

/// Nobody changes an entry while hardware goes through it (ASSUME-1).
#[test]
fn a_page_table_entry_stays_while_it_is_accessed() {
    let litmus = Litmus::new(|| (MmuWord::new(name("pte"), 0u64), Word::new(name("page"), 0u64)))
        .cpu(|(pte, page)| {
            pte.write(1);
            page.write(1);
        })
        .cpu(|(pte, page)| {
            let (entry, content) = (pte.begin_access(), page.read());
            pte.end_access(None);
            (entry, content)
        });
    ends(&litmus, &["(), (0, 0)", "(), (1, 0)", "(), (1, 1)"]);
}

/// Only the exhaustive scheduler orders plain accesses; the other engines keep them apart without a
/// word.
#[test]
fn a_data_race_on_plain_data_is_a_violation() {
    let build = || (SpinLock::new(name("lock"), ()), Plain::new(name("plain"), 0u64));
    let locked = |(lock, plain): &(SpinLock<()>, Plain<u64>)| {
        lock.lock();
        *plain.write() += 1;
        let now = plain.read();
        lock.unlock();
        now
    };
    ends(&Litmus::new(build).cpu(locked).cpu(locked), &["1, 2", "2, 1"]);
    for method in &CONSISTENT {
        let unlocked = Litmus::new(build).cpu(locked).cpu(|(_, plain)| *plain.write() += 1);
        assert_eq!(unlocked.explore(method).violated(), [Clause::GUARD_1], "{}", method.name());
        let read_only =
            Litmus::new(build).cpu(|(_, plain)| plain.read()).cpu(|(_, plain)| plain.read());
        assert_eq!(search(&read_only, method).endings(), ["0, 0"], "{}", method.name());
    }
}

#[test]
fn the_exhaustive_engine_runs_one_execution_a_class() {
    for (litmus, executions) in [(store_buffering(false), 3), (store_buffering(true), 3)] {
        let seen = search(&litmus, &SEARCHES[0]);
        assert_eq!((seen.executions, seen.endings().len()), (executions, 3));
    }
}
