/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/roster.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const role_names[] = {
    [CHILD_SURVEY] = "survey",
    [CHILD_EGRESS] = "egress",
    [CHILD_INGEST] = "ingest",
};

void roster_write(const struct roster *roster, struct bytes_writer *text)
{
    char line[128];

    (void)snprintf(
        line, sizeof(line), "%d\nworkers %" PRIu32 "\nqueues %" PRIu32 "\n",
        roster->supervisor, roster->worker_count, roster->queue_count);
    bytes_put_text(text, line);
    for (size_t i = 0; i < roster->child_count; i++) {
        const struct roster_child *child = &roster->children[i];

        (void)snprintf(
            line, sizeof(line), "child %s %" PRIu32 " %d %" PRIu64 "\n",
            role_names[child->role], child->worker, child->pid, child->start);
        bytes_put_text(text, line);
    }
    bytes_put_text(text, "end\n");
}

static bool read_child(const char *line, struct roster *roster)
{
    struct roster_child child = { 0 };
    char role[16];

    if (sscanf(line, "child %15s %" SCNu32 " %d %" SCNu64, role, &child.worker,
               &child.pid, &child.start) != 4 ||
        child.pid <= 1 || child.worker >= SUPERVISE_WORKERS_MOST ||
        roster->child_count == SUPERVISE_CHILDREN_MOST)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(role_names); i++)
        if (strcmp(role, role_names[i]) == 0) {
            child.role = (enum child_role)i;
            roster->children[roster->child_count++] = child;
            return true;
        }
    return false;
}

static bool read_lines(const char *text, struct roster *roster)
{
    if (sscanf(text, "%d\nworkers %" SCNu32 "\nqueues %" SCNu32,
               &roster->supervisor, &roster->worker_count,
               &roster->queue_count) != 3 ||
        roster->worker_count < 1 ||
        roster->worker_count > SUPERVISE_WORKERS_MOST)
        return false;
    while ((text = strchr(text, '\n'))) {
        text++;
        if (strncmp(text, "end\n", 4) == 0)
            return true;
        if (strncmp(text, "child ", 6) == 0 && !read_child(text, roster))
            return false;
    }
    return false;
}

bool roster_read(const char *text, struct roster *roster)
{
    *roster = (struct roster){ 0 };
    if (read_lines(text, roster))
        return true;
    *roster = (struct roster){ 0 };
    return false;
}
