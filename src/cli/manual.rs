//! `lockwalk completions` and `lockwalk man`: made from the parser, so that they say what it
//! accepts.

use super::args::{Args, CompletionsArgs, ManArgs};
use super::output::print;
use super::{Refusal, Status, select};
use crate::explore::program::program;

/// Prints the completions for a shell.
pub fn completions(args: &CompletionsArgs) -> Result<Status, Refusal> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::called(), program(), &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Status::AsDocumented)
}

/// Prints the page of a command, or of all of it.
pub fn man(args: &ManArgs) -> Result<Status, Refusal> {
    let mut all = Args::called();
    // Otherwise the commands know neither their full names nor the options that all have.
    all.build();
    let command = match &args.command {
        None => all,
        Some(name) => all.find_subcommand(name).cloned().ok_or_else(|| {
            let nearest = select::nearest(name, all.get_subcommands().map(clap::Command::get_name));
            Refusal(format!("no command is called '{name}'{nearest}"))
        })?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(|error| Refusal(error.to_string()))?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(Status::AsDocumented)
}
