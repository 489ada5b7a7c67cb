//! `lockwalk source`: a function of the protocol as one kernel reads it.

use lockwalk_source::{Choices, Reading, Sources};

use super::args::SourceArgs;
use super::output::print;
use super::{Refusal, Status, select};

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
            let chosen = protocol
                .rules
                .choices()
                .into_iter()
                .filter(|(rule, _)| reading.asks.contains(*rule));
            format!(
                "// {} under {protocol}{}",
                reading.place,
                asks(chosen.map(|(rule, arm)| format!("{rule}={arm}")))
            )
        }
    };
    let texts: Vec<_> =
        readings.iter().map(|reading| format!("{}\n{}\n", head(reading), reading.text)).collect();
    print(&texts.join("\n"))?;
    Ok(Status::AsDocumented)
}

fn asks(rules: impl Iterator<Item = String>) -> String {
    let rules: Vec<_> = rules.collect();
    if rules.is_empty() { String::new() } else { format!(", which asks {}", rules.join(", ")) }
}
