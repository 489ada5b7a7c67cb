//! Raw primitives on shuttle and `dpor`: CPUs are coroutines of one OS thread, and whoever the scheduler
//! picked runs alone until its next step. So state is plain data behind an uncontended lock; all
//! there is to do is to announce each step before it happens.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dpor::memory::{self, Side};
use dpor::{Memory, ObjectId};
use parking_lot::Mutex;

use super::engine::{self, Access, CpuBody, Order, Step};
use super::exec::{self, Exec};
use super::order::Waits;
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

/// The same of what is no memory.
#[track_caller]
pub fn ghost(step: Step) {
    if is_consistent() {
        announce(step);
    } else if announced() {
        exec::switching(|| memory::unordered(ObjectId(step.object), step.access));
        progress::step();
    }
}

/// Is memory sequentially consistent? Then steps are all there is to it.
fn is_consistent() -> bool {
    memory::model() == Memory::Sc
}

/// Takes a step of a word that knows itself how it is ordered.
#[track_caller]
fn taking<R>(step: impl FnOnce() -> R) -> R {
    let result = exec::switching(step);
    progress::step();
    result
}

pub enum Word {
    /// Every step sees what all before it have left.
    Consistent(AtomicU64),
    /// Somebody else knows what a load may see.
    Modelled(memory::Word),
}

use Word::{Consistent, Modelled};

impl Word {
    pub fn new(object: u32, value: u64) -> Self {
        if is_consistent() {
            return Consistent(AtomicU64::new(value));
        }
        // A new object is memory that was there before, and whoever finds it may see that.
        let set = announced() && !exec::is_made_by_whoever_comes_first();
        let word = memory::Word::of(ObjectId(object), if set { 0 } else { value });
        if set && value != 0 {
            word.set(value);
        }
        Modelled(word)
    }

    #[track_caller]
    pub fn load(&self, step: Step, order: Ordering) -> u64 {
        match self {
            Consistent(word) => {
                announce(step);
                let value = word.load(Ordering::Relaxed);
                observed(value);
                value
            }
            Modelled(word) if announced() => taking(|| word.load(order)),
            Modelled(word) => word.peek(),
        }
    }

    #[track_caller]
    pub fn store(
        &self,
        step: Step,
        value: u64,
        order: Ordering,
        then: impl FnOnce() + 'static,
    ) -> bool {
        match self {
            Consistent(word) => {
                announce(step);
                set(word, step.object, value);
                false
            }
            Modelled(word) => store(word, value, order, then),
        }
    }

    pub fn instead_of(&self, loaded: u64) -> Option<u64> {
        match self {
            Consistent(_) => None,
            Modelled(word) => Some(word.peek()).filter(|&newest| newest != loaded),
        }
    }

    #[track_caller]
    pub fn add(&self, step: Step, n: u64) -> u64 {
        match self {
            Modelled(word) if announced() && step.access == Access::Update => {
                taking(|| word.add(n, Ordering::Relaxed));
                0
            }
            _ => self.replace(step, |before| before.wrapping_add(n)),
        }
    }

    #[track_caller]
    pub fn swap(&self, step: Step, value: u64) -> u64 {
        self.replace(step, |_| value)
    }

    #[track_caller]
    pub fn update_if(&self, step: Step, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let word = match self {
            Consistent(word) => word,
            Modelled(word) if announced() => return taking(|| word.update_if(change)),
            Modelled(word) => {
                let before = word.peek();
                word.set(change(before).ok_or(before)?);
                return Ok(before);
            }
        };
        // One that declines has only looked: to the scheduler it is a try that failed.
        announce(Step { access: Access::TryAcquire, ..step });
        let before = word.load(Ordering::Relaxed);
        let new = change(before);
        tried(new.is_some());
        observed(before);
        match new {
            Some(new) => {
                set(word, step.object, new);
                Ok(before)
            }
            None => Err(before),
        }
    }

    #[track_caller]
    fn replace(&self, step: Step, change: impl Fn(u64) -> u64) -> u64 {
        let word = match self {
            Consistent(word) => word,
            Modelled(word) if announced() => {
                return taking(|| word.update(Ordering::Relaxed, change));
            }
            Modelled(word) => {
                let before = word.peek();
                word.set(change(before));
                return before;
            }
        };
        announce(step);
        let before = word.load(Ordering::Relaxed);
        set(word, step.object, change(before));
        // Nobody looks at what an update found, and it depends on the order of updates, which
        // commute.
        if step.access != Access::Update {
            observed(before);
        }
        before
    }

    pub fn reset(&self, object: u32, value: u64) {
        match self {
            Consistent(word) => set(word, object, value),
            Modelled(word) => word.set(value),
        }
    }

    pub fn peek(&self) -> u64 {
        match self {
            Consistent(word) => word.load(Ordering::Relaxed),
            Modelled(word) => word.peek(),
        }
    }
}

fn set(word: &AtomicU64, object: u32, value: u64) {
    changed(object, word.swap(value, Ordering::Relaxed), value);
}

/// Stores it. If that is for later, it is true, and `then` is called when the value is in memory.
#[track_caller]
fn store(word: &memory::Word, value: u64, order: Ordering, then: impl FnOnce() + 'static) -> bool {
    if !announced() {
        word.set(value);
        return false;
    }
    if memory::model() == Memory::Weak || order == Ordering::SeqCst {
        taking(|| word.store(value, order));
        return false;
    }
    let cpu = exec::cpu();
    exec::switching(|| word.store_then(value, order, move || arrives(cpu, then)));
    true
}

/// A store of `cpu` is in memory now.
fn arrives(cpu: usize, then: impl FnOnce()) {
    exec::as_cpu(cpu, || {
        progress::step();
        then();
    });
}

pub enum Monitor<S> {
    Here(Mutex<S>),
    /// Something is given back later, when its CPU has gone on.
    Away(Arc<Mutex<S>>),
}

impl<S: Hash> Monitor<S> {
    pub fn new(state: S) -> Self {
        if is_consistent() {
            Self::Here(Mutex::new(state))
        } else {
            Self::Away(Arc::new(Mutex::new(state)))
        }
    }

    fn state(&self) -> &Mutex<S> {
        match self {
            Self::Here(state) => state,
            Self::Away(state) => state,
        }
    }

    #[track_caller]
    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        match self {
            Self::Here(_) => announce(step),
            Self::Away(_) => {
                take(step, None);
                taken(step);
            }
        }
        engine::changing(step.object, &mut *self.state().lock(), act)
    }

    #[track_caller]
    pub fn enter_when<R>(
        &self,
        step: Step,
        ready: impl Fn(&S) -> bool,
        act: impl FnOnce(&mut S) -> R,
    ) -> R {
        match self {
            Self::Here(state) => {
                if announced() {
                    let switching = exec::Switching::begin();
                    dpor::step_when(ObjectId(step.object), step.access, &|| ready(&state.lock()));
                    drop(switching);
                    progress::step();
                }
            }
            Self::Away(state) => {
                take(step, Some(&|| ready(&state.lock())));
                taken(step);
            }
        }
        engine::changing(step.object, &mut *self.state().lock(), act)
    }

    #[track_caller]
    pub fn leave<R>(
        &self,
        step: Step,
        look: impl FnOnce(&S) -> R,
        act: impl FnOnce(&mut S) + 'static,
    ) -> R
    where
        S: 'static,
    {
        if let Self::Away(state) = self
            && announced()
            && memory::model() != Memory::Weak
        {
            let seen = look(&state.lock());
            let (state, cpu) = (state.clone(), exec::cpu());
            let later = move || arrives(cpu, || act(&mut state.lock()));
            exec::switching(|| {
                memory::release(ObjectId(step.object), step.access, side(step), later)
            });
            return seen;
        }
        let step = step.ordered(Order { to: Some(side(step)), ..Order::LOOK });
        self.enter(step, |state| {
            let seen = look(state);
            act(state);
            seen
        })
    }

    #[track_caller]
    pub fn attempt(&self, step: Step, act: impl FnOnce(&mut S) -> bool) -> bool {
        match self {
            Self::Here(_) => announce(step),
            Self::Away(_) => take(step, None),
        }
        let success = engine::changing(step.object, &mut *self.state().lock(), act);
        tried(success);
        if matches!(self, Self::Away(_)) {
            // One that fails is a look.
            taken(if success { step } else { Step::new(step.object, Access::Read) });
        }
        success
    }

    pub fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.state().lock())
    }
}

/// On which side a release is one.
fn side(step: Step) -> Side {
    if step.access == Access::ReleaseShared { Side::Shared } else { Side::Exclusive }
}

/// Takes a monitor's step where memory is not consistent.
#[track_caller]
fn take(Step { object, access, order }: Step, ready: Option<&dyn Fn() -> bool>) {
    if !announced() {
        return;
    }
    let object = ObjectId(object);
    taking(|| {
        match order.waits {
            Waits::No => {}
            Waits::Locked => memory::locked(object),
            Waits::Stores if memory::model() == Memory::Weak => {}
            Waits::Stores | Waits::Barrier => memory::fence(Ordering::SeqCst),
        }
        match ready {
            None => memory::unordered(object, access),
            Some(ready) => memory::unordered_when(object, access, ready),
        }
    });
}

/// What the step that was taken orders.
fn taken(Step { object, access, order }: Step) {
    if announced() {
        let alone = matches!(
            access,
            Access::Acquire | Access::TryAcquire | Access::Release | Access::Write | Access::Rmw
        );
        memory::accessed(ObjectId(object), alone);
        order.from.iter().for_each(|&side| memory::acquired(ObjectId(object), side));
        if order.waits == Waits::Barrier {
            fence(Ordering::SeqCst);
        }
        if let Some(side) = order.to {
            memory::released(ObjectId(object), side);
        }
    }
}

pub enum Published<T> {
    /// With how often it was replaced: an address may come back with another value.
    Consistent(Mutex<(u64, Arc<T>)>),
    /// All that it has pointed to, and which of them it points to.
    Modelled(Mutex<Vec<Arc<T>>>, memory::Word),
}

impl<T: Hash> Published<T> {
    pub fn new(object: u32, value: T) -> Self {
        let value = Arc::new(value);
        if is_consistent() {
            Self::Consistent(Mutex::new((0, value)))
        } else {
            Self::Modelled(Mutex::new(vec![value]), memory::Word::of(ObjectId(object), 0))
        }
    }

    #[track_caller]
    pub fn load(&self, step: Step) -> Arc<T> {
        let current = match self {
            Self::Consistent(current) => current,
            Self::Modelled(values, which) if announced() => {
                let which = taking(|| which.load(Ordering::Acquire));
                return values.lock()[which as usize].clone();
            }
            Self::Modelled(..) => return self.peek(),
        };
        announce(step);
        let (version, value) = current.lock().clone();
        // Where states are told apart, what it is has to be said, and not the how manyth.
        observed(if announced() && dpor::by_states() { 0 } else { version });
        value
    }

    #[track_caller]
    pub fn store(&self, step: Step, value: T, then: impl FnOnce() + 'static) -> bool {
        let current = match self {
            Self::Consistent(current) => current,
            Self::Modelled(values, which) => {
                let number = values.lock().len() as u64;
                values.lock().push(Arc::new(value));
                return store(which, number, Ordering::Release, then);
            }
        };
        announce(step);
        let mut current = current.lock();
        if engine::tells() {
            engine::changed(step.object, digest_of(&current.1), digest_of(&value));
        }
        *current = (current.0 + 1, Arc::new(value));
        false
    }

    pub fn peek(&self) -> Arc<T> {
        match self {
            Self::Consistent(current) => current.lock().1.clone(),
            Self::Modelled(values, which) => values.lock()[which.peek() as usize].clone(),
        }
    }
}

/// Where every step is sequentially consistent, it is already.
pub fn fence(order: Ordering) {
    if announced() && !is_consistent() {
        exec::switching(|| memory::fence(order));
    }
}

pub fn round(which: u64, state: impl FnOnce() -> u64) {
    // Livelocks are told where memory is consistent; elsewhere a loop that has no end makes an
    // execution that is too long.
    if announced() && is_consistent() {
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
                word.add(Step::new(object, access), 1);
                word.add(Step::new(object, access), 1u64.wrapping_neg());
            }
        };
        replay("1.2.1.2*2.1*2", || Word::new(0, 0), adder)
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
                    announce(Step::new(other, Access::Write));
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
                        published.store(Step::new(object, Access::Write), [value; 20], || ());
                    }
                } else {
                    published.load(Step::new(object, Access::Read));
                    announce(Step::new(other, Access::Write));
                }
            }
        };
        let report = replay("1*2.2.1*2.2*2.1*2", || Published::new(0, [2; 20]), body);
        assert!(report.failing == 0 && report.complete == 1, "{report}");
    }
}
