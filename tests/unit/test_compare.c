/* The comparison: means, intervals and ratios of runs filled by hand, as text and JSON; and what it refuses.
 */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <gsl/gsl_cdf.h>
#include <sqlite3.h>

#include "cli.h"
#include "compare.h"
#include "results_sample.h"

typedef struct {
    char dir[64], db[96];
} place;

static int make_place(void **state) {
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    strcpy(p->dir, "test_compare_XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/r.db", p->dir);
    *state = p;
    return 0;
}

static int clear_place(void **state) {
    place *p = *state;
    chmod(p->dir, 0700);
    unlink(p->db);
    int rc = rmdir(p->dir); /* fails if a reader left anything */
    free(p);
    return rc;
}

typedef struct { /* one run: what differs from the sample */
    const char *label, *grid;
    uint64_t seed;
    size_t plan;
    double cost_usd;
    uint64_t violations; /* of 200 requests */
    double model_error;
} one;

static void write_one(results *r, const one *o, const char *config) {
    char err[RESULTS_ERR_LEN] = "";
    sample s;
    sample_make(&s, o->label, o->seed);
    s.run.policy = strncmp(o->label, "has", 3) == 0 ? "has" : "kserve";
    if (o->grid) s.run.grid = o->grid;
    s.run.plan = o->plan;
    s.run.model_error = o->model_error;
    s.run.config_json = config;
    s.result.cost_usd = o->cost_usd;
    s.of[0].window_violations = o->violations;
    s.of[1].window_violations = 0;
    if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
    sample_free(&s);
}

static void write_runs_of(const char *config, const char *path, const one *runs, size_t n) {
    char err[RESULTS_ERR_LEN] = "";
    results *r = NULL;
    if (results_open(&r, path, "exp", "why?", err)) fail_msg("%s", err);
    for (size_t i = 0; i < n; i++) write_one(r, &runs[i], config);
    results_close(r);
}

static void write_runs(const char *path, const one *runs, size_t n) {
    write_runs_of("{}", path, runs, n);
}

/* Finished out of order, as worker processes do; cost per 1,000 = 5 cost_usd, violation % = violations / 2.
 */
static const one pairs[] = {
    {"kserve", NULL, 2, 4, 0.4, 4, 0}, {"kserve", NULL, 1, 3, 0.3, 2, 0}, {"kserve", NULL, 3, 5, 0.8, 6, 0},
    {"has", NULL, 3, 2, 0.3, 0, 0},    {"has", NULL, 1, 0, 0.1, 0, 0},    {"has", NULL, 2, 1, 0.2, 0, 0},
};

static char *printed(const char *path, const char *baseline, compare_format format) {
    char err[COMPARE_ERR_LEN] = "", *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    int rc = compare_print(path, baseline, format, out, err);
    assert_int_equal(fclose(out), 0);
    if (rc) fail_msg("%s", err);
    return text;
}

static cJSON *json_of(const char *path, const char *baseline) {
    char *text = printed(path, baseline, COMPARE_JSON);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    return root;
}

static void near(const cJSON *number, double expected) {
    assert_true(cJSON_IsNumber(number));
    if (!(fabs(number->valuedouble - expected) < 1e-6))
        fail_msg("found %.9g, expected %.9g", number->valuedouble, expected);
}

static void interval(const cJSON *object, const char *key, double mean, double half) {
    const cJSON *v = cJSON_GetObjectItem(object, key);
    near(cJSON_GetObjectItem(v, "mean"), mean);
    near(cJSON_GetObjectItem(v, "lo"), mean - half);
    near(cJSON_GetObjectItem(v, "hi"), mean + half);
}

static const char *text_at(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
    assert_non_null(text);
    return text;
}

static void policies_in_json(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    cJSON *root = json_of(p->db, NULL);
    const cJSON *policies = cJSON_GetObjectItem(root, "policies"), *has = cJSON_GetArrayItem(policies, 0);
    assert_int_equal(cJSON_GetArraySize(policies), 2);
    assert_string_equal(text_at(has, "label"), "has"); /* first of the plan, though written last */
    assert_string_equal(text_at(has, "mode"), "corrected");
    assert_string_equal(text_at(cJSON_GetArrayItem(policies, 1), "name"), "kserve");
    near(cJSON_GetObjectItem(has, "runs"), 3);
    interval(has, "cost_per_1k_usd", 1, 4.3026527 * 0.5 / sqrt(3)); /* 0.5, 1, 1.5: sd 0.5 */
    interval(has, "violation_pct", 0, 0);
    interval(has, "gpus_mean", 1.5, 0);
    interval(has, "gpu_share_s", 10, 0);
    interval(has, "cold_starts", 6, 0);
    const double p95 = cJSON_GetObjectItem(cJSON_GetObjectItem(has, "p95_ms"), "mean")->valuedouble;
    assert_true(fabs(p95 / 40 - 1) < 0.008);
    cJSON_Delete(root);
}

static const cJSON *ratio_of(const cJSON *root, const char *metric) {
    const cJSON *ratio = NULL;
    cJSON_ArrayForEach(ratio, cJSON_GetObjectItem(root, "ratios")) {
        if (strcmp(text_at(ratio, "metric"), metric) == 0) return ratio;
    }
    fail_msg("no ratio of %s", metric);
    return NULL;
}

/* The pairs of test_stats: x = 1, 2, 3 and y = 3, 4, 8 in the order of seeds. */
static void ratios_are_paired_by_seed(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    cJSON *root = json_of(p->db, NULL);
    const cJSON *cost = ratio_of(root, "cost_per_1k_usd"), *violation = ratio_of(root, "violation_pct");
    assert_string_equal(text_at(cost, "label"), "kserve");
    assert_string_equal(text_at(cost, "baseline"), "has");
    interval(cost, "ratio", 2.5, 1.0756632);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(violation, "ratio")));
    assert_string_equal(text_at(violation, "note"), "n/a (0 of 600 requests)");
    cJSON_Delete(root);
    root = json_of(p->db, "kserve");
    assert_string_equal(text_at(ratio_of(root, "cost_per_1k_usd"), "label"), "has");
    interval(ratio_of(root, "violation_pct"), "ratio", 0, 0);
    cJSON_Delete(root);
}

static void only_common_seeds_are_paired(void **state) {
    const place *p = *state;
    const one runs[] = {
        {"has", NULL, 1, 0, 1, 0, 0}, {"has", NULL, 2, 1, 2, 0, 0}, {"kserve", NULL, 2, 2, 6, 0, 0}};
    write_runs(p->db, runs, 3);
    cJSON *root = json_of(p->db, NULL);
    const cJSON *ratio = cJSON_GetObjectItem(ratio_of(root, "cost_per_1k_usd"), "ratio");
    near(cJSON_GetObjectItem(ratio, "n"), 1);
    near(cJSON_GetObjectItem(ratio, "mean"), 3);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(ratio, "lo")));
    cJSON_Delete(root);
}

static void contains(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("expected '%s' in:\n%s", part, text);
}

/* The same numbers; the seeds do not matter: means 0.5 and 0.2 of three each, var 0.07 and 0.01, R = 2.5. */
static void clients_share_no_arrivals(void **state) {
    const place *p = *state;
    const char *config = "{\"functions\": [{\"name\": \"a\", \"trace\": {\"format\": \"synthetic\"}},"
                         " {\"name\": \"b\", \"trace\": {\"format\": \"client\"}}]}";
    write_runs_of(config, p->db, pairs, 6);
    cJSON *root = json_of(p->db, NULL);
    double a = 0.07 / 3, b = 6.25 * 0.01 / 3, df = 2 * (a + b) * (a + b) / (a * a + b * b);
    interval(ratio_of(root, "cost_per_1k_usd"), "ratio", 2.5,
             gsl_cdf_tdist_Pinv(0.975, df) * sqrt(a + b) / 0.2);
    cJSON_Delete(root);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text, "Ratios to has, unpaired (a test client");
    free(text);
}

static void text_is_readable(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text, "exp: why?\n");
    contains(text, "60 s simulated, the first 10 s not counted; 200 requests counted per run on average");
    contains(text, "1.0 ± 1.2");
    contains(text, "± is half of the 95 % confidence interval");
    contains(text, "Ratios to has, paired by seed");
    contains(text, "2.5 [1.4, 3.6]");
    contains(text, "n/a (0 of 600 requests)");
    free(text);
}

static void seeds_that_agree_say_so(void **state) {
    static const char line[] = "drawn by chance";
    const place *p = *state;
    const one same[] = {{"has", NULL, 1, 0, 0.1, 2, 0}, {"has", NULL, 2, 1, 0.1, 2, 0}};
    write_runs(p->db, same, 2);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text, line);
    free(text);
    unlink(p->db);
    write_runs(p->db, pairs, 6);
    text = printed(p->db, NULL, COMPARE_TEXT);
    assert_null(strstr(text, line));
    free(text);
}

static void one_seed_has_no_interval(void **state) {
    const place *p = *state;
    write_runs(p->db, &pairs[4], 1);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text, "One run each: no confidence intervals");
    assert_null(strstr(text, "±"));
    assert_null(strstr(text, "Ratios"));
    free(text);
}

static void grid_points_stay_apart(void **state) {
    const place *p = *state;
    const char *two = "{\"slo_multiplier\":2}", *ten = "{\"slo_multiplier\":10}";
    const one runs[] = {{"kserve", ten, 1, 3, 9, 0, 0},
                        {"kserve", two, 1, 1, 4, 0, 0},
                        {"has", ten, 1, 2, 3, 0, 0},
                        {"has", two, 1, 0, 1, 0, 0}};
    write_runs(p->db, runs, 4);
    cJSON *root = json_of(p->db, NULL);
    const cJSON *policies = cJSON_GetObjectItem(root, "policies");
    assert_int_equal(cJSON_GetArraySize(policies), 4);
    const cJSON *first = cJSON_GetObjectItem(cJSON_GetArrayItem(policies, 0), "grid");
    near(cJSON_GetObjectItem(first, "slo_multiplier"), 2); /* order of the plan, not of the text */
    near(cJSON_GetObjectItem(cJSON_GetObjectItem(ratio_of(root, "cost_per_1k_usd"), "ratio"), "mean"), 4);
    cJSON_Delete(root);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text, "grid point {\"slo_multiplier\":10}");
    free(text);
}

/* Costs of the pairs at both points; where the truth is drawn, kserve is less steadily dearer. */
static void ratios_within_the_models_error_are_marked(void **state) {
    const place *p = *state;
    const char *nominal = "{\"model_error\":0}", *drawn = "{\"model_error\":1}";
    const one runs[] = {
        {"has", nominal, 1, 0, 1, 20, 0},    {"has", nominal, 2, 1, 2, 40, 0},
        {"kserve", nominal, 1, 2, 3, 20, 0}, {"kserve", nominal, 2, 3, 6, 60, 0},
        {"has", drawn, 1, 4, 1, 20, 1},      {"has", drawn, 2, 5, 2, 40, 1},
        {"kserve", drawn, 1, 6, 3, 20, 1},   {"kserve", drawn, 2, 7, 5.4, 60, 1},
    };
    write_runs(p->db, runs, 8);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text,
             "3.000 [3.000, 3.000] ~"); /* cost as calibrated: told apart by chance alone, not by the model */
    contains(text, "~ within the model's error");
    contains(text, "so intervals are those of one more draw");
    free(text);
    cJSON *root = json_of(p->db, NULL);
    const cJSON *cost = ratio_of(root, "cost_per_1k_usd"), *policies = cJSON_GetObjectItem(root, "policies");
    interval(cost, "ratio", 3, 0);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cost, "within_model_error")));
    const cJSON *has = cJSON_GetArrayItem(policies, 2); /* costs 5 and 10: sd 3.5355, t 12.7062 */
    near(cJSON_GetObjectItem(has, "model_error"), 1);
    interval(has, "cost_per_1k_usd", 7.5, 12.7062047 * 3.5355339 * sqrt(1.5));
    cJSON_Delete(root);
    assert_int_equal(unlink(p->db), 0);
    write_runs(p->db, pairs, 6);
    root = json_of(p->db, NULL);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(ratio_of(root, "cost_per_1k_usd"), "within_model_error")));
    cJSON_Delete(root);
    text = printed(p->db, NULL, COMPARE_TEXT);
    assert_null(strchr(text, '~'));
    free(text);
}

static void an_empty_window_is_not_zero(void **state) {
    const place *p = *state;
    char err[RESULTS_ERR_LEN] = "";
    results *r = NULL;
    sample s;
    sample_make(&s, "has", 1);
    sample_free(&s);
    for (size_t i = 0; i < SAMPLE_FNS; i++) s.of[i] = (engine_fn_result){0};
    if (results_open(&r, p->db, "exp", "why?", err)) fail_msg("%s", err);
    if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
    results_close(r);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text, "n/a (0 of 1 runs)");
    free(text);
    cJSON *root = json_of(p->db, NULL);
    const cJSON *has = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "policies"), 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(has, "cost_per_1k_usd"), "mean")));
    cJSON_Delete(root);
}

static void refuses(const char *path, const char *baseline, const char *because) {
    char err[COMPARE_ERR_LEN] = "", *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    int rc = compare_print(path, baseline, COMPARE_TEXT, out, err);
    assert_int_equal(fclose(out), 0);
    if (rc != -1 || len != 0 || !strstr(err, because) || !strstr(err, path) || strchr(err, '\n'))
        fail_msg("found %d, '%s', expected one line with '%s'", rc, err, because);
    free(text);
}

static void tell(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void missing_and_odd_files_are_refused(void **state) {
    const place *p = *state;
    refuses(p->db, NULL, "No such file");
    assert_int_equal(access(p->db, F_OK), -1); /* and not made by looking */
    refuses(p->dir, NULL, "not a file");
    FILE *f = fopen(p->db, "wb");
    assert_non_null(f);
    fclose(f);
    refuses(p->db, NULL, "application_id 0");
    f = fopen(p->db, "wb");
    assert_non_null(f);
    for (int i = 0; i < 5000; i++)
        fputc("\0\xff"
              "A"[i % 3],
              f);
    fclose(f);
    refuses(p->db, NULL, "not a SQLite database");
}

static void foreign_databases_are_refused(void **state) {
    const place *p = *state;
    tell(p->db, "CREATE TABLE run (a)");
    refuses(p->db, NULL, "application_id 0");
    tell(p->db, "PRAGMA application_id = 1213417805; PRAGMA user_version = 9");
    refuses(p->db, NULL, "schema version 9, expected version 3");
    tell(p->db, "PRAGMA user_version = 3");
    refuses(p->db, NULL, "no such table");
}

static void a_cut_database_is_refused(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    assert_int_equal(truncate(p->db, 12288), 0);
    refuses(p->db, NULL, "damaged or cut off");
}

static void damaged_bytes_never_crash(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    struct stat st;
    assert_int_equal(stat(p->db, &st), 0);
    for (int round = 0; round < 60; round++) {
        int fd = open(p->db, O_WRONLY);
        assert_true(fd >= 0);
        off_t at = 100 + (off_t)draw_bits(1, (uint64_t)round) % (st.st_size - 100);
        at = at < 0 ? -at : at;
        assert_int_equal(pwrite(fd, "\xff\x00\x81", 3, at), 3);
        close(fd);
        char err[COMPARE_ERR_LEN] = "";
        FILE *out = fopen("/dev/null", "w");
        assert_non_null(out);
        if (compare_print(p->db, NULL, COMPARE_JSON, out, err)) assert_null(strchr(err, '\n'));
        fclose(out);
    }
}

static void unknown_baselines_and_empty_experiments_are_refused(void **state) {
    const place *p = *state;
    write_runs(p->db, NULL, 0);
    refuses(p->db, NULL, "holds no finished run");
    write_runs(p->db, pairs, 6);
    refuses(p->db, "knative", "no policy 'knative'; expected one of: has, kserve");
}

static void two_configs_are_refused(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    tell(p->db, "UPDATE run SET config_hash = 'c1', seed = 1 WHERE label = 'has' AND seed = 2");
    refuses(p->db, NULL, "two runs of 'has' with seed 1");
}

/* A reader rolls back what a killed writer left, and needs no write permission on a sound file. */
static void a_killed_writer_does_not_show(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *db = NULL;
        sqlite3_open(p->db, &db);
        sqlite3_exec(db,
                     "PRAGMA cache_size = 2; BEGIN; UPDATE run SET label = 'torn' || id;"
                     "WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 20000)"
                     " INSERT INTO timeline SELECT 1, NULL, i, i, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM k",
                     NULL, NULL, NULL);
        raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    char journal[128];
    struct stat st;
    snprintf(journal, sizeof journal, "%s-journal", p->db);
    assert_int_equal(access(journal, F_OK), 0);
    assert_int_equal(stat(p->db, &st), 0);
    assert_true(st.st_size > 500000); /* otherwise nothing was torn */
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    assert_null(strstr(text, "torn"));
    contains(text, "2.5 [1.4, 3.6]");
    free(text);
}

static void a_read_only_folder_is_enough(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    assert_int_equal(chmod(p->db, 0400), 0);
    assert_int_equal(chmod(p->dir, 0500), 0);
    char *text = printed(p->db, NULL, COMPARE_TEXT);
    contains(text, "2.5 [1.4, 3.6]");
    free(text);
}

/* Messages of the command go to stderr; here only the codes count. */
static int command(int argc, const char *const *args) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[8] = {0};
        for (int i = 0; i < argc; i++) argv[i] = strdup(args[i]);
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(99);
        int rc = cli_compare(argc, argv);
        for (int i = 0; i < argc; i++) free(argv[i]);
        _exit(rc);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void exit_codes(void **state) {
    const place *p = *state;
    write_runs(p->db, pairs, 6);
    assert_int_equal(command(2, (const char *[]){"compare", p->db}), CLI_OK);
    assert_int_equal(command(4, (const char *[]){"compare", p->db, "--json", "--baseline=kserve"}), CLI_OK);
    assert_int_equal(command(2, (const char *[]){"compare", "--help"}), CLI_OK);
    assert_int_equal(command(1, (const char *[]){"compare"}), CLI_USAGE);
    assert_int_equal(command(3, (const char *[]){"compare", p->db, p->db}), CLI_USAGE);
    assert_int_equal(command(3, (const char *[]){"compare", p->db, "--bogus"}), CLI_USAGE);
    assert_int_equal(command(2, (const char *[]){"compare", "missing.db"}), CLI_USAGE);
    assert_int_equal(command(4, (const char *[]){"compare", p->db, "-b", "nobody"}), CLI_USAGE);
}

static void shipped_files_are_found(void **state) {
    (void)state;
    char path[256], err[512] = "";
    assert_int_equal(cli_find_shipped("sim/cli.h", path, sizeof path, err, sizeof err), 0);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(cli_find_shipped("sim/none.h", path, sizeof path, err, sizeof err), -1);
    contains(err, "sim/none.h: not found in ");
    assert_int_equal(cli_find_shipped("sim/cli.h", path, 5, err, sizeof err), -1);
    assert_int_equal(setenv("HASSIM_HOME", HASSIM_ROOT "/sim", 1), 0);
    assert_int_equal(cli_find_shipped("cli.h", path, sizeof path, err, sizeof err), 0);
    assert_string_equal(path, HASSIM_ROOT "/sim/cli.h");
    assert_int_equal(unsetenv("HASSIM_HOME"), 0);
}

#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        AT_PLACE(policies_in_json),
        AT_PLACE(ratios_are_paired_by_seed),
        AT_PLACE(ratios_within_the_models_error_are_marked),
        AT_PLACE(only_common_seeds_are_paired),
        AT_PLACE(clients_share_no_arrivals),
        AT_PLACE(text_is_readable),
        AT_PLACE(seeds_that_agree_say_so),
        AT_PLACE(one_seed_has_no_interval),
        AT_PLACE(grid_points_stay_apart),
        AT_PLACE(an_empty_window_is_not_zero),
        AT_PLACE(missing_and_odd_files_are_refused),
        AT_PLACE(foreign_databases_are_refused),
        AT_PLACE(a_cut_database_is_refused),
        AT_PLACE(damaged_bytes_never_crash),
        AT_PLACE(unknown_baselines_and_empty_experiments_are_refused),
        AT_PLACE(two_configs_are_refused),
        AT_PLACE(a_killed_writer_does_not_show),
        AT_PLACE(a_read_only_folder_is_enough),
        AT_PLACE(exit_codes),
        cmocka_unit_test(shipped_files_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
