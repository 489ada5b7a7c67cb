//! Witnesses and verdicts as text, SVG, Mermaid and JSON.
//!
//! Every renderer takes plain data and returns a string; nothing here looks at a terminal or at the
//! environment. None of them trusts its input: odd indices and odd characters are drawn as well as
//! can be, and never panic.

mod cells;
mod clean;
mod lockdep;
mod mermaid;
mod paint;
mod prose;
mod svg;
mod table;
mod text;

pub use clean::ascii;
pub use mermaid::mermaid;
pub use prose::paragraphs;
pub use svg::svg;
pub use table::{line, summary, table};
pub use text::{rows, text};

pub use crate::shown::Detail;
use crate::shown::Shown;
use crate::{Witness, brief};

/// The narrowest width text is laid out for; narrower requests are treated like this one.
pub const MIN_WIDTH: usize = 40;

/// How text is drawn. The default fits a commit message: no colours, the story only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colour it with ANSI sequences. The caller knows the terminal and `NO_COLOR`.
    pub color: bool,
    /// Use ASCII only: `->` for `→`, `x` for `✗`.
    pub ascii: bool,
    /// Which steps to show.
    pub detail: Detail,
    /// Leave the source lines out.
    pub hide_source: bool,
}

/// What a drawing is made of: the witness without what would harm a page, and which of its steps to
/// show.
fn prepared(witness: &Witness, ascii: bool, detail: Detail) -> (Witness, Shown) {
    let mut witness = clean::witness(witness, ascii);
    let shown = Shown::new(&witness, detail);
    if detail == Detail::Brief {
        brief::only(&mut witness, &shown.rows);
    }
    (witness, shown)
}

/// Any of this crate's values as indented JSON, for example a [`Witness`] or a slice of
/// [`Outcome`](crate::Outcome)s.
pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("plain data serializes")
}
