/* trace_csv.c - the plainest trace: time,function[,size], one row per arrival; time in seconds, size whole. */
#include "trace_int.h"

#include <stdlib.h>
#include <string.h>

static int read_row(trace_file *file, const trace_lines *lines, trace_arrival *arrival, char *err) {
    const char *at = lines->begin;
    bool is_new;
    uint64_t size = 1;
    if (trace_scan_time(lines, &at, &arrival->ns, err) || trace_scan_comma(lines, &at, err)) return -1;
    const char *name = at;
    if (trace_scan_name(lines, &at, err)) return -1;
    const char *end = at;
    if (file->is_sized &&
        (trace_scan_comma(lines, &at, err) || trace_scan_whole(lines, &at, UINT32_MAX, &size, err)))
        return -1;
    arrival->size = (uint32_t)size;
    return trace_scan_end(lines, at, err) || trace_file_add(file, name, (size_t)(end - name),
                                                            (size_t)(end - name), &arrival->fn, &is_new, err)
               ? -1
               : 0;
}

static int read_header(trace_file *file, const trace_lines *lines, char *err) {
    static const char sized[] = ",function,size";
    const char *at = strchr(lines->begin, ',');
    size_t n = (size_t)(lines->end - at);
    file->is_sized = n == sizeof sized - 1 && !memcmp(at, sized, n);
    return trace_scan_end(lines, at + strlen(file->is_sized ? sized : ",function"), err);
}

int trace_csv_read(trace_file *file, trace_lines *lines, char *err) {
    trace_arrivals arrivals = {0};
    int rc = read_header(file, lines, err);
    if (!rc) rc = trace_arrivals_read(file, lines, &arrivals, read_row, err);
    if (!rc) rc = trace_arrivals_set(file, &arrivals, err);
    free(arrivals.items);
    return rc;
}
