//! Races under the memory models: what a barrier is for, what it looks like when it lacks, and
//! which of the catalogue's verdicts are others than where memory is sequentially consistent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release, SeqCst};
use std::sync::{Mutex, PoisonError};

use lockwalk::Memory::{Pso, Tso, Weak};
use lockwalk::mm::World;
use lockwalk::sync::{Name, Word, fence};
use lockwalk::witness::{Expected, Judgement, Verdict, Witness, render};
use lockwalk::{Clause, Era, Memory, Method, Options, Outcome, Protocol, Race, races};

/// What two CPUs of a race share, and what each has seen. An execution has one thread.
struct Shared {
    page: Word<u64>,
    slot: Word<u64>,
    seen: [Cell<u64>; 2],
}

thread_local! {
    static SHARED: RefCell<Option<Rc<Shared>>> = const { RefCell::new(None) };
}

fn share() {
    let word = |name| Word::new(Name::new(name, 0, 0), 0);
    let seen = [Cell::new(0), Cell::new(0)];
    SHARED.set(Some(Rc::new(Shared { page: word("page"), slot: word("slot"), seen })));
}

fn shared() -> Rc<Shared> {
    SHARED.with_borrow(Clone::clone).expect("the world is built")
}

/// A slot of the swap cache, or of whatever a page is published by.
fn publication(store: Ordering) -> Race {
    Race::new("publication", "a page is found before it is what it was made")
        .world(|_| share())
        .cpu("add_to_swap_cache", move |_| {
            shared().page.write(1);
            shared().slot.store(1, store);
        })
        .cpu("find_get_page", |_| {
            if shared().slot.load(Acquire) == 1 {
                assert!(shared().page.read() == 1, "the page is not ready");
            }
        })
}

/// Each CPU says that it is there, and looks whether the other is.
fn dekker(between: fn()) -> Race {
    let cpu =
        move |me: usize, mine: fn(&Shared) -> &Word<u64>, other: fn(&Shared) -> &Word<u64>| {
            let shared = shared();
            mine(&shared).write(1);
            between();
            shared.seen[me].set(other(&shared).read());
        };
    Race::new("dekker", "neither sees that the other is there")
        .world(|_| share())
        .cpu("make_volatile", move |_| cpu(0, |shared| &shared.page, |shared| &shared.slot))
        .cpu("make_stable", move |_| cpu(1, |shared| &shared.slot, |shared| &shared.page))
        .finally(|_| {
            let seen = shared().seen.each_ref().map(Cell::get);
            assert_ne!(seen, [0, 0], "neither has seen the other");
        })
}

/// By the engine that has a choice, whichever is the build's own.
fn exhausted(race: &Race, protocol: &Protocol) -> Outcome {
    let options = Options::default().witness(true);
    race.check_with(protocol, &Method::Exhaustive, &options)
}

/// Under which models the race's own assertion fails; it is exhausted under the others.
fn fails(race: &Race) -> Vec<Memory> {
    let fails = |memory: &Memory| {
        let outcome = exhausted(&race.clone().memory(*memory), &Era::V2_6_36);
        match outcome.verdict() {
            Verdict::Never => false,
            verdict => {
                assert_eq!(verdict.clause(), Some(Clause::ASSERT_1.id()), "{memory:?}: {verdict}");
                true
            }
        }
    };
    Memory::ALL.into_iter().filter(fails).collect()
}

fn witness(race: &Race, memory: Memory) -> Witness {
    let outcome = exhausted(&race.clone().memory(memory), &Era::V2_6_36);
    outcome.witness.expect("it is violated")
}

#[test]
fn what_is_published_by_a_relaxed_store_is_seen_too_early() {
    assert_eq!(fails(&publication(Relaxed)), [Pso, Weak]);
    assert_eq!(fails(&publication(Release)), []);
}

#[test]
fn a_full_barrier_keeps_a_store_before_a_load() {
    assert_eq!(fails(&dekker(|| ())), [Tso, Pso, Weak]);
    assert_eq!(fails(&dekker(|| fence(SeqCst))), []);
}

fn texts(witness: &Witness) -> Vec<String> {
    let step = |step: &lockwalk::witness::Step| format!("CPU{} {}", step.cpu, step.text);
    witness.steps.iter().map(step).collect()
}

/// Is it said in a drawing that is wide enough?
fn says(witness: &Witness, what: &str) -> bool {
    render::text(witness, 1_000, render::Style::default()).contains(what)
}

/// A store that something comes before is two steps; another one is one. No schedule with fewer
/// preemptions will do, and a store that its own CPU overtakes counts as one.
#[test]
fn a_witness_shows_which_stores_are_on_their_way() {
    let overtaken = witness(&publication(Relaxed), Pso);
    assert!(overtaken.found.minimal && overtaken.found.memory_model == "PSO");
    assert_eq!(
        texts(&overtaken),
        [
            "CPU0 page := 1, in its store buffer",
            "CPU0 slot := 1",
            "CPU1 slot is 1",
            "CPU1 page is 0",
            "CPU1 ASSERT-1: the page is not ready",
        ]
    );
    assert!(says(
        &overtaken,
        "smp_wmb() on CPU0 between \"page := 1\" and \"slot := 1\" would forbid this"
    ));
    let buffered = witness(&dekker(|| ()), Tso);
    assert!(buffered.found.minimal);
    assert!(says(
        &buffered,
        "smp_mb() on CPU1 between \"slot := 1\" and \"page is 0\" would forbid this"
    ));
    assert_eq!(
        texts(&buffered),
        [
            "CPU0 page := 1, in its store buffer",
            "CPU1 slot := 1, in its store buffer",
            "CPU1 page is 0",
            "CPU0 page := 1 reaches memory",
            "CPU0 slot is 0",
            "CPU1 slot := 1 reaches memory",
        ]
    );
    let stale = witness(&publication(Relaxed), Weak);
    assert!(stale.found.minimal && stale.preemptions == 1);
    assert!(texts(&stale).contains(&"CPU1 page is 0, and in memory 1".to_owned()), "{stale:?}");
    assert!(says(
        &stale,
        "smp_mb() on CPU0 behind \"page := 1\" and on CPU1 before \"page is 0\" would forbid this"
    ));
}

fn called(id: &str) -> Race {
    races::all().into_iter().find(|race| race.id() == id).expect("it is there")
}

/// A sequentially consistent execution is one of every model, and so is its livelock; each finds it
/// for itself.
#[test]
fn a_livelock_is_one_under_every_model() {
    let race = called("S3.4");
    let (protocol, _) = &race.cases()[0];
    for (memory, model) in [(Tso, "TSO"), (Pso, "PSO"), (Weak, "RC11")] {
        let outcome = exhausted(&race.clone().memory(memory), protocol);
        assert_eq!(outcome.verdict().clause(), Some(Clause::LIVELOCK.id()), "{memory:?}");
        assert!(outcome.as_documented(), "{memory:?}: {:?}", outcome.objections());
        let witness = outcome.witness.as_ref().expect("a witness");
        assert_eq!((&*outcome.memory_model, &*witness.found.memory_model), (model, model));
        assert!(witness.replay.contains("--memory"), "{}", witness.replay);
    }
}

/// Each CPU says that it is there. Who sees the other tells it so; who does not waits to be told.
fn each_waits_to_be_told(between: fn()) -> Race {
    let cpu =
        move |world: &World, mine: fn(&Shared) -> &Word<u64>, other: fn(&Shared) -> &Word<u64>| {
            let shared = shared();
            mine(&shared).write(1);
            between();
            if other(&shared).read() == 0 {
                world.repeat_until(|| mine(&shared).read() == 2);
            } else {
                other(&shared).write(2);
            }
        };
    Race::new("told", "each waits for the other to have seen it")
        .world(|_| share())
        .cpu("here", move |w| cpu(w, |shared| &shared.page, |shared| &shared.slot))
        .cpu("there", move |w| cpu(w, |shared| &shared.slot, |shared| &shared.page))
}

/// That both wait for ever takes store buffers, or loads that are stale.
#[test]
fn a_livelock_may_need_weak_memory() {
    for (memory, between, verdict) in [
        (Memory::Sc, (|| ()) as fn(), None),
        (Tso, || (), Some(Clause::LIVELOCK.id())),
        (Pso, || (), Some(Clause::LIVELOCK.id())),
        (Tso, || fence(SeqCst), None),
        (Pso, || fence(SeqCst), None),
        (Weak, || (), Some(Clause::LIVELOCK.id())),
        (Weak, || fence(SeqCst), None),
    ] {
        let race = each_waits_to_be_told(between).memory(memory);
        let outcome = exhausted(&race, &Era::V2_6_36);
        assert_eq!(outcome.verdict().clause(), verdict, "{memory:?}: {outcome:?}");
        let complete = outcome.coverage.unfinished().is_none();
        assert!(complete, "{memory:?}: {:?}", outcome.coverage);
        if verdict.is_some() {
            let texts = texts(&outcome.witness.expect("a witness"));
            let weak = ["CPU0 page := 1, in its store buffer", "CPU0 slot is 0, and in memory 1"];
            let shown = |what: &&str| texts.iter().any(|text| text == what);
            assert!(weak.iter().any(shown), "{memory:?}: {texts:#?}");
        }
    }
}

/// A loop that changes something in every round goes round once, which is all if nobody can tell.
#[test]
fn a_loop_that_nobody_can_tell_is_decided() {
    let outcome = exhausted(&called("S0.2").memory(Weak), &Era::V2_6_13);
    assert_eq!(outcome.coverage.unfinished(), None);
    assert!(matches!(outcome.verdict(), Verdict::Never), "{outcome:?}");
}

/// So it is if the loop ends by itself: then it goes round as often as that takes.
#[test]
fn a_loop_that_ends_by_itself_is_decided() {
    let outcome = exhausted(&called("S1.1").memory(Weak), &Era::V2_6_29);
    assert_eq!(outcome.coverage.unfinished(), None);
    assert!(matches!(outcome.verdict(), Verdict::Never), "{outcome:?}");
}

/// Where what is seen of several rounds might matter, that is said, and nothing is decided.
#[test]
fn a_loop_that_might_show_is_undecided() {
    let outcome = exhausted(&called("S0.10/frame").memory(Weak), &Era::V2_6_29);
    assert!(matches!(outcome.verdict(), Verdict::Undecided(_)), "{outcome:?}");
    assert_eq!(outcome.judgement(), Judgement::Undecided);
    let why = outcome.coverage.unfinished().expect("it says why");
    assert!(why.starts_with("a loop went round in vain once"), "{why}");
}

/// Cases of the catalogue that are exhausted, or violated, as where memory is sequentially
/// consistent.
#[test]
fn verdicts_stay() {
    let some = ["S0.4", "S1.2/referenced", "S2.7", "S3.1", "S3.2", "S3.9"];
    for memory in [Tso, Pso, Weak] {
        for race in races::all().into_iter().filter(|race| some.contains(&race.id())) {
            for (protocol, _) in race.cases() {
                let race = race.clone().memory(memory);
                let outcome = race.check_with(protocol, &Method::Exhaustive, &Options::default());
                assert!(outcome.as_documented(), "{memory:?}: {:?}", outcome.objections());
            }
        }
    }
}

/// A reader of a sequence count that lacks its `smp_rmb` takes what it has read for one state. The
/// loop in which he reads changes nothing, so that all of it can be run.
#[test]
fn a_sequence_count_needs_its_barriers() {
    let race = called("S3.5/split").memory(Weak);
    let protocol = "2.6.34+vma_adjust_lock=vma+rmap_walk_lock=seqcount".parse().expect("it is one");
    let outcome = exhausted(&race, &protocol);
    assert_eq!(outcome.verdict(), Verdict::Never, "{:?}", outcome.objections());
}

/// Who finds a page-table lock free may still see an entry as it was before the lock was taken.
#[test]
fn an_entry_is_stale_after_its_lock_is_seen_free() {
    let race = called("S2.6/mremap");
    let protocol = "document-2+pte_look=unless-locked".parse().expect("it is one");
    let outcome = exhausted(&race, &protocol);
    assert_eq!(outcome.verdict(), Verdict::Never, "{:?}", outcome.objections());
    let options = Options::default().witness(true);
    let outcome = race.memory(Weak).check_with(&protocol, &Method::Exhaustive, &options);
    assert_eq!(outcome.verdict().clause(), Some("HINT-4"));
    let witness = outcome.witness.expect("it was asked for");
    assert!(witness.found.minimal);
    let looks: Vec<_> =
        witness.steps.iter().filter(|step| step.text.contains("in memory")).collect();
    assert!(
        matches!(looks[..], [look] if look.text == "pte[mm1:3] is none, and in memory P0 ro"),
        "{looks:#?}"
    );
}

/// The whole catalogue: no verdict is another one, as far as it is reached. SPEC.md §7 has the
/// figures.
#[test]
#[ignore = "takes half an hour"]
fn what_the_memory_models_make_of_the_catalogue() {
    let cases: Vec<_> = races::all()
        .into_iter()
        .flat_map(|race| {
            let protocols: Vec<_> =
                race.cases().iter().map(|(protocol, _)| protocol).cloned().collect();
            protocols.into_iter().map(move |protocol| (race.clone(), protocol))
        })
        .collect();
    for (memory, executions) in [(Tso, 2000), (Pso, 2000), (Weak, 200)] {
        let options = Options::default().executions(executions);
        let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some((race, protocol)) = cases.get(next.fetch_add(1, Relaxed)) {
                        let race = race.clone().memory(memory);
                        let outcome = race.check_with(protocol, &Method::Exhaustive, &options);
                        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                    }
                });
            }
        });
        let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let count =
            |judgement| outcomes.iter().filter(|outcome| outcome.judgement() == judgement).count();
        let (same, undecided) = (count(Judgement::AsDocumented), count(Judgement::Undecided));
        let too_long = |why: &str| why.contains("00 steps");
        let loops =
            outcomes.iter().filter(|outcome| outcome.coverage.unfinished().is_some_and(too_long));
        let loops = loops.count();
        eprintln!(
            "{memory:?}: {same} as documented, {undecided} undecided, {loops} of them in a loop"
        );
        // SPEC.md §7 says why.
        let known = [
            "S2.6",
            "S2.6/mremap",
            "S2.12/torn",
            "S2.12/torn-readahead",
            "S2.12/torn-fork",
            "S2.13",
            "S2/swapoff-torn",
            "S2/writeback-swapoff",
            "S3.10/boundary",
        ];
        let is_known = |race: &str| memory == Weak && known.contains(&race);
        let others: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.judgement() == Judgement::Differs)
            .filter(|outcome| !is_known(&outcome.race))
            // Where not all was explored, another clause may only have come first.
            .filter(|outcome| {
                outcome.documented == Expected::Holds || outcome.coverage.unfinished().is_none()
            })
            .map(|outcome| {
                format!("{} under {}: {:?}", outcome.race, outcome.protocol, outcome.objections())
            })
            .collect();
        assert_eq!(others, [""; 0], "{memory:?}");
    }
}
