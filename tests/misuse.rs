//! A race that is written wrong has no verdict: what makes no sense is an error that names its
//! line, on every engine; and what never does anything, in any interleaving, keeps the verdict from
//! being worth something.

use std::panic::{self, AssertUnwindSafe, Location};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockwalk::mm::{Setup, World};
use lockwalk::witness::{Coverage, Verdict};
use lockwalk::{Clause, Era, Method, Options, Outcome, Protocol, Race};

const ENGINES: [Method; 6] = [
    Method::Exhaustive,
    Method::Enumerate,
    Method::Random { seed: 1, iterations: 20 },
    Method::Pct { seed: 1, depth: 2, iterations: 20 },
    Method::Loom,
    Method::Native { iterations: 20 },
];

const PROTOCOL: Protocol = Era::V3_7;

/// What a CPU does, or another part of a race.
type Body = fn(&World);
type Build = fn(&Setup<'_>);

fn world(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..4);
    p.touch(2);
}

fn race() -> Race {
    Race::new("mine", "a race that is written wrong").world(world).cpu("load", |w| {
        w.process(0).load(2).expect("it is mapped");
    })
}

fn alone(one: impl Fn(&World) + Send + Sync + 'static) -> Race {
    Race::new("mine", "a race that is written wrong").world(world).cpu("one", one)
}

fn two(one: impl Fn(&World) + Send + Sync + 'static, other: Body) -> Race {
    alone(one).cpu("other", other)
}

fn check(race: &Race, method: &Method) -> Outcome {
    race.check_with(&PROTOCOL, method, &Options::default())
}

/// `check` panics, on every engine, and says this.
#[track_caller]
fn refused(race: &Race, says: &str) {
    for method in &ENGINES {
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| check(race, method)));
        let payload = panicked.expect_err(method.name());
        let said = payload
            .downcast_ref::<String>()
            .unwrap_or_else(|| panic!("{}: no text", method.name()));
        assert_eq!(said, says, "{}", method.name());
    }
}

/// What makes no sense wherever it runs: on a CPU, at the end, and in the world. The line that is
/// named is that of the body.
#[track_caller]
fn senseless(says: &str, body: impl Fn(&World) + Clone + Send + Sync + 'static) {
    let line = Location::caller().line();
    let place = |place: &str| format!("mine under 3.7, {place}: {says} (tests/misuse.rs:{line})");
    // Beside a documented violation, too: it is no violation of ASSERT-1.
    refused(
        &race().cpu("odd", body.clone()).violates(PROTOCOL, Clause::ASSERT_1),
        &place("on CPU 'odd'"),
    );
    let at_the_end = body.clone();
    refused(&race().finally(move |w| at_the_end(w)), &place("at the end"));
    let in_world = race().world(move |w| {
        world(w);
        body(w);
    });
    refused(&in_world, &place("in its world"));
}

#[test]
fn what_is_not_there_is_an_error() {
    senseless("the world has no process 3", |w| w.process(3).touch(2));
    senseless("nothing is mapped at mm0:7", |w| w.process(0).touch(7));
    senseless("no device was given a page", |w| w.pin(0).put());
    senseless("no device was given 2 pages", |w| w.pin(1).put());
    senseless("the world has no file's page", |w| w.migrate(w.file_page()));
    senseless("no page is at mm0:3 when the CPUs start", |w| w.migrate(w.process(0).page_at(3)));
    senseless("no page is at mm0:3 when the CPUs start", |w| w.process(0).move_pages(3));
}

#[test]
fn an_address_that_no_process_has_is_an_error() {
    let outside = |addr: u64| {
        format!("mm0:{addr} is outside of every process, which has the addresses 0..64")
    };
    senseless(&outside(99), |w| _ = w.process(0).load(99));
    senseless(&outside(64), |w| _ = w.process(0).store(64, 1));
    senseless(&outside(99), |w| _ = w.process(0).pin_for_writing(99));
    senseless(&outside(99), |w| _ = w.process(0).direct_io(99, 1));
    senseless(&outside(99), |w| _ = w.process(0).page_now(99));
    senseless(&outside(99), |w| _ = w.process(0).load_once(99));
    senseless(&outside(99), |w| w.process(0).read_around(99));
    senseless(&outside(64), |w| w.process(0).munmap(2..65));
    senseless(&outside(99), |w| w.process(0).mmap(98..100));
    senseless(&outside(99), |w| w.process(0).split_vma(99));
    senseless(&outside(98), |w| w.process(0).move_end(4, 99));
}

#[test]
fn what_can_never_do_anything_is_an_error() {
    senseless("3..3 is an empty range", |w| w.process(0).munmap(3..3));
    senseless("nothing ends at 0", |w| w.process(0).move_boundary(0, 2));
    senseless("from 2 to 2 is no move", |w| w.process(0).move_end(2, 2));
    senseless("expand(1..4, 4) does not grow", |w| _ = w.process(0).expand(1..4, 4));
    let overlap = "mremap(1..3, 2): the two overlap (-EINVAL)";
    senseless(overlap, |w| _ = w.process(0).mremap(1..3, 2));
    senseless("expand_downwards(1, 2) goes upwards", |w| w.process(0).expand_downwards(1, 2));
    let upwards = "setup_arg_pages(2..3, 3) does not go down";
    senseless(upwards, |w| _ = w.process(0).setup_arg_pages(2..3, 3));
}

/// Nobody is left who could ask for anything.
#[test]
fn a_process_that_has_exited_asks_for_nothing() {
    let asks: [Body; 8] = [
        |w| w.process(0).exit(),
        |w| _ = w.process(0).fork(),
        |w| w.process(0).mmap(5..6),
        |w| w.process(0).munmap(1..4),
        |w| w.process(0).split_vma(2),
        |w| w.process(0).touch(2),
        |w| _ = w.process(0).load(2),
        |w| _ = w.process(0).pin_for_reading(2),
    ];
    for (n, asks) in asks.into_iter().enumerate() {
        let exits = move |w: &World| {
            w.process(0).exit();
            asks(w);
        };
        let says = |race: &Race, place: &str| {
            let panicked =
                panic::catch_unwind(AssertUnwindSafe(|| check(race, &Method::Exhaustive)));
            let payload = panicked.expect_err("it is refused");
            let said = payload.downcast_ref::<String>().expect("a text");
            assert!(
                said.starts_with(&format!(
                    "mine under 3.7, {place}: the process of mm0 has exited (tests/misuse.rs:"
                )),
                "{n}: {said}"
            );
        };
        says(&alone(exits), "on CPU 'one'");
        says(&alone(|w| w.process(0).exit()).finally(move |w| asks(w)), "at the end");
        says(&alone(|_| ()).finally(move |w| exits(w)), "at the end");
        says(&alone(|_| ()).world(move |w| (world(w), exits(w)).1), "in its world");
    }
}

/// The last thread of a process has ended when it exits: what says so?
#[test]
fn a_process_does_not_exit_while_another_cpu_uses_it() {
    let uses: [Body; 3] =
        [|w| _ = w.process(0).load(2), |w| w.process(0).munmap(1..2), |w| _ = w.process(0).fork()];
    for uses in uses {
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
            check(&two(uses, |w| w.process(0).exit()), &Method::Exhaustive)
        }));
        let payload = panicked.expect_err("it is refused");
        let said = payload.downcast_ref::<String>().expect("a text");
        let exits = "mine under 3.7, on CPU 'other': the process of mm0 exits, and nothing keeps \
                     another CPU from using it meanwhile (";
        let late = "mine under 3.7, on CPU 'one': the process of mm0 has exited (";
        assert!(said.starts_with(exits) || said.starts_with(late), "{said}");
        let ordered = two(
            move |w| (uses(w), w.signal()).1,
            |w| {
                if w.signalled() {
                    w.process(0).exit();
                }
            },
        );
        assert_eq!(check(&ordered, &Method::Exhaustive).verdict(), Verdict::Never);
    }
}

/// What another CPU does shows in a step.
#[test]
fn a_retry_loop_that_takes_no_step_is_an_error() {
    let line = line!() + 2;
    let counts = |w: &World| {
        w.repeat_carrying(&mut 0, |rounds| {
            *rounds += 1;
            *rounds == 9
        });
    };
    refused(
        &alone(counts),
        &format!(
            "mine under 3.7, on CPU 'one': this goes round for ever: it takes no step, so it \
             waits for nobody (tests/misuse.rs:{line})"
        ),
    );
    let says = "this goes round for ever: no CPU runs that could change anything (tests/misuse.rs:";
    let waits = |w: &World| w.repeat_until(|| w.signalled());
    for (race, place) in [
        (alone(|_| ()).world(move |w| waits(w)), "in its world"),
        (alone(|_| ()).finally(move |w| waits(w)), "at the end"),
    ] {
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| check(&race, &Method::Exhaustive)));
        let payload = panicked.expect_err("it is refused");
        let said = payload.downcast_ref::<String>().expect("a text");
        assert!(said.starts_with(&format!("mine under 3.7, {place}: {says}")), "{said}");
    }
    let waits_for_the_other = two(|w| w.repeat_until(|| w.signalled()), |w| w.signal());
    assert_eq!(check(&waits_for_the_other, &Method::Exhaustive).verdict(), Verdict::Never);
}

/// Where a CPU goes round and round, step by step, there is a limit, and it says where.
#[test]
fn a_cpu_that_takes_steps_for_ever_is_found() {
    let (line, spins) = (line!(), alone(|w| while !w.signalled() {}));
    let outcome = |method: &Method| match check(&spins, method).coverage {
        Coverage::Sampled { how } => how,
        Coverage::Unfinished { why } => why,
        coverage => panic!("{}: {coverage:?}", method.name()),
    };
    for (method, limit) in ENGINES.iter().zip([
        "more than 100000 steps",
        "more than 100000 steps",
        "20 given up",
        "20 given up",
        "too many steps",
        "without end",
    ]) {
        let said = outcome(method);
        assert!(
            said.contains(limit) && said.contains("; CPU 'one' has taken "),
            "{}: {said}",
            method.name()
        );
        assert!(
            said.contains(&format!(" steps, and is at tests/misuse.rs:{line} (")),
            "{}: {said}",
            method.name()
        );
    }
}

/// Nobody can stop a CPU that computes without a step; but it is told, and where it is.
#[test]
fn a_cpu_that_computes_for_ever_is_told_of() {
    for method in &ENGINES {
        let (told, stalled) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (hears, stops, stopped) = (told.clone(), stalled.clone(), stalled.clone());
        let race = alone(move |w| {
            w.signal();
            while !stopped.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let on_stall = move |what: &str| {
            hears.lock().unwrap().push(what.to_owned());
            stops.store(true, Ordering::Relaxed);
        };
        let options = Options::default().on_stall(on_stall).patience(Duration::from_millis(50));
        race.check_with(&PROTOCOL, method, &options);
        let told = told.lock().unwrap();
        let [said] = &told[..] else { panic!("{}: {told:?}", method.name()) };
        assert!(
            said.starts_with("mine under 3.7, on CPU 'one': it has computed for ")
                && said.contains(" s without a step"),
            "{said}"
        );
        assert!(
            cfg!(not(target_os = "linux")) || said.contains("tests/misuse.rs:"),
            "{}: {said}",
            method.name()
        );
    }
}

const FOR_EVER: &str = "computes_for_ever";

#[test]
#[ignore = "it never ends"]
fn computes_for_ever() {
    let options = Options::default().patience(Duration::from_millis(50));
    alone(|_| {
        loop {
            std::hint::spin_loop()
        }
    })
    .check_with(&PROTOCOL, &Method::Exhaustive, &options);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "nobody watches")]
fn who_computes_for_ever_ends_the_process() {
    let mut this = Command::new(std::env::current_exe().expect("it has a file"));
    let output =
        this.args(["--exact", FOR_EVER, "--ignored", "--nocapture"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.starts_with("error: mine under 3.7, on CPU 'one': it has computed for ")
            && said.lines().count() == 1,
        "{said}"
    );
}

/// Shared memory is one file, mapped as a whole, and left alone by what the model does not know of
/// it.
#[test]
fn what_shared_memory_is_not_asked_for_is_an_error() {
    let calls: [(&str, Body); 5] = [
        ("mmap", |w| w.process(0).mmap(1..2)),
        ("mremap", |w| _ = w.process(0).mremap(1..3, 5)),
        ("mprotect", |w| w.process(0).mprotect(1..3, false)),
        ("vma_adjust", |w| w.process(0).split_vma(2)),
        ("get_user_pages", |w| _ = w.process(0).pin_for_reading(1)),
    ];
    for (what, call) in calls {
        let mine =
            Race::new("mine", "what shared memory is not asked for").cpu("odd", call).world(|w| {
                w.new_process().mmap_shared(1..3);
                w.process(0).touch(1);
            });
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| mine.check(&Era::V2_6_22)));
        let payload = panicked.expect_err(what);
        let said = payload.downcast_ref::<String>().expect("a text");
        assert!(
            said.contains(&format!("is shared memory, which {what} does not know here")),
            "{said}"
        );
        assert!(said.contains("tests/misuse.rs:"), "{said} names no line of the race");
    }
}

/// The file has the addresses that it was first mapped at, and its pages are not migrated.
#[test]
fn what_the_file_of_a_world_cannot_be_is_an_error() {
    let build = |w: &Setup<'_>| {
        w.new_process().mmap_shared(1..3);
        w.process(0).touch(1);
    };
    let says = |race: &Race, says: &str| {
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| race.check(&Era::V2_6_22)));
        let payload = panicked.expect_err(says);
        let said = payload.downcast_ref::<String>().expect("a text");
        assert!(said.contains(says), "{said}");
    };
    let larger = Race::new("mine", "a file of another size").cpu("load", |w| {
        let _ = w.process(0).load(1);
    });
    let larger = larger.world(move |w| {
        build(w);
        w.new_process().mmap_shared(1..4);
    });
    says(&larger, "the file has the addresses 1..3, and no others");
    let moved = Race::new("mine", "a file's page is moved")
        .world(build)
        .cpu("migrate", |w| w.migrate(w.process(0).page_at(1)));
    says(&moved, "pages are not migrated where memory is shared");
}

/// What no kernel combined is not applicable, which is no verdict.
#[test]
fn what_a_protocol_does_not_have_is_not_applicable() {
    let shared = Race::new("mine", "shared memory").world(|w| w.new_process().mmap_shared(1..2));
    let shared = shared.cpu("load", |w| _ = w.process(0).load(1));
    let moves = race().cpu("move_pages", |w| w.process(0).move_pages(2));
    for (race, protocol, why) in [
        (&shared, Era::V5_19, "shared memory is here as 2.6.8 to 2.6.29 have it"),
        (&moves, Era::RMAP_10, "move_pages needs anon_vmas, and this protocol has rmap=anonmm"),
    ] {
        let outcome = race.check(&protocol);
        let said = outcome.coverage.inapplicable().unwrap_or_default();
        assert!(said.contains(why), "{protocol}: {:?}", outcome.coverage);
    }
}

/// Whoever reads what a page holds would have to make it stable, in every kernel; that was said of
/// two.
#[test]
fn hinting_in_a_kernel_that_it_was_not_written_for_is_an_error() {
    for (arm, what) in [
        ("3.7", "chains of anon_vmas"),
        ("2.6.33+gup_fast=no", "bit for the swap cache's claim"),
        ("2.6.7", "map lock"),
    ] {
        let protocol: Protocol =
            format!("{arm}+hinting=volatile").parse().expect("there is such a protocol");
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| race().check(&protocol)));
        let payload = panicked.expect_err(arm);
        let said = payload.downcast_ref::<String>().expect("a text");
        assert!(
            said.contains(&format!(
                "hinting=volatile was written for 2.6.22 and 2.6.29, which had no {what}"
            )),
            "{arm}: {said}"
        );
    }
}

/// While the world is built, nobody is there who could have taken away what an operation needs.
#[test]
fn what_does_nothing_in_a_world_is_an_error() {
    let cases: [(&str, Build); 11] = [
        ("host_discards() does nothing", |w| w.host_discards(w.process(0).page_at(2))),
        ("read_around(2) does nothing", |w| w.process(0).read_around(2)),
        ("mmap(3..5) does nothing", |w| w.process(0).mmap(3..5)),
        ("munmap(7..9) does nothing", |w| w.process(0).munmap(7..9)),
        ("split_vma(9) does nothing", |w| w.process(0).split_vma(9)),
        ("split_vma(1) does nothing", |w| w.process(0).split_vma(1)),
        ("move_boundary(4, 3) does nothing", |w| w.process(0).move_boundary(4, 3)),
        ("expand_downwards(7, 6) does nothing", |w| w.process(0).expand_downwards(7, 6)),
        ("nothing is on swap at mm0:2", |w| w.process(0).read_ahead(2)),
        ("no page is at mm0:3 when the CPUs start", |w| w.process(0).swap_out(3)),
        ("mm0:2 or mm0:9 is in no VMA, or nothing was touched there", |w| {
            w.process(0).cross_link(2, w.process(0), 9)
        }),
    ];
    for (says, build) in cases {
        let race = race().world(move |w| {
            world(w);
            build(w);
        });
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| check(&race, &Method::Exhaustive)));
        let payload = panicked.expect_err(says);
        let said = payload.downcast_ref::<String>().expect("a text");
        assert!(
            said.starts_with(&format!("mine under 3.7, in its world: {says} (tests/misuse.rs:")),
            "{said}"
        );
    }
}

/// What never does anything, as the objections say.
fn idle(race: &Race) -> Vec<String> {
    let outcome = check(race, &Method::Exhaustive);
    assert_eq!(outcome.verdict(), Verdict::Never, "{:?}", outcome.violations);
    outcome
        .objections()
        .into_iter()
        .filter(|objection| objection.ends_with(" never did anything"))
        .collect()
}

/// "Never" would say nothing about it.
#[test]
fn what_does_nothing_in_any_interleaving_is_an_objection() {
    let cases: [(&str, Body); 11] = [
        ("host_discards()", |w| w.host_discards(w.process(0).page_at(2))),
        ("read_around(2)", |w| w.process(0).read_around(2)),
        ("split_vma(9)", |w| w.process(0).split_vma(9)),
        ("split_vma(1)", |w| w.process(0).split_vma(1)),
        ("munmap(7..9)", |w| w.process(0).munmap(7..9)),
        ("mmap(2..3)", |w| w.process(0).mmap(2..3)),
        ("move_boundary(7, 9)", |w| w.process(0).move_boundary(7, 9)),
        ("move_boundary(4, 3)", |w| w.process(0).move_boundary(4, 3)),
        ("move_end(3, 6)", |w| w.process(0).move_end(3, 6)),
        ("move_end(4, 6)", |w| {
            w.process(0).mmap(5..6);
            w.process(0).move_end(4, 6);
        }),
        ("expand_downwards(6, 5)", |w| w.process(0).expand_downwards(6, 5)),
    ];
    for (what, body) in cases {
        let [said] = &idle(&race().cpu("odd", body))[..] else { panic!("{what}: one objection") };
        assert!(
            said.starts_with("tests/misuse.rs:")
                && said.ends_with(&format!(": {what} on CPU 'odd' never did anything")),
            "{said}"
        );
        let [said] = &idle(&race().finally(move |w| body(w)))[..] else {
            panic!("{what}: one objection")
        };
        assert!(said.ends_with(&format!(": {what} at the end never did anything")), "{said}");
    }
}

/// No kernel joins VMAs that differ in permission, or of which each has an anon_vma of its own, or
/// that do not go on in offset: a page would be in a VMA in which a walk does not look for it.
#[test]
fn a_boundary_stays_between_vmas_that_no_kernel_joins() {
    let moves = |build: Body, from, to| {
        let race = Race::new("mine", "a boundary").world(move |w| {
            world(w);
            build(w);
        });
        idle(&race.cpu("mprotect", move |w| w.process(0).move_boundary(from, to))).is_empty()
    };
    assert!(moves(|w| w.process(0).split_vma(3), 3, 2));
    assert!(!moves(|w| w.process(0).mprotect(3..4, false), 3, 2), "they differ in permission");
    assert!(moves(|w| w.process(0).mmap(4..6), 4, 5));
    let touched: Body = |w| {
        w.process(0).mmap(4..6);
        w.process(0).touch(5);
    };
    assert!(!moves(touched, 4, 5), "each has its own anon_vma");
    let moved: Body = |w| w.process(0).mremap(1..2, 4).expect("it is mapped");
    assert!(!moves(moved, 4, 3), "the offset does not go on");
}

/// A CPU that is the operation itself is called by the standard library: the line that is named is
/// the race's.
#[test]
fn an_operation_without_a_line_has_its_cpus() {
    let race =
        Race::new("mine", "no page is there to be moved").world(|w| w.new_process().mmap(1..4));
    let (race, line) = (race.cpu("odd", World::migrate_newest), line!());
    assert_eq!(
        idle(&race),
        [format!("tests/misuse.rs:{line}: migrate_newest() on CPU 'odd' never did anything")]
    );
}

/// Another CPU may have taken away what it needs, in some interleavings: that is what races are
/// about.
#[test]
fn what_does_something_in_one_interleaving_is_no_objection() {
    let pairs: [[Body; 2]; 8] = [
        [|w| w.process(0).munmap(1..4), |w| w.process(0).split_vma(3)],
        [|w| w.process(0).munmap(1..4), |w| w.process(0).munmap(2..3)],
        [|w| w.process(0).munmap(1..4), |w| w.process(0).mmap(3..6)],
        [|w| w.process(0).split_vma(3), |w| w.process(0).move_boundary(3, 2)],
        [|w| w.process(0).move_end(4, 6), |w| w.process(0).mmap(5..6)],
        [|w| w.process(0).expand_downwards(1, 0), |w| w.process(0).expand_downwards(1, 0)],
        [|w| w.process(0).munmap(1..4), |w| w.migrate(w.process(0).page_at(2))],
        [|w| w.process(0).munmap(1..4), |w| w.shrink_page(w.process(0).page_at(2))],
    ];
    for (n, [one, other]) in pairs.into_iter().enumerate() {
        let race = two(one, other);
        assert_eq!(idle(&race), [""; 0], "{n}");
        let outcome = check(&race, &Method::Exhaustive);
        let [one, other] = &outcome.operations[..] else { panic!("{n}: {:?}", outcome.operations) };
        assert!(
            one.count < outcome.executions || other.count < outcome.executions,
            "{n}: they are not"
        );
    }
}
