//! Draws a witness: `lockwalk explain S3.1 --format json | cargo run -p witness --example draw --
//! svg > s3.1.svg`.

use std::io::{self, Read};

use witness::render::{self, Detail, Style};
use witness::report::{Entry, Site};
use witness::{Count, Coverage, Outcome, Witness};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut json = String::new();
    io::stdin().read_to_string(&mut json)?;
    let mut printed: serde_json::Value = serde_json::from_str(&json)?;
    let witness: Option<Witness> = serde_json::from_value(printed["witness"].take())?;
    let witness = witness.ok_or("there is no witness in it")?;
    let full = Style { detail: Detail::Full, ..Style::default() };
    let picture = match std::env::args().nth(1).as_deref() {
        None | Some("text") => render::text(&witness, 100, Style::default()),
        Some("mail") => render::text(
            &witness,
            72,
            Style { detail: Detail::Window, hide_source: true, ..Style::default() },
        ),
        Some("switch") => render::text(
            &witness,
            72,
            Style { detail: Detail::FromFirstSwitch, hide_source: true, ..Style::default() },
        ),
        Some("brief") => render::rows(
            &witness,
            96,
            Style { detail: Detail::Brief, hide_source: true, ..Style::default() },
        ),
        Some("full") => render::text(&witness, 100, full),
        Some("color") => render::text(&witness, 100, Style { color: true, ..full }),
        Some("page") => page(&witness),
        Some("svg") => render::svg(&witness, Detail::Window),
        Some("mermaid") => render::mermaid(&witness, Detail::Window),
        Some(other) => {
            return Err(format!(
                "{other}: not one of text, mail, switch, brief, full, color, page, svg, mermaid"
            )
            .into());
        }
    };
    print!("{picture}");
    Ok(())
}

/// Its page in a report.
fn page(witness: &Witness) -> String {
    let (id, title, protocol) = (&witness.race, &witness.title, &witness.protocol);
    let mut outcome = Outcome::new(id, title, protocol, Coverage::Settled);
    outcome.engine = witness.found.engine.clone();
    outcome.memory_model = witness.found.memory_model.clone();
    outcome.executions = witness.found.executions;
    outcome.violating = 1;
    outcome.violations = vec![Count::new(&witness.clause, 1)];
    outcome.witness = Some(witness.clone());
    let race =
        Entry { id: id.clone(), title: title.clone(), outcomes: vec![outcome], ..Entry::default() };
    let site = Site { races: vec![race], ..Site::default() };
    // Its first name is that of the race's page.
    let name = Site::names([(witness.race.as_str(), Vec::new())])
        .ok()
        .and_then(|names| names.into_iter().next());
    site.files()
        .into_iter()
        .find(|file| Some(&file.name) == name.as_ref())
        .map(|file| file.text)
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "../tests/samples/mod.rs"]
mod samples;

#[test]
fn the_page_shows_the_witness() {
    let page = page(&samples::violation());
    assert!(
        page.contains("<section class=\"stepper\"") && page.contains("MIG-1 is violated"),
        "{page}"
    );
}
