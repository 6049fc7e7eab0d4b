/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/segments.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"

/* Where glibc's shm_open puts segments. */
#define SEGMENT_FOLDER "/dev/shm"

/* What may stand in a bridge's name and in a role. */
#define NAME_LETTERS                                                           \
    "abcdefghijklmnopqrstuvwxyz"                                               \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                               \
    "0123456789_.#-"

/* Cut the part behind the last '.' off `text`; false if there is none. */
static bool cut_last_part(struct bytes *text, struct bytes *part)
{
    const uint8_t *dot =
        text->length > 0 ? memrchr(text->data, '.', text->length) : NULL;
    size_t before;

    if (!dot)
        return false;
    before = (size_t)(dot - text->data);
    *part = bytes_skip(*text, before + 1);
    text->length = before;
    return true;
}

/* A letter and a number as printf("%u") writes it. */
static bool parse_lettered_number(struct bytes part, const char *letter,
                                  uint32_t *number)
{
    struct bytes digits = bytes_skip(part, 1);
    uint64_t value;

    if (!bytes_start_with(part, letter) || !bytes_parse_u64(digits, &value) ||
        value > UINT32_MAX || (digits.length > 1 && digits.data[0] == '0'))
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool copy_name(struct bytes part, char *name, size_t capacity)
{
    if (part.length == 0 || part.length >= capacity)
        return false;
    memcpy(name, part.data, part.length);
    name[part.length] = '\0';
    return strspn(name, NAME_LETTERS) == part.length;
}

/* Kinds whose name ends with one word. */
static bool parse_word(struct bytes last, struct segment_entry *entry)
{
    static const struct {
        const char *word;
        enum segment_kind kind;
    } words[] = {
        { "layout", SEGMENT_LAYOUT },
        { "wakeup", SEGMENT_WAKEUP },
        { "sources", SEGMENT_SOURCES },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!bytes_equal_text(last, words[i].word))
            continue;
        entry->kind = words[i].kind;
        return true;
    }
    return false;
}

/* Kinds whose name ends with two parts: ".g1.q0" and ".counters.ingest". */
static bool parse_pair(struct bytes before, struct bytes last,
                       struct segment_entry *entry)
{
    if (bytes_equal_text(before, "counters")) {
        entry->kind = SEGMENT_COUNTERS;
        return copy_name(last, entry->role, sizeof(entry->role));
    }
    entry->kind = SEGMENT_QUEUE;
    return parse_lettered_number(before, "g", &entry->generation) &&
           parse_lettered_number(last, "q", &entry->index);
}

bool segment_entry_parse(const char *name, struct segment_entry *entry)
{
    struct segment_entry found = { 0 };
    struct bytes rest = bytes_of_text(name);
    struct bytes last;
    struct bytes before;

    if (!bytes_start_with(rest, SEGMENT_NAME_PREFIX) ||
        rest.length >= sizeof(found.name.text))
        return false;
    memcpy(found.name.text, name, rest.length);
    rest = bytes_skip(rest, strlen(SEGMENT_NAME_PREFIX));
    if (!cut_last_part(&rest, &last))
        return false;
    if (!parse_word(last, &found) &&
        !(cut_last_part(&rest, &before) && parse_pair(before, last, &found)))
        return false;
    if (!copy_name(rest, found.bridge, sizeof(found.bridge)))
        return false;
    *entry = found;
    return true;
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

int segment_entry_compare(const void *a, const void *b)
{
    const struct segment_entry *left = a;
    const struct segment_entry *right = b;
    int order = strcmp(left->bridge, right->bridge);

    if (order == 0)
        order = compare_numbers(left->kind, right->kind);
    if (order == 0)
        order = compare_numbers(left->generation, right->generation);
    if (order == 0)
        order = compare_numbers(left->index, right->index);
    return order ? order : strcmp(left->role, right->role);
}

static int add_entry(struct segment_list *list, size_t *room,
                     const struct segment_entry *entry)
{
    if (list->count == *room) {
        size_t more = *room ? 2 * *room : 64;
        struct segment_entry *entries =
            reallocarray(list->entries, more, sizeof(*entries));

        if (!entries)
            return error_origin(-ENOMEM, "cannot list %zu segments", more);
        list->entries = entries;
        *room = more;
    }
    list->entries[list->count++] = *entry;
    return 0;
}

static int read_folder(DIR *folder, const char *bridge,
                       struct segment_list *list)
{
    size_t room = 0;

    for (;;) {
        char name[SEGMENT_NAME_CAPACITY] = "/";
        struct segment_entry entry;
        const struct dirent *file;
        size_t length;
        int result;

        errno = 0;
        file = readdir(folder);
        if (!file)
            return errno ? error_origin(-errno, "cannot list " SEGMENT_FOLDER)
                         : 0;
        length = strlen(file->d_name);
        if (length + 2 > sizeof(name))
            continue;
        memcpy(name + 1, file->d_name, length);
        if (!segment_entry_parse(name, &entry) ||
            (bridge && strcmp(bridge, entry.bridge) != 0))
            continue;
        result = add_entry(list, &room, &entry);
        if (result < 0)
            return result;
    }
}

int segment_list_read(const char *bridge, struct segment_list *list)
{
    DIR *folder = opendir(SEGMENT_FOLDER);
    int result;

    *list = (struct segment_list){ 0 };
    if (!folder)
        return error_origin(-errno, "cannot list " SEGMENT_FOLDER);
    result = read_folder(folder, bridge, list);
    (void)closedir(folder);
    if (result < 0) {
        segment_list_deinit(list);
        return result;
    }
    if (list->count > 0)
        qsort(list->entries, list->count, sizeof(*list->entries),
              segment_entry_compare);
    return 0;
}

void segment_list_deinit(struct segment_list *list)
{
    free(list->entries);
    *list = (struct segment_list){ 0 };
}
