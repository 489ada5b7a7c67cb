//! What the two reverse maps cost, counted: SPEC.md has the table, and is held to it. `SPEC_BLESS=1
//! cargo test -p lockwalk --test maps` rewrites it.

#[path = "catalogue/generated.rs"]
mod generated;

use std::fmt::Write as _;

use lockwalk::mm::{Setup, World};
use lockwalk::witness::{Step, StepKind};
use lockwalk::{Era, Method, Options, Protocol, Race};

type Build = fn(&Setup<'_>);
type OnWorld = fn(&World);

/// One process that has a page.
fn alone(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..2);
    p.touch(1);
}

/// Parent and child have it.
fn shared(w: &Setup<'_>) {
    alone(w);
    w.process(0).fork();
}

/// A parent has it, and ten children, the last of which is looked for.
fn many(w: &Setup<'_>) {
    alone(w);
    (0..10).for_each(|_| _ = w.process(0).fork());
}

/// The one that touched it has exited; ten others of the family have never had it, and unmapped the
/// VMA. One has it still.
fn bystanders(w: &Setup<'_>) {
    many(w);
    (1..10).for_each(|child| w.process(child).munmap(1..2));
}

fn swapped(w: &Setup<'_>) {
    shared(w);
    w.process(0).swap_out(1);
}

/// What is done, in which world.
const OPERATIONS: [(&str, Build, OnWorld); 15] = [
    ("a first store", |w| w.new_process().mmap(1..2), |w| w.process(0).touch(1)),
    ("fork, one page", alone, |w| _ = w.process(0).fork()),
    ("a store to a shared page", shared, |w| w.process(1).touch(1)),
    ("exit, the page is shared", shared, |w| w.process(1).exit()),
    ("exit, the page is the process's", alone, |w| w.process(0).exit()),
    ("`page_referenced`, one has the page", alone, |w| w.age_page(w.process(0).page_at(1))),
    ("`page_referenced`, two have it", shared, |w| w.age_page(w.process(0).page_at(1))),
    ("`page_referenced`, eleven have it", many, |w| w.age_page(w.process(0).page_at(1))),
    ("`page_referenced`, two have it, and nine had", bystanders, |w| {
        w.age_page(w.process(0).page_at(1))
    }),
    ("reclaim, two have it", shared, |w| w.shrink_page(w.process(0).page_at(1))),
    ("a load of what is on swap for two", swapped, |w| _ = w.process(0).load(1)),
    ("mremap, the page is the process's", alone, |w| _ = w.process(0).mremap(1..2, 3)),
    ("mremap, the page is shared", shared, |w| _ = w.process(1).mremap(1..2, 3)),
    ("mremap, the page is on swap for two", swapped, |w| _ = w.process(1).mremap(1..2, 3)),
    ("the same, and then both load", swapped, |w| {
        _ = w.process(1).mremap(1..2, 3);
        _ = w.process(0).load(1);
        _ = w.process(1).load(3);
    }),
];

/// What an operation takes.
#[derive(PartialEq, Eq, Debug)]
struct Cost {
    steps: usize,
    locks: usize,
    of_the_map: usize,
    pages: usize,
}

impl Cost {
    fn of(steps: &[Step]) -> Self {
        let count = |which: &dyn Fn(&Step) -> bool| steps.iter().filter(|step| which(step)).count();
        let locks = |step: &Step| {
            matches!(step.kind, StepKind::Lock | StepKind::LockShared | StepKind::TryLock)
        };
        let of_the_map = |step: &Step| {
            ["maplock(", "anonmm#", "anon_vma#"].iter().any(|name| step.object.starts_with(name))
        };
        let silent = |step: &Step| {
            matches!(
                step.kind,
                StepKind::Call | StepKind::Return | StepKind::Note | StepKind::Violation
            )
        };
        Self {
            steps: count(&|step| !silent(step)),
            locks: count(&locks),
            of_the_map: count(&|step| locks(step) && of_the_map(step)),
            pages: count(&|step| {
                step.kind == StepKind::Note && step.text.starts_with("alloc_page()")
            }),
        }
    }
}

/// Counts the steps of `operation`, which has the machine for itself: what is asserted when it is
/// over shows them all.
fn cost(world: Build, operation: OnWorld, protocol: &Protocol) -> Cost {
    let race = Race::new("maps", "one CPU")
        .world(world)
        .cpu("alone", operation)
        .finally(|_| panic!("it is over"));
    let outcome = race.check_with(protocol, &Method::Exhaustive, &Options::default().witness(true));
    Cost::of(&outcome.witness.expect("it is asserted that it is not over").steps)
}

#[test]
fn the_two_maps_side_by_side() {
    let protocols = [Era::RMAP_10, Era::DOCUMENT_4, Era::V2_6_7, Era::V2_6_11];
    let mut table = String::from("| operation |");
    protocols.iter().for_each(|protocol| _ = write!(table, " {protocol} |"));
    table += "\n| --- |";
    protocols.iter().for_each(|_| table += " --- |");
    for (name, world, operation) in OPERATIONS {
        _ = write!(table, "\n| {name} |");
        for protocol in &protocols {
            let Cost { steps, locks, of_the_map, pages } = cost(world, operation, protocol);
            _ = write!(table, " {steps} · {locks} ({of_the_map}) · {pages} |");
        }
    }
    println!("{table}");
    generated::generated("maps", &table);
}
