//! Explorations in parts: stopped and continued, or split over machines.

use serde::{Deserialize, Serialize};
use witness::{Count, Coverage, Outcome};

use dpor::{Saved, Strategy};

use super::tally::{LockOrder, add_counts, lock_order_circle};
use super::{Exploration, Method, Options};
use crate::race::Race;
use crate::spec::{Clause, Protocol};

/// An exhaustive exploration that is not over, or one shard of it: what it has found, and what is left. Serializable, so that another
/// process or another machine can go on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// What it has found so far.
    pub outcome: Outcome,
    /// Where the scheduler stands.
    saved: String,
    /// Which lock was taken while which was held, and where.
    lock_order: LockOrder,
}

/// Why parts do not go together, or cannot be gone on with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartError(String);

impl std::fmt::Display for PartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PartError {}

impl Part {
    /// Is nothing left of it?
    pub fn is_done(&self) -> bool {
        self.saved().is_ok_and(|saved| saved.is_done())
    }

    fn saved(&self) -> Result<Saved, PartError> {
        self.saved.parse().map_err(|error| PartError(format!("where the scheduler stands cannot be read: {error}")))
    }

    /// Puts the shards of one exploration together.
    ///
    /// # Errors
    /// When they are not all shards of one exploration, each of them once and done.
    pub fn merge(parts: &[Part]) -> Result<Outcome, PartError> {
        let [first, others @ ..] = parts else { return Err(PartError("there is nothing to put together".into())) };
        let same = |part: &&Part| (&part.outcome.race, &part.outcome.protocol) == (&first.outcome.race, &first.outcome.protocol);
        if let Some(other) = others.iter().find(|part| !same(part)) {
            let (a, b) = (&first.outcome, &other.outcome);
            return Err(PartError(format!(
                "{} under {} and {} under {} are different explorations",
                a.race, a.protocol, b.race, b.protocol
            )));
        }
        let saved = parts.iter().map(Part::saved).collect::<Result<Vec<_>, _>>()?;
        Saved::merge(&saved).map_err(|error| PartError(error.to_string()))?;
        let mut outcome = first.outcome.clone();
        let mut lock_order = first.lock_order.clone();
        for part in others {
            outcome.executions += part.outcome.executions;
            outcome.seconds += part.outcome.seconds;
            add_counts(&mut outcome.violations, &part.outcome.violations);
            add_counts(&mut outcome.clauses, &part.outcome.clauses);
            add_counts(&mut outcome.endings, &part.outcome.endings);
            lock_order.extend(part.lock_order.clone());
        }
        if lock_order_circle(&lock_order).is_some() {
            add_counts(&mut outcome.violations, &[Count::new(Clause::ORDER_1.id(), 1)]);
        }
        outcome.coverage = Coverage::Exhaustive;
        Ok(outcome)
    }
}

impl Race {
    /// Explores exhaustively, but only one shard `(i, n)` of the whole, counted from 0, or only as far as the options' limits allow; with
    /// `resume`, goes on where an earlier part stopped.
    ///
    /// # Errors
    /// When `resume` belongs to another race or protocol, or to another build.
    pub fn check_part(
        &self,
        protocol: &Protocol,
        options: &Options,
        shard: Option<(u32, u32)>,
        resume: Option<Part>,
    ) -> Result<Part, PartError> {
        let exploration = Exploration::new(self, protocol, &Method::Exhaustive, options);
        let mut explorer = exploration.explorer(Strategy::Dpor);
        let mut earlier = None;
        if let Some(part) = resume {
            if (&part.outcome.race, &part.outcome.protocol) != (&self.id().to_owned(), &protocol.to_string()) {
                let (race, protocol) = (&part.outcome.race, &part.outcome.protocol);
                return Err(PartError(format!("this part is of {race} under {protocol}")));
            }
            explorer = explorer.resume(part.saved()?);
            earlier = Some(part);
        } else if let Some((shard, of)) = shard {
            explorer = explorer.shard(shard, of);
        }
        let report = explorer.run(exploration.program());
        let saved = report.saved.as_ref().map(ToString::to_string).unwrap_or_default();
        let coverage = match &report.why_unfinished {
            None if report.exhausted => Coverage::Exhaustive,
            why => Coverage::Unfinished { why: why.as_ref().map_or_else(|| "it is not over".into(), ToString::to_string) },
        };
        let lock_order = exploration.tally().lock_order();
        let mut part = Part { outcome: exploration.outcome(coverage), saved, lock_order };
        if let Some(earlier) = earlier {
            part.outcome.executions += earlier.outcome.executions;
            part.outcome.seconds += earlier.outcome.seconds;
            add_counts(&mut part.outcome.violations, &earlier.outcome.violations);
            add_counts(&mut part.outcome.clauses, &earlier.outcome.clauses);
            add_counts(&mut part.outcome.endings, &earlier.outcome.endings);
            part.lock_order.extend(earlier.lock_order);
        }
        Ok(part)
    }
}
