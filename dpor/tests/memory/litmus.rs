//! Litmus tests, with every sensible placement of orderings and fences, and what herd7 says of
//! them.
//!
//! `golden/rc11.txt` and `golden/x86-tso.txt` have the outcomes that herd7 lists under its
//! `rc11.cat`, and its x86-TSO as `x86-tso.cat` corrects it; `herd.sh` makes them again. There is
//! no difference that has to be explained: RC11 has no load buffering either, and dependencies
//! order nothing in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

use dpor::Memory;

use crate::program::{Instr, Outcome, Program, exhaust};

/// An access of a shape: which word, and the value that is written; the gaps between two of one
/// task take a fence.
#[derive(Copy, Clone)]
pub enum Do {
    R(usize),
    W(usize, u64),
    /// A swap.
    U(usize, u64),
}
use Do::{R, U, W};

const X: usize = 0;
const Y: usize = 1;
const Z: usize = 2;

pub type Shape = (&'static str, &'static [&'static [Do]]);

pub const SHAPES: &[Shape] = &[
    ("SB", &[&[W(X, 1), R(Y)], &[W(Y, 1), R(X)]]),
    ("MP", &[&[W(X, 1), W(Y, 1)], &[R(Y), R(X)]]),
    ("LB", &[&[R(X), W(Y, 1)], &[R(Y), W(X, 1)]]),
    ("S", &[&[W(X, 2), W(Y, 1)], &[R(Y), W(X, 1)]]),
    ("R", &[&[W(X, 1), W(Y, 1)], &[W(Y, 2), R(X)]]),
    ("2+2W", &[&[W(X, 1), W(Y, 2)], &[W(Y, 1), W(X, 2)]]),
    ("WRC", &[&[W(X, 1)], &[R(X), W(Y, 1)], &[R(Y), R(X)]]),
    ("RWC", &[&[W(X, 1)], &[R(X), R(Y)], &[W(Y, 1), R(X)]]),
    ("WWC", &[&[W(X, 2)], &[R(X), W(Y, 1)], &[R(Y), W(X, 1)]]),
    ("IRIW", &[&[W(X, 1)], &[W(Y, 1)], &[R(X), R(Y)], &[R(Y), R(X)]]),
    ("ISA2", &[&[W(X, 1), W(Y, 1)], &[R(Y), W(Z, 1)], &[R(Z), R(X)]]),
    ("W+RWC", &[&[W(X, 1), W(Y, 1)], &[R(Y), R(Z)], &[W(Z, 1), R(X)]]),
    ("3.SB", &[&[W(X, 1), R(Y)], &[W(Y, 1), R(Z)], &[W(Z, 1), R(X)]]),
    ("Z6.3", &[&[W(X, 1), W(Y, 1)], &[W(Y, 2), W(Z, 1)], &[R(Z), R(X)]]),
    ("SB+own", &[&[W(X, 1), R(X), R(Y)], &[W(Y, 1), R(Y), R(X)]]),
    ("CoRR", &[&[W(X, 1), W(X, 2)], &[R(X), R(X)]]),
    ("CoRR4", &[&[W(X, 1)], &[W(X, 2)], &[R(X), R(X)], &[R(X), R(X)]]),
    ("CoWW", &[&[W(X, 1), W(X, 2)], &[W(X, 3)]]),
    ("CoRW", &[&[R(X), W(X, 1)], &[W(X, 2)]]),
    ("CoWR", &[&[W(X, 1), R(X)], &[W(X, 2)]]),
    ("SB+swap", &[&[U(X, 1), R(Y)], &[U(Y, 1), R(X)]]),
    ("MP+swap", &[&[W(X, 1), W(Y, 1)], &[U(Y, 2)], &[R(Y), R(X)]]),
    ("CoUU", &[&[U(X, 1)], &[U(X, 2)], &[R(X), R(X)]]),
];

/// A program with one fence or none in each gap.
pub fn placed(
    shape: &[&[Do]],
    (writes, reads): (Ordering, Ordering),
    fences: &[Option<Ordering>],
) -> Program {
    let mut fences = fences.iter();
    let tasks = shape.iter().map(|task| {
        let mut instrs = Vec::new();
        for (index, access) in task.iter().enumerate() {
            if index > 0 {
                instrs.extend(fences.next().copied().flatten().map(Instr::Fence));
            }
            instrs.push(match *access {
                R(word) => Instr::Load(word, reads),
                W(word, value) => Instr::Store(word, value, writes),
                U(word, value) => Instr::Swap(
                    word,
                    value,
                    if (writes, reads) == (Release, Acquire) { AcqRel } else { writes },
                ),
            });
        }
        instrs
    });
    let tasks = tasks.collect();
    let words = shape.iter().copied().flatten().map(|access| match *access {
        R(word) | W(word, _) | U(word, _) => word + 1,
    });
    Program { words: words.max().unwrap(), tasks }
}

/// All of so many, from these.
fn each<T: Copy>(from: &[T], count: usize) -> Vec<Vec<T>> {
    (0..count).fold(vec![Vec::new()], |all, _| {
        all.iter()
            .flat_map(|some| from.iter().map(|&one| [some.as_slice(), &[one]].concat()))
            .collect()
    })
}

fn short(order: Ordering) -> &'static str {
    match order {
        Relaxed => "rlx",
        Acquire => "acq",
        Release => "rel",
        AcqRel => "ar",
        _ => "sc",
    }
}

/// The suite: name and program.
pub fn suite() -> Vec<(String, Program)> {
    let mut suite = Vec::new();
    for (name, shape) in SHAPES {
        let gaps = shape.iter().map(|task| task.len() - 1).sum();
        for writes in [Relaxed, Release, SeqCst] {
            for reads in [Relaxed, Acquire, SeqCst] {
                let plain = (writes, reads) == (Relaxed, Relaxed);
                let fences: &[_] = if plain {
                    &[None, Some(Release), Some(Acquire), Some(SeqCst)]
                } else {
                    &[None, Some(SeqCst)]
                };
                for fences in each(fences, gaps) {
                    let mut name = format!("{name}+{}+{}", short(writes), short(reads));
                    fences
                        .iter()
                        .for_each(|fence| write!(name, "+{}", fence.map_or("po", short)).unwrap());
                    suite.push((name, placed(shape, (writes, reads), &fences)));
                }
            }
        }
    }
    // And programs without any shape. Those with compare-and-swap are left to the other oracles.
    let random = (0..).map(|seed| (format!("random{seed}"), Program::random(1_000_000 + seed, 7)));
    let without = random.filter(|(_, program)| {
        !program.tasks.iter().flatten().any(|instr| matches!(instr, Instr::Cas(..)))
    });
    suite.extend(without.take(300));
    suite
}

pub fn name_of(word: usize) -> &'static str {
    ["x", "y", "z", "w"][word]
}

pub fn c_order(order: Ordering) -> &'static str {
    match order {
        Relaxed => "memory_order_relaxed",
        Acquire => "memory_order_acquire",
        Release => "memory_order_release",
        AcqRel => "memory_order_acq_rel",
        _ => "memory_order_seq_cst",
    }
}

/// The test in herd7's C. Its first comment says in which order an outcome is written down.
fn in_c(name: &str, program: &Program) -> String {
    let words: Vec<_> = (0..program.words).map(name_of).collect();
    let (mut text, mut order) = (String::new(), Vec::new());
    for (task, instrs) in program.tasks.iter().enumerate() {
        let arguments: Vec<_> = words.iter().map(|word| format!("atomic_int* {word}")).collect();
        writeln!(text, "P{task} ({}) {{", arguments.join(", ")).unwrap();
        let mut reads = 0;
        let mut read = || {
            order.push(format!("{task}:r{reads}"));
            reads += 1;
            format!("int r{}", reads - 1)
        };
        for &instr in instrs {
            let line = match instr {
                Instr::Load(word, order) => format!(
                    "{} = atomic_load_explicit({}, {})",
                    read(),
                    name_of(word),
                    c_order(order)
                ),
                Instr::Store(word, value, order) => {
                    format!("atomic_store_explicit({}, {value}, {})", name_of(word), c_order(order))
                }
                Instr::Swap(word, value, order) => {
                    format!(
                        "{} = atomic_exchange_explicit({}, {value}, {})",
                        read(),
                        name_of(word),
                        c_order(order)
                    )
                }
                Instr::Fence(order) => format!("atomic_thread_fence({})", c_order(order)),
                Instr::Cas(..) => unreachable!("not in the suite"),
            };
            writeln!(text, "  {line};").unwrap();
        }
        writeln!(text, "}}").unwrap();
    }
    order.extend(words.iter().map(|&word| word.to_owned()));
    let initial: Vec<_> = words.iter().map(|word| format!("{word} = 0;")).collect();
    format!(
        "C {name}\n(* order {} *)\n{{ {} }}\n{text}locations [{};]\nexists (true)\n",
        order.join(" "),
        initial.join(" "),
        order.join("; ")
    )
}

/// The test for x86: stores that are sequentially consistent are exchanges, as compilers make them.
fn in_x86(name: &str, program: &Program) -> String {
    const REGISTERS: [&str; 6] = ["ax", "bx", "cx", "dx", "si", "di"];
    let (mut columns, mut order, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    for (task, instrs) in program.tasks.iter().enumerate() {
        let (mut column, mut used) = (vec![format!("P{task}")], 0);
        let mut register = |read: bool| {
            let name = REGISTERS[used];
            used += 1;
            let full = format!("{task}:r{name}");
            if read {
                order.push(full)
            } else {
                scratch.push(full)
            }
            name
        };
        for &instr in instrs {
            let mut exchange = |register: &str, word, value| {
                column.push(format!("movl ${value},%e{register}"));
                column.push(format!("xchgl %e{register},({})", name_of(word)));
            };
            match instr {
                Instr::Load(word, _) => {
                    let register = register(true);
                    column.push(format!("movl ({}),%e{register}", name_of(word)));
                }
                Instr::Store(word, value, SeqCst) => exchange(register(false), word, value),
                Instr::Swap(word, value, _) => exchange(register(true), word, value),
                Instr::Store(word, value, _) => {
                    column.push(format!("movl ${value},({})", name_of(word)))
                }
                Instr::Fence(SeqCst) => column.push("mfence".to_owned()),
                Instr::Fence(_) => {}
                Instr::Cas(..) => unreachable!("not in the suite"),
            }
        }
        columns.push(column);
    }
    order.extend((0..program.words).map(|word| name_of(word).to_owned()));
    let rows = columns.iter().map(Vec::len).max().unwrap();
    let mut text = String::new();
    for row in 0..rows {
        let cells: Vec<_> = columns
            .iter()
            .map(|column| format!(" {:22}", column.get(row).map_or("", String::as_str)))
            .collect();
        writeln!(text, "{};", cells.join("|")).unwrap();
    }
    let initial: Vec<_> =
        (0..program.words).map(|word| format!("int {} = 0;", name_of(word))).collect();
    let initial = initial.join(" ");
    format!(
        "X86_64 {name}\n(* order {} *)\n{{ {initial} }}\n{text}locations [{};]\nexists (true)\n",
        order.join(" "),
        order.join("; ")
    )
}

/// Those of the suite that are different programs on x86, and for each test the name of the one
/// that it is there.
fn on_x86() -> (Vec<(String, Program)>, BTreeMap<String, String>) {
    let (mut different, mut names, mut known) =
        (Vec::new(), BTreeMap::new(), BTreeMap::<String, String>::new());
    for (name, program) in suite() {
        // There are six registers; names apart.
        let written: usize = program
            .tasks
            .iter()
            .map(|task| task.iter().filter(|instr| !matches!(instr, Instr::Fence(_))).count())
            .max()
            .unwrap();
        assert!(written <= 6, "{name}");
        let text = in_x86("", &program);
        let first = known.entry(text).or_insert_with(|| {
            different.push((name.clone(), program.clone()));
            name.clone()
        });
        names.insert(name, first.clone());
    }
    (different, names)
}

/// The outcomes of each test, by name.
fn golden(text: &str) -> BTreeMap<String, BTreeSet<Outcome>> {
    let mut tests = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        // All values are single digits.
        let outcomes = words
            .map(|outcome| outcome.bytes().map(|digit| u64::from(digit - b'0')).collect())
            .collect();
        assert!(tests.insert(name.to_owned(), outcomes).is_none(), "{name} is there twice");
    }
    tests
}

fn compare(
    memory: Memory,
    golden: &BTreeMap<String, BTreeSet<Outcome>>,
    names: impl Fn(&str) -> String,
) {
    let (mut outcomes, mut executions, mut tests) = (0, 0, 0);
    let mut stale: BTreeSet<&String> = golden.keys().collect();
    for (name, program) in suite() {
        let known = names(&name);
        let wanted = golden
            .get(&known)
            .unwrap_or_else(|| panic!("{name} is not in the golden file: run herd.sh"));
        stale.remove(&known);
        let (found, report) = exhaust(&program, memory);
        assert_eq!(&found, wanted, "{name} under {memory:?}: {program:?}");
        (outcomes, executions, tests) =
            (outcomes + found.len(), executions + report.complete, tests + 1);
    }
    assert!(stale.is_empty(), "nothing is compared with {stale:?} of the golden file: run herd.sh");
    eprintln!("{memory:?}: {tests} litmus tests, {outcomes} outcomes, {executions} executions");
}

#[test]
fn weak_is_rc11() {
    compare(Memory::Weak, &golden(include_str!("golden/rc11.txt")), str::to_owned);
}

#[test]
fn tso_is_x86() {
    let (_, names) = on_x86();
    compare(Memory::Tso, &golden(include_str!("golden/x86-tso.txt")), |name| names[name].clone());
}

/// There is no herd7 for SPARC's PSO: the machine with store buffers has it, and every placement of
/// store barriers is in the suite.
#[test]
fn pso_is_the_machine() {
    for (name, program) in suite() {
        assert_eq!(
            exhaust(&program, Memory::Pso).0,
            crate::buffers::outcomes(&program, Memory::Pso).0,
            "{name}: {program:?}"
        );
    }
}

/// Write the tests for herd7 into the directory that the environment names: see `herd.sh`.
#[test]
#[ignore = "for herd.sh"]
fn write_litmus_tests() {
    let directory =
        std::path::PathBuf::from(std::env::var_os("LITMUS").expect("LITMUS names a directory"));
    let write = |model: &str, texts: Vec<(String, String)>| {
        let directory = directory.join(model);
        std::fs::create_dir_all(&directory).unwrap();
        for (number, (_, text)) in texts.into_iter().enumerate() {
            std::fs::write(directory.join(format!("{number:05}.litmus")), text).unwrap();
        }
    };
    write(
        "rc11",
        suite().into_iter().map(|(name, program)| (name.clone(), in_c(&name, &program))).collect(),
    );
    write(
        "x86-tso",
        on_x86()
            .0
            .into_iter()
            .map(|(name, program)| (name.clone(), in_x86(&name, &program)))
            .collect(),
    );
}

/// What exploring takes: executions under each model (sequential consistency, TSO, PSO, weak); and
/// how many there are that differ in what is read from where, or in the order of the stores to a
/// word, so that each of them is needed.
#[test]
fn executions() {
    const COUNTS: [(&str, [u64; 4], [u64; 4]); 9] = [
        ("SB", [3, 4, 4, 5], [3, 4, 4, 4]),
        ("MP", [3, 3, 4, 4], [3, 3, 4, 4]),
        ("LB", [3, 3, 3, 3], [3, 3, 3, 3]),
        ("2+2W", [3, 3, 4, 5], [3, 3, 4, 4]),
        ("WRC", [7, 7, 7, 8], [7, 7, 7, 8]),
        ("IRIW", [15, 15, 15, 17], [15, 15, 15, 16]),
        ("3.SB", [7, 8, 8, 10], [7, 8, 8, 8]),
        ("SB+own", [3, 4, 4, 5], [3, 4, 4, 4]),
        ("CoRR4", [72, 72, 72, 72], [72, 72, 72, 72]),
    ];
    for (name, executions, different) in COUNTS {
        let (_, shape) = SHAPES.iter().find(|(other, _)| *other == name).unwrap();
        let gaps = shape.iter().map(|task| task.len() - 1).sum();
        let program = placed(shape, (Relaxed, Relaxed), &vec![None; gaps]);
        let all = [Memory::Sc, Memory::Tso, Memory::Pso, Memory::Weak];
        assert_eq!(all.map(|memory| exhaust(&program, memory).1.complete), executions, "{name}");
        assert_eq!(
            all.map(|memory| crate::random::expected(&program, memory).1 as u64),
            different,
            "{name}"
        );
    }
}
