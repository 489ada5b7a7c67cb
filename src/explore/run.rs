//! One execution of a race, on whatever engine calls.

use std::sync::Arc;

use crate::mm::World;
use crate::race::{Race, Seen};
use crate::spec::{Clause, Protocol};
use crate::sync::{self, BOOT, CpuBody, Engine, Exec};

/// Hears of every execution that has ended.
pub(super) type Ended = Arc<dyn Fn(&Exec) + Send + Sync>;

/// What a CPU does with what all of them share.
pub(super) type OnShared<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// What all executions of one exploration share.
pub(super) struct Plan {
    pub race: Race,
    pub protocol: Protocol,
    pub engine: Engine,
    /// The clause that the race is about under this protocol.
    pub focus: Option<Clause>,
    pub tracing: bool,
}

impl Plan {
    /// Runs the race once. Called by the engine, as the main task of one of its executions.
    pub fn execute(&self, ended: Ended) {
        let (build, cpus) = self.race.parts();
        let exec = Exec::new(self.engine, cpus.len(), self.focus, self.tracing, self.shows());
        let machine = || {
            let world = World::new(self.protocol.rules);
            build(&world);
            world.seal();
            if self.tracing {
                let observed = world.clone();
                sync::observe(|| Box::new(move || observed.snapshot()));
            }
            world
        };
        let (ends, never, audited) = (self.race.at_the_end(), self.race.nevers().to_vec(), exec.clone());
        let audit = move |world: &World| {
            world.audit();
            for condition in &never {
                sync::clause(Clause::RACE_1, !condition.holds(&Seen(&audited)), || condition.label.clone());
            }
            // In a machine that is not in order, asking more of it may never come to an end.
            if audited.violations().is_empty() {
                ends.iter().for_each(|end| sync::asserting(|| end(world)));
            }
        };
        execute(&exec, ended, machine, cpus, audit);
    }

    fn shows(&self) -> sync::Shows {
        let conditions = self.race.shows().to_vec();
        Arc::new(move |exec| conditions.iter().all(|condition| condition.holds(&Seen(exec))))
    }
}

/// Builds what the CPUs share, runs them, and audits it. `ended` hears how it went, also when a violation unwinds through here. (Under loom
/// it does not: there a violation leaves through somebody else's stack.)
pub(super) fn execute<T: Send + Sync + 'static>(
    exec: &Arc<Exec>,
    ended: Ended,
    build: impl FnOnce() -> Arc<T>,
    cpus: &[(String, OnShared<T>)],
    audit: impl Fn(&T) + Send + 'static,
) {
    let _tell = (exec.engine() != Engine::Loom).then(|| {
        let (exec, ended) = (exec.clone(), ended.clone());
        OnDrop(move || {
            if !exec.completed() {
                ended(&exec);
            }
        })
    });
    exec.enter(BOOT, || {
        let shared = build();
        let bodies = cpus
            .iter()
            .map(|(name, body)| {
                let (shared, body) = (shared.clone(), body.clone());
                let run = move || {
                    sync::asserting(|| body(&shared));
                    sync::cpu_ends();
                };
                (name.clone(), Box::new(run) as CpuBody)
            })
            .collect();
        let at_end = {
            let exec = exec.clone();
            Box::new(move || {
                exec.finish();
                audit(&shared);
                exec.complete();
                ended(&exec);
            })
        };
        exec.start();
        sync::run_cpus(exec, bodies, at_end);
    });
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
