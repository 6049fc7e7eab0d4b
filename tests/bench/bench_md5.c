/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench_md5 - what each way of md5_lanes costs.
 *
 *     bench_md5
 *
 * One line per shape of input, one column per way of this machine: nanoseconds
 * per input, the median of several rounds in which the ways take turns.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shard/md5_lanes.h"

#define ROUNDS      15
#define WAYS_MOST   4
#define INPUTS_MOST 256

struct shape {
    const char *title;
    size_t count;  /* inputs of one call */
    size_t least;  /* bytes of the shortest */
    size_t most;   /* bytes of the longest */
    size_t repeat; /* calls in a round */
};

static const struct shape shapes[] = {
    { "1 key of 7 bytes", 1, 7, 7, 20000 },
    { "2 keys of 7 bytes", 2, 7, 7, 20000 },
    { "16 keys of 7 bytes", 16, 7, 7, 5000 },
    { "256 keys of 7 bytes", 256, 7, 7, 500 },
    { "256 keys of 1 to 40 bytes", 256, 1, 40, 500 },
    { "2 aggregates of 50 KiB", 2, 51200, 51200, 5 },
    { "8 aggregates of 50 KiB", 8, 51200, 51200, 3 },
    { "8 aggregates of 25 to 50 KiB", 8, 25600, 51200, 3 },
    { "16 aggregates of 50 KiB", 16, 51200, 51200, 2 },
};

static double now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double measure(const struct md5_way *way, const struct shape *shape,
                      const struct bytes *inputs)
{
    static uint8_t digests[INPUTS_MOST][MD5_LENGTH];
    double start = now_ns();

    for (size_t i = 0; i < shape->repeat; i++) {
        md5_many_in(way, inputs, shape->count, digests, NULL);
        __asm__ volatile("" : : "r"(digests) : "memory");
    }
    return (now_ns() - start) / (double)(shape->repeat * shape->count);
}

static void show(const struct shape *shape, const uint8_t *memory)
{
    static double results[WAYS_MOST][ROUNDS];
    struct bytes inputs[INPUTS_MOST];
    size_t range = shape->most - shape->least + 1;

    for (size_t i = 0; i < shape->count; i++)
        inputs[i] =
            bytes_of(memory + i * shape->most, shape->least + i * 7919 % range);
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < WAYS_MOST && md5_way_at(i); i++)
            results[i][round] = measure(md5_way_at(i), shape, inputs);
    printf("%-30s", shape->title);
    for (size_t i = 0; i < WAYS_MOST && md5_way_at(i); i++) {
        qsort(results[i], ROUNDS, sizeof(results[i][0]), compare);
        printf(" %10.1f", results[i][ROUNDS / 2]);
    }
    printf("\n");
}

int main(void)
{
    uint8_t *memory = calloc(16, 51200);

    if (!memory)
        return EXIT_FAILURE;
    printf("%-30s", "ns per input");
    for (size_t i = 0; i < WAYS_MOST && md5_way_at(i); i++)
        printf(" %10s", md5_way_at(i)->name);
    printf("\n");
    for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++)
        show(&shapes[i], memory);
    free(memory);
    return EXIT_SUCCESS;
}
