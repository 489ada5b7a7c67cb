//! The page of a race, and of each violation of it.

use std::fmt::Write as _;

use super::html::{self, escape};
use super::{Claim, Entry, INDEX, STEPPER, Site, data, page_name, picture_of, twin_of};
use crate::render::Detail;
use crate::{Expected, Judgement, Outcome, Verdict, Witness, story};

/// Rows from which on a picture shows the story around the switches only.
const LONG: usize = 150;

/// Of which a picture can show everything.
pub(super) fn detail(witness: &Witness) -> Detail {
    if witness.steps.len() > LONG { Detail::Window } else { Detail::Story }
}

/// The page of the n-th race: what it violates first, if it violates anything.
pub(super) fn race(site: &Site, n: usize) -> String {
    let race = &site.races[n];
    let first = race
        .outcomes
        .iter()
        .enumerate()
        .find_map(|(case, outcome)| Some((case, outcome.witness.as_ref()?)));
    match first {
        Some((at, witness)) => case(site, n, at, witness),
        None => {
            let body = head(site, n) + &protocols(race, None);
            html::page(&format!("{} · {}", race.id, race.title), &body, "")
        }
    }
}

/// The page of what the n-th race violates under a protocol.
pub(super) fn case(site: &Site, n: usize, at: usize, witness: &Witness) -> String {
    let race = &site.races[n];
    let mut body = head(site, n) + &protocols(race, Some(at));
    let page = page_name(&race.id, Some(&witness.protocol));
    let picture = picture_of(&page);
    let protocol = escape(&witness.protocol);
    let _ = write!(
        body,
        "<h2>Under {protocol}</h2>\n<p class=\"headline\">✗ {}</p>\n<p>{}<br><span \
         class=\"dim\">{}</span></p>\n",
        escape(&story::headline(witness)),
        escape(&story::demand(witness)),
        escape(&story::found(witness)),
    );
    body += &stepper("step", witness, &picture);
    let _ = writeln!(
        body,
        "<p><a href=\"{picture}\">The same as a picture</a>. Locks {}. To run it again:</p>",
        escape(&story::held(witness))
    );
    let _ = writeln!(body, "<pre>{}</pre>", escape(&witness.replay));
    if let Some(twin) = twin(race, at) {
        let _ = write!(
            body,
            "<h2>Under {}, which holds</h2>\n<p>No interleaving violates anything. This is the \
             one nearest to that above: its turns are longer or shorter by the fewest steps.</p>\n",
            escape(&twin.protocol),
        );
        body += &stepper("twin", twin, &twin_of(&page));
    }
    let title = format!("{} · {} · {}", race.id, race.title, witness.protocol);
    html::page(&title, &body, STEPPER)
}

/// How the race goes under a protocol that holds, beside what is violated in the n-th of its
/// outcomes.
pub(super) fn twin(race: &Entry, at: usize) -> Option<&Witness> {
    race.twins.get(at)?.as_ref()
}

/// Its place for the stepper; a picture where there is no script.
fn stepper(key: &str, witness: &Witness, picture: &str) -> String {
    format!(
        "<section class=\"stepper\" data-key=\"{key}\" data-witness=\"data-{key}\" \
         aria-label=\"{}\">\n<noscript><div class=\"picture\"><img src=\"{picture}\" \
         alt=\"{}\"></div></noscript>\n</section>\n{}",
        escape(&format!("Interleaving under {}", witness.protocol)),
        escape(&format!("The interleaving: {}", story::headline(witness))),
        html::data(&format!("data-{key}"), &data::of(witness)),
    )
}

fn head(site: &Site, n: usize) -> String {
    let race = &site.races[n];
    let beside = |race: Option<&Entry>, before: &str, behind: &str| {
        race.map_or_else(String::new, |race| {
            format!(
                "<a href=\"{}\">{before}{}{behind}</a>",
                page_name(&race.id, None),
                escape(&race.id)
            )
        })
    };
    let mut head = format!(
        "<nav aria-label=\"Races\"><a href=\"{INDEX}\">All races</a>{}{}</nav>\n<main>\n<h1><span \
         class=\"id\">{}</span>{}</h1>\n",
        beside(n.checked_sub(1).map(|before| &site.races[before]), "← ", ""),
        beside(site.races.get(n + 1), "", " →"),
        escape(&race.id),
        escape(&race.title),
    );
    let claim = |claim: &&Claim| race.claim.as_ref() == Some(&claim.id);
    if let Some(Claim { id, says, source }) = site.claims.iter().find(claim) {
        let (id, says, source) = (escape(id), escape(says), escape(source));
        let _ = writeln!(
            head,
            "<blockquote><p><a href=\"{INDEX}#{id}\">{id}</a>: \
             {says}</p><footer><p>{source}</p></footer></blockquote>"
        );
    }
    head
}

/// What a verdict looks like: a class, a sign, and words.
pub(super) fn verdict(outcome: &Outcome) -> (&'static str, &'static str, String) {
    let verdict = outcome.verdict();
    match &verdict {
        Verdict::Violated { clause, .. } => ("bad", "✗", clause.clone()),
        Verdict::Never => ("good", "✓", "never".into()),
        Verdict::NeverWithin(_) | Verdict::NotSeen => ("doubt", "~", verdict.to_string()),
        Verdict::Undecided(_) if outcome.coverage.inapplicable().is_some() => {
            ("dim", "–", "makes no sense there".into())
        }
        Verdict::Undecided(_) => ("doubt", "?", "undecided".into()),
    }
}

/// All protocols, and what came out under each.
fn protocols(race: &Entry, current: Option<usize>) -> String {
    let mut table = String::from(
        "<div class=\"scroll\"><table class=\"protocols\">\n<thead><tr><th \
         scope=\"col\">protocol</th><th scope=\"col\">verdict</th><th \
         scope=\"col\">documented</th><th scope=\"col\">explored</th></tr></thead>\n<tbody>\n",
    );
    for (n, outcome) in race.outcomes.iter().enumerate() {
        let (class, sign, words) = verdict(outcome);
        let documented = match &outcome.documented {
            Expected::Violates(clause) => format!("violates {clause}"),
            Expected::StillViolates(clause) => format!("a fix that violates {clause} still"),
            Expected::Holds => "holds".into(),
            Expected::Unstated => "nothing".into(),
        };
        let told = if outcome.judgement() == Judgement::AsDocumented {
            String::new()
        } else {
            format!(" — {}", outcome.objections().join("; "))
        };
        let explored = story::plural(outcome.executions, "execution");
        let name = escape(&outcome.protocol);
        let name = match outcome.witness {
            Some(_) => {
                format!("<a href=\"{}\">{name}</a>", page_name(&race.id, Some(&outcome.protocol)))
            }
            None => name,
        };
        let current = if current == Some(n) { " aria-current=\"true\"" } else { "" };
        let _ = writeln!(
            table,
            "<tr{current}><td>{name}</td><td class=\"{class}\">{sign} \
             {}</td><td>{}</td><td>{explored}</td></tr>",
            escape(&words),
            escape(&(documented + &told)),
        );
    }
    table + "</tbody></table></div>\n"
}
