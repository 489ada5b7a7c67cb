//! `lockwalk list`: what there is.

use std::fmt::Write as _;

use crate::spec::{Claim, Rules, Topic};
use crate::{Clause, Documented, Era, Mark, Protocol, Race};
use serde::Serialize;

use super::args::{ListArgs, ListFormat};
use super::output::{json, print};
use super::{Refusal, Status, select};

const KINDS: [&str; 6] = ["claims", "races", "protocols", "rules", "clauses", "marks"];

#[derive(Serialize)]
struct Listing {
    claims: Vec<ClaimEntry>,
    races: Vec<RaceEntry>,
    protocols: Vec<ProtocolEntry>,
    rules: Vec<RuleEntry>,
    clauses: Vec<ClauseEntry>,
    marks: Vec<MarkEntry>,
}

#[derive(Serialize)]
struct ClaimEntry {
    id: &'static str,
    says: &'static str,
    source: &'static str,
}

#[derive(Serialize)]
struct RaceEntry {
    id: String,
    title: String,
    cpus: Vec<String>,
    cases: Vec<CaseEntry>,
    showing: Vec<String>,
    sometimes: Vec<String>,
}

#[derive(Serialize)]
struct CaseEntry {
    protocol: String,
    documented: &'static str,
    clause: Option<&'static str>,
}

#[derive(Serialize)]
struct ProtocolEntry {
    name: String,
    text: String,
    before: Option<String>,
    choices: Vec<ChoiceEntry>,
}

#[derive(Serialize)]
struct ChoiceEntry {
    rule: &'static str,
    arm: &'static str,
}

#[derive(Serialize)]
struct RuleEntry {
    name: &'static str,
    topic: &'static str,
    text: &'static str,
    arms: Vec<ArmEntry>,
}

#[derive(Serialize)]
struct ArmEntry {
    name: &'static str,
    text: &'static str,
    protocols: Vec<String>,
}

#[derive(Serialize)]
struct ClauseEntry {
    id: &'static str,
    family: &'static str,
    text: &'static str,
    why: &'static str,
    kind: String,
}

#[derive(Serialize)]
struct MarkEntry {
    name: &'static str,
    text: &'static str,
}

/// Is something called that?
pub fn is_listed(name: &str) -> bool {
    Listing::new().names().iter().any(|listed| select::names(name, listed))
}

/// Prints it.
pub fn run(args: &ListArgs) -> Result<Status, Refusal> {
    let listing = Listing::new().only(&args.names)?;
    let text = match args.format {
        ListFormat::Json => json(&listing),
        ListFormat::Text => listing.text(),
    };
    print(&text)?;
    Ok(Status::AsDocumented)
}

impl Listing {
    fn new() -> Self {
        let texts = Rules::texts();
        let rule = |topic: &'static Topic, name: &&str| {
            let (name, text, arms) =
                texts.iter().find(|(rule, ..)| rule == name).expect("a topic has rules");
            let arms = arms.iter().map(|&(arm, text)| ArmEntry {
                name: arm,
                text,
                protocols: Topic::whose(name, arm),
            });
            RuleEntry { name, topic: topic.title, text, arms: arms.collect() }
        };
        let of_topic =
            |topic: &'static Topic| topic.rules.iter().map(move |name| rule(topic, name));
        let rules = Topic::ALL.iter().flat_map(of_topic).collect();
        let clause = |family: &'static str, clause: &Clause| ClauseEntry {
            id: clause.id(),
            family,
            text: clause.text(),
            why: clause.why(),
            kind: format!("{:?}", clause.kind()).to_lowercase(),
        };
        let claim =
            |claim: &Claim| ClaimEntry { id: claim.id, says: claim.says, source: claim.source };
        Self {
            claims: Claim::ALL.iter().map(claim).collect(),
            races: select::catalogue().iter().map(RaceEntry::new).collect(),
            protocols: Era::texts().into_iter().map(ProtocolEntry::new).collect(),
            rules,
            clauses: Clause::FAMILIES
                .iter()
                .flat_map(|(family, _, clauses)| clauses.iter().map(|of| clause(family, of)))
                .collect(),
            marks: Mark::ALL
                .iter()
                .map(|mark| MarkEntry { name: mark.name(), text: mark.text() })
                .collect(),
        }
    }

    /// What has one of the names; everything if there is none.
    fn only(mut self, names: &[String]) -> Result<Self, Refusal> {
        if names.is_empty() {
            return Ok(self);
        }
        let all: Vec<String> = self.names().into_iter().map(str::to_owned).collect();
        let names: Vec<&str> = names.iter().flat_map(|name| self.parts(name)).collect();
        for &wanted in &names {
            if !all.iter().any(|name| select::names(wanted, name)) {
                let nearest = select::elsewhere(wanted)
                    .unwrap_or_else(|| select::nearest(wanted, all.iter().map(String::as_str)));
                return Err(Refusal(format!(
                    "no claim, race, protocol, rule, clause or mark is called '{wanted}'{nearest}"
                )));
            }
        }
        let wanted = |kind: &str, name: &str| {
            names.iter().any(|wanted| select::names(wanted, kind) || select::names(wanted, name))
        };
        self.claims.retain(|claim| wanted("claims", claim.id));
        self.races.retain(|race| wanted("races", &race.id));
        self.protocols.retain(|protocol| wanted("protocols", &protocol.name));
        self.rules.retain(|rule| wanted("rules", rule.name));
        self.clauses.retain(|clause| wanted("clauses", clause.id));
        self.marks.retain(|mark| wanted("marks", mark.name));
        Ok(self)
    }

    /// What is asked about with `3.7+fork_link=append`: the protocol, and the rule that is changed.
    fn parts<'n>(&self, name: &'n str) -> Vec<&'n str> {
        let rule = |part: &'n str| {
            let (rule, arm) = part.split_once('=')?;
            let rule = self.rules.iter().find(|known| known.name.eq_ignore_ascii_case(rule))?;
            let has = rule.arms.iter().any(|known| known.name.eq_ignore_ascii_case(arm));
            has.then_some(&part[..rule.name.len()])
        };
        name.split('+').map(|part| rule(part).unwrap_or(part)).collect()
    }

    fn names(&self) -> Vec<&str> {
        let races = self.races.iter().map(|race| race.id.as_str());
        let protocols = self.protocols.iter().map(|protocol| protocol.name.as_str());
        let rules = self.rules.iter().map(|rule| rule.name);
        let clauses = self.clauses.iter().map(|clause| clause.id);
        let marks = self.marks.iter().map(|mark| mark.name);
        let claims = self.claims.iter().map(|claim| claim.id);
        KINDS
            .into_iter()
            .chain(claims)
            .chain(races)
            .chain(protocols)
            .chain(rules)
            .chain(clauses)
            .chain(marks)
            .collect()
    }

    /// The sections that are not empty.
    fn text(&self) -> String {
        let sections = [
            self.claims_text(),
            self.races_text(),
            self.protocols_text(),
            self.rules_text(),
            self.clauses_text(),
            self.marks_text(),
        ];
        sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    fn claims_text(&self) -> Option<String> {
        let mut text = String::from("Claims of the documents: how they came out is in SPEC.md\n");
        for claim in &self.claims {
            let _ = writeln!(text, "\n  {}  {}\n      ({})", claim.id, claim.says, claim.source);
        }
        (!self.claims.is_empty()).then_some(text)
    }

    fn races_text(&self) -> Option<String> {
        let mut text = String::from("Races, and the protocols they are judged under\n");
        for race in &self.races {
            let _ = writeln!(text, "\n  {} · {}", race.id, race.title);
            for case in &race.cases {
                let _ = writeln!(
                    text,
                    "      {:14} {}{}",
                    case.documented,
                    case.clause.map_or_else(String::new, |id| format!("{id}  ")),
                    case.protocol
                );
            }
        }
        (!self.races.is_empty()).then_some(text)
    }

    fn protocols_text(&self) -> Option<String> {
        let alone = self.protocols.len() == 1;
        let how = if alone {
            "Protocol, and its choices"
        } else {
            "Protocols, oldest first, and what each does otherwise: a kernel than the one before \
             it, a document than the kernel that it changes"
        };
        let mut text = format!("{how}\n");
        for protocol in &self.protocols {
            let named = Era::all().into_iter().find(|era| protocol.before == Some(era.to_string()));
            let before = named.filter(|_| !alone).map(|before| before.rules.choices());
            let before = before.unwrap_or_default();
            let new = |choice: &&ChoiceEntry| !before.contains(&(choice.rule, choice.arm));
            let changed: String = protocol
                .choices
                .iter()
                .filter(new)
                .map(|choice| format!("      {}={}\n", choice.rule, choice.arm))
                .collect();
            let (name, says) = (&protocol.name, &protocol.text);
            let _ = write!(text, "\n  {name}  {says}\n{changed}");
        }
        (!self.protocols.is_empty()).then_some(text)
    }

    fn rules_text(&self) -> Option<String> {
        let mut text = String::from("Rules and their arms: --protocol PROTOCOL+RULE=ARM\n");
        for of_topic in self.rules.chunk_by(|one, next| one.topic == next.topic) {
            let _ = writeln!(text, "\n{}", of_topic[0].topic);
            for rule in of_topic {
                let _ = writeln!(text, "\n  {}  {}", rule.name, rule.text);
                for arm in &rule.arms {
                    let whose = match &arm.protocols[..] {
                        [] => "none".to_owned(),
                        protocols => protocols.join(", "),
                    };
                    let _ = writeln!(text, "      {:24} ({whose}) {}", arm.name, arm.text);
                }
            }
        }
        (!self.rules.is_empty()).then_some(text)
    }

    fn clauses_text(&self) -> Option<String> {
        let mut text = String::from("Clauses, by family: SPEC.md\n");
        for family in self.clauses.chunk_by(|one, next| one.family == next.family) {
            let title = family[0].family;
            let of_them = Clause::FAMILIES.iter().find(|(name, ..)| *name == title);
            let (_, why, _) = of_them.expect("a clause is of a family");
            let _ = writeln!(text, "\n{title}\n{why}\n");
            for clause in family {
                let _ =
                    writeln!(text, "  {:9} {}\n            {}", clause.id, clause.text, clause.why);
            }
        }
        (!self.clauses.is_empty()).then_some(text)
    }

    fn marks_text(&self) -> Option<String> {
        let mut text = String::from("Marks, for the conditions of a race: e.saw(Mark::NAME)\n\n");
        for mark in &self.marks {
            let _ = writeln!(text, "  {:30} {}", mark.name, mark.text);
        }
        (!self.marks.is_empty()).then_some(text)
    }
}

impl RaceEntry {
    fn new(race: &Race) -> Self {
        let labels = |conditions: &[crate::Condition]| {
            conditions.iter().map(|condition| condition.label.clone()).collect()
        };
        Self {
            id: race.id().into(),
            title: race.title().into(),
            cpus: race.cpu_names().map(str::to_owned).collect(),
            cases: race
                .cases()
                .iter()
                .map(|(protocol, documented)| CaseEntry::new(protocol, *documented))
                .collect(),
            showing: labels(race.shows()),
            sometimes: labels(race.endings()),
        }
    }
}

impl CaseEntry {
    fn new(protocol: &Protocol, documented: Documented) -> Self {
        let (documented, clause) = match documented {
            Documented::Violates(clause) => ("violates", Some(clause.id())),
            Documented::StillViolates(clause) => ("still violates", Some(clause.id())),
            Documented::Holds => ("holds", None),
        };
        Self { protocol: protocol.to_string(), documented, clause }
    }
}

impl ProtocolEntry {
    fn new((protocol, text): (Protocol, String)) -> Self {
        let choices = protocol
            .rules
            .choices()
            .into_iter()
            .map(|(rule, arm)| ChoiceEntry { rule, arm })
            .collect();
        let before = Era::before(&protocol).map(|before| before.to_string());
        Self { name: protocol.to_string(), text, before, choices }
    }
}
