//! One execution as the scheduler sees it: tasks, what each is about to do, and what has happened.

mod explore;
mod memory;
mod names;
mod rounds;
mod threads;
mod turn;

pub(crate) use explore::{Explore, Outcomes};
pub(crate) use threads::Threads;
pub(crate) use turn::Next;

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

use crate::access::{Access, Creator, ObjectId, Op};
use crate::data::{Accessed, DataCells};
use crate::dependence::DependenceRules;
use crate::left_out::{LeftOut, Used};
use crate::livelock::{Judged, Retries};
use crate::log::{Did, Log};
use crate::model::{Memory, Pending};
use crate::rc11::Graph;
use crate::report::{End, FailureKind, Unfinished, Waiting};
use crate::resident::resident;
use crate::round::{Fairness, Round, mix};
use crate::schedule::Schedule;
use crate::state::{Keys, Learned, Naming, Sum};
use crate::task::{Condition, Task, TaskState};
use crate::taskset::TaskSet;
use crate::trace::{NONE, Trace};
use crate::watchdog::Pulse;

/// Tells the origins of a task's stores from those of the tasks that it spawns.
const STORES: u64 = 0x73_746f_7265;

pub(crate) struct Core {
    pub(crate) pulse: Arc<Pulse>,
    tasks: Vec<Task>,
    /// Tasks of this execution; `tasks` keeps more, for their allocations.
    count: usize,
    objects: u32,
    /// The origin of who created each object, and as which of its objects: a name that does not
    /// depend on the interleaving.
    pub(crate) creators: Vec<Creator>,
    /// The objects by that name, where states are told apart.
    numbers: HashMap<Creator, u32, Keys>,
    /// What the program says of what its tasks share, where states are told apart, and whether it
    /// need say it now.
    pub(crate) shared: Sum,
    pub(crate) telling: bool,
    /// What was used under [`Memory::Weak`].
    uses: Vec<Used>,
    /// Accesses to data since their task's last step, or since somebody asked for them.
    accessed: Vec<LastAccess>,
    /// Two of them have raced in this execution.
    pub(crate) raced: bool,
    /// States are told apart: what each task learns is kept.
    pub(crate) by_states: bool,
    /// Then, too, who has gone round in vain is held back.
    pub(crate) holds_back: bool,
    /// And somebody might go round for ever.
    pub(crate) circle: bool,
    /// A round has begun since the strategy was asked last.
    pub(crate) round_begins: bool,
    /// Steps have all of their outcomes, also those that another order of steps comes to.
    pub(crate) every_outcome: bool,
    /// Rounds under [`Memory::Weak`] that led back.
    pub(crate) left_out: LeftOut,
    /// Under [`Memory::Weak`], a loop that changes something is gone round although it leads back.
    pub(crate) every_round: bool,
    /// No known state is gone on from for a check.
    pub(crate) unchecked: bool,
    /// A circle is gone round in although that leads nowhere: nobody is held back.
    pub(crate) insists: bool,
    /// How the program names what its tasks share.
    pub(crate) naming: Option<Naming>,
    /// Who takes steps, where that is told whatever the interleaving.
    pub(crate) threads: Threads,
    /// The last number that was given to what is unlike anything else.
    pub(crate) fresh: u64,
    /// Which steps depend on each other, and what follows from that.
    pub(crate) rules: DependenceRules,
    /// Which cycles are livelocks.
    pub(crate) fairness: Fairness,
    /// The most states to remember.
    pub(crate) max_states: usize,
    /// More than that end the exploration.
    pub(crate) few_states: Option<usize>,
    /// The most memory to have when one more is remembered.
    pub(crate) max_memory: Option<u64>,
    pub(crate) trace: Trace,
    pub(crate) data: DataCells,
    /// What a task sees of others' stores, and when.
    pub(crate) memory: Memory,
    /// Stores that are on their way to memory, by task.
    pub(crate) pending: Vec<Pending>,
    /// The execution under [`Memory::Weak`].
    pub(crate) graph: Graph,
    pub(crate) retries: Retries,
    pub(crate) failure: Option<FailureKind>,
    pub(crate) cut: bool,
    stuck: bool,
    /// The strategy knows that the execution is over.
    pub(crate) ended: bool,
    pub(crate) misfit: Option<(usize, String)>,
    aborting: bool,
    /// The task that was running then.
    failed: usize,
    pub(crate) current: usize,
    /// Asked now and then in long executions: whether to give up in the middle.
    pub(crate) give_up: Option<Box<dyn Fn() -> bool + Send>>,
    /// It was given up.
    pub(crate) given_up: bool,
    /// The most steps of an execution.
    pub(crate) max_steps: usize,
    /// Why it was: it would have had more, or the strategy cannot go on.
    pub(crate) unfinished: Option<Unfinished>,
    /// What each task does, if somebody wants to compare it.
    pub(crate) log: Option<Log>,
    /// The execution repeats another in an order of its own: there is nothing to find out about
    /// rounds.
    pub(crate) following: bool,
    /// Scratch space of `retry`.
    ready: TaskSet,
}

/// An access to data.
#[derive(Copy, Clone, Debug)]
struct LastAccess {
    what: Accessed,
    /// Before which event of its task it was made last.
    tick: u32,
    /// Each time, nothing that others do was at the same time.
    ordered: bool,
}

/// After so many states more, somebody looks how much memory they take.
const LOOKS_AFTER: usize = 64;

impl Core {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        Core {
            pulse,
            tasks: Vec::new(),
            count: 0,
            objects: 0,
            creators: Vec::new(),
            numbers: HashMap::default(),
            shared: Sum::default(),
            telling: true,
            uses: Vec::new(),
            accessed: Vec::new(),
            raced: false,
            by_states: false,
            holds_back: false,
            circle: false,
            round_begins: false,
            every_outcome: false,
            left_out: LeftOut::default(),
            every_round: false,
            unchecked: false,
            insists: false,
            naming: None,
            threads: Threads::default(),
            fresh: 0,
            rules: DependenceRules::default(),
            fairness: Fairness::default(),
            max_states: usize::MAX,
            few_states: None,
            max_memory: None,
            trace: Trace::default(),
            data: DataCells::default(),
            memory: Memory::Sc,
            pending: Vec::new(),
            graph: Graph::default(),
            retries: Retries::default(),
            failure: None,
            cut: false,
            stuck: false,
            ended: false,
            misfit: None,
            aborting: false,
            failed: 0,
            current: 0,
            give_up: None,
            given_up: false,
            max_steps: usize::MAX,
            unfinished: None,
            log: None,
            following: false,
            ready: TaskSet::default(),
        }
    }

    /// The next execution repeats the first `repeated` events of this one.
    pub(crate) fn rewind(&mut self, repeated: usize) {
        self.trace.restart(repeated);
        self.retries.restart(repeated);
    }

    /// The task that ran when the execution failed.
    pub(crate) fn failed(&self) -> usize {
        self.failed
    }

    /// Whether the failure is that nothing could go on.
    pub(crate) fn stuck(&self) -> bool {
        self.stuck
    }

    /// Keep what a task does, if that is wanted. What it does while it is torn down is of no
    /// interest.
    pub(crate) fn did(&mut self, task: usize, did: impl FnOnce() -> Did) {
        if let Some(log) = self.log.as_mut().filter(|_| !self.ended) {
            log.push(task, did());
        }
    }

    /// Make everything ready for the next execution.
    pub(crate) fn restart(&mut self) {
        self.count = 0;
        self.objects = 0;
        self.creators.clear();
        self.numbers.clear();
        self.threads.clear();
        self.shared = Sum::default();
        self.telling = self.trace.repeated == 0;
        self.uses.clear();
        self.accessed.clear();
        self.raced = false;
        self.circle = false;
        self.round_begins = false;
        self.data.clear();
        self.pending.clear();
        if self.memory == Memory::Weak {
            self.graph.clear();
        }
        self.failure = None;
        self.cut = false;
        self.stuck = false;
        self.ended = false;
        self.misfit = None;
        self.aborting = false;
        self.current = 0;
        if let Some(log) = &mut self.log {
            log.clear();
        }
        self.add_task(0, "main");
        self.name_thread(0, None);
    }

    pub(crate) fn tasks(&self) -> &[Task] {
        &self.tasks[..self.count]
    }

    /// The rounds of this execution, by what they are judged, and the tasks that they are of.
    pub(crate) fn rounds(&mut self) -> (&mut Retries, Judged<'_>, &mut [Task]) {
        let judged = Judged { trace: &self.trace, rules: self.rules, fairness: self.fairness };
        (&mut self.retries, judged, &mut self.tasks[..self.count])
    }

    fn add_task(&mut self, id: usize, name: &str) {
        while self.count <= id {
            if self.tasks.len() == self.count {
                self.tasks.push(Task {
                    state: TaskState::New,
                    name: String::new(),
                    origin: 0,
                    children: 0,
                    stores: 0,
                    op: Op { object: ObjectId(0), access: Access::Read },
                    condition: None,
                    at: None,
                    announced: 0,
                    round: Round::default(),
                    learned: Learned::default(),
                    held: Vec::new(),
                    failed: false,
                    choices: None,
                    owner: NONE,
                });
            }
            let task = &mut self.tasks[self.count];
            task.state = TaskState::New;
            task.condition = None;
            task.at = None;
            task.announced = 0;
            task.failed = false;
            task.choices = None;
            task.owner = NONE;
            (task.origin, task.children, task.stores) = (self.count as u64, 0, 0);
            task.round.restart();
            task.learned.restart();
            task.held.clear();
            task.name.clear();
            self.trace.add_task(self.count);
            self.count += 1;
        }
        self.tasks[id].name.push_str(name);
        self.pulse.named(id, name);
    }

    /// The current task has spawned a task, which may be a store of its to an object.
    pub(crate) fn spawned(
        &mut self,
        strategy: &mut dyn Explore,
        id: usize,
        name: &str,
        store: Option<ObjectId>,
    ) {
        self.settle_worst_case(strategy);
        self.add_task(id, name);
        let parent = &mut self.tasks[self.current];
        let nth = if store.is_some() { &mut parent.stores } else { &mut parent.children };
        *nth += 1;
        let kind = if store.is_some() { mix(parent.origin, STORES) } else { parent.origin };
        let origin = mix(kind, *nth);
        let [parent, child] =
            self.tasks.get_disjoint_mut([self.current, id]).expect("a task does not spawn itself");
        child.learned.inherit(&parent.learned);
        child.origin = origin;
        self.did(self.current, || Did::Spawned(name.to_owned()));
        self.trace.fork(self.current, id);
        if self.memory == Memory::Weak {
            self.graph.fork(self.current, id);
        }
        if store.is_some() {
            self.is_store(id);
        }
        self.name_thread(id, store);
    }

    /// All that others do comes before what the task does now, or is done by those that it may
    /// spawn yet.
    pub(crate) fn comes_after_all(&self, task: usize) -> bool {
        let mut others = (0..self.count).filter(|&other| other != task);
        others.all(|other| {
            let last = self.trace.task_clock(other)[other];
            self.tasks[other].state == TaskState::Finished
                && self.trace.task_clock(task)[other] >= last
        })
    }

    /// `task` goes on after the end of `other`.
    fn joined(&mut self, task: usize, other: usize) {
        self.trace.join(task, other);
        if self.memory == Memory::Weak {
            self.graph.join(task, other);
        }
    }

    pub(crate) fn announce(
        &mut self,
        strategy: &mut dyn Explore,
        op: Op,
        condition: Option<Condition>,
        at: &'static Location<'static>,
    ) {
        assert!(
            op.object.0 < self.objects,
            "step: {op} names an object that this execution has not made"
        );
        self.settle_worst_case(strategy);
        if self.log.is_some() {
            let (Op { object, access }, name) = (op, self.creators[op.object.0 as usize]);
            self.did(self.current, || Did::Announced { object, name, access, at });
        }
        let announced = self.trace.depth;
        let task = &mut self.tasks[self.current];
        task.state = TaskState::Pending;
        task.op = op;
        task.condition = condition;
        task.at = Some(at);
        task.announced = announced;
    }

    /// True if the joined task has ended, else the current one waits for it.
    pub(crate) fn join(&mut self, strategy: &mut dyn Explore, other: usize) -> bool {
        self.settle_worst_case(strategy);
        let origin = self.tasks[other].origin;
        self.did(self.current, || Did::Joining { task: other, origin });
        if self.tasks[other].state == TaskState::Finished {
            self.joined(self.current, other);
            return true;
        }
        self.tasks[self.current].state = TaskState::Joining(other);
        false
    }

    /// The task has ended, by unwinding if it `failed`.
    pub(crate) fn finish(&mut self, strategy: &mut dyn Explore, task: usize, failed: bool) {
        self.settle_worst_case(strategy);
        if !failed {
            self.did(task, || Did::Ended);
        }
        self.tasks[task].failed = failed;
        self.tasks[task].state = TaskState::Finished;
        self.trace.finish(task);
        if self.memory == Memory::Weak {
            self.graph.finish(task);
        }
    }

    pub(crate) fn fail(&mut self, kind: FailureKind) {
        if let FailureKind::Panic { task, payload, message } = &kind {
            self.did(*task, || Did::Panicked {
                message: message.clone(),
                payload: (**payload).type_id(),
            });
        }
        if !self.aborting {
            self.failure = Some(kind);
            self.aborting = true;
            self.failed = self.current;
        }
    }

    /// A task failed because of another's step, by joining it say: who could go on, or fail too,
    /// only because of the same step, and the task that failed.
    pub(crate) fn overtaken(&mut self) -> (usize, Vec<usize>) {
        let (first, mut overtaken) = (self.failed, Vec::new());
        let Some(event) = self.trace.depth.checked_sub(1) else { return (first, overtaken) };
        if self.trace.frame(event).task as usize == first {
            return (first, overtaken);
        }
        for task in (0..self.count).filter(|&task| task != first) {
            let pending = self.tasks[task].state == TaskState::Pending
                && !self.trace.frame(event).enabled.contains(task);
            if self.tasks[task].failed || pending && self.is_ready(task) == Some(true) {
                overtaken.push(task);
            }
        }
        (first, overtaken)
    }

    /// The outcome of a try was never said: assume the worst, that it took the lock.
    pub(crate) fn settle_worst_case(&mut self, strategy: &mut dyn Explore) {
        if self.trace.unsettled() {
            self.settle(strategy, false);
        }
    }

    /// The outcome of the last event is known. What follows from that may take its time, which is
    /// not the program's.
    fn settle(&mut self, strategy: &mut dyn Explore, failed: bool) {
        let paused = self.pulse.pause();
        self.trace.settle(failed, self.rules);
        let (retries, judged, tasks) = self.rounds();
        retries.wake(judged, tasks);
        self.watch_attempts();
        if self.memory == Memory::Weak {
            self.order_last_event();
        }
        strategy.executed(self);
        self.hold(self.trace.depth - 1);
        self.pulse.resume(paused);
    }

    /// Tell the strategy that the execution is over, before the tasks are torn down.
    pub(crate) fn end(&mut self, strategy: &mut dyn Explore) -> End {
        let end = match (&self.failure, self.cut || self.misfit.is_some()) {
            (Some(_), _) => End::Failed,
            (None, true) => End::Cut,
            (None, false) => End::Complete,
        };
        if !std::mem::replace(&mut self.ended, true) {
            self.settle_worst_case(strategy);
            strategy.end(self, end);
        }
        end
    }

    /// So many states are remembered. If there is no memory for more, those are all.
    pub(crate) fn limit_states(&mut self, states: usize) {
        let most = self.max_memory.filter(|_| states.is_multiple_of(LOOKS_AFTER));
        if let (Some(most), Some(has)) = (most, most.and_then(|_| resident()))
            && has > most
        {
            self.max_states = self.max_states.min(states);
        }
    }

    /// The strategy cannot go on.
    pub(crate) fn give_up_for(&mut self, why: Unfinished) {
        self.unfinished = Some(why);
        (self.given_up, self.cut) = (true, true);
    }

    /// The execution is over, and the strategy sees that the program did something else than
    /// before.
    pub(crate) fn failure_at_end(&mut self, detail: String) {
        self.failure.get_or_insert(FailureKind::Nondeterminism { step: self.trace.depth, detail });
    }

    pub(crate) fn differs(&mut self, detail: String) {
        self.fail(FailureKind::Nondeterminism { step: self.trace.depth, detail });
    }

    /// The caller says how the try went. False if that ends the execution.
    pub(crate) fn tried(&mut self, strategy: &mut dyn Explore, success: bool) -> bool {
        self.did(self.current, || Did::Tried(success));
        let Task { round, learned, .. } = &mut self.tasks[self.current];
        round.outcome(success);
        learned.value(2 + u64::from(success));
        if let Some(failed) = round.take_expected() {
            if failed == success {
                self.differs(format!("the try of task {} went the other way before", self.current));
            }
            return failed != success;
        }
        assert!(
            self.trace.unsettled(),
            "tried: task {} has no try whose outcome is open",
            self.current
        );
        self.settle(strategy, !success);
        true
    }

    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let waiting =
            self.tasks().iter().enumerate().filter(|(_, task)| task.state != TaskState::Finished);
        waiting
            .map(|(index, task)| Waiting {
                task: index,
                name: task.name.clone(),
                op: (task.state == TaskState::Pending).then_some(task.op),
            })
            .collect()
    }

    pub(crate) fn schedule(&self) -> Schedule {
        let events = self.trace.events();
        let outcomes = events.iter().enumerate().filter(|(_, frame)| frame.outcome > 0);
        let outcomes = outcomes.map(|(step, frame)| (step as u32, frame.outcome)).collect();
        Schedule::new(events.iter().map(|frame| frame.task).collect()).with_outcomes(outcomes)
    }
}
