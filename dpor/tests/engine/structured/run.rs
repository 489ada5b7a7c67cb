//! Programs run by the engine: as a user would write them, with locks that are objects, loops that
//! are loops, and handles that move.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use dpor::{Access, DataId, JoinHandle, ObjectId, object, step, step_when, tried};

use super::program::{Act, Announced, Place, Program, REGS, Stmt, TASKS, number, pointer};
use super::steps::{FIELDS, access, in_line, mailed_handle, mailed_lock, object_name};

/// A node's objects and what they hold.
struct Node {
    ids: [ObjectId; FIELDS],
    cell: DataId,
    word: Cell<u8>,
    locked: Cell<bool>,
    readers: Cell<u8>,
    writer: Cell<bool>,
    intents: Cell<u8>,
    line: RefCell<Vec<u8>>,
    pins: Cell<u8>,
    epoch: Cell<u8>,
    permits: Cell<u8>,
    mail: Cell<u8>,
}

/// One execution.
pub struct World {
    program: Program,
    nodes: RefCell<Vec<Option<Rc<Node>>>>,
    /// Handles in mailboxes.
    mailed: RefCell<HashMap<usize, JoinHandle>>,
    /// Names of objects and tasks by the engine's numbers.
    pub objects: RefCell<Vec<u16>>,
    pub tasks: RefCell<Vec<usize>>,
    regs: RefCell<[[u8; REGS]; TASKS]>,
    status: RefCell<[u8; TASKS]>,
}

thread_local! {
    /// The last execution on this thread.
    pub static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// A task's own things.
struct Me {
    task: usize,
    world: Rc<World>,
    regs: [u8; REGS],
    locks: Vec<u8>,
    reads: Vec<u8>,
    writes: Vec<u8>,
    pins: Vec<u8>,
    handles: Vec<(usize, JoinHandle)>,
    spawned: Vec<usize>,
    made: Vec<u8>,
    rounds: u64,
}

fn add(cell: &Cell<u8>, value: u8) {
    cell.set(cell.get() + value);
}

fn sub(cell: &Cell<u8>, value: u8) {
    cell.set(cell.get() - value);
}

fn forget(list: &mut Vec<u8>, node: u8) {
    let at = list.iter().position(|&other| other == node).expect("it is held");
    list.remove(at);
}

/// Run the program as the main task of an execution.
pub fn run(program: &Program) {
    let world = Rc::new(World {
        program: program.clone(),
        nodes: RefCell::new((0..super::program::NODES).map(|_| None).collect()),
        mailed: RefCell::default(),
        objects: RefCell::default(),
        tasks: RefCell::default(),
        regs: RefCell::default(),
        status: RefCell::default(),
    });
    WORLD.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&world)));
    let named = Rc::clone(&world);
    dpor::name_state(move |digest| named.name(digest));
    for node in 0..program.nodes {
        world.make(node);
    }
    Me::new(&world, 0, Vec::new(), Vec::new()).run();
}

impl World {
    fn make(&self, node: u8) {
        let ids = std::array::from_fn(|field| {
            let id = object();
            let mut objects = self.objects.borrow_mut();
            assert_eq!(id.0 as usize, objects.len());
            objects.push(object_name(node, field as u8));
            id
        });
        let zero = || Cell::new(0);
        let no = || Cell::new(false);
        self.nodes.borrow_mut()[node as usize] = Some(Rc::new(Node {
            ids,
            cell: dpor::data(),
            word: zero(),
            locked: no(),
            readers: zero(),
            writer: no(),
            intents: zero(),
            line: RefCell::default(),
            pins: zero(),
            epoch: zero(),
            permits: Cell::new(self.program.permits),
            mail: zero(),
        }));
    }

    /// All that tasks share, for the key of a state.
    fn name(&self, digest: &mut dpor::Digest) {
        self.nodes.borrow().iter().for_each(|node| digest.put(node.is_some().into()));
        self.ending().hash(digest);
    }

    /// All that the tests compare, as the machine puts it.
    pub fn ending(&self) -> Vec<u8> {
        let mut ending = Vec::new();
        for node in self.nodes.borrow().iter().flatten() {
            let flags = u8::from(node.locked.get()) | u8::from(node.writer.get()) << 1;
            ending.extend([node.word.get(), flags, node.readers.get(), node.intents.get()]);
            ending.extend([node.pins.get(), node.epoch.get(), node.permits.get(), node.mail.get()]);
            let line = node.line.borrow();
            ending.extend((0..TASKS).map(|at| line.get(at).unwrap_or(&0)));
        }
        for task in 0..self.program.tasks.len() {
            ending.push(self.status.borrow()[task]);
            ending.extend(self.regs.borrow()[task]);
        }
        ending
    }
}

impl Me {
    fn new(
        world: &Rc<World>,
        task: usize,
        locks: Vec<u8>,
        handles: Vec<(usize, JoinHandle)>,
    ) -> Self {
        let mut me = Me {
            task,
            world: Rc::clone(world),
            regs: [0; REGS],
            locks,
            reads: Vec::new(),
            writes: Vec::new(),
            pins: Vec::new(),
            handles,
            spawned: Vec::new(),
            made: Vec::new(),
            rounds: 0,
        };
        me.sort();
        me
    }

    fn run(mut self) {
        let mut names = self.world.tasks.borrow_mut();
        if names.len() <= dpor::me() {
            names.resize(dpor::me() + 1, usize::MAX);
        }
        names[dpor::me()] = self.task;
        drop(names);
        self.world.status.borrow_mut()[self.task] = 1;
        let world = Rc::clone(&self.world);
        self.block(&world.program.tasks[self.task]);
        if !dpor::aborting() {
            self.world.status.borrow_mut()[self.task] = 2;
        }
    }

    fn sort(&mut self) {
        self.locks.sort_unstable();
        // One that was broken can be taken again.
        self.locks.dedup();
        self.handles.sort_by_key(|handle| handle.0);
    }

    fn set(&mut self, reg: usize, value: u8) {
        self.regs[reg] = value;
        self.world.regs.borrow_mut()[self.task] = self.regs;
        dpor::observed(value.into());
    }

    fn node(&self, place: Place) -> (u8, Rc<Node>) {
        let node = place.node(&self.regs, self.world.program.nodes);
        (node, self.world.nodes.borrow()[node as usize].clone().expect("pointers point to nodes"))
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            self.stmt(stmt);
        }
    }

    /// A block in another.
    fn inner(&mut self, block: &[Stmt]) {
        if !self.world.program.calls {
            return self.block(block);
        }
        let mark = dpor::learned();
        self.block(block);
        let Me { regs, locks, reads, writes, pins, handles, spawned, made, .. } = self;
        let mut got = dpor::Digest::default();
        (&*regs, &*locks, &*reads, &*writes, &*pins, &*spawned, &*made).hash(&mut got);
        handles.iter().for_each(|(task, _)| task.hash(&mut got));
        dpor::learned_since(mark, got.key());
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Act(place, act) => {
                let (name, node) = self.node(*place);
                self.act(name, &node, *act);
                // Nothing more was learned.
                dpor::observed(0);
            }
            Stmt::UnlockAny => {
                if let Some(&name) = self.locks.first() {
                    let node =
                        self.world.nodes.borrow()[name as usize].clone().expect("it is held");
                    self.act(name, &node, Act::Unlock);
                }
            }
            Stmt::Set(reg, expr) => self.set(*reg, expr.value(&self.regs)),
            Stmt::If(cond, yes, no) => {
                let holds = cond.holds(&self.regs);
                self.inner(if holds { yes } else { no });
            }
            Stmt::Loop(times, body, until) => {
                for _ in 0..*times {
                    if self.world.program.rounds {
                        self.rounds += 1;
                        dpor::round(self.rounds << 8 | self.task as u64, || {
                            self.world.ending().iter().fold(7u64, |hash, &byte| {
                                hash.wrapping_mul(31).wrapping_add(byte.into())
                            })
                        });
                    }
                    self.inner(body);
                    if until.holds(&self.regs) {
                        break;
                    }
                }
            }
            Stmt::Spawn(task, give) => {
                if !self.spawned.contains(task) {
                    self.spawned.push(*task);
                    let (locks, handles) = if *give {
                        (std::mem::take(&mut self.locks), std::mem::take(&mut self.handles))
                    } else {
                        Default::default()
                    };
                    let child = Me::new(&self.world, *task, locks, handles);
                    self.handles
                        .push((*task, dpor::spawn(format!("task {task}"), move || child.run())));
                    self.sort();
                }
            }
            Stmt::Join(task) => {
                if let Some(at) = self.handles.iter().position(|handle| handle.0 == *task) {
                    self.handles.remove(at).1.join();
                }
            }
            Stmt::JoinAny => {
                if !self.handles.is_empty() {
                    self.handles.remove(0).1.join();
                }
            }
            Stmt::New(slot, reg) => {
                let node = self.world.program.nodes + slot;
                if !self.made.contains(slot) {
                    self.made.push(*slot);
                    self.world.make(node);
                }
                self.set(*reg, pointer(node));
            }
            Stmt::Data(place, write) => {
                let (name, node) = self.node(*place);
                if dpor::data_access(node.cell, *write).is_err() {
                    panic!("race on {name}");
                }
            }
            Stmt::Assert(cond, id) => assert!(cond.holds(&self.regs), "assertion {id}"),
        }
    }

    /// A try: how it went, said or not.
    fn attempt(&mut self, reg: usize, success: bool, told: bool) -> bool {
        if told {
            tried(success);
        }
        self.set(reg, u8::from(success));
        success
    }

    fn act(&mut self, name: u8, node: &Node, act: Act) {
        let (field, how) = access(act);
        let id = node.ids[field as usize];
        match act {
            Act::Read(reg) => {
                step(id, how);
                self.set(reg, node.word.get());
            }
            Act::Write(expr) => {
                step(id, how);
                node.word.set(expr.value(&self.regs));
            }
            Act::Swap(expr, reg) => {
                let new = expr.value(&self.regs);
                step(id, how);
                self.set(reg, node.word.replace(new));
            }
            Act::Add(add) => {
                step(id, how);
                node.word.set(number(number(node.word.get()) + add));
            }
            Act::FetchAdd(add, reg) => {
                step(id, how);
                let old = node.word.get();
                node.word.set(number(number(old) + add));
                self.set(reg, old);
            }
            Act::Cas { expect, new, won, seen, as_ } => {
                let (expect, new) = (expect.value(&self.regs), new.value(&self.regs));
                step(id, how);
                let old = node.word.get();
                if old == expect {
                    node.word.set(new);
                }
                self.set(seen, old);
                self.attempt(won, old == expect, as_ == Announced::Try);
            }
            Act::WaitWord(cmp, value) => step_when(id, how, &|| cmp.holds(node.word.get(), value)),
            Act::Lock => {
                step_when(id, how, &|| !node.locked.get());
                self.locked(name, node);
            }
            Act::TryLock(reg, told) => {
                step(id, how);
                if self.attempt(reg, !node.locked.get(), told) {
                    self.locked(name, node);
                }
            }
            Act::Unlock if self.locks.contains(&name) => {
                step(id, how);
                node.locked.set(false);
                forget(&mut self.locks, name);
            }
            Act::Break => {
                step(id, how);
                node.locked.set(false);
            }
            Act::IsLocked(reg) => {
                step(id, how);
                self.set(reg, u8::from(node.locked.get()));
            }
            Act::WaitUnlocked => step_when(id, how, &|| !node.locked.get()),
            Act::Down => {
                step_when(id, how, &|| node.permits.get() > 0);
                sub(&node.permits, 1);
            }
            Act::TryDown(reg) => {
                step(id, how);
                if self.attempt(reg, node.permits.get() > 0, true) {
                    sub(&node.permits, 1);
                }
            }
            Act::Up(_) => {
                step(id, how);
                add(&node.permits, 1);
            }
            Act::Post if !self.locks.is_empty() => {
                step(id, how);
                node.mail.set(mailed_lock(self.locks.remove(0)));
            }
            Act::Post if !self.handles.is_empty() => {
                step(id, how);
                let (task, handle) = self.handles.remove(0);
                self.world.mailed.borrow_mut().insert(task, handle);
                node.mail.set(mailed_handle(task));
            }
            Act::Take(reg) => {
                step(id, how);
                let mail = node.mail.take();
                dpor::observed(mail.into());
                self.set(reg, u8::from(mail != 0));
                match mail {
                    0 => {}
                    32.. => {
                        let task = usize::from(mail) - 32;
                        let handle = self
                            .world
                            .mailed
                            .borrow_mut()
                            .remove(&task)
                            .expect("it is in the mail");
                        self.handles.push((task, handle));
                    }
                    lock => self.locks.push(lock - 1),
                }
                self.sort();
            }
            Act::WaitMail => step_when(id, how, &|| node.mail.get() != 0),
            Act::Unlock | Act::Post => {}
            _ => self.shared_act(name, node, id, how, act),
        }
    }

    /// Those of the reader-writer lock and the epoch.
    fn shared_act(&mut self, name: u8, node: &Node, id: ObjectId, how: Access, act: Act) {
        let (reads, writes) = (
            self.reads.iter().filter(|&&other| other == name).count(),
            self.writes.contains(&name),
        );
        let queued = [false, true]
            .iter()
            .any(|&writes| node.line.borrow().contains(&in_line(self.task, writes)));
        match act {
            Act::ReadLock => {
                step_when(id, how, &|| !node.writer.get() && node.intents.get() == 0);
                add(&node.readers, 1);
                self.reads.push(name);
            }
            Act::TryRead(reg) => {
                step(id, how);
                if self.attempt(
                    reg,
                    !node.writer.get() && node.intents.get() == 0 && node.line.borrow().is_empty(),
                    true,
                ) {
                    add(&node.readers, 1);
                    self.reads.push(name);
                }
            }
            Act::WriteLock => {
                step_when(id, how, &|| !node.writer.get() && node.readers.get() == 0);
                node.writer.set(true);
                node.intents.set(node.intents.get().saturating_sub(1));
                self.writes.push(name);
            }
            Act::TryWrite(reg) => {
                step(id, how);
                if self.attempt(
                    reg,
                    !node.writer.get() && node.readers.get() == 0 && node.line.borrow().is_empty(),
                    true,
                ) {
                    node.writer.set(true);
                    self.writes.push(name);
                }
            }
            Act::RwUnlock if writes => {
                step(id, Access::Release);
                node.writer.set(false);
                forget(&mut self.writes, name);
            }
            Act::RwUnlock if reads > 0 => {
                step(id, how);
                sub(&node.readers, 1);
                forget(&mut self.reads, name);
            }
            Act::Downgrade if writes => {
                step(id, how);
                node.writer.set(false);
                node.readers.set(1);
                forget(&mut self.writes, name);
                self.reads.push(name);
            }
            Act::Upgrade if reads == 1 && !writes => {
                step_when(id, how, &|| !node.writer.get() && node.readers.get() == 1);
                self.upgraded(name, node);
            }
            Act::TryUpgrade(reg) if reads == 1 && !writes => {
                step(id, how);
                if self.attempt(reg, !node.writer.get() && node.readers.get() == 1, true) {
                    self.upgraded(name, node);
                }
            }
            Act::Intend => {
                step(id, how);
                add(&node.intents, 1);
            }
            Act::Queue(writes) if !queued => {
                step(id, how);
                node.line.borrow_mut().push(in_line(self.task, writes));
            }
            Act::Enter(writes) if node.line.borrow().contains(&in_line(self.task, writes)) => {
                let me = in_line(self.task, writes);
                let first = |line: &[u8]| {
                    line.iter().find(|&&other| other == me || writes || other % 2 == 1) == Some(&me)
                };
                step_when(id, how, &|| {
                    !node.writer.get()
                        && first(&node.line.borrow())
                        && !(writes && node.readers.get() > 0)
                });
                node.line.borrow_mut().retain(|&other| other != me);
                if writes {
                    node.writer.set(true);
                    self.writes.push(name);
                } else {
                    add(&node.readers, 1);
                    self.reads.push(name);
                }
            }
            Act::Pin(reg) => {
                step(id, how);
                self.set(reg, node.epoch.get());
                add(&node.pins, 1);
                self.pins.push(name);
            }
            Act::PinFrom(epoch) => {
                step_when(id, how, &|| node.epoch.get() >= epoch);
                add(&node.pins, 1);
                self.pins.push(name);
            }
            Act::Unpin if self.pins.contains(&name) => {
                step(id, how);
                sub(&node.pins, 1);
                forget(&mut self.pins, name);
            }
            Act::Advance => {
                step(id, how);
                add(&node.epoch, 1);
            }
            Act::WaitUnpinned => step_when(id, how, &|| node.pins.get() == 0),
            Act::ReadEpoch(reg) => {
                step(id, how);
                self.set(reg, node.epoch.get());
            }
            _ => {}
        }
    }

    fn locked(&mut self, name: u8, node: &Node) {
        node.locked.set(true);
        self.locks.push(name);
        self.sort();
    }

    fn upgraded(&mut self, name: u8, node: &Node) {
        node.readers.set(0);
        node.writer.set(true);
        forget(&mut self.reads, name);
        self.writes.push(name);
    }
}
