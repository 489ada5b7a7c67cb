//! The claims, the races that decide them, and what SPEC.md §6 says of how they came out belong
//! together.

use lockwalk::races;
use lockwalk::spec::Claim;

use super::generated::spec;

/// What no document speaks of is decided by races that are named after the document alone:
/// `S2/migrate`.
#[test]
fn every_race_that_is_named_after_a_claim_has_one() {
    for race in races::all() {
        let of_a_claim = race.id().split('/').next().is_some_and(|named| named.contains('.'));
        assert_eq!(Claim::of(race.id()).is_some(), of_a_claim, "{}", race.id());
    }
}

#[test]
fn every_claim_has_a_race() {
    let races = races::all();
    for claim in Claim::ALL {
        let decided = races.iter().any(|race| Claim::of(race.id()) == Some(claim));
        assert!(decided, "no race decides anything of {}", claim.id);
    }
}

/// Each once, in the same order.
#[test]
fn the_claims_are_those_of_the_spec() {
    let spec = spec();
    let section = spec
        .split("\n## 6 Claims and races\n")
        .nth(1)
        .and_then(|text| text.split("\n## ").next())
        .expect("there are claims");
    let heads: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("### ").filter(|head| head.starts_with('S')))
        .collect();
    assert_eq!(Claim::ALL.iter().map(|claim| claim.id).collect::<Vec<_>>(), heads);
}

/// One or two sentences, and a source that begins with the claim's document, or says that it is not
/// there.
#[test]
fn every_claim_is_a_sentence_and_has_a_source() {
    for claim in Claim::ALL {
        let sentences = claim.says.split_terminator(". ").count();
        assert!(claim.says.ends_with('.') && sentences <= 2, "{} says: {}", claim.id, claim.says);
        let source = claim.source.strip_prefix("not in ").unwrap_or(claim.source);
        assert!(
            source.starts_with(&format!("document {}", claim.document())),
            "the source of {}: {}",
            claim.id,
            claim.source
        );
    }
}
