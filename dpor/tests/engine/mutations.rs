//! Every rule of the dependence relation and of race detection is needed: without it, some program comes out wrong. (`UpdateShared`
//! has its test in `failures.rs`: the generated programs do not mix those two on one object.)

use crate::common::check::fault;
use crate::common::program::{Flavour, Program};
use dpor::Rule;

/// Programs of each flavour to try; the rule that is missed least takes about 500.
const PROGRAMS: u64 = 4_000;

fn killed(rule: Rule) -> Option<(u64, String)> {
    for seed in 1..PROGRAMS {
        for flavour in [Flavour::Locks, Flavour::Shared, Flavour::Failing, Flavour::All] {
            if let Err(fault) = fault(&Program::random(seed, flavour), Some(rule)) {
                return Some((seed, fault));
            }
        }
    }
    None
}

macro_rules! needed {
    ($($name:ident: $rule:ident,)*) => {
        $(
            #[test]
            fn $name() {
                let (seed, fault) = killed(Rule::$rule).expect("some program shows that the rule is needed");
                eprintln!("{:?}: seed {seed}: {fault}", Rule::$rule);
            }
        )*
    };
}

needed! {
    reader_exclusive: ReaderExclusive,
    exclusive_exclusive: ExclusiveExclusive,
    shared_exclusive: SharedExclusive,
    reader_shared: ReaderShared,
    update_exclusive: UpdateExclusive,
    update_reader: UpdateReader,
    blocked_at_deadlock: BlockedAtDeadlock,
    blocked_at_cut: BlockedAtCut,
    waiting_at_failure: WaitingAtFailure,
    instead_of_failure: InsteadOfFailure,
    past_unready: PastUnready,
    shared_before_blocking: SharedBeforeBlocking,
    wake_sleepers: WakeSleepers,
}
