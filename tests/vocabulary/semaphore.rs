//! The fair reader/writer semaphore.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lockwalk::sync::{Name, PageLock, RwSem, Word};
use lockwalk::{Clause, Litmus, Method};

use super::{NATIVE, SEARCHES, ends, name, search};

struct Shared {
    sem: RwSem,
    inside: Word<i64>,
}

fn shared() -> Shared {
    Shared { sem: RwSem::new(name("sem")), inside: Word::new(name("inside"), 0) }
}

/// How many readers are inside, this one included.
fn reader(s: &Shared) -> i64 {
    s.sem.down_read();
    let together = s.inside.add_return(1);
    s.inside.add(-1);
    s.sem.up_read();
    together
}

fn writer(s: &Shared) -> i64 {
    s.sem.down_write();
    let readers = s.inside.read();
    s.sem.up_write();
    readers
}

#[test]
fn readers_read_together_and_writers_write_alone() {
    ends(&Litmus::new(shared).cpu(reader).cpu(reader), &["1, 1", "1, 2", "2, 1"]);
    ends(&Litmus::new(shared).cpu(reader).cpu(writer), &["1, 0"]);
    ends(&Litmus::new(shared).cpu(writer).cpu(writer), &["0, 0"]);
}

#[test]
fn both_trylocks_fail_while_the_other_kind_is_inside() {
    let try_read = |s: &Shared| s.sem.down_read_trylock().then(|| s.sem.up_read()).is_some();
    let try_write = |s: &Shared| s.sem.down_write_trylock().then(|| s.sem.up_write()).is_some();
    ends(&Litmus::new(shared).cpu(writer).cpu(try_read), &["0, false", "0, true"]);
    ends(&Litmus::new(shared).cpu(reader).cpu(try_write), &["1, false", "1, true"]);
    ends(&Litmus::new(shared).cpu(reader).cpu(try_read), &["1, true"]);
}

/// Two readers queue behind a writer, and what they do inside is in no order.
/// `dpor/tests/counts.rs` has the same steps, and finds as many classes of interleavings in an
/// enumeration.
#[test]
fn queued_readers_read_in_any_order() {
    let readers = Litmus::new(|| (RwSem::new(name("sem")), Word::new(name("word"), false)))
        .cpu(|(sem, _)| {
            sem.down_write();
            sem.up_write();
        })
        .cpu(|(sem, word)| {
            sem.down_read();
            word.write(true);
            sem.up_read();
        })
        .cpu(|(sem, word)| {
            sem.down_read();
            word.read();
            sem.up_read();
        });
    assert_eq!(search(&readers, &Method::Exhaustive).executions, 570);
}

/// Two readers and a word that each sets inside.
type Readers = (RwSem, Word<bool>, Word<bool>);

fn first(s: &Readers) -> bool {
    s.0.down_read();
    s.1.write(true);
    let together = s.2.read();
    s.0.up_read();
    together
}

fn second(s: &Readers) {
    s.0.down_read();
    s.2.write(true);
    s.0.up_read();
}

/// Whether one reader has gone in when the writer has left, and whether then the other is still in
/// the queue: if so, both were.
fn left(s: &Readers) -> (bool, bool) {
    s.0.down_write();
    s.0.up_write();
    let went_in = s.1.read();
    let free = s.0.down_read_trylock();
    if free {
        s.0.up_read();
    }
    (went_in, !free)
}

/// They read together after the writer has left; and whichever CPU is named first, there is the
/// same to be seen.
#[test]
fn queued_readers_read_together() {
    let shared = || {
        (RwSem::new(name("sem")), Word::new(name("first"), false), Word::new(name("second"), false))
    };
    let seen = search(&Litmus::new(shared).cpu(first).cpu(second).cpu(left), &Method::Exhaustive);
    assert!(seen.ended("true, (), (true, true)"), "{seen:?}");
    let turned = search(&Litmus::new(shared).cpu(left).cpu(second).cpu(first), &Method::Exhaustive);
    assert_eq!(turned.executions, seen.executions);
}

/// Claim S4.5: a read lock under the page lock, and the page lock under a read lock, are safe until
/// a writer queues in between.
#[test]
fn a_queued_writer_holds_off_later_readers() {
    let build = || (RwSem::new(name("mmap_sem")), PageLock::new(name("page")));
    let readers = Litmus::new(build)
        .cpu(|(sem, page)| {
            sem.down_read();
            page.lock();
            page.unlock();
            sem.up_read();
        })
        .cpu(|(sem, page)| {
            page.lock();
            sem.down_read();
            sem.up_read();
            page.unlock();
        });
    let with_writer = readers.clone().cpu(|(sem, _)| {
        sem.down_write();
        sem.up_write();
    });
    ends(&readers, &["(), ()"]);
    for method in &SEARCHES {
        let seen = with_writer.explore(method);
        assert_eq!(seen.violated(), [Clause::DEADLOCK], "{}", method.name());
        let violation = seen.violation(Clause::DEADLOCK).expect("it is violated");
        let mut hops: Vec<_> = violation
            .cycle
            .iter()
            .map(|hop| (hop.cpu, hop.holding(), hop.wants.to_string()))
            .collect();
        hops.sort();
        let hop = |cpu, holds: &str, wants: &str| (cpu, holds.to_owned(), wants.to_owned());
        let expected = [
            hop(0, "mmap_sem", "page"),
            hop(1, "page", "mmap_sem"),
            hop(2, "mmap_sem (queued)", "mmap_sem"),
        ];
        assert_eq!(hops, expected, "{}", method.name());
    }
    assert!(
        with_writer.explore(&NATIVE).violated().iter().all(|&clause| clause == Clause::DEADLOCK)
    );
}

/// Who asks a semaphore that was not made for it would always be told the newest.
#[test]
fn only_one_that_is_looked_at_is_asked() {
    let asked = |build: fn(Name) -> RwSem| {
        let litmus = Litmus::new(move || build(name("sem"))).cpu(RwSem::is_locked);
        catch_unwind(AssertUnwindSafe(|| search(&litmus, &Method::Exhaustive).endings().len()))
    };
    assert_eq!(asked(RwSem::looked_at).ok(), Some(1));
    let refused = asked(RwSem::new).expect_err("it is a mistake");
    let said = refused.downcast_ref::<String>().expect("it says what");
    assert!(said.contains("sem is asked whether it is held, and is not looked_at"), "{said}");
}
