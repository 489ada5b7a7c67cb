//! What each word of the vocabulary orders, where memory is not sequentially consistent.
//!
//! How that differs from the kernel's own model (LKMM) is measured with herd7 in
//! `tests/vocabulary/lkmm.rs`: by load buffering, RCU's sections, `smp_wmb` and `smp_rmb`, all stronger
//! here, and by unlocks followed by locks, and what is read without an acquisition, weaker here. Where it
//! is stronger, a "never" may be false of a kernel, and where it is weaker a violation.
//!
//! | here | on x86 ([`Memory::Tso`](dpor::Memory::Tso)), and where stores overtake each other ([`Pso`](dpor::Memory::Pso)) | where loads may be stale ([`Weak`](dpor::Memory::Weak)) | why |
//! | --- | --- | --- | --- |
//! | `Word::read`, `load` | the CPU's own store on its way, else memory | any value not seen overwritten; `Acquire` is C11's | `READ_ONCE`, `smp_load_acquire`. *Weaker than LKMM: what is read without an acquisition, the reader does not pass on to others by what it keeps behind it, but between two full barriers. And stronger: nothing is read before it is written (no load buffering)* |
//! | `Word::write`, `store` | goes to memory later, in order; under PSO in order with those to the same word, `Release` behind all | C11's relaxed and release | `WRITE_ONCE`, `smp_store_release` |
//! | `add` | x86: behind all stores; PSO: at once, behind those to the same word | a relaxed read-modify-write | `atomic_add`: an RMW that returns nothing orders nothing (atomic_t.txt); locked on x86 |
//! | `update`, `xchg`, `add_return`, `cmpxchg`, `inc_not_zero` | behind all stores | between two full fences | one that returns a value is fully ordered (atomic_t.txt) |
//! | the same and `_relaxed` | x86: as before; PSO: behind the stores to the same word | relaxed | `atomic_add_return_relaxed`; locked on x86 |
//! | the same, and the condition fails | a load | a relaxed load, perhaps a stale one | a conditional one that fails orders nothing (atomic_t.txt) |
//! | `fence(SeqCst)` | waits for all stores | RC11's fence | `smp_mb` |
//! | `fence(Release)`, `fence(Acquire)` | waits for nothing; under PSO the first keeps stores before it from those behind it | RC11's fences | `smp_wmb`, `smp_rmb`. *Stronger than LKMM: with a fence or an access on the other side that pairs, the first keeps loads before it in order as well, and the second stores behind it* |
//! | locks, taken | x86: a locked instruction, behind all stores; PSO: loads and atomics come before what follows | acquires | LOCK is an ACQUIRE (memory-barriers.txt), a failed try nothing |
//! | locks, given back | a store like any other, behind all before it | releases | UNLOCK is a RELEASE, and with a LOCK behind it no full barrier. *Weaker than LKMM: there an UNLOCK and a LOCK after it, of the same CPU or of the same lock, keep what is before the one and after the other in order for everybody, but for a store and a load after it; here and under PSO they do so for who takes a lock of theirs* |
//! | is it locked? | memory | any state not seen overwritten, and orders nothing; of a semaphore, if it is made to be [looked at](crate::sync::RwSem::looked_at) | `atomic_read` |
//! | `Rcu::read_lock` | orders nothing | sees what was before the grace periods that began before it | the law of RCU in LKMM: a section that a grace period does not wait for sees what was before that. *Stronger: a section begins and ends at one time for all, by what its CPU has read and others have read from it; in LKMM it takes as many grace periods in a circle as sections* |
//! | `Rcu::read_unlock` | comes behind all stores | what it follows is seen behind the grace periods that wait for it | the same, the other half |
//! | `synchronize` | full barriers at both ends | the same, and between them the two halves above | `gp` is a `strong-fence` in LKMM |
//! | freeing a slab's object | waits for all stores. *Too strong: `kmem_cache_free` promises nothing* | a release to who allocates it next, and to read sections that begin later | a grace period behind it is told from the free alone here (FINDING-10), so the free is where it begins |
//! | allocating it | nothing | acquires | it has come through the slab's lock, or was this CPU's |
//! | `Published` | a store, behind all before it; a load | release, acquire | `rcu_assign_pointer`; `rcu_dereference` orders what depends on it, and dependencies order nothing in C11 |
//! | entries, by the kernel: read | memory | any value not seen overwritten, and not from before a shootdown, with what was before it was written | `READ_ONCE`; what is reached through the entry depends on it, as for `Published`. *Too strong after a shootdown, which interrupts those CPUs alone that run the address space* |
//! | entries, by who has interrupts off (`gup_get_pte`) | memory | the newest. *Too strong: what clauses know of a device is told as it happens, and not as somebody sees it* | a shootdown waits for it |
//! | entries, by the kernel: changed | waits for all stores, then at once. *Too strong where nothing was there before* | full barriers around it. *The same* | `ptep_get_and_clear` and `test_and_set_bit` return a value; `set_pte` is a store that follows `smp_wmb` (`__SetPageUptodate`) |
//! | the same and `_relaxed` | x86: behind all stores; PSO: behind those to the same entry | nothing | asks who needs the barriers |
//! | entries, by hardware | begins as a load; ends behind the stores that went through it | acquires; releases | the walk comes before the access by an address dependency, and a shootdown waits for the access |
//! | `MmuWord::flush` | a full barrier | the same | an interrupt that every CPU answers |
//! | [`Plain`](crate::sync::Plain), what is inside a lock | memory | the newest | no two accesses without a lock between them (GUARD-1), and a program without data races cannot tell (C11 5.1.2.4; DRF-SC). On PSO nobody notices a barrier that such data lacks |
//! | [`Ghost`](crate::sync::Ghost), clauses, locks as lockdep knows them | at once | at once | no memory: what is true in the order in which things happen |
//! | a new object's fields, `reset` | memory | a relaxed store, unless the object is made by whoever comes first | nobody knows the object yet; who gets to know it without an acquisition sees what the memory held before |

use dpor::memory::Side;

/// What a step of a monitor orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// What it waits for.
    pub waits: Waits,
    /// It acquires what was released on these sides.
    pub from: &'static [Side],
    /// It releases on this one.
    pub to: Option<Side>,
    /// It interrupts all CPUs, and they see what is newest in what it is about.
    pub interrupts: bool,
}

/// Which of its CPU's stores a step waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    /// None.
    No,
    /// Those that a locked instruction waits for.
    Locked,
    /// All, where they go through a buffer.
    Stores,
    /// It is a full barrier.
    Barrier,
}

impl Order {
    const fn new(waits: Waits, from: &'static [Side], to: Option<Side>) -> Self {
        Self { waits, from, to, interrupts: false }
    }

    /// Nothing.
    pub const LOOK: Self = Self::new(Waits::No, &[], None);
    /// What follows comes after what was seen.
    pub const LOAD: Self = Self::new(Waits::No, &[Side::Exclusive, Side::Shared], None);
    /// A lock is taken, for its holder alone.
    pub const LOCK: Self = Self::new(Waits::Locked, &[Side::Exclusive, Side::Shared], None);
    /// The same, together with others.
    pub const LOCK_SHARED: Self = Self::new(Waits::Locked, &[Side::Exclusive], None);
    /// Somebody queues.
    pub const QUEUE: Self = Self::new(Waits::Locked, &[], None);
    /// A value is replaced by another.
    pub const EXCHANGE: Self = Self::new(Waits::Barrier, &[Side::Exclusive], Some(Side::Exclusive));
    /// The same, and nothing is ordered: only its CPU's own stores to it come before.
    pub const EXCHANGE_RELAXED: Self = Self::new(Waits::Locked, &[], None);
    /// Something is given to whoever asks for it.
    pub const HAND_OUT: Self = Self::new(Waits::Stores, &[], Some(Side::Exclusive));
    /// A read section begins.
    pub const READ_SECTION: Self = Self::new(Waits::No, &[Side::Exclusive], None);
    /// A grace period begins.
    pub const GRACE_PERIOD: Self = Self::new(Waits::Barrier, &[], Some(Side::Exclusive));
    /// It ends.
    pub const GRACE_PERIOD_OVER: Self = Self::new(Waits::Barrier, &[Side::Shared], None);
    /// Every CPU has answered an interrupt.
    pub const SHOOTDOWN: Self = Self {
        interrupts: true,
        ..Self::new(Waits::Barrier, &[Side::Exclusive, Side::Shared], None)
    };
}
