/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/queue_course.h"

void queue_course_step(struct queue_course *course)
{
    uint64_t space =
        record_space(queue_fixture_length(course->serial, course->most));
    uint64_t till_end =
        course->capacity - (course->position & (course->capacity - 1));

    if (space > till_end)
        course->position += till_end;
    course->position += space;
    course->serial++;
}

bool queue_course_reach(struct queue_course *course, uint64_t position)
{
    while (course->position < position)
        queue_course_step(course);
    return course->position == position;
}

unsigned queue_course_write(struct queue_course *course,
                            struct queue_producer *producer, unsigned count)
{
    unsigned written = 0;

    while (written < count) {
        size_t length = queue_fixture_length(course->serial, course->most);

        if (queue_fixture_write(producer, course->serial, length))
            break;
        queue_course_step(course);
        written++;
    }
    queue_publish(producer);
    return written;
}

/* True if `record` is the next one of the course, which moves on. */
static bool is_next(struct queue_course *course,
                    const struct record_header *record)
{
    uint64_t serial = course->serial;

    queue_course_step(course);
    return queue_fixture_is(record, serial,
                            queue_fixture_length(serial, course->most));
}

int queue_course_read(struct queue_course *course,
                      struct queue_consumer *consumer, unsigned count)
{
    uint64_t position = consumer->released;
    struct record_header *record;
    int read = 0;
    int result = 0;

    while (read < (int)count) {
        result = queue_peek(consumer, &position, &record);
        if (result)
            break;
        if (!is_next(course, record) || position != course->position)
            return -1;
        record_set_verdict(record, VERDICT_DELIVERED);
        read++;
    }
    if (result && result != QUEUE_EMPTY)
        return -1;
    if (read > 0 && queue_release(consumer, course->position))
        return -1;
    return read;
}

int queue_course_finish(struct queue_course *course,
                        struct queue_producer *producer)
{
    struct record_header *record;
    int finished = 0;
    int result;

    while ((result = queue_decided(producer, &record)) == 0) {
        if (!is_next(course, record) || record->verdict != VERDICT_DELIVERED)
            return -1;
        finished++;
    }
    queue_finish(producer);
    return result == QUEUE_EMPTY ? finished : -1;
}
