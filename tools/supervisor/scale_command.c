/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/scale_command.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/process_exit.h"
#include "tools/supervisor/control_socket.h"
#include "tools/supervisor/supervise.h"

#define USAGE "nsq_to_kinesis scale WORKERS [--name=BRIDGE]"

/* Where control_socket.h puts them. */
#define SOCKETS_BEGIN "/dev/shm/nsq_to_kinesis."
#define SOCKETS_END   ".control"

/* Workers leave within 10 s and start within less; then some. */
#define ANSWER_TIMEOUT_MS 60000

#define NAME_MOST 65

static int complain(int status, const char *sentence)
{
    (void)fprintf(stderr, "nsq_to_kinesis scale: %s\n", sentence);
    return status;
}

/* The only bridge there is. Returns false after a sentence. */
static bool find_name(char name[NAME_MOST])
{
    glob_t found = { 0 };
    bool is_one;

    if (glob(SOCKETS_BEGIN "*" SOCKETS_END, 0, NULL, &found) != 0)
        found.gl_pathc = 0;
    is_one = found.gl_pathc == 1;
    if (is_one) {
        const char *begin = found.gl_pathv[0] + strlen(SOCKETS_BEGIN);

        (void)snprintf(name, NAME_MOST, "%.*s",
                       (int)(strlen(begin) - strlen(SOCKETS_END)), begin);
    } else {
        (void)complain(0, found.gl_pathc == 0
                              ? "no bridge runs here"
                              : "several bridges run here: choose one with "
                                "--name=BRIDGE (nsq_to_kinesis-inspect lists "
                                "them)");
    }
    globfree(&found);
    return is_one;
}

/* Returns the value of --name, "" if there is none, NULL if it is no option. */
static const char *read_name(int count, char *words[])
{
    const char *word = count > 0 ? words[0] : "--name=";

    word += strncmp(word, "--", 2) == 0 ? 2 : 1;
    if (strncmp(word, "name=", 5) == 0)
        return count <= 1 ? word + 5 : NULL;
    return strcmp(word, "name") == 0 && count == 2 ? words[1] : NULL;
}

int scale_command(int count, char *words[])
{
    char *end = "";
    unsigned long workers = count > 0 ? strtoul(words[0], &end, 10) : 0;
    const char *given = read_name(count - 1, words + 1);
    char name[NAME_MOST];
    char request[32];
    char answer[CONTROL_ANSWER_MOST];
    int result;

    if (count == 0 || words[0][0] < '0' || words[0][0] > '9' || *end != '\0' ||
        !given || strlen(given) >= sizeof(name))
        return complain(PROCESS_EXIT_USAGE, "it is written " USAGE);
    if (workers < 1 || workers > SUPERVISE_WORKERS_MOST)
        return complain(PROCESS_EXIT_USAGE, "there can be 1 to 64 workers");
    (void)snprintf(name, sizeof(name), "%s", given);
    if (!*given && !find_name(name))
        return PROCESS_EXIT_USAGE;
    (void)snprintf(request, sizeof(request), "scale %lu", workers);
    result = control_socket_ask(name, request, ANSWER_TIMEOUT_MS, answer);
    if (result < 0)
        return complain(PROCESS_EXIT_TRY_AGAIN, error_take(result));
    (void)printf("%s\n", answer);
    return EXIT_SUCCESS;
}
