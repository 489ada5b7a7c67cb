//! `lockwalk gallery`: every violation as a picture, and an index of them.

use std::fmt::Write as _;

use lockwalk::witness::render::Style;
use lockwalk::{Documented, Method, Options, Outcome, Witness, races};

use super::args::{DrawFormat, GalleryArgs};
use super::check::{all_cores, counted};
use super::explain::draw;
use super::output::{complain, make_writable, print, write};
use super::runner::Runner;
use super::{Refusal, Status};

/// Finds the witnesses first, and writes when all are there.
pub fn run(args: &GalleryArgs) -> Result<Status, Refusal> {
    let directory = &args.output;
    make_writable(directory)?;
    let races = races::all();
    let all = races.iter().flat_map(|race| race.cases().iter().map(move |case| (race, case)));
    let violations = all.filter(|(_, (_, documented))| *documented != Documented::Holds);
    let violations: Vec<_> = violations.map(|(race, (protocol, _))| (race.clone(), protocol.clone())).collect();
    let options = Options { witness: true, ..Options::default() };
    let runner = Runner::new(&Method::Exhaustive, options, all_cores());
    let outcomes = runner.check(&violations, &Method::Exhaustive, |_| Ok(()))?;
    runner.finish();
    if runner.stopped() {
        complain("stopped: nothing is written");
        return Ok(Status::Undecided);
    }
    let (witnesses, missing): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|outcome| outcome.witness.is_some());
    let witnesses: Vec<_> = witnesses.into_iter().filter_map(|outcome| outcome.witness).collect();
    let mut index = String::from("# Violations\n\nEvery one in its shortest interleaving. Written by `lockwalk gallery`.\n");
    for witness in &witnesses {
        let file = file_name(witness);
        write(&directory.join(&file), &draw(witness, DrawFormat::Svg, 0, Style::default()))?;
        let Witness { race, title, protocol, clause, what, replay, .. } = witness;
        let _ = write!(
            index,
            "\n## {race} under {protocol}\n\n{title}. Violates {clause}: {what}.\n\n![{race} under {protocol}]({file})\n\n`{replay}`\n"
        );
    }
    write(&directory.join("index.md"), &index)?;
    print(&format!("{} in {}\n", counted(witnesses.len(), "picture"), directory.join("index.md").display()))?;
    for Outcome { race, protocol, .. } in &missing {
        complain(&format!("nothing found to draw for {race} under {protocol}"));
    }
    Ok(if missing.is_empty() { Status::AsDocumented } else { Status::Differs })
}

/// One name for each race and protocol, of characters that neither a shell nor Markdown minds.
fn file_name(witness: &Witness) -> String {
    let plain = |text: &str| text.replace('/', "_").replace('+', "-").replace('=', ".");
    format!("{}-{}.svg", plain(&witness.race), plain(&witness.protocol))
}
