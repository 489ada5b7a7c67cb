//! Every case has the documented verdict, the numbers in `golden/verdicts.snap`, and for each
//! violation its shortest witness in `witnesses/`, so that a change of either shows in review.
//! `INSTA_UPDATE=always` writes the numbers anew, `SPEC_BLESS=1` the witnesses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use lockwalk::witness::render::{self, Detail, Style};
use lockwalk::witness::{Ending, Step, StepKind};
use lockwalk::{Documented, Era, Method, Options, Outcome, Schedule, Witness, races};

use super::common::{self, Case};
use super::{EXPLORED, LIMIT, explored, generated, written};

const WIDTH: usize = 100;

/// Executions that take some tenths of a second.
const LARGE: u64 = 5_000;

/// Whoever asks about everything under one kernel gets an answer to each: a verdict, or why there is
/// none.
#[test]
fn every_race_can_be_asked_under_every_kernel() {
    let few = Options::default().executions(5).witness(false);
    for race in races::all() {
        for protocol in Era::all() {
            race.check_with(&protocol, &Method::Exhaustive, &few);
        }
    }
}

/// What moves no pages has no verdict about what does.
#[test]
fn kernels_that_move_no_pages_are_not_asked_about_that() {
    let race = races::all().into_iter().find(|race| race.id() == "S3.1").expect("it is there");
    for protocol in [Era::V2_6_7, Era::V2_6_11, Era::V2_6_13, Era::DOCUMENT_0] {
        let outcome = race.check(&protocol);
        let why = outcome.coverage.inapplicable();
        assert!(why.is_some_and(|why| why.contains("(migration=no)")), "{protocol}: {why:?}");
    }
}

#[test]
fn every_verdict_is_the_documented_one() {
    for (_, outcome) in EXPLORED.iter() {
        assert_eq!(outcome.objections(), [""; 0], "{} under {}", outcome.race, outcome.protocol);
    }
    let witnesses: Vec<_> = EXPLORED
        .iter()
        .filter_map(|(case, outcome)| Some((case, outcome.witness.as_ref()?)))
        .collect();
    let at_the_start: Vec<_> = witnesses
        .iter()
        .filter(|(_, witness)| witness.steps.is_empty())
        .map(|(_, witness)| format!("{} under {}", witness.race, witness.protocol))
        .collect();
    assert!(at_the_start.is_empty(), "violated before any CPU takes a step: {at_the_start:?}");
    // What a lock or a word does is the doing of who calls it. An assertion of the race's has its
    // place in its text.
    let places = ["src/mm/", "src/races/", "src/exec/panics.rs"];
    let nowhere = |(_, witness): &(&Case, &Witness)| {
        let has_place = |at: &str| places.iter().any(|place| at.starts_with(place));
        witness.steps.iter().find(|step| !has_place(&step.at)).cloned()
    };
    assert_eq!(
        witnesses.iter().filter_map(nowhere).collect::<Vec<_>>(),
        [],
        "a step is not said to be the protocol's, nor the race's"
    );
    witnesses.iter().for_each(|(case, witness)| replays(case, witness));
    let mut lines = EXPLORED.iter().map(|(_, outcome)| line(outcome));
    let whole = |(race, protocol, _): &Case| match written(race, protocol) {
        Some(written) => format!("{}\n", written.line),
        None => lines.next().expect("a line for each case"),
    };
    golden("verdicts", &common::cases().iter().map(whole).collect::<String>());
    stand(&TOLD.files);
}

/// Who goes through the rows of a deadlock one after the other has to come to it, too: whoever is
/// ahead in a queue stands in it before those that wait behind.
#[test]
fn who_waits_stands_in_the_queue_before_those_behind() {
    let mut queues = 0;
    for witness in EXPLORED.iter().filter_map(|(_, outcome)| outcome.witness.as_ref()) {
        for (row, step) in witness.steps.iter().enumerate() {
            let ahead = step.text.split_once(" waits for CPU").and_then(|(_, whom)| {
                whom.strip_suffix(", which is before it in the queue")?.parse::<usize>().ok()
            });
            let Some(ahead) = ahead else { continue };
            queues += 1;
            let waits = |before: &lockwalk::witness::Step| {
                before.cpu == ahead
                    && before.kind == StepKind::Blocked
                    && before.object == step.object
            };
            let (race, protocol) = (&witness.race, &witness.protocol);
            assert!(
                witness.steps[..row].iter().any(waits),
                "{race} under {protocol}, row {}: CPU{ahead} is not in the queue yet",
                row + 1
            );
        }
    }
    assert!(queues > 0, "no deadlock of the catalogue has a queue");
}

/// What is drawn below the interleaving happens in it, in that order, and is called the same.
#[test]
fn a_deadlock_is_drawn_in_the_order_of_its_steps() {
    let deadlocks: Vec<_> = EXPLORED
        .iter()
        .filter_map(|(_, outcome)| outcome.witness.as_ref())
        .filter(|witness| matches!(witness.ending, Ending::Deadlock { .. }))
        .collect();
    assert!(deadlocks.len() > 5, "the catalogue has next to no deadlocks");
    for witness in deadlocks {
        let (race, protocol) = (&witness.race, &witness.protocol);
        let text = render::text(witness, WIDTH, Style::default());
        let lines: Vec<_> = text.lines().collect();
        let dashes = lines.iter().position(|line| line.trim_start().starts_with("----"));
        let heads = dashes.expect("it is drawn") - 1;
        let calls = lines[heads + 2..].iter().take_while(|line| !line.is_empty());
        let (mut from, mut drawn) = (0, 0);
        for line in calls {
            let call = line.trim().trim_end_matches(';');
            let column = line.len() - line.trim_start().len();
            let cpu = lines[heads][column..].trim_start_matches("CPU").split(' ').next();
            let cpu: usize = cpu.and_then(|cpu| cpu.parse().ok()).expect("a CPU stands above it");
            let here = |step: &Step| step.cpu == cpu && step.text.starts_with(call);
            let next = witness.steps[from..].iter().position(here).unwrap_or_else(|| {
                panic!("{race} under {protocol}: CPU{cpu} does not {call} then:\n{text}")
            });
            (from, drawn) = (from + next + 1, drawn + 1);
        }
        assert!(drawn > 1, "{race} under {protocol}:\n{text}");
    }
}

/// Whoever reads more than the few rows that decide it, reads them, too.
#[test]
fn no_row_that_is_brief_is_left_out_otherwise() {
    for witness in EXPLORED.iter().filter_map(|(_, outcome)| outcome.witness.as_ref()) {
        let digits = witness.steps.len().to_string().len().max(2);
        let rows = |detail| {
            let text = render::rows(witness, WIDTH, Style { detail, ..Style::default() });
            let number = |line: &str| line.chars().skip(2).take(digits).collect::<String>();
            text.lines()
                .filter_map(|line| number(line).trim().parse().ok())
                .collect::<BTreeSet<usize>>()
        };
        let brief = rows(Detail::Brief);
        assert!(!brief.is_empty(), "{} under {}", witness.race, witness.protocol);
        for detail in [Detail::Window, Detail::FromFirstSwitch] {
            let left_out: Vec<_> = brief.difference(&rows(detail)).copied().collect();
            let Witness { race, protocol, .. } = witness;
            assert_eq!(left_out, [0; 0], "{race} under {protocol}, {detail:?}");
        }
    }
}

/// The files of `witnesses/`, with their text, and in which of them a race under a protocol is
/// told. Where a race goes the same way under several protocols, the first of them stands for all.
struct Told {
    files: BTreeMap<PathBuf, String>,
    place: BTreeMap<(String, String), PathBuf>,
}

static TOLD: LazyLock<Told> = LazyLock::new(|| {
    let style = Style { hide_source: true, ..Style::default() };
    let mut stories: Vec<(String, Vec<&Witness>)> = Vec::new();
    for witness in EXPLORED.iter().filter_map(|(_, outcome)| outcome.witness.as_ref()) {
        let Witness { race, clause, what, .. } = witness;
        let rows = render::rows(witness, WIDTH, style);
        let story = format!("{race}\n{clause}\n{what}\n{rows}");
        match stories.iter_mut().find(|(known, _)| *known == story) {
            Some((_, others)) => others.push(witness),
            None => stories.push((story, vec![witness])),
        }
    }
    let mut told = Told { files: BTreeMap::new(), place: BTreeMap::new() };
    for (_, witnesses) in stories {
        let first = witnesses[0];
        let file: PathBuf =
            ["witnesses", &first.race, &format!("{}.txt", first.protocol)].iter().collect();
        let mut text = render::text(first, WIDTH, style);
        let others: Vec<_> = witnesses[1..].iter().map(|other| &*other.protocol).collect();
        if !others.is_empty() {
            text += &format!("  goes the same way under: {}\n", others.join(", "));
        }
        told.files.insert(file.clone(), text);
        let place = |witness: &Witness| (witness.race.clone(), witness.protocol.clone());
        told.place.extend(witnesses.into_iter().map(|witness| (place(witness), file.clone())));
    }
    told
});

/// Where a witness stands.
pub(super) fn file(witness: &Witness) -> String {
    TOLD.place[&(witness.race.clone(), witness.protocol.clone())].display().to_string()
}

/// `witnesses/` is what it should be, or is made so.
#[track_caller]
fn stand(files: &BTreeMap<PathBuf, String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let there = under(&root.join("witnesses"));
    let there: BTreeSet<_> =
        there.iter().map(|path| path.strip_prefix(root).expect("it is in there").into()).collect();
    let is = |file: &PathBuf| fs::read_to_string(root.join(file)).ok();
    let gone: Vec<&PathBuf> = there.iter().filter(|file| !files.contains_key(*file)).collect();
    let other = files.iter().filter(|(file, text)| is(file).as_ref() != Some(*text));
    let other: Vec<_> = other.map(|(file, _)| file).collect();
    if generated::blessing() {
        gone.iter().for_each(|file| fs::remove_file(root.join(file)).expect("it was there"));
        for file in other {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
            fs::write(path, &files[file]).expect("files can be written");
        }
        return;
    }
    assert!(
        gone.is_empty() && other.is_empty(),
        "no witness any more: {gone:#?}; new or another: {other:#?}; look at them, then run this \
         test with SPEC_BLESS=1{}",
        other.first().map_or(String::new(), |file| format!("\n{}", files[*file]))
    );
}

fn under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { under(&path) } else { vec![path] }).collect()
}

/// If a number is another one now: take the line out of `golden/verdicts.snap`, and bless.
#[test]
#[ignore = "takes minutes"]
fn what_is_written_down_of_dear_cases_is_so() {
    let dear = common::cases()
        .into_iter()
        .filter(|(race, protocol, _)| written(race, protocol).is_some())
        .collect();
    let odd = explored(dear).into_iter().filter_map(|((race, protocol, _), outcome)| {
        let (line, written) = (line(&outcome), written(&race, &protocol).expect("it is dear"));
        (line.trim_end() != written.line.trim_end()).then_some(line) // no ending is asked for
    });
    assert_eq!(odd.collect::<Vec<_>>(), [""; 0]);
}

/// The scheduler tries the CPUs in the order in which they are named. If it missed classes of
/// interleavings, it would hardly miss as many the other way round (SPEC.md, FINDING-23). The large
/// ones are left out for time.
#[test]
fn the_order_of_the_cpus_changes_nothing() {
    let holding: Vec<_> = EXPLORED
        .iter()
        .filter(|(case, outcome)| case.2 == Documented::Holds && outcome.executions < LARGE)
        .collect();
    let options = Options::default().executions(LIMIT);
    let back = common::each(&holding, |((race, protocol, _), _)| {
        race.clone().reversed().check_with(protocol, &Method::Exhaustive, &options)
    });
    let odd = holding.iter().zip(&back).filter_map(|(((race, protocol, _), outcome), back)| {
        assert_eq!(
            back.objections(),
            [""; 0],
            "{} under {protocol}, with the CPUs in the opposite order",
            race.id()
        );
        let (many, others) = (outcome.executions, back.executions);
        (many != others).then(|| {
            format!(
                "{} under {protocol}: {many} executions, and with the CPUs in the opposite order \
                 {others}",
                race.id()
            )
        })
    });
    assert_eq!(odd.collect::<Vec<_>>(), [""; 0]);
}

/// What states decide by default, executions have decided before.
#[test]
fn states_say_the_same_of_dear_cases() {
    decided_by_states(8);
}

/// All of it, once.
#[test]
#[ignore = "takes minutes"]
fn states_say_the_same_of_every_dear_case() {
    decided_by_states(1);
}

/// Though few executions are tried first, the search for the shortest witness takes as many as it
/// needs: more than those, in the first of these. It is dpor's, too, where states have found that
/// something is violated.
#[test]
fn the_witness_is_the_shortest_by_default() {
    for (race, protocol, engine) in [
        ("S4/moves-back", "2.6.38+pte_look=lockless-unmap", "dpor"),
        ("S0.9/fast", "5.9", "states and dpor"),
    ] {
        let it = |(of, under, _): &Case| of.id() == race && under.to_string() == protocol;
        let case = common::cases().into_iter().find(it).expect("it is in the catalogue");
        let options = Options::default().witness(true);
        let outcome = case.0.check_with(&case.1, &Method::Auto, &options);
        let witness = outcome.witness.expect("it is violated");
        assert_eq!(witness.found.engine, engine, "{race} under {protocol}");
        replays(&case, &witness);
    }
}

/// Of every so many dear cases.
fn decided_by_states(every: usize) {
    let dear: Vec<_> = common::cases()
        .into_iter()
        .filter_map(|(race, protocol, _)| {
            let written = written(&race, &protocol)?;
            (written.executions > LARGE).then_some((race, protocol, written))
        })
        .step_by(every)
        .collect();
    // What states do not decide is not asked any further.
    let options = Options::default().executions(LARGE + 1);
    let outcomes = common::each(&dear, |(race, protocol, _)| {
        race.check_with(protocol, &Method::Auto, &options)
    });
    let decided = dear.iter().zip(&outcomes).filter(|(_, outcome)| outcome.states.is_some());
    let odd = decided.clone().filter_map(|((race, protocol, written), outcome)| {
        let endings = |line: &str| {
            let (_, endings) = line.split_once(" executions: ").expect("it is dear");
            let reached = endings.trim_end().split(", ").filter(|ending| !ending.starts_with("0 "));
            let names = reached.map(|ending| ending.split_once(' ').map_or(ending, |it| it.1));
            names.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let same = outcome.engine == "states"
            && outcome.objections().is_empty()
            && outcome.verdict().to_string() == written.verdict
            && endings(&line(outcome)) == endings(written.line);
        (!same).then(|| format!("{} under {protocol}: {}", race.id(), line(outcome)))
    });
    assert_eq!(odd.collect::<Vec<_>>(), [""; 0]);
    assert!(decided.count() * 4 > dear.len(), "states decide few of {}", dear.len());
}

/// One line of `verdicts.snap`. How many executions a search for a violation needs is nobody's
/// business; how many there are, is.
fn line(outcome: &Outcome) -> String {
    let counts = |counts: &[lockwalk::witness::Count]| {
        counts.iter().map(|c| format!("{} {}", c.count, c.name)).collect::<Vec<_>>().join(", ")
    };
    let how = match &outcome.witness {
        Some(w) => format!(
            "{} preemptions, {} switches, {} steps",
            w.preemptions,
            w.switches,
            w.steps.len()
        ),
        None => format!("{} executions: {}", outcome.executions, counts(&outcome.endings)),
    };
    format!("{} · {} · {} · {how}\n", outcome.race, outcome.protocol, outcome.verdict())
}

/// The witness is the shortest there is, and its replay line, read back, shows the same again.
#[track_caller]
fn replays((race, protocol, documented): &Case, witness: &Witness) {
    let of = format!("{} under {protocol}", race.id());
    assert!(witness.found.minimal, "{of}: a shorter witness was not ruled out");
    let schedule: Schedule = witness.schedule.parse().expect("a schedule");
    let again = race.replay(protocol, &schedule).unwrap_or_else(|error| panic!("{of}: {error}"));
    assert_eq!(
        (&again.clause, &again.steps),
        (&witness.clause, &witness.steps),
        "{of}, {documented:?}"
    );
}

#[track_caller]
fn golden(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "golden",
        prepend_module_to_snapshot => false,
        omit_expression => true
    }, {
        insta::assert_snapshot!(name, text);
    });
}
