/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_stream.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

bool simulator_stream_name_is_legal(struct bytes name)
{
    if (name.length < 1 || name.length >= SIMULATOR_STREAM_NAME)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (!isalnum(name.data[i]) &&
            !(name.data[i] && strchr("_.-", name.data[i])))
            return false;
    return true;
}

/* Room for one shard more in both lists. */
static bool make_room(struct simulator_stream *stream)
{
    size_t count = (size_t)stream->shard_count + 1;
    struct simulator_shard **shards =
        realloc(stream->shards, count * sizeof(struct simulator_shard *));
    uint32_t *open;

    if (!shards)
        return false;
    stream->shards = shards;
    open = realloc(stream->open, count * sizeof(*open));
    if (!open)
        return false;
    stream->open = open;
    return true;
}

/* Add a shard that is not open yet; NULL without memory. */
static struct simulator_shard *add_shard(struct simulator_stream *stream,
                                         unsigned __int128 first,
                                         unsigned __int128 last,
                                         const struct simulator_moment *moment)
{
    struct simulator_shard *shard;

    if (!make_room(stream))
        return NULL;
    shard = calloc(1, sizeof(*shard));
    if (!shard)
        return NULL;
    shard->index = stream->shard_count;
    shard->parent = SIMULATOR_NO_SHARD;
    shard->adjacent_parent = SIMULATOR_NO_SHARD;
    shard->first_hash = first;
    shard->last_hash = last;
    shard->created_ms = moment->epoch_ms;
    shard->first_number = (*moment->number)++;
    simulator_shard_set_rates(shard, stream->record_kib * 1024, moment->now);
    stream->shards[stream->shard_count++] = shard;
    return shard;
}

struct simulator_stream *
simulator_stream_new(const char *name, const char *region, uint32_t shard_count,
                     const struct simulator_moment *moment)
{
    struct simulator_stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return NULL;
    snprintf(stream->name, sizeof(stream->name), "%s", name);
    snprintf(stream->arn, sizeof(stream->arn),
             "arn:aws:kinesis:%s:" SIMULATOR_ACCOUNT ":stream/%s", region,
             name);
    stream->created_ms = moment->epoch_ms;
    stream->record_kib = SIMULATOR_RECORD_KIB;
    for (uint32_t i = 0; i < shard_count; i++) {
        unsigned __int128 last =
            i + 1 == shard_count
                ? SIMULATOR_HASH_MOST
                : simulator_hash_boundary(i + 1, shard_count) - 1;

        if (!add_shard(stream, simulator_hash_boundary(i, shard_count), last,
                       moment)) {
            simulator_stream_free(stream);
            return NULL;
        }
        stream->open[stream->open_count++] = i;
    }
    return stream;
}

void simulator_stream_free(struct simulator_stream *stream)
{
    if (!stream)
        return;
    for (uint32_t i = 0; i < stream->shard_count; i++) {
        simulator_shard_deinit(stream->shards[i]);
        free(stream->shards[i]);
    }
    free(stream->shards);
    free(stream->open);
    free(stream);
}

/* Where in `open` the shard lies that holds the hash key. */
static uint32_t place_of(const struct simulator_stream *stream,
                         unsigned __int128 hash)
{
    uint32_t low = 0;
    uint32_t high = stream->open_count - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (stream->shards[stream->open[middle]]->last_hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct simulator_shard *
simulator_stream_route(const struct simulator_stream *stream,
                       unsigned __int128 hash)
{
    struct simulator_shard *shard =
        stream->shards[stream->open[place_of(stream, hash)]];

    assert(shard->first_hash <= hash && hash <= shard->last_hash);
    return shard;
}

static int check_open(const struct simulator_stream *stream, uint32_t index)
{
    if (index >= stream->shard_count)
        return SIMULATOR_STREAM_NO_SUCH_SHARD;
    return stream->shards[index]->is_closed ? SIMULATOR_STREAM_NOT_OPEN : 0;
}

static void close_shard(struct simulator_shard *shard,
                        const struct simulator_moment *moment)
{
    shard->is_closed = true;
    shard->closed_ms = moment->epoch_ms;
    shard->last_number = (*moment->number)++;
}

int simulator_stream_split(struct simulator_stream *stream, uint32_t index,
                           unsigned __int128 new_first,
                           const struct simulator_moment *moment)
{
    int condition = check_open(stream, index);
    struct simulator_shard *parent;
    struct simulator_shard *lower;
    struct simulator_shard *upper;
    uint32_t place;

    if (condition)
        return condition;
    parent = stream->shards[index];
    if (new_first <= parent->first_hash || new_first > parent->last_hash)
        return SIMULATOR_STREAM_NOT_INSIDE;
    place = place_of(stream, parent->first_hash);
    close_shard(parent, moment);
    lower = add_shard(stream, parent->first_hash, new_first - 1, moment);
    upper = add_shard(stream, new_first, parent->last_hash, moment);
    if (!lower || !upper)
        return SIMULATOR_STREAM_NO_MEMORY;
    lower->parent = index;
    upper->parent = index;
    memmove(stream->open + place + 2, stream->open + place + 1,
            (stream->open_count - place - 1) * sizeof(*stream->open));
    stream->open[place] = lower->index;
    stream->open[place + 1] = upper->index;
    stream->open_count++;
    return 0;
}

int simulator_stream_merge(struct simulator_stream *stream, uint32_t index,
                           uint32_t adjacent,
                           const struct simulator_moment *moment)
{
    int condition = check_open(stream, index);
    struct simulator_shard *low;
    struct simulator_shard *high;
    struct simulator_shard *child;
    uint32_t place;

    if (!condition)
        condition = check_open(stream, adjacent);
    if (condition)
        return condition;
    low = stream->shards[index];
    high = stream->shards[adjacent];
    if (low->first_hash > high->first_hash) {
        low = stream->shards[adjacent];
        high = stream->shards[index];
    }
    if (low == high || low->last_hash + 1 != high->first_hash)
        return SIMULATOR_STREAM_NOT_ADJACENT;
    place = place_of(stream, low->first_hash);
    close_shard(low, moment);
    close_shard(high, moment);
    child = add_shard(stream, low->first_hash, high->last_hash, moment);
    if (!child)
        return SIMULATOR_STREAM_NO_MEMORY;
    child->parent = index;
    child->adjacent_parent = adjacent;
    stream->open[place] = child->index;
    memmove(stream->open + place + 1, stream->open + place + 2,
            (stream->open_count - place - 2) * sizeof(*stream->open));
    stream->open_count--;
    return 0;
}

/* First every wanted boundary becomes one by a split. */
static int split_at_boundaries(struct simulator_stream *stream, uint32_t count,
                               const struct simulator_moment *moment)
{
    for (uint32_t i = 1; i < count; i++) {
        unsigned __int128 first = simulator_hash_boundary(i, count);
        const struct simulator_shard *shard =
            simulator_stream_route(stream, first);

        if (shard->first_hash != first) {
            int condition =
                simulator_stream_split(stream, shard->index, first, moment);

            if (condition)
                return condition;
        }
    }
    return 0;
}

/* Then what lies between two boundaries is merged. */
static int merge_between_boundaries(struct simulator_stream *stream,
                                    uint32_t count,
                                    const struct simulator_moment *moment)
{
    uint32_t place = 0;

    for (uint32_t i = 0; i < count; i++, place++) {
        unsigned __int128 last =
            i + 1 == count ? SIMULATOR_HASH_MOST
                           : simulator_hash_boundary(i + 1, count) - 1;

        while (stream->shards[stream->open[place]]->last_hash < last) {
            int condition = simulator_stream_merge(
                stream, stream->open[place], stream->open[place + 1], moment);

            if (condition)
                return condition;
        }
    }
    return 0;
}

int simulator_stream_make_uniform(struct simulator_stream *stream,
                                  uint32_t count,
                                  const struct simulator_moment *moment)
{
    int condition = split_at_boundaries(stream, count, moment);

    if (condition)
        return condition;
    return merge_between_boundaries(stream, count, moment);
}

unsigned __int128 simulator_shard_middle(const struct simulator_shard *shard)
{
    return shard->first_hash + (shard->last_hash - shard->first_hash) / 2 + 1;
}
