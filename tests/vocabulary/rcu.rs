//! RCU's read sections and grace periods, and the slab that rests on them.

use lockwalk::sync::{Rcu, Slab, SlabRef, Word};
use lockwalk::{Clause, Litmus};

use super::{NATIVE, SEARCHES, ends, name, search};

struct Domain {
    rcu: Rcu,
    x: Word<u64>,
    y: Word<u64>,
}

fn domain() -> Domain {
    Domain { rcu: Rcu::new(), x: Word::new(name("x"), 0), y: Word::new(name("y"), 0) }
}

/// A reader that saw x before it changed is gone before y changes.
#[test]
fn a_grace_period_waits_for_readers_that_began_before_it() {
    let updater = |synchronize: bool| {
        move |d: &Domain| {
            d.x.write(1);
            if synchronize {
                d.rcu.synchronize();
            }
            d.y.write(1);
        }
    };
    let reader = |d: &Domain| {
        d.rcu.read_lock();
        let seen = (d.x.read(), d.y.read());
        d.rcu.read_unlock();
        seen
    };
    ends(
        &Litmus::new(domain).cpu(reader).cpu(updater(true)),
        &["(0, 0), ()", "(1, 0), ()", "(1, 1), ()"],
    );
    let hasty = Litmus::new(domain).cpu(reader).cpu(updater(false));
    for method in &SEARCHES {
        assert!(search(&hasty, method).ended("(0, 1), ()"), "{}", method.name());
    }
}

/// CPU0 begins before the grace period (it sees x = 0) and sees CPU2 inside a section (y = 1);
/// CPU1's grace period, which has to wait for CPU0, ends while CPU2 is still inside: so CPU2 began
/// later, and is not waited for. loom needs too long for it.
#[test]
fn a_grace_period_does_not_wait_for_readers_that_began_after_it() {
    let litmus = Litmus::new(domain)
        .cpu(|d| {
            d.rcu.read_lock();
            let seen = (d.x.read(), d.y.read());
            d.rcu.read_unlock();
            seen
        })
        .cpu(|d| {
            d.x.write(1);
            d.rcu.synchronize();
            d.y.read()
        })
        .cpu(|d| {
            d.rcu.read_lock();
            d.y.write(1);
            d.y.write(0);
            d.rcu.read_unlock();
        });
    let seen = search(&litmus, &SEARCHES[0]);
    assert!(seen.ended("(0, 1), 1, ()"), "{seen:?}");
}

#[test]
fn read_sections_nest() {
    let litmus = Litmus::new(domain)
        .cpu(|d| {
            d.rcu.read_lock();
            let x = d.x.read();
            d.rcu.read_lock();
            d.rcu.read_unlock();
            let y = d.y.read();
            d.rcu.read_unlock();
            (x, y)
        })
        .cpu(|d| {
            d.x.write(1);
            d.rcu.synchronize();
            d.y.write(1);
        });
    for method in &SEARCHES {
        assert!(!search(&litmus, method).ended("(0, 1), ()"), "{}", method.name());
    }
}

struct Cache {
    rcu: Rcu,
    slab: Slab<Word<u64>>,
    /// The pointer that readers follow.
    pointer: Word<Option<SlabRef>>,
}

fn cache() -> Cache {
    let slab = Slab::new("object#%a", |slot| {
        Word::new(lockwalk::sync::Name::new("object#%a.value", slot, 0), 0)
    });
    let first = slab.alloc();
    slab.get(first).write(1);
    Cache { rcu: Rcu::new(), slab, pointer: Word::new(name("pointer"), Some(first)) }
}

fn read_under_rcu(c: &Cache) -> u64 {
    c.rcu.read_lock();
    let value = c.pointer.read().map_or(0, |object| c.slab.get(object).read());
    c.rcu.read_unlock();
    value
}

fn read_bare(c: &Cache) -> u64 {
    c.pointer.read().map_or(0, |object| c.slab.get(object).read())
}

/// Unpublishes the object, frees it, and takes another; true if that is the same memory.
fn reuse(c: &Cache) -> bool {
    let old = c.pointer.read().expect("only this CPU changes it");
    c.pointer.write(None);
    c.slab.free(old, &c.rcu);
    let new = c.slab.alloc();
    c.slab.get(new).write(2);
    let reused = new.same_object(old);
    c.slab.free(new, &c.rcu);
    reused
}

/// Memory is type-stable: a reader may find the next owner's object, and that is legal.
#[test]
fn a_freed_object_is_handed_out_again_at_once_under_its_readers() {
    ends(&Litmus::new(cache).cpu(read_under_rcu).cpu(reuse), &["0, true", "1, true", "2, true"]);
}

#[test]
fn outside_a_read_section_a_freed_object_must_not_be_used() {
    let litmus = Litmus::new(cache).cpu(read_bare).cpu(reuse);
    for method in &SEARCHES {
        assert_eq!(litmus.explore(method).violated(), [Clause::LIFE_1], "{}", method.name());
    }
    assert!(litmus.explore(&NATIVE).violated().iter().all(|&clause| clause == Clause::LIFE_1));
}

/// A read section protects only what was not freed when it began.
#[test]
fn a_read_section_that_begins_too_late_protects_nothing() {
    let late = |c: &Cache| {
        let object = c.pointer.read();
        c.rcu.read_lock();
        let value = object.map_or(0, |object| c.slab.get(object).read());
        c.rcu.read_unlock();
        value
    };
    let litmus = Litmus::new(cache).cpu(late).cpu(reuse);
    for method in &SEARCHES {
        assert_eq!(litmus.explore(method).violated(), [Clause::LIFE_1], "{}", method.name());
    }
}

#[test]
fn freed_memory_is_released_after_a_grace_period_only() {
    let free_and_shrink = |c: &Cache| {
        let old = c.pointer.read().expect("only this CPU changes it");
        c.pointer.write(None);
        c.slab.free(old, &c.rcu);
        c.slab.shrink(&c.rcu);
    };
    ends(&Litmus::new(cache).cpu(read_under_rcu).cpu(free_and_shrink), &["0, ()", "1, ()"]);
    let bare = Litmus::new(cache).cpu(read_bare).cpu(free_and_shrink);
    for method in &SEARCHES {
        assert_eq!(bare.explore(method).violated(), [Clause::LIFE_1], "{}", method.name());
    }
}

#[test]
fn an_object_is_freed_once() {
    let twice = Litmus::new(cache).cpu(|c| {
        let object = c.pointer.read().expect("it is there");
        c.slab.free(object, &c.rcu);
        c.slab.free(object, &c.rcu);
    });
    for method in SEARCHES.iter().chain([&NATIVE]) {
        assert_eq!(twice.explore(method).violated(), [Clause::LIFE_1], "{}", method.name());
    }
}
