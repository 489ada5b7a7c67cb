//! A machine without CPUs: what it can be asked, and what it says when that makes no sense.

use lockwalk::mm::At;
use lockwalk::{Clause, Era, Halt, Machine};

fn machine() -> Machine {
    Machine::new(&Era::V5_19, 8, |w| w.new_process().mmap(0..2)).expect("the world makes sense")
}

#[test]
fn what_is_at_an_address_can_be_seen() {
    let machine = machine();
    let seen = machine.step(|w| {
        let parent = w.process(0);
        parent.store(0, 7).expect("it is mapped");
        parent.fork();
        parent.at(0)
    });
    let Ok(At::Page(page)) = seen else { panic!("{seen:?}") };
    assert_eq!(
        (page.mapcount, page.exclusive, page.swap_cache, page.content),
        (2, false, false, 7)
    );
    let after = machine.step(|w| {
        let child = w.process(1);
        child.exit();
        let parent = w.process(0);
        parent.pageout(0);
        let (on_swap, mapped) = (parent.is_on_swap(0), parent.mapcount(0));
        assert!(on_swap && mapped == 0 && !parent.is_mapped(0), "{mapped}");
        (parent.at(0), parent.at(1), w.slots_in_use(), w.processes())
    });
    assert!(matches!(after, Ok((At::Slot(_), At::Nothing, 1, 2))), "{after:?}");
    let back = machine.step(|w| {
        w.swapoff();
        w.swapon();
        (w.slots_in_use(), w.process(0).load(0))
    });
    assert!(matches!(back, Ok((0, Ok(7)))), "{back:?}");
    machine.audit().expect("all is in order");
}

/// The page is the devices' alone then: none of them sees another process's store when it sees what
/// another of them has stored.
#[test]
fn devices_share_a_page_that_their_process_has_unmapped() {
    let read = machine().step(|w| {
        let process = w.process(0);
        process.store(0, 1).expect("it is mapped");
        let (writer, reader) = (
            process.pin_for_writing(0).expect("it is mapped"),
            process.pin_for_reading(0).expect("it is mapped"),
        );
        process.munmap(0..1);
        writer.dma_write(7);
        let found = (writer.read(), reader.read());
        writer.put();
        reader.put();
        found
    });
    assert!(matches!(read, Ok((7, 7))), "{read:?}");
}

#[test]
fn what_has_no_end_comes_back() {
    let forever = |halt: Result<(), Halt>| match halt {
        Err(Halt::Stuck(why)) => {
            assert!(why.contains("no CPU runs that could change anything"), "{why}")
        }
        other => panic!("{other:?}"),
    };
    forever(machine().step(|w| w.repeat_until(|| false)));
    let circle = machine().step(|w| {
        w.repeat_carrying(&mut 0, |value| {
            *value = 1 - *value;
            w.process(0).store(0, *value).expect("it is mapped");
            false
        });
    });
    forever(circle);
    forever(machine().step(|w| {
        w.lru_lock.lock();
        w.process(0).touch(0);
    }));
}

#[test]
fn what_is_violated_is_said() {
    let machine = machine();
    let halt = machine.step(|w| {
        w.process(0).touch(0);
        let At::Page(seen) = w.process(0).at(0) else { panic!("a page is there") };
        w.get_page(seen.page);
    });
    halt.expect("a reference is no fault");
    let halt = machine.audit();
    assert!(
        matches!(&halt, Err(Halt::Violation(violation)) if violation.clause == Clause::COUNT_2),
        "{halt:?}"
    );
    let nonsense = Machine::new(&Era::V5_19, 8, |w| w.new_process().touch(0)).err();
    assert!(matches!(nonsense, Some(Halt::Stuck(_))), "{nonsense:?}");
}
