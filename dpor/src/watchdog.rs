//! A task that computes and computes without a step cannot be interrupted: but somebody can notice,
//! and say where it is.
//!
//! One thread per process looks now and then at all that explore. Whoever explores counts when it
//! enters the program and when it leaves it, which costs two stores. What the watchdog measures is
//! the time that the thread has computed since the count last changed, so a slow or suspended
//! machine makes no difference.

use std::fmt;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A task that has computed for a long time without announcing a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// Index of the task.
    pub task: usize,
    /// Its name.
    pub name: String,
    /// Where it announced its last step, if it has announced one.
    pub at: Option<&'static Location<'static>>,
    /// The functions that it is in, from the innermost, without those of the standard library,
    /// shuttle and this crate; as far as the platform and the build can tell.
    pub stack: Vec<Call>,
    /// How long it has computed since.
    pub computed: Duration,
}

/// A function on a task's stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its name.
    pub function: String,
    /// The file and line at which it is.
    pub place: Option<(String, u32)>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        self.place.as_ref().map_or(Ok(()), |(file, line)| write!(f, " at {file}:{line}"))
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stall { task, name, at, stack, computed } = self;
        write!(
            f,
            "task {task} ({name}) has computed for {:.1} s without announcing a step",
            computed.as_secs_f64()
        )?;
        if let Some(call) = stack.iter().find(|call| call.place.is_some()).or(stack.first()) {
            write!(f, ", in {call}")?;
        }
        at.map_or(Ok(()), |at| write!(f, "; its last step was announced at {at}"))
    }
}

/// The exit status of a process whose program stalls, unless
/// [`Explorer::on_stall`](crate::Explorer::on_stall) says something else.
pub const STALLED: i32 = 70;

pub(crate) type OnStall = Arc<dyn Fn(&Stall) + Send + Sync>;

/// What to do about tasks that stall.
#[derive(Clone)]
pub(crate) struct Patience {
    pub(crate) after: Duration,
    pub(crate) handler: OnStall,
}

impl Default for Patience {
    fn default() -> Self {
        let handler = |stall: &Stall| {
            eprintln!("{stall}");
            std::process::exit(STALLED);
        };
        Patience { after: Duration::from_secs(1), handler: Arc::new(handler) }
    }
}

/// The pulse of one thread that explores.
pub(crate) struct Pulse {
    /// Odd while the program runs, even while the exploration does.
    count: AtomicU64,
    task: AtomicUsize,
    /// Where the task announced its last step.
    at: AtomicPtr<Location<'static>>,
    names: Mutex<Vec<String>>,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    patience: Patience,
}

type Where = Option<&'static Location<'static>>;

impl Pulse {
    pub(crate) fn new(patience: Patience) -> Self {
        let (count, task, at) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicPtr::default());
        Pulse { count, task, at, names: Mutex::default(), patience }
    }

    /// The program runs from here on.
    pub(crate) fn program(&self) {
        self.count.store((self.count.load(Ordering::Relaxed) + 1) | 1, Ordering::Relaxed);
    }

    /// The exploration runs from here on.
    pub(crate) fn exploration(&self) {
        self.count.store((self.count.load(Ordering::Relaxed) | 1) + 1, Ordering::Relaxed);
    }

    /// This task is the one that goes on.
    pub(crate) fn task(&self, task: usize, at: Where) {
        self.task.store(task, Ordering::Relaxed);
        self.at.store(
            at.map_or(ptr::null_mut(), |at| ptr::from_ref(at).cast_mut()),
            Ordering::Relaxed,
        );
    }

    /// The exploration runs for a while, in the middle of the program or of itself. Returns what
    /// [`Pulse::resume`] has to know.
    pub(crate) fn pause(&self) -> bool {
        let program = !self.count.load(Ordering::Relaxed).is_multiple_of(2);
        if program {
            self.exploration();
        }
        program
    }

    pub(crate) fn resume(&self, program: bool) {
        if program {
            self.program();
        }
    }

    /// Run code of this task, in the middle of the exploration.
    pub(crate) fn code_of<T>(&self, task: usize, at: Where, f: impl FnOnce() -> T) -> T {
        let (current, its, paused) = (self.task.load(Ordering::Relaxed), self.at(), self.pause());
        self.task(task, at);
        self.program();
        let result = f();
        self.exploration();
        self.task(current, its);
        self.resume(paused);
        result
    }

    fn at(&self) -> Where {
        // SAFETY: it is null, or came from a reference to something static.
        unsafe { self.at.load(Ordering::Relaxed).as_ref() }
    }

    /// A task has this name.
    pub(crate) fn named(&self, task: usize, name: &str) {
        let mut names = lock(&self.names);
        if names.len() <= task {
            names.resize_with(task + 1, String::new);
        }
        if names[task] != name {
            names[task] = name.to_owned();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(target_os = "linux")]
pub(crate) use linux::watch;

/// Nobody watches.
#[cfg(not(target_os = "linux"))]
pub(crate) fn watch(_: &Arc<Pulse>) {}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{c_int, c_void};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex, Once};
    use std::time::{Duration, Instant};
    use std::{mem, ptr, thread};

    use super::{Call, Pulse, Stall, lock};

    /// A thread that explores, as the watchdog sees it.
    struct Watched {
        pulse: Arc<Pulse>,
        thread: libc::pthread_t,
        clock: libc::clockid_t,
        /// The count when it last changed, and what the thread had computed then.
        since: (u64, Duration),
        told: bool,
    }

    static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
    static CHANGED: Condvar = Condvar::new();

    /// Ends when the exploration does.
    pub(crate) struct Watch(Arc<Pulse>);

    impl Drop for Watch {
        fn drop(&mut self) {
            lock(&WATCHED).retain(|watched| !Arc::ptr_eq(&watched.pulse, &self.0));
        }
    }

    /// Watch this thread.
    pub(crate) fn watch(pulse: &Arc<Pulse>) -> Option<Watch> {
        static WATCHDOG: Once = Once::new();
        let mut clock = 0;
        // SAFETY: both calls are about this very thread.
        let (thread, unknown) = unsafe {
            let thread = libc::pthread_self();
            (thread, libc::pthread_getcpuclockid(thread, &mut clock))
        };
        if unknown != 0 || pulse.patience.after == Duration::MAX {
            return None;
        }
        // Where there can be no watchdog, nothing is watched.
        WATCHDOG.call_once(|| {
            drop(thread::Builder::new().name("dpor watchdog".to_owned()).spawn(|| run()))
        });
        lock(&WATCHED).push(Watched {
            pulse: Arc::clone(pulse),
            thread,
            clock,
            since: (0, Duration::ZERO),
            told: false,
        });
        CHANGED.notify_all();
        Some(Watch(Arc::clone(pulse)))
    }

    fn run() -> ! {
        let mut watched = lock(&WATCHED);
        loop {
            let shortest = watched.iter().map(|watched| watched.pulse.patience.after).min();
            watched = match shortest {
                None => CHANGED.wait(watched).unwrap_or_else(|poisoned| poisoned.into_inner()),
                Some(after) => {
                    let every =
                        (after / 10).clamp(Duration::from_millis(5), Duration::from_millis(100));
                    CHANGED
                        .wait_timeout(watched, every)
                        .unwrap_or_else(|poisoned| poisoned.into_inner())
                        .0
                }
            };
            // A thread is there as long as it is in the list, and the list is ours.
            let stalls: Vec<_> = watched.iter_mut().filter_map(Watched::stall).collect();
            if !stalls.is_empty() {
                drop(watched);
                for (stall, handler) in stalls {
                    // A handler that panics has said so; the watchdog is everybody's.
                    drop(catch_unwind(AssertUnwindSafe(|| handler(&stall))));
                }
                watched = lock(&WATCHED);
            }
        }
    }

    impl Watched {
        fn stall(&mut self) -> Option<(Stall, super::OnStall)> {
            let count = || self.pulse.count.load(Ordering::Relaxed);
            let now = count();
            // SAFETY: a struct of two numbers may be zero, and the call fills it in.
            let time = unsafe {
                let mut time: libc::timespec = mem::zeroed();
                if libc::clock_gettime(self.clock, &mut time) != 0 {
                    return None;
                }
                Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
            };
            if now.is_multiple_of(2) || now != self.since.0 {
                (self.since, self.told) = ((now, time), false);
                return None;
            }
            let computed = time.saturating_sub(self.since.1);
            if self.told || computed < self.pulse.patience.after {
                return None;
            }
            let (task, at) = (self.pulse.task.load(Ordering::Relaxed), self.pulse.at());
            let name = lock(&self.pulse.names).get(task).cloned().unwrap_or_default();
            let stack = stack_of(self.thread);
            // Who does not answer may be in the kernel, for want of memory say, or may not be let
            // run: it is asked again.
            if stack.is_none() && computed < self.pulse.patience.after.saturating_mul(ASKED) {
                return None;
            }
            let stack = stack.unwrap_or_default();
            // It may have gone on meanwhile.
            self.told = count() == now;
            self.told.then(|| {
                (
                    Stall { task, name, at, stack, computed },
                    Arc::clone(&self.pulse.patience.handler),
                )
            })
        }
    }

    /// For so many times the patience a thread is asked where it is.
    const ASKED: u32 = 10;

    const DEEPEST: usize = 128;
    static FRAMES: [(AtomicUsize, AtomicUsize); DEEPEST] =
        [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; DEEPEST];
    static DEPTH: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);

    /// Writes down where the thread is, without allocating anything: the thread may be doing just
    /// that.
    extern "C" fn write_down(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
        let mut depth = 0;
        // SAFETY: only the watchdog asks for it, for one thread at a time.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                FRAMES[depth].0.store(frame.ip() as usize, Ordering::Relaxed);
                FRAMES[depth].1.store(frame.symbol_address() as usize, Ordering::Relaxed);
                depth += 1;
                depth < DEEPEST
            });
        }
        DEPTH.store(depth, Ordering::Relaxed);
        DONE.store(true, Ordering::Release);
    }

    /// Where another thread is; `None` if it does not answer.
    fn stack_of(thread: libc::pthread_t) -> Option<Vec<Call>> {
        DONE.store(false, Ordering::Relaxed);
        // SAFETY: the handler is as the flags say, and keeps to what a handler may do. The signal
        // is one that is ignored by default, and what was done about it before is done again
        // afterwards. The thread is there: see `run`.
        let before = unsafe {
            let (mut action, mut before): (libc::sigaction, libc::sigaction) =
                (mem::zeroed(), mem::zeroed());
            action.sa_sigaction = write_down as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            if libc::sigaction(libc::SIGURG, &action, &mut before) != 0
                || libc::pthread_kill(thread, libc::SIGURG) != 0
            {
                return Some(Vec::new());
            }
            before
        };
        let asked = Instant::now();
        while !DONE.load(Ordering::Acquire) {
            // Later it might still answer, so the handler stays.
            if asked.elapsed() > Duration::from_millis(500) {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: as above.
        unsafe { libc::sigaction(libc::SIGURG, &before, ptr::null_mut()) };
        Some(calls(DEPTH.load(Ordering::Relaxed)))
    }

    fn calls(depth: usize) -> Vec<Call> {
        let frames: Vec<_> = FRAMES[..depth]
            .iter()
            .map(|frame| (frame.0.load(Ordering::Relaxed), frame.1.load(Ordering::Relaxed)))
            .collect();
        // The handler was called by the kernel's trampoline, which interrupted the function that we
        // look for.
        let handler = frames.iter().position(|frame| frame.1 == write_down as *const () as usize);
        let interrupted = handler.map_or(0, |handler| handler + 2);
        let (mut calls, mut outside) = (Vec::new(), false);
        for (index, (ip, _)) in frames.iter().enumerate().skip(interrupted) {
            // What is resolved is the instruction before a return address.
            let ip = ip + usize::from(index == interrupted);
            backtrace::resolve(ip as *mut c_void, |symbol| {
                let Some(function) = symbol.name().map(|name| format!("{name:#}")) else { return };
                let place = symbol
                    .filename()
                    .zip(symbol.lineno())
                    .map(|(file, line)| (file.display().to_string(), line));
                // Where only lines were compiled in, functions have no paths.
                let file = place.as_ref().map_or("", |(file, _)| file);
                let path = function.trim_start_matches(['<', '&', '*']);
                outside |= ["shuttle_engine::", "dpor::runtime::coroutines::"]
                    .iter()
                    .any(|outside| path.starts_with(outside))
                    || ["/shuttle-engine-", "dpor/src/runtime/coroutines.rs"]
                        .iter()
                        .any(|outside| file.contains(outside));
                let not_its = ["std::", "core::", "alloc::", "dpor::"]
                    .iter()
                    .any(|not_its| path.starts_with(not_its))
                    || file.starts_with("/rustc/")
                    || file.contains("/rustlib/src/")
                    || file.contains("dpor/src/");
                if !outside && !not_its {
                    calls.push(Call { function, place });
                }
            });
        }
        calls
    }
}
