/* harness_run.c - the loop over the plan, and the trace. */
#include "harness_run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "harness_check.h"
#include "harness_journal.h"
#include "harness_measure.h"

enum { PATH_LEN = 4096, FAILED_IN_A_ROW = 5 };

typedef struct {
    const harness_run_options *o;
    const harness_workloads *w;
    harness_link *link;
    harness_device_info info;
    harness_text info_text;
    char no_mps[HARNESS_ERR_LEN];
    harness_plan plan, whole; /* whole: without `only`, what the trace is compared with */
    harness_journal journal;
    harness_run_result *result;
    double start_s, estimated_s, spent_s;
} run;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int is_stopped(void) {
    sigset_t pending;
    return !sigpending(&pending) &&
           (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

static int describe(run *r, char err[HARNESS_ERR_LEN]) {
    harness_text reply = {0};
    int rc = r->link->ask(r->link, NULL, 120, &reply, err);
    harness_json *j = rc ? NULL : harness_json_parse("worker", reply.text, reply.len, err);
    const char *error = j ? harness_json_string(j, "error", NULL) : NULL;
    if (error) snprintf(err, HARNESS_ERR_LEN, "%.500s", error);
    if (j && !error) {
        harness_info_read(&r->info, j);
        r->info.mps = !r->o->plain_only && r->link->has_mps(r->link, r->no_mps);
        if (r->o->plain_only) snprintf(r->no_mps, sizeof r->no_mps, "not asked for");
        harness_info_write(&r->info, &r->info_text);
    }
    rc = j && !error && r->info.sm_count ? 0 : -1;
    if (j && !error && rc) snprintf(err, HARNESS_ERR_LEN, "the device has no SMs");
    harness_json_free(j);
    harness_text_free(&reply);
    return rc;
}

/* Everything that makes two measurements comparable. */
static int open_journal(run *r, char err[HARNESS_ERR_LEN]) {
    char path[PATH_LEN];
    harness_text header = {0};
    harness_text_add(&header,
                     "{\"format\": \"hassim-journal-1\", \"version\": \"%s\", \"step_s\": ", r->o->version);
    harness_text_number(&header, r->o->step_s);
    harness_text_add(&header, ", \"device\": %s}", r->info_text.text);
    snprintf(path, sizeof path, "%s.journal", r->o->out);
    int rc = harness_journal_open(&r->journal, path, header.text, err);
    harness_text_free(&header);
    return rc;
}

/* NULL, or why the step must not be measured. */
static const char *unfit(const run *r, const harness_step *s) {
    static const char wrong[] = "not measured: its operators differ from the CPU reference";
    const char *const names[] = {s->workload, s->other};
    for (int i = 0; i < 2 && s->kind != HARNESS_STEP_VERIFY; i++) {
        char key[HARNESS_KEY_LEN];
        snprintf(key, sizeof key, "verify/%s", names[i]);
        const harness_json *v = names[i][0] ? harness_journal_find(&r->journal, key) : NULL;
        if (v && harness_json_number(v, "ok", 1) <= 0) return wrong;
    }
    return NULL;
}

static void write_error(harness_text *line, const char *key, const char *error) {
    harness_text_add(line, "{\"key\": \"%s\", \"error\": ", key);
    harness_text_quote(line, error);
    harness_text_add(line, "}");
}

static void show(const run *r, size_t i, const char *key, const char *line, double took_s) {
    harness_json *j =
        r->o->log ? harness_json_parse("record", line, strlen(line), (char[HARNESS_ERR_LEN]){0}) : NULL;
    const char *error = harness_json_string(j, "error", NULL);
    double ms = harness_json_number(j, "wall_ms.median", 0);
    if (!j) return;
    fprintf(r->o->log, "[%zu/%zu] %s", i + 1, r->plan.n, key);
    if (error) fprintf(r->o->log, ": FAILED: %s", error);
    if (ms > 0) fprintf(r->o->log, ": %.4g ms", ms);
    if (harness_json_number(j, "throttled", 0) > 0) fprintf(r->o->log, " (throttled)");
    fprintf(r->o->log, " (%.1f s)\n", took_s);
    harness_json_free(j);
}

/* 0 measured, 1 failed (recorded), -1 the journal cannot be written. */
static int measure(run *r, size_t i, char err[HARNESS_ERR_LEN]) {
    const harness_plan_item *item = &r->plan.items[i];
    char key[HARNESS_KEY_LEN], why[HARNESS_ERR_LEN];
    harness_text line = {0};
    double start_s = now_s();
    const char *reason = unfit(r, &item->step);
    harness_step_key(&item->step, key);
    int failed = reason || r->link->ask(r->link, &item->step, 60 + 10 * item->estimate_s, &line, why);
    if (failed) {
        line.len = 0;
        write_error(&line, key, reason ? reason : why);
    }
    if (line.failed || harness_journal_append(&r->journal, line.text, err)) {
        harness_text_free(&line);
        return -1;
    }
    failed = harness_json_at(harness_journal_find(&r->journal, key), "error") != NULL;
    show(r, i, key, line.text, now_s() - start_s);
    r->spent_s += failed ? 0 : now_s() - start_s;
    r->estimated_s += failed ? 0 : item->estimate_s;
    harness_text_free(&line);
    return failed && !reason;
}

/* How much longer steps take than was thought: known after a few. */
static double correction(const run *r) {
    double c = r->estimated_s > 3 ? r->spent_s / r->estimated_s : 1;
    return c < 0.1 ? 0.1 : c > 10 ? 10 : c;
}

static int is_done(const run *r, const harness_step *s) {
    char key[HARNESS_KEY_LEN];
    harness_step_key(s, key);
    const harness_json *record = harness_journal_find(&r->journal, key);
    return record && !harness_json_at(record, "error");
}

static int measure_all(run *r, char err[HARNESS_ERR_LEN]) {
    int in_a_row = 0;
    for (size_t i = 0; i < r->plan.n && in_a_row < FAILED_IN_A_ROW; i++) {
        double needs_s = r->plan.items[i].estimate_s * correction(r);
        if (is_done(r, &r->plan.items[i].step)) continue;
        r->result->stopped = is_stopped();
        if (r->result->stopped || (r->o->most_steps && r->result->now >= r->o->most_steps)) return 0;
        if (r->o->budget_s > 0 && now_s() - r->start_s + needs_s > r->o->budget_s) return 0;
        int rc = measure(r, i, err);
        if (rc < 0) return -1;
        in_a_row = rc ? in_a_row + 1 : 0;
        r->result->now++;
    }
    if (in_a_row < FAILED_IN_A_ROW || !r->o->log) return 0;
    fprintf(r->o->log, "%d steps failed in a row: stopping\n", in_a_row);
    return 0;
}

static void write_tiers(const run *r, harness_text *t) {
    harness_text_add(t, "  \"tiers\": [");
    for (int tier = 0; tier < HARNESS_TIERS; tier++) {
        size_t planned = 0, done = 0;
        for (size_t i = 0; i < r->whole.n; i++) {
            planned += r->whole.items[i].tier == tier;
            done += r->whole.items[i].tier == tier && is_done(r, &r->whole.items[i].step);
        }
        harness_text_add(t, "%s{\"tier\": %d, \"planned\": %zu, \"measured\": %zu}", tier ? ", " : "", tier,
                         planned, done);
    }
    harness_text_add(t, "],\n");
}

static void write_head(const run *r, harness_text *t) {
    char date[32];
    struct tm utc;
    time_t now = time(NULL);
    struct utsname host = {0};
    uname(&host);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    harness_text_add(
        t, "{\n  \"format\": \"%s\",\n  \"generated_by\": \"hassim-calibrate %s\",\n  \"date\": \"%s\",\n",
        HARNESS_TRACE_FORMAT, r->o->version, date);
    harness_text_add(t, "  \"host\": {\"system\": ");
    harness_text_quote(t, host.sysname);
    harness_text_add(t, ", \"release\": ");
    harness_text_quote(t, host.release);
    harness_text_add(t, ", \"machine\": ");
    harness_text_quote(t, host.machine);
    harness_text_add(t, "},\n  \"device\": %s,\n  \"mps\": ", r->info_text.text);
    harness_text_quote(t, r->info.mps ? "available" : r->no_mps);
    harness_text_add(t, ",\n  \"settings_changed\": false,\n  \"step_s\": ");
    harness_text_number(t, r->o->step_s);
    harness_text_add(t, ",\n");
}

static void write_records(const run *r, int failed, harness_text *t) {
    size_t n = 0;
    for (size_t i = 0; i < r->journal.n; i++) {
        int has_error = harness_json_at(r->journal.records[i], "error") != NULL;
        if (has_error == failed) harness_text_add(t, "%s\n    %s", n++ ? "," : "", r->journal.lines[i]);
    }
}

static int write_trace(run *r, char err[HARNESS_ERR_LEN]) {
    harness_text t = {0};
    for (size_t i = 0; i < r->journal.n; i++) {
        int failed = harness_json_at(r->journal.records[i], "error") != NULL;
        r->result->failed += (size_t)failed;
        r->result->measured += (size_t)!failed;
    }
    write_head(r, &t);
    harness_text_add(&t, "  \"planned\": %zu,\n  \"measured\": %zu,\n", r->whole.n, r->result->measured);
    write_tiers(r, &t);
    harness_text_add(&t, "  \"checks\": ");
    harness_check_write((const harness_json *const *)r->journal.records, r->journal.n, &t);
    harness_text_add(&t, ",\n  \"failed\": [");
    write_records(r, 1, &t);
    harness_text_add(&t, "],\n  \"records\": [");
    write_records(r, 0, &t);
    harness_text_add(&t, "]\n}\n");
    int rc = harness_text_write(&t, r->o->out, err);
    harness_text_free(&t);
    return rc;
}

static int run_all(run *r, char err[HARNESS_ERR_LEN]) {
    harness_plan_options all = {.step_s = r->o->step_s, .setup_s = HARNESS_SETUP_S, .only = r->o->only};
    if (describe(r, err)) return -1;
    harness_plan_options unlimited = all;
    unlimited.only = NULL;
    if (harness_plan_make(&r->plan, &r->info, r->w, &all) ||
        harness_plan_make(&r->whole, &r->info, r->w, &unlimited)) {
        snprintf(err, HARNESS_ERR_LEN, "out of memory");
        return -1;
    }
    r->result->planned = r->plan.n;
    if (r->o->log)
        fprintf(r->o->log, "%s: %u SMs, CUDA driver %u; MPS: %s; %zu steps, about %.0f s in all\n",
                r->info.name, (unsigned)r->info.sm_count, (unsigned)r->info.driver,
                r->info.mps ? "available" : r->no_mps, r->plan.n, r->plan.estimate_s);
    if (open_journal(r, err)) return -1;
    return measure_all(r, err) || write_trace(r, err) ? -1 : 0;
}

int harness_run(const harness_run_options *o, const harness_workloads *w, harness_link *link,
                harness_run_result *result, char err[HARNESS_ERR_LEN]) {
    run r = {.o = o, .w = w, .link = link, .result = result, .start_s = now_s(), .journal = {.fd = -1}};
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, &before);
    *result = (harness_run_result){0};
    int rc = run_all(&r, err);
    harness_journal_close(&r.journal);
    harness_plan_free(&r.plan);
    harness_plan_free(&r.whole);
    harness_text_free(&r.info_text);
    /* A signal that stopped the run has done its work: it must not kill us after the trace is written. */
    for (struct timespec none = {0, 0}; result->stopped && sigtimedwait(&stop, NULL, &none) > 0;) {
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

void harness_run_print_plan(const harness_plan *plan, FILE *out) {
    double sum = 0;
    int tier = -1;
    for (size_t i = 0; i < plan->n; i++) {
        char key[HARNESS_KEY_LEN];
        harness_step_key(&plan->items[i].step, key);
        if (plan->items[i].tier != tier) fprintf(out, "tier %d\n", tier = plan->items[i].tier);
        sum += plan->items[i].estimate_s;
        fprintf(out, "  %7.1f s  %s\n", sum, key);
    }
    fprintf(out, "%zu steps, about %.0f s; %zu more do not fit the budget\n", plan->n, plan->estimate_s,
            plan->n_dropped);
}
