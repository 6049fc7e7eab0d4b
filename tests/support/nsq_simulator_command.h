/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_command - what a client of nsqd says, out of a byte stream.
 *
 * nsqd reads lines that end in "\n" (a "\r" before it is dropped) and splits
 * them at single spaces, so that two spaces make an empty parameter. IDENTIFY,
 * AUTH and PUB are followed by a 32-bit big-endian size and a body. Pure;
 * every view points into the input.
 *
 * Returns   0, or a COMMAND_* condition.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

/* nsqd's bufio.Reader: a line that does not fit ends the connection. */
#define COMMAND_LINE_MOST 16384

#define COMMAND_WORDS_MOST 4

/* "FIN " + id + "\n": the command that decides how fast the double is. */
#define COMMAND_FIN_LENGTH 21

enum command_condition {
    COMMAND_INCOMPLETE = 1, /* the rest has not arrived yet */
    COMMAND_LINE_TOO_LONG,  /* nsqd closes without a word */
};

enum command_kind {
    COMMAND_UNKNOWN,
    COMMAND_IDENTIFY,
    COMMAND_AUTH,
    COMMAND_SUB,
    COMMAND_RDY,
    COMMAND_FIN,
    COMMAND_REQ,
    COMMAND_TOUCH,
    COMMAND_CLS,
    COMMAND_NOP,
    COMMAND_PUB,
};

struct command {
    enum command_kind kind;
    struct bytes words[COMMAND_WORDS_MOST]; /* the name comes first */
    size_t word_count;   /* as nsqd counts; those past the array are lost */
    int32_t body_length; /* as the client wrote it: may be absurd */
    struct bytes body;   /* empty unless 0 < body_length <= body_most */
};

/*
 * Take one command off the beginning of `input`. A body longer than
 * `body_most`, or of no length, is not waited for: the command is complete
 * with body_length alone, because nsqd refuses it before it reads on.
 */
int command_parse(struct bytes input, size_t body_most, struct command *command,
                  size_t *consumed);

/* True if `input` begins with a FIN in its usual 21 bytes; *id are 16. */
static inline bool command_is_plain_fin(struct bytes input, const uint8_t **id)
{
    if (input.length < COMMAND_FIN_LENGTH ||
        memcmp(input.data, "FIN ", 4) != 0 || input.data[20] != '\n')
        return false;
    *id = input.data + 4;
    return true;
}

/*
 * A number as nsqd reads it: digits only, and no digits at all are 0.
 * Saturates where nsqd would wrap. Returns false if there is another byte.
 */
bool command_number(struct bytes text, uint64_t *value);

/* nsqd's rule for topics and channels: ^[.a-zA-Z0-9_-]+(#ephemeral)?$, <= 64 */
bool command_is_name(struct bytes name);
