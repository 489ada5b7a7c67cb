//! exec moves the stack with the arguments down, in one VMA, while the reverse map is walked.

use super::s4_mremap::migrated;
use crate::mm::{Setup, World};
use crate::spec::{Clause, Era, PteLook, TemporaryStack};
use crate::{Mark, Protocol, Race, Seen};

/// exec has put an argument on a stack at 5, which is to be at 2.
fn arguments(w: &Setup<'_>) {
    let p = w.new_process();
    p.bprm_mm_init(5..6);
    p.touch(5);
}

fn exec(w: &World) {
    w.process(0).setup_arg_pages(5..6, 2).expect("nothing is in the way");
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::EXEC_MOVED_STACK)
}

fn passed(e: &Seen<'_>) -> bool {
    e.saw(Mark::WALK_PASSES_TEMPORARY_STACK)
}

fn violated(race: Race, protocols: &[Protocol], clause: Clause) -> Race {
    protocols.iter().cloned().fold(race, |race, protocol| race.violates(protocol, clause))
}

fn over(race: Race, protocols: &[Protocol]) -> Race {
    protocols.iter().cloned().fold(race, Race::holds)
}

/// 2.6.34 in whose walks nothing is missed because they look without the page-table lock.
fn locked_look(rule: TemporaryStack) -> Protocol {
    Era::V2_6_34.with(PteLook::LocklessUnmap).with(rule)
}

/// Those that mark the stack.
const MARKED: [Protocol; 6] =
    [Era::V2_6_36, Era::V2_6_38, Era::V3_7, Era::V5_9, Era::V5_19, Era::V6_18];

pub(super) fn races() -> Vec<Race> {
    let migrate = |w: &World| w.migrate(w.process(0).page_at(5));
    let walked = Race::new(
        "S4/exec",
        "exec moves its stack, and migration looks for its entry at the new place, before it is \
         there, and not at the old one",
    )
    .world(arguments)
    .cpu("exec", exec)
    .cpu("migrate_pages", migrate)
    .violates(Era::V2_6_34.with(TemporaryStack::Locked), Clause::ATOMIC_1)
    .sometimes("the stack is moved", moved)
    .sometimes("the page is migrated", migrated);
    // The lock of an anon_vma sleeps since 3.0.
    let walked = over(
        walked,
        &[Era::V3_7.with(TemporaryStack::Locked), Era::V3_7.with(TemporaryStack::TwoVmasInOrder)],
    );
    let missed = [
        Era::V2_6_29,
        Era::V2_6_33,
        Era::V2_6_34,
        Era::V3_7.with(TemporaryStack::Unmarked),
        Era::V2_6_38.with(TemporaryStack::LockedMoves),
        Era::V3_7.with(TemporaryStack::LockedMoves),
        locked_look(TemporaryStack::TwoVmas),
        Era::V2_6_34.with(TemporaryStack::TwoVmasInOrder),
    ];
    let walked = over(
        violated(walked, &missed, Clause::MIG_1),
        &[locked_look(TemporaryStack::TwoVmasInOrder)],
    );
    let overlaps = Race::new(
        "S4/exec-overlap",
        "exec moves its stack to a place that overlaps the old one, and the process finds its \
         arguments",
    )
    .world(|w| {
        let p = w.new_process();
        p.bprm_mm_init(4..6);
        p.touch(4);
        p.touch(5);
    })
    .cpu("exec, then loads", |w| {
        let p = w.process(0);
        p.setup_arg_pages(4..6, 3).expect("nothing is in the way");
        assert_eq!((p.load(3), p.load(4)), (Ok(104), Ok(105)), "the arguments have moved");
    })
    .cpu("migrate_pages", migrate)
    .sometimes("the walk passes by", passed)
    .sometimes("the page is migrated", migrated);
    let reclaimed = Race::new(
        "S4/exec-reclaim",
        "exec moves its stack, and reclaim finds the page or does not, and no mark keeps it off",
    )
    .world(arguments)
    .cpu("exec, then a load", |w| {
        exec(w);
        assert_eq!(w.process(0).load(2), Ok(105), "the argument has moved");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(5)))
    .sometimes("the stack is moved", moved)
    .sometimes("the page goes to swap", |e| e.saw(Mark::SHRINK_FREED))
    .sometimes("it stays", |e| !e.saw(Mark::SHRINK_FREED));
    let unused =
        Race::new("S4/exec-swapoff", "exec moves a swap entry, and swapoff brings the page back")
            .world(|w| {
                arguments(w);
                w.process(0).swap_out(5);
            })
            .cpu("exec, then a load", |w| {
                exec(w);
                assert_eq!(w.process(0).load(2), Ok(105), "the argument has moved");
            })
            .cpu("swapoff, one round", |w| {
                w.swapoff_begins();
                w.unuse_next();
            })
            .sometimes("the load brings the page back", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
            .sometimes("swapoff does", |e| !e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let fails = Race::new(
        "S4/exec-fails",
        "memory runs out while exec moves its stack, and the process exits with half of it at \
         either place",
    )
    .world(|w| {
        let p = w.new_process();
        p.bprm_mm_init(7..9);
        p.touch(7);
        p.touch(8);
        w.limit_memory();
    })
    .cpu("exec", |w| {
        if w.process(0).setup_arg_pages(7..9, 2).is_err() {
            w.process(0).exit();
        }
    })
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(8)))
    .cpu("memory runs out", |w| w.exhaust_memory())
    .sometimes("exec fails half-way", |e| e.saw(Mark::EXEC_FAILED))
    .sometimes("the stack is moved", moved);
    let waits =
        Race::new("S4/exec-waits", "exec waits for its program, and memory hot-remove for exec")
            .world(arguments)
            .cpu("offline_pages", |w| w.offline_page(w.process(0).page_at(5)))
            .violates(Era::V2_6_36, Clause::LIVELOCK)
            .violates(Era::V3_7, Clause::LIVELOCK)
            .violates(Era::V6_18, Clause::LIVELOCK)
            .sometimes("the page is migrated", migrated);
    vec![
        over(walked, &MARKED),
        // S4/exec's, where nothing marks the VMA
        over(violated(overlaps, &[Era::V2_6_34], Clause::MIG_1), &MARKED),
        over(
            reclaimed,
            &[
                Era::V2_6_29,
                Era::V2_6_33,
                Era::V2_6_34,
                Era::V2_6_36,
                Era::V3_7,
                Era::V5_19,
                Era::V6_18,
            ],
        ),
        over(unused, &[Era::V2_6_29, Era::V2_6_33, Era::V2_6_34, Era::V2_6_36, Era::V3_7]),
        over(violated(fails, &[Era::V2_6_34], Clause::MIG_1), &[Era::V2_6_38, Era::V3_7]),
        over(waits, &[Era::V2_6_33, Era::V2_6_34]),
    ]
}
