//! Which steps of a witness are shown, and what is said of the others.

use crate::brief::brief;
use crate::story::{self, plural, story, window};
use crate::{Ending, Witness};

/// So many rows at most are brief.
const BRIEF: usize = 15;

/// Which steps of a witness to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The story around the switches: of a long turn, only what matters later, and what is brief.
    /// Steps keep their numbers.
    Window,
    /// The same, and of what comes before the first switch as little as of a long turn, and nothing
    /// of its end.
    FromFirstSwitch,
    /// Calls, locks, stores, notes, and of the loads those that matter.
    #[default]
    Story,
    /// Every step.
    Full,
    /// The fifteen steps, at most, that are the race itself, as far as they can be told.
    Brief,
}

/// The steps to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Their indices.
    pub rows: Vec<usize>,
    /// Those of them before which something of the story is left out.
    pub gaps: Vec<usize>,
    /// Loads without effect that are left out.
    pub(crate) loads: usize,
    /// Rows of the story that are left out.
    pub(crate) folded: usize,
    /// And most are.
    pub(crate) brief: bool,
    /// What is brief, and goes wrong for what was so before any step: what that was.
    pub(crate) at_the_start: Vec<String>,
}

impl Shown {
    pub(crate) fn new(witness: &Witness, detail: Detail) -> Self {
        let story = story(witness, detail == Detail::Full);
        // What is found when all have ended is a row, too.
        let brief = || brief(witness, &story, BRIEF - usize::from(witness.ending == Ending::Audit));
        let rows = match detail {
            Detail::Full | Detail::Story => story.clone(),
            Detail::Window => window(witness, &story, &brief(), false),
            Detail::FromFirstSwitch => window(witness, &story, &brief(), true),
            Detail::Brief => brief(),
        };
        let place = |row: &usize| story.binary_search(row).ok();
        let gap = |n: usize| match n.checked_sub(1) {
            None => rows.first() != story.first(),
            Some(before) => place(&rows[before]).map(|place| place + 1) != place(&rows[n]),
        };
        // What is brief has gaps everywhere.
        let gaps = (0..rows.len())
            .filter(|&n| detail != Detail::Brief && gap(n))
            .map(|n| rows[n])
            .collect();
        Self {
            gaps,
            loads: witness.steps.len() - story.len(),
            folded: story.len() - rows.len(),
            rows,
            brief: detail == Detail::Brief,
            at_the_start: match detail {
                Detail::Brief => story::at_the_start(witness),
                _ => Vec::new(),
            },
        }
    }

    /// The lanes to draw: where it is brief, no empty one.
    pub(crate) fn lanes(&self, witness: &Witness) -> Vec<usize> {
        let used = |lane: &usize| {
            self.rows.iter().any(|&row| story::lane(witness, witness.steps[row].cpu) == *lane)
        };
        let all = 0..story::heads(witness).len();
        if self.brief && !self.rows.is_empty() { all.filter(used).collect() } else { all.collect() }
    }

    /// What was so before any step, in one line.
    pub(crate) fn start(&self) -> Option<String> {
        let facts = self.at_the_start.join(", ");
        (!facts.is_empty()).then(|| format!("at the start: {facts}"))
    }

    /// What is left out, and how to see it, in one sentence; nothing if nothing is.
    pub(crate) fn left_out(&self) -> Option<String> {
        let are = |n: usize| if n == 1 { "is" } else { "are" };
        let loads = (self.loads > 0).then(|| {
            let loads = plural(self.loads as u64, "load");
            format!("{loads} without effect {} not shown (--full shows them)", are(self.loads))
        });
        let folded = (self.folded > 0).then(|| {
            let rows = plural(self.folded as u64, "row");
            let place = if self.brief { "" } else { " where ⋮ stands" };
            format!("{rows} {} left out{place} (--whole shows them)", are(self.folded))
        });
        let all: Vec<_> = folded.into_iter().chain(loads).collect();
        (!all.is_empty()).then(|| format!("rows are numbered by step; {}", all.join("; ")))
    }
}
