/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/random.h"
#include "ingest/nsq_frame_reader.h"

#define FRAME_COUNT 20
#define STREAM_MOST 16384

/* Frame i has i * 7 % 90 bytes, each of them i. */
static struct bytes put_stream(uint8_t *memory)
{
    struct bytes_writer writer = bytes_writer_on(memory, STREAM_MOST);

    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        unsigned length = i * 7 % 90;
        uint8_t *frame = bytes_claim(&writer, NSQ_FRAME_HEAD_LENGTH + length);

        ck_assert_ptr_nonnull(frame);
        bytes_store_be32(frame, 4 + length);
        bytes_store_be32(frame + 4, i % 3);
        memset(frame + NSQ_FRAME_HEAD_LENGTH, (int)i, length);
    }
    return bytes_written(&writer);
}

static void check_frame(const struct nsq_frame *frame, unsigned i)
{
    uint8_t expected[90];

    ck_assert_uint_eq(frame->type, i % 3);
    memset(expected, (int)i, sizeof(expected));
    ck_assert(bytes_equal(frame->body, bytes_of(expected, i * 7 % 90)));
}

/* A copy of its own, overwritten afterwards, as a receive buffer is. */
static uint8_t *new_buffer(struct bytes part)
{
    uint8_t *buffer = malloc(part.length + !part.length);

    ck_assert_ptr_nonnull(buffer);
    if (part.length)
        memcpy(buffer, part.data, part.length);
    return buffer;
}

static void free_buffer(uint8_t *buffer, size_t length)
{
    memset(buffer, 0xee, length);
    free(buffer);
}

/* Feed one part and take all frames it completes. Returns the next frame. */
static unsigned take_all(struct nsq_frame_reader *reader, struct bytes part,
                         unsigned next)
{
    uint8_t *buffer = new_buffer(part);
    struct nsq_frame frame;
    bool was_seen = true;

    nsq_frame_reader_feed(reader, bytes_of(buffer, part.length));
    while (nsq_frame_next(reader, &frame, &was_seen) == 0) {
        ck_assert(!was_seen);
        check_frame(&frame, next++);
    }
    ck_assert_int_eq(nsq_frame_keep(reader), 0);
    free_buffer(buffer, part.length);
    return next;
}

START_TEST(stream_cut_anywhere_gives_the_same_frames)
{
    uint8_t memory[STREAM_MOST];
    struct bytes stream = put_stream(memory);
    struct nsq_frame_reader reader;

    nsq_frame_reader_init(&reader, 1000, 1008);
    for (size_t cut = 0; cut <= stream.length; cut++) {
        unsigned next = take_all(&reader, bytes_of(stream.data, cut), 0);

        ck_assert_uint_eq(take_all(&reader, bytes_skip(stream, cut), next),
                          FRAME_COUNT);
    }
    nsq_frame_reader_deinit(&reader);
}
END_TEST

START_TEST(stream_of_single_bytes_gives_the_same_frames)
{
    uint8_t memory[STREAM_MOST];
    struct bytes stream = put_stream(memory);
    struct nsq_frame_reader reader;
    unsigned next = 0;

    nsq_frame_reader_init(&reader, 1000, 1008);
    for (size_t i = 0; i < stream.length; i++)
        next = take_all(&reader, bytes_of(stream.data + i, 1), next);
    ck_assert_uint_eq(next, FRAME_COUNT);
    nsq_frame_reader_deinit(&reader);
}
END_TEST

START_TEST(whole_frame_is_a_view_into_the_fed_bytes)
{
    uint8_t memory[STREAM_MOST];
    struct bytes stream = put_stream(memory);
    struct nsq_frame_reader reader;
    struct nsq_frame frame;
    bool was_seen;

    nsq_frame_reader_init(&reader, 1000, 0);
    nsq_frame_reader_feed(&reader, stream);
    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        ck_assert_int_eq(nsq_frame_next(&reader, &frame, &was_seen), 0);
        ck_assert(frame.body.data >= memory &&
                  frame.body.data < memory + sizeof(memory));
    }
    ck_assert_int_eq(nsq_frame_next(&reader, &frame, &was_seen),
                     NSQ_FRAME_PARTIAL);
    ck_assert_int_eq(nsq_frame_keep(&reader), 0);
    ck_assert_ptr_null(reader.carry_over.memory);
    nsq_frame_reader_deinit(&reader);
}
END_TEST

/* One turn of a consumer that stops and puts back whenever it likes. */
static unsigned take_some(struct nsq_frame_reader *reader,
                          struct random *random, unsigned next)
{
    struct nsq_frame frame;
    bool was_seen;

    while (random_below(random, 8) != 0 &&
           nsq_frame_next(reader, &frame, &was_seen) == 0) {
        check_frame(&frame, next);
        if (random_below(random, 4) == 0) {
            nsq_frame_put_back(reader);
            if (random_below(random, 2) == 0)
                break;
            continue;
        }
        next++;
    }
    return next;
}

START_TEST(frames_put_back_and_parked_come_again_in_order)
{
    uint8_t memory[STREAM_MOST];
    struct bytes stream = put_stream(memory);
    struct random random;

    random_seed(&random, 11);
    for (int round = 0; round < 300; round++) {
        struct nsq_frame_reader reader;
        struct bytes rest = stream;
        struct nsq_frame frame;
        unsigned next = 0;

        nsq_frame_reader_init(&reader, 1000, STREAM_MOST);
        while (next < FRAME_COUNT) {
            size_t length = random_below(&random, 200);
            uint8_t *buffer;

            if (length > rest.length)
                length = rest.length;
            buffer = new_buffer(bytes_of(rest.data, length));
            nsq_frame_reader_feed(&reader, bytes_of(buffer, length));
            rest = bytes_skip(rest, length);
            next = take_some(&reader, &random, next);
            ck_assert_int_eq(nsq_frame_keep(&reader), 0);
            free_buffer(buffer, length);
            while (nsq_frame_look(&reader, &frame))
                ck_assert_uint_le(reader.seen,
                                  byte_store_length(&reader.carry_over));
        }
        ck_assert_uint_eq(reader.seen, 0);
        nsq_frame_reader_deinit(&reader);
    }
}
END_TEST

START_TEST(parked_frame_is_looked_at_once_and_known_when_it_is_taken)
{
    uint8_t memory[STREAM_MOST];
    struct bytes stream = put_stream(memory);
    struct nsq_frame_reader reader;
    struct nsq_frame frame;
    bool was_seen = false;
    unsigned looked = 0;

    nsq_frame_reader_init(&reader, 1000, STREAM_MOST);
    nsq_frame_reader_feed(&reader, bytes_of(stream.data, stream.length - 1));
    ck_assert_int_eq(nsq_frame_keep(&reader), 0);
    while (nsq_frame_look(&reader, &frame))
        check_frame(&frame, looked++);
    ck_assert_uint_eq(looked, FRAME_COUNT - 1);
    ck_assert_uint_eq(nsq_frames_parked(&reader).length, reader.seen);

    nsq_frame_reader_feed(&reader, bytes_skip(stream, stream.length - 1));
    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        ck_assert_int_eq(nsq_frame_next(&reader, &frame, &was_seen), 0);
        ck_assert(was_seen == (i < FRAME_COUNT - 1));
        check_frame(&frame, i);
    }
    nsq_frame_reader_deinit(&reader);
}
END_TEST

START_TEST(carry_over_beyond_its_bound_is_refused)
{
    uint8_t memory[STREAM_MOST];
    struct bytes stream = put_stream(memory);
    struct nsq_frame_reader reader;

    nsq_frame_reader_init(&reader, 1000, 100);
    nsq_frame_reader_feed(&reader, bytes_of(stream.data, 100));
    ck_assert_int_eq(nsq_frame_keep(&reader), 0);
    nsq_frame_reader_feed(&reader, bytes_of(stream.data, 1));
    ck_assert_int_eq(nsq_frame_keep(&reader), NSQ_FRAME_NO_ROOM);
    nsq_frame_reader_deinit(&reader);
}
END_TEST

START_TEST(frame_larger_than_the_carry_over_is_refused_when_it_is_assembled)
{
    uint8_t wire[] = { 0, 0, 0, 20, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8 };
    struct nsq_frame_reader reader;
    struct nsq_frame frame;
    bool was_seen;

    nsq_frame_reader_init(&reader, 1000, 12);
    nsq_frame_reader_feed(&reader, bytes_of(wire, 10));
    ck_assert_int_eq(nsq_frame_keep(&reader), 0);
    nsq_frame_reader_feed(&reader, bytes_of(wire + 10, 6));
    ck_assert_int_eq(nsq_frame_next(&reader, &frame, &was_seen),
                     NSQ_FRAME_NO_ROOM);
    nsq_frame_reader_deinit(&reader);
}
END_TEST

START_TEST(cleared_reader_starts_a_new_stream)
{
    uint8_t memory[STREAM_MOST];
    struct bytes stream = put_stream(memory);
    struct nsq_frame_reader reader;

    nsq_frame_reader_init(&reader, 1000, STREAM_MOST);
    nsq_frame_reader_feed(&reader, bytes_of(stream.data, 33));
    ck_assert_int_eq(nsq_frame_keep(&reader), 0);
    nsq_frame_reader_clear(&reader);

    ck_assert_uint_eq(take_all(&reader, stream, 0), FRAME_COUNT);
    nsq_frame_reader_deinit(&reader);
}
END_TEST

START_TEST(memory_of_a_large_parking_is_given_back_when_it_is_empty)
{
    static uint8_t wire[300 * 1024];
    struct nsq_frame_reader reader;
    struct nsq_frame frame;
    bool was_seen;

    bytes_store_be32(wire, sizeof(wire) - 4);
    nsq_frame_reader_init(&reader, sizeof(wire), sizeof(wire));
    nsq_frame_reader_feed(&reader, bytes_of(wire, sizeof(wire)));
    ck_assert_int_eq(nsq_frame_keep(&reader), 0);
    ck_assert_int_eq(nsq_frame_next(&reader, &frame, &was_seen), 0);
    ck_assert_uint_eq(frame.body.length, sizeof(wire) - 8);
    ck_assert_int_eq(nsq_frame_keep(&reader), 0);

    ck_assert_ptr_null(reader.carry_over.memory);
    nsq_frame_reader_deinit(&reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_frame_reader");
    TCase *cuts = tcase_create("cuts and parking");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(cuts, stream_cut_anywhere_gives_the_same_frames);
    tcase_add_test(cuts, stream_of_single_bytes_gives_the_same_frames);
    tcase_add_test(cuts, whole_frame_is_a_view_into_the_fed_bytes);
    tcase_add_test(cuts, frames_put_back_and_parked_come_again_in_order);
    tcase_add_test(cuts,
                   parked_frame_is_looked_at_once_and_known_when_it_is_taken);
    tcase_add_test(cuts, carry_over_beyond_its_bound_is_refused);
    tcase_add_test(
        cuts, frame_larger_than_the_carry_over_is_refused_when_it_is_assembled);
    tcase_add_test(cuts, cleared_reader_starts_a_new_stream);
    tcase_add_test(cuts,
                   memory_of_a_large_parking_is_given_back_when_it_is_empty);
    suite_add_tcase(suite, cuts);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
