//! From a failing schedule to a witness.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use dpor::{
    Budget, End, Explorer, Failure, FailureKind, Memory, Report, Schedule, Strategy, Unfinished,
};
use witness::{Ending, Found, Held, Outcome, Wait, Witness};

use super::program::{program, quoted};
use super::run::{self, Ended, Question, engine_violation};
use super::{FAIRNESS, Method};
use crate::race::{Documented, Race};
use crate::spec::{Clause, Protocol};
use crate::sync::{self, Engine, Exec, Trace, Violation};

/// Why there is nothing to show of a schedule. `case` is the race and the protocol: `S3.1 under
/// 2.6.34`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// The schedule does not fit the race.
    #[non_exhaustive]
    Misfit {
        /// Of what.
        case: String,
        /// After how many of its steps.
        step: usize,
        /// Why.
        why: String,
    },
    /// The schedule goes on where the race is over.
    #[non_exhaustive]
    TooLong {
        /// Of what.
        case: String,
        /// The steps of the schedule.
        steps: usize,
        /// The steps of the race.
        end: usize,
    },
    /// The schedule fits, and nothing is violated in it, nor in what follows without preemptions.
    #[non_exhaustive]
    NothingViolated {
        /// Of what.
        case: String,
        /// The steps of the schedule.
        steps: usize,
        /// The steps of the race.
        end: usize,
    },
    /// The race makes no sense under the protocol.
    #[non_exhaustive]
    Inapplicable {
        /// Of what.
        case: String,
        /// Why not.
        why: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misfit { case, step, why } => {
                write!(f, "the schedule does not fit {case} after {step} of its steps: {why}")
            }
            Self::TooLong { case, steps, end } => {
                write!(f, "the schedule has {steps} steps, and {case} is over after {end} of them")
            }
            Self::NothingViolated { case, steps, end } => {
                write!(f, "nothing is violated in {case} on this schedule")?;
                if steps < end {
                    write!(
                        f,
                        ", which ends after {steps} of {end} steps; no preemption comes after"
                    )?;
                }
                Ok(())
            }
            Self::Inapplicable { case, why } => write!(f, "{case}: not applicable: {why}"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Is this the failure that shows `clause` violated, in the way the race wants it shown?
pub(super) fn shows(failure: &Failure, clause: Clause) -> bool {
    let violation = match &failure.kind {
        FailureKind::Panic { payload, .. } => payload.downcast_ref::<Violation>().cloned(),
        _ => engine_violation(failure),
    };
    violation.is_some_and(|v| v.clause == clause && v.counts)
}

/// Finds the witness with the fewest preemptive switches and records it; falls back to `sample`
/// when the search is cut short.
pub(super) fn find(
    question: &Question,
    clause: Clause,
    sample: Option<Schedule>,
    outcome: &Outcome,
    explorer: &dyn Fn(Strategy) -> Explorer,
) -> Option<Witness> {
    let sought = Arc::new(Question {
        race: question.race.clone(),
        protocol: question.protocol.clone(),
        engine: Engine::Shuttle,
        focus: Some(clause),
        tracing: false,
    });
    let explorer = explorer(Strategy::FewestPreemptions { max: None })
        .wanted(move |failure| shows(failure, clause));
    let report = run::on_shuttle(explorer, sought.program(), Arc::new(|_, _| ()));
    let best = report.failures.iter().find(|failure| shows(failure, clause));
    let schedule = best.map(|failure| failure.schedule.clone()).or(sample)?;
    let mut recorded = sampled(question, clause, &schedule, outcome)?;
    // This interleaving is the search's for the shortest, whoever has found that there is one.
    let shortest = Method::Exhaustive.name();
    if best.is_some() && outcome.engine != shortest {
        recorded.found.engine = format!("{} and {shortest}", outcome.engine);
    }
    recorded.found.minimal = best.is_some() && report.minimal;
    Some(recorded)
}

/// Records the witness that this schedule is.
pub(super) fn sampled(
    question: &Question,
    clause: Clause,
    schedule: &Schedule,
    outcome: &Outcome,
) -> Option<Witness> {
    let mut recorded = record(&question.race, &question.protocol, Some(clause), schedule).ok()?;
    recorded.found = Found::new(&outcome.engine, &outcome.memory_model, outcome.executions);
    Some(recorded)
}

/// Runs a schedule again, and shows what is violated in it.
pub(super) fn replay(
    race: &Race,
    protocol: &Protocol,
    schedule: &Schedule,
) -> Result<Witness, ReplayError> {
    let focus = race.documented(protocol).and_then(Documented::clause);
    let protocol = race.called(protocol);
    sync::applied(|| record(race, &protocol, focus, schedule)).unwrap_or_else(|why| {
        let case = format!("{} under {protocol}", race.id());
        Err(ReplayError::Inapplicable { case, why })
    })
}

/// What the recorded execution leaves behind.
#[derive(Default)]
struct Recording {
    trace: Trace,
    held: Vec<(usize, String)>,
    violation: Option<Violation>,
}

fn record(
    race: &Race,
    protocol: &Protocol,
    focus: Option<Clause>,
    schedule: &Schedule,
) -> Result<Witness, ReplayError> {
    let (recording, report) = again(race, protocol, focus, schedule)?;
    let Some(violation) = recording.violation.clone() else {
        return Err(ReplayError::NothingViolated {
            case: format!("{} under {protocol}", race.id()),
            steps: schedule.len(),
            end: report.max_depth,
        });
    };
    // A schedule that ends early is gone on with.
    let whole = report.failure().map(|failure| &failure.schedule);
    let schedule = whole.filter(|whole| whole.len() > schedule.len()).unwrap_or(schedule);
    Ok(assemble(race, protocol, schedule, recording, violation, &report))
}

/// Runs the schedule, and nothing else.
fn again(
    race: &Race,
    protocol: &Protocol,
    focus: Option<Clause>,
    schedule: &Schedule,
) -> Result<(Recording, Report), ReplayError> {
    let question = Arc::new(Question {
        race: race.clone(),
        protocol: protocol.clone(),
        engine: Engine::Shuttle,
        focus,
        tracing: true,
    });
    let recording = Arc::new(Mutex::new(Recording::default()));
    let sink = recording.clone();
    let keep = move |exec: &Exec, ended: Ended| {
        let mut recording = sink.lock().unwrap_or_else(PoisonError::into_inner);
        recording.trace = exec.take_trace().unwrap_or_default();
        recording.held = exec.held();
        recording.violation =
            exec.fatal().or(ended.found).or_else(|| exec.violations().into_iter().next());
    };
    let explorer = Explorer::new(Strategy::Replay(schedule.clone()))
        .fairness(FAIRNESS)
        .memory(race.memory_model());
    let case = question.whose();
    let report = run::on_shuttle(explorer, question.program(), Arc::new(keep));
    if let Some(Unfinished::Misfit { step, why, .. }) = &report.why_unfinished {
        return Err(ReplayError::Misfit { case, step: *step, why: why.clone() });
    }
    if schedule.len() > report.max_depth {
        let (steps, end) = (schedule.len(), report.max_depth);
        return Err(ReplayError::TooLong { case, steps, end });
    }
    let recording = std::mem::take(&mut *recording.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((recording, report))
}

/// See [`Race::twin`].
pub(super) fn twin(
    race: &Race,
    protocol: &Protocol,
    schedule: &Schedule,
    executions: u64,
) -> Option<Witness> {
    let question = Arc::new(Question {
        race: race.clone(),
        protocol: protocol.clone(),
        engine: Engine::Shuttle,
        focus: None,
        tracing: false,
    });
    let nearest: Arc<Mutex<Option<(usize, Schedule)>>> = Arc::default();
    let (kept, like) = (nearest.clone(), turns(schedule));
    let budget = Budget { executions: Some(executions), time: None };
    let explorer =
        Explorer::new(Strategy::Dpor).fairness(FAIRNESS).budget(budget).memory(race.memory_model());
    let report = run::each(explorer, question.program(), move |execution| {
        if execution.end == End::Complete {
            let schedule = execution.schedule();
            let distance = distance(&like, &turns(&schedule));
            let mut nearest = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                *nearest = Some((distance, schedule));
            }
        }
    });
    let (_, schedule) = nearest.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    if report.why_unfinished.is_some() || !report.failures.is_empty() {
        return None;
    }
    let (recording, report) = again(race, protocol, None, &schedule)
        .ok()
        .filter(|(recording, _)| recording.violation.is_none())?;
    // No clause is violated: it has none.
    let mut twin = assemble(
        race,
        protocol,
        &schedule,
        recording,
        Violation::new(Clause::ALL[0], String::new()),
        &report,
    );
    for text in [&mut twin.clause, &mut twin.clause_text, &mut twin.spec, &mut twin.replay] {
        text.clear();
    }
    twin.ending = Ending::Complete;
    Some(twin)
}

/// Who runs, for how many steps.
fn turns(schedule: &Schedule) -> Vec<(u32, usize)> {
    schedule.tasks().chunk_by(|a, b| a == b).map(|turn| (turn[0], turn.len())).collect()
}

/// How far two executions are from each other: by how many steps their turns are shorter or longer.
fn distance(one: &[(u32, usize)], other: &[(u32, usize)]) -> usize {
    let turn = |turns: &[(u32, usize)], n: usize| turns.get(n).copied().unwrap_or_default();
    let apart = |n: usize| match (turn(one, n), turn(other, n)) {
        ((task, steps), (same, others)) if task == same => steps.abs_diff(others),
        ((_, steps), (_, others)) => steps + others,
    };
    (0..one.len().max(other.len())).map(apart).sum()
}

fn assemble(
    race: &Race,
    protocol: &Protocol,
    schedule: &Schedule,
    recording: Recording,
    violation: Violation,
    report: &Report,
) -> Witness {
    let failure = report.failure();
    let clause = violation.clause;
    let ending = ending(&violation, failure, &recording.trace);
    let found = Found::new("replay", super::memory_model(race.memory_model()), 1);
    let mut witness = Witness::new(race.id(), race.title(), protocol.to_string(), found);
    witness.clause = clause.id().into();
    witness.clause_text = clause.text().into();
    witness.spec = format!("SPEC.md#{}", clause.id().to_lowercase());
    witness.what = match ending {
        // Of its own steps, which it shows and numbers, and not of the scheduler's.
        Ending::Livelock { first, last } => run::going_round(last - first + 1),
        _ => violation.what.clone(),
    };
    witness.preemptions = failure.map_or(0, |f| f.preemptions);
    witness.switches = failure.map_or(0, |f| f.switches);
    witness.cpus = race.cpu_names().map(str::to_owned).collect();
    (witness.start, witness.steps) = recording.trace.into_parts();
    witness.ending = ending;
    witness.held = recording.held.into_iter().map(|(cpu, lock)| Held { cpu, lock }).collect();
    witness.schedule = schedule.to_string();
    witness.replay = format!(
        "{} replay {} --protocol {protocol}{} --schedule {schedule}",
        quoted(program()),
        quoted(race.id()),
        under(race.memory_model())
    );
    witness
}

/// As an option of the command line; nothing where it is the default.
fn under(memory: Memory) -> String {
    match memory {
        Memory::Sc => String::new(),
        memory => format!(" --memory {}", format!("{memory:?}").to_lowercase()),
    }
}

fn ending(violation: &Violation, failure: Option<&Failure>, trace: &Trace) -> Ending {
    if !violation.cycle.is_empty() {
        let wait = |hop: &crate::sync::WaitFor| Wait {
            cpu: hop.cpu,
            holds: hop.holding(),
            wants: hop.wants.to_string(),
        };
        return Ending::Deadlock { cycle: violation.cycle.iter().map(wait).collect() };
    }
    match failure.map(|f| &f.kind) {
        Some(FailureKind::Livelock { cycle, .. }) => {
            let (first, last) = trace.lines_of(cycle);
            Ending::Livelock { first, last }
        }
        _ if violation.afterwards => Ending::Audit,
        _ => Ending::Violation,
    }
}
