//! The rules: each decision that the documents discuss is an enum, its arms are the variants they discuss.

use super::protocol::Protocol;

macro_rules! rules {
    ($($(#[$meta:meta])* $field:ident: $rule:ident { $($(#[$arm_meta:meta])* $arm:ident = $arm_name:literal,)+ })+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
            pub enum $rule { $($(#[$arm_meta])* $arm,)+ }

            impl $rule {
                /// Every arm.
                pub const ALL: &[$rule] = &[$($rule::$arm),+];

                /// The arm's name on the command line and in SPEC.md.
                pub fn name(self) -> &'static str {
                    match self { $($rule::$arm => $arm_name),+ }
                }
            }

            impl Rule for $rule {
                fn apply(self, protocol: &mut Protocol) {
                    protocol.rules.$field = self;
                }
                fn describe(self) -> (&'static str, &'static str) {
                    (stringify!($field), self.name())
                }
            }
        )+

        /// One choice per rule.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct Rules { $($(#[$meta])* pub $field: $rule,)+ }

        impl Rules {
            /// Every rule and its arms, by name.
            pub fn catalogue() -> Vec<(&'static str, Vec<&'static str>)> {
                vec![$((stringify!($field), $rule::ALL.iter().map(|arm| arm.name()).collect())),+]
            }

            /// The choices, by name.
            pub fn choices(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($field), self.$field.name())),+]
            }

            /// Makes the choice called `arm` for the rule called `rule`; false if there is no such rule or arm.
            pub fn choose(&mut self, rule: &str, arm: &str) -> bool {
                match rule {
                    $(stringify!($field) => {
                        let Some(&arm) = $rule::ALL.iter().find(|a| a.name() == arm) else { return false };
                        self.$field = arm;
                        true
                    })+
                    _ => false,
                }
            }
        }
    };
}

/// A choice that can be made in a protocol: `Era::V2_6_34.with(VmaAdjustLock::Vma)`.
pub trait Rule: Copy {
    /// Makes the choice.
    fn apply(self, protocol: &mut Protocol);
    /// The rule's and the arm's names.
    fn describe(self) -> (&'static str, &'static str);
}

rules! {
    /// What hangs on an anonymous VMA: one anon_vma that a whole family shares (until 2.6.33), or a chain of them (2.6.34, claim S3.2).
    anon_vma_link: AnonVmaLink {
        /// Parent and children share one anon_vma.
        Shared = "shared",
        /// Every process has an anon_vma of its own, and its VMAs are linked to those of its ancestors too.
        Chained = "chained",
    }
    /// Which lock `anon_vma_lock()` takes (claims S3.6, S3.7).
    anon_vma_lock: AnonVmaLock {
        /// The one inside the anon_vma.
        Own = "own",
        /// The one of the family's oldest anon_vma (2.6.36).
        Root = "root",
    }
    /// Which anon_vma `vma_adjust` locks while it moves `vm_start`, `vm_end` and `vm_pgoff` (claims S3.1, S3.7, S3.8).
    vma_adjust_lock: VmaAdjustLock {
        /// None (2.6.34).
        Nothing = "nothing",
        /// That of the VMA it adjusts, if the VMA has one (2.6.36).
        Vma = "vma",
        /// That of the VMA, or else of the next one if the boundary between them moves (until 2.6.33, and again since 2012).
        VmaOrNext = "vma-or-next",
    }
    /// Does `vma_adjust` lock when only `vm_end` moves? (claim S3.9)
    vm_end_lock: VmEndLock {
        /// No (2.6.36).
        Exempt = "exempt",
        /// Yes.
        Always = "always",
    }
    /// What `rmap_walk` locks besides the page's anon_vma (claims S3.2-S3.4).
    rmap_walk_lock: RmapWalkLock {
        /// Nothing more.
        Page = "page",
        /// Each visited VMA's own anon_vma, waiting for it (S3.3).
        Nested = "nested",
        /// Each visited VMA's own anon_vma if it is free; else everything from the start (S3.4).
        TrylockRestart = "trylock-restart",
    }
    /// What keeps an anon_vma from vanishing while its page is unmapped for migration (claims S1.2, S1.3).
    anon_vma_life: AnonVmaLife {
        /// Nothing (2.6.22, when the system call held mmap_sem).
        Nothing = "nothing",
        /// An RCU read section around the migration (document 1, until 2.6.34).
        Rcu = "rcu",
        /// The same, begun only when the page is still mapped once inside (2.6.35).
        RcuMapped = "rcu-mapped",
    }
    /// What `zap_pte_range` does with a migration entry (claim S3.12).
    zap_migration: ZapMigration {
        /// Throws it away.
        Discard = "discard",
        /// Waits until the migration is over, and zaps what it finds then.
        Wait = "wait",
    }
}
