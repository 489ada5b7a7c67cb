//! RC11's axiom for sequentially consistent accesses and fences: that its `psc` has no cycle, by the
//! letter, and for accesses between fences by what is kept up to date.

use std::sync::atomic::Ordering;

use super::{Access, Event, Graph, NONE, Writes, join};

impl Graph {
    /// Whether `psc` would have no cycle with such an access at the place.
    pub(super) fn would_be_consistent(
        &mut self,
        task: usize,
        word: u32,
        place: usize,
        access: Access,
    ) -> bool {
        if self.sequential.len()
            + usize::from(access.order == Ordering::SeqCst)
            + usize::from(access.full)
            < 2
        {
            return true;
        }
        if access.order != Ordering::SeqCst {
            self.find_leads();
            return self.leads_nowhere_back(task, word, place, access);
        }
        self.push(task, word, place, access, 0, 0);
        let consistent = self.is_consistent();
        let event = self.events.pop().expect("it was just pushed");
        let number = self.events.len() as u32;
        let of = &mut self.words[word as usize];
        of.events.pop();
        if event.access.writes() {
            of.order.retain(|&write| write != number);
        }
        self.sequential.pop();
        consistent
    }

    /// The same of an access that is none of the sequentially consistent events itself: it leads
    /// from the fences that happen before it to what is newer than what it sees. That is consistent
    /// if none of the latter leads to one of the former.
    fn leads_nowhere_back(&self, task: usize, word: u32, place: usize, access: Access) -> bool {
        let (mut clock, read) = self
            .tasks
            .get(task)
            .map(|task| (task.clock.clone(), task.read.as_slice()))
            .unwrap_or_default();
        if access.full {
            // A fence comes first. What is behind the second one has not happened yet, and is in
            // no cycle.
            join(&mut clock, read);
        }
        let from = self.words[word as usize].order[place];
        if from != NONE && access.acquires() && access.reads() {
            join(&mut clock, &self.events[from as usize].message);
        }
        let sources =
            if access.full { self.lead_to_fence(task, &clock) } else { self.fences_before(&clock) };
        let mut todo = self.newer(word, place);
        let mut seen = vec![false; self.sequential.len()];
        while let Some(at) = todo.pop() {
            if sources.contains(&at) {
                return false;
            }
            if !std::mem::replace(&mut seen[at as usize], true) {
                todo.extend(&self.leads[at as usize]);
            }
        }
        true
    }

    /// What an access at the place leads to, before it has happened. One of the newest leads nowhere.
    pub(super) fn newer_than(&mut self, word: u32, place: usize) -> Vec<u32> {
        if place + 1 == self.words[word as usize].order.len() {
            return Vec::new();
        }
        self.find_leads();
        self.newer(word, place)
    }

    /// The access has happened, and that is what it leads to.
    pub(super) fn keep_leads(&mut self, event: u32, newer: Vec<u32>) {
        let Event { access, ref clock, .. } = self.events[event as usize];
        if access.order == Ordering::SeqCst {
            self.leads = self.psc();
            return;
        }
        if newer.is_empty() {
            return;
        }
        for source in self.fences_before(clock) {
            let leads = &mut self.leads[source as usize];
            for &to in &newer {
                if !leads.contains(&to) {
                    leads.push(to);
                }
            }
        }
    }

    /// Make up for the fences since somebody has last asked what leads where: what is the newest
    /// leads nowhere, so that nothing was missed.
    fn find_leads(&mut self) {
        for number in self.leads.len() as u32..self.sequential.len() as u32 {
            let Event { task, ref clock, .. } =
                self.events[self.sequential[number as usize] as usize];
            let sources = self.lead_to_fence(task as usize, clock);
            self.leads.push(Vec::new());
            for source in sources.into_iter().filter(|&source| source != number) {
                self.leads[source as usize].push(number);
            }
        }
    }

    /// By their numbers among the sequentially consistent events, the fences that happen before
    /// something.
    fn fences_before(&self, clock: &[u32]) -> Vec<u32> {
        let fence = |&(_, &event): &(usize, &u32)| {
            self.events[event as usize].word == NONE && self.before(event, clock)
        };
        let events = self.sequential.iter().enumerate();
        events.filter(fence).map(|(number, _)| number as u32).collect()
    }

    /// The sequentially consistent events that an access that sees, or writes, what is at the place
    /// leads to: stores that are newer, and fences after accesses to what is newer.
    fn newer(&self, word: u32, place: usize) -> Vec<u32> {
        let newer =
            self.words[word as usize].events.iter().filter(|&&event| self.place(event) > place);
        let newer: Vec<u32> = newer.copied().collect();
        let events = self.sequential.iter().enumerate();
        let leads = |&(_, &event): &(usize, &u32)| {
            let Event { word, access, ref clock, .. } = self.events[event as usize];
            if word == NONE {
                newer.iter().any(|&newer| self.before(newer, clock))
            } else {
                access.writes() && newer.contains(&event)
            }
        };
        events.filter(leads).map(|(number, _)| number as u32).collect()
    }

    /// The sequentially consistent events that lead to the task's next fence, if all of this happens
    /// before it.
    fn lead_to_fence(&self, task: usize, clock: &[u32]) -> Vec<u32> {
        // How new, in each word, what is written, and what is read, before the fence.
        let newest = |word: &Writes, what: fn(Access) -> bool| {
            let known = word.events.iter().filter(|&&event| {
                what(self.events[event as usize].access) && self.before(event, clock)
            });
            known.map(|&event| self.place(event)).max()
        };
        let known: Vec<_> = self
            .words
            .iter()
            .map(|word| (newest(word, Access::writes), newest(word, |access| !access.writes())))
            .collect();
        let older = |event: u32| {
            let Event { word, access, .. } = self.events[event as usize];
            let (written, read) = known[word as usize];
            let place = self.place(event);
            Some(place) < written.max(read) || access.writes() && Some(place) <= read
        };
        let leads = |&(_, &event): &(usize, &u32)| {
            let Event { word, task: of, number, .. } = self.events[event as usize];
            if word == NONE {
                let after = |&other: &u32| self.happens_before(event, other) && older(other);
                self.before(event, clock)
                    || self.words.iter().any(|word| word.events.iter().any(after))
            } else {
                // That another acquires from it is not enough: what its own task does next, or what
                // accesses the same word, has to come before the fence.
                let next = |other: &u32| {
                    let Event { task, number: later, .. } = self.events[*other as usize];
                    task == of && later > number
                        || self.same_word(event, *other) && self.happens_before(event, *other)
                };
                of == task as u32
                    || Some(self.place(event)) < known[word as usize].0
                    || (0..self.events.len() as u32)
                        .filter(next)
                        .any(|other| self.before(other, clock))
            }
        };
        let events = self.sequential.iter().enumerate();
        events.filter(leads).map(|(number, _)| number as u32).collect()
    }

    fn happens_before(&self, a: u32, b: u32) -> bool {
        a != b && self.before(a, &self.events[b as usize].clock)
    }

    fn same_word(&self, a: u32, b: u32) -> bool {
        let (a, b) = (self.events[a as usize].word, self.events[b as usize].word);
        a == b && a != NONE
    }

    /// Modification order, or a read before a write that overwrites what it has read.
    fn overwritten(&self, a: u32, b: u32) -> bool {
        a != b
            && self.same_word(a, b)
            && self.events[b as usize].access.writes()
            && self.place(a) < self.place(b)
    }

    /// Extended coherence order: all of what orders accesses of one word.
    fn coherent(&self, a: u32, b: u32) -> bool {
        a != b && self.same_word(a, b) && {
            let (first, second) = (self.place(a), self.place(b));
            let reads_it =
                self.events[a as usize].access.writes() && !self.events[b as usize].access.writes();
            first < second || first == second && reads_it
        }
    }

    /// RC11's axiom for sequentially consistent accesses and fences: that its `psc` has no cycle.
    /// (Coherence and atomicity are seen to by where an access may be; that nothing is read before
    /// it is written, by reading from what is there.)
    fn is_consistent(&self) -> bool {
        let leads = self.psc();
        // Take away what nothing leads to, until nothing is left, or only cycles are.
        let mut left = vec![true; leads.len()];
        loop {
            let led_to = |to: &usize| {
                (0..leads.len()).any(|from| left[from] && leads[from].contains(&(*to as u32)))
            };
            let Some(first) = (0..leads.len()).find(|to| left[*to] && !led_to(to)) else { break };
            left[first] = false;
        }
        !left.contains(&true)
    }

    /// To which of the sequentially consistent events each of them leads, as the axiom has it: what
    /// `leads` keeps up to date.
    fn psc(&self) -> Vec<Vec<u32>> {
        let number = self.events.len() as u32;
        let all = || 0..number;
        let event = |event: u32| &self.events[event as usize];
        let is_fence = |other: u32| event(other).word == NONE;
        let in_order =
            |a: u32, b: u32| event(a).task == event(b).task && event(a).number < event(b).number;
        // The task's next event that is not on the same word, and the one before.
        let next = |a: u32| {
            all()
                .filter(|&b| in_order(a, b) && !self.same_word(a, b))
                .min_by_key(|&b| event(b).number)
        };
        let previous = |b: u32| {
            all()
                .filter(|&a| in_order(a, b) && !self.same_word(a, b))
                .max_by_key(|&a| event(a).number)
        };
        let previous: Vec<Option<u32>> = all().map(previous).collect();
        let sequential = self.sequential.len();
        let mut leads = vec![Vec::new(); sequential];
        for (from, &s) in self.sequential.iter().enumerate() {
            let starts = all().filter(|&a| a == s || is_fence(s) && self.happens_before(s, a));
            let mut reached = vec![false; number as usize];
            for a in starts {
                let next = next(a);
                for b in all() {
                    let around = || {
                        next.zip(previous[b as usize])
                            .is_some_and(|(c, d)| self.happens_before(c, d))
                    };
                    let direct = || self.same_word(a, b) && self.happens_before(a, b);
                    reached[b as usize] |=
                        in_order(a, b) || direct() || self.overwritten(a, b) || around();
                }
            }
            for (to, &t) in self.sequential.iter().enumerate() {
                let ends = |b: u32| {
                    reached[b as usize] && (b == t || is_fence(t) && self.happens_before(b, t))
                };
                let fences = || {
                    let between = |a: u32| {
                        self.happens_before(s, a)
                            && all().any(|b| self.coherent(a, b) && self.happens_before(b, t))
                    };
                    is_fence(s) && is_fence(t) && (self.happens_before(s, t) || all().any(between))
                };
                if all().any(ends) || fences() {
                    leads[from].push(to as u32);
                }
            }
        }
        leads
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use crate::access::ObjectId;

    /// Accesses at random places that may be, by three tasks, with fences and locks: which events
    /// lead to which, and whether an access may be somewhere, is what the axiom says.
    #[test]
    fn what_leads_where_is_kept_up_to_date() {
        let (mut seed, mut forbidden) = (7u64, 0);
        let mut below = |bound: usize| {
            seed = crate::round::mix(seed, 1);
            (seed >> 33) as usize % bound
        };
        for _ in 0..4000 {
            let mut graph = Graph::default();
            let words = [ObjectId(0), ObjectId(1)];
            words.iter().for_each(|&word| graph.add_word(word, 0));
            (1..4).for_each(|task| graph.fork(0, task));
            for _ in 0..14 {
                let (task, object) = (1 + below(3), words[below(2)]);
                let orders = match below(5) {
                    0 => {
                        graph.fence(task, [Ordering::SeqCst, Ordering::AcqRel][below(2)]);
                        continue;
                    }
                    1 => {
                        graph.acquire(task, ObjectId(2), 0);
                        graph.release(task, ObjectId(2), 0);
                        continue;
                    }
                    2 => [Ordering::Relaxed, Ordering::SeqCst],
                    _ => [Ordering::Relaxed, Ordering::AcqRel],
                };
                let kind = [Kind::Read, Kind::Write, Kind::Update][below(3)];
                let order = match (orders[below(2)], kind) {
                    (Ordering::AcqRel, Kind::Read) => Ordering::Acquire,
                    (Ordering::AcqRel, Kind::Write) => Ordering::Release,
                    (order, _) => order,
                };
                let full = order == Ordering::Relaxed && below(3) == 0;
                let access = Access { full, ..Access::new(kind, order) };
                let places = graph.places(task, object, &[u32::MAX; 4], &|_| access);
                let word = graph.word(object);
                for place in graph.oldest(task, word, full)..graph.words[word as usize].order.len()
                {
                    if kind != Kind::Read
                        && graph.is_update(graph.words[word as usize].order.get(place + 1))
                    {
                        continue;
                    }
                    let mut after = graph.clone();
                    if full {
                        after.fence(task, Ordering::SeqCst);
                    }
                    after.push(task, word, place, access, 0, 0);
                    let consistent = after.is_consistent();
                    let would_be = graph.would_be_consistent(task, word, place, access);
                    assert_eq!(would_be, consistent, "{access:?} at {place} in {graph:#?}");
                    forbidden += u32::from(!consistent);
                }
                if full {
                    graph.fence(task, Ordering::SeqCst);
                }
                graph.access(task, object, places[below(places.len())], access, 0, 1);
                if full {
                    graph.fence(task, Ordering::SeqCst);
                }
                graph.find_leads();
                let mut leads = graph.leads.clone();
                leads.iter_mut().for_each(|leads| leads.sort_unstable());
                assert_eq!(leads, graph.psc(), "in {graph:#?}");
            }
        }
        assert!(forbidden > 100, "only {forbidden} were forbidden");
    }
}
