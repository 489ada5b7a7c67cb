//! Words: fields that somebody reads without the lock that protects them.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use crate::engine::{self, Access, Order, Step};
use crate::exec;
use crate::exec::name::Name;
use crate::exec::state::digest_of;
use crate::exec::told;
use crate::exec::trace::{self, event};
use witness::StepKind;

/// What fits into one machine word.
pub trait Scalar: Copy + PartialEq + Hash + 'static {
    /// The word.
    fn pack(self) -> u64;
    /// The value, from a word that [`pack`](Self::pack) made.
    fn unpack(word: u64) -> Self;
    /// The value in words, for witnesses.
    fn show(self) -> String;
    /// Does hardware go through it, if it is an entry's? Then who changes that interrupts whoever
    /// might.
    fn leads_somewhere(self) -> bool {
        false
    }
    /// The word, without what only the checker knows of earlier lives of what it names.
    fn timeless(self) -> u64 {
        self.pack()
    }
}

impl Scalar for u64 {
    fn pack(self) -> u64 {
        self
    }
    fn unpack(word: u64) -> Self {
        word
    }
    fn show(self) -> String {
        self.to_string()
    }
}

impl Scalar for i64 {
    fn pack(self) -> u64 {
        self.cast_unsigned()
    }
    fn unpack(word: u64) -> Self {
        word.cast_signed()
    }
    fn show(self) -> String {
        self.to_string()
    }
}

impl Scalar for bool {
    fn pack(self) -> u64 {
        u64::from(self)
    }
    fn unpack(word: u64) -> Self {
        word != 0
    }
    fn show(self) -> String {
        self.to_string()
    }
}

/// What a load has not seen.
fn in_memory(newest: impl Scalar) -> String {
    format!(", and in memory {}", newest.show())
}

/// One atomic word. Plain accesses are the kernel's `READ_ONCE` and `WRITE_ONCE`: relaxed; anything
/// stronger is said.
pub struct Word<T> {
    id: u32,
    name: Name,
    raw: engine::Word,
    value: PhantomData<fn(T) -> T>,
}

/// A bit of a word, or a few.
pub trait Part {
    /// Its object.
    fn object(&self) -> u32;
}

impl<T> Part for Word<T> {
    fn object(&self) -> u32 {
        self.id
    }
}

impl<T> Part for MmuWord<T> {
    fn object(&self) -> u32 {
        self.id
    }
}

/// These are parts of one word, as a page's flags are: who has seen one of them change sees no other
/// as it was before an earlier change (RC11; coherence is one word's).
pub fn one_word(parts: &[&dyn Part]) {
    let objects: Vec<_> = parts.iter().map(|part| part.object()).collect();
    engine::parts(&objects);
}

impl<T: Scalar> Word<T> {
    /// A word that holds `value`.
    pub fn new(name: Name, value: T) -> Self {
        let id = told::made(name, || digest_of(&value.pack()));
        Self { id, name, raw: engine::Word::new(id, value.pack()), value: PhantomData }
    }

    fn step(&self, access: Access) -> Step {
        Step::new(self.id, access)
    }

    /// Reads, relaxed.
    #[track_caller]
    pub fn read(&self) -> T {
        self.load(Ordering::Relaxed)
    }

    /// Writes, relaxed.
    #[track_caller]
    pub fn write(&self, value: T) {
        self.store(value, Ordering::Relaxed);
    }

    /// Reads with the given ordering.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> T {
        let value = T::unpack(self.raw.load(self.step(Access::Read), order));
        event(StepKind::Load, Some(self.name), || {
            format!("{} is {}{}", self.name, value.show(), self.instead_of(value))
        });
        value
    }

    /// Where a load has seen something else than what is in memory.
    fn instead_of(&self, value: T) -> String {
        self.raw.instead_of(value.pack()).map(T::unpack).map_or_else(String::new, in_memory)
    }

    /// Writes with the given ordering.
    #[track_caller]
    pub fn store(&self, value: T, order: Ordering) {
        let (name, at) = (self.name, Location::caller());
        let what = move || format!("{name} := {}", value.show());
        let arrives = move || trace::arrives(at, name, what);
        let later = self.raw.store(self.step(Access::Write), value.pack(), order, arrives);
        trace::stores(name, later, what);
    }

    /// Replaces the value by `change` of it, in one step; returns the one before. Fully ordered, as
    /// all of the kernel's atomics that return a value: a full barrier before and one after.
    #[track_caller]
    pub fn update(&self, change: impl Fn(T) -> T) -> T {
        self.update_if(|value| Some(change(value)))
            .unwrap_or_else(|_| unreachable!("the closure never declines"))
    }

    /// The same if `change` has something to change it to; else the value stays, and orders
    /// nothing. Ok or not, returns the one before.
    #[track_caller]
    pub fn update_if(&self, change: impl Fn(T) -> Option<T>) -> Result<T, T> {
        self.update_ordered(Ordering::SeqCst, change)
    }

    /// As [`update`](Self::update), and orders nothing. What a protocol needs the barriers for can
    /// be asked with it, and with the others that are called `_relaxed`, as the kernel's are.
    #[track_caller]
    pub fn update_relaxed(&self, change: impl Fn(T) -> T) -> T {
        self.update_if_relaxed(|value| Some(change(value)))
            .unwrap_or_else(|_| unreachable!("the closure never declines"))
    }

    /// As [`update_if`](Self::update_if), and orders nothing.
    #[track_caller]
    pub fn update_if_relaxed(&self, change: impl Fn(T) -> Option<T>) -> Result<T, T> {
        self.update_ordered(Ordering::Relaxed, change)
    }

    #[track_caller]
    fn update_ordered(&self, order: Ordering, change: impl Fn(T) -> Option<T>) -> Result<T, T> {
        let changed = |word| change(T::unpack(word)).map(T::pack);
        let before = self.raw.update_if(self.step(Access::Rmw), order, changed);
        let before = before.map(T::unpack).map_err(T::unpack);
        event(StepKind::Store, Some(self.name), || {
            let value = before.unwrap_or_else(|value| value);
            format!("{} := {}", self.name, change(value).unwrap_or(value).show())
        });
        before
    }

    /// Replaces `old` by `new`, in one step; false if it is something else. Kernel:
    /// `atomic_cmpxchg`.
    #[track_caller]
    #[must_use]
    pub fn cmpxchg(&self, old: T, new: T) -> bool {
        self.update_if(|value| (value == old).then_some(new)).is_ok()
    }

    /// As [`cmpxchg`](Self::cmpxchg), and orders nothing. Kernel: `atomic_cmpxchg_relaxed`.
    #[track_caller]
    #[must_use]
    pub fn cmpxchg_relaxed(&self, old: T, new: T) -> bool {
        self.update_if_relaxed(|value| (value == old).then_some(new)).is_ok()
    }

    /// Replaces the value. Kernel: `xchg`.
    #[track_caller]
    pub fn xchg(&self, new: T) -> T {
        engine::fence(Ordering::SeqCst);
        let before = self.xchg_relaxed(new);
        engine::fence(Ordering::SeqCst);
        before
    }

    /// Replaces the value, and orders nothing. Kernel: `xchg_relaxed`.
    #[track_caller]
    pub fn xchg_relaxed(&self, new: T) -> T {
        let before = self.raw.swap(self.step(Access::Rmw), new.pack());
        event(StepKind::Store, Some(self.name), || format!("{} := {}", self.name, new.show()));
        T::unpack(before)
    }

    /// Sets it without a step: only while nobody else can know the object it is in.
    pub fn reset(&self, value: T) {
        self.raw.reset(self.id, value.pack());
    }

    /// The newest value, without a step: for audits and pictures only.
    #[track_caller]
    pub fn peek(&self) -> T {
        exec::assert_unseen(self.name);
        T::unpack(self.raw.peek())
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.name
    }

    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        state.word(self.id, self.name, || self.peek().timeless(), || self.peek().show());
    }
}

impl Word<i64> {
    /// Adds, and does not look at the result. Kernel: `atomic_add`, relaxed. Additions commute.
    #[track_caller]
    pub fn add(&self, n: i64) {
        self.raw.add(self.step(Access::Update), n.cast_unsigned());
        event(StepKind::Store, Some(self.name), || {
            format!("{} {} {}", self.name, if n < 0 { "-=" } else { "+=" }, n.abs())
        });
    }

    /// Adds, and returns the sum. Kernel: `atomic_add_return`.
    #[track_caller]
    pub fn add_return(&self, n: i64) -> i64 {
        engine::fence(Ordering::SeqCst);
        let sum = self.add_return_relaxed(n);
        engine::fence(Ordering::SeqCst);
        sum
    }

    /// The same, and orders nothing. Kernel: `atomic_add_return_relaxed`.
    #[track_caller]
    pub fn add_return_relaxed(&self, n: i64) -> i64 {
        let sum = self.raw.add(self.step(Access::Rmw), n.cast_unsigned()).cast_signed() + n;
        event(StepKind::Store, Some(self.name), || format!("{} := {sum}", self.name));
        sum
    }

    /// Adds one unless it is zero; false if it was. Kernel: `atomic_inc_not_zero`.
    #[track_caller]
    #[must_use]
    pub fn inc_not_zero(&self) -> bool {
        self.update_if(|value| (value != 0).then_some(value + 1)).is_ok()
    }

    /// The same, and orders nothing.
    #[track_caller]
    #[must_use]
    pub fn inc_not_zero_relaxed(&self) -> bool {
        self.update_if_relaxed(|value| (value != 0).then_some(value + 1)).is_ok()
    }
}

impl Word<bool> {
    /// Sets the bit; returns whether it was set. Kernel: `test_and_set_bit`.
    #[track_caller]
    pub fn test_and_set(&self) -> bool {
        self.xchg(true)
    }

    /// The same, and orders nothing.
    #[track_caller]
    pub fn test_and_set_relaxed(&self) -> bool {
        self.xchg_relaxed(true)
    }

    /// Clears the bit; returns whether it was set. Kernel: `test_and_clear_bit`.
    #[track_caller]
    pub fn test_and_clear(&self) -> bool {
        self.xchg(false)
    }

    /// The same, and orders nothing.
    #[track_caller]
    pub fn test_and_clear_relaxed(&self) -> bool {
        self.xchg_relaxed(false)
    }
}

/// A pointer to an immutable value, replaced as a whole. Kernel: `rcu_assign_pointer`,
/// `rcu_dereference`; natively an `ArcSwap`.
pub struct Published<T> {
    id: u32,
    name: Name,
    raw: engine::Published<T>,
}

impl<T: Send + Sync + Hash> Published<T> {
    /// A pointer to `value`.
    pub fn new(name: Name, value: T) -> Self {
        let id = told::made(name, || digest_of(&value));
        Self { id, name, raw: engine::Published::new(id, value) }
    }

    /// What it points to now.
    #[track_caller]
    pub fn read(&self) -> Arc<T> {
        let value = self.raw.load(Step::new(self.id, Access::Read));
        told::learned_of(&value);
        value
    }

    /// Points it to `value`. Kernel: `rcu_assign_pointer`.
    #[track_caller]
    pub fn publish(&self, value: T) {
        self.publish_ordered(Ordering::Release, value);
    }

    /// Points it to `value`, which may be seen before what is there. Kernel: `WRITE_ONCE`.
    #[track_caller]
    pub fn publish_relaxed(&self, value: T) {
        self.publish_ordered(Ordering::Relaxed, value);
    }

    #[track_caller]
    fn publish_ordered(&self, order: Ordering, value: T) {
        let (name, at) = (self.name, Location::caller());
        let what = move || format!("{name} published");
        let arrives = move || trace::arrives(at, name, what);
        let later = self.raw.store(Step::new(self.id, Access::Write), value, order, arrives);
        trace::stores(name, later, what);
    }

    /// What it points to, for audits and pictures only.
    #[track_caller]
    pub fn peek(&self) -> Arc<T> {
        exec::assert_unseen(self.name);
        self.raw.peek()
    }

    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State)
    where
        T: Debug,
    {
        state.object(self.id, self.name, || format!("{:?}", self.raw.peek()));
    }
}

/// What goes through a page-table entry now.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    Nothing,
    /// A load of the hardware, or somebody who reads the entry with interrupts off: who changes the
    /// entry may leave it for later to wait for it.
    Load,
    /// A store that leaves the entry as it is: for who says so, too, it may be left for later.
    Through,
    /// A store that has the entry to change, or a device.
    Store,
}

impl Use {
    fn is_any(self) -> bool {
        self != Use::Nothing
    }

    fn is_store(self) -> bool {
        matches!(self, Use::Through | Use::Store)
    }

    fn changes(self) -> bool {
        self == Use::Store
    }
}

/// A word that hardware goes through as well: a page-table entry. While an access through it is
/// under way, nobody can change it, which is what the TLB shootdown that follows every change
/// guarantees to the kernel (SPEC.md §8, ASSUME-1); but for who says that the shootdown comes
/// later: then a load goes on with the entry as it was.
pub struct MmuWord<T> {
    id: u32,
    name: Name,
    raw: engine::Monitor<(T, Use)>,
}

impl<T: Scalar + Send> MmuWord<T> {
    /// A word that holds `value`.
    pub fn new(name: Name, value: T) -> Self {
        let id = told::made(name, || digest_of(&(value, Use::Nothing)));
        Self { id, name, raw: engine::Monitor::seen(id, (value, Use::Nothing), Self::seen) }
    }

    fn seen((value, _): &(T, Use)) -> u64 {
        value.pack()
    }

    fn step(&self, access: Access) -> Step {
        Step::new(self.id, access)
    }

    /// Reads it, as the kernel does.
    #[track_caller]
    pub fn read(&self) -> T {
        let step = self.step(Access::Read).ordered(Order::LOAD);
        let seen = self.raw.glance(step, Ordering::Acquire, Self::seen);
        told::observed(seen);
        let value = T::unpack(seen);
        event(StepKind::Load, Some(self.name), || {
            let newest = Some(self.raw.peek(|(newest, _)| *newest)).filter(|&other| other != value);
            let instead = newest.map_or_else(String::new, in_memory);
            format!("{} is {}{instead}", self.name, value.show())
        });
        value
    }

    /// Reads what is newest in it: where a clause, which knows of everything as it happens, could
    /// make nothing of what was there before.
    #[track_caller]
    pub fn read_newest(&self) -> T {
        let step = self.step(Access::Read).ordered(Order::LOAD);
        let value = self.raw.enter(step, |(value, _)| *value);
        told::observed(value.pack());
        event(StepKind::Load, Some(self.name), || format!("{} is {}", self.name, value.show()));
        value
    }

    /// Replaces it, as the kernel does; returns the value before.
    #[track_caller]
    pub fn write(&self, new: T) -> T {
        self.write_unless(Order::EXCHANGE, Use::is_any, new)
    }

    /// The same, and loads that are under way go on with what was there before, until
    /// [`flush`](Self::flush) has waited for them.
    #[track_caller]
    pub fn write_unflushed(&self, new: T) -> T {
        self.write_unless(Order::EXCHANGE, Use::is_store, new)
    }

    /// The same, and stores go on too that leave the word as it is.
    #[track_caller]
    pub fn write_unwaited(&self, new: T) -> T {
        self.write_unless(Order::EXCHANGE, Use::changes, new)
    }

    /// As [`write`](Self::write), and orders nothing.
    #[track_caller]
    pub fn write_relaxed(&self, new: T) -> T {
        self.write_unless(Order::EXCHANGE_RELAXED, Use::is_any, new)
    }

    /// As [`write_unflushed`](Self::write_unflushed), and orders nothing.
    #[track_caller]
    pub fn write_unflushed_relaxed(&self, new: T) -> T {
        self.write_unless(Order::EXCHANGE_RELAXED, Use::is_store, new)
    }

    /// As [`write_unwaited`](Self::write_unwaited), and orders nothing.
    #[track_caller]
    pub fn write_unwaited_relaxed(&self, new: T) -> T {
        self.write_unless(Order::EXCHANGE_RELAXED, Use::changes, new)
    }

    #[track_caller]
    fn write_unless(&self, order: Order, in_use: impl Fn(Use) -> bool, new: T) -> T {
        let step = self.step(Access::Write).ordered(order);
        let before = self.raw.enter_when(
            step,
            |(_, used)| !in_use(*used),
            |(value, _)| std::mem::replace(value, new),
        );
        // Who waits for loads waits for the shootdown, and there is one if anything was there.
        if in_use(Use::Load) && before.leads_somewhere() {
            engine::shot_down(self.id);
        }
        told::observed(before.pack());
        event(StepKind::Store, Some(self.name), || format!("{} := {}", self.name, new.show()));
        before
    }

    /// Waits until no access goes through it as it was before. Kernel: a TLB shootdown of one page.
    #[track_caller]
    pub fn flush(&self) {
        let step = self.step(Access::Wait).ordered(Order::SHOOTDOWN);
        self.raw.enter_when(step, |(_, used)| *used == Use::Nothing, |_| ());
        event(StepKind::Load, Some(self.name), || format!("{} is flushed", self.name));
    }

    /// Waits until it holds what `wanted` says, and reads it: a loop of reads of which only the
    /// last is a step.
    #[track_caller]
    pub fn read_when(&self, wanted: impl Fn(T) -> bool) -> T {
        let value = self.raw.enter_when(
            self.step(Access::Wait),
            |(value, _)| wanted(*value),
            |(value, _)| *value,
        );
        told::observed(value.pack());
        event(StepKind::Load, Some(self.name), || format!("{} is {}", self.name, value.show()));
        value
    }

    /// Somebody begins an access through it that nobody can change it under: a device.
    #[track_caller]
    pub fn begin_access(&self) -> T {
        self.begin(|_| Use::Store)
    }

    /// Hardware begins a store through it, which leaves it as it is if `through` says so.
    #[track_caller]
    pub fn begin_store(&self, through: impl Fn(T) -> bool) -> T {
        self.begin(|value| if through(value) { Use::Through } else { Use::Store })
    }

    /// Hardware begins a load through it, or somebody reads it with interrupts off.
    #[track_caller]
    pub fn begin_load(&self) -> T {
        let value = self.begin(|_| Use::Load);
        event(StepKind::Load, Some(self.name), || format!("{} is {}", self.name, value.show()));
        value
    }

    #[track_caller]
    fn begin(&self, new: impl Fn(T) -> Use) -> T {
        let value = self.raw.enter_when(
            self.step(Access::Acquire).ordered(Order::LOAD),
            |(_, used)| *used == Use::Nothing,
            |(value, used)| {
                *used = new(*value);
                *value
            },
        );
        told::observed(value.pack());
        value
    }

    /// Hardware ends the access that it began, and leaves `new` there if it says so: the dirty bit.
    #[track_caller]
    pub fn end_access(&self, new: Option<T>) {
        let end = move |(value, used): &mut (T, Use)| {
            *used = Use::Nothing;
            if let Some(new) = new {
                *value = new;
            }
        };
        self.raw.leave(self.step(Access::Release), |_| (), end);
    }

    /// The newest value, without a step: for audits and pictures only.
    #[track_caller]
    pub fn peek(&self) -> T {
        exec::assert_unseen(self.name);
        self.raw.peek(|(value, _)| *value)
    }

    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        // In two bits less than a word: no value of an entry needs those.
        state.word(
            self.id,
            self.name,
            || self.raw.peek(|(value, used)| value.timeless() << 2 | *used as u64),
            || {
                self.raw.peek(|(value, used)| {
                    format!(
                        "{}{}",
                        value.show(),
                        if *used == Use::Nothing { "" } else { ", in use" }
                    )
                })
            },
        );
    }
}

/// State that only the checker knows: the protocol never decides by it, and a clause does. It is
/// announced like all that CPUs share, so that the exhaustive scheduler tries every order in which
/// it can be changed and relied on.
pub struct Ghost<T> {
    id: u32,
    name: Name,
    value: Mutex<T>,
}

impl<T: Debug + Hash> Ghost<T> {
    /// A ghost that is `value`.
    pub fn new(name: Name, value: T) -> Self {
        Self { id: told::made(name, || digest_of(&value)), name, value: Mutex::new(value) }
    }

    #[track_caller]
    fn step<R>(&self, access: Access, act: impl FnOnce(&mut T) -> R) -> R {
        engine::ghost(Step::new(self.id, access));
        told::changing(self.id, &mut *self.value.lock(), act)
    }

    /// Looks at it: a clause relies on what it is. A step.
    #[track_caller]
    pub fn with<R: Hash>(&self, look: impl FnOnce(&T) -> R) -> R {
        engine::ghost(Step::new(self.id, Access::Read));
        let seen = look(&self.value.lock());
        told::learned_of(&seen);
        seen
    }

    /// What it is. A step.
    #[track_caller]
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Changes it. A step.
    #[track_caller]
    pub fn change<R: Hash>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let was = self.step(Access::Write, change);
        told::learned_of(&was);
        was
    }

    /// Changes it in a way that commutes with what others do so: one more or less of something. A
    /// step.
    #[track_caller]
    pub fn count(&self, change: impl FnOnce(&mut T)) {
        self.step(Access::Update, change);
    }

    /// Sets it without a step: only while nobody else can know the object it is in.
    pub fn reset(&self, value: T) {
        told::changing(self.id, &mut *self.value.lock(), |old| *old = value);
    }

    /// A look without a step: for audits and pictures only.
    #[track_caller]
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        exec::assert_unseen(self.name);
        look(&self.value.lock())
    }
}

impl<T: Debug> Ghost<T> {
    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        state.object(self.id, self.name, || format!("{:?}", self.value.lock()));
    }
}
