//! What can be seen of memory from outside, and how it is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::op::{Op, Outcome};

/// What is at one address of a process. Frames and slots are whatever numbers their side has: which
/// are the same is what counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Nothing.
    Empty,
    /// The zero page.
    Zero,
    /// A page.
    Page {
        /// Its frame.
        frame: u64,
        /// How many entries map it.
        mapcount: u64,
        /// It belongs to one process alone: `PG_anon_exclusive`.
        exclusive: bool,
        /// It is in the swap cache.
        cached: bool,
    },
    /// Something that is on swap.
    Slot(u64),
}

/// What is where in every process that lives, and how many slots of the swap device are in use.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    /// By process and page.
    pub processes: BTreeMap<usize, Vec<Place>>,
    /// Slots in use.
    pub used: u64,
}

/// Writes a line after each operation: `store 0 1 3 => p0[a1x S0 -] used=1`.
///
/// A letter is a page frame from when it is first mapped until nothing maps it any more, the digit
/// its mapcount, `x` that it is exclusive, `c` that it is in the swap cache; `S0` is a swap slot,
/// `z` the zero page. Processes and `used` are written when they are not what they were.
#[derive(Default)]
pub struct Observer {
    frames: Names,
    slots: Names,
    written: BTreeMap<usize, String>,
    used: u64,
}

/// Names for what is there; what goes and comes again is something new.
#[derive(Default)]
struct Names {
    next: usize,
    known: BTreeMap<u64, usize>,
}

impl Names {
    fn update(&mut self, present: impl Iterator<Item = u64>) {
        let mut known = BTreeMap::new();
        for thing in present {
            known.entry(thing).or_insert_with(|| {
                self.known.get(&thing).copied().unwrap_or_else(|| {
                    self.next += 1;
                    self.next - 1
                })
            });
        }
        self.known = known;
    }
}

impl Observer {
    /// The line for `op`, which came to `outcome` and left this to be seen.
    pub fn line(&mut self, op: &Op, outcome: &Outcome, seen: &Seen) -> String {
        let mut line = format!("{op} =>{}", outcome.shown());
        self.append(&mut line, seen);
        line
    }

    /// What two operations came to, and the whole state that they left; frames and slots that were
    /// there before keep their names.
    pub fn ending(mut self, outcomes: &[Outcome; 2], seen: &Seen) -> String {
        let mut line = outcomes.each_ref().map(Outcome::shown).join(" |");
        line += " =>";
        self.written.clear();
        self.used = 0;
        self.append(&mut line, seen);
        line.trim_start().to_owned()
    }

    /// This is there before anything is written.
    pub fn begins_with(&mut self, seen: &Seen) {
        self.append(&mut String::new(), seen);
    }

    fn append(&mut self, line: &mut String, seen: &Seen) {
        let places = || seen.processes.values().flatten();
        self.frames.update(places().filter_map(|place| {
            if let Place::Page { frame, .. } = place { Some(*frame) } else { None }
        }));
        self.slots.update(
            places().filter_map(
                |place| {
                    if let Place::Slot(slot) = place { Some(*slot) } else { None }
                },
            ),
        );
        self.written.retain(|process, _| seen.processes.contains_key(process));
        for (&process, places) in &seen.processes {
            let text = places.iter().map(|&place| self.place(place)).collect::<Vec<_>>().join(" ");
            if self.written.get(&process) != Some(&text) {
                _ = write!(line, " p{process}[{text}]");
                self.written.insert(process, text);
            }
        }
        if self.used != seen.used {
            _ = write!(line, " used={}", seen.used);
            self.used = seen.used;
        }
    }

    fn place(&self, place: Place) -> String {
        match place {
            Place::Empty => "-".into(),
            Place::Zero => "z".into(),
            Place::Slot(slot) => format!("S{}", self.slots.known[&slot]),
            Place::Page { frame, mapcount, exclusive, cached } => {
                let name = letters(self.frames.known[&frame]);
                format!(
                    "{name}{mapcount}{}{}",
                    if exclusive { "x" } else { "" },
                    if cached { "c" } else { "" }
                )
            }
        }
    }
}

/// `a` to `z`, then `aa`, `ab` and so on.
fn letters(n: usize) -> String {
    let last = char::from(b'a' + (n % 26) as u8);
    if n < 26 { last.into() } else { format!("{}{last}", letters(n / 26 - 1)) }
}
