/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The input is a command line, its words separated by NUL bytes. Whatever is
 * typed gets a sentence or is understood; and what is understood is the same
 * after it was handed to a child.
 */

#include <stdlib.h>

#include "common/bytes.h"
#include "common/consumer_options.h"
#include "common/options.h"
#include "tests/fuzz/target.h"

#define WORDS_MOST     64
#define TEXT_MOST      4096
#define ARGUMENTS_MOST 1024

/* What a child is started with. */
struct command_line {
    char *words[ARGUMENTS_MOST];
    char memory[16 * TEXT_MOST];
    int count;
};

static struct command_line first;
static struct command_line second;

/* `options` remember where their texts are, so each has a line of its own. */
static bool is_understood(struct options *options, int count,
                          char *const words[])
{
    int result;

    options_init(options);
    result = options_parse(options, count, words);
    if (result == 0 && !options->help && !options->version)
        result = options_check(options);
    if (result && options->complaint[0] == '\0')
        abort();
    return result == 0;
}

static void hand_over(const struct options *options, struct command_line *line)
{
    line->count =
        options_to_arguments(options, "child", line->memory,
                             sizeof(line->memory), line->words, ARGUMENTS_MOST);
    if (line->count <= 0 || line->words[line->count])
        abort(); /* everything here is shorter than the memory */
}

static void check_handed_over(const struct options *options)
{
    static struct options child;

    hand_over(options, &first);
    if (!is_understood(&child, first.count, first.words))
        abort();
    hand_over(&child, &second);
    if (first.count != second.count)
        abort();
    for (int i = 0; i < first.count; i++)
        if (strcmp(first.words[i], second.words[i]) != 0)
            abort();
}

static int split(char *text, size_t length, char *words[WORDS_MOST])
{
    int count = 0;

    words[count++] = "program";
    for (size_t i = 0; i < length && count < WORDS_MOST - 1;
         i += strlen(text + i) + 1)
        words[count++] = text + i;
    words[count] = NULL;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    static struct options options;
    struct consumer_options consumer;
    char text[TEXT_MOST + 1];
    char *words[WORDS_MOST];
    char complaint[256] = "";

    if (length == 0 || length > TEXT_MOST)
        return 0;
    memcpy(text, input, length);
    text[length] = '\0';
    if (!is_understood(&options, split(text, length, words), words))
        return 0;
    if (options.help || options.version)
        return 0;
    if (consumer_options_parse(&options, &consumer, complaint,
                               sizeof(complaint)) &&
        complaint[0] == '\0')
        abort();
    check_handed_over(&options);
    return 0;
}

size_t fuzz_make_input(struct random *random, uint8_t *input, size_t most)
{
    static const char *const words[] = {
        "--channel=c",
        "-max-in-flight",
        "17",
        "--lookupd-http-address=[::1]:4161",
        "--consumer-opt=msg-timeout,1m30s",
        "--consumer-opt",
        "tls_v1",
        "--partition-key=json:a.b\\.c",
        "--partition-key=bytes:0:8",
        "--region=eu-west-1",
        "--endpoint-url=http://127.0.0.1:4567",
        "--queue-size=8MiB",
        "--linger=2.5s",
        "--aggregate-size=1024",
        "--io=epoll",
        "--help",
        "--name=a.b#c",
        "--on-refused=drop",
        "--drain-timeout=0",
        "--worker-index=3",
    };
    struct bytes_writer writer = bytes_writer_on(input, most);

    bytes_put(&writer, bytes_of("--topic=t\0--stream=s", 21));
    bytes_put(&writer, bytes_of("--nsqd-tcp-address=h:4150", 26));
    for (uint64_t i = random_below(random, 8); i > 0; i--) {
        const char *word = words[random_below(random, ARRAY_LENGTH(words))];

        bytes_put(&writer, bytes_of(word, strlen(word) + 1));
    }
    return writer.length;
}
