//! `lockwalk explain` and `lockwalk replay`: interleavings that are drawn.

use std::fs;

use super::{directory, good, lockwalk, refused, run, witness, witness_in};

#[test]
fn schedules_that_do_not_fit_are_refused() {
    // A deadlock: nobody has ended, so that the surplus is all that is wrong.
    let witness = witness("explain S3.1 --protocol 2.6.34 --format json").expect("it is violated");
    let schedule = &witness.schedule;
    let steps = schedule.parse::<lockwalk::Schedule>().expect("it is one").len();
    let last = schedule.rsplit('.').next().and_then(|run| run.split('*').next()).expect("a run");
    let surplus = |more: usize| {
        format!(
            "the schedule has {} steps, and S3.1 under 2.6.34 is over after {steps} of them",
            steps + more
        )
    };
    for (schedule, says) in [
        ("0..1", "not a schedule"),
        ("x", "not a schedule"),
        ("0*99999999999", "not a schedule"),
        ("0*99999", "does not fit S3.1 under 2.6.34 after"),
        ("1*3.9", "does not fit S3.1 under 2.6.34 after"),
        (
            "1*5",
            "nothing is violated in S3.1 under 2.6.34 on this schedule, which ends after 5 of ",
        ),
        (&format!("{schedule}.{last}"), &surplus(1)),
        (&format!("{schedule}.{last}*999"), &surplus(999)),
    ] {
        let line = refused(&format!("replay S3.1 --protocol 2.6.34 --schedule {schedule}"));
        assert!(line.contains(says), "{schedule}: {line}");
    }
}

/// What is shown of a schedule that ends early is said not to be its, and can be replayed.
#[test]
fn a_schedule_that_ends_early_is_gone_on_with() {
    let command = "replay S3.1 --protocol 2.6.34 --schedule 1*81.2*17.1*5 --format json";
    let (printed, said) = run(command, 0);
    assert!(said.starts_with("the schedule ends after 103 of 119 steps: "), "{said}");
    assert_eq!(witness_in(&printed).expect("a witness").schedule, "1*81.2*17.1*21");
}

#[test]
fn the_witness_of_the_head_race_reads_like_a_kernel_mail() {
    insta::assert_snapshot!(good("explain S3.1 --no-source"));
    assert!(good("explain S3.1 --width 140").contains("rmap.rs:"));
}

#[test]
fn a_replay_of_each_kind_of_ending_shows_the_same() {
    for race in ["S3.1", "S3.3", "S3.4", "=S1.2"] {
        let explained = witness(&format!("explain {race} --format json")).expect("a witness");
        assert!(explained.found.minimal, "{race}");
        let command =
            explained.replay.strip_prefix("lockwalk ").expect("the replay line is a command");
        let replayed = witness(&format!("{command} --format json")).expect("a witness");
        assert_eq!(replayed.clause, explained.clause, "{race}");
        assert_eq!(replayed.steps, explained.steps, "{race}");
        assert_eq!(replayed.ending, explained.ending, "{race}");
        assert!(
            !replayed.found.minimal,
            "a replay proves nothing about other interleavings: {race}"
        );
    }
}

#[test]
fn what_is_not_violated_is_explained_by_what_was_covered() {
    let text = good("explain S3.1 --protocol 2.6.36");
    assert!(
        text.contains("no clause is violated")
            && text.contains("nothing left, sequentially consistent"),
        "{text}"
    );
    let directory = directory("nothing-to-draw");
    let file = |name: &str| directory.join(name).display().to_string();
    let explain = "explain S3.1 --protocol 2.6.36";
    for name in ["none.svg", "none.mmd"] {
        let said = refused(&format!("{explain} --output {}", file(name)));
        assert_eq!(
            said,
            "error: S3.1: no clause is violated (2.6.36), so there is nothing to draw"
        );
    }
    let (stdout, stderr) = run(&format!("{explain} --output {}", file("none.json")), 0);
    assert!(stdout.is_empty() && stderr.contains("no clause is violated"), "{stdout} {stderr}");
    assert!(
        fs::read_to_string(file("none.json")).expect("it is written").contains("\"witness\": null")
    );
    assert_eq!(good(&format!("{explain} --output {}", file("none.txt"))), "");
    // But for how long it took, which is not in it.
    assert_eq!(fs::read_to_string(file("none.txt")).expect("it is written"), text);
    assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 2, "no picture");
    assert_eq!(witness_in(&run(&format!("{explain} --format json"), 0).0), None);
}

#[test]
fn a_file_is_drawn_as_its_name_says() {
    let directory = directory("drawn");
    for (name, begins) in
        [("w.svg", "<svg"), ("w.mmd", "sequenceDiagram"), ("w.json", "{"), ("w.txt", "S3.1 · ")]
    {
        let file = directory.join(name);
        fs::write(&file, "what was there before").expect("writable");
        assert_eq!(good(&format!("explain =S3.1 --output {}", file.display())), "");
        let drawn = fs::read_to_string(&file).expect("it was written");
        assert!(drawn.contains(begins) && drawn.ends_with('\n'), "{name}: {drawn}");
    }
    assert_eq!(
        fs::read_dir(&directory).expect("a directory").count(),
        4,
        "nothing temporary is left"
    );
}

/// Of a mail's 72 columns no line takes more, and what is left out is said; a deadlock shows who
/// waits.
#[test]
fn a_witness_fits_a_mail() {
    let (mail, whole) =
        (good("explain =S3.1 --width 72"), good("explain =S3.1 --width 72 --whole"));
    for text in
        [&mail, &whole, &good("explain =S3.3 --width 72"), &good("explain =S1.6/starve --width 72")]
    {
        assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
    }
    let joined = mail.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        joined.contains("rows are left out where ⋮ stands (--whole")
            && !mail.contains("lock(lru_lock)"),
        "{mail}"
    );
    assert!(
        whole.contains("lock(lru_lock)")
            && !whole.contains('⋮')
            && whole.lines().count() > mail.lines().count(),
        "{whole}"
    );
    let headline = mail.lines().nth(1).expect("lines");
    assert!(headline.starts_with("MIG-1 is violated: P0 is about to be unlocked"), "{headline}");
    assert!(mail.contains("held at the end: page(P0) (CPU0)"), "{mail}");
    let from = good("explain =S3.1 --width 72 --from-first-switch");
    let before = |text: &str| text.lines().take_while(|line| !line.contains("── switch")).count();
    assert!(before(&from) < before(&mail), "{from}");
    let brief = good("explain =S3.1 --width 72 --brief");
    let is_row = |line: &&str| {
        let line = line.trim_start_matches(['✗', ' ']);
        let text = line.trim_start_matches(char::is_numeric);
        text.len() < line.len() && text.starts_with("  ")
    };
    let rows = brief.lines().filter(is_row);
    assert!((8..=15).contains(&rows.count()), "{brief}");
    assert!(brief.contains("✗") && brief.contains("rows are left out (--whole"), "{brief}");
    let deadlock = good("explain =S3.3 --width 200");
    for part in [
        "DEADLOCK: CPU0 holds ",
        "lock(anon_vma#1) waits for CPU1",
        "lock(anon_vma#0) waits for CPU0",
    ] {
        assert!(deadlock.contains(part), "{part}: {deadlock}");
    }
    assert_eq!(
        refused("explain =S3.1 --width 20"),
        "error: invalid value '20' for '--width <COLUMNS>': 20 is not in 40..=65535"
    );
    assert!(refused("explain =S3.1 --whole --from-first-switch").contains("cannot be used with"));
    let columns = lockwalk("explain =S3.1").env("COLUMNS", "60").output().expect("it starts");
    assert!(
        String::from_utf8_lossy(&columns.stdout).lines().all(|line| line.chars().count() <= 60)
    );
}

/// Titles are read one by one.
#[test]
fn titles_stand_alone() {
    for race in lockwalk::races::all() {
        let first = race.title().split([' ', ',']).next().expect("a word");
        let leans = ["but", "and", "also", "again", "it", "so"].contains(&first)
            || race.title().starts_with("the same");
        assert!(!leans, "{}: {}", race.id(), race.title());
    }
}

#[test]
fn what_is_not_violated_is_told_in_as_many_columns() {
    let said = good("explain =S3.1/boundary --protocol 2.6.36 --width 72 --ascii");
    assert!(said.is_ascii() && said.lines().all(|line| line.len() <= 72), "{said}");
}

/// What a drawing is by its file's name, it is not by chance.
#[test]
fn an_ending_that_no_format_has_is_refused() {
    let directory = directory("endings");
    let file = |name: &str| directory.join(name).display().to_string();
    let line = refused(&format!("explain S3.8 --output {}", file("x.png")));
    assert!(
        line.ends_with(
            "x.png: which format is that? --format says it, or one of the endings .txt, .svg, \
             .json, .mmd, .mermaid"
        ),
        "{line}"
    );
    assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 0);
    for (name, begins) in [
        ("x", "S3.8"),
        ("x.txt", "S3.8"),
        ("x.svg", "<svg "),
        ("X.SVG", "<svg "),
        ("x.json", "{"),
        ("x.mmd", "%%{init"),
        ("x.mermaid", "%%{init"),
    ] {
        good(&format!("explain S3.8 --output {}", file(name)));
        let drawn = fs::read_to_string(file(name)).expect("it is written");
        assert!(drawn.starts_with(begins), "{name}: {drawn}");
    }
    good(&format!("explain S3.8 --format text --output {}", file("x.png")));
}
