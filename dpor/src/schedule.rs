//! A schedule: which task ran at each announced step.

use std::fmt;
use std::str::FromStr;

/// Which task ran at each announced step. Prints as run lengths, `0*5.1*3.0*2`; an empty schedule
/// is `-`. A step that may have several [outcomes](Schedule::outcome), and has not the first of
/// them, says which: `0*5.1:2.0*2`, counted from 0.
///
/// ```
/// let schedule: dpor::Schedule = "0*2.1.0*3".parse().unwrap();
/// assert_eq!(schedule.tasks(), [0, 0, 1, 0, 0, 0]);
/// assert_eq!(schedule.to_string(), "0*2.1.0*3");
/// assert!("0*2..1".parse::<dpor::Schedule>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Schedule(Vec<u32>, Vec<(u32, u32)>);

impl Schedule {
    /// The schedule that runs these tasks in this order.
    pub fn new(tasks: Vec<u32>) -> Self {
        Schedule(tasks, Vec::new())
    }

    /// The same with outcomes: for each step that has not its first, in order, the step and the
    /// outcome.
    pub(crate) fn with_outcomes(self, outcomes: Vec<(u32, u32)>) -> Self {
        Schedule(self.0, outcomes)
    }

    /// Which of its outcomes a step has: how many values are newer than the one that it sees, or
    /// writes ([`memory`](crate::memory)), or what it [chose](crate::choose).
    pub fn outcome(&self, step: usize) -> u32 {
        let found = self.1.binary_search_by_key(&step, |&(step, _)| step as usize);
        found.map_or(0, |index| self.1[index].1)
    }

    /// The task of each step.
    pub fn tasks(&self) -> &[u32] {
        &self.0
    }

    /// The number of steps.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no steps.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often the task changes.
    pub fn switches(&self) -> u32 {
        self.0.windows(2).filter(|pair| pair[0] != pair[1]).count() as u32
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        let mut at = 0;
        while let Some(&task) = self.0.get(at) {
            if at > 0 {
                f.write_str(".")?;
            }
            write!(f, "{task}")?;
            let outcome = self.outcome(at);
            let run = if outcome > 0 {
                1
            } else {
                (at..self.0.len())
                    .take_while(|&step| self.0[step] == task && self.outcome(step) == 0)
                    .count()
            };
            if outcome > 0 {
                write!(f, ":{outcome}")?;
            } else if run > 1 {
                write!(f, "*{run}")?;
            }
            at += run;
        }
        Ok(())
    }
}

/// Why a text is not a schedule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseScheduleError {
    run: String,
    position: usize,
    why: &'static str,
}

impl fmt::Display for ParseScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a schedule: {} in {:?}, its run {}; expected runs like `0*5.1*3.0*2`, and `1:2` \
             for a step with an outcome",
            self.why, self.run, self.position
        )
    }
}

impl std::error::Error for ParseScheduleError {}

/// More steps than any execution has; keeps a typing error from allocating the machine's memory.
const MOST_STEPS: usize = 100_000_000;

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (mut tasks, mut outcomes) = (Vec::new(), Vec::new());
        if text.is_empty() || text == "-" {
            return Ok(Schedule(tasks, outcomes));
        }
        for (index, run) in text.split('.').enumerate() {
            let error = |why| ParseScheduleError { run: run.to_owned(), position: index + 1, why };
            if let Some((task, outcome)) = run.split_once(':') {
                if outcome.contains('*') {
                    return Err(error("a count after an outcome, which is one step's"));
                }
                let outcome = outcome
                    .parse()
                    .ok()
                    .filter(|&outcome: &u32| outcome > 0)
                    .ok_or_else(|| error("no outcome after `:`"))?;
                outcomes.push((tasks.len() as u32, outcome));
                tasks.push(task.parse().map_err(|_| error("no task number"))?);
                continue;
            }
            let (task, count) = run.split_once('*').unwrap_or((run, "1"));
            let task: u32 = task.parse().map_err(|_| error("no task number"))?;
            let count: usize = count.parse().map_err(|_| error("no count after `*`"))?;
            if count == 0 {
                return Err(error("a run of no steps"));
            }
            if tasks.len().saturating_add(count) > MOST_STEPS {
                return Err(error("far too many steps"));
            }
            tasks.resize(tasks.len() + count, task);
        }
        Ok(Schedule(tasks, outcomes))
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn round_trips() {
        for tasks in [vec![], vec![7], vec![0, 0, 1, 1, 1, 12, 0]] {
            let schedule = Schedule::new(tasks);
            assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
        }
        let schedule =
            Schedule::new(vec![0, 0, 1, 1, 1, 1, 12]).with_outcomes(vec![(1, 3), (4, 1)]);
        assert_eq!(schedule.to_string(), "0.0:3.1*2.1:1.1.12");
        assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
    }

    #[test]
    fn malformed_is_an_error() {
        for text in [
            "x",
            "0:",
            "0:0",
            "0:1*2",
            "x:1",
            "0*",
            "0*0",
            "1.",
            ".1",
            "0*-3",
            "0*99999999999999",
            "0,1",
        ] {
            let error = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(
                text.split('.').any(|run| error.contains(&format!(" in {run:?}, its run "))),
                "{error}"
            );
            assert!(
                error.starts_with("not a schedule")
                    && error.contains("`1:2` for a step with an outcome"),
                "{error}"
            );
        }
    }
}
