#include "validate_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "thread_pool_int.h"
#include "validate_sim.h"

/* ---- how far a simulation is from the recording ---- */

enum { N_QUANTILES = 20 };

typedef struct {
    double quantile_ms[N_QUANTILES];
    double mean_ms, violation, span_s;
} summary;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int summarise(summary *out, const validate_trace *t) {
    double *ms = malloc((t->n_requests + 1) * sizeof *ms), end_s = 0, sum = 0;
    size_t n = 0, late = 0;
    if (!ms) return -1;
    for (size_t i = 0; i < t->n_requests; i++) {
        const validate_request *r = &t->requests[i];
        if (r->start_s + r->latency_ms / 1000 > end_s) end_s = r->start_s + r->latency_ms / 1000;
        late += r->status != 200 || r->latency_ms > 250;
        if (r->status != 200) continue;
        ms[n++] = r->latency_ms;
        sum += r->latency_ms;
    }
    qsort(ms, n, sizeof *ms, by_value);
    for (int k = 0; k < N_QUANTILES; k++) {
        double part = k + 1 < N_QUANTILES ? 0.05 * (k + 1) : 0.99;
        out->quantile_ms[k] = n ? ms[(size_t)(part * (double)n)] : 1e9;
    }
    out->mean_ms = n ? sum / (double)n : 1e9;
    out->violation = (double)(late + t->lost) / (double)(t->n_requests + t->lost + !t->n_requests);
    out->span_s = end_s > 0 ? end_s : 1e-3;
    free(ms);
    return 0;
}

static double log_error(double simulated, double recorded) {
    return fabs(log(simulated / recorded));
}

static double distance(const summary *a, const summary *b) {
    double sum = 0;
    for (int k = 0; k < N_QUANTILES; k++) sum += log_error(a->quantile_ms[k], b->quantile_ms[k]);
    double median = log_error(a->quantile_ms[9], b->quantile_ms[9]),
           tail = log_error(a->quantile_ms[18], b->quantile_ms[18]);
    return sum / N_QUANTILES + median / 2 + tail / 2 + log_error(a->mean_ms, b->mean_ms) +
           5 * fabs(a->violation - b->violation) + 5 * log_error(a->span_s, b->span_s);
}

static validate_mode mode_of(const validate_run *r) {
    return r->has_usage ? VALIDATE_REPLAY : VALIDATE_POLICY;
}

double validate_distance(const validate_run *run, const calib *device, const validate_params *p,
                         unsigned seeds) {
    char err[VALIDATE_ERR_LEN];
    summary real, simulated;
    double sum = 0;
    if (summarise(&real, &run->real)) return -1;
    for (unsigned k = 0; k < seeds; k++) {
        validate_trace t;
        if (validate_simulate_on(&t, run, device, p, mode_of(run), 1 + k, err)) return -1;
        int rc = summarise(&simulated, &t);
        validate_trace_free(&t);
        if (rc) return -1;
        sum += distance(&simulated, &real);
    }
    return sum / seeds;
}

/* ---- the search ---- */

typedef struct {
    validate_params *p; /* of its own */
    validate_entry *entry;
    const validate_run **runs;
    size_t n_runs;
    const calib *device;
    const validate_fit_options *options;
    double distance; /* < 0: none of its runs can be simulated */
    uint64_t key;
} search;

static double total(const search *s) {
    double sum = 0;
    for (size_t i = 0; i < s->n_runs; i++) {
        double d = validate_distance(s->runs[i], s->device, s->p, s->options->seeds);
        if (d < 0) return -1;
        sum += d;
    }
    return sum / (double)s->n_runs;
}

static void scale(validate_entry *e, int i, double factor) {
    const validate_param_info *info = &validate_param_infos[i];
    double x = e->v[i] * factor;
    e->v[i] = x < info->min ? info->min : x > info->max ? info->max : x;
}

static double factor_of(uint64_t bits, double width) {
    return exp(width * (2 * draw_unit(bits) - 1));
}

/* A random one of the fitted numbers times a random factor. */
static void change(search *s, uint64_t bits, double width) {
    int fitted[VALIDATE_N_PARAMS], n = 0;
    for (int i = 0; i < VALIDATE_N_PARAMS; i++)
        if (validate_param_infos[i].is_fitted) fitted[n++] = i;
    scale(s->entry, fitted[(bits >> 40) % (uint64_t)n], factor_of(draw_mix(bits), width));
}

/* From where the entry is, with factors that shrink from e^width; draws from number `first` on. */
static double descend(search *s, uint64_t first, unsigned steps, double width) {
    double shrink = exp(log(0.1) / steps), best = total(s);
    for (unsigned step = 0; best >= 0 && step < steps; step++, width *= shrink) {
        validate_entry before = *s->entry;
        for (unsigned k = 0; k <= step % 3; k++)
            change(s, draw_bits(s->key, first + 3 * (uint64_t)step + k), width);
        double d = total(s);
        if (d >= 0 && d < best)
            best = d;
        else
            *s->entry = before;
    }
    return best;
}

/* Several short descents, the first from the given numbers, the others from far around them; the best goes on. */
static void search_from_here(search *s) {
    enum { STARTS = 8 };
    validate_entry given = *s->entry, best = given;
    unsigned steps = s->options->steps / (2 * STARTS) + 1;
    s->distance = -1;
    for (uint64_t k = 0; k < STARTS; k++) {
        uint64_t first = k << 32;
        *s->entry = given;
        for (int i = 0; k && i < VALIDATE_N_PARAMS; i++)
            if (validate_param_infos[i].is_fitted)
                scale(s->entry, i, factor_of(draw_bits(~s->key, first + (uint64_t)i), 1));
        double d = descend(s, first, steps, 0.7);
        if (d < 0 || (s->distance >= 0 && d >= s->distance)) continue;
        s->distance = d;
        best = *s->entry;
    }
    *s->entry = best;
    if (s->distance >= 0) s->distance = descend(s, UINT64_C(1) << 48, s->options->steps / 2 + 1, 0.3);
}

static void search_one(void *arg, size_t i) {
    search_from_here(&((search *)arg)[i]);
}

/* ---- all systems and models ---- */

static int is_usable(const validate_run *r, const validate_entry *e) {
    return strcmp(r->system, e->system) == 0 && strcmp(r->served_model, e->model) == 0 &&
           !validate_has_tag(r, "runaway");
}

static int open_search(search *s, const validate_params *p, size_t entry, const validate_data *data,
                       const unsigned char *use, const calib *device, const validate_fit_options *options) {
    size_t n = validate_n_runs(data);
    *s = (search){.device = device, .options = options, .key = draw_mix(entry + 1)};
    s->runs = malloc((n + 1) * sizeof(const validate_run *));
    s->p = validate_params_copy(p);
    if (!s->runs || !s->p) return -1;
    s->entry = &s->p->entries[entry];
    for (size_t i = 0; i < n; i++)
        if (use[i] && is_usable(validate_run_at(data, i), s->entry))
            s->runs[s->n_runs++] = validate_run_at(data, i);
    return 0;
}

static void close_search(search *s) {
    free((void *)s->runs);
    validate_params_close(s->p);
}

static void report(const search *s) {
    char line[256];
    if (!s->options->progress) return;
    snprintf(line, sizeof line, "%s %s: %zu runs, distance %.4f", s->entry->system, s->entry->model,
             s->n_runs, s->distance);
    s->options->progress(s->options->progress_arg, line);
}

int validate_fit(validate_params *p, const validate_data *data, const unsigned char *use, const calib *device,
                 const validate_fit_options *options, char err[VALIDATE_ERR_LEN]) {
    search *all = calloc(p->n_entries + 1, sizeof *all);
    thread_pool *pool = NULL;
    size_t n = 0, entries[256];
    int rc = all ? 0 : -1;
    for (size_t e = 0; !rc && e < p->n_entries && n < 256; e++) {
        rc = open_search(&all[n], p, e, data, use, device, options);
        if (rc || !all[n].n_runs)
            close_search(&all[n]);
        else
            entries[n++] = e;
    }
    if (!rc && !(pool = thread_pool_open(options->threads))) rc = -1;
    if (!rc) thread_pool_run(pool, n, search_one, all);
    for (size_t i = 0; i < n; i++) {
        if (!rc && all[i].distance >= 0) p->entries[entries[i]] = *all[i].entry;
        if (!rc) report(&all[i]);
        close_search(&all[i]);
    }
    thread_pool_close(pool);
    free(all);
    if (rc) snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    return rc;
}
