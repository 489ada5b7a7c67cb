//! Runs cases on several threads, with a line of progress, until Ctrl-C.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::sync::Violation;
use witness::Witness;

use crate::{Documented, Method, Options, Outcome, Protocol, Race};

use super::Refusal;
use super::output::complain;
use super::progress::{CasesLine, stop_on_ctrl_c};

/// A race, and a protocol to run it under.
pub type Case = (Race, Protocol);

/// Runs cases. What comes out does not depend on the number of threads, but for how many states and
/// executions there are by states; and neither does the order.
///
/// A case has one thread for itself. Those that are to be exhausted and turn out to be large are
/// put off, and share all threads in the end.
pub struct Runner {
    engine: &'static str,
    options: Options,
    jobs: usize,
    stop: Arc<AtomicBool>,
    line: Arc<CasesLine>,
}

/// What takes more executions than this is worth beginning anew on several threads.
const LARGE: u64 = 50_000;

/// The same where the other threads have nothing else to do.
const LARGE_FOR_IDLE: u64 = 5000;

/// As on the main thread of most systems.
const STACK: usize = 8 << 20;

impl Runner {
    /// With the engine's name for messages, and limits for each case; on so many threads.
    pub fn new(method: &Method, options: Options, jobs: usize) -> Self {
        leave_refusals_to_us();
        let (stop, line) = (stop_on_ctrl_c(), Arc::new(CasesLine::new()));
        let bar = line.clone();
        let on_stall = move |what: &str| {
            bar.bar.aside(|| complain(&format!("error: {what}")));
            std::process::exit(2);
        };
        let options = options.stop(stop.clone()).on_stall(on_stall);
        Self { engine: method.name(), options, jobs: jobs.max(1), stop, line }
    }

    /// They go by another method, as has turned out.
    pub fn goes_by(self, method: &Method) -> Self {
        Self { engine: method.name(), ..self }
    }

    /// Checks all cases, as far as Ctrl-C lets it. `seen` hears of each in their order, as soon as
    /// its turn has come.
    pub fn check(
        &self,
        cases: &[Case],
        method: &Method,
        seen: impl FnMut(&Outcome) -> Result<(), Refusal>,
    ) -> Result<Vec<Outcome>, Refusal> {
        let divisible = matches!(
            method,
            Method::Auto | Method::Exhaustive | Method::States | Method::Enumerate
        );
        let check = |n: usize, options: &Options| {
            let (race, protocol) = &cases[n];
            race.check_with(protocol, method, options)
        };
        // So is one whose witness is not known to be the shortest, if that is wanted.
        let longer = |witness: &Witness| !self.options.as_found && !witness.found.minimal;
        let unfinished = |outcome: &Outcome| {
            outcome.coverage.unfinished().is_some() || outcome.witness.as_ref().is_some_and(longer)
        };
        let outcomes = self.run(cases, divisible, check, unfinished, seen)?;
        something_is_left(&outcomes)?;
        Ok(outcomes)
    }

    /// Explores all cases, as far as Ctrl-C lets it. `explore` is given the n-th and its limits;
    /// whether these cut it short says `unfinished`.
    pub fn run<T: Send>(
        &self,
        cases: &[Case],
        divisible: bool,
        explore: impl Fn(usize, &Options) -> T + Sync,
        unfinished: impl Fn(&T) -> bool + Sync,
        mut seen: impl FnMut(&T) -> Result<(), Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        self.line.expect(cases.len());
        let mut results: Vec<Option<T>> = cases.iter().map(|_| None).collect();
        let mut told = 0;
        let mut keep = |n: usize, result: T| {
            results[n] = Some(result);
            self.line.done();
            while let Some(Some(next)) = results.get(told) {
                told += 1;
                seen(next)?;
            }
            Ok(())
        };
        let large_from = if cases.len() < self.jobs { LARGE_FOR_IDLE } else { LARGE };
        let first_try = |n: usize| {
            // A limit of executions means the same for any number of threads: those of one.
            let may_be_large = divisible && self.jobs > 1 && self.options.executions.is_none();
            let wary = may_be_large && is_to_be_exhausted(&cases[n]);
            let executions = if wary { Some(large_from) } else { self.options.executions };
            let options = Options { jobs: 1, executions, ..self.options.clone() };
            let started = Instant::now();
            let result = self.one(&cases[n], options, |options| explore(n, options))?;
            let left = self.options.time.map(|time| time.saturating_sub(started.elapsed()));
            let large = wary && !self.stopped() && unfinished(&result);
            Ok(if large && left != Some(Duration::ZERO) { Err(left) } else { Ok(result) })
        };
        let mut large = Vec::new();
        self.on_threads(cases.len(), first_try, |n, result| match result {
            Ok(result) => keep(n, result),
            Err(left) => {
                large.push((n, left));
                Ok(())
            }
        })?;
        large.sort_unstable();
        let jobs = self.jobs / large.len().max(1);
        let second_try = |n: usize| {
            let (case, time) = large[n];
            let options = Options { time, ..self.options.clone().jobs(jobs.max(1)) };
            self.one(&cases[case], options, |options| explore(case, options))
        };
        self.on_threads(large.len(), second_try, |n, result| keep(large[n].0, result))?;
        Ok(results.into_iter().flatten().collect())
    }

    /// Calls `work` for 0 to `count` on all threads, and `done` with each result on this one.
    fn on_threads<T: Send>(
        &self,
        count: usize,
        work: impl Fn(usize) -> Result<T, Refusal> + Sync,
        mut done: impl FnMut(usize, T) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let next = AtomicUsize::new(0);
        let take =
            || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&n| n < count && !self.stopped());
        thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..self.jobs.min(count) {
                let (send, work, take) = (send.clone(), &work, &take);
                let worker = move || {
                    while let Some(n) = take() {
                        let _ = send.send((n, work(n)));
                    }
                };
                let spawned = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, worker);
                spawned.map_err(|error| Refusal(format!("cannot start a thread: {error}")))?;
            }
            drop(send);
            let results = receive.into_iter().map(|(n, result)| done(n, result?));
            // One that fails ends the others.
            let failed = results.into_iter().find_map(Result::err);
            failed.map_or(Ok(()), |failure| {
                self.stop();
                Err(failure)
            })
        })
    }

    /// Runs a case. An engine that gives up by a panic has a bug, or meets something it does not
    /// support; nothing is known then.
    fn one<T>(
        &self,
        (race, protocol): &Case,
        options: Options,
        explore: impl FnOnce(&Options) -> T,
    ) -> Result<T, Refusal> {
        let what = format!("{} under {protocol}", race.id());
        let (line, name) = (self.line.clone(), what.clone());
        let options = options.progress(move |executions| line.running(&name, executions));
        self.line.running(&what, 0);
        CASE.set(Some(what.clone()));
        let result = panic::catch_unwind(AssertUnwindSafe(|| explore(&options)));
        CASE.set(None);
        self.line.ended(&what);
        result.map_err(|payload| {
            let why = in_words(&*payload);
            // A race that is written wrong says itself which one it is.
            Refusal(if why.starts_with(&what) {
                why
            } else {
                format!("{} gave up on {what}: {why}", self.engine)
            })
        })
    }

    /// Nobody wants to know more.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Has Ctrl-C been pressed, or has it been stopped?
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Does something that the progress line must not get in the way of.
    pub fn aside<R>(&self, act: impl FnOnce() -> R) -> R {
        self.line.bar.aside(act)
    }

    /// No more cases: the progress line goes.
    pub fn finish(&self) {
        self.line.bar.finish();
    }
}

/// What can be asked of none is a mistake of who asks.
pub fn something_is_left(outcomes: &[Outcome]) -> Result<(), Refusal> {
    let none_is_left = outcomes.iter().all(|outcome| outcome.coverage.inapplicable().is_some());
    match outcomes.first().and_then(|outcome| outcome.coverage.inapplicable()) {
        Some(why) if none_is_left => {
            let Outcome { race, protocol, .. } = &outcomes[0];
            Err(Refusal(inapplicable(race, protocol, why)))
        }
        _ => Ok(()),
    }
}

/// What is said of a race that makes no sense under a protocol.
pub fn inapplicable(race: &str, protocol: &str, why: &str) -> String {
    format!("{race} under {protocol}: not applicable: {why}")
}

thread_local! {
    /// The case that this thread runs, as a refusal begins.
    static CASE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on, a panic that says itself which case it refuses is not printed: that is said in one
/// line when it is caught.
fn leave_refusals_to_us() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let said = info.payload().downcast_ref::<String>();
            let refused = CASE.with_borrow(|case| {
                said.zip(case.as_ref()).is_some_and(|(said, case)| said.starts_with(case.as_str()))
            });
            if !refused {
                before(info);
            }
        }));
    });
}

/// Does it take all executions to come to a verdict? A documented violation is settled by one.
fn is_to_be_exhausted((race, protocol): &Case) -> bool {
    matches!(race.documented(protocol), None | Some(Documented::Holds))
}

fn in_words(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let violation = panic
        .downcast_ref::<Violation>()
        .map(|violation| format!("{}: {}", violation.clause, violation.what));
    let message = violation
        .or_else(|| message.map(str::to_owned))
        .unwrap_or_else(|| "it does not say why".into());
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use crate::mm::Setup;
    use crate::{Era, Method, Options, Race};

    use super::Runner;
    use crate::cli::Status;

    /// What goes wrong in a race is said in one line, and is no verdict.
    #[test]
    fn a_race_that_cannot_be_run_is_refused() {
        let race = Race::new("odd", "a world that cannot be built")
            .world(|_| panic!("no\nmemory"))
            .cpu("CPU0", |_| ());
        let runner = Runner::new(&Method::Exhaustive, Options::default(), 2);
        let refused = runner
            .check(&[(race, Era::V2_6_36)], &Method::Exhaustive, |_| Ok(()))
            .expect_err("it is refused");
        assert!(
            refused.0.starts_with("odd under 2.6.36, in its world: no memory (src/cli/runner.rs:"),
            "{}",
            refused.0
        );
    }

    /// A case that is tried again on several threads has the time that the first try has left.
    #[test]
    fn the_time_is_that_of_both_tries() {
        let touched = |w: &Setup<'_>| w.new_process().mmap(1..2);
        let case = (Race::new("slow", "nothing").world(touched), Era::V2_6_36);
        let tries = |time: Duration| {
            let options = Options::default().time(time);
            let runner = Runner::new(&Method::Exhaustive, options, 2);
            let given = Mutex::new(Vec::new());
            let explore = |_, options: &Options| {
                given.lock().expect("nobody panics").push(options.time);
                thread::sleep(Duration::from_millis(20));
            };
            let cases = std::slice::from_ref(&case);
            let ran = runner.run(cases, true, explore, |()| true, |()| Ok(()));
            assert_eq!(ran.map(|results| results.len()).ok(), Some(1));
            given.into_inner().expect("nobody panics")
        };
        assert_eq!(tries(Duration::from_millis(10)), [Some(Duration::from_millis(10))]);
        let hour = Duration::from_secs(3600);
        let given = tries(hour);
        let left = *given.get(1).expect("it is tried again");
        assert!(
            given[0] == Some(hour) && left < Some(hour - Duration::from_millis(19)),
            "{left:?}"
        );
    }

    /// What makes no sense under a protocol does not keep others from being asked; if nothing is
    /// left, it is refused.
    #[test]
    fn what_is_not_applicable_is_said_and_passed_by() {
        let touched = |w: &Setup<'_>| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
        };
        let race = |id: &str| {
            Race::new(id, "a page").world(touched).cpu("load", |w| _ = w.process(0).load(1))
        };
        let runner = Runner::new(&Method::Exhaustive, Options::default(), 2);
        let moves = (race("moves").cpu("move_pages", |w| w.process(0).move_pages(1)), Era::RMAP_10);
        let outcomes = runner
            .check(&[moves.clone(), (race("loads"), Era::RMAP_10)], &Method::Exhaustive, |_| Ok(()))
            .ok();
        let outcomes = outcomes.expect("one of them is asked");
        let why = "move_pages needs anon_vmas, and this protocol has rmap=anonmm: \
                   no kernel had both";
        assert_eq!(
            (outcomes[0].coverage.inapplicable(), outcomes[1].coverage.inapplicable()),
            (Some(why), None)
        );
        assert_eq!(Status::of(&outcomes), Status::AsDocumented);
        let refused =
            runner.check(&[moves], &Method::Exhaustive, |_| Ok(())).expect_err("it is refused");
        assert_eq!(refused.0, format!("moves under rmap-10: not applicable: {why}"));
    }
}
