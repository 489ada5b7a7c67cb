//! The protocol, step by step: what the comments that begin with a step's name say in `src/mm`,
//! what is held there when it runs, and which rules it asks stands in SPEC.md, which is held to it.
//! `SPEC_BLESS=1 cargo test -p lockwalk --test steps` rewrites it.
//!
//! `// do_swap_page.4: Sentence. [S3.13, COW-1]` names what comes behind it, up to the next name or
//! the end of the function. A name is that of a kernel function, which some function of that file
//! has, and a number; other functions of the file may have steps of it.

#[path = "../shuttle-tests/tests/common/each.rs"]
mod each;
#[path = "catalogue/generated.rs"]
#[allow(dead_code, reason = "all that is wrong is told at once")]
mod generated;
#[path = "steps/lives.rs"]
mod lives;
#[path = "steps/marked.rs"]
mod marked;
#[path = "steps/ran.rs"]
mod ran;
#[path = "steps/reached.rs"]
mod reached;
#[path = "steps/variables.rs"]
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lockwalk::spec::{Claim, Rules};
use lockwalk::{Clause, Era, Method, Options, Protocol, races};
use marked::{Marked, Step};

/// A part of SPEC.md: the function, and the protocol that its columns are of.
struct Part {
    name: String,
    function: String,
    protocol: Protocol,
}

/// The parts that SPEC.md has, in its order.
fn parts() -> Vec<Part> {
    let text = generated::spec();
    let parts = text
        .lines()
        .filter_map(|line| line.strip_prefix("<!-- generated: steps ")?.strip_suffix(" -->"));
    let part = |part: &str| {
        let (function, protocol) = part.split_once(" under ").unwrap_or((part, "5.19"));
        let protocol = Era::all().into_iter().find(|era| era.to_string() == protocol);
        let protocol = protocol.unwrap_or_else(|| {
            panic!("SPEC.md asks for the steps of {part}, and there is no such protocol")
        });
        Part { name: format!("steps {part}"), function: function.to_owned(), protocol }
    };
    parts.map(part).collect()
}

/// One row of a table.
fn row(out: &mut String, step: &Step, held: &str, protocol: &Protocol) {
    let choices: BTreeMap<_, _> = protocol.rules.choices().into_iter().collect();
    let rule = |rule: &String| {
        let arm = choices
            .get(rule.as_str())
            .unwrap_or_else(|| panic!("{} asks {rule}, which is no rule", step.name()));
        let (_, arms) =
            Rules::catalogue().into_iter().find(|(name, _)| name == rule).expect("it is a rule");
        let others: Vec<_> =
            arms.iter().filter(|other| *other != arm).map(|other| format!("`{other}`")).collect();
        format!("`{rule}={arm}` ⟨{}⟩", others.join(" "))
    };
    let rules: Vec<_> = step.rules.iter().map(rule).collect();
    let of = step.speaks_of.join(", ");
    writeln!(out, "| {} | {} | {held} | {} | {of} |", step.name(), step.says, rules.join("<br>"))
        .expect("a string");
}

fn table(marked: &Marked, ran: &ran::Ran, part: &Part) -> String {
    let mut out = String::from(
        "| step | what happens | held | choice ⟨elsewhere⟩ | see |\n| --- | --- | --- | --- | --- \
         |\n",
    );
    for step in marked.steps.iter().filter(|step| step.function == part.function) {
        row(&mut out, step, &ran.held(step), &part.protocol);
    }
    out
}

/// How a sentence calls a lock, and how the table does.
const LOCKS: [(&str, &str); 7] = [
    ("`mmap_sem`", "mmap_sem"),
    ("page lock", "page lock"),
    ("page-table lock", "page_table_lock"),
    ("`swap_lock`", "swap_lock"),
    ("tree lock", "tree_lock"),
    ("`lru_lock`", "lru_lock"),
    ("`mmlist_lock`", "mmlist_lock"),
];

/// The variables, and what is held where they are used.
fn state(ran: &ran::Ran, wrong: &mut Vec<String>) -> String {
    let mut out = String::from(
        "| variable | what it is | held at every store | read with none of that in |\n| --- | --- \
         | --- | --- |\n",
    );
    for variable in variables::read() {
        let Some(used) = ran.used.get(&variable.class).filter(|used| used.is_written()) else {
            continue;
        };
        let under = used.written_under();
        let amiss =
            |(word, lock): &&(&str, &str)| variable.says.contains(word) && !under.contains(lock);
        wrong.extend(LOCKS.iter().filter(amiss).map(|(word, _)| {
            format!(
                "{} is not what is said of it: that it is stored to under {word}",
                variable.name()
            )
        }));
        let readers: Vec<_> =
            used.read_without().into_iter().map(|function| format!("`{function}`")).collect();
        let readers = if under.is_empty() { String::new() } else { readers.join(", ") };
        writeln!(out, "| `{}` | {} | {under} | {readers} |", variable.name(), variable.says)
            .expect("a string");
    }
    out
}

/// A life as a state diagram: who makes each change, as executions show it.
fn life(ran: &ran::Ran, life: &str) -> String {
    let mut out = String::from("```mermaid\nstateDiagram-v2\n");
    for ((from, to), by) in &ran.lives[life] {
        writeln!(out, "    {from} --> {to}: {}", two_a_line(by)).expect("a string");
    }
    out + "```"
}

/// Labels of one line are as wide as the picture, and then nobody can read it.
fn two_a_line(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    names.chunks(2).map(|two| two.join(", ")).collect::<Vec<_>>().join(",<br/>")
}

/// One race, in the rows of its witness that tell it: who does what, and what that means.
const TOLD: [(usize, &str, &str); 12] = [
    (
        0,
        "lock(page(P0))",
        "CPU0 moves the page that is mapped at address 4. It locks the page; it holds no mmap_sem.",
    ),
    (
        0,
        "lock(anon_vma#0)",
        "The page's anon_vma says where it may be mapped: in one VMA, which goes from 1 to 5.",
    ),
    (
        0,
        "pte[mm0:4] := mig(P0 rw)",
        "Its entry becomes a migration entry: until the page is unlocked, whoever comes there \
         waits.",
    ),
    (0, "unlock(anon_vma#0)", "The walk is over."),
    (0, "P1.content :=", "The page is copied."),
    (
        1,
        "down_write(mmap_sem(mm0))",
        "Meanwhile a thread of the process splits the VMA at 2. It holds mmap_sem, as it should.",
    ),
    (1, "vma2.anon_vma :=", "The lower half gets a VMA of its own, with the same anon_vma."),
    (
        1,
        "vma0.vm_start := 2",
        "The old VMA keeps the upper half: its start moves, and its offset is to move next. \
         2.6.34 takes no lock for that.",
    ),
    (
        0,
        "lock(anon_vma#0)",
        "CPU0 walks along the list again, to turn its entry into a mapping of the copy.",
    ),
    (
        0,
        "vma0.vm_start is 2",
        "It reads the new start, and then the old offset: together they say that the page is at 5.",
    ),
    (
        0,
        "vma_address(P1, vma0) = 5",
        "That is outside the VMA, and so the walk passes by the entry at 4.",
    ),
    (
        0,
        "MIG-1",
        "The page is unlocked, and the entry at 4 names it still: a clause is violated. Who comes \
         there next finds an entry of a page that nobody moves.",
    ),
];

fn told() -> String {
    let race =
        races::all().into_iter().find(|race| race.id() == "S3.1").expect("there is such a race");
    let options = Options::default().witness(true);
    let outcome = race.check_with(&Era::V2_6_34, &Method::Exhaustive, &options);
    let witness = outcome.witness.expect("it is violated");
    let mut steps = witness.steps.iter();
    let mut out = String::from(
        "| | CPU0: migrates a page | CPU1: splits a VMA | what that means |\n| ---: | --- | --- | \
         --- |\n",
    );
    for (row, (cpu, begins, means)) in TOLD.iter().enumerate() {
        let step = steps.find(|step| step.cpu == *cpu && step.text.starts_with(begins));
        let text = &step
            .unwrap_or_else(|| {
                panic!("the witness of S3.1 has no '{begins}' of CPU{cpu} behind the row before")
            })
            .text;
        let text = format!("`{}`", text.split(": ").next().unwrap_or_default());
        let (zero, one) = if *cpu == 0 { (text, String::new()) } else { (String::new(), text) };
        writeln!(out, "| {} | {zero} | {one} | {means} |", row + 1).expect("a string");
    }
    out
}

/// Demands a part of SPEC.md, or writes it.
fn write(part: &str, content: &str, wrong: &mut Vec<String>) {
    wrong.extend(generated::stands(part, content).err());
}

#[test]
fn what_the_code_does_step_by_step() {
    let marked = Marked::read();
    let parts = parts();
    let described: BTreeSet<_> = parts.iter().map(|part| part.function.as_str()).collect();
    let in_code: BTreeSet<_> = marked.steps.iter().map(|step| step.function.as_str()).collect();
    assert_eq!(
        described, in_code,
        "SPEC.md (left) has other functions than src/mm has names of steps for (right)"
    );
    assert_eq!(described.len(), parts.len(), "SPEC.md has a function twice");
    let mut protocols: Vec<&Protocol> = Vec::new();
    for part in &parts {
        if !protocols.contains(&&part.protocol) {
            protocols.push(&part.protocol);
        }
    }
    let mut wrong = Vec::new();
    for protocol in protocols {
        let ran = ran::under(protocol, &marked);
        for part in parts.iter().filter(|part| part.protocol == *protocol) {
            let steps = marked.steps.iter().filter(|step| step.function == part.function);
            wrong.extend(steps.filter(|step| !ran.has(step)).map(|step| {
                format!(
                    "{} is never taken under {protocol}, or the compiler has kept no line of it",
                    step.name()
                )
            }));
            write(&part.name, &table(&marked, &ran, part), &mut wrong);
        }
        if *protocol == Era::V5_19 {
            let state = state(&ran, &mut wrong);
            write("state", &state, &mut wrong);
            write("life of a page-table entry", &life(&ran, "page-table entry"), &mut wrong);
            write("life of a swap slot", &life(&ran, "swap cache claim"), &mut wrong);
            write("life of a page", &life(&ran, "page"), &mut wrong);
            write("life of an anon_vma", &life(&ran, "anon_vma"), &mut wrong);
        }
        if *protocol == Era::DOCUMENT_2 {
            write("life of the host state", &life(&ran, "host"), &mut wrong);
        }
        wrong.extend(
            ran.nameless.iter().map(|place| format!("{place} is a step that no name stands above")),
        );
    }
    // It has no steps of its own.
    let anonmm = ran::under(&Era::DOCUMENT_4, &marked);
    write("life of an anonmm", &life(&anonmm, "anonmm"), &mut wrong);
    write("one race", &told(), &mut wrong);
    write("choices outside the steps", &elsewhere(&marked), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rules that no step of a table asks, and who asks them.
fn elsewhere(marked: &Marked) -> String {
    let mut out = String::from("| choice ⟨elsewhere⟩ | asked in |\n| --- | --- |\n");
    let reference = Era::V5_19.rules.choices();
    for (rule, arms) in Rules::catalogue() {
        if marked.steps.iter().any(|step| step.rules.contains(rule)) {
            continue;
        }
        let (_, arm) = reference
            .iter()
            .find(|(name, _)| *name == rule)
            .expect("a protocol has a choice for each rule");
        let others: Vec<_> =
            arms.iter().filter(|other| *other != arm).map(|other| format!("`{other}`")).collect();
        let asked: Vec<_> = marked
            .asked_outside(rule)
            .into_iter()
            .map(|function| format!("`{function}`"))
            .collect();
        assert!(!asked.is_empty(), "nobody asks {rule}");
        writeln!(out, "| `{rule}={arm}` ⟨{}⟩ | {} |", others.join(" "), asked.join(", "))
            .expect("a string");
    }
    out
}

/// What the steps speak of is there; and so are the steps that SPEC.md speaks of.
#[test]
fn what_is_named_is_there() {
    let (marked, text) = (Marked::read(), generated::spec());
    let claims = Claim::ALL.iter().map(|claim| claim.id.to_string());
    let known: BTreeSet<String> =
        claims.chain(Clause::ALL.iter().map(|clause| clause.id().into())).collect();
    for step in &marked.steps {
        for id in &step.speaks_of {
            assert!(
                known.contains(id) || text.contains(&format!("\n### {id}\n")),
                "{} speaks of {id}",
                step.name()
            );
        }
    }
    let names: BTreeSet<String> = marked.steps.iter().map(Step::name).collect();
    for quoted in text.split('`').skip(1).step_by(2) {
        let of = marked.steps.iter().any(|step| {
            quoted
                .strip_prefix(&format!("{}.", step.function))
                .is_some_and(|n| n.parse::<u32>().is_ok())
        });
        assert!(!of || names.contains(quoted), "SPEC.md speaks of the step {quoted}");
    }
}
