//! The mutation sweeps: break the code in one place at a time, and see what notices.
//!
//! ```sh
//! cargo test --release -p lockwalk-shuttle-tests --test mutants every_mutant -- --ignored \
//!     --nocapture
//! cargo test --release -p lockwalk-shuttle-tests --test mutants every_announcement -- --ignored \
//!     --nocapture
//! ```
//!
//! The first leaves out every lock, semaphore, read section, wait, try and condition in `src/mm`
//! once, in a copy of the workspace that holds all mutants, each behind its number, and is compiled
//! once; so it does with the mistakes of `by_hand.rs`. A mutant is tried on what kills it according
//! to `kills.txt`; then on the cases that come by its place, from the cheapest to the dearest, and
//! on what kernels that ran have shown (`conformance/golden`), on `tests/worlds.rs` and
//! `tests/misuse.rs`. What kills it is in `kills.txt`; what survives is listed in `survivors.txt`,
//! with the reason, or a gap in the catalogue.
//!
//! The second leaves out every announcement in `src/sync`, `src/engine` and `src/mm` once: see
//! [`announced`].
//!
//! A third weakens every ordering of `src/mm` under each memory model: see [`orderings`]
//! (`every_ordering`, and `orderings.txt`); `LOCKWALK_MEMORY=weak` does so under that one alone, and
//! `LOCKWALK_MOST=8192` on cases of up to so many executions.
//!
//! `LOCKWALK_MUTANTS=rmap.rs,vma.rs` sweeps only those whose id contains one of these,
//! `LOCKWALK_MUTANTS=new` those of which nothing is written down,
//! `LOCKWALK_MUTANTS=killed` those that something kills, or misses, according to what is written
//! down: that takes half an hour.
//! `LOCKWALK_WITHIN=32` tries each case with so many executions at most: a mutant that nothing has
//! killed then is open, and nothing is written down of it. `MUTANTS_BLESS=1` writes down what came
//! out.

mod announced;
mod by_hand;
mod orderings;
mod sites;
mod source;
mod sweep;

#[path = "../common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use common::each;
use lockwalk::Clause;
use sites::{Kind, Mutant};
use sweep::{Case, Copy, End, Run, run, workspace};

/// Files of `src/mm` that are the checker's, or have nothing to break.
const CHECKERS: [&str; 5] = ["audit.rs", "shadow.rs", "world.rs", "pte.rs", "mod.rs"];

/// What became of a mutant.
#[derive(Clone, PartialEq, Debug)]
enum Fate {
    Killed(Kill),
    /// It crashes, never ends, or takes too long, which is noticed, but names no clause.
    Broken(Kill),
    /// Every verdict is as before.
    Survived,
    /// The same, and no race even comes by.
    Unreached,
    /// The same, as far as it was tried.
    Open,
}

const NO_ANNOUNCEMENT: &str = "no announcement: what is called there announces nothing";

/// What killed a mutant.
#[derive(Clone, PartialEq, Debug)]
struct Kill {
    race: String,
    protocol: String,
    /// The clauses that the first violating execution violates; or what else is said now.
    what: String,
    /// How many it took to come to it.
    executions: u64,
}

impl Kill {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split('\t').map(str::to_owned);
        let (race, protocol, what) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { race, protocol, what, executions: parts.next()?.parse().ok()? })
    }

    /// The clause, if it is one and nothing else.
    fn clause(&self) -> Option<Clause> {
        Clause::ALL.iter().copied().find(|clause| clause.id() == self.what)
    }

    /// Is an announcement found to make no difference?
    fn is_redundant(&self) -> bool {
        self.what.starts_with("redundant: ")
    }

    /// What has the name of an announcement is none.
    fn none_there() -> Self {
        let (race, protocol) = ("-".into(), "-".into());
        Self { race, protocol, what: NO_ANNOUNCEMENT.into(), executions: 0 }
    }

    fn is_none_there(&self) -> bool {
        self.what == NO_ANNOUNCEMENT
    }

    fn case(&self) -> (String, String) {
        (self.race.clone(), self.protocol.clone())
    }

    fn line(&self) -> String {
        format!("{}\t{}\t{}\t{}", self.race, self.protocol, self.what, self.executions)
    }
}

/// Of so many mutants nothing is written down: what kills them is not known, nor why they survive.
/// To be lowered by whoever sweeps them (`LOCKWALK_MUTANTS=new`), and never raised.
const UNSAID: usize = 0;

/// The sweep is run by hand; that what is written down for it still fits the code is looked at
/// every time.
#[test]
fn what_is_written_down_fits_the_code() {
    let ids: BTreeSet<_> = mutants().0.iter().map(Mutant::id).collect();
    let (survivors, kills) = (survivors(), kills());
    let gone: Vec<_> =
        survivors.iter().chain(kills.keys()).filter(|id| !ids.contains(*id)).collect();
    assert!(gone.is_empty(), "survivors.txt or kills.txt lists what is not there:\n{gone:#?}");
    let unsaid: Vec<_> =
        ids.iter().filter(|id| !survivors.contains(*id) && !kills.contains_key(*id)).collect();
    assert_eq!(
        unsaid.len(),
        UNSAID,
        "so many of {} mutants are neither in survivors.txt nor in kills.txt, and so many were:\n\
         {unsaid:#?}",
        ids.len()
    );
    let both: Vec<_> = survivors.iter().filter(|id| kills.contains_key(*id)).collect();
    assert!(both.is_empty(), "survivors.txt lists what kills.txt says to be killed:\n{both:#?}");
    let cases: BTreeSet<_> = common::cases()
        .iter()
        .map(|(race, protocol, _)| (race.id().to_owned(), protocol.to_string()))
        .collect();
    let in_the_catalogue = |kill: &Kill| kill.race != "-";
    let odd: Vec<_> = kills
        .iter()
        .filter(|(_, kill)| in_the_catalogue(kill) && !cases.contains(&kill.case()))
        .collect();
    assert!(odd.is_empty(), "kills.txt names cases that are not there:\n{odd:#?}");
    let announcements = Listed::announcements();
    let odd: Vec<_> = announcements
        .found
        .iter()
        .filter(|(_, kill)| in_the_catalogue(kill) && !cases.contains(&kill.case()))
        .collect();
    assert!(odd.is_empty(), "announcements.txt names cases that are not there:\n{odd:#?}");
    let announced: BTreeSet<_> = announced::mutants().0.iter().map(Mutant::id).collect();
    let gone: Vec<_> = announcements
        .argued
        .iter()
        .chain(announcements.found.keys())
        .filter(|id| !announced.contains(*id))
        .collect();
    assert!(gone.is_empty(), "announcements.txt lists what is not there:\n{gone:#?}");
    let both: Vec<_> =
        announcements.argued.iter().filter(|id| announcements.found.contains_key(*id)).collect();
    assert!(both.is_empty(), "announcements.txt argues for what is found:\n{both:#?}");
    let silent: Vec<_> = announced
        .iter()
        .filter(|id| !announcements.argued.contains(*id) && !announcements.found.contains_key(*id))
        .collect();
    assert!(silent.is_empty(), "announcements.txt says nothing of these:\n{silent:#?}");
    let unswept =
        ids.iter().filter(|id| !survivors.contains(*id) && !kills.contains_key(*id)).count();
    println!(
        "{} mutants, {unswept} of them not swept; {} announcements",
        ids.len(),
        announced.len()
    );
    let missing: Vec<_> = without_killer(&kills).iter().map(|clause| clause.id()).collect();
    assert!(
        missing.is_empty(),
        "neither a case of the catalogue nor a mutant of kills.txt violates exactly {missing:?}"
    );
}

/// The clauses that nothing is known to break, and that do not say why.
fn without_killer<'k>(kills: impl IntoIterator<Item = (&'k String, &'k Kill)>) -> BTreeSet<Clause> {
    let mut missing: BTreeSet<_> = Clause::ALL.iter().copied().collect();
    for (_, _, clause) in common::violating() {
        missing.remove(&clause);
    }
    for clause in kills.into_iter().filter_map(|(_, kill)| kill.clause()) {
        missing.remove(&clause);
    }
    missing
}

#[test]
#[ignore = "takes more than an hour"]
fn every_mutant_changes_a_verdict() {
    let (mutants, texts) = mutants();
    let copy = Copy::build("mutants", &texts, "");
    let started = Instant::now();
    let (cases, others, before) = (copy.baseline(false), copy.others(), kills());
    let chosen = chosen(&mutants);
    println!("{} cases, {} of {} mutants", cases.len(), chosen.len(), mutants.len());
    println!("after {:.0} s", started.elapsed().as_secs_f64());
    let table = Mutex::new(Kills::begin(&mutants));
    let mut fates: BTreeMap<usize, Fate> = each(&chosen, |&n| {
        let killed = |test: &PathBuf| failed(test, n, &[]).map(Fate::Killed);
        let as_before = before.get(&mutants[n].id()).and_then(|kill| {
            if kill.race == "-" {
                let test = kill.what.strip_prefix("test: ").unwrap_or_default();
                others.iter().find_map(|all| failed(all, n, &["--exact", test])).map(Fate::Killed)
            } else {
                again(&copy, n, &cases, kill)
            }
        });
        let fate = as_before.unwrap_or_else(|| match fate(&copy, n, &cases, &[]) {
            fate @ (Fate::Survived | Fate::Unreached) => {
                others.iter().find_map(killed).unwrap_or(fate)
            }
            fate => fate,
        });
        println!("{n:4} {} (line {}): {}", mutants[n].id(), mutants[n].line, tell(&fate));
        table.lock().expect("a panic ends the test").write(mutants[n].id(), &fate);
        (n, fate)
    })
    .into_iter()
    .collect();
    let swept: BTreeSet<_> = chosen.iter().map(|&n| mutants[n].id()).collect();
    let others: BTreeMap<_, _> = before.into_iter().filter(|(id, _)| !swept.contains(id)).collect();
    let exactly = break_exactly(&copy, &cases, &mutants, &others, &mut fates);
    let mut table = table.into_inner().expect("a panic ends the test");
    exactly.iter().for_each(|n| table.write(mutants[*n].id(), &fates[n]));
    summary(&mutants, &fates);
    println!("in {:.0} s", started.elapsed().as_secs_f64());

    let expected = survivors();
    let survived: BTreeSet<_> = fates
        .iter()
        .filter(|(_, fate)| matches!(fate, Fate::Survived | Fate::Unreached))
        .map(|(&n, _)| mutants[n].id())
        .collect();
    let new: Vec<_> = survived.iter().filter(|id| !expected.contains(*id)).collect();
    let gone: Vec<_> =
        expected.iter().filter(|id| swept.contains(*id) && !survived.contains(*id)).collect();
    assert!(
        new.is_empty(),
        "no verdict changes with these, and survivors.txt does not say why:\n{new:#?}"
    );
    assert!(gone.is_empty(), "survivors.txt lists what does not survive:\n{gone:#?}");
}

/// Whoever takes away an announcement is found out, or it is said why not.
#[test]
#[ignore = "takes hours"]
fn every_announcement_is_missed() {
    let (mutants, texts) = announced::mutants();
    let copy = Copy::build("announcements", &texts, announced::SILENCER);
    let started = Instant::now();
    let (cases, tests) = (copy.baseline(true), copy.tests());
    let chosen = chosen(&mutants);
    let is_reached = |n: &usize| cases.iter().any(|case| case.reached.contains(n));
    let reached = chosen.iter().filter(|n| is_reached(n)).count();
    println!(
        "{} cases, {reached} of {} announcements that they come by",
        cases.len(),
        chosen.len()
    );
    let table = Listed::announcements();
    let found: BTreeMap<String, Option<Kill>> = each(&chosen, |&n| {
        let before = table.found.get(&mutants[n].id());
        let found = if is_reached(&n) {
            notice(&copy, &tests, n, mutants[n].kind, &cases, before)
        } else {
            let comes = cases.iter().any(|case| case.nothing.contains(&n));
            let noticed = tests.iter().find_map(|test| failed(test, n, &[]));
            noticed.or_else(|| comes.then(Kill::none_there))
        };
        println!(
            "{n:4} {} (line {}): {}",
            mutants[n].id(),
            mutants[n].line,
            found.as_ref().map_or("NOTHING".into(), Kill::line)
        );
        (mutants[n].id(), found)
    })
    .into_iter()
    .collect();
    println!("in {:.0} s", started.elapsed().as_secs_f64());

    let ids: BTreeSet<_> = mutants.iter().map(Mutant::id).collect();
    if std::env::var_os("MUTANTS_BLESS").is_some() {
        let mut written = table.found.clone();
        written.retain(|id, _| ids.contains(id) && !found.contains_key(id));
        written.extend(found.iter().filter_map(|(id, kill)| Some((id.clone(), kill.clone()?))));
        table.write(&written);
    }
    let nothing: Vec<_> = found
        .iter()
        .filter(|(id, kill)| kill.is_none() && !table.argued.contains(*id))
        .map(|(id, _)| id)
        .collect();
    let noticed: Vec<_> = found
        .iter()
        .filter(|(id, kill)| kill.is_some() && table.argued.contains(*id))
        .map(|(id, _)| id)
        .collect();
    assert!(
        nothing.is_empty(),
        "nothing finds out that these are not announced, and announcements.txt does not say \
         why:\n{nothing:#?}"
    );
    assert!(noticed.is_empty(), "announcements.txt argues for what is found:\n{noticed:#?}");
}

/// What finds out that an announcement is missing: what did `before`, then the quick checks first.
/// What makes no difference is found to be redundant.
fn notice(
    copy: &Copy,
    tests: &[PathBuf],
    n: usize,
    kind: Kind,
    cases: &[Case],
    before: Option<&Kill>,
) -> Option<Kill> {
    let asked = |args: &[&str], which: &dyn Fn(&Case) -> bool| {
        let reaching: Vec<_> = cases
            .iter()
            .filter(|case| case.reached.contains(&n) && which(case))
            .map(|case| &*case.line)
            .collect();
        let run =
            run(copy.verdicts(args).env("LOCKWALK_MUTANT", n.to_string()), &reaching.join("\n"));
        match run.end {
            End::Well => run.stdout.lines().next().and_then(Kill::read),
            End::Failed(_) => Some(broken(&run, "crashes")),
            End::Never => Some(broken(&run, "never ends")),
        }
    };
    const SELFCHECK: &[&str] = &["--selfcheck", "8"];
    const COUNTS: &[&str] = &["--counts"];
    let as_before = before.and_then(|kill| match kill.what.split_once(": ")? {
        ("test", name) => tests.iter().find_map(|test| failed(test, n, &["--exact", name])),
        (how @ ("selfcheck" | "counts"), _) => {
            let args = if how == "counts" { COUNTS } else { SELFCHECK };
            asked(args, &|case| case.is_of(&kill.race, &kill.protocol))
                .filter(|kill| !kill.is_redundant())
        }
        _ => None,
    });
    as_before
        .or_else(|| asked(SELFCHECK, &|_| true))
        .or_else(|| tests.iter().find_map(|test| failed(test, n, &[])))
        .or_else(|| (kind != Kind::Unobserved).then(|| asked(COUNTS, &|_| true)).flatten())
}

/// What `orderings.txt` says is of all orderings that there are.
#[test]
fn what_is_said_of_orderings_fits_the_code() {
    let table = Listed::orderings();
    let mutants = orderings::mutants().0;
    let keys: BTreeSet<_> = mutants.iter().flat_map(of_models).collect();
    let swept: BTreeSet<_> = table.found.keys().cloned().collect();
    let gone: Vec<_> = swept.difference(&keys).collect();
    assert!(gone.is_empty(), "orderings.txt lists what is not there:\n{gone:#?}");
    let missing: Vec<_> = keys.difference(&swept).collect();
    assert!(missing.is_empty(), "every_ordering has not tried these:\n{missing:#?}");
    let needless: BTreeSet<_> = needless(&mutants, &table);
    assert_eq!(table.argued, needless, "orderings.txt argues for others than nothing needs");
    let cases: BTreeSet<_> = common::cases()
        .iter()
        .map(|(race, protocol, _)| (race.id().to_owned(), protocol.to_string()))
        .collect();
    let odd: Vec<_> = table
        .found
        .iter()
        .filter(|(_, kill)| kill.race != "-" && !cases.contains(&kill.case()))
        .collect();
    assert!(odd.is_empty(), "orderings.txt names cases that are not there:\n{odd:#?}");
}

/// A line of `orderings.txt` begins like that.
fn of_models(mutant: &Mutant) -> Vec<String> {
    orderings::models(mutant).iter().map(|memory| format!("{memory} {}", mutant.id())).collect()
}

/// Those of which nothing is noticed under any model.
fn needless(mutants: &[Mutant], table: &Listed) -> BTreeSet<String> {
    let nothing = |key: &String| table.found.get(key).is_some_and(|kill| kill.race == "-");
    mutants.iter().filter(|mutant| of_models(mutant).iter().all(nothing)).map(Mutant::id).collect()
}

/// Who needs which ordering under which memory model.
#[test]
#[ignore = "takes an hour"]
fn every_ordering_is_needed() {
    let (mutants, texts) = orderings::mutants();
    let copy = Copy::build("orderings", &texts, "");
    let chosen = chosen(&mutants);
    let mut table = Listed::orderings();
    let ids: BTreeSet<_> = mutants.iter().flat_map(of_models).collect();
    table.found.retain(|id, _| ids.contains(id));
    let mut known: Option<Vec<orderings::Case>> = None;
    let (only, models) = (std::env::var("LOCKWALK_MEMORY").ok(), ["weak", "pso", "tso"]);
    assert!(only.as_ref().is_none_or(|only| models.contains(&&**only)), "{only:?} is none of them");
    for memory in models {
        if only.as_ref().is_some_and(|only| only != memory) {
            continue;
        }
        let asked: Vec<_> = chosen
            .iter()
            .copied()
            .filter(|&n| orderings::models(&mutants[n]).contains(&memory))
            .collect();
        if asked.is_empty() {
            continue;
        }
        let comes = known.as_ref().map(|known| orderings::coming_by(known, &asked));
        let cases = orderings::baseline(&copy, memory, comes);
        println!("{memory}: {} cases", cases.len());
        let found = each(&asked, |&n| {
            let kill = orderings::noticed(&copy, memory, n, &cases);
            println!("{memory} {} (line {}): {}", mutants[n].id(), mutants[n].line, kill.line());
            (format!("{memory} {}", mutants[n].id()), kill)
        });
        table.found.extend(found);
        if std::env::var_os("MUTANTS_BLESS").is_some() {
            table.write(&table.found);
        }
        known = Some(cases);
    }
    let needless = needless(&mutants, &table);
    let new: Vec<_> = needless.difference(&table.argued).collect();
    let gone: Vec<_> = table.argued.difference(&needless).collect();
    assert!(new.is_empty(), "nothing needs these, and orderings.txt does not say why:\n{new:#?}");
    assert!(gone.is_empty(), "orderings.txt argues for what is needed:\n{gone:#?}");
}

/// The first test that fails, of those that `args` choose.
fn failed(tests: &Path, n: usize, args: &[&str]) -> Option<Kill> {
    /// Those that pass where no mutant runs: another would kill them all.
    static PASS: Mutex<BTreeSet<(PathBuf, String)>> = Mutex::new(BTreeSet::new());
    if PASS.lock().expect("it passes").insert((tests.to_owned(), args.join(" "))) {
        let fails = fails(tests, "none", args);
        assert!(fails.is_none(), "{}, without a mutant: {fails:?}", tests.display());
    }
    let what = fails(tests, &n.to_string(), args)?;
    Some(Kill { race: "-".into(), protocol: "-".into(), what, executions: 0 })
}

/// The first of the tests that fails with this mutant.
fn fails(tests: &Path, mutant: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(tests);
    command.args(["--test-threads", "1"]).args(args).env("LOCKWALK_MUTANT", mutant);
    let run = run(&mut command, "");
    let failed = |line: &str| {
        line.strip_prefix("test ")?.strip_suffix(" ... FAILED").map(|test| format!("test: {test}"))
    };
    let failed = run.stdout.lines().find_map(failed);
    failed.or((run.end != End::Well).then(|| "test: it never ends".into()))
}

/// `announcements.txt` and `orderings.txt`: above the mark what nothing finds, with the reason;
/// below it what is found.
struct Listed {
    file: &'static str,
    mark: &'static str,
    text: String,
    argued: BTreeSet<String>,
    found: BTreeMap<String, Kill>,
}

const FOUND: &str = "# Found: id, race, protocol, what finds it, and how many executions that \
                     took. Written by the sweep with MUTANTS_BLESS=1.\n";

const NEEDED: &str = "# Memory model and id; race, protocol, the clauses that the first violating \
                      execution violates then, and how many executions it took; or in how many \
                      cases nothing is noticed. Written by the sweep with MUTANTS_BLESS=1.\n";

impl Listed {
    fn announcements() -> Self {
        Self::read("announcements.txt", FOUND)
    }

    fn orderings() -> Self {
        Self::read("orderings.txt", NEEDED)
    }

    fn read(name: &'static str, mark: &'static str) -> Self {
        let text = fs::read_to_string(file(name)).expect("it is there");
        let (argued, found) = text.split_once(mark).expect("it has its mark");
        let (argued, found, text) = (listed(argued), table(found), argued.to_owned());
        Self { file: name, mark, text, argued, found }
    }

    fn write(&self, found: &BTreeMap<String, Kill>) {
        let when = swept_when(self.file);
        fs::write(file(self.file), format!("{}{}{when}{}", self.text, self.mark, lines(found)))
            .expect("it can be written");
    }
}

/// Those that `LOCKWALK_MUTANTS` names, or all.
fn chosen(mutants: &[Mutant]) -> Vec<usize> {
    let only = std::env::var("LOCKWALK_MUTANTS").unwrap_or_default();
    if only == "new" {
        let (survivors, kills, announcements) = (survivors(), kills(), Listed::announcements());
        let old = |id: &String| {
            survivors.contains(id)
                || kills.contains_key(id)
                || announcements.argued.contains(id)
                || announcements.found.contains_key(id)
        };
        return (0..mutants.len()).filter(|&n| !old(&mutants[n].id())).collect();
    }
    if only == "killed" {
        let (kills, announcements) = (kills(), Listed::announcements());
        let killed = |id: &String| {
            kills.contains_key(id)
                || announcements
                    .found
                    .get(id)
                    .is_some_and(|kill| !kill.is_redundant() && !kill.is_none_there())
        };
        return (0..mutants.len()).filter(|&n| killed(&mutants[n].id())).collect();
    }
    (0..mutants.len())
        .filter(|&n| only.split(',').any(|part| mutants[n].id().contains(part)))
        .collect()
}

/// What kills a mutant first often violates several clauses at once, or one that others violate
/// too. For a clause that nothing violates by itself yet, the mutants are tried again, until one
/// does. Those that did.
fn break_exactly(
    copy: &Copy,
    cases: &[Case],
    mutants: &[Mutant],
    others: &BTreeMap<String, Kill>,
    fates: &mut BTreeMap<usize, Fate>,
) -> Vec<usize> {
    let mut exactly = Vec::new();
    let killed = |fates: &BTreeMap<usize, Fate>| -> BTreeMap<String, Kill> {
        let kill = |(&n, fate): (&usize, &Fate)| match fate {
            Fate::Killed(kill) => Some((mutants[n].id(), kill.clone())),
            _ => None,
        };
        fates.iter().filter_map(kill).collect()
    };
    for n in killed_by_hand_first(mutants, fates) {
        let missing: Vec<_> = without_killer(others.iter().chain(&killed(fates)))
            .iter()
            .map(|clause| clause.id())
            .collect();
        if missing.is_empty() {
            break;
        }
        if let fate @ Fate::Killed(_) = fate(copy, n, cases, &missing) {
            println!("{n:4} {} (line {}): {}", mutants[n].id(), mutants[n].line, tell(&fate));
            fates.insert(n, fate);
            exactly.push(n);
        }
    }
    exactly
}

fn killed_by_hand_first(mutants: &[Mutant], fates: &BTreeMap<usize, Fate>) -> Vec<usize> {
    let mut killed: Vec<_> =
        fates.iter().filter(|(_, fate)| matches!(fate, Fate::Killed(_))).map(|(&n, _)| n).collect();
    killed.sort_by_key(|&n| mutants[n].kind != Kind::Mistake);
    killed
}

/// The ids in `survivors.txt`: lines without a `#` before them; the comment above a group is its
/// reason.
fn survivors() -> BTreeSet<String> {
    listed(include_str!("survivors.txt"))
}

fn listed(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.starts_with("# ") && !line.is_empty())
        .map(str::to_owned)
        .collect()
}

const KILLS: &str = "# What kills each mutant: its id, race, protocol, the clauses that the first \
                     violating execution violates (or what else is said), and how\n# many \
                     executions it took. Written by the sweep with MUTANTS_BLESS=1.\n";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants").join(name)
}

/// At which commit the mutants were swept that are swept now, beside what the table says of the
/// others.
fn swept_when(table: &str) -> String {
    const SWEPT: &str = "# Swept at ";
    let git = |args: &[&str]| Command::new("git").args(args).current_dir(workspace()).output();
    let commit = git(&["describe", "--always", "--dirty", "--exclude=*"])
        .ok()
        .filter(|said| said.status.success())
        .map_or_else(String::new, |said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    let commit = if commit.is_empty() { "a commit that git does not tell" } else { &commit };
    let before = fs::read_to_string(file(table)).unwrap_or_default();
    match std::env::var("LOCKWALK_MUTANTS") {
        Err(_) => format!("{SWEPT}{commit}: all.\n"),
        Ok(only) => before
            .lines()
            .filter(|line| line.starts_with(SWEPT))
            .chain([&*format!("{SWEPT}{commit}: {only}.")])
            .map(|line| line.to_owned() + "\n")
            .collect(),
    }
}

/// `kills.txt` as it becomes, written after each mutant: a sweep that is interrupted has not been for
/// nothing.
struct Kills {
    swept: String,
    kills: BTreeMap<String, Kill>,
}

impl Kills {
    /// What is no mutant any more goes.
    fn begin(mutants: &[Mutant]) -> Self {
        let (ids, mut kills) = (mutants.iter().map(Mutant::id).collect::<BTreeSet<_>>(), kills());
        kills.retain(|id, _| ids.contains(id));
        Self { swept: swept_when("kills.txt"), kills }
    }

    fn write(&mut self, id: String, fate: &Fate) {
        match fate {
            Fate::Killed(kill) | Fate::Broken(kill) => self.kills.insert(id, kill.clone()),
            Fate::Survived | Fate::Unreached => self.kills.remove(&id),
            Fate::Open => None,
        };
        if std::env::var_os("MUTANTS_BLESS").is_some() {
            let text = KILLS.to_owned() + &self.swept + &lines(&self.kills);
            fs::write(file("kills.txt"), text).expect("it can be written");
        }
    }
}

/// What `kills.txt` says, by id.
fn kills() -> BTreeMap<String, Kill> {
    table(&fs::read_to_string(file("kills.txt")).unwrap_or_default())
}

fn table(text: &str) -> BTreeMap<String, Kill> {
    let read = |line: &str| {
        let (id, kill) = line.split_once('\t')?;
        Some((id.to_owned(), Kill::read(kill)?))
    };
    text.lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| read(line).unwrap_or_else(|| panic!("it is no line: {line}")))
        .collect()
}

fn lines(table: &BTreeMap<String, Kill>) -> String {
    table.iter().map(|(id, kill)| format!("{id}\t{}\n", kill.line())).collect()
}

/// The mutants, and each file of `src/mm` with its mutants in it.
fn mutants() -> (Vec<Mutant>, Vec<(PathBuf, String)>) {
    let (mut mutants, mut texts) = (Vec::new(), Vec::new());
    for (path, source) in sweep::files("src/mm") {
        let file = path.file_name().expect("a file").to_string_lossy().into_owned();
        if CHECKERS.contains(&&*file) {
            continue;
        }
        let (found, text) = sites::mutate(&file, &source, mutants.len());
        syn::parse_file(&text).unwrap_or_else(|why| {
            panic!("{file} with its mutants is no Rust: {why}, at {:?}", why.span().start())
        });
        texts.push((path, text));
        mutants.extend(found);
    }
    (mutants, texts)
}

/// What the catalogue says of a mutant; with `clauses`, an execution that violates exactly one of
/// them.
fn fate(copy: &Copy, n: usize, cases: &[Case], clauses: &[&str]) -> Fate {
    let reaching: Vec<_> =
        cases.iter().filter(|case| case.reached.contains(&n)).map(|case| &*case.line).collect();
    if reaching.is_empty() {
        return Fate::Unreached;
    }
    let args: Vec<_> = ["--against"].iter().chain(clauses).copied().collect();
    let run = run(copy.verdicts(&args).env("LOCKWALK_MUTANT", n.to_string()), &reaching.join("\n"));
    match (run.end, run.stdout.lines().next().and_then(Kill::read)) {
        (End::Never, _) => Fate::Broken(broken(&run, "never ends")),
        (End::Failed(_), _) => Fate::Broken(broken(&run, "crashes")),
        (End::Well, Some(kill)) if kill.what == "unfinished" => Fate::Broken(kill),
        (End::Well, Some(kill)) if kill.what == "open" => Fate::Open,
        (End::Well, Some(kill)) => Fate::Killed(kill),
        (End::Well, None) => Fate::Survived,
    }
}

/// What the case says that killed it before; if that was one clause, the same one first. Nothing, if
/// it says nothing any more.
fn again(copy: &Copy, n: usize, cases: &[Case], kill: &Kill) -> Option<Fate> {
    let case = cases.iter().position(|case| case.is_of(&kill.race, &kill.protocol))?;
    let said = |clauses: &[&str]| match fate(copy, n, &cases[case..=case], clauses) {
        Fate::Survived | Fate::Unreached | Fate::Open => None,
        fate => Some(fate),
    };
    kill.clause().and_then(|clause| said(&[clause.id()])).or_else(|| said(&[]))
}

/// A run that did not end well: it says what it looks at before it does.
fn broken(run: &Run, what: &str) -> Kill {
    let mut said = run.stderr.lines().rev().filter(|line| !line.starts_with("error: "));
    let (race, protocol) = said.find_map(|line| line.split_once(" under ")).unwrap_or_default();
    Kill { race: race.into(), protocol: protocol.into(), what: what.into(), executions: 0 }
}

fn tell(fate: &Fate) -> String {
    match fate {
        Fate::Killed(kill) => format!("killed · {}", kill.line().replace('\t', " · ")),
        Fate::Broken(kill) => format!("broken · {}", kill.line().replace('\t', " · ")),
        Fate::Survived => "SURVIVED".into(),
        Fate::Unreached => "UNREACHED".into(),
        Fate::Open => "open".into(),
    }
}

fn summary(mutants: &[Mutant], fates: &BTreeMap<usize, Fate>) {
    let mut table: BTreeMap<String, [usize; 5]> = BTreeMap::new();
    for (&n, fate) in fates {
        let column = match fate {
            Fate::Killed(_) => 0,
            Fate::Broken(_) => 1,
            Fate::Survived => 2,
            Fate::Unreached => 3,
            Fate::Open => 4,
        };
        table.entry(format!("{:?}", mutants[n].kind)).or_default()[column] += 1;
    }
    println!(
        "{:10} {:>7} {:>7} {:>9} {:>10} {:>6}",
        "kind", "killed", "broken", "survived", "unreached", "open"
    );
    for (kind, [killed, broken, survived, unreached, open]) in table {
        println!("{kind:10} {killed:7} {broken:7} {survived:9} {unreached:10} {open:6}");
    }
}
