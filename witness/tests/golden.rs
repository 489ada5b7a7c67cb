//! What the renderers print, line by line.

mod samples;

use witness::render::{self, Detail, Style};
use witness::{Ending, Outcome, Witness};

fn each(name: &str, draw: impl Fn(&Witness) -> String) {
    for (sample, witness) in samples::all() {
        insta::assert_snapshot!(format!("{name}_{sample}"), draw(&witness));
    }
}

/// How long one thread would have been at it.
fn total(outcomes: &[Outcome]) -> f64 {
    outcomes.iter().fold(0.0, |sum, outcome| sum + outcome.seconds)
}

#[test]
fn text() {
    each("text", |w| render::text(w, 100, Style::default()));
}

#[test]
fn text_in_full() {
    each("full", |w| render::text(w, 120, Style { detail: Detail::Full, ..Style::default() }));
}

#[test]
fn text_in_ascii_and_narrow() {
    each("narrow", |w| {
        render::text(w, 64, Style { ascii: true, hide_source: true, ..Style::default() })
    });
}

#[test]
fn text_in_the_least_width() {
    insta::assert_snapshot!(render::text(&samples::three_cpus(), 0, Style::default()));
}

#[test]
fn svg() {
    each("svg", |w| render::svg(w, Detail::Story));
}

/// A picture of what goes well names no clause, and no command that shows it.
#[test]
fn svg_of_what_goes_well() {
    let mut well = samples::violation();
    well.ending = Ending::Complete;
    for text in [&mut well.clause, &mut well.spec, &mut well.replay] {
        text.clear();
    }
    let picture = render::svg(&well, Detail::Story);
    assert!(picture.contains(">nothing is violated<"), "{picture}");
    assert!(
        ![" demands:", "found by", "replay:", "class=\"bad\""]
            .iter()
            .any(|part| picture.contains(part)),
        "{picture}"
    );
}

#[test]
fn mermaid() {
    each("mermaid", |w| render::mermaid(w, Detail::Story));
}

#[test]
fn what_is_brief_has_no_lane_without_a_row() {
    let mut witness = samples::five_cpus();
    witness.steps.retain(|step| step.cpu == 1);
    let style = Style { detail: Detail::Brief, ..Style::default() };
    let mermaid = render::mermaid(&witness, Detail::Brief);
    assert!(mermaid.contains("Note over c1,l0: "), "{mermaid}");
    for drawn in [render::text(&witness, 100, style), render::svg(&witness, style.detail), mermaid]
    {
        let lanes = (0..5).filter(|cpu| drawn.contains(&format!("CPU{cpu} ")));
        assert_eq!(lanes.collect::<Vec<_>>(), [1], "{drawn}");
    }
}

#[test]
fn json() {
    insta::assert_snapshot!(render::json(&samples::deadlock()));
}

#[test]
fn table() {
    let one_engine: Vec<_> =
        samples::outcomes().into_iter().filter(|o| o.engine == "dpor").collect();
    insta::assert_snapshot!(
        "table",
        render::table(&one_engine[..6], total(&one_engine[..6]), 100, Style::default())
    );
    insta::assert_snapshot!(
        "table_of_everything",
        render::table(&samples::outcomes(), total(&samples::outcomes()), 100, Style::default())
    );
    let ascii = Style { ascii: true, ..Style::default() };
    insta::assert_snapshot!(
        "table_narrow",
        render::table(&samples::outcomes(), total(&samples::outcomes()), 72, ascii)
    );
    insta::assert_snapshot!(
        "table_of_nothing",
        render::table(&[], total(&[]), 100, Style::default())
    );
}

#[test]
fn lines() {
    let lines: Vec<_> = samples::outcomes().iter().map(render::line).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
