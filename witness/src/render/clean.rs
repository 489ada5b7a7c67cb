//! Text from outside, made fit to print.

use unicode_width::UnicodeWidthChar;

use crate::{Ending, Witness};

/// `text` without anything that would break a line, a column or an XML file; in ASCII if asked.
pub(super) fn clean(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' | '\r' => out.push(' '),
            ' '..='~' => out.push(c),
            _ if ascii => out.push_str(transliterated(c)),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            // Control characters have no width; those of width 0 would change the width of their
            // neighbours.
            _ => match c.width() {
                None => out.push('\u{fffd}'),
                Some(0) => {}
                Some(_) => out.push(c),
            },
        }
    }
    out.trim_end().to_owned()
}

/// `text` in ASCII, in lines as it was.
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            out.push_str(transliterated(c));
        }
    }
    out
}

fn transliterated(c: char) -> &'static str {
    match c {
        '✗' => "x",
        '✓' => "v",
        '→' => "->",
        '←' => "<-",
        '↔' => "<->",
        '≠' => "!=",
        '≤' => "<=",
        '≥' => ">=",
        '·' => "|",
        '─' | '–' | '—' | '−' => "-",
        '│' => "|",
        '┌' | '└' => "+",
        '…' => "...",
        '⋮' => ":",
        '°' => "*",
        'µ' => "u",
        '′' | '’' | '‘' => "'",
        '“' | '”' => "\"",
        '×' => "x",
        '∞' => "inf",
        '§' => "section ",
        '∈' => "in",
        _ => "?",
    }
}

/// `witness` with every text in it cleaned.
pub(super) fn witness(witness: &Witness, ascii: bool) -> Witness {
    let mut w = witness.clone();
    let texts = [
        &mut w.race,
        &mut w.title,
        &mut w.protocol,
        &mut w.clause,
        &mut w.clause_text,
        &mut w.spec,
        &mut w.what,
        &mut w.schedule,
        &mut w.replay,
        &mut w.found.engine,
        &mut w.found.memory_model,
    ];
    let steps = w
        .steps
        .iter_mut()
        .flat_map(|s| [&mut s.text, &mut s.object, &mut s.at].into_iter().chain(&mut s.now));
    let facts = w.start.iter_mut().flat_map(|fact| [&mut fact.name, &mut fact.value]);
    let waits = match &mut w.ending {
        Ending::Deadlock { cycle } => cycle.as_mut_slice(),
        Ending::Violation | Ending::Audit | Ending::Livelock { .. } | Ending::Complete => &mut [],
    };
    texts
        .into_iter()
        .chain(&mut w.cpus)
        .chain(steps)
        .chain(facts)
        .chain(waits.iter_mut().flat_map(|wait| [&mut wait.holds, &mut wait.wants]))
        .chain(w.held.iter_mut().map(|held| &mut held.lock))
        .for_each(|text| *text = clean(text, ascii));
    w
}
