//! Wrapping, and cells side by side.

use unicode_width::UnicodeWidthChar;

use super::paint::{Paint, width};

/// What separates two columns.
pub(super) const GAP: usize = 2;

/// A coloured text that is wrapped inside its column.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// The text, one paragraph a line.
    pub paragraphs: Vec<String>,
    /// Columns to indent it by.
    pub indent: usize,
    /// Its colour.
    pub paint: Paint,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, paint: Paint) -> Self {
        Self { paragraphs: vec![text.into()], indent: 0, paint }
    }

    /// The width it would like to have.
    pub(super) fn natural(&self) -> usize {
        self.paragraphs.iter().map(|p| self.indent + width(p)).max().unwrap_or(0)
    }

    /// The width in which no word has to be broken.
    pub(super) fn longest_word(&self) -> usize {
        let word = |p: &String| p.split(' ').map(width).max().unwrap_or(0);
        // In the second line a word stands further to the right.
        self.paragraphs
            .iter()
            .map(|p| self.indent + word(p) + 2 * usize::from(width(p) > word(p)))
            .max()
            .unwrap_or(0)
    }

    fn wrapped(&self, columns: usize) -> Vec<String> {
        // Deep calls must not squeeze their text into a stripe.
        let indent = self.indent.min(columns / 3);
        let hang = (columns - indent).min(2) * usize::from(columns - indent > 8);
        let lines = self.paragraphs.iter().flat_map(|p| wrap(p, columns - indent, hang));
        lines.map(|line| format!("{:indent$}{line}", "")).collect()
    }
}

/// Lays `cells` side by side in columns of the given `widths`; each line is as wide as its text.
pub(super) fn side_by_side(cells: &[Cell], widths: &[usize]) -> Vec<Vec<(String, Paint)>> {
    let wrapped: Vec<_> = cells.iter().zip(widths).map(|(cell, w)| cell.wrapped(*w)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let line = |row: usize| {
        let piece = |((column, cell), columns): ((&Vec<String>, &Cell), &usize)| {
            let text = column.get(row).map_or("", String::as_str);
            let pad = columns.saturating_sub(width(text)) + GAP;
            (format!("{text}{:pad$}", ""), cell.paint)
        };
        wrapped.iter().zip(cells).zip(widths).map(piece).collect()
    };
    (0..height).map(line).collect()
}

/// Divides `available` columns among cells of these `natural` widths: what is wanted where it fits,
/// otherwise equal shares of what the modest ones leave.
pub(super) fn shares(natural: &[usize], available: usize) -> Vec<usize> {
    let mut widths = vec![0; natural.len()];
    let mut open: Vec<usize> = (0..natural.len()).collect();
    let mut left = available;
    while !open.is_empty() {
        let share = left / open.len();
        let modest = open.iter().position(|i| natural[*i] <= share);
        let Some(modest) = modest else {
            let rest = left % open.len();
            for (n, i) in open.iter().enumerate() {
                widths[*i] = share + usize::from(n < rest);
            }
            break;
        };
        let i = open.swap_remove(modest);
        open.sort_unstable();
        widths[i] = natural[i];
        left -= natural[i];
    }
    widths
}

/// Breaks `text` into lines of at most `columns`, all but the first indented by `hang`. Words that
/// are too long are broken after punctuation where possible.
pub(super) fn wrap(text: &str, columns: usize, hang: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word;
        loop {
            let indent = if lines.is_empty() { 0 } else { hang };
            if line.is_empty() {
                line = " ".repeat(indent);
            }
            let space = usize::from(width(&line) > indent);
            let room = columns.saturating_sub(width(&line) + space);
            if width(word) <= room {
                line.push_str(&" ".repeat(space));
                line.push_str(word);
                break;
            }
            if space == 0 {
                let (head, tail) = word.split_at(break_at(word, room));
                line.push_str(head);
                word = tail;
            }
            lines.push(std::mem::take(&mut line));
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Where to break a word that is wider than `room`: at least one character in, so that there is
/// progress.
pub(super) fn break_at(word: &str, room: usize) -> usize {
    let (mut used, mut fits, mut nice) = (0, 0, 0);
    for (start, c) in word.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room && fits > 0 {
            break;
        }
        fits = start + c.len_utf8();
        let tail = word[fits..].chars().nth(2).is_some();
        if "_.:,;/()[]|*-".contains(c) && used * 2 > room && (tail || nice == 0) {
            nice = fits;
        }
    }
    if nice > 0 { nice } else { fits }
}
