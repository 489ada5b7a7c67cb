//! What mremap finds at the place that it moves to: a neighbour that grows, or must not.

use super::s4_mremap::{locked_look, migrated};
use super::worlds::one_page;
use crate::mm::{Setup, World};
use crate::spec::{AnonVmaReuse, Clause, Era, MremapLock, MremapMerge};
use crate::{Mark, Protocol, Race, Seen};

fn grows(e: &Seen<'_>) -> bool {
    e.saw(Mark::MREMAP_MERGES)
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MREMAP_MOVED)
}

fn over(race: Race, protocols: &[Protocol]) -> Race {
    protocols.iter().cloned().fold(race, Race::holds)
}

/// What was touched at 1 is at 5 now, and an untouched VMA begins where it ended.
fn moved_from_below(w: &Setup<'_>) {
    one_page(w);
    let p = w.process(0);
    p.mremap(1..2, 5).expect("it is mapped");
    p.mmap(2..3);
}

/// A neighbour on either side, a VMA with the offset that would go on, and one that began where
/// that does, none of which may grow.
fn never_fits(w: &World) {
    let p = w.process(0);
    let moves = |from: u64, to: u64| {
        p.mremap(from..from + 1, to).expect("it is mapped");
        p.load(to).expect("it is mapped");
    };
    moves(6, 1); // behind 0..1, whose offset goes on with 1 and not with 6
    moves(1, 9); // 5..6 has the offset, and does not end at 9
    moves(9, 3); // 7..8 has the offset that goes on, and does not begin at 4
    moves(3, 1); // before 2..3, which has the offset 2 and not 7
}

/// Of a VMA of three touched pages the middle one is at 5 now.
fn middle_away(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(0..3);
    (0..3).for_each(|addr| p.touch(addr));
    p.mremap(1..2, 5).expect("it is mapped");
}

/// Six processes, of which three are left. The last one's two VMAs have the anon_vma of the second
/// one's child, which has no VMA left by then; each of them is on a list besides that the other one
/// is not on: the page at 2 is found by that of the upper one.
fn reused(w: &Setup<'_>) {
    let first = w.new_process();
    first.mmap(1..4);
    first.touch(2);
    let second = first.fork();
    let third = second.fork();
    second.exit();
    let fourth = third.fork(); // with the second one's
    third.split_vma(2);
    fourth.split_vma(2);
    let fifth = fourth.fork(); // with two of its own, while the third has two VMAs
    third.exit();
    fifth.store(2, 7).expect("it is mapped");
    let sixth = fifth.fork(); // with the third one's, once or twice
    fifth.exit();
    sixth.mremap(2..3, 6).expect("it is mapped");
}

/// Both neighbours become one with what moves between them (cases 1 and 6 of `vma_merge`).
fn both() -> Vec<Race> {
    let both =
        |race: Race| race.sometimes("both become one with it", |e| e.saw(Mark::MREMAP_MERGES_BOTH));
    let imports = Race::new(
        "S4/merge-both",
        "an untouched VMA grows over the place that a page moves to and over the touched VMA \
         behind it, and gets that one's anon_vma",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..3);
        p.touch(1);
        p.touch(2);
        p.mremap(1..2, 5).expect("it is mapped");
        p.mmap(0..1);
    })
    .cpu("mremap back, reclaim, and a child", |w| {
        w.process(0).mremap(5..6, 1).expect("it is mapped");
        w.shrink_page(w.process(0).page_at(5));
        let child = w.process(0).fork();
        assert_eq!(
            (child.load(1), child.load(2)),
            (Ok(101), Ok(102)),
            "the child has what its parent has"
        );
    })
    .sometimes("it is moved", moved);
    let again = Era::V6_18.with(MremapMerge::EitherNull); // 6.16 to 6.18.7
    let imports = over(
        imports,
        &[Era::V2_6_11, Era::V2_6_13, Era::V2_6_22, Era::V2_6_34, Era::V2_6_38, again, Era::V6_18],
    );
    let back = |w: &World| w.process(0).mremap(5..6, 1).expect("it is mapped");
    let walked = Race::new(
        "S4/merged-both",
        "three VMAs become one, and an entry moves into what the walk has passed already",
    )
    .world(middle_away)
    .cpu("migrate_pages (the page at 5)", |w| w.migrate(w.process(0).page_at(5)))
    .cpu("mremap back", back)
    .violates(locked_look(MremapLock::Nothing), Clause::MIG_1)
    .sometimes("it is moved", moved)
    .sometimes("the page is migrated", migrated);
    let cured = [
        locked_look(MremapLock::MoveToTail),
        locked_look(MremapLock::RmapLock),
        Era::V3_7,
        Era::V5_19,
        Era::V6_18,
    ];
    let removed = Race::new(
        "S4/merged-away",
        "three VMAs become one while a page of the one that goes is migrated",
    )
    .world(middle_away)
    .cpu("migrate_pages (the page at 2)", |w| w.migrate(w.process(0).page_at(2)))
    .cpu("mremap back", back)
    .sometimes("it is moved", moved)
    .sometimes("the page is migrated", migrated);
    // What goes leaves the list under its lock, where the walk has it.
    let removed = over(
        removed,
        &[Era::V2_6_29, Era::V2_6_34, Era::V2_6_38, Era::V3_7, Era::V5_19, Era::V6_18],
    );
    vec![both(imports), both(over(walked, &cured)), both(removed)]
}

pub(super) fn races() -> Vec<Race> {
    let eras = [
        Era::RMAP_10,
        Era::DOCUMENT_4,
        Era::V2_6_7,
        Era::V2_6_13,
        Era::V2_6_34,
        Era::V3_7,
        Era::V5_19,
        Era::V6_18,
    ];
    let above = Race::new(
        "S4/merge-above",
        "an untouched VMA grows downwards over the place that a page moves to",
    )
    .world(moved_from_below)
    .cpu("mremap back, and then reclaim", |w| {
        w.process(0).mremap(5..6, 1).expect("it is mapped");
        w.shrink_page(w.process(0).page_at(5));
    })
    .violates(Era::V2_6_11, Clause::LIFE_1)
    .violates(Era::V2_6_34, Clause::LIFE_1)
    .violates(Era::V6_18.with(MremapMerge::EitherNull), Clause::LIFE_1)
    .sometimes("it is moved", moved);
    let below = Race::new(
        "S4/merge-below",
        "a page moves back below its neighbour, which grows, while a page of the neighbour is \
         migrated",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(0..2);
        p.touch(0);
        p.touch(1);
        p.mremap(0..1, 3).expect("it is mapped");
    })
    .cpu("mremap back", |w| w.process(0).mremap(3..4, 0).expect("it is mapped"))
    .cpu("migrate_pages (the page at 1)", |w| w.migrate(w.process(0).page_at(1)))
    .violates(Era::V2_6_34, Clause::RMAP_1)
    .sometimes("it grows", grows)
    .sometimes("the page is migrated", migrated);
    let untouched = Race::new(
        "S4/merge-untouched",
        "an untouched VMA moves beside another, which grows, since the offsets of both are new",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..2);
        p.mmap(4..5);
    })
    .cpu("mremap, and a store", |w| {
        let p = w.process(0);
        p.mremap(4..5, 2).expect("it is mapped");
        p.store(2, 7).expect("it is mapped");
    })
    .sometimes("the other grows", grows);
    let beside = |id: &str, title: &str, child: bool| {
        Race::new(id, title)
            .world(move |w| {
                one_page(w);
                if child {
                    w.process(0).fork();
                }
                w.process(usize::from(child)).mmap(4..5);
            })
            .cpu("mremap, and a store", move |w| {
                let p = w.process(usize::from(child));
                p.mremap(4..5, 2).expect("it is mapped");
                p.store(2, 7).expect("it is mapped");
            })
    };
    let touched = beside(
        "S4/merge-touched",
        "an untouched VMA moves beside one that was touched, which grows",
        false,
    )
    .sometimes("it grows", grows);
    // What speaks against it since 3.0 is the length of lists (965f55dea0e3); that 2.6.34 does it,
    // breaks nothing.
    let forked = beside(
        "S4/merge-forked",
        "in a child, an untouched VMA moves beside one whose pages may be found by more lists \
         than its own",
        true,
    )
    .never("it grows", grows)
    .violates(Era::V2_6_34, Clause::RACE_1);
    let misfits = Race::new(
        "S4/merge-misfits",
        "a VMA moves beside others whose offsets do not go on, and none of them grows",
    )
    .world(|w| {
        let p = w.new_process();
        for start in [0, 2, 5, 7] {
            p.mmap(start..start + 1);
        }
        p.mmap(6..7);
        p.touch(6);
    })
    .cpu("mremap, four times", never_fits)
    .never("one grows", grows)
    .sometimes("it is moved", moved);
    let expands = Race::new(
        "S4/expand",
        "a VMA grows in place while its page is unmapped, and what it has grown by is touched",
    )
    .world(one_page)
    .cpu("mremap in place, and a store", |w| {
        let p = w.process(0);
        p.expand(1..2, 3).expect("nothing is behind it");
        p.store(2, 7).expect("it is mapped");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .sometimes("the page goes to swap", |e| e.saw(Mark::SHRINK_FREED));
    // FINDING-102: CVE-2022-42703.
    let doubly = Race::new(
        "S4/merge-reused",
        "fork gives two VMAs of a process the same dead process's anon_vma, and one grows over what \
         only the other one's lists find",
    )
    .world(reused)
    .cpu("mremap (back)", |w| w.process(5).mremap(6..7, 2).expect("it is mapped"))
    .cpu("kswapd", |w| w.shrink_page(w.process(5).page_at(6)))
    .violates(Era::V5_9, Clause::LIFE_1)
    .violates(Era::V5_19, Clause::LIFE_1)
    .violates(Era::V6_1.with(AnonVmaReuse::Degree), Clause::LIFE_1)
    .sometimes("a VMA grows", grows)
    .sometimes("the page goes to swap", |e| e.saw(Mark::SHRINK_FREED));
    let mut all = both();
    all.extend([
        over(above, &[Era::V3_7, Era::V5_19, Era::V6_18]),
        over(
            below,
            &[
                Era::V2_6_29,
                Era::V2_6_33,
                Era::V2_6_36,
                Era::V2_6_38,
                Era::V3_7,
                Era::V5_19,
                Era::V6_18,
            ],
        ),
        over(untouched, &eras),
        over(touched, &[Era::V2_6_7, Era::V2_6_34, Era::V3_7, Era::V5_19, Era::V6_18]),
        over(forked, &[Era::V3_7, Era::V5_19]),
        // under anonmm an offset says nothing: whatever ends there, grows
        over(misfits, &eras[2..]),
        over(expands, &eras),
        over(
            doubly,
            &[
                Era::V3_7,
                Era::V5_9.with(AnonVmaReuse::No),
                Era::V5_10,
                Era::V5_19.with(AnonVmaReuse::NoVmas),
                Era::V6_1,
                Era::V6_18,
            ],
        ),
    ]);
    all
}
