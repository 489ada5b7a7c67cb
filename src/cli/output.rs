//! Standard output and standard error: a terminal, or a pipe that may break.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::witness::render::{self, Style};
use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use super::Refusal;
use super::args::Color;

/// Columns where there is no terminal to ask, and `COLUMNS` does not say.
const COLUMNS: usize = 100;

/// Is everything to be ASCII?
static ASCII: AtomicBool = AtomicBool::new(false);

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
        ASCII.store(ascii, Ordering::Relaxed);
        Self { width, color, ascii }
    }

    /// How to draw on standard output.
    pub fn style(&self) -> Style {
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        };
        Style { color, ascii: self.ascii, ..Style::default() }
    }

    /// How to draw into a file.
    pub fn file_style(&self) -> Style {
        let color = matches!(self.color, Color::Always);
        Style { color, ascii: self.ascii, ..Style::default() }
    }
}

/// The text, with other characters in the place of those that are not to be printed.
pub fn fit(text: &str) -> String {
    if ASCII.load(Ordering::Relaxed) { render::ascii(text) } else { text.to_owned() }
}

/// The same of what another program reads, which knows the characters by number: nothing is lost.
pub fn by_number(text: String, write: impl Fn(char) -> String) -> String {
    if text.is_ascii() || !ASCII.load(Ordering::Relaxed) {
        return text;
    }
    text.chars().map(|c| if c.is_ascii() { c.into() } else { write(c) }).collect()
}

/// Prints to standard output.
pub fn print(text: &str) -> Result<(), Refusal> {
    print_as_it_is(&fit(text))
}

/// The same of what must not be changed.
pub fn print_as_it_is(text: &str) -> Result<(), Refusal> {
    let mut stdout = io::stdout().lock();
    printed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Where verdicts go: to standard output, unless that is where an exploration is saved.
pub fn print_beside(saved: Option<&Path>, text: &str) -> Result<(), Refusal> {
    if saved.is_none_or(|file| file != Path::new("-")) {
        return print(text);
    }
    let text = fit(text);
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
const FORMAT: u32 = 4;

/// JSON that says which lockwalk wrote it, in which format.
pub fn json(what: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Envelope<'w, W> {
        lockwalk: &'static str,
        format: u32,
        #[serde(flatten)]
        what: &'w W,
    }
    let text =
        render::json(&Envelope { lockwalk: env!("CARGO_PKG_VERSION"), format: FORMAT, what });
    let utf_16 =
        |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    by_number(text, utf_16) + "\n"
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
    let _ = writeln!(io::stderr(), "{}", fit(line));
}
