/* Sweeps: what fails or crashes loses itself alone, what is finished stays, and resume makes the rest. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sweep.h"

static const char text[] =
    "{\"name\": \"t\", \"duration_s\": 20, \"seeds\": 3, \"timeline\": {\"bins\": 4},\n"
    " \"cluster\": {\"gpus\": [{\"device\": \"v100-16gb\", \"nodes\": 2}]},\n"
    " \"functions\": [{\"name\": \"f\", \"model\": \"resnet50\", \"trace\": {\"mean_rps\": 5}}],\n"
    " \"policies\": [{\"name\": \"has\"}, {\"name\": \"kserve\"}],\n"
    " \"grid\": {\"slo_multiplier\": [2, 4]}}";
enum { N_RUNS = 12 };

typedef struct {
    char dir[64], db[96], aside[100];
    config_doc *doc;
    FILE *log;
} place;

static int make_place(void **state) {
    char err[CONFIG_ERR_LEN];
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    strcpy(p->dir, "test_sweep_XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/sub/r.db", p->dir);
    snprintf(p->aside, sizeof p->aside, "%s~", p->db);
    assert_int_equal(config_parse(&p->doc, "c.json", text, strlen(text), NULL, 0, err), 0);
    p->log = tmpfile();
    assert_non_null(p->log);
    *state = p;
    return 0;
}

static int clear_place(void **state) {
    place *p = *state;
    char sub[96];
    snprintf(sub, sizeof sub, "%s/sub", p->dir);
    unlink(p->db);
    unlink(p->aside);
    rmdir(sub);
    int rc = rmdir(p->dir); /* fails if anything else was left behind */
    config_close(p->doc);
    fclose(p->log);
    free(p);
    return rc;
}

static sweep_options options_of(const place *p) {
    return (sweep_options){.db_path = p->db, .jobs = 2, .progress = SWEEP_LINES, .log = p->log};
}

static sweep_report execute(const place *p, const sweep_options *o) {
    char err[CONFIG_ERR_LEN] = "";
    sweep *s = NULL;
    sweep_report report;
    if (sweep_plan(&s, p->doc, o, err) != 0) fail_msg("plan: %s", err);
    if (sweep_execute(s, &report, err) != 0) fail_msg("execute: %s", err);
    sweep_free(s);
    return report;
}

/* One integer, or the text of one value into out */
static long query(const place *p, const char *sql, char *out, size_t len) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(p->db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    long value = (long)sqlite3_column_int64(stmt, 0);
    if (out != NULL) snprintf(out, len, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static long count_runs(const place *p) {
    return query(p, "SELECT count(*) FROM run", NULL, 0);
}

static void check_log(const place *p, const char *expected) {
    char log[8192];
    rewind(p->log);
    size_t n = fread(log, 1, sizeof log - 1, p->log);
    log[n] = '\0';
    if (strstr(log, expected) == NULL) fail_msg("found \"%s\", expected \"%s\"", log, expected);
}

static void every_run_is_made_once(void **state) {
    const place *p = *state;
    sweep_options o = options_of(p);
    sweep_report r = execute(p, &o);
    assert_int_equal(r.planned, N_RUNS);
    assert_int_equal(r.finished, N_RUNS);
    assert_int_equal(r.failed + r.skipped, 0);
    assert_int_equal(count_runs(p), N_RUNS);
    assert_int_equal(query(p, "SELECT count(DISTINCT plan) FROM run", NULL, 0), N_RUNS);
    check_log(p, "[12/12] ");
}

static void results_do_not_depend_on_jobs(void **state) {
    const place *p = *state;
    static const char sql[] = "SELECT group_concat(label || grid || seed || result_hash) FROM "
                              "(SELECT * FROM run ORDER BY plan)";
    char two[4096], one[4096];
    sweep_options o = options_of(p);
    execute(p, &o);
    query(p, sql, two, sizeof two);
    o.jobs = 1;
    o.force = 1;
    execute(p, &o);
    query(p, sql, one, sizeof one);
    assert_string_equal(one, two);
    assert_int_equal(access(p->aside, F_OK), 0); /* what --force moved */
}

static int dies_at_seed_two(const engine_setup *setup, const engine_options *options, engine_result *result,
                            char err[ENGINE_ERR_LEN]) {
    if (setup->seed == 2) raise(SIGKILL);
    return engine_run(setup, options, result, err);
}

static void a_crash_loses_its_own_run(void **state) {
    const place *p = *state;
    sweep_options o = options_of(p);
    o.engine = dies_at_seed_two;
    sweep_report r = execute(p, &o);
    assert_int_equal(r.failed, 4);
    assert_int_equal(r.finished, 8);
    assert_int_equal(query(p, "SELECT count(*) FROM run WHERE seed <> 2", NULL, 0), 8);
    check_log(p, "kserve, seed 2, {\"slo_multiplier\":4}: failed: its worker was killed by signal 9");
    o.engine = NULL;
    o.resume = 1;
    r = execute(p, &o);
    assert_int_equal(r.skipped, 8);
    assert_int_equal(r.finished, 4);
    assert_int_equal(count_runs(p), N_RUNS);
    r = execute(p, &o);
    assert_int_equal(r.skipped, N_RUNS);
    assert_int_equal(r.finished + r.failed, 0);
}

static int refuses_kserve(const engine_setup *setup, const engine_options *options, engine_result *result,
                          char err[ENGINE_ERR_LEN]) {
    if (strcmp(setup->policy->name, "kserve") != 0) return engine_run(setup, options, result, err);
    snprintf(err, ENGINE_ERR_LEN, "no such luck");
    return -1;
}

static void a_failure_says_why(void **state) {
    const place *p = *state;
    sweep_options o = options_of(p);
    o.engine = refuses_kserve;
    sweep_report r = execute(p, &o);
    assert_int_equal(r.failed, 6);
    assert_int_equal(r.finished, 6);
    check_log(p, "kserve, seed 1, {\"slo_multiplier\":2}: failed: no such luck");
}

static int exits_early(const engine_setup *setup, const engine_options *options, engine_result *result,
                       char err[ENGINE_ERR_LEN]) {
    if (setup->seed == 3) _exit(7);
    return engine_run(setup, options, result, err);
}

static void a_silent_exit_is_a_failure(void **state) {
    const place *p = *state;
    sweep_options o = options_of(p);
    o.engine = exits_early;
    sweep_report r = execute(p, &o);
    assert_int_equal(r.failed, 4);
    assert_int_equal(r.finished, 8);
    check_log(p, "failed: its worker ended with status 7 and no result");
}

/* From seed 2 on, the user presses Ctrl-C and the run would never end */
static int is_interrupted(const engine_setup *setup, const engine_options *options, engine_result *result,
                          char err[ENGINE_ERR_LEN]) {
    if (setup->seed == 1) return engine_run(setup, options, result, err);
    kill(getppid(), SIGINT);
    for (;;) pause();
}

/* As when the whole process group is told to end: the worker dies of it as well */
static int is_terminated(const engine_setup *setup, const engine_options *options, engine_result *result,
                         char err[ENGINE_ERR_LEN]) {
    (void)setup, (void)options, (void)result, (void)err;
    kill(getppid(), SIGTERM);
    kill(getpid(), SIGTERM);
    return pause();
}

static void a_stop_is_no_failure_of_the_run(void **state) {
    const place *p = *state;
    sweep_options o = options_of(p);
    o.jobs = 1;
    o.engine = is_terminated;
    sweep_report r = execute(p, &o);
    assert_int_equal(r.interrupted, SIGTERM);
    assert_int_equal(r.failed, 0);
}

static void an_interrupt_keeps_what_is_finished(void **state) {
    const place *p = *state;
    sweep_options o = options_of(p);
    o.jobs = 1; /* seed 1 of both policies, then the interrupt */
    o.engine = is_interrupted;
    sweep_report r = execute(p, &o);
    assert_int_equal(r.interrupted, SIGINT);
    assert_int_equal(r.finished, 2);
    assert_int_equal(r.failed, 0);
    assert_int_equal(count_runs(p), 2);
    o.engine = NULL;
    o.resume = 1;
    r = execute(p, &o);
    assert_int_equal(r.interrupted, 0);
    assert_int_equal(r.finished, N_RUNS - 2);
    assert_int_equal(count_runs(p), N_RUNS);
}

static void refuse_plan(const place *p, const sweep_options *o, const char *expected) {
    char err[CONFIG_ERR_LEN] = "";
    sweep *s = NULL;
    assert_int_equal(sweep_plan(&s, p->doc, o, err), -1);
    assert_null(s);
    if (strstr(err, expected) == NULL) fail_msg("found \"%s\", expected \"%s\"", err, expected);
}

static void existing_results_are_not_touched(void **state) {
    const place *p = *state;
    sweep_options o = options_of(p);
    execute(p, &o);
    refuse_plan(p, &o, "sub/r.db: found existing results, expected --resume");
    assert_int_equal(count_runs(p), N_RUNS);
}

static int is_moved(const char *path) {
    int fd = open(path, O_RDONLY), rc = flock(fd, LOCK_EX | LOCK_NB);
    close(fd);
    return rc == 0;
}

static int needs_its_place(const engine_setup *setup, const engine_options *options, engine_result *result,
                           char err[ENGINE_ERR_LEN]) {
    if (!is_moved(getenv("HASSIM_TEST_DB"))) return engine_run(setup, options, result, err);
    snprintf(err, ENGINE_ERR_LEN, "another could move it");
    return -1;
}

/* Or what it writes next would be lost, or among the other's results */
static void results_being_written_are_not_moved(void **state) {
    const place *p = *state;
    char err[CONFIG_ERR_LEN];
    sweep *s = NULL;
    sweep_report r;
    sweep_options o = options_of(p);
    setenv("HASSIM_TEST_DB", p->db, 1);
    o.engine = needs_its_place;
    assert_int_equal(execute(p, &o).finished, N_RUNS);
    int other = open(p->db, O_RDONLY);
    assert_int_equal(flock(other, LOCK_SH), 0);
    o.force = 1;
    assert_int_equal(sweep_plan(&s, p->doc, &o, err), 0);
    assert_int_equal(sweep_execute(s, &r, err), -1);
    if (!strstr(err, "sub/r.db: found results that another hassim is writing")) fail_msg("%s", err);
    sweep_free(s);
    assert_int_equal(count_runs(p), N_RUNS);
    assert_int_not_equal(access(p->aside, F_OK), 0);
    o.force = 0;
    o.resume = 1; /* may write beside it */
    assert_int_equal(execute(p, &o).skipped, N_RUNS);
    close(other);
}

/* Beside them the new runs could not be compared */
static void resume_refuses_other_inputs(void **state) {
    place *p = *state;
    const char *set = "duration_s=19";
    char err[CONFIG_ERR_LEN];
    sweep_options o = options_of(p);
    execute(p, &o);
    config_close(p->doc);
    assert_int_equal(config_parse(&p->doc, "c.json", text, strlen(text), &set, 1, err), 0);
    o.resume = 1;
    refuse_plan(p, &o, "sub/r.db: found a run of has, seed 1, {\"slo_multiplier\":2} from other inputs");
    set = "seeds=4"; /* adds runs, changes none */
    config_close(p->doc);
    assert_int_equal(config_parse(&p->doc, "c.json", text, strlen(text), &set, 1, err), 0);
    sweep_report r = execute(p, &o);
    assert_int_equal(r.skipped, N_RUNS);
    assert_int_equal(r.finished, 4);
}

static void other_files_are_not_moved(void **state) {
    const place *p = *state;
    char sub[96];
    snprintf(sub, sizeof sub, "%s/sub", p->dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    FILE *file = fopen(p->db, "w");
    assert_non_null(file);
    fputs("a letter to grandmother\n", file);
    fclose(file);
    sweep_options o = options_of(p);
    o.resume = 1;
    refuse_plan(p, &o, "sub/r.db");
    o.resume = 0;
    o.force = 1;
    refuse_plan(p, &o, "sub/r.db: found a file that is no database");
    struct stat st;
    assert_int_equal(stat(p->db, &st), 0);
    assert_int_equal(st.st_size, 24);
}

static void planning_writes_nothing(void **state) {
    const place *p = *state;
    char sub[96], err[CONFIG_ERR_LEN];
    sweep *s = NULL;
    sweep_options o = options_of(p);
    assert_int_equal(sweep_plan(&s, p->doc, &o, err), 0);
    assert_int_equal(sweep_n_runs(s), N_RUNS);
    sweep_free(s);
    snprintf(sub, sizeof sub, "%s/sub", p->dir);
    assert_int_not_equal(access(sub, F_OK), 0);
}

static void only_names_policies(void **state) {
    const place *p = *state;
    const char *only = "kserve";
    sweep_options o = options_of(p);
    o.only = &only;
    o.n_only = 1;
    assert_int_equal(execute(p, &o).finished, N_RUNS / 2);
    assert_int_equal(query(p, "SELECT count(*) FROM run WHERE label = 'kserve'", NULL, 0), N_RUNS / 2);
    only = "kserv";
    refuse_plan(p, &o, "--only: found \"kserv\", expected one of has kserve");
}

static void a_grid_may_not_rename(void **state) {
    place *p = *state;
    const char *set = "grid={\"policies[0].label\": [\"a\", \"b\"]}";
    char err[CONFIG_ERR_LEN];
    config_close(p->doc);
    assert_int_equal(config_parse(&p->doc, "c.json", text, strlen(text), &set, 1, err), 0);
    sweep_options o = options_of(p);
    refuse_plan(p, &o, "c.json: grid: found policies' names or labels that vary");
}

static void the_bar_ends_clean(void **state) {
    const place *p = *state;
    char log[8192];
    sweep_options o = options_of(p);
    o.progress = SWEEP_BAR;
    execute(p, &o);
    rewind(p->log);
    size_t n = fread(log, 1, sizeof log - 1, p->log);
    log[n] = '\0';
    assert_true(n > 4 && log[0] == '\r' && strcmp(log + n - 4, "\r\033[K") == 0);
    assert_null(strchr(log, '\n'));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, clear_place)
    const struct CMUnitTest tests[] = {
        TEST(every_run_is_made_once),
        TEST(results_do_not_depend_on_jobs),
        TEST(a_crash_loses_its_own_run),
        TEST(a_failure_says_why),
        TEST(a_silent_exit_is_a_failure),
        TEST(a_stop_is_no_failure_of_the_run),
        TEST(an_interrupt_keeps_what_is_finished),
        TEST(existing_results_are_not_touched),
        TEST(results_being_written_are_not_moved),
        TEST(resume_refuses_other_inputs),
        TEST(other_files_are_not_moved),
        TEST(planning_writes_nothing),
        TEST(only_names_policies),
        TEST(a_grid_may_not_rename),
        TEST(the_bar_ends_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
