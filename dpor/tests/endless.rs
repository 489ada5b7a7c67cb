//! Executions without end: too many steps, or none.

mod common;

use std::ops::ControlFlow;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use common::{Lock, Word};
use dpor::{Access, Explorer, STALLED, Stall, Strategy, Unfinished};

const STRATEGIES: [Strategy; 4] = [
    Strategy::Dpor,
    Strategy::Dfs,
    Strategy::Random { seed: 3, iterations: 5 },
    Strategy::FewestPreemptions { max: None },
];

/// Reads a word, takes and gives back a lock, again and again.
fn reader_without_end() {
    let (lock, word) = (Lock::new(), Word::new(0));
    let theirs = word.clone();
    let task = dpor::spawn("reader", move || {
        while theirs.read() == 0 {
            theirs.read();
            lock.lock();
            lock.unlock();
        }
    });
    task.join();
    word.write(1);
}

#[test]
fn the_limit_of_steps_is_said() {
    for strategy in STRATEGIES {
        let report = Explorer::new(strategy.clone()).max_steps(5_000).run(reader_without_end);
        assert!(
            !report.exhausted && report.saved.is_none() && report.failing == 0,
            "{strategy:?}: {report}"
        );
        let Some(Unfinished::TooLong { steps: 5_000, repeats: Some(repeats), .. }) =
            &report.why_unfinished
        else {
            panic!("{report}")
        };
        assert_eq!(
            (repeats.task, repeats.times, repeats.of, repeats.op.to_string().as_str()),
            (1, 500, 1000, "Read(#1)"),
            "{report}"
        );
        assert!(repeats.at.is_some_and(|at| at.file().ends_with("common/mod.rs")), "{report}");
        assert!(
            report.to_string().contains(
                "more than 5000 steps; 500 of the last 1000 are Read(#1) of task 1 (reader) at "
            ),
            "{report}"
        );
    }
}

#[test]
fn there_is_a_limit_by_default() {
    let report = Explorer::new(Strategy::Dpor).run(reader_without_end);
    assert!(
        matches!(report.why_unfinished, Some(Unfinished::TooLong { steps: 100_000, .. })),
        "{report}"
    );
}

#[test]
fn an_execution_may_have_as_many_steps_as_allowed() {
    let program = || {
        let word = Word::new(0);
        (0..10).for_each(|value| word.write(value));
    };
    assert!(Explorer::new(Strategy::Dpor).max_steps(10).run(program).exhausted);
    let report = Explorer::new(Strategy::Dpor).max_steps(9).run(program);
    assert!(
        matches!(report.why_unfinished, Some(Unfinished::TooLong { steps: 9, .. })),
        "{report}"
    );
}

/// The stall that is seen when a program computes until somebody says that it stalls.
fn stall(jobs: usize, program: impl Fn(&Arc<AtomicBool>) + Send + Sync + 'static) -> Stall {
    let (released, (sender, stalls)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    let release = Arc::clone(&released);
    let explorer = Explorer::new(Strategy::Dpor)
        .jobs(jobs)
        .stall_after(Duration::from_millis(50))
        .on_stall(move |stall| {
            sender.send(stall.clone()).unwrap();
            release.store(true, Ordering::Relaxed);
        });
    let report = explorer.run(move || program(&released));
    assert!(report.exhausted, "the task went on: {report}");
    let stall = stalls.try_recv().expect("it was seen before the task went on");
    eprintln!("{stall}");
    assert!(stall.computed >= Duration::from_millis(50));
    stall
}

/// Whether the innermost function is this one, at that line of this file.
fn is_in(stall: &Stall, function: &str, line: u32) -> bool {
    let innermost = stall.stack.first().unwrap_or_else(|| panic!("no stack: {stall}"));
    let here = innermost
        .place
        .as_ref()
        .is_some_and(|(file, at)| file.ends_with("endless.rs") && *at == line);
    here && innermost.function.contains(function)
}

#[inline(never)]
fn spins(flag: &AtomicBool) -> u32 {
    while !flag.load(Ordering::Relaxed) {}
    line!() - 1
}

#[test]
fn a_task_that_spins_is_found_with_its_line() {
    let line = spins(&AtomicBool::new(true));
    for jobs in [1, 2] {
        let before_a_step = stall(jobs, |released| {
            let released = Arc::clone(released);
            dpor::spawn("spinner", move || {
                dpor::me();
                spins(&released);
                Word::new(0).write(1);
            })
            .join();
        });
        assert_eq!(
            (before_a_step.task, before_a_step.name.as_str(), before_a_step.at),
            (1, "spinner", None)
        );
        assert!(is_in(&before_a_step, "spins", line), "{:#?}", before_a_step.stack);
    }
    let after_a_step = stall(1, |released| {
        let lock = Lock::new();
        dpor::spawn("other", || ()).join();
        lock.lock();
        spins(released);
        lock.unlock();
    });
    assert_eq!((after_a_step.task, after_a_step.name.as_str()), (0, "main"));
    assert!(
        after_a_step.at.is_some_and(|at| at.file().ends_with("common/mod.rs")),
        "{after_a_step}"
    );
    assert!(is_in(&after_a_step, "spins", line), "{:#?}", after_a_step.stack);
}

/// Conditions are the program's as well, although the scheduler asks them.
#[test]
fn a_condition_that_spins_is_found() {
    let line = spins(&AtomicBool::new(true));
    let stall = stall(1, |released| {
        let (object, released) = (dpor::object(), Arc::clone(released));
        let ready = move || spins(&released) > 0;
        dpor::spawn("waiter", move || dpor::step_when(object, Access::Wait, &ready)).join();
    });
    assert_eq!((stall.task, stall.name.as_str()), (1, "waiter"));
    assert!(
        stall.at.is_some_and(|at| at.file().ends_with("endless.rs"))
            && is_in(&stall, "spins", line),
        "{stall}"
    );
}

/// Who does not answer when asked where it is may be in the kernel. It is asked again, and in the
/// end it stalls, wherever that is.
#[test]
fn who_does_not_answer_is_asked_again() {
    let stall = stall(1, |released| {
        // SAFETY: sets of signals may be zero, and are filled in.
        let (mut asks, mut before): (libc::sigset_t, libc::sigset_t) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: as above.
        unsafe {
            libc::sigemptyset(&mut asks);
            libc::sigaddset(&mut asks, libc::SIGURG);
            libc::pthread_sigmask(libc::SIG_BLOCK, &asks, &mut before);
        }
        spins(released);
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    });
    assert!(stall.stack.is_empty() && stall.computed >= Duration::from_millis(500), "{stall}");
}

/// Computes for so long, on this thread; what others compute meanwhile does not count.
fn compute(how_long: Duration) {
    let computed = || {
        std::fs::read_to_string("/proc/thread-self/schedstat")
            .ok()?
            .split(' ')
            .next()?
            .parse()
            .map(Duration::from_nanos)
            .ok()
    };
    let Some(start) = computed() else { return };
    while computed().is_some_and(|now| now - start < how_long) {}
}

/// What the exploration's callbacks compute, and what a task waits, is nobody's stall; nor are many
/// steps together.
#[test]
fn others_do_not_stall() {
    let stalled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stalled);
    let explorer = Explorer::new(Strategy::Dpor)
        .stall_after(Duration::from_millis(100))
        .on_stall(move |_| flag.store(true, Ordering::Relaxed));
    let explorer = explorer.on_execution(|_| {
        compute(Duration::from_millis(300));
        ControlFlow::Continue(())
    });
    let report = explorer.run(|| {
        let word = Word::new(0);
        for value in 0..30 {
            compute(Duration::from_millis(10));
            word.write(value);
        }
        thread::sleep(Duration::from_millis(300));
    });
    assert!(report.exhausted && !stalled.load(Ordering::Relaxed));
}

/// What the next test runs.
#[test]
#[ignore = "never ends"]
fn spins_for_ever() {
    Explorer::new(Strategy::Dpor)
        .stall_after(Duration::from_millis(50))
        .run(|| assert_eq!(spins(&AtomicBool::new(false)), 0));
}

#[test]
fn by_default_the_process_ends() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spins_for_ever", "--ignored", "--nocapture"])
        .output();
    let child = child.expect("this test runs");
    let said = String::from_utf8(child.stderr).unwrap();
    assert_eq!(child.status.code(), Some(STALLED), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("task 0 (main) has computed for ")
            && line.contains("endless.rs:")),
        "{said}"
    );
}
