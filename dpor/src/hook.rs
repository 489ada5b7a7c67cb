//! A panic hook that stays silent for panics that are findings.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Once};

use shuttle_engine::runtime::execution::ExecutionState;
use shuttle_engine::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle_engine::{Config, FailurePersistence, Runner};

thread_local! {
    /// Whether the code that runs on this thread is the program under test.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Run `f` as code of the program under test, or as ours.
pub(crate) fn with_quiet<T>(quiet: bool, f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            QUIET.set(self.0);
        }
    }
    let _restore = Restore(QUIET.replace(quiet));
    f()
}

/// Install the hook, once per process: a panic in an explored task is part of the report, so
/// nothing is printed for it. Any other goes to the hook that was there before. shuttle installs
/// one of its own when it first runs, which prints a schedule; it keeps the panics of shuttle's own
/// executions, and no others.
pub(crate) fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;
        let previous: Arc<Hook> = Arc::from(panic::take_hook());
        let below = Arc::clone(&previous);
        panic::set_hook(Box::new(move |info| below(info)));
        let mut config = Config::new();
        config.failure_persistence = FailurePersistence::None;
        Runner::new(FirstExecution(false), config).run(|| {});
        let shuttle = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                return;
            }
            // While shuttle has its state borrowed this is an error too, but never `NotSet`.
            let outside = ExecutionState::try_with(|_| ())
                .is_err_and(|error| format!("{error:?}").contains("NotSet"));
            if outside { previous(info) } else { shuttle(info) }
        }));
    });
}

/// Runs an execution, so that shuttle installs its hook.
struct FirstExecution(bool);

impl Scheduler for FirstExecution {
    fn new_execution(&mut self) -> Option<Schedule> {
        (!std::mem::replace(&mut self.0, true)).then(|| Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        _current: Option<TaskId>,
        _yielding: bool,
    ) -> Option<TaskId> {
        runnable.first().map(|task| task.id())
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}
