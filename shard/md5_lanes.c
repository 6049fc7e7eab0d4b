/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/md5_lanes.h"

#include <assert.h>
#include <stdatomic.h>

#define IDLE SIZE_MAX

/* What one lane is doing: the whole blocks of an input, then its end. */
struct lane {
    size_t input;       /* its index */
    size_t block_count; /* of the part it is in, still to be added; IDLE */
    bool is_in_end;
    uint8_t *end; /* 2 * MD5_BLOCK bytes */
};

/* Many inputs on their way through the lanes of a way. */
struct work {
    const struct md5_way *way;
    const struct bytes *inputs;
    size_t count;
    uint8_t (*digests)[MD5_LENGTH];
    const struct md5_companion *companion; /* or NULL */

    size_t next;   /* the first input that no lane has taken yet */
    size_t active; /* lanes that have an input */
    struct lane lanes[MD5_LANES_MOST];
    const uint8_t *blocks[MD5_LANES_MOST];
    uint32_t state[4 * MD5_LANES_MOST];
};

static const uint32_t initial_state[4] = { 0x67452301, 0xefcdab89, 0x98badcfe,
                                           0x10325476 };

static void enter_end(struct work *work, size_t i)
{
    struct lane *lane = &work->lanes[i];

    lane->is_in_end = true;
    lane->block_count = md5_make_end(work->inputs[lane->input], lane->end);
    work->blocks[i] = lane->end;
}

/* Give an idle lane the next input, if there is one. */
static void take_input(struct work *work, size_t i)
{
    struct lane *lane = &work->lanes[i];
    struct bytes input;

    lane->block_count = IDLE;
    if (work->next == work->count)
        return;
    lane->input = work->next++;
    work->active++;
    for (size_t word = 0; word < 4; word++)
        work->state[word * work->way->lanes + i] = initial_state[word];
    input = work->inputs[lane->input];
    lane->is_in_end = false;
    lane->block_count = input.length / MD5_BLOCK;
    work->blocks[i] = input.data;
    if (lane->block_count == 0)
        enter_end(work, i);
}

static void give_digest(struct work *work, size_t i)
{
    uint8_t *digest = work->digests[work->lanes[i].input];

    for (size_t word = 0; word < 4; word++)
        memcpy(digest + 4 * word, &work->state[word * work->way->lanes + i], 4);
    work->active--;
}

/* A lane has added `count` blocks. */
static void advance(struct work *work, size_t i, size_t count)
{
    struct lane *lane = &work->lanes[i];

    lane->block_count -= count;
    if (lane->block_count > 0)
        return;
    if (!lane->is_in_end) {
        enter_end(work, i);
        return;
    }
    give_digest(work, i);
    take_input(work, i);
}

/* The lane with the fewest blocks in one piece. */
static size_t find_shortest(const struct work *work)
{
    size_t shortest = 0;

    for (size_t i = 1; i < work->way->lanes; i++)
        if (work->lanes[i].block_count < work->lanes[shortest].block_count)
            shortest = i;
    return shortest;
}

/* As far as all lanes go in one piece. */
static void add_common_blocks(struct work *work)
{
    size_t shortest = find_shortest(work);
    size_t count = work->lanes[shortest].block_count;
    const uint8_t *borrowed = work->blocks[shortest];

    /* An idle lane reads what another one reads, and nobody reads its state. */
    for (size_t i = 0; i < work->way->lanes; i++)
        if (work->lanes[i].block_count == IDLE)
            work->blocks[i] = borrowed;
    md5_add_beside(work->way->add_blocks, work->state, work->blocks, count,
                   work->companion);
    for (size_t i = 0; i < work->way->lanes; i++)
        if (work->lanes[i].block_count != IDLE)
            advance(work, i, count);
}

/* Finish the input of one lane without the others. */
static void finish_lane(struct work *work, size_t i)
{
    struct lane *lane = &work->lanes[i];
    uint32_t state[4];

    for (size_t word = 0; word < 4; word++)
        state[word] = work->state[word * work->way->lanes + i];
    md5_add_beside(md5_scalar_add_blocks, state, &work->blocks[i],
                   lane->block_count, work->companion);
    if (!lane->is_in_end) {
        enter_end(work, i);
        md5_scalar_add_blocks(state, &work->blocks[i], lane->block_count);
    }
    memcpy(work->digests[lane->input], state, MD5_LENGTH);
}

void md5_many_in(const struct md5_way *way, const struct bytes *inputs,
                 size_t count, uint8_t (*digests)[MD5_LENGTH],
                 const struct md5_companion *companion)
{
    struct work work = { .way = way,
                         .inputs = inputs,
                         .count = count,
                         .digests = digests,
                         .companion = companion };
    uint8_t ends[MD5_LANES_MOST][2 * MD5_BLOCK];

    assert(way->lanes <= MD5_LANES_MOST);
    if (count < way->worth || way->lanes == 1) {
        for (size_t i = 0; i < count; i++)
            md5_beside(inputs[i], digests[i], companion);
        return;
    }
    for (size_t i = 0; i < way->lanes; i++) {
        work.lanes[i].end = ends[i];
        take_input(&work, i);
    }
    while (work.active >= way->worth)
        add_common_blocks(&work);
    for (size_t i = 0; i < way->lanes; i++)
        if (work.lanes[i].block_count != IDLE)
            finish_lane(&work, i);
}

/* What is worth it was measured with tests/bench/bench_md5. */
static const struct md5_way ways[] = {
    { "scalar", 1, 1, md5_scalar_add_blocks },
#if defined(__x86_64__)
    { "SSE2", 4, 3, md5_sse2_add_blocks },
    { "AVX2", 8, 3, md5_avx2_add_blocks },
    { "AVX-512", 16, 2, md5_avx512_add_blocks },
#elif defined(__aarch64__)
    { "NEON", 4, 3, md5_neon_add_blocks },
#endif
};

/* The table is in the order of growing demands. */
static size_t count_ways(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2"))
        return 2;
    if (!__builtin_cpu_supports("avx512f"))
        return 3;
#endif
    return ARRAY_LENGTH(ways);
}

const struct md5_way *md5_way_at(size_t index)
{
    return index < count_ways() ? &ways[index] : NULL;
}

void md5_many_beside(const struct bytes *inputs, size_t count,
                     uint8_t (*digests)[MD5_LENGTH],
                     const struct md5_companion *companion)
{
    static const struct md5_way *_Atomic widest; /* chosen by the first call */
    const struct md5_way *way =
        atomic_load_explicit(&widest, memory_order_relaxed);

    if (!way) {
        way = &ways[count_ways() - 1];
        atomic_store_explicit(&widest, way, memory_order_relaxed);
    }
    md5_many_in(way, inputs, count, digests, companion);
}

void md5_many(const struct bytes *inputs, size_t count,
              uint8_t (*digests)[MD5_LENGTH])
{
    md5_many_beside(inputs, count, digests, NULL);
}
