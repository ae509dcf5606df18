/* Importers: each layout by hand, what they refuse, hostile bytes, and that the shipped devices come from them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "calib_fit.h"
#include "calib_import.h"
#include "cli.h"

static const char GPU_HEAD[] =
    "nr_input_tokens,nr_batches,thread_percentage,avg_throughput,avg_total,cold_start\n";
static const char PARVA_HEAD[] = "Mig instance,Batch size,Workload Number,Throughput,Latency\n";

static void write_file(const char *path, const char *text, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fwrite(text, 1, len, f) == len && fclose(f) == 0);
}

static int read_text(calib_import *list, const char *format, const char *path, const char *head,
                     const char *rows, char err[CALIB_ERR_LEN]) {
    char text[4096];
    snprintf(text, sizeof text, "%s%s", head, rows);
    write_file(path, text, strlen(text));
    int rc = calib_import_read(list, calib_importer_find(format), path, err);
    unlink(path);
    return rc;
}

static void assert_sample(const calib_sample *s, const char *model, uint32_t batch, uint32_t sm,
                          uint32_t quota, uint32_t processes, uint32_t repetitions, double ms) {
    assert_string_equal(s->model, model);
    assert_int_equal(s->batch, batch);
    assert_int_equal(s->sm_pct, sm);
    assert_int_equal(s->quota_pct, quota);
    assert_int_equal(s->processes, processes);
    assert_int_equal(s->repetitions, repetitions);
    assert_true(fabs(s->ms - ms) < 1e-9 * ms);
}

static void plain_takes_what_there_is(void **state) {
    calib_import l = {.n = 0};
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    assert_int_equal(read_text(&l, "plain", "p.csv", "# source: a place\n# licence: MIT\n# made by hand\n",
                               "latency_ms,model,sm_pct,batch,more\n2.5,m,50,4,x\n", err),
                     0);
    assert_int_equal(read_text(&l, "plain", "p.csv",
                               "model,batch,sm_pct,latency_ms,quota_pct,processes,repetitions\n",
                               "m-2,64,7,1e2,30,3,180\n", err),
                     0);
    assert_int_equal(l.n, 2);
    assert_sample(&l.samples[0], "m", 4, 50, 100, 1, 0, 2.5);
    assert_sample(&l.samples[1], "m-2", 64, 7, 30, 3, 180, 100);
    assert_string_equal(l.series.source, ""); /* of the last file */
    calib_import_free(&l);
}

static void rapp_knows_its_source(void **state) {
    calib_import l = {.n = 0};
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    assert_int_equal(
        read_text(&l, "rapp", "r.csv", "model,batch,sm_pct,quota_pct,latency_ms\n", "m,1,5,10,24.5\n", err),
        0);
    assert_sample(&l.samples[0], "m", 1, 5, 10, 1, 180, 24.5);
    assert_string_equal(l.series.licence, "Apache-2.0");
    calib_import_free(&l);
}

/* 4/7 of the GPU is 57 %; 2 x 4 / 168.531 per s of each process */
static void parvagpu_is_rate_per_process(void **state) {
    calib_import l = {.n = 0};
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    assert_int_equal(read_text(&l, "parvagpu", "net50.csv", PARVA_HEAD,
                               "4,4,2,168.531,0.024\n1,64,1,0,0\n7,1,1,500,0.002", err),
                     0);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.n_unmeasured, 1);
    assert_sample(&l.samples[0], "net50", 4, 57, 100, 2, 0, 4000 / 168.531);
    assert_sample(&l.samples[1], "net50", 1, 100, 100, 1, 0, 2);
    assert_string_equal(l.series.licence, "MIT");
    calib_import_free(&l);
}

static void gpu_percent_names_the_length(void **state) {
    calib_import l = {.n = 0};
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    assert_int_equal(
        read_text(&l, "gpu-percent", "lm-8b_mps.csv", GPU_HEAD,
                  "128.0,1.0,10.0,83.75,1.52836,0.0\n128.0,1.0,20.0,83.7,1.53,1.0\n16,2,100,40,1.6,0\n", err),
        0);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.n_unmeasured, 1); /* the cold start */
    assert_sample(&l.samples[0], "lm-8b-128-128", 1, 10, 100, 1, 0, 1528.36);
    assert_sample(&l.samples[1], "lm-8b-16-32", 2, 100, 100, 1, 0, 1600);
    calib_import_free(&l);
}

#define TRACE_HEAD                                                                                           \
    "{\"format\": \"hassim-measured-1\", \"generated_by\": \"hassim-calibrate 1\", \"date\": \"today\","     \
    " \"device\": {\"name\": \"a GPU\", \"sm_count\": 132}, \"records\": [\n"
#define WALL "\"wall_ms\": {\"n\": 60, \"median\": 2, \"mean\": 2.25}"
#define RECORD(kind, batch, partition, more)                                                                 \
    "{\"kind\": \"" kind "\", \"workload\": \"net\", \"batch\": " batch ", \"partition\": {" partition       \
    "}, " more ", " WALL
#define END ", \"throttled\": false}"

static void trace_takes_lone_latencies_and_tokens(void **state) {
    calib_import l = {.n = 0};
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    if (read_text(
            &l, "trace", "t.json", TRACE_HEAD,
            RECORD("latency", "4", "\"kind\": \"whole\", \"asked\": 0, \"sms\": 132", "\"repeat\": 1") END
            ",\n" RECORD("latency", "1", "\"kind\": \"green\", \"asked\": 32, \"sms\": 32", "\"repeat\": 1")
                END
            ",\n" RECORD("latency", "1", "\"kind\": \"mps\", \"asked\": 30, \"sms\": 40", "\"repeat\": 1") END
            ",\n" RECORD("latency", "1", "\"kind\": \"whole\"",
                         "\"repeat\": 1") ", \"throttled\": true},\n" RECORD("quota", "1",
                                                                             "\"kind\": \"whole\"",
                                                                             "\"runtime\": \"token\", "
                                                                             "\"quota_pct\": 30") END
            ",\n" RECORD("quota", "1", "\"kind\": \"whole\"", "\"runtime\": \"metered\", \"quota_pct\": 30")
                END ",\n"
                    "{\"kind\": \"resize\"}]}\n",
            err))
        fail_msg("%s", err);
    assert_int_equal(l.n, 4);
    assert_int_equal(l.n_unmeasured, 2);
    assert_sample(&l.samples[0], "net", 4, 100, 100, 1, 60, 2.25);
    assert_sample(&l.samples[1], "net", 1, 24, 100, 1, 60, 2.25);
    assert_sample(&l.samples[2], "net", 1, 30, 100, 1, 60, 2.25);
    assert_sample(&l.samples[3], "net", 1, 100, 30, 1, 60, 2.25);
    assert_string_equal(l.series.source, "measured by hassim-calibrate 1 on a GPU, today");
    calib_import_free(&l);
}

static void what_is_written_is_read_again(void **state) {
    calib_import l = {.n = 0}, again = {.n = 0};
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    assert_int_equal(
        read_text(&l, "parvagpu", "net.csv", PARVA_HEAD, "4,4,2,168.531,0.024\n7,1,1,500,0.002\n", err), 0);
    assert_int_equal(calib_import_rename(&l, "net", "net_v2"), 2);
    assert_int_equal(calib_import_rename(&l, "net", "net_v3"), 0);
    FILE *f = fopen("again.csv", "wb");
    assert_int_equal(calib_import_write(f, &l), 0);
    fclose(f);
    if (calib_import_read(&again, calib_importer_find("plain"), "again.csv", err)) fail_msg("%s", err);
    assert_int_equal(again.n, 2);
    assert_sample(&again.samples[0], "net_v2", 4, 57, 100, 2, 0, 4000 / 168.531);
    assert_string_equal(again.series.source, l.series.source);
    assert_string_equal(again.series.licence, "MIT");
    assert_string_equal(again.series.method, l.series.method);
    unlink("again.csv");
    calib_import_free(&l);
    calib_import_free(&again);
}

static void bad_rows_are_named(void **state) {
    static const struct {
        const char *format, *file, *head, *rows, *expected;
    } bad[] = {
        {"plain", "p.csv", "model,batch,sm_pct\n", "m,1,2\n",
         "p.csv:1: header: found \"model\", expected latency_ms"},
        {"plain", "p.csv", "model,batch,sm_pct,latency_ms\n", "", "p.csv: found no rows"},
        {"plain", "p.csv", "model,batch,sm_pct,latency_ms\n", "a b,1,2,3\n", "p.csv:2: model: found \"a b\""},
        {"plain", "p.csv", "model,batch,sm_pct,latency_ms\n", "m,1,2,3\nm,65537,2,3\n",
         "p.csv:3: batch: found \"65537\""},
        {"plain", "p.csv", "model,batch,sm_pct,latency_ms,processes\n", "m,1,2,3,0\n",
         "p.csv:2: processes: found \"0\""},
        {"plain", "p.csv", "model,batch,sm_pct,latency_ms,quota_pct\n", "m,1,2,3,\n",
         "p.csv:2: quota_pct: found \"\""},
        {"parvagpu", "p.csv", PARVA_HEAD, "8,1,1,10,0.1\n",
         "p.csv:2: Mig instance: found \"8\", expected a whole number"},
        {"parvagpu", "p.csv", PARVA_HEAD, "7,1,1,10,0.2\n",
         "p.csv:2: Latency: found \"0.2\", expected batch / throughput"},
        {"parvagpu", "p.csv", PARVA_HEAD, "7,1,1,0,0.2\n", "p.csv:2: Throughput: found \"0\""},
        {"parvagpu", "p.csv", PARVA_HEAD, "7,1,1,inf,0.2\n", "p.csv:2: Throughput: found \"inf\""},
        {"parvagpu", "p.csv", "Mig instance,Batch size\n", "7,1\n", "expected Workload Number"},
        {"parvagpu", "a b.csv", PARVA_HEAD, "7,1,1,500,0.002\n",
         "a b.csv: found no model in the file's name"},
        {"trace", "t.json", "[]", "", "t.json: (top): expected an object"},
        {"trace", "t.json", TRACE_HEAD, "]}", "t.json: records: found 0 values"},
        {"trace", "t.json", TRACE_HEAD, "{\"kind\": \"latency\"}]}", "t.json: records[0].throttled: missing"},
        {"trace", "t.json", TRACE_HEAD, RECORD("latency", "0", "\"kind\": \"whole\"", "\"x\": 1") END "]}",
         "t.json: records[0].batch: found 0"},
        {"trace", "t.json", TRACE_HEAD, RECORD("latency", "1", "\"kind\": \"half\"", "\"x\": 1") END "]}",
         "t.json: records[0].partition.kind: found \"half\", expected \"whole\""},
        {"trace", "t.json", TRACE_HEAD,
         RECORD("latency", "1", "\"kind\": \"green\", \"sms\": 133", "\"x\": 1") END "]}",
         "t.json: records[0].partition.sms: found 133"},
        {"trace", "t.json", TRACE_HEAD, "{\"kind\": \"quota\",,", "t.json:2:19: found the end"},
        {"gpu-percent", "_x.csv", GPU_HEAD, "1,1,1,1,1,0\n", "_x.csv: found no model in the file's name"},
        {"gpu-percent", "l.csv", GPU_HEAD, "128,1,10.5,83.75,1.52836,0\n",
         "l.csv:2: thread_percentage: found \"10.5\""},
        {"gpu-percent", "l.csv", GPU_HEAD, "128,1,10,83.75,1.52,0\n",
         "l.csv:2: avg_throughput: found \"83.75\""},
        {"gpu-percent", "l.csv", GPU_HEAD, "128,1,10,83.75,1.52836,2\n", "l.csv:2: cold_start: found \"2\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        calib_import l = {.n = 0};
        char err[CALIB_ERR_LEN] = "";
        assert_int_equal(read_text(&l, bad[i].format, bad[i].file, bad[i].head, bad[i].rows, err), -1);
        if (!strstr(err, bad[i].expected)) fail_msg("case %zu: %s", i, err);
        assert_null(strchr(err, '\n'));
        calib_import_free(&l);
    }
    assert_null(calib_importer_find("csv"));
}

static void survives_mutations(void **state) {
    static const struct {
        const char *format, *text;
    } good[] = {
        {"plain", "# source: s\nmodel,batch,sm_pct,latency_ms,quota_pct\nm,1,50,2.5,10\nm,2,50,4.5,10\n"},
        {"parvagpu",
         "Mig instance,Batch size,Workload Number,Throughput,Latency\n7,1,1,500,0.002\n1,4,2,168.5,0.024\n"},
        {"gpu-percent",
         "nr_input_tokens,nr_batches,thread_percentage,avg_throughput,avg_total\n128,1,10,83.75,1.52836\n"},
    };
    uint64_t x = 3;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (int round = 0; round < 300; round++) {
            char text[1024], err[CALIB_ERR_LEN] = "";
            size_t len = strlen(good[i].text);
            memcpy(text, good[i].text, len + 1);
            for (int k = 0; k < 3; k++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                text[(x >> 33) % len] = (char)(x >> 56);
            }
            calib_import l = {.n = 0};
            write_file("mutant.csv", text, len);
            if (calib_import_read(&l, calib_importer_find(good[i].format), "mutant.csv", err))
                assert_true(err[0] && !strchr(err, '\n'));
            calib_import_free(&l);
        }
    unlink("mutant.csv");
}

/* What was measured alone only in MIG instances is asked for beyond them with a flag. */
static void other_devices_flag_what_is_beyond(void **state) {
    calib *c;
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    if (calib_open(&c, HASSIM_ROOT "/calib/data/a100-80gb.json", err)) fail_msg("%s", err);
    const calib_model *m = calib_model_find(c, "resnet50");
    assert_false(calib_is_extrapolated(m, 1, 14, 100));
    assert_false(calib_is_extrapolated(m, 32, 100, 100));
    assert_true(calib_is_extrapolated(m, 1, 13, 100));
    assert_true(calib_is_extrapolated(m, 1, 50, 90));
    assert_true(calib_launch_ms(m, 50) ==
                2 * calib_launch_ms(m, 100)); /* a budget spent at the rate of the quota */
    calib_close(c);
    if (calib_open(&c, HASSIM_ROOT "/calib/data/gh200.json", err)) fail_msg("%s", err);
    m = calib_model_find(c, "llama-3.1-8b-128-128");
    assert_true(calib_facts_of(m)->weak);
    assert_false(calib_is_extrapolated(m, 1, 10, 100));
    assert_true(calib_is_extrapolated(m, 2, 10, 100));
    calib_close(c);
}

static int have(const char *path) {
    if (access(path, R_OK) == 0) return 1;
    print_message("skipped: %s is not there\n", path);
    return 0;
}

static char *read_whole(const char *path) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1u << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1u << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void assert_shipped(char *const *import, int argc, const char *csv, const char *device) {
    char facts[4096], shipped[4096], err[CALIB_ERR_LEN] = "", *json;
    assert_int_equal(cli_calib(argc, (char **)(uintptr_t)import), CLI_OK);
    snprintf(facts, sizeof facts, "%s/calib/data/%s_facts.json", HASSIM_ROOT, device);
    snprintf(shipped, sizeof shipped, "%s/calib/data/%s.json", HASSIM_ROOT, device);
    if (calib_fit_files(&json, NULL, csv, facts, err)) fail_msg("%s", err);
    char *expected = read_whole(shipped);
    assert_true(strcmp(json, expected) == 0);
    free(expected);
    free(json);
    unlink(csv);
}

#define A100  HASSIM_SHARED "/a100/"
#define GH200 HASSIM_SHARED "/gh200/llama-3.1-8b_"

/* By the commands that README.md gives */
static void shipped_devices_come_from_the_tool(void **state) {
    static char words[][sizeof HASSIM_SHARED + 40] = {"calib",
                                                      "import",
                                                      "--format",
                                                      "parvagpu",
                                                      "-o",
                                                      "test_a100.csv",
                                                      "-r",
                                                      "inceptionv3=inception_v3",
                                                      "-r",
                                                      "mobilenetv2=mobilenet_v2",
                                                      A100 "bert.csv",
                                                      A100 "densenet121.csv",
                                                      A100 "densenet169.csv",
                                                      A100 "densenet201.csv",
                                                      A100 "inceptionv3.csv",
                                                      A100 "mobilenetv2.csv",
                                                      A100 "resnet101.csv",
                                                      A100 "resnet152.csv",
                                                      A100 "resnet50.csv",
                                                      A100 "vgg16.csv",
                                                      A100 "vgg19.csv"};
    static char others[][sizeof HASSIM_SHARED + 40] = {
        "calib", "import",         "--format",      "gpu-percent",
        "-o",    "test_gh200.csv", GH200 "mps.csv", GH200 "cold.csv"};
    enum { N = sizeof words / sizeof *words, N_OTHERS = sizeof others / sizeof *others };
    char *argv[N + 1] = {NULL};
    (void)state;
    if (!have(A100 "bert.csv") || !have(GH200 "mps.csv")) skip();
    for (int i = 0; i < N; i++) argv[i] = words[i];
    assert_shipped(argv, N, "test_a100.csv", "a100-80gb");
    for (int i = 0; i < N_OTHERS; i++) argv[i] = others[i];
    assert_shipped(argv, N_OTHERS, "test_gh200.csv", "gh200");
}

static size_t count_in(const char *text, const char *word) {
    size_t n = 0;
    for (const char *c = text; (c = strstr(c, word)); c++) n++;
    return n;
}

/* Two devices that share a model, at the largest batch that both were measured with (bert on the V100: 4). */
static void figure_has_shared_models(void **state) {
    char *argv[] = {"calib",    "figure", "--out",    "test_devices",
                    "--format", "svg",    "--points", "v100-16gb=test_points.csv"};
    static const char points[] = "model,batch,sm_pct,latency_ms\nbert,4,30,75\nbert,4,50,71\nbert,1,50,32\n";
    (void)state;
    if (system("gnuplot --version >/dev/null 2>&1") != 0) {
        print_message("skipped: gnuplot is not installed\n");
        skip();
    }
    write_file("test_points.csv", points, strlen(points));
    assert_int_equal(cli_calib(8, argv), CLI_OK);
    char *rows = read_whole("test_devices/devices.tsv"), *picture = read_whole("test_devices/devices.svg");
    assert_int_equal(count_in(rows, "\nbert, batch 4\ta100-80gb\t100\t"), 1);
    assert_int_equal(count_in(rows, "\nbert, batch 4\tv100-16gb\t30\t75\t"), 1);
    assert_int_equal(count_in(rows, "\nresnet50, batch 8\tv100-16gb\t100\t"), 1);
    assert_int_equal(count_in(rows, "\tgh200\t100\t"), 1);
    assert_int_equal(count_in(rows, "alexnet"), 0); /* the V100 alone */
    assert_non_null(strstr(picture, "</svg>"));
    free(picture);
    free(rows);
    unlink("test_points.csv");
    unlink("test_devices/devices.tsv");
    unlink("test_devices/devices.svg");
    rmdir("test_devices");
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The load time in gh200's facts is the median of the cold starts at SM 20 % and more. */
static void cold_start_is_as_measured(void **state) {
    static const char *const columns[] = {"thread_percentage", "avg_load_time"};
    static const char file[] = GH200 "cold.csv";
    double load_s[100], sm;
    size_t n = 0;
    calib_rows r;
    calib *c;
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    if (!have(file)) skip();
    if (calib_rows_open(&r, file, columns, 2, err)) fail_msg("%s", err);
    while (calib_rows_next(&r) == 0 && n < 100) {
        assert_int_equal(calib_rows_number(&r, 0, 1, 100, &sm), 0);
        assert_int_equal(calib_rows_number(&r, 1, 1, 1000, &load_s[n]), 0);
        n += sm >= 20;
    }
    calib_rows_close(&r);
    assert_int_equal(n, 27);
    qsort(load_s, n, sizeof *load_s, by_value);
    if (calib_open(&c, HASSIM_ROOT "/calib/data/gh200.json", err)) fail_msg("%s", err);
    const calib_device *d = calib_device_of(c);
    double weights_mib = calib_facts_of(calib_model_at(c, 0))->weights_mib;
    assert_true(fabs(weights_mib / d->load_mib_per_s - load_s[n / 2]) < 0.02);
    calib_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_takes_what_there_is),
        cmocka_unit_test(rapp_knows_its_source),
        cmocka_unit_test(parvagpu_is_rate_per_process),
        cmocka_unit_test(gpu_percent_names_the_length),
        cmocka_unit_test(trace_takes_lone_latencies_and_tokens),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(bad_rows_are_named),
        cmocka_unit_test(survives_mutations),
        cmocka_unit_test(other_devices_flag_what_is_beyond),
        cmocka_unit_test(shipped_devices_come_from_the_tool),
        cmocka_unit_test(figure_has_shared_models),
        cmocka_unit_test(cold_start_is_as_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
