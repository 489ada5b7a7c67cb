//! A worker: a process of a script, which does what its line says and answers.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use io_uring::{IoUring, opcode, types};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mprotect, munmap};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::{ForkResult, Pid, fork, pipe, read, write};
use std::io::{IoSlice, IoSliceMut};
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use super::eyes::{BASE, PAGE};
use crate::PAGES;
use crate::op::Op;

/// A request: the operation, and the process that it is about, where there is another one. An
/// answer: errno, or zero, and the value.
pub const LONG: usize = 128;

/// What a worker holds besides memory. A child does not have it.
#[derive(Default)]
struct Held {
    pipe: Option<(OwnedFd, OwnedFd)>,
    device: Option<Ring>,
}

/// A device that can go through one registered page.
struct Ring {
    ring: IoUring,
    /// What it reads from and writes to.
    pipe: (OwnedFd, OwnedFd),
    at: u64,
}

fn address(k: u64) -> NonNull<libc::c_void> {
    NonNull::new((BASE + k * PAGE) as *mut _).expect("not null")
}

const LENGTH: usize = PAGE as usize;

/// Ends the process, and nothing of what it has from its parent: no buffer is written out twice.
pub fn leave(status: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(status) }
}

fn map(k: u64, pages: u64) -> Result<(), Errno> {
    let length = NonZeroUsize::new((pages * PAGE) as usize).expect("some pages");
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS | MapFlags::MAP_FIXED;
    // SAFETY: nothing but scripts uses these addresses.
    unsafe {
        let at = mmap_at(k, length, flags)?;
        // A kernel without huge pages does not know the advice.
        let _ = madvise(at, length.get(), MmapAdvise::MADV_NOHUGEPAGE);
    }
    (k..k + pages).for_each(|k| READ_ONLY[k as usize].store(false, SeqCst));
    Ok(())
}

/// Which pages this process has asked to be read-only. A child begins with its parent's, as it does
/// with what they are about.
static READ_ONLY: [AtomicBool; PAGES as usize] = [const { AtomicBool::new(false) }; PAGES as usize];

fn is_read_only(k: u64) -> bool {
    READ_ONLY[k as usize].load(SeqCst)
}

/// While it may be either, stores go through the kernel.
fn protect(k: u64, writable: bool) -> Result<(), Errno> {
    let protection =
        if writable { ProtFlags::PROT_READ | ProtFlags::PROT_WRITE } else { ProtFlags::PROT_READ };
    READ_ONLY[k as usize].store(true, SeqCst);
    // SAFETY: nothing but scripts uses these addresses, and they store only to what they have not
    // asked to be read-only.
    unsafe { mprotect(address(k), LENGTH, protection) }?;
    READ_ONLY[k as usize].store(!writable, SeqCst);
    Ok(())
}

/// Moves the page to `t`. What may be stored to goes with it.
fn remap(k: u64, t: u64) -> Result<(), Errno> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: nothing but scripts uses these addresses.
    let at =
        unsafe { libc::mremap(address(k).as_ptr(), LENGTH, LENGTH, flags, address(t).as_ptr()) };
    if at == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    READ_ONLY[t as usize].store(READ_ONLY[k as usize].load(SeqCst), SeqCst);
    Ok(())
}

/// A store by a system call, which faults as one by user code does, and says `EFAULT` where that
/// would get a signal.
fn store_by_the_kernel(k: u64, v: u64) -> Result<u64, Errno> {
    let (from, into) = pipe()?;
    write(&into, &v.to_ne_bytes())?;
    // SAFETY: the kernel checks the address; nothing is made of the page here.
    Errno::result(unsafe { libc::read(from.as_raw_fd(), address(k).as_ptr(), size_of::<u64>()) })
        .map(|_| 0)
}

/// # Safety
/// What is mapped there is lost.
unsafe fn mmap_at(
    k: u64,
    length: NonZeroUsize,
    flags: MapFlags,
) -> Result<NonNull<libc::c_void>, Errno> {
    // SAFETY: as the caller says.
    unsafe {
        nix::sys::mman::mmap_anonymous(
            NonZeroUsize::new(address(k).as_ptr() as usize),
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            flags,
        )
    }
}

/// A worker's life: `lines[me]` is its line; the others are its children's.
pub fn live(lines: &[OwnedFd], mut me: usize, gate: &'static Gate) -> ! {
    if map(0, PAGES).is_err() {
        leave(1);
    }
    let mut held = Held::default();
    loop {
        let mut request = [0; LONG];
        let Ok(got @ 1..) = recv(lines[me].as_raw_fd(), &mut request, MsgFlags::empty()) else {
            leave(0)
        };
        let Some(asked) = Asked::parse(&request[..got]) else { leave(1) };
        let (op, other) = match asked[..] {
            [Asked { op, other, at_once: None }] => (op, other),
            _ => {
                if send(lines[me].as_raw_fd(), &at_once(&asked, gate), MsgFlags::empty()).is_err() {
                    leave(0);
                }
                continue;
            }
        };
        let answer = match op {
            Op::Exit { .. } => {
                if let Some(ring) = &held.device {
                    let _ = ring.ring.submitter().unregister_buffers();
                }
                leave(0)
            }
            // SAFETY: a worker has one thread.
            Op::Fork { q, .. } => match unsafe { fork() } {
                Ok(ForkResult::Child) => {
                    held = Held::default();
                    me = q;
                    continue;
                }
                Ok(ForkResult::Parent { child }) => Ok(child.as_raw() as u64),
                Err(errno) => Err(errno),
            },
            _ => held.act(&op, other),
        };
        if send(lines[me].as_raw_fd(), &written(answer), MsgFlags::empty()).is_err() {
            leave(0);
        }
    }
}

/// An answer, as it is sent.
pub fn written(answer: Result<u64, Errno>) -> Vec<u8> {
    let (errno, value) = answer.map_or_else(|errno| (errno as u64, 0), |value| (0, value));
    [errno.to_ne_bytes(), value.to_ne_bytes()].concat()
}

/// Where two that are to act at once wait for each other.
pub type Gate = AtomicU32;

/// What a request asks for: `OP@PID`, or with `@CPU@SPINS` what is to be done at once with
/// something else, in another process or behind `|`.
#[derive(Clone, Copy)]
struct Asked {
    op: Op,
    other: Pid,
    /// On which CPU, and how long after both are there.
    at_once: Option<(usize, u32)>,
}

impl Asked {
    fn parse(request: &[u8]) -> Option<Vec<Self>> {
        let one = |text: &str| {
            let mut parts = text.split('@');
            let (op, other) =
                (parts.next()?.parse().ok()?, Pid::from_raw(parts.next()?.parse().ok()?));
            let at_once = match parts.next() {
                Some(cpu) => Some((cpu.parse().ok()?, parts.next()?.parse().ok()?)),
                None => None,
            };
            Some(Self { op, other, at_once })
        };
        std::str::from_utf8(request).ok()?.split('|').map(one).collect()
    }

    fn act(&self, gate: &Gate) -> Vec<u8> {
        let (cpu, spins) = self.at_once.unwrap_or_default();
        let mut one = CpuSet::new();
        let moved = one.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &one));
        meet(gate, spins);
        written(moved.and_then(|()| Held::default().act(&self.op, self.other)))
    }
}

/// Waits for the other one, and then for so many rounds of nothing.
pub fn meet(gate: &Gate, spins: u32) {
    gate.fetch_add(1, SeqCst);
    // Should the other one be dead, that is no reason to wait for ever.
    (0..1 << 30).take_while(|_| gate.load(SeqCst) < 2).for_each(|_| std::hint::spin_loop());
    (0..spins).for_each(|_| std::hint::spin_loop());
}

/// Does what is asked for at once with something else: with what another process does, or, if there
/// are two, one in a thread.
fn at_once(asked: &[Asked], gate: &'static Gate) -> Vec<u8> {
    for one in asked {
        if let Op::Mprotect { k, .. } = one.op {
            // it may be, by the time that the other one stores
            READ_ONLY[k as usize].store(true, SeqCst);
        }
    }
    match *asked {
        [first, second] => std::thread::scope(|scope| {
            let other = scope.spawn(move || second.act(gate));
            let mut answers = first.act(gate);
            answers.extend(other.join().unwrap_or_default());
            answers
        }),
        _ => asked.iter().flat_map(|one| one.act(gate)).collect(),
    }
}

impl Held {
    /// What the operation finds, or zero.
    fn act(&mut self, op: &Op, other: Pid) -> Result<u64, Errno> {
        let done = |_| 0;
        match *op {
            Op::Store { k, v, .. } if is_read_only(k) => store_by_the_kernel(k, v),
            Op::Store { k, v, .. } => {
                // SAFETY: the script has mapped it.
                unsafe { address(k).cast::<u64>().write_volatile(v) };
                Ok(0)
            }
            // SAFETY: the script has mapped it.
            Op::Load { k, .. } => Ok(unsafe { address(k).cast::<u64>().read_volatile() }),
            Op::Mmap { k, .. } => map(k, 1).map(done),
            Op::Mprotect { k, w, .. } => protect(k, w == 1).map(done),
            Op::Mremap { k, t, .. } => remap(k, t).map(done),
            // SAFETY: nothing but scripts uses these addresses.
            Op::Munmap { k, .. } => unsafe { munmap(address(k), LENGTH) }.map(done),
            Op::Split { k, .. } => advise(k, MmapAdvise::MADV_RANDOM),
            Op::Dontneed { k, .. } => advise(k, MmapAdvise::MADV_DONTNEED),
            Op::Pageout { k, .. } => advise(k, MmapAdvise::MADV_PAGEOUT),
            Op::Splice { k, .. } => self.splice(k),
            Op::Drain { .. } => self.drain(),
            Op::Pin { k, .. } => self.pin(k),
            Op::Unpin { .. } => {
                self.device()?.ring.submitter().unregister_buffers().map(done).map_err(errno)
            }
            Op::DmaWrite { v, .. } => self.device()?.write(v),
            Op::DmaRead { .. } => self.device()?.read(),
            Op::VmRead { k, .. } => {
                let mut word = [0; 8];
                process_vm_readv(other, &mut [IoSliceMut::new(&mut word)], &[remote(k)])?;
                Ok(u64::from_ne_bytes(word))
            }
            Op::VmWrite { k, v, .. } => {
                process_vm_writev(other, &[IoSlice::new(&v.to_ne_bytes())], &[remote(k)]).map(|_| 0)
            }
            Op::Migrate { k, .. } => migrate(k),
            // These are not a worker's.
            Op::Peek { .. }
            | Op::Poke { .. }
            | Op::Fork { .. }
            | Op::Exit { .. }
            | Op::Swapoff {} => Err(Errno::EINVAL),
        }
    }

    fn splice(&mut self, k: u64) -> Result<u64, Errno> {
        if self.pipe.is_none() {
            self.pipe = Some(pipe()?);
        }
        let (_, into) = self.pipe.as_ref().expect("it is there now");
        let page = libc::iovec { iov_base: address(k).as_ptr(), iov_len: LENGTH };
        // SAFETY: one iovec, which lives.
        Errno::result(unsafe {
            libc::vmsplice(into.as_raw_fd(), &page, 1, libc::SPLICE_F_NONBLOCK)
        })
        .map(|_| 0)
    }

    fn drain(&mut self) -> Result<u64, Errno> {
        let (from, _) = self.pipe.as_ref().ok_or(Errno::EINVAL)?;
        let mut page = [0; LENGTH];
        read(from, &mut page)?;
        Ok(u64::from_ne_bytes(page[..8].try_into().expect("8 bytes")))
    }

    fn device(&mut self) -> Result<&mut Ring, Errno> {
        self.device.as_mut().ok_or(Errno::EINVAL)
    }

    fn pin(&mut self, k: u64) -> Result<u64, Errno> {
        if self.device.is_none() {
            self.device =
                Some(Ring { ring: IoUring::new(1).map_err(errno)?, pipe: pipe()?, at: 0 });
        }
        let ring = self.device()?;
        ring.at = address(k).as_ptr() as u64;
        let page = libc::iovec { iov_base: address(k).as_ptr(), iov_len: LENGTH };
        // SAFETY: the kernel pins the page; nothing is made of it here.
        unsafe { ring.ring.submitter().register_buffers(&[page]) }.map(|()| 0).map_err(errno)
    }
}

impl Ring {
    fn write(&mut self, v: u64) -> Result<u64, Errno> {
        write(&self.pipe.1, &v.to_ne_bytes())?;
        let from = self.pipe.0.as_raw_fd();
        self.run(|at| {
            opcode::ReadFixed::new(types::Fd(from), at as *mut u8, 8, 0).offset(u64::MAX).build()
        })
        .map(|_| 0)
    }

    fn read(&mut self) -> Result<u64, Errno> {
        let into: RawFd = self.pipe.1.as_raw_fd();
        self.run(|at| {
            opcode::WriteFixed::new(types::Fd(into), at as *const u8, 8, 0).offset(u64::MAX).build()
        })?;
        let mut word = [0; 8];
        read(&self.pipe.0, &mut word)?;
        Ok(u64::from_ne_bytes(word))
    }

    fn run(&mut self, entry: impl FnOnce(u64) -> io_uring::squeue::Entry) -> Result<i32, Errno> {
        let entry = entry(self.at);
        // SAFETY: the buffer is the registered one, and the pipe stays open until this is over.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| Errno::EBUSY)?;
        self.ring.submit_and_wait(1).map_err(errno)?;
        let result =
            self.ring.completion().next().map_or(-libc::EIO, |completion| completion.result());
        if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(result) }
    }
}

fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn remote(k: u64) -> RemoteIoVec {
    RemoteIoVec { base: address(k).as_ptr() as usize, len: 8 }
}

fn advise(k: u64, advice: MmapAdvise) -> Result<u64, Errno> {
    // SAFETY: nothing but scripts uses these addresses.
    unsafe { madvise(address(k), LENGTH, advice) }.map(|()| 0)
}

/// Asks where the page is, and moves it to the other node.
fn migrate(k: u64) -> Result<u64, Errno> {
    const MOVE_ALL: i32 = 4;
    let (at, mut status) = (address(k).as_ptr(), -1i32);
    let call = |nodes: *const i32, status: &mut i32, flags: i32| {
        // SAFETY: one page, one node, one status, all of which live.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_move_pages, 0, 1usize, &raw const at, nodes, status, flags)
        })
    };
    call(std::ptr::null(), &mut status, 0)?;
    if status >= 0 {
        let node = 1 - status;
        call(&node, &mut status, MOVE_ALL)?;
    }
    Ok(0)
}

/// Takes what CPUs keep on their way to the LRU lists there: that is a reference more. `move_pages`
/// does so for `all` CPUs before it looks whether there is anything to move, which is slow;
/// MADV_COLD for this one.
pub fn drain_lru(all: bool) {
    if all {
        let (at, node, mut status) = (BASE as *const libc::c_void, 0i32, 0i32);
        // SAFETY: one page, one node, one status, all of which live.
        unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                1usize,
                &raw const at,
                &raw const node,
                &raw mut status,
                2,
            )
        };
    } else {
        // SAFETY: the page of a local variable; whether it was used lately does not matter.
        unsafe {
            libc::madvise(
                ((&raw const all).addr() & !(LENGTH - 1)) as *mut libc::c_void,
                LENGTH,
                libc::MADV_COLD,
            )
        };
    }
}
