//! Every rule of the dependence relation and of race detection is needed: without it, some program
//! comes out wrong. (`UpdateShared` has its test in `failures.rs`: the generated programs do not
//! mix those two on one object.)

use crate::common::check::fault;
use crate::common::program::{Flavour, Program};
use dpor::DependenceRule;

/// Programs of each flavour to try.
const PROGRAMS: u64 = 4_000;

/// The seed of the first program from this one on that comes out wrong: nearer ones do not.
fn killed(rule: DependenceRule, from: u64) -> Option<(u64, String)> {
    for seed in from..from + PROGRAMS {
        for flavour in [Flavour::Locks, Flavour::Shared, Flavour::Failing, Flavour::All] {
            if let Err(fault) = fault(&Program::random(seed, flavour), Some(rule)) {
                return Some((seed, fault));
            }
        }
    }
    None
}

macro_rules! needed {
    ($($name:ident: $rule:ident from $from:literal,)*) => {
        $(
            #[test]
            fn $name() {
                let (seed, fault) = killed(DependenceRule::$rule, $from)
                    .expect("some program shows that the rule is needed");
                eprintln!("{:?}: seed {seed}: {fault}", DependenceRule::$rule);
            }
        )*
    };
}

needed! {
    reader_exclusive: ReaderExclusive from 1,
    exclusive_exclusive: ExclusiveExclusive from 1,
    shared_exclusive: SharedExclusive from 1,
    reader_shared: ReaderShared from 1,
    update_exclusive: UpdateExclusive from 1,
    update_reader: UpdateReader from 1,
    blocked_at_deadlock: BlockedAtDeadlock from 1,
    blocked_at_cut: BlockedAtCut from 40,
    waiting_at_failure: WaitingAtFailure from 150,
    instead_of_failure: InsteadOfFailure from 1,
    past_unready: PastUnready from 1,
    shared_before_blocking: SharedBeforeBlocking from 280,
    wake_sleepers: WakeSleepers from 1,
}
