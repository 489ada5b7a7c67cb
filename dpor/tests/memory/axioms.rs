//! RC11 as its authors wrote it down (Lahav, Vafeiadis, Kang, Hur, Dreyer, PLDI 2017): every way to
//! read and to order writes is tried, and the axioms say whether it is an execution. Relations are
//! matrices of bits.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use crate::program::{Instr, Outcome, Program};

/// A relation between events: for each a set of others.
#[derive(Clone, PartialEq, Eq)]
struct Relation(Vec<u32>);

impl Relation {
    fn of(events: usize, holds: impl Fn(usize, usize) -> bool) -> Self {
        Relation(
            (0..events)
                .map(|a| (0..events).filter(|&b| holds(a, b)).fold(0, |row, b| row | 1 << b))
                .collect(),
        )
    }

    fn has(&self, a: usize, b: usize) -> bool {
        self.0[a] >> b & 1 != 0
    }

    fn or(&self, other: &Relation) -> Self {
        Relation(self.0.iter().zip(&other.0).map(|(a, b)| a | b).collect())
    }

    fn and(&self, other: &Relation) -> Self {
        Relation(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    fn minus(&self, other: &Relation) -> Self {
        Relation(self.0.iter().zip(&other.0).map(|(a, b)| a & !b).collect())
    }

    fn then(&self, other: &Relation) -> Self {
        let follow = |row: &u32| {
            (0..self.0.len()).filter(|b| row >> b & 1 != 0).fold(0, |all, b| all | other.0[b])
        };
        Relation(self.0.iter().map(follow).collect())
    }

    /// Or nothing at all.
    fn maybe(&self) -> Self {
        Relation(self.0.iter().enumerate().map(|(a, row)| row | 1 << a).collect())
    }

    fn inverse(&self) -> Self {
        Relation::of(self.0.len(), |a, b| self.has(b, a))
    }

    fn closure(&self) -> Self {
        let mut closed = self.clone();
        loop {
            let more = closed.or(&closed.then(&closed));
            if more == closed {
                return closed;
            }
            closed = more;
        }
    }

    fn is_irreflexive(&self) -> bool {
        (0..self.0.len()).all(|a| !self.has(a, a))
    }

    fn is_acyclic(&self) -> bool {
        self.closure().is_irreflexive()
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|&row| row == 0)
    }
}

#[derive(Copy, Clone)]
struct Event {
    /// None for the initial value of a word.
    task: Option<usize>,
    /// None for a fence.
    word: Option<usize>,
    order: Ordering,
    /// The value that it must read, or must not, if that decides what it is.
    expects: Option<(u64, bool)>,
    reads: bool,
    /// What it writes.
    writes: Option<u64>,
}

impl Event {
    fn acquires(&self) -> bool {
        matches!(self.order, Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst)
    }

    fn releases(&self) -> bool {
        matches!(self.order, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
    }
}

/// The axioms, for an execution whose program order, reads-from and modification order these are.
fn is_consistent(events: &[Event], sb: &Relation, rf: &Relation, mo: &Relation) -> bool {
    let n = events.len();
    let set = |holds: &dyn Fn(&Event) -> bool| Relation::of(n, |a, b| a == b && holds(&events[a]));
    let loc = Relation::of(n, |a, b| events[a].word.is_some() && events[a].word == events[b].word);
    let rmw = set(&|event| event.reads && event.writes.is_some());
    let (reads, writes) = (set(&|event| event.reads), set(&|event| event.writes.is_some()));
    let fences = set(&|event| event.word.is_none());
    let (acquires, releases) = (set(&Event::acquires), set(&Event::releases));
    let sequential = set(&|event| event.order == Ordering::SeqCst);
    let sc_fences = sequential.and(&fences);

    let rb = rf.inverse().then(mo).minus(&set(&|_| true));
    let eco = rf.or(mo).or(&rb).closure();
    // An atomic is one event here, and a read followed by a write there: what follows the write
    // does not come before the read.
    if !rmw.and(&rb.then(mo)).is_empty()
        || !rmw.then(&eco).is_irreflexive()
        || !sb.or(rf).is_acyclic()
    {
        return false;
    }
    let mut sequence = set(&|_| true);
    for _ in 0..n {
        sequence = sequence.or(&sequence.then(rf).then(&rmw));
    }
    let rs = writes.then(&sb.and(&loc).maybe()).then(&writes).then(&sequence);
    let sw = releases
        .then(&fences.then(sb).maybe())
        .then(&rs)
        .then(rf)
        .then(&reads)
        .then(&sb.then(&fences).maybe())
        .then(&acquires);
    let hb = sb.or(&sw).closure();
    if !hb.then(&eco.maybe()).is_irreflexive() {
        return false;
    }
    let sb_elsewhere = sb.minus(&loc);
    let scb = sb.or(&sb_elsewhere.then(&hb).then(&sb_elsewhere)).or(&hb.and(&loc)).or(mo).or(&rb);
    let from = sequential.or(&sc_fences.then(&hb.maybe()));
    let to = sequential.or(&hb.maybe().then(&sc_fences));
    let psc_base = from.then(&scb).then(&to);
    let psc_fences = sc_fences.then(&hb.or(&hb.then(&eco).then(&hb))).then(&sc_fences);
    psc_base.or(&psc_fences).is_acyclic()
}

/// All orders of these.
fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    let Some((&first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for order in permutations(rest) {
        for place in 0..=order.len() {
            let mut order = order.clone();
            order.insert(place, first);
            all.push(order);
        }
    }
    all
}

/// One of each.
fn product(choices: &[Vec<usize>]) -> Vec<Vec<usize>> {
    choices.iter().fold(vec![Vec::new()], |all, from| {
        all.iter()
            .flat_map(|chosen| from.iter().map(|&next| [chosen.as_slice(), &[next]].concat()))
            .collect()
    })
}

/// All outcomes, and how many executions there are.
pub fn outcomes(program: &Program) -> (BTreeSet<Outcome>, usize) {
    let swaps: Vec<(usize, usize)> = (0..program.tasks.len())
        .flat_map(|task| (0..program.tasks[task].len()).map(move |index| (task, index)))
        .filter(|&(task, index)| matches!(program.tasks[task][index], Instr::Cas(..)))
        .collect();
    let (mut outcomes, mut executions) = (BTreeSet::new(), 0);
    // Which compare-and-swaps succeed is guessed.
    for guess in 0..1_usize << swaps.len() {
        let succeeds = |task, index| {
            swaps
                .iter()
                .position(|&swap| swap == (task, index))
                .is_some_and(|bit| guess >> bit & 1 != 0)
        };
        executions += of_guess(program, &succeeds, &mut outcomes);
    }
    (outcomes, executions)
}

fn of_guess(
    program: &Program,
    succeeds: &dyn Fn(usize, usize) -> bool,
    outcomes: &mut BTreeSet<Outcome>,
) -> usize {
    let initial = |word| Event {
        task: None,
        word: Some(word),
        order: Ordering::Relaxed,
        expects: None,
        reads: false,
        writes: Some(0),
    };
    let mut events: Vec<Event> = (0..program.words).map(initial).collect();
    for (task, instrs) in program.tasks.iter().enumerate() {
        for (index, &instr) in instrs.iter().enumerate() {
            let event = |word, order, reads, writes| Event {
                task: Some(task),
                word,
                order,
                expects: None,
                reads,
                writes,
            };
            events.push(match instr {
                Instr::Load(word, order) => event(Some(word), order, true, None),
                Instr::Store(word, value, order) => event(Some(word), order, false, Some(value)),
                Instr::Swap(word, value, order) => event(Some(word), order, true, Some(value)),
                Instr::Fence(order) => event(None, order, false, None),
                Instr::Cas(word, expected, value, order) => {
                    let success = succeeds(task, index);
                    let order = if success { order } else { Ordering::Relaxed };
                    Event {
                        expects: Some((expected, success)),
                        ..event(Some(word), order, true, success.then_some(value))
                    }
                }
            });
        }
    }
    let (events, n) = (&events, events.len());
    let sb = Relation::of(n, |a, b| {
        a < b && events[a].task.is_some() && events[a].task == events[b].task
    });
    let reads: Vec<usize> = (0..n).filter(|&event| events[event].reads).collect();
    let writes_of = |word: usize| {
        (0..n).filter(move |&event| {
            event != word && events[event].writes.is_some() && events[event].word == Some(word)
        })
    };
    let sources = |read: usize| -> Vec<usize> {
        let word = events[read].word.unwrap();
        let fits = |write: usize| {
            events[read]
                .expects
                .is_none_or(|(value, same)| (events[write].writes == Some(value)) == same)
        };
        [word]
            .into_iter()
            .chain(writes_of(word))
            .filter(|&write| write != read && fits(write))
            .collect()
    };
    let all_sources = product(&reads.iter().map(|&read| sources(read)).collect::<Vec<_>>());
    let orders: Vec<Vec<Vec<usize>>> =
        (0..program.words).map(|word| permutations(&writes_of(word).collect::<Vec<_>>())).collect();
    let picks =
        product(&orders.iter().map(|orders| (0..orders.len()).collect()).collect::<Vec<_>>());
    let mut executions = 0;
    for pick in &picks {
        let order = |word: usize| [&[word], orders[word][pick[word]].as_slice()].concat();
        let order: Vec<Vec<usize>> = (0..program.words).map(order).collect();
        let place = |event: usize| {
            events[event].word.and_then(|word| order[word].iter().position(|&other| other == event))
        };
        let mo = Relation::of(n, |a, b| {
            events[a].word == events[b].word
                && matches!((place(a), place(b)), (Some(a), Some(b)) if a < b)
        });
        for sources in &all_sources {
            let rf = Relation::of(n, |a, b| {
                reads.iter().zip(sources).any(|(&read, &write)| (write, read) == (a, b))
            });
            if is_consistent(events, &sb, &rf, &mo) {
                executions += 1;
                let mut outcome: Outcome =
                    sources.iter().map(|&write| events[write].writes.unwrap()).collect();
                outcome.extend(
                    order.iter().map(|order| events[*order.last().unwrap()].writes.unwrap()),
                );
                outcomes.insert(outcome);
            }
        }
    }
    executions
}
