#include "validate_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cma.h"
#include "draw.h"
#include "thread_pool_int.h"
#include "validate_distance.h"

/* ---- what is searched for ---- */

/* A number that is searched for: in all members, or in one. */
typedef struct {
    int param;
    size_t first, end; /* of the members */
    double doubt;      /* of its logarithm: standard deviation */
} dimension;

typedef struct { /* a system and a kind of input */
    const validate_params *given;
    size_t *members; /* entries of it */
    size_t n_members;
    validate_recording *recordings;
    size_t n_recordings;
    const calib *device;
    dimension *dimensions;
    size_t n_dimensions;
    uint64_t key;
} group;

/* Whether a run tells of this member's own numbers; those of another would only be shaken at random. */
static int is_taught(const group *g, size_t member) {
    const validate_entry *e = &g->given->entries[g->members[member]];
    for (size_t i = 0; i < g->n_recordings; i++)
        if (strcmp(g->recordings[i].run->served_model, e->model) == 0) return 1;
    return 0;
}

/* What is 0 is known to be absent. */
static void add_dimension(group *g, int param, size_t first, size_t end, double doubt) {
    if (g->given->entries[g->members[first]].v[param] > 0)
        g->dimensions[g->n_dimensions++] = (dimension){param, first, end, doubt};
}

/* What models have of their own differs little from one to the next: what is not known of it is not known of all of
 * them, and each its own way by a part of that. */
static int open_dimensions(group *g) {
    static const double OWN_PART = 0.25;
    g->dimensions = malloc(VALIDATE_N_PARAMS * (g->n_members + 1) * sizeof *g->dimensions);
    if (!g->dimensions) return -1;
    for (int i = 0; i < VALIDATE_N_PARAMS; i++) {
        const validate_param_info *info = &validate_param_infos[i];
        if (info->scope == VALIDATE_KNOWN) continue;
        add_dimension(g, i, 0, g->n_members, info->doubt);
        for (size_t m = 0; info->scope == VALIDATE_OWN && g->n_members > 1 && m < g->n_members; m++)
            if (is_taught(g, m)) add_dimension(g, i, m, m + 1, info->doubt * OWN_PART);
    }
    return 0;
}

static int same_group(const validate_entry *a, const validate_entry *b) {
    return strcmp(a->system, b->system) == 0 && strcmp(a->input, b->input) == 0;
}

/* Whether the run tells of the group that entry `of` belongs to */
static int tells_of(const validate_params *p, const validate_entry *of, const validate_run *r) {
    const validate_entry *e = validate_params_find(p, r->system, r->served_model);
    return e && same_group(e, of) && !validate_has_tag(r, "runaway");
}

static void tell_unused(const validate_fit_options *o, const validate_run *r) {
    char line[256];
    if (!o->progress) return;
    snprintf(line, sizeof line, "%.200s: not used, it cannot be simulated", r->name);
    o->progress(o->progress_arg, line);
}

/* Those of its runs that can be simulated */
static int open_recordings(group *g, const validate_data *data, const unsigned char *use,
                           const validate_fit_options *options) {
    size_t n = validate_n_runs(data);
    g->recordings = malloc((n + 1) * sizeof *g->recordings);
    if (!g->recordings) return -1;
    for (size_t i = 0; i < n; i++) {
        validate_recording *recording = &g->recordings[g->n_recordings];
        const validate_run *r = validate_run_at(data, i);
        if (!use[i] || !tells_of(g->given, &g->given->entries[g->members[0]], r)) continue;
        if (validate_recording_open(recording, r)) return -1;
        if (validate_distance(recording, g->device, g->given, 1) >= 0) {
            g->n_recordings++;
            continue;
        }
        validate_recording_close(recording);
        tell_unused(options, r);
    }
    return 0;
}

/* The group of entry `first` */
static int open_group(group *g, const validate_params *p, size_t first, const validate_data *data,
                      const unsigned char *use, const calib *device, const validate_fit_options *options) {
    *g = (group){.given = p, .device = device, .key = draw_mix(first + 1)};
    g->members = malloc(p->n_entries * sizeof *g->members);
    if (!g->members) return -1;
    for (size_t e = first; e < p->n_entries; e++)
        if (same_group(&p->entries[e], &p->entries[first])) g->members[g->n_members++] = e;
    return open_recordings(g, data, use, options) || open_dimensions(g);
}

static void close_group(group *g) {
    for (size_t i = 0; i < g->n_recordings; i++) validate_recording_close(&g->recordings[i]);
    free(g->recordings);
    free(g->members);
    free(g->dimensions);
}

/* ---- a search ---- */

typedef struct {
    const group *of;
    unsigned ordinal;
    validate_params *p;
    cma *at;
    double distance, cost; /* of the runs; with what the prior adds. Infinite: a run cannot be simulated */
} search;

static void keep_within_limits(validate_entry *e) {
    for (int i = 0; i < VALIDATE_N_PARAMS; i++)
        e->v[i] = fmin(fmax(e->v[i], validate_param_infos[i].min), validate_param_infos[i].max);
}

/* x: in units of what is not known of the number, so that 1 means as much in each. */
static void set_numbers(search *s, const double *x) {
    const group *g = s->of;
    validate_entry *to = s->p->entries;
    for (size_t m = 0; m < g->n_members; m++) to[g->members[m]] = g->given->entries[g->members[m]];
    for (size_t i = 0; i < g->n_dimensions; i++) {
        const dimension *d = &g->dimensions[i];
        for (size_t m = d->first; m < d->end; m++) to[g->members[m]].v[d->param] *= exp(d->doubt * x[i]);
    }
    for (size_t m = 0; m < g->n_members; m++) keep_within_limits(&to[g->members[m]]);
}

/* Over the runs, and the seeds first, first + 1, ... */
static double mean_distance(const search *s, uint64_t first, unsigned seeds) {
    double sum = 0;
    for (size_t i = 0; i < s->of->n_recordings; i++) {
        double d = 0;
        for (unsigned k = 0; k < seeds; k++) {
            double one = validate_distance(&s->of->recordings[i], s->of->device, s->p, first + k);
            if (one < 0) return HUGE_VAL;
            d += one / seeds;
        }
        sum += d / (1 + d);
    }
    return sum / (double)s->of->n_recordings;
}

/* What it costs to be where nobody would have looked: one number by one standard deviation as much as a
 * thousandth in the mean distance, far less than runs differ by chance; many of them together tell. */
static double prior(const search *s, const double *x) {
    static const double PRIOR = 0.001;
    double sum = 0;
    for (size_t i = 0; i < s->of->n_dimensions; i++) sum += PRIOR * x[i] * x[i];
    return sum;
}

/* Far from those that reports are made with. The generations' seeds follow. */
enum { JUDGE_SEED = 1001, JUDGE_SEEDS = 10 };

/* A generation meets one chance, and the next another, or the numbers would be fitted to chance. */
static double noisy_cost(void *arg, const double *x, unsigned generation) {
    search *s = arg;
    set_numbers(s, x);
    return mean_distance(s, JUDGE_SEED + JUDGE_SEEDS + generation, 1) + prior(s, x);
}

static void judge(search *s) {
    set_numbers(s, cma_mean(s->at));
    s->distance = mean_distance(s, JUDGE_SEED, JUDGE_SEEDS);
    s->cost = s->distance + prior(s, cma_mean(s->at));
}

static int open_search(search *s, const group *g, unsigned ordinal) {
    const cma_spec spec = {.n = g->n_dimensions, .width = 1, .key = draw_mix(g->key + ordinal)};
    double *x = calloc(g->n_dimensions + 1, sizeof *x);
    *s = (search){.of = g, .ordinal = ordinal, .p = validate_params_copy(g->given)};
    if (x) s->at = cma_open(&spec, x);
    free(x);
    return s->p && s->at ? 0 : -1;
}

static void close_search(search *s) {
    validate_params_close(s->p);
    cma_close(s->at);
}

static int by_cost(const void *a, const void *b) {
    const search *x = a, *y = b;
    if (x->cost != y->cost) return x->cost < y->cost ? -1 : 1;
    return (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

/* ---- all of them ---- */

typedef struct {
    group *groups;
    size_t n_groups;
    search *searches; /* [n_groups][options->searches], the better ones of a group first */
    unsigned n_left;  /* of each group */
    unsigned round, n_rounds;
    const validate_fit_options *options;
} race;

static search *searches_of(const race *r, size_t g) {
    return r->searches + g * r->options->searches;
}

static int is_first_of_group(const validate_params *p, size_t e) {
    for (size_t i = 0; i < e; i++)
        if (same_group(&p->entries[i], &p->entries[e])) return 0;
    return 1;
}

/* Of groups that runs tell of */
static int open_groups(race *r, const validate_params *p, const validate_data *data, const unsigned char *use,
                       const calib *device) {
    r->groups = calloc(p->n_entries + 1, sizeof *r->groups);
    if (!r->groups) return -1;
    for (size_t e = 0; e < p->n_entries; e++) {
        if (!is_first_of_group(p, e)) continue;
        group *g = &r->groups[r->n_groups];
        int rc = open_group(g, p, e, data, use, device, r->options);
        if (rc || !g->n_recordings)
            close_group(g);
        else
            r->n_groups++;
        if (rc) return -1;
    }
    return 0;
}

static int open_searches(race *r) {
    r->searches = calloc(r->n_groups * r->options->searches + 1, sizeof *r->searches);
    if (!r->searches) return -1;
    for (size_t g = 0; g < r->n_groups; g++)
        for (unsigned k = 0; k < r->options->searches; k++)
            if (open_search(&searches_of(r, g)[k], &r->groups[g], k)) return -1;
    return 0;
}

static void close_race(race *r) {
    for (size_t i = 0; r->searches && i < r->n_groups * r->options->searches; i++)
        close_search(&r->searches[i]);
    for (size_t g = 0; g < r->n_groups; g++) close_group(&r->groups[g]);
    free(r->searches);
    free(r->groups);
}

static unsigned generations(const race *r, const group *g) {
    unsigned size = (unsigned)cma_generation_size(g->n_dimensions);
    return r->options->steps / size + (r->options->steps % size > 0);
}

/* To the end of the round, rounds being as equal as whole generations are */
static void advance_one(void *arg, size_t i) {
    const race *r = arg;
    search *s = &searches_of(r, i / r->n_left)[i % r->n_left];
    uint64_t end = (uint64_t)generations(r, s->of) * (r->round + 1) / r->n_rounds;
    cma_advance(s->at, (unsigned)end - cma_generation(s->at), noisy_cost, s);
    judge(s);
}

static void tell(const race *r, size_t g) {
    char line[256];
    const search *best = searches_of(r, g);
    const validate_entry *e = &best->of->given->entries[best->of->members[0]];
    if (!r->options->progress) return;
    snprintf(line, sizeof line,
             "%s, %s, runs: %zu, generation %u of %u, searches: %u, the best at distance %.4f", e->system,
             e->input, best->of->n_recordings, cma_generation(best->at), generations(r, best->of), r->n_left,
             best->distance);
    r->options->progress(r->options->progress_arg, line);
}

static void run_round(race *r, thread_pool *pool) {
    thread_pool_run(pool, r->n_groups * r->n_left, advance_one, r);
    for (size_t g = 0; g < r->n_groups; g++) {
        qsort(searches_of(r, g), r->n_left, sizeof(search), by_cost);
        tell(r, g);
    }
    r->n_left -= r->n_left / 2;
}

static unsigned count_rounds(unsigned searches) {
    unsigned n = 1;
    for (; searches > 1; searches -= searches / 2) n++;
    return n;
}

/* ---- what came of them ---- */

static void write_origin(validate_entry *e, const search *s, const validate_fit_options *o, int taught) {
    size_t n = (size_t)snprintf(
        e->origin, sizeof e->origin, "hassim validate --fit --searches %u --steps %u, distance %.3f%s, on",
        o->searches, o->steps, s->distance,
        taught ? "" : ", launch_ms as the others differ from the start: no run of this model");
    for (size_t i = 0; i < s->of->n_recordings && n < sizeof e->origin; i++)
        n += (size_t)snprintf(e->origin + n, sizeof e->origin - n, " %s", s->of->recordings[i].run->name);
}

static void take(validate_params *p, const search *s, const validate_fit_options *o) {
    for (size_t m = 0; m < s->of->n_members; m++) {
        validate_entry *e = &p->entries[s->of->members[m]];
        *e = s->p->entries[s->of->members[m]];
        write_origin(e, s, o, is_taught(s->of, m));
    }
}

static int take_all(validate_params *p, const race *r, char err[VALIDATE_ERR_LEN]) {
    for (size_t g = 0; g < r->n_groups; g++) {
        const search *best = searches_of(r, g);
        const validate_entry *e = &p->entries[best->of->members[0]];
        if (!isinf(best->cost)) continue;
        snprintf(err, VALIDATE_ERR_LEN,
                 "%s, %s: no search came to numbers with which all runs can be simulated", e->system,
                 e->input);
        return -1;
    }
    for (size_t g = 0; g < r->n_groups; g++) take(p, searches_of(r, g), r->options);
    return 0;
}

int validate_fit_concerns(const validate_params *p, const validate_run *a, const validate_run *b) {
    const validate_entry *of_a = validate_params_find(p, a->system, a->served_model);
    return of_a && tells_of(p, of_a, b);
}

int validate_fit(validate_params *p, const validate_data *data, const unsigned char *use, const calib *device,
                 const validate_fit_options *options, char err[VALIDATE_ERR_LEN]) {
    race r = {.options = options, .n_left = options->searches, .n_rounds = count_rounds(options->searches)};
    thread_pool *pool = thread_pool_open(options->threads);
    int rc = !pool || open_groups(&r, p, data, use, device) || open_searches(&r) ? -1 : 0;
    if (rc) snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    for (; !rc && r.round < r.n_rounds; r.round++) run_round(&r, pool);
    if (!rc) rc = take_all(p, &r, err); /* the searches, which began from p, are over */
    close_race(&r);
    thread_pool_close(pool);
    return rc;
}
