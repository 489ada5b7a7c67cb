//! The meaning of programs, without the engine: a machine with a program counter per task.

use dpor::Access;

use super::clocks::Clocks;
use super::code::{Code, compile};
use super::order::kind;
use super::program::{Act, Announced, NODES, Program, REGS, TASKS, number, pointer};
use super::steps::{FIELDS, access, in_line, mailed_handle, mailed_lock, object_name};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
struct Node {
    word: u8,
    locked: bool,
    readers: u8,
    writer: bool,
    intents: u8,
    /// Who is in line, the first one first: see `in_line`; 0 for nobody.
    line: [u8; TASKS],
    pins: u8,
    epoch: u8,
    permits: u8,
    mail: u8,
}

impl Node {
    fn waits(&self, task: usize, writes: bool) -> bool {
        self.line.contains(&in_line(task, writes))
    }

    fn turn_of(&self, task: usize, writes: bool) -> bool {
        let before = self.line.iter().take_while(|&&other| other != in_line(task, writes));
        !self.writer
            && if writes {
                self.readers == 0 && before.count() == 0
            } else {
                before.clone().all(|other| other % 2 == 0)
            }
    }

    fn leave_line(&mut self, task: usize, writes: bool) {
        let at = self
            .line
            .iter()
            .position(|&other| other == in_line(task, writes))
            .expect("it is in line");
        self.line[at..].rotate_left(1);
        self.line[TASKS - 1] = 0;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
enum Status {
    #[default]
    Unborn,
    Live,
    Done,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Task {
    status: Status,
    at: u16,
    regs: [u8; REGS],
    /// Locks that it may give back.
    locks: u8,
    reads: [u8; NODES],
    writes: u8,
    pins: [u8; NODES],
    handles: u8,
    /// What it has started and made.
    spawned: u8,
    made: u8,
}

/// All that a program's future depends on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    nodes: [Option<Node>; NODES],
    tasks: [Task; TASKS],
    clocks: Option<Box<Clocks>>,
}

/// Compiled.
#[derive(Debug)]
pub struct Machine {
    code: Vec<Vec<Code>>,
    fixed: u8,
    permits: u8,
    data: bool,
}

/// A step that a task waits to take.
#[derive(Copy, Clone, Debug)]
pub struct Pending {
    pub node: u8,
    pub act: Act,
}

/// What a step was: object, access, and whether it was a try that failed.
pub type Step = (u16, Access, bool);

fn bit(index: impl Into<usize>) -> u8 {
    1 << index.into()
}

fn first(bits: u8) -> u8 {
    bits.trailing_zeros() as u8
}

impl Machine {
    pub fn new(program: &Program) -> Self {
        let code: Vec<Vec<Code>> = program
            .tasks
            .iter()
            .map(|body| {
                let mut code = Vec::new();
                compile(body, &mut code);
                code
            })
            .collect();
        let data = code.iter().flatten().any(|code| matches!(code, Code::Data(..)));
        Machine { code, fixed: program.nodes, permits: program.permits, data }
    }

    fn node(&self) -> Node {
        Node { permits: self.permits, ..Node::default() }
    }

    /// The state in which the first steps wait, or how the program fails before.
    pub fn start(&self) -> Result<State, String> {
        let mut state = State {
            nodes: [None; NODES],
            tasks: Default::default(),
            clocks: self.data.then(Box::default),
        };
        state.nodes[..self.fixed as usize].fill(Some(self.node()));
        state.tasks[0].status = Status::Live;
        self.settle(&mut state, 0)?;
        Ok(state)
    }

    /// What the task waits to do, if it is at a step.
    pub fn pending(&self, state: &State, task: usize) -> Option<Pending> {
        let me = &state.tasks[task];
        let here = |node: u8| state.nodes[node as usize].as_ref().expect("pointers point to nodes");
        if me.status != Status::Live {
            return None;
        }
        match self.code[task].get(me.at as usize)? {
            Code::Act(place, act) => {
                let node = place.node(&me.regs, self.fixed);
                let skipped = match act {
                    Act::Unlock => me.locks & bit(node) == 0,
                    Act::RwUnlock => me.reads[node as usize] == 0 && me.writes & bit(node) == 0,
                    Act::Downgrade => me.writes & bit(node) == 0,
                    Act::Queue(_) => {
                        [false, true].iter().any(|&writes| here(node).waits(task, writes))
                    }
                    Act::Enter(writes) => !here(node).waits(task, *writes),
                    Act::Upgrade | Act::TryUpgrade(_) => {
                        me.reads[node as usize] != 1 || me.writes & bit(node) != 0
                    }
                    Act::Unpin => me.pins[node as usize] == 0,
                    Act::Post => me.locks == 0 && me.handles == 0,
                    _ => false,
                };
                (!skipped).then_some(Pending { node, act: *act })
            }
            Code::UnlockAny if me.locks != 0 => {
                Some(Pending { node: first(me.locks), act: Act::Unlock })
            }
            _ => None,
        }
    }

    /// Whether the step need not wait any longer.
    pub fn ready(&self, state: &State, task: usize, pending: Pending) -> bool {
        let node = state.nodes[pending.node as usize].as_ref().expect("pointers point to nodes");
        match pending.act {
            Act::WaitWord(cmp, value) => cmp.holds(node.word, value),
            Act::Lock | Act::WaitUnlocked => !node.locked,
            Act::ReadLock => !node.writer && node.intents == 0,
            Act::WriteLock => !node.writer && node.readers == 0,
            Act::Upgrade => !node.writer && node.readers == 1,
            Act::Enter(writes) => node.turn_of(task, writes),
            Act::PinFrom(epoch) => node.epoch >= epoch,
            Act::WaitUnpinned => node.pins == 0,
            Act::Down => node.permits > 0,
            Act::WaitMail => node.mail != 0,
            _ => true,
        }
    }

    /// The task takes its step, and all go on to their next.
    pub fn step(&self, state: &mut State, task: usize) -> (Step, Result<(), String>) {
        let Pending { node: number, act } = self.pending(state, task).expect("a step is pending");
        let State { nodes, tasks, .. } = state;
        let (node, me) =
            (nodes[number as usize].as_mut().expect("pointers point to nodes"), &mut tasks[task]);
        let (field, mut access) = access(act);
        let mut failed = false;
        let mine = number as usize;
        match act {
            Act::Read(reg) => me.regs[reg] = node.word,
            Act::Write(expr) => node.word = expr.value(&me.regs),
            Act::Swap(expr, reg) => {
                let new = expr.value(&me.regs);
                me.regs[reg] = std::mem::replace(&mut node.word, new);
            }
            Act::Add(add) => node.word = self::number(self::number(node.word) + add),
            Act::FetchAdd(add, reg) => {
                me.regs[reg] = node.word;
                node.word = self::number(self::number(node.word) + add);
            }
            Act::Cas { expect, new, won, seen, as_ } => {
                let (expect, new, old) = (expect.value(&me.regs), new.value(&me.regs), node.word);
                if old == expect {
                    node.word = new;
                }
                failed = old != expect && as_ == Announced::Try;
                me.regs[seen] = old;
                me.regs[won] = u8::from(old == expect);
            }
            Act::Lock => {
                node.locked = true;
                me.locks |= bit(number);
            }
            Act::TryLock(reg, told) => {
                me.regs[reg] = u8::from(!node.locked);
                failed = told && node.locked;
                if !node.locked {
                    node.locked = true;
                    me.locks |= bit(number);
                }
            }
            Act::Unlock => {
                node.locked = false;
                me.locks &= !bit(number);
            }
            Act::Break => node.locked = false,
            Act::IsLocked(reg) => me.regs[reg] = u8::from(node.locked),
            Act::ReadLock => {
                node.readers += 1;
                me.reads[mine] += 1;
            }
            Act::TryRead(reg) => {
                failed = node.writer || node.intents > 0 || node.line[0] != 0;
                me.regs[reg] = u8::from(!failed);
                node.readers += u8::from(!failed);
                me.reads[mine] += u8::from(!failed);
            }
            Act::WriteLock => {
                node.writer = true;
                node.intents = node.intents.saturating_sub(1);
                me.writes |= bit(number);
            }
            Act::TryWrite(reg) => {
                failed = node.writer || node.readers > 0 || node.line[0] != 0;
                me.regs[reg] = u8::from(!failed);
                if !failed {
                    node.writer = true;
                    me.writes |= bit(number);
                }
            }
            Act::RwUnlock if me.writes & bit(number) != 0 => {
                access = Access::Release;
                node.writer = false;
                me.writes &= !bit(number);
            }
            Act::RwUnlock => {
                node.readers -= 1;
                me.reads[mine] -= 1;
            }
            Act::Downgrade => {
                (node.writer, node.readers) = (false, 1);
                me.writes &= !bit(number);
                me.reads[mine] = 1;
            }
            Act::Upgrade => {
                (node.writer, node.readers) = (true, 0);
                me.writes |= bit(number);
                me.reads[mine] = 0;
            }
            Act::TryUpgrade(reg) => {
                failed = node.writer || node.readers != 1;
                me.regs[reg] = u8::from(!failed);
                if !failed {
                    (node.writer, node.readers) = (true, 0);
                    me.writes |= bit(number);
                    me.reads[mine] = 0;
                }
            }
            Act::Intend => node.intents += 1,
            Act::Queue(writes) => {
                let end = node
                    .line
                    .iter()
                    .position(|&other| other == 0)
                    .expect("each task is in line once");
                node.line[end] = in_line(task, writes);
            }
            Act::Enter(true) => {
                node.leave_line(task, true);
                node.writer = true;
                me.writes |= bit(number);
            }
            Act::Enter(false) => {
                node.leave_line(task, false);
                node.readers += 1;
                me.reads[mine] += 1;
            }
            Act::Pin(reg) => {
                me.regs[reg] = node.epoch;
                node.pins += 1;
                me.pins[mine] += 1;
            }
            Act::PinFrom(_) => {
                node.pins += 1;
                me.pins[mine] += 1;
            }
            Act::Unpin => {
                node.pins -= 1;
                me.pins[mine] -= 1;
            }
            Act::Advance => node.epoch += 1,
            Act::ReadEpoch(reg) => me.regs[reg] = node.epoch,
            Act::Down => node.permits -= 1,
            Act::TryDown(reg) => {
                failed = node.permits == 0;
                me.regs[reg] = u8::from(!failed);
                node.permits -= u8::from(!failed);
            }
            Act::Up(_) => node.permits += 1,
            Act::Post if me.locks != 0 => {
                node.mail = mailed_lock(first(me.locks));
                me.locks &= me.locks - 1;
            }
            Act::Post => {
                node.mail = mailed_handle(first(me.handles).into());
                me.handles &= me.handles - 1;
            }
            Act::Take(reg) => {
                let mail = std::mem::take(&mut node.mail);
                me.regs[reg] = u8::from(mail != 0);
                match mail {
                    0 => {}
                    32.. => me.handles |= bit(mail - 32),
                    lock => me.locks |= bit(lock - 1),
                }
            }
            Act::WaitWord(..) | Act::WaitUnlocked | Act::WaitUnpinned | Act::WaitMail => {}
        }
        me.at += 1;
        if let Some(clocks) = &mut state.clocks {
            clocks.step(
                task,
                number as usize * FIELDS + field as usize,
                kind(access, failed) as usize,
            );
        }
        ((object_name(number, field), access, failed), self.settle(state, task))
    }

    /// What is local happens at once: first the task that took the step, then those that waited for
    /// its end, then new ones.
    fn settle(&self, state: &mut State, current: usize) -> Result<(), String> {
        let mut fresh = Vec::new();
        let mut current = Some(current);
        while let Some(task) = current {
            self.go_on(state, task, &mut fresh)?;
            let waiting = |task: &usize| {
                matches!(self.at(state, *task), Some(Code::Join(_) | Code::JoinAny))
                    && self.can_go_on(state, *task)
            };
            current = (0..self.code.len()).filter(|task| !fresh.contains(task)).find(waiting);
            if current.is_none() && !fresh.is_empty() {
                current = Some(fresh.remove(0));
            }
        }
        Ok(())
    }

    fn at(&self, state: &State, task: usize) -> Option<&Code> {
        let me = &state.tasks[task];
        (me.status == Status::Live).then(|| self.code[task].get(me.at as usize))?
    }

    /// Whether the join at which the task is can go on.
    fn can_go_on(&self, state: &State, task: usize) -> bool {
        let handles = state.tasks[task].handles;
        let other = match self.at(state, task) {
            Some(Code::Join(other)) if handles & bit(*other) != 0 => *other,
            Some(Code::JoinAny) if handles != 0 => first(handles).into(),
            _ => return true,
        };
        state.tasks[other].status == Status::Done
    }

    /// The task runs up to its next step, or to a join that has to wait.
    fn go_on(&self, state: &mut State, task: usize, fresh: &mut Vec<usize>) -> Result<(), String> {
        loop {
            if self.pending(state, task).is_some() || !self.can_go_on(state, task) {
                return Ok(());
            }
            let Some(code) = self.at(state, task).cloned() else {
                state.tasks[task].status = Status::Done;
                if let Some(clocks) = &mut state.clocks {
                    clocks.tasks[task][task] += 1;
                }
                return Ok(());
            };
            let State { nodes, tasks, clocks } = &mut *state;
            let me = &mut tasks[task];
            me.at += 1;
            match code {
                Code::Act(..) | Code::UnlockAny => {}
                Code::Set(reg, expr) => me.regs[reg] = expr.value(&me.regs),
                Code::Unless(cond, to) if !cond.holds(&me.regs) => me.at = to as u16,
                Code::Unless(..) => {}
                Code::Jump(to) => me.at = to as u16,
                Code::Spawn(child, give) if me.spawned & bit(child) == 0 => {
                    me.spawned |= bit(child);
                    let mut new = Task { status: Status::Live, ..Task::default() };
                    if give {
                        (new.locks, new.handles) =
                            (std::mem::take(&mut me.locks), std::mem::take(&mut me.handles));
                    }
                    me.handles |= bit(child);
                    tasks[child] = new;
                    fresh.push(child);
                    if let Some(clocks) = clocks {
                        clocks.tasks[task][task] += 1;
                        clocks.tasks[child] = clocks.tasks[task];
                    }
                }
                Code::Spawn(..) => {}
                Code::Join(other) => {
                    let joins = me.handles & bit(other) != 0;
                    me.handles &= !bit(other);
                    if let Some(clocks) = clocks.as_mut().filter(|_| joins) {
                        clocks.join(task, other);
                    }
                }
                Code::JoinAny if me.handles != 0 => {
                    let other = first(me.handles);
                    me.handles &= !bit(other);
                    if let Some(clocks) = clocks {
                        clocks.join(task, other.into());
                    }
                }
                Code::JoinAny => {}
                Code::New(slot, reg) => {
                    let node = self.fixed + slot;
                    if me.made & bit(slot) == 0 {
                        me.made |= bit(slot);
                        nodes[node as usize] = Some(self.node());
                    }
                    me.regs[reg] = pointer(node);
                }
                Code::Data(place, write) => {
                    let node = place.node(&me.regs, self.fixed);
                    let clocks = clocks.as_mut().expect("there are clocks if there is data");
                    if clocks.races(task, node.into(), write) {
                        return Err(format!("race on {node}"));
                    }
                }
                Code::Assert(cond, id) if !cond.holds(&me.regs) => {
                    return Err(format!("assertion {id}"));
                }
                Code::Assert(..) => {}
            }
        }
    }

    pub fn done(&self, state: &State) -> bool {
        state.tasks.iter().all(|task| task.status != Status::Live)
    }

    pub fn tasks(&self) -> usize {
        self.code.len()
    }

    /// What is compared of an execution's end.
    pub fn ending(&self, state: &State) -> Vec<u8> {
        let mut ending = Vec::new();
        for node in state.nodes.iter().flatten() {
            let flags = u8::from(node.locked) | u8::from(node.writer) << 1;
            ending.extend([
                node.word,
                flags,
                node.readers,
                node.intents,
                node.pins,
                node.epoch,
                node.permits,
                node.mail,
            ]);
            ending.extend(node.line);
        }
        for task in &state.tasks[..self.code.len()] {
            ending.push(task.status as u8);
            ending.extend(task.regs);
        }
        ending
    }
}
