/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * source_names - which nsqd, topic and channel the source number of a record
 * stands for; a private copy of the source tables of all bridges looked at.
 */

#include "shard/source_table.h"
#include "tools/inspector/inspection.h"

struct bridge_sources {
    const char *bridge;
    struct source_row *rows; /* each text ends with a NUL */
    size_t count;
};

struct source_names {
    struct bridge_sources *bridges;
    size_t count;
};

/* Read them all. Damage is noted; what cannot be read is left out. */
void source_names_read(struct inspection *inspection,
                       struct source_names *names);
void source_names_deinit(struct source_names *names);

/* "host:port topic channel"; NULL if no table has that row. */
const char *source_names_find(const struct source_names *names,
                              const char *bridge, uint16_t source);
