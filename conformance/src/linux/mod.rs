//! The kernel's side: scripts are run in real processes, on a swap device of their own.
//!
//! A [`Recorder`] is two processes. The guard sets everything up, waits until whoever asked is done
//! or dead, and undoes it; it belongs to no terminal and ignores what asks it to stop. The runner
//! runs the scripts, in processes that end when it does.

mod device;
mod eyes;
mod runner;
mod worker;

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

use fastrand::Rng;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, setpgid, setsid};

use crate::op::Op;
use crate::pair::Pair;
use crate::recording::Header;
use device::Device;

/// What is missing, in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lacks(pub String);

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lacks {}

fn lacks(what: &str) -> impl FnOnce(nix::Error) -> Lacks + '_ {
    move |error| Lacks(format!("{what}: {}", error.desc()))
}

fn lacks_io(what: &str) -> impl FnOnce(std::io::Error) -> Lacks + '_ {
    move |error| Lacks(format!("{what}: {error}"))
}

/// Records what the running kernel shows.
pub struct Recorder {
    guard: Pid,
    talk: Option<BufReader<UnixStream>>,
}

impl Recorder {
    /// Sets everything up: a swap device in memory, and processes to run scripts in. It forks: no
    /// other thread may be busy meanwhile.
    ///
    /// # Errors
    /// When this machine cannot do it: nothing is left then.
    pub fn start() -> Result<Self, Lacks> {
        Self::start_on(None)
    }

    /// The same with a swap device that is there already, and whose contents are lost; without one,
    /// on one as above.
    ///
    /// # Errors
    /// As above.
    pub fn start_on(device: Option<&str>) -> Result<Self, Lacks> {
        can_run()?;
        let (ours, theirs) = UnixStream::pair().map_err(lacks_io("no socket"))?;
        // SAFETY: the caller says that no other thread holds anything.
        let guard = match unsafe { fork() }.map_err(lacks("fork"))? {
            ForkResult::Child => {
                drop(ours);
                worker::leave(i32::from(!guard(theirs, device)));
            }
            ForkResult::Parent { child } => child,
        };
        drop(theirs);
        let mut recorder = Self { guard, talk: Some(BufReader::new(ours)) };
        match recorder.line()?.as_str() {
            "ready" => Ok(recorder),
            why => Err(Lacks(why.to_owned())),
        }
    }

    /// Can pages be moved from one node to another?
    pub fn has_two_nodes() -> bool {
        Path::new("/sys/devices/system/node/node1").exists()
    }

    /// Runs a script, which must make sense; returns a line for each operation.
    ///
    /// # Errors
    /// When the runner has come to an end: it says why.
    pub fn run(&mut self, script: &[Op]) -> Result<Vec<String>, Lacks> {
        self.ask(&script.iter().map(|op| format!("{op}\n")).collect::<String>())
    }

    /// The pairs that can be run here: some need two nodes.
    pub fn pairs() -> impl Iterator<Item = &'static Pair> {
        Pair::ALL.iter().filter(|pair| !pair.migrates() || Self::has_two_nodes())
    }

    /// Runs a pair once, sometimes the one a little later and sometimes the other; returns what
    /// they came to and the state that is left. This machine must have two CPUs.
    ///
    /// # Errors
    /// As above.
    pub fn at_once(&mut self, pair: &Pair, rng: &mut Rng) -> Result<String, Lacks> {
        let setup: String = pair.setup().iter().map(|op| format!("{op}\n")).collect();
        let [first, second] = pair.both();
        let most = 1 << rng.u32(..15);
        let late = rng.u32(..most);
        let [before_first, before_second] = if rng.bool() { [late, 0] } else { [0, late] };
        let lines =
            self.ask(&format!("{setup}{first}|{second}|{before_first} {before_second}\n"))?;
        lines.last().cloned().ok_or_else(|| Lacks("the runner has said nothing".into()))
    }

    fn ask(&mut self, text: &str) -> Result<Vec<String>, Lacks> {
        let talk = self.talk.as_mut().ok_or_else(|| Lacks("the runner has ended".into()))?;
        talk.get_mut()
            .write_all(format!("{text}\n").as_bytes())
            .map_err(lacks_io("the runner has ended"))?;
        let mut lines = Vec::new();
        loop {
            match self.line()? {
                line if line.is_empty() => return Ok(lines),
                line if line.starts_with('!') => return Err(Lacks(line[1..].trim().to_owned())),
                line => lines.push(line),
            }
        }
    }

    fn line(&mut self) -> Result<String, Lacks> {
        let mut line = String::new();
        let talk = self.talk.as_mut().ok_or_else(|| Lacks("the runner has ended".into()))?;
        match talk.read_line(&mut line) {
            Ok(read) if read > 0 => Ok(line.trim_end().to_owned()),
            _ => Err(Lacks("the runner has ended, and did not say why".into())),
        }
    }
}

/// What was set up is undone when this returns.
impl Drop for Recorder {
    fn drop(&mut self) {
        self.talk = None;
        let ended = loop {
            match waitpid(self.guard, None) {
                Err(nix::Error::EINTR) => {}
                ended => break ended,
            }
        };
        if let Ok(WaitStatus::Signaled(..)) = ended {
            let _ = device::clear_up(); // somebody has killed the guard
        }
    }
}

/// What is said of the running kernel at the head of a trace.
pub fn running_kernel() -> Header {
    let read =
        |name| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let kernel = format!("{} {}", read("osrelease").trim(), read("version").trim());
    Header::from([("kernel".into(), kernel), ("with".into(), eyes::configuration())])
}

/// What can be known before anything is set up.
fn can_run() -> Result<(), Lacks> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Lacks("only root sees page frames and can use swap".into()));
    }
    for file in ["/proc/kpageflags", "/proc/kpagecount", "/proc/swaps", "/proc/self/pagemap"] {
        std::fs::File::open(file).map_err(lacks_io(file))?;
    }
    if eyes::frames_are_hidden()? {
        return Err(Lacks("page frames are hidden: CAP_SYS_ADMIN is missing".into()));
    }
    io_uring::IoUring::new(1).map(drop).map_err(lacks_io("no io_uring"))
}

/// The guard's life; false if anything went wrong. Its end of `talk` and the runner's are all there
/// are, so that the other side hears of the end of both.
fn guard(talk: UnixStream, given: Option<&str>) -> bool {
    let _ = setsid();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    let mut said = talk.try_clone().ok();
    let mut complain = |lacks: &Lacks| {
        let told = said.as_mut().is_some_and(|talk| writeln!(talk, "{lacks}").is_ok());
        debug_assert!(told, "nobody hears it");
    };
    // Whoever has this name is the only one: two would swap to each other's devices. It goes with
    // its owner.
    let only = SocketAddr::from_abstract_name("lockwalk-conform")
        .and_then(|name| UnixListener::bind_addr(&name));
    let device = only
        .map_err(|_| Lacks("another one is running on this machine".into()))
        .and_then(|only| Ok((Device::set_up(given)?, only)));
    let (device, _only) = match device {
        Ok(both) => both,
        Err(lacks) => {
            complain(&lacks);
            return false;
        }
    };
    // SAFETY: the guard has one thread.
    let ran = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            for handled in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
                // SAFETY: no handler.
                let _ = unsafe { signal(handled, SigHandler::SigDfl) };
            }
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
            worker::leave(i32::from(!runner::run(talk, &device)));
        }
        Ok(ForkResult::Parent { child }) => {
            let _ = setpgid(child, child);
            drop(talk);
            // The runner ends when whoever asked closes its end, or is no more.
            let ended = waitpid(child, None);
            let _ = kill(Pid::from_raw(-child.as_raw()), Signal::SIGKILL);
            matches!(ended, Ok(WaitStatus::Exited(_, 0)))
        }
        Err(error) => {
            complain(&lacks("fork")(error));
            false
        }
    };
    match device.undo() {
        Ok(()) => ran,
        Err(lacks) => {
            complain(&lacks);
            false
        }
    }
}
