/* SPDX-License-Identifier: Apache-2.0 */

#include "common/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crash_point.h"
#include "common/error.h"

#define SEGMENT_MODE 0600
#define MIB          (1024.0 * 1024.0)

/* Where glibc's shm_open puts segments: what statvfs() is asked about. */
#define SEGMENT_FOLDER "/dev/shm"

struct size_text {
    char text[32];
};

static struct size_text in_mib(uint64_t bytes)
{
    struct size_text size;
    char *end;

    (void)snprintf(size.text, sizeof(size.text), "%.1f", (double)bytes / MIB);
    end = strstr(size.text, ".0");
    if (end)
        *end = '\0';
    return size;
}

/*
 * An operator who meets a full /dev/shm is most often in a container, whose
 * default is 64 MiB; so the sentence says how to change it in each world.
 */
static int no_room(const char *what, uint64_t length)
{
    struct statvfs folder = { 0 };
    uint64_t all;
    uint64_t room;
    uint64_t wanted;

    (void)statvfs(SEGMENT_FOLDER, &folder);
    all = (uint64_t)folder.f_blocks * folder.f_frsize;
    room = (uint64_t)folder.f_bavail * folder.f_frsize;
    wanted = (all - room + length) / (16 << 20) * 16 + 16;
    return error_sentence(
        -ENOSPC,
        "%s needs %s MiB of shared memory, but %s has only %s of %s MiB "
        "free: make it larger (mount -o remount,size=%lluM %s; docker run "
        "--shm-size=%llum; in Kubernetes an emptyDir with medium: Memory "
        "mounted there) or make the queues smaller (--queue-size)",
        what, in_mib(length).text, SEGMENT_FOLDER, in_mib(room).text,
        in_mib(all).text, (unsigned long long)wanted, SEGMENT_FOLDER,
        (unsigned long long)wanted);
}

int shared_memory_check_room(uint64_t length)
{
    struct statvfs folder;

    if (statvfs(SEGMENT_FOLDER, &folder) < 0)
        return error_origin(-errno, "cannot look at %s", SEGMENT_FOLDER);
    if (folder.f_blocks == 0) /* a tmpfs without a limit */
        return 0;
    if ((uint64_t)folder.f_bavail * folder.f_frsize < length)
        return no_room("the bridge", length);
    return 0;
}

static int reserve(int descriptor, const char *name, size_t length)
{
    int result;

    do
        result = posix_fallocate(descriptor, 0, (off_t)length);
    while (result == EINTR);
    if (result == ENOSPC)
        return no_room(name, length);
    if (result > 0)
        return error_origin(-result, "cannot reserve %zu bytes for %s", length,
                            name);
    return 0;
}

static int map(int descriptor, const char *name, size_t length, int protection,
               struct shared_memory *memory)
{
    void *address = mmap(NULL, length, protection, MAP_SHARED, descriptor, 0);

    if (address == MAP_FAILED)
        return error_origin(-errno, "cannot map segment %s", name);
    *memory = (struct shared_memory){
        .address = address,
        .length = length,
        .descriptor = descriptor,
        .lock_descriptor = -1,
    };
    return 0;
}

int shared_memory_create(const char *name, size_t length,
                         struct shared_memory *memory)
{
    int descriptor;
    int result;

    assert(length >= sizeof(struct segment_head));
    descriptor =
        shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, SEGMENT_MODE);
    if (descriptor < 0 && errno == EEXIST)
        return SHARED_MEMORY_EXISTS;
    if (descriptor < 0)
        return error_origin(-errno, "cannot create segment %s", name);

    result = reserve(descriptor, name, length);
    /* Whatever the umask: it may take bits of ours, too. */
    if (result == 0 && fchmod(descriptor, SEGMENT_MODE) < 0)
        result = error_origin(-errno, "cannot make segment %s private", name);
    if (result == 0)
        result = map(descriptor, name, length, PROT_READ | PROT_WRITE, memory);
    if (result < 0) {
        (void)shm_unlink(name);
        (void)close(descriptor);
    }
    CRASH_POINT(segment_reserved);
    return result;
}

void shared_memory_publish(struct shared_memory *memory, uint64_t magic,
                           uint32_t version, uint32_t generation)
{
    struct segment_head *head = memory->address;

    head->version = version;
    head->creator_pid = (uint32_t)getpid();
    head->length = memory->length;
    head->creator_start = process_start_time(getpid());
    head->created_wall_ns = clock_wall_time().ns;
    head->generation = generation;
    CRASH_POINT(segment_unpublished);
    /* With verify_head(): who sees the magic sees the whole segment. */
    atomic_store_explicit(&head->magic, magic, memory_order_release);
}

/*
 * Anybody may put a file into /dev/shm, so the name alone proves nothing. A
 * second hard link would be a way for somebody else to keep the file. Root
 * may look at everybody's segments, which is how an operator inspects a
 * service, but writes only to its own.
 */
static int verify_file(int descriptor, enum shared_memory_access access,
                       size_t *length)
{
    struct stat file;

    if (fstat(descriptor, &file) < 0)
        return error_origin(-errno, "cannot look at a segment");
    if (!S_ISREG(file.st_mode) || file.st_nlink > 1 ||
        (file.st_mode & (S_IRWXG | S_IRWXO)))
        return SHARED_MEMORY_FOREIGN;
    if (file.st_uid != geteuid() &&
        !(access == SHARED_MEMORY_READ && geteuid() == 0))
        return SHARED_MEMORY_FOREIGN;
    if (file.st_size == 0)
        return SHARED_MEMORY_UNREADY;
    if (file.st_size < (off_t)sizeof(struct segment_head))
        return SHARED_MEMORY_FOREIGN;
    *length = (size_t)file.st_size;
    return 0;
}

static int verify_head(const struct shared_memory *memory, uint64_t magic,
                       uint32_t version)
{
    const struct segment_head *head = memory->address;
    /* With shared_memory_publish(). */
    uint64_t found = atomic_load_explicit(&head->magic, memory_order_acquire);

    if (found == 0)
        return SHARED_MEMORY_UNREADY;
    if (found != magic || head->version != version ||
        head->length != memory->length)
        return SHARED_MEMORY_FOREIGN;
    return 0;
}

static int open_name(const char *name, enum shared_memory_access access)
{
    int flags = access == SHARED_MEMORY_WRITE ? O_RDWR : O_RDONLY;
    int descriptor = shm_open(name, flags | O_CLOEXEC, 0);

    return descriptor < 0 ? -errno : descriptor;
}

int shared_memory_open(const char *name, enum shared_memory_access access,
                       uint64_t magic, uint32_t version,
                       struct shared_memory *memory)
{
    struct shared_memory mapped = SHARED_MEMORY_NULL;
    int protection =
        PROT_READ | (access == SHARED_MEMORY_WRITE ? PROT_WRITE : 0);
    int descriptor = open_name(name, access);
    size_t length = 0;
    int result;

    if (descriptor == -ENOENT)
        return SHARED_MEMORY_ABSENT;
    /* Another user's, or a symbolic link, which shm_open never follows. */
    if (descriptor == -EACCES || descriptor == -ELOOP)
        return SHARED_MEMORY_FOREIGN;
    if (descriptor < 0)
        return error_origin(descriptor, "cannot open segment %s", name);

    result = verify_file(descriptor, access, &length);
    if (result == 0)
        result = map(descriptor, name, length, protection, &mapped);
    if (result != 0) {
        (void)close(descriptor);
        return result;
    }
    result = verify_head(&mapped, magic, version);
    if (result == 0)
        *memory = mapped;
    else
        shared_memory_close(&mapped);
    return result;
}

/*
 * A file description of its own for the lock. The mapping keeps the one it was
 * made with alive, and whoever reads /proc/PID/stat of a process that is being
 * killed keeps that mapping alive for a moment: a lock on it would outlast the
 * process, and its successor would find the segment taken.
 */
static int open_for_locks(struct shared_memory *memory)
{
    char path[64];

    if (memory->lock_descriptor >= 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", memory->descriptor);
    memory->lock_descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (memory->lock_descriptor < 0)
        return error_origin(-errno, "cannot open a segment to lock it");
    return 0;
}

int shared_memory_lock(struct shared_memory *memory, unsigned place)
{
    struct flock lock = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = (off_t)place,
        .l_len = 1,
    };
    int result = open_for_locks(memory);

    if (result)
        return result;
    if (fcntl(memory->lock_descriptor, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return SHARED_MEMORY_TAKEN;
    return error_origin(-errno, "cannot lock a segment");
}

void shared_memory_close(struct shared_memory *memory)
{
    if (memory->address)
        (void)munmap(memory->address, memory->length);
    if (memory->descriptor >= 0)
        (void)close(memory->descriptor);
    if (memory->lock_descriptor >= 0)
        (void)close(memory->lock_descriptor);
    *memory = SHARED_MEMORY_NULL;
}

/* There is no shm_rename(); the C library keeps segments in this folder. */
int shared_memory_set_aside(const char *name, const char *aside)
{
    char from[PATH_MAX];
    char to[PATH_MAX];

    (void)snprintf(from, sizeof(from), SEGMENT_FOLDER "%s", name);
    (void)snprintf(to, sizeof(to), SEGMENT_FOLDER "%s", aside);
    if (rename(from, to) < 0 && errno != ENOENT)
        return error_origin(-errno, "cannot set segment %s aside", name);
    return 0;
}

int shared_memory_remove(const char *name)
{
    if (shm_unlink(name) < 0 && errno != ENOENT)
        return error_origin(-errno, "cannot remove segment %s", name);
    return 0;
}

/*
 * The name, field 2, stands in parentheses and may itself hold spaces and
 * parentheses; so the fields are counted from the last one.
 * https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
static uint64_t parse_start_time(const char *line)
{
    const char *field = strrchr(line, ')');

    for (int number = 2; field && number < 22; number++) {
        field = strchr(field, ' ');
        if (field)
            field++;
    }
    return field ? strtoull(field, NULL, 10) : 0;
}

uint64_t process_start_time(int pid)
{
    char line[1024];
    ssize_t length;
    int descriptor;

    (void)snprintf(line, sizeof(line), "/proc/%d/stat", pid);
    descriptor = open(line, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    length = read(descriptor, line, sizeof(line) - 1);
    (void)close(descriptor);
    if (length <= 0)
        return 0;
    line[length] = '\0';
    return parse_start_time(line);
}
