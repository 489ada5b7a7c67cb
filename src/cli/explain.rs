//! `lockwalk explain` and `lockwalk replay`: one interleaving, drawn.

use lockwalk::witness::render::{self, Detail, Style};
use lockwalk::witness::{Coverage, Verdict};
use lockwalk::{Documented, Method, Options, Outcome, Protocol, Race, Schedule, Witness};
use serde::Serialize;

use super::args::{DrawFormat, Drawing, ExplainArgs, ReplayArgs};
use super::check::{all_cores, counted};
use super::output::{Terminal, check_writable, complain, json, print, write};
use super::runner::Runner;
use super::{Refusal, Status, select};

/// Shows the shortest interleaving that violates something.
pub fn explain(args: &ExplainArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let race = select::race(&args.race)?;
    args.drawing.output.as_deref().map_or(Ok(()), check_writable)?;
    let protocols = match &args.protocol {
        Some(name) => vec![select::protocol(name)?],
        None => in_order(&race),
    };
    let options = Options { witness: true, ..Options::default() };
    let runner = Runner::new(&Method::Exhaustive, options, all_cores());
    let mut outcomes = Vec::new();
    for protocol in &protocols {
        let checked = runner.check(&[(race.clone(), protocol.clone())], &Method::Exhaustive, |_| Ok(()))?;
        if runner.stopped() {
            let so_far: u64 = checked.iter().map(|outcome| outcome.executions).sum();
            complain(&format!("stopped: {} under {protocol} after {}", race.id(), counted(so_far as usize, "execution")));
            return Ok(Status::Undecided);
        }
        let mut outcome = checked.into_iter().next().expect("a case that is not stopped has an outcome");
        if let Some(witness) = outcome.witness.take() {
            runner.finish();
            show(&witness, &args.drawing, terminal)?;
            outcome.witness = Some(witness);
            return Ok(outcome.judgement().into());
        }
        outcomes.push(outcome);
    }
    runner.finish();
    let drawn = nothing_to_show(&race, &outcomes, &args.drawing)?;
    Ok(if drawn { Status::of(&outcomes) } else { Status::Differs })
}

/// Runs one schedule again.
pub fn replay(args: &ReplayArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let race = select::race(&args.race)?;
    let protocol = select::protocol(&args.protocol)?;
    let schedule: Schedule = args.schedule.parse().map_err(|error: lockwalk::ParseScheduleError| Refusal(error.to_string()))?;
    let witness = race.replay(&protocol, &schedule).map_err(Refusal)?;
    show(&witness, &args.drawing, terminal)?;
    Ok(Status::AsDocumented)
}

/// The protocols that something is documented about: first those that it says are violated.
fn in_order(race: &Race) -> Vec<Protocol> {
    let (holds, violates): (Vec<_>, Vec<_>) = race.cases().iter().partition(|(_, documented)| *documented == Documented::Holds);
    violates.into_iter().chain(holds).map(|(protocol, _)| protocol.clone()).collect()
}

fn show(witness: &Witness, drawing: &Drawing, terminal: &Terminal) -> Result<(), Refusal> {
    let detail = if drawing.full { Detail::Full } else { Detail::Story };
    let style = if drawing.output.is_some() { terminal.file_style() } else { terminal.style() };
    put(&draw(witness, drawing.format(), terminal.width, Style { detail, hide_source: drawing.no_source, ..style }), drawing)
}

fn put(text: &str, drawing: &Drawing) -> Result<(), Refusal> {
    drawing.output.as_ref().map_or_else(|| print(text), |path| write(path, text))
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
        DrawFormat::Svg if style.hide_source => render::svg(&without_source(witness)),
        DrawFormat::Svg => render::svg(witness),
        DrawFormat::Mermaid => render::mermaid(witness),
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

/// Nothing is violated: says what was covered. In JSON the witness is `null`; a picture of nothing cannot be drawn, and whoever wants one is told.
fn nothing_to_show(race: &Race, outcomes: &[Outcome], drawing: &Drawing) -> Result<bool, Refusal> {
    let violated = outcomes.iter().any(|outcome| outcome.verdict().clause().is_some());
    // The order of locks is violated by several executions together.
    let what = if violated { "no single interleaving shows what is violated" } else { "no clause is violated" };
    let mut text = format!("{} · {}: {what}\n", race.id(), race.title());
    for outcome in outcomes {
        text += &format!("  {}: {}\n", outcome.protocol, finding(outcome));
        text.extend(outcome.objections().iter().map(|objection| format!("    ! {objection}\n")));
    }
    match drawing.format() {
        DrawFormat::Text => put(&text, drawing)?,
        DrawFormat::Json => {
            complain(text.trim_end());
            put(&json(&Drawn { witness: None }), drawing)?;
        }
        DrawFormat::Svg | DrawFormat::Mermaid => {
            complain(&format!("{}: {what} ({}), so there is nothing to draw", race.id(), protocols(outcomes)));
            return Ok(false);
        }
    }
    Ok(true)
}

fn protocols(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(|outcome| outcome.protocol.as_str()).collect::<Vec<_>>().join(", ")
}

fn finding(outcome: &Outcome) -> String {
    let covered = match (&outcome.coverage, outcome.verdict()) {
        (Coverage::Exhaustive, Verdict::Never) => format!("never; {}, nothing left", executions(outcome)),
        (_, verdict) => format!("{verdict}; {}", executions(outcome)),
    };
    format!("{covered}, {}", outcome.memory_model)
}

fn executions(outcome: &Outcome) -> String {
    counted(outcome.executions as usize, "execution")
}
