//! `lockwalk list`: what there is.

use std::fmt::Write as _;

use lockwalk::spec::Rules;
use lockwalk::witness::render;
use lockwalk::{Clause, Documented, Era, Protocol, Race, races};
use serde::Serialize;

use super::args::{ListArgs, ListFormat};
use super::output::{Terminal, print};
use super::{Refusal, Status};

#[derive(Serialize)]
struct Listing {
    races: Vec<RaceEntry>,
    protocols: Vec<ProtocolEntry>,
    rules: Vec<RuleEntry>,
    clauses: Vec<ClauseEntry>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<&'static str>,
}

#[derive(Serialize)]
struct ProtocolEntry {
    name: String,
    choices: Vec<ChoiceEntry>,
}

#[derive(Serialize, PartialEq)]
struct ChoiceEntry {
    rule: &'static str,
    arm: &'static str,
}

#[derive(Serialize)]
struct RuleEntry {
    name: &'static str,
    arms: Vec<&'static str>,
}

#[derive(Serialize)]
struct ClauseEntry {
    id: &'static str,
    text: &'static str,
    kind: String,
    fact: &'static str,
}

/// Prints it.
pub fn run(args: &ListArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let listing = Listing::new();
    let text = match args.format {
        ListFormat::Json => render::json(&listing) + "\n",
        ListFormat::Text => listing.text(terminal.style().ascii),
    };
    print(&text)?;
    Ok(Status::AsDocumented)
}

impl Listing {
    fn new() -> Self {
        let rules = Rules::catalogue().into_iter().map(|(name, arms)| RuleEntry { name, arms }).collect();
        let clause = |clause: &Clause| ClauseEntry {
            id: clause.id(),
            text: clause.text(),
            kind: format!("{:?}", clause.kind()).to_lowercase(),
            fact: clause.fact(),
        };
        Self {
            races: races::all().iter().map(RaceEntry::new).collect(),
            protocols: Era::all().iter().map(ProtocolEntry::new).collect(),
            rules,
            clauses: Clause::ALL.iter().map(clause).collect(),
        }
    }

    fn text(&self, ascii: bool) -> String {
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
        text += "\nProtocols, oldest first, and what each does otherwise than the one before\n\n";
        let mut before: &[ChoiceEntry] = &[];
        for protocol in &self.protocols {
            let changed = protocol.choices.iter().filter(|choice| !before.contains(choice));
            let changed: Vec<_> = changed.map(|choice| format!("{}={}", choice.rule, choice.arm)).collect();
            let _ = writeln!(text, "  {:8} {}", protocol.name, changed.join("\n           "));
            before = &protocol.choices;
        }
        text += "\nRules and their arms: --protocol PROTOCOL+RULE=ARM\n\n";
        for rule in &self.rules {
            let _ = writeln!(text, "  {:18} {}", rule.name, rule.arms.join(" · "));
        }
        text += "\nClauses: SPEC.md\n\n";
        for clause in &self.clauses {
            let _ = writeln!(text, "  {:9} {}", clause.id, clause.text);
        }
        if ascii { text.replace(" · ", " - ") } else { text }
    }
}

impl RaceEntry {
    fn new(race: &Race) -> Self {
        let labels = |conditions: &[lockwalk::Condition]| conditions.iter().map(|condition| condition.label.clone()).collect();
        Self {
            id: race.id().into(),
            title: race.title().into(),
            cpus: race.cpu_names().map(str::to_owned).collect(),
            cases: race.cases().iter().map(|(protocol, documented)| CaseEntry::new(protocol, *documented)).collect(),
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
    fn new(protocol: &Protocol) -> Self {
        let choices = protocol.rules.choices().into_iter().map(|(rule, arm)| ChoiceEntry { rule, arm }).collect();
        Self { name: protocol.to_string(), choices }
    }
}
