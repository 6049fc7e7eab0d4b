/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/nsq_simulator_channel.h"
#include "tests/support/nsq_simulator_command.h"

#define EXIT_USAGE 64 /* sysexits.h: EX_USAGE */

enum option_kind {
    OPTION_NUMBER,
    OPTION_PORT,
    OPTION_TEXT,
    OPTION_FLAG,
    OPTION_BODY,
};

static const struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;
    uint64_t least;
    uint64_t most;
    const char *meaning;
} option_rows[] = {
#define ROW(name, kind, member, least, most, meaning)                          \
    {                                                                          \
        name, OPTION_##kind, offsetof(struct simulator_options, member),       \
            least, most, meaning                                               \
    }
    ROW("port", PORT, port, 0, 65535, "TCP port of the first nsqd (any)"),
    ROW("http-port", PORT, http_port, 0, 65535,
        "port of /lookup, /stats and /script (any)"),
    ROW("nsqd", NUMBER, nsqd_count, 1, SIMULATED_NSQDS_MOST,
        "how many nsqds, each with its port (1)"),
    ROW("topic", TEXT, topic, 0, 0, "the topic with the messages (test)"),
    ROW("count", NUMBER, count, 1, UINT64_MAX,
        "messages over all nsqds (endless)"),
    ROW("rate", NUMBER, rate, 0, 100000000,
        "messages per second over all nsqds; 0: as fast as possible (0)"),
    ROW("backlog", NUMBER, backlog, 1, UINT64_MAX / 2,
        "without a rate: messages published ahead, which a redelivered one "
        "waits for (10000)"),
    ROW("body", BODY, body, 0, 0, "json or binary (json)"),
    ROW("size", NUMBER, size, 1, UINT64_C(1) << 26, "bytes of a body (200)"),
    ROW("keys", NUMBER, keys, 1, UINT32_MAX, "distinct users (1000)"),
    ROW("seed", NUMBER, seed, 0, UINT64_MAX,
        "decides the order of the keys; is the run_id (1)"),
    ROW("equal-ids", FLAG, has_equal_ids, 0, 0,
        "all nsqds give their messages the same ids"),
    ROW("max-rdy-count", NUMBER, limits.max_rdy_count, 1, 1000000000,
        "as nsqd's (2500)"),
    ROW("msg-timeout", NUMBER, limits.msg_timeout_ms, 1, 86400000,
        "milliseconds, for clients that ask for none (60000)"),
    ROW("max-msg-timeout", NUMBER, limits.max_msg_timeout_ms, 1, 86400000,
        "milliseconds (900000)"),
    ROW("input", TEXT, input, 0, 0,
        "lines of this file (- is standard input) are the bodies"),
    ROW("script", TEXT, script, 0, 0, "faults, one JSON line each"),
    ROW("history", TEXT, history, 0, 0,
        "append what happens to each message, one JSON line each"),
    ROW("exit-when-done", FLAG, exits_when_done, 0, 0,
        "exit 0 with a summary when every message was finished"),
    ROW("deadline", NUMBER, deadline_s, 1, 1000000,
        "seconds after which to give up and exit 3"),
#undef ROW
};

#define OPTION_COUNT ARRAY_LENGTH(option_rows)

static void print_help(void)
{
    printf("usage: nsq_simulator [options]\n\n"
           "Plays nsqd (TCP, protocol V2, for consumers) and nsqlookupd "
           "(HTTP) on 127.0.0.1.\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        printf("  --%-16s %s\n", option_rows[i].name, option_rows[i].meaning);
}

static bool set_body(struct simulator_options *options, const char *text)
{
    options->body = strcmp(text, "binary") == 0 ? SOURCE_BINARY : SOURCE_JSON;
    return options->body == SOURCE_BINARY || strcmp(text, "json") == 0;
}

static bool set_option(struct simulator_options *options,
                       const struct option_row *row, const char *text)
{
    char *place = (char *)options + row->offset;
    uint64_t number;

    if (row->kind == OPTION_FLAG) {
        memcpy(place, &(bool){ true }, sizeof(bool));
        return true;
    }
    if (row->kind == OPTION_TEXT) {
        memcpy(place, &text, sizeof(text));
        return true;
    }
    if (row->kind == OPTION_BODY)
        return set_body(options, text);
    if (!bytes_parse_u64(bytes_of_text(text), &number) || number < row->least ||
        number > row->most)
        return false;
    if (row->kind == OPTION_PORT)
        memcpy(place, &(uint16_t){ (uint16_t)number }, sizeof(uint16_t));
    else
        memcpy(place, &number, sizeof(number));
    return true;
}

/* What one option alone does not show. Returns what is wrong, or NULL. */
static const char *check_together(const struct simulator_options *options)
{
    if (!command_is_name(bytes_of_text(options->topic)))
        return "--topic is not a name that nsqd takes";
    if (options->keys < options->nsqd_count)
        return "--keys must be at least --nsqd: a key lives on one nsqd";
    if (options->port > 0 && options->port + options->nsqd_count > 65536)
        return "--port leaves no room for so many nsqds";
    return NULL;
}

static bool parse_all(struct simulator_options *options, int argc, char *argv[])
{
    struct option getopt_rows[OPTION_COUNT + 2] = { 0 };
    const char *wrong;
    int choice, row;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        getopt_rows[i].name = option_rows[i].name;
        getopt_rows[i].has_arg = option_rows[i].kind != OPTION_FLAG;
    }
    getopt_rows[OPTION_COUNT].name = "help";
    while ((choice = getopt_long(argc, argv, "", getopt_rows, &row)) == 0) {
        if (row == (int)OPTION_COUNT) {
            print_help();
            return false;
        }
        if (!set_option(options, &option_rows[row], optarg)) {
            fprintf(stderr, "nsq_simulator: --%s cannot be %s\n",
                    option_rows[row].name, optarg);
            return false;
        }
    }
    if (choice != -1)
        return false;
    wrong = optind < argc ? "there are no arguments but options"
                          : check_together(options);
    if (wrong)
        fprintf(stderr, "nsq_simulator: %s\n", wrong);
    return !wrong;
}

bool simulator_options_parse(struct simulator_options *options, int argc,
                             char *argv[], int *status)
{
    *options = (struct simulator_options){
        .nsqd_count = 1,
        .topic = "test",
        .count = CHANNEL_ENDLESS,
        .backlog = 10000,
        .size = 200,
        .keys = 1000,
        .seed = 1,
        .limits = { .max_rdy_count = 2500,
                    .msg_timeout_ms = 60000,
                    .max_msg_timeout_ms = 900000 },
    };
    *status = argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : EXIT_USAGE;
    return parse_all(options, argc, argv);
}
