//! Claims about what the machine leaves out, decided on the vocabulary alone.

use std::sync::atomic::Ordering::SeqCst;

use lockwalk::sync::{PageLock, RwSem, SpinLock, Word, fence};
use lockwalk::{Clause, Litmus, Memory, Method};

use super::weak::under;
use super::{CONSISTENT, name, search};

/// Claim S3.12: for anonymous memory, zap that waits for a migration entry waits for the page lock
/// under `mmap_sem`. Migration takes neither `mmap_sem` under the page lock, nor anything else that
/// zap holds.
#[test]
fn s3_12_zap_may_wait_for_an_anonymous_page() {
    let seen = Litmus::new(|| {
        (
            RwSem::new(name("mmap_sem")),
            PageLock::new(name("page")),
            SpinLock::new(name("anon_vma"), ()),
        )
    })
    .cpu(|(mmap_sem, page, _)| {
        mmap_sem.down_write(); // munmap
        page.wait();
        mmap_sem.up_write();
    })
    .cpu(|(_, page, anon_vma)| {
        page.lock(); // unmap_and_move
        anon_vma.lock();
        anon_vma.unlock();
        page.unlock();
    })
    .explore(&Method::Exhaustive);
    assert!(seen.exhausted && seen.violated().is_empty(), "{seen:?}");
}

/// Claim S3.12: for files it could not. Truncation zaps under `i_mmap_lock`, which migration takes
/// under the page lock: as a spin lock (until 2.6.39) it must not be held by one who sleeps.
#[test]
fn s3_12_zap_may_not_wait_for_a_files_page_under_a_spin_lock() {
    let seen =
        Litmus::new(|| (SpinLock::new(name("i_mmap_lock"), ()), PageLock::new(name("page"))))
            .cpu(|(i_mmap_lock, page)| {
                i_mmap_lock.lock(); // unmap_mapping_range
                page.wait();
                i_mmap_lock.unlock();
            })
            .cpu(|(i_mmap_lock, page)| {
                page.lock(); // unmap_and_move
                i_mmap_lock.lock(); // try_to_unmap_file
                i_mmap_lock.unlock();
                page.unlock();
            })
            .explore(&Method::Exhaustive);
    assert!(seen.violated().contains(&Clause::ATOMIC_1), "{seen:?}");
}

/// Claim S3.12: and as a mutex (since 3.0), the two would wait for each other.
#[test]
fn s3_12_zap_may_not_wait_for_a_files_page_under_a_mutex() {
    let seen = Litmus::new(|| (PageLock::new(name("i_mmap_mutex")), PageLock::new(name("page"))))
        .cpu(|(i_mmap_mutex, page)| {
            i_mmap_mutex.lock(); // unmap_mapping_range
            page.wait();
            i_mmap_mutex.unlock();
        })
        .cpu(|(i_mmap_mutex, page)| {
            page.lock(); // unmap_and_move
            i_mmap_mutex.lock(); // try_to_unmap_file
            i_mmap_mutex.unlock();
            page.unlock();
        })
        .explore(&Method::Exhaustive);
    assert_eq!(seen.violated(), [Clause::DEADLOCK], "{seen:?}");
}

/// What one half of claim S2.7 does before it looks at the other's word.
type SetsBit = fn(&Word<bool>);
type GetsPage = fn(&Word<i64>);

/// Claim S2.7. Whoever makes a page volatile sets the bit, then looks at the count; whoever makes
/// it stable takes a reference, then looks at the bit. The host's word has one bit for "somebody
/// has made it stable", and one for "volatile".
///
/// That the bit is set means waiting, and behind that everything is ordered: the execution ends
/// there, so that nothing goes round.
fn overtaking(set_bit: SetsBit, get_page: GetsPage) -> Litmus<(Word<i64>, Word<bool>, Word<u64>)> {
    let words = || {
        (
            Word::new(name("count"), 2),
            Word::new(name("state_change"), false),
            Word::new(name("host"), 0),
        )
    };
    Litmus::new(words)
        .cpu(move |(count, state_change, host)| {
            set_bit(state_change); // page_make_volatile(page, 1): one entry maps it
            // ESSA, which orders everything
            let before = (count.read() == 2).then(|| host.update(|host| host | 2));
            state_change.write(false);
            before
        })
        .cpu(move |(count, state_change, host)| {
            get_page(count); // follow_page, page_make_stable
            if state_change.read() {
                return "waits";
            }
            host.update(|host| host | 1);
            "stable"
        })
}

/// It was made volatile behind the back of who had made it stable.
const OVERTAKEN: &str = "Some(1), \"stable\"";

/// Under which models is it found? By loom just as under the weakest, and never where memory is
/// sequentially consistent.
fn overtakes(set_bit: SetsBit, get_page: GetsPage) -> Vec<Memory> {
    let litmus = overtaking(set_bit, get_page);
    for method in &CONSISTENT {
        let seen = search(&litmus, method);
        assert!(!seen.ended(OVERTAKEN), "{}: {:?}", method.name(), seen.endings());
    }
    let seen = search(&litmus, &Method::Loom);
    assert!(
        seen.ended("None, \"stable\"") && seen.ended("Some(0), \"waits\""),
        "{:?}",
        seen.endings()
    );
    let models = under(OVERTAKEN, &litmus);
    assert_eq!(seen.ended(OVERTAKEN), models.contains(&Memory::Weak));
    models
}

/// `test_and_set_bit`, as document 2's series has it.
const SET: SetsBit = |bit| assert!(!bit.test_and_set());
/// `get_page` is `atomic_inc`, which orders everything on s390.
const GET: GetsPage = |count| _ = count.add_return(1);

/// Claim S2.7: each half needs a full barrier, and has it.
#[test]
fn s2_7_make_stable_does_not_overtake_make_volatile() {
    assert_eq!(overtakes(SET, GET), []);
}

/// Claim S2.7: as `atomic_inc` is elsewhere, `page_make_stable` must bring the barrier along.
#[test]
fn s2_7_a_barrier_behind_the_reference_is_as_good() {
    assert_eq!(overtakes(SET, |count| (count.add(1), fence(SeqCst)).1), []);
}

/// Claim S2.7: without it, the bit is looked at before the reference is there. Not on x86, where
/// `atomic_inc` is locked.
#[test]
fn s2_7_a_reference_without_a_barrier_is_overtaken() {
    assert_eq!(overtakes(SET, |count| count.add(1)), [Memory::Weak]);
}

/// Claim S2.7: and so does the bit, while the count is looked at.
#[test]
fn s2_7_a_bit_without_a_barrier_is_overtaken() {
    assert_eq!(overtakes(|bit| bit.write(true), GET), [Memory::Tso, Memory::Pso, Memory::Weak]);
}
