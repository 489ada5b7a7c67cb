//! Lines of text.

use super::cells::wrap;
use super::{MIN_WIDTH, Style, clean};

/// The lines of `text`, none of them wider than `width`: what is too long goes on below, two
/// columns further in.
pub fn paragraphs(text: &str, width: usize, style: Style) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let lines = wrap(&clean::clean(line, style.ascii), width.max(MIN_WIDTH) - indent, 2);
        lines.into_iter().map(|line| format!("{:indent$}{line}\n", "")).collect::<String>()
    };
    text.lines().map(line).collect()
}
