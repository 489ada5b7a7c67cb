//! What is taken to commute does, and what does not is found.

use std::cell::Cell;
use std::rc::Rc;

use crate::common::check::run;
use crate::common::program::{Flavour, Program, env};
use crate::common::{Lock, Variant, Word, family};
use dpor::{
    Access, Blame, Budget, Commutation, Commute, DependenceRule, Disagreement, Explorer, Strategy,
    note, object, observed, step,
};

fn strategies(seed: u64) -> [Strategy; 5] {
    [
        Strategy::Dpor,
        Strategy::Dfs,
        Strategy::Random { seed, iterations: 40 },
        Strategy::Pct { seed, depth: 3, iterations: 40 },
        Strategy::FewestPreemptions { max: Some(1) },
    ]
}

fn commute(
    strategy: Strategy,
    program: impl Fn() + Send + Sync + 'static,
) -> Result<Commutation, Box<Disagreement>> {
    let budget = Budget { executions: Some(60), time: None };
    Explorer::new(strategy).budget(budget).commute(Commute { seed: 3, per_execution: 2 }, program)
}

#[test]
fn generated_programs_agree() {
    let first = env("DPOR_SEED", 1);
    let (mut replays, mut reordered, mut values) = (0, 0, 0);
    for seed in first..first + env("DPOR_PROGRAMS", 30) {
        for flavour in
            [Flavour::Locks, Flavour::All, Flavour::Shared, Flavour::Semaphore, Flavour::Failing]
        {
            let program = Program::random(seed, flavour);
            for strategy in strategies(seed) {
                match commute(strategy.clone(), run(&program)) {
                    Ok(checked) => {
                        replays += checked.replays;
                        reordered += checked.reordered;
                        values += checked.values;
                    }
                    Err(disagreement) => {
                        panic!("seed {seed} {flavour:?} {strategy:?}: {disagreement}\n{program:#?}")
                    }
                }
            }
        }
    }
    eprintln!("{replays} replays, {reordered} in another order, {values} values");
    assert!(reordered > replays / 2 && values > replays);
}

/// Every dependence that is overlooked is found, on some program.
#[test]
fn overlooked_dependences_are_found() {
    for rule in [
        DependenceRule::ReaderExclusive,
        DependenceRule::ExclusiveExclusive,
        DependenceRule::SharedExclusive,
        DependenceRule::ReaderShared,
        DependenceRule::UpdateExclusive,
        DependenceRule::UpdateReader,
    ] {
        let found = (1..400).find_map(|seed| {
            [Flavour::Locks, Flavour::Shared, Flavour::All].iter().find_map(|&flavour| {
                let budget = Budget { executions: Some(60), time: None };
                let explorer = Explorer::new(Strategy::Random { seed, iterations: 40 })
                    .budget(budget)
                    .without_rule(rule);
                let disagreement = explorer
                    .commute(Commute::default(), run(&Program::random(seed, flavour)))
                    .err()?;
                // A condition that holds no more is seen only by the task that waits for it.
                assert!(matches!(disagreement.blame, Blame::Steps(_)), "{disagreement}");
                Some(disagreement)
            })
        });
        eprintln!("{rule:?}: {}", found.expect("some program shows it"));
    }
}

/// Two tasks with these bodies; each is given its number, and what they share and announce nothing
/// of.
fn two(
    body: impl Fn(u64, &Cell<u64>) + Clone + Send + Sync + 'static,
) -> impl Fn() + Clone + Send + Sync + 'static {
    move || {
        let cell = Rc::new(Cell::new(0));
        let tasks = [0, 1].map(|number| {
            let (cell, body) = (Rc::clone(&cell), body.clone());
            dpor::spawn(format!("t{number}"), move || body(number, &cell))
        });
        tasks.into_iter().for_each(dpor::JoinHandle::join);
        note(|| [("all is well", true.to_string()), ("cell", cell.get().to_string())]);
    }
}

/// What is found whatever the strategy: in the default one, the difference and what is to blame.
fn found(program: impl Fn() + Clone + Send + Sync + 'static) -> (Disagreement, String) {
    for strategy in strategies(1) {
        let disagreement =
            commute(strategy.clone(), program.clone()).expect_err("it does not commute");
        assert!(
            !disagreement.original.is_empty()
                && disagreement.difference.original != disagreement.difference.reordered
        );
    }
    let disagreement = commute(Strategy::Dpor, program).expect_err("it does not commute");
    let text = disagreement.to_string();
    eprintln!("{text}\n");
    (*disagreement, text)
}

/// The operations that are to blame.
fn blamed(disagreement: &Disagreement) -> [String; 2] {
    let Blame::Steps(steps) = &disagreement.blame else { panic!("{disagreement}") };
    [&steps.0, &steps.1].map(|step| step.op.to_string())
}

#[test]
fn an_unannounced_cell_is_found() {
    let (disagreement, text) = found(two(|number, cell| {
        let own = object();
        step(own, Access::Write);
        cell.set(number + 1);
    }));
    let difference = &disagreement.difference;
    assert_eq!(
        (difference.original.as_str(), difference.reordered.as_str()),
        ("cell = 2", "cell = 1")
    );
    assert_eq!(blamed(&disagreement), ["Write(#0)", "Write(#1)"]);
    assert!(
        text.contains("Write(#0) of task 1 (t0) at ") && text.contains("commute.rs:"),
        "{text}"
    );
}

#[test]
fn an_unannounced_number_is_found() {
    let (disagreement, _) = found(two(|_, cell| {
        let word = Word::new(0);
        word.write(1);
        cell.set(cell.get() + 1);
        observed(cell.get());
    }));
    let mut both = [disagreement.difference.original, disagreement.difference.reordered];
    both.sort();
    assert_eq!(both, ["observed 1", "observed 2"]);
}

#[test]
fn an_update_that_is_looked_at_is_found() {
    let (disagreement, _) = found(|| {
        let (word, count) = (object(), Rc::new(Cell::new(0)));
        let tasks = ["a", "b"].map(|name| {
            let count = Rc::clone(&count);
            dpor::spawn(name, move || {
                step(word, Access::Update);
                count.set(count.get() + 1);
                observed(count.get());
            })
        });
        tasks.into_iter().for_each(dpor::JoinHandle::join);
    });
    assert_eq!(blamed(&disagreement), ["Update(#0)", "Update(#0)"]);
}

#[test]
fn a_write_announced_as_a_read_is_found() {
    let (disagreement, _) = found(|| {
        let (word, value) = (object(), Rc::new(Cell::new(0)));
        let tasks = [1, 2].map(|mine| {
            let value = Rc::clone(&value);
            dpor::spawn("writer", move || {
                step(word, Access::Read);
                value.set(mine);
            })
        });
        tasks.into_iter().for_each(dpor::JoinHandle::join);
        note(|| [("value", value.get())]);
    });
    assert_eq!(blamed(&disagreement), ["Read(#0)", "Read(#0)"]);
}

/// Whoever comes first gets the first lock.
#[test]
fn a_number_that_names_an_object_is_found() {
    let (disagreement, _) = found(|| {
        let next = Rc::new(Cell::new(0));
        let locks = Rc::new([Lock::new(), Lock::new()]);
        let tasks = ["a", "b"].map(|name| {
            let (next, locks) = (Rc::clone(&next), Rc::clone(&locks));
            dpor::spawn(name, move || {
                Word::new(0).write(1);
                let mine = next.replace(next.get() + 1);
                locks[mine].lock();
                locks[mine].unlock();
            })
        });
        tasks.into_iter().for_each(dpor::JoinHandle::join);
    });
    let both = [disagreement.difference.original, disagreement.difference.reordered];
    assert!(
        both.iter().any(|did| did.contains("announced Acquire(#0)"))
            && both.iter().any(|did| did.contains("Acquire(#1)")),
        "{both:?}"
    );
}

/// Tasks start in the order in which they were spawned, in every execution: only a replay can put
/// one off.
#[test]
fn what_is_shared_before_the_first_step_is_found() {
    let (disagreement, _) = found(two(|_, cell| {
        cell.set(cell.get() + 1);
        let mine = cell.get();
        Word::new(0).write(1);
        observed(mine);
    }));
    assert!(
        matches!(&disagreement.blame, Blame::Start { name, .. } if name == "t0"),
        "{disagreement}"
    );
}

/// A flag that nothing announces decides how a program ends.
#[test]
fn endings_are_compared() {
    let waits_for = |cell: &Cell<u64>| cell.get() == 1;
    let (panics, _) = found(two(move |number, cell| {
        Word::new(0).write(1);
        assert!(number == 0 || waits_for(cell), "t0 comes first");
        cell.set(1);
    }));
    assert!(
        panics.difference.original.contains("panicked: t0 comes first")
            || panics.difference.reordered.contains("t0 comes first")
    );
    let lock_or_not = |number: u64, cell: &Cell<u64>| {
        Word::new(0).write(1);
        if number == 0 {
            cell.set(1);
        } else if cell.get() == 1 {
            Word::new(0).wait_for(1);
        }
    };
    let (deadlocks, _) = found(two(lock_or_not));
    assert!(
        deadlocks.difference.original.contains("announced Wait")
            || deadlocks.difference.original == "ended",
        "{deadlocks}"
    );
}

/// A condition looks at what its object does not say.
#[test]
fn a_step_that_cannot_happen_is_found() {
    let (disagreement, _) = found(|| {
        let (word, flag) = (object(), Rc::new(Cell::new(false)));
        let (set, seen) = (Rc::clone(&flag), Rc::clone(&flag));
        let setter = dpor::spawn("setter", move || {
            Word::new(0).write(1);
            set.set(true);
        });
        let waiter =
            dpor::spawn("waiter", move || dpor::step_when(word, Access::Wait, &|| seen.get()));
        setter.join();
        waiter.join();
    });
    assert_eq!(disagreement.difference.reordered, "it cannot");
}

/// Tasks make objects and spawn others: all of them have other numbers in another order.
#[test]
fn numbers_of_objects_and_tasks_do_not_matter() {
    let program = || {
        let total = Word::new(0);
        let tasks = [1, 2].map(|mine| {
            let total = total.clone();
            dpor::spawn(format!("parent {mine}"), move || {
                let own = Word::new(mine);
                own.read();
                let (lock, theirs) = (Lock::new(), own.clone());
                let child = dpor::spawn(format!("child of {mine}"), move || {
                    lock.lock();
                    theirs.write(5);
                    lock.unlock();
                    Word::new(3).read();
                });
                child.join();
                total.add(own.read());
            })
        });
        tasks.into_iter().for_each(dpor::JoinHandle::join);
        note(|| [("total", total.peek())]);
    };
    for strategy in strategies(5) {
        let checked =
            commute(strategy, program).unwrap_or_else(|disagreement| panic!("{disagreement}"));
        assert!(checked.reordered > 0);
    }
}

#[test]
fn a_program_that_is_not_deterministic_is_told_apart() {
    thread_local! {
        static RUNS: Cell<u64> = const { Cell::new(0) };
    }
    let program = two(|number, _| {
        Word::new(0).write(1);
        if number == 1 {
            RUNS.set(RUNS.get() + 1);
            observed(RUNS.get());
        }
    });
    let disagreement = commute(Strategy::Random { seed: 1, iterations: 5 }, program).unwrap_err();
    assert_eq!(disagreement.blame, Blame::Nondeterminism);
}

/// The exploration itself is the same with and without replays, and several threads take part.
#[test]
fn the_exploration_is_not_disturbed() {
    for jobs in [1, 3] {
        let explorer = Explorer::new(Strategy::Dpor).jobs(jobs);
        let checked =
            explorer.commute(Commute::default(), family(Variant::NoAssert, 2, 3, 1)).unwrap();
        assert!(checked.report.exhausted && checked.report.complete == 144, "{checked}");
        assert_eq!(checked.report.saved.as_ref().map(|saved| saved.is_done()), Some(true));
        assert!(
            checked.replayed == 144 && checked.replays > 144 && checked.reordered > 100,
            "{checked}"
        );
        eprintln!("{checked}");
    }
}
