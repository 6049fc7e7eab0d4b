/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * environment - environment variables through an argument.
 *
 * What reads the environment takes the look-up as an argument: a process gives
 * getenv, a test gives a function of its own.
 */

#include <stddef.h>

typedef char *environment_lookup(const char *name);

/* The variable's text, or NULL if it is not set or empty, as AWS's SDKs do. */
static inline const char *environment_text(environment_lookup *environment,
                                           const char *name)
{
    const char *text = environment(name);

    return text && text[0] ? text : NULL;
}
