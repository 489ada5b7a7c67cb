//! The few steps of a witness that are the race: what a document would show of it.

use std::cmp::Reverse;

use crate::story::{self, racing};
use crate::{StepKind, Witness};

/// Of the `story`, at most `most` steps: the violation, what it is about, where the CPUs switch, what they do to each other, in which call that is, and what is
/// held meanwhile; of what weighs the same, what is seldom touched, and the later.
pub(crate) fn brief(witness: &Witness, story: &[usize], most: usize) -> Vec<usize> {
    let mut weights: Vec<_> = (0..story.len()).map(|at| weight(witness, story, at)).collect();
    // Of each turn, the call in which its weightiest step is.
    let mut begin = 0;
    for turn in story.chunk_by(|a, b| witness.steps[*a].cpu == witness.steps[*b].cpu) {
        let here = begin..begin + turn.len();
        begin = here.end;
        let Some(weightiest) = here.rev().max_by_key(|&at| weights[at]) else { continue };
        if let Some(call) = call_of(witness, story, weightiest) {
            weights[call] = 6;
        }
    }
    let mut by_weight: Vec<_> = weights.into_iter().enumerate().filter(|&(_, weight)| weight > 0).collect();
    let touched = |at: usize| story.iter().filter(|&&row| witness.steps[row].object == witness.steps[story[at]].object).count();
    by_weight.sort_by_cached_key(|&(at, weight)| (Reverse(weight), touched(at), Reverse(at)));
    by_weight.truncate(most);
    let mut rows: Vec<_> = by_weight.into_iter().map(|(at, _)| story[at]).collect();
    rows.sort_unstable();
    rows
}

fn weight(witness: &Witness, story: &[usize], at: usize) -> u8 {
    let (steps, row) = (&witness.steps, story[at]);
    let step = &steps[row];
    let other_cpu = |other: Option<&usize>| other.is_some_and(|&other| steps[other].cpu != step.cpu);
    let at_a_switch = other_cpu(at.checked_sub(1).and_then(|before| story.get(before))) || other_cpu(story.get(at + 1));
    let about = !step.object.is_empty() && witness.what.contains(&step.object);
    let raced = racing(steps, 0..steps.len())[row] || racing(steps, (0..steps.len()).rev())[row];
    match step.kind {
        _ if Some(row) == story::violating(witness) => 9,
        StepKind::Blocked | StepKind::Violation => 8,
        StepKind::Call | StepKind::Return => u8::from(at_a_switch),
        _ if about && (step.kind == StepKind::Store || at_a_switch) => 7,
        _ if at_a_switch && raced => 6,
        StepKind::Store if raced => 5,
        StepKind::Note => 4,
        _ if raced || at_a_switch => 4,
        StepKind::Lock | StepKind::LockShared | StepKind::TryLock | StepKind::RcuLock => 3,
        StepKind::Store | StepKind::TryLockFailed => 2,
        _ => 0,
    }
}

/// The call around a step, as a place in the `story`.
fn call_of(witness: &Witness, story: &[usize], at: usize) -> Option<usize> {
    let step = &witness.steps[story[at]];
    (0..at).rev().find(|&before| {
        let call = &witness.steps[story[before]];
        call.kind == StepKind::Call && call.cpu == step.cpu && call.depth < step.depth
    })
}
