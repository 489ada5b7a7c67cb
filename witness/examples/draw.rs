//! Draws a witness: `lockwalk explain S3.1 --format json | cargo run -p witness --example draw -- svg > s3.1.svg`.

use std::io::{self, Read};

use witness::Witness;
use witness::render::{self, Detail, Style};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut json = String::new();
    io::stdin().read_to_string(&mut json)?;
    let mut printed: serde_json::Value = serde_json::from_str(&json)?;
    let witness: Option<Witness> = serde_json::from_value(printed["witness"].take())?;
    let witness = witness.ok_or("there is no witness in it")?;
    let full = Style { detail: Detail::Full, ..Style::default() };
    let picture = match std::env::args().nth(1).as_deref() {
        None | Some("text") => render::text(&witness, 100, Style::default()),
        Some("full") => render::text(&witness, 100, full),
        Some("color") => render::text(&witness, 100, Style { color: true, ..full }),
        Some("svg") => render::svg(&witness),
        Some("mermaid") => render::mermaid(&witness),
        Some(other) => {
            return Err(format!("{other}: not one of text, full, color, svg, mermaid").into());
        }
    };
    print!("{picture}");
    Ok(())
}
