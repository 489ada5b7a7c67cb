//! What an exploration says about a race, and whether it is what the documents say.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Witness;

/// What one engine found out about one race under one protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The race's id: `S3.1`.
    pub race: String,
    /// The race in one sentence.
    pub title: String,
    /// The protocol: `2.6.34`.
    pub protocol: String,
    /// The engine: `dpor`, `states`, `dfs`, `random`, `pct`, `loom`, `native`.
    pub engine: String,
    /// The memory model the engine explores.
    pub memory_model: String,
    /// Executions that ran to their end, or to a violation.
    pub executions: u64,
    /// Different states that were met, where each is gone on from once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<u64>,
    /// How much of all interleavings they cover.
    pub coverage: Coverage,
    /// Executions that violated a clause.
    pub violating: u64,
    /// The same by clause id, in the order of the clauses; one that several executions violate
    /// together, and none by itself, comes last. One execution may violate several.
    pub violations: Vec<Count>,
    /// Violated clauses that no documented violation of another clause accounts for.
    #[serde(default)]
    pub unexplained: Vec<String>,
    /// The clauses that were evaluated, and those that had to be, and how often.
    pub clauses: Vec<Count>,
    /// The endings that must be reachable, and how often each was reached.
    pub endings: Vec<Count>,
    /// What the race asks for that may come to nothing, and how often something came of it.
    pub operations: Vec<Count>,
    /// What the race wants a violation of the documented clause to show, and how many executions
    /// violate it in that way.
    pub showing: Vec<Count>,
    /// What the documents say.
    pub documented: Expected,
    /// By class, a lock that was held, and one that was waited for then. Where not everything was
    /// explored, there are none; and JSON leaves them out.
    #[serde(skip)]
    pub lock_order: Vec<(String, String)>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// The violating interleaving, where there is one.
    #[serde(default)]
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
#[serde(tag = "kind", rename_all = "kebab-case")]
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
        /// How they were chosen: `random`, `PCT depth 3`, `real threads`; and what cut the sample
        /// short.
        how: String,
    },
    /// Those up to one that shows the documented violation: nothing more was to be found out.
    Settled,
    /// It was meant to cover more, and stopped.
    Unfinished {
        /// What stopped it: `10 s are over`.
        why: String,
    },
    /// Nothing: the race makes no sense under the protocol, and there is nothing to explore.
    Inapplicable {
        /// Why not: `move_pages needs anon_vmas`.
        why: String,
    },
}

impl Coverage {
    /// What stopped it before everything was explored that was to be; nothing if nothing did.
    pub fn unfinished(&self) -> Option<&str> {
        match self {
            Self::Unfinished { why } => Some(why),
            Self::Exhaustive
            | Self::Bounded { .. }
            | Self::Sampled { .. }
            | Self::Settled
            | Self::Inapplicable { .. } => None,
        }
    }

    /// Why the race makes no sense under the protocol, if that is what kept it from being explored.
    pub fn inapplicable(&self) -> Option<&str> {
        match self {
            Self::Inapplicable { why } => Some(why),
            _ => None,
        }
    }
}

/// What the documents say about a race under a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", content = "clause", rename_all = "kebab-case")]
pub enum Expected {
    /// This protocol violates this clause.
    Violates(String),
    /// This protocol was offered as the fix, and is known to violate this clause still.
    StillViolates(String),
    /// This protocol does not violate any clause.
    Holds,
    /// Nothing.
    Unstated,
}

impl Expected {
    /// The clause it says is violated.
    pub fn clause(&self) -> Option<&str> {
        match self {
            Self::Violates(clause) | Self::StillViolates(clause) => Some(clause),
            Self::Holds | Self::Unstated => None,
        }
    }
}

/// What an [`Outcome`] amounts to: what was found, and whether more might be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// A clause is violated.
    #[non_exhaustive]
    Violated {
        /// Which one.
        clause: String,
        /// What stopped the exploration before everything was explored that was to be, so that more
        /// may be violated.
        unfinished: Option<String>,
    },
    /// No interleaving violates any clause.
    Never,
    /// No interleaving within this bound violates any clause.
    NeverWithin(String),
    /// No violation among the interleavings that were tried.
    NotSeen,
    /// The exploration stopped early, for this reason, without a violation.
    Undecided(String),
}

impl Verdict {
    /// The clause that is violated, if one is.
    pub fn clause(&self) -> Option<&str> {
        match self {
            Self::Violated { clause, .. } => Some(clause),
            Self::Never | Self::NeverWithin(_) | Self::NotSeen | Self::Undecided(_) => None,
        }
    }

    /// Its kind in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Violated { .. } => "violated",
            Self::Never => "never",
            Self::NeverWithin(_) => "never-within",
            Self::NotSeen => "not-seen",
            Self::Undecided(_) => "undecided",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violated { clause, unfinished: None } => write!(f, "violates {clause}"),
            Self::Violated { clause, unfinished: Some(why) } => {
                write!(f, "violates {clause}, not all explored: {why}")
            }
            Self::Never => f.write_str("never"),
            Self::NeverWithin(bound) => write!(f, "never within {bound}"),
            Self::NotSeen => f.write_str("not seen"),
            Self::Undecided(why) => write!(f, "undecided: {why}"),
        }
    }
}

/// How an [`Outcome`] compares with what the documents say. The greater one is the news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It is what they say; or they say nothing, and nothing is violated.
    AsDocumented,
    /// It neither is nor contradicts what they say.
    Undecided,
    /// It contradicts them, or violates what they say nothing of.
    Differs,
}

/// An outcome, and what it amounts to: for those who read it as JSON, and have none of this code.
#[derive(Clone, Debug, Serialize)]
pub struct Judged<'o> {
    #[serde(flatten)]
    outcome: &'o Outcome,
    verdict: &'static str,
    violates: Option<String>,
    judgement: Judgement,
    objections: Vec<String>,
}

impl Outcome {
    /// An outcome in which nothing was counted and nothing is violated, of which no document says
    /// anything, and whose engine has no name. Assign the fields that are to say something else.
    pub fn new(
        race: impl Into<String>,
        title: impl Into<String>,
        protocol: impl Into<String>,
        coverage: Coverage,
    ) -> Self {
        Self {
            race: race.into(),
            title: title.into(),
            protocol: protocol.into(),
            engine: String::new(),
            memory_model: String::new(),
            executions: 0,
            states: None,
            coverage,
            violating: 0,
            violations: Vec::new(),
            unexplained: Vec::new(),
            clauses: Vec::new(),
            endings: Vec::new(),
            operations: Vec::new(),
            showing: Vec::new(),
            documented: Expected::Unstated,
            lock_order: Vec::new(),
            seconds: 0.0,
            witness: None,
        }
    }

    /// It and what it amounts to.
    pub fn judged(&self) -> Judged<'_> {
        let verdict = self.verdict();
        Judged {
            outcome: self,
            verdict: verdict.kind(),
            violates: verdict.clause().map(str::to_owned),
            judgement: self.judgement(),
            objections: self.objections(),
        }
    }

    /// What it amounts to. Where several clauses were violated the documented one counts, else the
    /// first in the order of [`violations`](Self::violations). Where nothing was run, nothing is
    /// decided.
    pub fn verdict(&self) -> Verdict {
        if let Some(clause) = self.violated_clause() {
            return Verdict::Violated {
                clause: clause.to_owned(),
                unfinished: self.coverage.unfinished().map(str::to_owned),
            };
        }
        match &self.coverage {
            Coverage::Unfinished { why } => Verdict::Undecided(why.clone()),
            Coverage::Inapplicable { why } => Verdict::Undecided(format!("not applicable: {why}")),
            _ if self.executions == 0 => Verdict::Undecided("no execution ran to its end".into()),
            Coverage::Exhaustive => Verdict::Never,
            Coverage::Bounded { bound } => Verdict::NeverWithin(bound.clone()),
            Coverage::Sampled { .. } => Verdict::NotSeen,
            Coverage::Settled => Verdict::Undecided("nothing was found that settles it".into()),
        }
    }

    /// Whether it is known to be what the documents say. A violation that nothing documents is not,
    /// nor is what was not decided; see [`objections`](Self::objections).
    pub fn as_documented(&self) -> bool {
        self.judgement() == Judgement::AsDocumented
    }

    /// How it compares with what the documents say.
    pub fn judgement(&self) -> Judgement {
        let (contradictions, doubts) = self.reasons();
        match (contradictions.as_slice(), doubts.as_slice()) {
            ([], []) => Judgement::AsDocumented,
            ([], _) => Judgement::Undecided,
            _ => Judgement::Differs,
        }
    }

    /// Everything that keeps it from being what the documents say: contradictions first, then what
    /// leaves it undecided.
    ///
    /// A documented violation must be a violation of that clause. A protocol that holds, or of
    /// which nothing is documented, must not violate anything, and its good verdict must not be
    /// vacuous: the exploration finished, every clause that had to be was evaluated, every ending
    /// was reached, and everything that the race asks for did something. That a violation is not
    /// there is known only where everything was explored; a sample decides nothing but what it
    /// sees.
    pub fn objections(&self) -> Vec<String> {
        let (mut contradictions, doubts) = self.reasons();
        contradictions.extend(doubts);
        contradictions
    }

    /// What contradicts the documents, and what leaves it undecided whether anything does.
    fn reasons(&self) -> (Vec<String>, Vec<String>) {
        let verdict = self.verdict();
        let (mut contradictions, mut doubts) = (Vec::new(), Vec::new());
        match (&self.documented, &verdict) {
            (Expected::Violates(clause) | Expected::StillViolates(clause), _) => {
                if verdict.clause() != Some(clause) {
                    let decided = self.coverage == Coverage::Exhaustive
                        && !matches!(verdict, Verdict::Undecided(_));
                    let reasons = if decided { &mut contradictions } else { &mut doubts };
                    reasons.push(format!("documented to violate {clause}: {verdict}"));
                } else {
                    let reasons = if self.coverage == Coverage::Exhaustive {
                        &mut contradictions
                    } else {
                        &mut doubts
                    };
                    reasons.extend(
                        never(&self.showing).map(|how| {
                            format!("violates {clause}, but never as documented: {how}")
                        }),
                    );
                }
                contradictions.extend(
                    self.unexplained
                        .iter()
                        .map(|other| format!("violates {other} too, which is documented nowhere")),
                );
            }
            (said, Verdict::Violated { unfinished, .. }) => {
                let all = self.violated().collect::<Vec<_>>().join(", ");
                contradictions.push(match said {
                    Expected::Holds => format!("documented to hold: violates {all}"),
                    _ => format!("violates {all}, which nothing documents"),
                });
                doubts.extend(unfinished.iter().map(|why| format!("unfinished: {why}")));
            }
            (_, Verdict::Undecided(why)) if self.coverage.inapplicable().is_some() => {
                doubts.push(why.clone())
            }
            (_, Verdict::Undecided(why)) => doubts.push(format!("unfinished: {why}")),
            (_, Verdict::NotSeen) => {
                doubts.push("a sample that sees nothing decides nothing".into())
            }
            (said, Verdict::Never | Verdict::NeverWithin(_)) => {
                let decided = *said == Expected::Holds && verdict == Verdict::Never;
                let reasons = if decided { &mut contradictions } else { &mut doubts };
                reasons
                    .extend(never(&self.clauses).map(|name| format!("{name} was never evaluated")));
                reasons.extend(never(&self.endings).map(|name| format!("never reached: {name}")));
                reasons.extend(
                    never(&self.operations).map(|name| format!("{name} never did anything")),
                );
            }
        }
        (contradictions, doubts)
    }

    fn violated_clause(&self) -> Option<&str> {
        let documented =
            self.documented.clause().filter(|clause| self.violated().any(|name| name == *clause));
        documented.or_else(|| self.violated().next())
    }

    fn violated(&self) -> impl Iterator<Item = &str> {
        self.violations
            .iter()
            .filter(|violation| violation.count > 0)
            .map(|violation| violation.name.as_str())
    }
}

fn never(counts: &[Count]) -> impl Iterator<Item = &str> {
    counts.iter().filter(|c| c.count == 0).map(|c| c.name.as_str())
}
