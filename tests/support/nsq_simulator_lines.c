/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One byte stays free, for the "\n" of the last line. */
static int read_all(struct lines *lines, int fd)
{
    size_t capacity = 0;

    for (;;) {
        ssize_t count;

        if (capacity - lines->length < 2) {
            uint8_t *grown;

            capacity = capacity ? capacity * 2 : 65536;
            grown = realloc(lines->text, capacity);
            if (!grown)
                return -ENOMEM;
            lines->text = grown;
        }
        count =
            read(fd, lines->text + lines->length, capacity - lines->length - 1);
        if (count < 0 && errno != EINTR)
            return -errno;
        if (count == 0)
            return 0;
        if (count > 0)
            lines->length += (size_t)count;
    }
}

static int index_lines(struct lines *lines)
{
    uint64_t line = 0;

    if (lines->length > 0 && lines->text[lines->length - 1] != '\n')
        lines->text[lines->length++] = '\n';
    for (size_t i = 0; i < lines->length; i++)
        lines->count += lines->text[i] == '\n';
    lines->offsets = calloc(lines->count + 1, sizeof(uint64_t));
    if (!lines->offsets)
        return -ENOMEM;
    for (size_t i = 0; i < lines->length; i++) {
        if (lines->text[i] == '\n')
            lines->offsets[++line] = i + 1;
    }
    return 0;
}

int lines_read(struct lines *lines, const char *path)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
                                    : open(path, O_RDONLY | O_CLOEXEC);
    int result;

    if (fd < 0)
        return -errno;
    result = read_all(lines, fd);
    close(fd);
    return result < 0 ? result : index_lines(lines);
}

void lines_deinit(struct lines *lines)
{
    free(lines->text);
    free(lines->offsets);
    *lines = (struct lines){ 0 };
}
