//! The figures of the table are what they say they are.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lockwalk_bench::{
    Cell, Format, Limit, Options, Outcome, Relaxed, Size, Variant, exhaust, exhaust_relaxed, find,
    overhead, run,
};

/// A cell that takes longer is not part of what is tested.
const LIMIT: Duration = Duration::from_millis(300);

fn engine(cells: &[Cell], name: &str) -> Cell {
    cells
        .iter()
        .find(|cell| cell.engine == name)
        .unwrap_or_else(|| panic!("no engine is called {name}"))
        .clone()
}

fn factorial(n: u64) -> u64 {
    (1..=n).product()
}

#[test]
fn dpor_needs_one_execution_per_class() {
    for (n, t, k) in [(1, 1, 1), (2, 2, 1), (2, 2, 2), (2, 3, 1), (2, 3, 2)] {
        let theory = factorial(1 + (t * k) as u64) / factorial(k as u64).pow(t as u32);
        for variant in [Variant::FixedPlain, Variant::FixedAtomic] {
            let cell = engine(&exhaust(variant, n, t, k, LIMIT), "dpor");
            assert!(cell.finished(), "{cell:?}");
            assert_eq!((cell.executions, cell.cut), (theory, 0), "{variant} N{n} T{t} K{k}");
        }
    }
}

#[test]
fn the_racy_space_is_what_other_optimal_explorers_count() {
    for (n, t, k, classes) in
        [(1, 1, 1, 4), (2, 2, 1, 16), (2, 2, 2, 64), (2, 3, 1, 144), (2, 3, 2, 4416)]
    {
        let cell = engine(&exhaust(Variant::NoAssert, n, t, k, LIMIT), "dpor");
        assert_eq!(
            (cell.finished(), cell.executions - cell.cut),
            (true, classes),
            "N{n} T{t} K{k}"
        );
    }
}

/// The shapes' counts are those of dpor/tests/memory/litmus.rs, where there are such.
#[test]
fn each_memory_model_has_its_executions() {
    const COUNTS: [(&str, [u64; 4]); 9] = [
        ("SB", [3, 4, 4, 5]),
        ("MP", [3, 3, 4, 4]),
        ("2+2W", [3, 3, 4, 5]),
        ("IRIW", [15, 15, 15, 17]),
        ("SB+swap", [3, 3, 3, 5]),
        ("3.SB", [7, 8, 8, 10]),
        ("5.SB", [31, 32, 32, 36]),
        ("racy N2 T2 K1", [16, 16, 16, 16]),
        ("racy N2 T3 K1", [144, 144, 144, 144]),
    ];
    for (program, (name, executions)) in Relaxed::ALL.into_iter().zip(COUNTS) {
        let cells = exhaust_relaxed(program, Duration::from_secs(60));
        assert!(cells.iter().all(Cell::finished), "{program}: {cells:?}");
        let counted = ["SC", "TSO", "PSO", "RC11"]
            .map(|model| engine(&cells, &format!("dpor, {model}")).executions);
        assert_eq!((program.to_string().as_str(), counted), (name, executions));
        assert!(cells.iter().any(|cell| cell.engine == "loom"));
    }
}

/// Where tasks commute in what they leave, states are fewer than classes of interleavings.
#[test]
fn states_can_be_fewer_than_classes() {
    for (variant, classes) in [(Variant::FixedPlain, 630), (Variant::NoAssert, 4416)] {
        let cell = engine(&exhaust(variant, 2, 3, 2, LIMIT), "dpor, each state once");
        assert!(cell.finished() && cell.executions < classes, "{variant}: {cell:?}");
    }
}

/// All of them are exhaustive on the smallest program, so none is below the number of classes.
#[test]
fn no_exhaustive_engine_needs_fewer() {
    for (variant, classes) in
        [(Variant::FixedPlain, 2), (Variant::FixedAtomic, 2), (Variant::NoAssert, 4)]
    {
        for cell in exhaust(variant, 1, 1, 1, Duration::from_secs(5)) {
            assert!(cell.finished() && cell.executions >= classes, "{variant}: {cell:?}");
        }
    }
}

#[test]
fn every_engine_finds_the_bug() {
    for cell in find(1, 1, 1, Duration::from_secs(5)) {
        assert!(cell.finished(), "{cell:?}");
    }
}

#[test]
fn a_cell_over_its_limit_says_so() {
    let limit = Duration::from_millis(20);
    for name in ["dpor", "loom", "shuttle DFS"] {
        let cell = engine(&exhaust(Variant::NoAssert, 2, 3, 3, limit), name);
        assert_eq!(cell.outcome, Outcome::OverLimit(limit), "{cell:?}");
        assert!(cell.executions > 0 && !cell.finished());
    }
    for cell in exhaust_relaxed(Relaxed::ALL[0], Duration::ZERO) {
        assert!(!cell.finished(), "{cell:?}");
    }
    for cell in find(2, 1, 1, Duration::ZERO) {
        assert!(!cell.finished(), "{cell:?}");
    }
}

#[test]
fn a_cell_that_was_stopped_is_no_result() {
    let limit =
        Limit { time: Duration::from_secs(60), stop: Some(Arc::new(AtomicBool::new(true))) };
    for cell in exhaust(Variant::NoAssert, 2, 3, 3, limit.clone()).into_iter().chain(find(
        2,
        1,
        1,
        limit.clone(),
    )) {
        assert_eq!(cell.outcome, Outcome::Stopped, "{cell:?}");
    }
    let options = Options { limit, overhead: true, memory: true, weak: true, ..Options::default() };
    let mut out = Vec::new();
    run(&options, &mut out, &mut |_| ()).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "", "nothing is written of what was not measured");
}

#[test]
fn loom_refuses_more_threads_than_it_has() {
    let cell = engine(&exhaust(Variant::FixedPlain, 1, 5, 1, LIMIT), "loom");
    assert!(matches!(cell.outcome, Outcome::Broken(_)), "{cell:?}");
}

#[test]
fn the_assertion_failing_is_not_exhausting() {
    for cell in exhaust(Variant::Buggy, 1, 1, 1, Duration::from_secs(5)) {
        assert!(matches!(cell.outcome, Outcome::Broken(_)), "{cell:?}");
    }
}

#[test]
fn a_run_writes_a_table_for_each_family() {
    let (sizes, families) = (vec![Size::new(1, 1, 1)], vec![Variant::FixedPlain, Variant::Buggy]);
    let options = Options {
        families,
        sizes,
        limit: LIMIT.into(),
        format: Format::Markdown,
        ..Options::default()
    };
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    run(&options, &mut out, &mut |progress| seen.push(progress.now.to_owned())).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("| dpor ") && text.contains("| N1 T1 K1"), "{text}");
    assert_eq!(seen, ["locked N1 T1 K1", "bug N1 T1 K1", ""]);
}

#[test]
fn rates_are_rates() {
    for overhead in overhead(1) {
        assert!(overhead.dpor > 0.0 && overhead.random > 0.0, "{overhead:?}");
        assert!((overhead.random / overhead.dpor - overhead.ratio).abs() < 0.01, "{overhead:?}");
    }
}
