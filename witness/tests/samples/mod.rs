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
    let mut step = Step::new(cpu, kind, text);
    step.depth = depth;
    step.object = object.to_owned();
    step.now = strings(now);
    step.at = at.to_owned();
    step
}

/// A witness or an outcome that differs in what `change` assigns.
pub fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|s| (*s).to_owned()).collect()
}

const SC: &str = "sequentially consistent";

fn by_dpor() -> Found {
    with(Found::new("dpor", SC, 12), |found| found.minimal = true)
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
    let title = "vma_adjust moves the range under rmap_walk";
    let mut witness = Witness::new("S3.1", title, "2.6.34", by_dpor());
    witness.clause = "MIG-1".into();
    witness.clause_text = "a migration entry never outlives the lock on its page".into();
    witness.spec = "SPEC.md#mig-1".into();
    witness.what = "pte[mm0:4] = mig(P0), P0 unlocked".into();
    witness.preemptions = 2;
    witness.switches = 2;
    witness.cpus = strings(&["migrate_pages", "vma_adjust (split at 2)"]);
    witness.steps = steps;
    witness.ending = Ending::Violation;
    witness.held = vec![Held { cpu: 1, lock: "mm0.mmap_sem".into() }];
    witness.schedule = "0*13.1*3.0*8".into();
    witness.replay = "lockwalk replay S3.1 --protocol 2.6.34 --schedule 0*13.1*3.0*8".into();
    witness
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
    let title = "the next store gets a copy of a page that a device stores into";
    let mut witness = Witness::new("S0.1", title, "2.6.7+unmap_check=nothing", by_dpor());
    witness.clause = "DATA-1".into();
    witness.clause_text = "a load returns what was last stored there".into();
    witness.spec = "SPEC.md#data-1".into();
    witness.what = "mm0 loads 8 from 1, where it should find 7".into();
    witness.switches = 1;
    witness.cpus = strings(&["store", "direct I/O completes"]);
    witness.steps = steps;
    witness.ending = Ending::Audit;
    witness.schedule = "0*1.1*2".into();
    witness.replay =
        "lockwalk replay S0.1 --protocol 2.6.7+unmap_check=nothing --schedule 0*1.1*2".into();
    witness
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
    let title = "per-anon_vma locks nest both ways";
    let mut witness = Witness::new("S3.3", title, "nested", by_dpor());
    witness.clause = "DEADLOCK".into();
    witness.clause_text = "locks are taken in one order".into();
    witness.spec = "SPEC.md#deadlock".into();
    witness.what = "anon_vma#1 → anon_vma#2 → anon_vma#1".into();
    witness.preemptions = 1;
    witness.switches = 2;
    witness.cpus = strings(&["rmap_walk", "mm_take_all_locks"]);
    witness.steps = steps;
    witness.ending = Ending::Deadlock {
        cycle: vec![wait(0, "anon_vma#1", "anon_vma#2"), wait(1, "anon_vma#2", "anon_vma#1")],
    };
    witness.held = vec![
        Held { cpu: 0, lock: "anon_vma#1".into() },
        Held { cpu: 1, lock: "anon_vma#2".into() },
    ];
    witness.schedule = "0*2.1*3.0*1".into();
    witness.replay = "lockwalk replay S3.3 --protocol nested --schedule 0*2.1*3.0*1".into();
    witness
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
    let title = "trylock and restart";
    let mut witness =
        Witness::new("S3.4", title, "trylock-restart", Found::new("shuttle random", SC, 1_024));
    witness.clause = "PROGRESS-1".into();
    witness.clause_text = "of CPUs that are scheduled for ever, one gets on".into();
    witness.spec = "SPEC.md#progress-1".into();
    witness.what = "neither walk visits a page".into();
    witness.preemptions = 7;
    witness.switches = 7;
    witness.cpus = strings(&["rmap_walk(P0)", "rmap_walk(P1)"]);
    witness.steps = steps;
    witness.ending = Ending::Livelock { first: 2, last: 7 };
    witness.schedule = "01010101".into();
    witness.replay = "lockwalk replay S3.4 --protocol trylock-restart --schedule 01010101".into();
    witness
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
    let title = "the anon_vma is reused between the look and the lock";
    let mut found = Found::new("loom", "C11 without load buffering", 12);
    found.minimal = true;
    let mut witness = Witness::new("S1.2", title, "2.6.22 without the recheck", found);
    witness.clause = "RMAP-2".into();
    witness.clause_text = "a returned anon_vma is alive and is this page's".into();
    witness.spec = "SPEC.md §4.3".into();
    witness.what = "anon#1′ belongs to B".into();
    witness.preemptions = 1;
    witness.switches = 3;
    witness.cpus = strings(&["reclaim", "exit", "fork"]);
    witness.steps = steps;
    witness.ending = Ending::Violation;
    witness.held = vec![Held { cpu: 0, lock: "anon#1".into() }];
    witness.schedule = "0*4.1*5.2.0*3".into();
    witness.replay =
        "lockwalk replay S1.2 --protocol 2.6.22-no-recheck --schedule 0*4.1*5.2.0*3".into();
    witness
}

/// The same with two more CPUs that stand in line for the lock.
pub fn five_cpus() -> Witness {
    let mut five = three_cpus();
    (five.switches, five.preemptions) = (6, 3);
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
    let mut witness = violation();
    witness.race = String::new();
    witness.title = String::new();
    witness.clause_text = String::new();
    witness.spec = String::new();
    witness.what = String::new();
    witness.cpus = strings(&["idle", "", "zap"]);
    witness.steps = vec![
        step(2, 0, Store, "pte := none", "", &[], ""),
        step(7, 255, Note, "who am I?", "", &[], ""),
        step(usize::MAX, 3, Unlock, "unlock(never locked)", "x", &["?"], ""),
    ];
    witness.held = Vec::new();
    witness.schedule = String::new();
    witness.replay = String::new();
    witness
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
    let mut outcome = Outcome::new(race, title, protocol, Coverage::Exhaustive);
    outcome.engine = "dpor".into();
    outcome.memory_model = SC.into();
    outcome.executions = executions;
    outcome.clauses = vec![Count::new("MIG-1", 2 * executions)];
    outcome.endings = vec![
        Count::new("walk first", executions / 2),
        Count::new("walk last", executions - executions / 2),
    ];
    outcome.operations =
        vec![Count::new("src/races/s3.rs:7: split_vma(2) on CPU 'split'", executions)];
    outcome.documented = documented;
    outcome.seconds = 0.3;
    outcome
}

/// What one run of everything might find: documented verdicts first, then one of every other kind.
pub fn outcomes() -> Vec<Outcome> {
    let violates = |clause: &str| Expected::Violates(clause.to_owned());
    let adjust = "vma_adjust moves the range under rmap_walk";
    let nest = "per-anon_vma locks nest both ways";
    let reuse = "the anon_vma is reused between the look and the lock, and the walk goes on in \
                 another family's list";
    let hit = |clause: &str, count, witness: Option<Witness>, outcome: Outcome| {
        with(outcome, |outcome| {
            outcome.violating = count;
            outcome.violations = vec![Count::new(clause, count)];
            outcome.witness = witness;
        })
    };
    vec![
        hit(
            "MIG-1",
            12,
            Some(violation()),
            outcome("S3.1", adjust, "2.6.34", 64, violates("MIG-1")),
        ),
        outcome("S3.1", adjust, "2.6.36", 64, Expected::Holds),
        with(
            hit(
                "DEADLOCK",
                1,
                Some(deadlock()),
                outcome("S3.3", nest, "nested", 1, violates("DEADLOCK")),
            ),
            |outcome| outcome.coverage = Coverage::Settled,
        ),
        outcome("S3.3", nest, "root", 38, Expected::Holds),
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
        with(outcome("S1.2", reuse, "2.6.22", 1_148, Expected::Holds), |outcome| {
            outcome.engine = "loom".into();
            outcome.coverage = Coverage::Bounded { bound: "2 preemptions".into() };
        }),
        with(outcome("S1.2", reuse, "2.6.22", 100_000, Expected::Holds), |outcome| {
            outcome.engine = "native".into();
            outcome.coverage = Coverage::Sampled { how: "real threads".into() };
        }),
        with(
            outcome("S2.1", "found only by luck", "2.6.5", 70_000, violates("ISO-1")),
            |outcome| outcome.coverage = Coverage::Unfinished { why: "10 s are over".into() },
        ),
        with(outcome("S2.2", "holds for no good reason", "2.6.5", 2, Expected::Holds), |outcome| {
            outcome.clauses = vec![Count::new("MIG-1", 0)];
            outcome.endings = vec![Count::new("walk first", 0)];
        }),
        hit(
            "RMAP-2",
            5,
            Some(three_cpus()),
            outcome("S2.3", "holds in the documents only", "2.6.5", 5, Expected::Holds),
        ),
        outcome("S2.4", "nobody knows", "2.6.5", 5, Expected::Unstated),
        with(outcome("S2.5", "found on the way", "2.6.5", 50_000, Expected::Unstated), |outcome| {
            outcome.coverage = Coverage::Unfinished { why: "10 s are over".into() };
            outcome.violations = vec![Count::new("ISO-1", 3), Count::new("RMAP-2", 30)];
            outcome.violating = 30;
        }),
    ]
}
