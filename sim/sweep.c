/* sweep.c - planning a sweep: everything checked, nothing written. */
#include "sweep.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "results_int.h"
#include "sweep_int.h"

static int fail_memory(char *err) {
    return config_fail(err, "sweep", NULL, "no memory", "enough of it");
}

static int is_chosen(const sweep_options *o, const config_policy *p) {
    for (size_t i = 0; i < o->n_only; i++)
        if (strcmp(o->only[i], p->label) == 0 || strcmp(o->only[i], p->name) == 0) return 1;
    return o->n_only == 0;
}

/* Every --only names a policy */
static int check_only(const sweep *s, char *err) {
    const config *c = s->first;
    for (size_t i = 0; i < s->options.n_only; i++) {
        char expected[300] = "one of", quoted[CONFIG_FOUND_LEN];
        int known = 0;
        for (size_t j = 0; j < c->n_policies; j++) {
            const sweep_options one = {.only = &s->options.only[i], .n_only = 1};
            size_t used = strlen(expected);
            known |= is_chosen(&one, &c->policies[j]);
            snprintf(expected + used, sizeof expected - used, " %.100s", c->policies[j].label);
        }
        if (!known)
            return config_fail(err, "--only", NULL, config_quote(quoted, s->options.only[i]), expected);
    }
    return 0;
}

/* The labels are what the first point's are: runs are told apart by them */
static int check_labels(const sweep *s, const config *c, char *err) {
    int same = c->n_policies == s->first->n_policies;
    for (size_t i = 0; same && i < c->n_policies; i++)
        same = strcmp(c->policies[i].label, s->first->policies[i].label) == 0;
    return same ? 0
                : config_fail(err, c->file, "grid", "policies' names or labels that vary",
                              "the same ones at every point");
}

/* Opens a grid point as its runs will, and keeps what tells them apart */
static int check_point(sweep *s, size_t point, char *err) {
    config *c = NULL;
    setup *opened = NULL;
    int rc = config_at(&c, s->doc, point, err);
    if (rc == 0) rc = check_labels(s, c, err);
    if (rc == 0) rc = config_check_params(c, err);
    if (rc == 0) rc = setup_open(&opened, s->store, c, err);
    if (rc == 0 && (s->grids[point] = strdup(c->grid)) == NULL) rc = fail_memory(err);
    for (size_t i = 0; rc == 0 && i < c->n_policies; i++)
        setup_hash(opened, i, &s->hashes[point * c->n_policies + i]);
    setup_close(opened);
    config_free(c);
    return rc;
}

static int check_points(sweep *s, char *err) {
    s->n_points = config_n_points(s->doc);
    s->store = setup_store_new();
    s->grids = calloc(s->n_points, sizeof *s->grids);
    s->hashes = calloc(s->n_points * s->first->n_policies, sizeof *s->hashes);
    if (s->store == NULL || s->grids == NULL || s->hashes == NULL) return fail_memory(err);
    for (size_t i = 0; i < s->n_points; i++)
        if (check_point(s, i, err) != 0) return -1;
    return 0;
}

static int plan_jobs(sweep *s, char *err) {
    const config *c = s->first;
    if (s->n_points > CONFIG_RUNS_MAX / (c->n_seeds * c->n_policies))
        return config_fail(err, c->file, "grid", "more than 1000000 runs", "fewer points, seeds or policies");
    s->jobs = calloc(s->n_points * c->n_seeds * c->n_policies, sizeof *s->jobs);
    if (s->jobs == NULL) return fail_memory(err);
    for (size_t point = 0; point < s->n_points; point++)
        for (size_t seed = 0; seed < c->n_seeds; seed++)
            for (size_t policy = 0; policy < c->n_policies; policy++)
                if (is_chosen(&s->options, &c->policies[policy]))
                    s->jobs[s->n_jobs++] = (sweep_job){point, policy, seed};
    return 0;
}

results_run sweep_identity(const sweep *s, const sweep_job *job) {
    const config *c = s->first;
    const config_policy *p = &c->policies[job->policy];
    const setup_hashes *h = &s->hashes[job->point * c->n_policies + job->policy];
    return (results_run){.label = p->label,
                         .policy = p->name,
                         .mode = p->mode == POL_CORRECTED ? "corrected" : "artifact",
                         .predictor = p->predictor.text,
                         .billing = p->billing,
                         .engine = c->order == ENGINE_ISLANDS ? "islands" : "global",
                         .seed = c->seeds[job->seed],
                         .grid = s->grids[job->point],
                         .config_hash = h->config,
                         .trace_hash = h->trace,
                         .calibration_hash = h->calibration,
                         .policy_hash = h->policy,
                         .plan = (job->point * c->n_policies + job->policy) * c->n_seeds + job->seed};
}

void sweep_describe(const sweep *s, const sweep_job *job, char *out, size_t len) {
    const char *grid = s->grids[job->point];
    int is_plain = strcmp(grid, "{}") == 0;
    snprintf(out, len, "%.100s, seed %llu%s%.200s", s->first->policies[job->policy].label,
             (unsigned long long)s->first->seeds[job->seed], is_plain ? "" : ", ", is_plain ? "" : grid);
}

const char *sweep_function_name(const sweep *s, const sweep_job *job, uint32_t fn, char *out, size_t len) {
    char err[CONFIG_ERR_LEN];
    config *c = NULL;
    setup *opened = NULL;
    int is_known = 0;
    if (config_at(&c, s->doc, job->point, err) == 0 && setup_open(&opened, s->store, c, err) == 0) {
        engine_setup input;
        is_known = setup_engine(opened, job->policy, 0, &input, err) == 0 && fn < input.n_fns;
        if (is_known) snprintf(out, len, "%s", input.fns[fn].name);
    }
    setup_close(opened);
    config_free(c);
    return is_known ? out : NULL;
}

/* Runs of this label, grid point and seed, whatever they were made from; -1: unreadable */
static int count_namesakes(sqlite3 *db, const results_run *run) {
    sqlite3_stmt *stmt = NULL;
    int n = -1;
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM run WHERE label = ? AND grid = ? AND seed = ?", -1,
                           &stmt, NULL) == SQLITE_OK &&
        sqlite3_bind_text(stmt, 1, run->label, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(stmt, 2, run->grid, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_int64(stmt, 3, (sqlite3_int64)run->seed) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

/* 1: the database has the job's run; 0: not; -1: it cannot be read, or has one made from other inputs, beside
 * which a new one could not be compared */
static int is_finished(const sweep *s, const sweep_job *job, results *r, sqlite3 *db, char *err) {
    char found[440], run_name[400];
    const results_run run = sweep_identity(s, job);
    int has = results_has_run(r, &run), namesakes = has == 0 ? count_namesakes(db, &run) : 0;
    if (has < 0 || namesakes < 0)
        return config_fail(err, s->options.db_path, NULL, "a database that cannot be read", "results");
    if (namesakes == 0) return has;
    sweep_describe(s, job, run_name, sizeof run_name);
    snprintf(found, sizeof found, "a run of %s from other inputs", run_name);
    return config_fail(err, s->options.db_path, NULL, found,
                       "runs of this config, trace, calibration and version, or --force or another -o");
}

/* Drops the jobs that the database has */
static int skip_finished(sweep *s, char *err) {
    results *r = NULL;
    sqlite3 *db = NULL;
    if (results_open(&r, s->options.db_path, s->first->name, s->first->question, err) != 0) return -1;
    size_t kept = 0;
    int has = 0;
    if (sqlite3_open_v2(s->options.db_path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        has = config_fail(err, s->options.db_path, NULL, "a database that cannot be read", "results");
    for (size_t i = 0; has >= 0 && i < s->n_jobs; i++) {
        has = is_finished(s, &s->jobs[i], r, db, err);
        if (has == 0) s->jobs[kept++] = s->jobs[i];
    }
    sqlite3_close(db);
    results_close(r);
    s->skipped = s->n_jobs - kept;
    s->n_jobs = kept;
    return has < 0 ? -1 : 0;
}

/* By the header of a SQLite file: its first 16 bytes, and the application's id at byte 68, high byte first. (SQLite,
 * "Database File Format") NULL: results of ours, of whatever version, or an empty file, which a run cut off early leaves.
 */
static const char *what_else_it_is(const char *path) {
    unsigned char head[72] = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) return "a file that cannot be read";
    size_t got = fread(head, 1, sizeof head, file);
    int bad = ferror(file);
    fclose(file);
    if (bad) return "a file that cannot be read";
    if (got == 0) return NULL;
    if (got < sizeof head || memcmp(head, "SQLite format 3", 16) != 0) return "a file that is no database";
    uint32_t id = (uint32_t)head[68] << 24 | (uint32_t)head[69] << 16 | (uint32_t)head[70] << 8 | head[71];
    return id == RESULTS_APPLICATION_ID ? NULL : "a SQLite database of another program";
}

/* What an existing file means: 0 go on, -1 refused. --force moves only what we may have written */
static int check_database(sweep *s, char *err) {
    struct stat st;
    const sweep_options *o = &s->options;
    if (lstat(o->db_path, &st) != 0)
        return errno == ENOENT ? 0 : config_fail(err, o->db_path, NULL, strerror(errno), "a path in folders");
    if (!S_ISREG(st.st_mode))
        return config_fail(err, o->db_path, NULL, "something that is no file",
                           "a results database, or nothing");
    if (o->resume) return skip_finished(s, err);
    const char *else_it_is = what_else_it_is(o->db_path);
    if (else_it_is != NULL)
        return config_fail(err, o->db_path, NULL, else_it_is, "a results database of hassim, or nothing");
    return o->force ? 0
                    : config_fail(err, o->db_path, NULL, "existing results",
                                  "--resume (makes what is missing), --force (begins anew and keeps them as "
                                  "PATH~) or another -o");
}

int sweep_plan(sweep **out, const config_doc *doc, const sweep_options *options, char err[CONFIG_ERR_LEN]) {
    *out = NULL;
    sweep *s = calloc(1, sizeof *s);
    if (s == NULL) return fail_memory(err);
    s->doc = doc;
    s->options = *options;
    if (s->options.engine == NULL) s->options.engine = engine_run;
    if (config_at(&s->first, doc, 0, err) != 0 || check_only(s, err) != 0 || check_points(s, err) != 0 ||
        plan_jobs(s, err) != 0 || check_database(s, err) != 0) {
        sweep_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

size_t sweep_n_runs(const sweep *s) {
    return s->n_jobs;
}

void sweep_free(sweep *s) {
    if (s == NULL) return;
    for (size_t i = 0; s->grids != NULL && i < s->n_points; i++) free(s->grids[i]);
    free(s->grids);
    free(s->hashes);
    free(s->jobs);
    setup_store_free(s->store);
    config_free(s->first);
    free(s);
}
