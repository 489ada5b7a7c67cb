//! The line of progress, and Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// A flag that Ctrl-C sets, or a request to terminate. The second one does not wait for the
/// execution under way.
pub fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    flag_on_ctrl_c(|| std::process::exit(130))
}

/// The same for what must be left in order and is soon over: it is waited for, however often
/// somebody asks.
pub fn stop_in_order_on_ctrl_c() -> Arc<AtomicBool> {
    flag_on_ctrl_c(|| ())
}

fn flag_on_ctrl_c(again: impl Fn() + Send + 'static) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    // Without a handler Ctrl-C simply ends the process.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            again();
        }
    });
    stop
}

/// A line on standard error that says what is being done, if that is a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    pub fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// Does something that the line must not get in the way of.
    pub fn aside<R>(&self, act: impl FnOnce() -> R) -> R {
        self.0.suspend(act)
    }

    /// The line goes.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The line for several cases, some of which run at the same time. The one that began first is
/// named.
pub struct CasesLine {
    pub bar: Bar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cases: usize,
    done: usize,
    /// What runs now, and its executions.
    running: Vec<(String, u64)>,
}

impl CasesLine {
    pub fn new() -> Self {
        Self { bar: Bar::new(), state: Mutex::default() }
    }

    /// So many cases are to come.
    pub fn expect(&self, cases: usize) {
        self.change(|state| *state = State { cases, ..State::default() });
    }

    /// `what` begins, or has come so far.
    pub fn running(&self, what: &str, executions: u64) {
        self.change(|state| match state.running.iter_mut().find(|(running, _)| running == what) {
            Some((_, so_far)) => *so_far = executions,
            None => state.running.push((what.to_owned(), executions)),
        });
    }

    /// `what` has ended.
    pub fn ended(&self, what: &str) {
        self.change(|state| state.running.retain(|(running, _)| running != what));
    }

    /// The result of one more case is there.
    pub fn done(&self) {
        self.change(|state| state.done += 1);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if self.bar.0.is_hidden() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let State { cases, done, running } = &*state;
        if let Some((what, executions)) = running.first() {
            self.bar.say(&format!(
                "{done} of {cases} · {what} · {} executions",
                HumanCount(*executions)
            ));
        }
    }
}
