/* SPDX-License-Identifier: Apache-2.0 */

#include "common/segment_explanation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/shared_memory.h"

static void explain_head(int descriptor, const struct stat *file,
                         uint64_t magic, uint32_t version, char *clause,
                         size_t length)
{
    struct segment_head head = { 0 };
    ssize_t count = pread(descriptor, &head, sizeof(head), 0);

    if (count < (ssize_t)sizeof(head))
        (void)snprintf(clause, length, "has only %lld bytes: it was truncated",
                       (long long)file->st_size);
    else if (head.magic == 0)
        (void)snprintf(clause, length,
                       "is not ready: its creator is at work, or died then");
    else if (head.magic != magic)
        (void)snprintf(clause, length, "was not made by this program");
    else if (head.version != version)
        (void)snprintf(clause, length,
                       "has version %u, and this build has version %u",
                       head.version, version);
    else if (head.length != (uint64_t)file->st_size)
        (void)snprintf(clause, length, "has %lld bytes and says it has %llu",
                       (long long)file->st_size,
                       (unsigned long long)head.length);
    else if (file->st_uid != geteuid())
        (void)snprintf(clause, length, "belongs to user %u",
                       (unsigned)file->st_uid);
    else
        (void)snprintf(clause, length, "has a head whose sizes cannot be");
}

static void explain_file(int descriptor, uint64_t magic, uint32_t version,
                         char *clause, size_t length)
{
    struct stat file;

    if (fstat(descriptor, &file) < 0)
        (void)snprintf(clause, length, "cannot be looked at: %s",
                       strerror(errno));
    else if (!S_ISREG(file.st_mode))
        (void)snprintf(clause, length, "is not a file");
    else if (file.st_uid != geteuid() && geteuid() != 0)
        (void)snprintf(clause, length, "belongs to user %u",
                       (unsigned)file.st_uid);
    else if (file.st_mode & (S_IRWXG | S_IRWXO))
        (void)snprintf(clause, length,
                       "is open to others (mode %04o), so anybody may have "
                       "written it",
                       (unsigned)file.st_mode & 07777);
    else if (file.st_nlink > 1)
        (void)snprintf(clause, length, "has a second name");
    else
        explain_head(descriptor, &file, magic, version, clause, length);
}

void segment_explain(const char *name, uint64_t magic, uint32_t version,
                     char *clause, size_t length)
{
    int descriptor = shm_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

    if (descriptor < 0) {
        (void)snprintf(clause, length, "cannot be opened: %s", strerror(errno));
        return;
    }
    explain_file(descriptor, magic, version, clause, length);
    (void)close(descriptor);
}
