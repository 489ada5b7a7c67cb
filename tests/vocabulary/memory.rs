//! Words, fences, published pointers, and plain data.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use lockwalk::sync::{MmuWord, Plain, Published, SpinLock, Word, fence};
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
    assert_eq!(search(&store_buffering(false), &Method::Loom).endings(), ["0, 0", "0, 1", "1, 0", "1, 1"]);
    for method in &CONSISTENT {
        assert_eq!(search(&store_buffering(false), method).endings(), consistent, "{}", method.name());
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
        assert_eq!(search(&message(Relaxed, Relaxed), method).endings(), consistent, "{}", method.name());
    }
}

/// loom 0.7.2 by itself declares this exhausted after one execution (`loom-tests/tests/findings.rs`).
#[test]
fn a_store_races_with_a_load_behind_its_own() {
    let litmus = Litmus::new(|| Word::new(name("x"), 0u64)).cpu(|x| (x.read(), x.read())).cpu(|x| {
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
    ends(&Litmus::new(counter).cpu(add).cpu(add).cpu(|count| count.read()), &["(), (), 1", "(), (), 2", "(), (), 3"]);
    let flag = || Word::new(name("flag"), false);
    ends(&Litmus::new(flag).cpu(Word::test_and_set).cpu(Word::test_and_set), &["false, true", "true, false"]);
    ends(&Litmus::new(flag).cpu(Word::test_and_set).cpu(Word::test_and_clear), &["false, false", "false, true"]);
}

#[test]
fn a_published_pointer_shows_one_value_or_the_other_and_what_was_written_before_it() {
    let litmus = Litmus::new(|| (Published::new(name("list"), vec![1, 1]), Word::new(name("word"), 0u64)))
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

/// Only the exhaustive scheduler orders plain accesses; the other engines keep them apart without a word.
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
        let read_only = Litmus::new(build).cpu(|(_, plain)| plain.read()).cpu(|(_, plain)| plain.read());
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
