//! S3.9: vma_adjust takes no anon_vma lock when only vm_end changes, as its comment in 2.6.33 and
//! 2.6.36 has it.

use crate::spec::{Clause, Era, VmEndLock};
use crate::{Mark, Race};

pub(super) fn races() -> Vec<Race> {
    let race = |id: &str, title: &str, to: u64| {
        Race::new(id, title)
            .world(|w| {
                let p = w.new_process();
                p.mmap(1..5);
                p.mmap(8..10); // behind a gap: it stays where it is
                p.touch(2);
                p.touch(9);
            })
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(2)))
            .cpu("vma_adjust (only vm_end), then a load behind it", move |w| {
                w.process(0).move_end(5, to);
                let _ = w.process(0).load(to);
            })
            .holds(Era::V2_6_33)
            .holds(Era::V2_6_34)
            .holds(Era::V2_6_36)
            .holds(Era::V2_6_36.with(VmEndLock::Always))
            .sometimes("nothing is mapped behind the new end", |e| e.saw(Mark::PAGE_FAULT_EFAULT))
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
    };
    let mapped = Race::new(
        "S3.9/mapped",
        "the end of a VMA shrinks over addresses that were not zapped before, and no lock helps",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..5);
        p.touch(4);
    })
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
    .cpu("vma_adjust (only vm_end, over the page)", |w| w.process(0).move_end(5, 3))
    .violates(Era::V2_6_36, Clause::MIG_1)
    .still_violates(Era::V2_6_36.with(VmEndLock::Always), Clause::MIG_1);
    vec![
        mapped,
        race("S3.9", "the end of a VMA grows without the lock", 7),
        race(
            "S3.9/shrink",
            "the end of a VMA shrinks, over addresses where nothing is mapped, without the lock",
            3,
        ),
    ]
}
