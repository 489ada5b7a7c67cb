//! Each thing that must not be done with locks, in the smallest program that does it, on every
//! engine. A violation is a value that a test can look at, never an abort.

use lockwalk::sync::{self, PageLock, Rcu, RetryLoop, RwSem, SpinLock, Word};
use lockwalk::{Clause, Era, Litmus, Method, Race};

use super::{NATIVE, SEARCHES, ends, name, search};

/// A few CPUs of which every execution violates `clause`, so that real threads show it too.
#[track_caller]
fn violates<T: Send + Sync + 'static>(litmus: &Litmus<T>, clause: Clause) {
    for method in SEARCHES.iter().chain([&NATIVE]) {
        let seen = litmus.explore(method);
        assert_eq!(seen.violated(), [clause], "{}: {seen:?}", method.name());
        assert_eq!(seen.endings(), [""; 0], "{}", method.name());
    }
}

fn locks() -> (SpinLock<u64>, SpinLock<u64>) {
    (SpinLock::new(name("A"), 0), SpinLock::new(name("B"), 0))
}

#[test]
fn unlock_1() {
    violates(&Litmus::new(locks).cpu(|(a, _)| a.unlock()), Clause::UNLOCK_1);
    violates(&Litmus::new(locks).cpu(|(a, _)| a.lock()), Clause::UNLOCK_1);
    violates(&Litmus::new(|| PageLock::new(name("page"))).cpu(PageLock::unlock), Clause::UNLOCK_1);
    violates(&Litmus::new(|| RwSem::new(name("sem"))).cpu(RwSem::up_read), Clause::UNLOCK_1);
    violates(&Litmus::new(|| RwSem::new(name("sem"))).cpu(RwSem::up_write), Clause::UNLOCK_1);
    violates(&Litmus::new(|| RwSem::new(name("sem"))).cpu(RwSem::down_read), Clause::UNLOCK_1);
    violates(&Litmus::new(Rcu::new).cpu(Rcu::read_lock), Clause::UNLOCK_1);
    violates(&Litmus::new(Rcu::new).cpu(Rcu::read_unlock), Clause::UNLOCK_1);
    let mixed = Litmus::new(|| RwSem::new(name("sem"))).cpu(|sem| {
        sem.down_read();
        sem.up_write();
    });
    violates(&mixed, Clause::UNLOCK_1);
}

/// Somebody else's lock is not one's own, whether it happens to be held or not.
#[test]
fn unlock_1_of_another_cpus_spin_lock() {
    let litmus = Litmus::new(locks)
        .cpu(|(a, _)| {
            a.lock();
            a.unlock();
        })
        .cpu(|(a, _)| a.unlock());
    for method in &SEARCHES {
        assert_eq!(litmus.explore(method).violated(), [Clause::UNLOCK_1], "{}", method.name());
    }
}

#[test]
fn guard_1() {
    violates(&Litmus::new(locks).cpu(|(a, _)| *a.data()), Clause::GUARD_1);
    let wrong = Litmus::new(locks).cpu(|(a, b)| {
        a.lock();
        *b.data() += 1;
        a.unlock();
    });
    violates(&wrong, Clause::GUARD_1);
    violates(&Litmus::new(|| RwSem::new(name("sem"))).cpu(RwSem::assert_held), Clause::GUARD_1);
    violates(
        &Litmus::new(|| PageLock::new(name("page"))).cpu(PageLock::assert_held),
        Clause::GUARD_1,
    );
    let reads = Litmus::new(|| RwSem::new(name("sem"))).cpu(|sem| {
        sem.down_read();
        sem.assert_write_held();
    });
    violates(&reads, Clause::GUARD_1);
}

#[test]
fn atomic_1() {
    struct Sleepers {
        spin: SpinLock<()>,
        rcu: Rcu,
        page: PageLock,
        sem: RwSem,
    }
    let build = || Sleepers {
        spin: SpinLock::new(name("spin"), ()),
        rcu: Rcu::new(),
        page: PageLock::new(name("page")),
        sem: RwSem::new(name("sem")),
    };
    let sleeps: [fn(&Sleepers); 6] = [
        |s| s.page.lock(),
        |s| s.page.wait(),
        |s| s.sem.down_read(),
        |s| s.sem.down_write(),
        |s| s.rcu.synchronize(),
        |_| sync::might_sleep("writepage"),
    ];
    for sleep in sleeps {
        let under_spin_lock = move |s: &Sleepers| {
            s.spin.lock();
            sleep(s);
        };
        let under_rcu = move |s: &Sleepers| {
            s.rcu.read_lock();
            sleep(s);
        };
        violates(&Litmus::new(build).cpu(under_spin_lock), Clause::ATOMIC_1);
        violates(&Litmus::new(build).cpu(under_rcu), Clause::ATOMIC_1);
    }
    let tries = Litmus::new(build).cpu(|s| {
        s.spin.lock();
        let taken = s.page.trylock();
        s.spin.unlock();
        if taken {
            s.page.unlock();
        }
    });
    ends(&tries, &["()"]);
}

/// Each waits for what the other holds: found when the circle closes, and told lock by lock.
#[test]
fn deadlock() {
    let both = |first: &SpinLock<u64>, second: &SpinLock<u64>| {
        first.lock();
        second.lock();
        second.unlock();
        first.unlock();
    };
    let crossed = Litmus::new(locks).cpu(move |(a, b)| both(a, b)).cpu(move |(a, b)| both(b, a));
    for method in &SEARCHES {
        let seen = crossed.explore(method);
        assert_eq!(seen.violated(), [Clause::DEADLOCK], "{}", method.name());
        assert_cycle(seen.violation(Clause::DEADLOCK).expect("it is violated"));
    }
    ends(
        &Litmus::new(locks).cpu(move |(a, b)| both(a, b)).cpu(move |(a, b)| both(a, b)),
        &["(), ()"],
    );
}

/// On real threads too: each takes its lock, and only then does either ask for the other's.
#[test]
fn deadlock_on_real_threads() {
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
    let meet = move |first: &SpinLock<u64>, second: &SpinLock<u64>| {
        first.lock();
        barrier.wait();
        second.lock();
    };
    let other = meet.clone();
    let litmus = Litmus::new(locks).cpu(move |(a, b)| meet(a, b)).cpu(move |(a, b)| other(b, a));
    let seen = litmus.explore(&Method::Native { iterations: 20 });
    assert_eq!((seen.executions, seen.violated()), (20, vec![Clause::DEADLOCK]));
    assert_cycle(seen.violation(Clause::DEADLOCK).expect("it is violated"));
}

#[track_caller]
fn assert_cycle(violation: &lockwalk::sync::Violation) {
    let mut hops: Vec<_> = violation
        .cycle
        .iter()
        .map(|hop| (hop.cpu, hop.holds.to_string(), hop.wants.to_string()))
        .collect();
    hops.sort();
    assert_eq!(hops, [(0, "A".into(), "B".into()), (1, "B".into(), "A".into())]);
}

#[test]
fn deadlock_with_oneself() {
    let twice = Litmus::new(locks).cpu(|(a, _)| {
        a.lock();
        a.lock();
    });
    violates(&twice, Clause::DEADLOCK);
}

struct Pair {
    locks: [SpinLock<()>; 2],
    rounds: Word<u64>,
}

fn pair() -> Pair {
    Pair {
        locks: [SpinLock::new(name("A"), ()), SpinLock::new(name("B"), ())],
        rounds: Word::new(name("rounds"), 0),
    }
}

fn state(p: &Pair) -> u64 {
    let owner = |lock: &SpinLock<()>| lock.owner().map_or(0, |cpu| cpu as u64 + 1);
    owner(&p.locks[0]) << 32 | owner(&p.locks[1]) << 16 | p.rounds.peek()
}

/// Takes one lock, tries the other, and starts again if it is taken.
fn try_both(p: &Pair, first: usize) {
    let retries = RetryLoop::new();
    loop {
        retries.round(|| state(p));
        p.locks[first].lock();
        if p.locks[1 - first].trylock() {
            break;
        }
        p.locks[first].unlock();
    }
    p.locks[1 - first].unlock();
    p.locks[first].unlock();
}

/// Only the exhaustive scheduler knows states, and so a cycle without progress.
#[test]
fn livelock() {
    let crossed = Litmus::new(pair).cpu(|p| try_both(p, 0)).cpu(|p| try_both(p, 1));
    assert_eq!(crossed.explore(&Method::Exhaustive).violated(), [Clause::LIVELOCK]);
    let ordered = Litmus::new(pair).cpu(|p| try_both(p, 0)).cpu(|p| try_both(p, 0));
    assert_eq!(search(&ordered, &Method::Exhaustive).endings(), ["(), ()"]);
}

/// Each waits in a loop of its own, in each of its rounds, for what the other does in each of his:
/// whenever somebody's round begins, the other is in the inner loop.
#[test]
fn livelock_with_a_loop_in_each_round() {
    let wait_and_store = |p: &Pair, awaited: u64| {
        let retries = RetryLoop::new();
        loop {
            retries.round(|| state(p));
            let inner = RetryLoop::new();
            loop {
                inner.round(|| state(p));
                if p.rounds.read() == awaited {
                    break;
                }
            }
            drop(inner);
            p.rounds.write(1 - awaited);
        }
    };
    let litmus =
        Litmus::new(pair).cpu(move |p| wait_and_store(p, 0)).cpu(move |p| wait_and_store(p, 1));
    assert_eq!(litmus.explore(&Method::Exhaustive).violated(), [Clause::LIVELOCK]);
}

/// The second round begins its loop in the state in which the first began one, and ends: what a CPU
/// has read before it came into a loop tells them apart.
#[test]
fn one_loop_or_another_in_each_round() {
    let litmus = Litmus::new(pair)
        .cpu(|p| {
            let retries = RetryLoop::new();
            loop {
                retries.round(|| state(p));
                let is_over = p.rounds.read() > 0;
                p.rounds.read();
                RetryLoop::new().round(|| state(p));
                p.rounds.read();
                if is_over {
                    break;
                }
            }
        })
        .cpu(|p| p.rounds.write(1));
    assert_eq!(search(&litmus, &Method::Exhaustive).endings(), ["(), ()"]);
}

/// To wait in a loop for what somebody else is about to do is no livelock: no fair schedule goes
/// round for ever.
#[test]
fn waiting_in_a_loop_is_no_livelock() {
    let litmus = Litmus::new(pair)
        .cpu(|p| {
            let retries = RetryLoop::new();
            loop {
                retries.round(|| state(p));
                if p.rounds.read() > 0 {
                    break;
                }
            }
        })
        .cpu(|p| p.rounds.write(1));
    assert_eq!(search(&litmus, &Method::Exhaustive).endings(), ["(), ()"]);
}

/// A round that has only looked leads on if the CPU carries something else into the next one.
#[test]
fn what_is_carried_round_tells_rounds_apart() {
    let litmus = Litmus::new(pair)
        .cpu(|p| {
            let retries = RetryLoop::new();
            for tries in 0..4 {
                retries.round_carrying(&tries, || state(p));
                p.rounds.read();
            }
        })
        .cpu(|p| {
            for lock in [0, 1, 0, 1] {
                p.locks[lock].lock();
                p.locks[lock].unlock();
            }
        });
    assert_eq!(search(&litmus, &Method::Exhaustive).endings(), ["(), ()"]);
}

/// Two orders are a circle, though readers never wait for each other here: a writer that comes
/// between would close it.
#[test]
fn order_1() {
    let race = Race::new("order", "mmap_sem for reading and the page lock, in both orders")
        .world(|w| {
            w.new_process().mmap(1..2);
            w.process(0).touch(1);
        })
        .cpu("mmap_sem first", |w| {
            w.process(0).mm_struct().mmap_sem.down_read();
            w.lock_page(w.process(0).page_at(1));
            w.unlock_page(w.process(0).page_at(1));
            w.process(0).mm_struct().mmap_sem.up_read();
        })
        .cpu("page lock first", |w| {
            w.lock_page(w.process(0).page_at(1));
            w.process(0).mm_struct().mmap_sem.down_read();
            w.process(0).mm_struct().mmap_sem.up_read();
            w.unlock_page(w.process(0).page_at(1));
        })
        .violates(Era::V2_6_36, Clause::ORDER_1);
    let outcome = race.check(&Era::V2_6_36);
    assert!(outcome.as_documented(), "{:?}", outcome.objections());
}
