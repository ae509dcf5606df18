#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "results_commit.h"
#include "results_int.h"
#include "warnings.h"

/* Values are bound in the order of the columns; the first error sticks. */
typedef struct {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int at, rc;
} row;

static row row_prepare(sqlite3 *db, const char *sql) {
    row w = {.db = db};
    w.rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &w.stmt, NULL);
    return w;
}

static void put_int(row *w, sqlite3_int64 value) {
    if (w->rc == SQLITE_OK) w->rc = sqlite3_bind_int64(w->stmt, ++w->at, value);
}

static void put_count(row *w, uint64_t value) {
    put_int(w, (sqlite3_int64)value);
}

static void put_null(row *w) {
    if (w->rc == SQLITE_OK) w->rc = sqlite3_bind_null(w->stmt, ++w->at);
}

static void put_real(row *w, double value) {
    if (w->rc == SQLITE_OK) w->rc = sqlite3_bind_double(w->stmt, ++w->at, value);
}

static void put_text(row *w, const char *value) {
    if (w->rc == SQLITE_OK) w->rc = sqlite3_bind_text(w->stmt, ++w->at, value, -1, SQLITE_STATIC);
}

static void put_optional(row *w, int present, sqlite3_int64 value) {
    if (present)
        put_int(w, value);
    else
        put_null(w);
}

static void row_insert(row *w) {
    if (w->rc != SQLITE_OK) return;
    sqlite3_step(w->stmt);
    w->rc = sqlite3_reset(w->stmt);
    w->at = 0;
}

static int row_finish(row *w) {
    int rc = w->rc;
    sqlite3_finalize(w->stmt);
    return rc == SQLITE_OK ? 0 : -1;
}

static void put_quantiles(row *w, const hist *h) {
    static const double ps[] = {0.5, 0.9, 0.95, 0.99};
    for (size_t i = 0; i < sizeof ps / sizeof *ps; i++) {
        double ns = hist_quantile_ns(h, ps[i]);
        if (ns < 0)
            put_null(w);
        else
            put_real(w, ns / 1e6);
    }
}

static void put_identity(row *w, const results_run *run) {
    put_count(w, run->plan);
    put_text(w, run->label);
    put_text(w, run->policy);
    put_text(w, run->mode);
    put_text(w, run->predictor);
    put_real(w, run->model_error);
    put_text(w, run->billing);
    put_text(w, run->engine);
    put_text(w, HASSIM_VERSION);
    put_text(w, HASSIM_COMMIT[0] ? HASSIM_COMMIT : NULL);
    put_count(w, run->seed);
    put_text(w, run->grid);
    put_text(w, run->config_json);
    put_text(w, run->config_hash);
    put_text(w, run->trace_hash);
    put_text(w, run->calibration_hash);
    put_text(w, run->policy_hash);
}

static int write_run(sqlite3 *db, const results_run *run, const engine_setup *setup,
                     const engine_result *result, const hist *all) {
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, result->hash);
    row w = row_prepare(
        db, "INSERT INTO run VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
            " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    put_identity(&w, run);
    put_text(&w, hash);
    put_real(&w, run->wall_s);
    put_count(&w, result->events);
    put_count(&w, result->visits);
    put_count(&w, result->acts);
    put_real(&w, (double)setup->warmup_ns / 1e9);
    put_real(&w, (double)setup->duration_ns / 1e9);
    put_count(&w, setup->n_gpus);
    put_real(&w, result->gpus_mean);
    put_real(&w, result->cost_usd);
    put_quantiles(&w, all);
    put_count(&w, result->actions_seen);
    put_count(&w, result->actions_refused);
    row_insert(&w);
    return row_finish(&w);
}

static void put_function(row *w, const engine_fn *fn, const engine_fn_result *f) {
    uint64_t measured = hist_total(&f->latency);
    put_text(w, fn->name);
    put_text(w, fn->model_name);
    put_real(w, (double)fn->slo_ns / 1e6);
    put_count(w, f->arrivals);
    put_count(w, f->completed);
    put_count(w, f->dropped);
    put_count(w, f->lost);
    put_count(w, f->in_flight);
    put_count(w, f->window_arrivals);
    put_count(w, f->window_violations);
    put_count(w, measured);
    put_real(w, measured
                    ? ((double)f->latency_sum_gs * 1e12 + (double)f->latency_sum_ns / 1e6) / (double)measured
                    : NAN); /* NaN is bound as NULL */
    put_quantiles(w, &f->latency);
    put_count(w, f->cold_starts);
    put_count(w, f->batches);
    put_count(w, f->batched);
    put_real(w, f->share_gpu_s);
    put_real(w, f->gpu_s);
    put_real(w, f->cost_usd);
}

static int write_functions(sqlite3 *db, sqlite3_int64 run_id, const engine_setup *setup,
                           const engine_result *result) {
    row w =
        row_prepare(db, "INSERT INTO function_result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                        " ?, ?, ?, ?, ?, ?, ?, ?)");
    for (size_t i = 0; i < result->n_fns && w.rc == SQLITE_OK; i++) {
        put_int(&w, run_id);
        put_count(&w, i);
        put_function(&w, &setup->fns[i], &result->fns[i]);
        row_insert(&w);
    }
    return row_finish(&w);
}

static int write_report(sqlite3 *db, sqlite3_int64 run_id, const engine_setup *setup,
                        const engine_result *result) {
    row w = row_prepare(db, "INSERT INTO report VALUES (?, ?, ?, ?, ?)");
    for (size_t i = 0; i < result->n_fns; i++)
        for (size_t k = 0; k < setup->n_report && w.rc == SQLITE_OK; k++) {
            put_int(&w, run_id);
            put_count(&w, i);
            put_real(&w, setup->multipliers[k]);
            put_real(&w, (double)setup->fns[i].report_slo_ns[k] / 1e6);
            put_count(&w, result->fns[i].report_violations[k]);
            row_insert(&w);
        }
    return row_finish(&w);
}

static void insert_histogram(row *w, sqlite3_int64 run_id, const hist *h, int of_one, size_t fn) {
    for (size_t bucket = 0; bucket < HIST_BUCKETS && w->rc == SQLITE_OK; bucket++) {
        if (!h->octave[bucket / HIST_PER_OCTAVE]) bucket |= HIST_PER_OCTAVE - 1; /* skips an empty octave */
        uint64_t count = hist_count(h, bucket);
        if (count == 0) continue;
        put_int(w, run_id);
        put_optional(w, of_one, (sqlite3_int64)fn);
        put_count(w, bucket);
        put_int(w, hist_bucket_low_ns(bucket));
        put_count(w, count);
        row_insert(w);
    }
}

static int write_histograms(sqlite3 *db, sqlite3_int64 run_id, const engine_result *result, const hist *all) {
    row w = row_prepare(db, "INSERT INTO histogram VALUES (?, ?, ?, ?, ?)");
    size_t n = result->n_fns <= RESULTS_FNS_IN_DETAIL ? result->n_fns : result->timeline_fns;
    insert_histogram(&w, run_id, all, 0, 0);
    for (size_t i = 0; i < n; i++) insert_histogram(&w, run_id, &result->fns[i].latency, 1, i);
    return row_finish(&w);
}

static void insert_bins(row *w, sqlite3_int64 run_id, const engine_result *result, const engine_bin *bins,
                        int of_one, size_t fn) {
    double bin_s = (double)result->bin_ns / 1e9;
    for (size_t k = 0; k < result->n_bins && w->rc == SQLITE_OK; k++) {
        const engine_bin *b = &bins[k];
        put_int(w, run_id);
        put_optional(w, of_one, (sqlite3_int64)fn);
        put_count(w, k);
        put_real(w, (double)k * bin_s);
        put_real(w, bin_s);
        put_count(w, b->arrivals);
        put_count(w, b->completed);
        put_count(w, b->violations);
        put_count(w, b->queued);
        put_count(w, b->pods_ready);
        put_count(w, b->pods_starting);
        put_real(w, b->capacity_rps);
        put_real(w, b->share_gpus);
        put_real(w, of_one ? NAN : b->gpus);
        row_insert(w);
    }
}

static int write_timelines(sqlite3 *db, sqlite3_int64 run_id, const engine_result *result) {
    row w = row_prepare(db, "INSERT INTO timeline VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert_bins(&w, run_id, result, result->total, 0, 0);
    for (size_t i = 0; i < result->timeline_fns; i++)
        insert_bins(&w, run_id, result, result->by_fn + i * result->n_bins, 1, i);
    return row_finish(&w);
}

static const char *verb_name(pol_verb verb) {
    static const char *const names[] = {[POL_START] = "start",
                                        [POL_STOP] = "stop",
                                        [POL_KILL] = "kill",
                                        [POL_RESIZE] = "resize",
                                        [POL_ROUTE] = "route"};
    return (size_t)verb < sizeof names / sizeof *names ? names[verb] : "unknown";
}

static void put_action(row *w, const engine_action *a, size_t n_fns) {
    const pol_action *p = &a->action;
    int start = p->verb == POL_START, resize = p->verb == POL_RESIZE;
    put_int(w, a->at_ns);
    put_text(w, verb_name(p->verb));
    put_optional(w, p->fn < n_fns, p->fn);
    put_optional(w, start ? !a->refused : p->verb != POL_ROUTE, start ? a->pod : p->pod);
    put_optional(w, start, p->gpu);
    put_optional(w, start && p->row != POL_NEW_ROW, p->row);
    put_optional(w, start || (resize && p->sm_pct != 0), p->sm_pct);
    put_optional(w, start || resize, p->quota_pct);
    put_optional(w, start && p->batch_max != 0, p->batch_max);
    put_text(w, p->reason);
    put_int(w, a->refused != 0);
    put_text(w, a->refused ? a->why : NULL);
}

static int write_actions(sqlite3 *db, sqlite3_int64 run_id, const engine_result *result) {
    row w = row_prepare(db, "INSERT INTO action VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (size_t i = 0; i < result->n_actions && w.rc == SQLITE_OK; i++) {
        put_int(&w, run_id);
        put_count(&w, i);
        put_action(&w, &result->actions[i], result->n_fns);
        row_insert(&w);
    }
    return row_finish(&w);
}

static const char *fate_name(engine_fate fate) {
    static const char *const names[] = {[ENGINE_COMPLETED] = "completed",
                                        [ENGINE_DROPPED] = "dropped",
                                        [ENGINE_LOST] = "lost",
                                        [ENGINE_UNFINISHED] = "unfinished"};
    return (size_t)fate < sizeof names / sizeof *names ? names[fate] : "unknown";
}

static int write_requests(sqlite3 *db, sqlite3_int64 run_id, const engine_result *result) {
    row w = row_prepare(db, "INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?)");
    for (size_t i = 0; i < result->n_requests && w.rc == SQLITE_OK; i++) {
        const engine_request *q = &result->requests[i];
        put_int(&w, run_id);
        put_count(&w, i);
        put_count(&w, q->fn);
        put_optional(&w, q->pod != UINT32_MAX, q->pod);
        put_int(&w, q->arrival_ns);
        put_optional(&w, q->end_ns >= 0, q->end_ns);
        put_text(&w, fate_name(q->fate));
        row_insert(&w);
    }
    return row_finish(&w);
}

static int write_warnings(sqlite3 *db, sqlite3_int64 run_id, const engine_setup *setup,
                          const engine_result *result) {
    warning_list list;
    row w = row_prepare(db, "INSERT INTO warning VALUES (?, ?, ?, ?, ?, ?)");
    if (warnings_of_run(setup, result, &list)) w.rc = SQLITE_NOMEM;
    for (size_t i = 0; i < list.n && w.rc == SQLITE_OK; i++) {
        put_int(&w, run_id);
        put_count(&w, i);
        put_text(&w, warnings_name(list.items[i].kind));
        put_optional(&w, list.items[i].fn != WARNING_RUN, list.items[i].fn);
        put_real(&w, list.items[i].value);
        put_text(&w, list.items[i].text);
        row_insert(&w);
    }
    warnings_free(&list);
    return row_finish(&w);
}

static void insert_surface(row *w, const char *device, const calib_model *m) {
    static const uint32_t batches[] = {1, 2, 4, 8};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
        for (uint32_t sm = 5; sm <= 100; sm += 5)
            for (uint32_t quota = 10; quota <= 100 && w->rc == SQLITE_OK; quota += 10) {
                put_text(w, device);
                put_text(w, calib_facts_of(m)->name);
                put_count(w, batches[b]);
                put_count(w, sm);
                put_count(w, quota);
                put_real(w, calib_gpu_ms(m, batches[b], sm));
                put_real(w, calib_latency_ms(m, batches[b], sm, quota));
                put_int(w, calib_is_extrapolated(m, batches[b], sm, quota) != 0);
                row_insert(w);
            }
}

/* 1: the database has the model's latencies on that device; the runs of an experiment share them. */
static int has_surface(sqlite3_stmt *stmt, const char *device, const calib_model *m) {
    sqlite3_bind_text(stmt, 1, device, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, calib_facts_of(m)->name, -1, SQLITE_STATIC);
    int has = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_reset(stmt);
    return has;
}

static int write_latencies(sqlite3 *db, const engine_setup *setup) {
    row ask = row_prepare(db, "SELECT 1 FROM latency WHERE device = ? AND model = ? LIMIT 1");
    row w = row_prepare(db, "INSERT INTO latency VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    for (size_t fn = 0; fn < setup->n_fns; fn++)
        for (size_t d = 0; d < setup->n_devices && ask.rc == SQLITE_OK && setup->fns[fn].on; d++) {
            const calib_model *m = engine_calibrated(&setup->fns[fn].on[d]);
            const char *device = setup->devices[d].facts->name;
            if (m && !has_surface(ask.stmt, device, m)) insert_surface(&w, device, m);
        }
    return row_finish(&ask) | row_finish(&w);
}

static int write_all(sqlite3 *db, const results_run *run, const engine_setup *setup,
                     const engine_result *result, const hist *all) {
    if (write_run(db, run, setup, result, all)) return -1;
    sqlite3_int64 id = sqlite3_last_insert_rowid(db);
    if (write_functions(db, id, setup, result)) return -1;
    if (write_report(db, id, setup, result)) return -1;
    if (write_histograms(db, id, result, all)) return -1;
    if (write_timelines(db, id, result)) return -1;
    if (write_actions(db, id, result)) return -1;
    if (write_warnings(db, id, setup, result)) return -1;
    if (write_latencies(db, setup)) return -1;
    return write_requests(db, id, result);
}

static int merge_latencies(hist *all, const engine_result *result) {
    for (size_t i = 0; i < result->n_fns; i++)
        if (hist_merge(all, &result->fns[i].latency)) return -1;
    return 0;
}

static int fail_write(results *r, const results_run *run, char err[RESULTS_ERR_LEN]) {
    if (sqlite3_extended_errcode(r->db) != SQLITE_CONSTRAINT_UNIQUE)
        return results_int_fail(r->db, r->path, err);
    snprintf(err, RESULTS_ERR_LEN,
             "%s: already holds a run of '%s' with seed %" PRIu64
             ", grid %s and this config; expected a new file"
             " (or --resume with the same trace, calibration and policy)",
             r->path, run->label, run->seed, run->grid);
    return -1;
}

int results_write_run(results *r, const results_run *run, const engine_setup *setup,
                      const engine_result *result, char err[RESULTS_ERR_LEN]) {
    hist all = {0};
    int rc = -1;
    if (merge_latencies(&all, result)) {
        snprintf(err, RESULTS_ERR_LEN, "%s: out of memory", r->path);
    } else if (sqlite3_exec(r->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        results_int_fail(r->db, r->path, err);
    } else if (write_all(r->db, run, setup, result, &all) ||
               sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        fail_write(r, run, err);
        sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
    } else {
        rc = 0;
    }
    hist_clear(&all);
    return rc;
}
