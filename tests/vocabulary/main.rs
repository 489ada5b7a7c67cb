//! What the engines make of each word of the concurrency vocabulary: one litmus test a word, on
//! every engine that can tell.

mod claims;
mod lkmm;
mod locks;
mod memory;
mod rcu;
mod semaphore;
mod violations;
mod weak;

use lockwalk::sync::Name;
use lockwalk::{Litmus, LitmusOutcome, Method};

/// The engines that say when nothing is left.
const SEARCHES: [Method; 3] = [Method::Exhaustive, Method::Enumerate, Method::Loom];

/// The searches that are sequentially consistent.
const CONSISTENT: [Method; 2] = [Method::Exhaustive, Method::Enumerate];

/// Real threads, a few times.
const NATIVE: Method = Method::Native { iterations: 200 };

fn name(of: &'static str) -> Name {
    Name::new(of, 0, 0)
}

/// No interleaving violates anything, and together they end in exactly these ways; real threads end
/// in some of them.
#[track_caller]
fn ends<T: Send + Sync + 'static>(litmus: &Litmus<T>, endings: &[&str]) {
    for method in &SEARCHES {
        let seen = search(litmus, method);
        assert_eq!(seen.endings(), endings, "{}", method.name());
    }
    let seen = litmus.explore(&NATIVE);
    assert!(seen.violated().is_empty(), "native: {seen:?}");
    assert_eq!(seen.executions, 200);
    for ending in seen.endings() {
        assert!(endings.contains(&ending), "native: {ending}");
    }
}

/// What a search finds that must finish and find no violation.
#[track_caller]
fn search<T: Send + Sync + 'static>(litmus: &Litmus<T>, method: &Method) -> LitmusOutcome {
    let seen = litmus.explore(method);
    assert!(seen.violated().is_empty(), "{}: {seen:?}", method.name());
    assert!(seen.exhausted, "{}: {seen:?}", method.name());
    seen
}
