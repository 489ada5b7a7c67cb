// S0.1/lazyfree-held (SPEC.md, FINDING-95) on a running kernel: does a process lose what a device has stored into
// its page after MADV_FREE, if nobody marks the page dirty? It shares nothing with the model.
//
//   cc -O1 -static -o lazyfree-held conformance/lazyfree-held.c
//   ./lazyfree-held ROUNDS FILE    # FILE is made, on a file system that has O_DIRECT, and removed
//
// The device is io_uring: a registered buffer is held for long, and a read into it with O_DIRECT stores there.
// Reclaim is MADV_PAGEOUT. Beside it, in the same round: the same read into a buffer that is not registered, which
// marks the page dirty; and the registered one without MADV_FREE.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { SIZE = 4096, BEFORE = 1, READ = 7 };

static int ring, file;
static struct io_uring_params params;
static char *sq, *cq;
static struct io_uring_sqe *sqes;

static void *ok(void *at, const char *what) {
    if (at == MAP_FAILED) {
        perror(what);
        exit(2);
    }
    return at;
}

static long checked(long done, const char *what) {
    if (done < 0) {
        perror(what);
        exit(2);
    }
    return done;
}

static void make_ring(void) {
    ring = checked(syscall(SYS_io_uring_setup, 4, &params), "io_uring_setup");
    size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    int both = PROT_READ | PROT_WRITE, how = MAP_SHARED | MAP_POPULATE;
    sq = ok(mmap(NULL, sq_size, both, how, ring, IORING_OFF_SQ_RING), "mmap");
    cq = ok(mmap(NULL, cq_size, both, how, ring, IORING_OFF_CQ_RING), "mmap");
    sqes = ok(mmap(NULL, params.sq_entries * sizeof *sqes, both, how, ring, IORING_OFF_SQES), "mmap");
}

// Reads the file into the page, through the registered buffer or not, and waits.
static void read_file(char *page, int registered) {
    struct iovec iovec = { page, SIZE };
    _Atomic unsigned *tail = (void *)(sq + params.sq_off.tail), *head = (void *)(cq + params.cq_off.head);
    unsigned mask = *(unsigned *)(sq + params.sq_off.ring_mask), at = *tail & mask;
    sqes[at] = (struct io_uring_sqe){ .opcode = registered ? IORING_OP_READ_FIXED : IORING_OP_READV, .fd = file };
    sqes[at].addr = (unsigned long)(registered ? (void *)page : (void *)&iovec);
    sqes[at].len = registered ? SIZE : 1;
    ((unsigned *)(sq + params.sq_off.array))[at] = at;
    atomic_fetch_add(tail, 1);
    checked(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), "io_uring_enter");
    struct io_uring_cqe *cqes = (void *)(cq + params.cq_off.cqes);
    int result = cqes[*head & *(unsigned *)(cq + params.cq_off.ring_mask)].res;
    atomic_fetch_add(head, 1);
    if (result != SIZE) {
        fprintf(stderr, "the read: %s\n", strerror(-result));
        exit(2);
    }
}

// What the process finds in its page in the end.
static int round_of(int registered, int frees) {
    char *page =
        ok(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
    struct iovec iovec = { page, SIZE };
    memset(page, BEFORE, SIZE);
    if (registered)
        checked(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iovec, 1), "register");
    if (frees)
        checked(madvise(page, SIZE, MADV_FREE), "MADV_FREE");
    read_file(page, registered);
    if (registered)
        checked(syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0), "unregister");
    usleep(1000); // the buffer is let go of behind our back
    checked(madvise(page, SIZE, MADV_PAGEOUT), "MADV_PAGEOUT");
    int found = page[0];
    munmap(page, SIZE);
    return found;
}

int main(int arguments, char **argument) {
    if (arguments != 3) {
        fprintf(stderr, "usage: %s ROUNDS FILE\n", argument[0]);
        return 2;
    }
    char *content = ok(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
    memset(content, READ, SIZE);
    file = checked(open(argument[2], O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0600), argument[2]);
    unlink(argument[2]);
    checked(write(file, content, SIZE), "write");
    make_ring();
    int rounds = atoi(argument[1]), lost[3] = { 0 };
    for (int n = 0; n < rounds; n++) {
        lost[0] += round_of(1, 1) != READ;
        lost[1] += round_of(0, 1) != READ;
        lost[2] += round_of(1, 0) != READ;
    }
    printf("%d rounds; what was read is lost: registered, after MADV_FREE: %d; not registered, after MADV_FREE: %d; "
           "registered, without: %d\n", rounds, lost[0], lost[1], lost[2]);
    return 0;
}
