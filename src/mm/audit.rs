//! The audit: what must hold when all CPUs have ended.

use std::collections::BTreeMap;

use super::page::Mapping;
use super::vma::DUMMY_VMA;
use super::{Addr, AnonVma, Mm, PageRef, Pte, PteLocation, Vma, VmaRef, World};
use crate::spec::{ActivatePage, Clause};
use crate::sync::{self, SlabRef};

impl World {
    /// Evaluates every clause that speaks of quiescence.
    pub(crate) fn audit(&self) {
        for (at, pte) in self.every_pte() {
            self.audit_pte(at, pte);
        }
        for page in self.pages.iter().filter(|page| page.in_use()) {
            self.audit_page(page.present());
        }
        self.audit_swap();
        self.audit_shmem();
        self.audit_anonmms();
        for mm in self.mms.iter() {
            self.audit_vmas(mm);
        }
        for (anon_vma, object) in self.anon_vmas.live() {
            self.audit_list(anon_vma, object);
            if self.reuses() {
                self.audit_counts(anon_vma, object);
            }
            let unused = object.list.peek(Vec::is_empty) && object.refcount.peek() <= 1;
            sync::clause(Clause::LEAK_1, !unused, || {
                format!("anon_vma#{} has no VMA and is not freed", anon_vma.slot())
            });
        }
    }

    fn audit_pte(&self, at: PteLocation, pte: Pte) {
        if let Pte::Swap { entry, .. } = pte {
            let value = self
                .peek_swap_cache(entry)
                .map_or(self.peek_swap(entry), |page| self.frame(page).peek_content());
            self.shadow_check(self.mm_struct(at.mm), at.addr, pte, value);
        }
        sync::clause(Clause::MIG_2, !matches!(pte, Pte::Migration { .. }), || {
            format!("{at} = {pte}")
        });
        let Pte::Present { page, .. } = pte else { return };
        let frame = self.frame(page);
        sync::clause(Clause::LIFE_3, frame.in_use() && frame.present() == page, || {
            format!("{at} = {pte}, and {page} is free")
        });
        let missing = self.rmap_gap(at, page);
        sync::clause(Clause::RMAP_1, missing.is_none(), || {
            format!("{at} = {pte}, and {}", missing.unwrap_or_default())
        });
        if self.shmem_at(at.addr).is_some() {
            return; // what is there, the file says
        }
        if let Pte::Present { write: true, .. } = pte {
            self.assert_sole_entry(self.mm_struct(at.mm), at.addr, page);
        }
        let value = frame.peek_content();
        self.shadow_check(self.mm_struct(at.mm), at.addr, pte, value);
    }

    /// Why a reverse-map walk for `page` would miss the entry at `at`.
    fn rmap_gap(&self, at: PteLocation, page: PageRef) -> Option<String> {
        let frame = self.frame(page);
        let anon_vma = match frame.mapping.peek() {
            Mapping::AnonVma(anon_vma) => anon_vma,
            Mapping::Anonmm(anonmm) => {
                let addr = frame.index.peek();
                let elsewhere =
                    (addr != at.addr).then(|| format!("a walk looks for {page} at address {addr}"));
                return self.bundle_gap(anonmm, at.mm).or(elsewhere);
            }
            Mapping::File if self.shmem_at(at.addr).is_some() => {
                let covers = |vma: &&Vma| {
                    vma.in_use()
                        && vma.mm == at.mm
                        && (vma.vm_start.peek()..vma.vm_end.peek()).contains(&at.addr)
                };
                let listed = self
                    .vmas
                    .iter()
                    .find(covers)
                    .is_some_and(|vma| self.is_file_vma_listed(vma.id()));
                return (!listed).then(|| format!("no VMA of the file maps {page} there"));
            }
            Mapping::File => return None, // a page that was built by hand
            Mapping::None => {
                return Some(format!(
                    "{page} has no {}",
                    if self.has_anonmm() { "anonmm" } else { "anon_vma" }
                ));
            }
        };
        if !self.anon_vmas.is_live(anon_vma) {
            return Some(format!("its anon_vma#{} has been freed", anon_vma.slot()));
        }
        let covers = |vma: &Vma| {
            vma.in_use()
                && vma.mm == at.mm
                && (vma.vm_start.peek()..vma.vm_end.peek()).contains(&at.addr)
        };
        let Some(vma) = self.vmas.iter().find(|vma| covers(vma)) else {
            return Some("no VMA covers it".into());
        };
        if !self.is_listed(anon_vma, vma) {
            return Some(format!("{vma} is not on the list of anon_vma#{}", anon_vma.slot()));
        }
        let addr =
            frame.index.peek().wrapping_add(vma.vm_start.peek()).wrapping_sub(vma.vm_pgoff.peek());
        (addr != at.addr).then(|| format!("a walk looks for {page} at {addr} of {vma}"))
    }

    /// [VMA-1]: an address space's VMAs among themselves; and [RMAP-3] from each of them.
    fn audit_vmas(&self, mm: &Mm) {
        let mmap = mm.mmap.peek();
        let ranges: Vec<_> = mmap
            .iter()
            .map(|&vma| self.vma(vma))
            .map(|vma| (vma.vm_start.peek(), vma.vm_end.peek()))
            .collect();
        let sorted = ranges.iter().all(|(start, end)| start < end)
            && ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        sync::clause(Clause::VMA_1, sorted, || format!("the VMAs of {} are {ranges:?}", mm.id()));
        for &vma in mmap.iter() {
            let vma = self.vma(vma);
            let chain = vma.anon_vma_chain.peek(Clone::clone);
            let listed = chain
                .iter()
                .all(|&anon_vma| self.anon_vmas.is_live(anon_vma) && self.is_listed(anon_vma, vma));
            let own = vma.anon_vma.peek();
            let linked = own.map_or(chain.is_empty(), |own| chain.contains(&own))
                && (self.chained() || chain.len() <= 1);
            sync::clause(Clause::RMAP_3, vma.in_use() && listed && linked, || {
                let names: Vec<_> =
                    chain.iter().map(|anon_vma| format!("anon_vma#{}", anon_vma.slot())).collect();
                format!(
                    "{vma} has {} and is linked to {}",
                    Mapping::through(own),
                    if names.is_empty() { "none".into() } else { names.join(", ") }
                )
            });
        }
    }

    /// [RMAP-3], from the other side: whoever is on the list is linked, and there once.
    fn audit_list(&self, anon_vma: SlabRef, object: &AnonVma) {
        let stray = object.list.peek(|list| {
            let linked = |vma: &VmaRef| {
                *vma != DUMMY_VMA
                    && self.vma(*vma).in_use()
                    && self.vma(*vma).anon_vma_chain.peek(|chain| chain.contains(&anon_vma))
            };
            let once = |at: usize| !list[..at].contains(&list[at]);
            (0..list.len()).find(|&at| !linked(&list[at]) || !once(at)).map(|at| list[at])
        });
        sync::clause(Clause::RMAP_3, stray.is_none(), || {
            format!(
                "{} is on the list of anon_vma#{}, and should not be",
                stray.map_or_else(String::new, |vma| vma.to_string()),
                anon_vma.slot()
            )
        });
    }

    /// [RMAP-3]: whom an anon_vma counts. Kernel: what `unlink_anon_vmas` warns of when it frees one.
    fn audit_counts(&self, anon_vma: SlabRef, object: &AnonVma) {
        let named = |known: Option<SlabRef>| known == Some(anon_vma);
        let children =
            self.anon_vmas.live().filter(|(_, child)| child.parent.peek(|&it| named(it)));
        let own = |vma: &&VmaRef| named(self.vma(**vma).anon_vma.peek());
        let vmas = object.list.peek(|list| list.iter().filter(own).count());
        let are = (children.count() as i64, vmas as i64);
        let counted =
            (object.num_children.peek(|&count| count), object.num_active_vmas.peek(|&count| count));
        sync::clause(Clause::RMAP_3, counted == are, || {
            format!(
                "anon_vma#{} counts {} children and {} VMAs, and has {} and {}",
                anon_vma.slot(),
                counted.0,
                counted.1,
                are.0,
                are.1
            )
        });
    }

    fn is_listed(&self, anon_vma: SlabRef, vma: &Vma) -> bool {
        self.anon_vmas.object(anon_vma).list.peek(|list| list.contains(&vma.id()))
    }

    fn audit_page(&self, page: PageRef) {
        let frame = self.frame(page);
        let times = |list: &Vec<PageRef>| list.iter().filter(|&&on_list| on_list == page).count();
        let (listed, new) = (
            self.lru_lock.peek(times),
            self.lru_add_pvecs.peek(|pvecs| pvecs.values().map(times).sum::<usize>()),
        );
        let activated =
            self.activate_page_pvecs.peek(|pvecs| pvecs.values().map(times).sum::<usize>());
        let isolated = if self.rules().activate_page == ActivatePage::PagevecIsolated {
            new + activated
        } else {
            new
        };
        let waiting = new + activated;
        sync::clause(
            Clause::LRU_1,
            listed + isolated == 1 && frame.lru.peek() == (listed == 1),
            || format!("{page} is not free, and {listed} times on the LRU list"),
        );
        self.audit_host(page);
        let filed = frame.mapping.peek() == Mapping::File;
        if filed && self.shmem().is_none() {
            return; // the page cache holds it
        }
        let present = self.every_pte().filter(|(_, pte)| pte.page() == Some(page)).count() as i64;
        let swapped = i64::from(self.swap_cache_holds(page));
        let cached = swapped + i64::from(filed);
        let (mapcount, count) = (frame.mapcount.peek(), frame.count.peek());
        sync::clause(Clause::COUNT_1, mapcount == present, || {
            format!("{page}.mapcount is {mapcount}, and should be {present}")
        });
        sync::clause(Clause::COUNT_2, count == present + cached + waiting as i64, || {
            format!(
                "{page}.count is {count}, and should be {}: page-table entries {present}, swap \
                 cache or page cache {cached}, pagevecs {waiting}",
                present + cached + waiting as i64
            )
        });
        sync::clause(Clause::LEAK_1, count > 0 && present + cached + waiting as i64 > 0, || {
            format!("{page} is not free, and nothing refers to it")
        });
        let marked = frame.swap_cache.peek();
        sync::clause(Clause::SWAP_3, marked == (swapped > 0), || {
            format!("{page} is {}marked as in the swap cache", if marked { "" } else { "not " })
        });
    }

    /// [HINT-2], [HINT-4]: what the host has discarded is on the device, unless nobody needs it.
    fn audit_host(&self, page: PageRef) {
        let frame = self.frame(page);
        if !self.hints() || !frame.host.peek().discarded {
            return;
        }
        let mapped = frame.mapcount.peek();
        let there = frame
            .cached
            .peek(|slot| slot.is_some_and(|entry| self.peek_swap(entry) == frame.peek_content()));
        let hole = frame.mapping.peek() == Mapping::File
            && self.shmem().is_some()
            && frame.peek_content() == 0
            && !frame.dirty.peek();
        sync::clause(Clause::HINT_2, there || hole || (mapped == 0 && !frame.dirty.peek()), || {
            format!("{page} is discarded, and what it held is not on the device")
        });
        let gone = frame.discarded.peek();
        sync::clause(Clause::HINT_4, !gone || mapped == 0, || {
            format!("{page} has been taken away, and its mapcount is {mapped}")
        });
    }

    /// The entry at `addr` lets its process store into `page`: nobody else may have the page
    /// ([COW-2]).
    pub(super) fn assert_sole_entry(&self, mm: &Mm, addr: Addr, page: PageRef) {
        let frame = self.frame(page);
        let here = PteLocation { mm: mm.id(), addr };
        let elsewhere = |entries: &BTreeMap<PteLocation, Pte>, named: &dyn Fn(Pte) -> bool| {
            entries.iter().map(|(&at, &pte)| (at, pte)).find(|&(at, pte)| at != here && named(pte))
        };
        let mapped =
            frame.entries.with(|entries| elsewhere(entries, &|pte| pte.page() == Some(page)));
        let slot = frame.cached.get();
        let other = mapped.or_else(|| {
            self.swap.entries[slot?.0 as usize].with(|entries| elsewhere(entries, &|_| true))
        });
        sync::clause(Clause::COW_2, other.is_none(), || {
            let (at, pte) = other.expect("it is violated");
            format!("{here} lets {} store into {page}, and {at} = {pte}", mm.id())
        });
    }
}
