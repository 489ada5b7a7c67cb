//! `lockwalk source`: a function of the protocol as one kernel reads it.

use lockwalk_source::{Choices, Reading, Sources};

use super::args::SourceArgs;
use super::output::print;
use super::{Refusal, Status, select};
use crate::{Era, Protocol};

/// The files of `src/mm`, each with its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/protocol.rs"));

/// Prints the functions that are named.
pub fn run(args: &SourceArgs) -> Result<Status, Refusal> {
    let protocol = args.protocol.as_deref().map(select::protocol).transpose()?;
    let sources = Sources::new(FILES.iter().copied()).expect("what was compiled is Rust");
    let spelled = protocol.as_ref().map(|protocol| protocol.rules.spelled()).unwrap_or_default();
    let choices: Choices =
        spelled.into_iter().map(|(rule, its_type, arm)| (rule, (its_type, arm))).collect();
    let mut readings = Vec::new();
    for name in &args.functions {
        let found =
            if protocol.is_some() { sources.under(&choices, name) } else { sources.whole(name) };
        if found.is_empty() {
            return Err(Refusal(format!(
                "src/mm has no function '{name}'{}",
                select::nearest(name, sources.names())
            )));
        }
        readings.extend(found);
    }
    let head = |reading: &Reading| match &protocol {
        None => format!("// {}{}", reading.place, asks(reading.asks.iter().cloned())),
        Some(protocol) => {
            let chosen = |protocol: &Protocol| {
                let mut chosen = protocol.rules.choices();
                chosen.retain(|(rule, _)| reading.asks.contains(*rule));
                chosen
            };
            let here = chosen(protocol);
            let as_described = here == chosen(&DESCRIBED) || !has_steps(&reading.text);
            let of_another = if as_described {
                String::new()
            } else {
                format!(
                    "\n// Its numbered sentences are {DESCRIBED}'s. Where they say otherwise, the code \
                     is {protocol}'s."
                )
            };
            format!(
                "// {} under {protocol}{}{of_another}",
                reading.place,
                asks(here.iter().map(|(rule, arm)| format!("{rule}={arm}")))
            )
        }
    };
    let texts: Vec<_> =
        readings.iter().map(|reading| format!("{}\n{}\n", head(reading), reading.text)).collect();
    print(&texts.join("\n"))?;
    Ok(Status::AsDocumented)
}

/// The kernel whose steps the sources number.
const DESCRIBED: Protocol = Era::V5_19;

/// Is there a line like `// vma_adjust.3: …`?
fn has_steps(text: &str) -> bool {
    text.lines().filter_map(|line| line.trim_start().strip_prefix("// ")).any(|line| {
        let number = line.split_once(": ").and_then(|(name, _)| name.split_once('.'));
        number.is_some_and(|(_, number)| number.parse::<u32>().is_ok())
    })
}

fn asks(rules: impl Iterator<Item = String>) -> String {
    let rules: Vec<_> = rules.collect();
    if rules.is_empty() { String::new() } else { format!(", which asks {}", rules.join(", ")) }
}
