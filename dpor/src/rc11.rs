//! The execution as [`Memory::Weak`](super::Memory::Weak) sees it: the events of each task, what
//! each read reads from, and the order of the writes of each word. What may be added to it is what
//! the axioms of RC11 allow.

mod psc;

use std::sync::atomic::Ordering;

use crate::access::{Class, ObjectId};
use crate::dependence::DependenceRules;

/// No event: the initial value of a word, or no word at all.
const NONE: u32 = u32::MAX;

/// What an object is whose steps order nothing by themselves.
const UNORDERED: u32 = NONE - 1;

/// For each task how many of its events; those that are missing are none.
type Clock = Vec<u32>;

fn tick(clock: &[u32], task: u32) -> u32 {
    clock.get(task as usize).copied().unwrap_or(0)
}

fn join(clock: &mut Clock, other: &[u32]) {
    if clock.len() < other.len() {
        clock.resize(other.len(), 0);
    }
    clock.iter_mut().zip(other).for_each(|(mine, &their)| *mine = their.max(*mine));
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Read,
    Write,
    /// Both in one: a read-modify-write.
    Update,
    Fence,
}

/// What an access does, and how it is ordered.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Access {
    pub(crate) kind: Kind,
    pub(crate) order: Ordering,
    /// Between two fences that are sequentially consistent.
    pub(crate) full: bool,
}

impl Access {
    pub(crate) fn new(kind: Kind, order: Ordering) -> Self {
        Access { kind, order, full: false }
    }

    fn acquires(self) -> bool {
        matches!(self.order, Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst)
            && self.kind != Kind::Write
    }

    fn releases(self) -> bool {
        matches!(self.order, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
            && self.kind != Kind::Read
    }

    fn reads(self) -> bool {
        matches!(self.kind, Kind::Read | Kind::Update)
    }

    fn writes(self) -> bool {
        matches!(self.kind, Kind::Write | Kind::Update)
    }
}

#[derive(Clone, Debug)]
struct Event {
    task: u32,
    /// Its number among the events of its task, from 1.
    number: u32,
    access: Access,
    /// The word, NONE for a fence.
    word: u32,
    /// The write that it reads from.
    from: u32,
    value: u64,
    /// What happens before it, and itself.
    clock: Clock,
    /// What happens before an acquisition that reads from it.
    message: Clock,
    /// What a write comes after by program order and by reading alone, and itself, where somebody
    /// asks.
    seen: Clock,
    /// The step that it was: its task's clock then, in the order that the exploration knows of.
    step: u32,
}

/// The writes of a word, oldest first; the first is the initial value.
#[derive(Clone, Debug)]
struct Writes {
    initial: u64,
    order: Vec<u32>,
    /// All accesses, as they happened.
    events: Vec<u32>,
    /// The write that happened last, wherever it is in the order.
    last: u32,
    /// No task sees an older one than this any more.
    floor: u32,
    /// Of which word this is a part.
    whole: u32,
}

#[derive(Clone, Debug, Default)]
struct Task {
    /// What happens before its next event.
    clock: Clock,
    /// What happens before its next acquire fence: what it has read without acquiring it.
    read: Clock,
    /// What happened before its last release fence.
    fenced: Clock,
    /// Its last release of each word.
    released: Vec<(u32, Clock)>,
    /// Where its rounds began: how many steps it had taken, and its own clock then.
    rounds: Vec<(u32, u32)>,
    /// What it has acquired, and not released since.
    acquired: Vec<ObjectId>,
    /// What its next event comes after by program order and by reading alone.
    seen: Clock,
}

/// Where an access is in the order of the word's writes: which it reads, or before which it writes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place(usize);

#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    events: Vec<Event>,
    words: Vec<Writes>,
    /// The word that an object is.
    of_object: Vec<u32>,
    /// Of which word the objects are parts, and which parts such words have.
    wholes: Vec<u32>,
    parts: Vec<Vec<u32>>,
    tasks: Vec<Task>,
    /// Those that are sequentially consistent.
    sequential: Vec<u32>,
    /// To which of these each of them leads by RC11's `psc`, but for the last fences.
    leads: Vec<Vec<u32>>,
    /// What happened before the steps of each class, for objects that are no words.
    steps: Vec<[Clock; 4]>,
    /// What happened before the releases of an object, by those who had it for themselves, and by
    /// others.
    releases: Vec<[Clock; 2]>,
}

impl Graph {
    #[cold]
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.words.clear();
        self.of_object.clear();
        self.wholes.clear();
        self.parts.clear();
        self.tasks.clear();
        self.sequential.clear();
        self.leads.clear();
        self.steps.clear();
        self.releases.clear();
    }

    fn is(&mut self, object: ObjectId, what: u32) {
        let object = object.0 as usize;
        if self.of_object.len() <= object {
            self.of_object.resize(object + 1, NONE);
        }
        self.of_object[object] = what;
    }

    pub(crate) fn add_word(&mut self, object: ObjectId, initial: u64) {
        let word = self.words.len() as u32;
        self.is(object, word);
        let whole = self.wholes.get(object.0 as usize).copied().unwrap_or(NONE);
        if whole != NONE {
            self.parts[whole as usize].push(word);
        }
        self.words.push(Writes {
            initial,
            order: vec![NONE],
            events: Vec::new(),
            last: NONE,
            floor: NONE,
            whole,
        });
    }

    /// These objects are parts of one word, which updates change.
    pub(crate) fn are_parts(&mut self, objects: &[ObjectId]) {
        let whole = self.parts.len() as u32;
        let is_there =
            |object: &&ObjectId| self.is_word(**object) && self.word(**object) != UNORDERED;
        let words = objects.iter().filter(is_there).map(|&object| self.word(object));
        let words: Vec<u32> = words.collect();
        for &ObjectId(object) in objects {
            let object = object as usize;
            if self.wholes.len() <= object {
                self.wholes.resize(object + 1, NONE);
            }
            self.wholes[object] = whole;
        }
        for &word in &words {
            self.words[word as usize].whole = whole;
        }
        self.parts.push(words);
    }

    /// The steps on this object order nothing by themselves.
    pub(crate) fn unordered(&mut self, object: ObjectId) {
        if !self.is_word(object) {
            self.is(object, UNORDERED);
        }
    }

    /// The task's last step, its number `step`, on an object of that kind or a word, was an access
    /// to its newest state, which it may have changed: between fences it is coherent, as words are.
    pub(crate) fn touch(&mut self, task: usize, object: ObjectId, writes: Option<u64>, step: u32) {
        if self.word(object) == UNORDERED {
            self.add_word(object, 0);
        }
        let newest = Place(self.words[self.word(object) as usize].order.len() - 1);
        let kind = if writes.is_some() { Kind::Update } else { Kind::Read };
        let access = Access::new(kind, Ordering::Relaxed);
        self.access(task, object, newest, access, writes.unwrap_or(0), step);
    }

    /// All tasks have seen what is newest in the word.
    pub(crate) fn seen_by_all(&mut self, object: ObjectId) {
        if self.is_word(object) && self.word(object) != UNORDERED {
            let word = self.word(object) as usize;
            self.words[word].floor = *self.words[word].order.last().expect("it has a value");
        }
    }

    fn released(&mut self, object: ObjectId) -> &mut [Clock; 2] {
        let object = object.0 as usize;
        if self.releases.len() <= object {
            self.releases.resize_with(object + 1, Default::default);
        }
        &mut self.releases[object]
    }

    /// All that the task has done so far happens before what acquires the object from now on.
    pub(crate) fn release(&mut self, task: usize, object: ObjectId, side: usize) {
        self.advance(task);
        let clock = self.tasks[task].clock.clone();
        join(&mut self.released(object)[side], &clock);
        self.advance(task);
        self.tasks[task].acquired.retain(|&other| other != object);
    }

    /// What was done before the releases of the object so far, on this side of it, happens before
    /// what the task does next.
    pub(crate) fn acquire(&mut self, task: usize, object: ObjectId, side: usize) {
        let released = std::mem::take(&mut self.released(object)[side]);
        join(&mut self.task(task).clock, &released);
        self.released(object)[side] = released;
        if !self.tasks[task].acquired.contains(&object) {
            self.tasks[task].acquired.push(object);
        }
    }

    /// Is it one whose steps are ordered by what they say, and not by what they depend on?
    pub(crate) fn is_word(&self, object: ObjectId) -> bool {
        self.of_object.get(object.0 as usize).is_some_and(|&word| word != NONE)
    }

    fn word(&self, object: ObjectId) -> u32 {
        self.of_object[object.0 as usize]
    }

    fn task(&mut self, task: usize) -> &mut Task {
        if self.tasks.len() <= task {
            self.tasks.resize_with(task + 1, Task::default);
        }
        &mut self.tasks[task]
    }

    fn advance(&mut self, task: usize) {
        let clock = &mut self.task(task).clock;
        if clock.len() <= task {
            clock.resize(task + 1, 0);
        }
        clock[task] += 1;
    }

    /// All that `parent` has done happens before `child`.
    #[cold]
    pub(crate) fn fork(&mut self, parent: usize, child: usize) {
        self.advance(parent);
        let Task { clock, seen, .. } = self.task(parent);
        let (clock, seen) = (clock.clone(), seen.clone());
        *self.task(child) = Task { clock, seen, ..Task::default() };
    }

    #[cold]
    pub(crate) fn finish(&mut self, task: usize) {
        self.advance(task);
    }

    #[cold]
    pub(crate) fn join(&mut self, task: usize, other: usize) {
        let clock = std::mem::take(&mut self.task(other).clock);
        join(&mut self.task(task).clock, &clock);
        self.task(other).clock = clock;
    }

    /// What happens before the task's next step.
    pub(crate) fn clock(&mut self, task: usize) -> &[u32] {
        self.advance(task);
        &self.tasks[task].clock
    }

    /// A step on an object that is no word: it comes after those that it depends on, with all that
    /// happened before them.
    pub(crate) fn step(
        &mut self,
        task: usize,
        object: ObjectId,
        class: Class,
        rules: DependenceRules,
    ) {
        let object = object.0 as usize;
        if self.steps.len() <= object {
            self.steps.resize_with(object + 1, Default::default);
        }
        self.advance(task);
        for other in [Class::Reader, Class::Shared, Class::Update, Class::Exclusive] {
            if rules.dependent(class, other) {
                join(&mut self.tasks[task].clock, &self.steps[object][other as usize]);
            }
        }
        join(&mut self.steps[object][class as usize], &self.tasks[task].clock);
        self.advance(task);
    }

    fn before(&self, event: u32, clock: &[u32]) -> bool {
        let event = &self.events[event as usize];
        tick(clock, event.task) >= event.number
    }

    /// Where a write is in the order of its word.
    fn position(&self, word: u32, write: u32) -> usize {
        self.words[word as usize]
            .order
            .iter()
            .position(|&other| other == write)
            .expect("a write is in the order of its word")
    }

    /// Where an event is in that order: a read where it reads.
    fn place(&self, event: u32) -> usize {
        let Event { word, access, from, .. } = self.events[event as usize];
        self.position(word, if access.writes() { event } else { from })
    }

    fn is_update(&self, write: Option<&u32>) -> bool {
        write.is_some_and(|&write| {
            write != NONE && self.events[write as usize].access.kind == Kind::Update
        })
    }

    /// The newest write that happens before what the task does next, or is read by something that
    /// does: it can see none that is older.
    fn oldest(&self, task: usize, word: u32, fenced: bool) -> usize {
        let Some(Task { clock, read, .. }) = self.tasks.get(task) else { return 0 };
        if self.words[word as usize].order.len() == 1 {
            return 0;
        }
        let mut clock = clock.clone();
        if fenced {
            join(&mut clock, read);
        }
        let clock = &clock;
        let Writes { events, floor, .. } = &self.words[word as usize];
        let events = events.iter().filter(|&&event| self.before(event, clock));
        let known = events.map(|&event| self.place(event)).max().unwrap_or(0);
        known.max(self.position(word, *floor)).max(self.known_by_parts(word, clock))
    }

    /// The newest write of the word that somebody knows of who has seen something of another part
    /// of the same word that was written after it.
    fn known_by_parts(&self, word: u32, clock: &[u32]) -> usize {
        let Writes { whole, ref order, .. } = self.words[word as usize];
        if whole == NONE || order.len() == 1 {
            return 0;
        }
        let written = |&&part: &&u32| part != word && self.words[part as usize].order.len() > 1;
        let others = self.parts[whole as usize].iter().filter(written);
        let mut seen = Clock::new();
        for part in others {
            let events = self.words[*part as usize].events.iter();
            for &event in events.filter(|&&event| self.before(event, clock)) {
                let Event { access, from, .. } = self.events[event as usize];
                let write = if access.writes() { event } else { from };
                if write != NONE {
                    join(&mut seen, &self.events[write as usize].seen);
                }
            }
        }
        let known = |&write: &u32| write != NONE && self.before(write, &seen);
        order.iter().rposition(known).unwrap_or(0)
    }

    pub(crate) fn value(&self, object: ObjectId, place: Place) -> u64 {
        let word = self.word(object);
        self.value_of(word, self.words[word as usize].order[place.0])
    }

    fn value_of(&self, word: u32, write: u32) -> u64 {
        if write == NONE {
            self.words[word as usize].initial
        } else {
            self.events[write as usize].value
        }
    }

    /// How many writes are newer than the one at the place.
    pub(crate) fn back(&self, object: ObjectId, place: Place) -> u32 {
        (self.words[self.word(object) as usize].order.len() - 1 - place.0) as u32
    }

    /// Has the task begun a round?
    pub(crate) fn goes_round(&self, task: usize) -> bool {
        self.tasks.get(task).is_some_and(|task| !task.rounds.is_empty())
    }

    /// What the task has acquired, and not released since.
    pub(crate) fn acquired(&self, task: usize) -> &[ObjectId] {
        self.tasks.get(task).map_or(&[], |task| &task.acquired)
    }

    /// A round of the task's ends after so many of its steps, and one begins.
    pub(crate) fn round(&mut self, task: usize, steps: u32) {
        let clock = tick(&self.task(task).clock, task as u32);
        self.tasks[task].rounds.push((steps, clock));
    }

    /// Whether one who comes after so many of the steps of `task` does so although nothing that
    /// `task` has done since one of its rounds began happens before it.
    pub(crate) fn is_within_round(&self, who: usize, task: usize, steps: u32) -> bool {
        let (Some(who), Some(task_is)) = (self.tasks.get(who), self.tasks.get(task)) else {
            return false;
        };
        let known = tick(&who.clock, task as u32);
        let first = task_is.rounds.partition_point(|&(_, clock)| clock < known);
        task_is.rounds.get(first).is_some_and(|&(before, _)| before < steps)
    }

    /// The value that the word ends with.
    pub(crate) fn newest(&self, object: ObjectId) -> u64 {
        let word = self.word(object);
        self.value_of(
            word,
            *self.words[word as usize].order.last().expect("there is an initial value"),
        )
    }

    /// Where the task's access may be, newest first. What it comes to is said by `access`, for the
    /// value that it reads. `known` is what the exploration knows to come before the step, whatever
    /// it accesses.
    ///
    /// If a place is not consistent, no older one is: whatever comes before the store at the place
    /// also comes before what overwrites an older one. So the first ones are the same, however many
    /// are left because of steps that are independent of this one.
    ///
    /// Of all ways to come to the same execution, one is enough (see the documentation of
    /// [`memory`](super)): while the write that happened last could come after this step as well,
    /// it is read, and written after.
    pub(crate) fn places(
        &mut self,
        task: usize,
        object: ObjectId,
        known: &[u32],
        access: &dyn Fn(u64) -> Access,
    ) -> Vec<Place> {
        let index = self.word(object);
        let (oldest, oldest_fenced) =
            (self.oldest(task, index, false), self.oldest(task, index, true));
        let Writes { order, last, .. } = &self.words[index as usize];
        let (len, last) = (order.len(), *last);
        let unknown = last != NONE && {
            let Event { task, step, .. } = self.events[last as usize];
            tick(known, task) < step
        };
        let last = if unknown { self.position(index, last) } else { 0 };
        let mut places = Vec::new();
        let writes_only = access(0).kind == Kind::Write;
        for place in (oldest..len).rev() {
            let word = &self.words[index as usize];
            // A write comes right after what is at its place.
            let access =
                access(if writes_only { 0 } else { self.value_of(index, word.order[place]) });
            let allowed = if access.kind == Kind::Read {
                !unknown || place == last
            } else {
                place >= last && !self.is_update(word.order.get(place + 1))
            };
            if allowed
                && (!access.full || place >= oldest_fenced)
                && (place + 1 == len || self.would_be_consistent(task, index, place, access))
            {
                places.push(Place(place));
            }
        }
        if places.is_empty() {
            places.push(Place(len - 1));
        }
        places
    }

    /// The word is given a value, as its newest, by a store that is no step: until somebody has
    /// done something else with it, and before all tasks but the first, the value that it has from
    /// the start.
    pub(crate) fn set(&mut self, task: usize, object: ObjectId, value: u64) {
        let index = self.word(object);
        let Writes { order, events, .. } = &self.words[index as usize];
        if task == 0 && events.is_empty() {
            self.words[index as usize].initial = value;
            return;
        }
        let place = Place(order.len() - 1);
        // Known to whoever comes later, as far as the exploration goes: so the older values are
        // offered too.
        self.access(task, object, place, Access::new(Kind::Write, Ordering::Relaxed), value, 0);
    }

    /// Add an event, and return its number. What its task knows stays as it was.
    fn push(
        &mut self,
        task: usize,
        word: u32,
        place: usize,
        access: Access,
        value: u64,
        step: u32,
    ) -> u32 {
        let event = self.events.len() as u32;
        let from = if access.reads() { self.words[word as usize].order[place] } else { NONE };
        let _ = self.task(task);
        let Task { clock, read, fenced, released, seen, .. } = &self.tasks[task];
        let mut clock = clock.clone();
        if clock.len() <= task {
            clock.resize(task + 1, 0);
        }
        clock[task] += 1;
        if from != NONE && access.acquires() {
            join(&mut clock, &self.events[from as usize].message);
        }
        if access.kind == Kind::Fence && access.acquires() {
            join(&mut clock, read);
        }
        let (mut message, mut after) = (Clock::new(), Clock::new());
        if access.writes() {
            message.clone_from(fenced);
            if let Some((_, clock)) = released.iter().find(|(other, _)| *other == word) {
                join(&mut message, clock);
            }
            if access.releases() {
                join(&mut message, &clock);
            }
            if from != NONE {
                join(&mut message, &self.events[from as usize].message);
            }
            if !self.parts.is_empty() {
                after.clone_from(&clock);
                join(&mut after, seen);
                if from != NONE {
                    join(&mut after, &self.events[from as usize].seen);
                }
            }
        }
        let number = clock[task];
        self.events.push(Event {
            task: task as u32,
            number,
            access,
            word,
            from,
            value,
            clock,
            message,
            seen: after,
            step,
        });
        if word != NONE {
            let word = &mut self.words[word as usize];
            word.events.push(event);
            if access.writes() {
                word.order.insert(place + 1, event);
            }
        }
        if access.order == Ordering::SeqCst {
            self.sequential.push(event);
        }
        event
    }

    /// The access has happened, as its task's step number `step`.
    pub(crate) fn access(
        &mut self,
        task: usize,
        object: ObjectId,
        place: Place,
        access: Access,
        value: u64,
        step: u32,
    ) {
        let word = self.word(object);
        let newer = self.newer_than(word, place.0);
        let event = self.push(task, word, place.0, access, value, step);
        if access.writes() {
            self.words[word as usize].last = event;
        }
        let Event { clock, from, .. } = &self.events[event as usize];
        let (clock, from) = (clock.clone(), *from);
        self.keep_leads(event, newer);
        if from != NONE && !access.acquires() {
            let message = std::mem::take(&mut self.events[from as usize].message);
            join(&mut self.tasks[task].read, &message);
            self.events[from as usize].message = message;
        }
        if access.writes() && access.releases() {
            let released = &mut self.tasks[task].released;
            released.retain(|(other, _)| *other != word);
            released.push((word, clock.clone()));
        }
        self.tasks[task].clock = clock;
        if from != NONE && !self.parts.is_empty() {
            join(&mut self.tasks[task].seen, &self.events[from as usize].seen);
        }
    }

    pub(crate) fn fence(&mut self, task: usize, order: Ordering) {
        let access = Access::new(Kind::Fence, order);
        let event = self.push(task, NONE, 0, access, 0, 0);
        let clock = self.events[event as usize].clock.clone();
        if access.releases() {
            self.tasks[task].fenced.clone_from(&clock);
        }
        self.tasks[task].clock = clock;
    }
}
