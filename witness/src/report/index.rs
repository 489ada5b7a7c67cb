//! The index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::html::{self, escape};
use super::page::verdict;
use super::{Claim, DESIGN, Design, Entry, FILTER, LOCKS, Site, page_name};
use crate::Outcome;

/// Pixels of a box of the lock-order graph, and between two.
const BOX: (usize, usize) = (150, 30);
const GAP: (usize, usize) = (60, 34);

pub(super) fn index(site: &Site) -> String {
    let rows = rows(site);
    let mut families: Vec<&str> = rows.iter().map(|row| family(row.id)).collect();
    families.dedup();
    let options: String =
        families.iter().map(|family| format!("<option>{}</option>", escape(family))).collect();
    // Each leads to its first row.
    let first = |family: &&str| {
        rows.iter().find(|row| self::family(row.id) == *family).map_or("", |row| row.id)
    };
    let links = families
        .iter()
        .map(|family| format!("<a href=\"#{}\">{}</a>", escape(first(family)), escape(family)));
    let what = if rows.iter().any(|row| site.claims.iter().any(|claim| claim.id == row.id)) {
        "claim"
    } else {
        "race"
    };
    let mut body = format!(
        "<nav><a href=\"{LOCKS}\">Lock order</a><a href=\"{DESIGN}\">Design \
         space</a></nav>\n<main>\n<h1>Races of Linux's anonymous-memory lock \
         protocol</h1>\n<p>{}</p>\n<p>A cell says what was computed under a kernel's protocol: \
         <span class=\"bad\">✗</span> the clause that some interleaving violates, with a link to \
         it; <span class=\"good\">✓</span> all interleavings were run, and none violates \
         anything; <span class=\"doubt\">?</span> undecided; – it makes no sense there; empty: \
         nobody asks. Where there are several races, a cell counts how many of them came out in \
         which way, and the box before the claim shows each of them. The first column counts \
         protocols in which a choice is made differently.</p>\n<nav \
         aria-label=\"Families\">{}</nav>\n<div class=\"filters\" hidden><label>Words <input \
         type=\"search\" id=\"words\"></label><label>Family <select id=\"family\"><option \
         value=\"\">all</option>{options}</select></label><label>Verdict <select \
         id=\"verdict\"><option value=\"\">any</option><option value=\"bad\">✗ \
         violated</option><option value=\"good\">✓ never</option><option value=\"doubt\">? \
         open</option></select></label><label>Order <select id=\"order\"><option \
         value=\"family\">by family</option><option value=\"violations\">most violations \
         first</option></select></label><label><input type=\"checkbox\" id=\"all\"> every \
         race</label><output id=\"count\" class=\"dim\"></output></div>\n<table class=\"matrix\" \
         id=\"matrix\">\n<thead><tr><th scope=\"col\">{what}</th><th scope=\"col\">changed</th>",
        escape(&site.made),
        links.collect::<String>(),
    );
    let there: Vec<_> = site
        .kernels
        .iter()
        .filter(|kernel| site.races.iter().any(|race| under(race, kernel).is_some()))
        .collect();
    for kernel in &there {
        let _ = write!(body, "<th scope=\"col\">{}</th>", escape(kernel));
    }
    body += "</tr></thead>\n";
    body.extend(rows.iter().map(|row| row.html(&there)));
    html::page("lockwalk: the races", &(body + "</table>\n"), FILTER)
}

const BACK: &str = "<nav><a href=\"index.html\">All races</a></nav>\n<main>\n";

pub(super) fn locks(site: &Site) -> String {
    let drawn = site.lock_orders.iter().filter(|(_, order)| !order.is_empty()).enumerate();
    let graphs: String = drawn
        .map(|(id, (kernel, order))| format!("<h2>{}</h2>\n{}", escape(kernel), graph(id, order)))
        .collect();
    let graphs = if graphs.is_empty() {
        "<p>Nothing was explored that says anything of it.</p>\n".into()
    } else {
        graphs
    };
    let body = format!(
        "{BACK}<h1>Lock order</h1>\n<p>An arrow leads from a lock to one that somebody waits for \
         while holding it, in any execution of a race that violates nothing under that kernel's \
         protocol. What follows from other arrows is left out; a dashed arrow goes the other way \
         round, in another race.</p>\n{graphs}"
    );
    html::page("lockwalk: the order of locks", &body, "")
}

pub(super) fn designs(site: &Site) -> String {
    let tables: String = site.designs.iter().map(table).collect();
    let tables = if tables.is_empty() {
        "<p>It is computed of document 0's races (S0), and none of them is in this report.</p>\n"
            .into()
    } else {
        tables
    };
    html::page("lockwalk: the design space", &format!("{BACK}<h1>Design space</h1>\n{tables}"), "")
}

/// `S3` of `S3.1/fault`.
fn family(id: &str) -> &str {
    id.split(['.', '/']).next().unwrap_or_default()
}

fn under<'r>(race: &'r Entry, protocol: &str) -> Option<&'r Outcome> {
    race.outcomes.iter().find(|outcome| outcome.protocol == protocol)
}

/// A row of the index, and what it stands for.
struct Row<'s> {
    /// That of the claim, of the race, or the family of races that no claim speaks of.
    id: &'s str,
    says: String,
    races: Vec<&'s Entry>,
}

/// The claims, by family, and behind those of a family its races that none of them speaks of.
fn rows(site: &Site) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for Claim { id, says, .. } in &site.claims {
        let races: Vec<_> =
            site.races.iter().filter(|race| race.claim.as_ref() == Some(id)).collect();
        if !races.is_empty() {
            rows.push(Row { id, says: says.clone(), races });
        }
    }
    let families: BTreeSet<&str> = rows.iter().map(|row| family(row.id)).collect();
    let claimed =
        |race: &&Entry| site.claims.iter().any(|claim| race.claim.as_ref() == Some(&claim.id));
    for race in site.races.iter().filter(|race| !claimed(race)) {
        let family = family(&race.id);
        match rows.iter_mut().find(|row| row.id == family && families.contains(family)) {
            Some(row) => row.races.push(race),
            None if families.contains(family) => {
                rows.push(Row {
                    id: family,
                    says: "Races that no claim speaks of.".into(),
                    races: vec![race],
                });
            }
            None => rows.push(Row { id: &race.id, says: race.title.clone(), races: vec![race] }),
        }
    }
    let all: Vec<_> = site
        .claims
        .iter()
        .map(|claim| claim.id.as_str())
        .chain(site.races.iter().map(|race| race.id.as_str()))
        .collect();
    rows.sort_by_key(|row| all.iter().position(|id| family(id) == family(row.id)));
    rows
}

impl Row<'_> {
    /// Attributes have no quotes where they need none, cells and rows no end, and what is well no
    /// class: there are thousands of them, and a page is to be small.
    fn html(&self, kernels: &[&String]) -> String {
        let (id, says) = (escape(self.id), escape(&self.says));
        let mut body = format!("<tbody id=\"{id}\">");
        if let [race] = self.races[..] {
            let title = if race.title == self.says {
                String::new()
            } else {
                format!(" <i>{}</i>", escape(&race.title))
            };
            let _ = write!(
                body,
                "<tr><th><a href={}>{id}</a> {says}{title}{}",
                page_name(&race.id, None),
                self.cells(kernels)
            );
            return body + "</tbody>\n";
        }
        let races = self.races.len();
        let _ = write!(
            body,
            "<tr><th><label><input type=checkbox> <b>{id}</b> {says} <i>{races} \
             races</i></label>{}",
            self.cells(kernels)
        );
        for race in &self.races {
            let (id, title) = (escape(&race.id), escape(&race.title));
            let alone = Row { id: self.id, says: String::new(), races: vec![race] };
            let _ = write!(
                body,
                "<tr><th><a href={}>{id}</a> {title}{}",
                page_name(&race.id, None),
                alone.cells(kernels)
            );
        }
        body + "</tbody>\n"
    }

    /// What came out under a kernel.
    fn under(&self, kernel: &str) -> Said {
        let its: Vec<_> =
            self.races.iter().filter_map(|race| Some((*race, under(race, kernel)?))).collect();
        match its[..] {
            [(race, outcome)] => of_one(race, outcome),
            _ => of_several(its.into_iter().map(|(_, outcome)| outcome), true),
        }
    }

    /// What came out under other protocols.
    fn changed(&self, kernels: &[&String]) -> Said {
        let all = self.races.iter().flat_map(|race| &race.outcomes);
        of_several(all.filter(|outcome| !kernels.contains(&&outcome.protocol)), false)
    }

    /// Its cells behind the first, up to the last one that says anything.
    fn cells(&self, kernels: &[&String]) -> String {
        let mut cells = String::new();
        let mut empty = 0;
        for (class, words) in [self.changed(kernels)]
            .into_iter()
            .chain(kernels.iter().map(|kernel| self.under(kernel)))
        {
            if words.is_empty() {
                empty += 1;
            } else {
                let _ = write!(
                    cells,
                    "{}<td{}>{words}",
                    gap(std::mem::take(&mut empty)),
                    marked(class)
                );
            }
        }
        cells
    }
}

fn marked(class: &str) -> String {
    if class == "good" { String::new() } else { format!(" class={class}") }
}

/// What a cell says of races: a class, and words, which have classes of their own where they
/// differ; no words if nobody asks.
type Said = (&'static str, String);

fn of_one(race: &Entry, outcome: &Outcome) -> Said {
    let (class, sign, words) = verdict(outcome);
    let words = if class == "bad" { format!("{sign} {}", escape(&words)) } else { sign.to_owned() };
    let linked =
        |_| format!("<a href={}>{words}</a>", page_name(&race.id, Some(&outcome.protocol)));
    (class, outcome.witness.as_ref().map_or(words.clone(), linked))
}

/// How many came out in which way; of what is violated also the clause, if that is asked for and is
/// always the same one.
fn of_several<'o>(outcomes: impl Iterator<Item = &'o Outcome>, clause: bool) -> Said {
    let mut all = BTreeMap::<(&'static str, &'static str), Vec<String>>::new();
    for outcome in outcomes {
        let (class, sign, words) = verdict(outcome);
        all.entry((class, sign)).or_default().push(words);
    }
    let words = |((class, sign), words): ((&'static str, &'static str), Vec<String>)| {
        let same = clause && class == "bad" && words.iter().all(|other| *other == words[0]);
        let clause = if same { format!(" {}", escape(&words[0])) } else { String::new() };
        let count = if words.len() == 1 { String::new() } else { words.len().to_string() };
        (class, format!("{sign}{count}{clause}"))
    };
    let mut each: Vec<Said> = all.into_iter().map(words).collect();
    match each[..] {
        [] => ("", String::new()),
        [_] => each.remove(0),
        _ => (
            "good",
            each.iter()
                .map(|(class, words)| format!("<b{}>{words}</b>", marked(class)))
                .collect::<Vec<_>>()
                .join(" "),
        ),
    }
}

/// So many cells of which nobody asks, in as few letters as it takes.
fn gap(empty: usize) -> String {
    if empty > 3 { format!("<td colspan={empty}>") } else { "<td>".repeat(empty) }
}

/// The lock-order graph: a lock stands below all that are taken before it.
fn graph(id: usize, order: &[(String, String)]) -> String {
    // Locks of one class are ordered among themselves, which is not drawn.
    let class = |lock: &String| lock.replace(|c: char| c.is_ascii_digit(), "");
    let order: Vec<_> =
        order.iter().map(|(earlier, later)| (class(earlier), class(later))).collect();
    let all: BTreeSet<(&str, &str)> =
        order.iter().map(|(a, b)| (a.as_str(), b.as_str())).filter(|(a, b)| a != b).collect();
    let mut edges: BTreeSet<(&str, &str)> = BTreeSet::new();
    for &(earlier, later) in &all {
        if !reaches(&edges, later, earlier) {
            edges.insert((earlier, later));
        }
    }
    let locks: BTreeSet<&str> = all.iter().flat_map(|&(a, b)| [a, b]).collect();
    let mut level: BTreeMap<&str, usize> = locks.iter().map(|&lock| (lock, 0)).collect();
    for _ in 0..locks.len() {
        for (earlier, later) in &edges {
            let below = level[earlier] + 1;
            level.entry(later).and_modify(|level| *level = below.max(*level));
        }
    }
    let (mut place, mut taken) = (BTreeMap::new(), BTreeMap::<usize, usize>::new());
    for &lock in &locks {
        let column = taken.entry(level[lock]).or_default();
        place.insert(
            lock,
            (
                10 + *column * (BOX.0 + GAP.0) + level[lock] % 2 * (BOX.0 + GAP.0) / 2,
                10 + level[lock] * (BOX.1 + GAP.1),
            ),
        );
        *column += 1;
    }
    let width = place.values().map(|(x, _)| x + BOX.0 + 10).max().unwrap_or(0);
    let height = place.values().map(|(_, y)| y + BOX.1 + 10).max().unwrap_or(0);
    let mut svg = format!(
        "<div class=\"scroll\"><svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"The order of the locks\" \
         font-family=\"monospace\" font-size=\"13\">\n<defs><marker id=\"to{id}\" viewBox=\"0 0 8 \
         8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path \
         d=\"M0 0L8 4L0 8z\" fill=\"currentColor\"/></marker></defs>\n"
    );
    // What follows from other arrows is left out.
    let needed = |edge: (&str, &str)| {
        let others = edges.iter().copied().filter(|other| *other != edge).collect();
        !edges.contains(&edge) || !reaches(&others, edge.0, edge.1)
    };
    for (earlier, later) in all.iter().copied().filter(|edge| needed(*edge)) {
        let dashed =
            if edges.contains(&(earlier, later)) { "" } else { " stroke-dasharray=\"5 4\"" };
        let ((x, y), (to_x, to_y)) = (place[earlier], place[later]);
        let (from, to) = ((x + BOX.0 / 2, y + BOX.1), (to_x + BOX.0 / 2, to_y));
        let _ = writeln!(
            svg,
            "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"currentColor\"{dashed} \
             marker-end=\"url(#to{id})\"/>",
            from.0,
            from.1,
            from.0,
            from.1 + GAP.1 / 2,
            to.0,
            to.1.saturating_sub(GAP.1 / 2),
            to.0,
            to.1
        );
    }
    for (lock, (x, y)) in &place {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"5\" fill=\"var(--soft)\" \
             stroke=\"var(--dim)\"/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\" \
             fill=\"currentColor\">{}</text>",
            BOX.0,
            BOX.1,
            x + BOX.0 / 2,
            y + 20,
            escape(lock)
        );
    }
    svg + "</svg></div>\n"
}

/// Is there a way from one lock to another?
fn reaches(edges: &BTreeSet<(&str, &str)>, from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(lock) = next.pop() {
        for (_, later) in edges.iter().filter(|(earlier, _)| *earlier == lock) {
            if *later == to {
                return true;
            }
            if seen.insert(*later) {
                next.push(later);
            }
        }
    }
    false
}

fn table(design: &Design) -> String {
    let mut out = format!(
        "<h2>{}</h2>\n<div class=\"scroll\"><table class=\"matrix space\">\n<thead><tr><th \
         scope=\"col\">race</th>",
        escape(&design.title)
    );
    for arm in &design.arms {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(arm));
    }
    out += "</tr></thead>\n<tbody>\n";
    for (race, cells) in &design.rows {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(race));
        for cell in cells {
            let (class, sign) = match cell.as_str() {
                "never" => ("good", "✓ "),
                "–" => ("dim", ""),
                "?" => ("doubt", ""),
                _ => ("bad", "✗ "),
            };
            let _ = write!(out, "<td class=\"{class}\">{sign}{}</td>", escape(cell));
        }
        out += "</tr>\n";
    }
    let _ =
        write!(out, "</tbody></table></div>\n<p class=\"dim\">{}</p>\n", escape(&design.legend));
    out
}
