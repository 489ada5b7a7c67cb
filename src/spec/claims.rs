//! The claims: what each document says or implies, in a sentence or two, and where. A race is named
//! after the claim of which it decides something.

/// A claim of a document, or of what was said around it. How it came out is in SPEC.md §6, whose
/// sentences `tests/catalogue/spec_ties.rs` compares with these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// `S`, the document's number, and that of the claim: `S3.1`.
    pub id: &'static str,
    /// What is claimed, in the kernel's names of its time.
    pub says: &'static str,
    /// The document, and where in it. What is derived from a document and not said in it is called
    /// that; of what is not in it at all, it begins with "not in", and names who says so instead.
    pub source: &'static str,
}

impl Claim {
    /// All of them, by document.
    pub const ALL: &[Claim] = CLAIMS;

    /// The claim of which a race decides something, by the race's id: that of `S3.1/fault` is S3.1.
    /// `None` for what no document claims, as the crossings of `S2/…`, `S3/…` and `S4/…`.
    ///
    /// ```
    /// use lockwalk::spec::Claim;
    ///
    /// assert_eq!(Claim::of("S3.1/fault").map(|claim| claim.id), Some("S3.1"));
    /// assert_eq!(Claim::of("S4/peek"), None);
    /// ```
    pub fn of(race: &str) -> Option<&'static Claim> {
        let id = race.split('/').next().unwrap_or_default();
        Self::ALL.iter().find(|claim| claim.id == id)
    }

    /// The document's number in SPEC.md §12.
    pub fn document(&self) -> u8 {
        self.id.as_bytes()[1] - b'0'
    }
}

/// 62 of five documents, and S1.7 of document 1's series.
const CLAIMS: &[Claim] = &[
    Claim {
        id: "S0.1",
        says: "Where do_wp_page decides by page_count whether a process may keep a page, \
               try_to_unmap_one must not unmap a page that get_user_pages has given away: the \
               process's next store would get a copy, and what a device stores into the old page \
               would be lost.",
        source: "document 0, the condition of try_to_unmap_one quoted at its head, and the \
                 paragraph on its purpose; the loss itself is told in the comment on that \
                 condition in 2.6.11",
    },
    Claim {
        id: "S0.2",
        says: "try_to_unmap_one refuses to unmap a page as long as somebody holds it through \
               get_user_pages, so a buffer for which several direct IO requests always overlap is \
               never unmapped, and memory hot-removal never ends. Once a page is unmapped, \
               accesses to it are blocked until hot-removal is done.",
        source: "document 0, its first three paragraphs; suspending the process instead: the \
                 third of its notes",
    },
    Claim {
        id: "S0.3",
        says: "Whether a write fault may keep a page must not depend on page_count once pages are \
               unmapped whose count get_user_pages has raised. can_share_swap_page can decide by \
               page_mapcount and the swap map instead.",
        source: "document 0, the paragraph on its purpose, and its hunk of can_share_swap_page",
    },
    Claim {
        id: "S0.4",
        says: "do_swap_page may rely on page_mapcount, because it holds the page lock while it \
               does.",
        source: "document 0, the first of its notes",
    },
    Claim {
        id: "S0.5",
        says: "The patch moves swap_free behind can_share_swap_page, but do_swap_page still \
               unlocks the page before page_add_anon_rmap counts the new mapping. In between, \
               neither count includes the faulting process, and do_wp_page of another process \
               takes the page for its own.",
        source: "document 0, its hunk of do_swap_page, read with 2.6.11, where unlock_page comes \
                 before page_add_anon_rmap; the document does not say so",
    },
    Claim {
        id: "S0.6",
        says: "The can_share_swap_page call in the patched do_swap_page never says yes, which \
               costs efficiency and nothing else. To count the mapping before the call would let \
               it say yes, but may have bad side effects.",
        source: "document 0, the second of its notes",
    },
    Claim {
        id: "S0.7",
        says: "A page that get_user_pages holds, that is unmapped, and on which a write fault \
               comes before it is let go of, is mapped again and not copied.",
        source: "document 0, the last of its notes, which names the situation as the one that \
                 could not be tested",
    },
    Claim {
        id: "S0.8",
        says: "The patch still refuses to unmap a page with an unknown reference if more than one \
               entry maps it, because a page that do_wp_page is copying looks like that. The \
               refusal is not needed, since the fault compares its entry after the copy, and it \
               can last for ever.",
        source: "document 0, the condition that its hunk of try_to_unmap_one leaves, and the \
                 comment there; that it is not needed was said in the thread",
    },
    Claim {
        id: "S0.9",
        says: "If a thread forks while a device stores into a page of its process, the page is \
               shared from then on, and the parent's next store gives it a copy that the device \
               knows nothing of.",
        source: "not in document 0: an objection in its thread, February 2005",
    },
    Claim {
        id: "S0.10",
        says: "While unuse_process lets go of the page lock to wait for mmap_sem, swapoff's own \
               reference makes try_to_unmap_one leave alone what swapoff has mapped. Without the \
               condition on page_count, reclaim can undo swapoff's work again and again.",
        source: "not in document 0, whose hunk of try_to_unmap_one weakens the condition: the \
                 comments in unuse_process and try_to_unmap_one of 2.6.11",
    },
    Claim {
        id: "S0.11",
        says: "do_wp_page only tries for the page lock, and copies the page if somebody else has \
               it. So whoever locks a page for a moment makes its process lose the page that a \
               device stores into.",
        source: "not in document 0: do_wp_page of 2.6.11 to 2.6.28; 2.6.29 waits for the lock \
                 (ab967d86015a)",
    },
    Claim {
        id: "S0.12",
        says: "exclusive_swap_page need not take the swap cache's tree_lock to look at the page's \
               count, since its callers hold the page lock.",
        source: "document 0, its hunk of exclusive_swap_page, which keeps the lock; that it is \
                 not needed was asked in the thread",
    },
    Claim {
        id: "S0.13",
        says: "remove_exclusive_swap_page must go on comparing page_count under tree_lock, or a \
               look-up finds the page in the swap cache between the comparison and the removal.",
        source: "document 0, its hunk of do_swap_page, which moves the call and leaves the \
                 function as it is; the reason was given in the thread",
    },
    Claim {
        id: "S1.0",
        says: "migrate_pages on behalf of a system call holds mmap_sem of a process that maps the \
               page, so the page's anon_vma stays. Migration by the kernel holds no such \
               mmap_sem, so the races that it prevents must be prevented otherwise.",
        source: "document 1, the two paragraphs that precede its list of races",
    },
    Claim {
        id: "S1.1",
        says: "unmap_and_move must look whether page->mapping is NULL before it calls \
               try_to_unmap: a page that has just been read into the swap cache is on the LRU \
               list and has no reverse map yet.",
        source: "document 1, the first of its races, and the condition and comment in its hunk of \
                 unmap_and_move",
    },
    Claim {
        id: "S1.2",
        says: "try_to_unmap takes the mapcount to 0, and from then on the anon_vma that \
               page->mapping names can be freed. An RCU read section from before try_to_unmap \
               until behind remove_migration_ptes keeps it.",
        source: "document 1, the second of its races, and rcu_read_lock and rcu_read_unlock in \
                 its hunk of unmap_and_move",
    },
    Claim {
        id: "S1.3",
        says: "The RCU read section keeps nothing if the page was unmapped, and its anon_vma \
               freed, before it began. A look at page_mapped inside the section tells that; the \
               look at page->mapping that took its place in document 1 does not.",
        source: "document 1, its changelog from V5 to V6, and the place of rcu_read_lock in its \
                 hunk of unmap_and_move; the document does not say so, 67b9509b2c68 (2010) does",
    },
    Claim {
        id: "S1.4",
        says: "The patch calls rcu_read_lock for every page, though migrating a file's page can \
               sleep. For such pages it needs no RCU: it relies on the page lock to keep their \
               mapping.",
        source: "document 1, rcu_read_lock and the comment above it in its hunk of \
                 unmap_and_move; that the section must not sleep is not the document's \
                 (989f89c57e63)",
    },
    Claim {
        id: "S1.5",
        says: "free_swap_and_cache must leave a migration entry alone, or zap takes a claim away \
               from a swap slot that is somebody else's.",
        source: "not in document 1: free_swap_and_cache of 2.6.22, which returns at once",
    },
    Claim {
        id: "S1.6",
        says: "A fault that meets a migration entry waits with a reference to the page, and that \
               reference makes the migration fail. Faults that come one after the other keep the \
               page from ever being moved.",
        source: "not in document 1: migration_entry_wait of 2.6.22, whose get_page became \
                 get_page_unless_zero in 2.6.27",
    },
    Claim {
        id: "S1.7",
        says: "isolate_lru_page must ask whether the page has a reference left, because \
               release_pages drops the last one while the page is still on the LRU list.",
        source: "not in document 1: patch 2 of its series, 6 July 2007, both of its sentences",
    },
    Claim {
        id: "S2.1",
        says: "free_swap_and_cache must not look the page up with find_get_page. If the page has \
               been discarded, find_get_page goes on to remove it, for which it needs swap_lock \
               and the page-table lock of every mapping, and the caller holds swap_lock and one \
               of these.",
        source: "document 2, its text on find_get_page, and the comment in its hunk of \
                 free_swap_and_cache",
    },
    Claim {
        id: "S2.2",
        says: "free_swap_and_cache must make the page stable before it gives the page's swap slot \
               up. If the page has been discarded already, the slot must stay, because the page \
               has to be read from it again.",
        source: "document 2, the second pitfall in its text, and its hunk of free_swap_and_cache",
    },
    Claim {
        id: "S2.3",
        says: "remove_exclusive_swap_page must make the page stable before it takes it out of the \
               swap cache, too.",
        source: "document 2, its hunk of remove_exclusive_swap_page",
    },
    Claim {
        id: "S2.4",
        says: "PG_discarded says who takes a page out of the swap cache. __delete_from_swap_cache \
               sets it first, and does nothing if it was set, so that a discard fault and an \
               ordinary removal do not both take the page out and drop the cache's reference.",
        source: "document 2, __delete_from_swap_cache and its comment; patch 1 of its series, on \
                 discard against removal",
    },
    Claim {
        id: "S2.5",
        says: "copy_one_pte races with a discard fault, and must not copy an entry of a discarded \
               page. It gives the child the swap entry that the fault would have left there.",
        source: "document 2, its hunk of mm/memory.c, and the comment there; patch 1 of its \
                 series, on copy_one_pte",
    },
    Claim {
        id: "S2.6",
        says: "The walk that unmaps a discarded page must look at every entry under its \
               page-table lock. A look without the lock misses an entry that another CPU is about \
               to establish.",
        source: "not in document 2: patch 1 of its series, on discard against the establishing of \
                 entries, and its hunk of page_check_address",
    },
    Claim {
        id: "S2.7",
        says: "page_make_volatile sets a bit while it looks at the page and changes its state, \
               and page_make_stable waits until the bit is clear once it has its reference. \
               Otherwise a page is made volatile that somebody has just found stable.",
        source: "not in document 2: patch 1 of its series, on concurrent state changes, and the \
                 comment in __page_make_stable",
    },
    Claim {
        id: "S2.8",
        says: "A reference that comes from a page table gives no right to the contents. \
               follow_page with FOLL_GET, and do_wp_page before it copies, must make the page \
               stable first.",
        source: "not in document 2: patch 1 of its series, on references from page tables, and \
                 its list of transitions to stable",
    },
    Claim {
        id: "S2.9",
        says: "A page that is discarded while it is isolated must not come back to the LRU list. \
               shrink_page_list releases it when it finds PG_discarded, and whoever puts isolated \
               pages back leaves it off the list.",
        source: "document 2, its hunk of shrink_page_list; the putbacks: patch 1 of its series",
    },
    Claim {
        id: "S2.10",
        says: "A page of shared memory that is in the swap cache must not become volatile: it is \
               not PageAnon, so page_unmap_all looks for its mappings through page_mapping, which \
               is the swap cache, and finds none.",
        source: "document 2, its hunks of check_bits and page_unmap_file; the document does not \
                 say so, the posting of 2009 excludes such pages",
    },
    Claim {
        id: "S2.11",
        says: "page_unmap_anon takes it for impossible that try_to_unmap_one answers SWAP_FAIL, \
               but try_to_unmap_one does, for memory that is locked and for entries that were \
               used lately.",
        source: "document 2, its hunk of page_unmap_anon, read with try_to_unmap_one of 2.6.22; \
                 the document does not say so",
    },
    Claim {
        id: "S2.12",
        says: "Whoever tries to make a page volatile says how many references there are besides \
               the mappings: one for the swap cache, two with the caller's own. The number must \
               be right, and page_add_anon_rmap says one.",
        source: "document 2, its hunk of page_add_anon_rmap; the rule: patch 1 of its series, \
                 condition 11 and check_counts",
    },
    Claim {
        id: "S2.13",
        says: "page_unmap_anon may return without a word if page_lock_anon_vma finds the page \
               unmapped: the caller has the page locked, and nobody maps an unmapped page without \
               that lock.",
        source: "document 2, its hunk of page_unmap_anon, whose comment asks for the page lock; \
                 the reason is not the document's",
    },
    Claim {
        id: "S2.14",
        says: "page_discard takes the page lock, and under it the page-table lock of every \
               mapping and swap_lock. So it must not begin under any of them.",
        source: "document 2, its text on find_get_page, and the comments in its hunk of \
                 free_swap_and_cache, of which this is the general form",
    },
    Claim {
        id: "S3.1",
        says: "vma_adjust changes a VMA while rmap_walk is under way. The walk gets -EFAULT from \
               vma_address, as if the page lay outside the VMA, and leaves a migration PTE \
               behind, which is met when the page is no longer locked, and that is a BUG.",
        source: "document 3, the answer that admits a mistake on the swap cache and names \
                 vma_adjust",
    },
    Claim {
        id: "S3.2",
        says: "Before the anon_vma changes there was one lock for a whole family, and taking it \
               in vma_adjust would do. With a lock in each anon_vma, vma_adjust of a child that \
               takes its own excludes nobody who walks an ancestor's list.",
        source: "document 3, its first answer, for the first sentence; the second is what follows \
                 for 2.6.34",
    },
    Claim {
        id: "S3.3",
        says: "A walk that waits for the lock of each visited VMA's anon_vma, with that of the \
               page's anon_vma held, can deadlock with another that nests the two the other way \
               round.",
        source: "document 3, what it quotes first, of two walkers and of lock inversion; the \
                 patch that is meant is of 22 April 2010 in its thread, and waits",
    },
    Claim {
        id: "S3.4",
        says: "A walk that only tries for the lock of each visited VMA's anon_vma, and starts \
               again if somebody has it, can go round for ever beside another walk that does the \
               same.",
        source: "not in document 3, which quotes a fear of livelock, but of a patch that waits: \
                 the patch that tries is of 26 April 2010 in its thread",
    },
    Claim {
        id: "S3.5",
        says: "A sequence count that vma_adjust raises, and that a walk compares where the VMA's \
               anon_vma is not the page's, does not cover all changes that make a walk miss a \
               page.",
        source: "not in document 3: mails of 23 and 24 April 2010 on a migration race in rmap_walk",
    },
    Claim {
        id: "S3.6",
        says: "A walk can find the oldest anon_vma of a family through a VMA on the page's own \
               list, and lock that one instead. But between letting go of the one lock and taking \
               the other, nothing keeps the oldest.",
        source: "not in document 3: a mail of 6 May 2010 on the same race, whose \
                 anon_vma_lock_root says so itself",
    },
    Claim {
        id: "S3.7",
        says: "If everybody locks the root of an anon_vma's family, vma_adjust and all walks \
               exclude each other and no locks need be nested. The root must then live as long as \
               any of its children.",
        source: "not in document 3: 012f18004da3 (2.6.36)",
    },
    Claim {
        id: "S3.8",
        says: "If the boundary between two VMAs moves and the first has no anon_vma, vma_adjust \
               must lock that of the next, whose vm_start and vm_pgoff it changes.",
        source: "not in document 3: vma_adjust of 2.6.36, which does not, against 2.6.33, which \
                 did; mended in 3.7",
    },
    Claim {
        id: "S3.9",
        says: "When only vm_end changes, vma_adjust needs no anon_vma lock.",
        source: "not in document 3: the comments in vma_adjust of 2.6.33 and 2.6.36",
    },
    Claim {
        id: "S3.10",
        says: "The race need not be closed: whoever meets a migration PTE whose page is not \
               locked can take it for one that a walk has missed, and put it right. That would be \
               the less careful way.",
        source: "document 3, the end of the answer that names vma_adjust",
    },
    Claim {
        id: "S3.11",
        says: "Migration can count the migration PTEs that it makes, and repeat the walk, before \
               it unlocks the page, until as many are restored. That makes up for a walk that has \
               missed some.",
        source: "not in document 3: the reply to the mail that replies to it, 24 April 2010",
    },
    Claim {
        id: "S3.12",
        says: "If zap_page_range waits where it meets a migration PTE, the anon_vma cannot go \
               away meanwhile, and migration needs no reference to it.",
        source: "document 3, the quoted suggestion on reference counts, whose author is asked \
                 there what zap would wait for; he says it in his reply to document 3",
    },
    Claim {
        id: "S3.13",
        says: "A page in the swap cache leaves swap entries behind, so remove_migration_ptes may \
               be skipped for it; but when a copy takes its place, the page must be unmapped, \
               nobody else may refer to it, and the tree lock must keep look-ups out. To free it \
               instead asks for less care, and costs IO.",
        source: "document 3, its quotations on the swap cache, and the answer that names \
                 migrate_page_move_mapping",
    },
    Claim {
        id: "S3.14",
        says: "page->mapping of a page in the swap cache that nobody maps can name an anon_vma \
               that is gone, so migration must move such a page without walking its reverse map.",
        source: "not in document 3: the patch that its subject names (3fe2011ff51e), as \
                 unmap_and_move of 2.6.35 has it",
    },
    Claim {
        id: "S3.15",
        says: "fork can copy a migration PTE into a child that the walk has passed. It cannot do \
               so where the child's VMA comes behind its parent's on the list; otherwise fork \
               would have to wait.",
        source: "not in document 3: mails of 24 to 26 April 2010 on the same race",
    },
    Claim {
        id: "S3.16",
        says: "expand_downwards changes vm_start and vm_pgoff with mmap_sem held for reading, so \
               it must take the lock that walks take.",
        source: "not in document 3: the mail that replies to it, 23 April 2010",
    },
    Claim {
        id: "S4.1",
        says: "Under anonmm a page is found at one address in all address spaces that share it. \
               Once mremap has moved it in one of them rmap does not find it there, so that it \
               cannot be swapped out; a private copy before the move prevents that, and anon_vma \
               has no such problem.",
        source: "document 4, its first, second and last paragraph",
    },
    Claim {
        id: "S4.2",
        says: "mremap_move_anon_rmap may note a page's new address only if one entry maps the \
               page, and must look again under rmap_lock, since another address space may map it \
               meanwhile.",
        source: "document 4, mremap_move_anon_rmap, which looks twice; the reason is not the \
                 document's",
    },
    Claim {
        id: "S4.3",
        says: "Pages that mremap moves while they are on swap need not be brought in and copied. \
               do_swap_page and swapoff copy a page if the address at which they map it is not \
               the one that is noted in it.",
        source: "document 4, its third paragraph, and mremap_moved_anon_rmap with its callers",
    },
    Claim {
        id: "S4.4",
        says: "Between page_add_anon_rmap and the copy that a clash of addresses demands, the \
               page is mapped where rmap does not find it, and page_referenced may warn. The copy \
               ends that.",
        source: "document 4, the comment in its hunk of page_referenced_anon",
    },
    Claim {
        id: "S4.5",
        says: "The patch has unuse_process wait for mmap_sem with the page locked, though faults \
               wait for the page lock with mmap_sem held.",
        source: "document 4, its hunk of unuse_process; the document does not say so",
    },
    Claim {
        id: "S4.6",
        says: "If the private copy cannot be made, move_page_tables has stepped its offset back \
               already, so that it returns a length which is a page short, or, for the first \
               page, one that move_vma takes for success.",
        source: "document 4, its hunks of move_page_tables and move_vma; the document does not \
                 say so",
    },
    Claim {
        id: "S4.7",
        says: "A call of make_page_exclusive can be in vain, and move_page_tables repeats it \
               until the page can be moved. That comes to an end.",
        source: "document 4, the comment of make_page_exclusive; that it ends is implied there",
    },
    Claim {
        id: "S4.8",
        says: "get_user_pages with force takes it that one handle_mm_fault breaks copy-on-write. \
               That is wrong of a swap entry, where do_swap_page leaves the copy to a second \
               fault, unless do_swap_page calls do_wp_page itself.",
        source: "document 4, its fourth paragraph, and its hunk of do_swap_page",
    },
    Claim {
        id: "S4.9",
        says: "In swapoff nobody can interfere with make_page_exclusive, because unuse_process \
               has the page locked meanwhile. The fault must then not wait for the page lock.",
        source: "document 4, the comment of make_page_exclusive, for the first sentence; \
                 do_wp_page only tries for the lock",
    },
    Claim {
        id: "S4.10",
        says: "unuse_pmd returns one more than the address at which it has found the entry, so \
               that address 0 is not taken for nothing found. Whoever compares that with \
               page->index must mask it.",
        source: "document 4, its hunk of unuse_pmd, and mremap_moved_anon_rmap, which masks; that \
                 it must is not said",
    },
    Claim {
        id: "S4.11",
        says: "A walk holds the page's map lock when it wants a page-table lock, and faults and \
               zap take the two the other way round. So the walk may only try.",
        source: "not in document 4: the lock order at the head of mm/rmap.c in rmap 10, the patch \
                 before it",
    },
    Claim {
        id: "S4.12",
        says: "A page keeps the anonmm by which it is found in memory, even when the anonmm's \
               process has exited. The head of a bundle is freed by whoever finds that nothing \
               but the head itself refers to it.",
        source: "not in document 4: rmap 10, the patch before it",
    },
];
