/* SPDX-License-Identifier: Apache-2.0 */

/* kinesis_simulator_main - arguments, streams and files; then serve. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/support/kinesis_simulator.h"
#include "tests/support/kinesis_simulator_server.h"
#include "tests/support/kinesis_simulator_tls.h"

#define STREAMS_MOST 64
#define EXIT_USAGE   64 /* EX_USAGE of sysexits.h */

/* Everything the command line says. */
struct arguments {
    struct simulator_settings settings;
    struct simulator_ports ports;
    const char *access_key;
    const char *secret_key;
    const char *session_token;
    const char *region;
    const char *streams[STREAMS_MOST];
    size_t stream_count;
    const char *script_path;
    const char *history_path;
    const char *certificate_folder;
    uint64_t seed;
};

enum option_letter {
    OPTION_PORT = 1,
    OPTION_TLS_PORT,
    OPTION_CERTIFICATE,
    OPTION_PRIVATE_KEY,
    OPTION_MAKE_CERTIFICATE,
    OPTION_ACCESS_KEY,
    OPTION_SECRET_KEY,
    OPTION_SESSION_TOKEN,
    OPTION_REGION,
    OPTION_CLOCK_OFFSET,
    OPTION_NO_VERIFY,
    OPTION_STREAM,
    OPTION_ENFORCE_RATE,
    OPTION_DELAY,
    OPTION_TRANSITION,
    OPTION_DISCARD,
    OPTION_COUNT_USER_RECORDS,
    OPTION_KEEP_MOST,
    OPTION_SCRIPT,
    OPTION_SEED,
    OPTION_HISTORY,
    OPTION_HELP,
};

static const struct {
    const char *name;
    const char *value; /* NULL: a flag */
    enum option_letter letter;
    const char *meaning;
} option_rows[] = {
    { "port", "N", OPTION_PORT, "plain HTTP on 127.0.0.1; 0: a free port" },
    { "tls-port", "N", OPTION_TLS_PORT, "HTTPS; 0: a free port" },
    { "certificate", "FILE", OPTION_CERTIFICATE, "PEM; turns HTTPS on" },
    { "private-key", "FILE", OPTION_PRIVATE_KEY, "PEM of the certificate" },
    { "make-certificate", "DIR", OPTION_MAKE_CERTIFICATE,
      "write ca.pem, server.pem, server-key.pem and exit" },
    { "access-key", "ID", OPTION_ACCESS_KEY, "default: test" },
    { "secret-key", "TEXT", OPTION_SECRET_KEY, "default: test" },
    { "session-token", "TEXT", OPTION_SESSION_TOKEN, "default: none" },
    { "region", "NAME", OPTION_REGION, "default: us-east-1" },
    { "clock-offset", "SECONDS", OPTION_CLOCK_OFFSET,
      "the service's clock minus the real one" },
    { "no-verify", NULL, OPTION_NO_VERIFY, "accept any signature, or none" },
    { "stream", "NAME:SHARDS", OPTION_STREAM, "a stream from the start" },
    { "enforce-rate", NULL, OPTION_ENFORCE_RATE,
      "1000 records/s and 1 MiB/s per shard" },
    { "delay-ms", "N", OPTION_DELAY, "every reply waits so long" },
    { "transition-ms", "N", OPTION_TRANSITION,
      "how long CREATING, UPDATING and DELETING last" },
    { "discard", NULL, OPTION_DISCARD, "count records, keep none" },
    { "count-user-records", NULL, OPTION_COUNT_USER_RECORDS,
      "look into aggregates" },
    { "keep-most", "BYTES", OPTION_KEEP_MOST,
      "records kept per shard; default: 256 MiB" },
    { "script", "FILE", OPTION_SCRIPT, "faults, as JSON lines" },
    { "seed", "N", OPTION_SEED, "what chance does" },
    { "history", "FILE", OPTION_HISTORY, "append one JSON line per happening" },
    { "help", NULL, OPTION_HELP, "this text" },
};

static void print_help(void)
{
    printf("kinesis_simulator - a Kinesis Data Streams service for tests\n\n");
    for (size_t i = 0; i < ARRAY_LENGTH(option_rows); i++) {
        char left[64];

        snprintf(left, sizeof(left), "--%s %s", option_rows[i].name,
                 option_rows[i].value ? option_rows[i].value : "");
        printf("  %-26s %s\n", left, option_rows[i].meaning);
    }
    printf("\nGET /statistics, POST /settings, POST /script and DELETE "
           "/script are served on\nthe same ports.\n");
}

static int complain(const char *what, const char *value)
{
    fprintf(stderr, "kinesis_simulator: %s: %s\n", what, value);
    return EXIT_USAGE;
}

/* A number from `least` to `most`; an exit status otherwise. */
static int read_number(const char *text, double least, double most,
                       double *number)
{
    char *end;

    errno = 0;
    *number = strtod(text, &end);
    if (end == text || *end || errno || !(*number >= least) ||
        !(*number <= most))
        return complain("a number is wrong or out of range", text);
    return 0;
}

static int read_port(const char *text, uint16_t *port)
{
    double number;
    int status = read_number(text, 0, UINT16_MAX, &number);

    if (!status)
        *port = (uint16_t)number;
    return status;
}

static int read_time(const char *text, int64_t unit, int64_t *ns)
{
    double number;
    int status = read_number(text, -1e9, 1e9, &number);

    if (!status)
        *ns = (int64_t)(number * (double)unit);
    return status;
}

static int read_bytes(const char *text, uint64_t *count)
{
    return bytes_parse_u64(bytes_of_text(text), count)
               ? 0
               : complain("a number is wrong", text);
}

static int add_stream(struct arguments *arguments, const char *text)
{
    if (arguments->stream_count == STREAMS_MOST)
        return complain("too many streams", text);
    arguments->streams[arguments->stream_count++] = text;
    return 0;
}

static int apply_text(struct arguments *arguments, enum option_letter letter,
                      const char *value)
{
    const char **place;

    switch (letter) {
    case OPTION_CERTIFICATE:
        place = &arguments->ports.certificate_path;
        break;
    case OPTION_PRIVATE_KEY:
        place = &arguments->ports.private_key_path;
        break;
    case OPTION_MAKE_CERTIFICATE:
        place = &arguments->certificate_folder;
        break;
    case OPTION_ACCESS_KEY:
        place = &arguments->access_key;
        break;
    case OPTION_SECRET_KEY:
        place = &arguments->secret_key;
        break;
    case OPTION_SESSION_TOKEN:
        place = &arguments->session_token;
        break;
    case OPTION_REGION:
        place = &arguments->region;
        break;
    case OPTION_SCRIPT:
        place = &arguments->script_path;
        break;
    case OPTION_HISTORY:
        place = &arguments->history_path;
        break;
    default:
        return EXIT_USAGE; /* getopt has said why */
    }
    *place = value;
    return 0;
}

static int apply(struct arguments *arguments, enum option_letter letter,
                 const char *value)
{
    struct simulator_settings *settings = &arguments->settings;

    switch (letter) {
    case OPTION_PORT:
        return read_port(value, &arguments->ports.http);
    case OPTION_TLS_PORT:
        return read_port(value, &arguments->ports.https);
    case OPTION_CLOCK_OFFSET:
        return read_time(value, NS_PER_SECOND, &settings->clock_offset_ns);
    case OPTION_DELAY:
        return read_time(value, NS_PER_MS, &settings->delay_ns);
    case OPTION_TRANSITION:
        return read_time(value, NS_PER_MS, &settings->transition_ns);
    case OPTION_KEEP_MOST:
        return read_bytes(value, &settings->keep_most);
    case OPTION_SEED:
        return read_bytes(value, &arguments->seed);
    case OPTION_STREAM:
        return add_stream(arguments, value);
    case OPTION_NO_VERIFY:
        settings->verifies = false;
        return 0;
    case OPTION_ENFORCE_RATE:
        settings->enforces_rate = true;
        return 0;
    case OPTION_DISCARD:
        settings->discards = true;
        return 0;
    case OPTION_COUNT_USER_RECORDS:
        settings->counts_user_records = true;
        return 0;
    case OPTION_HELP:
        print_help();
        exit(EXIT_SUCCESS);
    default:
        return apply_text(arguments, letter, value);
    }
}

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    struct option options[ARRAY_LENGTH(option_rows) + 1] = { { 0 } };
    int letter;

    for (size_t i = 0; i < ARRAY_LENGTH(option_rows); i++)
        options[i] = (struct option){
            .name = option_rows[i].name,
            .has_arg = option_rows[i].value ? required_argument : no_argument,
            .val = (int)option_rows[i].letter,
        };
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int status = apply(arguments, (enum option_letter)letter, optarg);

        if (status)
            return status;
    }
    if (optind < argc)
        return complain("not an option", argv[optind]);
    if (arguments->ports.certificate_path && !arguments->ports.private_key_path)
        return complain("missing option", "--private-key");
    return 0;
}

/* "NAME:SHARDS" */
static int make_stream(struct simulator *simulator, const char *text)
{
    struct simulator_moment moment = {
        .now = clock_monotonic(),
        .epoch_ms = clock_wall_time().ns / NS_PER_MS,
        .number = &simulator->number,
    };
    const char *colon = strrchr(text, ':');
    char name[SIMULATOR_STREAM_NAME];
    uint64_t count;

    if (!colon ||
        !simulator_stream_name_is_legal(
            bytes_of(text, (size_t)(colon - text))) ||
        !bytes_parse_u64(bytes_of_text(colon + 1), &count) || count < 1 ||
        count > 100000)
        return complain("no stream of the form NAME:SHARDS", text);
    snprintf(name, sizeof(name), "%.*s", (int)(colon - text), text);
    if (simulator_add_stream(simulator, name, (uint32_t)count, &moment))
        return complain("out of memory for stream", text);
    return 0;
}

static int load_script(struct simulator *simulator, const char *path)
{
    static char text[1048576];
    FILE *file = fopen(path, "re");
    size_t length;

    if (!file)
        return complain("cannot open the script", path);
    length = fread(text, 1, sizeof(text), file);
    fclose(file);
    if (length == sizeof(text))
        return complain("the script is too long", path);
    if (simulator_script_add(&simulator->script, bytes_of(text, length)))
        return complain("the script is wrong", simulator->script.complaint);
    return 0;
}

/* As many connections as the system allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int prepare(struct simulator *simulator,
                   const struct arguments *arguments)
{
    simulator->settings = arguments->settings;
    simulator->verifier = (struct simulator_verifier){
        .access_key = arguments->access_key,
        .secret_key = arguments->secret_key,
        .session_token = arguments->session_token,
        .region = arguments->region,
        .service = "kinesis",
    };
    if (simulator_history_open(&simulator->history, arguments->history_path))
        return complain("cannot open the history", arguments->history_path);
    for (size_t i = 0; i < arguments->stream_count; i++) {
        int status = make_stream(simulator, arguments->streams[i]);

        if (status)
            return status;
    }
    return arguments->script_path
               ? load_script(simulator, arguments->script_path)
               : 0;
}

int main(int argc, char **argv)
{
    static struct simulator simulator; /* too large for a stack */
    struct arguments arguments = {
        .settings = { .verifies = true, .keep_most = 256 * 1048576 },
        .access_key = "test",
        .secret_key = "test",
        .region = "us-east-1",
        .seed = 1,
    };
    int status = read_arguments(&arguments, argc, argv);

    if (status)
        return status;
    if (arguments.certificate_folder)
        return simulator_tls_make_certificates(arguments.certificate_folder)
                   ? EXIT_FAILURE
                   : EXIT_SUCCESS;
    raise_descriptor_limit();
    simulator_init(&simulator, arguments.seed);
    status = prepare(&simulator, &arguments);
    if (!status)
        status = simulator_serve(&simulator, &arguments.ports) ? EXIT_FAILURE
                                                               : EXIT_SUCCESS;
    simulator_deinit(&simulator);
    return status;
}
