//! Files that output goes to: there as a whole or not at all, and found to be writable before the
//! work begins.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf, is_separator};

use tempfile::NamedTempFile;

use super::Refusal;
use super::output::{print_as_it_is, reader_left};

/// Where output goes.
pub struct Sink {
    /// As the user calls it.
    name: PathBuf,
    to: To,
}

enum To {
    Stdout,
    /// What cannot be replaced: a device, a pipe, or a file that somebody has opened for us.
    Stream(File),
    /// A file behind all links, which need not exist.
    File(PathBuf),
}

impl Sink {
    /// Finds out whether output can go to `name`. `-` is standard output.
    pub fn open(name: &Path) -> Result<Self, Refusal> {
        let to = To::open(name).map_err(|error| cannot_write(name, error))?;
        Ok(Self { name: name.to_owned(), to })
    }

    /// Writes the text, or leaves what was there.
    pub fn write(&self, text: &str) -> Result<(), Refusal> {
        let written = match &self.to {
            To::Stdout => return print_as_it_is(text),
            To::Stream(stream) => { stream }.write_all(text.as_bytes()),
            To::File(file) => beside(file, text).and_then(|new| Ok(new.persist(file).map(drop)?)),
        };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => reader_left(),
            written => written.map_err(|error| self.cannot_write(error)),
        }
    }

    /// The file, if it is one that can be replaced.
    pub fn file(&self) -> Option<&Path> {
        match &self.to {
            To::File(file) => Some(file),
            To::Stdout | To::Stream(_) => None,
        }
    }

    /// May it be a terminal?
    pub fn is_stdout(&self) -> bool {
        matches!(self.to, To::Stdout)
    }

    pub fn cannot_write(&self, error: io::Error) -> Refusal {
        cannot_write(&self.name, error)
    }
}

impl To {
    fn open(name: &Path) -> io::Result<Self> {
        if name.as_os_str() == "-" {
            return Ok(To::Stdout);
        }
        let found = fs::metadata(name);
        if found.as_ref().is_ok_and(is_stdout) {
            return Ok(To::Stdout);
        }
        let (end, opened) = behind_links(name)?;
        match found {
            Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            // The end of a pipe that is open already can go on; a file that is open already must
            // not be put aside.
            Ok(found) if opened || !found.is_file() => {
                return Ok(To::Stream(OpenOptions::new().append(true).open(name)?));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(_) => drop(OpenOptions::new().write(true).open(&end)?),
            Err(_) if end.as_os_str().to_string_lossy().ends_with(is_separator) => {
                return Err(ErrorKind::IsADirectory.into());
            }
            Err(_) => {}
        }
        beside(&end, "")?;
        Ok(To::File(end))
    }
}

/// A new file beside `file`, with its permissions and its owner, to take its place; it vanishes if
/// that does not happen.
pub fn beside(file: &Path, text: &str) -> io::Result<NamedTempFile<File>> {
    let folder =
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // With the permissions of any new file, not those of a temporary one.
    let new = tempfile::Builder::new()
        .prefix(".lockwalk-")
        .make_in(folder, |path| File::create_new(path))?;
    // Not through `new`, which would name itself in an error.
    new.as_file().write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(file) {
        if old.permissions().readonly() {
            return Err(io::Error::other("it is read-only"));
        }
        give_to_the_owner(new.as_file(), &old)?;
        new.as_file().set_permissions(old.permissions())?;
    }
    new.as_file().sync_all()?;
    Ok(new)
}

/// The file that `name` stands for behind all links, there or not; and whether it is one that a
/// process has opened.
fn behind_links(name: &Path) -> io::Result<(PathBuf, bool)> {
    let mut name = name.to_owned();
    // As many as Linux follows.
    for _ in 0..40 {
        let Ok(next) = fs::read_link(&name) else { return Ok((name, false)) };
        let folder = name.parent().unwrap_or(Path::new("")).to_owned();
        if fs::canonicalize(&folder).is_ok_and(|folder| folder.starts_with("/proc")) {
            return Ok((name, true));
        }
        name = folder.join(next);
    }
    fs::metadata(&name).map(|_| (name, false))
}

fn cannot_write(name: &Path, error: io::Error) -> Refusal {
    Refusal(format!("cannot write {}: {error}", name.display()))
}

/// Can two files be told apart? The same one has the same identity under all its names.
#[cfg(unix)]
pub fn identity(file: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
pub fn identity(_file: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(unix)]
fn is_stdout(file: &Metadata) -> bool {
    use std::os::fd::AsFd;
    let stdout =
        io::stdout().as_fd().try_clone_to_owned().and_then(|stdout| File::from(stdout).metadata());
    stdout.is_ok_and(|stdout| identity(&stdout) == identity(file))
}

#[cfg(not(unix))]
fn is_stdout(_file: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn give_to_the_owner(new: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let ours = new.metadata()?;
    if (ours.uid(), ours.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(new, Some(old.uid()), Some(old.gid())).map_err(|error| {
        io::Error::new(error.kind(), format!("it belongs to somebody else: {error}"))
    })
}

#[cfg(not(unix))]
fn give_to_the_owner(_new: &File, _old: &Metadata) -> io::Result<()> {
    Ok(())
}
