//! `lockwalk gallery`: every violation, or those of some races, as a picture, and an index of them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::witness::render::Style;
use crate::{Documented, Method, Options, Outcome, Witness};

use super::args::{DrawFormat, GalleryArgs};
use super::check::{all_cores, counted};
use super::explain::draw;
use super::output::{complain, print, shown};
use super::runner::Runner;
use super::sink::Sink;
use super::{Refusal, Status, select};

/// Finds the witnesses first, and writes when all are there.
pub fn run(args: &GalleryArgs) -> Result<Status, Refusal> {
    let directory = &args.output;
    if directory == Path::new("-") {
        return Err(Refusal("cannot make -: it is standard output, and pictures need a directory".into()));
    }
    let races = select::races(&args.races)?;
    let all = races.iter().flat_map(|race| race.cases().iter().map(move |case| (race, case)));
    let violations = all.filter(|(_, (_, documented))| *documented != Documented::Holds);
    let violations: Vec<_> = violations.map(|(race, (protocol, _))| (race.clone(), protocol.clone())).collect();
    if violations.is_empty() {
        return Err(Refusal(format!("there is nothing to draw: {} violates nothing", args.races.join(", "))));
    }
    fs::create_dir_all(directory).map_err(|error| Refusal(format!("cannot make {}: {error}", shown(directory))))?;
    let file = |name: &str| Sink::open(&directory.join(name));
    let files: Vec<_> = violations.iter().map(|(race, protocol)| file_name(race.id(), &protocol.to_string())).collect();
    // Before the work: can all of it be written?
    let pictures = files.iter().map(|name| file(name)).collect::<Result<Vec<_>, _>>()?;
    let index_file = file("index.md")?;
    let options = Options { witness: true, ..Options::default() };
    let runner = Runner::new(&Method::Exhaustive, options, all_cores());
    let outcomes = runner.check(&violations, &Method::Exhaustive, |_| Ok(()))?;
    runner.finish();
    if runner.stopped() {
        complain("stopped: nothing is written");
        return Ok(Status::Undecided);
    }
    let mut index = String::from("# Violations\n\nEach in its shortest interleaving. Written by `lockwalk gallery`.\n");
    let (mut drawn, mut missing) = (0, Vec::new());
    for (outcome, (name, picture)) in outcomes.iter().zip(files.iter().zip(&pictures)) {
        let Some(witness) = &outcome.witness else {
            missing.push(outcome);
            continue;
        };
        picture.write(&draw(witness, DrawFormat::Svg, 0, Style::default()))?;
        drawn += 1;
        let Witness { race, title, protocol, clause, what, replay, .. } = witness;
        let _ = write!(
            index,
            "\n## {race} under {protocol}\n\n{title}. Violates {clause}: {what}.\n\n![{race} under {protocol}]({name})\n\n`{replay}`\n"
        );
    }
    index_file.write(&index)?;
    print(&format!("{} in {}\n", counted(drawn, "picture"), directory.join("index.md").display()))?;
    for Outcome { race, protocol, .. } in &missing {
        complain(&format!("nothing found to draw for {race} under {protocol}"));
    }
    Ok(if missing.is_empty() { Status::AsDocumented } else { Status::Differs })
}

/// One name for each race and protocol, of characters that neither a shell nor Markdown minds.
fn file_name(race: &str, protocol: &str) -> String {
    let plain = |text: &str| text.replace('/', "_").replace('+', "-").replace('=', ".");
    format!("{}-{}.svg", plain(race), plain(protocol))
}
