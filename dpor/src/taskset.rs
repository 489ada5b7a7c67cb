//! Sets of task indices: one word as long as there are at most 64 tasks, any number after that.

/// A set of task indices. The first 64 live in a word, so that the usual program never allocates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TaskSet {
    low: u64,
    high: Vec<u64>,
}

/// More tasks than any program has; keeps a made-up set from taking the machine's memory.
const MOST_TASKS: usize = 1 << 20;

impl TaskSet {
    pub(crate) fn clear(&mut self) {
        self.low = 0;
        self.high.clear();
    }

    pub(crate) fn insert(&mut self, task: usize) {
        if task < 64 {
            self.low |= 1 << task;
            return;
        }
        let word = task / 64 - 1;
        if word >= self.high.len() {
            self.high.resize(word + 1, 0);
        }
        self.high[word] |= 1 << (task % 64);
    }

    pub(crate) fn remove(&mut self, task: usize) {
        if task < 64 {
            self.low &= !(1 << task);
        } else if let Some(word) = self.high.get_mut(task / 64 - 1) {
            *word &= !(1 << (task % 64));
        }
    }

    pub(crate) fn contains(&self, task: usize) -> bool {
        if task < 64 {
            self.low & (1 << task) != 0
        } else {
            self.high.get(task / 64 - 1).is_some_and(|word| word & (1 << (task % 64)) != 0)
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.low == 0 && self.high.iter().all(|&word| word == 0)
    }

    pub(crate) fn len(&self) -> usize {
        (self.low.count_ones() + self.high.iter().map(|word| word.count_ones()).sum::<u32>())
            as usize
    }

    pub(crate) fn intersects(&self, other: &TaskSet) -> bool {
        self.low & other.low != 0 || self.high.iter().zip(&other.high).any(|(a, b)| a & b != 0)
    }

    pub(crate) fn union_with(&mut self, other: &TaskSet) {
        self.low |= other.low;
        if self.high.len() < other.high.len() {
            self.high.resize(other.high.len(), 0);
        }
        for (word, &more) in self.high.iter_mut().zip(&other.high) {
            *word |= more;
        }
    }

    /// The same contents, without giving back the allocation.
    pub(crate) fn copy_from(&mut self, other: &TaskSet) {
        self.low = other.low;
        self.high.clone_from(&other.high);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.low).chain(self.high.iter().copied()).enumerate().flat_map(
            |(word, mut bits)| {
                std::iter::from_fn(move || {
                    if bits == 0 {
                        return None;
                    }
                    let bit = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    Some(word * 64 + bit)
                })
            },
        )
    }

    /// On paper: its members, or `-`.
    pub(crate) fn text(&self) -> String {
        let members: Vec<_> = self.iter().map(|task| task.to_string()).collect();
        if members.is_empty() { "-".to_owned() } else { members.join(",") }
    }

    /// The set that [`text`](Self::text) made a text of.
    pub(crate) fn read(text: &str) -> Option<TaskSet> {
        if text == "-" {
            return Some(TaskSet::default());
        }
        text.split(',').map(|task| task.parse().ok().filter(|&task| task < MOST_TASKS)).collect()
    }

    /// The smallest member that is not in `except`.
    pub(crate) fn first_not_in(&self, except: &TaskSet) -> Option<usize> {
        self.iter().find(|&task| !except.contains(task))
    }
}

impl FromIterator<usize> for TaskSet {
    fn from_iter<I: IntoIterator<Item = usize>>(tasks: I) -> Self {
        let mut set = TaskSet::default();
        for task in tasks {
            set.insert(task);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::TaskSet;

    #[test]
    fn members_beyond_one_word() {
        let set: TaskSet = [3, 63, 64, 200].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 63, 64, 200]);
        assert!(set.contains(200) && !set.contains(199) && set.len() == 4);
        let other: TaskSet = [200].into_iter().collect();
        assert!(set.intersects(&other));
        assert_eq!(set.first_not_in(&[3, 63, 64].into_iter().collect()), Some(200));
        assert!(!set.intersects(&[5].into_iter().collect()) && !set.is_empty());
        let mut fewer = set.clone();
        [3, 200, 500].into_iter().for_each(|task| fewer.remove(task));
        assert_eq!(fewer.iter().collect::<Vec<_>>(), [63, 64]);
    }
}
