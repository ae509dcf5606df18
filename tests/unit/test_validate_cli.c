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

/* The shipped numbers know the run that is left out: a fit that begins there is no cross-validation. */
static void cross_validation_does_not_begin_at_what_was_fitted(void **state) {
    (void)state;
    char path[4096], err[512], *by_default, *from_start, *from_fitted;
    validate_sample s;
    validate_sample_open(&s);
    validate_sample_write(&s, "runs.csv",
                          VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,A,4,1,9.5,yes,clean\n"
                                               "two,has,resnet,resnet50,A,4,1,9.5,yes,clean\n");
    validate_sample_write(&s, "two/requests.csv",
                          VALIDATE_SAMPLE_REQUESTS "0,80,200\n1,90,200\n2,80,200\n3,95,200\n");
    validate_sample_write(&s, "one/requests.csv",
                          VALIDATE_SAMPLE_REQUESTS "0,80,200\n1,90,200\n2,80,200\n3,95,200\n");
    validate_sample_write(&s, "one/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,50,1\n");
    validate_sample_write(&s, "two/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,60,1\n");
    const char *words[] = {s.dir, "--cv", "--steps", "1", "--seeds", "1", "--json", "--params", path};
    assert_int_equal(call(&by_default, words, 7), CLI_OK);
    assert_int_equal(cli_find_shipped("experiments/testbed_start.json", path, sizeof path, err, sizeof err),
                     0);
    assert_int_equal(call(&from_start, words, 9), CLI_OK);
    assert_int_equal(cli_find_shipped("experiments/testbed.json", path, sizeof path, err, sizeof err), 0);
    assert_int_equal(call(&from_fitted, words, 9), CLI_OK);
    assert_string_equal(by_default, from_start);
    assert_string_not_equal(by_default, from_fitted);
    free(by_default);
    free(from_start);
    free(from_fitted);
    snprintf(path, sizeof path, "%s/two/usage.csv", s.dir);
    remove(path);
    validate_sample_close(&s);
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
        cmocka_unit_test(public_runs_are_simulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
