/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/wakeup.h"

#include <errno.h>
#include <unistd.h>

#include "common/error.h"
#include "shard/shared_word.h"

int wakeup_create(const char *name, uint32_t generation)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    int result =
        shared_memory_create(name, sizeof(struct wakeup_segment), &memory);

    if (result == SHARED_MEMORY_EXISTS)
        return error_origin(-EEXIST, "cannot make the segment %s", name);
    if (result < 0)
        return result;
    shared_memory_publish(&memory, WAKEUP_MAGIC, WAKEUP_VERSION, generation);
    shared_memory_close(&memory);
    return 0;
}

int wakeup_open(const char *name, struct shared_memory *memory,
                struct wakeup_segment **segment)
{
    int result = shared_memory_open(name, SHARED_MEMORY_WRITE, WAKEUP_MAGIC,
                                    WAKEUP_VERSION, memory);

    if (result == SHARED_MEMORY_ABSENT)
        return error_sentence(-EUCLEAN, "there is no segment %s", name);
    if (result > 0 ||
        (result == 0 && memory->length < sizeof(struct wakeup_segment)))
        return error_sentence(-EUCLEAN, "the segment %s is of another build",
                              name);
    if (result < 0)
        return result;
    *segment = memory->address;
    return 0;
}

void wakeup_prepare(struct wakeup_place *own)
{
    store_relaxed(&own->sleeping, 1);
    atomic_thread_fence(memory_order_seq_cst); /* W1, with wakeup_kick() */
}

void wakeup_awake(struct wakeup_place *own)
{
    store_relaxed(&own->sleeping, 0);
}

int wakeup_kick(struct wakeup_place *reader, int descriptor)
{
    const uint64_t one = 1;

    atomic_thread_fence(memory_order_seq_cst); /* W1, with wakeup_prepare() */
    if (load_relaxed(&reader->sleeping) == 0)
        return 0;
    /* Two movers may both come here; a second kick does no harm. */
    store_relaxed(&reader->sleeping, 0);
    /* EAGAIN: the counter is full of kicks that nobody has read yet. */
    return write(descriptor, &one, sizeof(one)) == (ssize_t)sizeof(one);
}

void wakeup_clear(int descriptor)
{
    uint64_t kicks;

    while (read(descriptor, &kicks, sizeof(kicks)) < 0 && errno == EINTR)
        ;
}
