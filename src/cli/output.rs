//! Standard output and standard error: a terminal, or a pipe that may break.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process;

use crate::witness::render::{self, Style};
use serde::Serialize;

use super::Refusal;
use super::args::Color;

/// Columns where there is no terminal to ask, and `COLUMNS` does not say.
const COLUMNS: usize = 100;

/// What standard output can show.
pub struct Terminal {
    /// Columns.
    pub width: usize,
    color: Color,
    ascii: bool,
}

impl Terminal {
    pub fn new(color: Color, ascii: bool) -> Self {
        let terminal = io::stdout()
            .is_terminal()
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|(width, _)| width.0.into());
        let asked = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
        let width = terminal.or_else(asked).unwrap_or(COLUMNS);
        Self { width, color, ascii }
    }

    /// How to draw on standard output.
    pub fn style(&self) -> Style {
        Style {
            color: self.colors(io::stdout().is_terminal()),
            ascii: self.ascii,
            ..Style::default()
        }
    }

    /// How to draw into a file.
    pub fn file_style(&self) -> Style {
        Style { color: self.colors(false), ascii: self.ascii, ..Style::default() }
    }

    fn colors(&self, terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !dumb && !set("NO_COLOR"),
        }
    }
}

/// Prints to standard output.
pub fn print(text: &str) -> Result<(), Refusal> {
    let mut stdout = io::stdout().lock();
    printed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Where verdicts go: to standard output, unless that is where an exploration is saved.
pub fn print_beside(saved: Option<&Path>, text: &str) -> Result<(), Refusal> {
    if saved.is_none_or(|file| file != Path::new("-")) {
        return print(text);
    }
    let mut stderr = io::stderr().lock();
    printed(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()))
}

/// What became of printing.
pub fn printed(how: io::Result<()>) -> Result<(), Refusal> {
    match how {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => reader_left(),
        Err(error) => Err(Refusal(format!("cannot write: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// The number of the format in which everything is printed that is asked for as JSON.
const FORMAT: u32 = 3;

/// JSON that says which lockwalk wrote it, in which format.
pub fn json(what: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Envelope<'w, W> {
        lockwalk: &'static str,
        format: u32,
        #[serde(flatten)]
        what: &'w W,
    }
    render::json(&Envelope { lockwalk: env!("CARGO_PKG_VERSION"), format: FORMAT, what }) + "\n"
}

/// Who was to read the output has gone, and nobody is left to work for. Ends as if by SIGPIPE, as a
/// shell shows that: whatever the verdicts are, nobody has seen them.
pub fn reader_left() -> ! {
    process::exit(141)
}

/// A file's name in a message, which has one line whatever the file is called.
pub fn shown(file: &Path) -> String {
    one_line(&file.display().to_string())
}

/// The text with its control characters written out.
pub fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

/// Prints a line to standard error, if anybody listens.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
