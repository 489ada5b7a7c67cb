//! The few steps of a witness that decide it: what a document would show of it.

use std::cmp::Reverse;

use crate::story::{self, racing};
use crate::{Ending, StepKind, Witness};

/// Of the `story`, at most `most` steps: the violation, what it is about, where the CPUs switch,
/// what they do to each other, in which call that is, and what is held meanwhile; of what weighs
/// the same, what is seldom touched, and the later.
pub(crate) fn brief(witness: &Witness, story: &[usize], most: usize) -> Vec<usize> {
    let weighing = Weighing::new(witness, story);
    let mut weights: Vec<_> = (0..story.len()).map(|at| weighing.weight(at)).collect();
    // Of each turn, the call in which its weightiest step is.
    let mut begin = 0;
    for turn in story.chunk_by(|a, b| witness.steps[*a].cpu == witness.steps[*b].cpu) {
        let here = begin..begin + turn.len();
        begin = here.end;
        let Some(weightiest) = here.rev().max_by_key(|&at| weights[at]) else { continue };
        if let Some(call) = call_of(witness, story, weightiest) {
            weights[call] = weights[call].max(6);
        }
    }
    let touched = |at: usize| match witness.steps[story[at]].object.as_str() {
        "" => 1,
        object => story.iter().filter(|&&row| witness.steps[row].object == object).count(),
    };
    let mut by_weight: Vec<_> =
        weights.iter().copied().enumerate().filter(|&(_, weight)| weight > 0).collect();
    by_weight.sort_by_cached_key(|&(at, weight)| (Reverse(weight), touched(at), Reverse(at)));
    by_weight.truncate(most);
    let mut rows: Vec<_> = by_weight.into_iter().map(|(at, _)| story[at]).collect();
    rows.sort_unstable();
    rows
}

/// Makes `rows` stand for all. Few of the calls around a step are among them: it stands inside the
/// one that is shown before it, or in none. And a step says what it does, nothing of what is true
/// then.
pub(crate) fn only(witness: &mut Witness, rows: &[usize]) {
    let of = |row: usize| {
        rows.iter().rev().copied().find(|&before| before < row && contains(witness, before, row))
    };
    let depths: Vec<_> = (0..witness.steps.len()).map(|row| u8::from(of(row).is_some())).collect();
    for (step, depth) in witness.steps.iter_mut().zip(depths) {
        (step.depth, step.now) = (depth, Vec::new());
    }
}

struct Weighing<'w> {
    witness: &'w Witness,
    story: &'w [usize],
    /// Whether another CPU has stored to it before, or does behind it.
    raced: Vec<bool>,
    holds: Vec<story::Hold>,
    alone: bool,
}

impl<'w> Weighing<'w> {
    fn new(witness: &'w Witness, story: &'w [usize]) -> Self {
        let steps = &witness.steps;
        let before = racing(steps, 0..steps.len()).into_iter();
        let mut raced: Vec<_> = before
            .zip(racing(steps, (0..steps.len()).rev()))
            .map(|(before, behind)| before || behind)
            .collect();
        for (row, step) in steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.kind == StepKind::Store && !step.object.is_empty())
        {
            raced[row] |= steps
                .iter()
                .any(|s| s.kind == StepKind::Load && s.object == step.object && s.cpu != step.cpu);
        }
        let alone = steps.iter().all(|step| step.cpu == steps[0].cpu);
        Self { witness, story, raced, holds: story::holds(witness), alone }
    }

    fn weight(&self, at: usize) -> u8 {
        let (steps, row) = (&self.witness.steps, self.story[at]);
        let step = &steps[row];
        let other_cpu =
            |other: Option<&usize>| other.is_some_and(|&other| steps[other].cpu != step.cpu);
        let at_a_switch = other_cpu(at.checked_sub(1).and_then(|before| self.story.get(before)))
            || other_cpu(self.story.get(at + 1));
        let raced = self.raced[row];
        match step.kind {
            _ if Some(row) == story::violating(self.witness) => 9,
            StepKind::Blocked | StepKind::Violation | StepKind::TryLockFailed => 8,
            StepKind::Lock | StepKind::LockShared | StepKind::TryLock if self.in_the_cycle(row) => {
                8
            }
            StepKind::Call | StepKind::Return => u8::from(at_a_switch),
            StepKind::Store | StepKind::Note if self.is_about(row) => 7,
            _ if at_a_switch && (raced || self.is_about(row)) => 6,
            StepKind::Store if raced || self.alone => 5,
            StepKind::Note => 4,
            _ if raced || at_a_switch => 4,
            StepKind::Lock | StepKind::LockShared | StepKind::TryLock | StepKind::RcuLock => {
                3 * u8::from(self.is_held_beyond(row))
            }
            StepKind::Store => 2,
            _ => 0,
        }
    }

    /// Does the violation speak of what the step is about? A note has no object: one of its words
    /// stands there.
    fn is_about(&self, row: usize) -> bool {
        let step = &self.witness.steps[row];
        let words = || self.witness.what.split(|c: char| c.is_whitespace() || c == ',');
        match step.kind {
            StepKind::Note => words().any(|word| {
                word.contains(|c: char| c.is_ascii_digit())
                    && step.text.split(' ').any(|own| own == word)
            }),
            _ => !step.object.is_empty() && words().any(|word| word == step.object),
        }
    }

    /// Is it the taking of a lock that one of a deadlock's cycle holds?
    fn in_the_cycle(&self, row: usize) -> bool {
        let Ending::Deadlock { cycle } = &self.witness.ending else { return false };
        let end = self.witness.steps.len();
        let held = self.holds.iter().any(|hold| hold.steps.start == row && hold.steps.end == end);
        held && cycle.iter().any(|wait| wait.holds == self.witness.steps[row].object)
    }

    /// Does another CPU take a step while the lock is held?
    fn is_held_beyond(&self, row: usize) -> bool {
        let cpu = self.witness.steps[row].cpu;
        let hold = self.holds.iter().find(|hold| hold.steps.start == row);
        hold.is_some_and(|hold| {
            self.witness.steps[hold.steps.clone()].iter().any(|step| step.cpu != cpu)
        })
    }
}

/// The call around a step, as a place in the `story`.
fn call_of(witness: &Witness, story: &[usize], at: usize) -> Option<usize> {
    (0..at).rev().find(|&before| contains(witness, story[before], story[at]))
}

/// Is `row` inside the call that begins at `call`?
pub(crate) fn contains(witness: &Witness, call: usize, row: usize) -> bool {
    let begins = &witness.steps[call];
    let its = |step: &&crate::Step| step.cpu == begins.cpu;
    begins.kind == StepKind::Call
        && begins.cpu == witness.steps[row].cpu
        && witness.steps[call + 1..=row].iter().filter(its).all(|step| step.depth > begins.depth)
}

#[cfg(test)]
mod tests {
    use super::brief;
    use crate::{Ending, Found, Step, StepKind, Wait, Witness};

    fn step(cpu: usize, kind: StepKind, object: &str) -> Step {
        let text = format!("{kind:?} {object}");
        Step {
            cpu,
            depth: 0,
            kind,
            text,
            object: object.into(),
            now: Vec::new(),
            at: String::new(),
        }
    }

    fn witness(steps: Vec<Step>, ending: Ending) -> Witness {
        Witness {
            race: String::new(),
            title: String::new(),
            protocol: String::new(),
            clause: "DATA-1".into(),
            clause_text: String::new(),
            spec: String::new(),
            what: "x is lost".into(),
            found: Found {
                engine: String::new(),
                memory_model: String::new(),
                executions: 1,
                minimal: true,
            },
            preemptions: 1,
            switches: 1,
            cpus: vec!["a".into(), "b".into()],
            start: Vec::new(),
            steps,
            ending,
            held: Vec::new(),
            replay: String::new(),
        }
    }

    #[test]
    fn the_violation_and_what_it_is_about_stay() {
        use StepKind::{Store, Violation};
        let mut steps: Vec<_> = (0..40).map(|n| step(0, Store, &format!("y{n}"))).collect();
        steps.insert(3, step(0, Store, "x"));
        steps.push(step(1, Violation, "DATA-1"));
        let witness = witness(steps, Ending::Violation);
        let story: Vec<_> = (0..witness.steps.len()).collect();
        let rows = brief(&witness, &story, 5);
        assert!(rows.len() == 5 && rows.contains(&3) && rows.contains(&41), "{rows:?}");
    }

    #[test]
    fn every_lock_of_a_deadlocks_cycle_stays() {
        use StepKind::{Blocked, Lock, Store, Unlock};
        let mut steps = vec![step(0, Lock, "other"), step(0, Unlock, "other"), step(0, Lock, "A")];
        steps.extend((0..30).map(|n| step(0, Store, &format!("y{n}"))));
        steps.extend([step(1, Lock, "B"), step(1, Blocked, "A"), step(0, Blocked, "B")]);
        let wait =
            |cpu, holds: &str, wants: &str| Wait { cpu, holds: holds.into(), wants: wants.into() };
        let witness =
            witness(steps, Ending::Deadlock { cycle: vec![wait(0, "A", "B"), wait(1, "B", "A")] });
        let story: Vec<_> = (0..witness.steps.len()).collect();
        let rows = brief(&witness, &story, 6);
        assert!([2, 33, 34, 35].iter().all(|row| rows.contains(row)), "{rows:?}");
        assert!(brief(&witness, &[], 6).is_empty());
    }
}
