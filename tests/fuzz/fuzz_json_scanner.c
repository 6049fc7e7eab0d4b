/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The input is a body. Whatever it is, a value that is found lies in the body
 * or in the memory for unescaping, and finding it again gives it again.
 */

#include <stdlib.h>

#include "ingest/json_scanner.h"
#include "tests/fuzz/target.h"

static bool lies_in(struct bytes value, const uint8_t *from, size_t length)
{
    return value.length == 0 ||
           (value.data >= from && value.data < from + length &&
            value.length <= (size_t)(from + length - value.data));
}

static void check_path(struct bytes body, const char *text)
{
    uint8_t memory[64];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));
    struct bytes value = bytes_of(NULL, 0);
    struct json_path path;
    int result;

    if (json_path_parse(bytes_of_text(text), &path))
        abort();
    result = json_find(body, &path, &writer, &value);
    if (result < 0 || result > JSON_TOO_LONG || result == JSON_PATH_WRONG)
        abort();
    if (!lies_in(value, body.data, body.length) &&
        !lies_in(value, memory, sizeof(memory)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    struct bytes body = bytes_of(input, length);

    check_path(body, "a");
    check_path(body, "a.b");
    check_path(body, "user_id");
    return 0;
}

size_t fuzz_make_input(struct random *random, uint8_t *input, size_t most)
{
    static const char *const parts[] = {
        "{\"a\":",
        "{\"b\":",
        ",\"a\":",
        ",\"user\\u005fid\":",
        "\"x\"",
        "\"\\n\"",
        "\"\\ud83d\\ude00\"",
        "{\"c\":[1,2,{}]",
        "12.5e3",
        "null",
        "true",
        "}",
        "}",
        " ",
        "[]",
        "\"\\\\\"",
    };
    struct bytes_writer writer = bytes_writer_on(input, most);

    bytes_put_text(&writer, "{\"b\":\"\\\"\",\"a\":");
    for (uint64_t i = random_below(random, 16); i > 0; i--)
        bytes_put_text(&writer,
                       parts[random_below(random, ARRAY_LENGTH(parts))]);
    return writer.length;
}
