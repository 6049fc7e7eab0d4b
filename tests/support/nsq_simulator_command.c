/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_command.h"

static const struct {
    const char *name;
    enum command_kind kind;
    bool has_body;
} command_names[] = {
    { "FIN", COMMAND_FIN, false },     { "RDY", COMMAND_RDY, false },
    { "TOUCH", COMMAND_TOUCH, false }, { "NOP", COMMAND_NOP, false },
    { "REQ", COMMAND_REQ, false },     { "CLS", COMMAND_CLS, false },
    { "SUB", COMMAND_SUB, false },     { "IDENTIFY", COMMAND_IDENTIFY, true },
    { "AUTH", COMMAND_AUTH, true },    { "PUB", COMMAND_PUB, true },
};

static void split_words(struct bytes line, struct command *command)
{
    for (;;) {
        const uint8_t *space =
            line.length > 0 ? memchr(line.data, ' ', line.length) : NULL;
        size_t length = space ? (size_t)(space - line.data) : line.length;

        if (command->word_count < COMMAND_WORDS_MOST)
            command->words[command->word_count] = bytes_of(line.data, length);
        command->word_count++;
        if (!space)
            return;
        line = bytes_skip(line, length + 1);
    }
}

/* Returns true if the command carries a body. */
static bool find_kind(struct command *command)
{
    for (size_t i = 0; i < ARRAY_LENGTH(command_names); i++) {
        if (bytes_equal_text(command->words[0], command_names[i].name)) {
            command->kind = command_names[i].kind;
            /* nsqd refuses a PUB without topic before it reads a body. */
            return command_names[i].has_body &&
                   (command->kind != COMMAND_PUB || command->word_count > 1);
        }
    }
    return false;
}

static int take_body(struct bytes rest, size_t body_most,
                     struct command *command, size_t *consumed)
{
    if (rest.length < sizeof(uint32_t))
        return COMMAND_INCOMPLETE;
    command->body_length = (int32_t)bytes_load_be32(rest.data);
    *consumed = sizeof(uint32_t);
    if (command->body_length <= 0 || (size_t)command->body_length > body_most)
        return 0;
    rest = bytes_skip(rest, sizeof(uint32_t));
    if (rest.length < (size_t)command->body_length)
        return COMMAND_INCOMPLETE;
    command->body = bytes_of(rest.data, (size_t)command->body_length);
    *consumed += (size_t)command->body_length;
    return 0;
}

int command_parse(struct bytes input, size_t body_most, struct command *command,
                  size_t *consumed)
{
    size_t searched =
        input.length < COMMAND_LINE_MOST ? input.length : COMMAND_LINE_MOST;
    const uint8_t *end =
        searched > 0 ? memchr(input.data, '\n', searched) : NULL;
    struct command found = { .kind = COMMAND_UNKNOWN };
    size_t line_length, body_consumed = 0;
    int result = 0;

    if (!end)
        return searched == COMMAND_LINE_MOST ? COMMAND_LINE_TOO_LONG
                                             : COMMAND_INCOMPLETE;
    line_length = (size_t)(end - input.data);
    *consumed = line_length + 1;
    if (line_length > 0 && input.data[line_length - 1] == '\r')
        line_length--;
    split_words(bytes_of(input.data, line_length), &found);
    if (find_kind(&found))
        result = take_body(bytes_skip(input, *consumed), body_most, &found,
                           &body_consumed);
    if (result == 0) {
        *consumed += body_consumed;
        *command = found;
    }
    return result;
}

bool command_number(struct bytes text, uint64_t *value)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(text.data[i] - '0'), &sum))
            sum = UINT64_MAX;
    }
    *value = sum;
    return true;
}

static bool is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' ||
           byte == '-';
}

bool command_is_name(struct bytes name)
{
    static const char ephemeral[] = "#ephemeral";
    size_t suffix = sizeof(ephemeral) - 1;

    if (name.length == 0 || name.length > 64)
        return false;
    if (name.length >= suffix &&
        memcmp(name.data + name.length - suffix, ephemeral, suffix) == 0)
        name.length -= suffix;
    for (size_t i = 0; i < name.length; i++) {
        if (!is_name_byte(name.data[i]))
            return false;
    }
    return name.length > 0;
}
