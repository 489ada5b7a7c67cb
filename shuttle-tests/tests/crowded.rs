//! The catalogue's races with somebody else there: each case that violates nothing, and one CPU
//! more, which migrates or reclaims a page that the world begins with, or forks.
//!
//! ```sh
//! cargo test --release -p lockwalk-shuttle-tests --test crowded -- --ignored --nocapture
//! ```
//!
//! `LOCKWALK_CROWDED` is the most executions of each, `LOCKWALK_ONLY` words that all have to
//! stand in "race · protocol · who". What is violated must be known: gone with other choices of
//! rules ([CAUSES]), or [SAID] of that race; of the rest a witness is printed. A race's own
//! assertions, ASSERT-1 and RACE-1, are about the CPUs that it has, and do not count.

mod common;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use lockwalk::mm::{Addr, World};
use lockwalk::witness::Coverage;
use lockwalk::witness::render::{self, Style};
use lockwalk::{Documented, Era, Method, Options, Outcome, Protocol, Race};

/// No world has more processes when its CPUs start.
const PROCESSES: usize = 4;

/// What a process has when the CPUs start.
#[derive(Clone, Copy)]
struct Place {
    process: usize,
    addr: Addr,
}

/// Who is added.
#[derive(Clone, Copy)]
enum Who {
    Migrates(Place),
    Reclaims(Place),
    Forks(Addr),
}

impl Who {
    fn name(self) -> String {
        let of = |at: Place| format!("{}:{}", at.process, at.addr);
        match self {
            Who::Migrates(at) => format!("migrate {}", of(at)),
            Who::Reclaims(at) => format!("reclaim {}", of(at)),
            Who::Forks(addr) => format!("fork, store to {addr}, exit"),
        }
    }

    /// `by_system_call`: pages are moved by a system call about their process alone.
    fn run(self, w: &World, by_system_call: bool) {
        match self {
            Who::Migrates(at) if by_system_call => w.process(at.process).move_pages(at.addr),
            Who::Migrates(at) => w.migrate(w.process(at.process).page_at(at.addr)),
            Who::Reclaims(at) => w.shrink_page(w.process(at.process).page_at(at.addr)),
            Who::Forks(addr) => {
                if let Ok(child) = w.process(0).try_fork() {
                    // It may be unmapped by then, or memory may have run out.
                    _ = child.store(addr, 77);
                    child.exit();
                }
            }
        }
    }
}

/// What does not panic: a race that asks for what makes no sense does, and says why.
fn sensible<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    let why = |payload: Box<dyn Any + Send>| payload.downcast_ref().cloned().unwrap_or_default();
    catch_unwind(AssertUnwindSafe(f)).map_err(why)
}

/// The first page of each process that no process before it has there, and the first address of
/// process 0 that something is mapped at. A CPU that comes first in the first execution finds out.
fn places(race: &Race, protocol: &Protocol) -> (Vec<Place>, Option<Addr>) {
    let found = Arc::new(Mutex::new((Vec::new(), None)));
    let tells = found.clone();
    let probe = race.clone().cpu("looks", move |w| {
        let mut seen = Vec::new();
        let mut places = Vec::new();
        for process in 0..PROCESSES {
            let first = (0..lockwalk::mm::TASK_SIZE)
                .find_map(|addr| Some((addr, sensible(|| w.process(process).page_at(addr)).ok()?)));
            if let Some((addr, page)) = first.filter(|(_, page)| !seen.contains(page)) {
                seen.push(page);
                places.push(Place { process, addr });
            }
        }
        *tells.lock().expect("nobody panics with it") = (places, None);
        let loads = |addr| matches!(sensible(|| w.process(0).load(addr)), Ok(Ok(_)));
        let mapped = (0..lockwalk::mm::TASK_SIZE).find(|&addr| loads(addr));
        tells.lock().expect("nobody panics with it").1 = mapped;
    });
    let once = Options::default().executions(1);
    _ = sensible(|| probe.reversed().check_with(protocol, &Method::Exhaustive, &once));
    let found = found.lock().expect("nobody panics with it");
    found.clone()
}

/// Is a page moved by anybody, and if so, by a system call alone? Pages move since 2.6.16, and by
/// the kernel's own doing since 2.6.24.
fn moves(protocol: &Protocol) -> Option<bool> {
    let name = protocol.to_string();
    let based_on = |era: &Protocol| name.split('+').next() == Some(&era.to_string());
    let never =
        [Era::RMAP_10, Era::DOCUMENT_4, Era::V2_6_7, Era::V2_6_11, Era::V2_6_13, Era::DOCUMENT_0];
    let by_system_call = [Era::V2_6_22, Era::DOCUMENT_2];
    (!never.iter().any(based_on)).then(|| by_system_call.iter().any(based_on))
}

/// Who can be added to a case.
fn added(race: &Race, protocol: &Protocol) -> Vec<Who> {
    let (places, mapped) = places(race, protocol);
    let migrates = moves(protocol).map(|_| Who::Migrates as fn(Place) -> Who);
    let ways = migrates.into_iter().chain([Who::Reclaims as fn(Place) -> Who]);
    let all = ways.flat_map(|way| places.iter().map(move |&place| way(place)));
    all.chain(mapped.map(Who::Forks)).collect()
}

/// What is known already, by a race of the catalogue or a finding of SPEC.md: clauses, and choices
/// with which they are violated no more.
const CAUSES: &[(&str, &[&str], &str)] = &[
    ("S0.4/both", &["COW-1", "COW-2"], "cow_rmap=after-entry"),
    ("S0.5", &["COW-1", "COW-2"], "swap_free_order=after-rmap"),
    ("S0.4/both, S0.5", &["COW-1", "COW-2"], "cow_rmap=after-entry+swap_free_order=after-rmap"),
    ("S0.5/reclaim", &["NULL-1"], "swap_free_order=after-rmap"),
    ("S0.5/reclaim", &["NULL-1"], "swapin_mapcount=before-decision"),
    ("S0.9", &["PIN-1", "DATA-1"], "gup=pin+gup_fast=no+fork_pinned=copy"),
    ("S0.11", &["PIN-1", "DATA-1"], "wp_lock=lock"),
    ("S0.9, S0.11", &["PIN-1", "DATA-1"], "gup=pin+gup_fast=no+fork_pinned=copy+wp_lock=lock"),
    (
        "S0.4/both, S0.5, S0.9",
        &["COW-2", "DATA-1", "PIN-1"],
        "cow_rmap=after-entry+swap_free_order=after-rmap+gup=pin+gup_fast=no+fork_pinned=copy",
    ),
    (
        "S0.9/unmap, S0.11",
        &["DATA-1", "PIN-1"],
        "gup=pin+gup_fast=no+fork_pinned=copy+unmap_check=count+wp_lock=lock+cow_rmap=after-entry",
    ),
    (
        "S0.5, S0.9/unmap, S0.11",
        &["DATA-1", "PIN-1"],
        "gup=pin+gup_fast=no+fork_pinned=copy+unmap_check=count+wp_lock=lock\
         +cow_rmap=after-entry+swap_free_order=after-rmap",
    ),
    ("S1.1", &["NULL-1"], "unmapped_page=skip"),
    ("S1.1/first-touch", &["NULL-1"], "new_rmap=first"),
    ("S1.2", &["LIFE-1"], "anon_vma_life=rcu-mapped"),
    ("S1.2", &["LIFE-1"], "anon_vma_life=rcu-mapped+lock_recheck=mapped"),
    ("S1.2/fresh", &["GUARD-1"], "fresh_anon_vma=locked"),
    ("S1.7", &["COUNT-3", "LIFE-3", "LRU-1", "NULL-1"], "isolation=get-unless-zero"),
    ("S1.1, S1.7", &["NULL-1"], "isolation=get-unless-zero+unmapped_page=skip"),
    ("S1.1, S1.7", &["NULL-1"], "isolation=get-unless-zero+unmapped_page=skip+new_rmap=first"),
    ("S2/exit", &["HINT-4"], "pte_look=locked"),
    ("S2/migrate", &["HINT-1", "HINT-3", "HINT-4"], "migrate_stable=yes"),
    ("S2/swapoff", &["HINT-1", "HINT-2"], "slot_stable=everywhere"),
    ("S2/swapoff-fork", &["COW-1", "SWAP-1", "SWAP-2"], "discarded_bit=after-removal"),
    ("S2.9", &["COUNT-3"], "shrink_discarded=release"),
    ("S2.9/spurious", &["LRU-1"], "putback_discarded=list"),
    ("S2.9/spurious", &["LRU-1"], "discarded_bit=after-removal"),
    ("S2.12/torn", &["HINT-1", "HINT-3"], "count_order=count-first"),
    ("S2.12/torn, S2/migrate", &["HINT-1"], "count_order=count-first+migrate_stable=yes"),
    ("S2.12/torn-fork", &["HINT-1"], "count_order=map-first"),
    ("S3.1", &["COUNT-3", "MIG-1", "MIG-2", "RMAP-1"], "vma_adjust_lock=vma-or-next"),
    ("S3.1", &["COUNT-2", "DATA-1", "LIFE-3"], "vma_adjust_lock=vma-or-next"),
    ("S3.7/put-under-rcu", &["ATOMIC-1"], "unmapped_put=after-rcu"),
    ("S3.7/root-first", &["LIFE-1"], "anon_vma_put=child-first"),
    ("S3.15", &["MIG-1"], "fork_link=append"),
    ("S4.5", &["DEADLOCK", "LIVELOCK", "ORDER-1"], "unuse_sem=trylock"),
    ("FINDING-43", &["LIVELOCK"], "swap_has_cache=bit"),
    ("S4.5, FINDING-43", &["LIVELOCK"], "unuse_sem=trylock+swap_has_cache=bit"),
    ("S4/peek", &["COUNT-3", "LIFE-3", "MIG-1", "MIG-2"], "pte_look=lockless-unmap"),
    (
        "S4/peek, S4/moves-back",
        &["COUNT-3", "LIFE-3", "MIG-1", "MIG-2"],
        "pte_look=lockless-unmap+mremap_lock=rmap-lock",
    ),
    ("S4/unuse-exit", &["LIFE-1"], "unuse_address=any"),
];

/// What no choice of rules mends: race, who (as it begins), clauses, and by what it is known.
const SAID: &[(&str, &str, &[&str], &str)] = &[
    ("S0.2/suspended", "reclaim", &["LIVELOCK"], NOT_THERE),
    ("S0.8/shared", "reclaim", &["LIVELOCK"], NOT_THERE),
    ("S0.3/activated", "", &["COUNT-3", "LIFE-3"], NO_REFERENCE),
    ("S0.6/contended", "", &["COUNT-3", "LIFE-3"], NO_REFERENCE),
    ("S1.6/starve", "reclaim", &["DEADLOCK", "LIVELOCK"], GIVEN_UP),
    ("S2.3/reuse", "reclaim", &["HINT-3"], NO_DIRTY_ENTRY),
    ("S3.11", "reclaim", &["LIVELOCK"], COUNTS_ALL),
    ("S3.11/keep", "reclaim", &["LIVELOCK"], COUNTS_ALL),
    ("S4.6/tables", "fork", &["DATA-1"], "S4.6: a length of -1 is no error"),
    ("S4.6/tables", "fork", &["RMAP-1"], "S4.1: the page is shared, and moves in one process"),
];

const NOT_THERE: &str = "race: its own loop waits for a page that reclaim has freed";
const NO_REFERENCE: &str = "race: its own CPU has no reference to the page that it uses";
const GIVEN_UP: &str = "race and model: its own loop waits for a move, and offline_page takes a page \
                        that reclaim has off the LRU list for one that is gone";
const NO_DIRTY_ENTRY: &str = "model: the fault makes the entry dirty before it has stored, and on \
                              s390, where document 2 is, entries have no such bit";
const COUNTS_ALL: &str = "model: it counts swap entries too, which no walk restores";

/// `protocol` with other choices.
fn mended(protocol: &Protocol, choices: &str) -> Protocol {
    let rules: Vec<_> = choices.split('+').filter_map(|choice| choice.split('=').next()).collect();
    let text = protocol.to_string();
    let kept = text
        .split('+')
        .filter(|part| !rules.iter().any(|rule| part.split('=').next() == Some(rule)));
    let all: Vec<_> = kept.chain(choices.split('+')).collect();
    all.join("+").parse().expect("a protocol")
}

/// By what it is known that this race violates this clause. The causes are tried.
fn known(
    race: &Race,
    protocol: &Protocol,
    who: Who,
    clause: &str,
    executions: u64,
) -> Option<String> {
    let said = SAID.iter().find(|(id, name, clauses, _)| {
        *id == race.id() && who.name().starts_with(name) && clauses.contains(&clause)
    });
    if let Some((.., why)) = said {
        return Some((*why).to_owned());
    }
    let options = Options::default().executions(executions);
    CAUSES.iter().filter(|(_, clauses, _)| clauses.contains(&clause)).find_map(
        |(by, _, choices)| {
            let mended = mended(protocol, choices);
            let heals = || {
                let outcome = race.check_with(&mended, &Method::Exhaustive, &options);
                // What the race documents to be violated would have ended it early.
                outcome.executions > 0
                    && outcome.coverage != Coverage::Settled
                    && !violated(&outcome).any(|other| other == clause)
            };
            (mended != *protocol && sensible(heals) == Ok(true))
                .then(|| format!("{by}: not with {choices}"))
        },
    )
}

/// The clauses that count.
fn violated(outcome: &Outcome) -> impl Iterator<Item = &str> {
    let names = outcome.violations.iter().filter(|v| v.count > 0).map(|v| v.name.as_str());
    names.filter(|name| !["ASSERT-1", "RACE-1"].contains(name))
}

/// Whether all of it was explored.
enum End {
    Exhausted,
    Cut,
    MakesNoSense,
}

/// What came of a case with one more.
struct Tried {
    race: String,
    end: End,
    executions: u64,
    /// Only what the race says itself is violated.
    own: bool,
    known: Vec<String>,
    unknown: Vec<String>,
}

/// `as_found`: a witness need not be the one with the fewest preemptions.
fn explore(
    race: Race,
    protocol: &Protocol,
    who: Who,
    title: &str,
    executions: u64,
    as_found: bool,
) -> Tried {
    let mut tried = Tried {
        race: race.id().to_owned(),
        end: End::MakesNoSense,
        executions: 0,
        own: false,
        known: vec![],
        unknown: vec![],
    };
    let by_system_call = moves(protocol) == Some(true);
    let race = race.cpu(who.name(), move |w| who.run(w, by_system_call));
    let options = Options::default().executions(executions).witness(true).as_found(as_found);
    let outcome = match sensible(|| race.check_with(protocol, &Method::Exhaustive, &options)) {
        Ok(outcome) => outcome,
        Err(why) => {
            println!("{title} · makes no sense: {why}");
            return tried;
        }
    };
    tried.executions = outcome.executions;
    tried.end = match &outcome.coverage {
        Coverage::Exhaustive => End::Exhausted,
        Coverage::Inapplicable { why } => {
            println!("{title} · makes no sense: {why}");
            End::MakesNoSense
        }
        cut => {
            let of = outcome.executions;
            println!("{title} · cut: {of} executions in {:.1} s, {cut:?}", outcome.seconds);
            End::Cut
        }
    };
    let clauses: Vec<_> = violated(&outcome).collect();
    tried.own = clauses.is_empty() && outcome.violations.iter().any(|v| v.count > 0);
    for clause in clauses {
        let known = known(&race, protocol, who, clause, executions);
        println!("{title} · {clause} · {}", known.as_deref().unwrap_or("NEW"));
        if let Some(witness) = outcome.witness.as_ref().filter(|it| it.clause == clause) {
            println!("  {} ({})", witness.what, witness.schedule);
            if known.is_none() {
                println!("{}", render::text(witness, 120, Style::default()));
            }
        }
        match known {
            Some(why) => tried.known.push(why),
            None => tried.unknown.push(format!("{title} · {clause}")),
        }
    }
    tried
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn who_else_is_there_breaks_nothing() {
    let executions = std::env::var("LOCKWALK_CROWDED")
        .map_or(5_000, |most| most.parse().expect("LOCKWALK_CROWDED is a number of executions"));
    let only = std::env::var("LOCKWALK_ONLY").unwrap_or_default();
    let mut cases = common::cases();
    cases.retain(|(.., documented)| *documented == Documented::Holds);
    let tried = common::each(&cases, |(race, protocol, _)| {
        let all = added(race, protocol).into_iter().filter_map(|who| {
            let title = format!("{} · {protocol} · {}", race.id(), who.name());
            let wanted = only.split_whitespace().all(|word| title.contains(word));
            wanted
                .then(|| explore(race.clone(), protocol, who, &title, executions, only.is_empty()))
        });
        all.collect::<Vec<_>>()
    });
    let tried: Vec<_> = tried.into_iter().flatten().collect();
    let count = |is: fn(&Tried) -> bool| tried.iter().filter(|it| is(it)).count();
    println!(
        "{} cases, {} with one more: {} exhausted, {} cut by {executions} executions, {} make no \
         sense; {} violate what the race says itself, and nothing else; {} executions",
        cases.len(),
        tried.len(),
        count(|it| matches!(it.end, End::Exhausted)),
        count(|it| matches!(it.end, End::Cut)),
        count(|it| matches!(it.end, End::MakesNoSense)),
        count(|it| it.own),
        tried.iter().map(|it| it.executions).sum::<u64>(),
    );
    assert!(!tried.is_empty(), "LOCKWALK_ONLY leaves nothing of them");
    let unknown: Vec<_> = tried.iter().flat_map(|it| &it.unknown).collect();
    println!("{} violations are known", tried.iter().map(|it| it.known.len()).sum::<usize>());
    assert!(unknown.is_empty(), "these are known by nothing: {unknown:#?}");
    let said = |(id, _, _, why): &&(&str, &str, &[&str], &str)| {
        tried.iter().any(|it| it.race == *id && it.known.iter().any(|known| known == why))
    };
    let stale: Vec<_> = SAID.iter().filter(|row| only.is_empty() && !said(row)).collect();
    assert!(stale.is_empty(), "SAID has what is not violated any more: {stale:?}");
}
