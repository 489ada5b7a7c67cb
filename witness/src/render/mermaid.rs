//! A witness as a Mermaid sequence diagram, for a forge to draw.

use std::fmt::Write;

use super::cells::wrap;
use super::paint::width;
use super::{Detail, prepared};
use crate::shown::Shown;
use crate::story::{self, Hold};
use crate::{Ending, Step, StepKind, Witness};

/// Columns after which a text goes on in the next line.
const COLUMNS: usize = 48;
/// Locks that are drawn; the steps of others are notes.
const LOCKS: usize = 6;

/// What is violated stands on this.
const BAD: &str = "rect rgba(220, 38, 38, 0.25)";

/// `witness` as the source of a Mermaid `sequenceDiagram`, to stand in a block of code marked
/// `mermaid`.
///
/// CPUs and locks are the participants. Taking or dropping a lock is an arrow to it, and it is
/// active while it is held; a dashed arrow is a switch; everything else a CPU does, and what became
/// true by it, stands in notes.
pub fn mermaid(witness: &Witness, detail: Detail) -> String {
    let (witness, shown) = prepared(witness, false, detail);
    let witness = &witness;
    let mut holds = story::holds(witness);
    let mut locks = story::locks(&holds);
    // What no row is about would be a column with nothing in it.
    locks.retain(|lock| shown.rows.iter().any(|row| witness.steps[*row].object == *lock));
    locks.truncate(LOCKS);
    // Of what is left out around a lock, mermaid must not see one end alone.
    let end = witness.steps.len();
    holds.retain(|hold| {
        [hold.steps.start, hold.steps.end]
            .iter()
            .all(|step| *step == end || shown.rows.contains(step))
    });
    let mut diagram =
        Diagram { witness, shown, holds, locks, notes: Vec::new(), out: String::new() };
    diagram.head();
    diagram.steps();
    diagram.out
}

/// A diagram under construction.
struct Diagram<'a> {
    witness: &'a Witness,
    shown: Shown,
    holds: Vec<Hold>,
    locks: Vec<String>,
    /// Lines of the note that is being written.
    notes: Vec<String>,
    out: String,
}

impl Diagram<'_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "    {text}");
    }

    fn lock(&self, name: &str) -> Option<usize> {
        self.locks.iter().position(|lock| lock == name)
    }

    fn head(&mut self) {
        let w = self.witness;
        let title = format!("{} · {} · protocol {}", w.race, w.title, w.protocol);
        let headline = story::headline(w);
        self.out =
            "%%{init: {\"sequence\": {\"noteAlign\": \"left\"}}}%%\nsequenceDiagram\n".to_owned();
        self.line(&format!("accTitle: {}", label(&title, usize::MAX)));
        self.line(&format!("accDescr: {}", label(&headline, usize::MAX)));
        let heads = story::heads(w);
        for lane in self.shown.lanes(w) {
            self.line(&format!("participant c{lane} as {}", name(&heads[lane])));
        }
        for (i, lock) in self.locks.clone().iter().enumerate() {
            self.line(&format!("participant l{i} as {}", name(lock)));
        }
        let said: Vec<_> = [headline, story::demand(w), story::found(w)]
            .into_iter()
            .chain(self.shown.start())
            .collect();
        self.over_all(&said);
    }

    fn steps(&mut self) {
        let w = self.witness;
        let shown = self.shown.rows.clone();
        let repeating = story::repeating(w).unwrap_or_default();
        let mut inside = shown.iter().filter(|i| repeating.contains(i));
        let first = inside.next();
        let last = inside.next_back().or(first);
        let switches = story::switches(w, &shown);
        for (n, i) in shown.iter().enumerate() {
            let lane = story::lane(w, w.steps[*i].cpu);
            let before = n.checked_sub(1).map(|n| story::lane(w, w.steps[shown[n]].cpu));
            let before = before.filter(|before| *before != lane);
            let bad = story::violating(w) == Some(*i);
            let switched = switches.iter().any(|&(_, to)| to == n);
            if before.is_some() || switched || first == Some(i) || bad {
                self.note(before.unwrap_or(lane));
            }
            if first == Some(i) {
                self.line(&format!("loop {}", story::FOR_EVER));
            }
            if let Some((from, _)) = switches.iter().find(|(_, to)| *to == n) {
                let from = story::lane(w, w.steps[shown[*from]].cpu);
                self.line(&format!("c{from}-->>c{lane}: switch"));
            }
            if bad {
                self.line(BAD);
            }
            self.step(*i, lane);
            if bad || last == Some(i) {
                self.note(lane);
                self.line("end");
            }
        }
        if let Some(i) = shown.last() {
            self.note(story::lane(w, w.steps[*i].cpu));
        }
        if let Some(found) = story::audited(w) {
            self.line(BAD);
            self.over_all(&[story::ENDED.to_owned(), format!("✗ {found}")]);
            self.line("end");
        }
        if let Ending::Deadlock { cycle } = &w.ending
            && !story::says(w, cycle)
        {
            self.over_all(&[story::waits(cycle)]);
        }
        if let Some(left_out) = self.shown.left_out() {
            self.over_all(&[left_out]);
        }
        // Mermaid draws no bar for what is never deactivated.
        let end = w.steps.len();
        let open = self.holds.iter().filter(|hold| hold.steps.end == end);
        let open: Vec<_> = open.filter_map(|hold| self.lock(hold.lock.as_deref()?)).collect();
        for lock in open {
            self.line(&format!("deactivate l{lock}"));
        }
    }

    fn step(&mut self, i: usize, lane: usize) {
        let step = &self.witness.steps[i];
        let text = label(&story::text(self.witness, step), COLUMNS);
        let gap = if self.shown.gaps.contains(&i) { "⋮ " } else { "" };
        let number = format!("{gap}{}", i + 1);
        match self.lock(&step.object).zip(arrow(step)) {
            Some((lock, arrow)) => {
                self.note(lane);
                self.line(&format!("c{lane}{arrow}l{lock}: {number} {text}"));
                let starts = self.holds.iter().any(|h| h.lock.is_some() && h.steps.start == i);
                let ends = self.holds.iter().any(|h| h.lock.is_some() && h.steps.end == i);
                if starts {
                    self.line(&format!("activate l{lock}"));
                }
                if ends {
                    self.line(&format!("deactivate l{lock}"));
                }
            }
            None => {
                let space = "\u{a0}".repeat(2 * usize::from(step.depth.min(8)));
                self.notes.push(format!("{number} {space}{text}"));
            }
        }
        let now = story::now_by_clause(self.witness, i);
        let now = now.iter().map(|now| match now.starts_with('✗') {
            true => label(now, COLUMNS),
            false => label(&format!("→ {now}"), COLUMNS),
        });
        self.notes.extend(now);
    }

    /// Writes the note that has been gathered, if any.
    fn note(&mut self, lane: usize) {
        if let Some(longest) = self.notes.iter_mut().max_by_key(|line| drawn(line)) {
            // Mermaid makes the box as wide as its longest line, and then moves the text to the
            // right.
            longest.push_str("#160;");
            let text = self.notes.join("<br/>");
            self.notes.clear();
            self.line(&format!("Note over c{lane}: {text}"));
        }
    }

    fn over_all(&mut self, texts: &[String]) {
        let lanes = self.shown.lanes(self.witness);
        let (Some(first), Some(last)) = (lanes.first(), lanes.last()) else { return };
        let (first, last) = match self.locks.len() {
            0 => (format!("c{first}"), format!("c{last}")),
            locks => (format!("c{first}"), format!("l{}", locks - 1)),
        };
        let all = if first == last { first } else { format!("{first},{last}") };
        let texts: Vec<_> = texts.iter().map(|text| label(text, COLUMNS)).collect();
        self.line(&format!("Note over {all}: {}", texts.join("<br/>")));
    }
}

/// `text` as the name of a participant: its box has room for two lines.
fn name(text: &str) -> String {
    let mut lines = wrap(text, COLUMNS / 2, 0);
    if lines.len() > 2 {
        lines.truncate(2);
        lines[1].push('…');
    }
    escaped(&lines)
}

/// About how wide a label is drawn: an entity takes as much as a letter.
fn drawn(label: &str) -> usize {
    width(label).saturating_sub("160;".len() * label.matches('#').count())
}

/// The arrow from a CPU to the lock that a step is about.
fn arrow(step: &Step) -> Option<&'static str> {
    use StepKind::{Blocked, Lock, LockShared, TryLock, TryLockFailed, Unlock};
    match step.kind {
        Lock | LockShared | TryLock => Some("->>"),
        Unlock => Some("-->>"),
        Blocked | TryLockFailed => Some("-x"),
        _ => None,
    }
}

/// `text` as a label: in lines of `columns`.
fn label(text: &str, columns: usize) -> String {
    escaped(&wrap(text, columns, 0))
}

/// `lines` as one label, with everything Mermaid could take for its own written as an entity.
fn escaped(lines: &[String]) -> String {
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        out.push_str(if i > 0 { "<br/>" } else { "" });
        for c in line.chars() {
            match c {
                '#' | ';' | ':' | '<' | '>' | '&' | '%' | '"' | '`' | '\\' | '{' | '}' => {
                    let _ = write!(out, "#{};", u32::from(c));
                }
                _ => out.push(c),
            }
        }
    }
    out
}
