//! Whether interleavings that are held to be equivalent are.

use dpor::{Commutation, Commute, Disagreement, Strategy};

use super::{Exploration, Method, Options, run};
use crate::race::Race;
use crate::spec::Protocol;
use crate::sync;

impl Race {
    /// Checks that no verdict on this race rests on an order that nobody explores. Draws executions
    /// at random, runs each again in other orders of its steps that the exhaustive engine holds to
    /// be equivalent, and compares what every step observed, how the execution ended, the clauses
    /// evaluated, the marks set, and at the end all state there is. `options` limits the executions
    /// that are drawn, 100 unless it says otherwise.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use lockwalk::{Era, Options, Race};
    ///
    /// static HIDDEN: AtomicU64 = AtomicU64::new(0);
    ///
    /// let race = Race::new("mine", "two stores whose value depends on what no step announces")
    ///     .world(|w| {
    ///         HIDDEN.store(0, Ordering::Relaxed);
    ///         w.new_process().mmap(1..3);
    ///     })
    ///     .cpu("store 1", |w| {
    ///         w.process(0).store(1, HIDDEN.fetch_add(1, Ordering::Relaxed)).unwrap()
    ///     })
    ///     .cpu("store 2", |w| {
    ///         w.process(0).store(2, HIDDEN.fetch_add(1, Ordering::Relaxed)).unwrap()
    ///     });
    /// let disagreement = race.selfcheck(&Era::V2_6_36, &Options::default()).unwrap_err();
    /// println!("{disagreement}");
    /// ```
    ///
    /// # Errors
    /// With two interleavings that should have come to the same and did not, and the two steps that
    /// do not commute.
    ///
    /// # Panics
    /// As [`check`](Race::check); when the race makes no sense under the protocol; and when there
    /// is state that the comparison would pass over.
    pub fn selfcheck(
        &self,
        protocol: &Protocol,
        options: &Options,
    ) -> Result<Commutation, Box<Disagreement>> {
        self.selfchecked(protocol, options)
            .unwrap_or_else(|why| panic!("{} under {protocol}: not applicable: {why}", self.id()))
    }

    /// The same; or why the race makes no sense under the protocol.
    pub(crate) fn selfchecked(
        &self,
        protocol: &Protocol,
        options: &Options,
    ) -> Result<Result<Commutation, Box<Disagreement>>, String> {
        // Under a protocol of which it says nothing it has none, and a world of its own need not be.
        let race = self.clone();
        let race = if race.says_nothing_of(protocol) { race } else { race.without_cases() };
        let method = Method::Random { seed: 1, iterations: options.executions.unwrap_or(100) };
        let options = Options { executions: None, ..options.clone() };
        let exploration = Exploration::new(&race, protocol, &method, &options);
        let strategy = method.strategy().unwrap_or(Strategy::Dpor);
        sync::applied(|| {
            run::commute(
                exploration.explorer(strategy, options.time),
                Commute::default(),
                exploration.program(),
                exploration.hears(),
            )
        })
    }
}
