/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_refusal.h"

#include <stdarg.h>
#include <stdio.h>

int simulator_refuse(struct simulator_refusal *refusal, int status,
                     const char *code, const char *format, ...)
{
    va_list arguments;

    refusal->status = status;
    refusal->code = code;
    va_start(arguments, format);
    vsnprintf(refusal->message, sizeof(refusal->message), format, arguments);
    va_end(arguments);
    return SIMULATOR_REFUSED;
}
