//! Claims about what the machine leaves out, decided on the vocabulary alone.

use lockwalk::sync::{PageLock, RwSem, SpinLock};
use lockwalk::{Clause, Litmus, Method};

use super::name;

/// Claim S3.12: for anonymous memory, zap that waits for a migration entry waits for the page lock under `mmap_sem`. Migration takes
/// neither `mmap_sem` under the page lock, nor anything else that zap holds.
#[test]
fn s3_12_zap_may_wait_for_an_anonymous_page() {
    let seen = Litmus::new(|| (RwSem::new(name("mmap_sem")), PageLock::new(name("page")), SpinLock::new(name("anon_vma"), ())))
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

/// Claim S3.12: for files it could not. Truncation zaps under `i_mmap_lock`, which migration takes under the page lock: as a spin lock (until
/// 2.6.39) it must not be held by one who sleeps.
#[test]
fn s3_12_zap_may_not_wait_for_a_files_page_under_a_spin_lock() {
    let seen = Litmus::new(|| (SpinLock::new(name("i_mmap_lock"), ()), PageLock::new(name("page"))))
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
