//! An exploration in parts finds what the whole finds: stopped and continued through a file, or split into shards.

use lockwalk::{Era, Options, Part, Race, races};

fn race(id: &str) -> Race {
    races::all().into_iter().find(|race| race.id() == id).expect("it is in the catalogue")
}

/// As a file would keep it.
fn through_text(part: &Part) -> Part {
    let text = serde_json::to_string(part).expect("a part is plain data");
    serde_json::from_str(&text).expect("what was written can be read")
}

#[test]
fn shards_add_up_to_the_whole() {
    let (race, protocol) = (race("S3.7"), Era::V2_6_36);
    let whole = race.check_with(&protocol, &lockwalk::Method::Exhaustive, &Options::default());
    for count in [1, 2, 3] {
        let shards: Vec<_> = (0..count)
            .map(|shard| race.check_part(&protocol, &Options::default(), Some((shard, count)), None).expect("a shard"))
            .map(|part| through_text(&part))
            .collect();
        let merged = Part::merge(&shards).expect("all shards are there");
        assert_eq!(merged.executions, whole.executions, "{count} shards");
        assert_eq!((merged.endings.clone(), merged.verdict()), (whole.endings.clone(), whole.verdict()), "{count} shards");
        assert!(merged.as_documented(), "{:?}", merged.objections());
    }
}

#[test]
fn a_stopped_exploration_is_not_a_verdict_and_can_be_continued() {
    let (race, protocol) = (race("S3.7"), Era::V2_6_36);
    let whole = race.check_with(&protocol, &lockwalk::Method::Exhaustive, &Options::default());
    let slice = Options { executions: Some(500), ..Options::default() };
    let mut part = race.check_part(&protocol, &slice, None, None).expect("a first part");
    let mut parts = 1;
    while !part.is_done() {
        assert!(!part.outcome.as_documented(), "an unfinished exploration must not pass for a verdict");
        part = race.check_part(&protocol, &slice, None, Some(through_text(&part))).expect("the next part");
        parts += 1;
        assert!(parts < 100, "it must come to an end");
    }
    assert!(parts > 2, "it was really stopped");
    assert_eq!(part.outcome.executions, whole.executions);
    assert!(part.outcome.as_documented(), "{:?}", part.outcome.objections());
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let options = Options::default();
    let shard = |id: &str, shard| race(id).check_part(&Era::V2_6_36, &options, Some((shard, 2)), None).expect("a shard");
    let one = shard("S3.1", 0);
    assert!(Part::merge(&[]).is_err());
    assert!(Part::merge(std::slice::from_ref(&one)).is_err(), "half of it is missing");
    assert!(Part::merge(&[one.clone(), one.clone()]).is_err(), "the same half twice");
    assert!(Part::merge(&[one.clone(), shard("S3.2", 1)]).is_err(), "halves of different races");
    assert!(race("S3.2").check_part(&Era::V2_6_36, &options, None, Some(one)).is_err(), "another race's part");
}
