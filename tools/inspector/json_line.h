/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * json_line - one JSON object per line, for programs that read the inspector.
 *
 * Every line has the key "kind" first, and the same keys whatever their
 * values. Keys are an interface: they are added, never renamed or removed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/bytes.h"

struct json_line {
    FILE *file;
    bool needs_comma;
};

struct json_line json_line_begin(FILE *file, const char *kind);
void json_line_end(struct json_line *line);

/* An object inside the line. */
void json_line_open(struct json_line *line, const char *key);
void json_line_close(struct json_line *line);

/* A list of objects inside the line. */
void json_line_open_list(struct json_line *line, const char *key);
void json_line_open_element(struct json_line *line);
void json_line_close_list(struct json_line *line);

void json_line_number(struct json_line *line, const char *key, uint64_t value);
void json_line_time(struct json_line *line, const char *key, int64_t ns);
void json_line_share(struct json_line *line, const char *key, double share);
void json_line_flag(struct json_line *line, const char *key, bool value);
void json_line_null(struct json_line *line, const char *key);

/* NULL is null. What is no UTF-8 in it becomes "?". */
void json_line_text(struct json_line *line, const char *key, const char *text);

/*
 * Bytes of a peer, in two keys: the text and "<key>_encoding", which is
 * "utf-8", or "hex" if they are no UTF-8.
 */
void json_line_bytes(struct json_line *line, const char *key,
                     struct bytes bytes);
