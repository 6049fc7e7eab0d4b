/* SPDX-License-Identifier: Apache-2.0 */

/*
 * put_records_twins - the same PutRecords requests in both forms, for a decoder
 * that nobody here wrote.
 *
 *     put_records_twins SEED COUNT
 *
 * Prints for each request two lines: the CBOR body in hexadecimal, the JSON
 * body as it is. Lengths are chosen around those at which CBOR changes form.
 */

#include <stdio.h>
#include <stdlib.h>

#include "common/random.h"
#include "egress/put_records.h"

#define BODY_MOST    ((size_t)2 * 1024 * 1024)
#define PAYLOAD_MOST 70000

static uint8_t payload[PAYLOAD_MOST];
static uint8_t bodies[2][BODY_MOST];

static size_t choose_length(struct random *random)
{
    static const size_t edges[] = { 0,  1,   2,   23,    24,    25,
                                    26, 255, 256, 65535, 65536, PAYLOAD_MOST };

    return random_below(random, 2)
               ? edges[random_below(random, ARRAY_LENGTH(edges))]
               : (size_t)random_below(random, 2000);
}

/* One to 256 characters, some of them of two to four bytes. */
static struct bytes choose_key(struct random *random, uint8_t *place)
{
    static const char *const characters[] = {
        "a", "\"", "\\", "\n", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x90\x9a"
    };
    struct bytes_writer writer = bytes_writer_on(place, 1024);
    uint64_t count =
        1 + random_below(random, random_below(random, 4) ? 8 : 256);

    for (uint64_t i = 0; i < count; i++)
        bytes_put_text(
            &writer,
            characters[random_below(random, ARRAY_LENGTH(characters))]);
    return bytes_written(&writer);
}

static void add(struct random *random, struct put_records requests[2])
{
    struct hash_key hash_key = { .low = random_u64(random),
                                 .high = random_u64(random) };
    uint8_t key[1024];
    struct put_records_entry entry = {
        .payload = bytes_of(payload, choose_length(random)),
        .partition_key = choose_key(random, key),
        .explicit_hash_key = random_below(random, 2) ? &hash_key : NULL,
    };

    for (size_t i = 0; i < entry.payload.length; i++)
        payload[i] = (uint8_t)random_u64(random);
    for (size_t i = 0; i < 2; i++)
        if (put_records_add(&requests[i], &entry) != 0)
            abort();
}

int main(int argc, char *argv[])
{
    uint64_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    struct random random;

    if (count == 0) {
        fprintf(stderr, "usage: put_records_twins SEED COUNT\n");
        return EXIT_FAILURE;
    }
    random_seed(&random, strtoull(argv[1], NULL, 10));
    for (uint64_t i = 0; i < count; i++) {
        struct put_records requests[2];
        uint64_t records = random_below(&random, 12);
        struct bytes cbor, json;

        for (size_t j = 0; j < 2; j++)
            put_records_open(&requests[j],
                             j == 0 ? PUT_RECORDS_CBOR : PUT_RECORDS_JSON,
                             bytes_of_text("orders"),
                             bytes_writer_on(bodies[j], BODY_MOST), BODY_MOST);
        for (uint64_t j = 0; j < records; j++)
            add(&random, requests);
        cbor = put_records_close(&requests[0]);
        json = put_records_close(&requests[1]);
        for (size_t j = 0; j < cbor.length; j++)
            printf("%02x", cbor.data[j]);
        printf("\n%.*s\n", (int)json.length, (const char *)json.data);
    }
    return EXIT_SUCCESS;
}
