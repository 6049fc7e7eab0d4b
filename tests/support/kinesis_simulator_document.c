/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_document.h"

#include "tests/support/kinesis_simulator_scan_ways.h"

#define TEXT_MOST 4096

static cJSON *value_of(struct simulator_scan *scan, int depth);

/* cJSON wants a NUL: names and texts are copied, which cold requests may. */
static bool terminate(struct bytes text, char copy[TEXT_MOST])
{
    if (text.length >= TEXT_MOST || memchr(text.data, 0, text.length))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return true;
}

static cJSON *text_of(struct simulator_scan *scan)
{
    char copy[TEXT_MOST];
    struct bytes text;

    if (!simulator_scan_text(scan, &text) || !terminate(text, copy))
        return NULL;
    return cJSON_CreateString(copy);
}

static bool add_value(cJSON *tree, struct bytes name, cJSON *value)
{
    char copy[TEXT_MOST];
    bool added;

    if (!value)
        return false;
    if (cJSON_IsArray(tree))
        added = cJSON_AddItemToArray(tree, value);
    else
        added =
            terminate(name, copy) && cJSON_AddItemToObject(tree, copy, value);
    if (!added)
        cJSON_Delete(value);
    return added;
}

static cJSON *tree_of(struct simulator_scan *scan, bool is_map, int depth)
{
    cJSON *tree = is_map ? cJSON_CreateObject() : cJSON_CreateArray();
    struct simulator_level level;
    struct bytes name = bytes_of(NULL, 0);
    enum simulator_step step = SIMULATOR_STEP_WRONG;

    if (!tree)
        return NULL;
    if (is_map ? simulator_scan_enter_map(scan, &level)
               : simulator_scan_enter_array(scan, &level))
        while ((step = simulator_scan_next(scan, &level, &name)) ==
               SIMULATOR_STEP_VALUE)
            if (!add_value(tree, name, value_of(scan, depth + 1)))
                break;
    if (step == SIMULATOR_STEP_END)
        return tree;
    cJSON_Delete(tree);
    return NULL;
}

static cJSON *simple_of(uint64_t value)
{
    switch (value) {
    case 20:
        return cJSON_CreateFalse();
    case 21:
        return cJSON_CreateTrue();
    case 22:
        return cJSON_CreateNull();
    default:
        return NULL;
    }
}

static cJSON *time_stamp_of(struct simulator_scan *scan, int depth)
{
    cJSON *value = value_of(scan, depth + 1);

    if (cJSON_IsNumber(value))
        cJSON_SetNumberValue(value, value->valuedouble / 1000);
    return value;
}

static cJSON *value_of(struct simulator_scan *scan, int depth)
{
    struct simulator_scan ahead = *scan;
    struct simulator_cbor_head head;

    if (depth > SIMULATOR_SCAN_DEPTH ||
        !simulator_cbor_take_head(&ahead, &head))
        return NULL;
    if (head.major == MAJOR_MAP || head.major == MAJOR_ARRAY)
        return tree_of(scan, head.major == MAJOR_MAP, depth);
    if (head.major == MAJOR_TEXT)
        return text_of(scan);
    scan->at = ahead.at;
    switch (head.major) {
    case MAJOR_UNSIGNED:
        return cJSON_CreateNumber((double)head.value);
    case MAJOR_NEGATIVE:
        return cJSON_CreateNumber(-1.0 - (double)head.value);
    case MAJOR_TAG:
        return head.value == 1 ? time_stamp_of(scan, depth)
                               : value_of(scan, depth + 1);
    case MAJOR_SIMPLE:
        return simple_of(head.value);
    default:
        return NULL;
    }
}

cJSON *simulator_document_parse(enum simulator_protocol protocol, uint8_t *body,
                                size_t length)
{
    struct simulator_scan scan = { protocol, body, body + length };
    cJSON *document;

    if (protocol == SIMULATOR_JSON)
        document = cJSON_ParseWithLength((const char *)body, length);
    else
        document = value_of(&scan, 0);
    if (cJSON_IsObject(document))
        return document;
    cJSON_Delete(document);
    return NULL;
}

const char *simulator_document_text(const cJSON *document, const char *name)
{
    return cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(document, name));
}

bool simulator_document_number(const cJSON *document, const char *name,
                               double *number)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(document, name);

    if (!cJSON_IsNumber(value))
        return false;
    *number = value->valuedouble;
    return true;
}
