//! Runs cases with a line of progress, until Ctrl-C.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use lockwalk::spec::Violation;
use lockwalk::{Method, Options, Outcome, Protocol, Race};

use super::Refusal;

/// Runs one case after the other.
pub struct Runner {
    method: Method,
    options: Options,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
    cases: usize,
    begun: usize,
}

impl Runner {
    /// For so many cases. The progress line is on standard error, and only if that is a terminal.
    pub fn new(method: Method, options: Options, cases: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        // The second Ctrl-C does not wait for the execution under way. Without a handler Ctrl-C simply ends the process.
        let _ = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        let options = Options { stop: Some(stop.clone()), ..options };
        Self { method, options, stop, bar, cases, begun: 0 }
    }

    /// Runs a case. An engine that gives up by a panic has a bug, or meets something it does not support; nothing is known then.
    pub fn run(&mut self, race: &Race, protocol: &Protocol) -> Result<Outcome, Refusal> {
        self.begun += 1;
        let what = format!("{} of {} · {} under {protocol}", self.begun, self.cases, race.id());
        self.bar.set_message(what.clone());
        let bar = self.bar.clone();
        let progress = move |executions| bar.set_message(format!("{what} · {} executions", HumanCount(executions)));
        let options = Options { progress: (!self.bar.is_hidden()).then(|| Arc::new(progress) as _), ..self.options.clone() };
        panic::catch_unwind(AssertUnwindSafe(|| race.check_with(protocol, &self.method, &options))).map_err(|payload| {
            self.finish();
            Refusal(format!("{} gave up on {} under {protocol}: {}", self.method.name(), race.id(), in_words(&*payload)))
        })
    }

    /// Has Ctrl-C been pressed?
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Does something that the progress line must not get in the way of.
    pub fn aside<R>(&self, act: impl FnOnce() -> R) -> R {
        self.bar.suspend(act)
    }

    /// No more cases: the progress line goes.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn in_words(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let violation = panic.downcast_ref::<Violation>().map(|violation| format!("{}: {}", violation.clause, violation.what));
    let message = violation.or_else(|| message.map(str::to_owned)).unwrap_or_else(|| "it does not say why".into());
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.finish();
    }
}
