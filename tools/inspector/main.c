/* SPDX-License-Identifier: Apache-2.0 */

/* nsq_to_kinesis-inspect - look into a bridge, live or after a crash. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"
#include "common/options.h"
#include "tools/inspector/inspection.h"

#define PROGRAM "nsq_to_kinesis-inspect"

#define MAX_INITIAL 20

struct verb {
    const char *word;
    void (*inspect)(struct inspection *inspection);
    const char *nothing; /* said if there is nothing to show */
};

static const struct verb verbs[] = {
    { "list", inspect_queues, "no queue" },
    { "dump", inspect_records, "no queue" },
    { "counters", inspect_counters, "no counters" },
};

struct arguments {
    struct inspection *inspection;
    const struct verb *verb; /* NULL: none was given */
    bool wants_help;
    bool wants_version;
    int left; /* words that are not read yet, and where they are */
    char **next;
};

static const char help[] = PROGRAM
    " " N2K_VERSION " - look into a bridge, live or after a crash\n"
    "\n"
    "Usage: " PROGRAM " [list|dump|counters] [options]\n"
    "\n"
    "  list        one line per queue: how full it is, who holds its ends,\n"
    "              what is on its way to Kinesis (default)\n"
    "  dump        the records that are not finished, oldest first\n"
    "  counters    what each process has counted, with its meaning\n"
    "\n"
    "  --name=BRIDGE   only this bridge (default all that are found)\n"
    "  --json          one JSON object per line, sizes as plain numbers\n"
    "  --queue=NUMBER  dump: only the queue of this number\n"
    "  --max=NUMBER    dump: most records of each queue (default 20; 0: all)\n"
    "  --full          dump: bodies whole, not cut after 120 bytes\n"
    "  --help          this text\n"
    "  --version       the version\n"
    "\n"
    "Options are written --name=value, --name value, -name=value or\n"
    "-name value. Everything is mapped for reading only: no process is\n"
    "disturbed, and none needs to be alive.\n"
    "\n"
    "Exit status: 0 fine; 64 wrong use; 65 damage was found (a sentence says\n"
    "which); 66 there is nothing to show; 71 the system refused something.\n";

/* Says what is wrong and returns false. */
static bool refuse(const char *what, const char *word)
{
    (void)fprintf(stderr, PROGRAM ": %s \"%s\": see --help\n", what, word);
    return false;
}

static bool read_flag(const char *value, bool *flag)
{
    if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return refuse("neither true nor false:", value);
    *flag = !value || strcmp(value, "true") == 0;
    return true;
}

static bool read_number(const char *value, uint64_t most, uint64_t *number)
{
    if (!bytes_parse_u64(bytes_of_text(value), number) || *number > most)
        return refuse("not a number, or too large:", value);
    return true;
}

static bool read_queue(const char *value, struct inspection *inspection)
{
    uint64_t queue;

    if (!read_number(value, UINT32_MAX, &queue))
        return false;
    inspection->has_queue = true;
    inspection->queue = (uint32_t)queue;
    return true;
}

/* Options that are true unless something else is said. */
static bool *find_flag(struct arguments *arguments, struct bytes option)
{
    if (bytes_equal_text(option, "json"))
        return &arguments->inspection->is_json;
    if (bytes_equal_text(option, "full"))
        return &arguments->inspection->is_full;
    if (bytes_equal_text(option, "help") || bytes_equal_text(option, "h"))
        return &arguments->wants_help;
    if (bytes_equal_text(option, "version"))
        return &arguments->wants_version;
    return NULL;
}

static bool read_valued(struct arguments *arguments, struct bytes option,
                        const char *value)
{
    struct inspection *inspection = arguments->inspection;

    if (bytes_equal_text(option, "queue"))
        return read_queue(value, inspection);
    if (bytes_equal_text(option, "max"))
        return read_number(value, UINT64_MAX, &inspection->most);
    inspection->bridge = value;
    return true;
}

static bool is_valued(struct bytes option)
{
    return bytes_equal_text(option, "name") ||
           bytes_equal_text(option, "queue") || bytes_equal_text(option, "max");
}

static bool read_option(struct arguments *arguments, const char *word)
{
    const char *begin = word + 1 + (word[1] == '-');
    const char *sign = strchr(begin, '=');
    struct bytes option =
        bytes_of(begin, sign ? (size_t)(sign - begin) : strlen(begin));
    const char *value = sign ? sign + 1 : NULL;
    bool *flag = find_flag(arguments, option);

    if (flag)
        return read_flag(value, flag);
    if (!is_valued(option))
        return refuse("there is no option", word);
    if (!value && arguments->left == 0)
        return refuse("a value is missing behind", word);
    if (!value) {
        value = *arguments->next++;
        arguments->left--;
    }
    return read_valued(arguments, option, value);
}

static bool read_verb(struct arguments *arguments, const char *word)
{
    if (arguments->verb)
        return refuse("one verb is enough:", word);
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        if (strcmp(word, verbs[i].word) == 0)
            arguments->verb = &verbs[i];
    return arguments->verb ? true : refuse("there is no verb", word);
}

static bool read_arguments(struct arguments *arguments)
{
    while (arguments->left > 0) {
        const char *word = *arguments->next++;

        arguments->left--;
        if (word[0] == '-' ? !read_option(arguments, word)
                           : !read_verb(arguments, word))
            return false;
    }
    if (!arguments->verb)
        arguments->verb = &verbs[0];
    if (arguments->verb->inspect != inspect_records &&
        (arguments->inspection->has_queue || arguments->inspection->is_full ||
         arguments->inspection->most != MAX_INITIAL))
        return refuse("--queue, --max and --full have no meaning with",
                      arguments->verb->word);
    return true;
}

static void say_nothing_found(const struct inspection *inspection,
                              const struct verb *verb)
{
    (void)fprintf(stderr, PROGRAM ": there is %s of %s%s\n", verb->nothing,
                  inspection->bridge ? "a bridge called " : "any bridge",
                  inspection->bridge ? inspection->bridge : "");
}

static int inspect(struct inspection *inspection, const struct verb *verb)
{
    int result = inspection_begin(inspection);

    if (result < 0)
        inspection_failure(inspection, result);
    else
        verb->inspect(inspection);
    if (fflush(inspection->output) != 0 || ferror(inspection->output))
        inspection_failure(inspection,
                           error_origin(-errno, "cannot write the output"));
    if (inspection_status(inspection) == INSPECTION_NOTHING)
        say_nothing_found(inspection, verb);
    inspection_end(inspection);
    return inspection_status(inspection);
}

int main(int argc, char *argv[])
{
    struct inspection inspection = {
        .most = MAX_INITIAL,
        .output = stdout,
        .complaints = stderr,
    };
    struct arguments arguments = {
        .inspection = &inspection,
        .left = argc > 0 ? argc - 1 : 0,
        .next = argv + 1,
    };

    if (!read_arguments(&arguments))
        return INSPECTION_USAGE;
    if (arguments.wants_help || arguments.wants_version) {
        if (arguments.wants_help)
            (void)fputs(help, stdout);
        else
            options_print_version(stdout, PROGRAM);
        return fflush(stdout) == 0 ? INSPECTION_FINE : INSPECTION_FAILED;
    }
    return inspect(&inspection, arguments.verb);
}
