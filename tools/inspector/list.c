/* SPDX-License-Identifier: Apache-2.0 */

/*
 * list - one line per queue: how full it is, who holds its ends, what is on
 * its way; and the totals.
 */

#include "common/bytes.h"
#include "common/clock.h"
#include "tools/inspector/figures.h"
#include "tools/inspector/json_line.h"
#include "tools/inspector/layouts.h"
#include "tools/inspector/opened_queue.h"
#include "tools/inspector/text_table.h"

static const char *const titles[] = {
    "BRIDGE",    "QUEUE", "SHARD",  "HASH KEYS", "CAPACITY",   "TO SEND",
    "TO FINISH", "USED",  "INGEST", "EGRESS",    "ON ITS WAY",
};

/* Columns of figures: HASH KEYS to USED. */
#define FIGURE_COLUMNS 0xf8

struct queue_listing {
    struct layouts layouts;
    struct text_table table;
    uint64_t capacity; /* totals, bytes */
    uint64_t to_send;
    uint64_t to_finish;
};

static void add_lease(struct text_table *table,
                      const struct queue_view_lease *lease, bool is_egress)
{
    char worker[32] = "";

    if (lease->pid == 0) {
        text_table_add(table, "never held");
        return;
    }
    if (is_egress)
        (void)snprintf(worker, sizeof(worker), ", worker %llu",
                       (unsigned long long)lease->owner);
    text_table_add(table, "%llu %s, epoch %llu%s",
                   (unsigned long long)lease->pid,
                   lease->is_alive ? "alive" : "dead",
                   (unsigned long long)lease->epoch, worker);
}

static void add_batch(struct text_table *table,
                      const struct queue_view_state *state)
{
    char parts[32] = "";
    int64_t age_ns;

    if (!state->has_intent) {
        text_table_add(table, "-");
        return;
    }
    if (__builtin_sub_overflow(clock_wall_time().ns, state->intent.wall_ns,
                               &age_ns))
        age_ns = 0;
    if (state->intent.part_count > 1)
        (void)snprintf(parts, sizeof(parts), ", in %zu parts",
                       state->intent.part_count);
    text_table_add(table, "batch %llu, %s%s, for %s",
                   (unsigned long long)state->batch,
                   figure_of_size(state->intent.end - state->intent.first).text,
                   parts, figure_of_duration(age_ns).text);
}

static void add_figures(struct text_table *table, uint64_t capacity,
                        uint64_t to_send, uint64_t to_finish, double used)
{
    text_table_add(table, "%s", figure_of_size(capacity).text);
    text_table_add(table, "%s", figure_of_size(to_send).text);
    text_table_add(table, "%s", figure_of_size(to_finish).text);
    text_table_add(table, "%s", figure_of_share(used).text);
}

static void add_text(struct queue_listing *listing,
                     const struct segment_entry *segment,
                     const struct opened_queue *queue)
{
    const struct queue_view_state *state = &queue->state;
    const char *shard = layouts_shard_id(&listing->layouts, segment);
    struct text_table *table = &listing->table;

    text_table_add(table, "%s", segment->bridge);
    text_table_add(table, "g%u.q%u", segment->generation, segment->index);
    text_table_add(table, "%s", shard ? shard : "-");
    text_table_add(
        table, "%s",
        figure_of_share(hash_range_share(state->first, state->last)).text);
    add_figures(table, state->capacity, queue->to_send, queue->to_finish,
                queue->used);
    add_lease(table, &state->producer, false);
    add_lease(table, &state->consumer, true);
    add_batch(table, state);
}

static void put_lease(struct json_line *line, const char *key,
                      const struct queue_view_lease *lease, bool is_egress)
{
    if (lease->pid == 0) {
        json_line_null(line, key);
        return;
    }
    json_line_open(line, key);
    json_line_number(line, "pid", lease->pid);
    json_line_flag(line, "alive", lease->is_alive);
    json_line_number(line, "epoch", lease->epoch);
    if (is_egress)
        json_line_number(line, "worker", lease->owner);
    json_line_close(line);
}

static void put_part(struct json_line *line, const struct queue_part *part)
{
    json_line_open_element(line);
    json_line_text(line, "first_hash_key",
                   figure_of_hash_key(part->first).text);
    json_line_text(line, "last_hash_key", figure_of_hash_key(part->last).text);
    json_line_flag(line, "takes_keyless", part->takes_keyless);
    json_line_number(line, "epoch", part->epoch);
    json_line_number(line, "number", part->number);
    json_line_close(line);
}

static void put_batch(struct json_line *line,
                      const struct queue_view_state *state)
{
    if (!state->has_intent) {
        json_line_null(line, "batch");
        return;
    }
    json_line_open(line, "batch");
    json_line_number(line, "number", state->batch);
    json_line_number(line, "epoch", state->intent.epoch);
    json_line_number(line, "first", state->intent.first);
    json_line_number(line, "end", state->intent.end);
    json_line_time(line, "sent_ns", state->intent.wall_ns);
    json_line_open_list(line, "parts");
    for (size_t i = 0; i < state->intent.part_count; i++)
        put_part(line, &state->intent.parts[i]);
    json_line_close_list(line);
    json_line_close(line);
}

static void put_figures(struct json_line *line, uint64_t capacity,
                        uint64_t to_send, uint64_t to_finish, double used)
{
    json_line_number(line, "capacity_bytes", capacity);
    json_line_number(line, "to_send_bytes", to_send);
    json_line_number(line, "to_finish_bytes", to_finish);
    json_line_share(line, "used_share", used);
}

static void put_json(FILE *file, const struct queue_listing *listing,
                     const struct segment_entry *segment,
                     const struct opened_queue *queue)
{
    const struct queue_view_state *state = &queue->state;
    struct json_line line = json_line_begin(file, "queue");

    json_line_text(&line, "bridge", segment->bridge);
    json_line_text(&line, "segment", segment->name.text);
    json_line_number(&line, "generation", segment->generation);
    json_line_number(&line, "queue", segment->index);
    json_line_text(&line, "shard",
                   layouts_shard_id(&listing->layouts, segment));
    json_line_text(&line, "first_hash_key",
                   figure_of_hash_key(state->first).text);
    json_line_text(&line, "last_hash_key",
                   figure_of_hash_key(state->last).text);
    json_line_share(&line, "hash_key_share",
                    hash_range_share(state->first, state->last));
    put_figures(&line, state->capacity, queue->to_send, queue->to_finish,
                queue->used);
    json_line_number(&line, "finished", state->positions.finished);
    json_line_number(&line, "released", state->positions.released);
    json_line_number(&line, "committed", state->positions.committed);
    put_lease(&line, "ingest", &state->producer, false);
    put_lease(&line, "egress", &state->consumer, true);
    put_batch(&line, state);
    json_line_end(&line);
}

static void list_one(struct inspection *inspection,
                     const struct segment_entry *segment, void *own)
{
    struct queue_listing *listing = own;
    struct opened_queue queue;

    if (!opened_queue_open(inspection, segment, &queue))
        return;
    listing->capacity += queue.state.capacity;
    listing->to_send += queue.to_send;
    listing->to_finish += queue.to_finish;
    if (inspection->is_json)
        put_json(inspection->output, listing, segment, &queue);
    else
        add_text(listing, segment, &queue);
    opened_queue_close(&queue);
}

static double used_share(const struct queue_listing *listing)
{
    uint64_t used = listing->to_send + listing->to_finish;

    return listing->capacity ? (double)used / (double)listing->capacity : 0;
}

static void put_totals(FILE *file, const struct queue_listing *listing,
                       size_t count)
{
    struct json_line line = json_line_begin(file, "totals");

    json_line_number(&line, "queues", count);
    put_figures(&line, listing->capacity, listing->to_send, listing->to_finish,
                used_share(listing));
    json_line_end(&line);
}

static void print_table(struct inspection *inspection,
                        struct queue_listing *listing)
{
    struct text_table *table = &listing->table;
    int result;

    text_table_add(table, "total");
    text_table_add(table, "%zu", inspection->shown);
    text_table_add(table, "%s", "");
    text_table_add(table, "%s", "");
    add_figures(table, listing->capacity, listing->to_send, listing->to_finish,
                used_share(listing));
    for (size_t i = 8; i < ARRAY_LENGTH(titles); i++)
        text_table_add(table, "%s", "");
    result = text_table_print(table, inspection->output);
    if (result < 0)
        inspection_failure(inspection, result);
}

void inspect_queues(struct inspection *inspection)
{
    struct queue_listing listing = { 0 };

    text_table_init(&listing.table, titles, ARRAY_LENGTH(titles),
                    FIGURE_COLUMNS);
    layouts_read(inspection, &listing.layouts);
    inspection_visit(inspection, SEGMENT_QUEUE, list_one, &listing);
    layouts_check_queues(&listing.layouts, inspection);
    if (inspection->is_json)
        put_totals(inspection->output, &listing, inspection->shown);
    else if (inspection->shown > 0)
        print_table(inspection, &listing);
    layouts_deinit(&listing.layouts);
    text_table_deinit(&listing.table);
}
