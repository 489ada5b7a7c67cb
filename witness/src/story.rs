//! Which steps tell the story, and what they mean together.

use std::collections::HashMap;
use std::ops::Range;

use crate::{Ending, Fact, Found, Step, StepKind, Wait, Witness};

/// The span of steps over which a CPU holds a lock or is in an RCU read section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The lane the holder is drawn in.
    pub lane: usize,
    /// The lock; `None` for an RCU read section.
    pub lock: Option<String>,
    /// The step that takes it, and the one that drops it; one past the last step where nothing
    /// does.
    pub steps: Range<usize>,
}

/// In full that is every step. The story leaves out the loads that change nothing, unless they are
/// where the race is: a load whose nearest store to the same object, before or after, is another
/// CPU's; the last one before the CPU decides something or loses its turn.
pub(crate) fn story(witness: &Witness, full: bool) -> Vec<usize> {
    let steps = &witness.steps;
    let races = changed(steps, 0..steps.len(), changes_object);
    let raced = changed(steps, (0..steps.len()).rev(), changes_object);
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

/// A turn of more rows than this is long.
const LONG: usize = 16;
/// What is kept of the beginning of a long turn, of its end, and of the end of the last one.
const HEAD: usize = 2;
const TAIL: usize = 4;
const END: usize = 10;

/// Of the `story`, what is around the switches. Of a long turn, and of everything before the first
/// switch if that is not wanted, are left: the `brief` rows, what others see of it, the locks that
/// are held beyond it, and the calls in which all that happens.
pub(crate) fn window(
    witness: &Witness,
    story: &[usize],
    brief: &[usize],
    from_first_switch: bool,
) -> Vec<usize> {
    let steps = &witness.steps;
    let mut keep = vec![true; story.len()];
    let turns: Vec<&[usize]> = story.chunk_by(|a, b| steps[*a].cpu == steps[*b].cpu).collect();
    let repeating = repeating(witness).unwrap_or_default();
    let (holds, stale) = (holds(witness), racing(steps, (0..steps.len()).rev()));
    let mut begin = 0;
    for (n, turn) in turns.iter().enumerate() {
        let preparation = n == 0 && from_first_switch && turns.len() > 1;
        let round = turn.iter().any(|row| repeating.contains(row));
        if (turn.len() > LONG || preparation) && !round {
            let head = if n == 0 { 0 } else { HEAD };
            let last = n + 1 == turns.len()
                || turns[n + 1..].iter().all(|turn| steps[turn[0]].kind == StepKind::Blocked);
            let tail = if preparation {
                1
            } else if last {
                END
            } else {
                TAIL
            };
            for (at, row) in turn.iter().enumerate() {
                keep[begin + at] = at < head
                    || at + tail >= turn.len()
                    || brief.contains(row)
                    || matters_beyond(witness, &holds, &stale, turn, *row);
            }
        }
        begin += turn.len();
    }
    // The calls around what is kept.
    for at in (0..story.len())
        .rev()
        .filter(|at| steps[story[*at]].kind == StepKind::Call)
        .collect::<Vec<_>>()
    {
        let call = &steps[story[at]];
        let mut inside = (at + 1..story.len()).filter(|later| steps[story[*later]].cpu == call.cpu);
        keep[at] |= inside
            .by_ref()
            .take_while(|later| steps[story[*later]].depth > call.depth)
            .any(|later| keep[later]);
    }
    (0..story.len()).filter(|at| keep[*at]).map(|at| story[at]).collect()
}

/// Does `row` matter beyond its `turn`? It takes a lock that is held longer, or is refused one; it
/// violates something; it loads what another CPU's next store makes stale; or it is the turn's last
/// store to what another CPU looks at, or the violation is about.
fn matters_beyond(
    witness: &Witness,
    holds: &[Hold],
    stale: &[bool],
    turn: &[usize],
    row: usize,
) -> bool {
    use StepKind::{
        Blocked, Load, Lock, LockShared, RcuLock, Store, TryLock, TryLockFailed, Violation,
    };
    let (step, end) = (&witness.steps[row], turn[turn.len() - 1]);
    match step.kind {
        Lock | LockShared | TryLock | RcuLock => {
            holds.iter().any(|hold| hold.steps.start == row && hold.steps.end > end)
        }
        TryLockFailed | Violation | Blocked => true,
        Load => stale[row],
        Store if !step.object.is_empty() => {
            let same =
                |other: &&Step| other.object == step.object && matches!(other.kind, Store | Load);
            let later = turn
                .iter()
                .filter(|other| **other > row)
                .any(|other| witness.steps[*other].kind == Store && same(&&witness.steps[*other]));
            let elsewhere = witness.steps.iter().filter(same).any(|other| other.cpu != step.cpu);
            !later && (elsewhere || witness.what.contains(&step.object))
        }
        _ => false,
    }
}

/// For every step, whether the last store to its object, in the order of `indices`, was another
/// CPU's.
pub(crate) fn racing(steps: &[Step], indices: impl Iterator<Item = usize>) -> Vec<bool> {
    changed(steps, indices, |kind| kind == StepKind::Store)
}

/// Does it change its object? To who looks at a lock, whoever takes it or drops it has stored.
fn changes_object(kind: StepKind) -> bool {
    use StepKind::{Lock, LockShared, Store, TryLock, Unlock};
    matches!(kind, Store | Lock | LockShared | TryLock | Unlock)
}

/// For every step, whether the last one that `changes` its object was another CPU's.
fn changed(
    steps: &[Step],
    indices: impl Iterator<Item = usize>,
    changes: fn(StepKind) -> bool,
) -> Vec<bool> {
    let mut stored = HashMap::new();
    let mut races = vec![false; steps.len()];
    for i in indices {
        let step = &steps[i];
        if step.object.is_empty() {
            continue;
        }
        races[i] = stored.get(&step.object).is_some_and(|cpu| *cpu != step.cpu);
        if changes(step.kind) {
            stored.insert(&step.object, step.cpu);
        }
    }
    races
}

fn decides(kind: StepKind) -> bool {
    use StepKind::{Blocked, Note, Return, Violation};
    matches!(kind, Note | Violation | Return | Blocked)
}

/// The step at which it goes wrong. A livelock has none, nor has what comes out when all have ended,
/// or goes well.
pub(crate) fn violating(witness: &Witness) -> Option<usize> {
    if matches!(witness.ending, Ending::Livelock { .. } | Ending::Audit | Ending::Complete) {
        return None;
    }
    // Of other clauses' violations on the way, none is this one.
    let marked = witness
        .steps
        .iter()
        .rposition(|s| s.kind == StepKind::Violation && s.text.starts_with(&witness.clause));
    marked.or(witness.steps.len().checked_sub(1))
}

/// What the violation is about, if it was so before any step, and stayed so; and where the object
/// lies that it is a part of.
pub(crate) fn at_the_start(witness: &Witness) -> Vec<String> {
    let stays = |fact: &&Fact| {
        let changes =
            |now: &String| now.strip_prefix(&*fact.name).is_some_and(|then| then.starts_with(' '));
        let touches = |step: &Step| step.kind == StepKind::Store && step.object == fact.name;
        !witness.steps.iter().any(|step| touches(step) || step.now.iter().any(changes))
    };
    let stay: Vec<_> = witness.start.iter().filter(stays).collect();
    let mut words = witness.what.split(|c: char| c.is_whitespace() || c == ',');
    let Some(about) = words.find_map(|word| stay.iter().find(|fact| fact.name == word)) else {
        return Vec::new();
    };
    let object = about.name.split_once('.').map(|(object, _)| object);
    let places = stay.iter().filter(|fact| Some(&*fact.value) == object);
    [about]
        .into_iter()
        .chain(places)
        .map(|fact| format!("{} = {}", fact.name, fact.value))
        .collect()
}

/// What stands between the last step and what is found then.
pub(crate) const ENDED: &str = "all CPUs have ended";

/// What is found when all CPUs have ended, if it is then that something is.
pub(crate) fn audited(witness: &Witness) -> Option<String> {
    (witness.ending == Ending::Audit).then(|| match witness.what.as_str() {
        "" => witness.clause.clone(),
        what => format!("{}: {what}", witness.clause),
    })
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

/// What stands above each lane; the last one may be for CPUs that have no name.
pub(crate) fn heads(witness: &Witness) -> Vec<String> {
    let named = witness.cpus.iter().enumerate();
    let mut heads: Vec<_> =
        named.map(|(i, name)| format!("CPU{i} {name}").trim_end().to_owned()).collect();
    if witness.steps.iter().any(|s| s.cpu >= witness.cpus.len()) {
        heads.push("other CPUs".to_owned());
    }
    heads
}

/// The step's text; a step of a CPU without a name says whose it is.
pub(crate) fn text(witness: &Witness, step: &Step) -> String {
    if step.cpu < witness.cpus.len() {
        step.text.clone()
    } else {
        format!("CPU{}: {}", step.cpu, step.text)
    }
}

/// Does the step itself tell what is true now: `P0.mapcount := 0` that `P0.mapcount 1→0`?
pub(crate) fn tells(step: &Step, now: &str) -> bool {
    let Some((name, value)) = step.text.split_once(" := ") else { return false };
    let after = now.strip_prefix(name).unwrap_or_default();
    after.strip_prefix(" = ") == Some(value)
        || after == " is gone" && value == "none"
        || after.starts_with(' ') && after.rsplit_once('→').is_some_and(|(_, new)| new == value)
}

/// What the violation adds to what is true from step `i` on, if it is at this step and the step
/// does not say it itself.
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
        // The page lock may be dropped by somebody else than its holder; an RCU read section may
        // not.
        let own = |h: &Hold| h.steps.end == end && h.lock == lock && h.lane == lane;
        let any = |h: &Hold| h.steps.end == end && h.lock == lock && lock.is_some();
        if let Some(held) = holds.iter().rposition(own).or_else(|| holds.iter().rposition(any)) {
            holds[held].steps.end = i;
        }
    }
    holds
}

/// For every hold the track of its lane to draw it in, such that no two bars overlap.
pub(crate) fn tracks(holds: &[Hold]) -> Vec<usize> {
    let mut tracks: Vec<usize> = Vec::new();
    for (i, hold) in holds.iter().enumerate() {
        let taken = |track: usize| {
            let mut before = holds[..i].iter().zip(&tracks);
            before.any(|(other, t)| {
                *t == track && other.lane == hold.lane && other.steps.end >= hold.steps.start
            })
        };
        tracks.push((0..).find(|track| !taken(*track)).unwrap_or(0));
    }
    tracks
}

/// The locks that are held, in the order in which they are first taken.
pub(crate) fn locks<'h>(holds: impl IntoIterator<Item = &'h Hold>) -> Vec<String> {
    let mut locks = Vec::new();
    for lock in holds.into_iter().filter_map(|hold| hold.lock.as_ref()) {
        if !locks.contains(lock) {
            locks.push(lock.clone());
        }
    }
    locks
}

/// What the steps of a livelock do.
pub(crate) const FOR_EVER: &str = "these steps repeat for ever";

/// Does the headline say all of the wait-for cycle?
pub(crate) fn says(witness: &Witness, cycle: &[Wait]) -> bool {
    cycle.iter().all(|wait| witness.what.contains(&self::wait(wait)))
}

/// A wait-for cycle in words.
pub(crate) fn waits(cycle: &[Wait]) -> String {
    cycle.iter().map(wait).collect::<Vec<_>>().join("; ")
}

/// What one CPU of it waits for.
pub(crate) fn wait(wait: &Wait) -> String {
    format!("CPU{} holds {} and waits for {}", wait.cpu, wait.holds, wait.wants)
}

/// What happened, in one sentence.
pub(crate) fn headline(witness: &Witness) -> String {
    if witness.ending == Ending::Complete {
        return "nothing is violated".into();
    }
    let (clause, what) = (&witness.clause, &witness.what);
    let how = match witness.ending {
        Ending::Violation | Ending::Audit => " is violated",
        Ending::Deadlock { .. } if !clause.eq_ignore_ascii_case("deadlock") => {
            " is violated by a deadlock"
        }
        Ending::Livelock { .. } if !clause.eq_ignore_ascii_case("livelock") => {
            " is violated by a livelock"
        }
        _ => "",
    };
    if what.is_empty() { format!("{clause}{how}") } else { format!("{clause}{how}: {what}") }
}

/// What the clause demands, and where it stands.
pub(crate) fn demand(witness: &Witness) -> String {
    format!("{} demands: {}", witness.spec, witness.clause_text)
}

/// Where among these rows one CPU loses its turn and another gets it: the last row of the one, and
/// the first of the other. Who only waits takes none, and for a store to arrive its CPU need not run.
pub(crate) fn switches(witness: &Witness, rows: &[usize]) -> Vec<(usize, usize)> {
    let (mut switches, mut running) = (Vec::new(), None);
    for (at, row) in rows.iter().enumerate() {
        let step = &witness.steps[*row];
        let (last, cpu) = running.unwrap_or((at, step.cpu));
        if cpu == step.cpu {
            running = Some((at, cpu));
        } else if arrives(step).is_none() {
            if step.kind != StepKind::Blocked {
                switches.push((last, at));
            }
            running = Some((at, step.cpu));
        }
    }
    switches
}

/// The store that gets from its CPU's buffer into memory, if that is what this step is.
fn arrives(step: &Step) -> Option<&str> {
    step.text.strip_suffix(" reaches memory")
}

/// Is it a load of what is not in memory any more? It says so: without it, a witness under a weak
/// memory model makes no sense.
pub(crate) fn sees_old(step: &Step) -> bool {
    step.text.contains(OLD)
}

const OLD: &str = ", and in memory ";

const OLD_VALUES: &str = "old values";

/// What counts as a preemption beside them.
pub(crate) fn beside(found: &Found) -> Option<&'static str> {
    match found.memory_model.as_str() {
        "TSO" | "PSO" => Some("overtaken stores"),
        "RC11" => Some(OLD_VALUES),
        _ => None,
    }
}

/// The first store that its CPU overtakes, and the barrier that would have kept it from that. A
/// store that goes its way is one step, and arriving another.
fn overtaken(steps: &[Step]) -> Option<String> {
    let under_way =
        |step: &Step| step.text.strip_suffix(", in its store buffer").map(str::to_owned);
    steps.iter().enumerate().find_map(|(at, stored)| {
        let what = under_way(stored)?;
        let own = || steps[at + 1..].iter().filter(|step| step.cpu == stored.cpu);
        let before = own().take_while(|step| arrives(step) != Some(&what));
        let (by, barrier) =
            before.into_iter().find_map(|step| match (step.kind, arrives(step)) {
                (StepKind::Load, _) => Some((step.text.clone(), "smp_mb")),
                // One that went its way before may arrive before.
                (StepKind::Store, Some(late)) => own()
                    .any(|step| under_way(step).as_deref() == Some(late))
                    .then(|| (late.to_owned(), "smp_wmb")),
                (StepKind::Store, None) if under_way(step).is_none() => {
                    Some((step.text.clone(), "smp_wmb"))
                }
                _ => None,
            })?;
        let cpu = stored.cpu;
        Some(format!("{barrier}() on CPU{cpu} between \"{what}\" and \"{by}\"{FORBIDS}"))
    })
}

/// The first load that does not see what is in memory, the store that it does not see, and the
/// barriers that would have shown it.
fn unseen(steps: &[Step]) -> Option<String> {
    steps.iter().enumerate().find_map(|(at, load)| {
        let (loaded, newest) = load.text.split_once(OLD)?;
        let newest = |step: &Step| step.text.split_once(" := ").is_none_or(|(_, is)| is == newest);
        let another = |step: &Step| {
            changes_object(step.kind) && step.object == load.object && step.cpu != load.cpu
        };
        let stored = steps[..at].iter().rfind(|step| another(step) && newest(step))?;
        Some(format!(
            "smp_mb() on CPU{} behind \"{}\" and on CPU{} before \"{loaded}\"{FORBIDS}",
            stored.cpu, stored.text, load.cpu
        ))
    })
}

const FORBIDS: &str = " would forbid this interleaving";

/// Who found it, and what that is worth.
pub(crate) fn found(witness: &Witness) -> String {
    let (found, all, forced) =
        (&witness.found, u64::from(witness.switches), u64::from(witness.preemptions));
    let beside = beside(found);
    let switches = match (forced, beside) {
        (1.., Some(beside)) => {
            format!("{}; preemptions and {beside}: {forced}", plural(all, "switch"))
        }
        (0, _) => format!("{}, none preemptive", plural(all, "switch")),
        _ if forced == all => plural(forced, "preemptive switch"),
        _ => format!("{} of {all}", plural(forced, "preemptive switch")),
    };
    let fewer = if found.minimal && forced > 0 { ", and no fewer will do" } else { "" };
    let (engine, model) = (&found.engine, &found.memory_model);
    // With store buffers, a load that does not see what is in memory sees its CPU's own store.
    let forbids = match beside {
        Some(OLD_VALUES) => unseen(&witness.steps),
        Some(_) => overtaken(&witness.steps),
        None => None,
    };
    let forbids = forbids.map(|said| format!(" · {said}")).unwrap_or_default();
    format!(
        "found by {engine}, {model}, execution {} · {switches}{fewer}{forbids}",
        found.executions
    )
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
    use crate::render;
    use crate::shown::{Detail, Shown};

    fn step(cpu: usize, kind: StepKind, object: &str) -> Step {
        Step { object: object.to_owned(), ..Step::new(cpu, kind, "") }
    }

    fn witness(steps: Vec<Step>) -> Witness {
        Witness {
            cpus: vec![String::new(), String::new()],
            steps,
            ending: Ending::Violation,
            ..Witness::new("", "", "", Found::new("", "", 1))
        }
    }

    /// An old value counts as a preemption, so that there may be more of these than switches.
    #[test]
    fn what_counts_as_a_preemption_is_said() {
        let said = |model: &str| {
            let found = Found::new("dpor", model, 7);
            super::found(&Witness { switches: 2, preemptions: 3, found, ..witness(Vec::new()) })
        };
        let found_by = |what: &str| format!("found by dpor, {what}");
        assert_eq!(
            said("RC11"),
            found_by("RC11, execution 7 · 2 switches; preemptions and old values: 3")
        );
        assert_eq!(
            said("PSO"),
            found_by("PSO, execution 7 · 2 switches; preemptions and overtaken stores: 3")
        );
    }

    /// Only what was stored before may arrive before a store without overtaking it.
    #[test]
    fn the_barrier_that_lacks_is_said() {
        let said = |steps: &[(usize, StepKind, &str)]| {
            let steps = steps.iter().map(|&(cpu, kind, text)| Step::new(cpu, kind, text));
            overtaken(&steps.collect::<Vec<_>>())
        };
        let (x, y) = ("x := 1, in its store buffer", "y := 1, in its store buffer");
        let (load, store) = (StepKind::Load, StepKind::Store);
        let arrival = |what| (0, store, what);
        let in_order = [(0, store, x), (0, store, y), arrival("x := 1 reaches memory")];
        assert_eq!(said(&in_order), None);
        let forbids = |barrier: &str, by: &str| {
            Some(format!("{barrier}() on CPU0 between \"x := 1\" and \"{by}\"{FORBIDS}"))
        };
        let passed = [(0, store, x), (0, store, y), arrival("y := 1 reaches memory")];
        assert_eq!(said(&passed), forbids("smp_wmb", "y := 1"));
        let others =
            [(0, store, x), (1, load, "z is 0"), (1, store, "y := 1"), (0, load, "y is 0")];
        assert_eq!(said(&others), forbids("smp_mb", "y is 0"));
    }

    #[test]
    fn what_is_not_seen_is_of_the_newest_store() {
        let said = |steps: &[(usize, StepKind, &str)]| {
            let steps = steps.iter().map(|&(cpu, kind, text)| Step {
                object: "x".to_owned(),
                ..Step::new(cpu, kind, text)
            });
            unseen(&steps.collect::<Vec<_>>())
        };
        let (load, store) = (StepKind::Load, StepKind::Store);
        let stale = (1, load, "x is 0, and in memory 2");
        let newest = (0, store, "x := 2");
        assert_eq!(said(&[newest, (1, load, "x is 2")]), None);
        let forbids = Some(format!(
            "smp_mb() on CPU0 behind \"x := 2\" and on CPU1 before \"x is 0\"{FORBIDS}"
        ));
        assert_eq!(said(&[newest, stale]), forbids);
        // Another one that came later, and has a place before it.
        assert_eq!(said(&[newest, (2, store, "x := 1"), stale]), forbids);
        let (lock, look) =
            ((0, StepKind::Lock, "lock(x)"), (1, load, "x is unlocked, and in memory locked"));
        assert!(said(&[lock, look]).is_some_and(|said| said.contains("behind \"lock(x)\"")));
    }

    #[test]
    fn for_a_store_to_arrive_its_cpu_need_not_run() {
        let step = |cpu, text: &str| Step::new(cpu, StepKind::Store, text);
        let arrival = step(0, "x := 1 reaches memory");
        let steps = [step(0, "x := 1, in its store buffer"), step(1, "y := 1")];
        let at = |more: &[Step]| {
            let steps = [steps.as_slice(), more].concat();
            let rows: Vec<_> = (0..steps.len()).collect();
            switches(&witness(steps), &rows)
        };
        assert_eq!(at(&[arrival.clone(), step(1, "z := 1")]), [(0, 1)]);
        assert_eq!(at(&[arrival, step(0, "z := 1")]), [(0, 1), (1, 3)]);
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
        assert_eq!(Shown::new(&witness(steps.clone()), Detail::Story).rows, [0, 2, 3, 5, 7, 8]);
        assert_eq!(Shown::new(&witness(steps), Detail::Full).rows.len(), 9);
    }

    /// Of what happens while a lock is held, another CPU looks at one store later.
    #[test]
    fn of_a_long_turn_is_left_what_matters_later() {
        use StepKind::{Call, Load, Lock, Note, Store, Unlock};
        let mut steps = vec![step(0, Call, ""), step(0, Lock, "lock")];
        steps.extend((0..20).map(|n| step(0, Unlock, &format!("lock {n}"))));
        steps[5] = step(0, Store, "word");
        steps.iter_mut().skip(1).for_each(|step| step.depth = 1);
        steps.extend([step(1, Load, "word"), step(1, Note, "")]);
        let (of, long) = (|detail| Shown::new(&witness(steps.clone()), detail), steps.len());
        let window = of(Detail::Window);
        assert_eq!(window.rows, [0, 1, 5, 18, 19, 20, 21, 22, 23]);
        assert_eq!((window.gaps.as_slice(), window.folded), ([5, 18].as_slice(), 15));
        let from = of(Detail::FromFirstSwitch);
        assert_eq!(from.rows, [0, 1, 5, 21, 22, 23]);
        assert!(
            from.left_out().is_some_and(
                |text| text.contains("18 rows are left out") && text.contains("--whole")
            )
        );
        assert_eq!((of(Detail::Story).rows.len(), of(Detail::Story).left_out()), (long, None));
    }

    /// CPU1 takes no step, and that P.mapping is NULL nobody has brought about.
    #[test]
    fn what_was_so_before_any_step_is_said() {
        use StepKind::{Call, Store, Violation};
        let mut witness =
            witness(vec![step(0, Call, ""), step(0, Store, "P.count"), step(0, Violation, "")]);
        witness.what = "P.mapping is NULL, and P.count is 2".into();
        witness.cpus = vec!["migration".into(), "load".into()];
        let fact = |name: &str, value: &str| Fact { name: name.into(), value: value.into() };
        witness.start = vec![
            fact("P.count", "1"),
            fact("P.index", "1"),
            fact("P.mapping", "NULL"),
            fact("swapcache", "P"),
        ];
        let shown = Shown::new(&witness, Detail::Brief);
        assert_eq!(shown.at_the_start, ["P.mapping = NULL", "swapcache = P"]);
        assert_eq!(shown.lanes(&witness), [0]);
        let style = render::Style { detail: Detail::Brief, ..render::Style::default() };
        for drawn in [
            render::rows(&witness, 72, style),
            render::svg(&witness, Detail::Brief),
            render::mermaid(&witness, Detail::Brief),
        ] {
            assert!(drawn.contains("P.mapping = NULL,"), "{drawn}");
            assert!(drawn.contains("CPU0 migration") && !drawn.contains("CPU1"), "{drawn}");
        }
        let whole = Shown::new(&witness, Detail::Story);
        assert!(whole.at_the_start.is_empty() && whole.lanes(&witness) == [0, 1]);
        // Once a step changes it, that is a row.
        witness.steps[1].now.push("P.mapping anon_vma→NULL".into());
        assert!(Shown::new(&witness, Detail::Brief).at_the_start.is_empty());
    }

    /// In a long turn, a try that fails, a violation that does not end it, of two loads the one that
    /// goes stale, and what is loaded in the end, though no other CPU looks at it there.
    #[test]
    fn of_a_long_turn_is_left_what_explains_what_comes() {
        use StepKind::{Load, Store, TryLockFailed, Unlock, Violation};
        let mut steps: Vec<_> = (0..30).map(|n| step(0, Unlock, &format!("lock {n}"))).collect();
        steps[4] = step(0, TryLockFailed, "page");
        steps[7] = step(0, Violation, "");
        steps[10] = step(0, Load, "x"); // CPU1 overwrites what it reads
        steps[13] = step(0, Load, "y"); // whoever reads it next finds the same
        steps[16] = Step { text: "P.content := 8".into(), ..step(0, Store, "P.content") };
        steps.extend([step(1, Store, "x"), step(1, Load, "y"), step(1, Violation, "")]);
        let witness = Witness { what: "mm0 loads 8 from 1".into(), ..witness(steps) };
        assert_eq!(
            Shown::new(&witness, Detail::Window).rows,
            [4, 7, 10, 16, 26, 27, 28, 29, 30, 31, 32]
        );
    }
}
