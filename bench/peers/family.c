/* The family of bench/src/program.rs for checkers of C: a walker reads the bounds of N vmas, T adjusters move them K times each.
 * LOCKED: with the lock, around plain data; LOCKED_ATOMICS: around visible atomics; RACY: without it; BUG: that, and asserted.
 * RELAXED: accesses to atomics are relaxed. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#ifdef LOCKED
typedef long bound;
#else
typedef atomic_long bound;
#endif

#ifdef RELAXED
#define load(bound) atomic_load_explicit(&(bound), memory_order_relaxed)
#define store(bound, value) atomic_store_explicit(&(bound), value, memory_order_relaxed)
#else
#define load(bound) (bound)
#define store(bound, value) ((bound) = (value))
#endif

#if defined(LOCKED) || defined(LOCKED_ATOMICS)
#define locking(call) call
#else
#define locking(call)
#endif

static pthread_mutex_t page, anon;
static bound start[N], end[N];

static void *adjust(void *vma)
{
	long at = (long)vma;

	for (long round = 0; round < K; round++) {
		locking(pthread_mutex_lock(&anon));
		store(start[at], round + 1);
		store(end[at], round + 3);
		locking(pthread_mutex_unlock(&anon));
	}
	return 0;
}

int main(void)
{
	pthread_t adjuster;
	int present = 0;

	pthread_mutex_init(&page, 0);
	pthread_mutex_init(&anon, 0);
	for (int vma = 0; vma < N; vma++)
		end[vma] = 2;
	for (long at = 0; at < T; at++)
		pthread_create(&adjuster, 0, adjust, (void *)(at % N));
	pthread_mutex_lock(&page);
	pthread_mutex_lock(&anon);
	for (int vma = 0; vma < N; vma++) {
		long from = load(start[vma]), to = load(end[vma]);

		if (from + 1 < to)
			present++;
	}
	pthread_mutex_unlock(&anon);
	pthread_mutex_unlock(&page);
#ifndef RACY
	assert(present == N);
#endif
	return 0;
}
