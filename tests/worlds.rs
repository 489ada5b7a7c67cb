//! Worlds in which CPUs meet as no race of the catalogue lets them: over lists of processes,
//! numbers that are handed out, handles, the LRU list and the swap map. Asked in every way there
//! is, each has one answer; and executions that are held to be equivalent are.

use std::collections::BTreeSet;

use lockwalk::mm::{Errno, PageRef, Setup, World};
use lockwalk::witness::Coverage;
use lockwalk::{Era, Mark, Method, Options, Outcome, Protocol, Race};

fn clauses(outcome: &Outcome) -> BTreeSet<&str> {
    outcome
        .violations
        .iter()
        .filter(|violation| violation.count > 0)
        .map(|violation| &*violation.name)
        .collect()
}

fn is_exhausted(outcome: &Outcome) -> bool {
    outcome.coverage == Coverage::Exhaustive
}

/// The one answer under `protocol`: the clauses that can be violated.
fn ask(race: &Race, protocol: &Protocol) -> BTreeSet<String> {
    let check = |race: &Race, method: Method| {
        race.check_with(protocol, &method, &Options::default().executions(200_000))
    };
    let name = race.title();
    let forward = check(race, Method::Exhaustive);
    let reversed = check(&race.clone().reversed(), Method::Exhaustive);
    assert!(is_exhausted(&forward) && is_exhausted(&reversed), "{name}: {forward:?}");
    assert_eq!(clauses(&forward), clauses(&reversed), "{name}, the CPUs in the opposite order");
    if clauses(&forward).is_empty() {
        assert_eq!(
            forward.executions, reversed.executions,
            "{name}, the CPUs in the opposite order"
        );
        // What is to be reached sometimes, or never, is judged where something is claimed; what is
        // refused here does nothing on purpose.
        let claimed = check(&race.clone().holds(protocol.clone()), Method::Exhaustive);
        let mut objections = claimed.objections();
        objections.retain(|objection| !objection.ends_with("never did anything"));
        assert!(objections.is_empty(), "{name} under {protocol}: {objections:?}");
    }
    let samples = [
        Method::Random { seed: 7, iterations: 300 },
        Method::Pct { seed: 7, depth: 3, iterations: 300 },
        Method::Pct { seed: 8, depth: 5, iterations: 300 },
    ];
    for method in samples {
        let sample = check(race, method.clone());
        assert!(
            clauses(&sample).is_subset(&clauses(&forward)),
            "{name}: {method:?} sees {:?}",
            clauses(&sample)
        );
        for (ending, seen) in forward.endings.iter().zip(&sample.endings) {
            assert!(
                ending.count > 0 || seen.count == 0,
                "{name}: {method:?} comes to '{}'",
                ending.name
            );
        }
    }
    let enumerated =
        race.check_with(protocol, &Method::Enumerate, &Options::default().executions(1_000));
    assert!(
        clauses(&enumerated).is_subset(&clauses(&forward)),
        "{name}: enumeration sees {:?}",
        clauses(&enumerated)
    );
    if is_exhausted(&enumerated) {
        assert_eq!(clauses(&enumerated), clauses(&forward), "{name}");
    }
    let options = Options::default().executions(20);
    for race in [race.clone(), race.clone().reversed()] {
        race.selfcheck(protocol, &options)
            .unwrap_or_else(|disagreement| panic!("{name}: {disagreement}"));
    }
    clauses(&forward).into_iter().map(str::to_owned).collect()
}

fn answers(race: &Race, expected: &[(Protocol, &[&str])]) {
    for (protocol, clauses) in expected {
        let expected: BTreeSet<_> = clauses.iter().map(|&clause| clause.to_owned()).collect();
        assert_eq!(ask(race, protocol), expected, "{} under {protocol}", race.title());
    }
}

/// Two pages, the first of them on swap.
fn half_swapped(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(1);
    p.touch(2);
    p.swap_out(1);
}

fn fork_and_swapoff(exits: bool) -> Race {
    Race::new("W1", "a process forks while swapoff walks the list of address spaces")
        .world(half_swapped)
        .cpu("load, fork", move |w| {
            w.process(0).load(2).expect("it is mapped");
            let child = w.process(0).fork();
            if exits {
                child.exit();
            }
        })
        .cpu("swapoff", |w| w.swapoff())
}

#[test]
fn a_fork_and_a_swapoff() {
    answers(&fork_and_swapoff(false), &[(Era::V2_6_13, &[]), (Era::V2_6_36, &[])]);
}

#[test]
fn a_fork_whose_child_exits_and_a_swapoff() {
    answers(&fork_and_swapoff(true), &[(Era::V2_6_13, &[]), (Era::V2_6_36, &[])]);
}

/// The child comes behind its parent on the list, where the walk waits for the fork to be over.
#[test]
fn a_walk_of_swapoff_misses_no_child() {
    let race = Race::new("W2", "some entries are left when swapoff has walked the list")
        .world(half_swapped)
        .cpu("load, fork", |w| {
            w.process(0).load(2).expect("it is mapped");
            w.process(0).fork();
        })
        .cpu("swapoff", |w| w.swapoff())
        .never("left", |e| e.saw(Mark::SWAPOFF_LEAVES_ENTRIES));
    answers(&race, &[(Era::V2_6_13, &[]), (Era::V2_6_36, &[])]);
}

#[test]
fn whose_child_the_first_one_is() {
    let race = Race::new("W3", "two processes fork")
        .world(|w| {
            for _ in 0..2 {
                let p = w.new_process();
                p.mmap(1..2);
                p.touch(1);
            }
        })
        .cpu("load, fork", |w| {
            w.process(0).load(1).expect("it is mapped");
            w.process(0).fork();
        })
        .cpu("load, fork", |w| {
            w.process(1).load(1).expect("it is mapped");
            w.process(1).fork();
        })
        .finally(|w| {
            assert_eq!(w.process(2).load(1), Ok(101), "the first child is the first process's")
        });
    answers(&race, &[(Era::V2_6_13, &["ASSERT-1"]), (Era::V2_6_36, &["ASSERT-1"])]);
}

#[test]
fn an_exit_and_a_swapoff() {
    let race = Race::new("W4", "a process exits while swapoff maps what it had on swap")
        .world(|w| {
            half_swapped(w);
            w.process(0).fork();
        })
        .cpu("exit", |w| w.process(1).exit())
        .cpu("swapoff", |w| w.swapoff());
    answers(&race, &[(Era::V2_6_36, &[])]);
}

#[test]
fn pages_come_and_go() {
    let race = Race::new("W6", "two processes fault, unmap and fault again")
        .world(|w| {
            for _ in 0..2 {
                w.new_process().mmap(1..4);
            }
        })
        .cpu("first", |w| {
            w.process(0).touch(1);
            w.process(0).munmap(1..2);
            w.process(0).touch(2);
        })
        .cpu("second", |w| {
            w.process(1).touch(1);
            w.process(1).munmap(1..2);
            w.process(1).touch(3);
        });
    answers(&race, &[(Era::V2_6_13, &[]), (Era::V2_6_34, &[]), (Era::V5_19, &[])]);
}

/// A fault reads vm_start and vm_pgoff one by one, with nothing held that keeps another thread's
/// expansion out.
#[test]
fn two_expansions() {
    let race = Race::new("W7", "two threads let a stack grow")
        .world(|w| {
            let p = w.new_process();
            p.mmap(10..12);
            p.touch(10);
        })
        .cpu("grow", |w| {
            w.process(0).expand_downwards(10, 8);
            w.process(0).touch(8);
        })
        .cpu("grow", |w| w.process(0).expand_downwards(10, 7))
        .cpu("migrate", |w| w.migrate(w.process(0).page_at(10)));
    answers(&race, &[(Era::V2_6_36, &["RMAP-1"])]);
}

/// A loop that changes what no page-table entry shows comes to its end; it is not held back as one
/// that goes round for ever.
#[test]
fn a_loop_that_asks_for_permission() {
    let race =
        Race::new("W9", "a thread tries to store, and gets itself the permission when it may not")
            .world(|w| {
                let p = w.new_process();
                p.mmap(1..2);
                p.touch(1);
                p.dontneed(1);
                p.mprotect(1..2, false);
            })
            .cpu("store, or else mprotect", |w| {
                let p = w.process(0);
                w.repeat_until(|| {
                    let stored = p.store(1, 5).is_ok();
                    if !stored {
                        p.mprotect(1..2, true);
                    }
                    stored
                });
                w.signal();
            })
            .cpu("looks", |w| assert!(!w.signalled(), "the loop is over"));
    answers(&race, &[(Era::V2_6_13, &["ASSERT-1"]), (Era::V5_19, &["ASSERT-1"])]);
}

/// Since 5.18 a CPU drains its own pagevec before it counts references. Which CPU that is must not
/// depend on the order in which they are tried.
#[test]
fn whose_pagevec_it_is() {
    let race = |cpu| {
        Race::new("W10", "a page waits in the pagevec of one of two CPUs")
            .world(move |w| {
                w.batch_lru_add(cpu);
                let p = w.new_process();
                p.mmap(1..3);
                p.touch(1);
                w.batch_lru_add(2); // none of the two
                p.fork().exit();
            })
            .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
            .cpu("load elsewhere", |w| _ = w.process(0).load(2).expect("it is mapped"))
            .never("copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    };
    answers(&race(0), &[(Era::V5_19, &[])]);
    answers(&race(1), &[(Era::V5_19, &["RACE-1"])]);
}

/// Until 2.6.30 the claim of a fault that comes too late makes the slot look used, and swapoff's
/// page makes the fault try again (FINDING-43). Since 2.6.31 that has an end: S0.10/users of the
/// catalogue.
#[test]
fn a_fault_and_a_swapoff_keep_each_other_going() {
    let users = lockwalk::races::all()
        .into_iter()
        .find(|race| race.id() == "S0.10/users")
        .expect("the catalogue has it");
    for protocol in [Era::V2_6_11, Era::V2_6_22] {
        let outcome =
            users.check_with(&protocol, &Method::Exhaustive, &Options::default().executions(4_000));
        assert_eq!(clauses(&outcome), BTreeSet::from(["LIVELOCK"]), "{protocol}");
    }
}

/// What is copied because it came back at another address than is known of it is no more writable
/// than its VMA.
#[test]
fn a_clash_in_a_read_only_vma() {
    let race =
        Race::new("W11", "a page that was moved while on swap comes back to a read-only VMA")
            .world(|w| {
                half_swapped(w);
                w.process(0).fork();
                w.process(1).mremap(1..2, 4).expect("it is mapped");
                w.process(1).mprotect(4..5, false);
            })
            .cpu("load (the parent's)", |w| _ = w.process(0).load(1).expect("it is mapped"))
            .cpu("load, then a store (the child's)", |w| {
                w.process(1).load(4).expect("it is mapped");
                assert!(
                    w.process(1).store(4, 7).is_err(),
                    "a store has gone through a read-only VMA"
                );
            });
    answers(&race, &[(Era::DOCUMENT_4, &[]), (Era::V2_6_7, &[])]);
    let clash = race.sometimes("it clashes", |e| e.saw(Mark::SWAPIN_CLASH)).holds(Era::DOCUMENT_4);
    let outcome = clash.check(&Era::DOCUMENT_4);
    assert!(outcome.as_documented(), "{:?}", outcome.objections());
}

/// Whoever finds no memory left leaves everything as it was: in some interleaving, each of these
/// allocations fails.
#[test]
fn memory_runs_out() {
    let race = |name, asks: fn(&World)| {
        Race::new(name, "memory runs out, and is there again")
            .world(|w| {
                half_swapped(w);
                w.process(0).fork();
                w.limit_memory();
            })
            .cpu("others", |w| {
                w.exhaust_memory();
                w.release_memory();
            })
            .cpu("asks", asks)
    };
    let races = [
        race("W8/fault", |w| _ = (w.process(0).load(1), w.process(1).store(2, 7))),
        race("W8/fork", |w| _ = w.process(0).try_fork().map(|child| child.exit())),
        race("W8/swapoff", |w| w.swapoff()),
        race("W8/split", |w| w.process(0).munmap(2..3)),
        race("W8/migrate", |w| w.migrate(w.process(0).page_at(2))),
    ];
    // 2.6.11 moves no pages.
    let [others @ .., _] = &races;
    for race in others {
        answers(race, &[(Era::V2_6_11, &[])]);
    }
    for race in &races {
        answers(race, &[(Era::V2_6_36, &[]), (Era::V5_9, &[]), (Era::V5_19, &[])]);
    }
    let fails = |at: usize, mark: &'static Mark| {
        let race = races[at].clone().sometimes("it fails", move |e| e.saw(mark)).holds(Era::V5_19);
        let outcome = race.check(&Era::V5_19);
        assert!(outcome.as_documented(), "{}: {:?}", race.id(), outcome.objections());
    };
    fails(0, Mark::PAGE_FAULT_OOM);
    fails(1, Mark::FORK_FAILS);
    fails(2, Mark::SWAPOFF_FAILS);
    fails(4, Mark::MIGRATE_FAILED);
    let split = Race::new("W8/split-fails", "there is no memory for the VMA that munmap cuts off")
        .world(|w| {
            half_swapped(w);
            w.limit_memory();
        })
        .cpu("munmap", |w| {
            w.exhaust_memory();
            w.process(0).munmap(2..3);
            w.release_memory();
            assert_eq!(w.process(0).load(2), Ok(102), "nothing is unmapped");
        });
    answers(&split, &[(Era::V2_6_11, &[]), (Era::V5_19, &[])]);
}

/// Two devices hold a page that moves away and back; what they store is where the page is, and what
/// a thread stores meanwhile is what they read.
#[test]
fn what_devices_hold_moves_along() {
    let race = Race::new("W20", "a page that two devices hold moves away and back")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
            p.touch(2);
            let _stores = p.pin_for_writing(1).expect("it is mapped");
            let _reads = p.pin_for_reading(1).expect("it is mapped");
        })
        .cpu("mremap, a store, mremap back", |w| {
            let p = w.process(0);
            p.mremap(1..3, 5).expect("it is mapped");
            p.store(5, 8).expect("it is mapped");
            p.mremap(5..7, 1).expect("it is mapped");
        })
        .cpu("the one device stores, the other reads", |w| {
            let (stores, reads) = (w.pin(0), w.pin(1));
            stores.dma_write(7);
            assert!([7, 8].contains(&reads.read()), "one of the two stores is the last");
            stores.put();
            reads.put();
        })
        .finally(|w| {
            let p = w.process(0);
            assert!(p.load(1).is_ok_and(|found| [7, 8].contains(&found)), "it is back");
            assert_eq!(p.load(2), Ok(102), "and so is what nobody held");
            assert_eq!(p.load(5), Err(Errno::Efault), "nothing is left where it was meanwhile");
        });
    answers(
        &race,
        &[(Era::RMAP_10, &[]), (Era::V2_6_7, &[]), (Era::V2_6_29, &[]), (Era::V5_19, &[])],
    );
}

/// A device stores into memory that its process is giving up: what comes there next begins with
/// zeroes, whenever the device knew of it.
#[test]
fn what_a_device_stores_is_given_up_with_the_memory() {
    let race = Race::new("W21", "a device stores into memory that its process gives up")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            let _stores = p.pin_for_writing(1).expect("it is mapped");
        })
        .cpu("MADV_DONTNEED, then a load", |w| {
            let p = w.process(0);
            p.dontneed(1);
            assert_eq!(p.load(1), Ok(0), "what is new is empty");
        })
        .cpu("the device stores", |w| {
            let stores = w.pin(0);
            stores.dma_write(7);
            stores.put();
        });
    answers(&race, &[(Era::V2_6_7, &[]), (Era::V2_6_29, &[]), (Era::V7_3, &[])]);
}

/// Two devices have a page that their process unmaps: what the one stores then is the devices'
/// alone, and the other reads it, or what was there before.
#[test]
fn what_devices_share_when_their_process_has_unmapped_it() {
    let race = Race::new("W22", "a process unmaps a page that two devices have")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            let _stores = p.pin_for_writing(1).expect("it is mapped");
            let _reads = p.pin_for_reading(1).expect("it is mapped");
        })
        .cpu("munmap", |w| w.process(0).munmap(1..2))
        .cpu("the one device stores", |w| {
            w.pin(0).dma_write(7);
            w.pin(0).put();
        })
        .cpu("the other reads", |w| {
            let found = w.pin(1).read();
            assert!([101, 7].contains(&found), "it finds {found}");
            w.pin(1).put();
        });
    answers(&race, &[(Era::V2_6_22, &[]), (Era::V5_19, &[])]);
}

/// A fault that comes by while a device is taken out of use and into use again finds what was there.
#[test]
fn a_fault_and_a_swapon() {
    let race = Race::new("W23", "a device is taken out of use and into use again")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
        })
        .cpu("swapoff, swapon", |w| {
            w.swapoff();
            w.swapon();
        })
        .cpu("load", |w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"));
    answers(&race, &[(Era::V5_19, &[])]);
}

/// A child that was made by a CPU may be asked for by its number as well.
#[test]
fn a_child_has_a_number() {
    let race = Race::new("W24", "a child is asked for by its number while another is made")
        .world(|w| {
            for _ in 0..2 {
                let p = w.new_process();
                p.mmap(1..2);
                p.touch(1);
            }
        })
        .cpu("fork, then a load by number", |w| {
            w.process(0).fork();
            assert_eq!(w.process(2).load(1), Ok(101), "the first child is the first process's");
        })
        .cpu("fork", |w| _ = w.process(1).fork());
    answers(&race, &[(Era::V2_6_36, &["ASSERT-1"])]);
}

/// Reclaim finds no slot for a page of a file in memory: it is as dirty as before.
#[test]
fn shared_memory_without_a_slot() {
    let race = Race::new("W25", "reclaim finds no slot, and another process stores into the page")
        .world(|w| {
            let p = w.new_process();
            p.mmap_shared(1..2);
            p.touch(1);
            p.fork();
            w.fill_swap();
        })
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .cpu("store, then munmap (the child's)", |w| {
            w.process(1).store(1, 8).expect("it is mapped");
            w.process(1).munmap(1..2);
        })
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(8), "what was stored"));
    answers(&race, &[(Era::V2_6_22, &[]), (Era::V2_6_29, &[])]);
}

/// A pipe gets the page that is there, old or new; and whoever looks at the entry finds none now and
/// then.
#[test]
fn a_pipe_and_a_look() {
    let race = Race::new("W26", "a page goes to a pipe while its process gives it up")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
        })
        .cpu("vmsplice", |w| {
            if let Ok(page) = w.process(0).vmsplice(1) {
                let found = w.read_pipe(page);
                assert!([101, 0, 7].contains(&found), "the pipe holds {found}");
            }
        })
        .cpu("MADV_DONTNEED, a store", |w| {
            w.process(0).dontneed(1);
            w.process(0).store(1, 7).expect("it is mapped");
        })
        .cpu("a look", |w| assert!(w.process(0).page_mapped(1).is_some(), "nothing is mapped"));
    answers(&race, &[(Era::V2_6_22, &["ASSERT-1"]), (Era::V5_19, &["ASSERT-1"])]);
}

/// A stack grows down to where another VMA is made longer: one of them gets the room.
#[test]
fn two_vmas_grow_towards_each_other() {
    let race = Race::new("W27", "mremap expands a VMA, and a stack grows towards it")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.mmap(3..5);
            p.touch(1);
            p.touch(3);
        })
        .cpu("mremap expands", |w| _ = w.process(0).expand(1..2, 3))
        .cpu("the stack grows", |w| w.process(0).expand_downwards(3, 2))
        .finally(|w| assert_eq!(w.process(0).load(2), Ok(0), "one of them has it"));
    answers(&race, &[(Era::V2_6_22, &[]), (Era::V5_19, &[])]);
}

/// The host discards what `get_user_pages` has had mapped, and reclaim is at it as well: that it
/// looks again after a discard, and faults then, is progress.
#[test]
fn a_look_after_a_discard_is_no_round_in_vain() {
    for id in ["S2.8", "S2.14"] {
        let race = lockwalk::races::all().into_iter().find(|race| race.id() == id);
        let race = race.expect("the catalogue has it");
        let race = race.cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)));
        let options = Options::default().executions(5_000);
        let outcome = race.check_with(&Era::DOCUMENT_2, &Method::Exhaustive, &options);
        let livelock = outcome.violations.iter().find(|found| found.name == "LIVELOCK");
        assert!(livelock.is_none() && outcome.executions > 1_000, "{id}: {outcome:?}");
    }
}

/// One CPU alone, and what the kernel tells it.
fn alone(
    title: &str,
    build: impl Fn(&Setup<'_>) + Send + Sync + 'static,
    body: impl Fn(&World) + Send + Sync + 'static,
) -> Race {
    Race::new("W", title).world(build).cpu("alone", body)
}

#[test]
fn mremap_moves_what_is_one_vma() {
    let two = alone(
        "mremap is asked for two VMAs at once, for more than there is, and to grow where \
         something is",
        |w| {
            let p = w.new_process();
            for start in [1, 2] {
                p.mmap(start..start + 1);
                p.touch(start);
            }
        },
        |w| {
            let p = w.process(0);
            assert_eq!(p.mremap(1..3, 5), Err(Errno::Efault), "they are two");
            assert_eq!(p.expand(1..3, 4), Err(Errno::Efault), "they are two");
            assert_eq!(p.expand(1..2, 3), Err(Errno::Enomem), "the other is in the way");
            assert_eq!(p.mremap(4..5, 7), Err(Errno::Efault), "nothing is there");
            assert_eq!((p.load(1), p.load(2)), (Ok(101), Ok(102)), "both stay where they are");
            p.expand(2..3, 4).expect("nothing is in the way");
            assert_eq!(p.expand(2..3, 5), Err(Errno::Enomem), "it ends at 4 now");
            p.mremap(2..4, 8).expect("it is one");
            assert_eq!((p.load(8), p.load(9), p.load(2)), (Ok(102), Ok(0), Err(Errno::Efault)));
        },
    );
    answers(
        &two,
        &[
            (Era::RMAP_10, &[]),
            (Era::DOCUMENT_4, &[]),
            (Era::V2_6_11, &[]),
            (Era::V2_6_34, &[]),
            (Era::V5_19, &[]),
        ],
    );
}

#[test]
fn mremap_without_memory_begins_nothing() {
    let nothing = alone(
        "there is no memory for the VMA at the new place",
        |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            w.limit_memory();
        },
        |w| {
            let p = w.process(0);
            w.exhaust_memory();
            assert_eq!(p.mremap(1..2, 3), Err(Errno::Enomem), "there is no memory");
            w.release_memory();
            assert_eq!(p.load(1), Ok(101));
            p.mremap(1..2, 3).expect("there is memory");
            assert_eq!(p.load(3), Ok(101));
        },
    )
    .never("what has moved moves back", |e| e.saw(Mark::MREMAP_MOVES_BACK));
    answers(
        &nothing,
        &[
            (Era::RMAP_10, &[]),
            (Era::DOCUMENT_4, &[]),
            (Era::V2_6_11, &[]),
            (Era::V2_6_34, &[]),
            (Era::V5_19, &[]),
        ],
    );
}

/// Under anonmm the child's place in the bundle is an allocation of its own.
#[test]
fn fork_without_memory_makes_no_child() {
    let empty = alone(
        "a process forks that has nothing mapped, and there is no memory",
        |w| {
            w.new_process();
            w.limit_memory();
        },
        |w| {
            w.exhaust_memory();
            assert!(w.process(0).try_fork().is_err(), "there is no memory");
            w.release_memory();
            assert!(w.process(0).try_fork().is_ok(), "there is");
        },
    );
    answers(&empty, &[(Era::RMAP_10, &[]), (Era::DOCUMENT_4, &[])]);
}

/// A store's dirty bit in an entry that mprotect has made read-only is fork's to copy: the parent's
/// goes with its entry, which says nothing to the page.
#[test]
fn a_child_inherits_the_dirty_bit() {
    let race = Race::new("world", "the parent unmaps a page of the swap cache that it stored into")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.load(1).expect("it is mapped");
            p.store(1, 7).expect("it is mapped");
            p.mprotect(1..2, false);
            p.fork();
        })
        .cpu("munmap (the parent's), reclaim, load (the child's)", |w| {
            w.process(0).munmap(1..2);
            w.shrink_page(w.process(1).page_at(1));
            assert_eq!(w.process(1).load(1), Ok(7));
        });
    for protocol in [Era::V2_6_29, Era::V5_9, Era::V6_12, Era::V7_3] {
        let outcome = race.check(&protocol);
        assert!(outcome.as_documented(), "{protocol}: {:?}", outcome.violations);
    }
}

/// FINDING-86: reclaim has a reference to what an exit takes the last entry of, and nobody reads the
/// slot any more.
#[test]
fn what_nobody_reads_back_may_be_dropped() {
    let race = Race::new("world", "a process exits that has stored into a page of the swap cache")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.load(1).expect("it is mapped");
            p.store(1, 7).expect("it is mapped");
        })
        .cpu("exit", |w| w.process(0).exit())
        .cpu("reclaim", |w| w.shrink_page(w.process(0).page_at(1)));
    let without = protocol("2.6.11+zap_dirty=nothing");
    answers(&race, &[(Era::V2_6_7, &[]), (Era::V2_6_11, &[]), (without, &[])]);
    answers(&race, &[(Era::V2_6_22, &[]), (Era::V5_10, &[]), (Era::V5_19, &[]), (Era::V6_18, &[])]);
}

/// FINDING-85: a fork waits for who stores through what reclaim has cleared, and what was stored is
/// the child's, too.
#[test]
fn a_fork_beside_a_store_that_reclaim_does_not_wait_for() {
    let race = Race::new("world", "a fork copies a swap entry while somebody stores")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.store(1, 5).expect("it is mapped");
        })
        .cpu("store", |w| _ = w.process(0).store(1, 7))
        .cpu("fork", |w| _ = w.process(0).fork())
        .cpu("reclaim", |w| w.shrink_page(w.process(0).page_at(1)));
    // Kernels in which reclaim does not wait take more steps: under 5.10, 920,884 executions.
    answers(&race, &[(protocol("2.6.7+unmap_flush=batched"), &[])]);
}

fn protocol(text: &str) -> Protocol {
    text.parse().expect("there is such a protocol")
}

/// The stack of an exec is made where nothing is mapped yet. It moves as a whole, once, to where
/// there is room.
#[test]
fn the_stack_of_an_exec_moves_as_a_whole_and_once() {
    let eras = [Era::V2_6_29, Era::V2_6_34, Era::V2_6_36, Era::V5_19].map(|era| (era, &[][..]));
    let stack = alone(
        "exec is asked to move a part of its stack, then to where something is, then twice",
        |w| {
            let p = w.new_process();
            p.bprm_mm_init(5..7);
            p.touch(5);
            p.touch(6);
            p.mmap(1..2);
        },
        |w| {
            let p = w.process(0);
            assert_eq!(p.setup_arg_pages(6..7, 5), Err(Errno::Efault), "it begins at 5");
            assert_eq!(p.setup_arg_pages(5..6, 4), Err(Errno::Efault), "it ends at 7");
            assert_eq!(p.setup_arg_pages(5..7, 1), Err(Errno::Efault), "something is in the way");
            assert_eq!((p.load(5), p.load(6)), (Ok(105), Ok(106)), "it is where it was");
            p.setup_arg_pages(5..7, 3).expect("there is room");
            assert_eq!((p.load(3), p.load(4), p.load(5)), (Ok(105), Ok(106), Err(Errno::Efault)));
            assert_eq!(p.setup_arg_pages(3..5, 2), Err(Errno::Efault), "it has moved already");
        },
    );
    answers(&stack, &eras);
    let late = alone(
        "exec begins in a process that has something mapped",
        |w| w.new_process().mmap(1..2),
        |w| {
            w.process(0).bprm_mm_init(5..7);
            assert_eq!(w.process(0).load(5), Err(Errno::Efault), "there is no stack");
        },
    );
    answers(&late, &eras);
    let poor = alone(
        "exec begins, and there is no memory",
        |w| {
            w.new_process();
            w.limit_memory();
        },
        |w| {
            w.exhaust_memory();
            w.process(0).bprm_mm_init(5..7);
            w.release_memory();
            assert_eq!(w.process(0).load(5), Err(Errno::Efault), "there is no stack");
        },
    );
    answers(&poor, &eras);
    let second = alone(
        "there is no memory for the second VMA that exec has while its stack moves",
        |w| {
            let p = w.new_process();
            p.bprm_mm_init(5..6);
            p.touch(5);
            w.limit_memory();
        },
        |w| {
            let p = w.process(0);
            w.exhaust_memory();
            assert_eq!(p.setup_arg_pages(5..6, 2), Err(Errno::Enomem), "there is no memory");
            w.release_memory();
            assert_eq!((p.load(5), p.load(2)), (Ok(105), Err(Errno::Efault)), "nothing has begun");
        },
    );
    answers(&second, &[(protocol("2.6.34+temporary_stack=two-vmas"), &[])]);
}

/// Of two threads that would map something in an empty address space, one comes first.
#[test]
fn an_exec_and_a_mapping() {
    let race = Race::new("W28", "exec makes its stack where another thread maps something")
        .world(|w| _ = w.new_process())
        .cpu("exec", |w| w.process(0).bprm_mm_init(5..7))
        .cpu("mmap", |w| w.process(0).mmap(6..8))
        .finally(|w| assert_eq!(w.process(0).load(6), Ok(0), "one of them is there"));
    answers(&race, &[(Era::V2_6_36, &[]), (Era::V5_19, &[])]);
}

/// Whoever finds no memory left says so, and leaves everything as it was.
#[test]
fn without_memory_nothing_begins() {
    let nothing = alone(
        "a process maps, lets a stack grow, faults and forks, and there is no memory",
        |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.mmap(10..12);
            p.swap_out(1);
            w.limit_memory();
        },
        |w| {
            let p = w.process(0);
            w.exhaust_memory();
            p.mmap(4..6);
            p.expand_downwards(10, 8);
            assert_eq!(p.load(1), Err(Errno::Enomem), "there is no page for it");
            assert!(p.try_fork().is_err(), "there is no VMA for the child");
            w.release_memory();
            assert_eq!(p.load(4), Err(Errno::Efault), "nothing is mapped there");
            assert_eq!(p.load(8), Err(Errno::Efault), "it has not grown");
            assert_eq!(p.load(1), Ok(101), "it is there still");
        },
    );
    answers(
        &nothing,
        &[(Era::V2_6_11, &[]), (Era::V2_6_29, &[]), (Era::V2_6_36, &[]), (Era::V5_19, &[])],
    );
}

/// A fork that cannot copy what a device holds fails as a whole, whatever it could have copied
/// behind that.
#[test]
fn a_fork_that_cannot_copy_a_page_makes_no_child() {
    let race = Race::new("W29", "memory runs out while fork copies a page that a device holds")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
            p.touch(2);
            let _held = p.pin_for_writing(1).expect("it is mapped");
            w.limit_memory();
        })
        .cpu("others", |w| w.exhaust_memory())
        .cpu("fork", |w| {
            let child = w.process(0).try_fork();
            w.release_memory();
            if let Ok(child) = child {
                assert_eq!((child.load(1), child.load(2)), (Ok(101), Ok(102)), "it has both");
            }
            w.pin(0).put();
        })
        .sometimes("there is no child", |e| e.saw(Mark::FORK_FAILS));
    answers(&race, &[(Era::V5_9, &[]), (Era::V5_19, &[])]);
}

/// Where something is moved beside a VMA that permits less, the two stay apart.
#[test]
fn mremap_joins_no_vmas_that_differ_in_permission() {
    let apart = alone(
        "the second half of a VMA follows the first one, which is read-only by now",
        |w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
        },
        |w| {
            let p = w.process(0);
            p.mremap(1..2, 5).expect("it is mapped");
            p.mprotect(5..6, false);
            p.mremap(2..3, 6).expect("it is mapped");
            assert_eq!(p.store(5, 7), Err(Errno::Efault), "it is read-only");
            assert_eq!(p.store(6, 8), Ok(()), "it is not");
            assert_eq!((p.load(5), p.load(6)), (Ok(101), Ok(8)));
        },
    );
    answers(
        &apart,
        &[(Era::RMAP_10, &[]), (Era::V2_6_11, &[]), (Era::V2_6_34, &[]), (Era::V5_19, &[])],
    );
}

/// What is mapped, and what is on swap, can be seen when all is over.
#[test]
fn what_can_be_seen_at_the_end() {
    let race = Race::new("W30", "one page of three is mapped, and one is on swap")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..4);
            p.touch(1);
            p.touch(2);
        })
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(2)))
        .finally(|w| {
            let p = w.process(0);
            assert_eq!([1, 2, 3].map(|addr| p.is_mapped(addr)), [true, false, false]);
            assert_eq!([1, 2, 3].map(|addr| p.is_on_swap(addr)), [false, true, false]);
        });
    answers(&race, &[(Era::V2_6_11, &[]), (Era::V5_19, &[])]);
}

/// A fault that reads a page holds it locked until it is read: swapoff, which finds it, waits.
#[test]
fn swapoff_maps_no_page_that_is_not_read_yet() {
    let race = Race::new("W31", "swapoff finds a page that another CPU is reading")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
        })
        .cpu("swapin_readahead (a fault elsewhere)", |w| w.process(0).read_around(1))
        .cpu("swapoff, then a load", |w| {
            w.swapoff();
            assert_eq!(w.process(0).load(1), Ok(101), "what was there");
        })
        .holds(Era::V5_19);
    let outcome = race.check(&Era::V5_19);

    assert!(outcome.as_documented(), "{:?}", outcome.objections());
}

/// Until swapoff took `mmap_sem`, the page-table lock kept the VMAs as they were while it went along
/// them.
#[test]
fn a_split_and_a_swapoff() {
    let race = Race::new("W32", "a VMA is split while swapoff goes along the VMAs")
        .world(half_swapped)
        .cpu("split", |w| w.process(0).split_vma(2))
        .cpu("swapoff", |w| w.swapoff());
    answers(&race, &[(Era::RMAP_10, &[]), (Era::V2_6_22, &[])]);
}

/// The page-table lock keeps the entry, and with it the page, until that is off the LRU list.
#[test]
fn what_is_moved_is_not_given_up_meanwhile() {
    let race = Race::new("W33", "a process gives up a page that another thread of it moves")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
        })
        .cpu("move_pages", |w| w.process(0).move_pages(1))
        .cpu("MADV_DONTNEED", |w| w.process(0).dontneed(1));
    answers(&race, &[(Era::V2_6_22, &[]), (Era::V2_6_29, &[]), (Era::V5_19, &[])]);
}

/// Where pages are found by anonmm no VMA has an anon_vma, and what keeps others apart does not keep
/// these.
#[test]
fn a_boundary_moves_where_there_are_no_anon_vmas() {
    let race = Race::new("W34", "a boundary between two VMAs that both have pages")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.mmap(2..4);
            p.touch(1);
            p.touch(3);
        })
        .cpu("mprotect", |w| w.process(0).move_boundary(2, 3))
        .finally(|w| assert_eq!((w.process(0).load(1), w.process(0).load(3)), (Ok(101), Ok(103))))
        .holds(Era::RMAP_10);
    let outcome = race.check(&Era::RMAP_10);
    assert!(outcome.as_documented(), "{:?}", outcome.objections());
}

/// A page that a device reads becomes writable for the first time: it stays stable, for the device
/// relies on it, and so does one that is dirty, for what it holds is nowhere else.
#[test]
fn the_first_entry_that_permits_stores_asks_whether_the_page_may_go() {
    let read = alone(
        "a process stores into a page that a device reads",
        |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.load(1).expect("it is mapped");
            let _reads = p.pin_for_reading(1).expect("it is mapped");
        },
        |w| {
            w.process(0).store(1, 7).expect("it is mapped");
            assert_eq!(w.pin(0).read(), 7, "what was stored");
            w.pin(0).put();
        },
    );
    let dirty = Race::new("W35", "a device is given a page of the swap cache that is dirty")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            let stores = p.pin_for_writing(1).expect("it is mapped");
            w.shrink_page(p.page_at(1));
            p.load(1).expect("it is mapped");
            stores.put();
        })
        .cpu("get_user_pages", |w| {
            w.process(0).pin_for_writing(1).expect("it is mapped").put();
        })
        .cpu("host", |w| w.host_comes_by(w.process(0).page_at(1)))
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"));
    for race in [&read, &dirty] {
        answers(
            race,
            &[
                (protocol("document-2+writable=page-writable"), &[]),
                (protocol("document-2+writable=stable"), &[]),
            ],
        );
    }
}

/// Who makes a page volatile has read by then whether an entry permits stores: whoever sets the
/// first such entry waits for him.
#[test]
fn who_makes_a_page_volatile_is_waited_for_by_who_makes_it_writable() {
    let race = Race::new("W36", "a device lets go of a page that becomes writable")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.load(1).expect("it is mapped");
            let _reads = p.pin_for_reading(1).expect("it is mapped");
        })
        .cpu("the device is done", |w| w.pin(0).put())
        .cpu("store, then the host", |w| {
            let page = w.process(0).page_at(1);
            w.process(0).store(1, 8).expect("it is mapped");
            w.host_comes_by(page);
        })
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(8), "what was stored"));
    answers(&race, &[(protocol("document-2+writable=page-writable"), &[])]);
}

/// Where the state-change bit is not used, nobody is kept waiting for it.
#[test]
fn a_page_becomes_writable_again_and_again() {
    let again = alone(
        "a page is stored to, goes to swap and comes back, twice",
        |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.load(1).expect("it is mapped");
        },
        |w| {
            let p = w.process(0);
            for value in [7, 8] {
                p.store(1, value).expect("it is mapped");
                w.shrink_page(p.page_now(1).expect("it is there"));
                assert_eq!(p.load(1), Ok(value), "what was stored");
            }
        },
    );
    let read_only = alone(
        "a page that nobody has permitted stores to goes to swap",
        |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.load(1).expect("it is mapped");
        },
        |w| w.shrink_page(w.process(0).page_at(1)),
    );
    let (again, read_only) = (
        again.sometimes("PG_writable is cleared", |e| e.saw(Mark::WRITABLE_RESET)),
        read_only.never("PG_writable is cleared", |e| e.saw(Mark::WRITABLE_RESET)),
    );
    for state_change in ["", "+state_change=nothing"] {
        let protocol = protocol(&format!("document-2+writable=page-writable{state_change}"));
        answers(&again, &[(protocol.clone(), &[])]);
        answers(&read_only, &[(protocol, &[])]);
    }
}

/// A page that is in no cache is not made volatile, whoever refers to it.
#[test]
fn a_page_that_is_in_no_cache_stays_stable() {
    let stays = alone(
        "a process stores into a page that is in no cache, and that a device reads",
        |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.mprotect(1..2, false);
            p.mprotect(1..2, true);
            let _reads = p.pin_for_reading(1).expect("it is mapped");
        },
        |w| {
            w.process(0).store(1, 7).expect("it is mapped");
            assert_eq!(w.pin(0).read(), 7, "what was stored");
            w.pin(0).put();
        },
    );
    answers(
        &stays,
        &[
            (Era::DOCUMENT_2, &[]),
            (protocol("document-2+check_bits=cache-first"), &[]),
            (Era::DOCUMENT_2_2009, &[]),
        ],
    );
}

/// What was stored through an entry of shared memory, that entry alone says; and another process has
/// its own, which may permit stores still.
#[test]
fn an_unmap_of_shared_memory_says_what_was_stored() {
    let dirty = alone(
        "a process stores into a page of a file in memory that it has loaded from, and unmaps it",
        |w| {
            for _ in 0..2 {
                w.new_process().mmap_shared(1..2);
            }
            w.process(0).load(1).expect("it is mapped");
        },
        |w| {
            let page = w.process(0).page_at(1);
            w.process(0).store(1, 8).expect("it is mapped");
            w.process(0).munmap(1..2);
            w.shrink_page(page);
            assert_eq!(w.process(1).load(1), Ok(8), "what was stored");
        },
    );
    answers(&dirty, &[(Era::V2_6_22, &[]), (Era::V2_6_29, &[])]);
    let other = alone(
        "one of two processes unmaps a page of a file in memory, and the other stores into it",
        |w| {
            for _ in 0..2 {
                w.new_process().mmap_shared(1..2);
            }
            w.process(0).load(1).expect("it is mapped");
            w.process(1).load(1).expect("it is mapped");
        },
        |w| {
            let page = w.process(0).page_at(1);
            w.process(0).munmap(1..2);
            w.process(1).store(1, 8).expect("it is mapped");
            w.host_comes_by(page);
            assert_eq!(w.process(1).load(1), Ok(8), "what was stored");
        },
    );
    answers(&other, &[(protocol("document-2+writable=page-writable"), &[])]);
}

/// swapoff asks the file for the page that is in the slot, and not for another.
#[test]
fn swapoff_brings_every_page_of_a_file_back_to_its_place() {
    let pages = alone(
        "two pages of a file in memory are on swap, and so is one that is private",
        |w| {
            let p = w.new_process();
            p.mmap_shared(1..3);
            p.mmap(4..5);
            for addr in [2, 1, 4] {
                p.touch(addr);
                p.swap_out(addr);
            }
        },
        |w| {
            w.swapoff();
            let p = w.process(0);
            assert_eq!([1, 2, 4].map(|addr| p.load(addr)), [101, 102, 104].map(Ok));
        },
    );
    answers(&pages, &[(Era::V2_6_22, &[]), (Era::V2_6_29, &[])]);
}

/// Reclaim finds what a child has of a file, too; and what a file has that is not in memory it
/// leaves alone.
#[test]
fn reclaim_and_files() {
    let fork = Race::new("W38", "a process forks while reclaim takes a page of a file in memory")
        .world(|w| {
            let p = w.new_process();
            p.mmap_shared(1..2);
            p.touch(1);
        })
        .cpu("fork, then a load (the child's)", |w| {
            assert_eq!(w.process(0).fork().load(1), Ok(101), "what was stored");
        })
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)));
    answers(&fork, &[(Era::V2_6_22, &[]), (Era::V2_6_29, &[])]);
    let file = alone(
        "reclaim comes by a page of a file that nobody maps",
        |w| _ = w.new_file_page(),
        |w| w.shrink_page(w.file_page()),
    );
    answers(&file, &[(Era::V2_6_22, &[]), (Era::V5_19, &[])]);
}

/// Two processes store into shared memory, and a third one loads: it finds what one of them has
/// stored, and from then on what was stored last.
#[test]
fn stores_to_shared_memory_that_meet() {
    let race = Race::new("W39", "two processes store into a page of a file in memory at once")
        .world(|w| {
            for _ in 0..2 {
                let p = w.new_process();
                p.mmap_shared(1..2);
                p.touch(1);
            }
        })
        .cpu("store", |w| w.process(0).store(1, 7).expect("it is mapped"))
        .cpu("store, then a load", |w| {
            w.process(1).store(1, 8).expect("it is mapped");
            let found = w.process(1).load(1);
            assert!([Ok(7), Ok(8)].contains(&found), "it finds {found:?}");
        });
    answers(&race, &[(Era::V2_6_22, &[]), (Era::V2_6_29, &[])]);
}

/// Where a process may store, whoever stores by force gets an entry that says so, as a thread of it
/// would; elsewhere the page says so (`FOLL_TOUCH`).
#[test]
fn what_is_stored_by_force_is_dirty() {
    for may_store in [true, false] {
        stored_by_force(may_store);
    }
}

fn stored_by_force(may_store: bool) {
    let forced = alone(
        "a debugger stores into a page that came back from swap, and says nothing",
        move |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.swap_out(1);
            p.load(1).expect("it is mapped");
            if !may_store {
                p.mprotect(1..2, false);
            }
        },
        |w| {
            let p = w.process(0);
            let debugger = p.pin_for_writing_by_force(1).expect("it is mapped");
            debugger.dma_write(7);
            debugger.put_clean();
            w.shrink_page(p.page_at(1));
            assert_eq!(p.load(1), Ok(7), "what was stored");
        },
    );
    answers(&forced, &[(Era::V2_6_22, &[]), (Era::V5_9, &[]), (Era::V5_19, &[]), (Era::V6_1, &[])]);
}

/// swapoff lets go of the page in every round, also where it leaves entries behind.
#[test]
fn a_round_of_swapoff_that_leaves_entries_keeps_no_page() {
    let kept = alone(
        "swapoff does not find an entry of a child, for it looks for the child's own anon_vma",
        |w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.fork();
            let _ = p.vmsplice(1).expect("it is mapped");
            w.shrink_page(p.page_at(1));
        },
        |w| {
            let page = w.process(0).page_at(1);
            w.swapoff_begins();
            w.unuse_next();
            assert_eq!(w.process(1).load(1), Ok(101), "what was there");
            assert_eq!(w.read_pipe(page), 101, "what was there");
        },
    )
    .sometimes("entries are left", |e| e.saw(Mark::SWAPOFF_LEAVES_ENTRIES));
    let protocol = protocol("2.6.34+unuse_address=own+try_to_unuse=keep");
    let outcome = kept.holds(protocol.clone()).check(&protocol);
    assert!(outcome.as_documented(), "{:?}", outcome.objections());
}

/// As long as one process may store into shared memory, it counts as such, whoever else unmaps it.
#[test]
fn shared_memory_that_another_process_may_store_into() {
    let race = Race::new("W40", "one process unmaps shared memory, and another one stores into it")
        .world(|w| {
            for _ in 0..2 {
                w.new_process().mmap_shared(1..2);
            }
            w.process(0).load(1).expect("it is mapped");
        })
        .cpu("load (another thread's)", |w| _ = w.process(1).load_once(1))
        .cpu("load, munmap (the other's), store, then the host", |w| {
            let page = w.process(0).page_at(1);
            w.process(1).load(1).expect("it is mapped");
            w.process(0).munmap(1..2);
            w.process(1).store(1, 8).expect("it is mapped");
            w.host_comes_by(page);
        })
        .finally(|w| assert_eq!(w.process(1).load(1), Ok(8), "what was stored"));
    let protocol = protocol("document-2+writable=page-writable+file_fault=locked");
    let outcome = race.holds(protocol.clone()).check(&protocol);
    assert!(outcome.as_documented(), "{:?}", outcome.objections());
}

/// What is discarded is unmapped by the way in which it is found, whatever else there is.
#[test]
fn a_private_page_is_discarded_beside_shared_memory() {
    let private = alone(
        "a process that has shared memory, too, loads from a page that the host has discarded",
        |w| {
            let p = w.new_process();
            p.mmap_shared(1..2);
            p.touch(1);
            p.mmap(4..5);
            p.touch(4);
            p.swap_out(4);
            p.load(4).expect("it is mapped");
            w.host_discards(p.page_at(4));
        },
        |w| {
            let p = w.process(0);
            assert_eq!((p.load(4), p.load(1)), (Ok(104), Ok(101)), "what was there");
        },
    );
    answers(&private, &[(Era::DOCUMENT_2, &[]), (Era::DOCUMENT_2_2009, &[])]);
}

/// Reclaim passes by once where a page is used again, which makes it active; but not where it was
/// off the list then.
#[test]
fn what_is_used_again_is_passed_by_once() {
    let race = |title, uses: fn(&World, PageRef), times: usize| {
        Race::new("W41", title)
            .world(|w| {
                let p = w.new_process();
                p.mmap(1..2);
                p.touch(1);
                w.batch_lru_add(0); // what came before is on the list
            })
            .cpu("uses a page, and reclaims it", move |w| {
                let page = w.process(0).page_at(1);
                uses(w, page);
                for _ in 0..times {
                    assert_eq!(w.process(0).page_mapped(1), Some(page), "reclaim passes by");
                    w.shrink_page(page);
                }
                assert_eq!(w.process(0).page_mapped(1), None, "reclaim takes it");
            })
    };
    let listed = race("it is on the list", World::mark_page_accessed, 2);
    let isolated = race(
        "it is off the list",
        |w, page| {
            assert!(w.isolate_lru_page(page), "it is there");
            w.mark_page_accessed(page);
            w.putback_lru_page(page);
        },
        1,
    );
    let at_once_and_later = [(Era::V2_6_11, &[][..]), (Era::V5_9, &[]), (Era::V6_12, &[])];
    answers(&listed, &at_once_and_later);
    answers(&isolated, &at_once_and_later);
}

#[test]
fn what_has_become_active_is_left() {
    let race = Race::new("W42", "a page becomes active while reclaim looks for it")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            let _reads = p.pin_for_reading(1).expect("it is mapped"); // it is there to the end
        })
        .cpu("uses it", |w| {
            let pin = w.pin(0);
            w.mark_page_accessed(w.process(0).page_at(1));
            pin.put();
        })
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .sometimes("it is active by now", |e| e.saw(Mark::SHRINK_PAGE_ACTIVE));
    answers(&race, &[(Era::V2_6_11, &[]), (Era::V6_12, &[])]);
}

/// FINDING-91 is over when the child exits: its parent is on no list then, and comes onto swapoff's.
#[test]
fn who_is_left_alone_on_a_list_is_on_none() {
    let race = Race::new("W43", "fork copies a migration entry, and the child exits")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
        })
        .cpu("migrate", |w| {
            w.migrate(w.process(0).page_at(1));
            w.signal();
        })
        .cpu("fork, exit; later reclaim, then swapoff", |w| {
            w.process(0).fork().exit();
            w.repeat_until(|| w.signalled());
            w.process(0).page_mapped(1).into_iter().for_each(|page| w.shrink_page(page));
            w.swapoff();
        })
        .sometimes("both were on a list of their own", |e| e.saw(Mark::MMLIST_STRAYS));
    answers(&race, &[(Era::V2_6_29, &[])]);
}

/// What MADV_FREE does to what is where, when nobody else is there; and what it leaves alone.
#[test]
fn what_is_needed_no_more_is_discarded() {
    let one = |w: &Setup<'_>| {
        let p = w.new_process();
        p.mmap(1..2);
        p.touch(1);
    };
    let reclaimed = |w: &World| {
        let page = w.process(0).page_mapped(1).expect("it is mapped");
        w.shrink_page(page);
    };
    let discarded = |race: Race| {
        let race = race.sometimes("it is discarded", |e| e.saw(Mark::LAZYFREE_DISCARDS));
        answers(&race, &[(Era::V5_9, &[]), (Era::V5_19, &[]), (Era::V7_3, &[])]);
    };
    discarded(alone("the page is active", one, move |w| {
        w.mark_page_accessed(w.process(0).page_at(1));
        w.process(0).lazyfree(1);
        reclaimed(w);
        assert_eq!(w.process(0).load(1), Ok(0), "it is new");
    }));
    discarded(alone(
        "the page has been moved, and is dirty",
        move |w| {
            one(w);
            w.process(0).move_pages(1);
        },
        move |w| {
            w.process(0).lazyfree(1);
            reclaimed(w);
            assert_eq!(w.process(0).load(1), Ok(0), "it is new");
        },
    ));
    discarded(alone("the page is moved afterwards", one, move |w| {
        w.process(0).lazyfree(1);
        w.migrate(w.process(0).page_at(1));
        reclaimed(w);
        assert_eq!(w.process(0).load(1), Ok(0), "it is new");
    }));
    let everywhere = |race: &Race| {
        answers(race, &[(Era::V5_9, &[]), (Era::V5_19, &[]), (Era::V7_3, &[])]);
    };
    let swapped = alone(
        "it is on swap",
        move |w| {
            one(w);
            w.process(0).swap_out(1);
        },
        |w| {
            w.process(0).lazyfree(1);
            assert_eq!(w.process(0).load(1), Ok(0), "it is new");
        },
    );
    everywhere(&swapped);
    let elsewhere = alone(
        "somebody else needs it",
        move |w| {
            one(w);
            let p = w.process(0);
            p.fork();
            p.swap_out(1);
            p.load(1).expect("it is mapped");
        },
        move |w| {
            w.process(0).lazyfree(1);
            reclaimed(w);
            assert_eq!(w.process(1).load(1), Ok(101), "it needs it");
        },
    );
    everywhere(&elsewhere.sometimes("it is left", |e| e.saw(Mark::MADVISE_FREE_LEAVES)));
    let shared = alone(
        "a child has it, too",
        move |w| {
            one(w);
            w.process(0).fork();
        },
        move |w| {
            w.process(0).lazyfree(1);
            reclaimed(w);
            assert_eq!(w.process(1).load(1), Ok(101), "it needs it");
        },
    );
    everywhere(&shared.sometimes("it is left", |e| e.saw(Mark::MADVISE_FREE_LEAVES)));
    let stored = alone("it is stored to, and goes to swap", one, move |w| {
        let p = w.process(0);
        p.lazyfree(1);
        p.store(1, 8).expect("it is mapped");
        reclaimed(w); // puts it back
        reclaimed(w); // takes it
        assert_eq!(p.page_mapped(1), None, "it is on swap");
        assert_eq!(p.load(1), Ok(8), "what was stored");
    });
    everywhere(&stored.sometimes("it is put back", |e| e.saw(Mark::LAZYFREE_PUTS_BACK)));
}
