//! Random programs: made from a seed, run under the explorer, made smaller when they show a fault.

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::rc::Rc;

use dpor::{Access, ObjectId, object, step, step_when, tried};

use super::sem::Sem;

/// One instruction. The small numbers name objects.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Instr {
    /// A mutex: take it (unless held), try it, give it back (if held), wait until it is free, look
    /// at it.
    Lock(u8),
    TryLock(u8),
    Unlock(u8),
    WaitUnlocked(u8),
    IsLocked(u8),
    /// A reader-writer lock.
    ReadLock(u8),
    TryReadLock(u8),
    WriteLock(u8),
    TryWriteLock(u8),
    RwUnlock(u8),
    /// A fair reader-writer lock: writers queue, and readers wait for queued writers.
    FairRead(u8),
    FairWrite(u8),
    FairUnlock(u8),
    /// A fair semaphore, as lockwalk's `RwSem`: readers queue as well, and go in together when no
    /// writer is before them.
    SemRead,
    TrySemRead,
    SemWrite,
    TrySemWrite,
    SemUnlock,
    /// RCU.
    RcuLock,
    RcuUnlock,
    Synchronize,
    /// An atomic word.
    Read(u8),
    Write(u8, u8),
    Swap(u8, u8),
    Add(u8, u8),
    WaitFor(u8, u8),
    /// Skip the next instruction if what was read is odd.
    SkipIfOdd,
    /// Start another of the program's tasks, wait for its end.
    Spawn(u8),
    Join(u8),
    /// Panic if what was read is odd.
    AssertEven(u8),
}

/// What a generated program may contain.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Flavour {
    /// Mutexes, tries and atomics.
    Locks,
    /// All of it.
    All,
    /// Mostly assertions that may fail.
    Failing,
    /// Reader-writer locks, RCU and waits.
    Shared,
    /// The fair semaphore around atomics.
    Semaphore,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The instructions of each task. The main task starts those that no `Spawn` names and joins
    /// them.
    pub tasks: Vec<Vec<Instr>>,
}

pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

impl Program {
    pub fn random(seed: u64, flavour: Flavour) -> Self {
        let mut rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 77);
        let count = 2 + rng.below(3) as usize;
        if flavour == Flavour::Semaphore {
            return Program {
                tasks: (0..2 + rng.below(2)).map(|_| critical_section(&mut rng)).collect(),
            };
        }
        let most = [0, 0, 8, 5, 4][count];
        let mut tasks: Vec<Vec<Instr>> = (0..count)
            .map(|_| {
                let mut task = Vec::new();
                for _ in 0..1 + rng.below(most) {
                    task.push(instruction(&mut rng, flavour));
                }
                task
            })
            .collect();
        if flavour != Flavour::Locks && count > 2 && rng.below(4) == 0 {
            let child = count as u8 - 1;
            let at = rng.below(tasks[0].len() as u64 + 1) as usize;
            tasks[0].insert(at, Instr::Spawn(child));
            if rng.below(2) == 0 {
                tasks[0].push(Instr::Join(child));
                if rng.below(2) == 0 {
                    tasks[0].push(Instr::Read(0));
                }
            }
        }
        Program { tasks }
    }

    pub fn started_by_main(&self, task: usize) -> bool {
        !self.tasks.iter().flatten().any(|&instr| instr == Instr::Spawn(task as u8))
    }

    /// Programs with one instruction or task less.
    pub fn smaller(&self) -> Vec<Program> {
        let mut smaller = Vec::new();
        for task in 0..self.tasks.len() {
            for instr in 0..self.tasks[task].len() {
                let mut program = self.clone();
                program.tasks[task].remove(instr);
                smaller.push(program);
            }
        }
        smaller
    }

    /// The smallest program for which `fails` still holds.
    pub fn shrink(mut self, fails: impl Fn(&Program) -> bool) -> Program {
        while let Some(smaller) = self.smaller().into_iter().find(&fails) {
            self = smaller;
        }
        self
    }
}

/// Goes into the fair semaphore, does something, and mostly leaves.
fn critical_section(rng: &mut Rng) -> Vec<Instr> {
    use Instr::*;
    let mut pick = |from: &[&'static [Instr]]| from[rng.below(from.len() as u64) as usize];
    let enter = pick(&[
        &[SemRead],
        &[SemRead],
        &[SemRead],
        &[SemWrite],
        &[SemWrite],
        &[TrySemRead],
        &[TrySemWrite],
    ]);
    let mut section = enter.to_vec();
    section.extend(pick(&[&[Read(0)], &[Write(0, 1)], &[Swap(0, 2)], &[Add(0, 1)], &[]]));
    section.extend(pick(&[&[SemUnlock], &[SemUnlock], &[SemUnlock], &[SemUnlock], &[]]));
    section
}

fn instruction(rng: &mut Rng, flavour: Flavour) -> Instr {
    use Instr::*;
    let o = rng.below(2) as u8;
    let v = rng.below(3) as u8;
    let lock = [Lock(o), Lock(o), TryLock(o), Unlock(o), Unlock(o)];
    let word = [Read(o), Write(o, v), Swap(o, v), Add(o, v), SkipIfOdd];
    let shared = [
        ReadLock(0),
        WriteLock(0),
        TryReadLock(0),
        TryWriteLock(0),
        RwUnlock(0),
        RwUnlock(0),
        FairRead(0),
        FairWrite(0),
        FairUnlock(0),
        FairUnlock(0),
        SemRead,
        SemWrite,
        TrySemRead,
        TrySemWrite,
        SemUnlock,
        SemUnlock,
        RcuLock,
        RcuUnlock,
        Synchronize,
    ];
    let wait = [WaitUnlocked(o), IsLocked(o), WaitFor(o, v)];
    let mut pick = |from: &[Instr]| from[rng.below(from.len() as u64) as usize];
    match flavour {
        Flavour::Locks => match pick(&[Read(0), Read(1)]) {
            Read(0) => pick(&lock),
            _ => pick(&word),
        },
        Flavour::Failing => match pick(&[Read(0), Read(1), Read(2), Read(3)]) {
            Read(0) => pick(&lock),
            Read(1) => AssertEven(v),
            _ => pick(&word),
        },
        Flavour::All => match pick(&[Read(0), Read(1), Read(2), Read(3)]) {
            Read(0) => pick(&lock),
            Read(1) => pick(&word),
            Read(2) => pick(&shared),
            _ => pick(&wait),
        },
        Flavour::Semaphore => unreachable!("made of critical sections"),
        Flavour::Shared => match pick(&[Read(0), Read(1), Read(2), Read(3)]) {
            Read(1) => pick(&[Read(o), Write(o, v), Add(o, v), Add(o, v), WaitFor(o, v)]),
            Read(3) => pick(&wait),
            _ => pick(&shared),
        },
    }
}

/// A reader-writer lock's state.
#[derive(Default)]
struct Rw {
    readers: Cell<u32>,
    writer: Cell<bool>,
    queue: RefCell<Vec<usize>>,
}

/// The objects of one execution.
pub struct World {
    locks: [(ObjectId, Cell<bool>); 2],
    rw: (ObjectId, Rw),
    fair: (ObjectId, Rw),
    sem: Sem,
    rcu: (ObjectId, RefCell<Vec<usize>>),
    words: [(ObjectId, Cell<u8>); 2],
    registers: RefCell<Vec<u64>>,
    program: Program,
    pub handles: RefCell<Vec<Option<dpor::JoinHandle>>>,
}

thread_local! {
    /// A task that does not say what it has read, if there is one.
    pub static BLIND: Cell<Option<usize>> = const { Cell::new(None) };
    /// What is left out of the keys of states.
    pub static LEFT_OUT: Cell<Option<&'static str>> = const { Cell::new(None) };
    /// The objects of the last execution on this thread.
    pub static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Held {
    locks: [bool; 2],
    read: bool,
    write: bool,
    fair_read: bool,
    fair_write: bool,
    sem_read: bool,
    sem_write: bool,
    rcu: bool,
}

impl World {
    pub fn new(program: &Program) -> Self {
        World {
            locks: std::array::from_fn(|_| (object(), Cell::new(false))),
            rw: (object(), Rw::default()),
            fair: (object(), Rw::default()),
            sem: Sem::new(),
            rcu: (object(), RefCell::default()),
            words: std::array::from_fn(|_| (object(), Cell::new(0))),
            registers: RefCell::new(vec![0; program.tasks.len()]),
            program: program.clone(),
            handles: RefCell::new(program.tasks.iter().map(|_| None).collect()),
        }
    }

    pub fn start(self: &Rc<Self>, task: usize) {
        let world = Rc::clone(self);
        let handle = dpor::spawn(format!("task {task}"), move || world.run(task));
        self.handles.borrow_mut()[task] = Some(handle);
    }

    fn run(self: &Rc<Self>, task: usize) {
        let mut held = Held::default();
        let mut skip = false;
        for instr in self.program.tasks[task].clone() {
            if !std::mem::take(&mut skip) {
                self.execute(task, instr, &mut held, &mut skip);
            }
        }
    }

    fn saw(&self, task: usize, value: u64) {
        let register = &mut self.registers.borrow_mut()[task];
        *register = register.wrapping_mul(7).wrapping_add(value + 1);
        // One that is blind says nothing of what it reads, and yet that it has read.
        dpor::observed(if BLIND.get() == Some(task) { 0 } else { value });
    }

    fn execute(self: &Rc<Self>, task: usize, instr: Instr, held: &mut Held, skip: &mut bool) {
        use Access::*;
        let (rw, fair) = (&self.rw.1, &self.fair.1);
        match instr {
            Instr::Lock(o) => {
                let (id, locked) = &self.locks[o as usize];
                if !held.locks[o as usize] {
                    step_when(*id, Acquire, &|| !locked.get());
                    locked.set(true);
                    held.locks[o as usize] = true;
                }
            }
            Instr::TryLock(o) => {
                let (id, locked) = &self.locks[o as usize];
                step(*id, TryAcquire);
                tried(!locked.get());
                self.saw(task, u64::from(locked.get()));
                if !locked.get() {
                    held.locks[o as usize] = true;
                    locked.set(true);
                }
            }
            Instr::Unlock(o) if held.locks[o as usize] => {
                step(self.locks[o as usize].0, Release);
                self.locks[o as usize].1.set(false);
                held.locks[o as usize] = false;
            }
            Instr::WaitUnlocked(o) => {
                let (id, locked) = &self.locks[o as usize];
                step_when(*id, Wait, &|| !locked.get());
            }
            Instr::IsLocked(o) => {
                step(self.locks[o as usize].0, Access::Read);
                self.saw(task, u64::from(self.locks[o as usize].1.get()));
            }
            Instr::ReadLock(_) if !held.read && !held.write => {
                step_when(self.rw.0, AcquireShared, &|| !rw.writer.get());
                rw.readers.set(rw.readers.get() + 1);
                held.read = true;
            }
            Instr::WriteLock(_) if !held.read && !held.write => {
                step_when(self.rw.0, Acquire, &|| !rw.writer.get() && rw.readers.get() == 0);
                rw.writer.set(true);
                held.write = true;
            }
            Instr::TryReadLock(_) if !held.read && !held.write => {
                step(self.rw.0, TryAcquireShared);
                held.read = !rw.writer.get();
                tried(held.read);
                self.saw(task, u64::from(held.read));
                rw.readers.set(rw.readers.get() + u32::from(held.read));
            }
            Instr::TryWriteLock(_) if !held.read && !held.write => {
                step(self.rw.0, TryAcquire);
                held.write = !rw.writer.get() && rw.readers.get() == 0;
                tried(held.write);
                self.saw(task, u64::from(held.write));
                rw.writer.set(rw.writer.get() || held.write);
            }
            Instr::RwUnlock(_) if held.read => {
                step(self.rw.0, ReleaseShared);
                rw.readers.set(rw.readers.get() - 1);
                held.read = false;
            }
            Instr::RwUnlock(_) if held.write => {
                step(self.rw.0, Release);
                rw.writer.set(false);
                held.write = false;
            }
            Instr::FairRead(_) if !held.fair_read && !held.fair_write => {
                step_when(self.fair.0, AcquireShared, &|| {
                    !fair.writer.get() && fair.queue.borrow().is_empty()
                });
                fair.readers.set(fair.readers.get() + 1);
                held.fair_read = true;
            }
            Instr::FairWrite(_) if !held.fair_read && !held.fair_write => {
                step(self.fair.0, Access::Write);
                fair.queue.borrow_mut().push(task);
                step_when(self.fair.0, Acquire, &|| {
                    !fair.writer.get()
                        && fair.readers.get() == 0
                        && fair.queue.borrow().first() == Some(&task)
                });
                fair.queue.borrow_mut().remove(0);
                fair.writer.set(true);
                held.fair_write = true;
            }
            Instr::FairUnlock(_) if held.fair_read => {
                step(self.fair.0, ReleaseShared);
                fair.readers.set(fair.readers.get() - 1);
                held.fair_read = false;
            }
            Instr::FairUnlock(_) if held.fair_write => {
                step(self.fair.0, Release);
                fair.writer.set(false);
                held.fair_write = false;
            }
            Instr::SemRead if !held.sem_read && !held.sem_write => {
                self.sem.down_read();
                held.sem_read = true;
            }
            Instr::SemWrite if !held.sem_read && !held.sem_write => {
                self.sem.down_write();
                held.sem_write = true;
            }
            Instr::TrySemRead if !held.sem_read && !held.sem_write => {
                held.sem_read = self.sem.try_read();
                self.saw(task, u64::from(held.sem_read));
            }
            Instr::TrySemWrite if !held.sem_read && !held.sem_write => {
                held.sem_write = self.sem.try_write();
                self.saw(task, u64::from(held.sem_write));
            }
            Instr::SemUnlock if std::mem::take(&mut held.sem_read) => self.sem.up_read(),
            Instr::SemUnlock if std::mem::take(&mut held.sem_write) => self.sem.up_write(),
            Instr::RcuLock if !held.rcu => {
                step(self.rcu.0, AcquireShared);
                self.rcu.1.borrow_mut().push(task);
                held.rcu = true;
            }
            Instr::RcuUnlock if held.rcu => {
                step(self.rcu.0, ReleaseShared);
                self.rcu.1.borrow_mut().retain(|&reader| reader != task);
                held.rcu = false;
            }
            Instr::Synchronize if !held.rcu => {
                step(self.rcu.0, Access::Write);
                // Each task reads at most once at a time; a reader that left and came back is
                // waited for too, which is allowed.
                let old = self.rcu.1.borrow().clone();
                old.iter().for_each(|&reader| dpor::observed(reader as u64));
                let old = RefCell::new(old);
                let gone = || {
                    let readers = self.rcu.1.borrow();
                    !old.borrow().iter().any(|reader| readers.contains(reader))
                };
                step_when(self.rcu.0, Wait, &gone);
            }
            Instr::Read(o) => {
                step(self.words[o as usize].0, Access::Read);
                self.saw(task, u64::from(self.words[o as usize].1.get()));
            }
            Instr::Write(o, value) => {
                step(self.words[o as usize].0, Access::Write);
                self.words[o as usize].1.set(value);
            }
            Instr::Swap(o, value) => {
                step(self.words[o as usize].0, Rmw);
                self.saw(task, u64::from(self.words[o as usize].1.replace(value)));
            }
            Instr::Add(o, value) => {
                step(self.words[o as usize].0, Update);
                self.words[o as usize].1.set(self.words[o as usize].1.get() + value);
            }
            Instr::WaitFor(o, value) => {
                let (id, word) = &self.words[o as usize];
                step_when(*id, Wait, &|| word.get() == value);
            }
            Instr::SkipIfOdd => *skip = self.registers.borrow()[task] % 2 == 1,
            Instr::Spawn(child) => self.start(child as usize),
            Instr::Join(child) => {
                let handle = self.handles.borrow_mut()[child as usize].take();
                if let Some(handle) = handle {
                    handle.join();
                }
            }
            Instr::AssertEven(name) => {
                let register = self.registers.borrow()[task];
                assert!(register.is_multiple_of(2), "task {task} assertion {name}");
            }
            _ => {}
        }
    }

    /// All that tasks share, for the key of a state. What `leave_out` names is not in it.
    pub fn name(&self, digest: &mut dpor::Digest, leave_out: Option<&str>) {
        let mut put = |name: &str, part: &dyn std::fmt::Debug| {
            if leave_out != Some(name) {
                format!("{name} {part:?}").hash(digest);
            }
        };
        put("words", &self.words.each_ref().map(|word| word.1.get()));
        put("locks", &self.locks.each_ref().map(|lock| lock.1.get()));
        put(
            "rw",
            &[&self.rw.1, &self.fair.1]
                .map(|rw| (rw.readers.get(), rw.writer.get(), rw.queue.borrow().clone())),
        );
        put("sem", &(self.sem.peek(), self.sem.peek_queue()));
        let mut readers = self.rcu.1.borrow().clone();
        readers.sort_unstable();
        put("rcu", &readers);
        put("handles", &self.handles.borrow().iter().map(Option::is_some).collect::<Vec<_>>());
        put("registers", &self.registers.borrow());
    }

    /// All that the tests compare.
    pub fn ending(&self) -> String {
        let words = self.words.each_ref().map(|word| word.1.get());
        let locks = self.locks.each_ref().map(|lock| lock.1.get());
        let rw = [&self.rw.1, &self.fair.1].map(|rw| (rw.readers.get(), rw.writer.get()));
        format!("{words:?} {locks:?} {rw:?} {:?} {:?}", self.sem.peek(), self.registers.borrow())
    }
}

/// A number from the environment.
pub fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
