//! `lockwalk gallery`: every violation as a picture, and an index of them.

use std::fmt::Write as _;

use lockwalk::witness::render::Style;
use lockwalk::{Documented, Method, Options, Witness, races};

use super::args::{DrawFormat, GalleryArgs};
use super::check::counted;
use super::explain::draw;
use super::output::{complain, print, write};
use super::progress::Runner;
use super::{Refusal, Status};

/// Finds the witnesses first, and writes when all are there.
pub fn run(args: &GalleryArgs) -> Result<Status, Refusal> {
    let races = races::all();
    let violations = races.iter().flat_map(|race| race.cases().iter().map(move |case| (race, case)));
    let violations: Vec<_> = violations.filter(|(_, (_, documented))| *documented != Documented::Holds).collect();
    let options = Options { witness: true, jobs: 1, ..Options::default() };
    let mut runner = Runner::new(Method::Exhaustive, options, violations.len());
    let (mut witnesses, mut missing) = (Vec::new(), Vec::new());
    for (race, (protocol, _)) in violations {
        let outcome = runner.run(race, protocol)?;
        if runner.stopped() {
            complain("stopped: nothing is written");
            return Ok(Status::Interrupted);
        }
        match outcome.witness {
            Some(witness) => witnesses.push(witness),
            None => missing.push(format!("{} under {protocol}", race.id())),
        }
    }
    runner.finish();
    let directory = &args.output;
    std::fs::create_dir_all(directory).map_err(|error| Refusal(format!("cannot make {}: {error}", directory.display())))?;
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
    for case in &missing {
        complain(&format!("nothing found to draw for {case}"));
    }
    Ok(Status::of(missing.is_empty()))
}

/// One name for each race and protocol, of characters that neither a shell nor Markdown minds.
fn file_name(witness: &Witness) -> String {
    let plain = |text: &str| text.replace('/', "_").replace('+', "-").replace('=', ".");
    format!("{}-{}.svg", plain(&witness.race), plain(&witness.protocol))
}
