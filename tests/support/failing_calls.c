/* SPDX-License-Identifier: Apache-2.0 */

/*
 * failing_calls - preloaded, it lets the n-th call of a kind fail, once.
 *
 *     FAILING_CALLS=CALL:N:ROLE  which call, which number (0: none fails) and
 *                                in which process: supervisor, survey, ingest
 *                                or egress
 *     FAILING_CALLS_COUNTS=FILE  where the calls of that role are counted
 *
 * The count goes on over restarts of the process, because it lies in the file:
 * so the call fails once in the life of a bridge, and a sweep over N ends where
 * the file says that there were fewer calls. It counts each kind in a word of
 * its own, in the order of failing_calls.tbl, whatever CALL is; one word before
 * them counts the processes. Behind them stands what the failed call's process
 * was: its number.
 */

#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum call {
#define CALL(name, error) CALL_##name,
#include "tests/support/failing_calls.tbl"
    CALL_COUNT,
};

static const char *const names[] = {
#define CALL(name, error) #name,
#include "tests/support/failing_calls.tbl"
};

static const int errors[] = {
#define CALL(name, error) error,
#include "tests/support/failing_calls.tbl"
};

struct counts {
    _Atomic uint64_t processes;
    _Atomic uint64_t calls[CALL_COUNT];
    _Atomic uint64_t failed_pid; /* 0: none yet */
};

static struct counts *counts; /* NULL: this process is not meant */
static enum call chosen = CALL_COUNT;
static uint64_t chosen_number;

/* What cannot be found out is not found out: the call then works. */
static bool fails(enum call call)
{
    uint64_t number;

    if (!counts)
        return false;
    number = atomic_fetch_add(&counts->calls[call], 1) + 1;
    if (call != chosen || number != chosen_number)
        return false;
    atomic_store(&counts->failed_pid, (uint64_t)getpid());
    errno = errors[call];
    return true;
}

/* The system's own, past what is defined below. */
static int raw_open(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

/* The survey is an egress that was told so. */
static bool is_survey(void)
{
    static char line[65536];
    int descriptor = raw_open("/proc/self/cmdline", O_RDONLY);
    ssize_t length = read(descriptor, line, sizeof(line) - 1);

    (void)close(descriptor);
    for (ssize_t i = 0; i < length; i += (ssize_t)strlen(line + i) + 1)
        if (strcmp(line + i, "--survey") == 0)
            return true;
    return false;
}

static const char *own_role(void)
{
    const char *name = program_invocation_short_name;

    if (strcmp(name, "nsq_to_kinesis") == 0)
        return "supervisor";
    if (strcmp(name, "nsq_to_kinesis-ingest") == 0)
        return "ingest";
    if (strcmp(name, "nsq_to_kinesis-egress") == 0)
        return is_survey() ? "survey" : "egress";
    return "other";
}

static void attach_counts(const char *path)
{
    int descriptor = raw_open(path, O_RDWR | O_CREAT | O_CLOEXEC);
    void *memory;

    if (descriptor < 0 || syscall(SYS_ftruncate, descriptor, sizeof(*counts)))
        return;
    memory =
        (void *)syscall(SYS_mmap, NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
                        MAP_SHARED, descriptor, 0L);
    (void)close(descriptor);
    if (memory != MAP_FAILED)
        counts = memory;
}

__attribute__((constructor)) static void begin(void)
{
    const char *what = getenv("FAILING_CALLS");
    const char *path = getenv("FAILING_CALLS_COUNTS");
    char name[32] = "";
    char role[32] = "";
    unsigned long long number = 0;

    if (!what || !path ||
        sscanf(what, "%31[^:]:%llu:%31s", name, &number, role) != 3 ||
        strcmp(role, own_role()) != 0)
        return;
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            chosen = (enum call)i;
    chosen_number = number;
    attach_counts(path);
    if (counts)
        (void)atomic_fetch_add(&counts->processes, 1);
}

#define NEXT(name, result, ...)                                                \
    static result (*next)(__VA_ARGS__);                                        \
    if (!next)                                                                 \
    next = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* --- memory: glibc's own names, because dlsym() allocates */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    return fails(CALL_allocate) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(CALL_allocate) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(CALL_allocate) ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(CALL_allocate) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *found =
        fails(CALL_allocate) ? NULL : __libc_memalign(alignment, size);

    if (!found)
        return ENOMEM;
    *memory = found;
    return 0;
}

void *mmap(void *address, size_t length, int protection, int flags,
           int descriptor, off_t offset)
{
    if (fails(CALL_mmap))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, length, protection, flags,
                           descriptor, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags,
             int descriptor, off64_t offset)
{
    return mmap(address, length, protection, flags, descriptor, offset);
}

/* --- files */

int shm_open(const char *name, int flags, mode_t mode)
{
    NEXT("shm_open", int, const char *, int, mode_t);
    return fails(CALL_shm_open) ? -1 : next(name, flags, mode);
}

int posix_fallocate(int descriptor, off_t offset, off_t length)
{
    NEXT("posix_fallocate", int, int, off_t, off_t);
    return fails(CALL_fallocate) ? errno : next(descriptor, offset, length);
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t length)
{
    return posix_fallocate(descriptor, offset, length);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list more;

    va_start(more, flags);
    if (flags & (O_CREAT | __O_TMPFILE))
        mode = va_arg(more, mode_t);
    va_end(more);
    if (fails(CALL_open))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list more;

    va_start(more, flags);
    if (flags & (O_CREAT | __O_TMPFILE))
        mode = va_arg(more, mode_t);
    va_end(more);
    return open(path, flags | O_LARGEFILE, mode);
}

/* --- sockets and what is waited for */

int socket(int domain, int type, int protocol)
{
    if (fails(CALL_socket))
        return -1;
    return (int)syscall(SYS_socket, domain, type, protocol);
}

int connect(int descriptor, const struct sockaddr *address, socklen_t length)
{
    NEXT("connect", int, int, const struct sockaddr *, socklen_t);
    return fails(CALL_connect) ? -1 : next(descriptor, address, length);
}

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
    NEXT("getaddrinfo", int, const char *, const char *,
         const struct addrinfo *, struct addrinfo **);
    return fails(CALL_getaddrinfo) ? EAI_AGAIN
                                   : next(node, service, hints, found);
}

ssize_t send(int descriptor, const void *bytes, size_t length, int flags)
{
    NEXT("send", ssize_t, int, const void *, size_t, int);
    return fails(CALL_send) ? -1 : next(descriptor, bytes, length, flags);
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    NEXT("sendmsg", ssize_t, int, const struct msghdr *, int);
    return fails(CALL_send) ? -1 : next(descriptor, message, flags);
}

ssize_t recv(int descriptor, void *bytes, size_t length, int flags)
{
    NEXT("recv", ssize_t, int, void *, size_t, int);
    return fails(CALL_recv) ? -1 : next(descriptor, bytes, length, flags);
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    /* What is told is not to get lost: that would be another test. */
    if (descriptor != STDERR_FILENO && descriptor != STDOUT_FILENO &&
        fails(CALL_write))
        return -1;
    return syscall(SYS_write, descriptor, bytes, length);
}

int epoll_wait(int descriptor, struct epoll_event *seen, int most,
               int timeout_ms)
{
    NEXT("epoll_wait", int, int, struct epoll_event *, int, int);
    return fails(CALL_epoll_wait) ? -1
                                  : next(descriptor, seen, most, timeout_ms);
}

int epoll_ctl(int descriptor, int operation, int target,
              struct epoll_event *interest)
{
    NEXT("epoll_ctl", int, int, int, int, struct epoll_event *);
    return fails(CALL_epoll_ctl)
               ? -1
               : next(descriptor, operation, target, interest);
}

int eventfd(unsigned count, int flags)
{
    if (fails(CALL_eventfd))
        return -1;
    return (int)syscall(SYS_eventfd2, count, flags);
}

int socketpair(int domain, int type, int protocol, int ends[2])
{
    if (fails(CALL_socketpair))
        return -1;
    return (int)syscall(SYS_socketpair, domain, type, protocol, ends);
}

pid_t fork(void)
{
    NEXT("fork", pid_t, void);
    return fails(CALL_fork) ? -1 : next();
}
