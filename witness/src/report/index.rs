//! The index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::html::{self, escape};
use super::page::verdict;
use super::{DESIGN, Design, Entry, FILTER, LOCKS, Site, page_name};

/// Pixels of a box of the lock-order graph, and between two.
const BOX: (usize, usize) = (150, 30);
const GAP: (usize, usize) = (60, 34);

pub(super) fn index(site: &Site) -> String {
    let families: BTreeSet<_> = site.races.iter().map(|race| family(&race.id)).collect();
    let families: String = families.iter().map(|family| format!("<option>{}</option>", escape(family))).collect();
    let mut body = format!(
        "<nav><a href=\"{LOCKS}\">Lock order</a><a href=\"{DESIGN}\">Design space</a></nav>\n<main>\n\
         <h1>Races of Linux's anonymous-memory lock protocol</h1>\n<p>{}</p>\n\
         <p>A cell says what was computed of a race under a kernel's protocol: <span class=\"bad\">✗</span> the clause that some interleaving violates, \
         with a link to it; <span class=\"good\">✓</span> all interleavings were run, and none violates anything; <span class=\"doubt\">?</span> undecided; \
         – it makes no sense there; empty: nobody asks. The last column counts protocols in which a choice is made differently.</p>\n\
         <div class=\"filters\" hidden><label>Words <input type=\"search\" id=\"words\"></label>\
         <label>Document <select id=\"family\"><option value=\"\">all</option>{families}</select></label>\
         <label>Verdict <select id=\"verdict\"><option value=\"\">any</option><option value=\"bad\">✗ violated</option>\
         <option value=\"good\">✓ never</option><option value=\"doubt\">? open</option></select></label>\
         <label>Order <select id=\"order\"><option value=\"claim\">by claim</option><option value=\"violations\">most violations first</option></select></label>\
         <output id=\"count\" class=\"dim\"></output></div>\n<table class=\"matrix\" id=\"matrix\">\n<thead><tr><th scope=\"col\">race</th>",
        escape(&site.made),
    );
    let there: Vec<_> = site.kernels.iter().filter(|kernel| site.races.iter().any(|race| under(race, kernel).is_some())).collect();
    for kernel in &there {
        let _ = write!(body, "<th scope=\"col\">{}</th>", escape(kernel));
    }
    body += "<th scope=\"col\">changed</th></tr></thead>\n<tbody>\n";
    for race in &site.races {
        body += &row(race, &there);
    }
    html::page("lockwalk: the races", &(body + "</tbody></table>\n"), FILTER)
}

const BACK: &str = "<nav><a href=\"index.html\">All races</a></nav>\n<main>\n";

pub(super) fn locks(site: &Site) -> String {
    let drawn = site.lock_orders.iter().filter(|(_, order)| !order.is_empty()).enumerate();
    let graphs: String = drawn.map(|(id, (kernel, order))| format!("<h2>{}</h2>\n{}", escape(kernel), graph(id, order))).collect();
    let graphs = if graphs.is_empty() { "<p>Nothing was explored that says anything of it.</p>\n".into() } else { graphs };
    let body = format!(
        "{BACK}<h1>Lock order</h1>\n<p>An arrow leads from a lock to one that somebody waits for while holding it, in any execution of a race that violates nothing \
         under that kernel's protocol. What follows from other arrows is left out; a dashed arrow goes the other way round, in another race.</p>\n{graphs}"
    );
    html::page("lockwalk: the order of locks", &body, "")
}

pub(super) fn designs(site: &Site) -> String {
    let tables: String = site.designs.iter().map(table).collect();
    let tables =
        if tables.is_empty() { "<p>It is that of document 0's races (S0), of which none is in this report.</p>\n".into() } else { tables };
    html::page("lockwalk: the design space", &format!("{BACK}<h1>Design space</h1>\n{tables}"), "")
}

/// `S3` of `S3.1/fault`.
fn family(id: &str) -> &str {
    id.split(['.', '/']).next().unwrap_or_default()
}

fn under<'r>(race: &'r Entry, protocol: &str) -> Option<&'r crate::Outcome> {
    race.outcomes.iter().find(|outcome| outcome.protocol == protocol)
}

/// Attributes have no quotes where they need none, and cells and rows no end: there are thousands of them, and a page is to be small.
fn row(race: &Entry, kernels: &[&String]) -> String {
    let (id, title) = (escape(&race.id), escape(&race.title));
    let mut row = format!("<tr><th><a href=\"{}\">{id}</a> {title}", page_name(&race.id, None));
    let mut empty = 0;
    for kernel in kernels {
        let Some(outcome) = under(race, kernel) else {
            empty += 1;
            continue;
        };
        row += &gap(std::mem::take(&mut empty));
        let (class, sign, words) = verdict(outcome);
        let words = if class == "bad" { format!("{sign} {}", escape(&words)) } else { sign.to_owned() };
        let words = match outcome.witness {
            Some(_) => format!("<a href=\"{}\">{words}</a>", page_name(&race.id, Some(&outcome.protocol))),
            None => words,
        };
        let _ = write!(row, "<td class={class}>{words}");
    }
    row += &gap(empty);
    row += "<td>";
    let mut others = BTreeMap::<(&str, &str), usize>::new();
    for outcome in race.outcomes.iter().filter(|outcome| !kernels.contains(&&outcome.protocol)) {
        let (class, sign, _) = verdict(outcome);
        *others.entry((class, sign)).or_default() += 1;
    }
    for ((class, sign), count) in others {
        let _ = write!(row, "<span class={class}>{sign}{count}</span> ");
    }
    row + "\n"
}

/// So many kernels of which nobody asks.
fn gap(empty: usize) -> String {
    match empty {
        0 => String::new(),
        1 => "<td>".into(),
        _ => format!("<td colspan={empty}>"),
    }
}

/// The lock-order graph: a lock stands below all that are taken before it.
fn graph(id: usize, order: &[(String, String)]) -> String {
    // Locks of one class are ordered among themselves, which is not drawn.
    let class = |lock: &String| lock.replace(|c: char| c.is_ascii_digit(), "");
    let order: Vec<_> = order.iter().map(|(earlier, later)| (class(earlier), class(later))).collect();
    let all: BTreeSet<(&str, &str)> = order.iter().map(|(a, b)| (a.as_str(), b.as_str())).filter(|(a, b)| a != b).collect();
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
        place.insert(lock, (10 + *column * (BOX.0 + GAP.0) + level[lock] % 2 * (BOX.0 + GAP.0) / 2, 10 + level[lock] * (BOX.1 + GAP.1)));
        *column += 1;
    }
    let width = place.values().map(|(x, _)| x + BOX.0 + 10).max().unwrap_or(0);
    let height = place.values().map(|(_, y)| y + BOX.1 + 10).max().unwrap_or(0);
    let mut svg = format!(
        "<div class=\"scroll\"><svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"The order of the locks\" \
         font-family=\"monospace\" font-size=\"13\">\n<defs><marker id=\"to{id}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"currentColor\"/></marker></defs>\n"
    );
    // What follows from other arrows is left out.
    let needed = |edge: (&str, &str)| {
        let others = edges.iter().copied().filter(|other| *other != edge).collect();
        !edges.contains(&edge) || !reaches(&others, edge.0, edge.1)
    };
    for (earlier, later) in all.iter().copied().filter(|edge| needed(*edge)) {
        let dashed = if edges.contains(&(earlier, later)) { "" } else { " stroke-dasharray=\"5 4\"" };
        let ((x, y), (to_x, to_y)) = (place[earlier], place[later]);
        let (from, to) = ((x + BOX.0 / 2, y + BOX.1), (to_x + BOX.0 / 2, to_y));
        let _ = writeln!(
            svg,
            "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"currentColor\"{dashed} marker-end=\"url(#to{id})\"/>",
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
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"5\" fill=\"var(--soft)\" stroke=\"var(--dim)\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"currentColor\">{}</text>",
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
        "<h2>{}</h2>\n<div class=\"scroll\"><table class=\"matrix space\">\n<thead><tr><th scope=\"col\">race</th>",
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
    let _ = write!(out, "</tbody></table></div>\n<p class=\"dim\">{}</p>\n", escape(&design.legend));
    out
}
