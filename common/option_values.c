/* SPDX-License-Identifier: Apache-2.0 */

#include "common/option_values.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    { "GiB", UINT64_C(1) << 30 },
    { "MiB", UINT64_C(1) << 20 },
    { "KiB", UINT64_C(1) << 10 },
    { "B", 1 },
};

/* Both letters that look like a micro sign, as Go has them. */
static const struct unit duration_units[] = {
    { "h", 3600 * NS_PER_SECOND }, { "m", 60 * NS_PER_SECOND },
    { "s", NS_PER_SECOND },        { "ms", NS_PER_MS },
    { "us", NS_PER_US },           { "\xc2\xb5s", NS_PER_US },
    { "\xce\xbcs", NS_PER_US },    { "ns", 1 },
};

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static size_t digits_at_start(struct bytes text)
{
    size_t count = 0;

    while (count < text.length && is_digit(text.data[count]))
        count++;
    return count;
}

int option_number_parse(struct bytes text, uint64_t *value)
{
    if (bytes_parse_u64(text, value))
        return 0;
    if (text.length > 0 && digits_at_start(text) == text.length)
        return OPTION_VALUE_TOO_LARGE;
    return OPTION_VALUE_MALFORMED;
}

static const struct unit *find_unit(const struct unit *units, size_t count,
                                    struct bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_text(name, units[i].name))
            return &units[i];
    return NULL;
}

int option_size_parse(struct bytes text, uint64_t *value)
{
    size_t digits = digits_at_start(text);
    struct bytes name = bytes_skip(text, digits);
    const struct unit *unit = &size_units[ARRAY_LENGTH(size_units) - 1];
    uint64_t number = 0;
    int result = option_number_parse(bytes_of(text.data, digits), &number);

    if (name.length > 0)
        unit = find_unit(size_units, ARRAY_LENGTH(size_units), name);
    if (!unit || result == OPTION_VALUE_MALFORMED)
        return OPTION_VALUE_MALFORMED;
    if (result != 0 || __builtin_mul_overflow(number, unit->factor, &number))
        return OPTION_VALUE_TOO_LARGE;
    *value = number;
    return 0;
}

/*
 * One decimal number without its unit: digits, and a fraction in billionths,
 * which is as fine as a nanosecond of a second. Further digits are cut.
 */
struct decimal {
    uint64_t whole;
    uint64_t billionths;
    size_t length; /* characters it takes */
};

static int decimal_parse(struct bytes text, struct decimal *decimal)
{
    size_t digits = digits_at_start(text);
    struct bytes rest = bytes_skip(text, digits);
    uint64_t weight = 100000000;
    size_t fraction = 0;

    *decimal = (struct decimal){ .length = digits };
    if (rest.length > 0 && rest.data[0] == '.') {
        rest = bytes_skip(rest, 1);
        fraction = digits_at_start(rest);
        decimal->length += 1 + fraction;
        for (size_t i = 0; i < fraction; i++, weight /= 10)
            decimal->billionths += weight * (uint64_t)(rest.data[i] - '0');
    }
    if (digits == 0 && fraction == 0)
        return OPTION_VALUE_MALFORMED;
    if (digits > 0 &&
        !bytes_parse_u64(bytes_of(text.data, digits), &decimal->whole))
        return OPTION_VALUE_TOO_LARGE;
    return 0;
}

/* Adds decimal x factor to *sum; false if it does not fit. */
static bool add_scaled(const struct decimal *decimal, uint64_t factor,
                       int64_t *sum)
{
    unsigned __int128 scaled =
        (unsigned __int128)decimal->whole * factor +
        (unsigned __int128)decimal->billionths * factor / 1000000000;

    if (scaled > INT64_MAX)
        return false;
    return !__builtin_add_overflow(*sum, (int64_t)scaled, sum);
}

/* A unit ends where the next number begins. */
static size_t unit_length(struct bytes text)
{
    size_t length = 0;

    while (length < text.length && !is_digit(text.data[length]) &&
           text.data[length] != '.')
        length++;
    return length;
}

int option_duration_parse(struct bytes text, int64_t *ns)
{
    bool is_bare = digits_at_start(text) == text.length;
    int64_t sum = 0;
    bool fits = true;

    if (text.length == 0)
        return OPTION_VALUE_MALFORMED;
    while (text.length > 0) {
        const struct unit *unit;
        struct decimal decimal;
        size_t length;
        int result = decimal_parse(text, &decimal);

        if (result == OPTION_VALUE_MALFORMED)
            return result;
        fits &= result == 0;
        text = bytes_skip(text, decimal.length);
        length = unit_length(text);
        unit = find_unit(duration_units, ARRAY_LENGTH(duration_units),
                         is_bare ? bytes_of_text("ms")
                                 : bytes_of(text.data, length));
        if (!unit)
            return OPTION_VALUE_MALFORMED;
        fits = fits && add_scaled(&decimal, unit->factor, &sum);
        text = bytes_skip(text, length);
    }
    if (!fits)
        return OPTION_VALUE_TOO_LARGE;
    *ns = sum;
    return 0;
}

int option_ratio_parse(struct bytes text, uint64_t *millionths)
{
    struct decimal decimal;
    int result = decimal_parse(text, &decimal);

    if (result == OPTION_VALUE_MALFORMED || decimal.length != text.length)
        return OPTION_VALUE_MALFORMED;
    if (result != 0 || decimal.whole > 1 ||
        (decimal.whole == 1 && decimal.billionths > 0))
        return OPTION_VALUE_TOO_LARGE;
    *millionths = decimal.whole * 1000000 + decimal.billionths / 1000;
    return 0;
}

/* The largest unit of which `value` is a whole number. */
static void format_whole(const struct unit *units, size_t count, uint64_t value,
                         char *text, size_t length)
{
    const struct unit *unit = units;

    while (unit < units + count - 1 && value % unit->factor != 0)
        unit++;
    (void)snprintf(text, length, "%" PRIu64 "%s", value / unit->factor,
                   value == 0 ? "" : unit->name);
}

void option_size_format(uint64_t value, char *text, size_t length)
{
    format_whole(size_units, ARRAY_LENGTH(size_units), value, text, length);
}

void option_duration_format(int64_t ns, char *text, size_t length)
{
    format_whole(duration_units, ARRAY_LENGTH(duration_units), (uint64_t)ns,
                 text, length);
}
