/* test_validate_cli.c - `hassim validate` as it is called: on a small folder, and on the public runs where they are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "cli.h"
#include "validate_params.h"
#include "validate_sample.h"

enum { OUTPUT_MAX = 1 << 20 };

/* The exit code of `hassim validate WORD...`; what it printed, to be freed */
static int call(char **printed, const char *const words[], int n) {
    char *argv[16] = {"validate"}, path[] = "/tmp/hassim-validate-out-XXXXXX";
    for (int i = 0; i < n; i++) argv[i + 1] = (char *)words[i];
    fflush(stdout);
    int to = mkstemp(path), terminal = dup(STDOUT_FILENO);
    assert_true(to >= 0 && terminal >= 0);
    dup2(to, STDOUT_FILENO);
    int code = cli_validate(n + 1, argv);
    fflush(stdout);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    *printed = calloc(OUTPUT_MAX, 1);
    assert_non_null(*printed);
    assert_true(pread(to, *printed, OUTPUT_MAX - 1, 0) >= 0);
    close(to);
    unlink(path);
    return code;
}

static cJSON *call_json(const char *const words[], int n) {
    char *text;
    assert_int_equal(call(&text, words, n), CLI_OK);
    cJSON *root = cJSON_Parse(text);
    if (!root) fail_msg("no JSON: %.200s", text);
    free(text);
    return root;
}

static void answers_help_and_refuses(void **state) {
    (void)state;
    char *text;
    assert_int_equal(call(&text, (const char *[]){"--help"}, 1), CLI_OK);
    assert_non_null(strstr(text, "--figures"));
    free(text);
    assert_int_equal(call(&text, (const char *[]){"/tmp", "--seeds", "101"}, 3), CLI_USAGE);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(call(&text, (const char *[]){"/tmp/hassim-no-such-folder"}, 1), CLI_USAGE);
    free(text);
}

static void runs_that_cannot_be_simulated_are_listed(void **state) {
    (void)state;
    validate_sample s;
    validate_sample_open(&s);
    cJSON *root = call_json((const char *[]){s.dir, "--run", "two", "--json", "--seeds", "1"}, 6);
    cJSON *runs = cJSON_GetObjectItem(root, "runs"), *two = cJSON_GetArrayItem(runs, 0);
    assert_int_equal(cJSON_GetArraySize(runs), 1);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(two, "simulated")));
    assert_true(strlen(cJSON_GetStringValue(cJSON_GetObjectItem(two, "reason"))) > 5);
    assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(two, "real"), "mean_ms")->valuedouble == 45);
    cJSON_Delete(root);
    validate_sample_close(&s);
}

/* "one" and "two": of one system and model, recorded, with quotas 50 and 60. */
static void open_two_runs(validate_sample *s) {
    static const char requests[] = VALIDATE_SAMPLE_REQUESTS "0,80,200\n1,90,200\n2,80,200\n3,95,200\n";
    validate_sample_open(s);
    validate_sample_write(s, "runs.csv",
                          VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,A,4,1,9.5,yes,clean\n"
                                               "two,has,resnet,resnet50,A,4,1,9.5,yes,clean\n");
    validate_sample_write(s, "two/requests.csv", requests);
    validate_sample_write(s, "one/requests.csv", requests);
    validate_sample_write(s, "one/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,50,1\n");
    validate_sample_write(s, "two/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,60,1\n");
}

static void close_two_runs(validate_sample *s) {
    char path[128];
    snprintf(path, sizeof path, "%s/two/usage.csv", s->dir);
    remove(path);
    validate_sample_close(s);
}

static const char *find_shipped(char path[4096], const char *name) {
    char err[512];
    if (cli_find_shipped(name, path, 4096, err, sizeof err)) fail_msg("%s", err);
    return path;
}

/* The shipped numbers know the run that is left out: a fit that begins there is no cross-validation. */
static void cross_validation_does_not_begin_at_what_was_fitted(void **state) {
    (void)state;
    char path[4096], *by_default, *from_start, *from_fitted;
    validate_sample s;
    open_two_runs(&s);
    const char *words[] = {s.dir, "--cv", "--steps", "1", "--seeds", "1", "--json", "--params", path};
    assert_int_equal(call(&by_default, words, 7), CLI_OK);
    find_shipped(path, "experiments/testbed_start.json");
    assert_int_equal(call(&from_start, words, 9), CLI_OK);
    find_shipped(path, "experiments/testbed.json");
    assert_int_equal(call(&from_fitted, words, 9), CLI_OK);
    assert_string_equal(by_default, from_start);
    assert_string_not_equal(by_default, from_fitted);
    free(by_default);
    free(from_start);
    free(from_fitted);
    close_two_runs(&s);
}

static validate_params *open_params(const char *path) {
    char err[VALIDATE_ERR_LEN];
    validate_params *p;
    if (validate_params_open(&p, path, err)) fail_msg("%s", err);
    return p;
}

/* One entry is of the run that was given: it alone is another than at the start. */
static void a_fit_is_written_and_reads_again(void **state) {
    (void)state;
    char path[4096], file[128], *text;
    validate_sample s;
    open_two_runs(&s);
    snprintf(file, sizeof file, "%s/fitted.json", s.dir);
    const char *words[] = {s.dir, "--fit", file, "--run", "one", "--searches", "2", "--steps", "30"};
    assert_int_equal(call(&text, words, 9), CLI_OK);
    assert_non_null(strstr(text, "has, image, runs: 1,"));
    validate_params *fitted = open_params(file),
                    *start = open_params(find_shipped(path, "experiments/testbed_start.json"));
    const validate_entry *e = validate_params_find(fitted, "has", "resnet50");
    assert_non_null(strstr(e->origin, "--fit --searches 2 --steps 30"));
    assert_true(strstr(e->origin, " one") && !strstr(e->origin, " two"));
    assert_true(e->v[VALIDATE_WAIT_MS] !=
                validate_params_find(start, "has", "resnet50")->v[VALIDATE_WAIT_MS]);
    assert_int_equal(fitted->n_entries, start->n_entries);
    for (size_t i = 0; i < start->n_entries; i++) {
        const validate_entry *was = &start->entries[i],
                             *is = validate_params_find(fitted, was->system, was->model);
        int is_of_group = strcmp(was->system, "has") == 0 && strcmp(was->input, "image") == 0;
        assert_int_equal(memcmp(was->v, is->v, sizeof was->v) != 0, is_of_group);
    }
    validate_params_close(fitted);
    validate_params_close(start);
    free(text);
    remove(file);
    close_two_runs(&s);
}

static void a_fit_spares_what_it_reads(void **state) {
    (void)state;
    static const char *const inputs[] = {"runs.csv", "workloads.csv", "one/usage.csv"};
    char file[128], *text;
    validate_sample s;
    open_two_runs(&s);
    const char *words[] = {s.dir, "--fit", file, "--searches", "1", "--steps", "1"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", s.dir, inputs[i]);
        assert_int_equal(call(&text, words, 7), CLI_USAGE);
        assert_string_equal(text, "");
        free(text);
    }
    snprintf(file, sizeof file, "%s/none.json", s.dir);
    words[4] = "0";
    assert_int_equal(call(&text, words, 7), CLI_USAGE);
    free(text);
    words[4] = "1";
    words[5] = "--cv";
    assert_int_equal(call(&text, words, 6), CLI_USAGE);
    assert_true(access(file, F_OK) != 0);
    free(text);
    close_two_runs(&s);
}

/* Both modes, twice: the same to the byte */
static void public_runs_are_simulated(void **state) {
    (void)state;
    if (access(VALIDATE_SAMPLE_TESTBED "/runs.csv", R_OK)) {
        print_message("no recorded runs at " VALIDATE_SAMPLE_TESTBED ": skipped\n");
        skip();
    }
    static const char *const modes[] = {"replay", "policy"};
    for (size_t i = 0; i < 2; i++) {
        char *once, *again;
        const char *words[] = {VALIDATE_SAMPLE_TESTBED,
                               "--run",
                               "has-5-resnet",
                               "--run",
                               "has-1-convnext",
                               "--json",
                               "--seeds",
                               "2",
                               "--mode",
                               modes[i],
                               "--threads",
                               "1"};
        assert_int_equal(call(&once, words, 12), CLI_OK);
        words[11] = "3";
        assert_int_equal(call(&again, words, 12), CLI_OK);
        assert_string_equal(once, again);
        cJSON *root = cJSON_Parse(once), *summary = cJSON_GetObjectItem(root, "summary"),
              *run = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "runs"), 1);
        assert_non_null(root);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(run, "run")), "has-5-resnet");
        assert_true(cJSON_IsObject(cJSON_GetObjectItem(run, "simulated")));
        assert_true(cJSON_IsNumber(cJSON_GetObjectItem(cJSON_GetObjectItem(run, "error"), "p50_pct")));
        cJSON *clean = cJSON_GetObjectItem(summary, "clean");
        assert_int_equal(cJSON_GetObjectItem(clean, "runs")->valuedouble, 1); /* convnext is mislabelled */
        assert_true(cJSON_IsNumber(cJSON_GetObjectItem(clean, "median_abs_error_violation_pp")));
        assert_true(cJSON_IsNumber(cJSON_GetObjectItem(run, "agreement_share_pct")) == (i == 1));
        cJSON_Delete(root);
        free(once);
        free(again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_help_and_refuses),
        cmocka_unit_test(runs_that_cannot_be_simulated_are_listed),
        cmocka_unit_test(cross_validation_does_not_begin_at_what_was_fitted),
        cmocka_unit_test(a_fit_is_written_and_reads_again),
        cmocka_unit_test(a_fit_spares_what_it_reads),
        cmocka_unit_test(public_runs_are_simulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
