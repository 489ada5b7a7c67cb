//! What root can see of memory: page tables, frames and slots.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::{Lacks, lacks_io};
use crate::PAGES;
use crate::observe::Place;

/// Where page 0 of a script is.
pub const BASE: u64 = 0x1_0000_0000;
pub const PAGE: u64 = 4096;

/// A device of memory that has not written a page for so long never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// The files under `/proc` that tell of frames.
pub struct Eyes {
    counts: File,
    flags: File,
    swaps: File,
}

/// Bits of `/proc/kpageflags`: Documentation/admin-guide/mm/pagemap.rst, and for the last one
/// include/linux/kernel-page-flags.h.
const WRITEBACK: u64 = 1 << 8;
const SWAPCACHE: u64 = 1 << 13;
const ZERO_PAGE: u64 = 1 << 24;
/// `KPF_MAPPEDTODISK`, which `PG_anon_exclusive` shares on anonymous pages.
const EXCLUSIVE: u64 = 1 << 34;

/// Bits of `/proc/PID/pagemap`.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FRAME: u64 = (1 << 55) - 1;

impl Eyes {
    pub fn open() -> Result<Self, Lacks> {
        let open = |path: &str| File::open(path).map_err(lacks_io(path));
        Ok(Self {
            counts: open("/proc/kpagecount")?,
            flags: open("/proc/kpageflags")?,
            swaps: open("/proc/swaps")?,
        })
    }

    /// What the entries of a process say.
    pub fn entries(pagemap: &File) -> Result<Vec<u64>, Lacks> {
        let mut bytes = [0; PAGES as usize * 8];
        pagemap
            .read_exact_at(&mut bytes, BASE / PAGE * 8)
            .map_err(lacks_io("/proc/PID/pagemap"))?;
        Ok(bytes
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")))
            .collect())
    }

    fn word(file: &File, frame: u64) -> Result<u64, Lacks> {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, frame * 8)
            .map_err(lacks_io("/proc/kpageflags or /proc/kpagecount"))?;
        Ok(u64::from_ne_bytes(word))
    }

    /// What is at an entry.
    pub fn place(&self, entry: u64) -> Result<Place, Lacks> {
        if entry & PRESENT != 0 {
            let frame = entry & FRAME;
            let flags = Self::word(&self.flags, frame)?;
            if flags & ZERO_PAGE != 0 {
                return Ok(Place::Zero);
            }
            let mapcount = Self::word(&self.counts, frame)?;
            return Ok(Place::Page {
                frame,
                mapcount,
                exclusive: flags & EXCLUSIVE != 0,
                cached: flags & SWAPCACHE != 0,
            });
        }
        Ok(if entry & SWAPPED != 0 { Place::Slot(entry & FRAME) } else { Place::Empty })
    }

    /// The frame that an entry maps.
    pub fn frame(entry: u64) -> Option<u64> {
        (entry & PRESENT != 0).then_some(entry & FRAME)
    }

    /// Waits until the frame is not being written out.
    pub fn settle(&self, frame: u64) -> Result<(), Lacks> {
        let began = Instant::now();
        while Self::word(&self.flags, frame)? & WRITEBACK != 0 {
            if began.elapsed() > PATIENCE {
                return Err(Lacks(format!(
                    "a page has been on its way to swap for {} s",
                    PATIENCE.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_micros(20));
        }
        Ok(())
    }

    /// Slots of the swap device in use.
    pub fn used(&self, device: &str) -> Result<u64, Lacks> {
        let mut text = [0; 4096];
        let read = self.swaps.read_at(&mut text, 0).map_err(lacks_io("/proc/swaps"))?;
        let text = String::from_utf8_lossy(&text[..read]);
        let line = text
            .lines()
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
            .find(|words| words.first() == Some(&device));
        let kilobytes: u64 = line
            .and_then(|words| words.get(3)?.parse().ok())
            .ok_or_else(|| Lacks(format!("{device} is not used for swap")))?;
        Ok(kilobytes * 1024 / PAGE)
    }
}

/// Are the frames in `/proc/PID/pagemap` zeroes?
pub fn frames_are_hidden() -> Result<bool, Lacks> {
    let here = 0u64;
    let pagemap = File::open("/proc/self/pagemap").map_err(lacks_io("/proc/self/pagemap"))?;
    let entry = Eyes::word(&pagemap, (&raw const here).addr() as u64 / PAGE)?;
    Ok(Eyes::frame(entry) == Some(0))
}

/// The kernel's configuration, as far as what is seen depends on it.
pub fn configuration() -> String {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let thp = read("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_else(|| "none".into());
    let zswap = read("/sys/module/zswap/parameters/enabled").unwrap_or_else(|| "none".into());
    let lru = read("/sys/kernel/mm/lru_gen/enabled").unwrap_or_else(|| "none".into());
    format!(
        "transparent_hugepage {thp}, zswap {zswap}, lru_gen {lru}, {} CPUs",
        std::thread::available_parallelism().map_or(1, usize::from)
    )
}
