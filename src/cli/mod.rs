//! The commands.

mod args;
mod bench;
mod check;
mod explain;
mod gallery;
mod keeper;
mod list;
mod matrix;
mod output;
mod parts;
mod progress;
mod runner;
mod select;
mod selfcheck;
mod sink;

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use lockwalk::Outcome;
use lockwalk::witness::Judgement;

use args::{Args, CheckArgs, Command};
use output::Terminal;

/// Why a command did not do what was asked, in one line. Exit status 2.
#[derive(Debug)]
pub struct Refusal(pub String);

/// What a command that ran has to say by its exit status. The greater one is the news.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// Every verdict is the documented one; or it was done what was asked for.
    AsDocumented,
    /// A limit, Ctrl-C or the engine left something open.
    Undecided,
    /// Some verdict is not the documented one, or something is violated that nothing documents; or there is nothing to show.
    Differs,
}

impl Status {
    fn of(outcomes: &[Outcome]) -> Self {
        outcomes.iter().map(|outcome| outcome.judgement().into()).max().unwrap_or(Status::AsDocumented)
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

/// Runs the command line, and returns its exit status.
pub fn main() -> ExitCode {
    let done = match Args::try_parse() {
        Ok(args) => run(args),
        Err(shown) if !shown.use_stderr() => {
            // Help and version.
            output::printed(shown.print()).map(|()| Status::AsDocumented)
        }
        Err(bad) => Err(Refusal(in_one_line(&bad))),
    };
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

fn run(args: Args) -> Result<Status, Refusal> {
    let terminal = Terminal::new(args.color, args.ascii);
    match args.command {
        None => check::run(&CheckArgs::default(), &terminal),
        Some(Command::Check(check)) => check::run(&check, &terminal),
        Some(Command::List(list)) => list::run(&list, &terminal),
        Some(Command::Explain(explain)) => explain::explain(&explain, &terminal),
        Some(Command::Replay(replay)) => explain::replay(&replay, &terminal),
        Some(Command::Gallery(gallery)) => gallery::run(&gallery),
        Some(Command::Matrix(matrix)) => matrix::run(&matrix, &terminal),
        Some(Command::Selfcheck(selfcheck)) => selfcheck::run(&selfcheck, &terminal),
        Some(Command::Merge(merge)) => parts::merge(&merge, &terminal),
        Some(Command::Bench(bench)) => bench::run(&bench, &terminal),
    }
}

/// clap's message without its usage and hints, which take half a screen.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let mut line = first.join(" ");
    if matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument | ErrorKind::InvalidValue) {
        let suggested = [ContextKind::SuggestedValue, ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand];
        let suggested = suggested.iter().find_map(|&kind| match error.get(kind)? {
            ContextValue::String(one) => Some(one.clone()),
            ContextValue::Strings(all) => all.first().cloned(),
            _ => None,
        });
        if let Some(suggested) = suggested {
            line += &format!("; did you mean '{suggested}'?");
        }
    }
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
