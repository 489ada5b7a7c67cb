//! A protocol is what it chooses, not how it is spelled.

use std::collections::{BTreeSet, HashSet};
use std::panic::{self, AssertUnwindSafe};

use lockwalk::spec::{AnonVmaLife, MigrationWait, ProtocolError, Rules, VmaAdjustLock};
use lockwalk::{
    Clause, Documented, Era, Method, Options, Protocol, Race, ReplayError, matrix, races,
};
use proptest::prelude::*;

fn parse(text: &str) -> Protocol {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A kernel, and for some rules one of their arms.
fn choices() -> impl Strategy<Value = (Protocol, Vec<(&'static str, &'static str)>)> {
    let kernel = prop::sample::select(Era::all());
    let arm = |(rule, arms): (&'static str, Vec<&'static str>)| {
        prop::sample::select(arms).prop_map(move |arm| (rule, arm))
    };
    let arms: Vec<_> = Rules::catalogue().into_iter().map(arm).collect();
    (kernel, prop::sample::subsequence(arms, 0..8).prop_flat_map(|arms| arms).prop_shuffle())
}

fn spelled(base: &str, choices: &[(&str, &str)]) -> String {
    choices.iter().fold(base.to_owned(), |text, (rule, arm)| format!("{text}+{rule}={arm}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is printed can be read, and says the same; and it is short: no choice in it could be
    /// left out, and no kernel needs fewer.
    #[test]
    fn a_name_is_read_back((base, choices) in choices()) {
        let protocol = parse(&spelled(&base.to_string(), &choices));
        for (rule, arm) in &choices {
            prop_assert!(protocol.rules.choices().contains(&(*rule, *arm)));
        }
        let name = protocol.to_string();
        prop_assert_eq!(&parse(&name), &protocol);
        prop_assert_eq!(parse(&name).to_string(), name.clone(), "a name is its own name");
        let changes = |from: &Protocol| {
            let both = from.rules.choices().into_iter().zip(protocol.rules.choices());
            both.filter(|(a, b)| a != b).count()
        };
        let fewest = Era::all().iter().map(changes).min();
        prop_assert_eq!(Some(name.matches('+').count()), fewest, "{}", name);
    }

    /// Neither the order matters, nor what is made from, nor a choice that changes nothing.
    #[test]
    fn spellings_of_the_same_choices_are_the_same_protocol(
        (base, choices) in choices(),
        other in prop::sample::select(Era::all()),
    ) {
        let protocol = parse(&spelled(&base.to_string(), &choices));
        let backwards: Vec<_> = choices.iter().rev().copied().collect();
        let all = protocol.rules.choices();
        let [base, other] = [base, other].map(|protocol| protocol.to_string());
        for text in [spelled(&base, &backwards), spelled(&base, &all), spelled(&other, &all)] {
            let same = parse(&text);
            prop_assert_eq!(&same, &protocol);
            prop_assert_eq!(HashSet::from([same.clone(), protocol.clone()]).len(), 1);
            prop_assert_eq!(BTreeSet::from([same, protocol.clone()]).len(), 1);
        }
    }
}

#[test]
fn a_kernel_that_makes_the_same_choices_lends_its_name() {
    for (text, name) in [
        ("2.6.34+vma_adjust_lock=nothing", "2.6.34"),
        ("2.6.36+anon_vma_life=lock-then-get", "2.6.38"),
        ("2.6.38+anon_vma_life=refcount", "2.6.36"),
        (
            "2.6.34+rmap_walk_lock=trylock-restart+vma_adjust_lock=vma",
            "2.6.34+vma_adjust_lock=vma+rmap_walk_lock=trylock-restart",
        ),
        (
            "2.6.34+anon_vma_lock=root+vma_adjust_lock=vma+rmap_again=keep\
             +lock_recheck=mapped+unuse_address=root",
            "2.6.36+anon_vma_life=rcu+unmapped_page=move+temporary_stack=unmarked\
             +swapin_recheck=entry",
        ),
        // Of kernels that are as near, the one that was meant.
        ("2.6.36+anon_vma_life=rcu-mapped", "2.6.36+anon_vma_life=rcu-mapped"),
        ("2.6.38+anon_vma_life=rcu-mapped", "2.6.38+anon_vma_life=rcu-mapped"),
        ("2.6.11+reuse=mapcount", "2.6.11+reuse=mapcount"),
        ("document-0+reuse=page-count+unmap_check=count+swap_free_order=first", "2.6.11"),
    ] {
        assert_eq!(parse(text).to_string(), name, "{text}");
    }
    assert_eq!(
        Era::V2_6_36.with(AnonVmaLife::RcuMapped),
        Era::V2_6_38.with(AnonVmaLife::RcuMapped)
    );
    assert_eq!(
        Era::V2_6_34.with(VmaAdjustLock::Vma).with(VmaAdjustLock::Nothing),
        Era::V2_6_34,
        "the last choice counts"
    );
    assert_ne!(Era::V2_6_34.with(MigrationWait::GetPage), Era::V2_6_34);
}

#[test]
fn a_rule_is_chosen_once() {
    for text in [
        "2.6.34+vma_adjust_lock=vma+vma_adjust_lock=nothing",
        "2.6.34+vma_adjust_lock=vma+reuse=refcount+vma_adjust_lock=vma",
    ] {
        let refused = text.parse::<Protocol>().expect_err(text);
        assert_eq!(refused, ProtocolError::Twice { rule: "vma_adjust_lock" });
        assert_eq!(refused.to_string(), "a protocol makes one choice for vma_adjust_lock, not two");
    }
}

/// Every case of the catalogue is found, and called as the race calls it, however it is spelled;
/// and no race says two things of one protocol.
#[test]
fn what_is_documented_is_found_in_every_spelling() {
    for race in races::all() {
        let distinct: HashSet<_> = race.cases().iter().map(|(protocol, _)| protocol).collect();
        assert_eq!(distinct.len(), race.cases().len(), "{race:?}");
        for (protocol, documented) in race.cases() {
            let all = protocol.rules.choices();
            for base in Era::all() {
                let same = parse(&spelled(&base.to_string(), &all));
                assert_eq!(race.documented(&same), Some(*documented), "{race:?} under {same}");
            }
        }
    }
}

#[test]
fn ten_spellings_of_one_question_have_one_answer() {
    let race =
        races::all().into_iter().find(|race| race.id() == "S3.4").expect("it is in the catalogue");
    let (protocol, documented) = &race.cases()[0];
    assert!(matches!(documented, Documented::Violates(Clause::LIVELOCK)), "{documented:?}");
    let answer = |text: &str| {
        let options = Options::default().witness(true);
        let mut outcome = race.check_with(&parse(text), &Method::Exhaustive, &options);
        assert!(outcome.as_documented(), "{text}: {:?}", outcome.objections());
        outcome.seconds = 0.0;
        outcome
    };
    let first = answer(&protocol.to_string());
    let all = protocol.rules.choices();
    let from_everywhere = ["2.6.7", "2.6.13", "document-1", "2.6.33", "2.6.34", "2.6.36", "5.19"]
        .map(|base| spelled(base, &all));
    let by_hand = [
        "2.6.34+rmap_walk_lock=trylock-restart+vma_adjust_lock=vma",
        "2.6.34+reuse=reuse-swap-page+vma_adjust_lock=vma+rmap_walk_lock=trylock-restart",
        "2.6.33+anon_vma_link=chained+rmap_walk_lock=trylock-restart\
         +shared_mapping=oldest+vma_adjust_lock=vma+unuse_address=any",
    ];
    for text in from_everywhere.iter().map(String::as_str).chain(by_hand) {
        assert_eq!(answer(text), first, "{text}");
    }
}

/// Of protocols that make the same choices something can be said once, under either name.
#[test]
fn what_is_said_of_a_protocol_is_said_of_its_twin() {
    let (one, twin) =
        (Era::V2_6_36.with(AnonVmaLife::RcuMapped), Era::V2_6_38.with(AnonVmaLife::RcuMapped));
    let race = Race::new("mine", "nothing").cpu("nothing", |_| ()).holds(one);
    assert_eq!(race.documented(&twin), Some(Documented::Holds));
    let twice = panic::catch_unwind(AssertUnwindSafe(|| race.violates(twin, Clause::MIG_1)))
        .expect_err("it is refused");
    let said = twice.downcast_ref::<String>().expect("a text");
    let expected = "mine under 2.6.38+anon_vma_life=rcu-mapped is said to be Violates(MIG_1), and \
                    before that (as 2.6.36+anon_vma_life=rcu-mapped) Holds";
    assert_eq!(said, expected);
}

/// A race is asked under whatever protocol there is: where it makes no sense, its outcome says so,
/// on every engine.
#[test]
fn what_makes_no_sense_under_a_protocol_is_an_outcome() {
    let moves = Race::new("moves", "a page is moved")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
        })
        .cpu("move_pages", |w| w.process(0).move_pages(1));
    let why = "move_pages needs anon_vmas, and this protocol has rmap=anonmm: no kernel had both";
    for method in [
        Method::Exhaustive,
        Method::States,
        Method::Random { seed: 1, iterations: 2 },
        Method::Loom,
        Method::Native { iterations: 2 },
    ] {
        let outcome = moves.check_with(&Era::RMAP_10, &method, &Options::default());
        let came_to = (outcome.coverage.inapplicable(), outcome.executions, &*outcome.engine);
        assert_eq!(came_to, (Some(why), 0, method.name()));
    }
    let columns = [Era::RMAP_10, Era::V2_6_36].map(|protocol| (protocol.to_string(), protocol));
    let row = columns.each_ref().map(|(_, protocol)| matrix::undocumented(&moves).check(protocol));
    assert_eq!(
        matrix::plain(&columns, &[("moves".into(), row.to_vec())]),
        "race   rmap-10  2.6.36\nmoves  –        never\n"
    );
    let schedule = "1*3".parse().expect("a schedule");
    let refused = moves.replay(&Era::RMAP_10, &schedule).expect_err("nothing can be run");
    assert!(matches!(refused, ReplayError::Inapplicable { .. }), "{refused:?}");
    assert_eq!(refused.to_string(), format!("moves under rmap-10: not applicable: {why}"));
    let payload = panic::catch_unwind(AssertUnwindSafe(|| {
        moves.selfcheck(&Era::RMAP_10, &Options::default()).is_ok()
    }))
    .expect_err("nothing can be compared");
    let said = payload.downcast_ref::<String>().expect("a text");
    assert_eq!(*said, format!("moves under rmap-10: not applicable: {why}"));
}
