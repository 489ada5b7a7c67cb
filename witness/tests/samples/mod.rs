//! Witnesses and outcomes to draw.

// Each test binary uses some of them.
#![allow(dead_code)]

use witness::StepKind::*;
use witness::{
    Count, Coverage, Ending, Expected, Found, Held, Outcome, Step, StepKind, Wait, Witness,
};

/// A step: CPU, depth, kind, text, object, what is true from here on, source line.
fn step(
    cpu: usize,
    depth: u8,
    kind: StepKind,
    text: &str,
    object: &str,
    now: &[&str],
    at: &str,
) -> Step {
    Step {
        cpu,
        depth,
        kind,
        text: text.to_owned(),
        object: object.to_owned(),
        now: now.iter().map(|s| (*s).to_owned()).collect(),
        at: at.to_owned(),
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|s| (*s).to_owned()).collect()
}

/// S3.1: a violation between two CPUs, with more loads than anybody wants to read.
pub fn violation() -> Witness {
    let steps = vec![
        step(
            0,
            0,
            Lock,
            "lock_page(P0)",
            "page(P0)",
            &["P0 locked by CPU0"],
            "src/mm/migrate.rs:88",
        ),
        step(0, 0, Call, "try_to_unmap(P0)", "", &[], "src/mm/migrate.rs:93"),
        step(0, 1, RcuLock, "rcu_read_lock()", "", &[], "src/mm/rmap.rs:30"),
        step(0, 1, Load, "P0.mapping = anon_vma#1", "P0.mapping", &[], "src/mm/rmap.rs:31"),
        step(0, 1, Lock, "lock(anon_vma#1)", "anon_vma#1", &[], "src/mm/rmap.rs:36"),
        step(0, 1, RcuUnlock, "rcu_read_unlock()", "", &[], "src/mm/rmap.rs:37"),
        step(0, 2, Load, "vma0.vm_start = 1", "vma0.vm_start", &[], "src/mm/vma.rs:52"),
        step(0, 2, Load, "vma0.vm_pgoff = 1", "vma0.vm_pgoff", &[], "src/mm/vma.rs:53"),
        step(0, 2, Load, "vma0.vm_end = 5", "vma0.vm_end", &[], "src/mm/vma.rs:54"),
        step(0, 2, Load, "pte[mm0:4] = present(P0)", "pte[mm0:4]", &[], "src/mm/pte.rs:20"),
        step(0, 2, Load, "P0.flags = locked|anon", "P0.flags", &[], "src/mm/page.rs:77"),
        step(
            0,
            2,
            Store,
            "pte[mm0:4] := mig(P0)",
            "pte[mm0:4]",
            &["P0.mapcount 1→0"],
            "src/mm/rmap.rs:120",
        ),
        step(0, 1, Unlock, "unlock(anon_vma#1)", "anon_vma#1", &[], "src/mm/rmap.rs:41"),
        step(1, 0, Lock, "down_write(mm0.mmap_sem)", "mm0.mmap_sem", &[], "src/mm/vma.rs:210"),
        step(1, 0, Call, "vma_adjust(vma0, 2, 5, 2)", "", &[], "src/mm/vma.rs:214"),
        step(
            1,
            1,
            Store,
            "vma0.vm_start := 2",
            "vma0.vm_start",
            &["vma0.vm_pgoff still 1"],
            "src/mm/vma.rs:240",
        ),
        step(0, 0, Call, "remove_migration_ptes(P0, P1)", "", &[], "src/mm/migrate.rs:101"),
        step(0, 1, Lock, "lock(anon_vma#1)", "anon_vma#1", &[], "src/mm/rmap.rs:36"),
        step(0, 2, Load, "vma0.vm_start = 2", "vma0.vm_start", &[], "src/mm/vma.rs:52"),
        step(0, 2, Load, "vma0.vm_pgoff = 1", "vma0.vm_pgoff", &[], "src/mm/vma.rs:53"),
        step(0, 2, Load, "vma0.vm_end = 5", "vma0.vm_end", &[], "src/mm/vma.rs:54"),
        step(
            0,
            2,
            Note,
            "vma_address(P1, vma0) = 5 ≥ vm_end → -EFAULT",
            "",
            &["pte[mm0:4] skipped"],
            "src/mm/vma.rs:56",
        ),
        step(0, 1, Unlock, "unlock(anon_vma#1)", "anon_vma#1", &[], "src/mm/rmap.rs:41"),
        step(
            0,
            0,
            Unlock,
            "unlock_page(P0)",
            "page(P0)",
            &["P0 unlocked"],
            "src/mm/migrate.rs:110",
        ),
    ];
    Witness {
        race: "S3.1".into(),
        title: "vma_adjust moves the range under rmap_walk".into(),
        protocol: "2.6.34".into(),
        clause: "MIG-1".into(),
        clause_text: "a migration entry never outlives the lock on its page".into(),
        spec: "SPEC.md#mig-1".into(),
        what: "pte[mm0:4] = mig(P0), P0 unlocked".into(),
        found: Found {
            engine: "dpor".into(),
            memory_model: "sequentially consistent".into(),
            executions: 12,
            minimal: true,
        },
        preemptions: 2,
        switches: 2,
        cpus: strings(&["migrate_pages", "vma_adjust (split at 2)"]),
        start: Vec::new(),
        steps,
        ending: Ending::Violation,
        held: vec![Held { cpu: 1, lock: "mm0.mmap_sem".into() }],
        schedule: "0*13.1*3.0*8".into(),
        replay: "lockwalk replay S3.1 --protocol 2.6.34 --schedule 0*13.1*3.0*8".into(),
    }
}

/// S0.1: what is wrong shows when all have ended, and the last step has nothing to do with it.
pub fn audited() -> Witness {
    let steps = vec![
        step(
            0,
            0,
            Store,
            "P3.content := 8",
            "P3.content",
            &["P3.content 101→8"],
            "src/mm/fault.rs:70",
        ),
        step(
            1,
            0,
            Store,
            "P0.content := 7",
            "P0.content",
            &["P0.content 101→7"],
            "src/mm/page.rs:398",
        ),
        step(1, 0, Store, "P0.count := 1", "P0.count", &["P0.count 2→1"], "src/mm/page.rs:548"),
    ];
    Witness {
        race: "S0.1".into(),
        title: "the next store gets a copy of a page that a device stores into".into(),
        protocol: "2.6.7+unmap_check=nothing".into(),
        clause: "DATA-1".into(),
        clause_text: "a load returns what was last stored there".into(),
        spec: "SPEC.md#data-1".into(),
        what: "mm0 loads 8 from 1, where it should find 7".into(),
        preemptions: 0,
        switches: 1,
        cpus: strings(&["store", "direct I/O completes"]),
        steps,
        ending: Ending::Audit,
        held: Vec::new(),
        schedule: "0*1.1*2".into(),
        replay: "lockwalk replay S0.1 --protocol 2.6.7+unmap_check=nothing --schedule 0*1.1*2"
            .into(),
        ..violation()
    }
}

/// S3.3: two CPUs take two locks in opposite order.
pub fn deadlock() -> Witness {
    let steps = vec![
        step(0, 0, Call, "rmap_walk(P0)", "", &[], "src/mm/rmap.rs:30"),
        step(
            0,
            1,
            Lock,
            "lock(anon_vma#1)",
            "anon_vma#1",
            &["anon_vma#1 held by CPU0"],
            "src/mm/rmap.rs:36",
        ),
        step(1, 0, Call, "mm_take_all_locks(mm0)", "", &[], "src/mm/mm.rs:90"),
        step(
            1,
            1,
            Lock,
            "lock(anon_vma#2)",
            "anon_vma#2",
            &["anon_vma#2 held by CPU1"],
            "src/mm/mm.rs:93",
        ),
        step(
            1,
            1,
            Blocked,
            "lock(anon_vma#1) waits",
            "anon_vma#1",
            &["CPU1 waits for CPU0"],
            "src/mm/mm.rs:93",
        ),
        step(
            0,
            2,
            Blocked,
            "lock(anon_vma#2) waits",
            "anon_vma#2",
            &["CPU0 waits for CPU1"],
            "src/mm/rmap.rs:44",
        ),
    ];
    let wait =
        |cpu, holds: &str, wants: &str| Wait { cpu, holds: holds.into(), wants: wants.into() };
    Witness {
        race: "S3.3".into(),
        title: "per-anon_vma locks nest both ways".into(),
        protocol: "nested".into(),
        clause: "DEADLOCK".into(),
        clause_text: "locks are taken in one order".into(),
        spec: "SPEC.md#deadlock".into(),
        what: "anon_vma#1 → anon_vma#2 → anon_vma#1".into(),
        preemptions: 1,
        switches: 2,
        cpus: strings(&["rmap_walk", "mm_take_all_locks"]),
        start: Vec::new(),
        steps,
        ending: Ending::Deadlock {
            cycle: vec![wait(0, "anon_vma#1", "anon_vma#2"), wait(1, "anon_vma#2", "anon_vma#1")],
        },
        held: vec![
            Held { cpu: 0, lock: "anon_vma#1".into() },
            Held { cpu: 1, lock: "anon_vma#2".into() },
        ],
        schedule: "0*2.1*3.0*1".into(),
        replay: "lockwalk replay S3.3 --protocol nested --schedule 0*2.1*3.0*1".into(),
        ..violation()
    }
}

/// S3.4: try-lock and restart, for ever.
pub fn livelock() -> Witness {
    let steps = vec![
        step(0, 0, Call, "rmap_walk(P0)", "", &[], "src/mm/rmap.rs:30"),
        step(1, 0, Call, "rmap_walk(P1)", "", &[], "src/mm/rmap.rs:30"),
        step(0, 1, Lock, "lock(anon_vma#1)", "anon_vma#1", &[], "src/mm/rmap.rs:36"),
        step(1, 1, Lock, "lock(anon_vma#2)", "anon_vma#2", &[], "src/mm/rmap.rs:36"),
        step(
            0,
            2,
            TryLockFailed,
            "trylock(anon_vma#2) fails",
            "anon_vma#2",
            &[],
            "src/mm/rmap.rs:47",
        ),
        step(
            1,
            2,
            TryLockFailed,
            "trylock(anon_vma#1) fails",
            "anon_vma#1",
            &[],
            "src/mm/rmap.rs:47",
        ),
        step(
            0,
            1,
            Unlock,
            "unlock(anon_vma#1)",
            "anon_vma#1",
            &["CPU0 restarts"],
            "src/mm/rmap.rs:48",
        ),
        step(
            1,
            1,
            Unlock,
            "unlock(anon_vma#2)",
            "anon_vma#2",
            &["CPU1 restarts"],
            "src/mm/rmap.rs:48",
        ),
    ];
    Witness {
        race: "S3.4".into(),
        title: "trylock and restart".into(),
        protocol: "trylock-restart".into(),
        clause: "PROGRESS-1".into(),
        clause_text: "of CPUs that are scheduled for ever, one gets on".into(),
        spec: "SPEC.md#progress-1".into(),
        what: "neither walk visits a page".into(),
        found: Found {
            minimal: false,
            executions: 1_024,
            engine: "shuttle random".into(),
            ..violation().found
        },
        preemptions: 7,
        switches: 7,
        cpus: strings(&["rmap_walk(P0)", "rmap_walk(P1)"]),
        start: Vec::new(),
        steps,
        ending: Ending::Livelock { first: 2, last: 7 },
        held: Vec::new(),
        schedule: "01010101".into(),
        replay: "lockwalk replay S3.4 --protocol trylock-restart --schedule 01010101".into(),
    }
}

/// S1.2: three CPUs, a read section, and a violation in a step of its own.
pub fn three_cpus() -> Witness {
    let steps = vec![
        step(0, 0, Call, "page_lock_anon_vma(A)", "", &[], "src/mm/rmap.rs:39"),
        step(0, 1, RcuLock, "rcu_read_lock()", "", &[], "src/mm/rmap.rs:40"),
        step(0, 1, Load, "A.mapping = anon#1", "A.mapping", &[], "src/mm/rmap.rs:41"),
        step(0, 1, Load, "A.mapcount = 1", "A.mapcount", &[], "src/mm/rmap.rs:43"),
        step(1, 0, Store, "A.mapcount := 0", "A.mapcount", &["A unmapped"], "src/mm/fault.rs:88"),
        step(1, 0, Lock, "lock(anon#1)", "anon#1", &[], "src/mm/anon_vma.rs:60"),
        step(
            1,
            0,
            Store,
            "unlink vma0",
            "anon#1.list",
            &["anon#1 has no VMA"],
            "src/mm/anon_vma.rs:61",
        ),
        step(1, 0, Unlock, "unlock(anon#1)", "anon#1", &[], "src/mm/anon_vma.rs:64"),
        step(
            1,
            0,
            Store,
            "free anon#1",
            "anon#1",
            &["anon#1 in the slab"],
            "src/mm/anon_vma.rs:66",
        ),
        step(
            2,
            0,
            Store,
            "alloc → anon#1′",
            "anon#1",
            &["anon#1′ is B's", "generation 2"],
            "src/mm/anon_vma.rs:31",
        ),
        step(0, 1, Lock, "lock(anon#1)", "anon#1", &["anon#1′ held by CPU0"], "src/mm/rmap.rs:44"),
        step(0, 1, RcuUnlock, "rcu_read_unlock()", "", &[], "src/mm/rmap.rs:45"),
        step(
            0,
            1,
            Violation,
            "return Some(anon#1′)",
            "",
            &["A's walk is in B"],
            "src/mm/rmap.rs:47",
        ),
    ];
    Witness {
        race: "S1.2".into(),
        title: "the anon_vma is reused between the look and the lock".into(),
        protocol: "2.6.22 without the recheck".into(),
        clause: "RMAP-2".into(),
        clause_text: "a returned anon_vma is alive and is this page's".into(),
        spec: "SPEC.md §4.3".into(),
        what: "anon#1′ belongs to B".into(),
        found: Found {
            engine: "loom".into(),
            memory_model: "C11 without load buffering".into(),
            ..violation().found
        },
        preemptions: 1,
        switches: 3,
        cpus: strings(&["reclaim", "exit", "fork"]),
        steps,
        held: vec![Held { cpu: 0, lock: "anon#1".into() }],
        schedule: "0*4.1*5.2.0*3".into(),
        replay: "lockwalk replay S1.2 --protocol 2.6.22-no-recheck --schedule 0*4.1*5.2.0*3".into(),
        ..violation()
    }
}

/// The same with two more CPUs that stand in line for the lock.
pub fn five_cpus() -> Witness {
    let mut five = Witness { switches: 6, preemptions: 3, ..three_cpus() };
    five.cpus.extend(strings(&["migrate_pages", "swapoff"]));
    for cpu in [3, 4] {
        let waits = ["waits in line"];
        let lock =
            step(cpu, 0, Blocked, "lock(anon#1) waits", "anon#1", &waits, "src/mm/rmap.rs:44");
        five.steps.insert(8 + cpu, lock);
    }
    five
}

/// A CPU without a step, a CPU without a name, steps of CPUs that do not exist, and nothing said
/// about anything.
pub fn odd() -> Witness {
    Witness {
        race: String::new(),
        title: String::new(),
        clause_text: String::new(),
        spec: String::new(),
        what: String::new(),
        cpus: strings(&["idle", "", "zap"]),
        steps: vec![
            step(2, 0, Store, "pte := none", "", &[], ""),
            step(7, 255, Note, "who am I?", "", &[], ""),
            step(usize::MAX, 3, Unlock, "unlock(never locked)", "x", &["?"], ""),
        ],
        held: Vec::new(),
        schedule: String::new(),
        replay: String::new(),
        ..violation()
    }
}

/// Nothing but long texts.
pub fn long() -> Witness {
    let mut long = violation();
    let words = "the migration entry that try_to_unmap has put into the page table of the first \
                 address space ";
    long.title = words.repeat(2);
    long.clause_text = words.repeat(2);
    long.what = words.to_owned();
    long.cpus[1] = format!("vma_adjust, {words}");
    long.steps[11].text = words.repeat(2);
    long.steps[11]
        .now
        .push("a_word_without_any_space_that_is_longer_than_its_column_is_wide(mm0)".to_owned());
    long.steps[21].at = "src/a/deep/path/with_a_very_long_file_name_at_its_end.rs:12345".to_owned();
    long.replay = format!(
        "lockwalk replay S3.1 --protocol {} --schedule {}",
        "2.6.34",
        "0*13.1*3.".repeat(30)
    );
    long
}

/// Letters of many widths, and characters that break lines, columns, XML and Mermaid.
pub fn unicode() -> Witness {
    let mut odd = three_cpus();
    odd.title = "größe <b>&amp; 漢字のページ; \"quoted\" 'page' # 100% %%{init}%%".into();
    odd.cpus = strings(&["回収 (reclaim)", "exit\tnow", "fork\u{1b}[31m"]);
    odd.steps[4].text = "A.mapcount := 0; # 漢字漢字漢字漢字漢字漢字漢字 end".into();
    odd.steps[5].text = "lock(\nanon#1)".into();
    odd.steps[6].now = strings(&["e\u{301}te\u{301} 👩\u{200d}👩\u{200d}👧 ∈ ∅", "a <- b ]]> -->"]);
    odd
}

/// All of the above.
pub fn all() -> Vec<(&'static str, Witness)> {
    vec![
        ("violation", violation()),
        ("audited", audited()),
        ("deadlock", deadlock()),
        ("livelock", livelock()),
        ("three_cpus", three_cpus()),
        ("five_cpus", five_cpus()),
        ("odd", odd()),
        ("long", long()),
        ("unicode", unicode()),
    ]
}

fn outcome(
    race: &str,
    title: &str,
    protocol: &str,
    executions: u64,
    documented: Expected,
) -> Outcome {
    Outcome {
        race: race.into(),
        title: title.into(),
        protocol: protocol.into(),
        engine: "dpor".into(),
        memory_model: "sequentially consistent".into(),
        executions,
        states: None,
        coverage: Coverage::Exhaustive,
        violating: 0,
        violations: Vec::new(),
        unexplained: Vec::new(),
        clauses: vec![Count::new("MIG-1", 2 * executions)],
        endings: vec![
            Count::new("walk first", executions / 2),
            Count::new("walk last", executions - executions / 2),
        ],
        showing: Vec::new(),
        operations: vec![Count::new("src/races/s3.rs:7: split_vma(2) on CPU 'split'", executions)],
        documented,
        lock_order: Vec::new(),
        seconds: 0.3,
        witness: None,
    }
}

/// What one run of everything might find: documented verdicts first, then one of every other kind.
pub fn outcomes() -> Vec<Outcome> {
    let violates = |clause: &str| Expected::Violates(clause.to_owned());
    let adjust = "vma_adjust moves the range under rmap_walk";
    let reuse = "the anon_vma is reused between the look and the lock, and the walk goes on in \
                 another family's list";
    let hit = |clause: &str, count, witness: Option<Witness>, outcome| Outcome {
        violating: count,
        violations: vec![Count::new(clause, count)],
        witness,
        ..outcome
    };
    vec![
        hit(
            "MIG-1",
            12,
            Some(violation()),
            outcome("S3.1", adjust, "2.6.34", 64, violates("MIG-1")),
        ),
        outcome("S3.1", adjust, "2.6.36", 64, Expected::Holds),
        Outcome {
            coverage: Coverage::Settled,
            ..hit(
                "DEADLOCK",
                1,
                Some(deadlock()),
                outcome(
                    "S3.3",
                    "per-anon_vma locks nest both ways",
                    "nested",
                    1,
                    violates("DEADLOCK"),
                ),
            )
        },
        outcome("S3.3", "per-anon_vma locks nest both ways", "root", 38, Expected::Holds),
        hit(
            "PROGRESS-1",
            3,
            Some(livelock()),
            outcome("S3.4", "trylock and restart", "trylock-restart", 9, violates("PROGRESS-1")),
        ),
        hit(
            "MIG-1",
            4,
            None,
            outcome(
                "S3.8",
                "only next has an anon_vma",
                "2.6.36",
                80,
                Expected::StillViolates("MIG-1".into()),
            ),
        ),
        Outcome {
            engine: "loom".into(),
            coverage: Coverage::Bounded { bound: "2 preemptions".into() },
            ..outcome("S1.2", reuse, "2.6.22", 1_148, Expected::Holds)
        },
        Outcome {
            engine: "native".into(),
            coverage: Coverage::Sampled { how: "real threads".into() },
            ..outcome("S1.2", reuse, "2.6.22", 100_000, Expected::Holds)
        },
        Outcome {
            coverage: Coverage::Unfinished { why: "10 s are over".into() },
            ..outcome("S2.1", "found only by luck", "2.6.5", 70_000, violates("ISO-1"))
        },
        Outcome {
            clauses: vec![Count::new("MIG-1", 0)],
            endings: vec![Count::new("walk first", 0)],
            ..outcome("S2.2", "holds for no good reason", "2.6.5", 2, Expected::Holds)
        },
        hit(
            "RMAP-2",
            5,
            Some(three_cpus()),
            outcome("S2.3", "holds in the documents only", "2.6.5", 5, Expected::Holds),
        ),
        outcome("S2.4", "nobody knows", "2.6.5", 5, Expected::Unstated),
        Outcome {
            coverage: Coverage::Unfinished { why: "10 s are over".into() },
            violations: vec![Count::new("ISO-1", 3), Count::new("RMAP-2", 30)],
            violating: 30,
            ..outcome("S2.5", "found on the way", "2.6.5", 50_000, Expected::Unstated)
        },
    ]
}
