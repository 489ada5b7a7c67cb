/* The litmus shapes of bench/src/relaxed.rs for checkers of C. RING: so many tasks that each store to a word and load the next one's; RING=2 is
 * SB, with SWAP each store is an exchange. MP, W22 and IRIW are the others. At the end all words are read: Nidhugg does not tell apart what nobody
 * reads. */
#include <pthread.h>
#include <stdatomic.h>

#define load(at) atomic_load_explicit(&word[at], memory_order_relaxed)
#define store(at, value) atomic_store_explicit(&word[at], value, memory_order_relaxed)

#ifdef RING
#define TASKS RING
#elif defined(IRIW)
#define TASKS 4
#else
#define TASKS 2
#endif

static atomic_long word[TASKS];

static void *task(void *number)
{
	long me = (long)number, read = 0;

#ifdef RING
#ifdef SWAP
	/* It is used: of an exchange that nobody looks at, clang makes a store. */
	read = atomic_exchange_explicit(&word[me], 1, memory_order_relaxed);
#else
	store(me, 1);
#endif
	read += load((me + 1) % RING);
#elif defined(MP)
	if (me == 0) {
		store(0, 1);
		store(1, 1);
	} else {
		read = load(1);
		read += load(0);
	}
#elif defined(W22)
	store(me, 1);
	store(1 - me, 2);
#elif defined(IRIW)
	if (me < 2) {
		store(me, 1);
	} else {
		read = load(me - 2);
		read += load(3 - me);
	}
#endif
	return (void *)read;
}

int main(void)
{
	pthread_t tasks[TASKS];

	for (long at = 0; at < TASKS; at++)
		pthread_create(&tasks[at], 0, task, (void *)at);
	for (long at = 0; at < TASKS; at++)
		pthread_join(tasks[at], 0);
	for (long at = 0; at < TASKS; at++)
		load(at);
	return 0;
}
