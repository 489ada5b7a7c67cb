//! Marks: what an execution has shown, for the conditions of a race.

use crate::exec::{self, Exec};

/// Something that an execution can show. Those of the protocol are constants here, declared in
/// `src/mm/marks.rs`; a race declares its own, and there is no other way to name one:
///
/// ```
/// use lockwalk::sync::{self, Mark};
/// use lockwalk::{Era, Race};
///
/// static OLD: Mark = Mark::new("OLD", "The load comes before the store.");
///
/// let race = Race::new("mine", "a load and a store")
///     .world(|w| w.new_process().mmap(1..2))
///     .cpu("store", |w| w.process(0).store(1, 7).expect("it is mapped"))
///     .cpu("load", |w| {
///         if w.process(0).load(1) != Ok(7) {
///             sync::mark(&OLD);
///         }
///     })
///     .sometimes("the load comes first", |e| e.saw(&OLD));
/// assert!(race.check(&Era::V3_7).endings[0].count > 0);
/// ```
///
/// ```compile_fail,E0716
/// # use lockwalk::Race;
/// # use lockwalk::sync::Mark;
/// Race::new("mine", "a mark that is declared nowhere")
///     .never("it is set", |e| e.saw(&Mark::new("OLD", "")));
/// ```
#[derive(PartialEq, Eq, Debug)]
pub struct Mark {
    name: &'static str,
    text: &'static str,
}

impl Mark {
    /// A mark of one's own, with a sentence that says what has happened when it is set.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What has happened when it is set.
    pub fn text(&self) -> &'static str {
        self.text
    }
}

/// The execution shows `mark`, from here on.
pub fn mark(mark: &'static Mark) {
    // What the building of a world comes by, or its audit, is no CPU's doing.
    if exec::cpu() != exec::BOOT {
        exec::with(|exec| exec.tables.lock().marked(mark));
    }
}

impl Exec {
    /// Has it shown `mark`?
    pub fn saw(&self, mark: &'static Mark) -> bool {
        self.tables.lock().marks.contains(&mark)
    }
}
