/* SPDX-License-Identifier: Apache-2.0 */

#include "common/seeded_bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/process_exit.h"

static const char *const names[] = {
#define BUG(name, what) #name,
#include "common/seeded_bugs.tbl"
};

static int find(const char *wanted)
{
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(names[i], wanted) == 0)
            return (int)i;
    fprintf(stderr, "N2K_SEEDED_BUG=%s: there is no such bug\n", wanted);
    exit(PROCESS_EXIT_CONFIGURATION);
}

bool seeded_bug_is_on(enum seeded_bug bug)
{
    static int chosen = -2; /* not looked yet; -1: none */

    if (chosen == -2) {
        const char *wanted = getenv("N2K_SEEDED_BUG");

        chosen = wanted ? find(wanted) : -1;
    }
    return chosen == (int)bug;
}
