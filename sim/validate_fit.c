#include "validate_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cma.h"
#include "draw.h"
#include "thread_pool_int.h"
#include "validate_condition.h"
#include "validate_report_int.h"
#include "validate_sim.h"

/* ---- how far a simulation is from the recording ---- */

typedef struct {
    validate_conditions conditions;
    validate_values values;
} summary;

static int summarise(summary *out, const validate_run *run, const validate_trace *t) {
    if (validate_conditions_open(&out->conditions, run, t)) return -1;
    if (!validate_measure(&out->values, t)) return 0;
    validate_conditions_close(&out->conditions);
    return -1;
}

/* Less than a microsecond is as good as nothing, which has no logarithm; what no request has is far from anything. */
static double log_error(double simulated, double recorded) {
    static const double LEAST = 1e-3, FAR = 20; /* ms; of spans, s */
    if (isnan(simulated) || isnan(recorded)) return isnan(simulated) && isnan(recorded) ? 0 : FAR;
    return fabs(log(fmax(simulated, LEAST) / fmax(recorded, LEAST)));
}

/* Of the 10, 20, ... 90 % quantiles */
static double distance_of_condition(const validate_shared_condition *c) {
    double sum = 0;
    for (int k = 1; k < 10; k++)
        sum += log_error(c->a[(size_t)(0.1 * k * (double)c->n_a)].ms,
                         c->b[(size_t)(0.1 * k * (double)c->n_b)].ms);
    return sum / 9;
}

/* The mean over the conditions of both, each with its requests, but a hundred tell as much as more. */
static double distance_of_conditions(const validate_conditions *a, const validate_conditions *b) {
    static const double MANY = 100;
    double sum = 0, weights = 0;
    for (validate_shared_condition c = {.n_a = 0}; validate_next_shared(&c, a, b);) {
        double weight = fmin((double)c.n_b, MANY);
        sum += weight * distance_of_condition(&c);
        weights += weight;
    }
    return weights > 0 ? sum / weights : 0;
}

static double distance(const summary *a, const summary *b) {
    static const struct {
        validate_metric metric;
        double weight;
    } of_all[] = {{VALIDATE_MEAN, 1}, {VALIDATE_P50, 0.5}, {VALIDATE_P95, 0.5}, {VALIDATE_SPAN, 5}};
    double sum = 4 * distance_of_conditions(&a->conditions, &b->conditions);
    for (size_t i = 0; i < sizeof of_all / sizeof *of_all; i++) {
        validate_metric m = of_all[i].metric;
        sum += of_all[i].weight * log_error(a->values.of[m], b->values.of[m]);
    }
    return sum + 0.05 * fabs(a->values.of[VALIDATE_VIOLATION_250] - b->values.of[VALIDATE_VIOLATION_250]);
}

static validate_mode mode_of(const validate_run *r) {
    return r->has_usage ? VALIDATE_REPLAY : VALIDATE_POLICY;
}

/* The mean over the seeds first, first + 1, ... */
static double distance_to(const summary *real, const validate_run *run, const calib *device,
                          const validate_params *p, uint64_t first, unsigned seeds) {
    char err[VALIDATE_ERR_LEN];
    double sum = 0;
    for (unsigned k = 0; k < seeds; k++) {
        validate_trace t = {0};
        summary simulated = {0};
        int rc = validate_simulate_on(&t, run, device, p, mode_of(run), first + k, err) ||
                 summarise(&simulated, run, &t);
        validate_trace_free(&t);
        if (rc) return -1;
        sum += distance(&simulated, real);
        validate_conditions_close(&simulated.conditions);
    }
    return sum / seeds;
}

double validate_distance(const validate_run *run, const calib *device, const validate_params *p,
                         unsigned seeds) {
    summary real;
    if (summarise(&real, run, &run->real)) return -1;
    double d = distance_to(&real, run, device, p, 1, seeds);
    validate_conditions_close(&real.conditions);
    return d;
}

/* ---- the search ---- */

/* A number that is searched for: in all members, or in one. */
typedef struct {
    int param;
    size_t first, end; /* of the members */
    double doubt;      /* of its logarithm: standard deviation */
} dimension;

typedef struct {
    const validate_params *given;
    validate_params *p; /* of its own */
    size_t *members;    /* entries of p of one system and kind of input */
    size_t n_members;
    const validate_run **runs;
    summary *real; /* of each */
    size_t n_runs;
    const calib *device;
    const validate_fit_options *options;
    dimension *dimensions;
    size_t n_dimensions;
    double distance; /* < 0: none of its runs can be simulated */
    uint64_t key;
} search;

static double total(const search *s, uint64_t first, unsigned seeds) {
    double sum = 0;
    for (size_t i = 0; i < s->n_runs; i++) {
        double d = distance_to(&s->real[i], s->runs[i], s->device, s->p, first, seeds);
        if (d < 0) return -1;
        sum += d / (1 + d);
    }
    return sum / (double)s->n_runs;
}

/* Whether a run tells of this member's own numbers; those of another would only be shaken at random. */
static int is_taught(const search *s, size_t member) {
    const validate_entry *e = &s->p->entries[s->members[member]];
    for (size_t i = 0; i < s->n_runs; i++)
        if (strcmp(s->runs[i]->served_model, e->model) == 0) return 1;
    return 0;
}

/* What is 0 is known to be absent. */
static void add_dimension(search *s, int param, size_t first, size_t end, double doubt) {
    if (s->p->entries[s->members[first]].v[param] > 0)
        s->dimensions[s->n_dimensions++] = (dimension){param, first, end, doubt};
}

/* What models have of their own differs little from one to the next: what is not known of it is not known of all of
 * them, and each its own way by a part of that. */
static int open_dimensions(search *s) {
    static const double OWN_PART = 0.25;
    s->dimensions = malloc(VALIDATE_N_PARAMS * (s->n_members + 1) * sizeof *s->dimensions);
    if (!s->dimensions) return -1;
    for (int i = 0; i < VALIDATE_N_PARAMS; i++) {
        const validate_param_info *info = &validate_param_infos[i];
        if (info->scope == VALIDATE_KNOWN) continue;
        add_dimension(s, i, 0, s->n_members, info->doubt);
        for (size_t m = 0; info->scope == VALIDATE_OWN && s->n_members > 1 && m < s->n_members; m++)
            if (is_taught(s, m)) add_dimension(s, i, m, m + 1, info->doubt * OWN_PART);
    }
    return 0;
}

static void keep_within_limits(validate_entry *e) {
    for (int i = 0; i < VALIDATE_N_PARAMS; i++)
        e->v[i] = fmin(fmax(e->v[i], validate_param_infos[i].min), validate_param_infos[i].max);
}

/* x: in units of what is not known of the number, so that 1 means as much in each. */
static void set_numbers(search *s, const double *x) {
    for (size_t m = 0; m < s->n_members; m++) s->p->entries[s->members[m]] = s->given->entries[s->members[m]];
    for (size_t i = 0; i < s->n_dimensions; i++) {
        const dimension *d = &s->dimensions[i];
        for (size_t m = d->first; m < d->end; m++)
            s->p->entries[s->members[m]].v[d->param] *= exp(d->doubt * x[i]);
    }
    for (size_t m = 0; m < s->n_members; m++) keep_within_limits(&s->p->entries[s->members[m]]);
}

/* What it costs to be where nobody would have looked: one number by one standard deviation as much as a
 * thousandth in the mean distance, far less than runs differ by chance; many of them together tell. */
static const double PRIOR = 0.001;

static double prior(const search *s, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < s->n_dimensions; i++) sum += PRIOR * x[i] * x[i];
    return sum;
}

/* Of what searches come to. Their own seeds follow. */
enum { JUDGE_SEEDS = 10 };

/* A generation meets one chance, and the next another, or the numbers would be fitted to chance. */
static double noisy_cost(void *arg, const double *x, unsigned generation) {
    search *s = arg;
    set_numbers(s, x);
    double d = total(s, JUDGE_SEEDS + 1 + generation, 1);
    return d < 0 ? HUGE_VAL : d + prior(s, x);
}

static int search_once(search *s, double *x, unsigned ordinal) {
    cma_spec spec = {.n = s->n_dimensions, .width = 1, .key = draw_mix(s->key + ordinal)};
    spec.generations = s->options->steps / (unsigned)cma_generation_size(s->n_dimensions) + 1;
    memset(x, 0, s->n_dimensions * sizeof *x);
    return cma_minimise(x, &spec, noisy_cost, s);
}

/* There are many valleys: of several searches the one that came to the lowest point. */
static int search_all(search *s) {
    double least = HUGE_VAL, *x = calloc(2 * s->n_dimensions + 1, sizeof *x);
    if (!x) return -1;
    double *best = x + s->n_dimensions;
    int rc = 0;
    s->distance = -1;
    for (unsigned i = 0; i < s->options->searches; i++) {
        if ((rc = search_once(s, x, i))) break;
        set_numbers(s, x);
        double d = total(s, 1, JUDGE_SEEDS);
        if (d < 0 || !(d + prior(s, x) < least)) continue;
        least = d + prior(s, x);
        s->distance = d;
        memcpy(best, x, s->n_dimensions * sizeof *x);
    }
    set_numbers(s, best);
    free(x);
    return rc;
}

static void search_one(void *arg, size_t i) {
    search *s = &((search *)arg)[i];
    if (search_all(s)) s->n_members = 0; /* out of memory */
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
    s->real = malloc((n + 1) * sizeof *s->real);
    if (!s->runs || !s->real) return -1;
    for (size_t i = 0; i < n; i++) {
        const validate_run *r = validate_run_at(data, i);
        const validate_entry *e = validate_params_find(s->p, r->system, r->served_model);
        if (!use[i] || !e || !same_group(e, &s->p->entries[s->members[0]]) ||
            validate_has_tag(r, "runaway") || validate_distance(r, s->device, s->p, 1) < 0)
            continue;
        if (summarise(&s->real[s->n_runs], r, &r->real)) return -1;
        s->runs[s->n_runs++] = r;
    }
    return 0;
}

/* The group of entry `first`. */
static int open_search(search *s, const validate_params *p, size_t first, const validate_data *data,
                       const unsigned char *use, const calib *device, const validate_fit_options *options) {
    *s = (search){.given = p, .device = device, .options = options, .key = draw_mix(first + 1)};
    s->members = malloc(p->n_entries * sizeof *s->members);
    s->p = validate_params_copy(p);
    if (!s->members || !s->p) return -1;
    for (size_t e = first; e < p->n_entries; e++)
        if (same_group(&p->entries[e], &p->entries[first])) s->members[s->n_members++] = e;
    return add_runs(s, data, use) || open_dimensions(s);
}

static void close_search(search *s) {
    free(s->members);
    free(s->dimensions);
    for (size_t i = 0; i < s->n_runs; i++) validate_conditions_close(&s->real[i].conditions);
    free((void *)s->runs);
    free(s->real);
    validate_params_close(s->p);
}

static void write_origin(validate_entry *e, const search *s, int taught) {
    size_t n = (size_t)snprintf(
        e->origin, sizeof e->origin, "hassim validate --fit, %u searches of %u steps, distance %.3f%s, on",
        s->options->searches, s->options->steps, s->distance,
        taught ? "" : ", launch_ms as the others differ from the start: no run of this model");
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
