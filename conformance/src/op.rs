//! Operations: what a process of a script can do.

use std::fmt;
use std::str::FromStr;

macro_rules! operations {
    ($($(#[doc = $text:literal])+ $name:literal $op:ident { $($field:ident: $type:ty),* },)+) => {
        /// One operation. Processes are numbered by the script, addresses are pages, values are the
        /// script's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[expect(
            missing_docs,
            reason = "p: the process that does it; k: the page; v: the value; q: the other \
                      process; t: the other page; w: 1, or 0"
        )]
        pub enum Op { $($(#[doc = $text])+ $op { $($field: $type),* },)+ }

        impl Op {
            /// The names of all operations.
            pub const NAMES: &[&str] = &[$($name),+];

            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$op { .. } => $name),+ }
            }
        }

        impl fmt::Display for Op {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Op::$op { $($field),* } => {
                        f.write_str($name)?;
                        $(write!(f, " {}", $field)?;)*
                        Ok(())
                    })+
                }
            }
        }

        impl FromStr for Op {
            type Err = OpError;

            fn from_str(text: &str) -> Result<Self, OpError> {
                let bad = || OpError(text.to_owned());
                let mut words = text.split_ascii_whitespace();
                let op = match words.next().ok_or_else(bad)? {
                    $($name => Op::$op {
                        $($field: words
                            .next()
                            .and_then(|word| word.parse().ok())
                            .ok_or_else(bad)?),*
                    },)+
                    _ => return Err(bad()),
                };
                if words.next().is_some() { Err(bad()) } else { Ok(op) }
            }
        }
    };
}

operations! {
    /// User code stores `v`. What it may not store to says `EFAULT`: it would get a signal.
    "store" Store { p: usize, k: u64, v: u64 },
    /// User code loads.
    "load" Load { p: usize, k: u64 },
    /// Somebody reads through `/proc/PID/mem`: a page is looked up for reading, and nothing is
    /// unshared.
    "peek" Peek { p: usize, k: u64 },
    /// Somebody stores `v` through `/proc/PID/mem`, whether the process may store there or not.
    "poke" Poke { p: usize, k: u64, v: u64 },
    /// Process `p` forks `q`.
    "fork" Fork { p: usize, q: usize },
    /// It gives back what its device holds, and exits; then its pipe goes.
    "exit" Exit { p: usize },
    /// It maps the page.
    "mmap" Mmap { p: usize, k: u64 },
    /// It unmaps the page.
    "munmap" Munmap { p: usize, k: u64 },
    /// It cuts its VMA on both sides of the page, by `MADV_RANDOM`.
    "split" Split { p: usize, k: u64 },
    /// `mprotect` makes the page read-only if `w` is 0, and writable again if it is 1.
    "mprotect" Mprotect { p: usize, k: u64, w: u8 },
    /// It moves the page to where `t` is, with all that is known of it; what is there goes.
    "mremap" Mremap { p: usize, k: u64, t: u64 },
    /// `MADV_DONTNEED`.
    "dontneed" Dontneed { p: usize, k: u64 },
    /// `MADV_PAGEOUT`, which passes by a page that several entries map.
    "pageout" Pageout { p: usize, k: u64 },
    /// `vmsplice`: a pipe holds the page by a reference.
    "splice" Splice { p: usize, k: u64 },
    /// Reads what was spliced first, which lets go of it.
    "drain" Drain { p: usize },
    /// Registers the page as an io_uring buffer: a device holds it for writing, by a pin.
    "pin" Pin { p: usize, k: u64 },
    /// Lets go of it.
    "unpin" Unpin { p: usize },
    /// The device stores `v` into what it holds.
    "dmaw" DmaWrite { p: usize, v: u64 },
    /// The device reads what it holds.
    "dmar" DmaRead { p: usize },
    /// `process_vm_readv` of a page of `q`: a pin for reading that is gone when the call returns.
    "pvread" VmRead { p: usize, q: usize, k: u64 },
    /// `process_vm_writev` to a page of `q`: the same for writing.
    "pvwrite" VmWrite { p: usize, q: usize, k: u64, v: u64 },
    /// `move_pages` to the other node, whoever else maps the page. Only where there are two nodes.
    "migrate" Migrate { p: usize, k: u64 },
    /// swapoff, then swapon of the empty device.
    "swapoff" Swapoff {},
}

impl Op {
    /// The process that does it; swapoff is nobody's.
    pub fn process(&self) -> Option<usize> {
        match *self {
            Op::Store { p, .. }
            | Op::Load { p, .. }
            | Op::Peek { p, .. }
            | Op::Poke { p, .. }
            | Op::Fork { p, .. }
            | Op::Exit { p }
            | Op::Mmap { p, .. }
            | Op::Munmap { p, .. }
            | Op::Split { p, .. }
            | Op::Mprotect { p, .. }
            | Op::Mremap { p, .. }
            | Op::Dontneed { p, .. }
            | Op::Pageout { p, .. }
            | Op::Splice { p, .. }
            | Op::Drain { p }
            | Op::Pin { p, .. }
            | Op::Unpin { p }
            | Op::DmaWrite { p, .. }
            | Op::DmaRead { p }
            | Op::VmRead { p, .. }
            | Op::VmWrite { p, .. }
            | Op::Migrate { p, .. } => Some(p),
            Op::Swapoff {} => None,
        }
    }
}

/// A line that is no operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpError(String);

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no operation", self.0)
    }
}

impl std::error::Error for OpError {}

/// What an operation returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It found this value.
    Value(u64),
    /// It failed so: an errno's name.
    Failed(String),
}

impl Outcome {
    /// As it stands in a line; nothing, if it was just done.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Done => String::new(),
            Self::Value(value) => format!(" {value}"),
            Self::Failed(errno) => format!(" {errno}"),
        }
    }
}
