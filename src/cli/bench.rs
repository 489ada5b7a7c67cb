//! `lockwalk bench`: the exhaustive scheduler beside loom and shuttle.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use lockwalk_bench::{Format, Limit, Options, Progress, host};

use super::args::BenchArgs;
use super::output::{Terminal, complain, print};
use super::progress::{Bar, stop_on_ctrl_c};
use super::{Refusal, Status};

/// Runs the benchmark; each table is printed when it is complete.
pub fn run(args: &BenchArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let stop = stop_on_ctrl_c();
    let bar = Bar::new();
    let all = Options::default();
    let tables = !args.family.is_empty() || !args.size.is_empty() || !(args.overhead || args.memory);
    let or_all = |asked: &[_], all| if asked.is_empty() { all } else { asked.to_vec() };
    let options = Options {
        families: if tables { or_all(&args.family, all.families) } else { Vec::new() },
        sizes: if args.size.is_empty() { all.sizes } else { args.size.clone() },
        limit: Limit { time: args.time, stop: Some(stop.clone()) },
        format: if args.markdown { Format::Markdown } else { Format::Plain },
        overhead: args.overhead,
        memory: args.memory,
    };
    let ascii = terminal.style().ascii;
    let mut out = Stdout { bar: &bar, ascii, gone: false, stop: &stop };
    let head = |text: &str| if ascii { text.replace('·', "-") } else { text.to_owned() };
    print(&head(&format!("lockwalk bench · {}\n\n", host())))?;
    let say = &mut |Progress { now, done, total }: Progress<'_>| bar.say(&format!("{done} of {total} · {now}"));
    lockwalk_bench::run(&options, &mut out, say).map_err(|error| Refusal(format!("cannot write: {error}")))?;
    bar.finish();
    if stop.load(Ordering::Relaxed) && !out.gone {
        complain("stopped: only what is printed was measured");
        return Ok(Status::Undecided);
    }
    Ok(Status::AsDocumented)
}

/// Standard output, with the line of progress out of the way. A reader that has gone away is no error.
struct Stdout<'b> {
    bar: &'b Bar,
    ascii: bool,
    gone: bool,
    stop: &'b AtomicBool,
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = if self.ascii { text.replace('µ', "u") } else { text.into_owned() };
        match self.bar.aside(|| io::stdout().lock().write_all(text.as_bytes())) {
            // Nobody is left to measure for.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                self.stop.store(true, Ordering::Relaxed);
            }
            result => result?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gone { Ok(()) } else { io::stdout().flush() }
    }
}
