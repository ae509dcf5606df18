/* cli_rapp_score.c - `hassim rapp eval` and `cv`: errors in all, by quota, SM, batch, model and fold; time per
 * prediction; and to what the measurements repeat. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "cli_rapp_int.h"

typedef struct { /* everything that is to be said */
    const rapp_args *args;
    const rapp_data *data;
    double *ms;   /* predicted, by point */
    int *fold;    /* by point; NULL: eval */
    double *room; /* n_points */
    const char *kind;
    double ns_per_prediction, ns_per_bind;
    rapp_floor floors[RAPP_FLOORS];
} score;

/* ---- which points a figure is over ---- */

typedef enum { ALL, QUOTA, BATCH, SM, DNN, FOLD } dimension;

typedef struct {
    const score *s;
    dimension by;
    long value;
} selection;

static int is_selected(const void *arg, size_t point) {
    const selection *sel = arg;
    const rapp_point *p = &rapp_data_points(sel->s->data)[point];
    switch (sel->by) {
    case QUOTA:
        return p->quota_pct == sel->value;
    case BATCH:
        return p->batch == sel->value;
    case SM:
        return p->sm_pct == sel->value;
    case DNN:
        return p->model == sel->value;
    case FOLD:
        return sel->s->fold[point] == sel->value;
    case ALL:
        break;
    }
    return 1;
}

static rapp_errors errors_of(const score *s, dimension by, long value) {
    selection sel = {s, by, value};
    return rapp_eval_errors(s->data, s->ms, is_selected, &sel, s->room);
}

/* ---- time ---- */

enum { TIMED_RUNS = 5 };

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static double smallest(const double *values, int n) {
    double least = values[0];
    for (int i = 1; i < n; i++) least = fmin(least, values[i]);
    return least;
}

/* Of all batches, SM shares and quotas of the data's grid, bound once. The sum keeps the loop. */
static double time_estimates(const rapp_bound *b, double *sum) {
    static const uint32_t batches[] = {1, 2, 4, 8};
    size_t asked = 0;
    double start = now_ns();
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < 4; i++)
            for (uint32_t sm = 5; sm <= 100; sm += 5)
                for (uint32_t q = 10; q <= 100; q += 10, asked++)
                    *sum += rapp_estimate_of(b, batches[i], sm, q).ms;
    return (now_ns() - start) / (double)asked;
}

/* Binding a DNN and asking it once, on average over those that can be bound. < 0: none can */
static double time_binds(const rapp_model *m, const rapp_data *data, double *sum, double *per_estimate) {
    char err[RAPP_ERR_LEN];
    double total = 0;
    size_t bound = 0;
    for (size_t i = 0; i < rapp_data_n_models(data); i++) {
        rapp_bound *b;
        double start = now_ns();
        if (rapp_bind(&b, m, rapp_data_model_name(data, i), rapp_data_prior(data, i), err)) continue;
        *sum += rapp_estimate_of(b, 4, 50, 50).ms;
        total += now_ns() - start;
        if (bound++ == 0) *per_estimate = time_estimates(b, sum);
        rapp_unbind(b);
    }
    return bound ? total / (double)bound : -1;
}

/* The quickest of some runs: what else the machine does only adds. */
static void time_model(score *s, const rapp_model *m) {
    double binds[TIMED_RUNS], estimates[TIMED_RUNS] = {-1, -1, -1, -1, -1};
    double sum = 0;
    for (int i = 0; m && i < TIMED_RUNS; i++) binds[i] = time_binds(m, s->data, &sum, &estimates[i]);
    s->ns_per_bind = m && sum > -INFINITY ? smallest(binds, TIMED_RUNS) : -1;
    s->ns_per_prediction = m ? smallest(estimates, TIMED_RUNS) : -1;
}

/* ---- JSON ---- */

static double rounded(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.6g", value);
    return strtod(text, NULL);
}

static void add(cJSON *to, const char *key, double value) {
    cJSON_AddNumberToObject(to, key, rounded(value));
}

static void add_errors(cJSON *to, const rapp_errors *e) {
    cJSON_AddNumberToObject(to, "n", (double)e->n);
    cJSON_AddNumberToObject(to, "n_unknown", (double)e->n_unknown);
    add(to, "mape_pct", e->mape_pct);
    add(to, "median_ape_pct", e->median_ape_pct);
    add(to, "p95_ape_pct", e->p95_ape_pct);
}

static void add_group(const score *s, cJSON *to, dimension by, long value) {
    char name[64];
    rapp_errors e = errors_of(s, by, value);
    if (!e.n && !e.n_unknown) return;
    snprintf(name, sizeof name, "%ld", value);
    if (by == DNN) snprintf(name, sizeof name, "%s", rapp_data_model_name(s->data, (size_t)value));
    add_errors(cJSON_AddObjectToObject(to, name), &e);
}

static void add_groups(const score *s, cJSON *root, const char *key, dimension by, long n) {
    cJSON *groups = cJSON_AddObjectToObject(root, key);
    for (long value = 0; value < n; value++) add_group(s, groups, by, value);
}

static void add_folds(const score *s, cJSON *root) {
    cJSON *folds = cJSON_AddArrayToObject(root, "per_fold"), *mean = cJSON_CreateObject();
    double sums[3] = {0};
    int tested = 0;
    for (long k = 0; k < (long)s->args->folds; k++) {
        rapp_errors e = errors_of(s, FOLD, k);
        cJSON *fold = cJSON_CreateObject();
        add_errors(fold, &e);
        cJSON_AddItemToArray(folds, fold);
        sums[0] += e.mape_pct, sums[1] += e.median_ape_pct, sums[2] += e.p95_ape_pct;
        tested += e.n > 0;
    }
    add(mean, "mape_pct", tested ? sums[0] / tested : 0);
    add(mean, "median_ape_pct", tested ? sums[1] / tested : 0);
    add(mean, "p95_ape_pct", tested ? sums[2] / tested : 0);
    cJSON_AddItemToObject(root, "mean_over_folds", mean);
}

static const char *const floor_names[RAPP_FLOORS] = {"launch_bound", "launch_bound_by_batch", "gpu_bound"};
static const char *const floor_groups[RAPP_FLOORS] = {
    "launch-bound, by model and quota", "launch-bound, and by batch", "GPU-bound, by model, batch and SM"};

static void add_floor(cJSON *to, const char *key, const rapp_floor *f) {
    cJSON *o = cJSON_AddObjectToObject(to, key);
    cJSON_AddNumberToObject(o, "n", (double)f->points);
    cJSON_AddNumberToObject(o, "groups", (double)f->groups);
    add(o, "within_pct", f->within_pct);
    add(o, "left_out_pct", f->without_pct);
}

static cJSON *to_json(const score *s) {
    cJSON *root = cJSON_CreateObject();
    rapp_errors e = errors_of(s, ALL, 0);
    cJSON_AddStringToObject(root, "kind", s->kind);
    if (s->fold) {
        cJSON_AddStringToObject(root, "by", s->args->by == RAPP_BY_MODEL ? "model" : "config");
        cJSON_AddNumberToObject(root, "folds", (double)s->args->folds);
        cJSON_AddNumberToObject(root, "seed", (double)s->args->seed);
    }
    add_errors(root, &e);
    add(root, "ns_per_prediction", s->ns_per_prediction);
    add(root, "ns_per_bind", s->ns_per_bind);
    cJSON *floor = cJSON_AddObjectToObject(root, "repeatability");
    for (int k = 0; k < RAPP_FLOORS; k++) add_floor(floor, floor_names[k], &s->floors[k]);
    if (s->fold) add_folds(s, root);
    add_groups(s, root, "by_quota", QUOTA, 101);
    add_groups(s, root, "by_batch", BATCH, 33);
    add_groups(s, root, "by_sm", SM, 101);
    add_groups(s, root, "by_model", DNN, (long)rapp_data_n_models(s->data));
    return root;
}

static int print_json(const score *s, char err[RAPP_ERR_LEN]) {
    cJSON *root = to_json(s);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) snprintf(err, RAPP_ERR_LEN, "out of memory");
    if (!text) return -1;
    puts(text);
    cJSON_free(text);
    return 0;
}

/* ---- text ---- */

static void print_row(const char *name, const rapp_errors *e) {
    if (!e->n && !e->n_unknown) return;
    printf("  %-22s %7zu %8.2f %8.2f %8.2f", name, e->n, e->mape_pct, e->median_ape_pct, e->p95_ape_pct);
    if (e->n_unknown) printf("   %zu unknown", e->n_unknown);
    printf("\n");
}

static void print_rows(const score *s, const char *label, dimension by, long n) {
    for (long value = 0; value < n; value++) {
        char name[80];
        rapp_errors e = errors_of(s, by, value);
        snprintf(name, sizeof name, "%s %ld", label, value);
        if (by == DNN) snprintf(name, sizeof name, "%s", rapp_data_model_name(s->data, (size_t)value));
        print_row(name, &e);
    }
}

static void print_floor(const char *what, const rapp_floor *f) {
    if (f->groups)
        printf("  %-36s %.2f to %.2f %% (%zu points in %zu groups)\n", what, f->within_pct, f->without_pct,
               f->points, f->groups);
    else
        printf("  %-36s no points to tell it from\n", what);
}

static void print_text(const score *s) {
    rapp_errors e = errors_of(s, ALL, 0);
    printf("%s", s->kind);
    if (s->fold)
        printf(", cross-validated by %s in %lu folds, seed %llu",
               s->args->by == RAPP_BY_MODEL ? "model" : "config", s->args->folds,
               (unsigned long long)s->args->seed);
    printf("\n\n  %-22s %7s %8s %8s %8s\n", "", "points", "MAPE %", "median", "p95");
    print_row("all", &e);
    if (s->fold) print_rows(s, "fold", FOLD, (long)s->args->folds);
    print_rows(s, "quota", QUOTA, 101);
    print_rows(s, "batch", BATCH, 33);
    print_rows(s, "SM", SM, 101);
    print_rows(s, "", DNN, (long)rapp_data_n_models(s->data));
    printf("\nTime: %.0f ns per prediction once bound, %.0f ns to bind and ask.\n", s->ns_per_prediction,
           s->ns_per_bind);
    printf("Repeatability: mean deviation from the median of points that max(G, f) holds equal, the point "
           "among them "
           "to left out\n");
    for (int k = 0; k < RAPP_FLOORS; k++) print_floor(floor_groups[k], &s->floors[k]);
}

/* ---- the commands ---- */

static int open_score(score *s, const rapp_args *args, rapp_data **data, char err[RAPP_ERR_LEN]) {
    *s = (score){.args = args};
    *data = NULL;
    if (!args->data_dir) {
        snprintf(err, RAPP_ERR_LEN, "found no data, expected --data DIR");
        return -1;
    }
    if (rapp_data_open(data, args->data_dir, err)) return -1;
    s->data = *data;
    size_t n = rapp_data_n_points(*data);
    s->ms = malloc((n + 1) * sizeof *s->ms);
    s->fold = malloc((n + 1) * sizeof *s->fold);
    s->room = malloc((n + 1) * sizeof *s->room);
    if (s->ms && s->fold && s->room && n) return 0;
    snprintf(err, RAPP_ERR_LEN, "%.300s/latency.csv: found no points, expected some", args->data_dir);
    if (n) snprintf(err, RAPP_ERR_LEN, "out of memory");
    return -1;
}

static void close_score(score *s, rapp_data *data) {
    free(s->ms);
    free(s->fold);
    free(s->room);
    rapp_data_close(data);
}

static int report(score *s, const rapp_model *m, char err[RAPP_ERR_LEN]) {
    if (rapp_eval_floor(s->floors, s->data, err)) return -1;
    s->kind = m ? rapp_kind_of(m) : s->args->kind;
    time_model(s, m);
    if (s->args->json) return print_json(s, err);
    print_text(s);
    return 0;
}

int cli_rapp_eval(const rapp_args *args) {
    char err[RAPP_ERR_LEN];
    score s;
    rapp_data *data;
    rapp_model *m = NULL;
    if (!args->model_file) return cli_rapp_complain(args, CLI_USAGE, "found no model file, expected MODEL");
    int rc = open_score(&s, args, &data, err);
    if (!rc) rc = rapp_load(&m, args->model_file, err);
    if (!rc) rc = rapp_eval_ask(s.ms, m, data, NULL, err);
    free(s.fold);
    s.fold = NULL;
    if (!rc) rc = report(&s, m, err);
    rapp_close(m);
    close_score(&s, data);
    return rc ? cli_rapp_complain(args, CLI_USAGE, err) : CLI_OK;
}

int cli_rapp_cv(const rapp_args *args) {
    char err[RAPP_ERR_LEN];
    score s;
    rapp_data *data;
    rapp_model *last = NULL;
    rapp_options options = cli_rapp_options(args);
    int rc = open_score(&s, args, &data, err);
    if (!rc) {
        rapp_eval_assign(s.fold, data, args->by, (int)args->folds, args->seed);
        rc = rapp_eval_cv(s.ms, s.fold, (int)args->folds, args->kind, data, &options, &last, err);
    }
    if (!rc) rc = report(&s, last, err);
    rapp_close(last);
    close_score(&s, data);
    return rc ? cli_rapp_complain(args, CLI_USAGE, err) : CLI_OK;
}
