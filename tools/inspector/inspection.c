/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/inspection.h"

#include <stdarg.h>

#include "common/error.h"
#include "common/segment_explanation.h"
#include "tools/inspector/json_line.h"
#include "tools/inspector/segment_fault.h"

int inspection_begin(struct inspection *inspection)
{
    return segment_list_read(inspection->bridge, &inspection->segments);
}

void inspection_end(struct inspection *inspection)
{
    segment_list_deinit(&inspection->segments);
}

enum inspection_exit inspection_status(const struct inspection *inspection)
{
    if (inspection->has_failed)
        return INSPECTION_FAILED;
    if (inspection->is_damaged)
        return INSPECTION_DAMAGE;
    return inspection->shown > 0 ? INSPECTION_FINE : INSPECTION_NOTHING;
}

struct visit {
    struct inspection *inspection;
    const struct segment_entry *segment;
    inspection_look *look;
    void *own;
};

static void look_at_one(void *what)
{
    struct visit *visit = what;

    visit->look(visit->inspection, visit->segment, visit->own);
}

void inspection_visit(struct inspection *inspection, enum segment_kind kind,
                      inspection_look *look, void *own)
{
    for (size_t i = 0; i < inspection->segments.count; i++) {
        struct visit visit = {
            .inspection = inspection,
            .segment = &inspection->segments.entries[i],
            .look = look,
            .own = own,
        };

        if (visit.segment->kind == kind &&
            segment_fault_survive(look_at_one, &visit) < 0)
            inspection_damage(inspection, visit.segment,
                              "was made shorter while it was read");
    }
}

void inspection_damage(struct inspection *inspection,
                       const struct segment_entry *segment, const char *format,
                       ...)
{
    char clause[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(clause, sizeof(clause), format, arguments);
    va_end(arguments);
    inspection->is_damaged = true;
    if (inspection->is_json) {
        struct json_line line = json_line_begin(inspection->output, "damage");

        json_line_text(&line, "bridge", segment->bridge);
        json_line_text(&line, "segment", segment->name.text);
        json_line_text(&line, "damage", clause);
        json_line_end(&line);
        return;
    }
    /* Sentences and lines keep their order when both go to one terminal. */
    (void)fflush(inspection->output);
    (void)fprintf(inspection->complaints, "segment %s %s\n", segment->name.text,
                  clause);
}

void inspection_cannot_use(struct inspection *inspection,
                           const struct segment_entry *segment, uint64_t magic,
                           uint32_t version)
{
    char clause[256];

    segment_explain(segment->name.text, magic, version, clause, sizeof(clause));
    inspection_damage(inspection, segment, "%s", clause);
}

void inspection_failure(struct inspection *inspection, int code)
{
    inspection->has_failed = true;
    (void)fprintf(inspection->complaints, "nsq_to_kinesis-inspect: %s\n",
                  error_take(code));
}
