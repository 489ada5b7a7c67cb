//! A CPU that computes and computes without a step. Nobody can interrupt it, so the exploration
//! never ends; but it can be told.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dpor::{Call, Explorer, Stall};

use super::{OnStall, Options};
use crate::sync::{self, Exec, Progress};

/// What to do about it, and after what time.
#[derive(Clone)]
pub(super) struct Patience {
    on_stall: OnStall,
    after: Option<Duration>,
}

impl Patience {
    pub fn of(options: &Options) -> Self {
        let on_stall = options.on_stall.clone();
        Self { on_stall: on_stall.unwrap_or_else(|| Arc::new(end)), after: options.patience }
    }

    /// The explorer watches its own.
    pub fn asked_of(&self, explorer: Explorer, whose: &str) -> Explorer {
        let (on_stall, whose) = (self.on_stall.clone(), whose.to_owned());
        let explorer =
            explorer.on_stall(move |stall| on_stall(&format!("{whose}, {}", in_words(stall))));
        match self.after {
            Some(after) => explorer.stall_after(after),
            None => explorer,
        }
    }
}

/// Where nobody has said what to do.
fn end(what: &str) {
    eprintln!("error: {what}");
    std::process::exit(2);
}

fn in_words(stall: &Stall) -> String {
    let place = if stall.task == 0 {
        "in its world or at its end".to_owned()
    } else {
        format!("on CPU '{}'", stall.name)
    };
    // The race's own function, not what it has called, here or in the standard library.
    let called = |call: &&Call| {
        let from_std = call.place.as_ref().is_some_and(|(file, _)| file.starts_with("/rustc/"));
        from_std
            || ["lockwalk::mm::", "lockwalk::sync::"]
                .iter()
                .any(|module| call.function.contains(module))
    };
    let call = stall.stack.iter().find(|call| !called(call)).or(stall.stack.first());
    let call = call.map_or_else(String::new, |call| format!(", in {call}"));
    format!(
        "{place}: it has computed for {:.1} s without a step{call}",
        stall.computed.as_secs_f64()
    )
}

thread_local! {
    /// Where the watch on this OS thread learns of the execution under way.
    static UNDER_WAY: RefCell<Option<Arc<UnderWay>>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct UnderWay {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Default)]
struct State {
    over: bool,
    /// Of the execution that began last.
    progress: Option<Arc<Progress>>,
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An execution begins, on this OS thread.
pub(super) fn begins(exec: &Arc<Exec>) {
    UNDER_WAY.with_borrow(|watched| {
        if let Some(watched) = watched {
            watched.lock().progress = Some(exec.progress().clone());
        }
    });
}

/// While this lives, the executions that this OS thread begins are watched: on engines that nobody
/// else watches.
pub(super) struct Watch(Arc<UnderWay>);

impl Watch {
    pub fn new(whose: String, cpus: Vec<String>, patience: &Patience) -> Self {
        let watched = Arc::<UnderWay>::default();
        UNDER_WAY.set(Some(watched.clone()));
        let (seen, on_stall, after) = (watched.clone(), patience.on_stall.clone(), patience.after);
        // Where there can be no such thread, nobody watches.
        let told = move |progress: &Progress, cpu: usize, computed: Duration| {
            let line = progress
                .line_of(cpu)
                .map_or_else(String::new, |at| format!("; it was last seen at {}", sync::line(at)));
            let name = cpus.get(cpu).map_or("", String::as_str);
            on_stall(&format!(
                "{whose}, on CPU '{name}': it has computed for {:.1} s without a step{line}",
                computed.as_secs_f64()
            ));
        };
        let _ = thread::Builder::new()
            .name("lockwalk watchdog".into())
            .spawn(move || seen.watch(after, &told));
        Self(watched)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        UNDER_WAY.set(None);
        self.0.lock().over = true;
        self.0.over.notify_all();
    }
}

/// Of its OS thread's own time.
const PATIENCE: Duration = Duration::from_secs(1);

/// By the clock, where nobody knows how long a thread has computed: as long as that no system keeps
/// a thread from running.
const WITHOUT_A_CLOCK: Duration = Duration::from_secs(10);

/// Where an execution was when it last took a step.
struct Seen {
    progress: Arc<Progress>,
    steps: u64,
    at: Instant,
    computed: Vec<Option<Duration>>,
    told: bool,
}

impl Seen {
    fn now(progress: &Arc<Progress>) -> Self {
        Self {
            progress: progress.clone(),
            steps: progress.steps(),
            at: Instant::now(),
            computed: progress.computed(),
            told: false,
        }
    }

    fn is_still_there(&self, progress: &Arc<Progress>) -> bool {
        Arc::ptr_eq(&self.progress, progress) && self.steps == progress.steps()
    }

    /// How long that CPU has computed since, and is it for longer than anybody waits?
    fn for_long(&self, cpu: usize, after: Option<Duration>) -> Option<Duration> {
        let own = self
            .progress
            .computed()
            .get(cpu)
            .copied()
            .flatten()
            .zip(self.computed.get(cpu).copied().flatten());
        let (computed, patience) = match own {
            Some((now, then)) => (now.saturating_sub(then), PATIENCE),
            None => (self.at.elapsed(), WITHOUT_A_CLOCK),
        };
        (computed >= after.unwrap_or(patience)).then_some(computed)
    }
}

impl UnderWay {
    fn watch(&self, after: Option<Duration>, told: &dyn Fn(&Progress, usize, Duration)) {
        let mut seen: Option<Seen> = None;
        let every = after.unwrap_or(PATIENCE) / 10;
        let mut state = self.lock();
        while !state.over {
            if let Some(progress) = &state.progress {
                match &mut seen {
                    Some(seen) if seen.is_still_there(progress) => {
                        if !seen.told
                            && let Some(cpu) = progress.computing()
                            && let Some(computed) = seen.for_long(cpu, after)
                        {
                            seen.told = true;
                            told(progress, cpu, computed);
                        }
                    }
                    _ => seen = Some(Seen::now(progress)),
                }
            }
            state = self.over.wait_timeout(state, every).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
