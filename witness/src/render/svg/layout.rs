//! Where everything goes, in pixels.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::cells::wrap;
use super::super::paint::width;
use crate::Witness;
use crate::shown::Shown;
use crate::story::{self, Hold};

/// Pixels a column of text takes: more than any common monospace font needs at 12.5 pixels, so that
/// no text leaves its box.
pub(super) const ADVANCE: usize = 8;
/// Pixels a line of text takes.
pub(super) const LINE: usize = 18;
/// Pixels between a box and its text, and around the picture.
pub(super) const PAD: usize = 12;
/// Pixels between two turns, for the switch.
pub(super) const SWITCH: usize = 18;
/// Pixels a lock bar takes, its space included.
pub(super) const TRACK: usize = 8;

/// Columns of text that a lane, or what is true now, has at least and at most.
const COLUMNS: Range<usize> = 18..46;
/// Columns that a call's body is indented by.
const INDENT: usize = 2;

/// A column of the picture.
pub(super) struct Lane {
    /// Its head, wrapped.
    pub head: Vec<String>,
    /// Left edge and width.
    pub x: usize,
    pub width: usize,
    /// Left edge of its text: right of its lock bars.
    pub text: usize,
}

/// A step in its place.
pub(super) struct Row {
    /// The step's index.
    pub step: usize,
    pub lane: usize,
    pub y: usize,
    pub height: usize,
    /// The step's text, wrapped; leading spaces indent.
    pub text: Vec<String>,
    /// What is true now, wrapped.
    pub now: Vec<String>,
}

/// A bar for a held lock.
pub(super) struct Bar {
    pub hold: Hold,
    pub x: usize,
    pub y: Range<usize>,
}

/// The whole picture.
pub(super) struct Layout {
    /// Those that are drawn.
    pub lanes: BTreeMap<usize, Lane>,
    /// What is true now: left edge.
    pub now: usize,
    pub rows: Vec<Row>,
    pub bars: Vec<Bar>,
    pub width: usize,
    /// Where the lanes begin (their heads) and end.
    pub y: Range<usize>,
}

impl Layout {
    /// Lays out the lanes and the steps that are `shown`, starting at `top`.
    pub(super) fn new(witness: &Witness, shown: &Shown, top: usize) -> Self {
        let names = story::heads(witness);
        let columns = columns(witness, &shown.rows, &names);
        let heads: BTreeMap<_, _> = shown
            .lanes(witness)
            .into_iter()
            .map(|lane| (lane, wrap(&names[lane], columns[lane], 2)))
            .collect();
        let first = top + heads.values().map(Vec::len).max().unwrap_or(0) * LINE;
        let (rows, bottom) = rows(witness, &shown.rows, first, &columns);
        let (holds, spans): (Vec<_>, Vec<_>) = story::holds(witness)
            .into_iter()
            .filter(|hold| heads.contains_key(&hold.lane))
            .filter_map(|hold| span(&rows, &hold.steps).map(|span| (hold, span)))
            .unzip();
        let tracks = story::tracks(&holds);
        let mut x = PAD + (witness.steps.len().to_string().len() + 3) * ADVANCE;
        let mut lanes = BTreeMap::new();
        for (lane, head) in heads {
            let own = |(hold, track): (&Hold, &usize)| (hold.lane == lane).then_some(track + 1);
            let bars = holds.iter().zip(&tracks).filter_map(own).max().unwrap_or(0);
            let text = x + PAD / 2 + bars * TRACK;
            let width = text - x + columns[lane] * ADVANCE + PAD / 2;
            lanes.insert(lane, Lane { head, x, width, text });
            x += width + PAD;
        }
        let now_columns = columns[names.len()];
        let width = (x + now_columns * ADVANCE + PAD).max(60 * ADVANCE);
        let bars = holds.into_iter().zip(spans).zip(tracks).map(|((hold, y), track)| Bar {
            x: lanes[&hold.lane].x + 4 + track * TRACK,
            y,
            hold,
        });
        let bars = bars.collect();
        Self { lanes, now: x, rows, bars, width, y: top..bottom + PAD / 2 }
    }
}

/// Columns of text for every lane, and for what is true now.
fn columns(witness: &Witness, shown: &[usize], heads: &[String]) -> Vec<usize> {
    let mut columns: Vec<usize> = heads.iter().map(|head| width(head)).collect();
    columns.push(0);
    let now = heads.len();
    for i in shown {
        let step = &witness.steps[*i];
        let lane = &mut columns[story::lane(witness, step.cpu)];
        *lane = width(&story::text(witness, step)).saturating_add(indent(step.depth)).max(*lane);
        let widest = story::now_by_clause(witness, *i).iter().map(|text| width(text)).max();
        columns[now] = widest.unwrap_or(0).max(columns[now]);
    }
    // Where nothing is said to be true now, there is no column for it.
    let within = |natural: usize| match natural {
        0 => 0,
        _ => natural.clamp(COLUMNS.start, COLUMNS.end),
    };
    columns.into_iter().map(within).collect()
}

fn rows(witness: &Witness, shown: &[usize], top: usize, columns: &[usize]) -> (Vec<Row>, usize) {
    let mut rows: Vec<Row> = Vec::new();
    let mut y = top;
    let switches = story::switches(witness, shown);
    for (at, i) in shown.iter().copied().enumerate() {
        let step = &witness.steps[i];
        let lane = story::lane(witness, step.cpu);
        let elsewhere = rows.last().is_some_and(|row| witness.steps[row.step].cpu != step.cpu);
        if elsewhere || switches.iter().any(|&(_, to)| to == at) {
            y += SWITCH;
        }
        let space = indent(step.depth);
        let lines = wrap(&story::text(witness, step), columns[lane] - space, 2);
        let text: Vec<_> = lines.iter().map(|line| format!("{:space$}{line}", "")).collect();
        let now = story::now_by_clause(witness, i)
            .iter()
            .flat_map(|now| wrap(now, columns[columns.len() - 1], 2))
            .collect::<Vec<_>>();
        let height = text.len().max(now.len()) * LINE + 4;
        rows.push(Row { step: i, lane, y, height, text, now });
        y += height;
    }
    (rows, y)
}

/// Pixels from the first row of `steps` to the last one, that of the step after them included;
/// nothing if none of these is drawn.
fn span(rows: &[Row], steps: &Range<usize>) -> Option<Range<usize>> {
    let mut within = rows.iter().filter(|row| (steps.start..=steps.end).contains(&row.step));
    let first = within.next()?;
    let last = within.next_back().unwrap_or(first);
    Some(first.y + 2..last.y + last.height - 2)
}

fn indent(depth: u8) -> usize {
    (usize::from(depth) * INDENT).min(COLUMNS.start / 3)
}
