//! What an exploration says about a race, and whether it is what the documents say.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Witness;

/// What one engine found out about one race under one protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The race's id: `S3.1`.
    pub race: String,
    /// The race in one sentence.
    pub title: String,
    /// The protocol: `2.6.34`.
    pub protocol: String,
    /// The engine: `dpor`, `dfs`, `random`, `pct`, `loom`, `native`.
    pub engine: String,
    /// The memory model the engine explores.
    pub memory_model: String,
    /// Executions that ran to their end, or to a violation.
    pub executions: u64,
    /// How much of all interleavings they cover.
    pub coverage: Coverage,
    /// Executions that violated a clause.
    pub violating: u64,
    /// The same by clause id. One execution may violate several clauses, and several executions together one that none of them does.
    pub violations: Vec<Count>,
    /// Violated clauses that no documented violation of another clause accounts for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexplained: Vec<String>,
    /// The clauses that were evaluated, and those that had to be, and how often.
    pub clauses: Vec<Count>,
    /// The endings that must be reachable, and how often each was reached.
    pub endings: Vec<Count>,
    /// What the race asks for that may come to nothing, and how often something came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Count>,
    /// What the documents say.
    pub documented: Documented,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// The violating interleaving, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

/// How often something named happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What.
    pub name: String,
    /// How often.
    pub count: u64,
}

impl Count {
    /// `name` happened `count` times.
    pub fn new(name: impl Into<String>, count: u64) -> Self {
        Self { name: name.into(), count }
    }
}

/// How much of all interleavings an exploration covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Every interleaving, up to the order of independent steps.
    Exhaustive,
    /// Every interleaving within a bound.
    Bounded {
        /// The bound: `2 preemptions`, `what loom explores`.
        bound: String,
    },
    /// Some interleavings.
    Sampled {
        /// How they were chosen: `random`, `PCT depth 3`, `real threads`; and what cut the sample short.
        how: String,
    },
    /// It was meant to cover more, and stopped.
    Unfinished {
        /// What stopped it: `10 s are over`.
        why: String,
    },
}

/// What the documents say about a race under a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Documented {
    /// This protocol violates this clause.
    Violates(String),
    /// This protocol was offered as the fix, and is known to violate this clause still.
    StillViolates(String),
    /// This protocol does not violate any clause.
    Holds,
    /// Nothing.
    Unstated,
}

impl Documented {
    /// The clause it says is violated.
    pub fn clause(&self) -> Option<&str> {
        match self {
            Self::Violates(clause) | Self::StillViolates(clause) => Some(clause),
            Self::Holds | Self::Unstated => None,
        }
    }
}

/// What an [`Outcome`] amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// This clause is violated.
    Violated(String),
    /// No interleaving violates any clause.
    Never,
    /// No interleaving within this bound violates any clause.
    NeverWithin(String),
    /// No violation among the interleavings that were tried.
    NotSeen,
    /// The exploration stopped early, for this reason, without a violation.
    Undecided(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violated(clause) => write!(f, "violates {clause}"),
            Self::Never => f.write_str("never"),
            Self::NeverWithin(bound) => write!(f, "never within {bound}"),
            Self::NotSeen => f.write_str("not seen"),
            Self::Undecided(why) => write!(f, "undecided: {why}"),
        }
    }
}

impl Outcome {
    /// What it amounts to. Where several clauses were violated the documented one counts, then the witness's, then the most
    /// frequent. Where nothing was run, nothing is decided.
    pub fn verdict(&self) -> Verdict {
        if let Some(clause) = self.violated_clause() {
            return Verdict::Violated(clause.to_owned());
        }
        match &self.coverage {
            Coverage::Unfinished { why } => Verdict::Undecided(why.clone()),
            _ if self.executions == 0 => Verdict::Undecided("no execution ran to its end".into()),
            Coverage::Exhaustive => Verdict::Never,
            Coverage::Bounded { bound } => Verdict::NeverWithin(bound.clone()),
            Coverage::Sampled { .. } => Verdict::NotSeen,
        }
    }

    /// Whether it is what the documents say: see [`objections`](Self::objections).
    pub fn as_documented(&self) -> bool {
        self.objections().is_empty()
    }

    /// Everything that keeps it from being what the documents say.
    ///
    /// A documented violation must be a violation of that clause. A protocol that holds must not violate anything, and its
    /// good verdict must not be vacuous: the exploration finished, every clause that had to be was evaluated, and every ending
    /// was reached, and everything that the race asks for did something. A sampled exploration contradicts a document only by a violation that none accounts for: what it has not
    /// seen proves nothing, be it the documented violation beside another one.
    pub fn objections(&self) -> Vec<String> {
        let verdict = self.verdict();
        let sampled = matches!(self.coverage, Coverage::Sampled { .. });
        let mut objections = Vec::new();
        match (&self.documented, &verdict) {
            (_, Verdict::NotSeen) => {}
            (Documented::Violates(clause) | Documented::StillViolates(clause), verdict) => {
                if *verdict != Verdict::Violated(clause.clone()) && !sampled {
                    objections.push(format!("documented to violate {clause}: {verdict}"));
                }
                objections.extend(self.unexplained.iter().map(|other| format!("violates {other} too, which is documented nowhere")));
            }
            (Documented::Holds, Verdict::Violated(clause)) => objections.push(format!("documented to hold: violates {clause}")),
            (Documented::Unstated, Verdict::Violated(_)) => {}
            (Documented::Holds | Documented::Unstated, Verdict::Undecided(why)) => objections.push(format!("unfinished: {why}")),
            (Documented::Holds | Documented::Unstated, _) => {}
        }
        if !sampled && self.documented.clause().is_none() && !matches!(verdict, Verdict::Violated(_)) {
            objections.extend(never(&self.clauses).map(|name| format!("{name} was never evaluated")));
            objections.extend(never(&self.endings).map(|name| format!("never reached: {name}")));
        }
        if matches!(verdict, Verdict::Never | Verdict::NeverWithin(_)) {
            objections.extend(never(&self.operations).map(|name| format!("{name} never did anything")));
        }
        objections
    }

    fn violated_clause(&self) -> Option<&str> {
        let violated = |clause: &str| {
            let hit = |v: &&Count| v.name == clause && v.count > 0;
            self.violations.iter().find(hit).map(|v| v.name.as_str())
        };
        let witness = self.witness.as_ref().map(|w| w.clause.as_str());
        let most = self.violations.iter().rev().max_by_key(|v| v.count);
        self.documented.clause().and_then(violated).or(witness).or(most.filter(|v| v.count > 0).map(|v| v.name.as_str()))
    }
}

fn never(counts: &[Count]) -> impl Iterator<Item = &str> {
    counts.iter().filter(|c| c.count == 0).map(|c| c.name.as_str())
}
