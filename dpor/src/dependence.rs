//! Which accesses depend on each other. The rules can be dropped one at a time by tests that show
//! each of them is needed.

use crate::access::Class;

/// The dependence relation and the race rules, each of which a test can drop
/// (`Explorer::without_rule`).
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct DependenceRules {
    pub(crate) dropped: u32,
}

/// A rule that can be dropped.
#[doc(hidden)]
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum DependenceRule {
    /// Readers depend on exclusive accesses.
    ReaderExclusive,
    /// Exclusive accesses depend on each other.
    ExclusiveExclusive,
    /// Shared locking depends on exclusive accesses.
    SharedExclusive,
    /// Readers (failed tries, waits) depend on shared locking.
    ReaderShared,
    /// Updates depend on exclusive accesses.
    UpdateExclusive,
    /// Updates depend on readers.
    UpdateReader,
    /// Updates depend on shared locking.
    UpdateShared,
    /// Operations that are blocked when an execution deadlocks are checked for races.
    BlockedAtDeadlock,
    /// Operations that are blocked when an execution is cut are checked for races.
    BlockedAtCut,
    /// Operations that wait when an execution fails are checked for races.
    WaitingAtFailure,
    /// Tasks that are between steps when an execution fails go on to announce theirs, or fail too.
    UnannouncedAtFailure,
    /// What could have run instead of the event that failed is run.
    InsteadOfFailure,
    /// The search for the race of a blocking operation goes on past events at which it was not
    /// ready.
    PastUnready,
    /// A shared lock or an update that may have blocked a waiter behind others makes everything
    /// enabled run.
    SharedBeforeBlocking,
    /// Tasks leave the sleep set when something dependent runs.
    WakeSleepers,
    /// What can follow a state that is reached again is checked for races.
    Summaries,
    /// What waits when an execution ends can follow the states before it.
    WaitingFollows,
    /// What comes before something that follows some time is not known.
    UnknownBefore,
    /// What slept in a state is run if it is reached again and the task is awake.
    WokenStates,
    /// A state that is reached again on the path makes the search begin again, for programs that go round.
    Cycles,
    /// A step that was enough is not if what it uses is used in another way later.
    AloneNoMore,
    /// Where states are told apart, a round of which others know did not lead nowhere.
    NoticedRounds,
}

impl DependenceRules {
    pub(crate) fn has(self, rule: DependenceRule) -> bool {
        self.dropped & (1 << rule as u32) == 0
    }

    /// Whether two accesses of one object depend on each other.
    pub(crate) fn dependent(self, a: Class, b: Class) -> bool {
        use Class::{Exclusive, Reader, Shared, Update};
        if self.dropped == 0 {
            return a != b || a == Exclusive;
        }
        match (a, b) {
            (Exclusive, Exclusive) => self.has(DependenceRule::ExclusiveExclusive),
            (Reader, Exclusive) | (Exclusive, Reader) => self.has(DependenceRule::ReaderExclusive),
            (Shared, Exclusive) | (Exclusive, Shared) => self.has(DependenceRule::SharedExclusive),
            (Reader, Shared) | (Shared, Reader) => self.has(DependenceRule::ReaderShared),
            (Update, Exclusive) | (Exclusive, Update) => self.has(DependenceRule::UpdateExclusive),
            (Update, Reader) | (Reader, Update) => self.has(DependenceRule::UpdateReader),
            (Update, Shared) | (Shared, Update) => self.has(DependenceRule::UpdateShared),
            (Reader, Reader) | (Shared, Shared) | (Update, Update) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DependenceRules;
    use crate::access::{Access, Class};

    const SOUNDNESS: &str = include_str!("../SOUNDNESS.md");

    /// SOUNDNESS.md has the table that the engine goes by.
    #[test]
    fn the_table_is_what_the_code_says() {
        let steps: Vec<(String, Class)> =
            (Access::ALL.iter().map(|access| (format!("{access:?}"), access.class(false))))
                .chain([("a try that failed".to_owned(), Access::TryAcquire.class(true))])
                .collect();
        assert_eq!(Access::TryAcquire.class(true), Access::TryAcquireShared.class(true));
        let row = |cells: &mut dyn Iterator<Item = String>| {
            cells.map(|cell| format!("| {cell} ")).collect::<String>() + "|\n"
        };
        let head =
            row(&mut std::iter::once(String::new())
                .chain(steps.iter().map(|(name, _)| name.clone())));
        let line =
            row(&mut std::iter::once("---".to_owned())
                .chain(steps.iter().map(|_| ":---:".to_owned())));
        let rows = steps.iter().map(|(name, a)| {
            let cell =
                |b: &Class| if DependenceRules::default().dependent(*a, *b) { "×" } else { "" };
            row(&mut std::iter::once(name.clone())
                .chain(steps.iter().map(|(_, b)| cell(b).to_owned())))
        });
        let table = head + &line + &rows.collect::<String>();
        assert!(
            SOUNDNESS.split("<!-- table -->\n").nth(1) == Some(&table),
            "SOUNDNESS.md should say:\n{table}"
        );
    }

    /// Each rule that can be dropped stands there, and each file that is named is there.
    #[test]
    fn what_is_named_is_there() {
        let source = include_str!("dependence.rs");
        let rules = source
            .split("pub enum DependenceRule {")
            .nth(1)
            .and_then(|rest| rest.split("\n}").next())
            .expect("it is above");
        for rule in rules.lines().map(str::trim).filter_map(|line| line.strip_suffix(',')) {
            assert!(SOUNDNESS.contains(&format!("`{rule}`")), "SOUNDNESS.md does not name {rule}");
        }
        for file in SOUNDNESS.split('`').filter(|part| part.ends_with(".rs") && part.contains('/'))
        {
            let [here, beside] = ["", "../"]
                .map(|up| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(up).join(file));
            assert!(here.exists() || beside.exists(), "SOUNDNESS.md names {file}");
        }
    }
}
