//! Type-stable memory.

use std::fmt;
use std::hash::{Hash, Hasher};

use dpor::Digest;

use super::arena::Arena;
use super::rcu::Rcu;
use super::word::{Ghost, Scalar};
use crate::engine::{Access, Monitor, Order, Step};
use crate::exec;
use crate::exec::lockdep;
use crate::exec::name::{Name, primes};
use crate::exec::told;
use crate::exec::trace::event;
use crate::spec::Clause;
use witness::StepKind;

/// A pointer into a slab: which slot, and in which of its lives. The kernel's pointer is the slot
/// alone; the life is what the checker knows beside it, and no protocol code may compare it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlabRef {
    slot: u32,
    life: u32,
}

impl fmt::Debug for SlabRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.slot)?;
        primes(f, self.life)
    }
}

impl SlabRef {
    /// What the kernel sees when it compares pointers.
    pub fn same_object(self, other: Self) -> bool {
        self.slot == other.slot
    }

    /// The slot, for names.
    pub fn slot(self) -> u32 {
        self.slot
    }
}

/// `0` is the null pointer.
impl Scalar for Option<SlabRef> {
    fn pack(self) -> u64 {
        self.map_or(0, |r| u64::from(r.slot + 1) << 32 | u64::from(r.life))
    }
    fn unpack(word: u64) -> Self {
        let slot = u32::try_from(word >> 32).expect("32 bits are left").checked_sub(1)?;
        Some(SlabRef { slot, life: word as u32 })
    }
    fn show(self) -> String {
        self.map_or_else(|| "NULL".into(), |r| format!("#{}", r.slot))
    }
    fn timeless(self) -> u64 {
        self.map_or(0, |r| u64::from(r.slot + 1))
    }
}

#[derive(Clone, Copy, PartialEq, Hash, Debug)]
enum State {
    Allocated,
    /// Still an object of this type, until its slab page is released.
    Free,
    /// Its page belongs to somebody else now.
    Released,
}

#[derive(Clone)]
struct History {
    state: State,
    /// When each past life ended; the present one is the number of them, plus one.
    freed: Vec<u64>,
}

impl History {
    fn life(&self) -> u32 {
        u32::try_from(self.freed.len()).expect("fewer lives than 2^32")
            + u32::from(self.state == State::Allocated)
    }

    fn is(&self, r: SlabRef) -> bool {
        self.state == State::Allocated && self.life() == r.life
    }
}

/// When something was freed is told by a clock that other steps advance too.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {}", self.state, self.freed.len())
    }
}

impl Hash for History {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.state, self.freed.len()).hash(hasher);
    }
}

struct Slot<T> {
    number: u32,
    object: T,
    /// Whether it is allocated is what [LIFE-1] compares between CPUs.
    history: Ghost<History>,
}

/// A `SLAB_DESTROY_BY_RCU` cache of `T`: a freed object may be handed out again at once, even while
/// readers under RCU still hold it, but its memory stays an object of this type until a grace
/// period has passed.
///
/// The constructor runs once a slot, as in the kernel: what an object holds survives free and
/// allocation unless the new owner sets it.
pub struct Slab<T> {
    id: u32,
    class: &'static str,
    construct: Box<dyn Fn(u32) -> T + Send + Sync>,
    slots: Arena<Slot<T>>,
    /// Free slots; the last one freed is handed out first.
    free: Monitor<Vec<u32>>,
}

impl<T> Slab<T> {
    /// An empty cache of objects called `class`.
    pub fn new(class: &'static str, construct: impl Fn(u32) -> T + Send + Sync + 'static) -> Self {
        let construct = Box::new(construct);
        Self {
            id: told::made(Name::new(class, 0, 0), Digest::default),
            class,
            construct,
            slots: Arena::new(),
            free: Monitor::new(Vec::new()),
        }
    }

    fn grow(&self) -> u32 {
        let construct = |number| Slot {
            number,
            object: (self.construct)(number),
            history: Ghost::new(
                Name::new("slot %a", number, 0),
                History { state: State::Free, freed: Vec::new() },
            ),
        };
        self.slots.push_with(construct).number
    }

    fn step(&self, order: Order) -> Step {
        Step::new(self.id, Access::Rmw).ordered(order)
    }

    fn slot(&self, slot: u32) -> &Slot<T> {
        &self.slots[slot]
    }

    fn name(&self, r: SlabRef) -> Name {
        Name::new(self.class, r.slot, r.life)
    }

    /// Takes any free object, at once. Kernel: `kmem_cache_alloc`.
    #[track_caller]
    pub fn alloc(&self) -> SlabRef {
        let recycled = self.free.enter(self.step(Order::LOAD), Vec::pop);
        let slot = recycled.unwrap_or_else(|| self.grow());
        told::observed(u64::from(slot));
        let life = self.slot(slot).history.change(|history| {
            history.state = State::Allocated;
            history.life()
        });
        let r = SlabRef { slot, life };
        event(StepKind::Note, None, || {
            format!("allocate {}{}", self.name(r), if life > 1 { " (recycled)" } else { "" })
        });
        r
    }

    /// Gives the object back. Kernel: `kmem_cache_free`. It must be allocated ([LIFE-1]).
    #[track_caller]
    pub fn free(&self, r: SlabRef, rcu: &Rcu) {
        let slot = self.slot(r.slot);
        // Whoever begins to read from here on is not protected.
        let moment = rcu.call();
        let allocated = slot.history.change(|history| {
            let allocated = history.is(r);
            if allocated {
                history.state = State::Free;
                history.freed.push(moment);
            }
            allocated
        });
        exec::clause(Clause::LIFE_1, allocated, || {
            format!("{} is freed, but it is not allocated", self.name(r))
        });
        event(StepKind::Note, None, || format!("free {}", self.name(r)));
        self.free.enter(self.step(Order::HAND_OUT), |free| free.push(r.slot));
        told::observed(0);
    }

    /// Releases the memory of all objects that are free now, after a grace period. Kernel:
    /// `kmem_cache_shrink`, through `call_rcu`.
    #[track_caller]
    pub fn shrink(&self, rcu: &Rcu) {
        let released = self.free.enter(self.step(Order::EXCHANGE), std::mem::take);
        told::learned_of(&released);
        rcu.synchronize();
        for slot in released {
            self.slot(slot).history.change(|history| {
                if history.state == State::Free {
                    history.state = State::Released;
                }
            });
        }
    }

    /// Follows a pointer ([LIFE-1]): the object must be allocated, in the life the pointer was
    /// taken in; or else the caller must be in an RCU read section that began before the object was
    /// freed, and then finds whatever the memory is now: an object of this type.
    #[track_caller]
    pub fn get(&self, r: SlabRef) -> &T {
        let slot = self.slot(r.slot);
        let before = told::learned_before();
        let (state, legal) = slot.history.with(|history| {
            let freed_under_reader = || {
                let freed = history.freed.get(r.life as usize - 1);
                freed.zip(lockdep::rcu_since()).is_some_and(|(&freed, entered)| entered < freed)
            };
            (
                history.state,
                history.is(r) || (history.state != State::Released && freed_under_reader()),
            )
        });
        exec::clause(Clause::LIFE_1, legal, || {
            let is = match state {
                State::Allocated => "has been freed and is another object now",
                State::Free => "has been freed",
                State::Released => "has been freed and its memory released",
            };
            format!(
                "{} is used, but it {is}; no RCU read section that began before protects it",
                self.name(r)
            )
        });
        // Whoever goes on knows only that.
        told::learned_only(before, &());
        &slot.object
    }

    /// The object that is in the slot now, for one who has a reference on it. What the checker
    /// knows of an object that the kernel knows by its address: a step.
    pub fn resident(&self, r: SlabRef) -> SlabRef {
        SlabRef { slot: r.slot, life: self.slot(r.slot).history.with(History::life) }
    }

    /// The object in a slot, whatever its life. No use of it that [LIFE-1] speaks of.
    pub fn object(&self, r: SlabRef) -> &T {
        &self.slot(r.slot).object
    }

    /// Is the pointer good? For audits and pictures only.
    pub fn is_live(&self, r: SlabRef) -> bool {
        self.slot(r.slot).history.peek(|history| history.is(r))
    }

    /// All allocated objects: for audits and pictures only.
    pub fn live(&self) -> impl Iterator<Item = (SlabRef, &T)> {
        self.slots.iter().filter_map(|slot| {
            let (r, allocated) = slot.history.peek(|history| {
                (
                    SlabRef { slot: slot.number, life: history.life() },
                    history.state == State::Allocated,
                )
            });
            allocated.then_some((r, &slot.object))
        })
    }

    /// What tells states apart beside what is in the objects: who may still use which of the lives
    /// of a slot.
    pub(crate) fn feed(&self, digest: &mut Digest) {
        for slot in self.slots.iter() {
            let under = |freed: &u64| (slot.number, lockdep::readers_before(*freed)).hash(digest);
            slot.history.peek(|history| history.freed.iter().for_each(under));
        }
    }

    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State, see: impl Fn(&T, &mut super::State)) {
        state.object(self.id, Name::new(self.class, 0, 0), || {
            self.free.peek(|free| format!("{free:?}"))
        });
        for slot in self.slots.iter() {
            if state.forgets() {
                state.value(
                    Name::new("slot %a", slot.number, 0),
                    slot.history.peek(|history| format!("{:?}", history.state)),
                );
            } else {
                slot.history.see(state);
            }
            see(&slot.object, state);
        }
    }
}
