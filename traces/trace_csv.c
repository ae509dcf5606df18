/* trace_csv.c - the plainest trace: time_s,function, one row per arrival. */
#include "trace_int.h"

static int read_row(trace_file *file, const trace_lines *lines, trace_arrival *arrival, char *err) {
    const char *at = lines->begin;
    bool is_new;
    if (trace_scan_time(lines, &at, &arrival->ns, err) || trace_scan_comma(lines, &at, err)) return -1;
    const char *name = at;
    if (trace_scan_name(lines, &at, err) || trace_scan_end(lines, at, err)) return -1;
    return trace_file_add(file, name, (size_t)(at - name), (size_t)(at - name), &arrival->fn, &is_new, err);
}

int trace_csv_read(trace_file *file, trace_lines *lines, char *err) {
    return trace_read_arrivals(file, lines, "time_s,function", read_row, err);
}
