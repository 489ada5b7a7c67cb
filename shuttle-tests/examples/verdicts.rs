//! What the catalogue says of a protocol that was broken, for the mutation sweep (`tests/mutants`).
//! A line is race, protocol, what is said, and executions, separated by tabs; of a case, also how
//! many classes of interleavings it has, if that is known.
//!
//! - `--cases` prints race and protocol of every case.
//! - `--case RACE PROTOCOL` prints the line of one: its objections, of which there should be none.
//!   With `--classes` before it, it counts the classes too.
//! - `--against`, given such lines on its input, prints the line of a case of which something else
//!   is said now: the clauses that the first violating execution violates, and how many executions
//!   it took to come to it; or else the objections. Cheap ones are tried first.
//!   `LOCKWALK_WITHIN=32` in the environment tries each with so many executions only, and if that
//!   shows nothing, says so.
//! - `--against CLAUSE…` wants an execution that violates exactly one of these.
//! - `--selfcheck N`, given such lines, prints the line of a case of which a replay differs,
//!   although it should not, among those of N executions in each order of the CPUs.
//! - `--counts` prints the line of one that has another number of classes of interleavings now. If
//!   none has, it says so: then whatever is not announced any more is ordered by what still is, in
//!   each of them, and to announce it makes no difference. Where no classes are known, it says
//!   nothing.
//! - `--memory MODEL N`, given race and protocol of cases, prints the lines of those that N
//!   executions exhaust in short time under a memory model, with the clauses that they violate.
//! - `--weakened MODEL`, given these, prints the line of a case that violates another clause now, or
//!   in how many cases none does, and in how many executions.

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use lockwalk::witness::Coverage;
use lockwalk::{Memory, Method, Options, Outcome, Protocol, Race, matrix, races};

/// All cases are tried with one execution, which is what most mutants need, then all with more, then
/// with so many times what they need and so many more.
const FIRST: [u64; 3] = [1, 32, 1_024];
const FACTOR: u64 = 4;
const MORE: u64 = 20_000;
/// Under a memory model, a case that is not exhausted in that time is not tried.
const PATIENCE: Duration = Duration::from_secs(10);

/// A case, and what is said of it where nothing is broken.
struct Case {
    race: Race,
    protocol: Protocol,
    objections: String,
    executions: u64,
    /// Classes of equivalent interleavings in which nothing is violated, unless there are many.
    classes: Option<u64>,
}

fn cases() -> impl Iterator<Item = (Race, Protocol)> {
    let of = |race: Race| {
        race.cases().to_vec().into_iter().map(move |(protocol, _)| (race.clone(), protocol))
    };
    races::all().into_iter().flat_map(of)
}

fn named(id: &str, under: &str) -> (Race, Protocol) {
    cases()
        .find(|(race, protocol)| race.id() == id && protocol.to_string() == under)
        .expect("a case of the catalogue")
}

/// What it says if it panics.
fn caught<R>(act: impl FnOnce() -> R) -> Result<R, String> {
    let says = |payload: Box<dyn Any + Send>| {
        payload.downcast::<String>().map_or_else(|_| "it panics".into(), |says| *says)
    };
    panic::catch_unwind(AssertUnwindSafe(act))
        .map_err(|payload| says(payload).replace(['\n', '\t'], " "))
}

impl Case {
    fn read(line: &str) -> Self {
        let parts: Vec<_> = line.split('\t').collect();
        let [race, protocol, objections, executions, classes] = parts[..] else {
            panic!("not a case: {line}")
        };
        let (race, protocol) = named(race, protocol);
        let executions = executions.parse().expect("a number");
        Self {
            race,
            protocol,
            objections: objections.to_owned(),
            executions,
            classes: classes.parse().ok(),
        }
    }

    fn holds(&self) -> bool {
        self.race.documented(&self.protocol).is_some_and(|documented| documented.clause().is_none())
    }

    fn most(&self) -> u64 {
        FACTOR * self.executions + MORE
    }

    /// `Err` when a race cannot be run at all.
    fn run(&self, executions: u64) -> Result<Outcome, String> {
        self.run_with(&Options::default().executions(executions))
    }

    fn run_with(&self, options: &Options) -> Result<Outcome, String> {
        // Whoever waits for it knows that it is not stuck.
        eprintln!("{} under {}", self.race.id(), self.protocol);
        caught(|| self.race.check_with(&self.protocol, &Method::Exhaustive, options))
    }

    fn print(&self, what: &str, executions: u64) {
        println!("{}\t{}\t{what}\t{executions}", self.race.id(), self.protocol);
    }

    /// The first execution within `limit` after which `violates`: what it violates, and how many
    /// there were with it.
    fn first(&self, limit: u64, violates: impl Fn(&Outcome) -> bool) -> (String, u64) {
        let (mut without, mut with) = (0, limit);
        while with - without > 1 {
            let middle = without + (with - without) / 2;
            if self.run(middle).is_ok_and(|outcome| violates(&outcome)) {
                with = middle
            } else {
                without = middle
            }
        }
        let (before, after) = ((without > 0).then(|| self.run(without)), self.run(with));
        let after = after.expect("with fewer executions, it ran as well");
        let before =
            before.into_iter().flatten().flat_map(|outcome| outcome.violations).collect::<Vec<_>>();
        let count = |name: &str| before.iter().find(|c| c.name == name).map_or(0, |c| c.count);
        let new: Vec<_> = after
            .violations
            .iter()
            .filter(|c| c.count > count(&c.name))
            .map(|c| c.name.as_str())
            .collect();
        (new.join(" "), after.executions)
    }
}

/// What is said of a case.
enum Said {
    AsBefore,
    /// These clauses are violated after so many executions.
    Violates(String, u64),
    /// The verdict is another one.
    Otherwise(String, u64),
    /// The limit came first.
    Unfinished,
}

fn says(case: &Case, limit: u64) -> Said {
    let outcome = match case.run(limit) {
        Ok(outcome) => outcome,
        Err(why) => return Said::Otherwise(why, 0),
    };
    if case.holds() && !outcome.violations.is_empty() {
        let (what, executions) = case.first(limit, |outcome| !outcome.violations.is_empty());
        return Said::Violates(what, executions);
    }
    let said = outcome.objections().join("; ");
    match outcome.coverage {
        _ if said == case.objections => Said::AsBefore,
        Coverage::Unfinished { .. } => Said::Unfinished,
        _ => Said::Otherwise(said, outcome.executions),
    }
}

/// The cheapest case of which something else is said: of those that hold, which say by what clause;
/// else of the others.
fn against(mut cases: Vec<Case>) {
    let within: Option<u64> = std::env::var("LOCKWALK_WITHIN").ok().and_then(|n| n.parse().ok());
    let short =
        |limit: &Option<u64>| within.is_none_or(|within| limit.is_some_and(|n| n <= within));
    let mut otherwise = None;
    for limit in FIRST.map(Some).into_iter().chain([None]).filter(short) {
        let mut open = Vec::new();
        for case in cases {
            match says(&case, limit.unwrap_or(case.most()).min(case.most())) {
                Said::AsBefore => {}
                Said::Violates(what, executions) => return case.print(&what, executions),
                Said::Otherwise(what, executions) => {
                    otherwise = otherwise.or(Some((case, what, executions)))
                }
                Said::Unfinished => open.push(case),
            }
        }
        if let Some((case, what, executions)) = otherwise {
            return case.print(&what, executions);
        }
        cases = open;
    }
    if let Some(within) = within {
        return println!("-\t-\topen\t{within}");
    }
    cases.first().into_iter().for_each(|case| case.print("unfinished", case.most()));
}

/// An execution that violates one of these, and nothing else.
fn exactly(cases: &[Case], clauses: &[String]) {
    for case in cases {
        let limit = FIRST[2].min(case.most());
        let Ok(outcome) = case.run(limit) else { continue };
        for clause in clauses
            .iter()
            .filter(|clause| outcome.violations.iter().any(|count| count.name == **clause))
        {
            let (what, executions) = case.first(limit, |outcome| {
                outcome.violations.iter().any(|count| count.name == *clause)
            });
            if what == *clause {
                return case.print(&what, executions);
            }
        }
    }
}

fn both_orders(race: &Race) -> [Race; 2] {
    [race.clone(), race.clone().reversed()]
}

fn selfcheck(cases: &[Case], executions: u64) {
    let options = Options::default().executions(executions);
    for case in cases {
        eprintln!("{} under {}", case.race.id(), case.protocol);
        for race in both_orders(&case.race) {
            match caught(|| race.selfcheck(&case.protocol, &options)) {
                Ok(Ok(_)) => {}
                Ok(Err(disagreement)) => {
                    return case
                        .print(&format!("selfcheck: {}", disagreement.difference), executions);
                }
                Err(why) => return case.print(&format!("selfcheck: {why}"), executions),
            }
        }
    }
}

/// Beyond that many executions, classes are not counted.
const MANY: u64 = 25_000;
/// Cases with more classes than that are compared only where there are no others.
const FEW: u64 = 5_000;

/// How many classes of equivalent interleavings there are in which nothing is violated. A violation
/// ends its execution, and several classes may begin with it.
fn classes(race: &Race, protocol: &Protocol) -> Result<Option<u64>, String> {
    let options = Options::default().executions(MANY);
    let outcome =
        caught(|| matrix::undocumented(race).check_with(protocol, &Method::Exhaustive, &options))?;
    Ok((outcome.coverage == Coverage::Exhaustive).then_some(outcome.executions - outcome.violating))
}

fn counts(cases: &[Case]) {
    let mut compared = (0, 0);
    let counted = |most: u64| {
        cases
            .iter()
            .filter_map(|case| Some((case, case.classes.filter(|&classes| classes <= most)?)))
            .collect()
    };
    let mut chosen: Vec<_> = counted(FEW);
    if chosen.is_empty() {
        chosen = counted(MANY);
    }
    for (case, before) in chosen {
        eprintln!("{} under {}", case.race.id(), case.protocol);
        match classes(&case.race, &case.protocol) {
            Ok(Some(now)) if now == before => compared = (compared.0 + 1, compared.1 + now),
            Ok(Some(now)) => {
                return case.print(
                    &format!("counts: {now} classes of interleavings instead of {before}"),
                    now,
                );
            }
            Ok(None) => return case.print("counts: it is not exhausted any more", MANY),
            Err(why) => return case.print(&format!("verdict: {why}"), 0),
        }
    }
    if compared.0 == 0 {
        return; // nothing was compared, so nothing can be said
    }
    println!(
        "-\t-\tredundant: as many classes of interleavings in each of {} cases\t{}",
        compared.0, compared.1
    );
}

/// The line of a case.
fn said((race, protocol): &(Race, Protocol), count: bool) {
    let outcome = race.check_with(protocol, &Method::Exhaustive, &Options::default());
    let classes = if count { classes(race, protocol).ok().flatten() } else { None };
    println!(
        "{}\t{protocol}\t{}\t{}\t{}",
        race.id(),
        outcome.objections().join("; "),
        outcome.executions,
        classes.map_or("-".into(), |classes| classes.to_string())
    );
}

fn memory(name: &str) -> io::Result<Memory> {
    let named = |memory: &Memory| format!("{memory:?}").eq_ignore_ascii_case(name);
    Memory::ALL.into_iter().find(named).ok_or_else(|| io::Error::other("no memory model"))
}

fn under(memory: Memory, executions: u64, line: &str) -> io::Result<()> {
    let (race, protocol) = line.split_once('\t').ok_or_else(|| io::Error::other("not a case"))?;
    let (race, protocol) = named(race, protocol.trim_end());
    let race = race.memory(memory);
    let options = Options::default().executions(executions).time(PATIENCE);
    let outcome = race.check_with(&protocol, &Method::Exhaustive, &options);
    if outcome.coverage == Coverage::Exhaustive {
        let violated = violated(&outcome).join(" ");
        println!("{}\t{protocol}\t{violated}\t{}\t-", race.id(), outcome.executions);
    }
    Ok(())
}

fn violated(outcome: &Outcome) -> Vec<&str> {
    outcome.violations.iter().map(|count| &*count.name).collect()
}

/// The objections of these cases are the clauses that they violate anyway.
fn weakened(memory: Memory, cases: Vec<Case>) {
    let (mut tried, mut executions) = (0, 0);
    for mut case in cases {
        case.race = case.race.memory(memory);
        let is_new = |outcome: &Outcome| {
            let known: Vec<_> = case.objections.split(' ').collect();
            violated(outcome).iter().any(|clause| !known.contains(clause))
        };
        let limit = FACTOR * case.executions + FIRST[1];
        // An execution may have become long, and where memory is weak a long one is dear.
        match case.run_with(&Options::default().executions(limit).time(PATIENCE)) {
            Ok(outcome) if is_new(&outcome) => {
                let (what, executions) = case.first(limit, is_new);
                return case.print(&what, executions);
            }
            Ok(outcome) => (tried, executions) = (tried + 1, executions + outcome.executions),
            Err(why) => return case.print(&why, 0),
        }
    }
    println!("-\t-\tnothing in {tried} cases\t{executions}");
}

/// The cases on the input, the cheapest first.
fn given() -> io::Result<Vec<Case>> {
    let mut cases: Vec<_> = io::read_to_string(io::stdin())?.lines().map(Case::read).collect();
    cases.sort_by_key(|case| case.executions);
    Ok(cases)
}

fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--cases"] => cases().for_each(|(race, protocol)| println!("{}\t{protocol}", race.id())),
        ["--case", race, protocol] => said(&named(race, protocol), false),
        ["--classes", "--case", race, protocol] => said(&named(race, protocol), true),
        ["--against", ..] => {
            if args.len() == 1 {
                against(given()?)
            } else {
                exactly(&given()?, &args[1..])
            }
        }
        ["--selfcheck", executions] => {
            selfcheck(&given()?, executions.parse().map_err(io::Error::other)?)
        }
        ["--counts"] => counts(&given()?),
        ["--memory", model, executions] => {
            let (memory, executions) =
                (memory(model)?, executions.parse().map_err(io::Error::other)?);
            for line in io::read_to_string(io::stdin())?.lines() {
                under(memory, executions, line)?;
            }
        }
        ["--weakened", model] => weakened(memory(model)?, given()?),
        _ => {
            return Err(io::Error::other(
                "one of --cases, [--classes] --case RACE PROTOCOL, --against [CLAUSE…], --selfcheck N, \
                 --counts, --memory MODEL N, --weakened MODEL",
            ));
        }
    }
    Ok(())
}
