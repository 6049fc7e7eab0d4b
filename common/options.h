/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * options - every setting once: from the command line to a struct, and back.
 *
 * All programs of the bridge know the same table (options.tbl): the supervisor
 * parses what the operator typed and hands the result to each child as a
 * command line again, so that `ps` shows what a child was told and any child
 * can be started by hand.
 *
 * Both Go style (-topic x, -topic=x) and GNU style (--topic x, --topic=x) are
 * understood, as users of nsq_to_file expect. A value that begins with '-' is
 * a value. "--" and words that are no options are errors.
 *
 * Returns   0, or an OPTIONS_* condition with one clear sentence, without a
 *           full stop, in options.complaint.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/clock.h"

#define OPTIONS_LIST_MOST 256

struct option_list {
    const char *values[OPTIONS_LIST_MOST]; /* point into argv */
    size_t count;
};

typedef const char *option_TEXT;
typedef struct option_list option_TEXT_LIST;
typedef uint64_t option_NUMBER;
typedef uint64_t option_SIZE;    /* bytes */
typedef int64_t option_DURATION; /* nanoseconds */
typedef const char *option_CHOICE;
typedef int option_FLAG;

/* A copy still points to the made_name of the first. */
struct options {
#define OPTION(field, flag, kind, initial, least, most, group, meaning)        \
    option_##kind field;
#include "common/options.tbl"
    char complaint[512]; /* what is wrong, for the operator */
    char made_name[65];  /* where the default --name stands */
};

enum options_condition {
    OPTIONS_WRONG = 1, /* unknown, missing or malformed: exit status 64 */
    OPTIONS_RANGE,     /* well-formed but impossible: exit status 78 */
};

/* Fill in the defaults. */
void options_init(struct options *options);

/*
 * Parse argv[1] to argv[argc - 1] over the defaults. Texts point into argv,
 * which must live as long as *options. Checks each option by itself.
 */
int options_parse(struct options *options, int argc, char *const argv[]);

/*
 * Check what one option alone cannot show: topic and stream are there, exactly
 * one of nsqd and nsqlookupd addresses is given, names are legal for NSQ and
 * Kinesis, addresses are host:port, --partition-key is understood, sizes fit
 * together. Fills in the default --name. Not called with --help or --version.
 */
int options_check(struct options *options);

/*
 * Write the options that differ from their defaults as an argument vector for
 * a child, starting with `program`; `most` counts the NULL at its end. Texts
 * that had to be made are put into `memory`. Returns the number of arguments,
 * or a negative errno (-E2BIG) if they do not fit.
 */
int options_to_arguments(const struct options *options, const char *program,
                         char *memory, size_t memory_length, char **arguments,
                         size_t most);

/* --version: one line. */
void options_print_version(FILE *file, const char *program);

/* --help: usage, then the options by group, formatted for 80 columns. */
void options_print_help(FILE *file, const char *program, const char *purpose);

/* The README's table: GitHub Markdown, one row per option, by group. */
void options_print_markdown(FILE *file);
