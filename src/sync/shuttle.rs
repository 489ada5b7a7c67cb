//! Raw primitives on shuttle and `dpor`: CPUs are coroutines of one OS thread, and whoever the scheduler
//! picked runs alone until its next step. So state is plain data behind an uncontended lock; all
//! there is to do is to announce each step before it happens.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dpor::ObjectId;
use parking_lot::Mutex;

use super::engine::{self, Access, CpuBody, Step};
use super::exec::{self, Exec};
use super::progress;
use super::state::digest_of;

/// Steps of the world's construction and of the audit are nobody's: only CPUs are scheduled.
fn announced() -> bool {
    exec::cpu() != exec::BOOT && !std::thread::panicking()
}

#[track_caller]
pub fn announce(step: Step) {
    if announced() {
        let switching = exec::Switching::begin();
        dpor::step(ObjectId(step.object), step.access);
        drop(switching);
        progress::step();
    }
}

/// What the last step read is part of what its CPU knows: the scheduler must know it to recognize a
/// state it has seen.
pub fn observed(value: u64) {
    if announced() {
        dpor::observed(value);
    }
}

/// The word that the last step is about was one, and is the other.
fn changed(object: u32, before: u64, after: u64) {
    if before != after && engine::tells() {
        engine::changed(object, digest_of(&before), digest_of(&after));
    }
}

fn tried(success: bool) {
    if announced() {
        dpor::tried(success);
    }
}

pub struct Word(AtomicU64);

impl Word {
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    #[track_caller]
    pub fn load(&self, step: Step, _: Ordering) -> u64 {
        announce(step);
        let value = self.0.load(Ordering::Relaxed);
        observed(value);
        value
    }

    #[track_caller]
    pub fn store(&self, step: Step, value: u64, _: Ordering) {
        announce(step);
        self.set(step.object, value);
    }

    fn set(&self, object: u32, value: u64) {
        changed(object, self.0.swap(value, Ordering::Relaxed), value);
    }

    #[track_caller]
    pub fn add(&self, step: Step, n: u64) -> u64 {
        self.replace(step, |before| before.wrapping_add(n))
    }

    #[track_caller]
    pub fn swap(&self, step: Step, value: u64) -> u64 {
        self.replace(step, |_| value)
    }

    #[track_caller]
    pub fn update_if(&self, step: Step, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        // One that declines has only looked: to the scheduler it is a try that failed.
        announce(Step { access: Access::TryAcquire, ..step });
        let before = self.0.load(Ordering::Relaxed);
        let new = change(before);
        tried(new.is_some());
        observed(before);
        match new {
            Some(new) => {
                self.set(step.object, new);
                Ok(before)
            }
            None => Err(before),
        }
    }

    #[track_caller]
    fn replace(&self, step: Step, change: impl Fn(u64) -> u64) -> u64 {
        announce(step);
        let before = self.0.load(Ordering::Relaxed);
        self.set(step.object, change(before));
        // Nobody looks at what an update found, and it depends on the order of updates, which
        // commute.
        if step.access != Access::Update {
            observed(before);
        }
        before
    }

    pub fn reset(&self, object: u32, value: u64) {
        self.set(object, value);
    }

    pub fn peek(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub struct Monitor<S>(Mutex<S>);

impl<S: Hash> Monitor<S> {
    pub fn new(state: S) -> Self {
        Self(Mutex::new(state))
    }

    #[track_caller]
    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        announce(step);
        engine::changing(step.object, &mut *self.0.lock(), act)
    }

    #[track_caller]
    pub fn enter_when<R>(
        &self,
        step: Step,
        ready: impl Fn(&S) -> bool,
        act: impl FnOnce(&mut S) -> R,
    ) -> R {
        if announced() {
            let switching = exec::Switching::begin();
            dpor::step_when(ObjectId(step.object), step.access, &|| ready(&self.0.lock()));
            drop(switching);
            progress::step();
        }
        engine::changing(step.object, &mut *self.0.lock(), act)
    }

    #[track_caller]
    pub fn attempt(&self, step: Step, act: impl FnOnce(&mut S) -> bool) -> bool {
        announce(step);
        let success = engine::changing(step.object, &mut *self.0.lock(), act);
        tried(success);
        success
    }

    pub fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.0.lock())
    }
}

/// With how often it was replaced: an address may come back with another value.
pub struct Published<T>(Mutex<(u64, Arc<T>)>);

impl<T: Hash> Published<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new((0, Arc::new(value))))
    }

    #[track_caller]
    pub fn load(&self, step: Step) -> Arc<T> {
        announce(step);
        let (version, value) = self.0.lock().clone();
        // Where states are told apart, what it is has to be said, and not the how manyth.
        observed(if announced() && dpor::by_states() { 0 } else { version });
        value
    }

    #[track_caller]
    pub fn store(&self, step: Step, value: T) {
        announce(step);
        let mut current = self.0.lock();
        if engine::tells() {
            engine::changed(step.object, digest_of(&current.1), digest_of(&value));
        }
        *current = (current.0 + 1, Arc::new(value));
    }

    pub fn peek(&self) -> Arc<T> {
        self.0.lock().1.clone()
    }
}

/// Every step is sequentially consistent already.
pub fn fence(_: Ordering) {}

pub fn round(which: u64, state: impl FnOnce() -> u64) {
    if announced() {
        exec::switching(|| dpor::round(which, state));
    }
}

pub fn run_cpus(_: &Arc<Exec>, cpus: Vec<(String, CpuBody)>, at_end: CpuBody) {
    let tasks: Vec<_> = cpus
        .into_iter()
        .enumerate()
        .map(|(cpu, (name, body))| {
            exec::switching(|| {
                dpor::spawn(name, move || {
                    exec::set_cpu(cpu);
                    body();
                })
            })
        })
        .collect();
    for task in tasks {
        exec::switching(|| task.join());
    }
    if !dpor::aborting() {
        at_end();
    }
}

#[cfg(test)]
mod tests {
    use dpor::{Explorer, FailureKind, Report, Strategy};

    use super::*;
    use crate::sync::engine::Engine;
    use crate::sync::{MmuWord, Name};

    /// Two CPUs in this interleaving; each is given its number, and all that they share, with two
    /// objects.
    fn replay<T: Send + Sync + 'static>(
        schedule: &str,
        make: fn() -> T,
        body: impl Fn(u64, &T, [u32; 2]) + Send + Sync + 'static,
    ) -> Report {
        let body = Arc::new(body);
        Explorer::new(Strategy::Replay(schedule.parse().expect("a schedule"))).run(move || {
            let exec = Exec::new(Engine::Shuttle, 2, None, false, Arc::new(|_| true));
            exec.enter(exec::BOOT, || {
                let (shared, objects) = (Arc::new(make()), [exec.new_object(), exec.new_object()]);
                let cpu = |number: u64| {
                    let (shared, body) = (shared.clone(), body.clone());
                    (
                        format!("CPU{number}"),
                        Box::new(move || body(number, &shared, objects)) as CpuBody,
                    )
                };
                run_cpus(&exec, vec![cpu(0), cpu(1)], Box::new(|| ()));
            });
        })
    }

    /// Each CPU adds one and takes it back, round after round. When CPU 0 begins its third round,
    /// all is as when it began its second: but for what CPU 1 found when it last added, which
    /// depends on who added first.
    fn adders(access: Access) -> Report {
        let adder = move |cpu, word: &Word, [object, _]: [u32; 2]| {
            for _ in 0..3 {
                round(cpu, || word.peek());
                word.add(Step { object, access }, 1);
                word.add(Step { object, access }, 1u64.wrapping_neg());
            }
        };
        replay("1.2.1.2*2.1*2", || Word::new(0), adder)
    }

    #[test]
    fn what_an_update_found_is_not_known_to_its_cpu() {
        let report = adders(Access::Update);
        let failure = report.failures.first().expect("a livelock");
        assert!(
            matches!(failure.kind, FailureKind::Livelock { .. }) && failure.schedule.len() == 7,
            "{failure}"
        );
    }

    #[test]
    fn what_an_addition_returns_is_known_to_its_cpu() {
        let report = adders(Access::Rmw);
        assert!(report.failing == 0 && report.complete == 1, "{report}");
    }

    /// When CPU 0 begins its third round, all is as when it began its second: but for what CPU 1
    /// has replaced, 2 then and 3 now.
    #[test]
    fn what_was_replaced_is_known_to_its_cpu() {
        let body = |cpu, word: &MmuWord<u64>, [_, other]: [u32; 2]| {
            for _ in 0..3 {
                round(cpu, || exec::unseen(|| word.peek()));
                if cpu == 0 {
                    for value in [2, 3, 1] {
                        word.write(value);
                    }
                } else {
                    word.write(9);
                    announce(Step { object: other, access: Access::Write });
                }
            }
        };
        let report = replay("1.2.1*3.2.1.2.1", || MmuWord::new(Name::new("entry", 0, 0), 2), body);
        assert!(report.failing == 0 && report.complete == 1, "{report}");
    }

    /// When CPU 0 begins its third round, all is as when it began its second: but for what CPU 1
    /// has read, 3 then and 2 now, at one address if the allocator likes.
    #[test]
    fn a_value_is_not_known_by_its_address() {
        let body = |cpu, published: &Published<[u64; 20]>, [object, other]: [u32; 2]| {
            for _ in 0..3 {
                round(cpu, || published.peek()[0]);
                if cpu == 0 {
                    for value in [2, 3, 1] {
                        published.store(Step { object, access: Access::Write }, [value; 20]);
                    }
                } else {
                    published.load(Step { object, access: Access::Read });
                    announce(Step { object: other, access: Access::Write });
                }
            }
        };
        let report = replay("1*2.2.1*2.2*2.1*2", || Published::new([2; 20]), body);
        assert!(report.failing == 0 && report.complete == 1, "{report}");
    }
}
