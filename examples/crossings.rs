//! mremap, fork, exit, migration, reclaim and swapoff against each other and against a device that
//! reads, two and three at once, in the smallest worlds in which they meet, under every era from
//! before 2.6.7 on:
//! `cargo run --release --example crossings [EXECUTIONS] [WORD...]`. What no race of the catalogue
//! decides may be found here; SPEC.md §6 says what was.
//!
//! A cell is the number of executions that exhaust the pair, the clauses that executions violate
//! and the race or finding that they are known by, or `…` where so many did not exhaust it. Where a
//! device reads it is the number of states, of which as many are tried as take thirty seconds. Ends
//! with 1 if a clause is violated that nothing here is known by.

mod parts;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lockwalk::spec::{CowRmap, PteLook, ReadPin, SwapHasCache, UnuseAddress, UnuseSem};
use lockwalk::witness::Coverage;
use lockwalk::{Era, Method, Options, Protocol, Race};
use parts::{Op, WORLDS, eras, moves};

/// Those that are crossed: every two of the six; and the child's mremap with every two of the
/// others, swapoff with a fault and a writer.
fn crossings() -> Vec<Vec<Op>> {
    let mut all = Vec::new();
    for (n, &first) in Op::ALL.iter().enumerate() {
        all.extend(
            Op::ALL[n..]
                .iter()
                .filter(|&&second| first.meets(second))
                .map(|&second| vec![first, second]),
        );
    }
    let others = [
        Op::Fork(0),
        Op::Fork(1),
        Op::Exit(0),
        Op::Migrate,
        Op::MovePages(0),
        Op::Reclaim,
        Op::Swapoff,
    ];
    for (n, &second) in others.iter().enumerate() {
        all.extend(
            others[n + 1..]
                .iter()
                .filter(|&&third| second.meets(third))
                .map(|&third| vec![Op::Mremap(1), second, third]),
        );
    }
    all.extend([
        vec![Op::Swapoff, Op::Load(0)],
        vec![Op::Swapoff, Op::Load(0), Op::Mmap(0)],
        vec![Op::Swapoff, Op::Load(1), Op::Mremap(1)],
    ]);
    all.extend([0, 1].into_iter().flat_map(devices));
    all
}

/// A device that reads what process `n` stores, with one and two others.
fn devices(n: usize) -> Vec<Vec<Op>> {
    let reads = Op::Reads(n);
    let more = [Op::ForkStore(n), Op::Load(n), Op::Load(1 - n), Op::Store(1 - n)];
    let others: Vec<_> = Op::ALL.into_iter().chain(more).filter(|&op| reads.meets(op)).collect();
    let mut all: Vec<_> = others.iter().map(|&other| vec![reads, other]).collect();
    for (at, &second) in others.iter().enumerate() {
        let thirds = others[at..].iter().filter(|&&third| second.meets(third));
        all.extend(thirds.map(|&third| vec![reads, second, third]));
    }
    all
}

fn reads(ops: &[Op]) -> bool {
    ops.iter().any(|op| matches!(op, Op::Reads(_)))
}

/// With two others a device is asked about only where it is meant to find what was stored.
fn applies(ops: &[Op], world: &str, era: &Protocol) -> bool {
    ops.iter().all(|&op| moves(op, world, era))
        && (!reads(ops) || ops.len() == 2 || era.rules.read_pin == ReadPin::Unshare)
        && (world != "shared" || !ops.contains(&Op::Swapoff) || ops.contains(&Op::Reclaim))
}

/// The race of the catalogue, or the finding, that what is violated is another case of.
fn known(ops: &[Op], world: &str, era: &Protocol, clause: &str) -> Option<&'static str> {
    let has = |which: fn(&Op) -> bool| ops.iter().any(which);
    let mremaps = has(|op| matches!(op, Op::Mremap(_)));
    let migrates = has(|op| matches!(op, Op::Migrate | Op::MovePages(_)));
    let swapoff = has(|op| matches!(op, Op::Swapoff));
    let faults = has(|op| matches!(op, Op::Load(_)));
    let exits = ops.iter().filter(|op| matches!(op, Op::Exit(_))).count();
    let hints = [Era::DOCUMENT_2, Era::DOCUMENT_2_2009].contains(era);
    match clause {
        "RMAP-1" if mremaps && *era == Era::RMAP_10 => {
            Some(if world == "shared" { "S4.1" } else { "S4.3" })
        }
        "RMAP-1" if mremaps && *era == Era::DOCUMENT_4 => Some("S4.4/reused"),
        "MIG-1" | "MIG-2" | "COUNT-3"
            if mremaps && migrates && era.rules.pte_look != PteLook::LocklessUnmap =>
        {
            Some("S4/peek")
        }
        "PIN-2" | "PIN-3" if era.rules.read_pin != ReadPin::Unshare => Some("S0.3/own-store"),
        "COW-2" if reads(ops) && era.rules.cow_rmap != CowRmap::AfterEntry => Some("S0.4/both"),
        "LIFE-1" if exits == 2 && *era == Era::V3_7 => Some("FINDING-34"),
        "LIFE-1" if swapoff && era.rules.unuse_address == UnuseAddress::Root => {
            Some("S4/unuse-exit")
        }
        "SWAP-1" | "SWAP-6" if swapoff && has(|op| matches!(op, Op::Fork(_))) && hints => {
            Some("S2/swapoff-fork")
        }
        "LRU-1" if swapoff && has(|op| matches!(op, Op::Reclaim)) && hints => Some("S2.9/spurious"),
        "DEADLOCK" | "ORDER-1" if swapoff && faults && era.rules.unuse_sem == UnuseSem::Held => {
            Some("S4.5")
        }
        "LIVELOCK" if swapoff && faults && era.rules.swap_has_cache == SwapHasCache::Counted => {
            Some("FINDING-43")
        }
        _ => None,
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let executions = arguments.peek().and_then(|n| n.parse().ok());
    if executions.is_some() {
        arguments.next();
    }
    let (executions, words) = (executions.unwrap_or(30_000), arguments.collect::<Vec<_>>());
    let mut cases = Vec::new();
    for (world, build) in WORLDS {
        for ops in crossings() {
            let names: Vec<_> = ops.iter().map(|op| op.name()).collect();
            let title = format!("{world}: {}", names.join(" | "));
            for era in eras().into_iter().filter(|era| applies(&ops, world, era)) {
                let race = Race::new("crossing", &title).world(build);
                let race =
                    ops.iter().fold(race, |race, &op| race.cpu(op.name(), move |w| op.run(w)));
                if words.iter().all(|word| format!("{title} {era}").contains(word)) {
                    cases.push((title.clone(), era, race, world, ops.clone()));
                }
            }
        }
    }
    let (next, lines, news) =
        (AtomicUsize::new(0), Mutex::new(vec![None; cases.len()]), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((n, (title, era, race, world, ops))) =
                    Some(next.fetch_add(1, Ordering::Relaxed))
                        .and_then(|n| Some((n, cases.get(n)?)))
                {
                    let (method, options) = if reads(ops) {
                        (Method::States, Options::default().time(Duration::from_secs(30)))
                    } else {
                        (Method::Exhaustive, Options::default().executions(executions))
                    };
                    let outcome = race.check_with(era, &method, &options);
                    let violated = outcome.violations.iter().filter(|v| v.count > 0).map(|v| {
                        let known = known(ops, world, era, &v.name);
                        news.fetch_or(known.is_none(), Ordering::Relaxed);
                        format!("{} ({})", v.name, known.unwrap_or("NEW"))
                    });
                    let violated: Vec<_> = violated.collect();
                    let all = outcome.coverage == Coverage::Exhaustive;
                    let cell = match (violated.is_empty(), all) {
                        (true, true) => outcome.states.unwrap_or(outcome.executions).to_string(),
                        (true, false) => "…".into(),
                        (false, true) => violated.join("+"),
                        (false, false) => violated.join("+") + " …",
                    };
                    if !violated.is_empty() || !all {
                        eprintln!("{title} under {era}: {cell}");
                    }
                    lines.lock().expect("nobody panics")[n] = Some(cell);
                }
            });
        }
    });
    let cells = lines.into_inner().expect("nobody panics");
    let mut last = "";
    for ((title, era, ..), cell) in cases.iter().zip(cells) {
        if title != last {
            print!("{}{title}", if last.is_empty() { "" } else { "\n" });
            last = title;
        }
        print!("; {era} {}", cell.unwrap_or_default());
    }
    println!();
    if news.into_inner() {
        std::process::exit(1);
    }
}
