/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ini_file - sections and keys of AWS's credentials and config files. Pure.
 *
 *     [profile orders]              a section
 *     region = eu-west-1            a key and its value, of that section
 *     # words                       a comment; ';' begins one too
 *     s3 =                          an empty value, and below it, indented,
 *       max_queue_size = 1000       nested settings, which are passed over
 *
 * A comment may also follow a value after white space. Lines end with LF or
 * CR LF. A section may come twice. Names of keys are compared without regard to
 * case, names of sections with it.
 */

#include <stdbool.h>

#include "common/bytes.h"

struct ini_reader {
    struct bytes rest;    /* not read yet */
    struct bytes section; /* the last one seen; empty before the first */
    unsigned line;        /* number of the last line read, from 1 */
};

struct ini_entry {
    struct bytes section; /* without brackets and outer white space */
    struct bytes key;
    struct bytes value; /* may be empty */
};

enum ini_condition {
    INI_END = 1, /* no more entries */
    INI_WRONG,   /* reader->line is no section, entry or comment */
};

/* Read `text` from its beginning; entries point into it. */
struct ini_reader ini_reader_on(struct bytes text);

/* The next key and value. Returns 0, INI_END or INI_WRONG. */
int ini_next(struct ini_reader *reader, struct ini_entry *entry);

/* True if the entry's key is `name`, in upper or lower case. */
bool ini_key_is(const struct ini_entry *entry, const char *name);
