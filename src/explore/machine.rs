//! A machine without CPUs: it does one thing after the other, as it is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::mm::{AtRest, Setup, World};
use crate::spec::{Clause, Protocol};
use crate::sync::{self, BOOT, Engine, Exec, Mishap, Violation};

/// A machine that nobody but the caller drives, from one operation to the next: to compare what it
/// comes to with something else. What several CPUs do at once is a [`Race`](crate::Race)'s to ask.
///
/// ```
/// use lockwalk::{Era, Machine};
///
/// let machine = Machine::new(&Era::V5_19, 8, |w| w.new_process().mmap(0..1))?;
/// assert_eq!(machine.step(|w| w.process(0).store(0, 3))?, Ok(()));
/// machine.audit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Machine {
    exec: Arc<Exec>,
    world: Arc<World>,
}

/// Why a machine stopped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Halt {
    /// It violated a clause.
    Violation(Violation),
    /// It was asked for what makes no sense, or goes round for ever: nobody is there who could
    /// change anything.
    Stuck(String),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => {
                write!(f, "violates {}: {}", violation.clause, violation.what)
            }
            Self::Stuck(why) => write!(f, "is stuck: {why}"),
        }
    }
}

impl std::error::Error for Halt {}

impl Machine {
    /// One that plays by `protocol`, with so many slots on its swap device and what `build` puts
    /// into it.
    ///
    /// # Errors
    /// When that makes no sense.
    pub fn new(
        protocol: &Protocol,
        slots: u32,
        build: impl FnOnce(&Setup<'_>),
    ) -> Result<Self, Halt> {
        sync::silence_results();
        // Real primitives, of one thread: what is not explored need not be announced. It looks for
        // a clause that only races evaluate: what is violated on the way does not end it.
        let exec = Exec::new(Engine::Native, 0, Some(Clause::RACE_1), false, Arc::new(|_| true));
        let world = exec.enter(BOOT, || World::with_slots(protocol.rules, slots));
        let machine = Self { exec, world };
        machine.on(|world| Setup::build(world, build))?;
        Ok(machine)
    }

    /// Does something. Where that makes no sense or has no end, or violates a clause after which
    /// nothing has a meaning, the machine is of no use any more; what else is violated is
    /// [kept](Self::violations).
    ///
    /// # Errors
    /// Says why it stopped.
    pub fn step<R>(&self, act: impl FnOnce(&AtRest<'_>) -> R) -> Result<R, Halt> {
        self.on(|world| act(&AtRest::new(world)))
    }

    fn on<'s, R>(&'s self, act: impl FnOnce(&'s World) -> R) -> Result<R, Halt> {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            self.exec.enter(BOOT, || sync::not_asserting("without CPUs", || act(&self.world)))
        }));
        ran.map_err(|payload| match payload.downcast::<Violation>() {
            Ok(violation) => Halt::Violation(*violation),
            Err(payload) => match payload.downcast::<Mishap>() {
                Ok(mishap) => Halt::Stuck(mishap.to_string()),
                Err(payload) => std::panic::resume_unwind(payload),
            },
        })
    }

    /// What was violated so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.exec.violations()
    }

    /// What must hold when nothing is under way: no reference is out that no page table and no swap
    /// cache accounts for.
    ///
    /// # Errors
    /// When something does not.
    pub fn audit(&self) -> Result<(), Halt> {
        let before = self.violations().len();
        self.on(World::audit)?;
        self.violations()
            .into_iter()
            .nth(before)
            .map_or(Ok(()), |violation| Err(Halt::Violation(violation)))
    }
}
