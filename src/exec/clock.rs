//! How long an OS thread has computed, for others to see: a machine that is slow or suspended makes
//! no difference to it.

use std::time::Duration;

/// Of one OS thread.
#[derive(Clone, Copy)]
pub struct ThreadClock(#[cfg(target_os = "linux")] nix::time::ClockId);

#[cfg(target_os = "linux")]
impl ThreadClock {
    /// That of the thread that asks.
    pub fn mine() -> Option<Self> {
        // The kernel's own numbering: a thread's id, complemented, above three bits that say "of a
        // thread, by the scheduler".
        Some(Self(nix::time::ClockId::from_raw(!nix::unistd::gettid().as_raw() << 3 | 6)))
    }

    /// How long it has computed; nothing if it has ended.
    pub fn computed(self) -> Option<Duration> {
        nix::time::clock_gettime(self.0).ok().map(Duration::from)
    }
}

/// Elsewhere nobody knows.
#[cfg(not(target_os = "linux"))]
impl ThreadClock {
    pub fn mine() -> Option<Self> {
        None
    }

    pub fn computed(self) -> Option<Duration> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_sleeps_does_not_compute() {
        let (says, hears) = mpsc::channel();
        let (ends, is_told_to_end) = mpsc::channel::<()>();
        let sleeper = thread::spawn(move || {
            says.send(ThreadClock::mine()).expect("somebody hears");
            is_told_to_end.recv().ok();
        });
        let (mine, its) = (
            ThreadClock::mine().expect("this is Linux"),
            hears.recv().expect("it says so").expect("this is Linux"),
        );
        let before = (mine.computed().expect("it lives"), its.computed().expect("it lives"));
        while mine.computed().expect("it lives") - before.0 < Duration::from_millis(20) {
            black_box(0);
        }
        assert!(its.computed().expect("it lives") - before.1 < Duration::from_millis(10));
        drop(ends);
        sleeper.join().expect("it ends");
        // It has ended; that the system knows it too can take a moment.
        while its.computed().is_some() {
            thread::yield_now();
        }
    }
}
