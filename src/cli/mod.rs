//! The command line: of the catalogue, or of races of one's own.
//!
//! ```no_run
//! use lockwalk::{Era, Race};
//!
//! fn main() -> std::process::ExitCode {
//!     let race = Race::new("mine", "two stores to the same place")
//!         .world(|w| w.new_process().mmap(1..2))
//!         .cpu("store 1", |w| w.process(0).store(1, 1).expect("it is mapped"))
//!         .cpu("store 2", |w| w.process(0).store(1, 2).expect("it is mapped"))
//!         .holds(Era::V2_6_36);
//!     lockwalk::cli::main(vec![race])
//! }
//! ```
//!
//! That program has every command that `lockwalk` has, for its own races and under its own name.

mod args;
mod bench;
mod check;
mod conform;
mod explain;
mod help;
mod keeper;
mod list;
mod manual;
mod matrix;
mod output;
mod parts;
mod progress;
mod report;
mod runner;
mod select;
mod selfcheck;
mod sink;
mod source;
mod stress;

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::explore::program::{program, program_is};
use crate::witness::Judgement;
use crate::{Outcome, Race};
use clap::error::{ContextKind, ContextValue, ErrorKind};

use args::{Args, CheckArgs, Command};
use output::Terminal;

/// Why a command did not do what was asked, in one line. Exit status 2.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

/// What a command that ran has to say by its exit status. The greater one is the news.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Status {
    /// Every verdict is the documented one; or it was done what was asked for.
    AsDocumented,
    /// A limit, Ctrl-C or the engine left something open.
    Undecided,
    /// Some verdict is not the documented one, or something is violated that nothing documents; or
    /// there is nothing to show.
    Differs,
}

impl Status {
    fn of(outcomes: &[Outcome]) -> Self {
        // There is nothing to decide of what makes no sense under its protocol.
        let asked = outcomes.iter().filter(|outcome| outcome.coverage.inapplicable().is_none());
        asked.map(|outcome| outcome.judgement().into()).max().unwrap_or(Status::AsDocumented)
    }
}

impl From<Judgement> for Status {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::AsDocumented => Status::AsDocumented,
            Judgement::Undecided => Status::Undecided,
            Judgement::Differs => Status::Differs,
        }
    }
}

/// Runs the command line of these races, and returns its exit status: 0, 1, 2 or 3, as `--help`
/// says. Call it once, from `main`.
pub fn main(races: Vec<Race>) -> ExitCode {
    large_files_are_errors();
    called();
    let parsed = select::catalogue_is(races).map(|()| Args::typed());
    let done = parsed.and_then(|parsed| match parsed {
        Ok(args) => run(args),
        Err(shown) if !shown.use_stderr() => {
            // Help and version.
            output::printed(shown.print()).map(|()| Status::AsDocumented)
        }
        Err(bad) => Err(Refusal(in_one_line(&bad))),
    });
    match done {
        Ok(Status::AsDocumented) => ExitCode::SUCCESS,
        Ok(Status::Differs) => ExitCode::from(1),
        Ok(Status::Undecided) => ExitCode::from(3),
        Err(Refusal(why)) => {
            output::complain(&output::one_line(&format!("error: {why}")));
            ExitCode::from(2)
        }
    }
}

/// Whoever is told what to type next is told this program's name.
fn called() {
    let path = std::env::args_os().next().map(PathBuf::from);
    let name = path.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
    if let Some(name) = name {
        program_is(name.strip_suffix(EXE_SUFFIX).unwrap_or(name).to_owned());
    }
}

/// That a file would be larger than `ulimit -f` allows is an error like a full disk, and ends
/// nothing: what is half-written goes.
fn large_files_are_errors() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::signal::{SigSet, Signal};
        let _ = SigSet::from_iter([Signal::SIGXFSZ]).thread_block();
    }
}

fn run(args: Args) -> Result<Status, Refusal> {
    let terminal = Terminal::new(args.color, args.ascii);
    match args.command {
        None => check::run(&CheckArgs::default(), &terminal),
        Some(Command::Check(check)) => check::run(&check, &terminal),
        Some(Command::List(list)) => list::run(&list),
        Some(Command::Explain(explain)) => explain::explain(&explain, &terminal),
        Some(Command::Replay(replay)) => explain::replay(&replay, &terminal),
        Some(Command::Source(source)) => source::run(&source),
        Some(Command::Report(report)) => report::run(&report),
        Some(Command::Matrix(matrix)) => matrix::run(&matrix),
        Some(Command::Selfcheck(selfcheck)) => selfcheck::run(&selfcheck),
        Some(Command::Merge(merge)) => parts::merge(&merge, &terminal),
        Some(Command::Bench(bench)) => bench::run(&bench),
        Some(Command::Stress(stress)) => stress::run(&stress),
        Some(Command::Conform(conform)) => conform::run(&conform),
        Some(Command::Completions(completions)) => manual::completions(&completions),
        Some(Command::Man(man)) => manual::man(&man),
    }
}

/// clap's message without its usage and hints, which take half a screen.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let mut line = first.join(" ");
    if let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) {
        return no_command(name);
    }
    if matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidValue) {
        let suggested = [ContextKind::SuggestedValue, ContextKind::SuggestedArg];
        let suggested = suggested.iter().find_map(|&kind| match error.get(kind)? {
            ContextValue::String(one) => Some(one.clone()),
            ContextValue::Strings(all) => all.first().cloned(),
            _ => None,
        });
        let suggested = suggested.or_else(|| match error.get(ContextKind::InvalidArg)? {
            ContextValue::String(option) => command_with(option),
            _ => None,
        });
        if let Some(suggested) = suggested {
            line += &format!("; did you mean '{suggested}'?");
        }
    }
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// No command is called that, and what may have been meant.
fn no_command(name: &str) -> String {
    let meant = match command_for(name) {
        Some(meant) => format!("; did you mean {meant}?"),
        None => {
            let all = Args::called();
            select::nearest(name, all.get_subcommands().map(clap::Command::get_name))
        }
    };
    format!("no command is called '{name}'{meant}")
}

/// Where the option belongs that somebody gives to another command, or to none.
fn command_with(option: &str) -> Option<String> {
    let option = option.strip_prefix("--")?;
    let takes = |command: &&clap::Command| {
        command.get_arguments().any(|argument| argument.get_long() == Some(option))
    };
    let command = Args::called();
    command
        .get_subcommands()
        .find(takes)
        .map(|command| format!("{} {} --{option}", program(), command.get_name()))
}

/// The command that somebody has in mind who only says what it is about.
fn command_for(name: &str) -> Option<String> {
    let is_race =
        |name: &str| select::catalogue().iter().any(|race| select::names(name, race.id()));
    let program = program();
    if select::race(name).is_ok() {
        return Some(format!("`{program} check {name}` or `{program} explain {name}`"));
    }
    if name.split(',').all(is_race) {
        return Some(format!("`{program} check {name}`"));
    }
    list::is_listed(name).then(|| format!("`{program} list {name}`"))
}
