#include "validate_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "thread_pool_int.h"
#include "validate_report_int.h"
#include "validate_sim.h"

/* ---- how far a simulation is from the recording ---- */

enum { N_QUANTILES = 20 };

typedef struct {
    double quantile_ms[N_QUANTILES];
    double mean_ms, violation, span_s;
} summary;

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
    qsort(ms, n, sizeof *ms, validate_int_by_value);
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

/* Less than a microsecond is as good as nothing, which has no logarithm. */
static double log_error(double simulated, double recorded) {
    static const double LEAST = 1e-3; /* ms; of spans, s */
    return fabs(log(fmax(simulated, LEAST) / fmax(recorded, LEAST)));
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
    size_t *members;    /* entries of p of one system and kind of input */
    size_t n_members;
    const validate_run **runs;
    size_t n_runs;
    const calib *device;
    const validate_fit_options *options;
    double distance; /* < 0: none of its runs can be simulated */
    uint64_t key;
} search;

/* The mean over the runs; where it would exceed the bound, something above it. */
static double total(const search *s, double bound) {
    double sum = 0, most = bound * (double)s->n_runs;
    for (size_t i = 0; i < s->n_runs && sum <= most; i++) {
        double d = validate_distance(s->runs[i], s->device, s->p, s->options->seeds);
        if (d < 0) return -1;
        sum += d / (1 + d);
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

/* A number that is shared is one dimension of the search, one that is not is one for each member. */
static size_t n_dimensions(const search *s) {
    size_t n = 0;
    for (int i = 0; i < VALIDATE_N_PARAMS; i++)
        n += validate_param_infos[i].scope == VALIDATE_SHARED ? 1
             : validate_param_infos[i].scope == VALIDATE_OWN  ? s->n_members
                                                              : 0;
    return n;
}

/* Whether a run tells of this member's own numbers; those of another would only be shaken at random. */
static int is_taught(const search *s, size_t member) {
    const validate_entry *e = &s->p->entries[s->members[member]];
    for (size_t i = 0; i < s->n_runs; i++)
        if (strcmp(s->runs[i]->served_model, e->model) == 0) return 1;
    return 0;
}

static void scale_dimension(search *s, size_t dimension, double factor) {
    for (int i = 0; i < VALIDATE_N_PARAMS; i++) {
        validate_scope scope = validate_param_infos[i].scope;
        size_t width = scope == VALIDATE_SHARED ? 1 : scope == VALIDATE_OWN ? s->n_members : 0;
        if (dimension >= width) {
            dimension -= width;
            continue;
        }
        for (size_t m = 0; m < s->n_members; m++)
            if (scope == VALIDATE_SHARED || (m == dimension && is_taught(s, m)))
                scale(&s->p->entries[s->members[m]], i, factor);
        return;
    }
}

/* A random dimension times a random factor. */
static void change(search *s, uint64_t bits, double width) {
    scale_dimension(s, (bits >> 40) % n_dimensions(s), factor_of(draw_mix(bits), width));
}

static void copy_entries(validate_params *to, const validate_params *from) {
    memcpy(to->entries, from->entries, from->n_entries * sizeof *to->entries);
}

/* From where the numbers are, with factors that shrink from e^width; draws from number `first` on. kept: scratch. */
static double descend(search *s, validate_params *kept, uint64_t first, unsigned steps, double width) {
    double shrink = exp(log(0.1) / steps), best = total(s, HUGE_VAL);
    for (unsigned step = 0; best >= 0 && step < steps; step++, width *= shrink) {
        copy_entries(kept, s->p);
        for (unsigned k = 0; k <= step % 3; k++)
            change(s, draw_bits(s->key, first + 3 * (uint64_t)step + k), width);
        double d = total(s, best);
        if (d >= 0 && d < best)
            best = d;
        else
            copy_entries(s->p, kept);
    }
    return best;
}

/* Several short descents, the first from the given numbers, the others from far around them; the best goes on. */
static int search_from_here(search *s) {
    enum { STARTS = 8 };
    validate_params *given = validate_params_copy(s->p), *best = validate_params_copy(s->p);
    validate_params *kept = validate_params_copy(s->p);
    unsigned steps = s->options->steps / (2 * STARTS) + 1;
    int rc = given && best && kept ? 0 : -1;
    s->distance = -1;
    for (uint64_t k = 0; !rc && k < STARTS; k++) {
        uint64_t first = k << 32;
        copy_entries(s->p, given);
        for (size_t i = 0; k && i < n_dimensions(s); i++)
            scale_dimension(s, i, factor_of(draw_bits(~s->key, first + i), 1));
        double d = descend(s, kept, first, steps, 0.7);
        if (d < 0 || (s->distance >= 0 && d >= s->distance)) continue;
        s->distance = d;
        copy_entries(best, s->p);
    }
    if (!rc) copy_entries(s->p, best);
    if (!rc && s->distance >= 0)
        s->distance = descend(s, kept, UINT64_C(1) << 48, s->options->steps / 2 + 1, 0.3);
    validate_params_close(given);
    validate_params_close(best);
    validate_params_close(kept);
    return rc;
}

static void search_one(void *arg, size_t i) {
    search *s = &((search *)arg)[i];
    if (search_from_here(s)) s->n_members = 0; /* out of memory */
}

/* ---- all systems and models ---- */

static int same_group(const validate_entry *a, const validate_entry *b) {
    return strcmp(a->system, b->system) == 0 && strcmp(a->input, b->input) == 0;
}

int validate_fit_concerns(const validate_params *p, const validate_run *a, const validate_run *b) {
    const validate_entry *of_a = validate_params_find(p, a->system, a->served_model);
    const validate_entry *of_b = validate_params_find(p, b->system, b->served_model);
    return of_a && of_b && same_group(of_a, of_b) && !validate_has_tag(b, "runaway");
}

static int add_runs(search *s, const validate_data *data, const unsigned char *use) {
    size_t n = validate_n_runs(data);
    s->runs = malloc((n + 1) * sizeof(const validate_run *));
    if (!s->runs) return -1;
    for (size_t i = 0; i < n; i++) {
        const validate_run *r = validate_run_at(data, i);
        const validate_entry *e = validate_params_find(s->p, r->system, r->served_model);
        if (use[i] && e && same_group(e, &s->p->entries[s->members[0]]) && !validate_has_tag(r, "runaway") &&
            validate_distance(r, s->device, s->p, 1) >= 0)
            s->runs[s->n_runs++] = r;
    }
    return 0;
}

/* The group of entry `first`. */
static int open_search(search *s, const validate_params *p, size_t first, const validate_data *data,
                       const unsigned char *use, const calib *device, const validate_fit_options *options) {
    *s = (search){.device = device, .options = options, .key = draw_mix(first + 1)};
    s->members = malloc(p->n_entries * sizeof *s->members);
    s->p = validate_params_copy(p);
    if (!s->members || !s->p) return -1;
    for (size_t e = first; e < p->n_entries; e++)
        if (same_group(&p->entries[e], &p->entries[first])) s->members[s->n_members++] = e;
    return add_runs(s, data, use);
}

static void close_search(search *s) {
    free(s->members);
    free((void *)s->runs);
    validate_params_close(s->p);
}

static void write_origin(validate_entry *e, const search *s, int taught) {
    size_t n = (size_t)snprintf(e->origin, sizeof e->origin,
                                "hassim validate --fit, %u steps, distance %.3f%s, on", s->options->steps,
                                s->distance, taught ? "" : ", launch_ms as it was: no run of this model");
    for (size_t i = 0; i < s->n_runs && n < sizeof e->origin; i++)
        n += (size_t)snprintf(e->origin + n, sizeof e->origin - n, " %s", s->runs[i]->name);
}

static void take(validate_params *p, const search *s) {
    char line[256];
    const validate_entry *e = &s->p->entries[s->members[0]];
    for (size_t m = 0; s->distance >= 0 && m < s->n_members; m++) {
        p->entries[s->members[m]] = s->p->entries[s->members[m]];
        write_origin(&p->entries[s->members[m]], s, is_taught(s, m));
    }
    if (!s->options->progress) return;
    snprintf(line, sizeof line, "%s, %s: %zu runs, distance %.4f", e->system, e->input, s->n_runs,
             s->distance);
    s->options->progress(s->options->progress_arg, line);
}

static int is_first_of_group(const validate_params *p, size_t e) {
    for (size_t i = 0; i < e; i++)
        if (same_group(&p->entries[i], &p->entries[e])) return 0;
    return 1;
}

int validate_fit(validate_params *p, const validate_data *data, const unsigned char *use, const calib *device,
                 const validate_fit_options *options, char err[VALIDATE_ERR_LEN]) {
    search *all = calloc(p->n_entries + 1, sizeof *all);
    thread_pool *pool = thread_pool_open(options->threads);
    size_t n = 0;
    int rc = all && pool ? 0 : -1;
    for (size_t e = 0; !rc && e < p->n_entries; e++) {
        if (!is_first_of_group(p, e)) continue;
        rc = open_search(&all[n], p, e, data, use, device, options);
        if (all[n].n_runs || rc)
            n++;
        else
            close_search(&all[n]);
    }
    if (!rc) thread_pool_run(pool, n, search_one, all);
    for (size_t i = 0; i < n; i++) {
        if (!all[i].n_members) rc = -1;
        if (!rc) take(p, &all[i]);
        close_search(&all[i]);
    }
    thread_pool_close(pool);
    free(all);
    if (rc) snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    return rc;
}
