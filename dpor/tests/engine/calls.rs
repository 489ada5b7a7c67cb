//! What a task learns in a call comes to what the call returns (`dpor::learned_since`).

use crate::states::Flags;
use dpor::{Explorer, Report, Strategy};

fn call<R: Into<u128> + Copy>(body: impl FnOnce() -> R) -> R {
    let mark = dpor::learned();
    let result = body();
    dpor::learned_since(mark, result.into());
    result
}

/// Both search the same states, in which somebody goes round in a circle or nobody does.
fn each_way(program: impl Fn(&Flags) + Copy + Send + Sync + 'static) -> [Report; 2] {
    [false, true].map(|circle| {
        let report = Explorer::new(Strategy::States).run(move || {
            let flags = Flags::new();
            if circle {
                flags.circle();
            }
            program(&flags);
        });
        assert!(report.exhausted && report.failing == 0, "{circle}: {report}");
        report
    })
}

/// The first thing that is called in a call returns what the call itself returns in the end: the task
/// is not where it was.
#[test]
fn a_call_in_a_call_is_not_the_call() {
    each_way(|flags| {
        let [looks, sets] = [flags.clone(), flags.clone()];
        let looks = dpor::spawn("looks", move || {
            call(|| {
                call(|| {
                    looks.is_set(0);
                    0_u8
                });
                looks.is_set(1);
                0_u8
            });
            looks.is_set(0);
        });
        let sets = dpor::spawn("sets", move || {
            sets.set(0);
            sets.set(1);
        });
        [looks, sets].into_iter().for_each(dpor::JoinHandle::join);
    });
}

/// Nothing that was learned, nothing to come to; and what was learned is forgotten: states are fewer.
#[test]
fn what_a_call_has_learned_is_forgotten() {
    let states = |forgets: bool| {
        each_way(move |flags| {
            let look = |flags: Flags| {
                move || {
                    let looks = || {
                        flags.is_set(0);
                        0_u8
                    };
                    _ = if forgets { call(looks) } else { looks() };
                    flags.is_set(1);
                    call(|| 7_u8);
                }
            };
            let sets = flags.clone();
            let tasks = [
                dpor::spawn("looks", look(flags.clone())),
                dpor::spawn("looks, too", look(flags.clone())),
                dpor::spawn("sets", move || {
                    sets.set(0);
                    sets.set(1);
                }),
            ];
            tasks.into_iter().for_each(dpor::JoinHandle::join);
        })
        .map(|report| report.states)
    };
    let ([few, few_in_circles], [more, more_in_circles]) = (states(true), states(false));
    assert!(
        few < more && few_in_circles < more_in_circles,
        "{few} {more}, {few_in_circles} {more_in_circles}"
    );
}
