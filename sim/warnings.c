#include "warnings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[WARNING_KINDS] = {
    [WARNING_SATURATION] = "saturation",         [WARNING_EXTRAPOLATION] = "extrapolation",
    [WARNING_QUEUE_GROWTH] = "queue-growth",     [WARNING_REFUSED_ACTIONS] = "refused-actions",
    [WARNING_LOST_REQUESTS] = "lost-requests",   [WARNING_TRACE_ENDS] = "trace-ends",
    [WARNING_NO_ARRIVALS] = "no-arrivals",       [WARNING_UNNAMED_GPU] = "unnamed-gpu",
    [WARNING_WIDE_INTERVALS] = "wide-intervals",
};

static const double STEP_S = 30, LONG_S = 60, LONG_PCT = 10;            /* saturation */
static const double GROWTH = 1.5, GROWTH_REQUESTS = 10, GROWTH_PCT = 1; /* queue-growth */
static const double REFUSED_PCT = 1;
static const int64_t MINUTE_NS = INT64_C(60000000000); /* trace-ends */
enum { REFUSED_LEAST = 5, NAMES_SHOWN = 3, NAME_SHOWN_LEN = 40, NAME_CUT_LEN = 8 };

const char *warnings_name(warning_kind kind) {
    return kind_names[kind];
}

static int kind_of(const char *name, size_t len) {
    for (int i = 0; i < WARNING_KINDS; i++)
        if (strlen(kind_names[i]) == len && memcmp(kind_names[i], name, len) == 0) return i;
    return -1;
}

static int fail_name(const char *name, size_t len, char err[WARNINGS_ERR_LEN]) {
    int used = snprintf(err, WARNINGS_ERR_LEN, "found '%.*s', expected any or some of",
                        (int)(len < 64 ? len : 64), name);
    for (int i = 0; i < WARNING_KINDS; i++)
        used += snprintf(err + used, WARNINGS_ERR_LEN - (size_t)used, "%s %s", i ? "," : "", kind_names[i]);
    return -1;
}

int warnings_parse(const char *names, unsigned *kinds, char err[WARNINGS_ERR_LEN]) {
    *kinds = 0;
    for (const char *at = names;; at++) {
        size_t len = strcspn(at, ",");
        int kind = kind_of(at, len);
        if (len == 3 && memcmp(at, "any", 3) == 0)
            *kinds |= (1u << WARNING_KINDS) - 1;
        else if (kind < 0)
            return fail_name(at, len, err);
        else
            *kinds |= 1u << kind;
        at += len;
        if (!*at) return 0;
    }
}

/* Room for another, of that kind; NULL: out of memory. */
static warning *add(warning_list *list, warning_kind kind, uint32_t fn, double value) {
    if ((list->n & (list->n - 1)) == 0) {
        warning *items = realloc(list->items, (list->n ? 2 * list->n : 1) * sizeof *items);
        if (!items) return NULL;
        list->items = items;
    }
    warning *w = &list->items[list->n++];
    *w = (warning){.kind = kind, .fn = fn, .value = value};
    return w;
}

void warnings_free(warning_list *list) {
    if (!list) return;
    free(list->items);
    *list = (warning_list){0};
}

/* ---- saturation ---- */

typedef struct {
    double total_s, over_s, longest_s, stretch_s;
} load_time;

/* Capacity counts as the greater of a bin's begin and end: pods come and go within. */
static void look_at_step(load_time *t, const engine_bin *bins, size_t from, size_t to, double bin_s) {
    double offered = 0, capacity = 0, served = 0;
    for (size_t k = from; k < to; k++) {
        double end = bins[k].capacity_rps, begin = k ? bins[k - 1].capacity_rps : end;
        offered += (double)bins[k].arrivals;
        served += (double)bins[k].completed;
        capacity += (begin > end ? begin : end) * bin_s;
    }
    double step_s = (double)(to - from) * bin_s;
    int over = offered > capacity && served < offered;
    t->total_s += step_s;
    t->over_s += over ? step_s : 0;
    t->stretch_s = over ? t->stretch_s + step_s : 0;
    if (t->stretch_s > t->longest_s) t->longest_s = t->stretch_s;
}

static size_t first_counted_bin(const engine_setup *setup, const engine_result *r) {
    size_t first = (size_t)((setup->warmup_ns + r->bin_ns - 1) / r->bin_ns);
    return first < r->n_bins ? first : 0;
}

static int warn_saturation(const engine_setup *setup, const engine_result *r, warning_list *out) {
    double bin_s = (double)r->bin_ns / 1e9;
    size_t per_step = (size_t)ceil(STEP_S / bin_s);
    for (size_t fn = 0; fn < r->timeline_fns && fn < r->n_fns; fn++) {
        load_time t = {0};
        for (size_t k = first_counted_bin(setup, r); k < r->n_bins; k += per_step) {
            size_t end = k + per_step < r->n_bins ? k + per_step : r->n_bins;
            look_at_step(&t, r->by_fn + fn * r->n_bins, k, end, bin_s);
        }
        double pct = t.total_s > 0 ? 100 * t.over_s / t.total_s : 0;
        if (t.longest_s < LONG_S && pct < LONG_PCT) continue;
        warning *w = add(out, WARNING_SATURATION, (uint32_t)fn, pct);
        if (!w) return -1;
        snprintf(w->text, sizeof w->text, "load above capacity for %.0f %% of the time, %.0f s on end", pct,
                 t.longest_s);
    }
    return 0;
}

/* ---- extrapolation ---- */

typedef struct {
    uint32_t fn, id, sm_pct, quota_pct, batch_max;
    const calib_model *model;
    int is_outside;
} pod_start;

static int by_fn_and_id(const void *a, const void *b) {
    const pod_start *p = a, *q = b;
    if (p->fn != q->fn) return p->fn < q->fn ? -1 : 1;
    return p->id < q->id ? -1 : p->id > q->id;
}

static int is_outside(const engine_setup *setup, const pod_start *p) {
    uint32_t quota = setup->runtime == ENGINE_TOKEN ? p->quota_pct : 100;
    return p->model && calib_is_extrapolated(p->model, p->batch_max, p->sm_pct, quota);
}

static size_t collect_starts(const engine_setup *setup, const engine_result *r, pod_start *starts) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_actions; i++) {
        const pol_action *a = &r->actions[i].action;
        if (r->actions[i].refused || a->verb != POL_START || a->fn >= r->n_fns || a->gpu >= setup->n_gpus ||
            !setup->gpus || !setup->fns[a->fn].on)
            continue;
        pod_start *p = &starts[n++];
        *p = (pod_start){.fn = a->fn,
                         .id = r->actions[i].pod,
                         .sm_pct = a->sm_pct,
                         .quota_pct = a->quota_pct,
                         .batch_max = a->batch_max ? a->batch_max : setup->fns[a->fn].batch_max,
                         .model = setup->fns[a->fn].on[setup->gpus[a->gpu].device].model};
        p->is_outside = is_outside(setup, p);
    }
    qsort(starts, n, sizeof *starts, by_fn_and_id);
    return n;
}

/* The first configuration outside is kept for the message. */
static void follow_resizes(const engine_setup *setup, const engine_result *r, pod_start *starts, size_t n) {
    for (size_t i = 0; i < r->n_actions; i++) {
        const pol_action *a = &r->actions[i].action;
        if (r->actions[i].refused || a->verb != POL_RESIZE) continue;
        const pod_start key = {.fn = a->fn, .id = a->pod};
        pod_start *p = bsearch(&key, starts, n, sizeof *starts, by_fn_and_id);
        if (!p || p->is_outside) continue;
        if (a->sm_pct) p->sm_pct = a->sm_pct;
        if (a->quota_pct) p->quota_pct = a->quota_pct;
        p->is_outside = is_outside(setup, p);
    }
}

static int warn_outside(const engine_setup *setup, const pod_start *starts, size_t n, warning_list *out) {
    size_t outside = 0;
    const pod_start *example = NULL;
    for (size_t i = 0; i < n; i++)
        if (starts[i].is_outside && outside++ == 0) example = &starts[i];
    if (!example) return 0;
    warning *w = add(out, WARNING_EXTRAPOLATION, starts->fn, 100.0 * (double)outside / (double)n);
    if (!w) return -1;
    char quota[32] = "";
    if (setup->runtime == ENGINE_TOKEN) snprintf(quota, sizeof quota, ", quota %u %%", example->quota_pct);
    snprintf(w->text, sizeof w->text,
             "%zu of %zu pods outside what was measured for %.60s, such as SM %u %%%s, batch %u", outside, n,
             setup->fns[starts->fn].model_name, example->sm_pct, quota, example->batch_max);
    return 0;
}

static int warn_extrapolation(const engine_setup *setup, const engine_result *r, warning_list *out) {
    pod_start *starts = calloc(r->n_actions + 1, sizeof *starts);
    if (!starts) return -1;
    size_t n = collect_starts(setup, r, starts);
    int rc = 0;
    follow_resizes(setup, r, starts, n);
    for (size_t from = 0, to; rc == 0 && from < n; from = to) {
        for (to = from; to < n && starts[to].fn == starts[from].fn; to++) continue;
        rc = warn_outside(setup, starts + from, to - from, out);
    }
    free(starts);
    return rc;
}

/* ---- queue growth ---- */

typedef struct {
    double queued, arrivals; /* mean, sum */
} queue_part;

static queue_part look_at_queue(const engine_bin *bins, size_t from, size_t to) {
    queue_part p = {0};
    for (size_t k = from; k < to; k++) {
        p.queued += (double)bins[k].queued / (double)(to - from);
        p.arrivals += (double)bins[k].arrivals;
    }
    return p;
}

static int warn_growth(const engine_bin *bins, size_t n, uint32_t fn, warning_list *out) {
    size_t part = n / 10;
    if (part == 0) return 0;
    queue_part a = look_at_queue(bins, n - 3 * part, n - 2 * part),
               b = look_at_queue(bins, n - 2 * part, n - part), c = look_at_queue(bins, n - part, n);
    double rise = c.queued - a.queued, last = (double)bins[n - 1].queued;
    int grew = a.queued < b.queued && b.queued < c.queued && c.queued >= GROWTH * a.queued;
    if (!grew || rise < GROWTH_REQUESTS || rise < c.arrivals * GROWTH_PCT / 100 || last < b.queued ||
        last < GROWTH_REQUESTS)
        return 0;
    warning *w = add(out, WARNING_QUEUE_GROWTH, fn, last);
    if (!w) return -1;
    snprintf(w->text, sizeof w->text,
             "%.0f requests waiting at the end; on average %.0f, %.0f, %.0f in the last "
             "three tenths",
             w->value, a.queued, b.queued, c.queued);
    return 0;
}

/* All functions together only where some have no timeline of their own. */
static int warn_queue_growth(const engine_result *r, warning_list *out) {
    for (size_t fn = 0; fn < r->timeline_fns && fn < r->n_fns; fn++)
        if (warn_growth(r->by_fn + fn * r->n_bins, r->n_bins, (uint32_t)fn, out)) return -1;
    return r->timeline_fns < r->n_fns ? warn_growth(r->total, r->n_bins, WARNING_RUN, out) : 0;
}

/* ---- refused actions, lost requests ---- */

static const char *first_refusal(const engine_result *r) {
    for (size_t i = 0; i < r->n_actions; i++)
        if (r->actions[i].refused && r->actions[i].why) return r->actions[i].why;
    return "unknown";
}

static int warn_refused(const engine_result *r, warning_list *out) {
    double pct = r->actions_seen ? 100.0 * (double)r->actions_refused / (double)r->actions_seen : 0;
    if (r->actions_refused < REFUSED_LEAST || pct <= REFUSED_PCT) return 0;
    warning *w = add(out, WARNING_REFUSED_ACTIONS, WARNING_RUN, pct);
    if (!w) return -1;
    snprintf(w->text, sizeof w->text, "%.0f %% of %llu actions refused, the first because: %.100s", pct,
             (unsigned long long)r->actions_seen, first_refusal(r));
    return 0;
}

static int warn_lost(const engine_result *r, warning_list *out) {
    for (size_t fn = 0; fn < r->n_fns; fn++) {
        const engine_fn_result *f = &r->fns[fn];
        uint64_t n = f->dropped + f->lost + f->in_flight;
        if (n == 0) continue;
        warning *w = add(out, WARNING_LOST_REQUESTS, (uint32_t)fn, (double)n);
        if (!w) return -1;
        snprintf(w->text, sizeof w->text, "%llu of %llu requests: %llu dropped, %llu lost, %llu unfinished",
                 (unsigned long long)n, (unsigned long long)f->arrivals, (unsigned long long)f->dropped,
                 (unsigned long long)f->lost, (unsigned long long)f->in_flight);
    }
    return 0;
}

/* ---- traces ---- */

/* When the trace has no more for this function, since the run's begin; INT64_MAX: it lasts, or there is none. A minute
 * less is let pass: recorded arrivals end with the last one, not where the recording stopped. */
static int64_t trace_end_ns(const engine_setup *setup, const engine_result *r, const engine_fn *fn) {
    const trace_spec *t = &fn->trace;
    if (!t->file || fn->client) return INT64_MAX;
    int64_t end_ns = trace_span_ns(t->file) - (int64_t)(t->offset_s * 1e9), spare_ns = MINUTE_NS;
    if (trace_bin_ns(t->file) > spare_ns) spare_ns = trace_bin_ns(t->file);
    if (r->bin_ns > spare_ns) spare_ns = r->bin_ns;
    if (end_ns < 0) end_ns = 0;
    return setup->duration_ns - end_ns > spare_ns ? end_ns : INT64_MAX;
}

static int warn_trace_ends(const engine_setup *setup, const engine_result *r, warning_list *out) {
    int64_t first_ns = INT64_MAX;
    size_t n = 0;
    for (size_t fn = 0; fn < setup->n_fns; fn++) {
        int64_t end_ns = trace_end_ns(setup, r, &setup->fns[fn]);
        n += end_ns < INT64_MAX;
        if (end_ns < first_ns) first_ns = end_ns;
    }
    if (n == 0) return 0;
    double duration_s = (double)setup->duration_ns / 1e9, end_s = (double)first_ns / 1e9;
    warning *w = add(out, WARNING_TRACE_ENDS, WARNING_RUN, 100 * (1 - end_s / duration_s));
    if (!w) return -1;
    snprintf(w->text, sizeof w->text,
             "the recorded trace ends %.6g s into a run of %.6g s; nothing arrives after it (%zu of %zu "
             "functions)",
             end_s, duration_s, n, setup->n_fns);
    return 0;
}

/* The first few names, hashes not in full */
static void name_idle(const engine_setup *setup, const engine_result *r, warning *w) {
    size_t used = strlen(w->text), shown = 0;
    for (size_t fn = 0; fn < r->n_fns && shown <= NAMES_SHOWN; fn++) {
        if (r->fns[fn].window_arrivals) continue;
        const char *name = setup->fns[fn].name;
        int is_long = strlen(name) > NAME_SHOWN_LEN;
        if (++shown > NAMES_SHOWN)
            snprintf(w->text + used, sizeof w->text - used, ", ...");
        else
            used +=
                (size_t)snprintf(w->text + used, sizeof w->text - used, "%s%.*s%s", shown > 1 ? ", " : ": ",
                                 is_long ? NAME_CUT_LEN : NAME_SHOWN_LEN, name, is_long ? "..." : "");
    }
}

static int warn_no_arrivals(const engine_setup *setup, const engine_result *r, warning_list *out) {
    size_t idle = 0;
    for (size_t fn = 0; fn < r->n_fns; fn++) idle += r->fns[fn].window_arrivals == 0;
    if (idle == 0) return 0;
    warning *w = add(out, WARNING_NO_ARRIVALS, WARNING_RUN, 100.0 * (double)idle / (double)r->n_fns);
    if (!w) return -1;
    if (idle == r->n_fns)
        snprintf(w->text, sizeof w->text, "no function has a request in the window");
    else
        snprintf(w->text, sizeof w->text, "%zu of %zu functions have no request in the window", idle,
                 r->n_fns);
    if (idle < r->n_fns) name_idle(setup, r, w);
    return 0;
}

static int warn_predictor(const engine_setup *setup, warning_list *out) {
    if (!setup->predictor || !setup->predictor->note[0]) return 0;
    warning *w = add(out, WARNING_UNNAMED_GPU, WARNING_RUN, 1);
    if (!w) return -1;
    snprintf(w->text, sizeof w->text, "%s", setup->predictor->note);
    return 0;
}

int warnings_of_run(const engine_setup *setup, const engine_result *result, warning_list *out) {
    *out = (warning_list){0};
    if (warn_saturation(setup, result, out) || warn_extrapolation(setup, result, out) ||
        warn_queue_growth(result, out) || warn_refused(result, out) || warn_lost(result, out) ||
        warn_trace_ends(setup, result, out) || warn_no_arrivals(setup, result, out) ||
        warn_predictor(setup, out)) {
        warnings_free(out);
        return -1;
    }
    return 0;
}
