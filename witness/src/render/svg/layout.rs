//! Where everything goes, in pixels.

use std::ops::Range;

use super::super::cells::wrap;
use super::super::paint::width;
use crate::Witness;
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
    pub lanes: Vec<Lane>,
    /// What is true now: left edge.
    pub now: usize,
    pub rows: Vec<Row>,
    pub bars: Vec<Bar>,
    pub width: usize,
    /// Where the lanes begin (their heads) and end.
    pub y: Range<usize>,
}

impl Layout {
    /// Lays out the lanes and the `shown` steps, starting at `top`.
    pub(super) fn new(witness: &Witness, shown: &[usize], top: usize) -> Self {
        let holds = story::holds(witness);
        let tracks = story::tracks(&holds);
        let heads = story::heads(witness);
        let columns = columns(witness, shown, &heads);
        let mut x = PAD + (witness.steps.len().to_string().len() + 3) * ADVANCE;
        let mut lanes = Vec::new();
        for (lane, head) in heads.iter().enumerate() {
            let own = |(hold, track): (&Hold, &usize)| (hold.lane == lane).then_some(track + 1);
            let bars = holds.iter().zip(&tracks).filter_map(own).max().unwrap_or(0);
            let text = x + PAD / 2 + bars * TRACK;
            let width = text - x + columns[lane] * ADVANCE + PAD / 2;
            lanes.push(Lane { head: wrap(head, columns[lane], 2), x, width, text });
            x += width + PAD;
        }
        let now_columns = columns[heads.len()];
        let width = (x + now_columns * ADVANCE + PAD).max(60 * ADVANCE);
        let first = top + lanes.iter().map(|l| l.head.len()).max().unwrap_or(0) * LINE;
        let (rows, bottom) = rows(witness, shown, first, &columns);
        let bars = holds.into_iter().zip(tracks).map(|(hold, track)| Bar {
            x: lanes[hold.lane].x + 4 + track * TRACK,
            y: span(&rows, &hold.steps, bottom),
            hold,
        });
        let bars = bars.collect();
        Self { lanes, now: x, rows, bars, width, y: top..bottom + PAD / 2 }
    }
}

/// Columns of text for every lane, and for what is true now.
fn columns(witness: &Witness, shown: &[usize], heads: &[String]) -> Vec<usize> {
    let mut columns: Vec<usize> = heads.iter().map(|head| width(head)).collect();
    columns.push(width("now true"));
    let now = heads.len();
    for i in shown {
        let step = &witness.steps[*i];
        let lane = &mut columns[story::lane(witness, step.cpu)];
        *lane = width(&story::text(witness, step)).saturating_add(indent(step.depth)).max(*lane);
        let widest = story::now_by_clause(witness, *i).iter().map(|text| width(text)).max();
        columns[now] = widest.unwrap_or(0).max(columns[now]);
    }
    columns.into_iter().map(|natural| natural.clamp(COLUMNS.start, COLUMNS.end)).collect()
}

fn rows(witness: &Witness, shown: &[usize], top: usize, columns: &[usize]) -> (Vec<Row>, usize) {
    let mut rows: Vec<Row> = Vec::new();
    let mut y = top;
    for i in shown.iter().copied() {
        let step = &witness.steps[i];
        let lane = story::lane(witness, step.cpu);
        if rows.last().is_some_and(|row| witness.steps[row.step].cpu != step.cpu) {
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

/// Pixels from the row of the first step of `steps` to that of the first step after them.
fn span(rows: &[Row], steps: &Range<usize>, bottom: usize) -> Range<usize> {
    let from = rows.iter().find(|row| row.step >= steps.start);
    let to = rows.iter().find(|row| row.step >= steps.end);
    let start = from.map_or(bottom, |row| row.y + 2);
    start..to.map_or(bottom, |row| row.y + row.height - 2).max(start)
}

fn indent(depth: u8) -> usize {
    (usize::from(depth) * INDENT).min(COLUMNS.start / 3)
}
