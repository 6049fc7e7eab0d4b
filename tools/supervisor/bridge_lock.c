/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/bridge_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "shard/segment_name.h"

/*
 * The holder takes its file away before it unlocks. Who opened it just before
 * then holds a lock that nobody else can see, and has to begin again.
 */
static bool is_still_there(int lock)
{
    struct stat file;

    return fstat(lock, &file) == 0 && file.st_nlink > 0;
}

static int read_holder(int lock)
{
    char text[16] = { 0 };

    return pread(lock, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
}

static void read_roster(int lock, struct roster *roster)
{
    static char text[ROSTER_TEXT_MOST]; /* large */
    ssize_t length = pread(lock, text, sizeof(text) - 1, 0);

    text[length > 0 ? length : 0] = '\0';
    (void)roster_read(text, roster);
}

/*
 * In one write, and cut afterwards: whoever reads after a kill in between
 * stops at the line "end".
 */
void bridge_lock_note(int lock, const struct roster *roster)
{
    static uint8_t text[ROSTER_TEXT_MOST]; /* large */
    struct bytes_writer writer = bytes_writer_on(text, sizeof(text));

    roster_write(roster, &writer);
    if (writer.overrun ||
        pwrite(lock, text, writer.length, 0) != (ssize_t)writer.length ||
        ftruncate(lock, (off_t)writer.length) < 0)
        log_warning("roster_not_written", "error=%d", errno);
}

int bridge_lock_take(const char *name, int *lock, int *holder,
                     struct roster *roster)
{
    struct segment_name file = segment_name_of(name, "lock");

    for (;;) {
        int opened = shm_open(file.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (opened < 0)
            return error_origin(-errno, "cannot open /dev/shm%s", file.text);
        if (flock(opened, LOCK_EX | LOCK_NB) < 0) {
            int error = errno;

            *holder = read_holder(opened);
            (void)close(opened);
            if (error == EWOULDBLOCK)
                return BRIDGE_LOCK_TAKEN;
            return error_origin(-error, "cannot lock /dev/shm%s", file.text);
        }
        if (is_still_there(opened)) {
            read_roster(opened, roster);
            *lock = opened;
            return 0;
        }
        (void)close(opened);
    }
}

void bridge_lock_release(const char *name, int lock)
{
    struct segment_name file = segment_name_of(name, "lock");

    (void)shm_unlink(file.text);
    (void)close(lock);
}
