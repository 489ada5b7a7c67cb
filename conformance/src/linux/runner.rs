//! The runner: it makes the processes of a script, has them do one operation after the other, and looks.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::{ForkResult, Pid, fork};

use super::device::Device;
use super::eyes::{BASE, Eyes, PAGE};
use super::worker::{self, LONG};
use super::{Lacks, lacks, lacks_io};
use crate::observe::{Observer, Seen};
use crate::op::{Op, Outcome};

/// Processes that a script may have, one after the other.
const LINES: usize = 64;

/// Runs scripts as they come; false if it has to give up.
pub fn run(talk: UnixStream, device: &Device) -> bool {
    let (Ok(mut out), read) = (talk.try_clone(), BufReader::new(talk)) else { return false };
    let runner = match Runner::new(device) {
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
        let text = ran
            .map_or_else(|lacks| format!("! {lacks}\n"), |lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>() + "\n");
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
        let (mut one, all) = (CpuSet::new(), sched_getaffinity(Pid::from_raw(0)).map_err(lacks("sched_getaffinity"))?);
        let first = (0..CpuSet::count()).find(|&cpu| all.is_set(cpu).unwrap_or(false)).unwrap_or(0);
        one.set(first).and_then(|()| sched_setaffinity(Pid::from_raw(0), &one)).map_err(lacks("sched_setaffinity"))?;
        prctl::set_thp_disable(true).map_err(lacks("prctl"))?;
        prctl::set_child_subreaper(true).map_err(lacks("prctl"))?;
        // SAFETY: no handler.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.map_err(lacks("signal"))?;
        let block = File::open(device.path()).map_err(lacks_io(device.path()))?;
        Ok(Self { device, _block: block, eyes: Eyes::open()? })
    }

    fn script(&self, script: &[String]) -> Result<Vec<String>, Lacks> {
        let pair = || socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let pairs = (0..LINES).map(|_| pair()).collect::<Result<Vec<_>, _>>().map_err(lacks("socketpair"))?;
        let (lines, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        // SAFETY: the runner has one thread.
        let pid = match unsafe { fork() }.map_err(lacks("fork"))? {
            ForkResult::Child => {
                drop(lines); // so that it hears when the runner ends
                worker::live(&theirs, 0)
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
        script.iter().map(|line| running.step(&line.parse().map_err(|error| Lacks(format!("{error}")))?)).collect()
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
        let open =
            |name: &str| OpenOptions::new().read(true).write(name == "mem").open(format!("/proc/{pid}/{name}")).map_err(lacks_io(name));
        // SAFETY: takes a process and no flags.
        let pidfd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }).map_err(lacks("pidfd_open"))?;
        // SAFETY: the call has returned a descriptor, which is nobody else's.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
        self.processes.insert(number, Process { pid, pidfd, pagemap: open("pagemap")?, memory: open("mem")? });
        Ok(())
    }

    fn step(&mut self, op: &Op) -> Result<String, Lacks> {
        let before = self.processes.values().map(|process| Eyes::entries(&process.pagemap)).collect::<Result<Vec<_>, _>>()?;
        let outcome = self.act(op)?;
        for frame in before.iter().flatten().filter_map(|&entry| Eyes::frame(entry)) {
            self.runner.eyes.settle(frame)?;
        }
        worker::drain_lru();
        let mut seen = Seen::default();
        for (&number, process) in &self.processes {
            let places =
                Eyes::entries(&process.pagemap)?.into_iter().map(|entry| self.runner.eyes.place(entry)).collect::<Result<_, _>>()?;
            seen.processes.insert(number, places);
        }
        let used = self.runner.eyes.used(self.runner.device.path())?;
        if matches!(op, Op::Swapoff {}) {
            self.used = 0; // the others' slots are given back too
        }
        seen.used = used.saturating_sub(self.used);
        Ok(self.observer.line(op, &outcome, &seen))
    }

    fn act(&mut self, op: &Op) -> Result<Outcome, Lacks> {
        let memory = |p: usize, k: u64| (&self.processes[&p].memory, BASE + k * PAGE);
        let io = |done: std::io::Result<u64>, reads: bool| match done {
            Ok(value) if reads => Outcome::Value(value),
            Ok(_) => Outcome::Done,
            Err(error) => {
                Outcome::Failed(error.raw_os_error().map_or_else(|| error.to_string(), |raw| format!("{:?}", Errno::from_raw(raw))))
            }
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
        let other = match *op {
            Op::VmRead { q, .. } | Op::VmWrite { q, .. } => self.processes[&q].pid.as_raw(),
            _ => 0,
        };
        let request = format!("{op}@{other}");
        debug_assert!(request.len() <= LONG, "a request has its size");
        let line = &self.lines[p];
        send(line.as_raw_fd(), request.as_bytes(), MsgFlags::empty()).map_err(lacks("a worker has ended"))?;
        if let Op::Exit { .. } = op {
            let process = self.processes.remove(&p).expect("it lives");
            process.wait()?;
            return Ok(Outcome::Done);
        }
        let mut answer = [0; 16];
        if !self.processes[&p].answers(line)? || recv(line.as_raw_fd(), &mut answer, MsgFlags::empty()) != Ok(answer.len()) {
            return Err(Lacks(format!("a worker has ended at '{op}'")));
        }
        let word = |at: usize| u64::from_ne_bytes(answer[at..at + 8].try_into().expect("8 bytes"));
        if word(0) != 0 {
            return Ok(Outcome::Failed(format!("{:?}", Errno::from_raw(word(0) as i32))));
        }
        Ok(match *op {
            Op::Fork { q, .. } => {
                self.adopt(q, Pid::from_raw(word(8) as i32))?;
                Outcome::Done
            }
            Op::Load { .. } | Op::Drain { .. } | Op::DmaRead { .. } | Op::VmRead { .. } => Outcome::Value(word(8)),
            _ => Outcome::Done,
        })
    }
}

impl Process {
    /// Until it has ended.
    fn wait(&self) -> Result<(), Lacks> {
        poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).map(drop).map_err(lacks("poll"))
    }

    /// Until it answers on its line; false if it has ended instead.
    fn answers(&self, line: &OwnedFd) -> Result<bool, Lacks> {
        let mut two = [PollFd::new(line.as_fd(), PollFlags::POLLIN), PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut two, PollTimeout::NONE).map_err(lacks("poll"))?;
        Ok(two[0].any().unwrap_or(false))
    }
}

/// The next script begins when nothing is left of this one.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        for process in self.processes.values() {
            let _ = kill(process.pid, Signal::SIGKILL);
        }
        for process in self.processes.values() {
            let _ = process.wait();
        }
    }
}
