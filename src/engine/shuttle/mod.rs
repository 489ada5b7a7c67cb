//! Raw primitives on shuttle and `dpor`: CPUs are coroutines of one OS thread, and whoever the scheduler
//! picked runs alone until its next step. So state is plain data behind an uncontended lock; all
//! there is to do is to announce each step before it happens.

mod monitor;
mod word;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dpor::memory;
use dpor::{Memory, ObjectId};

pub use monitor::Monitor;
pub use word::{Published, Word};

use super::{CpuBody, Step};
use crate::exec::{self, Exec, progress};

/// Steps of the world's construction and of the audit are nobody's: only CPUs are scheduled.
fn announced() -> bool {
    exec::cpu() != exec::BOOT && !std::thread::panicking()
}

#[track_caller]
pub fn announce(step: Step) {
    if announced() {
        let switching = exec::Switching::begin();
        dpor::step(ObjectId(step.object), step.access);
        drop(switching);
        progress::step();
    }
}

fn tried(success: bool) {
    if announced() {
        dpor::tried(success);
    }
}

/// The same of what is no memory.
#[track_caller]
pub fn ghost(step: Step) {
    if is_consistent() {
        announce(step);
    } else if announced() {
        exec::switching(|| memory::unordered(ObjectId(step.object), step.access));
        progress::step();
    }
}

/// Is memory sequentially consistent? Then steps are all there is to it.
fn is_consistent() -> bool {
    memory::model() == Memory::Sc
}

/// Takes a step of a word that knows itself how it is ordered.
#[track_caller]
fn taking<R>(step: impl FnOnce() -> R) -> R {
    let result = exec::switching(step);
    progress::step();
    result
}

/// A store of `cpu` is in memory now.
fn arrives(cpu: usize, then: impl FnOnce()) {
    exec::as_cpu(cpu, || {
        progress::step();
        then();
    });
}

/// Where every step is sequentially consistent, it is already.
pub fn fence(order: Ordering) {
    if announced() && !is_consistent() {
        exec::switching(|| memory::fence(order));
    }
}

pub fn round(which: u64, state: impl FnOnce() -> u64) {
    // Livelocks are told where memory is consistent; elsewhere a loop that has no end makes an
    // execution that is too long.
    if announced() && is_consistent() {
        exec::switching(|| dpor::round(which, state));
    }
}

pub fn run_cpus(_: &Arc<Exec>, cpus: Vec<(String, CpuBody)>, at_end: CpuBody) {
    let tasks: Vec<_> = cpus
        .into_iter()
        .enumerate()
        .map(|(cpu, (name, body))| {
            exec::switching(|| {
                dpor::spawn(name, move || {
                    exec::set_cpu(cpu);
                    body();
                })
            })
        })
        .collect();
    for task in tasks {
        exec::switching(|| task.join());
    }
    if !dpor::aborting() {
        at_end();
    }
}

#[cfg(test)]
mod tests {
    use dpor::{Explorer, FailureKind, Report, Strategy};

    use super::*;
    use crate::engine::Access;
    use crate::exec::Engine;
    use crate::sync::{MmuWord, Name};

    /// Two CPUs in this interleaving; each is given its number, and all that they share, with two
    /// objects.
    fn replay<T: Send + Sync + 'static>(
        schedule: &str,
        make: fn() -> T,
        body: impl Fn(u64, &T, [u32; 2]) + Send + Sync + 'static,
    ) -> Report {
        let body = Arc::new(body);
        Explorer::new(Strategy::Replay(schedule.parse().expect("a schedule"))).run(move || {
            let exec = Exec::new(Engine::Shuttle, 2, None, false, Arc::new(|_| true));
            exec.enter(exec::BOOT, || {
                let (shared, objects) = (Arc::new(make()), [exec.new_object(), exec.new_object()]);
                let cpu = |number: u64| {
                    let (shared, body) = (shared.clone(), body.clone());
                    (
                        format!("CPU{number}"),
                        Box::new(move || body(number, &shared, objects)) as CpuBody,
                    )
                };
                run_cpus(&exec, vec![cpu(0), cpu(1)], Box::new(|| ()));
            });
        })
    }

    /// Each CPU adds one and takes it back, round after round. When CPU 0 begins its third round,
    /// all is as when it began its second: but for what CPU 1 found when it last added, which
    /// depends on who added first.
    fn adders(access: Access) -> Report {
        let adder = move |cpu, word: &Word, [object, _]: [u32; 2]| {
            for _ in 0..3 {
                round(cpu, || word.peek());
                word.add(Step::new(object, access), 1);
                word.add(Step::new(object, access), 1u64.wrapping_neg());
            }
        };
        replay("1.2.1.2*2.1*2", || Word::new(0, 0), adder)
    }

    #[test]
    fn what_an_update_found_is_not_known_to_its_cpu() {
        let report = adders(Access::Update);
        let failure = report.failures.first().expect("a livelock");
        assert!(
            matches!(failure.kind, FailureKind::Livelock { .. }) && failure.schedule.len() == 7,
            "{failure}"
        );
    }

    #[test]
    fn what_an_addition_returns_is_known_to_its_cpu() {
        let report = adders(Access::Rmw);
        assert!(report.failing == 0 && report.complete == 1, "{report}");
    }

    /// When CPU 0 begins its third round, all is as when it began its second: but for what CPU 1
    /// has replaced, 2 then and 3 now.
    #[test]
    fn what_was_replaced_is_known_to_its_cpu() {
        let body = |cpu, word: &MmuWord<u64>, [_, other]: [u32; 2]| {
            for _ in 0..3 {
                round(cpu, || exec::unseen(|| word.peek()));
                if cpu == 0 {
                    for value in [2, 3, 1] {
                        word.write(value);
                    }
                } else {
                    word.write(9);
                    announce(Step::new(other, Access::Write));
                }
            }
        };
        let report = replay("1.2.1*3.2.1.2.1", || MmuWord::new(Name::new("entry", 0, 0), 2), body);
        assert!(report.failing == 0 && report.complete == 1, "{report}");
    }

    /// When CPU 0 begins its third round, all is as when it began its second: but for what CPU 1
    /// has read, 3 then and 2 now, at one address if the allocator likes.
    #[test]
    fn a_value_is_not_known_by_its_address() {
        let body = |cpu, published: &Published<[u64; 20]>, [object, other]: [u32; 2]| {
            for _ in 0..3 {
                round(cpu, || published.peek()[0]);
                if cpu == 0 {
                    for value in [2, 3, 1] {
                        published.store(Step::new(object, Access::Write), [value; 20], || ());
                    }
                } else {
                    published.load(Step::new(object, Access::Read));
                    announce(Step::new(other, Access::Write));
                }
            }
        };
        let report = replay("1*2.2.1*2.2*2.1*2", || Published::new(0, [2; 20]), body);
        assert!(report.failing == 0 && report.complete == 1, "{report}");
    }
}
