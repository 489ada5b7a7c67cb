//! The swap device: a loop device over memory, which vanishes with its last user, or one that is
//! given.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::mount::{fsconfig_create, fsmount, fsopen};

use super::{Lacks, lacks, lacks_io};

/// One megabyte: up to 6.12, slots that CPUs keep ready count as used; for a device this small
/// there are none.
const SIZE: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// What the file is called in `/sys/block/loopN/loop/backing_file`; behind it stands what must be
/// restored.
const NAME: &str = "lockwalk-conform page-cluster=";
const CLUSTER: &str = "/proc/sys/vm/page-cluster";

// <linux/loop.h>
const LOOP_SET_FD: libc::Ioctl = 0x4C00;
const LOOP_CLR_FD: libc::Ioctl = 0x4C01;
const LOOP_SET_STATUS64: libc::Ioctl = 0x4C04;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    ignored: [u64; 5],
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    names: [u8; 64 + 64 + 32],
    init: [u64; 2],
}

/// A swap device that is in use.
pub struct Device {
    path: String,
    cluster: String,
}

impl Device {
    /// Sets it up, after what an earlier run left behind when it was killed.
    pub fn set_up(given: Option<&str>) -> Result<Self, Lacks> {
        clear_up()?;
        let cluster = fs::read_to_string(CLUSTER).map_err(lacks_io(CLUSTER))?.trim().to_owned();
        let (path, block) = match given {
            Some(path) => (path.to_owned(), prepare(path).map_err(lacks_io(path))?),
            None => over_memory(&cluster)?,
        };
        let device = Self { path, cluster };
        // Read-ahead would bring in more than a script says.
        let on = fs::write(CLUSTER, "0").map_err(lacks_io(CLUSTER)).and_then(|()| device.on());
        if let Err(lacks) = on {
            device.restore();
            return Err(lacks);
        }
        drop(block);
        Ok(device)
    }

    /// Its name in `/proc/swaps`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// swapon, before all others.
    pub fn on(&self) -> Result<(), Lacks> {
        // SWAP_FLAG_PREFER, and the highest priority there is.
        let flags = 0x8000 | 0x7fff;
        let path = CString::new(self.path.as_str()).expect("no NUL");
        // SAFETY: the path is a string that lives.
        Errno::result(unsafe { libc::swapon(path.as_ptr(), flags) })
            .map(drop)
            .map_err(lacks("swapon"))
    }

    /// swapoff. The caller keeps the device from vanishing, if it is to be used again.
    pub fn off(&self) -> Result<(), Lacks> {
        off(&self.path)
    }

    /// The same; what says that it failed is returned.
    pub fn try_off(&self) -> Result<(), nix::Error> {
        let path = CString::new(self.path.as_str()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the path is a string that lives.
        Errno::result(unsafe { libc::swapoff(path.as_ptr()) }).map(drop)
    }

    fn restore(&self) {
        let _ = fs::write(CLUSTER, &self.cluster);
    }

    /// Nothing of it is left.
    pub fn undo(self) -> Result<(), Lacks> {
        let off = self.off();
        self.restore();
        off
    }
}

fn off(path: &str) -> Result<(), Lacks> {
    if path.strip_prefix("/dev/loop").is_some_and(|number| !answers(number)) {
        // swapoff would never come back
        return Err(Lacks(format!("{path}, which is used for swap, does not answer any more")));
    }
    let path = CString::new(path).map_err(|_| Lacks("swapoff".into()))?;
    // SAFETY: the path is a string that lives.
    Errno::result(unsafe { libc::swapoff(path.as_ptr()) }).map(drop).map_err(lacks("swapoff"))
}

/// A block device of memory that is there, and is to be used for swap: nothing else is written
/// over.
fn prepare(path: &str) -> std::io::Result<File> {
    let memory = ["/dev/ram", "/dev/zram"].iter().any(|kind| path.starts_with(kind));
    let swaps = std::fs::read_to_string("/proc/swaps")?;
    if !memory || swaps.lines().any(|line| line.split_whitespace().next() == Some(path)) {
        return Err(std::io::Error::other(format!(
            "{path} is no device of memory, or is used for swap already"
        )));
    }
    let block = OpenOptions::new().read(true).write(true).open(path)?;
    block.write_all_at(&header(), 0)?;
    block.sync_all()?;
    Ok(block)
}

/// A loop device over memory: its path, and the device, open.
fn over_memory(cluster: &str) -> Result<(String, File), Lacks> {
    let memory =
        unswappable(&format!("{NAME}{cluster}")).map_err(lacks_io("no memory for swap"))?;
    attach(&memory)
}

/// A file of memory with the header of a swap device, all of it there. It is a ramfs's, whose pages
/// nobody reclaims: those of a memfd may go to swap, so to the device that they stand behind, which
/// then waits for itself.
fn unswappable(name: &str) -> std::io::Result<File> {
    let ramfs = fsopen("ramfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&ramfs)?;
    let mounted = fsmount(&ramfs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(openat(&mounted, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all_at(&vec![0; SIZE as usize], 0)?;
    file.write_all_at(&header(), 0)?;
    Ok(file)
}

/// The first page of a swap device.
fn header() -> Vec<u8> {
    let mut page = vec![0; PAGE as usize];
    page[1024..1028].copy_from_slice(&1u32.to_ne_bytes());
    page[1028..1032].copy_from_slice(&((SIZE / PAGE) as u32 - 1).to_ne_bytes());
    page[PAGE as usize - 10..].copy_from_slice(b"SWAPSPACE2");
    page
}

/// A loop device over `memory` that vanishes when nobody has it open or uses it. Returns its path,
/// and the device, open.
fn attach(memory: &File) -> Result<(String, File), Lacks> {
    let open =
        |path: &str| OpenOptions::new().read(true).write(true).open(path).map_err(lacks_io(path));
    let control = open("/dev/loop-control")?;
    loop {
        // SAFETY: takes no argument.
        let number = Errno::result(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) })
            .map_err(lacks("no loop device"))?;
        let path = format!("/dev/loop{number}");
        let block = open(&path)?;
        // SAFETY: takes a file descriptor.
        match Errno::result(unsafe {
            libc::ioctl(block.as_raw_fd(), LOOP_SET_FD, memory.as_raw_fd())
        }) {
            Err(Errno::EBUSY) => continue, // somebody else has taken it meanwhile
            other => other.map_err(lacks("no loop device"))?,
        };
        let info = LoopInfo {
            ignored: [0; 5],
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: LO_FLAGS_AUTOCLEAR,
            names: [0; 160],
            init: [0; 2],
        };
        // SAFETY: takes a struct loop_info64, which this is.
        if let Err(error) =
            Errno::result(unsafe { libc::ioctl(block.as_raw_fd(), LOOP_SET_STATUS64, &info) })
        {
            // SAFETY: takes no argument.
            unsafe { libc::ioctl(block.as_raw_fd(), LOOP_CLR_FD) };
            return Err(lacks("no loop device")(error));
        }
        return Ok((path, block));
    }
}

/// An earlier run, and its guard too, were killed: what they left is undone.
pub fn clear_up() -> Result<(), Lacks> {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    for path in swaps.lines().filter_map(|line| line.split_ascii_whitespace().next()) {
        let Some(number) = path.strip_prefix("/dev/loop") else { continue };
        let backing = fs::read_to_string(format!("/sys/block/loop{number}/loop/backing_file"))
            .unwrap_or_default();
        let Some((_, cluster)) = backing.split_once(NAME) else { continue };
        off(path)?;
        let cluster: String = cluster.chars().take_while(char::is_ascii_digit).collect();
        let written =
            fs::File::create(CLUSTER).and_then(|mut file| file.write_all(cluster.as_bytes()));
        debug_assert!(written.is_ok(), "page-cluster was written before");
    }
    Ok(())
}

/// Is all that was asked of a loop device done, after a while?
fn answers(number: &str) -> bool {
    let is_idle = || {
        let inflight = fs::read_to_string(format!("/sys/block/loop{number}/inflight"));
        inflight.is_ok_and(|text| text.split_ascii_whitespace().all(|count| count == "0"))
    };
    (0..50).any(|_| {
        let idle = is_idle();
        if !idle {
            std::thread::sleep(Duration::from_millis(100));
        }
        idle
    })
}
