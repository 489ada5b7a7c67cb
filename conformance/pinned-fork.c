// S0.9/migrated (SPEC.md, FINDING-88) on a running kernel: does a device lose its page where migration, which
// fails since the device holds the page, meets a fork? It shares nothing with the model.
//
//   cc -O1 -static -pthread -o pinned-fork conformance/pinned-fork.c
//   ./pinned-fork SECONDS 1      # one thread asks for migration all the time: needs two memory nodes
//   ./pinned-fork SECONDS 0      # nobody does
//
// The device is io_uring: a registered buffer is pinned, and what it writes to a file is what it has. After each
// fork the process stores another number, and the device must see it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 4096, FORKS = 50, MPOL_MF_MOVE = 2 };

static _Atomic(void *) page;
static atomic_long asked, moved;
static atomic_int stop;

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static void *migrate(void *nothing) {
    for (int n = 0; !stop; n++) {
        void *at = page;
        int node = n & 1, status = -1;
        syscall(SYS_move_pages, 0, 1UL, &at, &node, &status, MPOL_MF_MOVE);
        asked++;
        moved += status == node;
    }
    return nothing;
}

static int ring;
static struct io_uring_params p;
static char *sq, *cq;
static struct io_uring_sqe *sqes;

static void *ring_at(size_t size, off_t offset) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);
    if (at == MAP_FAILED) fail("mmap of the ring");
    return at;
}

// The number that the device finds in the page.
static int seen_by_device(int file) {
    unsigned *tail = (unsigned *)(sq + p.sq_off.tail), *head = (unsigned *)(cq + p.cq_off.head);
    unsigned at = *tail & *(unsigned *)(sq + p.sq_off.ring_mask);
    sqes[at] = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE_FIXED, .fd = file, .addr = (unsigned long)page, .len = sizeof(int) };
    ((unsigned *)(sq + p.sq_off.array))[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) fail("io_uring_enter");
    struct io_uring_cqe *done = (struct io_uring_cqe *)(cq + p.cq_off.cqes) + (*head & *(unsigned *)(cq + p.cq_off.ring_mask));
    int written = done->res, value = -1;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    if (written != sizeof(int) || pread(file, &value, sizeof value, 0) != sizeof value) fail("what the device writes");
    return value;
}

int main(int argc, char **argv) {
    int seconds = argc == 3 ? atoi(argv[1]) : 0, migrates = seconds > 0 && !strcmp(argv[2], "1");
    if (seconds <= 0 || (!migrates && strcmp(argv[2], "0"))) {
        fprintf(stderr, "usage: pinned-fork SECONDS 0|1\n");
        return 2;
    }
    if (migrates && access("/sys/devices/system/node/node1", F_OK)) {
        fprintf(stderr, "pinned-fork: there is one memory node, and nothing can be moved\n");
        return 2;
    }
    ring = syscall(SYS_io_uring_setup, 4, &p);
    if (ring < 0) fail("io_uring_setup");
    sq = ring_at(p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    cq = ring_at(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    sqes = ring_at(p.sq_entries * sizeof *sqes, IORING_OFF_SQES);
    int file = memfd_create("device", 0);
    if (file < 0) fail("memfd_create");
    pthread_t thread;
    if (migrates && pthread_create(&thread, NULL, migrate, NULL)) fail("pthread_create");

    long forks = 0, lost = 0;
    for (time_t end = time(NULL) + seconds; time(NULL) < end;) {
        page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) fail("mmap");
        *(volatile int *)page = 0;
        struct iovec buffer = { page, SIZE };
        // Migration may have the page just now.
        while (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1) < 0)
            if (errno != EAGAIN && errno != EBUSY && errno != EFAULT) fail("io_uring_register");
        for (int number = 1; number <= FORKS; number++) {
            pid_t child = fork();
            if (child < 0) fail("fork");
            if (child == 0) _exit(0);
            forks++;
            *(volatile int *)page = number;
            int seen = seen_by_device(file);
            waitpid(child, NULL, 0);
            if (seen != number) {
                lost++;
                break;
            }
        }
        syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
        munmap(page, SIZE);
    }
    stop = 1;
    printf("%ld forks, migration asked for %ld times, and %ld times done: the device has lost its page %ld times\n", forks, (long)asked, (long)moved, lost);
    return lost > 0;
}
