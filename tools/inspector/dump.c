/* SPDX-License-Identifier: Apache-2.0 */

/*
 * dump - the records that are not finished, oldest first: what they carry,
 * where they come from and whether they are what ingest wrote.
 */

#include <errno.h>
#include <stdlib.h>

#include "common/error.h"
#include "tools/inspector/figures.h"
#include "tools/inspector/json_line.h"
#include "tools/inspector/layouts.h"
#include "tools/inspector/opened_queue.h"
#include "tools/inspector/source_names.h"

#define BODY_SHOWN 120 /* bytes, without --full */

struct dumping {
    struct inspection *inspection;
    const struct segment_entry *segment;
    const struct opened_queue *queue;
    const struct layouts *layouts;
    const struct source_names *sources;
};

/* One record, copied. */
struct dumped_record {
    const struct record_header *header;
    uint64_t position;
    bool is_right; /* its checksum */
    struct bytes key;
    struct bytes body;
    struct bytes shown; /* of the body */
    const char *source; /* NULL: no row says */
};

static const char *verdict_word(uint8_t verdict)
{
    static const char *const words[] = {
        [VERDICT_NONE] = "none",
        [VERDICT_DELIVERED] = "delivered",
        [VERDICT_REFUSED_TOO_LARGE] = "refused_too_large",
        [VERDICT_REFUSED_BY_KINESIS] = "refused_by_kinesis",
    };

    return verdict < ARRAY_LENGTH(words) && words[verdict] ? words[verdict]
                                                           : "unknown";
}

static const char *state_word(const struct queue_view_state *state,
                              uint64_t position)
{
    if (position < state->positions.released)
        return "decided";
    if (state->has_intent && position < state->intent.end)
        return "on_its_way";
    return "waiting";
}

/* An id is 16 printable characters; anything else is shown in hexadecimal. */
static struct figure message_id_text(const struct record_header *header)
{
    struct figure figure = { 0 };
    bool is_printable = true;

    for (size_t i = 0; i < sizeof(header->message_id); i++)
        is_printable &=
            header->message_id[i] > ' ' && header->message_id[i] <= '~';
    for (size_t i = 0; i < sizeof(header->message_id); i++) {
        if (is_printable)
            figure.text[i] = (char)header->message_id[i];
        else
            (void)snprintf(figure.text + 2 * i, 3, "%02x",
                           header->message_id[i]);
    }
    return figure;
}

static void print_record(const struct dumping *dumping,
                         const struct dumped_record *record)
{
    const struct record_header *header = record->header;
    struct hash_key hash_key = { header->hash_high, header->hash_low };
    FILE *file = dumping->inspection->output;

    (void)fprintf(file, "  at %llu: %s, message %s, attempt %u, of %s\n",
                  (unsigned long long)record->position,
                  state_word(&dumping->queue->state, record->position),
                  message_id_text(header).text, header->attempts,
                  figure_of_wall_time(header->timestamp_ns).text);
    (void)fprintf(file, "    source %u", header->source);
    if (record->source) {
        (void)fputc(' ', file);
        figure_print_quoted(file, bytes_of_text(record->source));
    }
    (void)fprintf(file, ", verdict %s, checksum %s\n    key ",
                  verdict_word(header->verdict),
                  record->is_right ? "right" : "WRONG");
    if (record->key.length > 0) {
        figure_print_quoted(file, record->key);
        (void)fprintf(file, ", hash key %s", figure_of_hash_key(hash_key).text);
    } else {
        (void)fputs("none", file);
    }
    (void)fprintf(file, "\n    body %zu bytes: ", record->body.length);
    figure_print_quoted(file, record->shown);
    (void)fputs(record->shown.length < record->body.length ? " ...\n" : "\n",
                file);
}

static void put_key(struct json_line *line, const struct dumped_record *record)
{
    struct hash_key hash_key = { record->header->hash_high,
                                 record->header->hash_low };

    if (record->key.length == 0) {
        json_line_null(line, "partition_key");
        json_line_null(line, "partition_key_encoding");
        json_line_null(line, "hash_key");
        return;
    }
    json_line_bytes(line, "partition_key", record->key);
    json_line_text(line, "hash_key", figure_of_hash_key(hash_key).text);
}

static void put_record(const struct dumping *dumping,
                       const struct dumped_record *record)
{
    const struct record_header *header = record->header;
    struct json_line line =
        json_line_begin(dumping->inspection->output, "record");

    json_line_text(&line, "bridge", dumping->segment->bridge);
    json_line_number(&line, "generation", dumping->segment->generation);
    json_line_number(&line, "queue", dumping->segment->index);
    json_line_number(&line, "position", record->position);
    json_line_text(&line, "state",
                   state_word(&dumping->queue->state, record->position));
    json_line_text(&line, "message_id", message_id_text(header).text);
    json_line_number(&line, "attempts", header->attempts);
    json_line_number(&line, "source", header->source);
    json_line_text(&line, "source_name", record->source);
    json_line_time(&line, "timestamp_ns", header->timestamp_ns);
    put_key(&line, record);
    json_line_text(&line, "verdict", verdict_word(header->verdict));
    json_line_text(&line, "checksum", record->is_right ? "right" : "wrong");
    json_line_number(&line, "body_bytes", record->body.length);
    json_line_bytes(&line, "body", record->shown);
    json_line_flag(&line, "body_cut",
                   record->shown.length < record->body.length);
    json_line_end(&line);
}

/* `end` is the position behind the record. */
static void show_record(const struct dumping *dumping,
                        const struct record_header *header, uint64_t end,
                        bool is_right)
{
    struct inspection *inspection = dumping->inspection;
    struct dumped_record record = {
        .header = header,
        .position = end - record_space(header->length - sizeof(*header)),
        .is_right = is_right,
        .key = record_key(header),
        .body = record_body(header),
        .source = source_names_find(dumping->sources, dumping->segment->bridge,
                                    header->source),
    };

    record.shown =
        inspection->is_full ? record.body : figure_cut(record.body, BODY_SHOWN);
    if (inspection->is_json)
        put_record(dumping, &record);
    else
        print_record(dumping, &record);
    if (!is_right)
        inspection_damage(inspection, dumping->segment,
                          "has a record at %llu whose bytes are not those "
                          "that ingest wrote",
                          (unsigned long long)record.position);
}

static void print_heading(const struct dumping *dumping)
{
    const char *shard = layouts_shard_id(dumping->layouts, dumping->segment);

    (void)fprintf(dumping->inspection->output,
                  "bridge %s, queue g%u.q%u%s%s: %s to send, %s to finish\n",
                  dumping->segment->bridge, dumping->segment->generation,
                  dumping->segment->index, shard ? ", " : "",
                  shard ? shard : "",
                  figure_of_size(dumping->queue->to_send).text,
                  figure_of_size(dumping->queue->to_finish).text);
}

/* Walk the records that were there at the first look, at most as asked. */
static void walk_records(const struct dumping *dumping, void *memory,
                         size_t capacity)
{
    const struct queue_snapshot *range = &dumping->queue->state.positions;
    struct inspection *inspection = dumping->inspection;
    uint64_t position = range->finished;
    uint64_t count = 0;

    while (position < range->committed) {
        int result;

        if (inspection->most > 0 && count >= inspection->most) {
            if (!inspection->is_json)
                (void)fprintf(inspection->output,
                              "  and more: --max=0 shows all\n");
            return;
        }
        result =
            queue_view_read(&dumping->queue->view, &position, memory, capacity);
        if (result == QUEUE_VIEW_OVERRUN)
            continue; /* finished meanwhile: no longer of interest */
        if (result == QUEUE_EMPTY)
            return;
        if (result == QUEUE_CORRUPT) {
            inspection_damage(inspection, dumping->segment,
                              "has no record at %llu, where one should be",
                              (unsigned long long)position);
            return;
        }
        show_record(dumping, memory, position, result == 0);
        count++;
    }
}

static void dump_one(struct inspection *inspection,
                     const struct segment_entry *segment, void *own)
{
    struct dumping dumping = *(const struct dumping *)own;
    struct opened_queue queue;
    size_t capacity;
    void *memory;

    if (inspection->has_queue && segment->index != inspection->queue)
        return;
    if (!opened_queue_open(inspection, segment, &queue))
        return;
    dumping.segment = segment;
    dumping.queue = &queue;
    /* A record is at most half of the ring: see queue_layout.h. */
    capacity = queue.state.capacity / 2;
    memory = malloc(capacity);
    if (memory && !inspection->is_json)
        print_heading(&dumping);
    if (memory)
        walk_records(&dumping, memory, capacity);
    else
        inspection_failure(inspection,
                           error_origin(-ENOMEM, "cannot keep a record"));
    free(memory);
    opened_queue_close(&queue);
}

void inspect_records(struct inspection *inspection)
{
    struct layouts layouts;
    struct source_names sources;
    struct dumping dumping = {
        .inspection = inspection,
        .layouts = &layouts,
        .sources = &sources,
    };

    layouts_read(inspection, &layouts);
    source_names_read(inspection, &sources);
    inspection_visit(inspection, SEGMENT_QUEUE, dump_one, &dumping);
    source_names_deinit(&sources);
    layouts_deinit(&layouts);
}
