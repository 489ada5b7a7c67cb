//! An exploration in parts finds what the whole finds: stopped and continued through a file, split
//! into shards, or divided among threads.

use lockwalk::spec::Migration;
use lockwalk::witness::Verdict;
use lockwalk::{Era, Memory, Method, Options, Outcome, Part, Race, Shard, races};

fn race(id: &str) -> Race {
    races::all().into_iter().find(|race| race.id() == id).expect("it is in the catalogue")
}

/// As a file would keep it.
fn through_text(part: &Part) -> Part {
    let text = Part::write(std::slice::from_ref(part));
    Part::read(text.as_bytes()).expect("what was written can be read").remove(0)
}

fn whole(race: &Race, protocol: &lockwalk::Protocol, options: &Options) -> Outcome {
    race.check_with(protocol, &Method::Exhaustive, options)
}

fn shards(race: &Race, protocol: &lockwalk::Protocol, of: u32) -> Vec<Part> {
    shards_of(race, of, |shard| Part::new(race, protocol, shard))
}

fn shards_by_states(race: &Race, protocol: &lockwalk::Protocol, of: u32) -> Vec<Part> {
    shards_of(race, of, |shard| Part::by_states(race, protocol, shard))
}

fn shards_of(race: &Race, of: u32, begin: impl Fn(Option<Shard>) -> Part) -> Vec<Part> {
    let shard = |number| begin(Shard::new(number, of));
    let explored = |part| race.check_part(part, &Options::default()).expect("it is this race's");
    (1..=of).map(|number| through_text(&explored(shard(number)))).collect()
}

/// All but the time.
#[track_caller]
fn assert_same(a: &Outcome, b: &Outcome) {
    let timeless = |outcome: &Outcome| {
        let mut outcome = outcome.clone();
        outcome.seconds = 0.0;
        outcome
    };
    assert_eq!(timeless(a), timeless(b));
}

#[test]
fn shards_add_up_to_the_whole() {
    let (race, protocol) = (race("S3.7"), Era::V2_6_36);
    let whole = whole(&race, &protocol, &Options::default());
    for of in [1, 2, 3, 7] {
        let shards = shards(&race, &protocol, of);
        assert!(
            shards
                .iter()
                .all(|part| part.is_settled() && part.outcome().verdict() != Verdict::Never),
            "a shard is no verdict"
        );
        let merged = Part::merge(&shards).expect("all shards are there").outcome();
        assert_same(&merged, &whole);
        assert!(merged.as_documented(), "{of}: {:?}", merged.objections());
    }
}

/// By states each of them goes through all that it comes to, whatever the others know: then no
/// count is the whole's, and whether there is any is.
#[test]
fn shards_by_states_come_to_what_the_whole_does() {
    let livelock = "2.6.38+recount=walk-again".parse().expect("a protocol");
    let there = |counts: &[lockwalk::witness::Count]| -> Vec<_> {
        counts.iter().map(|count| (count.name.clone(), count.count > 0)).collect()
    };
    for (id, protocol) in [("S3.7", Era::V2_6_36), ("S3.1", Era::V2_6_36), ("S3.11/zap", livelock)]
    {
        let race = race(id);
        let whole = race.check_with(&protocol, &Method::States, &Options::default());
        for of in [1, 2, 5] {
            let shards = shards_by_states(&race, &protocol, of);
            let merged = Part::merge(&shards).expect("all shards are there").outcome();
            assert!(merged.as_documented(), "{id}, {of}: {:?}", merged.objections());
            assert_eq!(merged.verdict(), whole.verdict(), "{id}, {of}");
            assert!(merged.states >= whole.states, "{id}, {of}: {:?}", merged.states);
            if merged.violating == 0 {
                assert_eq!(there(&merged.clauses), there(&whole.clauses), "{id}, {of}");
                assert_eq!(there(&merged.endings), there(&whole.endings), "{id}, {of}");
                assert_eq!(there(&merged.operations), there(&whole.operations), "{id}, {of}");
            }
        }
    }
}

#[test]
fn a_stopped_exploration_is_not_a_verdict_and_can_be_continued() {
    let (race, protocol) = (race("S3.7"), Era::V2_6_36);
    let slice = Options::default().executions(500);
    let mut part = Part::new(&race, &protocol, None);
    let mut parts = 0;
    while !part.is_settled() {
        assert!(
            !part.outcome().as_documented(),
            "an unfinished exploration must not pass for a verdict"
        );
        part = race.check_part(through_text(&part), &slice).expect("the next part");
        parts += 1;
        assert!(parts < 100, "it must come to an end");
    }
    assert!(parts > 2, "it was really stopped");
    assert_same(&part.outcome(), &whole(&race, &protocol, &Options::default()));
}

/// The same by states: where executions end, and where they go round.
#[test]
fn a_stopped_exploration_by_states_can_be_continued() {
    let livelock = "2.6.38+recount=walk-again".parse().expect("a protocol");
    for (id, protocol, slice) in [("S3.7", Era::V2_6_36, 100), ("S3.11/zap", livelock, 60)] {
        let (race, slice) = (race(id), Options::default().executions(slice));
        let mut part = Part::by_states(&race, &protocol, None);
        let mut parts = 0;
        while !part.is_settled() {
            assert!(!part.outcome().as_documented(), "{id}: it is no verdict yet");
            part = race.check_part(through_text(&part), &slice).expect("the next part");
            parts += 1;
            assert!(parts < 100, "{id}: it must come to an end");
        }
        assert!(parts > 2, "{id}: it was really stopped");
        let whole = race.check_with(&protocol, &Method::States, &Options::default());
        if id == "S3.7" {
            assert_same(&part.outcome(), &whole);
        } else {
            // Ways to what is left are found anew, so that there may be other executions.
            let outcome = part.outcome();
            assert_eq!(outcome.verdict(), whole.verdict());
            assert_eq!(outcome.states, whole.states);
            assert!(outcome.as_documented(), "{:?}", outcome.objections());
        }
    }
}

#[test]
fn threads_do_not_change_what_is_counted() {
    for id in ["S3.7", "S3.1", "S1.2/reuse"] {
        let race = race(id);
        for (protocol, _) in race.cases() {
            let alone = whole(&race, protocol, &Options::default());
            for jobs in [2, 16] {
                assert_same(&whole(&race, protocol, &Options::default().jobs(jobs)), &alone);
            }
        }
    }
}

/// A violation ends its execution early, so how many executions violate something depends on how
/// they are divided: so they are not.
#[test]
fn threads_do_not_change_how_many_violations_are_counted() {
    for (id, protocol) in [("S0.11", Era::V5_9), ("S1.1", Era::DOCUMENT_0.with(Migration::Yes))] {
        let race = race(id);
        let alone = whole(&race, &protocol, &Options::default().witness(true));
        assert!(
            race.documented(&protocol).is_none()
                && alone.violating > 0
                && alone.violating < alone.executions,
            "{alone:?}"
        );
        for jobs in [2, 16] {
            let options = Options::default().jobs(jobs).witness(true);
            assert_same(&whole(&race, &protocol, &options), &alone);
            let part = race
                .check_part(Part::new(&race, &protocol, None), &options)
                .expect("it is this race's");
            let mut outcome = part.outcome();
            outcome.witness = race.witness(&part, &options).expect("it is this race's");
            assert_same(&outcome, &alone);
        }
    }
}

/// A limit of executions means the same for any number of threads.
#[test]
fn a_limit_of_executions_is_one_threads() {
    let race = race("S3.7");
    let options = |jobs| Options::default().jobs(jobs).executions(300).witness(true);
    for protocol in [Era::V2_6_36, Era::V2_6_34] {
        let alone = whole(&race, &protocol, &options(1));
        assert!(alone.coverage.unfinished().is_some(), "{alone:?}");
        for jobs in [2, 16] {
            assert_same(&whole(&race, &protocol, &options(jobs)), &alone);
        }
    }
}

/// A violation ends the search, in parts as in the whole; deadlocks and livelocks, which the engine
/// finds, are no exception.
#[test]
fn violations_are_found_in_parts_and_shown() {
    for id in ["S3.1", "S3.3", "S3.4"] {
        let race = race(id);
        let violating = |documented| matches!(documented, lockwalk::Documented::Violates(_));
        let (protocol, _) = race
            .cases()
            .iter()
            .find(|(_, documented)| violating(*documented))
            .expect("it violates something");
        let shortest =
            whole(&race, protocol, &Options::default().witness(true)).witness.expect("a witness");
        let part = race
            .check_part(Part::new(&race, protocol, None), &Options::default())
            .expect("it is this race's");
        let merged = Part::merge(&shards(&race, protocol, 2)).expect("both are there");
        for part in [through_text(&part), merged] {
            assert!(
                part.is_settled() && part.outcome().as_documented(),
                "{id}: {:?}",
                part.outcome().objections()
            );
            let witness = race
                .witness(&part, &Options::default())
                .expect("it is this race's")
                .expect("a witness");
            assert_eq!((&witness.steps, witness.found.minimal), (&shortest.steps, true), "{id}");
            // Where the search is cut short, the one that was found is shown.
            let narrow = Options::default().executions(1);
            let found =
                race.witness(&part, &narrow).expect("it is this race's").expect("a witness");
            assert!(found.clause == shortest.clause && !found.found.minimal, "{id}");
        }
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let halves = |id: &str| shards(&race(id), &Era::V2_6_36, 2);
    let (a, b) = (halves("S3.1"), halves("S3.2"));
    let begun = Part::new(&race("S3.1"), &Era::V2_6_36, Shard::new(2, 2));
    let unsharded = Part::new(&race("S3.1"), &Era::V2_6_36, None);
    let third = shards(&race("S3.1"), &Era::V2_6_36, 3).remove(1);
    let by_states = shards_by_states(&race("S3.1"), &Era::V2_6_36, 2).remove(1);
    for (parts, says) in [
        (vec![], "there is nothing to put together"),
        (vec![a[0].clone()], "S3.1 under 2.6.36: shard 2/2 is missing"),
        (vec![a[1].clone()], "S3.1 under 2.6.36: shard 1/2 is missing"),
        (vec![a[0].clone(), a[0].clone()], "S3.1 under 2.6.36: shard 1/2 is there twice"),
        (
            vec![a[0].clone(), b[1].clone()],
            "S3.1 under 2.6.36 and S3.2 under 2.6.36 are different explorations",
        ),
        (vec![a[0].clone(), begun], "S3.1 under 2.6.36: shard 2/2 is not done"),
        (vec![unsharded], "S3.1 under 2.6.36 is not a shard"),
        (
            vec![a[0].clone(), by_states],
            "S3.1 under 2.6.36: one part goes by states, and another by executions",
        ),
        (
            vec![a[0].clone(), third],
            "S3.1 under 2.6.36: 2/3 is not of the 2 shards that others are of",
        ),
    ] {
        assert_eq!(Part::merge(&parts).expect_err(says).to_string(), says);
    }
    assert!(
        race("S3.2").check_part(a[0].clone(), &Options::default()).is_err(),
        "another race's part"
    );
    let weaker = || race("S3.1").memory(Memory::Tso);
    let said = "this part is sequentially consistent, and the race TSO";
    let refused = weaker().check_part(a[0].clone(), &Options::default()).expect_err(said);
    assert_eq!(refused.to_string(), said);
    let said = "S3.1 under 2.6.36 and S3.1 under 2.6.36 and TSO are different explorations";
    let other = shards(&weaker(), &Era::V2_6_36, 2).remove(1);
    assert_eq!(Part::merge(&[a[0].clone(), other]).expect_err(said).to_string(), said);
    let foreign =
        serde_json::to_string(&a[0]).expect("plain data").replace(Part::BUILD, "0.0.1-beef");
    let foreign: Part = serde_json::from_str(&foreign).expect("it can be read");
    let refused =
        race("S3.1").check_part(foreign, &Options::default()).expect_err("another build's part");
    assert!(refused.to_string().starts_with("it was begun by lockwalk 0.0.1-beef, "), "{refused}");
}

/// What was reached only in executions that are not counted was reached once, not once for each
/// part.
#[test]
fn what_is_not_counted_is_not_added_up() {
    let halves = shards(&race("S3.7"), &Era::V2_6_36, 2);
    let ending = halves[0].outcome().endings[0].name.clone();
    let reached = |part: &Part, counted: u64| -> Part {
        let mut part = serde_json::to_value(part).expect("plain data");
        part["found"]["endings"][0]["count"] = counted.into();
        part["beside"]["endings"] = vec![ending.clone()].into();
        serde_json::from_value(part).expect("it can be read")
    };
    for (counted, together) in [([0, 0], 1), ([0, 3], 3), ([2, 3], 5)] {
        let parts = [reached(&halves[0], counted[0]), reached(&halves[1], counted[1])];
        let merged = Part::merge(&parts).expect("both are there").outcome();
        assert_eq!((&merged.endings[0].name, merged.endings[0].count), (&ending, together));
    }
}

/// The catalogue's race is known by what lockwalk was built from, another one by its program too,
/// even if it has the same id: neither goes on with the other's parts.
#[test]
fn a_part_belongs_to_one_build() {
    let ours = race("S3.1");
    let other = ours.clone().never("something else", |_| false);
    let begun = |race: &Race| Part::new(race, &Era::V2_6_36, None);
    for (race, part) in
        [(&ours, begun(&other)), (&other, begun(&ours)), (&ours, begun(&ours.clone().reversed()))]
    {
        let refused = race.check_part(part, &Options::default()).expect_err("another race's part");
        assert!(refused.to_string().starts_with("it was begun by lockwalk "), "{refused}");
    }
    let halves =
        [shards(&ours, &Era::V2_6_36, 2).remove(0), shards(&other, &Era::V2_6_36, 2).remove(1)];
    let refused = Part::merge(&halves).expect_err("two builds").to_string();
    let says = format!(
        "S3.1 under 2.6.36: one part was begun by lockwalk {}, and another by {}+",
        Part::BUILD,
        Part::BUILD
    );
    assert!(refused.starts_with(&says), "{refused}");
}

/// Whatever happens to a text, it is not believed, and nobody's program is said to be at fault.
#[test]
fn damage_is_noticed() {
    let limits = Options::default().executions(7);
    let begun = race("S3.7")
        .check_part(Part::new(&race("S3.7"), &Era::V2_6_36, None), &limits)
        .expect("it is this race's");
    let text = Part::write(&[begun, Part::new(&race("S3.1"), &Era::V2_6_36, Shard::new(1, 2))])
        .into_bytes();
    assert_eq!(Part::read(&*text).expect("it is whole").len(), 2);
    let refused = |damaged: &[u8], how: &str| {
        let why = Part::read(damaged).expect_err(how).to_string();
        assert!(why.contains("damaged") || why == "it is empty", "{how}: {why}");
    };
    for length in 0..text.len() {
        refused(&text[..length], &format!("the first {length} bytes"));
    }
    for at in 0..text.len() {
        for bit in [0x01, 0x04, 0x80] {
            let mut flipped = text.clone();
            flipped[at] ^= bit;
            refused(&flipped, &format!("bit {bit:#x} of byte {at}"));
        }
        refused(&[&text[..at], b"0", &text[at..]].concat(), &format!("a byte more at {at}"));
        refused(&[&text[..at], &text[at + 1..]].concat(), &format!("a byte less at {at}"));
    }
    refused(&[&*text, b"\n"].concat(), "a line more");
}

/// What goes on for ever, or is huge, is not read to its end.
#[test]
fn what_is_no_exploration_is_not_read_to_its_end() {
    use std::io::Read;
    let text = Part::write(&[Part::new(&race("S3.1"), &Era::V2_6_36, None)]);
    let (mut zeros, mut digits) = (
        std::io::repeat(0).take(1 << 40),
        text.as_bytes().chain(std::io::repeat(b'7').take(1 << 40)),
    );
    Part::read(&mut zeros).expect_err("it is something else");
    assert!((1 << 40) - zeros.limit() < 1000);
    Part::read(&mut digits).expect_err("it is too long");
    assert!(digits.into_inner().1.limit() > (1 << 39));
}

#[test]
fn a_shard_is_one_of_several() {
    for (text, says) in [
        ("0/3", "they count from 1/3 to 3/3"),
        ("4/3", "they count from 1/3 to 3/3"),
        ("1/0", "there must be a shard"),
        ("3", "expected I/N: 2/3 is the second of three shards"),
        ("-1/3", "expected I/N: 2/3 is the second of three shards"),
    ] {
        assert_eq!(text.parse::<Shard>().expect_err(text).to_string(), says);
    }
    assert_eq!("2/3".parse(), Ok(Shard::new(2, 3).expect("there is one")));
    assert_eq!(Shard::new(0, 3), None);
}
