/* trace_azure_llm.c - Azure LLM inference traces of 2023 and 2024: TIMESTAMP,ContextTokens,GeneratedTokens.
 *
 * One service, one row per request: the function is called "requests", time 0 is the earliest timestamp, and a
 * request's size is its tokens, in and out together; how many are out is kept, too. The years differ in the timestamp alone: 2023-11-16
 * 18:17:03.9799600, and 2024-05-10 00:00:00.009930+00:00. Patel et al., Splitwise (ISCA 2024), and Stojkovic et
 * al., DynamoLLM (HPCA 2025), describe the data. */
#include "trace_int.h"

#include <stdlib.h>
#include <string.h>

static bool scan_digits(const char **at, int n, int64_t *value) {
    *value = 0;
    for (int i = 0; i < n; i++, ++*at) {
        if (**at < '0' || **at > '9') return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

/* Days since 1970-01-01, of the Gregorian calendar; the year begins in March, so that leap days come last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    int64_t y = year - (month <= 2), m = (month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool is_date(int64_t year, int64_t month, int64_t day) {
    if (year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1) return false;
    int64_t next_month = days_of(year + month / 12, month % 12 + 1, 1);
    return day <= next_month - days_of(year, month, 1);
}

/* Nine digits are kept, more are not there in any of the files. */
static bool scan_fraction(const char **at, int64_t *ns) {
    int64_t unit = SECOND_NS / 10;
    *ns = 0;
    if (**at != '.') return true;
    const char *start = ++*at;
    for (; **at >= '0' && **at <= '9'; ++*at, unit /= 10) *ns += (**at - '0') * unit;
    return *at > start && *at - start <= 9;
}

/* YYYY-MM-DD HH:MM:SS[.fraction], ns since 1970. */
static bool scan_stamp(const char **at, int64_t *ns) {
    static const char between[] = "-- ::";
    static const int digits[] = {4, 2, 2, 2, 2, 2};
    int64_t part[6], fraction;
    for (int i = 0; i < 6; i++) {
        if (i && *(*at)++ != between[i - 1]) return false;
        if (!scan_digits(at, digits[i], &part[i])) return false;
    }
    if (!is_date(part[0], part[1], part[2]) || part[3] > 23 || part[4] > 59 || part[5] > 60 ||
        !scan_fraction(at, &fraction))
        return false;
    int64_t seconds = days_of(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 + part[5];
    *ns = seconds * SECOND_NS + fraction;
    return true;
}

/* +HH:MM or -HH:MM */
static bool scan_zone(const char **at, int64_t *ns) {
    int64_t hours, minutes;
    char sign = *(*at)++;
    if ((sign != '+' && sign != '-') || !scan_digits(at, 2, &hours) || *(*at)++ != ':' ||
        !scan_digits(at, 2, &minutes) || hours > 14 || minutes > 59)
        return false;
    *ns += (sign == '+' ? -1 : 1) * (hours * 60 + minutes) * MINUTE_NS;
    return true;
}

static bool is_2024(const trace_file *file) {
    return !strcmp(file->format, "azure-llm2024");
}

/* The header does not tell the years apart; where no format was asked for, the first row's zone does. */
static void guess_year(trace_file *file, const trace_lines *lines) {
    const char *comma = memchr(lines->begin, ',', (size_t)(lines->end - lines->begin));
    if (comma && comma - lines->begin > 6 && (comma[-6] == '+' || comma[-6] == '-'))
        file->format = "azure-llm2024";
}

/* A stamp's parts are looked at one by one and never past the line's end, whose byte fits none of them. */
static int read_row(trace_file *file, const trace_lines *lines, trace_arrival *arrival, char *err) {
    const char *at = lines->begin;
    uint64_t in, out;
    if (lines->line == 2 && file->is_guessed) guess_year(file, lines);
    if (!scan_stamp(&at, &arrival->ns) || (is_2024(file) && !scan_zone(&at, &arrival->ns)) || *at != ',')
        return trace_fail_at(lines, lines->begin,
                             is_2024(file) ? "a time such as 2024-05-10 00:00:00.009930+00:00"
                                           : "a time such as 2023-11-16 18:17:03.9799600",
                             err);
    if (trace_scan_comma(lines, &at, err) || trace_scan_whole(lines, &at, INT32_MAX, &in, err) ||
        trace_scan_comma(lines, &at, err) || trace_scan_whole(lines, &at, INT32_MAX, &out, err) ||
        trace_scan_end(lines, at, err))
        return -1;
    bool is_new;
    arrival->size = (uint32_t)(in + out);
    arrival->out = (uint32_t)out;
    return trace_file_add(file, "requests", 8, 8, &arrival->fn, &is_new, err);
}

static int start_at_0(trace_file *file, const trace_lines *lines, trace_arrivals *arrivals, char *err) {
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < arrivals->n; i++)
        if (arrivals->items[i].ns < first) first = arrivals->items[i].ns;
    for (size_t i = 0; i < arrivals->n; i++) arrivals->items[i].ns -= first;
    if (!arrivals->n) return 0;
    file->span_ns -= first;
    if (file->span_ns < TRACE_YEAR_NS) return 0;
    return trace_fail(err, "%s: found times more than a year apart, expected a shorter trace", lines->path);
}

int trace_azure_llm_read(trace_file *file, trace_lines *lines, char *err) {
    trace_arrivals arrivals = {0};
    file->is_sized = file->has_tokens = true;
    int rc = trace_scan_end(lines, lines->begin + strlen("TIMESTAMP,ContextTokens,GeneratedTokens"), err);
    if (!rc) rc = trace_arrivals_read(file, lines, &arrivals, read_row, err);
    if (!rc) rc = start_at_0(file, lines, &arrivals, err);
    if (!rc) rc = trace_arrivals_set(file, &arrivals, err);
    free(arrivals.items);
    return rc;
}
