//! What holds for every witness, however odd.

mod samples;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;
use witness::render::{self, Detail, MIN_WIDTH, Style};
use witness::{
    Count, Coverage, Ending, Expected, Held, Outcome, Step, StepKind, Verdict, Wait, Witness,
};

const KINDS: [StepKind; 16] = [
    StepKind::Call,
    StepKind::Return,
    StepKind::Lock,
    StepKind::LockShared,
    StepKind::TryLock,
    StepKind::TryLockFailed,
    StepKind::Unlock,
    StepKind::Blocked,
    StepKind::Load,
    StepKind::Store,
    StepKind::Fence,
    StepKind::RcuLock,
    StepKind::RcuUnlock,
    StepKind::Rcu,
    StepKind::Note,
    StepKind::Violation,
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z_]{1,12}\\(anon_vma#[0-9]\\)",
        2 => "[a-z :=→≥✗]{0,60}",
        1 => "[a-z_]{0,120}",
        1 => "[漢字e\u{301}👩\u{200d}\u{fe0f}]{0,20}",
        1 => ".{0,40}",
    ]
}

fn object() -> impl Strategy<Value = String> {
    prop_oneof!["[xyz]", Just(String::new()), text()]
}

fn cpu() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0_usize..6, 1 => any::<usize>()]
}

fn ending() -> impl Strategy<Value = Ending> {
    let wait = (cpu(), text(), text()).prop_map(|(cpu, holds, wants)| Wait { cpu, holds, wants });
    let index = || prop_oneof![8 => 0_usize..20, 1 => any::<usize>()];
    prop_oneof![
        Just(Ending::Violation),
        Just(Ending::Audit),
        proptest::collection::vec(wait, 0..6).prop_map(|cycle| Ending::Deadlock { cycle }),
        (index(), index()).prop_map(|(first, last)| Ending::Livelock { first, last }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let kind = (0..KINDS.len()).prop_map(|i| KINDS[i]);
    let now = proptest::collection::vec(text(), 0..3);
    (cpu(), 0_u8..8, kind, text(), object(), now, text()).prop_map(
        |(cpu, depth, kind, text, object, now, at)| {
            let mut step = Step::new(cpu, kind, text);
            (step.depth, step.object, step.now, step.at) = (depth, object, now, at);
            step
        },
    )
}

fn witness() -> impl Strategy<Value = Witness> {
    let cpus = proptest::collection::vec(text(), 0..6);
    let steps = proptest::collection::vec(step(), 0..20);
    let held =
        proptest::collection::vec((cpu(), text()).prop_map(|(cpu, lock)| Held { cpu, lock }), 0..3);
    let texts = proptest::collection::vec(text(), 9);
    (cpus, steps, ending(), held, texts).prop_map(|(cpus, steps, ending, held, mut texts)| {
        let mut next = || texts.pop().unwrap_or_default();
        let mut witness = samples::violation();
        for text in [
            &mut witness.race,
            &mut witness.title,
            &mut witness.protocol,
            &mut witness.clause,
            &mut witness.clause_text,
            &mut witness.spec,
            &mut witness.what,
            &mut witness.schedule,
            &mut witness.replay,
        ] {
            *text = next();
        }
        witness.cpus = cpus;
        witness.steps = steps;
        witness.ending = ending;
        witness.held = held;
        witness
    })
}

fn detail() -> impl Strategy<Value = Detail> {
    proptest::sample::select(vec![
        Detail::Window,
        Detail::FromFirstSwitch,
        Detail::Story,
        Detail::Full,
        Detail::Brief,
    ])
}

fn style() -> impl Strategy<Value = Style> {
    (any::<bool>(), detail(), any::<bool>()).prop_map(|(ascii, detail, hide_source)| Style {
        color: false,
        ascii,
        detail,
        hide_source,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let coverage = prop_oneof![
        Just(Coverage::Exhaustive),
        Just(Coverage::Settled),
        text().prop_map(|bound| Coverage::Bounded { bound }),
        text().prop_map(|how| Coverage::Sampled { how }),
        text().prop_map(|why| Coverage::Unfinished { why }),
        text().prop_map(|why| Coverage::Inapplicable { why }),
    ];
    let documented = prop_oneof![
        text().prop_map(Expected::Violates),
        text().prop_map(Expected::StillViolates),
        Just(Expected::Holds),
        Just(Expected::Unstated),
    ];
    let counts = || {
        proptest::collection::vec(
            (text(), 0_u64..3).prop_map(|(name, n)| Count::new(name, n)),
            0..3,
        )
    };
    let texts = (text(), text(), text(), text());
    let witness = proptest::option::weighted(0.3, witness());
    (
        texts,
        any::<u64>(),
        coverage,
        counts(),
        counts(),
        [counts(), counts(), counts()],
        documented,
        witness,
    )
        .prop_map(
            |(
                (race, title, protocol, engine),
                executions,
                coverage,
                violations,
                clauses,
                [endings, operations, showing],
                documented,
                witness,
            )| {
                let mut outcome = Outcome::new(race, title, protocol, coverage);
                outcome.engine = engine;
                outcome.executions = executions;
                outcome.violating =
                    violations.iter().map(|violation| violation.count).max().unwrap_or(0);
                outcome.violations = violations;
                outcome.clauses = clauses;
                outcome.endings = endings;
                outcome.operations = operations;
                outcome.showing = showing;
                outcome.documented = documented;
                outcome.witness = witness;
                outcome
            },
        )
}

fn check_lines(text: &str, width: usize, style: Style) -> Result<(), TestCaseError> {
    for line in text.lines() {
        prop_assert!(line.width() <= width.max(MIN_WIDTH), "{} > {width}: {line:?}", line.width());
        prop_assert!(!line.ends_with(char::is_whitespace), "spaces at the end: {line:?}");
        prop_assert!(!line.contains(char::is_control), "control character: {line:?}");
        prop_assert!(!style.ascii || line.is_ascii(), "not in ASCII: {line:?}");
    }
    Ok(())
}

fn uncolored(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('m').map_or("", |(_, text)| text));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn text_fits(witness in witness(), width in 0_usize..160, style in style()) {
        check_lines(&render::text(&witness, width, style), width, style)?;
    }

    #[test]
    fn table_fits(
        outcomes in proptest::collection::vec(outcome(), 0..6),
        width in 0_usize..160,
        style in style(),
    ) {
        check_lines(&render::table(&outcomes, 4.1, width, style), width, style)?;
        for outcome in &outcomes {
            prop_assert_eq!(render::line(outcome).lines().count(), 1);
        }
    }

    #[test]
    fn colors_change_nothing_else(witness in witness(), width in 40_usize..120, style in style()) {
        let colored = render::text(&witness, width, Style { color: true, ..style });
        prop_assert_eq!(uncolored(&colored), render::text(&witness, width, style));
    }

    #[test]
    fn every_step_is_shown_in_full(mut witness in witness(), width in 40_usize..120) {
        for (i, step) in witness.steps.iter_mut().enumerate() {
            step.text = format!("<{i}>");
        }
        let full = Style { detail: Detail::Full, ..Style::default() };
        let text = render::text(&witness, width, full);
        for i in 0..witness.steps.len() {
            prop_assert!(text.contains(&format!("<{i}>")), "step {i} is missing:\n{text}");
        }
    }

    #[test]
    fn the_story_leaves_out_loads_only(mut witness in witness()) {
        for (i, step) in witness.steps.iter_mut().enumerate() {
            step.text = format!("<{i}>");
        }
        let text = render::text(&witness, 100, Style::default());
        for (i, step) in witness.steps.iter().enumerate() {
            let kept = step.kind != StepKind::Load || !step.now.is_empty();
            prop_assert!(!kept || text.contains(&format!("<{i}>")), "step {i} is missing:\n{text}");
        }
    }

    #[test]
    fn svg_is_well_formed(witness in witness(), detail in detail()) {
        let svg = render::svg(&witness, detail);
        let bad = |c: char| (c.is_control() && c != '\n') || ['\u{fffe}', '\u{ffff}'].contains(&c);
        prop_assert!(!svg.contains(bad));
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("every tag ends");
            prop_assert!(!text.contains('>'), "unescaped: {text}");
            let name = tag.split(' ').next().unwrap_or_default();
            match name.strip_prefix('/') {
                Some(name) => prop_assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        prop_assert!(open.is_empty());
    }

    #[test]
    fn mermaid_activates_what_it_deactivates(witness in witness(), detail in detail()) {
        let mut active = std::collections::HashMap::new();
        for line in render::mermaid(&witness, detail).lines().skip(1) {
            prop_assert!(!line.contains(char::is_control));
            let entities = line.matches('#').count();
            prop_assert_eq!(entities, line.matches(';').count(), "half an entity: {}", line);
            if let Some(who) = line.trim().strip_prefix("activate ") {
                *active.entry(who.to_owned()).or_insert(0) += 1;
            }
            if let Some(who) = line.trim().strip_prefix("deactivate ") {
                *active.entry(who.to_owned()).or_insert(0) -= 1;
                prop_assert!(active[who] >= 0, "{who} is not active");
            }
        }
        prop_assert!(active.values().all(|n| *n == 0));
    }

    #[test]
    fn json_round_trips(witness in witness(), outcome in outcome()) {
        let back: Witness = serde_json::from_str(&render::json(&witness)).expect("a witness");
        prop_assert_eq!(back, witness);
        let back: Outcome = serde_json::from_str(&render::json(&outcome)).expect("an outcome");
        prop_assert_eq!(back, outcome);
    }

    #[test]
    fn a_good_verdict_is_never_vacuous(outcome in outcome()) {
        let (verdict, good) = (outcome.verdict(), outcome.as_documented());
        prop_assert_eq!(good, outcome.objections().is_empty());
        if good && outcome.documented.clause().is_none() {
            prop_assert!(matches!(verdict, Verdict::Never | Verdict::NeverWithin(_)));
            prop_assert!(outcome.clauses.iter().chain(&outcome.endings).all(|c| c.count > 0));
            prop_assert_eq!(outcome.violating, 0);
        }
        if let (Some(clause), true) = (outcome.documented.clause(), good) {
            prop_assert_eq!(verdict.clause(), Some(clause));
        }
        prop_assert!(verdict.clause().is_some() || outcome.violating == 0);
    }
}
