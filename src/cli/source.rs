//! `lockwalk source`: a function of the protocol as one kernel reads it.

use std::collections::BTreeSet;

use lockwalk_source::{Choices, Found, Reading, Sources};

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
    let choices = protocol.as_ref().map(choices_of).unwrap_or_default();
    let mut texts = Vec::new();
    for name in &args.functions {
        let found = sources.find(name);
        // Does the documentation of ours name the kernel's?
        let is_kernels = |ours: &str, name: &str| {
            let said = format!("Kernel: `{name}`");
            sources.whole(ours).iter().any(|reading| reading.text.contains(&said))
        };
        if found.is_empty() {
            let ours: BTreeSet<_> = sources.names().filter(|ours| is_kernels(ours, name)).collect();
            if !ours.is_empty() {
                let meant = select::question(ours);
                return Err(Refusal(format!(
                    "src/mm calls the kernel's '{name}' otherwise{meant}"
                )));
            }
            let of_steps = sources.names_of_steps();
            let known = sources.names().chain(of_steps.iter().map(String::as_str));
            let nearest = select::nearest(name, known.collect::<BTreeSet<_>>().into_iter());
            return Err(Refusal(format!("src/mm has no function and no step '{name}'{nearest}")));
        }
        let told = match &protocol {
            Some(_) => sources.told(name, &choices, |steps| choices_of(&described(steps))),
            None => found
                .into_iter()
                .map(|function| {
                    let reading = sources.as_it_stands(&function);
                    (function, reading)
                })
                .collect(),
        };
        for (function, reading) in told {
            let (head, left_out) = (head(&reading, protocol.as_ref()), left_out(&reading));
            let steps = steps_of_another(name, &function);
            texts.push(format!("{head}{steps}{left_out}\n{}\n", reading.text));
        }
    }
    print(&texts.join("\n"))?;
    Ok(Status::AsDocumented)
}

fn choices_of(protocol: &Protocol) -> Choices {
    let spelled = protocol.rules.spelled().into_iter();
    spelled.map(|(rule, its_type, arm)| (rule, (its_type, arm))).collect()
}

/// The protocol whose steps the sources number under this name: 5.19 has no pages that a host may
/// discard.
fn described(steps: &str) -> Protocol {
    match steps {
        "page_make_volatile" | "page_make_stable" | "do_discard_fault" | "page_discard" => {
            Era::DOCUMENT_2
        }
        _ => Era::V5_19,
    }
}

/// What stands above a function.
fn head(reading: &Reading, protocol: Option<&Protocol>) -> String {
    let Some(protocol) = protocol else {
        return format!("// {}{}", reading.place, asks(reading.asks.iter().cloned()));
    };
    let mut here = protocol.rules.choices();
    here.retain(|(rule, _)| reading.asks.contains(*rule));
    let asks = asks(here.iter().map(|(rule, arm)| format!("{rule}={arm}")));
    let dead = if reading.alive { "" } else { "\n// Nothing calls it under this protocol." };
    format!("// {} under {protocol}{asks}{dead}", reading.place)
}

/// Which sentences are not there, and why.
fn left_out(reading: &Reading) -> String {
    let Some(first) = reading.left_out.first() else { return String::new() };
    let protocol = described(first.split('.').next().expect("a name"));
    format!(
        "\n// Left out, because they tell of {protocol}, which does otherwise in these steps or in what \
         they call, or rest on one that is left out: {}.",
        reading.left_out.join(", ")
    )
}

/// That a function is there for the steps that it has.
fn steps_of_another(name: &str, function: &Found<'_>) -> String {
    let of = name.split('.').next().expect("a name");
    match &function.steps[..] {
        _ if function.name() == name => String::new(),
        [] => String::new(),
        [one] => format!("\n// It has step {one} of {of}."),
        steps => {
            let steps: Vec<_> = steps.iter().map(usize::to_string).collect();
            format!("\n// It has steps {} of {of}.", steps.join(", "))
        }
    }
}

fn asks(rules: impl Iterator<Item = String>) -> String {
    let rules: Vec<_> = rules.collect();
    if rules.is_empty() { String::new() } else { format!(", which asks {}", rules.join(", ")) }
}
