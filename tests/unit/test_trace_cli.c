#include <cjson/cJSON.h>
#include <fcntl.h>

#include "cli.h"
#include "trace_sample.h"

/* Runs `hassim trace` with these words; its standard output goes to a file of the directory, its messages are
 * thrown away. */
static int run(sample_dir *dir, const char *const *words) {
    char *argv[16], copies[16][128];
    int argc = 0;
    for (; words[argc]; argc++) {
        snprintf(copies[argc], sizeof copies[argc], "%s", words[argc]);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    fflush(NULL);
    int out = dup(1), err = dup(2);
    int file = open(sample_path(dir, "out"), O_WRONLY | O_CREAT | O_TRUNC, 0600),
        null = open("/dev/null", O_WRONLY);
    assert_true(out >= 0 && err >= 0 && file >= 0 && null >= 0);
    dup2(file, 1);
    dup2(null, 2);
    int rc = cli_trace(argc, argv);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    close(file);
    close(null);
    return rc;
}

static void read_out(sample_dir *dir, char *text, size_t size) {
    FILE *f = fopen(sample_path(dir, "out"), "rb");
    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
}

static void exit_codes_tell_good_from_bad(void **state) {
    (void)state;
    sample_dir dir;
    char good[128], bad[128], defective[128], packed[128];
    sample_open(&dir);
    snprintf(packed, sizeof packed, "%s", sample_path(&dir, "packed"));
    snprintf(defective, sizeof defective, "%s",
             sample_write(&dir, "durations.csv", "time_s,function\n2,f\n1,f\n"));
    snprintf(good, sizeof good, "%s", sample_write(&dir, "trace.csv", "time_s,function\n1,f\n"));
    snprintf(bad, sizeof bad, "%s", sample_write(&dir, "memory.csv", "time_s,function\nx,f\n"));
    const struct {
        int rc;
        const char *words[8];
    } cases[] = {
        {CLI_OK, {"trace", "--help"}},
        {CLI_OK, {"trace", "info", "--help"}},
        {CLI_OK, {"trace", "generate", "--help"}},
        {CLI_OK, {"trace", "info", good}},
        {CLI_OK, {"trace", "info", good, "--format", "csv", "--json"}},
        {CLI_USAGE, {"trace"}},
        {CLI_USAGE, {"trace", "inform"}},
        {CLI_USAGE, {"trace", "info"}},
        {CLI_USAGE, {"trace", "info", bad}},
        {CLI_USAGE, {"trace", "info", good, bad}},
        {CLI_USAGE, {"trace", "info", good, "--format", "azure2021"}},
        {CLI_USAGE, {"trace", "info", good, "--nonsense"}},
        {CLI_OK, {"trace", "import", "--help"}},
        {CLI_OK, {"trace", "sample", "--help"}},
        {CLI_OK, {"trace", "lint", "--help"}},
        {CLI_OK, {"trace", "lint", good}},
        {CLI_FAILED, {"trace", "lint", defective}},
        {CLI_FAILED, {"trace", "lint", defective, "--json"}},
        {CLI_USAGE, {"trace", "lint", bad}},
        {CLI_USAGE, {"trace", "lint"}},
        {CLI_USAGE, {"trace", "import", good}},
        {CLI_USAGE, {"trace", "import", bad, "-o", packed}},
        {CLI_USAGE, {"trace", "import", good, "-o", "/dev/null/all"}},
        {CLI_USAGE, {"trace", "sample", good, "-o", packed}}, /* 100 of 1 */
        {CLI_USAGE, {"trace", "sample", good, "-o", packed, "-n", "0"}},
        {CLI_USAGE, {"trace", "sample", good, "-o", packed, "-n", "x"}},
        {CLI_USAGE, {"trace", "generate"}},
        {CLI_USAGE, {"trace", "generate", "-o", good}},
        {CLI_USAGE, {"trace", "generate", "-o", dir.directory, "--functions", "12x"}},
        {CLI_USAGE, {"trace", "generate", "-o", dir.directory, "--mix", "1,2,3"}},
        {CLI_USAGE, {"trace", "generate", "-o", dir.directory, "--mean-rps", "nan"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rc = run(&dir, cases[i].words);
        if (rc != cases[i].rc) fail_msg("case %zu: exit %d, expected %d", i, rc, cases[i].rc);
    }
    assert_int_not_equal(access(sample_path(&dir, "invocations.csv"), F_OK), 0);
    assert_int_not_equal(access(sample_path(&dir, "packed"), F_OK), 0);
    sample_remove(&dir, "out");
    sample_close(&dir);
}

static void json_says_what_was_generated(void **state) {
    (void)state;
    static char text[1 << 16];
    sample_dir dir;
    char path[128];
    sample_open(&dir);
    const char *const generate[] = {"trace", "generate", "-o", dir.directory, "-f", "5", "-m", "20", NULL};
    assert_int_equal(run(&dir, generate), CLI_OK);
    snprintf(path, sizeof path, "%s", sample_path(&dir, "invocations.csv"));
    const char *const info[] = {"trace", "info", "--json", path, NULL};
    assert_int_equal(run(&dir, info), CLI_OK);
    read_out(&dir, text, sizeof text);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    assert_string_equal(cJSON_GetObjectItem(root, "format")->valuestring, "azure2019");
    assert_int_equal(cJSON_GetObjectItem(root, "functions")->valueint, 5);
    assert_int_equal(cJSON_GetObjectItem(root, "span_s")->valueint, 1200);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "rate_rps")), 20);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "top")), 5);
    assert_true(cJSON_GetObjectItem(root, "mean_rps")->valuedouble > 30);
    cJSON_Delete(root);
    sample_remove(&dir, "out");
    sample_close(&dir);
}

static cJSON *run_json(sample_dir *dir, const char *const *words) {
    static char text[1 << 16];
    assert_int_equal(run(dir, words), CLI_OK);
    read_out(dir, text, sizeof text);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    return root;
}

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void imported_and_sampled_traces_are_as_told(void **state) {
    (void)state;
    sample_dir dir;
    char path[128], packed[128];
    sample_open(&dir);
    const char *const generate[] = {"trace", "generate", "-o", dir.directory, "-f", "60", "-m", "20", NULL};
    assert_int_equal(run(&dir, generate), CLI_OK);
    snprintf(path, sizeof path, "%s", sample_path(&dir, "invocations.csv"));
    snprintf(packed, sizeof packed, "%s", sample_path(&dir, "packed"));
    const char *const info[] = {"trace", "info", "--json", path, NULL}, *const import[] = {"trace",  "import",
                                                                                           "--json", path,
                                                                                           "-o",     packed,
                                                                                           NULL},
                      *const sample[] = {"trace", "sample", "--json", path, "-o", packed, "-n", "12", NULL},
                      *const again[] = {"trace", "info", "--json", packed, NULL};
    cJSON *a = run_json(&dir, info), *b = run_json(&dir, import), *c = run_json(&dir, again);
    assert_true(number_of(b, "requests") == number_of(a, "invocations"));
    static const char *const same[] = {"functions", "invocations", "span_s", "mean_rps"};
    for (size_t i = 0; i < 4; i++) assert_true(number_of(c, same[i]) == number_of(a, same[i]));
    assert_true(number_of(cJSON_GetObjectItem(c, "inter_arrival"), "cv") ==
                number_of(cJSON_GetObjectItem(a, "inter_arrival"), "cv"));
    cJSON_Delete(b);
    cJSON_Delete(c);
    b = run_json(&dir, sample);
    c = run_json(&dir, again);
    assert_true(number_of(c, "functions") == 12);
    assert_true(number_of(c, "invocations") == number_of(b, "requests"));
    const cJSON *m = NULL, *marginals = cJSON_GetObjectItem(b, "marginals");
    assert_int_equal(cJSON_GetArraySize(marginals), 3);
    cJSON_ArrayForEach(m, marginals)
        assert_true(number_of(m, "wasserstein") < 1.2 * number_of(m, "random_wasserstein"));
    cJSON_Delete(a);
    cJSON_Delete(b);
    cJSON_Delete(c);
    sample_remove(&dir, "packed");
    sample_remove(&dir, "out");
    sample_close(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes_tell_good_from_bad),
        cmocka_unit_test(json_says_what_was_generated),
        cmocka_unit_test(imported_and_sampled_traces_are_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
