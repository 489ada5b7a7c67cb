//! Four and five CPUs at once, each with one operation on the same page: a fault, a fork, a
//! migration, reclaim and an exit, under every era:
//! `cargo run --release --example crowds [EXECUTIONS [STATES [SECONDS [WALKS]]]]
//! [WORD...]`. SPEC.md §6 says what came of it.
//!
//! Each case is explored by executions first (source-DPOR, at most EXECUTIONS of them), and by
//! states if they do not exhaust it (at most STATES executions and SECONDS). What both cut is sampled:
//! WALKS executions with random priorities, which find what a search from one end comes to late, and
//! of which nothing follows if they find nothing. A cell is the number
//! that exhausts it, or `…`, and the clauses that are violated, each with the race or finding that
//! it is known by, since it is gone with another choice of rules. Ends with 1 if a clause is
//! violated that nothing here is known by, and shows an interleaving of each of those.

mod parts;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lockwalk::witness::render::{self, Style};
use lockwalk::witness::{Coverage, Outcome};
use lockwalk::{Method, Options, Protocol, Race};
use parts::causes::{CAUSES, mended};
use parts::{Op, Prepare, WORLDS, eras, moves};

/// All five, or the one that is given left out; the process that exits has no other part in it.
/// Where pages do not move, a load beside the store is the fifth.
fn crowds(world: &str, era: &Protocol) -> Vec<Vec<Op>> {
    let mut all: Vec<Vec<Op>> = Vec::new();
    for (lives, exits) in [(0, 1), (1, 0)] {
        let mover =
            [Op::Migrate, Op::MovePages(lives)].into_iter().find(|&mover| moves(mover, world, era));
        let (store, load) = (Op::Store(lives), Op::Load(lives));
        let (fork, stores) = (Op::Fork(lives), Op::ForkStore(lives));
        let fifth = mover.unwrap_or(load);
        let fives = [[store, fork], [load, fork], [store, stores]]
            .into_iter()
            .filter(|[fault, _]| *fault != fifth)
            .map(|two| [two.as_slice(), &[Op::Reclaim, Op::Exit(exits), fifth]].concat());
        for five in fives {
            for left_out in 0..=five.len() {
                let mut ops = five.clone();
                if left_out < ops.len() {
                    ops.remove(left_out);
                }
                if !all.contains(&ops) {
                    all.push(ops);
                }
            }
        }
    }
    all
}

/// What a case may cost.
struct Budget {
    executions: u64,
    states: u64,
    time: Duration,
    walks: u64,
}

impl Budget {
    fn explore(&self, race: &Race, era: &Protocol, method: &Method, witness: bool) -> Outcome {
        let options = match method {
            Method::States => Options::default().executions(self.states),
            Method::Pct { .. } => Options::default(),
            _ => Options::default().executions(self.executions),
        };
        let options = options.time(self.time).witness(witness).as_found(true);
        race.check_with(era, method, &options)
    }

    /// The same `times` as often, if it was a sample, however long that takes.
    fn again(&self, method: &Method, outcome: &Outcome, times: u64) -> (Self, Method) {
        match *method {
            Method::Pct { seed, depth, .. } => {
                let iterations = outcome.executions * times;
                let time = Duration::from_secs(3_600);
                (Self { time, ..*self }, Method::Pct { seed, depth, iterations })
            }
            _ => (Self { ..*self }, method.clone()),
        }
    }
}

fn violated(outcome: &Outcome) -> impl Iterator<Item = &str> {
    outcome.violations.iter().filter(|it| it.count > 0).map(|it| it.name.as_str())
}

/// What it is known by that `clause` is violated: with other choices, the search that found it
/// finds it no more. `hint` was right the last time. Nobody here pins a page, so that choices about
/// pinning explain nothing.
fn known(
    race: &Race,
    era: &Protocol,
    clause: &str,
    method: &Method,
    budget: &Budget,
    hint: Option<usize>,
) -> Option<usize> {
    let heals = |&n: &usize| {
        let (_, clauses, choices) = CAUSES[n];
        let other = mended(era, choices);
        !choices.contains("gup") && clauses.contains(&clause) && other != *era && {
            let outcome = budget.explore(race, &other, method, false);
            outcome.executions > 0 && !violated(&outcome).any(|it| it == clause)
        }
    };
    hint.into_iter().chain(0..CAUSES.len()).find(heals)
}

struct Case {
    title: String,
    world: &'static str,
    cpus: usize,
    era: Protocol,
    race: Race,
}

/// What came of one.
#[derive(Default)]
struct Tried {
    cell: String,
    by_executions: Option<u64>,
    /// Executions and states.
    by_states: Option<(u64, u64)>,
    executions: u64,
    seconds: f64,
    known: Vec<String>,
    unknown: Vec<String>,
}

fn explore(
    Case { title, era, race, .. }: &Case,
    budget: &Budget,
    hints: &Mutex<BTreeMap<(String, String), usize>>,
) -> Tried {
    let mut tried = Tried::default();
    let mut seen: Vec<String> = Vec::new();
    let walks = Method::Pct { seed: 1, depth: 4, iterations: budget.walks };
    for method in [Method::Exhaustive, Method::States, walks] {
        let outcome = budget.explore(race, era, &method, true);
        tried.executions += outcome.executions;
        tried.seconds += outcome.seconds;
        for clause in violated(&outcome) {
            if seen.iter().any(|it| it == clause) {
                continue;
            }
            seen.push(clause.into());
            let key = (era.to_string(), clause.to_owned());
            let hint = hints.lock().expect("nobody panics").get(&key).copied();
            // Of a sample as many walks as would find it eight times if the choice made no difference.
            let count = outcome.violations.iter().filter(|it| it.name == clause);
            let times = match method {
                Method::Pct { .. } => 8_u64.div_ceil(count.map(|it| it.count).sum::<u64>().max(1)),
                _ => 1,
            };
            let (budget, again) = budget.again(&method, &outcome, times);
            match known(race, era, clause, &again, &budget, hint) {
                Some(n) => {
                    hints.lock().expect("nobody panics").insert(key, n);
                    tried.known.push(format!("{clause} ({})", CAUSES[n].0));
                }
                None => {
                    println!("{title} under {era}: {clause} (NEW)");
                    if let Some(witness) = outcome.witness.as_ref().filter(|it| it.clause == clause)
                    {
                        println!("{}", render::text(witness, 120, Style::default()));
                    }
                    tried.unknown.push(format!("{clause} (NEW)"));
                }
            }
        }
        match (&outcome.coverage, outcome.states) {
            (Coverage::Exhaustive, Some(states)) => {
                tried.by_states = Some((outcome.executions, states));
                tried.cell = format!("{states} states");
            }
            (Coverage::Exhaustive, None) => {
                tried.by_executions = Some(outcome.executions);
                tried.cell = outcome.executions.to_string();
            }
            (Coverage::Sampled { .. }, _) => break,
            (why, _) => {
                tried.cell = "…".into();
                eprintln!("{title} under {era}: {} is cut: {why:?}", method.name());
                continue;
            }
        }
        break;
    }
    for violation in tried.known.iter().chain(&tried.unknown) {
        tried.cell += &format!(" {violation}");
    }
    tried
}

fn cases(words: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (world, build) in WORLDS as [(&'static str, Prepare); 3] {
        for era in eras() {
            for ops in crowds(world, &era) {
                let names: Vec<_> = ops.iter().map(|op| op.name()).collect();
                let title = format!("{world}, {} CPUs: {}", ops.len(), names.join(" | "));
                let race = Race::new("crowd", &title).world(build);
                let race =
                    ops.iter().fold(race, |race, &op| race.cpu(op.name(), move |w| op.run(w)));
                if words.iter().all(|word| format!("{title} under {era}").contains(word)) {
                    cases.push(Case { title, world, cpus: ops.len(), era: era.clone(), race });
                }
            }
        }
    }
    cases
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut number = |default| match arguments.peek().and_then(|word| word.parse().ok()) {
        Some(number) => {
            arguments.next();
            number
        }
        None => default,
    };
    let (executions, states) = (number(3_000), number(30_000));
    let (seconds, walks) = (number(60), number(3_000));
    let budget = Budget { executions, states, time: Duration::from_secs(seconds), walks };
    let cases = cases(&arguments.collect::<Vec<_>>());
    let (next, tried) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let hints = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((n, case)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(n).map(|case| (n, case))
                } {
                    let came = explore(case, &budget, &hints);
                    println!("{} under {}: {}", case.title, case.era, came.cell);
                    tried.lock().expect("nobody panics").insert(n, came);
                }
            });
        }
    });
    let tried = tried.into_inner().expect("nobody panics");
    println!(
        "\nworld, CPUs: cases; exhausted by executions (the most), by states (the most \
              executions, states), cut; violating; executions; CPU seconds"
    );
    for (world, _) in WORLDS {
        for cpus in [4, 5] {
            let of = |it: &Case| it.world == world && it.cpus == cpus;
            let these: Vec<_> =
                tried.iter().filter(|(n, _)| of(&cases[**n])).map(|(_, it)| it).collect();
            let by_executions: Vec<_> = these.iter().filter_map(|it| it.by_executions).collect();
            let by_states: Vec<_> = these.iter().filter_map(|it| it.by_states).collect();
            println!(
                "{world}, {cpus}: {}; {} ({}), {} ({}, {}), {}; {}; {}; {:.0}",
                these.len(),
                by_executions.len(),
                by_executions.iter().max().unwrap_or(&0),
                by_states.len(),
                by_states.iter().map(|it| it.0).max().unwrap_or(0),
                by_states.iter().map(|it| it.1).max().unwrap_or(0),
                these.len() - by_executions.len() - by_states.len(),
                these.iter().filter(|it| !it.known.is_empty() || !it.unknown.is_empty()).count(),
                these.iter().map(|it| it.executions).sum::<u64>(),
                these.iter().map(|it| it.seconds).sum::<f64>(),
            );
        }
    }
    let mut by: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (n, it) in &tried {
        for violation in it.known.iter().chain(&it.unknown) {
            let eras = by.entry(violation).or_default();
            let era = cases[*n].era.to_string();
            if !eras.contains(&era) {
                eras.push(era);
            }
        }
    }
    for (violation, eras) in by {
        println!("{violation}: {}", eras.join(", "));
    }
    if tried.values().any(|it| !it.unknown.is_empty()) {
        std::process::exit(1);
    }
}
