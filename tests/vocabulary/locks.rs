//! The spin lock and the page lock.

use lockwalk::sync::{PageLock, SpinLock, Word};
use lockwalk::{Clause, Litmus, Method};

use super::{SEARCHES, ends, name, search};

/// Reads, and writes one more, in two steps.
fn increment(word: &Word<u64>) -> u64 {
    let before = word.read();
    word.write(before + 1);
    before
}

#[test]
fn a_spin_lock_excludes() {
    let locked = |(lock, word): &(SpinLock<()>, Word<u64>)| {
        lock.lock();
        let before = increment(word);
        lock.unlock();
        before
    };
    let build = || (SpinLock::new(name("lock"), ()), Word::new(name("word"), 0));
    ends(&Litmus::new(build).cpu(locked).cpu(locked), &["0, 1", "1, 0"]);
    let lost = Litmus::new(build).cpu(locked).cpu(|(_, word)| increment(word));
    for method in &SEARCHES {
        assert!(search(&lost, method).ended("0, 0"), "{}", method.name());
    }
}

#[test]
fn three_cpus_pass_a_spin_lock_on_in_every_order() {
    let turn = |lock: &SpinLock<u64>| {
        lock.lock();
        let mine = *lock.data();
        *lock.data() += 1;
        lock.unlock();
        mine
    };
    let orders = ["0, 1, 2", "0, 2, 1", "1, 0, 2", "1, 2, 0", "2, 0, 1", "2, 1, 0"];
    let litmus = Litmus::new(|| SpinLock::new(name("lock"), 0)).cpu(turn).cpu(turn).cpu(turn);
    ends(&litmus, &orders);
    assert_eq!(litmus.explore(&Method::Exhaustive).executions, 6, "one execution an order");
}

/// Its holder may sleep, and who waits for it does; a spin lock is the other way round.
#[test]
fn a_mutex_sleeps() {
    type Make = fn(lockwalk::sync::Name, ()) -> SpinLock<()>;
    let violated = |outer: Make, inner: Make| {
        let nested = |(outer, inner): &(SpinLock<()>, SpinLock<()>)| {
            outer.lock();
            inner.lock();
            inner.unlock();
            outer.unlock();
        };
        Litmus::new(move || (outer(name("outer"), ()), inner(name("inner"), ())))
            .cpu(nested)
            .explore(&Method::Exhaustive)
            .violated()
    };
    assert_eq!(violated(SpinLock::mutex, SpinLock::mutex), []);
    assert_eq!(violated(SpinLock::mutex, SpinLock::new), []);
    assert_eq!(violated(SpinLock::new, SpinLock::mutex), [Clause::ATOMIC_1]);
}

#[test]
fn a_look_at_a_lock_tells_whether_it_is_held() {
    let looks = Litmus::new(|| SpinLock::mutex(name("mutex"), ()))
        .cpu(|lock| {
            lock.lock();
            lock.unlock();
        })
        .cpu(SpinLock::is_locked);
    ends(&looks, &["(), false", "(), true"]);
}

/// The outcome that loom's own try-lock never shows (`loom-tests/tests/findings.rs`).
#[test]
fn a_trylock_fails_while_the_lock_is_held() {
    let spin = Litmus::new(|| SpinLock::new(name("lock"), ()))
        .cpu(|lock| {
            lock.lock();
            lock.unlock();
        })
        .cpu(|lock| {
            let taken = lock.trylock();
            if taken {
                lock.unlock();
            }
            taken
        });
    ends(&spin, &["(), false", "(), true"]);
    let page = Litmus::new(|| PageLock::new(name("page")))
        .cpu(|page| {
            page.lock();
            page.unlock();
        })
        .cpu(|page| {
            let taken = page.trylock();
            if taken {
                page.unlock();
            }
            taken
        });
    ends(&page, &["(), false", "(), true"]);
}

#[test]
fn of_two_trylocks_one_succeeds_at_least() {
    let attempt = |lock: &SpinLock<()>| {
        let taken = lock.trylock();
        if taken {
            lock.unlock();
        }
        taken
    };
    let litmus = Litmus::new(|| SpinLock::new(name("lock"), ())).cpu(attempt).cpu(attempt);
    ends(&litmus, &["false, true", "true, false", "true, true"]);
}

/// A page is locked, its IO starts, and its completion, on another CPU, unlocks it; the first CPU
/// waits for that.
#[test]
fn a_page_is_unlocked_by_another_cpu() {
    struct Io {
        page: PageLock,
        submitted: PageLock,
        content: Word<u64>,
    }
    let litmus = Litmus::new(|| {
        let io = Io {
            page: PageLock::new(name("page")),
            submitted: PageLock::new(name("submitted")),
            content: Word::new(name("content"), 0),
        };
        io.submitted.lock();
        io
    })
    .cpu(|io| {
        io.page.lock();
        io.page.hand_over();
        io.submitted.unlock();
        io.page.wait();
        io.content.read()
    })
    .cpu(|io| {
        io.submitted.wait();
        io.content.write(7);
        io.page.unlock();
    })
    .cpu(|io| {
        let locked = io.page.trylock();
        if locked {
            io.page.unlock();
        }
    });
    ends(&litmus, &["7, (), ()"]);
}

/// `wait_on_page_locked` waits for whoever holds the lock, and does not take it.
#[test]
fn waiting_for_a_page_is_not_locking_it() {
    let litmus = Litmus::new(|| (PageLock::new(name("page")), Word::new(name("content"), 0u64)))
        .cpu(|(page, content)| {
            page.lock();
            content.write(1);
            content.write(2);
            page.unlock();
        })
        .cpu(|(page, content)| {
            page.wait();
            let first = content.read();
            (first, page.is_locked())
        });
    // The other CPU may lock it as soon as the wait is over.
    ends(
        &litmus,
        &[
            "(), (0, false)",
            "(), (0, true)",
            "(), (1, false)",
            "(), (1, true)",
            "(), (2, false)",
            "(), (2, true)",
        ],
    );
    let held = Litmus::new(|| {
        let both = (PageLock::new(name("page")), Word::new(name("content"), 0u64));
        both.0.lock();
        both
    })
    .cpu(|(page, content)| {
        content.write(1);
        content.write(2);
        page.unlock();
    })
    .cpu(|(page, content)| {
        page.wait();
        (content.read(), page.is_locked())
    });
    ends(&held, &["(), (2, false)"]);
}
