//! Where output goes: into files that are there as a whole, with the permissions they had, and
//! through whatever is no file.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{directory, good, lockwalk, outcomes, refused, run};

const EXPLAIN: &str = "explain S3.8 --format json";

/// What it writes, and what the kernel calls the place in which it does.
fn drawing() -> String {
    good(EXPLAIN)
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

#[test]
fn a_file_keeps_its_permissions_and_its_owner() {
    let directory = directory("permissions");
    let drawing = drawing();
    let file = directory.join("f");
    let write = format!("{EXPLAIN} --output {}", file.display());
    assert_eq!(good(&write), "");
    let fresh = fs::metadata(&file).expect("it is written").mode();
    fs::write(directory.join("fresh"), "").expect("writable");
    assert_eq!(
        fresh,
        fs::metadata(directory.join("fresh")).expect("it is written").mode(),
        "as that of any new file"
    );
    for mode in [0o600, 0o640, 0o755, 0o666] {
        fs::write(&file, "before").expect("writable");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("it is ours");
        assert_eq!(good(&write), "");
        let found = fs::metadata(&file).expect("still there");
        assert_eq!(
            (found.mode() & 0o777, fs::read_to_string(&file).expect("still there")),
            (mode, drawing.clone())
        );
    }
    // Only root can give a file to somebody else.
    if chown(&file, Some(12345), Some(54321)).is_ok() {
        assert_eq!(good(&write), "");
        let found = fs::metadata(&file).expect("still there");
        assert_eq!((found.uid(), found.gid()), (12345, 54321));
    }
    assert_eq!(
        fs::read_dir(&directory).expect("a directory").count(),
        2,
        "nothing temporary is left"
    );
}

#[test]
fn what_is_read_only_is_left_alone() {
    let directory = directory("read-only");
    let file = directory.join("f");
    let name = file.display().to_string();
    fs::write(&file, "before").expect("writable");
    fs::set_permissions(&file, Permissions::from_mode(0o444)).expect("it is ours");
    for args in [
        format!("{EXPLAIN} --output {name}"),
        format!("check S3.8 --engine dpor --force --save {name}"),
    ] {
        let line = refused(&args);
        assert!(line.starts_with(&format!("error: cannot write {name}: ")), "{line}");
    }
    fs::rename(&file, directory.join("index.html")).expect("writable");
    let line = refused(&format!("report --output {}", directory.display()));
    assert!(line.starts_with("error: cannot write ") && line.contains("index.html: "), "{line}");
    assert_eq!(fs::read_to_string(directory.join("index.html")).expect("still there"), "before");
    assert_eq!(
        fs::read_dir(&directory).expect("a directory").count(),
        1,
        "and it was known before anything was drawn"
    );
}

#[test]
fn links_are_followed_and_stay() {
    let directory = directory("links");
    let drawing = drawing();
    let path = |name: &str| directory.join(name);
    fs::create_dir(path("elsewhere")).expect("writable");
    fs::write(path("elsewhere/there"), "before").expect("writable");
    // The last one is a link to a link.
    for (link, target) in [
        ("link", "elsewhere/there"),
        ("dangling", "elsewhere/new"),
        ("second", "third"),
        ("third", "elsewhere/newer"),
    ] {
        symlink(target, path(link)).expect("writable");
    }
    for (link, target) in
        [("link", "elsewhere/there"), ("dangling", "elsewhere/new"), ("second", "elsewhere/newer")]
    {
        assert_eq!(good(&format!("{EXPLAIN} --output {}", path(link).display())), "");
        assert!(is_link(&path(link)), "{link}");
        assert!(
            !is_link(&path(target))
                && fs::read_to_string(path(target)).expect("it is written") == drawing,
            "{target}"
        );
        fs::remove_file(path(target)).expect("it is ours");
        good(&format!("check =S3.8 --engine dpor --format lines --save {}", path(link).display()));
        assert!(
            is_link(&path(link))
                && outcomes(&format!("check --resume {} --format json", path(target).display()))
                    .len()
                    > 1
        );
    }
    symlink("round", path("round")).expect("writable");
    symlink("no/where", path("nowhere")).expect("writable");
    for (link, why) in
        [("round", "Too many levels of symbolic links"), ("nowhere", "No such file or directory")]
    {
        let line = refused(&format!("{EXPLAIN} --output {}", path(link).display()));
        assert!(line.contains(why), "{line}");
    }
    let there = fs::read_dir(&directory).expect("a directory").count()
        + fs::read_dir(path("elsewhere")).expect("a directory").count();
    assert_eq!(there, 7 + 3, "nothing else is left");
}

/// Never with the machine's own /dev/stdout: what is wrong here would replace it.
#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_written_to_and_not_replaced() {
    let directory = directory("no-files");
    let drawing = drawing();
    let (stdout, fifo) = (directory.join("stdout"), directory.join("fifo"));
    symlink("/proc/self/fd/1", &stdout).expect("writable");
    for name in ["-".to_owned(), stdout.display().to_string()] {
        let write = format!("{EXPLAIN} --output {name}");
        assert_eq!(good(&write), drawing, "through a pipe");
        // In a file that the shell has opened there is something already.
        let log = directory.join("log");
        fs::write(&log, "before\n").expect("writable");
        let opened = fs::OpenOptions::new().append(true).open(&log).expect("writable");
        assert!(lockwalk(&write).stdout(opened).status().expect("it starts").success());
        assert_eq!(fs::read_to_string(&log).expect("still there"), format!("before\n{drawing}"));
    }
    // The same file under its own name, and what somebody has opened for another purpose.
    let log = directory.join("log");
    for name in [log.to_str().expect("UTF-8"), "/proc/self/fd/2"] {
        fs::write(&log, "before\n").expect("writable");
        let opened = || fs::OpenOptions::new().append(true).open(&log).expect("writable");
        let mut command = lockwalk(&format!("{EXPLAIN} --output {name}"));
        let command = if name == "/proc/self/fd/2" {
            command.stderr(opened())
        } else {
            command.stdout(opened())
        };
        assert!(command.status().expect("it starts").success());
        assert_eq!(
            fs::read_to_string(&log).expect("still there"),
            format!("before\n{drawing}"),
            "{name}"
        );
    }
    assert_eq!(fs::read_link(&stdout).expect("it is still a link"), Path::new("/proc/self/fd/1"));
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo(1)").success());
    let mut reader = Command::new("cat").arg(&fifo).stdout(Stdio::piped()).spawn().expect("cat(1)");
    assert_eq!(good(&format!("{EXPLAIN} --output {}", fifo.display())), "");
    let mut read = String::new();
    reader.stdout.take().expect("it is piped").read_to_string(&mut read).expect("UTF-8");
    reader.wait().expect("it ends");
    assert_eq!(read, drawing);
    assert!(!fs::metadata(&fifo).expect("still there").is_file());
    assert_eq!(good(&format!("{EXPLAIN} --output /dev/null")), "");
    let (_, full) = run(&format!("{EXPLAIN} --output /dev/full"), 2);
    assert_eq!(full, "error: cannot write /dev/full: No space left on device (os error 28)\n");
    assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 3);
    assert!(!Path::new("-").exists(), "that is no file");
}

/// A limit of the shell's on the size of files is met as a full disk is: nothing is half-written,
/// and what was there is still there.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_be_so_large_is_left_alone() {
    let directory = directory("too-large");
    let saved = directory.join("s.json").display().to_string();
    good(&format!("check =S3.8 --engine dpor --save {saved}"));
    let before = fs::read(&saved).expect("it is kept");
    let file = directory.join("f").display().to_string();
    for (args, name) in [
        (format!("{EXPLAIN} --output {file}"), &file),
        (format!("check =S3.8 --engine dpor --force --save {saved}"), &saved),
    ] {
        let output = Command::new("sh")
            .args(["-c", "ulimit -f 1; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_lockwalk")])
            .args(args.split_whitespace())
            .output()
            .expect("sh(1)");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), &*stderr),
            (Some(2), &*format!("error: cannot write {name}: File too large (os error 27)\n")),
            "{args}"
        );
    }
    assert_eq!(fs::read(&saved).expect("still there"), before);
    assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 1, "nothing else is left");
}
