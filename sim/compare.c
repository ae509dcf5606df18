#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare_int.h"
#include "results_int.h"

const compare_metric compare_metrics[COMPARE_METRICS] = {
    {"cost_per_1k_usd", "cost, USD per 1,000 arrivals"},
    {"violation_pct", "SLO violations, % of arrivals"},
    {"worst_violation_pct", "... of the worst function, %"},
    {"unserved_pct", "dropped, lost, unfinished, %"},
    {"p50_ms", "latency, median, ms"},
    {"p95_ms", "latency, 95th percentile, ms"},
    {"p99_ms", "latency, 99th percentile, ms"},
    {"gpus_mean", "GPUs occupied, mean"},
    {"gpu_share_s", "GPU time allocated, GPU-s"},
    {"cold_starts", "cold starts"},
};

static void table_free(compare_table *t) {
    for (size_t i = 0; i < t->n_groups; i++) {
        compare_group *g = &t->groups[i];
        free(g->label);
        free(g->policy);
        free(g->mode);
        free(g->billing);
        free(g->grid);
        free(g->rest);
        free(g->runs);
    }
    free(t->groups);
    free(t->name);
    free(t->question);
}

static char *column_copy(sqlite3_stmt *stmt, int i) {
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    return strdup(text ? text : "");
}

/* Room for one more; grows by doubling. NULL: out of memory, items stay as they are. */
static void *grown(void *items, size_t n, size_t size) {
    if (n & (n - 1)) return items;
    return realloc(items, (n ? 2 * n : 1) * size);
}

enum { LABEL, POLICY, MODE, BILLING, GRID, REST, MODEL_ERROR, HAS_CLIENT, SEED, REQUESTS, FIRST_METRIC };

static compare_group *add_group(compare_table *t, sqlite3_stmt *stmt) {
    compare_group *groups = grown(t->groups, t->n_groups, sizeof *groups);
    if (!groups) return NULL;
    t->groups = groups;
    compare_group *g = &groups[t->n_groups++];
    *g = (compare_group){.label = column_copy(stmt, LABEL),
                         .policy = column_copy(stmt, POLICY),
                         .mode = column_copy(stmt, MODE),
                         .billing = column_copy(stmt, BILLING),
                         .grid = column_copy(stmt, GRID),
                         .rest = column_copy(stmt, REST),
                         .model_error = sqlite3_column_double(stmt, MODEL_ERROR),
                         .has_client = sqlite3_column_int(stmt, HAS_CLIENT)};
    return g->label && g->policy && g->mode && g->billing && g->grid && g->rest ? g : NULL;
}

/* Rows come sorted: a new group begins where label or grid change. */
static compare_group *group_of_row(compare_table *t, sqlite3_stmt *stmt) {
    const char *label = (const char *)sqlite3_column_text(stmt, LABEL);
    const char *grid = (const char *)sqlite3_column_text(stmt, GRID);
    if (t->n_groups && label && grid) {
        compare_group *last = &t->groups[t->n_groups - 1];
        if (strcmp(last->label, label) == 0 && strcmp(last->grid, grid) == 0) return last;
    }
    return add_group(t, stmt);
}

static int add_run(compare_table *t, sqlite3_stmt *stmt, const char *path, char err[COMPARE_ERR_LEN]) {
    compare_group *g = group_of_row(t, stmt);
    compare_run *runs = g ? grown(g->runs, g->n_runs, sizeof *runs) : NULL;
    if (!runs) {
        snprintf(err, COMPARE_ERR_LEN, "%s: out of memory", path);
        return -1;
    }
    g->runs = runs;
    compare_run *run = &runs[g->n_runs];
    run->seed = sqlite3_column_int64(stmt, SEED);
    run->requests = sqlite3_column_double(stmt, REQUESTS);
    for (int m = 0; m < COMPARE_METRICS; m++) {
        double value = sqlite3_column_double(stmt, FIRST_METRIC + m);
        int present = sqlite3_column_type(stmt, FIRST_METRIC + m) != SQLITE_NULL;
        run->values[m] = present && isfinite(value) ? value : NAN;
    }
    if (g->n_runs && runs[g->n_runs - 1].seed == run->seed) {
        snprintf(err, COMPARE_ERR_LEN,
                 "%s: two runs of '%s' with seed %" PRId64
                 " and grid %s, of different configs; expected the runs"
                 " of one config",
                 path, g->label, run->seed, g->grid);
        return -1;
    }
    g->n_runs++;
    return 0;
}

static int load_runs(compare_table *t, sqlite3 *db, const char *path, char err[COMPARE_ERR_LEN]) {
    char sql[1024];
    int n = snprintf(sql, sizeof sql,
                     "SELECT label, policy, mode, billing, grid,"
                     " CASE WHEN json_valid(grid) THEN json_remove(grid, '$.model_error') ELSE grid END,"
                     " model_error,"
                     " EXISTS (SELECT 1 FROM run AS r, json_each(r.config, '$.functions') AS f"
                     " WHERE r.id = run_id AND json_extract(f.value, '$.trace.format') = 'client'),"
                     " seed, requests");
    for (int m = 0; m < COMPARE_METRICS; m++)
        n += snprintf(sql + n, sizeof sql - (size_t)n, ", %s", compare_metrics[m].key);
    snprintf(sql + n, sizeof sql - (size_t)n,
             " FROM run_summary ORDER BY min(plan) OVER (PARTITION BY grid), grid,"
             " min(plan) OVER (PARTITION BY grid, label), label, seed");
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), failed = 0;
    if (rc == SQLITE_OK)
        while (!failed && (rc = sqlite3_step(stmt)) == SQLITE_ROW) failed = add_run(t, stmt, path, err);
    if (!failed && rc != SQLITE_DONE) failed = results_int_fail(db, path, err);
    sqlite3_finalize(stmt);
    return failed;
}

static int load_experiment(compare_table *t, sqlite3 *db, const char *path, char err[COMPARE_ERR_LEN]) {
    static const char sql[] = "SELECT e.name, e.question, min(warmup_s), max(warmup_s), min(duration_s),"
                              " max(duration_s) FROM experiment AS e, run";
    sqlite3_stmt *stmt = NULL;
    int rc = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW) {
        results_int_fail(db, path, err);
    } else {
        t->name = column_copy(stmt, 0);
        t->question = column_copy(stmt, 1);
        for (int i = 0; i < 2; i++) {
            t->warmup_s[i] = sqlite3_column_double(stmt, 2 + i);
            t->duration_s[i] = sqlite3_column_double(stmt, 4 + i);
        }
        rc = t->name && t->question ? 0 : -1;
        if (rc) snprintf(err, COMPARE_ERR_LEN, "%s: out of memory", path);
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* Values of one metric, without the missing ones. */
static size_t present_values(const compare_group *g, int metric, double *values) {
    size_t n = 0;
    for (size_t i = 0; i < g->n_runs; i++)
        if (!isnan(g->runs[i].values[metric])) values[n++] = g->runs[i].values[metric];
    return n;
}

static int compute_means(compare_table *t, const char *path, char err[COMPARE_ERR_LEN]) {
    for (size_t i = 0; i < t->n_groups; i++) {
        compare_group *g = &t->groups[i];
        double *values = calloc(g->n_runs, sizeof *values);
        if (!values) {
            snprintf(err, COMPARE_ERR_LEN, "%s: out of memory", path);
            return -1;
        }
        for (int m = 0; m < COMPARE_METRICS; m++) {
            size_t n = present_values(g, m, values);
            g->means[m] = stats_mean(values, n);
            if (g->model_error > 0) g->means[m] = stats_of_one(g->means[m]);
        }
        free(values);
    }
    return 0;
}

/* "has, kserve": every label once, as far as they fit. */
static void list_labels(const compare_table *t, char *text, size_t len) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < t->n_groups && strcmp(t->groups[i].grid, t->groups[0].grid) == 0; i++) {
        int n = snprintf(text + used, len - used, "%s%s", i ? ", " : "", t->groups[i].label);
        if (n < 0 || (size_t)n >= len - used) return;
        used += (size_t)n;
    }
}

static int choose_baseline(compare_table *t, const char *baseline, const char *path,
                           char err[COMPARE_ERR_LEN]) {
    t->baseline = t->groups[0].label;
    if (!baseline) return 0;
    for (size_t i = 0; i < t->n_groups; i++) {
        t->baseline = t->groups[i].label;
        if (strcmp(t->baseline, baseline) == 0) return 0;
    }
    char labels[256];
    list_labels(t, labels, sizeof labels);
    snprintf(err, COMPARE_ERR_LEN, "%s: no policy '%.64s'; expected one of: %s", path, baseline, labels);
    return -1;
}

static int load(compare_table *t, sqlite3 *db, const char *path, const char *baseline,
                char err[COMPARE_ERR_LEN]) {
    if (load_experiment(t, db, path, err) || load_runs(t, db, path, err)) return -1;
    if (t->n_groups == 0) {
        snprintf(err, COMPARE_ERR_LEN, "%s: holds no finished run; expected at least one", path);
        return -1;
    }
    if (compute_means(t, path, err)) return -1;
    return choose_baseline(t, baseline, path, err);
}

const compare_group *compare_int_baseline(const compare_table *t, const compare_group *of) {
    for (size_t i = 0; i < t->n_groups; i++)
        if (strcmp(t->groups[i].label, t->baseline) == 0 && strcmp(t->groups[i].grid, of->grid) == 0)
            return &t->groups[i];
    return NULL;
}

/* Values of the seeds that both have, pair by pair; *requests sums the baseline's. */
static size_t pair_values(const compare_group *group, const compare_group *base, int metric, double *y,
                          double *x, double *requests) {
    size_t n = 0, k = 0;
    for (size_t i = 0; i < group->n_runs; i++) {
        while (k < base->n_runs && base->runs[k].seed < group->runs[i].seed) k++;
        if (k == base->n_runs) break;
        if (base->runs[k].seed != group->runs[i].seed) continue;
        y[n] = group->runs[i].values[metric];
        x[n] = base->runs[k].values[metric];
        if (isnan(y[n]) || isnan(x[n])) continue;
        *requests += base->runs[k].requests;
        n++;
    }
    return n;
}

/* By pairs, or, where a client decides when requests come, unpaired. 0, or -1: nothing to divide by. */
static int ratio_of(const compare_group *group, const compare_group *base, int metric, double *y, double *x,
                    double *requests, stats_interval *out) {
    if (!group->has_client && !base->has_client)
        return stats_ratio(y, x, pair_values(group, base, metric, y, x, requests), out);
    for (size_t i = 0; i < base->n_runs; i++) *requests += base->runs[i].requests;
    return stats_ratio_unpaired(y, present_values(group, metric, y), x, present_values(base, metric, x), out);
}

compare_ratio compare_int_ratio(const compare_group *group, const compare_group *base, int metric) {
    compare_ratio out = {0};
    double requests = 0, *y = NULL, *x = NULL;
    if (!base) {
        snprintf(out.note, sizeof out.note, "n/a (no baseline here)");
        return out;
    }
    size_t n = group->n_runs > base->n_runs ? group->n_runs : base->n_runs;
    y = calloc(n, sizeof *y);
    x = calloc(n, sizeof *x);
    out.known = y && x && ratio_of(group, base, metric, y, x, &requests, &out.value) == 0;
    if (group->model_error > 0) out.value = stats_of_one(out.value);
    if (!y || !x)
        snprintf(out.note, sizeof out.note, "n/a (out of memory)");
    else if (out.value.n == 0)
        snprintf(out.note, sizeof out.note, "n/a (0 of %zu runs paired)", group->n_runs);
    else if (metric == COMPARE_VIOLATION)
        snprintf(out.note, sizeof out.note, "n/a (0 of %.0f requests)", requests);
    else
        snprintf(out.note, sizeof out.note, "n/a (0 of %zu runs)", out.value.n);
    free(y);
    free(x);
    return out;
}

/* The group itself, or its policy's at the same grid point but for model_error; NULL: all as calibrated. */
static const compare_group *drawn_group(const compare_table *t, const compare_group *g) {
    if (g->model_error > 0) return g;
    for (size_t i = 0; i < t->n_groups; i++) {
        const compare_group *other = &t->groups[i];
        if (other->model_error > 0 && strcmp(other->label, g->label) == 0 &&
            strcmp(other->rest, g->rest) == 0)
            return other;
    }
    return NULL;
}

int compare_int_within_error(const compare_table *t, const compare_group *group, int metric) {
    const compare_group *drawn = drawn_group(t, group);
    if (!drawn) return -1;
    compare_ratio r = compare_int_ratio(drawn, compare_int_baseline(t, drawn), metric);
    return !r.known || r.value.n < 2 ? -1 : r.value.lo <= 1 && r.value.hi >= 1;
}

int compare_print(const char *db_path, const char *baseline, compare_format format, FILE *out,
                  char err[COMPARE_ERR_LEN]) {
    sqlite3 *db = NULL;
    if (results_int_open_reader(&db, db_path, err)) return -1;
    compare_table table = {0};
    int rc = load(&table, db, db_path, baseline, err);
    if (rc == 0 && format == COMPARE_TEXT) compare_int_text(&table, out);
    if (rc == 0 && format == COMPARE_JSON && compare_int_json(&table, out)) {
        snprintf(err, COMPARE_ERR_LEN, "%s: out of memory", db_path);
        rc = -1;
    }
    table_free(&table);
    sqlite3_close(db);
    return rc;
}
