/* SPDX-License-Identifier: Apache-2.0 */

#include "common/crash_point.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/process_exit.h"

static const struct {
    const char *name;
    const char *process;
    const char *when;
} rows[] = {
#define CRASH(name, process, when) { #name, process, when },
#include "common/crash_points.tbl"
};

struct plan {
    int point;           /* -1: none */
    unsigned long count; /* passes that are left, this one included */
    const char *token;   /* a file */
};

static void complain(const char *text)
{
    fprintf(stderr,
            "N2K_CRASH=%s: it is name:count:token, and a name of "
            "--list-crash-points\n",
            text);
    exit(PROCESS_EXIT_CONFIGURATION);
}

static struct plan read_plan(const char *text)
{
    struct plan plan = { .point = -1 };
    const char *colon = strchr(text, ':');
    char *end;

    if (!colon)
        complain(text);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strncmp(rows[i].name, text, (size_t)(colon - text)) == 0 &&
            strlen(rows[i].name) == (size_t)(colon - text))
            plan.point = (int)i;
    plan.count = strtoul(colon + 1, &end, 10);
    if (plan.point < 0 || plan.count == 0 || *end != ':' || end[1] == '\0')
        complain(text);
    plan.token = end + 1;
    return plan;
}

void crash_point_pass(enum crash_point point)
{
    static struct plan plan = { .point = -1 };
    static bool has_looked;

    if (!has_looked) {
        const char *text = getenv("N2K_CRASH");

        has_looked = true;
        if (text)
            plan = read_plan(text);
    }
    if (plan.point != (int)point || plan.count == 0 || --plan.count > 0)
        return;
    if (unlink(plan.token) == 0)
        (void)raise(SIGKILL);
}

bool crash_point_is_asked(int argc, char *argv[])
{
#ifdef N2K_TEST_HOOKS
    if (argc == 2 && strcmp(argv[1], "--list-crash-points") == 0) {
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
            printf("%s\t%s\t%s\n", rows[i].name, rows[i].process, rows[i].when);
        return true;
    }
#else
    (void)argc;
    (void)argv;
#endif
    return false;
}
