/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * program_run - run a program to its end and keep what it wrote.
 */

#include <stddef.h>

struct program_run {
    int status;     /* exit status, or minus the signal that ended it */
    char *output;   /* standard output; ends with a NUL */
    char *sentence; /* standard error; ends with a NUL */
};

/*
 * Run `path` with `arguments`, whose first is the program's name and whose
 * last is NULL. Ends the calling test if it cannot be started. End the result
 * with program_run_deinit().
 */
void program_run_wait(const char *path, char *const *arguments,
                      struct program_run *run);
void program_run_deinit(struct program_run *run);
