/* trace_source.c - opening a source of any kind, and sources that replay recorded arrivals.
 * Minute counts: trace_minutes.c. Synthetic shapes: trace_shapes.c. */
#include "draw.h"
#include "trace_int.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    trace_source base;
    const int64_t *times, *stop;
    int64_t offset_ns;
    double scale;
    uint64_t ordinal; /* of the arrival at times, in the file */
    uint64_t copies;  /* of it, still to give */
    bool drawn;       /* copies is set */
} times_source;

static size_t times_next(trace_source *base, int64_t *ns, size_t cap) {
    times_source *s = (times_source *)base;
    size_t n = 0;
    while (n < cap && s->times < s->stop && *s->times - s->offset_ns < base->end_ns) {
        if (!s->drawn) s->copies = (uint64_t)(s->scale + draw_unit(draw_bits(base->key, s->ordinal)));
        s->drawn = true;
        for (; n < cap && s->copies; s->copies--) ns[n++] = *s->times - s->offset_ns;
        if (s->copies) break;
        s->times++;
        s->ordinal++;
        s->drawn = false;
    }
    return n;
}

static const int64_t *first_at_or_after(const int64_t *times, uint64_t n, int64_t ns) {
    uint64_t low = 0;
    while (low < n) {
        uint64_t middle = low + (n - low) / 2;
        if (times[middle] < ns)
            low = middle + 1;
        else
            n = middle;
    }
    return times + low;
}

int trace_times_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn, char *err) {
    const trace_row *row = &spec->file->rows[spec->index];
    if (spec->scale > TRACE_MAX_MINUTE)
        return trace_fail(err, "scale is %g, expected at most %d", spec->scale, TRACE_MAX_MINUTE);
    times_source *s = calloc(1, sizeof *s);
    if (!s) return trace_fail(err, "out of memory");
    const int64_t *times = spec->file->times + row->data;
    s->base = (trace_source){times_next, draw_key(seed, fn, DRAW_ARRIVAL), spec->duration_ns};
    s->offset_ns = (int64_t)(spec->offset_s * 1e9);
    s->times = first_at_or_after(times, row->count, s->offset_ns);
    s->stop = times + row->count;
    s->ordinal = (uint64_t)(s->times - times);
    s->scale = spec->scale;
    *out = &s->base;
    return 0;
}

static int check_file_spec(const trace_spec *spec, char *err) {
    size_t n = trace_n_functions(spec->file);
    if (spec->index >= n) return trace_fail(err, "function %zu of a trace file that has %zu", spec->index, n);
    if (!(spec->scale >= 0 && isfinite(spec->scale)))
        return trace_fail(err, "scale is %g, expected a number >= 0", spec->scale);
    if (!(spec->offset_s >= 0 && spec->offset_s < 9e9))
        return trace_fail(err, "offset_s is %g, expected 0 to 9e9", spec->offset_s);
    return 0;
}

int trace_source_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn,
                      char err[TRACE_ERR_LEN]) {
    *out = NULL;
    if (spec->duration_ns < 0)
        return trace_fail(err, "duration_ns is %lld, expected >= 0", (long long)spec->duration_ns);
    if (!spec->file) return trace_shape_open(out, spec, seed, fn, err);
    if (check_file_spec(spec, err)) return -1;
    return spec->file->times ? trace_times_open(out, spec, seed, fn, err)
                             : trace_minutes_open(out, spec, seed, fn, err);
}

static size_t ended_next(trace_source *source, int64_t *ns, size_t cap) {
    (void)source, (void)ns, (void)cap;
    return 0;
}

size_t trace_source_next(trace_source *source, int64_t *ns, size_t cap) {
    size_t n = source->next(source, ns, cap);
    if (n < cap) source->next = ended_next;
    return n;
}

void trace_source_close(trace_source *source) {
    free(source);
}
