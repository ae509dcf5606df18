/* trace_azure2021.c - Azure Functions 2021: one row per invocation, app,func,end_timestamp,duration in
 * seconds. */
#include "trace_int.h"

#include <stdlib.h>
#include <string.h>

static void add_duration(trace_row *row, int64_t duration_ns) {
    row->duration_ms = (row->duration_ms < 0 ? 0 : row->duration_ms) + (double)duration_ns * 1e-6;
}

static int read_row(trace_file *file, const trace_lines *lines, trace_arrival *arrival, char *err) {
    const char *at = lines->begin;
    int64_t end_ns, duration_ns;
    bool is_new;
    if (trace_scan_name(lines, &at, err) || trace_scan_comma(lines, &at, err)) return -1;
    const char *name = at;
    if (trace_scan_name(lines, &at, err)) return -1;
    const char *key_end = at;
    if (trace_scan_comma(lines, &at, err) || trace_scan_time(lines, &at, &end_ns, err) ||
        trace_scan_comma(lines, &at, err) || trace_scan_decimal(lines, &at, 9, &duration_ns, err) ||
        trace_scan_end(lines, at, err) ||
        trace_file_add(file, lines->begin, (size_t)(key_end - lines->begin), (size_t)(key_end - name),
                       &arrival->fn, &is_new, err))
        return -1;
    arrival->ns = duration_ns > end_ns ? 0 : end_ns - duration_ns;
    file->defects.early_arrivals += duration_ns > end_ns;
    file->defects.zero_duration += duration_ns == 0;
    add_duration(&file->rows[arrival->fn], duration_ns);
    return 0;
}

int trace_azure2021_read(trace_file *file, trace_lines *lines, char *err) {
    trace_arrivals arrivals = {0};
    int rc = trace_scan_end(lines, lines->begin + strlen("app,func,end_timestamp,duration"), err);
    if (!rc) rc = trace_arrivals_read(file, lines, &arrivals, read_row, err);
    if (!rc) rc = trace_arrivals_set(file, &arrivals, err);
    free(arrivals.items);
    for (size_t i = 0; i < file->keys.n && !rc; i++) file->rows[i].duration_ms /= (double)file->rows[i].count;
    return rc;
}
