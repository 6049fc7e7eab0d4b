/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * json_writer - texts in quotes, as RFC 8259 wants them.
 *
 * Brackets, commas and known names are written by the callers as they are: a
 * request body has one shape.
 *
 * Pure.
 */

#include "common/bytes.h"

/*
 * Put `text`, which is UTF-8, in quotes. Quotes, backslashes and control
 * characters are escaped; all else goes out as it is.
 */
void json_put_text(struct bytes_writer *writer, struct bytes text);
