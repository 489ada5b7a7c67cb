//! A witness as a Mermaid sequence diagram, for a forge to draw.

use std::fmt::Write;

use super::cells::wrap;
use super::clean;
use crate::story;
use crate::{Ending, Witness};

/// Columns after which a text goes on in the next line.
const COLUMNS: usize = 44;

/// `witness` as the source of a Mermaid `sequenceDiagram`, to stand in a block of code marked `mermaid`.
///
/// CPUs are the participants and their steps are messages to themselves. A CPU is active while it holds a lock. A dashed
/// arrow is a switch, a note is what became true.
pub fn mermaid(witness: &Witness) -> String {
    let witness = &clean::witness(witness, false);
    let mut out = String::from("sequenceDiagram\n");
    let mut line = |text: &str| {
        let _ = writeln!(out, "    {text}");
    };
    let title = format!(
        "{} · {} · protocol {}",
        witness.race, witness.title, witness.protocol
    );
    line(&format!("accTitle: {}", label(&title, usize::MAX)));
    line(&format!(
        "accDescr: {}",
        label(&story::headline(witness), usize::MAX)
    ));
    let heads = story::heads(witness);
    for (lane, head) in heads.iter().enumerate() {
        line(&format!(
            "participant c{lane} as {}",
            label(head, COLUMNS / 2)
        ));
    }
    let all = match heads.len() {
        0 => return out,
        1 => "c0".to_owned(),
        lanes => format!("c0,c{}", lanes - 1),
    };
    line(&format!(
        "Note over {all}: {}",
        label(&story::headline(witness), 2 * COLUMNS)
    ));

    let holds = story::holds(witness);
    let repeating = story::repeating(witness).unwrap_or(usize::MAX..0);
    let shown = story::shown(witness, false);
    let (first, last) = (
        shown.iter().find(|i| repeating.contains(i)),
        shown.iter().rfind(|i| repeating.contains(i)),
    );
    let mut before: Option<usize> = None;
    for i in &shown {
        let step = &witness.steps[*i];
        let lane = story::lane(witness, step.cpu);
        if first == Some(i) {
            line(&format!(
                "loop {}",
                label(&story::ending(witness).unwrap_or_default(), COLUMNS)
            ));
        }
        if let Some(before) = before.filter(|b| witness.steps[*b].cpu != step.cpu) {
            line(&format!(
                "c{}-->>c{lane}: switch",
                story::lane(witness, witness.steps[before].cpu)
            ));
        }
        let bad = story::violating(witness) == Some(*i);
        if bad {
            line("rect rgba(220, 38, 38, 0.25)");
        }
        let space = "#160;".repeat(2 * usize::from(step.depth.min(8)));
        let text = label(&story::text(witness, step), COLUMNS);
        line(&format!("c{lane}->>c{lane}: {} {space}{text}", i + 1));
        for hold in holds.iter().filter(|hold| hold.lock.is_some()) {
            if hold.steps.start == *i {
                line(&format!("activate c{}", hold.lane));
            }
            if hold.steps.end == *i {
                line(&format!("deactivate c{}", hold.lane));
            }
        }
        let mut now = story::now(witness, *i, "✗");
        if bad {
            now.insert(0, format!("✗ {}", witness.clause));
        }
        if !now.is_empty() {
            let now: Vec<_> = now.iter().map(|now| label(now, COLUMNS)).collect();
            line(&format!("Note right of c{lane}: {}", now.join("<br/>")));
        }
        if bad {
            line("end");
        }
        if last == Some(i) {
            line("end");
        }
        before = Some(*i);
    }
    if let Ending::Deadlock { cycle } = &witness.ending {
        let ending = story::ending(witness).unwrap_or_default();
        let words = format!(
            "{}<br/>{}",
            label(&ending, 2 * COLUMNS),
            label(&story::waits(cycle), 2 * COLUMNS)
        );
        line(&format!("Note over {all}: {words}"));
    }
    out
}

/// `text` as a label: broken into lines of `columns`, with everything Mermaid could take for its own written as an entity.
fn label(text: &str, columns: usize) -> String {
    let lines = wrap(text, columns, 0);
    let escaped = |line: &String| {
        let mut out = String::with_capacity(line.len());
        for c in line.chars() {
            match c {
                '#' | ';' | ':' | '<' | '>' | '&' | '%' | '"' | '`' | '\\' | '{' | '}' => {
                    let _ = write!(out, "#{};", u32::from(c));
                }
                _ => out.push(c),
            }
        }
        out
    };
    let lines: Vec<_> = lines.iter().map(escaped).collect();
    lines.join("<br/>")
}
