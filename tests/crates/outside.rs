//! Somebody else's crate: a race of his own, against a protocol of his own choosing, with what
//! `lockwalk` makes public.

use lockwalk::witness::render::{self, Style};
use lockwalk::witness::{Coverage, Verdict};
use lockwalk::{Clause, Mark, Method, Options, Protocol, Race};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two processes share a page; the child loads from it while it moves.
    let race = Race::new("outside", "a load while the shared page is migrated")
        .world(|w| {
            let parent = w.new_process();
            parent.mmap(1..3);
            parent.touch(1);
            parent.store(1, 7).expect("it is mapped");
            parent.fork();
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("the child's load", |w| assert_eq!(w.process(1).load(1), Ok(7), "what was stored"))
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(7), "and the parent finds it too"))
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED));

    let protocol: Protocol = "2.6.34+vma_adjust_lock=vma+rmap_walk_lock=nested".parse()?;
    let outcome = race.check(&protocol);
    assert_eq!(
        (outcome.verdict(), &outcome.coverage),
        (Verdict::Never, &Coverage::Exhaustive),
        "{:?}",
        outcome.objections()
    );
    assert!(
        outcome.endings.iter().all(|ending| ending.count > 0)
            && outcome.clauses.iter().any(|clause| clause.name == "COW-1")
    );
    println!(
        "{} under {}: {}, {} executions",
        outcome.race,
        outcome.protocol,
        outcome.verdict(),
        outcome.executions
    );

    // What he asserts is a clause like any other: violated, it has a witness.
    let wrong = race
        .clone()
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(8), "the parent does not see it"));
    let wrong = wrong.violates(protocol.clone(), Clause::ASSERT_1);
    for method in [Method::Exhaustive, Method::Random { seed: 1, iterations: 10 }] {
        let outcome = wrong.check_with(&protocol, &method, &Options::default().witness(true));
        assert!(outcome.as_documented(), "{:?}", outcome.objections());
        let witness = outcome.witness.ok_or("a witness")?;
        assert!(witness.what.contains("the parent does not see it"), "{}", witness.what);
        println!("{}", render::text(&witness, 100, Style::default()));
        let again = wrong.replay(&protocol, &witness.schedule.parse()?)?;
        assert_eq!(again.steps, witness.steps);
    }
    Ok(())
}
