//! `lockwalk explain` and `lockwalk replay`: one interleaving, drawn.

use std::path::Path;

use crate::witness::render::{self, Style};
use crate::witness::{Coverage, Verdict};
use crate::{Documented, Method, Options, Outcome, Protocol, Race, Schedule, Witness};
use serde::Serialize;

use super::args::{DrawFormat, Drawing, ExplainArgs, ReplayArgs, memory};
use super::check::{all_cores, counted};
use super::output::{Terminal, by_number, complain, json};
use super::runner::Runner;
use super::sink::Sink;
use super::{Refusal, Status, select};

/// Shows the shortest interleaving that violates something.
pub fn explain(args: &ExplainArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let race = select::race(&args.race)?.memory(memory(args.memory));
    let format = args.drawing.format()?;
    let protocols = match &args.protocol {
        Some(name) => vec![select::protocol(name)?],
        None => in_order(&race),
    };
    let options = Options::default().witness(true);
    let runner = Runner::new(&Method::Auto, options, all_cores());
    let sink = sink(&args.drawing)?;
    let mut outcomes = Vec::new();
    for protocol in &protocols {
        let checked =
            runner.check(&[(race.clone(), protocol.clone())], &Method::Auto, |_| Ok(()))?;
        if runner.stopped() {
            let so_far: u64 = checked.iter().map(|outcome| outcome.executions).sum();
            complain(&format!(
                "stopped: {} under {protocol} after {}",
                race.id(),
                counted(so_far as usize, "execution")
            ));
            return Ok(Status::Undecided);
        }
        let mut outcome =
            checked.into_iter().next().expect("a case that is not stopped has an outcome");
        if let Some(witness) = outcome.witness.take() {
            runner.finish();
            show(&witness, format, &args.drawing, terminal, &sink)?;
            outcome.witness = Some(witness);
            return Ok(outcome.judgement().into());
        }
        outcomes.push(outcome);
    }
    runner.finish();
    nothing_to_show(&race, &outcomes, format, &args.drawing, terminal, &sink)?;
    Ok(Status::of(&outcomes))
}

/// Runs one schedule again.
pub fn replay(args: &ReplayArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let race = select::race(&args.race)?.memory(memory(args.memory));
    let protocol = select::protocol(&args.protocol)?;
    let schedule: Schedule = args
        .schedule
        .parse()
        .map_err(|error: crate::ParseScheduleError| Refusal(error.to_string()))?;
    let format = args.drawing.format()?;
    let runner = Runner::new(&Method::Auto, Options::default(), 1);
    let sink = sink(&args.drawing)?;
    let case = [(race, protocol)];
    let [(race, protocol)] = &case;
    let replay = |_, _: &Options| race.replay(protocol, &schedule);
    let replayed = runner.run(&case, false, replay, |_| false, |_| Ok(()))?;
    runner.finish();
    let witness = match replayed.into_iter().next() {
        Some(witness) => witness.map_err(|error| Refusal(error.to_string()))?,
        None => return Ok(Status::Undecided), // Ctrl-C
    };
    let steps = witness.schedule.parse::<Schedule>().map_or(0, |whole| whole.len());
    if steps > schedule.len() {
        complain(&format!(
            "the schedule ends after {} of {steps} steps: the others are taken without preemptions",
            schedule.len()
        ));
    }
    show(&witness, format, &args.drawing, terminal, &sink)?;
    Ok(Status::AsDocumented)
}

/// The protocols that something is documented about: first those that it says are violated.
fn in_order(race: &Race) -> Vec<Protocol> {
    let (holds, violates): (Vec<_>, Vec<_>) =
        race.cases().iter().partition(|(_, documented)| *documented == Documented::Holds);
    violates.into_iter().chain(holds).map(|(protocol, _)| protocol.clone()).collect()
}

/// Where the drawing goes.
fn sink(drawing: &Drawing) -> Result<Sink, Refusal> {
    Sink::open(drawing.output.as_deref().unwrap_or(Path::new("-")))
}

/// How wide it may be, and how it looks.
fn room(drawing: &Drawing, terminal: &Terminal, sink: &Sink) -> (usize, Style) {
    let width = drawing.width.map_or(terminal.width, usize::from);
    (width, if sink.is_stdout() { terminal.style() } else { terminal.file_style() })
}

fn show(
    witness: &Witness,
    format: DrawFormat,
    drawing: &Drawing,
    terminal: &Terminal,
    sink: &Sink,
) -> Result<(), Refusal> {
    let (width, style) = room(drawing, terminal, sink);
    sink.write(&draw(
        witness,
        format,
        width,
        Style { detail: drawing.detail(), hide_source: drawing.no_source, ..style },
    ))
}

/// What `--format json` prints; docs/schema/explain.json describes it.
#[derive(Serialize)]
struct Drawn<'w> {
    witness: Option<&'w Witness>,
}

/// The witness in one of the formats, with a newline at its end.
pub fn draw(witness: &Witness, format: DrawFormat, width: usize, style: Style) -> String {
    let mut text = match format {
        DrawFormat::Text => render::text(witness, width, style),
        DrawFormat::Json => json(&Drawn { witness: Some(witness) }),
        // Where a picture has source lines, they are tooltips.
        DrawFormat::Svg => {
            let without_source = style.hide_source.then(|| without_source(witness));
            let svg = render::svg(without_source.as_ref().unwrap_or(witness), style.detail);
            by_number(svg, |c| format!("&#{};", u32::from(c)))
        }
        DrawFormat::Mermaid => {
            by_number(render::mermaid(witness, style.detail), |c| format!("#{};", u32::from(c)))
        }
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn without_source(witness: &Witness) -> Witness {
    let mut witness = witness.clone();
    witness.steps.iter_mut().for_each(|step| step.at.clear());
    witness
}

/// Nothing is violated: says what was covered. In JSON the witness is `null`; a picture of nothing
/// cannot be drawn, and whoever wants one is told.
fn nothing_to_show(
    race: &Race,
    outcomes: &[Outcome],
    format: DrawFormat,
    drawing: &Drawing,
    terminal: &Terminal,
    sink: &Sink,
) -> Result<(), Refusal> {
    let violated = outcomes.iter().any(|outcome| outcome.verdict().clause().is_some());
    // The order of locks is violated by several executions together.
    let what = if violated {
        "no single interleaving shows what is violated"
    } else {
        "no clause is violated"
    };
    let mut text = format!("{} · {}: {what}\n", race.id(), race.title());
    for outcome in outcomes {
        text += &format!("  {}: {}\n", outcome.protocol, finding(outcome));
        text.extend(outcome.objections().iter().map(|objection| format!("    ! {objection}\n")));
    }
    match format {
        DrawFormat::Text => {
            let (width, style) = room(drawing, terminal, sink);
            sink.write(&render::paragraphs(&text, width, style))?
        }
        DrawFormat::Json => {
            sink.write(&json(&Drawn { witness: None }))?;
            complain(text.trim_end());
        }
        DrawFormat::Svg | DrawFormat::Mermaid => {
            return Err(Refusal(format!(
                "{}: {what} ({}), so there is nothing to draw",
                race.id(),
                protocols(outcomes)
            )));
        }
    }
    Ok(())
}

fn protocols(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(|outcome| outcome.protocol.as_str()).collect::<Vec<_>>().join(", ")
}

fn finding(outcome: &Outcome) -> String {
    let covered = match (&outcome.coverage, outcome.verdict()) {
        (Coverage::Exhaustive, Verdict::Never) => {
            format!("never; {}, nothing left", executions(outcome))
        }
        (_, verdict) => format!("{verdict}; {}", executions(outcome)),
    };
    format!("{covered}, {}", outcome.memory_model)
}

fn executions(outcome: &Outcome) -> String {
    counted(outcome.executions as usize, "execution")
}
