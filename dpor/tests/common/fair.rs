//! Which circles of states can be gone round for ever: a search of its own, for programs whose
//! states a test enumerates itself.

use std::collections::{BTreeMap, BTreeSet};

use dpor::Fairness;

/// Is there a fair cycle among the states? `edges` are, of each state, who can move there, and to
/// which state; each of the `agents` has one move at most.
pub fn has_livelock(edges: &[Vec<(usize, usize)>], agents: usize, fairness: Fairness) -> bool {
    let all = (0..edges.len()).collect();
    components(edges, &all)
        .iter()
        .any(|component| has_fair_cycle(edges, component, agents, fairness))
}

/// Does a strongly connected set of states have a fair cycle?
fn has_fair_cycle(
    edges: &[Vec<(usize, usize)>],
    component: &BTreeSet<usize>,
    agents: usize,
    fairness: Fairness,
) -> bool {
    let own = |state: usize, task: usize| {
        edges[state].iter().find(|edge| edge.0 == task).map(|edge| edge.1)
    };
    let moves = |task: usize| {
        component.iter().any(|&state| own(state, task).is_some_and(|to| component.contains(&to)))
    };
    match fairness {
        // Every task moves in it, or cannot move somewhere in it.
        Fairness::Weak => (0..agents)
            .all(|task| moves(task) || component.iter().any(|&state| own(state, task).is_none())),
        // Every task moves in it, or cannot move anywhere in it; where somebody could, but only to
        // leave it, a smaller set may do.
        Fairness::Strong => {
            let leaver = (0..agents).find(|&task| {
                !moves(task) && component.iter().any(|&state| own(state, task).is_some())
            });
            let Some(leaver) = leaver else { return true };
            let rest: BTreeSet<usize> =
                component.iter().copied().filter(|&state| own(state, leaver).is_none()).collect();
            components(edges, &rest)
                .iter()
                .any(|smaller| has_fair_cycle(edges, smaller, agents, fairness))
        }
    }
}

/// The strongly connected sets among `states`, as far as they contain a cycle: who reaches whom in
/// the one direction, in the order in which that was settled, and then in the other (Kosaraju).
fn components(edges: &[Vec<(usize, usize)>], states: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
    let mut back: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let ahead = |at: usize| edges[at].iter().map(|edge| edge.1).filter(|to| states.contains(to));
    for &from in states {
        ahead(from).for_each(|to| back.entry(to).or_default().push(from));
    }
    let (mut seen, mut settled) = (BTreeSet::new(), Vec::new());
    for &root in states {
        let mut path = vec![(root, false)];
        while let Some((at, all_seen)) = path.pop() {
            if all_seen {
                settled.push(at);
            } else if seen.insert(at) {
                path.push((at, true));
                path.extend(ahead(at).map(|to| (to, false)));
            }
        }
    }
    let (mut taken, mut components) = (BTreeSet::new(), Vec::new());
    for &root in settled.iter().rev() {
        let (mut component, mut todo) = (BTreeSet::new(), vec![root]);
        while let Some(at) = todo.pop() {
            if taken.insert(at) {
                component.insert(at);
                todo.extend(back.get(&at).into_iter().flatten());
            }
        }
        if component.len() > 1 || component.iter().any(|&one| ahead(one).any(|to| to == one)) {
            components.push(component);
        }
    }
    components
}
