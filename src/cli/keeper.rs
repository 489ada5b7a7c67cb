//! The file that an exploration is kept in. It belongs to one process until that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::Part;
use crate::explore::program::program;
use tempfile::NamedTempFile;

use super::Refusal;
use super::output::shown;
use super::sink::{Sink, beside, identity};

pub struct Keeper {
    name: String,
    sink: Sink,
    /// The file, as it is now: our lock is on it, so that nobody else keeps anything in it.
    locked: Option<File>,
}

impl Keeper {
    /// Takes the file for this process, whether it exists or not.
    pub fn take(file: &Path) -> Result<Self, Refusal> {
        let sink = Sink::open(file)?;
        let locked =
            sink.file().map(lock).transpose().map_err(|error| sink.cannot_write(error))?.flatten();
        Ok(Self { name: shown(file), sink, locked })
    }

    /// Can it be gone on with from there?
    pub fn is_a_file(&self) -> bool {
        self.sink.file().is_some()
    }

    /// May what the file keeps be given up?
    pub fn may_replace(&self) -> Result<(), Refusal> {
        let Some(file) = self.locked.as_ref() else { return Ok(()) };
        if file.metadata().is_ok_and(|found| found.len() == 0) {
            return Ok(());
        }
        let (name, program) = (&self.name, program());
        let (what, instead) = match Part::read(file) {
            Ok(parts) if parts.iter().all(Part::is_settled) => (
                "an exploration that is finished",
                format!("`{program} check --resume {name}` shows it, "),
            ),
            Ok(_) => (
                "an exploration that is not finished",
                format!("`{program} check --resume {name}` goes on with it, "),
            ),
            Err(_) => ("something else", String::new()),
        };
        Err(Refusal(format!("{name} keeps {what}: {instead}--force begins anew")))
    }

    /// Is this the file that is called `other`?
    pub fn is(&self, other: &Path) -> bool {
        let ours = self.locked.as_ref().and_then(|file| identity(&file.metadata().ok()?));
        ours.is_some() && ours == fs::metadata(other).ok().and_then(|found| identity(&found))
    }

    /// Keeps the parts, if that can be done again: what goes into a pipe is written once.
    pub fn keep_for_now(&mut self, parts: &[Part]) -> Result<(), Refusal> {
        let Some(file) = self.sink.file() else { return Ok(()) };
        let new =
            beside(file, &Part::write(parts)).and_then(|new| put(new, file, self.locked.is_some()));
        self.locked = Some(new.map_err(|error| self.sink.cannot_write(error))?);
        Ok(())
    }

    /// Keeps the parts.
    pub fn keep(&mut self, parts: &[Part]) -> Result<(), Refusal> {
        if self.sink.file().is_some() {
            self.keep_for_now(parts)
        } else {
            self.sink.write(&Part::write(parts))
        }
    }
}

/// Locks the file, if there is one.
fn lock(file: &Path) -> io::Result<Option<File>> {
    loop {
        let opened = match OpenOptions::new().read(true).write(true).open(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        opened.try_lock().map_err(in_use)?;
        // Whoever had it may have put another one in its place before letting go.
        let same = |now: fs::Metadata| {
            opened.metadata().is_ok_and(|ours| identity(&ours) == identity(&now))
        };
        if fs::metadata(file).is_ok_and(same) {
            return Ok(Some(opened));
        }
    }
}

/// Puts the new file in place, locked before anybody can see it.
fn put(new: NamedTempFile<File>, file: &Path, replaces: bool) -> io::Result<File> {
    new.as_file().try_lock().map_err(in_use)?;
    let put = if replaces { new.persist(file) } else { new.persist_noclobber(file) };
    put.map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => in_use(TryLockError::WouldBlock),
        _ => error.error,
    })
}

fn in_use(error: TryLockError) -> io::Error {
    match error {
        TryLockError::WouldBlock => {
            io::Error::other("another lockwalk keeps its exploration there")
        }
        TryLockError::Error(error) => error,
    }
}
