//! A run of the whole catalogue, in every interleaving.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use lockwalk::{Clause, Documented, Method, Options, Outcome, Protocol, Race, races};

/// What became of a race under a protocol.
pub struct Run {
    pub race: Race,
    pub protocol: Protocol,
    pub documented: Documented,
    /// All of its interleavings.
    pub outcome: Outcome,
    /// Where something is violated: the shortest way there.
    pub shortest: Option<Outcome>,
    /// Which lock was waited for while which was held, by name.
    pub lock_order: BTreeMap<String, BTreeSet<String>>,
}

/// The whole catalogue, run once.
pub fn catalogue() -> &'static [Run] {
    static RUNS: OnceLock<Vec<Run>> = OnceLock::new();
    RUNS.get_or_init(|| {
        let cases: Vec<_> = races::all().into_iter().flat_map(|race| race.cases().to_vec().into_iter().map(move |case| (race.clone(), case))).collect();
        let next = AtomicUsize::new(0);
        let runs: Mutex<Vec<(usize, Run)>> = Mutex::default();
        let work = || {
            loop {
                let at = next.fetch_add(1, Relaxed);
                let Some((race, (protocol, documented))) = cases.get(at) else { return };
                let run = run(race, protocol, *documented);
                runs.lock().expect("a panic ends the test").push((at, run));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
        });
        let mut runs = runs.into_inner().expect("a panic ends the test");
        runs.sort_by_key(|&(at, _)| at);
        runs.into_iter().map(|(_, run)| run).collect()
    })
}

/// The clause that is documented to be violated.
pub fn violates(documented: Documented) -> Option<Clause> {
    match documented {
        Documented::Violates(clause) | Documented::StillViolates(clause) => Some(clause),
        Documented::Holds => None,
    }
}

fn run(race: &Race, protocol: &Protocol, documented: Documented) -> Run {
    let of = format!("{} under {protocol}", race.id());
    let part = race.check_part(protocol, &Options::default(), None, None).unwrap_or_else(|error| panic!("{of}: {error}"));
    let json = serde_json::to_value(&part).expect("a part is plain data");
    let edges = json["lock_order"].as_object().unwrap_or_else(|| panic!("a part has its lock order"));
    let later = |later: &serde_json::Value| later.as_object().expect("locks").keys().cloned().collect();
    let lock_order = edges.iter().map(|(earlier, all)| (earlier.clone(), later(all))).collect();
    let options = Options { witness: true, ..Options::default() };
    let shortest = violates(documented).map(|_| race.check_with(protocol, &Method::Exhaustive, &options));
    Run { race: race.clone(), protocol: protocol.clone(), documented, outcome: part.outcome, shortest, lock_order }
}

impl Run {
    /// `S3.1 under 2.6.34`.
    pub fn name(&self) -> String {
        format!("{} under {}", self.race.id(), self.protocol)
    }

    /// The verdict, and what it rests on.
    pub fn evidence(&self) -> [String; 2] {
        let Some(shortest) = &self.shortest else {
            return [self.outcome.verdict().to_string(), executions(self.outcome.executions)];
        };
        let clause = violates(self.documented).map_or("", Clause::id);
        let count = self.outcome.violations.iter().find(|count| count.name == clause).map_or(0, |count| count.count);
        let witness = shortest.witness.as_ref().unwrap_or_else(|| panic!("{} has no witness", self.name()));
        let minimal = if witness.found.minimal { "fewest" } else { "found" };
        let steps = format!("{minimal}: {} preemptive of {} switches", witness.preemptions, witness.switches);
        [shortest.verdict().to_string(), format!("{count} of {}; {steps}", executions(self.outcome.executions))]
    }
}

fn executions(n: u64) -> String {
    if n == 1 { "1 execution".into() } else { format!("{n} executions") }
}
