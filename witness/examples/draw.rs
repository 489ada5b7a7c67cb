//! Draws a witness: `lockwalk explain S3.1 --format json | cargo run -p witness --example draw -- svg > s3.1.svg`.

use std::io::{self, Read};

use witness::render::{self, Detail, Style};
use witness::report::{Entry, Site};
use witness::{Count, Coverage, Documented, Outcome, Witness};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut json = String::new();
    io::stdin().read_to_string(&mut json)?;
    let mut printed: serde_json::Value = serde_json::from_str(&json)?;
    let witness: Option<Witness> = serde_json::from_value(printed["witness"].take())?;
    let witness = witness.ok_or("there is no witness in it")?;
    let full = Style { detail: Detail::Full, ..Style::default() };
    let picture = match std::env::args().nth(1).as_deref() {
        None | Some("text") => render::text(&witness, 100, Style::default()),
        Some("mail") => render::text(&witness, 72, Style { detail: Detail::Window, hide_source: true, ..Style::default() }),
        Some("switch") => render::text(&witness, 72, Style { detail: Detail::FromFirstSwitch, hide_source: true, ..Style::default() }),
        Some("full") => render::text(&witness, 100, full),
        Some("color") => render::text(&witness, 100, Style { color: true, ..full }),
        Some("page") => page(&witness),
        Some("svg") => render::svg(&witness, Detail::Window),
        Some("mermaid") => render::mermaid(&witness, Detail::Window),
        Some(other) => {
            return Err(format!("{other}: not one of text, full, color, svg, mermaid").into());
        }
    };
    print!("{picture}");
    Ok(())
}

/// Its page in a report.
fn page(witness: &Witness) -> String {
    let outcome = Outcome {
        race: witness.race.clone(),
        title: witness.title.clone(),
        protocol: witness.protocol.clone(),
        engine: witness.found.engine.clone(),
        memory_model: witness.found.memory_model.clone(),
        executions: witness.found.executions,
        states: None,
        coverage: Coverage::Settled,
        violating: 1,
        violations: vec![Count::new(&witness.clause, 1)],
        unexplained: Vec::new(),
        clauses: Vec::new(),
        endings: Vec::new(),
        operations: Vec::new(),
        showing: Vec::new(),
        documented: Documented::Unstated,
        lock_order: Vec::new(),
        seconds: 0.0,
        witness: Some(witness.clone()),
    };
    let race = Entry { id: witness.race.clone(), title: witness.title.clone(), outcomes: vec![outcome], ..Entry::default() };
    let site = Site { races: vec![race], ..Site::default() };
    site.files().into_iter().find(|file| !file.name.starts_with("index")).map(|file| file.text).unwrap_or_default()
}
