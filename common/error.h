/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * error - the return-code rule, and the sentence that travels beside the code.
 *
 * Every function that can fail returns an int:
 *
 *     0        success (functions that count things return >= 0)
 *     > 0      a condition, named in an enum of the header that returns it.
 *              The direct caller must handle it and never passes it on.
 *     < 0      -errno: a failure that nobody interprets. It is passed up
 *              unchanged until a process's main ends with it, or the loop
 *              decides to give up one connection because of it.
 *
 * A number tells an operator little: "No such file or directory" of what? So
 * the place that knows (the origin) writes one sentence, once, and returns the
 * number; places on the way up may put words in front of it ("survey of
 * stream orders: ..."); the place that decides prints it with the log. There
 * is one sentence per process, as there is one errno: a second origin before
 * the first was printed replaces it. Modules that are pure return conditions
 * and never come here.
 */

/*
 * Remember a sentence and return `code` (which must be negative) unchanged:
 *
 *     return error_origin(-errno, "cannot open %s", path);
 *
 * The sentence has no full stop; ": No such file or directory" follows it
 * where `code` is an errno that says more.
 */
int error_origin(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same without the errno's text: the sentence says it all. */
int error_sentence(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Put words and ": " in front of the sentence; returns `code` unchanged. */
int error_within(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The sentence for `code`, which is the errno's own text if no origin wrote
 * one. Valid until the next call of this module. Forgets the sentence.
 */
const char *error_take(int code);
