//! Random structured programs: a tree of tasks, whose bodies are made of idioms and of single
//! steps.

use super::program::{Act, Announced, Cmp, Cond, Expr, Place, Program, REGS, Reg, Stmt};

pub struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// What a program is about.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Theme {
    /// Words: compare-and-swap, tickets, sequence counts, flags, barriers.
    Words,
    /// Locks, tries, handing locks over, condition variables.
    Locks,
    /// Reader-writer locks with upgrades, epochs, semaphores.
    Shared,
    /// All of it.
    All,
    /// Many small tasks, started by each other.
    Trees,
}

pub const THEMES: [Theme; 5] =
    [Theme::Words, Theme::Locks, Theme::Shared, Theme::All, Theme::Trees];

struct Generator {
    rng: Rng,
    theme: Theme,
    nodes: u8,
    asserts: bool,
    data: bool,
    /// Nodes made on the way so far.
    slots: u8,
    assertions: u8,
    /// Statements that the current body may still have.
    left: i32,
}

/// The program with this number.
pub fn program(seed: u64, theme: Theme) -> Program {
    let mut rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (theme as u64) << 56 ^ 0x5eed);
    let tasks = if theme == Theme::Trees {
        rng.pick(&[4, 5, 5, 6, 6])
    } else {
        rng.pick(&[2, 2, 3, 3, 3, 4, 4, 5, 6])
    };
    let (asserts, data) = (rng.once_in(3), rng.once_in(6));
    let nodes = rng.pick(&[1, 1, 2, 2, 3]);
    let (permits, rounds) = (rng.pick(&[0, 1, 1, 2]), rng.once_in(4));
    let mut generator =
        Generator { rng, theme, nodes, asserts, data, slots: 0, assertions: 0, left: 0 };
    let mut bodies: Vec<Vec<Stmt>> =
        (0..tasks).map(|_| generator.body([0, 0, 7, 5, 4, 3, 2][tasks])).collect();
    let twins = theme == Theme::Trees && tasks > 4 && generator.rng.once_in(2);
    // A node is made by one task only.
    if twins && !bodies[tasks - 2].iter().any(|stmt| matches!(stmt, Stmt::New(..))) {
        bodies[tasks - 1] = bodies[tasks - 2].clone();
        generator.vary(&mut bodies[tasks - 1]);
    }
    for child in 1..tasks {
        generator.start(child, &mut bodies);
    }
    let calls = seed.is_multiple_of(2);
    Program { nodes, permits, rounds, calls, tasks: bodies }
}

impl Generator {
    fn body(&mut self, most: i32) -> Vec<Stmt> {
        self.left = 1 + self.rng.below(most as usize) as i32;
        let mut body = Vec::new();
        while self.left > 0 {
            let more = self.statements(0);
            body.extend(more);
        }
        // Most tasks give back what they hold, in the end; the others make for deadlocks.
        if self.theme != Theme::Words && !self.rng.once_in(4) {
            body.extend([Stmt::UnlockAny, Stmt::UnlockAny]);
        }
        if self.theme == Theme::Shared && !self.rng.once_in(4) {
            body.extend([Act::RwUnlock, Act::Unpin].map(|act| Stmt::Act(Place::Fixed(0), act)));
        }
        body
    }

    /// A twin: a task that differs from another only in what it waits for and writes.
    fn vary(&mut self, block: &mut [Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::Act(_, Act::WaitWord(cmp, value)) => {
                    (*cmp, *value) = (self.rng.pick(&[Cmp::Equal, Cmp::AtLeast]), self.small())
                }
                Stmt::Act(_, Act::PinFrom(epoch)) => *epoch = self.small(),
                Stmt::Act(_, Act::Write(expr) | Act::Swap(expr, _)) if self.rng.once_in(2) => {
                    expr.add = self.small()
                }
                Stmt::If(cond, ..) | Stmt::Assert(cond, _) => cond.value = self.small(),
                _ => {}
            }
            if let Stmt::If(_, yes, no) = stmt {
                self.vary(yes);
                self.vary(no);
            } else if let Stmt::Loop(_, body, _) = stmt {
                self.vary(body);
            }
        }
    }

    /// Have another task start this one, and perhaps wait for it.
    fn start(&mut self, child: usize, bodies: &mut [Vec<Stmt>]) {
        let deep = self.theme == Theme::Trees && child > 2 || self.rng.once_in(3);
        let parent = if deep { self.rng.below(child) } else { 0 };
        let (give, at) = (self.rng.once_in(4), self.rng.below(bodies[parent].len() + 1));
        let at = if parent == 0 && !self.rng.once_in(3) { at.min(child - 1) } else { at };
        let mut spawn = Stmt::Spawn(child, give);
        if self.rng.once_in(6) {
            spawn = Stmt::If(self.cond(), vec![spawn], Vec::new());
        }
        bodies[parent].insert(at.min(bodies[parent].len()), spawn);
        if self.rng.once_in(3) {
            let at = at + 1 + self.rng.below(bodies[parent].len().saturating_sub(at).max(1));
            let join = if self.rng.once_in(3) { Stmt::JoinAny } else { Stmt::Join(child) };
            let length = bodies[parent].len();
            bodies[parent].insert(at.min(length), join);
            if self.rng.once_in(2) {
                let after = self.act();
                bodies[parent].push(after);
            }
        } else if self.rng.once_in(4) {
            // A handle that was given away: joined by a younger sibling, say.
            let heir = self.rng.below(bodies.len());
            bodies[heir].push(Stmt::JoinAny);
        }
    }

    fn reg(&mut self) -> Reg {
        self.rng.below(REGS)
    }

    fn small(&mut self) -> u8 {
        self.rng.pick(&[0, 1, 1, 2, 3])
    }

    fn place(&mut self) -> Place {
        if self.rng.once_in(6) {
            Place::At(self.reg())
        } else {
            Place::Fixed(self.rng.below(self.nodes.into()) as u8)
        }
    }

    fn expr(&mut self) -> Expr {
        if self.rng.once_in(2) {
            Expr { reg: None, add: self.small() }
        } else {
            Expr { reg: Some(self.reg()), add: self.rng.pick(&[0, 1, 1]) }
        }
    }

    fn cond(&mut self) -> Cond {
        Cond {
            reg: self.reg(),
            cmp: self.rng.pick(&[Cmp::Equal, Cmp::AtLeast, Cmp::Odd]),
            value: self.rng.pick(&[0, 1, 1, 2]),
        }
    }

    fn announced(&mut self) -> Announced {
        self.rng.pick(&[Announced::Rmw, Announced::Try, Announced::Try, Announced::Untold])
    }

    fn word_act(&mut self) -> Act {
        let (reg, expr) = (self.reg(), self.expr());
        match self.rng.below(10) {
            0..=2 => Act::Read(reg),
            3 | 4 => Act::Write(expr),
            5 => Act::Swap(expr, reg),
            6 => Act::Add(1 + self.small()),
            7 => Act::FetchAdd(1, reg),
            8 => Act::Cas {
                expect: self.expr(),
                new: expr,
                won: reg,
                seen: self.reg(),
                as_: self.announced(),
            },
            _ => Act::WaitWord(
                self.rng.pick(&[Cmp::Equal, Cmp::AtLeast, Cmp::AtLeast]),
                self.small(),
            ),
        }
    }

    fn lock_act(&mut self) -> Act {
        let reg = self.reg();
        let told = !self.rng.once_in(5);
        self.rng.pick(&[
            Act::Lock,
            Act::TryLock(reg, told),
            Act::TryLock(reg, told),
            Act::Unlock,
            Act::Unlock,
            Act::Break,
            Act::IsLocked(reg),
            Act::WaitUnlocked,
            Act::Post,
            Act::Take(reg),
        ])
    }

    fn shared_act(&mut self) -> Act {
        let reg = self.reg();
        let commutes = self.rng.once_in(2);
        self.rng.pick(&[
            Act::ReadLock,
            Act::ReadLock,
            Act::TryRead(reg),
            Act::WriteLock,
            Act::TryWrite(reg),
            Act::RwUnlock,
            Act::RwUnlock,
            Act::RwUnlock,
            Act::Downgrade,
            Act::Upgrade,
            Act::TryUpgrade(reg),
            Act::Intend,
            Act::Queue(commutes),
            Act::Enter(commutes),
            Act::Pin(reg),
            Act::PinFrom(1),
            Act::Unpin,
            Act::Advance,
            Act::Advance,
            Act::WaitUnpinned,
            Act::ReadEpoch(reg),
            Act::Down,
            Act::TryDown(reg),
            Act::Up(commutes),
            Act::Up(commutes),
        ])
    }

    /// A single step.
    fn act(&mut self) -> Stmt {
        let what = match self.theme {
            Theme::Words => 0,
            Theme::Trees => self.rng.pick(&[0, 0, 0, 1, 2]),
            Theme::Locks => self.rng.pick(&[0, 1, 1]),
            Theme::Shared => self.rng.pick(&[0, 2, 2]),
            Theme::All => self.rng.below(3),
        };
        let act = match what {
            0 => self.word_act(),
            1 => self.lock_act(),
            _ => self.shared_act(),
        };
        Stmt::Act(self.place(), act)
    }

    /// One thing to do, of one or more statements.
    fn statements(&mut self, depth: usize) -> Vec<Stmt> {
        self.left -= 1;
        if self.asserts && self.rng.once_in(5) {
            self.assertions += 1;
            let assert = Stmt::Assert(self.cond(), self.assertions);
            return vec![self.act(), assert];
        }
        if self.data && self.rng.once_in(3) {
            return vec![Stmt::Data(self.place(), self.rng.once_in(2))];
        }
        match self.rng.below(20) {
            0..=9 => vec![self.act()],
            10 | 11 if depth < 2 => {
                let (cond, yes) = (self.cond(), self.block(depth + 1));
                let no = if self.rng.once_in(2) { self.block(depth + 1) } else { Vec::new() };
                vec![self.act(), Stmt::If(cond, yes, no)]
            }
            12 if depth < 2 => {
                let times = self.rng.pick(&[2, 2, 3]);
                vec![Stmt::Loop(times, self.block(depth + 1), self.cond())]
            }
            13 => vec![Stmt::Set(self.reg(), self.expr()), self.act()],
            14 if self.slots < 2 && depth == 0 => self.publish(),
            15 => vec![Stmt::Act(self.place(), Act::Post), Stmt::UnlockAny],
            _ => self.idiom(depth),
        }
    }

    fn block(&mut self, depth: usize) -> Vec<Stmt> {
        let mut block = self.statements(depth);
        if self.rng.once_in(3) {
            block.extend(self.statements(depth));
        }
        block
    }

    /// Make a node, use it, and write a pointer to it, which others may follow.
    fn publish(&mut self) -> Vec<Stmt> {
        let (slot, reg, place) = (self.slots, self.reg(), self.place());
        self.slots += 1;
        let mut block = vec![Stmt::New(slot, reg)];
        if self.rng.once_in(2) {
            block.push(Stmt::Act(Place::At(reg), self.word_act()));
        }
        let write = Act::Write(Expr { reg: Some(reg), add: 0 });
        let cas = Act::Cas {
            expect: Expr { reg: None, add: 0 },
            new: Expr { reg: Some(reg), add: 0 },
            won: self.reg(),
            seen: reg,
            as_: self.announced(),
        };
        block.push(Stmt::Act(place, if self.rng.once_in(2) { write } else { cas }));
        if self.rng.once_in(2) {
            block.push(Stmt::Act(Place::At(reg), self.lock_act()));
        }
        block
    }

    fn idiom(&mut self, depth: usize) -> Vec<Stmt> {
        let (at, a, b) = (self.place(), self.reg(), self.reg());
        let act = |act| Stmt::Act(at, act);
        let is = |reg, value| Cond { reg, cmp: Cmp::Equal, value };
        let plus = |reg, add| Expr { reg: Some(reg), add };
        let inner = if self.rng.once_in(2) && depth < 2 {
            self.statements(depth + 1)
        } else {
            vec![self.act()]
        };
        let choice = match self.theme {
            Theme::Words => self.rng.below(6),
            Theme::Locks => 5 + self.rng.below(6),
            Theme::Shared => self.rng.pick(&[0, 3, 11, 12, 13, 14, 15, 16, 16, 16, 16]),
            Theme::All | Theme::Trees => self.rng.below(17),
        };
        let mut block = match choice {
            // Add one by compare-and-swap, with bounded retry.
            0 | 1 => {
                let won = (a + 1) % REGS;
                let cas = Act::Cas {
                    expect: plus(a, 0),
                    new: plus(a, 1),
                    won,
                    seen: a,
                    as_: self.announced(),
                };
                return vec![
                    act(Act::Read(a)),
                    Stmt::Loop(self.rng.pick(&[2, 3]), vec![act(cas)], is(won, 1)),
                ];
            }
            // Follow a pointer.
            2 => {
                let then = self.word_act();
                return vec![act(Act::Read(a)), Stmt::Act(Place::At(a), then)];
            }
            // A barrier.
            3 => {
                let arrive = if self.rng.once_in(2) { Act::Add(1) } else { Act::FetchAdd(1, a) };
                vec![act(arrive), act(Act::WaitWord(Cmp::AtLeast, self.rng.pick(&[1, 2, 2, 3])))]
            }
            // A sequence count: read it, do something, read it again.
            4 => {
                let again = Act::Read((a + 1) % REGS);
                return [vec![act(Act::Read(a))], inner, vec![act(again)]].concat();
            }
            // Wait until it is as far as this, then move on.
            5 => vec![act(Act::WaitWord(Cmp::Equal, self.small())), act(Act::FetchAdd(1, a))],
            // A critical section.
            6 => return [vec![act(Act::Lock)], inner, vec![act(Act::Unlock)]].concat(),
            // Tries in a loop.
            7 => {
                let tries =
                    Stmt::Loop(2, vec![act(Act::TryLock(a, !self.rng.once_in(4)))], is(a, 1));
                return [vec![tries], inner, vec![act(Act::Unlock)]].concat();
            }
            // A condition variable: let go, wait, take again.
            8 => {
                let wait = if self.rng.once_in(2) {
                    Act::WaitWord(Cmp::AtLeast, 1)
                } else {
                    Act::WaitMail
                };
                vec![
                    act(Act::Lock),
                    act(Act::Read(a)),
                    Stmt::If(is(a, 0), vec![act(Act::Unlock), act(wait), act(Act::Lock)], vec![]),
                ]
            }
            // A lock is handed over.
            9 => vec![act(Act::Lock), act(Act::Post)],
            10 => {
                let wait = if self.rng.once_in(2) { vec![act(Act::WaitMail)] } else { vec![] };
                let give_back = if self.rng.once_in(3) { Stmt::JoinAny } else { Stmt::UnlockAny };
                return [
                    wait,
                    vec![act(Act::Take(b)), Stmt::If(is(b, 1), inner, vec![]), give_back],
                ]
                .concat();
            }
            // Read under the lock, then upgrade.
            11 => {
                let upgrade = if self.rng.once_in(2) { Act::Upgrade } else { Act::TryUpgrade(a) };
                return [vec![act(Act::ReadLock)], inner, vec![act(upgrade), act(Act::RwUnlock)]]
                    .concat();
            }
            12 => {
                return [
                    vec![act(Act::WriteLock)],
                    inner,
                    vec![act(Act::Downgrade), act(Act::RwUnlock)],
                ]
                .concat();
            }
            // A grace period.
            13 => vec![act(Act::Advance), act(Act::WaitUnpinned)],
            14 => {
                let enter = if self.rng.once_in(3) {
                    Act::PinFrom(self.rng.pick(&[1, 2]))
                } else {
                    Act::Pin(a)
                };
                return [vec![act(enter)], inner, vec![act(Act::Unpin)]].concat();
            }
            // A fair semaphore: readers try first, writers get in line at once.
            16 => {
                let writes = self.rng.once_in(2);
                let line = vec![act(Act::Queue(writes)), act(Act::Enter(writes))];
                let enter = if writes {
                    line
                } else {
                    vec![act(Act::TryRead(a)), Stmt::If(is(a, 0), line, vec![])]
                };
                return [enter, inner, vec![act(Act::RwUnlock)]].concat();
            }
            // A resource.
            _ => {
                let commutes = self.rng.once_in(2);
                return [vec![act(Act::Down)], inner, vec![act(Act::Up(commutes))]].concat();
            }
        };
        block.extend(inner);
        block
    }
}
