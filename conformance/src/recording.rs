//! Traces: what a kernel showed, as text that is kept in the repository.
//!
//! A header of `# key: value`, then sequences, each after a blank line: `@ MIX SEED`, and one line
//! of an [`Observer`](crate::Observer) for each operation. A trace that is `like` another one holds
//! only the sequences in which its kernel showed something else.

use std::collections::BTreeMap;
use std::fmt;

use crate::op::Op;

/// What is said of the kernel: its version, and what matters of its configuration.
pub type Header = BTreeMap<String, String>;

/// One script, and what was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sequence {
    /// The mix and the seed.
    pub title: String,
    /// A line for each operation.
    pub lines: Vec<String>,
}

impl Sequence {
    /// The script.
    ///
    /// # Errors
    /// When a line does not begin with an operation.
    pub fn script(&self) -> Result<Vec<Op>, RecordingError> {
        let op = |line: &String| {
            let op = line.split_once(" =>").map_or(line.as_str(), |(op, _)| op);
            op.parse().map_err(|error| RecordingError(format!("{}: {error}", self.title)))
        };
        self.lines.iter().map(op).collect()
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n@ {}", self.title)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What a kernel showed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Recording {
    /// Of which kernel.
    pub header: Header,
    /// One after the other.
    pub sequences: Vec<Sequence>,
}

/// A text that is no trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingError(String);

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecordingError {}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.iter().try_for_each(|(key, value)| writeln!(f, "# {key}: {value}"))?;
        self.sequences.iter().try_for_each(|sequence| sequence.fmt(f))
    }
}

impl std::str::FromStr for Recording {
    type Err = RecordingError;

    fn from_str(text: &str) -> Result<Self, RecordingError> {
        let mut trace = Recording::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let bad = |what: &str| RecordingError(format!("line {}: {what}", at + 1));
            if let Some(said) = line.strip_prefix("# ") {
                let (key, value) =
                    said.split_once(": ").ok_or_else(|| bad("a header without a value"))?;
                trace.header.insert(key.into(), value.into());
            } else if let Some(title) = line.strip_prefix("@ ") {
                trace.sequences.push(Sequence { title: title.into(), lines: Vec::new() });
            } else {
                trace
                    .sequences
                    .last_mut()
                    .ok_or_else(|| bad("an operation outside of a sequence"))?
                    .lines
                    .push(line.into());
            }
        }
        Ok(trace)
    }
}

impl Recording {
    /// What is said of it under `key`.
    pub fn says(&self, key: &str) -> Option<&str> {
        self.header.get(key).map(String::as_str)
    }

    /// The whole of a trace that holds only what differs from `other`, which it is like, and what
    /// the other one lacks.
    #[must_use]
    pub fn completed_by(mut self, other: &Recording) -> Recording {
        let own: BTreeMap<_, _> =
            self.sequences.drain(..).map(|sequence| (sequence.title.clone(), sequence)).collect();
        let differs = |sequence: &Sequence| own.get(&sequence.title).unwrap_or(sequence).clone();
        let others =
            other.sequences.iter().map(differs).filter(|sequence| !sequence.lines.is_empty());
        let more = own
            .values()
            .filter(|sequence| other.sequences.iter().all(|known| known.title != sequence.title))
            .cloned();
        self.sequences = others.chain(more).collect();
        self
    }

    /// What is left of it when it is said that it is like `other`; what it lacks of it is a
    /// sequence without lines; what it has beyond it comes last.
    #[must_use]
    pub fn beside(&self, other: &Recording) -> Recording {
        let own: BTreeMap<_, _> =
            self.sequences.iter().map(|sequence| (&sequence.title, sequence)).collect();
        let missing = |title: &String| Sequence { title: title.clone(), lines: Vec::new() };
        let differs =
            other.sequences.iter().filter(|sequence| own.get(&sequence.title) != Some(sequence));
        let differing = differs.map(|sequence| {
            own.get(&sequence.title).map_or_else(|| missing(&sequence.title), |&own| own.clone())
        });
        let more = self
            .sequences
            .iter()
            .filter(|sequence| other.sequences.iter().all(|known| known.title != sequence.title))
            .cloned();
        Recording { header: self.header.clone(), sequences: differing.chain(more).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::Recording;

    #[test]
    fn what_is_written_is_read_and_differences_are_completed() {
        let full = "# kernel: 1\n\n@ a 1\nload 0 1 => 3 p0[a1x]\n\n@ b 2\nexit 1 =>\n\n@ c \
                    3\nswapoff =>\n";
        let other = "# kernel: 2\n\n@ a 1\nload 0 1 => 3 p0[a1x]\n\n@ b 2\nexit 1 => used=1\n";
        let (full, other): (Recording, Recording) =
            (full.parse().expect("a trace"), other.parse().expect("a trace"));
        assert_eq!(full.to_string().parse(), Ok(full.clone()));
        let differs = other.beside(&full);
        assert_eq!(differs.sequences.len(), 2);
        assert_eq!(
            differs.to_string().parse::<Recording>().expect("a trace").completed_by(&full),
            other
        );
        assert!("exit 1".parse::<Recording>().is_err());
        assert!(full.sequences.iter().all(|sequence| sequence.script().is_ok()));
    }
}
