//! The few steps of a witness that are the race: what a document would show of it.

use crate::story::{self, racing};
use crate::{StepKind, Witness};

/// Of the `story`, at most `most` steps: the violation, what it is about, where the CPUs switch, what they do to each other, and what is held meanwhile; of what
/// weighs the same, the later.
pub(crate) fn brief(witness: &Witness, story: &[usize], most: usize) -> Vec<usize> {
    let steps = &witness.steps;
    let races: Vec<_> = racing(steps, 0..steps.len()).into_iter().zip(racing(steps, (0..steps.len()).rev())).collect();
    let violating = story::violating(witness);
    let switches = |a: usize, b: usize| steps[a].cpu != steps[b].cpu;
    let weight = |at: usize| {
        let (row, step) = (story[at], &steps[story[at]]);
        let beside = |other: Option<&usize>| other.is_some_and(|&other| switches(row, other));
        let turns = beside(at.checked_sub(1).and_then(|before| story.get(before))) || beside(story.get(at + 1));
        let about = !step.object.is_empty() && witness.what.contains(&step.object);
        let raced = races[row].0 || races[row].1;
        match step.kind {
            _ if Some(row) == violating => 8,
            StepKind::Blocked | StepKind::Violation => 7,
            StepKind::Store if about => 6,
            StepKind::Call | StepKind::Return if !turns || at + 1 == story.len() => u8::from(step.depth == 0),
            _ if turns && (raced || about) => 6,
            StepKind::Store if raced => 5,
            StepKind::Note => 4,
            _ if raced || turns => 4,
            StepKind::Lock | StepKind::LockShared | StepKind::TryLock | StepKind::RcuLock => 3,
            StepKind::Store | StepKind::TryLockFailed => 2,
            _ => 0,
        }
    };
    let mut by_weight: Vec<_> = (0..story.len()).map(|at| (weight(at), at)).filter(|&(weight, _)| weight > 0).collect();
    by_weight.sort_unstable_by(|a, b| b.cmp(a));
    by_weight.truncate(most);
    let mut rows: Vec<_> = by_weight.into_iter().map(|(_, at)| story[at]).collect();
    rows.sort_unstable();
    rows
}
