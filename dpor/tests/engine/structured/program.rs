//! Structured programs: trees of statements with branches, bounded loops and a tree of tasks.
//!
//! A program has *nodes*: bundles of a word, a lock, a reader-writer lock, an epoch, a semaphore, a
//! mailbox and a plain cell. Some are there from the start, others are made on the way; which one
//! is accessed may depend on a value read. Values are small numbers, or pointers to nodes.

/// Registers per task.
pub const REGS: usize = 3;
/// The most tasks, the main task included.
pub const TASKS: usize = 6;
/// The most nodes.
pub const NODES: usize = 5;

pub type Reg = usize;

/// Which node: a fixed one, or the one that a register points to. A number points to one of the
/// fixed nodes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Place {
    Fixed(u8),
    At(Reg),
}

/// A register's value plus a constant, or just the constant.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Expr {
    pub reg: Option<Reg>,
    pub add: u8,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Cmp {
    Equal,
    AtLeast,
    Odd,
}

/// A register compared with a constant.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Cond {
    pub reg: Reg,
    pub cmp: Cmp,
    pub value: u8,
}

/// What a compare-and-swap is announced as.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Announced {
    /// A read-modify-write, however it goes.
    Rmw,
    /// A try: if it fails it is only a read.
    Try,
    /// A try that never says how it went.
    Untold,
}

/// A visible step.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Act {
    Read(Reg),
    Write(Expr),
    Swap(Expr, Reg),
    /// Adds without looking: a commuting update.
    Add(u8),
    FetchAdd(u8, Reg),
    Cas {
        expect: Expr,
        new: Expr,
        won: Reg,
        seen: Reg,
        as_: Announced,
    },
    WaitWord(Cmp, u8),

    Lock,
    /// The flag: whether it says how it went.
    TryLock(Reg, bool),
    /// Skipped by a task to which the lock has not been given. It need not be the one that took it.
    Unlock,
    /// Give it back whoever holds it, or nobody.
    Break,
    IsLocked(Reg),
    WaitUnlocked,

    ReadLock,
    TryRead(Reg),
    WriteLock,
    TryWrite(Reg),
    RwUnlock,
    /// From writing to reading, without letting a writer in between.
    Downgrade,
    /// From reading to writing, when all other readers have left.
    Upgrade,
    TryUpgrade(Reg),
    /// A writer says that it is coming, and keeps new readers out.
    Intend,
    /// Get in line, for writing or reading, unless there already.
    Queue(bool),
    /// Wait for one's turn in that line, and go in: readers go in together, as far as the next
    /// writer.
    Enter(bool),

    /// Enter the epoch and see which one it is.
    Pin(Reg),
    /// The same when the epoch has come.
    PinFrom(u8),
    Unpin,
    /// The next epoch, in no order with other such steps.
    Advance,
    /// Wait until nobody is inside.
    WaitUnpinned,
    ReadEpoch(Reg),

    Down,
    TryDown(Reg),
    /// The flag: whether it is a commuting update.
    Up(bool),

    /// Put a lock that is held, or a handle, into the mailbox.
    Post,
    /// Take what is in there.
    Take(Reg),
    WaitMail,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stmt {
    Act(Place, Act),
    /// Give back the first lock that is held.
    UnlockAny,
    Set(Reg, Expr),
    If(Cond, Vec<Stmt>, Vec<Stmt>),
    /// At most so many rounds, until the condition holds after one.
    Loop(u8, Vec<Stmt>, Cond),
    /// Start a task, unless that has happened. The flag: it gets all held locks and handles.
    Spawn(usize, bool),
    /// Wait for a task whose handle is held.
    Join(usize),
    /// Wait for the first of these.
    JoinAny,
    /// Make a node, unless that has happened; the register points to it.
    New(u8, Reg),
    /// Access the plain cell; panics if it is a race.
    Data(Place, bool),
    /// Panics with this number unless the condition holds.
    Assert(Cond, u8),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Nodes that are there from the start.
    pub nodes: u8,
    /// What each semaphore starts with.
    pub permits: u8,
    /// Loops say when they begin a round, which must not change anything: no round is like any
    /// other.
    pub rounds: bool,
    /// Inner blocks are calls: what is learned in one comes to what its task has got, afterwards.
    pub calls: bool,
    /// What each task does; the first is the main task, each other is started by at most one task.
    pub tasks: Vec<Vec<Stmt>>,
}

/// Numbers are small, so that there are not too many states.
pub fn number(value: u8) -> u8 {
    value & 7
}

/// The value that points to a node.
pub fn pointer(node: u8) -> u8 {
    64 + node
}

impl Expr {
    pub fn value(self, regs: &[u8; REGS]) -> u8 {
        match self.reg {
            Some(reg) if self.add == 0 => regs[reg],
            Some(reg) => number(number(regs[reg]) + self.add),
            None => number(self.add),
        }
    }
}

impl Cmp {
    pub fn holds(self, value: u8, with: u8) -> bool {
        match self {
            Cmp::Equal => number(value) == with,
            Cmp::AtLeast => number(value) >= with,
            Cmp::Odd => value % 2 == 1,
        }
    }
}

impl Cond {
    pub fn holds(self, regs: &[u8; REGS]) -> bool {
        self.cmp.holds(regs[self.reg], self.value)
    }
}

impl Place {
    pub fn node(self, regs: &[u8; REGS], fixed: u8) -> u8 {
        match self {
            Place::Fixed(node) => node % fixed,
            Place::At(reg) if regs[reg] >= 64 => regs[reg] - 64,
            Place::At(reg) => regs[reg] % fixed,
        }
    }
}

/// Blocks that are simpler in one place.
fn smaller_blocks(block: &[Stmt]) -> Vec<Vec<Stmt>> {
    let mut smaller = Vec::new();
    for (at, stmt) in block.iter().enumerate() {
        let mut replace =
            |with: &[Stmt]| smaller.push([&block[..at], with, &block[at + 1..]].concat());
        replace(&[]);
        match stmt {
            Stmt::If(cond, yes, no) => {
                replace(yes);
                replace(no);
                smaller_blocks(yes)
                    .into_iter()
                    .for_each(|yes| replace(&[Stmt::If(*cond, yes, no.clone())]));
                smaller_blocks(no)
                    .into_iter()
                    .for_each(|no| replace(&[Stmt::If(*cond, yes.clone(), no)]));
            }
            Stmt::Loop(times, body, until) => {
                replace(body);
                if *times > 2 {
                    replace(&[Stmt::Loop(times - 1, body.clone(), *until)]);
                }
                smaller_blocks(body)
                    .into_iter()
                    .for_each(|body| replace(&[Stmt::Loop(*times, body, *until)]));
            }
            Stmt::Spawn(task, true) => replace(&[Stmt::Spawn(*task, false)]),
            Stmt::Act(Place::At(_), act) => {
                replace(&[Stmt::Act(Place::Fixed(0), *act)]);
                replace(&[Stmt::Act(Place::Fixed(1), *act)]);
            }
            _ => {}
        }
    }
    smaller
}

impl Program {
    /// Programs that are simpler in one place.
    fn smaller(&self) -> Vec<Program> {
        let mut smaller = Vec::new();
        for task in 0..self.tasks.len() {
            for block in smaller_blocks(&self.tasks[task]) {
                let mut program = self.clone();
                program.tasks[task] = block;
                smaller.push(program);
            }
        }
        if self.rounds {
            smaller.push(Program { rounds: false, ..self.clone() });
        }
        if self.calls {
            smaller.push(Program { calls: false, ..self.clone() });
        }
        smaller
    }

    /// The simplest program for which `fails` still holds.
    pub fn shrink(mut self, fails: impl Fn(&Program) -> bool) -> Program {
        while let Some(smaller) = self.smaller().into_iter().find(&fails) {
            self = smaller;
        }
        self
    }
}
