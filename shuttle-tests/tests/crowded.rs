//! The catalogue's races with somebody else there: each case that violates nothing, and one CPU
//! more, which migrates or reclaims a page that the world begins with, or forks.
//!
//! ```sh
//! cargo test --release -p lockwalk-shuttle-tests --test crowded -- --ignored --nocapture
//! ```
//!
//! `LOCKWALK_CROWDED` is the most executions of each; what they do not exhaust is tried by states,
//! for at most `LOCKWALK_SECONDS`. `LOCKWALK_ONLY` are words that all have to stand in
//! "race · protocol · who", and `LOCKWALK_PART`, as in 2/7, takes one of so many parts of the
//! combinations. What is violated must be known: gone with other choices of rules ([CAUSES]; within
//! the same bound, which is no proof if it cuts that, too), or [SAID] of that race; of the rest a
//! witness is printed. A race's own assertions, ASSERT-1 and RACE-1, are about the CPUs that it has,
//! and do not count.

#[path = "../../examples/parts/causes.rs"]
mod causes;
mod common;

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use causes::{CAUSES, mended};
use lockwalk::mm::{Addr, World};
use lockwalk::spec::Migration;
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
    let by_system_call = [Era::V2_6_22, Era::DOCUMENT_2];
    let moves = protocol.rules.migration == Migration::Yes;
    moves.then(|| by_system_call.iter().any(based_on))
}

/// Who can be added to a case.
fn added(race: &Race, protocol: &Protocol) -> Vec<Who> {
    let (places, mapped) = places(race, protocol);
    let migrates = moves(protocol).map(|_| Who::Migrates as fn(Place) -> Who);
    let ways = migrates.into_iter().chain([Who::Reclaims as fn(Place) -> Who]);
    let all = ways.flat_map(|way| places.iter().map(move |&place| way(place)));
    all.chain(mapped.map(Who::Forks)).collect()
}

/// What no choice of rules mends: race, who (as it begins), clauses, and by what it is known.
const SAID: &[(&str, &str, &[&str], &str)] = &[
    ("S0.2/suspended", "reclaim", &["LIVELOCK"], NOT_THERE),
    ("S0.2", "reclaim", &["LIVELOCK"], NOT_THERE),
    ("S0.2/writes", "reclaim", &["LIVELOCK"], NOT_THERE),
    ("S0.8/writes", "reclaim", &["LIVELOCK"], NOT_THERE),
    ("S0.8/shared", "reclaim", &["LIVELOCK"], NOT_THERE),
    ("S0.3/activated", "", &["COUNT-3", "LIFE-3"], NO_REFERENCE),
    ("S0.3/reader", "reclaim", &["PIN-2"], "FINDING-20: from swap, 5.9 still decides by the sum"),
    ("S0.6/contended", "", &["COUNT-3", "LIFE-3"], NO_REFERENCE),
    ("S0.11", "", &["COUNT-3", "LIFE-3"], NO_REFERENCE),
    ("S1.6/starve", "reclaim", &["DEADLOCK", "LIVELOCK"], GIVEN_UP),
    ("S0.9", "migrate", &["DATA-1", "PIN-1"], FORK_MEETS_IT),
    ("S0.9/fast", "migrate", &["PIN-1"], FORK_MEETS_IT),
    ("S2/swapoff", "fork", &["HINT-1"], NO_ORDER),
    ("S2/writeback-reclaim", "migrate", &["DEADLOCK"], ANSWERS_ONCE),
    ("S2/writeback-swapoff", "fork", &["HINT-1"], NO_ORDER),
    ("S2.3", "fork", &["HINT-1"], NO_ORDER),
    ("S2.3/reuse", "reclaim", &["HINT-3"], NO_DIRTY_ENTRY),
    ("S2.7", "fork", &["HINT-1"], NO_ORDER),
    ("S2.10/fault", "reclaim", &["LIFE-3"], "S2/shmem-unlocked: unlock_page has no reference"),
    ("S2.13", "fork", &["HINT-1"], NO_ORDER),
    ("S3.10/boundary", "fork", &["COUNT-2", "COUNT-3", "LIFE-3"], FORK_COPIES),
    ("S3.11", "fork", &["LIVELOCK"], "S3.11/zap: an entry that is zapped is never restored"),
    ("S4/exec-waits", "fork", &["LIVELOCK"], WAITS),
    ("S4/pinned", "fork", &["RMAP-1"], ONE_MOVES),
    ("S4.6/tables", "fork", &["DATA-1"], "S4.6: a length of -1 is no error"),
    ("S4.6/tables", "fork", &["RMAP-1"], ONE_MOVES),
];

const NOT_THERE: &str = "race: its own loop waits for a page that reclaim has freed";
const NO_REFERENCE: &str = "race: its own CPU has no reference to the page that it uses";
const NO_ORDER: &str = "S2.12/torn, S2.12/torn-fork: unmaps and forks come between the looks in \
                        either order";
const FORK_MEETS_IT: &str = "S0.9/migrated: fork copies a migration entry";
const ANSWERS_ONCE: &str = "race: its device looks once, perhaps before anything is written out";
const FORK_COPIES: &str = "S3.10: fork copies a stale entry, and its references are there once";
const ONE_MOVES: &str = "S4.1: the page is shared, and moves in one process";
const WAITS: &str = "S1.6/starve: a fault waits with a reference, and the move fails each time";
const GIVEN_UP: &str = "race and model: its own loop waits for a move, and offline_page takes a page \
                        that reclaim has off the LRU list for one that is gone";
const NO_DIRTY_ENTRY: &str = "model: the fault makes the entry dirty before it has stored, and on \
                              s390, where document 2 is, entries have no such bit";

/// By what it is known that this race violates this clause, and the choices with which it does not.
/// The causes are tried, by the method that found it: another need not come to it within its bound.
fn known(
    race: &Race,
    protocol: &Protocol,
    who: Who,
    clause: &str,
    (method, options): (&Method, &Options),
) -> Option<(String, Option<&'static str>)> {
    let said = SAID.iter().find(|(id, name, clauses, _)| {
        *id == race.id() && who.name().starts_with(name) && clauses.contains(&clause)
    });
    if let Some((.., why)) = said {
        return Some(((*why).to_owned(), None));
    }
    let causes = CAUSES.iter().filter(|(_, clauses, _)| clauses.contains(&clause));
    causes.copied().find_map(|(by, _, choices)| {
        let mended = mended(protocol, choices);
        if mended == *protocol {
            return None;
        }
        let outcome = sensible(|| race.check_with(&mended, method, options)).ok()?;
        // What the race documents to be violated would have ended it early.
        let ended_early = outcome.executions == 0 || outcome.coverage == Coverage::Settled;
        if ended_early || violated(&outcome).any(|other| other == clause) {
            return None;
        }
        let exhausted = outcome.coverage == Coverage::Exhaustive;
        let bound = if exhausted { "" } else { ", as far as that goes" };
        Some((format!("{by}: not with {choices}{bound}"), Some(choices)))
    })
}

/// The clauses that count.
fn violated(outcome: &Outcome) -> impl Iterator<Item = &str> {
    let names = outcome.violations.iter().filter(|v| v.count > 0).map(|v| v.name.as_str());
    names.filter(|name| !["ASSERT-1", "RACE-1"].contains(name))
}

/// Whether all of it was explored.
#[derive(PartialEq, Eq)]
enum End {
    ByExecutions,
    ByStates,
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

/// The most executions, of each class of equivalent interleavings one, and the most time by states.
#[derive(Clone, Copy)]
struct Most {
    executions: u64,
    by_states: Duration,
}

/// `as_found`: a witness need not be the one with the fewest preemptions.
fn explore(
    race: Race,
    protocol: &Protocol,
    who: Who,
    title: &str,
    most: Most,
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
    let mut seen: Vec<String> = vec![];
    // With which choices something is violated no more.
    let mut causes: Vec<&str> = vec![];
    let options = Options::default();
    let methods = [
        (Method::Exhaustive, options.clone().executions(most.executions), End::ByExecutions),
        (Method::States, options.time(most.by_states), End::ByStates),
    ];
    for (method, options, end) in methods {
        let shown = options.clone().witness(true).as_found(as_found);
        let outcome = match sensible(|| race.check_with(protocol, &method, &shown)) {
            Ok(outcome) => outcome,
            Err(why) => {
                println!("{title} · makes no sense: {why}");
                return tried;
            }
        };
        tried.executions += outcome.executions;
        tried.end = match &outcome.coverage {
            Coverage::Exhaustive => end,
            Coverage::Inapplicable { why } => {
                println!("{title} · makes no sense: {why}");
                End::MakesNoSense
            }
            cut => {
                let (by, of) = (method.name(), outcome.executions);
                let states = outcome.states.map_or(String::new(), |n| format!(", {n} states"));
                println!(
                    "{title} · {by} is cut: {of} executions{states} in {:.1} s, {cut:?}",
                    outcome.seconds
                );
                End::Cut
            }
        };
        let clauses: Vec<_> =
            violated(&outcome).filter(|it| !seen.iter().any(|by| by == it)).collect();
        tried.own |= outcome.violations.iter().any(|v| v.count > 0);
        for clause in clauses {
            seen.push(clause.to_owned());
            let known = known(&race, protocol, who, clause, (&method, &options));
            let by = method.name();
            let what = known.as_ref().map_or("NEW", |(why, _)| why);
            println!("{title} · {clause} · {by} · {what}");
            if let Some(witness) = outcome.witness.as_ref().filter(|it| it.clause == clause) {
                println!("  {} ({})", witness.what, witness.schedule);
                if known.is_none() {
                    println!("{}", render::text(witness, 120, Style::default()));
                }
            } else if known.is_none() {
                // Another comes first, or several.
                let each = causes.iter().map(|choices| mended(protocol, choices));
                let none =
                    causes.iter().fold(protocol.clone(), |other, choices| mended(&other, choices));
                let found = each.chain([none]).find_map(|other| {
                    let outcome = race.check_with(&other, &method, &shown);
                    outcome.witness.filter(|it| it.clause == clause).map(|it| (other, it))
                });
                if let Some((other, witness)) = found {
                    println!("under {other}:");
                    println!("{}", render::text(&witness, 120, Style::default()));
                }
            }
            match known {
                Some((why, choices)) => {
                    tried.known.push(why);
                    causes.extend(choices);
                }
                None => tried.unknown.push(format!("{title} · {clause}")),
            }
        }
        if tried.end != End::Cut {
            break;
        }
    }
    tried.own &= seen.is_empty();
    tried
}

#[test]
#[ignore = "takes the better part of an hour, at least"]
fn who_else_is_there_breaks_nothing() {
    let number =
        |name, default| std::env::var(name).map_or(default, |most| most.parse().expect("a number"));
    let most = Most {
        executions: number("LOCKWALK_CROWDED", 5_000),
        by_states: Duration::from_secs(number("LOCKWALK_SECONDS", 5)),
    };
    let part = std::env::var("LOCKWALK_PART").unwrap_or_else(|_| "1/1".to_owned());
    let (part, parts) = part.split_once('/').expect("a part, as in 2/7");
    let (part, parts): (u64, u64) =
        (part.parse().expect("a number"), parts.parse().expect("a number"));
    let part_of = |title: &str| {
        let mut hasher = DefaultHasher::new();
        title.hash(&mut hasher);
        hasher.finish() % parts + 1
    };
    let only = std::env::var("LOCKWALK_ONLY").unwrap_or_default();
    let all = only.is_empty() && parts == 1;
    let shortest = std::env::var_os("LOCKWALK_SHORTEST").is_some();
    let mut cases = common::cases();
    cases.retain(|(.., documented)| *documented == Documented::Holds);
    let tried = common::each(&cases, |(race, protocol, _)| {
        let all = added(race, protocol).into_iter().filter_map(|who| {
            let title = format!("{} · {protocol} · {}", race.id(), who.name());
            let wanted = only.split_whitespace().all(|word| title.contains(word));
            let wanted = wanted && part_of(&title) == part;
            wanted.then(|| explore(race.clone(), protocol, who, &title, most, !shortest))
        });
        all.collect::<Vec<_>>()
    });
    let tried: Vec<_> = tried.into_iter().flatten().collect();
    let count = |is: fn(&Tried) -> bool| tried.iter().filter(|it| is(it)).count();
    println!(
        "{} cases, {} with one more: {} exhausted by executions, {} by states, {} cut by {} \
         executions and {:?} by states, {} make no sense; {} violate what the race says itself, and nothing else; {} executions",
        cases.len(),
        tried.len(),
        count(|it| it.end == End::ByExecutions),
        count(|it| it.end == End::ByStates),
        count(|it| it.end == End::Cut),
        most.executions,
        most.by_states,
        count(|it| it.end == End::MakesNoSense),
        count(|it| it.own),
        tried.iter().map(|it| it.executions).sum::<u64>(),
    );
    assert!(!tried.is_empty(), "LOCKWALK_ONLY and LOCKWALK_PART leave nothing of them");
    let unknown: Vec<_> = tried.iter().flat_map(|it| &it.unknown).collect();
    println!("{} violations are known", tried.iter().map(|it| it.known.len()).sum::<usize>());
    assert!(unknown.is_empty(), "these are known by nothing: {unknown:#?}");
    let said = |(id, _, _, why): &&(&str, &str, &[&str], &str)| {
        tried.iter().any(|it| it.race == *id && it.known.iter().any(|known| known == why))
    };
    let stale: Vec<_> = SAID.iter().filter(|row| all && !said(row)).collect();
    assert!(stale.is_empty(), "SAID has what is not violated any more: {stale:?}");
}
