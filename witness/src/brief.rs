//! The few steps of a witness that decide it: what a document would show of it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::story::{self, racing, sees_old};
use crate::{Ending, StepKind, Witness};

/// What keeps books of who has a reference to something, or maps it.
const COUNTS: [&str; 4] = ["count", "mapcount", "mm_users", "refcount"];
/// And of whether a page is on a list.
const LIST: &str = "lru";

/// Of the `story`, at most `most` steps: the violation, what it is about, where the CPUs switch,
/// what they do to each other, in which call that is, and what is held meanwhile; of what weighs
/// the same, what is seldom touched, and the later. A step comes with the call around it.
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
    // What the state tells, and for longer than a moment, comes before what it does not.
    let rank = |at: usize| {
        let step = &witness.steps[story[at]];
        let stores = step.kind == StepKind::Store;
        let touches = |row: &&usize| {
            let other = &witness.steps[**row];
            other.object == step.object && (!stores || other.kind == StepKind::Store)
        };
        let touched = if step.object.is_empty() { 1 } else { story.iter().filter(touches).count() };
        (stores && (step.now.is_empty() || weighing.is_stored_again(at)), touched)
    };
    let mut by_weight: Vec<_> =
        weights.iter().copied().enumerate().filter(|&(_, weight)| weight > 0).collect();
    by_weight.sort_by_cached_key(|&(at, weight)| (Reverse(weight), rank(at), Reverse(at)));
    let mut chosen = BTreeSet::new();
    for (at, _) in by_weight {
        if chosen.len() == most {
            break;
        }
        let is_call = witness.steps[story[at]].kind == StepKind::Call;
        let call = call_of(witness, story, at).filter(|_| !is_call);
        let with: BTreeSet<_> = call.into_iter().chain([at]).collect();
        if chosen.union(&with).count() <= most {
            chosen.extend(with);
        }
    }
    chosen.into_iter().map(|at| story[at]).collect()
}

/// Makes `rows` stand for all: a step stands inside the calls that are among them, and says what it
/// does, nothing of what is true then.
pub(crate) fn only(witness: &mut Witness, rows: &[usize]) {
    let around =
        |row| rows.iter().filter(|&&call| call < row && contains(witness, call, row)).count();
    let depths: Vec<_> = rows.iter().map(|&row| around(row)).collect();
    for (&row, depth) in rows.iter().zip(depths) {
        let step = &mut witness.steps[row];
        (step.depth, step.now) = (u8::try_from(depth).unwrap_or(u8::MAX), Vec::new());
    }
}

struct Weighing<'w> {
    witness: &'w Witness,
    story: &'w [usize],
    /// Whether another CPU has stored to it before, or does behind it.
    raced: Vec<bool>,
    holds: Vec<story::Hold>,
    alone: bool,
    /// What the steps that the violation speaks of are a part of.
    subjects: Vec<&'w str>,
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
            raced[row] |= is_read_elsewhere(steps, step);
        }
        let alone = steps.iter().all(|step| step.cpu == steps[0].cpu);
        let mut weighing = Self {
            witness,
            story,
            raced,
            holds: story::holds(witness),
            alone,
            subjects: Vec::new(),
        };
        let about = steps.iter().enumerate().filter(|&(row, _)| weighing.is_about(row));
        weighing.subjects =
            about.filter_map(|(_, step)| Some(step.object.split_once('.')?.0)).collect();
        weighing
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
            StepKind::Load if sees_old(step) => 8,
            StepKind::Lock | StepKind::LockShared | StepKind::TryLock if self.in_the_cycle(row) => {
                8
            }
            StepKind::Call if call_of(self.witness, self.story, at).is_none() => 4,
            StepKind::Call | StepKind::Return => u8::from(at_a_switch),
            StepKind::Store | StepKind::Note if self.is_about(row) => 7,
            StepKind::Store if self.is_in_the_books(row, at_a_switch) => 0,
            StepKind::Store if self.maps_what_is_loaded(row) && !self.is_stored_again(at) => 6,
            _ if at_a_switch && (raced || self.is_about(row)) => 6,
            StepKind::Load if self.is_looked_at_again(row) => 0,
            StepKind::Store if raced || self.alone || self.is_put_somewhere(row) => {
                let read = !self.is_of(row, &[LIST]) && is_read_elsewhere(steps, step);
                4 + u8::from(!step.now.is_empty() || read)
            }
            StepKind::Note => 4,
            _ if self.guards_what_is_put_somewhere(row) => 5,
            _ if raced || at_a_switch => 4,
            StepKind::Lock | StepKind::LockShared | StepKind::TryLock | StepKind::RcuLock => {
                3 * u8::from(self.is_held_beyond(row))
            }
            StepKind::Store => 2 + u8::from(!step.now.is_empty()),
            _ => 0,
        }
    }

    /// Does it put somewhere what the violation is about?
    fn is_put_somewhere(&self, row: usize) -> bool {
        let put = self.witness.steps[row].text.split_once(" := ");
        let what = put.and_then(|(_, what)| what.split(' ').next());
        what.is_some_and(|what| self.subjects.contains(&what))
    }

    /// Does the CPU find the same once more, before another one takes a step?
    fn is_looked_at_again(&self, row: usize) -> bool {
        let (steps, step) = (&self.witness.steps, &self.witness.steps[row]);
        steps[row + 1..]
            .iter()
            .take_while(|other| other.cpu == step.cpu)
            .any(|other| other.kind == step.kind && other.text == step.text)
    }

    /// Does the CPU store there again, in the same call and before another CPU takes a step?
    fn is_stored_again(&self, at: usize) -> bool {
        let (steps, object) = (&self.witness.steps, &self.witness.steps[self.story[at]].object);
        let call = |at| call_of(self.witness, self.story, at);
        let again = (at + 1..self.story.len())
            .take_while(|&other| steps[self.story[other]].cpu == steps[self.story[at]].cpu)
            .find(|&other| {
                let other = &steps[self.story[other]];
                other.kind == StepKind::Store && other.object == *object
            });
        again.is_some_and(|again| call(again) == call(at))
    }

    /// Is it to the entry through which the load goes that the violation is about?
    fn maps_what_is_loaded(&self, row: usize) -> bool {
        let words: Vec<_> = self.witness.what.split([' ', ',']).collect();
        let [mm, "loads", _, "from", address, ..] = words[..] else { return false };
        self.witness.steps[row].object == format!("pte[{mm}:{address}]")
    }

    /// Is it to a word of one of these names?
    fn is_of(&self, row: usize, names: &[&str]) -> bool {
        let word = self.witness.steps[row].object.rsplit_once('.');
        word.is_some_and(|(_, word)| names.contains(&word))
    }

    /// Is it a change in the books that no other CPU looks at, before the next one or after the
    /// last? Where the CPUs switch, only that of a list is.
    fn is_in_the_books(&self, row: usize, at_a_switch: bool) -> bool {
        let (steps, step) = (&self.witness.steps, &self.witness.steps[row]);
        let same = |other: &&crate::Step| other.object == step.object;
        let looks = |other: Option<&crate::Step>| {
            other.is_some_and(|other| other.kind == StepKind::Load && other.cpu != step.cpu)
        };
        (self.is_of(row, &[LIST]) || self.is_of(row, &COUNTS) && !at_a_switch)
            && !looks(steps[..row].iter().rfind(same))
            && !looks(steps[row + 1..].iter().find(same))
    }

    /// Does the violation speak of what the step is about, or of what it leaves there? A note has
    /// no object: one of its words stands there.
    fn is_about(&self, row: usize) -> bool {
        let step = &self.witness.steps[row];
        let words = || self.witness.what.split(|c: char| c.is_whitespace() || c == ',');
        match step.kind {
            StepKind::Note => words().any(|word| {
                word.contains(|c: char| c.is_ascii_digit())
                    && word.contains(|c: char| c.is_alphabetic())
                    && step.text.split(' ').any(|own| own == word)
            }),
            _ => {
                let content = step.text.split_once(".content := ").map(|(_, content)| content);
                !step.object.is_empty() && words().any(|word| word == step.object)
                    || content.is_some_and(|content| words().any(|word| word == content))
            }
        }
    }

    /// Is it the taking of the lock, the last one that is taken, under which that is put somewhere?
    fn guards_what_is_put_somewhere(&self, row: usize) -> bool {
        let Some(hold) = self.holds.iter().find(|hold| hold.steps.start == row) else {
            return false;
        };
        let lane = |at: usize| story::lane(self.witness, self.witness.steps[at].cpu);
        let is_the_last = |at: usize| {
            let around = |other: &&story::Hold| other.lane == lane(at) && other.steps.contains(&at);
            self.holds.iter().rfind(around) == Some(hold)
        };
        hold.steps.clone().any(|at| {
            self.witness.steps[at].kind == StepKind::Store
                && self.is_put_somewhere(at)
                && is_the_last(at)
        })
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

/// Does another CPU ever look at what the step stores to?
fn is_read_elsewhere(steps: &[crate::Step], step: &crate::Step) -> bool {
    steps.iter().any(|s| s.kind == StepKind::Load && s.object == step.object && s.cpu != step.cpu)
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
        Step { object: object.into(), ..Step::new(cpu, kind, text) }
    }

    fn witness(steps: Vec<Step>, ending: Ending) -> Witness {
        Witness {
            clause: "DATA-1".into(),
            what: "x is lost".into(),
            preemptions: 1,
            switches: 1,
            cpus: vec!["a".into(), "b".into()],
            steps,
            ending,
            ..Witness::new("", "", "", Found::new("", "", 1))
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

    fn all_of(steps: Vec<Step>, most: usize) -> Vec<usize> {
        let witness = witness(steps, Ending::Violation);
        let story: Vec<_> = (0..witness.steps.len()).collect();
        brief(&witness, &story, most)
    }

    #[test]
    fn a_step_comes_with_the_call_around_it() {
        use StepKind::{Call, Note, Store, Violation};
        let mut steps = vec![step(0, Call, ""), step(0, Store, "a"), step(0, Store, "x")];
        steps.extend((0..20).map(|_| step(0, Note, "")));
        steps.iter_mut().skip(1).for_each(|step| step.depth = 1);
        steps.extend([step(1, Call, ""), step(1, Violation, "DATA-1")]);
        steps[24].depth = 1;
        assert_eq!(all_of(steps.clone(), 4), [0, 2, 23, 24]);
        // The violation does without, if there is no room.
        assert_eq!(all_of(steps, 2), [23, 24]);
    }

    #[test]
    fn a_load_of_an_old_value_stays() {
        use StepKind::{Load, Store, Violation};
        let stale = Step { text: "y0 is 1, and in memory 0".into(), ..step(1, Load, "y0") };
        let mut steps: Vec<_> = (0..20).map(|n| step(0, Store, &format!("y{n}"))).collect();
        steps.extend([step(1, Load, "y1"), stale, step(1, Load, "y2")]);
        steps.push(step(1, Violation, "DATA-1"));
        assert_eq!(all_of(steps, 2), [21, 23]);
    }

    /// Nobody looks at the first change, CPU1 at the second.
    #[test]
    fn of_the_books_is_shown_what_another_cpu_looks_at() {
        use StepKind::{Load, Store, Violation};
        let steps = vec![
            step(0, Store, "page.count"),
            step(0, Store, "page.count"),
            step(0, Store, "page.lru"),
            step(0, Store, "pte"),
            step(1, Load, "page.count"),
            step(1, Violation, "DATA-1"),
        ];
        assert_eq!(all_of(steps, 15), [1, 3, 4, 5]);
    }

    /// What is loaded is 8, and not 7; in page P it comes to be where it is looked for.
    #[test]
    fn the_way_of_the_content_stays() {
        use StepKind::{Note, Store, Violation};
        let says = |object: &str, value: &str| Step {
            text: format!("{object} := {value}"),
            ..step(0, Store, object)
        };
        let mut steps = vec![
            says("pte[mm0:1]", "none"),
            says("pte[mm0:1]", "swap(0)"),
            says("cache", "P"),
            says("P.content", "8"),
            says("Q.content", "5"),
        ];
        steps[2].now.push("cache = P".into());
        steps.extend((0..20).map(|_| step(0, Note, "")));
        steps.push(step(1, Violation, "DATA-1"));
        let mut witness = witness(steps, Ending::Violation);
        witness.what = "mm0 loads 8 from 1, where it should find 7".into();
        let story: Vec<_> = (0..witness.steps.len()).collect();
        assert_eq!(brief(&witness, &story, 4), [1, 2, 3, 25]);
    }

    /// Of two locks, the inner one guards the place where page P is put.
    #[test]
    fn the_lock_stays_under_which_it_is_put_somewhere() {
        use StepKind::{Lock, Store, Violation};
        let put = Step { text: "cache := P".into(), ..step(0, Store, "cache") };
        let mut steps = vec![step(0, Lock, "outer"), step(0, Lock, "inner"), put];
        steps.extend((0..9).map(|n| step(0, Store, &format!("y{n}"))));
        steps.extend([step(0, Store, "P.mapping"), step(1, Violation, "DATA-1")]);
        let mut witness = witness(steps, Ending::Violation);
        witness.what = "P.mapping is NULL".into();
        let story: Vec<_> = (0..witness.steps.len()).collect();
        assert_eq!(brief(&witness, &story, 4), [1, 2, 12, 13]);
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
