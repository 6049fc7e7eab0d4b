/* SPDX-License-Identifier: Apache-2.0 */

#include "common/child_signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

#include "common/error.h"

int child_signals_open(int *descriptor)
{
    sigset_t set;
    int made;

    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL))
        return error_origin(-errno, "cannot block SIGTERM");
    made = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (made < 0)
        return error_origin(-errno, "cannot watch SIGTERM");
    *descriptor = made;
    return 0;
}
