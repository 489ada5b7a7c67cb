//! Where the output goes: a terminal, a pipe, or a file that is there whole or not at all.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process;

use lockwalk::witness::render::{self, Style};
use serde::Serialize;

use super::Refusal;
use super::args::Color;

/// Columns where there is no terminal to ask.
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
        let width = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten().map_or(COLUMNS, |(width, _)| width.0.into());
        Self { width, color, ascii }
    }

    /// How to draw on standard output.
    pub fn style(&self) -> Style {
        Style { color: self.colors(io::stdout().is_terminal()), ascii: self.ascii, ..Style::default() }
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

/// Prints to standard output. A reader that has gone away is no error: it has seen what it wanted.
pub fn print(text: &str) -> Result<(), Refusal> {
    print_if_read(text).map(|_| ())
}

/// The number of the format in which everything is printed that is asked for as JSON.
const FORMAT: u32 = 1;

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

/// Prints to standard output, and says whether anybody still reads it.
pub fn print_if_read(text: &str) -> Result<bool, Refusal> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Refusal(format!("cannot write: {error}"))),
        Ok(()) => Ok(true),
    }
}

/// Prints a line to standard error, if anybody listens.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes `text` to `path` or, if that fails, leaves what was there.
pub fn write(path: &Path, text: &str) -> Result<(), Refusal> {
    try_write(path, text).map_err(|error| Refusal(format!("cannot write {}: {error}", path.display())))
}

/// Can files be written into this directory, which is made if it does not exist?
pub fn make_writable(directory: &Path) -> Result<(), Refusal> {
    fs::create_dir_all(directory).map_err(|error| Refusal(format!("cannot make {}: {error}", directory.display())))?;
    check_writable(&directory.join("index.md"))
}

/// Can `path` be written? Better to know before hours of work than after.
pub fn check_writable(path: &Path) -> Result<(), Refusal> {
    let check = || {
        if path.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let beside = temporary(path)?;
        fs::File::create_new(&beside).and_then(|_| fs::remove_file(&beside))
    };
    if path.exists() && !path.is_file() && !path.is_dir() {
        return Ok(()); // a device, a pipe
    }
    check().map_err(|error| Refusal(format!("cannot write {}: {error}", path.display())))
}

fn try_write(path: &Path, text: &str) -> io::Result<()> {
    // What is not a file, /dev/stdout for example, cannot be replaced by one; what is behind a link is what is meant.
    let target = match fs::canonicalize(path) {
        Ok(target) if fs::metadata(&target)?.is_file() => target,
        Ok(other) => return fs::OpenOptions::new().write(true).open(other)?.write_all(text.as_bytes()),
        Err(_) => path.to_owned(),
    };
    let beside = temporary(&target)?;
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", process::id()));
    Ok(path.with_file_name(hidden))
}
