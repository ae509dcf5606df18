/* trace_source.c - opening a source of any kind, and sources that replay recorded arrivals.
 * Minute counts: trace_minutes.c. Synthetic shapes: trace_shapes.c. */
#include "draw.h"
#include "trace_int.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    trace_source base;
    trace_walk walk; /* at the arrival to give */
    int64_t offset_ns;
    double scale, out_weight, calibrated_size;
    uint64_t ordinal; /* of that arrival, in the file */
    uint64_t copies;  /* of it, still to give */
    bool is_over;
} times_source;

/* To the next arrival, and how many times it is given. */
static void advance(times_source *s) {
    s->ordinal++;
    s->is_over = !trace_walk_next(&s->walk) || s->walk.ns - s->offset_ns >= s->base.end_ns;
    if (!s->is_over) s->copies = (uint64_t)(s->scale + draw_unit(draw_bits(s->base.key, s->ordinal)));
}

/* A size of which `out` is generated. */
static double weigh(double size, double out, double out_weight) {
    double weighed = size + (out_weight - 1) * out;
    return weighed > 1 ? weighed : 1;
}

static size_t times_next_work(trace_source *base, int64_t *ns, double *work, size_t cap) {
    times_source *s = (times_source *)base;
    size_t n = 0;
    while (!s->is_over) {
        double each = weigh(s->walk.size, s->walk.out, s->out_weight) / s->calibrated_size;
        for (; n < cap && s->copies; s->copies--, n++) {
            ns[n] = s->walk.ns - s->offset_ns;
            if (work) work[n] = each;
        }
        if (s->copies || n == cap) break;
        advance(s);
    }
    return n;
}

static size_t times_next(trace_source *base, int64_t *ns, size_t cap) {
    return times_next_work(base, ns, NULL, cap);
}

int trace_has_work(const trace_spec *spec) {
    return spec->file && spec->file->is_sized && spec->work == TRACE_WORK_BY_SIZE;
}

static double mean_size(const trace_spec *spec) {
    const trace_row *row = &spec->file->rows[spec->index];
    return spec->file->has_tokens ? weigh(row->mean_size, row->mean_out, spec->out_weight) : row->mean_size;
}

/* The size of a request of work 1. */
static double calibrated_size(const trace_spec *spec) {
    return spec->calibrated_size > 0 ? spec->calibrated_size : mean_size(spec);
}

double trace_mean_work(const trace_spec *spec) {
    return trace_has_work(spec) ? mean_size(spec) / calibrated_size(spec) : 1;
}

int trace_times_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn, char *err) {
    const trace_row *row = &spec->file->rows[spec->index];
    if (spec->scale > TRACE_MAX_BIN)
        return trace_fail(err, "scale is %g, expected at most %d", spec->scale, TRACE_MAX_BIN);
    times_source *s = calloc(1, sizeof *s);
    if (!s) return trace_fail(err, "out of memory");
    s->base = (trace_source){times_next, draw_key(seed, fn, DRAW_ARRIVAL), spec->duration_ns, NULL};
    if (trace_has_work(spec)) {
        s->base.next_work = times_next_work;
        s->calibrated_size = calibrated_size(spec);
        s->out_weight = spec->out_weight;
    }
    s->offset_ns = (int64_t)(spec->offset_s * 1e9);
    s->scale = spec->scale;
    s->walk = trace_walk_of(spec->file, row);
    s->ordinal = UINT64_MAX; /* before the first */
    do advance(s);
    while (!s->is_over && s->walk.ns < s->offset_ns);
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
    if (!(spec->out_weight >= 0 && isfinite(spec->out_weight)))
        return trace_fail(err, "out_weight is %g, expected a number >= 0", spec->out_weight);
    if (!(spec->calibrated_size >= 0 && isfinite(spec->calibrated_size)))
        return trace_fail(err, "calibrated_size is %g, expected a number >= 0", spec->calibrated_size);
    return 0;
}

int trace_source_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn,
                      char err[TRACE_ERR_LEN]) {
    *out = NULL;
    if (spec->duration_ns < 0)
        return trace_fail(err, "duration_ns is %lld, expected >= 0", (long long)spec->duration_ns);
    if (!spec->file) return trace_shape_open(out, spec, seed, fn, err);
    if (check_file_spec(spec, err)) return -1;
    return spec->file->bin_ns ? trace_minutes_open(out, spec, seed, fn, err)
                              : trace_times_open(out, spec, seed, fn, err);
}

static size_t ended_next(trace_source *source, int64_t *ns, size_t cap) {
    (void)source, (void)ns, (void)cap;
    return 0;
}

static void end(trace_source *source) {
    source->next = ended_next;
    source->next_work = NULL;
}

size_t trace_source_next(trace_source *source, int64_t *ns, size_t cap) {
    size_t n = source->next(source, ns, cap);
    if (n < cap) end(source);
    return n;
}

size_t trace_source_next_work(trace_source *source, int64_t *ns, double *work, size_t cap) {
    if (!source->next_work) {
        size_t n = trace_source_next(source, ns, cap);
        for (size_t i = 0; i < n; i++) work[i] = 1;
        return n;
    }
    size_t n = source->next_work(source, ns, work, cap);
    if (n < cap) end(source);
    return n;
}

void trace_source_close(trace_source *source) {
    free(source);
}
