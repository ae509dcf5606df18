/* harness_plan.c - keys of steps, and the plan. */
#include "harness_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[HARNESS_STEP_KINDS] = {"verify", "latency", "quota",
                                                           "pair",   "cold",    "resize"};

static void part_text(const harness_step *s, char text[32]) {
    if (s->partition == HARNESS_WHOLE)
        snprintf(text, 32, "whole");
    else
        snprintf(text, 32, "%s-%u", s->partition == HARNESS_GREEN ? "green" : "mps", (unsigned)s->size);
}

void harness_step_key(const harness_step *s, char key[HARNESS_KEY_LEN]) {
    char part[32];
    unsigned b = (unsigned)s->batch, r = (unsigned)s->repeat;
    part_text(s, part);
    switch (s->kind) {
    case HARNESS_STEP_VERIFY:
        snprintf(key, HARNESS_KEY_LEN, "verify/%s", s->workload);
        break;
    case HARNESS_STEP_LATENCY:
        snprintf(key, HARNESS_KEY_LEN, "latency/%s/b%u/%s/r%u", s->workload, b, part, r);
        break;
    case HARNESS_STEP_QUOTA:
        snprintf(key, HARNESS_KEY_LEN, "quota/%s/b%u/%s/%s-%u/r%u", s->workload, b, part,
                 s->runtime == HARNESS_TOKEN ? "token" : "metered", (unsigned)s->quota_pct, r);
        break;
    case HARNESS_STEP_PAIR:
        snprintf(key, HARNESS_KEY_LEN, "pair/%s/b%u/%s/%s/b%u/%u/r%u", s->workload, b, part, s->other,
                 (unsigned)s->other_batch, (unsigned)s->other_size, r);
        break;
    case HARNESS_STEP_COLD:
        snprintf(key, HARNESS_KEY_LEN, "cold/%s/b%u/r%u", s->workload, b, r);
        break;
    default:
        snprintf(key, HARNESS_KEY_LEN, "resize/%s/r%u", part, r);
        break;
    }
}

static int parse_part(harness_step *s, const char *text) {
    unsigned n = 0;
    if (strcmp(text, "whole") == 0) return 0;
    s->partition = strncmp(text, "green-", 6) == 0 ? HARNESS_GREEN : HARNESS_MPS;
    if (sscanf(text, s->partition == HARNESS_GREEN ? "green-%u" : "mps-%u", &n) != 1) return -1;
    s->size = n;
    return 0;
}

static int parse_runtime(harness_step *s, const char *text) {
    unsigned q = 0;
    s->runtime = strncmp(text, "token-", 6) == 0 ? HARNESS_TOKEN : HARNESS_METERED;
    if (sscanf(text, s->runtime == HARNESS_TOKEN ? "token-%u" : "metered-%u", &q) != 1) return -1;
    s->quota_pct = q;
    return 0;
}

/* The fields of each kind, in order: w workload, b batch, p partition, q runtime and quota, o other workload, c its batch,
 * s its size, r repeat. */
static const char *const kind_fields[HARNESS_STEP_KINDS] = {"w", "wbpr", "wbpqr", "wbpocsr", "wbr", "pr"};

static int parse_field(harness_step *s, char field, const char *text) {
    unsigned n = 0;
    switch (field) {
    case 'w':
    case 'o':
        return snprintf(field == 'w' ? s->workload : s->other, HARNESS_NAME_LEN, "%s", text) >=
               HARNESS_NAME_LEN;
    case 'p':
        return parse_part(s, text);
    case 'q':
        return parse_runtime(s, text);
    default:
        if (sscanf(text, field == 'r' ? "r%u" : field == 's' ? "%u" : "b%u", &n) != 1) return -1;
        *(field == 'b'   ? &s->batch
          : field == 'c' ? &s->other_batch
          : field == 's' ? &s->other_size
                         : &s->repeat) = n;
        return 0;
    }
}

/* What was read must print as what was given: that alone makes a key valid, whatever scanf let pass. */
int harness_step_parse(harness_step *out, const char *key) {
    char copy[HARNESS_KEY_LEN], again[HARNESS_KEY_LEN], *rest = copy;
    *out = (harness_step){0};
    if (snprintf(copy, sizeof copy, "%s", key) >= (int)sizeof copy) return -1;
    const char *name = strsep(&rest, "/");
    size_t kind = 0;
    while (kind < HARNESS_STEP_KINDS && strcmp(kind_names[kind], name) != 0) kind++;
    if (kind == HARNESS_STEP_KINDS) return -1;
    out->kind = (harness_step_kind)kind;
    for (const char *f = kind_fields[kind]; *f; f++) {
        const char *text = strsep(&rest, "/");
        if (!text || parse_field(out, *f, text)) return -1;
    }
    harness_step_key(out, again);
    return strcmp(key, again) == 0 ? 0 : -1;
}

static uint32_t sms_of(const harness_step *s, const harness_device_info *info) {
    uint32_t n = s->partition == HARNESS_WHOLE ? info->sm_count
                 : s->partition == HARNESS_MPS ? info->sm_count * s->size / 100
                                               : s->size;
    return n ? n : 1;
}

/* A third of the peaks, 4 us per launch: kernels of eager frameworks get about that. A guess that is off by two costs
 * a few steps at the end of the budget, not more: the run itself keeps the time. */
double harness_step_guess_ms(const harness_step *s, const harness_device_info *info,
                             const harness_workloads *w) {
    const harness_workload *load = harness_workloads_find(w, s->workload);
    if (!load) return 1;
    double share = (double)sms_of(s, info) / info->sm_count;
    double compute = harness_workload_flops(load, s->batch) / (info->flops_per_s * share) * 3e3;
    double memory = harness_workload_bytes(load, s->batch) / (info->memory_gb_per_s * 1e9) * 2e3;
    double launch = 0.004 * (double)load->n_ops;
    double most = compute > memory ? compute : memory;
    return most > launch ? most : launch;
}

static double estimate_s(const harness_step *s, const harness_device_info *info, const harness_workloads *w,
                         const harness_plan_options *o) {
    const harness_workload *load = harness_workloads_find(w, s->workload);
    double upload = load ? (double)harness_workload_weight_bytes(load) / 5e10 : 0;
    double one = harness_step_guess_ms(s, info, w) / 1000,
           measure = o->step_s > 20 * one ? o->step_s : 20 * one;
    switch (s->kind) {
    case HARNESS_STEP_VERIFY:
        return 0.5 + o->setup_s + upload;
    case HARNESS_STEP_QUOTA:
        return o->setup_s + upload + measure + 10 * (one + 0.02) * 100 / s->quota_pct;
    case HARNESS_STEP_PAIR:
        return 2 * (o->setup_s + upload) + 3 * measure;
    case HARNESS_STEP_COLD: /* a weight copy from pageable memory at 2 GB/s and filling the buffer, a fresh process */
        return 2 + upload * 50;
    case HARNESS_STEP_RESIZE:
        return 0.3;
    default:
        return o->setup_s + upload + 2 * measure + (s->partition == HARNESS_MPS ? 0.3 : 0);
    }
}

typedef struct {
    harness_plan *plan;
    const harness_device_info *info;
    const harness_workloads *w;
    const harness_plan_options *options;
    int tier, failed;
} planner;

/* Steps are few thousand: a linear search for an equal one costs nothing beside a measurement. */
static int has(const planner *p, const harness_step *s) {
    for (size_t i = 0; i < p->plan->n; i++)
        if (memcmp(&p->plan->items[i].step, s, sizeof *s) == 0) return 1;
    return 0;
}

static void add(planner *p, const harness_step *s) {
    harness_plan *plan = p->plan;
    char key[HARNESS_KEY_LEN];
    harness_step_key(s, key);
    if (p->failed || has(p, s)) return;
    if (p->options->only && strncmp(key, p->options->only, strlen(p->options->only)) != 0) return;
    if (!(plan->n & (plan->n - 1))) {
        harness_plan_item *larger = realloc(plan->items, (plan->n ? 2 * plan->n : 1) * sizeof *larger);
        p->failed = !larger;
        if (!larger) return;
        plan->items = larger;
    }
    plan->items[plan->n++] = (harness_plan_item){*s, p->tier, estimate_s(s, p->info, p->w, p->options)};
}

/* Zeroed whole, padding included, so that steps compare by memcmp. */
static harness_step step_new(harness_step_kind kind, const char *workload, uint32_t batch) {
    harness_step s;
    memset(&s, 0, sizeof s);
    s.kind = kind;
    s.batch = batch;
    s.repeat = kind == HARNESS_STEP_VERIFY ? 0 : 1;
    snprintf(s.workload, sizeof s.workload, "%s", workload);
    return s;
}

static int is_model(const harness_workload *w) {
    return strcmp(w->group, "model") == 0;
}

/* One of the sizes near the given share of the GPU. */
static uint32_t size_near(const harness_device_info *info, double share) {
    uint32_t best = 0;
    for (uint32_t i = 0; i < info->n_green_sizes; i++) {
        double now = (double)info->green_sizes[i] - share * info->sm_count;
        double then = (double)best - share * info->sm_count;
        if (!best || now * now < then * then) best = info->green_sizes[i];
    }
    return best;
}

static void add_widths(planner *p, harness_step s, const double *shares, size_t n) {
    s.partition = HARNESS_WHOLE;
    s.size = 0;
    add(p, &s);
    s.partition = HARNESS_GREEN;
    for (size_t i = 0; i < n; i++) {
        s.size = size_near(p->info, shares[i]);
        if (s.size) add(p, &s);
    }
}

static const double coarse[] = {0.06, 0.12, 0.25, 0.5, 0.75};
enum { N_COARSE = sizeof coarse / sizeof *coarse };

/* The same three steps, again and again during the run: their spread between times is the noise floor. */
static void add_probes(planner *p, uint32_t repeat) {
    static const char *const probes[] = {"resnet50", "bert-base", "stream-256mib"};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        harness_step s = step_new(HARNESS_STEP_LATENCY, probes[i], 1);
        s.repeat = repeat;
        if (harness_workloads_find(p->w, probes[i])) add(p, &s);
    }
}

static void add_cold(planner *p, uint32_t repeat) {
    for (size_t i = 0; i < p->w->n; i++) {
        harness_step s = step_new(HARNESS_STEP_COLD, p->w->items[i].name, 1);
        s.repeat = repeat;
        if (is_model(&p->w->items[i])) add(p, &s);
    }
}

static void add_first(planner *p) {
    add_probes(p, 1);
    for (size_t i = 0; i < p->w->n; i++) {
        harness_step s = step_new(HARNESS_STEP_VERIFY, p->w->items[i].name, 0);
        add(p, &s);
    }
    add_cold(p, 1);
    for (size_t i = 0; i < N_COARSE && p->info->n_green_sizes; i++) {
        harness_step s = step_new(HARNESS_STEP_RESIZE, "", 0);
        s.partition = HARNESS_GREEN;
        s.size = size_near(p->info, coarse[i]);
        add(p, &s);
    }
}

static void add_models(planner *p, const uint32_t *batches, size_t n_batches) {
    for (size_t b = 0; b < n_batches; b++)
        for (size_t i = 0; i < p->w->n; i++)
            if (is_model(&p->w->items[i]))
                add_widths(p, step_new(HARNESS_STEP_LATENCY, p->w->items[i].name, batches[b]), coarse,
                           N_COARSE);
}

static void add_quotas(planner *p, uint32_t batch, uint32_t from, uint32_t by, uint32_t size) {
    for (size_t i = 0; i < p->w->n; i++)
        for (uint32_t q = from; q <= 100 && is_model(&p->w->items[i]); q += by)
            for (int runtime = HARNESS_TOKEN; runtime <= HARNESS_METERED; runtime++) {
                harness_step s = step_new(HARNESS_STEP_QUOTA, p->w->items[i].name, batch);
                s.partition = size ? HARNESS_GREEN : HARNESS_WHOLE;
                s.size = size;
                s.runtime = (harness_runtime)runtime;
                s.quota_pct = q;
                add(p, &s);
            }
}

static void add_all_quotas(planner *p) {
    uint32_t quarter = size_near(p->info, 0.25);
    for (uint32_t batch = 1; batch <= 4; batch *= 4) {
        add_quotas(p, batch, 10, 10, 0);
        if (quarter) add_quotas(p, batch, 10, 10, quarter);
    }
}

static void add_pair(planner *p, const char *a, const char *b, uint32_t size, uint32_t other) {
    harness_step s = step_new(HARNESS_STEP_PAIR, a, 4);
    s.partition = HARNESS_GREEN;
    s.size = size;
    snprintf(s.other, sizeof s.other, "%s", b);
    s.other_batch = strcmp(b, "stream-256mib") == 0 ? 1 : 4;
    s.other_size = other;
    add(p, &s);
}

/* Half and half; and a quarter against half of memory traffic. all: each model against each, itself too. */
static void add_pairs(planner *p, int all) {
    uint32_t half = size_near(p->info, 0.48), quarter = size_near(p->info, 0.25);
    if (p->info->n_green_sizes < 2 || half + half > p->info->sm_count) return;
    for (size_t i = 0; i < p->w->n; i++) {
        const harness_workload *a = &p->w->items[i];
        if (!is_model(a)) continue;
        if (harness_workloads_find(p->w, "stream-256mib")) add_pair(p, a->name, "stream-256mib", half, half);
        if (harness_workloads_find(p->w, "stream-256mib"))
            add_pair(p, a->name, "stream-256mib", quarter, half);
        for (size_t k = 0; k < p->w->n; k++)
            if (is_model(&p->w->items[k]) && (all || strcmp(p->w->items[k].name, "resnet50") == 0))
                add_pair(p, a->name, p->w->items[k].name, half, half);
    }
}

static void add_micro_and_mps(planner *p) {
    for (uint32_t pct = 10; pct <= 100 && p->info->mps; pct += 10)
        for (size_t i = 0; i < p->w->n; i++) {
            harness_step s = step_new(HARNESS_STEP_LATENCY, p->w->items[i].name, 4);
            s.partition = HARNESS_MPS;
            s.size = pct;
            if (is_model(&p->w->items[i])) add(p, &s);
        }
    for (size_t i = 0; i < p->w->n; i++)
        if (!is_model(&p->w->items[i]))
            add_widths(p, step_new(HARNESS_STEP_LATENCY, p->w->items[i].name, 1), coarse, N_COARSE);
}

static void add_rest(planner *p) {
    for (uint32_t batch = 1; batch <= 32; batch *= 2)
        for (size_t i = 0; i < p->w->n; i++)
            for (uint32_t k = 0; k <= p->info->n_green_sizes; k++) {
                harness_step s = step_new(HARNESS_STEP_LATENCY, p->w->items[i].name, batch);
                s.partition = k ? HARNESS_GREEN : HARNESS_WHOLE;
                s.size = k ? p->info->green_sizes[k - 1] : 0;
                if (is_model(&p->w->items[i]) || batch <= 4) add(p, &s);
            }
    for (size_t i = 0, n = p->plan->n; i < n; i++) {
        harness_step s = p->plan->items[i].step;
        s.repeat = 2;
        if (s.kind == HARNESS_STEP_LATENCY && p->plan->items[i].tier == 1 && s.batch == 4) add(p, &s);
    }
}

/* The prefix that fits. The first step that does not ends it: a cheap one of a later tier is no replacement. */
static void cut(harness_plan *p, double budget_s) {
    size_t n = 0;
    for (p->estimate_s = 0; n < p->n; n++) {
        if (budget_s > 0 && p->estimate_s + p->items[n].estimate_s > budget_s) break;
        p->estimate_s += p->items[n].estimate_s;
    }
    p->n_dropped = p->n - n;
    p->n = n;
}

int harness_plan_make(harness_plan *out, const harness_device_info *info, const harness_workloads *w,
                      const harness_plan_options *options) {
    static const uint32_t some[] = {1, 4, 16};
    *out = (harness_plan){0};
    planner p = {.plan = out, .info = info, .w = w, .options = options};
    add_first(&p);
    p.tier = 1;
    add_models(&p, some, 2);
    add_quotas(&p, 1, 20, 40, 0);
    add_pairs(&p, 0);
    add_probes(&p, 2);
    p.tier = 2;
    add_models(&p, some + 2, 1);
    add_micro_and_mps(&p);
    add_probes(&p, 3);
    p.tier = 3;
    add_all_quotas(&p);
    add_pairs(&p, 1);
    add_cold(&p, 2);
    p.tier = 4;
    add_rest(&p);
    cut(out, options->budget_s);
    return p.failed ? -1 : 0;
}

void harness_plan_free(harness_plan *p) {
    free(p->items);
    *p = (harness_plan){0};
}
