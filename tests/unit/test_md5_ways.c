/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every way of md5_lanes that this machine has gives the digests of the scalar
 * one, which test_md5 compares with OpenSSL. Without Check and OpenSSL, so that
 * tools/dev/test_arm64 can build it for another processor.
 */

#include <stdio.h>
#include <stdlib.h>

#include "shard/md5_lanes.h"

#define INPUTS_MOST  320
#define LENGTH_MOST  300
#define MEMORY_BYTES 32768
#define ROUNDS       400

static uint8_t memory[MEMORY_BYTES];
static size_t failures;

static void fill(void)
{
    for (size_t i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)(i * 167 + (i >> 3) * 13 + 5);
}

static void count_step(void *context)
{
    (*(size_t *)context)++;
}

static void compare_with(const struct md5_way *way, const struct bytes *inputs,
                         size_t count, const struct md5_companion *companion)
{
    static uint8_t digests[INPUTS_MOST + 1][MD5_LENGTH];

    memset(digests, 0xee, sizeof(digests));
    md5_many_in(way, inputs, count, digests, companion);
    for (size_t i = 0; i < count; i++) {
        uint8_t expected[MD5_LENGTH];

        md5(inputs[i], expected);
        if (memcmp(digests[i], expected, MD5_LENGTH) == 0)
            continue;
        printf("%s: input %zu of %zu, %zu bytes, has another digest\n",
               way->name, i, count, inputs[i].length);
        failures++;
    }
    if (digests[count][0] != 0xee) {
        printf("%s: wrote behind %zu digests\n", way->name, count);
        failures++;
    }
}

static void compare(const struct md5_way *way, const struct bytes *inputs,
                    size_t count)
{
    size_t steps = 0;
    const struct md5_companion companion = { count_step, &steps };

    compare_with(way, inputs, count, NULL);
    compare_with(way, inputs, count, &companion);
}

/* One lane after the other, and all lanes alike, as keys of one read are. */
static void compare_lengths(const struct md5_way *way)
{
    struct bytes inputs[LENGTH_MOST + 1];

    for (size_t length = 0; length <= LENGTH_MOST; length++)
        inputs[length] = bytes_of(memory + length, length);
    for (size_t count = 0; count <= LENGTH_MOST + 1; count++)
        compare(way, inputs, count);
    for (size_t length = 0; length <= LENGTH_MOST; length++) {
        for (size_t i = 0; i < 40; i++)
            inputs[i] = bytes_of(memory + 7 * i, length);
        compare(way, inputs, 40);
    }
}

/* As often as the longest has blocks; all of them for one that is alone. */
static void count_steps(const struct md5_way *way)
{
    struct bytes inputs[INPUTS_MOST];
    size_t steps;
    const struct md5_companion companion = { count_step, &steps };

    for (size_t count = 1; count <= way->lanes; count++) {
        for (size_t i = 0; i < count; i++)
            inputs[i] = bytes_of(memory + i, 100 * MD5_BLOCK);
        steps = 0;
        compare_with(way, inputs, count, &companion);
        if (steps >= 100)
            continue;
        printf("%s: only %zu steps beside %zu inputs\n", way->name, steps,
               count);
        failures++;
    }
}

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

static void compare_mixes(const struct md5_way *way)
{
    uint32_t random = 20240607;
    struct bytes inputs[INPUTS_MOST];

    for (size_t round = 0; round < ROUNDS; round++) {
        size_t count = next_random(&random) % (round % 4 ? 40 : INPUTS_MOST);

        for (size_t i = 0; i < count; i++) {
            /* One in eight is long, among short ones. */
            size_t most = next_random(&random) % 8 ? 150 : 20000;

            inputs[i] = bytes_of(memory + next_random(&random) % 64,
                                 next_random(&random) % most);
        }
        compare(way, inputs, count);
    }
}

/*
 * The scalar way itself, on this processor: the digest of the digests of the
 * first 0, 1 ... 300 bytes, as Python's hashlib computes it.
 */
static void check_scalar(void)
{
    static const uint8_t expected[MD5_LENGTH] = { 0xac, 0xed, 0x6d, 0x31,
                                                  0x6d, 0xdc, 0xe2, 0x0f,
                                                  0x9b, 0x4f, 0xdb, 0xf4,
                                                  0x16, 0x21, 0x78, 0x86 };
    uint8_t digests[LENGTH_MOST + 1][MD5_LENGTH];
    uint8_t digest[MD5_LENGTH];

    for (size_t length = 0; length <= LENGTH_MOST; length++)
        md5(bytes_of(memory, length), digests[length]);
    md5(bytes_of(digests, sizeof(digests)), digest);
    if (memcmp(digest, expected, MD5_LENGTH) == 0)
        return;
    printf("scalar: wrong digests\n");
    failures++;
}

int main(void)
{
    size_t count = 0;

    fill();
    check_scalar();
    for (const struct md5_way *way; (way = md5_way_at(count)); count++) {
        printf("%s: %zu lanes\n", way->name, way->lanes);
        compare_lengths(way);
        compare_mixes(way);
        count_steps(way);
    }
#if defined(__x86_64__) || defined(__aarch64__)
    if (count < 2) {
        printf("no vectors on a processor that has some\n");
        failures++;
    }
#endif
    return failures > 0 || count == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
