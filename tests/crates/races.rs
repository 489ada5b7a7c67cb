//! Somebody else's crate: three races of his own, with all of lockwalk's commands.

use std::process::ExitCode;

use lockwalk::{Clause, Era, Mark, Race};

fn main() -> ExitCode {
    let split = Race::new("mine/split", "a VMA is split while its page is migrated")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..5);
            p.touch(4);
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("split_vma", |w| w.process(0).split_vma(2))
        .violates(Era::V2_6_34, Clause::MIG_1)
        .holds(Era::V2_6_36)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED));
    let family = |id: &str, title: &str| {
        Race::new(id, title).world(|w| {
            let parent = w.new_process();
            parent.mmap(1..3);
            parent.touch(1);
            parent.fork();
        })
    };
    let stores = family("mine/stores", "parent and child store to the page that they share")
        .cpu("the parent's store", |w| w.process(0).store(1, 7).expect("it is mapped"))
        .cpu("the child's store", |w| w.process(1).store(1, 8).expect("it is mapped"))
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(7), "the parent sees the child's store"))
        .holds(Era::V2_6_36);
    let exits = family("mine/exits", "parent and child exit at once")
        .cpu("the parent exits", |w| w.process(0).exit())
        .cpu("the child exits", |w| w.process(1).exit())
        .holds(Era::V2_6_36);
    lockwalk::cli::main(vec![split, stores, exits])
}
