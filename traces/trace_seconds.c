/* trace_seconds.c - one function's requests, second by second: a header line `requests`, then one count a line.
 * So comes the Twitter trace of the IPA project (reconfigurable-ml-pipeline/ipa): 22 days. */
#include "trace_int.h"

#include <string.h>

static int read_second(trace_file *file, const trace_lines *lines, int64_t second, trace_counts *counts,
                       char *err) {
    const char *at = lines->begin;
    uint64_t count;
    if (trace_scan_whole(lines, &at, TRACE_MAX_BIN, &count, err) || trace_scan_end(lines, at, err)) return -1;
    if (trace_counts_room(file, counts, err)) return -1;
    if (count) trace_counts_put(counts, second, (uint32_t)count);
    return 0;
}

int trace_seconds_read(trace_file *file, trace_lines *lines, char *err) {
    const int64_t most = TRACE_MINUTES_MAX * INT64_C(60);
    trace_counts counts;
    uint32_t fn;
    bool is_new;
    int64_t second = 0;
    int rc = 0;
    if (trace_scan_end(lines, lines->begin + strlen("requests"), err) ||
        trace_file_add(file, "requests", 8, 8, &fn, &is_new, err) ||
        trace_counts_begin(file, fn, 1, &counts, err))
        return -1;
    file->bin_ns = SECOND_NS;
    for (; !rc && (rc = trace_lines_next(lines, err)) == 1; second++) {
        if (second == most) return trace_fail_at(lines, lines->begin, "at most a year of seconds", err);
        rc = read_second(file, lines, second, &counts, err);
    }
    if (!rc && !second)
        rc = trace_fail(err, "%s: found no row after the header, expected at least one", lines->path);
    if (!rc) trace_counts_end(file, fn, &counts);
    file->span_ns = second * SECOND_NS;
    return rc;
}
