/* SPDX-License-Identifier: Apache-2.0 */

#include "common/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char sentence[1024];
static char taken[1024];

static void add_errno_text(int code)
{
    size_t length = strlen(sentence);

    (void)snprintf(sentence + length, sizeof(sentence) - length, ": %s",
                   strerror(-code));
}

int error_origin(int code, const char *format, ...)
{
    va_list arguments;

    assert(code < 0);
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    add_errno_text(code);
    return code;
}

int error_sentence(int code, const char *format, ...)
{
    va_list arguments;

    assert(code < 0);
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    return code;
}

int error_within(int code, const char *format, ...)
{
    char inner[sizeof(sentence)];
    va_list arguments;
    size_t length;

    assert(code < 0);
    (void)snprintf(inner, sizeof(inner), "%s",
                   sentence[0] ? sentence : strerror(-code));
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    length = strlen(sentence);
    (void)snprintf(sentence + length, sizeof(sentence) - length, ": %s", inner);
    return code;
}

const char *error_take(int code)
{
    (void)snprintf(taken, sizeof(taken), "%s",
                   sentence[0] ? sentence : strerror(-code));
    sentence[0] = '\0';
    return taken;
}
