/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/dead_letter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

/* Returns 0 or a negative errno. */
static int write_whole(int descriptor, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(descriptor, bytes.data, bytes.length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        bytes = bytes_skip(bytes, (size_t)written);
    }
    return 0;
}

/* The lock goes with the open file, so also when this process is killed. */
static int lock(int descriptor)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(descriptor, F_OFD_SETLK, &all) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? DEAD_LETTER_FILE_TAKEN : -errno;
}

/*
 * A new file is there after a crash of the machine only if its folder is on the
 * disk. A folder that we may not read, or a disk that has no such thing, is no
 * reason to refuse the path.
 */
static void sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    int descriptor;

    if (slash)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path + 1),
                       path);
    descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    (void)fsync(descriptor);
    (void)close(descriptor);
}

int dead_letter_file_open(const char *path, struct dead_letter_file *file)
{
    int result;

    file->descriptor =
        open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (file->descriptor < 0)
        return error_origin(-errno, "--dead-letter-file: cannot append to %s",
                            path);
    sync_folder_of(path);
    result = lock(file->descriptor);
    if (result < 0)
        return error_origin(result, "--dead-letter-file: cannot lock %s", path);
    return result;
}

void dead_letter_file_close(struct dead_letter_file *file)
{
    if (file->descriptor >= 0)
        (void)close(file->descriptor);
    *file = DEAD_LETTER_FILE_NULL;
}

/* Returns 0 or a negative errno. */
static int end_half_line(int descriptor, off_t length)
{
    char last = '\n';

    if (length > 0 && pread(descriptor, &last, 1, length - 1) < 0)
        return -errno;
    return last == '\n' ? 0 : write_whole(descriptor, bytes_of_text("\n"));
}

int dead_letter_file_append(struct dead_letter_file *file, struct bytes lines)
{
    struct stat before;
    bool is_file; /* a pipe has no end to look at, and no disk */
    int result = 0;

    if (fstat(file->descriptor, &before))
        return -errno;
    is_file = S_ISREG(before.st_mode);
    if (is_file)
        result = end_half_line(file->descriptor, before.st_size);
    if (result == 0)
        result = write_whole(file->descriptor, lines);
    if (result == 0 && is_file && fdatasync(file->descriptor))
        result = -errno;
    if (result && is_file)
        (void)!ftruncate(file->descriptor, before.st_size);
    return result;
}
