/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/opened_queue.h"

static void explain_positions(struct inspection *inspection,
                              const struct segment_entry *segment,
                              const struct queue_view_state *state)
{
    inspection_damage(
        inspection, segment,
        "has positions that cannot be: finished %llu, released %llu, "
        "committed %llu, capacity %llu, batch from %llu to %llu",
        (unsigned long long)state->positions.finished,
        (unsigned long long)state->positions.released,
        (unsigned long long)state->positions.committed,
        (unsigned long long)state->capacity,
        (unsigned long long)state->intent.first,
        (unsigned long long)state->intent.end);
}

/* The head must say what the name says, and the range must be one. */
static bool head_is_believable(struct inspection *inspection,
                               const struct segment_entry *segment,
                               const struct queue_view_state *state)
{
    if (state->generation != segment->generation ||
        state->index != segment->index) {
        inspection_damage(inspection, segment, "says that it is g%u.q%u",
                          state->generation, state->index);
        return false;
    }
    if (hash_key_compare(state->first, state->last) > 0) {
        inspection_damage(inspection, segment,
                          "has a hash key range that ends before it begins");
        return false;
    }
    return true;
}

static bool look(struct inspection *inspection,
                 const struct segment_entry *segment,
                 struct opened_queue *queue)
{
    struct queue_view_state *state = &queue->state;

    if (queue_view_look(&queue->view, state)) {
        explain_positions(inspection, segment, state);
        return false;
    }
    if (!head_is_believable(inspection, segment, state))
        return false;
    queue->to_send = state->positions.committed - state->positions.released;
    queue->to_finish = state->positions.released - state->positions.finished;
    queue->used =
        (double)(queue->to_send + queue->to_finish) / (double)state->capacity;
    /* Positions of a live queue are not of one instant. */
    if (queue->used > 1)
        queue->used = 1;
    return true;
}

bool opened_queue_open(struct inspection *inspection,
                       const struct segment_entry *segment,
                       struct opened_queue *queue)
{
    int result = queue_view_open(segment->name.text, &queue->view);

    if (result == QUEUE_ABSENT)
        return false; /* removed meanwhile */
    if (result > 0) {
        inspection_cannot_use(inspection, segment, QUEUE_MAGIC, QUEUE_VERSION);
        return false;
    }
    if (result < 0) {
        inspection_failure(inspection, result);
        return false;
    }
    if (!look(inspection, segment, queue)) {
        opened_queue_close(queue);
        return false;
    }
    inspection->shown++;
    return true;
}

void opened_queue_close(struct opened_queue *queue)
{
    queue_view_close(&queue->view);
}
