/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * figures - numbers and bytes as people read them. Pure.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/bytes.h"
#include "shard/hash_key.h"

#define FIGURE_CAPACITY 48 /* enough for each text below, with its NUL */

struct figure {
    char text[FIGURE_CAPACITY];
};

/* "17 B", "4.0 MiB" */
struct figure figure_of_size(uint64_t bytes);

/* "250 us", "1.5 s", "3m 20s", "2d 4h"; what is negative is "0 s" */
struct figure figure_of_duration(int64_t ns);

/* "2024-05-01T12:00:00.123Z" */
struct figure figure_of_wall_time(int64_t ns);

/* "12.5%" */
struct figure figure_of_share(double share);

/* In decimal, as Kinesis writes it. */
struct figure figure_of_hash_key(struct hash_key key);

/* The part of all hash keys that lies from `first` to `last`, inclusive. */
double hash_range_share(struct hash_key first, struct hash_key last);

/*
 * Write `bytes` in double quotes so that a terminal shows them and nothing
 * else happens: what is not printable becomes \n, \t or \xNN.
 */
void figure_print_quoted(FILE *file, struct bytes bytes);

/* The first `most` bytes of `text`, less if that would cut a character. */
struct bytes figure_cut(struct bytes text, size_t most);
