//! Which steps tell the story, and what they mean together.

use std::collections::HashMap;
use std::ops::Range;

use crate::{Ending, Step, StepKind, Wait, Witness};

/// The span of steps over which a CPU holds a lock or is in an RCU read section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The lane the holder is drawn in.
    pub lane: usize,
    /// The lock; `None` for an RCU read section.
    pub lock: Option<String>,
    /// The step that takes it, and the one that drops it; one past the last step where nothing does.
    pub steps: Range<usize>,
}

/// The steps to show, as indices.
///
/// In full that is all of them. The story leaves out the loads that change nothing, unless they are where the race is: a load
/// whose nearest store to the same object, before or after, is another CPU's; the last one before the CPU decides something
/// or loses its turn.
pub(crate) fn shown(witness: &Witness, full: bool) -> Vec<usize> {
    let steps = &witness.steps;
    let races = racing(steps, 0..steps.len());
    let raced = racing(steps, (0..steps.len()).rev());
    let matters = |i: &usize| {
        let step = &steps[*i];
        full || step.kind != StepKind::Load
            || !step.now.is_empty()
            || races[*i]
            || raced[*i]
            || Some(*i) == violating(witness)
            || steps.get(i + 1).is_none_or(|next| next.cpu != step.cpu || decides(next.kind))
    };
    (0..steps.len()).filter(matters).collect()
}

/// For every step, whether the last store to its object, in the order of `indices`, was another CPU's.
fn racing(steps: &[Step], indices: impl Iterator<Item = usize>) -> Vec<bool> {
    let mut stored = HashMap::new();
    let mut races = vec![false; steps.len()];
    for i in indices {
        let step = &steps[i];
        if step.object.is_empty() {
            continue;
        }
        races[i] = stored.get(&step.object).is_some_and(|cpu| *cpu != step.cpu);
        if step.kind == StepKind::Store {
            stored.insert(&step.object, step.cpu);
        }
    }
    races
}

fn decides(kind: StepKind) -> bool {
    use StepKind::{Blocked, Note, Return, Violation};
    matches!(kind, Note | Violation | Return | Blocked)
}

/// The step at which it goes wrong. A livelock has none.
pub(crate) fn violating(witness: &Witness) -> Option<usize> {
    if matches!(witness.ending, Ending::Livelock { .. }) {
        return None;
    }
    let marked = witness.steps.iter().rposition(|s| s.kind == StepKind::Violation);
    marked.or(witness.steps.len().checked_sub(1))
}

/// The steps of a livelock that repeat.
pub(crate) fn repeating(witness: &Witness) -> Option<Range<usize>> {
    match witness.ending {
        Ending::Livelock { first, last } if first <= last && first < witness.steps.len() => {
            Some(first..last.saturating_add(1).min(witness.steps.len()))
        }
        _ => None,
    }
}

/// The lane a CPU is drawn in. CPUs without a name share the one after the last.
pub(crate) fn lane(witness: &Witness, cpu: usize) -> usize {
    cpu.min(witness.cpus.len())
}

/// One head a lane.
pub(crate) fn heads(witness: &Witness) -> Vec<String> {
    let named = witness.cpus.iter().enumerate();
    let mut heads: Vec<_> = named.map(|(i, name)| format!("CPU{i} {name}").trim_end().to_owned()).collect();
    if witness.steps.iter().any(|s| s.cpu >= witness.cpus.len()) {
        heads.push("other CPUs".to_owned());
    }
    heads
}

/// The step's text; a step of a CPU without a name says whose it is.
pub(crate) fn text(witness: &Witness, step: &Step) -> String {
    if step.cpu < witness.cpus.len() { step.text.clone() } else { format!("CPU{}: {}", step.cpu, step.text) }
}

/// What the violation adds to what is true from step `i` on, if it is at this step and the step does not say it itself.
pub(crate) fn violated(witness: &Witness, i: usize) -> Option<&str> {
    let step = &witness.steps[i];
    let mut said = step.now.iter().chain([&step.text]);
    let here = witness.ending == Ending::Violation && violating(witness) == Some(i);
    (here && !said.any(|text| text.contains(&witness.what))).then_some(&witness.what)
}

/// What is true from step `i` on, the violation by its clause.
pub(crate) fn now_by_clause(witness: &Witness, i: usize) -> Vec<String> {
    let mut now = witness.steps[i].now.clone();
    let clause = &witness.clause;
    match violated(witness, i) {
        Some(what) => now.push(format!("✗ {clause}: {what}")),
        None if violating(witness) == Some(i) => now.push(format!("✗ {clause}")),
        None => {}
    }
    now
}

/// The locks held at the end, in words.
pub(crate) fn held(witness: &Witness) -> String {
    let held: Vec<_> = witness.held.iter().map(|h| format!("{} (CPU{})", h.lock, h.cpu)).collect();
    let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
    format!("held at the end: {held}")
}

/// Who holds what, from which step to which.
pub(crate) fn holds(witness: &Witness) -> Vec<Hold> {
    use StepKind::{Lock, LockShared, RcuLock, RcuUnlock, TryLock, Unlock};
    let end = witness.steps.len();
    let mut holds: Vec<Hold> = Vec::new();
    for (i, step) in witness.steps.iter().enumerate() {
        let lane = lane(witness, step.cpu);
        let (takes, lock) = match step.kind {
            Lock | LockShared | TryLock => (true, Some(step.object.clone())),
            Unlock => (false, Some(step.object.clone())),
            RcuLock => (true, None),
            RcuUnlock => (false, None),
            _ => continue,
        };
        if takes {
            let steps = i..end;
            holds.push(Hold { lane, lock, steps });
            continue;
        }
        // The page lock may be dropped by somebody else than its holder; an RCU read section may not.
        let own = |h: &Hold| h.steps.end == end && h.lock == lock && h.lane == lane;
        let any = |h: &Hold| h.steps.end == end && h.lock == lock && lock.is_some();
        if let Some(held) = holds.iter().rposition(own).or_else(|| holds.iter().rposition(any)) {
            holds[held].steps.end = i;
        }
    }
    holds
}

/// The locks that are held, in the order in which they are first taken.
pub(crate) fn locks(holds: &[Hold]) -> Vec<String> {
    let mut locks = Vec::new();
    for lock in holds.iter().filter_map(|hold| hold.lock.as_ref()) {
        if !locks.contains(lock) {
            locks.push(lock.clone());
        }
    }
    locks
}

/// How it ends, in one sentence, where the steps do not say it themselves.
pub(crate) fn ending(witness: &Witness) -> Option<String> {
    let what = |text: &str| {
        if witness.what.is_empty() { text.to_owned() } else { format!("{text}: {}", witness.what) }
    };
    match &witness.ending {
        Ending::Violation => None,
        Ending::Deadlock { .. } => Some(what("deadlock")),
        Ending::Livelock { .. } => Some(what("these steps repeat for ever")),
    }
}

/// A wait-for cycle in words.
pub(crate) fn waits(cycle: &[Wait]) -> String {
    cycle.iter().map(wait).collect::<Vec<_>>().join("; ")
}

/// What one CPU of it waits for.
pub(crate) fn wait(wait: &Wait) -> String {
    format!("CPU{} holds {} and waits for {}", wait.cpu, wait.holds, wait.wants)
}

/// What is violated, in one sentence.
pub(crate) fn headline(witness: &Witness) -> String {
    let (clause, text) = (&witness.clause, &witness.clause_text);
    let how = match witness.ending {
        Ending::Violation => " violated",
        Ending::Deadlock { .. } if !clause.eq_ignore_ascii_case("deadlock") => " violated by a deadlock",
        Ending::Livelock { .. } if !clause.eq_ignore_ascii_case("livelock") => " violated by a livelock",
        _ => "",
    };
    format!("{clause}{how}: {text}")
}

/// Who found it, and what that is worth.
pub(crate) fn found(witness: &Witness) -> String {
    let (found, all, forced) = (&witness.found, u64::from(witness.switches), u64::from(witness.preemptions));
    let switches = match forced {
        0 => format!("{}, none preemptive", plural(all, "switch")),
        _ if forced == all => plural(forced, "preemptive switch"),
        _ => format!("{} of {all}", plural(forced, "preemptive switch")),
    };
    let fewer = if found.minimal && forced > 0 { ", and no fewer will do" } else { "" };
    let (engine, model) = (&found.engine, &found.memory_model);
    format!("found by {engine}, {model}, execution {} · {switches}{fewer}", found.executions)
}

/// `1 switch`, `2 switches`, `3 executions`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    match (count, noun.ends_with("ch")) {
        (1, _) => format!("1 {noun}"),
        (_, true) => format!("{count} {noun}es"),
        (_, false) => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Found, Held};

    fn step(cpu: usize, kind: StepKind, object: &str) -> Step {
        let (text, at) = (String::new(), String::new());
        Step { cpu, depth: 0, kind, text, object: object.to_owned(), now: Vec::new(), at }
    }

    fn witness(steps: Vec<Step>) -> Witness {
        let text = String::new;
        let found = Found { engine: text(), memory_model: text(), executions: 1, minimal: false };
        Witness {
            race: text(),
            title: text(),
            protocol: text(),
            clause: text(),
            clause_text: text(),
            spec: text(),
            what: text(),
            found,
            preemptions: 0,
            switches: 0,
            cpus: vec![text(), text()],
            steps,
            ending: Ending::Violation,
            held: Vec::<Held>::new(),
            replay: text(),
        }
    }

    #[test]
    fn a_lock_may_be_dropped_by_somebody_else() {
        use StepKind::{Lock, LockShared, Unlock};
        let steps = vec![
            step(0, Lock, "page"),
            step(0, LockShared, "mmap_sem"),
            step(1, LockShared, "mmap_sem"),
            step(1, Unlock, "page"),
            step(0, Unlock, "mmap_sem"),
            step(1, Unlock, "nobody has it"),
        ];
        let spans: Vec<_> = holds(&witness(steps)).into_iter().map(|h| (h.lane, h.steps)).collect();
        assert_eq!(spans, [(0, 0..3), (0, 1..4), (1, 2..6)]);
    }

    #[test]
    fn an_rcu_read_section_is_its_owners() {
        use StepKind::{RcuLock, RcuUnlock};
        let steps = vec![step(0, RcuLock, ""), step(1, RcuUnlock, ""), step(0, RcuUnlock, "")];
        assert_eq!(holds(&witness(steps))[0].steps, 0..2);
    }

    #[test]
    fn the_loads_that_race_are_told() {
        use StepKind::{Load, Note, Store};
        let steps = vec![
            step(0, Load, "x"), // CPU1 overwrites what it reads
            step(0, Load, "y"), // nobody writes it
            step(0, Load, "z"), // the last one of the turn
            step(1, Store, "x"),
            step(0, Load, "y"),
            step(0, Load, "x"), // reads what CPU1 wrote
            step(0, Load, "y"),
            step(0, Load, "z"), // the note rests on it
            step(0, Note, ""),
        ];
        assert_eq!(shown(&witness(steps.clone()), false), [0, 2, 3, 5, 7, 8]);
        assert_eq!(shown(&witness(steps), true).len(), 9);
    }
}
