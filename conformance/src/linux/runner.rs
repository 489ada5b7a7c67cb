//! The runner: it makes the processes of a script, has them do one operation after the other, and
//! looks.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::SeqCst;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::{ForkResult, Pid, fork};

use super::device::Device;
use super::eyes::{BASE, Eyes, PAGE};
use super::worker::{self, Gate, LONG};
use super::{Lacks, lacks, lacks_io};
use crate::observe::{Observer, Seen};
use crate::op::{Op, Outcome};

/// When so many slots are in use that are no script's, they are given back: kernels behave
/// otherwise when swap is half full.
const CROWDED: u64 = 32;

/// So often a script is run at most, until nobody else swaps meanwhile.
const TRIES: u32 = 20;

/// Runs scripts as they come; false if it has to give up.
pub fn run(talk: UnixStream, device: &Device) -> bool {
    let (Ok(mut out), read) = (talk.try_clone(), BufReader::new(talk)) else { return false };
    let runner = match Runner::new(device).and_then(Runner::tried) {
        Ok(runner) => runner,
        Err(lacks) => {
            let _ = writeln!(out, "{lacks}");
            return false;
        }
    };
    if writeln!(out, "ready").is_err() {
        return true;
    }
    let mut script = Vec::new();
    for line in read.lines().map_while(Result::ok) {
        if !line.is_empty() {
            script.push(line);
            continue;
        }
        let ran = runner.script(&std::mem::take(&mut script));
        let failed = ran.is_err();
        let text = ran.map_or_else(
            |lacks| format!("! {lacks}\n"),
            |lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>() + "\n",
        );
        if out.write_all(text.as_bytes()).is_err() {
            return true;
        }
        if failed {
            return false;
        }
    }
    true
}

struct Runner<'d> {
    device: &'d Device,
    /// Keeps the loop device while it is off.
    _block: File,
    eyes: Eyes,
    gate: &'static Gate,
    /// CPUs that it may use.
    cpus: Vec<usize>,
}

/// A process of the script.
struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    pagemap: File,
    memory: File,
}

impl<'d> Runner<'d> {
    fn new(device: &'d Device) -> Result<Self, Lacks> {
        // Whatever a CPU keeps for itself is this CPU's.
        let (mut one, all) = (
            CpuSet::new(),
            sched_getaffinity(Pid::from_raw(0)).map_err(lacks("sched_getaffinity"))?,
        );
        let first = (0..CpuSet::count()).find(|&cpu| all.is_set(cpu).unwrap_or(false)).unwrap_or(0);
        one.set(first)
            .and_then(|()| sched_setaffinity(Pid::from_raw(0), &one))
            .map_err(lacks("sched_setaffinity"))?;
        prctl::set_thp_disable(true).map_err(lacks("prctl"))?;
        prctl::set_child_subreaper(true).map_err(lacks("prctl"))?;
        // SAFETY: no handler.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.map_err(lacks("signal"))?;
        let block = File::open(device.path()).map_err(lacks_io(device.path()))?;
        let cpus = (0..CpuSet::count()).filter(|&cpu| all.is_set(cpu).unwrap_or(false)).collect();
        Ok(Self { device, _block: block, eyes: Eyes::open()?, gate: gate()?, cpus })
    }

    /// Does what all rests on work here?
    fn tried(self) -> Result<Self, Lacks> {
        let lines =
            self.script(&["store 0 0 1".into(), "pageout 0 0".into(), "load 0 0".into()])?;
        match lines[1].contains("S0") {
            true => Ok(self),
            false => Err(Lacks(
                "MADV_PAGEOUT swaps nothing here (Linux 5.4 has it; memory.swap.max may forbid it)"
                    .into(),
            )),
        }
    }

    /// Runs a script: a line for each operation. A line of two, with `|` between them, is what is
    /// done at once, with so many spins before each; its line is the state that is left.
    ///
    /// When nothing of it is left, as many slots are in use as before, or more where a kernel
    /// leaves slots to reclaim. If there are fewer, somebody else's were given back meanwhile, and
    /// it is run again.
    fn script(&self, script: &[String]) -> Result<Vec<String>, Lacks> {
        let mut tries = 0;
        loop {
            let (lines, before) = self.once(script)?;
            tries += 1;
            let used = self.eyes.used(self.device.path())?;
            // What two at once leave may be anything: nobody else may have swapped at all.
            let alone = if script.iter().any(|line| line.contains('|')) {
                used == before
            } else {
                used >= before
            };
            if alone || tries == TRIES {
                return Ok(lines);
            }
        }
    }

    /// Returns, besides the lines, how many slots were in use that are not the script's.
    fn once(&self, script: &[String]) -> Result<(Vec<String>, u64), Lacks> {
        if self.eyes.used(self.device.path())? > CROWDED {
            self.device.off().and_then(|()| self.device.on())?;
        }
        let pair =
            || socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        // One for the first process, and for each that is forked.
        let forks = script.iter().filter(|line| line.starts_with("fork")).count();
        let pairs = (0..=forks)
            .map(|_| pair())
            .collect::<Result<Vec<_>, _>>()
            .map_err(lacks("socketpair"))?;
        let (lines, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        // SAFETY: the runner has one thread.
        let pid = match unsafe { fork() }.map_err(lacks("fork"))? {
            ForkResult::Child => {
                drop(lines); // so that it hears when the runner ends
                worker::live(&theirs, 0, self.gate)
            }
            ForkResult::Parent { child } => child,
        };
        let mut running = Running {
            runner: self,
            lines,
            processes: BTreeMap::new(),
            observer: Observer::default(),
            used: self.eyes.used(self.device.path())?,
        };
        running.adopt(0, pid)?;
        let parse =
            |line: &str| line.trim().parse::<Op>().map_err(|error| Lacks(format!("{error}")));
        let step = |line: &String| match line.split('|').collect::<Vec<_>>()[..] {
            [first, second, spins] => {
                let spins: Vec<u32> =
                    spins.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
                let [before, after] = spins[..] else {
                    return Err(Lacks("two numbers of spins are needed".into()));
                };
                running.at_once([parse(first)?, parse(second)?], [before, after])
            }
            _ => running.step(&parse(line)?),
        };
        let lines = script.iter().map(step).collect::<Result<_, _>>()?;
        Ok((lines, running.used))
    }
}

/// A script that is under way.
struct Running<'r> {
    runner: &'r Runner<'r>,
    lines: Vec<OwnedFd>,
    processes: BTreeMap<usize, Process>,
    observer: Observer,
    /// Slots that were in use before.
    used: u64,
}

impl Running<'_> {
    fn adopt(&mut self, number: usize, pid: Pid) -> Result<(), Lacks> {
        let open = |name: &str| {
            OpenOptions::new()
                .read(true)
                .write(name == "mem")
                .open(format!("/proc/{pid}/{name}"))
                .map_err(lacks_io(name))
        };
        // SAFETY: takes a process and no flags.
        let pidfd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })
            .map_err(lacks("pidfd_open"))?;
        // SAFETY: the call has returned a descriptor, which is nobody else's.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
        self.processes.insert(
            number,
            Process { pid, pidfd, pagemap: open("pagemap")?, memory: open("mem")? },
        );
        Ok(())
    }

    /// What is there now, once nothing is on its way any more, on this CPU or `elsewhere` too.
    fn look(&self, elsewhere: bool) -> Result<Seen, Lacks> {
        worker::drain_lru(elsewhere);
        let mut seen = Seen::default();
        for (&number, process) in &self.processes {
            let places = Eyes::entries(&process.pagemap)?
                .into_iter()
                .map(|entry| self.runner.eyes.place(entry))
                .collect::<Result<_, _>>()?;
            seen.processes.insert(number, places);
        }
        seen.used = self.runner.eyes.used(self.runner.device.path())?.saturating_sub(self.used);
        Ok(seen)
    }

    /// Has two operations done at once, by two processes or by two threads of one. A swapoff comes
    /// first, and is nobody's.
    fn at_once(&mut self, both: [Op; 2], spins: [u32; 2]) -> Result<String, Lacks> {
        let [first, second, ..] = self.runner.cpus[..] else {
            return Err(Lacks("two CPUs are needed".into()));
        };
        let frames = self.frames()?;
        self.runner.gate.store(0, SeqCst);
        let request =
            |op: &Op, cpu: usize, spins: u32| format!("{op}@{}@{cpu}@{spins}", self.other(op));
        let requests = [request(&both[0], first, spins[0]), request(&both[1], second, spins[1])];
        let answers = if let [Op::Swapoff {}, op] = both {
            // This process, which is on the first CPU, does that itself.
            let p = op.process().expect("a worker's");
            self.send(p, &requests[1])?;
            worker::meet(self.runner.gate, spins[0]);
            let off = self.runner.device.try_off();
            if off.is_ok() {
                self.runner.device.on()?;
                self.used = 0; // the others' slots are given back too
            }
            [worker::written(off.map(|()| 0)), self.receive(p, &op)?]
        } else if both[0].process() == both[1].process() {
            let p = both[0].process().expect("a worker's");
            let answer = self.request(p, &requests.join("|"), &both[0])?;
            [answer[..16].to_vec(), answer.get(16..).unwrap_or_default().to_vec()]
        } else {
            let [p, q] = both.map(|op| op.process().expect("a worker's"));
            self.send(p, &requests[0])?;
            let second = self.request(q, &requests[1], &both[1])?;
            [self.receive(p, &both[0])?, second]
        };
        let outcomes = [self.outcome(&both[0], &answers[0])?, self.outcome(&both[1], &answers[1])?];
        frames.iter().try_for_each(|&frame| self.runner.eyes.settle(frame))?;
        Ok(std::mem::take(&mut self.observer).ending(&outcomes, &self.look(true)?))
    }

    /// Frames that are mapped.
    fn frames(&self) -> Result<Vec<u64>, Lacks> {
        let entries = self
            .processes
            .values()
            .map(|process| Eyes::entries(&process.pagemap))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().flatten().filter_map(Eyes::frame).collect())
    }

    fn step(&mut self, op: &Op) -> Result<String, Lacks> {
        let frames = self.frames()?;
        let outcome = self.act(op)?;
        frames.iter().try_for_each(|&frame| self.runner.eyes.settle(frame))?;
        if matches!(op, Op::Swapoff {}) {
            self.used = 0; // the others' slots are given back too
        }
        // What is written out ends wherever the device does.
        let seen =
            self.look(matches!(op, Op::Pageout { .. } | Op::Migrate { .. } | Op::Swapoff {}))?;
        Ok(self.observer.line(op, &outcome, &seen))
    }

    fn act(&mut self, op: &Op) -> Result<Outcome, Lacks> {
        let memory = |p: usize, k: u64| (&self.processes[&p].memory, BASE + k * PAGE);
        let io = |done: std::io::Result<u64>, reads: bool| match done {
            Ok(value) if reads => Outcome::Value(value),
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Failed(
                error
                    .raw_os_error()
                    .map_or_else(|| error.to_string(), |raw| format!("{:?}", Errno::from_raw(raw))),
            ),
        };
        match *op {
            Op::Peek { p, k } => {
                let (mut word, (file, at)) = ([0; 8], memory(p, k));
                Ok(io(file.read_exact_at(&mut word, at).map(|()| u64::from_ne_bytes(word)), true))
            }
            Op::Poke { p, k, v } => {
                let (file, at) = memory(p, k);
                Ok(io(file.write_all_at(&v.to_ne_bytes(), at).map(|()| 0), false))
            }
            Op::Swapoff {} => {
                self.runner.device.off()?;
                self.runner.device.on()?;
                Ok(Outcome::Done)
            }
            _ => self.ask(op),
        }
    }

    /// Has a worker do it.
    fn ask(&mut self, op: &Op) -> Result<Outcome, Lacks> {
        let p = op.process().expect("a worker's");
        let request = format!("{op}@{}", self.other(op));
        if let Op::Exit { .. } = op {
            self.send(p, &request)?;
            let process = self.processes.remove(&p).expect("it lives");
            process.wait(PollTimeout::NONE)?;
            return Ok(Outcome::Done);
        }
        let answer = self.request(p, &request, op)?;
        self.outcome(op, &answer)
    }

    /// The other process that it is about.
    fn other(&self, op: &Op) -> i32 {
        match *op {
            Op::VmRead { q, .. } | Op::VmWrite { q, .. } => self.processes[&q].pid.as_raw(),
            _ => 0,
        }
    }

    fn request(&self, p: usize, request: &str, op: &Op) -> Result<Vec<u8>, Lacks> {
        self.send(p, request)?;
        self.receive(p, op)
    }

    fn send(&self, p: usize, request: &str) -> Result<(), Lacks> {
        debug_assert!(request.len() <= LONG, "a request has its size");
        send(self.lines[p].as_raw_fd(), request.as_bytes(), MsgFlags::empty())
            .map(drop)
            .map_err(lacks("a worker has ended"))
    }

    /// An answer, of 16 bytes an operation.
    fn receive(&self, p: usize, op: &Op) -> Result<Vec<u8>, Lacks> {
        let (line, mut answer) = (&self.lines[p], [0; 32]);
        let ended = || Lacks(format!("a worker has ended at '{op}'"));
        if !self.processes[&p].answers(line)? {
            return Err(ended());
        }
        match recv(line.as_raw_fd(), &mut answer, MsgFlags::empty()) {
            Ok(got @ (16 | 32)) => Ok(answer[..got].to_vec()),
            _ => Err(ended()),
        }
    }

    fn outcome(&mut self, op: &Op, answer: &[u8]) -> Result<Outcome, Lacks> {
        let word = |at: usize| {
            answer
                .get(at..at + 8)
                .map_or(0, |bytes| u64::from_ne_bytes(bytes.try_into().expect("8 bytes")))
        };
        if word(0) != 0 {
            return Ok(Outcome::Failed(format!("{:?}", Errno::from_raw(word(0) as i32))));
        }
        Ok(match *op {
            Op::Fork { q, .. } => {
                self.adopt(q, Pid::from_raw(word(8) as i32))?;
                Outcome::Done
            }
            Op::Load { .. } | Op::Drain { .. } | Op::DmaRead { .. } | Op::VmRead { .. } => {
                Outcome::Value(word(8))
            }
            _ => Outcome::Done,
        })
    }
}

/// A word that the runner and all its workers share.
fn gate() -> Result<&'static Gate, Lacks> {
    let (length, protection) = (
        NonZeroUsize::new(PAGE as usize).expect("a page"),
        ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
    );
    // SAFETY: a new mapping, which is never unmapped, and which is zeroes: a good word.
    unsafe {
        mmap_anonymous(None, length, protection, MapFlags::MAP_SHARED)
            .map(|at| at.cast::<Gate>().as_ref())
    }
    .map_err(lacks("mmap"))
}

impl Process {
    /// Until it has ended; false if that takes too long.
    fn wait(&self, most: PollTimeout) -> Result<bool, Lacks> {
        poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], most)
            .map(|ended| ended > 0)
            .map_err(lacks("poll"))
    }

    /// Until it answers on its line; false if it has ended instead.
    fn answers(&self, line: &OwnedFd) -> Result<bool, Lacks> {
        let mut two = [
            PollFd::new(line.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut two, PollTimeout::NONE).map_err(lacks("poll"))?;
        Ok(two[0].any().unwrap_or(false))
    }
}

/// The next script begins when nothing is left of this one.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        for (&p, process) in &self.processes {
            // What is killed leaves what its device holds to a thread of the kernel, which takes
            // its time.
            let exits = self
                .send(p, &format!("{}@0", Op::Exit { p }))
                .and_then(|()| process.wait(PollTimeout::from(1_000u16)));
            if !matches!(exits, Ok(true)) {
                let _ = kill(process.pid, Signal::SIGKILL);
                let _ = process.wait(PollTimeout::NONE);
            }
        }
    }
}
