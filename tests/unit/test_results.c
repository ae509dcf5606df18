/* The database: what is written is there, whole or not at all, whoever else writes, dies or interferes. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "results_sample.h"

typedef struct {
    char dir[64], db[96];
} place;

static int make_place(void **state) {
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    strcpy(p->dir, "test_results_XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/r.db", p->dir);
    *state = p;
    return 0;
}

static int clear_place(void **state) {
    place *p = *state;
    char journal[128];
    snprintf(journal, sizeof journal, "%s-journal", p->db);
    chmod(p->dir, 0700);
    unlink(p->db);
    unlink(journal);
    int rc = rmdir(p->dir); /* fails if anything else was left behind */
    free(p);
    return rc;
}

static double ask(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_not_equal(sqlite3_column_type(stmt, 0), SQLITE_NULL);
    double value = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void tell(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void holds(const char *path, const char *sql, double expected) {
    double found = ask(path, sql);
    if (found != expected) fail_msg("%s: found %.17g, expected %.17g", sql, found, expected);
}

static void about(const char *path, const char *sql, double expected, double relative) {
    double found = ask(path, sql);
    if (!(found > expected * (1 - relative) && found < expected * (1 + relative)))
        fail_msg("%s: found %.17g, expected about %.17g", sql, found, expected);
}

static results *open_or_fail(const char *path) {
    char err[RESULTS_ERR_LEN] = "";
    results *r = NULL;
    if (results_open(&r, path, "exp", "why?", err)) fail_msg("%s", err);
    return r;
}

static void write_or_fail(results *r, const char *label, uint64_t seed) {
    char err[RESULTS_ERR_LEN] = "";
    sample s;
    sample_make(&s, label, seed);
    if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
    sample_free(&s);
}

static void refuses(const char *path, const char *name, const char *because) {
    char err[RESULTS_ERR_LEN] = "";
    results *r = NULL;
    assert_int_equal(results_open(&r, path, name, "why?", err), -1);
    assert_null(r);
    if (!strstr(err, because) || !strstr(err, path) || strchr(err, '\n'))
        fail_msg("found '%s', expected one line with '%s'", err, because);
}

static void a_run_is_kept(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    write_or_fail(r, "has", 1);
    results_close(r);
    holds(p->db, "SELECT count(*) FROM experiment WHERE name = 'exp' AND question = 'why?'", 1);
    holds(p->db,
          "SELECT count(*) FROM run WHERE label = 'has' AND seed = 1 AND result_hash = 'fedcba9876543210'",
          1);
    holds(p->db, "SELECT duration_s - warmup_s FROM run", 50);
    about(p->db, "SELECT p50_ms FROM run", 10, 0.008);
    about(p->db, "SELECT p99_ms FROM run", 40, 0.008);
    about(p->db, "SELECT p99_ms FROM function_result WHERE name = 'classify'", 10, 0.008);
    holds(p->db, "SELECT mean_ms FROM function_result WHERE name = 'answer'", 40);
    holds(p->db, "SELECT violations FROM report WHERE fn = 1 AND multiplier = 3", 20);
    holds(p->db, "SELECT sum(count) FROM histogram WHERE fn IS NULL", 196);
    holds(p->db, "SELECT sum(count) FROM histogram WHERE fn = 1", 98);
    holds(p->db, "SELECT count(*) FROM timeline WHERE fn IS NULL AND gpus = 1.5", SAMPLE_BINS);
    holds(p->db, "SELECT count(*) FROM timeline WHERE fn = 0 AND gpus IS NULL AND t_s = 15", 1);
    holds(p->db, "SELECT count(*) FROM request WHERE pod IS NULL AND end_ns IS NULL AND fate = 'unfinished'",
          1);
    holds(p->db, "SELECT count(*) FROM pragma_foreign_key_check", 0);
}

static void actions_say_why(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    write_or_fail(r, "has", 1);
    results_close(r);
    holds(p->db, "SELECT count(*) FROM action", SAMPLE_ACTIONS);
    holds(p->db, "SELECT quota_pct FROM action_log WHERE verb = 'resize' AND function = 'answer' AND pod = 4",
          80);
    holds(p->db, "SELECT count(*) FROM action WHERE verb = 'start' AND \"row\" IS NULL AND pod = 0", 1);
    holds(p->db,
          "SELECT count(*) FROM action_log WHERE refused AND why = 'no such function' AND function IS NULL",
          1);
    holds(p->db, "SELECT times FROM action_count WHERE reason = 'above capacity' AND verb = 'start'", 1);
}

static void views_answer(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    write_or_fail(r, "has", 1);
    write_or_fail(r, "has", 2);
    results_close(r);
    holds(p->db, "SELECT cost_per_1k_usd FROM run_summary WHERE seed = 1", 2.5);
    holds(p->db, "SELECT violation_pct FROM run_summary WHERE seed = 1", 15);
    holds(p->db, "SELECT gpu_share_s + gpu_s + cold_starts + mean_batch FROM run_summary WHERE seed = 2", 38);
    holds(p->db, "SELECT runs FROM policy_summary", 2);
    holds(p->db, "SELECT violation_pct_var FROM policy_summary", 0);
    about(p->db, "SELECT t95 FROM policy_summary", 12.7062047, 1e-8);
    holds(p->db, "SELECT violation_pct FROM function_summary WHERE name = 'answer' AND seed = 1", 20);
    holds(p->db, "SELECT violation_pct FROM slo_curve WHERE multiplier = 1.5 AND seed = 1", 40);
    holds(p->db, "SELECT max(share) FROM latency_cdf WHERE fn IS NULL", 1);
    holds(p->db, "SELECT min(share) FROM latency_cdf WHERE fn IS NULL", 0.5);
}

static void an_empty_run_has_no_quotients(void **state) {
    const place *p = *state;
    char err[RESULTS_ERR_LEN] = "";
    results *r = open_or_fail(p->db);
    sample s;
    sample_make(&s, "has", 1);
    sample_free(&s);
    for (size_t i = 0; i < SAMPLE_FNS; i++) s.of[i] = (engine_fn_result){0};
    if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
    results_close(r);
    holds(p->db,
          "SELECT cost_per_1k_usd IS NULL AND violation_pct IS NULL AND p50_ms IS NULL FROM run_summary", 1);
    holds(p->db, "SELECT count(*) FROM histogram", 0);
}

static void deleting_a_run_deletes_its_rows(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    write_or_fail(r, "has", 1);
    results_close(r);
    tell(p->db, "PRAGMA foreign_keys = ON; DELETE FROM run");
    holds(p->db,
          "SELECT (SELECT count(*) FROM function_result) + (SELECT count(*) FROM report) +"
          " (SELECT count(*) FROM histogram) + (SELECT count(*) FROM timeline) + (SELECT count(*) FROM "
          "action) +"
          " (SELECT count(*) FROM request)",
          0);
}

static void resume_knows_what_is_there(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    sample s;
    sample_make(&s, "has", UINT64_MAX);
    assert_int_equal(results_has_run(r, &s.run), 0);
    write_or_fail(r, "has", UINT64_MAX);
    assert_int_equal(results_has_run(r, &s.run), 1);
    results_close(r);
    r = open_or_fail(p->db);
    assert_int_equal(results_has_run(r, &s.run), 1);
    results_run other = s.run;
    other.seed = 2;
    assert_int_equal(results_has_run(r, &other), 0);
    other = s.run;
    other.label = "has:artifact";
    assert_int_equal(results_has_run(r, &other), 0);
    other = s.run;
    other.grid = "{\"slo_multiplier\":2}";
    assert_int_equal(results_has_run(r, &other), 0);
    other = s.run;
    other.trace_hash = "7b";
    assert_int_equal(results_has_run(r, &other), 0);
    results_close(r);
    sample_free(&s);
}

static void the_same_run_is_refused(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    write_or_fail(r, "has", 1);
    sample s;
    sample_make(&s, "has", 1);
    s.run.trace_hash = "7b";
    char err[RESULTS_ERR_LEN] = "";
    assert_int_equal(results_write_run(r, &s.run, &s.setup, &s.result, err), -1);
    if (!strstr(err, "already holds a run of 'has' with seed 1")) fail_msg("found '%s'", err);
    write_or_fail(r, "has", 2); /* the handle is still good */
    results_close(r);
    sample_free(&s);
    holds(p->db, "SELECT count(*) FROM function_result", 2 * SAMPLE_FNS);
}

static void a_run_that_fails_half_way_leaves_nothing(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    sample s;
    sample_make(&s, "has", 1);
    s.fns[1].name = NULL; /* the second row of function_result breaks its NOT NULL */
    char err[RESULTS_ERR_LEN] = "";
    assert_int_equal(results_write_run(r, &s.run, &s.setup, &s.result, err), -1);
    if (!strstr(err, p->db) || !strstr(err, "function_result.name")) fail_msg("found '%s'", err);
    holds(p->db, "SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM function_result)", 0);
    results_close(r);
    sample_free(&s);
}

static int wait_for(pid_t pid) {
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* In a child: its own handle on the same, at first missing, file. */
static void write_many(const char *path, const char *label, uint64_t n) {
    char err[RESULTS_ERR_LEN];
    results *r = NULL;
    int failed = results_open(&r, path, "exp", "why?", err);
    for (uint64_t seed = 1; !failed && seed <= n; seed++) {
        sample s;
        sample_make(&s, label, seed);
        failed = results_write_run(r, &s.run, &s.setup, &s.result, err);
        sample_free(&s);
    }
    results_close(r);
    if (failed) fprintf(stderr, "%s: %s\n", label, err);
    _exit(failed ? 1 : 0);
}

static void two_processes_write_at_once(void **state) {
    const place *p = *state;
    pid_t pids[2];
    for (int i = 0; i < 2; i++)
        if ((pids[i] = fork()) == 0) write_many(p->db, i ? "kserve" : "has", 20);
    for (int i = 0; i < 2; i++) assert_int_equal(wait_for(pids[i]), 0);
    holds(p->db, "SELECT count(*) FROM run", 40);
    holds(p->db, "SELECT count(*) FROM experiment", 1);
    holds(p->db, "SELECT count(*) FROM function_result", 40 * SAMPLE_FNS);
}

/* Kills itself from within a large transaction that has spilled to the file already: the journal is hot. */
static void die_while_writing(const char *path) {
    sqlite3 *db = NULL;
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    sqlite3_exec(
        db,
        "PRAGMA cache_size = 2; BEGIN IMMEDIATE;"
        "INSERT INTO run SELECT NULL, plan, 'half', policy, mode, predictor, model_error, billing, engine, "
        "version,"
        " commit_id, 99, grid, config, config_hash, trace_hash, calibration_hash, policy_hash, result_hash,"
        " wall_s, events, visits, acts, warmup_s, duration_s, gpus, gpus_mean, cost_usd, p50_ms, p90_ms,"
        " p95_ms, p99_ms, actions_seen, actions_refused FROM run LIMIT 1;"
        "WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 20000)"
        " INSERT INTO timeline SELECT last_insert_rowid(), NULL, i, i, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM k",
        NULL, NULL, NULL);
    raise(SIGKILL);
}

static void a_killed_writer_leaves_no_half_run(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    write_or_fail(r, "has", 1);
    results_close(r);
    pid_t pid = fork();
    if (pid == 0) die_while_writing(p->db);
    int status = wait_for(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    char journal[128];
    snprintf(journal, sizeof journal, "%s-journal", p->db);
    assert_int_equal(access(journal, F_OK), 0); /* otherwise nothing was tested */
    r = open_or_fail(p->db);
    write_or_fail(r, "has", 2);
    results_close(r);
    holds(p->db, "SELECT count(*) FROM run", 2);
    holds(p->db, "SELECT count(*) FROM run WHERE label = 'half'", 0);
    holds(p->db, "SELECT count(*) FROM timeline WHERE fn IS NULL", 2 * SAMPLE_BINS);
}

static void put_file(const char *path, const char *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void foreign_files_are_refused(void **state) {
    const place *p = *state;
    char text[2000];
    memset(text, 'x', sizeof text);
    put_file(p->db, text, sizeof text);
    refuses(p->db, "exp", "not a SQLite database");
    unlink(p->db);
    tell(p->db, "CREATE TABLE t (a)");
    refuses(p->db, "exp", "application_id 0; expected a results database");
    holds(p->db, "SELECT count(*) FROM sqlite_schema", 1);
}

static void other_versions_and_experiments_are_refused(void **state) {
    const place *p = *state;
    results_close(open_or_fail(p->db));
    refuses(p->db, "another", "holds experiment 'exp'; expected 'another'");
    tell(p->db, "PRAGMA user_version = 7");
    refuses(p->db, "exp", "schema version 7, expected version 3");
}

static void a_cut_file_is_refused(void **state) {
    const place *p = *state;
    results *r = open_or_fail(p->db);
    write_or_fail(r, "has", 1);
    results_close(r);
    assert_int_equal(truncate(p->db, 8192), 0);
    refuses(p->db, "exp", "damaged or cut off");
}

static void a_folder_that_cannot_be_written(void **state) {
    const place *p = *state;
    if (geteuid() == 0) {
        print_message("skipped: root may write everywhere\n");
        skip();
    }
    assert_int_equal(chmod(p->dir, 0500), 0);
    refuses(p->db, "exp", "unable to open database file");
    assert_int_equal(access(p->db, F_OK), -1);
}

static void a_missing_folder(void **state) {
    (void)state;
    refuses("no/such/folder/r.db", "exp", "unable to open database file");
}

#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        AT_PLACE(a_run_is_kept),
        AT_PLACE(actions_say_why),
        AT_PLACE(views_answer),
        AT_PLACE(an_empty_run_has_no_quotients),
        AT_PLACE(deleting_a_run_deletes_its_rows),
        AT_PLACE(resume_knows_what_is_there),
        AT_PLACE(the_same_run_is_refused),
        AT_PLACE(a_run_that_fails_half_way_leaves_nothing),
        AT_PLACE(two_processes_write_at_once),
        AT_PLACE(a_killed_writer_leaves_no_half_run),
        AT_PLACE(foreign_files_are_refused),
        AT_PLACE(other_versions_and_experiments_are_refused),
        AT_PLACE(a_cut_file_is_refused),
        AT_PLACE(a_folder_that_cannot_be_written),
        cmocka_unit_test(a_missing_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
