//! What a CPU is held to know, by what the livelock check makes of it: tests of the words and of
//! the engine below them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dpor::{Explorer, FailureKind, Report, Strategy};

use super::{MmuWord, Name};
use crate::engine::{Access, CpuBody, Published, Step, Word, ghost, round, run_cpus};
use crate::exec::{self, Engine, Exec};

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
            round(cpu, 0, || word.peek());
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
            round(cpu, 0, || exec::unseen(|| word.peek()));
            if cpu == 0 {
                for value in [2, 3, 1] {
                    word.write(value);
                }
            } else {
                word.write(9);
                ghost(Step::new(other, Access::Write));
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
            round(cpu, 0, || published.peek()[0]);
            if cpu == 0 {
                for value in [2, 3, 1] {
                    published.store(
                        Step::new(object, Access::Write),
                        [value; 20],
                        Ordering::Release,
                        || (),
                    );
                }
            } else {
                published.load(Step::new(object, Access::Read));
                ghost(Step::new(other, Access::Write));
            }
        }
    };
    let report = replay("1*2.2.1*2.2*2.1*2", || Published::new(0, [2; 20]), body);
    assert!(report.failing == 0 && report.complete == 1, "{report}");
}
