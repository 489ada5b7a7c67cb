//! Does the model do what Linux does? Scripts of memory operations ([`Op`]), one after the other
//! and in several processes; what can be seen of memory after each ([`Observer`]); a generator of
//! scripts ([`generate`]); what running kernels showed ([`Recording`]); and on Linux, a [`Recorder`]
//! that runs scripts in real processes.
//!
//! The model's side of the same lines is `lockwalk::conform`. This package knows nothing of the
//! model, so that neither can copy from the other.

mod generate;
#[cfg(target_os = "linux")]
mod linux;
mod observe;
mod op;
mod pair;
mod recording;
mod shrink;
mod state;

pub use generate::{Mix, generate};
#[cfg(target_os = "linux")]
pub use linux::{Lacks, Recorder, running_kernel};
pub use observe::{Observer, Place, Seen};
pub use op::{Op, OpError, Outcome};
pub use pair::Pair;
pub use recording::{Header, Recording, RecordingError, Sequence};
pub use shrink::shrink;
pub use state::State;

/// Pages that every process begins with, at the addresses `0..PAGES`.
pub const PAGES: u64 = 3;

/// Processes that may live at a time.
pub const PROCESSES: usize = 4;

/// Slots that the model's swap device needs: a page in each of the processes, and what pipes and
/// devices still hold.
pub const SLOTS: u32 = 24;
