//! Lines of text, in colour if asked.

use owo_colors::{OwoColorize, Style as Ansi};
use unicode_width::UnicodeWidthStr;

use super::Style;
use super::cells::wrap;
use super::clean::ascii;
use crate::StepKind;

/// What a piece of text means, and so how it is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paint {
    #[default]
    Plain,
    Head,
    Dim,
    Lock,
    Store,
    Good,
    Bad,
    Doubt,
}

impl Paint {
    pub(super) fn of(kind: StepKind) -> Self {
        use StepKind::*;
        match kind {
            Lock | LockShared | TryLock | Unlock | RcuLock | RcuUnlock | Rcu => Self::Lock,
            Store => Self::Store,
            Load | Fence => Self::Dim,
            TryLockFailed | Blocked => Self::Doubt,
            Violation => Self::Bad,
            Call | Return | Note => Self::Plain,
        }
    }

    fn ansi(self) -> Ansi {
        let ansi = Ansi::new();
        match self {
            Self::Plain => ansi,
            Self::Head => ansi.bold(),
            Self::Dim => ansi.dimmed(),
            Self::Lock => ansi.cyan(),
            Self::Store => ansi.yellow(),
            Self::Good => ansi.green(),
            Self::Bad => ansi.red().bold(),
            Self::Doubt => ansi.magenta(),
        }
    }
}

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A text under construction.
pub(super) struct Page {
    style: Style,
    text: String,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        let text = String::new();
        Self { style, text }
    }

    /// Adds a line made of `pieces`, without the spaces at its end.
    pub(super) fn line(&mut self, pieces: &[(String, Paint)]) {
        let end = pieces.iter().rposition(|(text, _)| !text.trim_end().is_empty());
        for (i, (text, paint)) in pieces.iter().enumerate().take(end.map_or(0, |e| e + 1)) {
            let text = if Some(i) == end { text.trim_end() } else { text };
            // Texts are in ASCII before they are laid out; what is left are marks and rules, one
            // column each.
            let text = if self.style.ascii { ascii(text) } else { text.to_owned() };
            if self.style.color && *paint != Paint::Plain && !text.trim().is_empty() {
                self.text.push_str(&text.style(paint.ansi()).to_string());
            } else {
                self.text.push_str(&text);
            }
        }
        self.text.push('\n');
    }

    /// Adds one line of one colour.
    pub(super) fn write(&mut self, text: &str, paint: Paint) {
        self.line(&[(text.to_owned(), paint)]);
    }

    /// Adds a paragraph of one colour, all lines but the first indented by `hang`.
    pub(super) fn wrapped(&mut self, text: &str, hang: usize, width: usize, paint: Paint) {
        for line in wrap(text, width, hang) {
            self.write(&line, paint);
        }
    }

    /// Adds an empty line.
    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}
