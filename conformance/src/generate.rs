//! The generator: scripts from a seed.

use fastrand::Rng;

use crate::op::Op;
use crate::state::State;
use crate::{PAGES, PROCESSES};

/// What the scripts of a mix are about: a weight for each kind of operation.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Its name.
    pub name: &'static str,
    /// To how many pages it keeps.
    pages: u64,
    /// Is it about memory that is read-only, into which stores are forced?
    by_force: bool,
    weights: &'static [(&'static str, u32)],
}

impl Mix {
    /// All of them.
    pub const ALL: &[Mix] = &[
        Mix {
            pages: PAGES,
            by_force: false,
            name: "cow",
            weights: &[
                ("store", 6),
                ("load", 3),
                ("fork", 3),
                ("exit", 2),
                ("munmap", 1),
                ("dontneed", 1),
                ("mmap", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "swap",
            weights: &[
                ("store", 4),
                ("load", 4),
                ("fork", 2),
                ("exit", 2),
                ("pageout", 8),
                ("munmap", 1),
                ("dontneed", 1),
                ("mmap", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "pins",
            weights: &[
                ("store", 4),
                ("load", 2),
                ("fork", 3),
                ("exit", 1),
                ("pageout", 4),
                ("pin", 5),
                ("unpin", 3),
                ("dmaw", 3),
                ("dmar", 2),
                ("dontneed", 1),
                ("munmap", 1),
                ("mmap", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "pipes",
            weights: &[
                ("store", 4),
                ("load", 2),
                ("fork", 2),
                ("exit", 2),
                ("pageout", 5),
                ("splice", 5),
                ("drain", 3),
                ("dontneed", 1),
                ("munmap", 1),
                ("mmap", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "others",
            weights: &[
                ("store", 4),
                ("load", 2),
                ("fork", 3),
                ("exit", 1),
                ("pageout", 4),
                ("peek", 3),
                ("poke", 2),
                ("pvread", 4),
                ("pvwrite", 3),
                ("pin", 1),
                ("unpin", 1),
                ("munmap", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "vmas",
            weights: &[
                ("store", 4),
                ("load", 2),
                ("fork", 3),
                ("exit", 1),
                ("pageout", 4),
                ("split", 4),
                ("mprotect", 4),
                ("munmap", 3),
                ("mmap", 3),
                ("dontneed", 2),
                ("splice", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "all",
            weights: &[
                ("store", 6),
                ("load", 3),
                ("peek", 1),
                ("poke", 1),
                ("fork", 3),
                ("exit", 2),
                ("mmap", 1),
                ("munmap", 1),
                ("split", 1),
                ("mprotect", 2),
                ("dontneed", 1),
                ("pageout", 6),
                ("splice", 2),
                ("drain", 1),
                ("pin", 2),
                ("unpin", 1),
                ("dmaw", 1),
                ("dmar", 1),
                ("pvread", 1),
                ("pvwrite", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "protection",
            weights: &[
                ("store", 6),
                ("load", 4),
                ("fork", 2),
                ("exit", 2),
                ("pageout", 6),
                ("mprotect", 10),
                ("pin", 3),
                ("unpin", 2),
                ("dmaw", 2),
                ("splice", 1),
                ("drain", 1),
                ("pvread", 1),
                ("pvwrite", 1),
                ("swapoff", 1),
                ("dontneed", 1),
                ("munmap", 1),
                ("mmap", 1),
            ],
        },
        Mix {
            pages: 1,
            by_force: false,
            name: "one",
            weights: &[
                ("store", 4),
                ("load", 4),
                ("fork", 2),
                ("exit", 2),
                ("dontneed", 1),
                ("pageout", 8),
                ("splice", 2),
                ("drain", 1),
                ("pin", 3),
                ("unpin", 2),
                ("dmaw", 2),
                ("pvread", 2),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "swapoff",
            weights: &[
                ("store", 4),
                ("load", 2),
                ("fork", 3),
                ("exit", 1),
                ("pageout", 8),
                ("swapoff", 1),
                ("splice", 1),
                ("pin", 1),
                ("unpin", 1),
                ("munmap", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "moves",
            weights: &[
                ("store", 5),
                ("load", 4),
                ("fork", 3),
                ("exit", 1),
                ("mremap", 8),
                ("pageout", 6),
                ("mprotect", 1),
                ("pin", 2),
                ("unpin", 1),
                ("dmaw", 2),
                ("dmar", 1),
                ("splice", 1),
                ("drain", 1),
                ("dontneed", 1),
                ("munmap", 1),
                ("mmap", 2),
                ("swapoff", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: true,
            name: "forced",
            weights: &[
                ("store", 4),
                ("load", 4),
                ("fork", 3),
                ("exit", 2),
                ("pageout", 5),
                ("mprotect", 4),
                ("poke", 12),
                ("peek", 1),
                ("splice", 1),
                ("drain", 1),
                ("pin", 1),
                ("unpin", 1),
                ("dmaw", 1),
                ("dontneed", 1),
                ("munmap", 1),
                ("mmap", 1),
                ("mremap", 1),
                ("swapoff", 1),
            ],
        },
        Mix {
            pages: PAGES,
            by_force: false,
            name: "migration",
            weights: &[
                ("store", 4),
                ("load", 2),
                ("fork", 3),
                ("exit", 1),
                ("pageout", 4),
                ("migrate", 6),
                ("pin", 1),
                ("unpin", 1),
                ("splice", 1),
                ("drain", 1),
                ("munmap", 1),
            ],
        },
    ];

    /// The mix of that name.
    pub fn called(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|mix| mix.name == name).copied()
    }

    /// Does it need two nodes?
    pub fn migrates(&self) -> bool {
        self.weights.iter().any(|&(op, _)| op == "migrate")
    }
}

/// The script that `seed` stands for: `length` operations of the mix, each of which makes sense
/// when it is its turn.
pub fn generate(mix: &Mix, seed: u64, length: usize) -> Vec<Op> {
    let mut rng = Rng::with_seed(seed);
    let mut state = State::default();
    // Something must be there before anything interesting can happen.
    let mut script = vec![Op::Store { p: 0, k: rng.u64(..mix.pages), v: 1 }];
    state.apply(&script[0]);
    let total: u32 = mix.weights.iter().map(|(_, weight)| weight).sum();
    while script.len() < length {
        let mut at = rng.u32(..total);
        let (name, _) = mix
            .weights
            .iter()
            .find(|&&(_, weight)| at.checked_sub(weight).map(|rest| at = rest).is_none())
            .expect("the weights' sum");
        let op = draw(name, mix, &mut rng, &state, script.len() as u64 + 1);
        if let Some(op) = op.filter(|op| state.allows(op)) {
            state.apply(&op);
            script.push(op);
        }
    }
    script
}

/// An operation of that name, on whatever; `v` is a value that no other has.
fn draw(name: &str, mix: &Mix, rng: &mut Rng, state: &State, v: u64) -> Option<Op> {
    let alive: Vec<_> = state.processes().collect();
    let (p, q, k) = (*rng.choice(&alive)?, *rng.choice(&alive)?, rng.u64(..mix.pages));
    Some(match name {
        "store" => Op::Store { p, k, v },
        "load" => Op::Load { p, k },
        "peek" => Op::Peek { p, k },
        "poke" if mix.by_force && rng.u8(..4) > 0 => {
            let read_only = alive.iter().flat_map(|&p| state.read_only(p).map(move |k| (p, k)));
            // Where there is nothing that is read-only, there has to be first.
            match rng.choice(read_only.collect::<Vec<_>>()) {
                Some((p, k)) => Op::Poke { p, k, v },
                None => Op::Mprotect { p, k, w: 0 },
            }
        }
        "poke" => Op::Poke { p, k, v },
        "fork" => Op::Fork { p, q: state.next_process()? },
        // The fewer there are, the less is shared.
        "exit" if rng.usize(..PROCESSES) < alive.len() => Op::Exit { p },
        "mmap" => Op::Mmap { p, k },
        "munmap" => Op::Munmap { p, k },
        "split" => Op::Split { p, k },
        "mprotect" => Op::Mprotect { p, k, w: rng.bool().into() },
        "mremap" => Op::Mremap { p, k, t: rng.u64(..mix.pages) },
        "dontneed" => Op::Dontneed { p, k },
        "pageout" => Op::Pageout { p, k },
        "splice" => Op::Splice { p, k },
        "drain" => Op::Drain { p },
        "pin" => Op::Pin { p, k },
        "unpin" => Op::Unpin { p },
        "dmaw" => Op::DmaWrite { p, v },
        "dmar" => Op::DmaRead { p },
        "pvread" => Op::VmRead { p, q, k },
        "pvwrite" => Op::VmWrite { p, q, k, v },
        "migrate" => Op::Migrate { p, k },
        "swapoff" => Op::Swapoff {},
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Mix, generate};
    use crate::{Op, State};

    #[test]
    fn scripts_make_sense_and_are_the_seeds() {
        for mix in Mix::ALL {
            for seed in 0..50 {
                let script = generate(mix, seed, 14);
                assert_eq!(script, generate(mix, seed, 14), "{} {seed}", mix.name);
                assert!(State::allows_all(&script), "{} {seed}", mix.name);
                let again: Vec<Op> =
                    script.iter().map(|op| op.to_string().parse().expect("an operation")).collect();
                assert_eq!(again, script);
            }
        }
    }

    #[test]
    fn stores_are_forced_into_read_only_memory() {
        let mix = Mix::called("forced").expect("it is there");
        let forced = |script: &[Op]| {
            let mut state = State::default();
            let mut into = |op: &Op| {
                let read_only = matches!(
                    *op,
                    Op::Poke { p, k, .. } if state.read_only(p).any(|page| page == k)
                );
                state.apply(op);
                read_only
            };
            script.iter().filter(|&op| into(op)).count()
        };
        let several = (1..=34).filter(|&seed| forced(&generate(&mix, seed, 12)) > 1).count();
        assert!(several >= 17, "{several} of 34");
    }

    #[test]
    fn every_weight_is_an_operations() {
        for (op, _) in Mix::ALL.iter().flat_map(|mix| mix.weights) {
            assert!(Op::NAMES.contains(op), "{op}");
        }
    }
}
