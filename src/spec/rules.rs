//! The rules: each decision that the documents discuss is an enum, its arms are the variants they
//! discuss.

use super::protocol::Protocol;

macro_rules! rules {
    ($(
        $(#[doc = $text:literal])+
        $field:ident: $rule:ident {
            $($(#[doc = $arm_text:literal])+ $arm:ident = $arm_name:literal,)+
        }
    )+) => {
        $(
            $(#[doc = $text])+
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
            #[non_exhaustive]
            pub enum $rule { $($(#[doc = $arm_text])+ $arm,)+ }

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
            }
        )+

        /// One choice per rule.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct Rules { $($(#[doc = $text])+ pub $field: $rule,)+ }

        impl Rules {
            /// Every rule and its arms, by name.
            pub fn catalogue() -> Vec<(&'static str, Vec<&'static str>)> {
                vec![$((stringify!($field), $rule::ALL.iter().map(|arm| arm.name()).collect())),+]
            }

            /// Every rule and its arms, by name, with what they mean.
            pub fn texts() -> Vec<(&'static str, &'static str, Vec<(&'static str, &'static str)>)> {
                type Texts = (&'static str, &'static str);
                const TEXTS: &[(Texts, &[Texts])] = &[$((
                    (stringify!($field), concat!($($text),+)),
                    &[$(($arm_name, concat!($($arm_text),+))),+],
                )),+];
                let text = |&(name, lines): &Texts| (name, lines.trim_ascii());
                let texts = |(rule, arms): &(Texts, &[Texts])| {
                    let (name, what) = text(rule);
                    (name, what, arms.iter().map(text).collect())
                };
                TEXTS.iter().map(texts).collect()
            }

            /// The choices, by name.
            pub fn choices(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($field), self.$field.name())),+]
            }

            /// In how many this differs from `other`.
            pub(super) fn distance(&self, other: &Self) -> usize {
                [$(self.$field != other.$field),+].into_iter().filter(|&differ| differ).count()
            }

            /// The choices that differ from `other`'s, in the order of the rules.
            pub(super) fn changes(&self, other: &Self) -> Vec<(&'static str, &'static str)> {
                let changes = [$(
                    (self.$field != other.$field)
                        .then(|| (stringify!($field), self.$field.name()))
                ),+];
                changes.into_iter().flatten().collect()
            }

            /// The choices as the source spells them: the rule, its type, and the arm.
            pub fn spelled(&self) -> Vec<(&'static str, &'static str, &'static str)> {
                vec![$((
                    stringify!($field),
                    stringify!($rule),
                    match self.$field { $($rule::$arm => stringify!($arm)),+ },
                )),+]
            }

            /// Makes the choice called `arm` for the rule called `rule`; false if there is no such
            /// rule or arm.
            pub fn choose(&mut self, rule: &str, arm: &str) -> bool {
                match rule {
                    $(stringify!($field) => {
                        let Some(&arm) = $rule::ALL.iter().find(|a| a.name() == arm) else {
                            return false;
                        };
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
}

rules! {
    /// By what a page's entries are found (claims S4.1 to S4.12).
    rmap: Rmap {
        /// By an anon_vma, on whose list are the VMAs that may map the page, and the page's offset
        /// in them (2.6.7).
        AnonVma = "anon-vma",
        /// By an anonmm, in whose bundle are the address spaces that may map the page, and the user
        /// address, the same in all of them (document 4; in mainline for a day, and never
        /// released).
        Anonmm = "anonmm",
    }
    /// How a walk that holds the page's map lock gets a page-table lock, under which others take
    /// the map lock (claim S4.11).
    anonmm_walk_lock: AnonmmWalkLock {
        /// It tries, and passes by if somebody has it (read in rmap 10 and in 2.6.8).
        Trylock = "trylock",
        /// It waits: no kernel did.
        Lock = "lock",
    }
    /// When one that exits looks whether he leaves the head of the bundle alone, and has to free it
    /// (claim S4.12).
    anonmm_exit: AnonmmExit {
        /// Under the head's lock (since April 2004: read in rmap 10 of 22 May).
        UnderLock = "under-lock",
        /// Behind it (rmap 10 as of 15 April).
        AfterLock = "after-lock",
    }
    /// What a page that is unmapped does with an anonmm that it was the last to refer to (claim
    /// S4.12).
    anonmm_put: AnonmmPut {
        /// Frees it if it is a member; a head is left to the last one that exits, which may have
        /// looked before (document 4).
        Member = "member",
        /// Counts under the head's lock, and frees a head that it leaves alone: no kernel did.
        Head = "head",
    }
    /// Who counts as a user of an anonmm (claim S4.12).
    anonmm_count: AnonmmCount {
        /// Its address space, and every page that is found by it (document 4).
        Pages = "pages",
        /// Its address space alone: no kernel did.
        AddressSpaces = "address-spaces",
    }
    /// What hangs on an anonymous VMA: one anon_vma that a whole family shares (until 2.6.33), or a
    /// chain of them (2.6.34, claim S3.2).
    anon_vma_link: AnonVmaLink {
        /// Parent and children share one anon_vma.
        Shared = "shared",
        /// Every process has an anon_vma of its own, and its VMAs are linked to those of its
        /// ancestors too.
        Chained = "chained",
    }
    /// Which lock `anon_vma_lock()` takes (claims S3.6, S3.7).
    anon_vma_lock: AnonVmaLock {
        /// The one inside the anon_vma.
        Own = "own",
        /// The one of the family's oldest anon_vma (2.6.36).
        Root = "root",
    }
    /// What the lock of an anon_vma is, and so what `page_lock_anon_vma` does with it under RCU.
    anon_vma_lock_kind: AnonVmaLockKind {
        /// A spin lock, which it takes (until 2.6.39).
        Spin = "spin",
        /// A mutex (3.0): it tries, and takes a reference to wait without RCU.
        Mutex = "mutex",
        /// An rwsem, which all who walk hold for reading (3.8; read in 5.9 and 5.19).
        Rwsem = "rwsem",
    }
    /// How long `page_lock_anon_vma` stays in the RCU read section in which it looks up a page that
    /// need not be locked (claim S1.2).
    lookup_rcu: LookupRcu {
        /// It enters none: no kernel did. 2.6.8 and before held `PG_maplock` instead.
        Without = "without",
        /// Until it has the lock. 2.6.9 to 2.6.18 are written like this: who holds a spin lock is
        /// in a read section, unless RCU is preemptible.
        UntilLocked = "until-locked",
        /// Until it gives the lock back (2.6.22); where the lock sleeps, only until it has it.
        UntilUnlocked = "until-unlocked",
    }
    /// How the last reference to an anon_vma gives it back.
    anon_vma_put: AnonVmaPut {
        /// Whoever has its lock (until 2.6.39; read in 2.6.36 and 2.6.39).
        AtOnce = "at-once",
        /// Once nobody has the root's lock; but it lets go of the root before it asks for that
        /// (from 3.0 until 2014; read in 3.0).
        RootFirst = "root-first",
        /// Once nobody has the root's lock; then it lets go of the root (624483f3ea82, 2014; read
        /// in 5.9 and 5.19).
        ChildFirst = "child-first",
    }
    /// Where a lookup that has a reference, and finds the page unmapped, drops it.
    unmapped_put: UnmappedPut {
        /// Inside the RCU read section of the lookup, though that may sleep (from 3.0 until 2014;
        /// read in 3.0).
        InRcu = "in-rcu",
        /// Behind it (2014; read in 5.9 and 5.19).
        AfterRcu = "after-rcu",
    }
    /// How a VMA is linked to a chain of anon_vmas, and taken off their lists (claim S3.7).
    chain_lock: ChainLock {
        /// Each under its own lock (2.6.34 to 2.6.39; read in 2.6.36 and 2.6.39).
        Each = "each",
        /// All in one section of the root's lock; what is empty then, goes behind it (3.0).
        Root = "root",
    }
    /// Which anon_vma `vma_adjust` locks while it moves `vm_start`, `vm_end` and `vm_pgoff` (claims
    /// S3.1, S3.7, S3.8).
    vma_adjust_lock: VmaAdjustLock {
        /// None (2.6.34).
        Nothing = "nothing",
        /// That of the VMA it adjusts, if the VMA has one (2.6.36).
        Vma = "vma",
        /// That of the VMA, or else of the next one if the boundary between them moves (until
        /// 2.6.33, and again since 2012).
        VmaOrNext = "vma-or-next",
    }
    /// Does `vma_adjust` lock when only `vm_end` moves? (claim S3.9) No race can tell: either
    /// nothing is mapped in what falls away, and no walk cares, or something is, and no lock helps.
    vm_end_lock: VmEndLock {
        /// No (2.6.32 to 3.6).
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
        /// Nothing, but a sequence count of the visited VMA's own anon_vma is compared, and the
        /// address computed again (S3.5).
        SeqCount = "seqcount",
        /// The root instead, found through the first VMA on the list, after letting go of the
        /// page's (S3.6).
        RootByWalk = "root-by-walk",
    }
    /// Through which anon_vma a page that several processes may map is found, when it is mapped
    /// again.
    shared_mapping: SharedMapping {
        /// The VMA's own: right where a family shares one, wrong with chains.
        Vma = "vma",
        /// The oldest that the VMA is linked to (2.6.34).
        Oldest = "oldest",
    }
    /// What keeps a page's mapcount and its mapping together for who walks its reverse map.
    page_map_lock: MapLock {
        /// A lock in the page, `PG_maplock`: the mapping goes with the last entry, and nobody needs
        /// RCU; but the walk only tries page-table locks (until 2.6.8: read there).
        Page = "page",
        /// Nothing: the mapcount goes up before the mapping is set, and the mapping stays when it
        /// goes down (2.6.9).
        Nothing = "nothing",
    }
    /// What comes first when a page is mapped again, its entry or its reverse map. No race can
    /// tell: the page is locked.
    rmap_order: RmapOrder {
        /// The entry (read in 2.6.24, 2.6.29, 3.0, 5.9).
        EntryFirst = "entry-first",
        /// The reverse map (5.19).
        RmapFirst = "rmap-first",
    }
    /// What `page_add_anon_rmap` does to a page that was mapped before, and is not now.
    rmap_again: RmapAgain {
        /// Gives it mapping and index anew (until 2.6.35: read in 2.6.11, 2.6.22, 2.6.29, 2.6.33 to
        /// 2.6.35).
        Anew = "anew",
        /// Leaves both (2.6.36; read there and in 3.0): the VMA's anon_vma is of the same family.
        Keep = "keep",
    }
    /// What `page_lock_anon_vma` looks at again once it has the lock (claims S1.3, S3.7).
    lock_recheck: LockRecheck {
        /// Nothing: what it has locked may have been freed meanwhile, and be another's (until
        /// 2.6.35).
        Nothing = "nothing",
        /// That the page is still mapped, so that the anon_vma is still its own (2.6.36).
        Mapped = "mapped",
    }
    /// Are pages moved at all? No race can tell: where they are not, nothing that moves one can be
    /// asked for.
    migration: Migration {
        /// No (until 2.6.15: 2.6.11 has no mm/migrate.c).
        No = "no",
        /// Yes: for system calls (2.6.16), for memory hot-remove (2.6.24) and for compaction
        /// (2.6.35).
        Yes = "yes",
    }
    /// What keeps an anon_vma from vanishing while its page is unmapped for migration (claims S1.2,
    /// S1.3).
    anon_vma_life: AnonVmaLife {
        /// Nothing. Right only where the caller holds `mmap_sem` of a process that maps the page
        /// (2.6.22, claim S1.0).
        Nothing = "nothing",
        /// A dummy VMA on its list, so that the list does not become empty (document 1, fifth
        /// version).
        DummyVma = "dummy-vma",
        /// An RCU read section that begins only once the page is unmapped (document 1, sixth
        /// version).
        RcuLate = "rcu-late",
        /// An RCU read section around the migration (document 1, until 2.6.34).
        Rcu = "rcu",
        /// The same, but only if the page is still mapped once inside (67b9509b2c68, on the way to
        /// 2.6.35; no released kernel).
        RcuMapped = "rcu-mapped",
        /// The same, and a reference on the anon_vma (2.6.35, 2.6.36).
        Refcount = "refcount",
        /// A reference taken under the anon_vma lock, and no RCU afterwards (2.6.38).
        LockThenGet = "lock-then-get",
        /// A reference taken without the lock unless the count is zero, and the mapping checked
        /// again (3.0).
        IncNotZero = "inc-not-zero",
    }
    /// How a VMA is linked to an anon_vma that was made for it. The object may have been another's,
    /// and somebody under RCU have its lock.
    fresh_anon_vma: FreshAnonVma {
        /// Without its lock (`anon_vma_prepare` until 2.6.27: read in 2.6.9, 2.6.22, 2.6.24).
        Unlocked = "unlocked",
        /// Under its lock (2.6.28).
        Locked = "locked",
    }
    /// How migration takes its reference to a page that it takes off the LRU list (claim S1.7).
    isolation: Isolation {
        /// Unconditionally, though the page may be on its way to be freed (2.6.18, 2.6.22: read).
        Get = "get",
        /// Unless the count is zero (2.6.24; in 3.0 it is the caller who looks).
        GetUnlessZero = "get-unless-zero",
    }
    /// Which pages are migrated inside an RCU read section (claim S1.4).
    rcu_scope: RcuScope {
        /// All (document 1).
        All = "all",
        /// Anonymous ones (2.6.23): migrating a file's page may sleep.
        Anon = "anon",
    }
    /// What truncation holds while it takes a page out of its file, after which the page has no
    /// mapping (document 1, claim S1.4).
    truncate_lock: TruncateLock {
        /// The page lock.
        PageLock = "page-lock",
        /// Nothing: no kernel does.
        Nothing = "nothing",
    }
    /// When a new page gets its reverse map. Whoever finds it on the LRU list before follows a
    /// mapping that is NULL (claim S1.1).
    new_rmap: NewRmap {
        /// Once it is on the LRU list; in `do_wp_page` even after its entry (read in 2.6.11,
        /// 2.6.18, 2.6.22, 2.6.24).
        Last = "last",
        /// Once it is on the LRU list, and before its entry (read in 2.6.28). No race can tell this
        /// from the former.
        BeforeEntry = "before-entry",
        /// Before anybody can find it (2.6.29).
        First = "first",
    }
    /// What migration does with a page in the swap cache that nobody has mapped yet (claim S1.1).
    unmapped_page: UnmappedPage {
        /// Unmaps it like any other, and follows a NULL pointer (2.6.22).
        Unmap = "unmap",
        /// Leaves it (document 1; 2.6.23 to 2.6.31).
        Skip = "skip",
        /// Moves it, since there is nothing to unmap; but walks its stale mapping afterwards
        /// (2.6.32, claim S3.14).
        Move = "move",
        /// Moves it, and does not touch the reverse map (2.6.35).
        MoveWithoutRmap = "move-without-rmap",
    }
    /// What makes sure that nobody refers to a page in the swap cache when its copy takes its place
    /// there (claim S3.13).
    move_mapping: MoveMapping {
        /// Nothing.
        Unchecked = "unchecked",
        /// The count is compared, under no lock.
        NoTreeLock = "no-tree-lock",
        /// The count is compared under the tree lock (2.6.22).
        Count = "count",
        /// The count is taken to zero under the tree lock (2.6.27).
        Freeze = "freeze",
    }
    /// How a page is looked up in the swap cache.
    find_get_page: FindGetPage {
        /// Under the tree lock (until 2.6.26).
        Locked = "locked",
        /// Without: a reference unless the count is zero, then a second look at the slot (2.6.27).
        Lockless = "lockless",
        /// A reference unless the count is zero, and no second look: who looks up compares when it
        /// has the page locked (`swap_cache_get_folio`, 6.18.35 read; 6.12.117 and 7.3.4 look
        /// again).
        LocklessOnce = "lockless-once",
    }
    /// What `activate_page` does with a page that is to go to the active list (claims S0.3, S0.10).
    activate_page: ActivatePage {
        /// Moves it, under `lru_lock` (until 2.6.39: read in 2.6.11, 2.6.22, 2.6.33, 2.6.36 and
        /// 2.6.39).
        AtOnce = "at-once",
        /// Puts it into this CPU's pagevec, with a reference; it stays on the list (3.0 to 6.10,
        /// and again 6.17: read in 3.0, 3.8, 5.9, 5.19, 6.1, 6.18.2 and 6.18.35).
        Pagevec = "pagevec",
        /// The same, and nobody can isolate it meanwhile: who copies a page because of its
        /// references drains the pagevec then (6.11 to 6.16: read in 6.12.19 and 6.12.33; later
        /// releases of 6.12 were not).
        PagevecIsolated = "pagevec-isolated",
    }
    /// When migration puts the copy on the LRU list. No race can tell: who finds it there finds it
    /// locked until it is mapped.
    newpage_lru: NewpageLru {
        /// When it is mapped and unlocked (`unmap_and_move`: read in 2.6.22 to 5.9).
        Last = "last",
        /// Before it is mapped: who finds it there has to wait for its lock (5.19).
        BeforeRemap = "before-remap",
    }
    /// How one who meets a migration entry takes a reference to wait for the page (claim S1.6).
    migration_wait: MigrationWait {
        /// Unconditionally (until 2.6.26).
        GetPage = "get-page",
        /// Unless the count is zero (2.6.27 to 4.20).
        GetUnlessZero = "get-unless-zero",
        /// Unless the count is zero, and only until it sleeps: it joins the page's waiters, and
        /// drops it (5.0 to 5.16; read in 5.9).
        PutAndWait = "put-and-wait",
        /// Not at all: it joins the page's waiters under the page-table lock, and never looks at
        /// the page again (5.17).
        NoReference = "no-reference",
    }
    /// What migration leaves where a page in the swap cache was mapped (claims S1.6, S3.13).
    swap_cache_entry: SwapCacheEntry {
        /// A swap entry, as reclaim does: faults find the page, or its copy, in the swap cache.
        Swap = "swap",
        /// A migration entry, as document 3's author took it to be, and as kernels since 4.4 do.
        Migration = "migration",
    }
    /// Does migration walk the reverse map of a copy whose page was in the swap cache, to map it?
    /// (claim S3.13)
    swap_cache_remap: SwapCacheRemap {
        /// Yes, and finds nothing, where such a page leaves swap entries behind (2.6.22 to 5.19).
        Walk = "walk",
        /// No: document 3's quoted remark.
        Skip = "skip",
    }
    /// What migration does with a page that is mapped still when `try_to_unmap` returns (claim
    /// S3.13).
    still_mapped: StillMapped {
        /// Leaves it.
        Leave = "leave",
        /// Goes on: only the count can stop it. No kernel does.
        Move = "move",
    }
    /// How a page in the swap cache is moved (claim S3.13).
    swap_cache_move: SwapCacheMove {
        /// Its copy takes its place there.
        Replace = "replace",
        /// It is freed, as reclaim does it, and read from the device by whoever needs it (document
        /// 3's quoted remark).
        Free = "free",
    }
    /// What `zap_pte_range` does with a migration entry (claims S1.5, S3.12).
    zap_migration: ZapMigration {
        /// Throws it away.
        Discard = "discard",
        /// Throws it away and takes it for a swap entry, whose slot it gives up.
        Mistake = "mistake",
        /// Waits until the migration is over, and zaps what it finds then (document 3's
        /// suggestion).
        Wait = "wait",
    }
    /// When `zap_pte_range` waits until no access goes through the entries that it has cleared
    /// (claim S0.4).
    zap_flush: ZapFlush {
        /// Behind all of them, when their mappings count no more: other threads still load through
        /// them. Only then it drops its references (`tlb_finish_mmu`; all kernels: read in 2.6.11,
        /// 2.6.18, 2.6.29, 2.6.36, 3.8, 5.9, and of anonymous pages in 6.12).
        Behind = "behind",
        /// With each of them, before its mapping goes: no kernel does.
        AtOnce = "at-once",
    }
    /// What `zap_pte_range` does with the dirty bit of an entry that it clears (clause SWAP-4). No
    /// race can tell: reclaim that finds such a page clean drops it, and else writes it, and either
    /// way nobody reads it any more.
    zap_dirty: ZapDirty {
        /// Marks the page dirty (until 2.6.14: read in 2.6.9 and 2.6.11, and in the patch of 25
        /// September 2005 that ends it).
        Page = "page",
        /// Nothing: whoever else maps the page has an entry that is dirty, too (since 2.6.15: read in
        /// 2.6.18).
        Nothing = "nothing",
    }
    /// When reclaim waits until no access goes through the entries that it has cleared (claims
    /// S0.1, S0.4).
    unmap_flush: UnmapFlush {
        /// With each of them, before its mapping goes (`ptep_clear_flush` in `try_to_unmap_one`,
        /// until 4.2; read in 2.6.11 to 3.8).
        AtOnce = "at-once",
        /// Before it writes the page if it was stored to, or else when it is through with it,
        /// before the page is free (`try_to_unmap_flush`, 4.3 to 4.12: read in a 4.9 whose version
        /// is not told).
        BatchedAlone = "batched-alone",
        /// The same; and who takes the swap entry away that it has left waits, too
        /// (`flush_tlb_batched_pending`, 4.13: read in 5.9, 5.19, 6.12).
        Batched = "batched",
    }
    /// Who has cleared entries with `mmap_sem` held for reading: does he flush those as well that
    /// somebody else is clearing?
    gather_nested: GatherNested {
        /// No, and what is cleared already he takes for flushed (until 4.12).
        Alone = "alone",
        /// Yes (4.13).
        Flushed = "flushed",
    }
    /// Does reclaim wait for who stores through the entries that it has cleared before it writes
    /// out what was stored through them? (claim S0.1)
    write_flush: WriteFlush {
        /// Yes (`try_to_unmap_flush_dirty` in `shrink_page_list`, since 4.3: read in 5.19, 6.18.35;
        /// before, nothing is left to wait for).
        Before = "before",
        /// Only when it is through with the page: no kernel does.
        Late = "late",
    }
    /// Does an unmap begin by putting on the LRU list what waits in this CPU's pagevec? (claim
    /// S0.3)
    zap_drain: ZapDrain {
        /// Yes (`exit_mmap`, `unmap_region`, `zap_page_range`: read in 2.6.11, 2.6.29, 3.8, 5.9,
        /// 5.19, 6.1, 6.12.33).
        Yes = "yes",
        /// No (read in 6.18.2 to 6.18.35 and 7.3.4).
        No = "no",
    }
    /// When an unmap drops the references that its entries had on pages (claim S1.3). No race can
    /// tell: what a migration finds on the LRU list afterwards, it may have taken before.
    gather_put: GatherPut {
        /// Before it frees the anon_vmas that are left alone: a page that was nobody else's is gone
        /// by then (until 2.6.12: read in 2.6.11, 2.6.12).
        BeforeUnlink = "before-unlink",
        /// Behind that (read in 2.6.14, 2.6.18 to 5.19): whoever finds such a page on the LRU list
        /// finds an anon_vma in it that has gone.
        AfterUnlink = "after-unlink",
    }
    /// Which walks look at an entry without the page-table lock first, and pass by if it is not
    /// what they look for: mprotect can make them do so, which costs a migration (FINDING-41).
    pte_look: PteLook {
        /// None (until 2.6.14: read in 2.6.9, 2.6.11, 2.6.12).
        Locked = "locked",
        /// All: `page_check_address` and `remove_migration_pte` (read in 2.6.15 to 2.6.39).
        Lockless = "lockless",
        /// The one that unmaps; the one that maps the copy must not pass by an entry that mremap
        /// moves (read in 3.0, 5.9, 5.19).
        LocklessUnmap = "lockless-unmap",
        /// All, but no look without a lock that somebody has: what document 2 means, and its guard,
        /// which is the wrong way round, does not do (claim S2.6).
        UnlessLocked = "unless-locked",
        /// The one that maps the copy; the one that unmaps takes the lock (document 2 as of March
        /// 2009: its `page_check_address`).
        LocklessRemap = "lockless-remap",
    }
    /// Where fork puts the child's VMA on the list of the parent's anon_vma (claim S3.15).
    fork_link: ForkLink {
        /// At the end: a walk meets the parent first (read in 2.6.18 to 3.0). Since 3.7 the VMAs
        /// are in a tree, ordered by offset, where of two with the same the later comes behind
        /// (3.8, 5.9 read).
        Append = "append",
        /// At the head (read in 2.6.9, 2.6.11, 2.6.12, and 2.6.15).
        Prepend = "prepend",
    }
    /// When fork gives the child's VMA the anon_vma of an ancestor, instead of a new one: without
    /// that, a process that forks, exits, and whose child does the same, leaves ever longer lists
    /// behind.
    anon_vma_reuse: AnonVmaReuse {
        /// Never (until 3.19).
        No = "no",
        /// If children and VMAs together are fewer than two, which is to mean that there is no VMA:
        /// but one that was used again has no child (4.12, 5.9, 5.19.6 read).
        Degree = "degree",
        /// If it has no VMA, and at most one child (6.0, 2555283eb40d: 6.18.2 read).
        NoVmas = "no-vmas",
    }
    /// When a VMA at the place that mremap moves to may grow over it, and no VMA of its own is made
    /// there: one of the two may have no anon_vma yet, since nothing was touched in it.
    mremap_merge: MremapMerge {
        /// Always; and if it was the one there, it gets none: its pages are found by an anon_vma
        /// that goes with the old place (2.6.7 to 2.6.39, and again 6.16 to 6.18.7: read in 2.6.8
        /// to 2.6.39 and 6.18.2).
        EitherNull = "either-null",
        /// Never if it was the one there (965f55dea0e3, 3.0: read in 3.0.8, 3.8, 5.9, 5.19, 6.1).
        Refused = "refused",
        /// Always; and it is linked to the source's anon_vmas (61f67c230a5e, 6.18.8: read in
        /// 6.18.13 and 6.18.35).
        CopiedFrom = "copied-from",
    }
    /// What keeps a walk of the reverse map from missing an entry that mremap moves into a VMA that
    /// the walk has passed already.
    mremap_lock: MremapLock {
        /// Nothing: a new VMA is behind the old one on the list, but not one that has grown (until
        /// 3.2: read in 2.6.18 to 3.0).
        Nothing = "nothing",
        /// The VMA that grows is put at the end of the lists, and so is the old one before what has
        /// moved moves back (3.3 to 3.6, from mails).
        MoveToTail = "move-to-tail",
        /// The anon_vma lock, where a VMA has grown or entries move back (3.7: read in 3.8, 5.9,
        /// 5.19, 6.18).
        RmapLock = "rmap-lock",
    }
    /// When mremap waits for who goes through an entry that it has moved.
    mremap_flush: MremapFlush {
        /// At once (until 3.1: read in 2.6.8, 2.6.34, 3.0.8).
        AtOnce = "at-once",
        /// When it has moved everything, and holds no page-table lock any more (3.2 to 4.19: read
        /// in 3.4.39 and 3.8).
        Late = "late",
        /// Before it lets go of the page-table lock (4.20, eb66ae030829: read in 5.9, 5.19, 6.18).
        UnderLock = "under-lock",
    }
    /// How exec brings the stack with its arguments to where it is to be, and how a walk of the
    /// reverse map that must find every entry copes: the stack is one VMA, whose words say the new
    /// place before the entries move there.
    temporary_stack: TemporaryStack {
        /// It keeps the pages of the arguments to itself, and maps them where they are to be: there
        /// is no temporary stack (`install_arg_page`, until 2.6.22: read in 2.6.18 and 2.6.22).
        None = "none",
        /// It moves them, and nothing is said to walks (`shift_arg_pages`, 2.6.23 to 2.6.34: read
        /// in 2.6.24, 2.6.28, 2.6.29, 2.6.33 and 2.6.34).
        Unmarked = "unmarked",
        /// The VMA is marked until it has moved, and migration, when it unmaps, passes it by: the
        /// page stays mapped (a8bef8ff6ea1, 2.6.35: read in 2.6.35 to 2.6.37, 2.6.39, 3.0.8, 3.8,
        /// 5.9, 5.19, 6.12.19 and 6.18.2).
        Marked = "marked",
        /// The anon_vma lock is held all the while (mail of 28 April 2010): page tables are
        /// allocated under it.
        Locked = "locked",
        /// The anon_vma lock is held while entries move, and not from when on the VMA's words say
        /// the new place (mail of 13 October 2011).
        LockedMoves = "locked-moves",
        /// A second VMA stays behind at the old place until they have moved, and walks come by it
        /// last (mail of 3 May 2010).
        TwoVmas = "two-vmas",
        /// A second VMA goes before to the new place, and walks come by it last (mail of 4 May
        /// 2010).
        TwoVmasInOrder = "two-vmas-in-order",
    }
    /// What mremap does with a page under anonmm, which knows one address of it (claims S4.1,
    /// S4.2).
    mremap_page: MremapPage {
        /// Moves the entry, and lets the page be mapped anew at the new place: that is noted only
        /// if nobody else maps it (rmap 10).
        RemoveAdd = "remove-add",
        /// Notes the new address if one entry maps it, which it looks at twice, the second time
        /// under the page's map lock; else copies it first (document 4).
        EarlyCow = "early-cow",
        /// The same, without the second look.
        EarlyCowUnlocked = "early-cow-unlocked",
        /// Moves the entry, and nothing else: what is not anonmm needs no more (2.6.7).
        AsItIs = "as-it-is",
    }
    /// What a fault or swapoff does with a page that comes back from swap, and is known by another
    /// address (claim S4.3).
    swapin_clash: SwapinClash {
        /// Maps it.
        Map = "map",
        /// Maps it, and copies it at once (document 4).
        Copy = "copy",
    }
    /// How many entries mremap moves under one hold of the page-table lock.
    move_ptes: MovePtes {
        /// One (until 2.6.14: read in 2.6.8 to 2.6.12).
        Page = "page",
        /// All that lie in one table at either end (read in 2.6.18 to 6.18).
        Extent = "extent",
    }
    /// Does fork hold the child's `mmap_sem` too, while it makes it? Nobody but swapoff can find
    /// the child yet, and that holds its page-table lock while it goes along the VMAs, as long as
    /// there is one for all of them.
    fork_child_sem: ForkChildSem {
        /// No: VMAs are linked under its page-table lock (until 2.6.14: read in 2.6.8, 2.6.11,
        /// 2.6.12).
        Nothing = "nothing",
        /// Yes, for writing (2.6.15, for swapoff was about to give that lock up, as the patch of 25
        /// September 2005 says: read in 2.6.15 and 2.6.18).
        Write = "write",
    }
    /// What fork does with a migration entry (claim S3.15).
    fork_migration: ForkMigration {
        /// Copies it.
        Copy = "copy",
        /// Waits until the migration is over.
        Wait = "wait",
    }
    /// What a fork that fails leaves of the child, for its exit to take away, when it lets go of the
    /// child's `mmap_sem` (FINDING-104).
    fork_failed: ForkFailed {
        /// The VMAs that it has copied (until 6.7: read in 2.6.11, 5.9, 5.19 and 6.1).
        Copied = "copied",
        /// Those, and behind them an entry that is no VMA: the list is copied as a whole first, and
        /// the entry says how far that came (`XA_ZERO_ENTRY`, since 6.8: read in 6.8 and 6.12).
        Marked = "marked",
        /// The same, and a bit of the child says so, which swapoff looks at (`MMF_UNSTABLE`,
        /// `check_stable_address_space` in `unuse_mm`: read in 6.18.2).
        Unstable = "unstable",
        /// Nothing: what was copied is unmapped at once, and the list is empty (read in 7.1.5).
        Nothing = "nothing",
    }
    /// Which entries put a child on the list that swapoff goes along, beside its parent, when fork
    /// copies them: one that is not on that list itself need not be (FINDING-91).
    fork_mmlist: ForkMmlist {
        /// A swap entry: the parent is on the list, too (since 3.19: read in 5.9, 5.10 and 5.19; in
        /// 2.6.11 there were no others).
        SwapEntry = "swap-entry",
        /// A migration entry as well (2.6.18 to 3.18: read in 2.6.24 and 2.6.29, and in the patch of
        /// 30 November 2014).
        AnyEntry = "any-entry",
    }
    /// What a fault does with a migration entry whose page is not locked (claim S3.10).
    stale_entry: StaleEntry {
        /// It is a bug.
        Bug = "bug",
        /// Maps what it says, the old page.
        MapOld = "map-old",
        /// Maps the page that the old one was moved to, which is written in the old one; nothing
        /// keeps either of the two.
        MapNew = "map-new",
        /// The same, but migration leaves a reference on both for every entry that it made and did
        /// not find again.
        MapNewReferenced = "map-new-referenced",
    }
    /// What migration does when it restored fewer entries than it made (claim S3.11).
    recount: Recount {
        /// It does not count.
        No = "no",
        /// It walks again until it has restored as many.
        WalkAgain = "walk-again",
    }
    /// What `expand_downwards` locks while it moves `vm_start` and `vm_pgoff` under `mmap_sem` held
    /// for reading (claim S3.16).
    expand_lock: ExpandLock {
        /// Nothing but `mmap_sem`.
        Nothing = "nothing",
        /// The VMA's anon_vma, against walks (2.6.9, 2.6.11, 2.6.36 read).
        AnonVma = "anon-vma",
        /// And the page-table lock, against faults (3.8, 5.9 read).
        PageTable = "page-table",
        /// The anon_vma's, and `mmap_sem` for writing (6.5, and 6.1 as its stable releases have it:
        /// 6.1.192, 6.12.117 and 6.18.35 read).
        MmapSem = "mmap-sem",
    }
    /// How a write fault finds out that nobody else has the page, so that it may be stored to in
    /// place (claims S0.1, S0.3, S0.6).
    reuse: Reuse {
        /// Nobody refers to it but the entry and the swap cache (until 2.6.12). A pin is a
        /// reference too.
        PageCount = "page-count",
        /// One present entry, or none yet, and no other on swap (document 0).
        Mapcount = "mapcount",
        /// Present entries and swap entries together are one (2.6.13).
        MapPlusSwap = "map-plus-swap",
        /// The same, and the page leaves the swap cache at once (2.6.29).
        ReuseSwapPage = "reuse-swap-page",
        /// For a write-protected page, nobody refers to it but the entry; from swap as before
        /// (5.9).
        Refcount = "refcount",
        /// A bit says so, which fork and unmapping take away; without it, the references decide
        /// (5.19).
        AnonExclusive = "anon-exclusive",
    }
    /// What keeps `try_to_unmap_one` from unmapping a page in the swap cache that somebody holds
    /// (claims S0.1, S0.2, S0.8).
    unmap_check: UnmapCheck {
        /// References beyond the mappings, the cache's and its own (2.6.7).
        Count = "count",
        /// The same; and memory hot-removal suspends the processes that map the page until it is
        /// unmapped, so that they ask for no more of it (document 0's other solution; no kernel).
        CountAndSuspend = "count-and-suspend",
        /// The same as the first, but only if more than one entry maps it (document 0).
        Residual = "residual",
        /// Nothing (2.6.13).
        Nothing = "nothing",
        /// A pin on a page that belongs to one process, looked for before the entry is cleared: a
        /// pin that takes no lock comes in between. No kernel did this.
        UnpinnedBefore = "unpinned-before",
        /// The same, looked for once the entry is cleared; if there is one, the entry is restored
        /// (5.19, `try_to_unmap_one` and `page_try_share_anon_rmap` read).
        Unpinned = "unpinned",
    }
    /// In which order `do_swap_page` gives up its swap entry, maps the page and unlocks it (claims
    /// S0.5, S0.6).
    swap_free_order: SwapFreeOrder {
        /// Gives up the entry, decides about reuse, unlocks, maps (until 2.6.12).
        First = "first",
        /// Decides about reuse, gives up the entry, unlocks, maps (document 0).
        BeforeUnlock = "before-unlock",
        /// Decides about reuse, maps, gives up the entry, unlocks (2.6.13).
        AfterRmap = "after-rmap",
        /// Gives up the entry, decides about reuse, maps, unlocks (5.19).
        FirstLocked = "first-locked",
    }
    /// When `do_swap_page` counts the mapping that it makes (claim S0.6).
    swapin_mapcount: SwapinMapcount {
        /// With the entry (every kernel).
        WithEntry = "with-entry",
        /// Before it decides about reuse, and before the swap entry goes (document 0's remark; no
        /// kernel).
        BeforeDecision = "before-decision",
    }
    /// What `do_wp_page` does when somebody else has locked the page (claim S0.11).
    wp_lock: WpLock {
        /// Copies it (until 2.6.28, and again since 5.9).
        Trylock = "trylock",
        /// Waits for the lock, and compares the entry again (2.6.29).
        Lock = "lock",
    }
    /// When `do_wp_page` gives up its mapping of the page that it has copied (claim S0.4).
    cow_rmap: CowRmap {
        /// Before the entry changes: another process takes the page for its own while threads of
        /// this one still load from it (until 2.6.25).
        BeforeEntry = "before-entry",
        /// Once the entry has changed (2.6.26).
        AfterEntry = "after-entry",
    }
    /// When `do_swap_page` gives the slot of the page back that it maps; when swap is full, always.
    swapin_free: SwapinFree {
        /// Only then (until 5.17).
        Full = "full",
        /// Before a store too, if nobody but the cache and the fault refers to the page: where
        /// references decide about reuse, the cache's is in the way (5.18).
        Count = "count",
        /// After a store too, if the entry said that the page belongs to this process alone;
        /// nothing else says so. After a load too from a device that is memory
        /// (`should_try_to_free_swap`: 7.3.4 read).
        Exclusive = "exclusive",
    }
    /// How `do_swap_page` maps a page that belongs to the process alone when it comes back for a
    /// load (claim S0.1).
    swapin_own: SwapinOwn {
        /// Write-protected: the first store marks the entry dirty (6.1).
        ReadOnly = "read-only",
        /// Writable, and clean: a device may be given the page to store into, and nothing says that
        /// it is not what the slot holds (6.12).
        Writable = "writable",
    }
    /// When an entry may be stored through again, after `mprotect` has made its VMA writable (claim
    /// S0.1).
    mprotect_write: MprotectWrite {
        /// When a store has faulted there (until 6.1; read in 2.6.11, 2.6.18, 5.9, 5.19 and 6.1).
        /// Since 6.0 an entry that is dirty, and whose page belongs to the process alone, may be so
        /// at once: nobody can tell.
        Fault = "fault",
        /// At once, if the page belongs to the process alone, even where the entry is clean (6.2;
        /// read in 6.12.117, 6.18.35 and 7.3.4).
        Exclusive = "exclusive",
    }
    /// What a write fault on a swap entry does about a page that others have too. No race can tell:
    /// between the two faults nothing is there that the first did not leave as any load does.
    swap_write: SwapWrite {
        /// Copies it, within the same fault.
        Finish = "finish",
        /// Maps it read-only, and leaves the copy to a second fault.
        SecondFault = "second-fault",
    }
    /// How `do_swap_page` gives swap space back when swap is full (claim S0.13).
    free_swap: FreeSwap {
        /// If nobody refers to the page but the caller and the cache, looked at again under the
        /// tree lock (until 2.6.28).
        RemoveExclusive = "remove-exclusive",
        /// The same without the tree lock: no kernel did this.
        RemoveExclusiveUnlocked = "remove-exclusive-unlocked",
        /// If no entry holds the slot, whoever else refers to the page (2.6.29).
        TryToFree = "try-to-free",
    }
    /// How `free_swap_and_cache` makes sure that the page which it takes out of the swap cache is
    /// nobody's, when the last swap entry has gone (claim S0.13).
    zap_swap: ZapSwap {
        /// It finds and locks the page under the `swap_lock` under which it gave the entry up
        /// (until 4.10, from memory: read in 2.6.22 to 3.8).
        UnderLock = "under-lock",
        /// It finds and locks the page behind that, and counts the entries again (4.11, from
        /// memory: read in 5.9, 6.1).
        Recount = "recount",
        /// The same, and it does not count again: no kernel does.
        Unchecked = "unchecked",
    }
    /// What `wp_page_copy` does with the slot of a page in the swap cache that it has copied, and
    /// that nothing maps any more.
    copied_swap: CopiedSwap {
        /// Leaves it: reclaim comes by some day (until 5.13).
        Keep = "keep",
        /// Gives it up if no entry needs it (5.14).
        Free = "free",
    }
    /// Does `exclusive_swap_page` take the tree lock to count, though it holds the page lock?
    /// (claim S0.12) No race can tell, which is the claim.
    exclusive_lock: ExclusiveLock {
        /// Yes (until 2.6.12).
        TreeLock = "tree-lock",
        /// No.
        PageLock = "page-lock",
    }
    /// How the swap map tells the swap cache's claim on a slot from those of page-table entries
    /// (claim S0.6).
    swap_has_cache: SwapHasCache {
        /// Not at all: the cache counts as one more (until 2.6.30).
        Counted = "counted",
        /// By a bit. Nobody reads the slot into another page before whoever takes the page out of
        /// the cache has given the claim up (2.6.31).
        Bit = "bit",
    }
    /// What `do_swap_page` looks at again once it has the page lock.
    swapin_recheck: SwapinRecheck {
        /// The page-table entry only (until 2.6.35).
        Entry = "entry",
        /// That the page is in the swap cache, too, in whichever slot (2.6.36-rc4).
        EntryAndFlag = "entry-and-flag",
        /// That the page is still the slot's page in the swap cache, too (2.6.36).
        EntryAndCache = "entry-and-cache",
    }
    /// Is a page dirty that reclaim has put into the swap cache?
    add_to_swap: AddToSwap {
        /// Yes: nothing of it is on the device yet.
        Dirty = "dirty",
        /// Only if it was before (4.12 and 4.13).
        Clean = "clean",
    }
    /// What becomes of a page that the device could not write.
    write_error: WriteError {
        /// It is taken for written (until 2.6.18).
        Forget = "forget",
        /// It is dirty again (2.6.19).
        Redirty = "redirty",
    }
    /// What a fault looks at before it reads the slots beside its own, too, if it does.
    readahead_look: ReadaheadLook {
        /// Nothing that swapoff takes away (until 2.6.22; 3.4; 5.14).
        Nothing = "nothing",
        /// The device: its map (2.6.29 to 3.3), its file (5.9, 5.10).
        Device = "device",
    }
    /// What swapoff looks at again once it has locked the page that it maps (claim S0.10).
    unuse_recheck: UnuseRecheck {
        /// The page-table entry only. The look-up has found the slot's page, whose reference keeps
        /// it there as long as an entry stands for the slot (read in 2.6.11 to 5.19 and 6.12.33).
        Entry = "entry",
        /// That the page is the slot's, too: who looks a page up once may have found another
        /// (`folio_matches_swap_entry` in `unuse_pte`, 6.18.2, 6.18.35 and 7.3.4 read; 7.3 looks a
        /// page up as before, and has the look all the same).
        EntryAndPage = "entry-and-page",
    }
    /// What who reads a slot back does when no entry stands for it any more, and its page is on its
    /// way out of the swap cache (claim S0.10).
    unused_slot: UnusedSlot {
        /// Waits until it is out (until 6.14; since 4.11 only because swapoff switches the per-cpu
        /// slot caches off: 3.8, 5.9, 5.19, 6.1 and 6.12.33 read).
        Wait = "wait",
        /// Gets no page. swapoff finds the slot in use still, takes that for want of memory, and
        /// fails (`__read_swap_cache_async` and `unuse_pte_range`, since the slot caches have gone:
        /// 6.18.2 and 6.18.35 read, and seen on 6.18.44).
        Skip = "skip",
    }
    /// Does swapoff wait for the faults that are under way on its device, when nothing is left
    /// there? (claim S0.10)
    swapoff_wait: SwapoffWait {
        /// No (5.9 read).
        No = "no",
        /// Yes: a fault gives its entry's claim on the slot up before the entry has changed
        /// (`get_swap_device` in `do_swap_page`, 5.14; 5.19, 6.12 and 6.18.35 read).
        Users = "users",
    }
    /// What the reference of a device is (claim S0.9).
    gup: Gup {
        /// A reference like any other.
        Get = "get",
        /// One that can be told from others (5.6).
        Pin = "pin",
    }
    /// When a device that is to store by force, where the process itself may not, is given a page
    /// whose entry is not writable (claim S4.8). No race can tell the last three apart: there is no
    /// zero page here, nor a file that is mapped privately.
    gup_force: GupForce {
        /// After one fault, however that ended (until 2.6.12: read in 2.6.8, 2.6.11 and 2.6.12).
        Once = "once",
        /// After a fault in which `do_wp_page` kept or copied the page (`VM_FAULT_WRITE`,
        /// f33ea7f404e5, 2.6.13 to 4.8: read in 2.6.14, 2.6.18, 2.6.22 and 2.6.29). Until 2.6.28
        /// not only where the VMA is read-only, which is not modelled.
        FaultWrite = "fault-write",
        /// The same, and if the entry is dirty still (`FOLL_COW`, 19be0eaffa3a, 4.9 to 5.19: read
        /// in 5.9 and 5.19).
        CowDirty = "cow-dirty",
        /// If the page belongs to the process alone (5535be309971, 6.0: read in 6.1 and 6.18).
        Exclusive = "exclusive",
    }
    /// What reclaim does with a page that a device holds, and that is not in the swap cache yet.
    swap_pinned: SwapPinned {
        /// Puts it there like any other: it is unmapped, and stays in memory (until 5.10).
        Add = "add",
        /// Leaves it alone (5.11, and 5.10 as its stable releases have it).
        Keep = "keep",
    }
    /// How a device is given a page without `mmap_sem` and the page-table lock (claims S0.1, S0.9).
    /// Where that fails, it is given one with them.
    gup_fast: GupFast {
        /// It is not (until 2.6.26).
        No = "no",
        /// It reads the entry once and takes a reference, with interrupts off: nobody finishes a
        /// TLB flush meanwhile (`gup_pte_range` of x86, 2.6.27 to 4.12: read in 2.6.29, 2.6.33,
        /// 2.6.36 and 3.8).
        InterruptsOff = "interrupts-off",
        /// It takes a reference unless the count is zero, and looks at the entry again
        /// (`gup_pte_range`, 5.9 read).
        LookAgain = "look-again",
        /// The same, and not while fork write-protects: a sequence count says so
        /// (`lockless_pages_from_mm`, 5.11, and 5.10 as its stable releases have it: 5.10.262 and
        /// 5.19 read).
        WriteProtectSeq = "write-protect-seq",
    }
    /// How a page comes back from a device that is read at once, to the only entry that stands for
    /// it (claim S3.13).
    swap_bypass: SwapBypass {
        /// Through the swap cache, as from any device (until 4.14; 7.3.4 read).
        No = "no",
        /// Beside it: nothing says that it is on its way (`do_swap_page`, `SWP_SYNCHRONOUS_IO`:
        /// 5.9, 5.19 read).
        Unclaimed = "unclaimed",
        /// Beside it, with the swap cache's claim on the slot (13ddaf26be32, 6.8: 6.1.192, 6.12.117
        /// and 6.18.35 read).
        Claimed = "claimed",
    }
    /// What becomes of a slot whose page has been read into the swap cache, if the device keeps what
    /// is written to it in memory, as zram (claim S3.13).
    swapin_notify: SwapinNotify {
        /// It stays as it is (until 3.10 and since 5.18, e914d8f00391: 3.8, 5.10.262, 5.19, 6.1, 6.12
        /// and 6.18 read).
        No = "no",
        /// The device is told that it need not keep it, if one entry holds it, and the page is dirty
        /// (`swap_slot_free_notify`: 5.9 read).
        FreesSlot = "frees-slot",
    }
    /// When reclaim discards a page that its process has said it needs no more (claim S0.1).
    madv_free: MadvFree {
        /// Never: nobody can say so (until 4.4).
        No = "no",
        /// Unless somebody has stored into it since: then the entry or the page is dirty (5.9 read).
        Dirty = "dirty",
        /// Unless somebody has, or has a reference: a device may store (5.18, 6c8e2a256915: 5.10.262,
        /// 5.19, 6.1 and 6.12 read; 6.18 lets a page that is only referenced go the next time).
        References = "references",
    }
    /// What fork does with a page that is pinned (claim S0.9).
    fork_pinned: ForkPinned {
        /// Shares it like any other.
        Share = "share",
        /// Copies it for the child (5.9).
        Copy = "copy",
    }
    /// Which page a device gets that will only read.
    read_pin: ReadPin {
        /// The one that is mapped, whoever else has it.
        AsMapped = "as-mapped",
        /// One of the process's own: a shared page is copied first (5.19).
        Unshare = "unshare",
    }
    /// How swapoff, which holds the page lock, comes by the `mmap_sem` of an address space that it
    /// walks, where it goes slot by slot (claims S0.10, S4.5).
    unuse_sem: UnuseSem {
        /// Not at all: the list of VMAs changes under the page-table lock, too (until 2.6.6: read
        /// in rmap 9 and 10).
        Nothing = "nothing",
        /// It waits for it, though whoever holds it may wait for the page lock (document 4, and
        /// 2.6.7, which was released so).
        Held = "held",
        /// It tries, and else lets go of the page and waits (2.6.8: read in its rmaplock 5/6).
        Trylock = "trylock",
    }
    /// Which VMAs swapoff looks into.
    unuse_vmas: UnuseVmas {
        /// All (until 2.6.8: read there).
        All = "all",
        /// Those that have an anon_vma (2.6.9: read in 2.6.11, 2.6.22, 5.9, 6.18.35): others have
        /// no pages, but for what FINDING-44 says.
        Linked = "linked",
    }
    /// How long swapoff holds the page-table lock of an address space.
    unuse_table_lock: UnuseTableLock {
        /// While it goes along the VMAs (until 2.6.14: read in 2.6.8, 2.6.11, 2.6.12).
        Whole = "whole",
        /// For each table, and so for each VMA: only `mmap_sem` keeps the list of them (2.6.15:
        /// read in 2.6.15, 2.6.22).
        Each = "each",
    }
    /// Where in a VMA swapoff looks for the entry of a page that has a mapping.
    unuse_address: UnuseAddress {
        /// Everywhere (until 2.6.8, and since 5.1: read in 2.6.8, 5.9, 5.19).
        Everywhere = "everywhere",
        /// At the address that the page's index says, if the VMA's anon_vma is the page's (2.6.9 to
        /// 2.6.33: read in 2.6.9, 2.6.11, 2.6.22, 2.6.33.3).
        Own = "own",
        /// At that address, whichever the page's anon_vma is (2.6.34: read there and in 2.6.35.3).
        Any = "any",
        /// At that address, if the root of the VMA's anon_vma is that of the page's (2.6.36 to 5.0:
        /// read in 2.6.36, 2.6.39, 3.0.8, 3.8).
        Root = "root",
    }
    /// What swapoff holds while it copies a page that is known by another address (rule
    /// `swapin_clash`, claim S4.9).
    unuse_copy: UnuseCopy {
        /// The page lock: `do_wp_page` tries for it, and copies since it does not get it (document
        /// 4).
        PageLocked = "page-locked",
        /// Not the page lock: no kernel did.
        Unlocked = "unlocked",
    }
    /// Swapoff notes where it has found an entry as the address plus one. How it compares that with
    /// the page's (claim S4.10).
    unuse_found: UnuseFound {
        /// The offset in the page is masked off (document 4).
        Masked = "masked",
        /// As it is: no kernel did.
        Unmasked = "unmasked",
    }
    /// When swapoff makes a page active, so that reclaim does not unmap soon what swapoff has
    /// mapped (claim S0.10).
    unuse_activate: UnuseActivate {
        /// Never (2.6.6, as the hunk that document 4 changes shows; since 5.19 again, which has no
        /// need of it).
        No = "no",
        /// Whenever it has mapped the page somewhere. When it lets go of a page, its reference
        /// keeps that from being unmapped again (2.6.9 to 2.6.12: read in 2.6.9, 2.6.11 and
        /// 2.6.12.1).
        Mapped = "mapped",
        /// Before it lets go of a page that it has mapped in some processes and not yet in others:
        /// half of what 2.6.13 does.
        BeforeUnlock = "before-unlock",
        /// Before it lets go of such a page, and whenever it has mapped one somewhere (2.6.13 to
        /// 5.9; read in 2.6.14, 2.6.18, 2.6.28, 2.6.33 and 5.9).
        Both = "both",
    }
    /// How swapoff goes about it, and what it does with a page whose slot still has entries when it
    /// has been to every address space (claim S0.10).
    try_to_unuse: TryToUnuse {
        /// Slot by slot; the page stays in the swap cache. No kernel did this: reclaim could go
        /// round with it for ever.
        Keep = "keep",
        /// Slot by slot; the page is written to the device if it is dirty, and leaves the swap
        /// cache: whoever is left reads another (until 5.0).
        WriteAndDelete = "write-and-delete",
        /// Address space by address space, holding no page lock when it asks for `mmap_sem`; what
        /// is left is left for another round (5.1).
        ByMm = "by-mm",
    }
    /// Does the guest tell its host which pages it can do without (document 2)?
    hinting: Hinting {
        /// No: every kernel that was released.
        No = "no",
        /// Yes: a clean page of the swap cache that nobody refers to but its mappings is volatile,
        /// and the host may discard what it holds.
        Volatile = "volatile",
    }
    /// How `free_swap_and_cache`, which holds the page-table lock and `swap_lock`, looks the page
    /// up (claim S2.1).
    free_swap_lookup: FreeSwapLookup {
        /// So that a page that the host has discarded is discarded on the spot: what document 2
        /// says must not be.
        Checking = "checking",
        /// Without that look (`find_get_page_nodiscard`, document 2).
        NoDiscard = "nodiscard",
    }
    /// Which functions make a page stable before its slot is given back (claims S2.2, S2.3).
    slot_stable: SlotStable {
        /// None.
        Nothing = "nothing",
        /// `free_swap_and_cache` alone.
        Zap = "zap",
        /// `remove_exclusive_swap_page` alone; in 2.6.29 `try_to_free_swap`.
        Fault = "fault",
        /// Both (document 2, in both postings).
        Both = "both",
        /// These, `reuse_swap_page`, which is new in 2.6.29, and `try_to_unuse`: no posting does.
        Everywhere = "everywhere",
    }
    /// How `do_swap_page` looks a page up that the host may discard (claims S2.3, S2.13).
    swapin_lookup: SwapinLookup {
        /// It makes the page stable, or discards it (patches 1 to 4 of document 2).
        Checking = "checking",
        /// It does not, and looks at the discard bit once it has the page lock and the page-table
        /// lock (patch 5).
        NoDiscard = "nodiscard",
        /// It does not look at all: no posting.
        Unchecked = "unchecked",
    }
    /// When the bit is set that says who takes a discarded page away (claims S2.4, S2.5).
    discarded_bit: DiscardedBit {
        /// Never.
        No = "no",
        /// Before the page is taken out of the swap cache, by whoever does that; cleared again if
        /// the host has the page still (document 2).
        Set = "set",
        /// When it is out, and only if the host has discarded it: no posting.
        AfterRemoval = "after-removal",
    }
    /// What fork does with an entry whose page has the discard bit (claim S2.5).
    fork_discarded: ForkDiscarded {
        /// Shares the page like any other.
        Share = "share",
        /// Gives the child the page's swap entry (document 2).
        SwapEntry = "swap-entry",
    }
    /// The bit by which `page_make_volatile` keeps others from changing the page's state meanwhile
    /// (claim S2.7).
    state_change: StateChange {
        /// There is none.
        Nothing = "nothing",
        /// One `page_make_volatile` keeps others out; `page_make_stable` does not wait for it.
        NotWaited = "not-waited",
        /// `page_make_stable` waits for it (document 2).
        Waited = "waited",
    }
    /// In which order `page_make_volatile` reads the counts that it compares (claim S2.12). The
    /// postings leave it to the compiler.
    count_order: CountOrder {
        /// The mapcount first.
        MapFirst = "map-first",
        /// The reference count first.
        CountFirst = "count-first",
    }
    /// Who makes a page stable before its contents are used (claim S2.8).
    content_stable: ContentStable {
        /// Whoever gives it to a device, and whoever copies it (document 2).
        Both = "both",
        /// `do_wp_page` alone: `follow_page` does not.
        Copy = "copy",
        /// `follow_page` alone: `do_wp_page` does not.
        FollowPage = "follow-page",
    }
    /// Under which lock `follow_page` discards a page that the host has discarded (claim S2.14).
    discard_under: DiscardUnder {
        /// None (document 2).
        Nothing = "nothing",
        /// The page-table lock: no posting.
        PageTableLock = "page-table-lock",
    }
    /// How many references of its own `unlock_page` counts when it tries to make a page volatile
    /// (claim S2.12).
    unlock_offset: UnlockOffset {
        /// One, the swap cache's (document 2).
        One = "one",
        /// Two, as where a reference is dropped: no posting.
        Two = "two",
    }
    /// Where the reverse map tries to make a page volatile (claim S2.12).
    volatile_try: VolatileTry {
        /// In `page_add_anon_rmap` (patch 2 of document 2, June 2007).
        AddRmap = "add-rmap",
        /// In `page_remove_rmap` (patch 2, March 2009).
        RemoveRmap = "remove-rmap",
        /// Nowhere (patch 5).
        Neither = "neither",
    }
    /// What `shrink_page_list` does with a page that has the discard bit (claim S2.9).
    shrink_discarded: ShrinkDiscarded {
        /// What it does with any other.
        Nothing = "nothing",
        /// Drops its reference (document 2 on 2.6.22, whose `free_it` does that).
        Release = "release",
        /// Frees the page, which is locked and referenced (the same line on 2.6.29, where the label
        /// `free_it` has moved).
        Free = "free",
    }
    /// Does reclaim put a page back on the LRU list that has the discard bit? (claim S2.9)
    putback_discarded: PutbackDiscarded {
        /// Yes: whoever drops the last reference takes it off again.
        List = "list",
        /// No (document 2).
        LeaveOff = "leave-off",
    }
    /// How reclaim makes sure that nobody else refers to a page that it takes out of the swap cache
    /// (claim S2.4).
    remove_mapping: RemoveMapping {
        /// It compares the count, under the tree lock (2.6.22 read; only a discard fault can tell).
        Count = "count",
        /// It freezes the count (2.6.29 read; and in the model of every kernel without hinting).
        Freeze = "freeze",
    }
    /// What the discarding walk does with an entry in memory that is locked (`VM_LOCKED`; claim
    /// S2.11).
    discard_mlocked: DiscardMlocked {
        /// It fails there, as reclaim does (patches 1 and 2 of document 2).
        Fail = "fail",
        /// It unmaps the page (patch 3, June 2007).
        UnlessDiscarded = "unless-discarded",
        /// It leaves the entry and goes on (patch 3, March 2009: only the young bit is exempt, and
        /// 2.6.29 answers `SWAP_MLOCK`).
        Leave = "leave",
    }
    /// When the frame of a discarded page may hold another one.
    discard_free: DiscardFree {
        /// At once.
        AtOnce = "at-once",
        /// When no discard fault of it can be pending any more (patch 6 of document 2); here,
        /// never.
        Delayed = "delayed",
    }
    /// Does migration make a page stable before it copies it?
    migrate_stable: MigrateStable {
        /// No: no posting touches mm/migrate.c.
        No = "no",
        /// Yes.
        Yes = "yes",
    }
    /// May a page of the swap cache be volatile that is not anonymous? (claim S2.10)
    volatile_shmem: VolatileShmem {
        /// Yes (June 2007).
        Allowed = "allowed",
        /// No (March 2009).
        Excluded = "excluded",
    }
    /// Do they who take a page out of the swap cache, or move it, look whether the swap device is
    /// writing it (`PG_writeback`)? Nobody can tell where writing is over at once.
    write_under_way: WriteUnderWay {
        /// Yes: who can wait waits, who cannot leaves it (every kernel: read in 2.6.11, 2.6.22,
        /// 2.6.29 and 5.19).
        Respected = "respected",
        /// No: no kernel.
        Ignored = "ignored",
    }
    /// May a page be volatile that the swap device is writing? (claim S2.12)
    volatile_writeback: VolatileWriteback {
        /// No: `check_bits` looks at `PG_writeback` (document 2).
        Excluded = "excluded",
        /// Yes: no posting.
        Allowed = "allowed",
    }
    /// What happens before the host's change bit is cleared, when a page's last mapping goes
    /// (hazard 1 of document 2's patch 6).
    dirty_transfer: DirtyTransfer {
        /// The page is made stable (document 2).
        Stable = "stable",
        /// Nothing: what the patch says must not be.
        Unguarded = "unguarded",
    }
    /// How the host is kept from discarding what was stored to a page that is volatile (claim
    /// S2.8).
    writable: Writable {
        /// It asks for the change bit of every page (document 2 without patch 4).
        ChangeBit = "change-bit",
        /// It asks for that of pages that have had an entry that permits stores since something
        /// mapped them first (`PG_writable`, patch 4 on s390).
        PageWritable = "page-writable",
        /// Such pages are not volatile (patch 4, as it says of machines that keep dirty bits in
        /// page-table entries).
        Stable = "stable",
        /// As on s390, but the page is looked at when the entry is there: what the patch says must
        /// not be.
        AfterEntry = "after-entry",
    }
    /// When a page counts no more as one that entries may store to (patch 4).
    reset_writable: ResetWritable {
        /// When its last mapping has gone (document 2, in both postings).
        LastMapping = "last-mapping",
        /// When it is freed: no posting.
        Never = "never",
    }
    /// In which order `check_bits` looks whether a page may be volatile: one by one, while others
    /// change what it looks at.
    check_bits: CheckBits {
        /// Whether it is in the swap cache last, behind whether it is locked (document 2, both
        /// postings).
        Posted = "posted",
        /// That first: no posting.
        CacheFirst = "cache-first",
    }
    /// How a fault in shared memory is given the file's page (claim S2.10).
    file_fault: FileFault {
        /// Unlocked, with a reference (`nopage`, until 2.6.22: `shmem_nopage` and `do_no_page` read
        /// there).
        Unlocked = "unlocked",
        /// Locked, until it is mapped (`VM_FAULT_LOCKED`: `shmem_fault` and `__do_fault` read in
        /// 2.6.29).
        Locked = "locked",
    }
}
