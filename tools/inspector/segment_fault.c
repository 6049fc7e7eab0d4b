/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/segment_fault.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf way_out;

static void on_bus_error(int number)
{
    (void)number;
    siglongjmp(way_out, 1);
}

/* The jump leaves nothing half done: the copies out of a segment take no lock. */
int segment_fault_survive(void (*look)(void *what), void *what)
{
    struct sigaction ours = { .sa_handler = on_bus_error };
    struct sigaction theirs;

    if (sigsetjmp(way_out, 1) != 0) {
        (void)signal(SIGBUS, SIG_DFL);
        return -EFAULT;
    }
    (void)sigaction(SIGBUS, &ours, &theirs);
    look(what);
    (void)sigaction(SIGBUS, &theirs, NULL);
    return 0;
}
