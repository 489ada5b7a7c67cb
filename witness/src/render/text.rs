//! A witness as a kernel mail would show it: one column a CPU.

use super::cells::{Cell, GAP, break_at, shares, side_by_side, wrap};
use super::paint::{Page, Paint, width};
use super::{Detail, MIN_WIDTH, Style, lockdep, prepared};
use crate::shown::Shown;
use crate::story;
use crate::{Ending, StepKind, Witness};

/// Columns that a call's body is indented by.
const INDENT: usize = 2;
/// The narrowest useful column of a CPU.
const NARROWEST: usize = 16;

/// A word that is longer than this may be broken.
const WIDEST_WORD: usize = 32;

/// `witness` in columns of text, none of its lines wider than `width` (or [`MIN_WIDTH`]): what is
/// violated, each step in the column of its CPU, what became true at it, and how to run it again.
pub fn text(witness: &Witness, width: usize, style: Style) -> String {
    let (witness, shown) = &prepared(witness, style.ascii, style.detail);
    let width = width.max(MIN_WIDTH);
    let mut page = Page::new(style);
    head(witness, width, &mut page);
    if !shown.rows.is_empty() {
        page.blank();
        Table::new(witness, shown, width, style).draw(&mut page);
    }
    if let Ending::Deadlock { cycle } = &witness.ending {
        page.blank();
        if !story::says(witness, cycle) {
            page.wrapped(&story::waits(cycle), 2, width, Paint::Plain);
            page.blank();
        }
        lockdep::scenario(witness, cycle, width, &mut page);
    }
    page.blank();
    foot(witness, shown, width, &mut page);
    page.finish()
}

/// The steps alone, as [`text`] shows them.
pub fn rows(witness: &Witness, width: usize, style: Style) -> String {
    let (witness, shown) = prepared(witness, style.ascii, style.detail);
    let mut page = Page::new(style);
    Table::new(&witness, &shown, width.max(MIN_WIDTH), style).draw(&mut page);
    page.finish()
}

fn head(witness: &Witness, columns: usize, page: &mut Page) {
    let title = format!("{} · {} · protocol {}", witness.race, witness.title, witness.protocol);
    page.wrapped(&title, 2, columns, Paint::Head);
    page.wrapped(&story::headline(witness), 2, columns, Paint::Bad);
    page.wrapped(&story::demand(witness), 2, columns, Paint::Dim);
    page.wrapped(&story::found(witness), 2, columns, Paint::Plain);
}

fn foot(witness: &Witness, shown: &Shown, columns: usize, page: &mut Page) {
    for paragraph in [Some(story::held(witness)), shown.left_out()].into_iter().flatten() {
        for line in wrap(&paragraph, columns - 2, 2) {
            page.write(&format!("  {line}"), Paint::Plain);
        }
    }
    for line in command(&format!("  replay: {}", witness.replay), columns) {
        page.write(&line, Paint::Plain);
    }
}

/// Breaks a shell command into lines that a shell puts together again.
fn command(command: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for (i, word) in command.split(' ').enumerate() {
        if i > 0 && width(&line) + width(word) + " \\".len() >= columns && !line.trim().is_empty() {
            lines.push(format!("{line} \\"));
            line = "     ".to_owned();
        }
        line.push_str(if i > 0 { " " } else { "" });
        let mut word = word;
        // A schedule can be longer than a line. A shell joins the parts if nothing stands between
        // them.
        while width(&line) + width(word) + " \\".len() > columns {
            let (head, tail) = word.split_at(break_at(word, columns - width(&line) - 1));
            lines.push(format!("{line}{head}\\"));
            (line, word) = (String::new(), tail);
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// The steps in columns.
struct Table<'a> {
    witness: &'a Witness,
    shown: &'a Shown,
    marks: Marks,
    /// Columns of the step numbers.
    number: usize,
    lanes: Vec<usize>,
    /// Whether all CPUs share one column, for want of width.
    single: bool,
    /// Whether what is true now has a column, instead of standing below the step.
    now_beside: bool,
    source: bool,
    /// Widths of the lanes, of what is true now, and of the source lines.
    widths: Vec<usize>,
    heads: Vec<Cell>,
}

#[derive(Clone, Copy)]
struct Marks {
    bad: &'static str,
    arrow: &'static str,
}

impl<'a> Table<'a> {
    fn new(witness: &'a Witness, shown: &'a Shown, columns: usize, style: Style) -> Self {
        let marks = if style.ascii {
            Marks { bad: "x", arrow: "->" }
        } else {
            Marks { bad: "✗", arrow: "→" }
        };
        let (names, lanes) = (story::heads(witness), shown.lanes(witness));
        let number = witness.steps.len().to_string().len().max(2);
        let source = !style.hide_source && witness.steps.iter().any(|s| !s.at.is_empty());
        let mut table = Self {
            witness,
            shown,
            marks,
            number,
            heads: lanes.iter().map(|&lane| Cell::new(&*names[lane], Paint::Head)).collect(),
            lanes,
            single: false,
            now_beside: style.detail != Detail::Brief
                && shown.rows.iter().any(|i| {
                    !witness.steps[*i].now.is_empty() || story::violated(witness, *i).is_some()
                }),
            source,
            widths: Vec::new(),
        };
        // The first layout that leaves every lane wide enough, from the richest to the plainest; no
        // word is broken if that can be had.
        let (rich, plain) = ((source, table.now_beside, false), (false, false, false));
        let layouts = [
            (rich, true),
            ((false, rich.1, false), true),
            (plain, true),
            (plain, false),
            ((false, false, true), false),
        ];
        for ((source, now_beside, single), whole_words) in layouts {
            (table.source, table.now_beside, table.single) = (source, now_beside, single);
            if table.fits(columns, whole_words) {
                break;
            }
        }
        table
    }

    /// Divides the width; says whether every column has enough of it.
    fn fits(&mut self, columns: usize, whole_words: bool) -> bool {
        let mut natural: Vec<usize> = self.head().iter().map(Cell::natural).collect();
        let mut least = vec![NARROWEST; natural.len()];
        for i in &self.shown.rows {
            for (column, cell) in self.cells(*i).iter().enumerate() {
                natural[column] = natural[column].max(cell.natural());
                if whole_words {
                    least[column] = least[column].max(cell.longest_word()).min(WIDEST_WORD);
                }
            }
        }
        let gaps = self.prefix() + GAP * (natural.len() - 1);
        let fixed = match natural.last_mut() {
            Some(at) if self.source => {
                *at = (*at).min(NARROWEST);
                *at
            }
            _ => 0,
        };
        let divided = natural.len() - usize::from(self.source);
        self.widths = shares(&natural[..divided], columns.saturating_sub(gaps + fixed));
        let enough = self
            .widths
            .iter()
            .zip(&natural)
            .zip(&least)
            .all(|((width, natural), least)| *width >= (*natural).min(*least));
        if self.source {
            self.widths.push(fixed);
        }
        enough
    }

    /// Columns before the first lane: a mark, the number, a gap.
    fn prefix(&self) -> usize {
        2 + self.number + GAP
    }

    fn head(&self) -> Vec<Cell> {
        let mut head = self.heads.clone();
        if self.single {
            head = vec![Cell::new("CPU", Paint::Head), Cell::new("steps", Paint::Head)];
        }
        if self.now_beside {
            head.push(Cell::new("now true", Paint::Head));
        }
        if self.source {
            head.push(Cell::new("at", Paint::Head));
        }
        head
    }

    /// The cells of step `i`.
    fn cells(&self, i: usize) -> Vec<Cell> {
        let step = &self.witness.steps[i];
        let bad = story::violating(self.witness) == Some(i);
        let paint =
            if bad && step.kind == StepKind::Violation { Paint::Bad } else { Paint::of(step.kind) };
        let text = story::text(self.witness, step);
        let mut cell =
            Cell { indent: usize::from(step.depth.min(8)) * INDENT, ..Cell::new(text, paint) };
        let mark = if self.now_beside { String::new() } else { format!("{} ", self.marks.arrow) };
        // Below a step, it need not be said again what the step says itself.
        let told = |now: &&String| self.now_beside || !story::tells(step, now);
        let mut now: Vec<_> =
            step.now.iter().filter(told).map(|now| format!("{mark}{now}")).collect();
        now.extend(
            story::violated(self.witness, i).map(|what| format!("{} {what}", self.marks.bad)),
        );
        if !self.now_beside {
            cell.paragraphs.append(&mut now);
        }
        let lane = story::lane(self.witness, step.cpu);
        let mut cells = vec![Cell::default(); self.lanes.len()];
        if self.single {
            let known = lane < self.witness.cpus.len();
            let cpu = if known { lane.to_string() } else { "?".to_owned() };
            cells = vec![Cell::new(cpu, Paint::Head), cell];
        } else if let Some(at) = self.lanes.iter().position(|&drawn| drawn == lane) {
            cells[at] = cell;
        }
        if self.now_beside {
            let paint = if bad { Paint::Bad } else { Paint::Plain };
            cells.push(Cell { paragraphs: now, indent: 0, paint });
        }
        if self.source {
            let file = step.at.rsplit('/').next().unwrap_or_default();
            cells.push(Cell::new(file, Paint::Dim));
        }
        cells
    }

    fn draw(&self, page: &mut Page) {
        let repeating = story::repeating(self.witness);
        let repeats = |i: usize| repeating.as_ref().is_some_and(|r| r.contains(&i));
        self.row("", ' ', &self.head(), page);
        if let Some(said) = self.shown.start() {
            for line in wrap(&said, self.columns(), 2) {
                page.write(&format!("{}{line}", " ".repeat(self.prefix())), Paint::Plain);
            }
        }
        let switches = story::switches(self.witness, &self.shown.rows);
        let mut before: Option<usize> = None;
        for (at, i) in self.shown.rows.iter().copied().enumerate() {
            let inside = repeats(i) && before.is_some_and(repeats);
            if let Some(before) = before {
                if repeats(before) && !inside {
                    self.repeat_for_ever(page);
                }
                if switches.iter().any(|&(_, to)| to == at) {
                    self.rule("switch", inside, page);
                }
            }
            let mark = match (repeats(i), inside) {
                (true, false) => '┌',
                (true, true) => '│',
                _ if story::violating(self.witness) == Some(i) => '✗',
                _ if self.shown.gaps.contains(&i) => '⋮',
                _ => ' ',
            };
            self.row(&(i + 1).to_string(), mark, &self.cells(i), page);
            before = Some(i);
        }
        if before.is_some_and(repeats) {
            self.repeat_for_ever(page);
        }
        if let Some(found) = story::audited(self.witness) {
            self.rule(story::ENDED, false, page);
            for (i, line) in wrap(&found, self.columns(), 2).iter().enumerate() {
                let mark = if i == 0 { self.marks.bad } else { " " };
                let space = " ".repeat(self.prefix() - 1);
                page.write(&format!("{mark}{space}{line}"), Paint::Bad);
            }
        }
    }

    fn row(&self, number: &str, mark: char, cells: &[Cell], page: &mut Page) {
        let repeating = matches!(mark, '┌' | '│');
        for (i, mut line) in side_by_side(cells, &self.widths).into_iter().enumerate() {
            let (mark, number) = match i {
                0 => (mark, number),
                _ => (if repeating { '│' } else { ' ' }, ""),
            };
            let paint = if mark == '✗' { Paint::Bad } else { Paint::Dim };
            let gap = " ".repeat(GAP);
            line.insert(0, (format!("{mark} "), paint));
            line.insert(1, (format!("{number:>width$}{gap}", width = self.number), Paint::Dim));
            page.line(&line);
        }
    }

    /// Columns that all lanes take, and what stands beside them.
    fn columns(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * (self.widths.len() - 1)
    }

    /// A line across everything, and what it is for.
    fn rule(&self, says: &str, repeating: bool, page: &mut Page) {
        let (columns, says) = (self.columns(), format!("── {says} "));
        let mark = if repeating { '│' } else { ' ' };
        let space = " ".repeat(self.prefix() - 1);
        page.write(&format!("{mark}{space}{says:─<columns$}"), Paint::Dim);
    }

    fn repeat_for_ever(&self, page: &mut Page) {
        let columns = self.prefix() + self.columns();
        for (i, line) in wrap(story::FOR_EVER, columns.saturating_sub(3).max(MIN_WIDTH - 3), 0)
            .iter()
            .enumerate()
        {
            let mark = if i == 0 { "└─ " } else { "   " };
            page.write(&format!("{mark}{line}"), Paint::Bad);
        }
    }
}
