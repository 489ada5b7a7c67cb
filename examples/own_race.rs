//! A race of one's own, on every engine: `cargo run --release --example own_race`.

use lockwalk::witness::Judgement;
use lockwalk::{Clause, Era, Mark, Method, Options, Race};

fn race() -> Race {
    Race::new("mine", "munmap cuts the child's VMA while the parent's page is migrated")
        .world(|w| {
            let parent = w.new_process();
            parent.mmap(1..5);
            parent.touch(4);
            parent.fork();
        })
        .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("munmap (the child's)", |w| w.process(1).munmap(1..3))
        .violates(Era::V2_6_34, Clause::MIG_1)
        .holds(Era::V2_6_36)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
}

fn main() {
    let race = race();
    let (seed, iterations) = (1, 500);
    let engines = [
        Method::Exhaustive,
        Method::Random { seed, iterations },
        Method::Pct { seed, depth: 3, iterations },
        Method::Loom,
        Method::Native { iterations },
    ];
    for (protocol, _) in race.cases() {
        for engine in &engines {
            let outcome = race.check_with(protocol, engine, &Options::default());
            // A sample may see nothing: that decides nothing, and contradicts nothing.
            assert_ne!(outcome.judgement(), Judgement::Differs, "{:?}", outcome.objections());
            println!("{protocol}  {:6}  {}", engine.name(), outcome.verdict());
        }
    }
}
