//! Verdicts as a table, and as one line each.

use super::cells::{Cell, GAP, shares, side_by_side, wrap};
use super::paint::{Page, Paint};
use super::{MIN_WIDTH, Style, clean, lockdep};
use crate::story::{beside, plural};
use crate::{Count, Coverage, Ending, Expected, Judgement, Outcome, Verdict, Witness};

/// Columns the table is indented by.
const INDENT: usize = 2;

/// The verdict table: one group a race, its id and title in the first row, and the [`summary`]
/// below. What is not as documented says why. All of it took so many `seconds`: less than the sum,
/// if several threads were at it.
pub fn table(outcomes: &[Outcome], seconds: f64, width: usize, style: Style) -> String {
    let columns = width.max(MIN_WIDTH) - INDENT;
    let mut page = Page::new(style);
    let engines = outcomes.iter().any(|o| o.engine != outcomes[0].engine);
    let rows: Vec<_> = outcomes.iter().map(|o| row(o, engines, style)).collect();
    let widths = divide(&rows, columns);
    for group in groups(outcomes) {
        // The title of a race may be longer than its column: it goes on beside the rows of the
        // group.
        let left = side_by_side(&rows[group[0]][..2], &widths[..2]);
        let mut right = Vec::new();
        for i in group {
            right.extend(side_by_side(&rows[i][2..], &widths[2..]));
            // That a sample has seen nothing is in its row already.
            let objections = if outcomes[i].verdict() == Verdict::NotSeen {
                Vec::new()
            } else {
                outcomes[i].objections()
            };
            for objection in objections {
                let objection = clean::clean(&format!("! {objection}"), style.ascii);
                let lines = wrap(&objection, widths[2..].iter().sum(), 2);
                right.extend(lines.into_iter().map(|line| vec![(line, Paint::Bad)]));
            }
        }
        for line in 0..left.len().max(right.len()) {
            let mut pieces = vec![(" ".repeat(INDENT), Paint::Plain)];
            match left.get(line) {
                Some(left) => pieces.extend(left.iter().cloned()),
                None => pieces.push((" ".repeat(widths[0] + widths[1] + 2 * GAP), Paint::Plain)),
            }
            pieces.extend(right.get(line).into_iter().flatten().cloned());
            page.line(&pieces);
        }
    }
    if !outcomes.is_empty() {
        page.blank();
    }
    for line in wrap(&clean::clean(&summary(outcomes, seconds), style.ascii), columns, 2) {
        page.write(&format!("{:INDENT$}{line}", ""), Paint::Plain);
    }
    page.finish()
}

/// Id, title, protocol, engine where there are several, verdict and details.
fn row(outcome: &Outcome, engines: bool, style: Style) -> Vec<Cell> {
    let mut row = vec![
        Cell::new(&outcome.race, Paint::Head),
        Cell::new(&outcome.title, Paint::Plain),
        Cell::new(&outcome.protocol, Paint::Plain),
    ];
    row.extend(engines.then(|| Cell::new(&outcome.engine, Paint::Dim)));
    row.extend([verdict(outcome), Cell::new(detail(outcome), Paint::Plain)]);
    for text in row.iter_mut().flat_map(|cell| &mut cell.paragraphs) {
        *text = clean::clean(text, style.ascii);
    }
    row
}

/// The widths of the columns. Titles and details are the ones to be wrapped, as long as that leaves
/// them legible.
fn divide(rows: &[Vec<Cell>], columns: usize) -> Vec<usize> {
    const LEGIBLE: usize = 18;
    let Some(first) = rows.first() else {
        return Vec::new();
    };
    let natural = |column: usize| rows.iter().map(|row| row[column].natural()).max().unwrap_or(0);
    let mut widths: Vec<_> = (0..first.len()).map(natural).collect();
    let (title, detail) = (1, widths.len() - 1);
    let available = columns.saturating_sub(GAP * detail);
    let fixed = widths.iter().sum::<usize>() - widths[title] - widths[detail];
    if fixed + 2 * LEGIBLE > available {
        return shares(&widths, available);
    }
    let rest = available - fixed;
    widths[title] = widths[title].min(rest - widths[detail].min(LEGIBLE.max(rest / 3)));
    widths[detail] = widths[detail].min(rest - widths[title]);
    widths
}

/// The outcomes by race, as indices, in the order of their first appearance.
fn groups(outcomes: &[Outcome]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, outcome) in outcomes.iter().enumerate() {
        match groups.iter_mut().find(|group| outcomes[group[0]].race == outcome.race) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

fn verdict(outcome: &Outcome) -> Cell {
    match outcome.verdict() {
        Verdict::Violated { clause, .. } => Cell::new(format!("✗ {clause}"), Paint::Bad),
        Verdict::Undecided(_) if outcome.coverage.inapplicable().is_some() => {
            Cell::new("– no verdict", Paint::Doubt)
        }
        Verdict::Undecided(_) => Cell::new("? undecided", Paint::Doubt),
        verdict @ Verdict::NotSeen => Cell::new(format!("~ {verdict}"), Paint::Doubt),
        verdict => Cell::new(format!("✓ {verdict}"), Paint::Good),
    }
}

fn detail(outcome: &Outcome) -> String {
    let executions = plural(outcome.executions, "execution");
    let executions = match outcome.states {
        Some(states) => format!("{}, {executions}", plural(states, "state")),
        None => executions,
    };
    let Verdict::Violated { unfinished, .. } = outcome.verdict() else {
        return match &outcome.coverage {
            Coverage::Sampled { how } => format!("{executions}, {how}"),
            _ => executions,
        };
    };
    let found = match &outcome.witness {
        None if outcome.violating == 0 => format!("{executions} together"),
        None => format!("{} of {executions}", outcome.violating),
        Some(witness) => shortest(witness),
    };
    // That more may be violated is worth a word where the documents do not account for what is.
    if unfinished.is_some() && !outcome.as_documented() {
        format!("{found}, not all explored")
    } else {
        found
    }
}

/// What is to be said of the shortest interleaving in a few words.
fn shortest(witness: &Witness) -> String {
    let beside = beside(&witness.found).filter(|_| witness.preemptions > 0);
    let beside = beside.map(|beside| format!(" or {beside}")).unwrap_or_default();
    let preemptions = plural(witness.preemptions.into(), "preemption");
    match &witness.ending {
        Ending::Violation | Ending::Audit | Ending::Complete if witness.found.minimal => {
            format!("{preemptions}{beside}")
        }
        Ending::Violation | Ending::Audit | Ending::Complete => {
            format!("{preemptions}{beside}, or fewer")
        }
        Ending::Deadlock { cycle } => lockdep::chain(cycle),
        Ending::Livelock { first, last } => {
            let steps = (last.saturating_sub(*first) as u64).saturating_add(1);
            let fewer = if witness.found.minimal { "" } else { ", or fewer," };
            format!("{}{fewer} repeat for ever", plural(steps, "step"))
        }
    }
}

/// How many verdicts are of which kind, and which are not as documented, in one line:
/// `23 reproduced · 41 fixes exhausted · 3 documented fixes still broken (S0.5, S1.3, S3.8) · 4.1
/// s`.
pub fn summary(outcomes: &[Outcome], seconds: f64) -> String {
    let count = |kind: Kind| outcomes.iter().filter(|o| Kind::of(o) == kind).count() as u64;
    let named = |kind: Kind| {
        let mut races: Vec<&str> =
            outcomes.iter().filter(|o| Kind::of(o) == kind).map(|o| o.race.as_str()).collect();
        races.dedup();
        format!(" ({})", races.join(", "))
    };
    let fixes = |n| if n == 1 { "fix" } else { "fixes" };
    let mut parts = Vec::new();
    for kind in Kind::ALL {
        let (n, races) = (count(kind), named(kind));
        match kind {
            _ if n == 0 => {}
            Kind::Reproduced => parts.push(format!("{n} reproduced")),
            Kind::Exhausted => parts.push(format!("{n} {} exhausted", fixes(n))),
            Kind::Held => parts.push(format!("{n} {} held as far as explored", fixes(n))),
            Kind::StillBroken => {
                parts.push(format!("{n} documented {} still broken{races}", fixes(n)))
            }
            Kind::Unstated => parts.push(format!("{n} without a documented verdict")),
            Kind::NotSeen => parts.push(format!("{n} not seen")),
            Kind::Undecided => parts.push(format!("{n} undecided{races}")),
            Kind::Inapplicable => parts.push(format!("{n} not applicable{races}")),
            Kind::Undocumented => {
                parts.push(format!("{} documented nowhere{races}", plural(n, "violation")))
            }
            Kind::Differs => parts.push(format!("{n} not as documented{races}")),
        }
    }
    parts.push(format!("{seconds:.1} s"));
    parts.join(" · ")
}

/// What an outcome counts as in the summary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reproduced,
    Exhausted,
    Held,
    StillBroken,
    Unstated,
    NotSeen,
    Undecided,
    Inapplicable,
    Undocumented,
    Differs,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Reproduced,
        Self::Exhausted,
        Self::Held,
        Self::StillBroken,
        Self::Unstated,
        Self::NotSeen,
        Self::Undecided,
        Self::Inapplicable,
        Self::Undocumented,
        Self::Differs,
    ];

    fn of(outcome: &Outcome) -> Self {
        match (outcome.judgement(), &outcome.documented, &outcome.coverage) {
            (Judgement::Differs, Expected::Unstated, _) => Self::Undocumented,
            (Judgement::Differs, ..) => Self::Differs,
            (Judgement::Undecided, ..) if outcome.verdict() == Verdict::NotSeen => Self::NotSeen,
            (Judgement::Undecided, .., coverage) if coverage.inapplicable().is_some() => {
                Self::Inapplicable
            }
            (Judgement::Undecided, ..) => Self::Undecided,
            (_, Expected::Violates(_), _) => Self::Reproduced,
            (_, Expected::StillViolates(_), _) => Self::StillBroken,
            (_, Expected::Holds, Coverage::Exhaustive) => Self::Exhausted,
            (_, Expected::Holds, _) => Self::Held,
            (_, Expected::Unstated, _) => Self::Unstated,
        }
    }
}

/// One verdict in one line, as the Linux-kernel memory model's tools print theirs:
/// `S3.1 2.6.36  Never 0/64  dpor  walk first 31 · walk last 33  0.3 s`.
pub fn line(outcome: &Outcome) -> String {
    let violating = outcome.violating;
    let sometimes = match (violating >= outcome.executions, &outcome.coverage) {
        (true, Coverage::Exhaustive) => "Always",
        // What was not explored may hold.
        (true, _) => "Sometimes or always",
        (false, _) => "Sometimes",
    };
    let word = match outcome.verdict() {
        Verdict::Violated { .. } if violating == 0 => "Together".to_owned(),
        Verdict::Violated { unfinished: Some(why), .. } => {
            format!("{sometimes}, not all explored ({why})")
        }
        Verdict::Violated { .. } => sometimes.to_owned(),
        Verdict::Never => "Never".to_owned(),
        Verdict::NeverWithin(bound) => format!("Never within {bound}"),
        Verdict::NotSeen => "Not seen".to_owned(),
        Verdict::Undecided(why) => format!("Undecided ({why})"),
    };
    let counts = |counts: &[Count]| {
        let counts = counts.iter().map(|c| format!("{} {}", c.name, c.count));
        counts.collect::<Vec<_>>().join(" · ")
    };
    let mut parts = vec![
        format!("{} {}", outcome.race, outcome.protocol),
        format!("{word} {violating}/{}", outcome.executions),
        outcome.engine.clone(),
        counts(&outcome.violations),
        counts(&outcome.endings),
        format!("{:.1} s", outcome.seconds),
    ];
    parts.retain(|part| !part.is_empty());
    clean::clean(&parts.join("  "), false)
}
