/* SPDX-License-Identifier: Apache-2.0 */

#include "common/utc_text.h"

#define DAY_SECONDS 86400

struct date {
    int64_t year;
    int64_t month; /* 1 to 12 */
    int64_t day;   /* 1 to 31 */
};

/*
 * Of so many days since 1970. A year begins in March here, so that the leap day
 * is its last.
 * https://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
static struct date date_of(int64_t days)
{
    int64_t shifted = days + 719468; /* since 0000-03-01 */
    int64_t era = shifted / 146097;  /* of 400 years */
    int64_t of_era = shifted % 146097;
    int64_t year =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* 0: March */

    return (struct date){
        .year = era * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

/* As many digits as `unit` has, and what follows them. */
static char *put(char *text, int64_t number, int64_t unit, char follows)
{
    for (; unit > 0; unit /= 10)
        *text++ = (char)('0' + number / unit % 10);
    *text++ = follows;
    return text;
}

void utc_text(struct wall_time time, char text[UTC_TEXT_SIZE])
{
    int64_t seconds = time.ns / NS_PER_SECOND;
    struct date date = date_of(seconds / DAY_SECONDS);

    text = put(text, date.year, 1000, '-');
    text = put(text, date.month, 10, '-');
    text = put(text, date.day, 10, 'T');
    text = put(text, seconds / 3600 % 24, 10, ':');
    text = put(text, seconds / 60 % 60, 10, ':');
    text = put(text, seconds % 60, 10, '.');
    text = put(text, time.ns % NS_PER_SECOND / NS_PER_MS, 100, 'Z');
    *text = '\0';
}
