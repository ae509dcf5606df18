/* test_rapp.c - trained predictors: train, save, load, bind, ask; hostile model files; how good they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rapp.h"
#include "rapp_eval.h"
#include "rapp_sample.h"

static const char *const tested_kinds[] = {"table", "roofline"};
enum { N_KINDS = 2 };

static const rapp_options options = {.seed = 1, .threads = 1, .device = "v100-16gb", .data = "public"};

static void skip_without_data(void) {
    if (!access(RAPP_SAMPLE_V100 "/latency.csv", R_OK)) return;
    print_message("no public measurements at " RAPP_SAMPLE_V100 ": skipped\n");
    skip();
}

/* A DNN of which everything is known: G = 0.5 + 0.2 b + (0.2 + 0.8 b) * 100 / SM, f = 100 / quota + 2 */
static double law_ms(uint32_t batch, uint32_t sm, uint32_t quota) {
    double gpu = 0.5 + 0.2 * batch + (0.2 + 0.8 * batch) * 100.0 / sm, launch = 100.0 / quota + 2;
    return gpu > launch ? gpu : launch;
}

/* Writes the law's points into the sample, as "both"; every third is left out. */
static void write_law(const rapp_sample *s) {
    static const uint32_t batches[] = {1, 2, 4, 8};
    char path[128];
    int i = 0;
    snprintf(path, sizeof path, "%s/latency.csv", s->dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(RAPP_SAMPLE_POINT_HEAD, f);
    for (int b = 0; b < 4; b++)
        for (uint32_t sm = 10; sm <= 100; sm += 10)
            for (uint32_t q = 10; q <= 100; q += 10)
                if (i++ % 3 || q == 100)
                    fprintf(f, "both,%u,%u,%u,%.9g\n", batches[b], sm, q, law_ms(batches[b], sm, q));
    assert_int_equal(fclose(f), 0);
}

static rapp_model *train_law(const rapp_sample *s, const char *kind, rapp_data **data) {
    char err[RAPP_ERR_LEN] = "";
    rapp_model *m;
    write_law(s);
    if (rapp_data_open(data, s->dir, err)) fail_msg("%s", err);
    if (rapp_train(&m, kind, *data, NULL, &options, err)) fail_msg("%s", err);
    return m;
}

static rapp_bound *bind(const rapp_model *m, const char *dnn, const rapp_prior *prior) {
    char err[RAPP_ERR_LEN] = "";
    rapp_bound *b;
    if (rapp_bind(&b, m, dnn, prior, err)) fail_msg("%s", err);
    return b;
}

static void finds_a_known_law(void **state) {
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        rapp_sample s;
        rapp_data *data;
        rapp_sample_open(&s);
        rapp_model *m = train_law(&s, tested_kinds[k], &data);
        rapp_bound *b = bind(m, "both", NULL);
        double sum = 0, worst = 0;
        int n = 0;
        for (uint32_t batch = 1; batch <= 8; batch *= 2)
            for (uint32_t sm = 10; sm <= 100; sm += 10)
                for (uint32_t q = 10; q <= 100; q += 10, n++) {
                    double e = rapp_estimate_of(b, batch, sm, q).ms / law_ms(batch, sm, q) - 1;
                    e = e < 0 ? -e : e;
                    sum += e;
                    worst = e > worst ? e : worst;
                }
        if (sum / n > 0.01 || worst > 0.15)
            fail_msg("%s: mean %g, worst %g", tested_kinds[k], sum / n, worst);
        /* where nothing was measured: between, and four times the largest batch */
        double between = rapp_estimate_of(b, 3, 25, 95).ms / law_ms(3, 25, 95);
        double beyond = rapp_estimate_of(b, 32, 50, 100).ms / law_ms(32, 50, 100);
        assert_true(between > 0.95 && between < 1.05);
        assert_true(beyond > 0.9 && beyond < 1.1);
        rapp_unbind(b);
        rapp_close(m);
        rapp_data_close(data);
        rapp_sample_close(&s);
    }
}

static void outside_is_unknown(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *data;
    rapp_bound *b;
    char err[RAPP_ERR_LEN];
    rapp_sample_open(&s);
    rapp_model *m = train_law(&s, "table", &data);
    b = bind(m, "both", NULL);
    static const uint32_t bad[][3] = {{0, 50, 50},
                                      {33, 50, 50},
                                      {1, 0, 50},
                                      {1, 101, 50},
                                      {1, 50, 0},
                                      {1, 50, 101},
                                      {UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(rapp_estimate_of(b, bad[i][0], bad[i][1], bad[i][2]).ms < 0);
    assert_true(rapp_estimate_of(b, 32, 100, 1).ms > 0 && rapp_estimate_of(b, 1, 1, 100).ms > 0);
    assert_true(rapp_estimate_of(b, 4, 50, 50).cv < 0.05);
    rapp_unbind(b);
    assert_int_equal(rapp_bind(&b, m, "nobody", NULL, err), -1);
    assert_null(b);
    assert_non_null(strstr(err, "found \"nobody\", expected"));
    rapp_close(m);
    rapp_data_close(data);
    rapp_sample_close(&s);
    rapp_close(NULL);
    rapp_unbind(NULL);
}

/* One point is met, and tells nothing of the error elsewhere. */
static void one_point_is_not_certain(void **state) {
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        rapp_sample s;
        rapp_data *data;
        rapp_model *m;
        char err[RAPP_ERR_LEN] = "";
        rapp_sample_open(&s);
        if (rapp_data_open(&data, s.dir, err)) fail_msg("%s", err);
        if (rapp_train(&m, tested_kinds[k], data, NULL, &options, err)) fail_msg("%s", err);
        rapp_bound *b = bind(m, "seen", NULL);
        rapp_estimate e = rapp_estimate_of(b, 8, 5, 10);
        assert_true(e.ms > 890 && e.ms < 911 && e.cv >= 0.2);
        rapp_unbind(b);
        rapp_close(m);
        rapp_data_close(data);
        rapp_sample_close(&s);
    }
}

static void refuses_what_cannot_be_trained(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *data;
    rapp_model *m;
    char err[RAPP_ERR_LEN];
    rapp_sample_open(&s);
    assert_int_equal(rapp_data_open(&data, s.dir, err), 0);
    assert_int_equal(rapp_train(&m, "oracle", data, NULL, &options, err), -1);
    assert_null(m);
    assert_non_null(strstr(err, "kind: found \"oracle\", expected one of "));
    unsigned char none[4] = {0};
    assert_int_equal(rapp_train(&m, "table", data, none, &options, err), -1);
    assert_non_null(strstr(err, "found no points"));
    rapp_data_close(data);
    rapp_sample_close(&s);
}

/* ---- the public data ---- */

/* All estimates of every DNN, seen and unseen, added up in order */
static double sum_of(const rapp_model *m, const rapp_data *data) {
    double sum = 0;
    for (size_t i = 0; i < rapp_data_n_models(data); i++) {
        rapp_bound *b = bind(m, rapp_data_model_name(data, i), rapp_data_prior(data, i));
        for (uint32_t batch = 1; batch <= 32; batch += 3)
            for (uint32_t sm = 1; sm <= 100; sm += 7)
                for (uint32_t q = 1; q <= 100; q += 9) {
                    rapp_estimate e = rapp_estimate_of(b, batch, sm, q);
                    sum = sum * 0.999 + e.ms + e.cv;
                }
        rapp_unbind(b);
    }
    return sum;
}

/* Trained on the first half of the models; the others are told by their prior. */
static rapp_model *train_half(const rapp_data *data, const char *kind) {
    size_t n = rapp_data_n_points(data);
    unsigned char *use = malloc(n);
    rapp_model *m;
    char err[RAPP_ERR_LEN] = "";
    assert_non_null(use);
    for (size_t i = 0; i < n; i++)
        use[i] = rapp_data_points(data)[i].model < 30 ||
                 !rapp_prior_is_complete(rapp_data_prior(data, rapp_data_points(data)[i].model));
    if (rapp_train(&m, kind, data, use, &options, err)) fail_msg("%s", err);
    free(use);
    return m;
}

static void saved_is_loaded_bit_by_bit(void **state) {
    (void)state;
    rapp_data *data;
    char err[RAPP_ERR_LEN] = "", path[128];
    skip_without_data();
    assert_int_equal(rapp_data_open(&data, RAPP_SAMPLE_V100, err), 0);
    for (int k = 0; k < N_KINDS; k++) {
        rapp_sample s;
        rapp_model *loaded = NULL, *m = train_half(data, tested_kinds[k]);
        rapp_sample_open(&s);
        snprintf(path, sizeof path, "%s/model.json", s.dir);
        if (rapp_save(m, path, err) || rapp_load(&loaded, path, err)) fail_msg("%s", err);
        assert_true(sum_of(m, data) == sum_of(loaded, data));
        rapp_origin a = rapp_origin_of(m), b = rapp_origin_of(loaded);
        assert_true(a.data_hash == b.data_hash && a.points == b.points && a.models == b.models &&
                    a.seed == b.seed);
        assert_string_equal(a.program, b.program);
        assert_string_equal(b.device, "v100-16gb");
        assert_string_equal(b.data, "public");
        assert_string_equal(rapp_kind_of(loaded), tested_kinds[k]);
        rapp_close(loaded);
        rapp_close(m);
        rapp_sample_close(&s);
    }
    rapp_data_close(data);
}

static void falls_with_sm_and_quota(void **state) {
    (void)state;
    rapp_data *data;
    char err[RAPP_ERR_LEN];
    skip_without_data();
    assert_int_equal(rapp_data_open(&data, RAPP_SAMPLE_V100, err), 0);
    for (int k = 0; k < N_KINDS; k++) {
        rapp_model *m = train_half(data, tested_kinds[k]);
        for (size_t i = 0; i < rapp_data_n_models(data); i += 7) {
            rapp_bound *b = bind(m, rapp_data_model_name(data, i), rapp_data_prior(data, i));
            for (uint32_t batch = 1; batch <= 32; batch++)
                for (uint32_t sm = 2; sm <= 100; sm++)
                    for (uint32_t q = 2; q <= 100; q++) {
                        double ms = rapp_estimate_of(b, batch, sm, q).ms * (1 - 1e-12);
                        assert_true(ms > 0);
                        assert_true(ms <= rapp_estimate_of(b, batch, sm - 1, q).ms);
                        assert_true(ms <= rapp_estimate_of(b, batch, sm, q - 1).ms);
                    }
            rapp_unbind(b);
        }
        rapp_close(m);
    }
    rapp_data_close(data);
}

static int is_any(const void *arg, size_t point) {
    (void)arg;
    (void)point;
    return 1;
}

static double cv_mape_pct(const rapp_data *data, const char *kind, rapp_by by, size_t *tested) {
    size_t n = rapp_data_n_points(data);
    int *fold = malloc(n * sizeof *fold);
    double *ms = malloc(n * sizeof *ms), *room = malloc(n * sizeof *room);
    char err[RAPP_ERR_LEN] = "";
    assert_true(fold && ms && room);
    rapp_eval_assign(fold, data, by, 3, 11);
    if (rapp_eval_cv(ms, fold, 3, kind, data, &options, NULL, err)) fail_msg("%s", err);
    rapp_errors e = rapp_eval_errors(data, ms, is_any, NULL, room);
    print_message("%s by %s: MAPE %.2f %%, median %.2f %%, p95 %.2f %%\n", kind,
                  by == RAPP_BY_MODEL ? "model" : "config", e.mape_pct, e.median_ape_pct, e.p95_ape_pct);
    assert_int_equal(e.n_unknown, 0);
    *tested = e.n;
    free(room);
    free(ms);
    free(fold);
    return e.mape_pct;
}

/* Loose: what was measured when it was written (README), and room for change. The law alone, fitted to all points,
 * misses by 4.9 % (calib); a table must be better than it at what it has not seen. */
static void predicts_what_it_has_not_seen(void **state) {
    (void)state;
    rapp_data *data;
    char err[RAPP_ERR_LEN];
    size_t tested;
    skip_without_data();
    assert_int_equal(rapp_data_open(&data, RAPP_SAMPLE_V100, err), 0);
    assert_true(cv_mape_pct(data, "table", RAPP_BY_CONFIG, &tested) < 4.0);
    assert_int_equal(tested, rapp_data_n_points(data));
    assert_true(cv_mape_pct(data, "roofline", RAPP_BY_CONFIG, &tested) < 6);
    assert_true(cv_mape_pct(data, "roofline", RAPP_BY_MODEL, &tested) < 16);
    assert_true(tested < rapp_data_n_points(data) && tested > rapp_data_n_points(data) * 9 / 10);
    rapp_data_close(data);
}

static char *read_text(const char *path) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1u << 21);
    assert_non_null(text);
    assert_true(fread(text, 1, (1u << 21) - 1, f) > 0);
    fclose(f);
    return text;
}

/* Of four errors 95 % are below none but the largest: no percentile lies below the median. */
static void percentiles_of_few(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *data;
    char err[RAPP_ERR_LEN];
    double ms[4], room[4];
    static const double off[] = {1.01, 1.4, 0.98, 1.03};
    rapp_sample_open(&s);
    assert_int_equal(rapp_data_open(&data, s.dir, err), 0);
    for (int i = 0; i < 4; i++) ms[i] = rapp_data_points(data)[i].ms * off[i];
    rapp_errors e = rapp_eval_errors(data, ms, is_any, NULL, room);
    assert_true(e.n == 4 && e.p95_ape_pct > 39.99 && e.p95_ape_pct < 40.01);
    assert_true(e.median_ape_pct > 2.49 && e.median_ape_pct < 2.51);
    rapp_data_close(data);
    rapp_sample_close(&s);
}

/* ---- what is held out is not looked at ---- */

enum { DNNS = 14, UNSEEN = 12 }; /* no point of UNSEEN and what follows is used */

/* DNNs of different size under one law. With poison, held out points and the priors of unseen DNNs are nonsense. */
static void write_dnns(const rapp_sample *s, double poison) {
    char path[3][128];
    FILE *f[3];
    static const char *const names[] = {"latency.csv", "graphs.csv", "operators.csv"};
    static const char *const heads[] = {RAPP_SAMPLE_POINT_HEAD, RAPP_SAMPLE_GRAPH_HEAD,
                                        RAPP_SAMPLE_OPERATOR_HEAD};
    for (int k = 0; k < 3; k++) {
        snprintf(path[k], sizeof path[k], "%s/%s", s->dir, names[k]);
        f[k] = fopen(path[k], "wb");
        assert_non_null(f[k]);
        fputs(heads[k], f[k]);
    }
    for (int d = 0; d < DNNS; d++) {
        double size = 0.5 + 0.3 * d, wrong = d < UNSEEN ? 1 : poison;
        int i = 0;
        for (uint32_t batch = 1; batch <= 8; batch *= 2)
            for (int k = 0; k < RAPP_PRIOR_SMS; k++)
                for (uint32_t sm = rapp_prior_sm_pct[k], q = 20; q <= 100; q += 20, i++)
                    fprintf(f[0], "dnn%d,%u,%u,%u,%.9g\n", d, batch, sm, q,
                            size * law_ms(batch, sm, q) * (d >= UNSEEN || i % 7 == 3 ? poison : 1));
        fprintf(f[1], "dnn%d,1,%.9g,9,1,9", d, wrong * size);
        for (uint32_t q = 20; q <= 100; q += 20) fprintf(f[1], ",%.9g", wrong * size * law_ms(4, 100, q));
        fprintf(f[1], "\n");
        fprintf(f[2], "dnn%d,0,conv2d,3,3,%d,1,1,1,1,1,1,1,1,1,%d,%d,3,3", d, 16 + d, 16 + d, 16 + d);
        for (int k = 0; k < RAPP_PRIOR_SMS; k++)
            fprintf(f[2], ",%.9g", wrong * size * law_ms(1, rapp_prior_sm_pct[k], 100));
        fprintf(f[2], "\n");
    }
    for (int k = 0; k < 3; k++) assert_int_equal(fclose(f[k]), 0);
}

/* The file that training on the rest gives */
static char *train_on_rest(const rapp_sample *s, const char *kind, double poison) {
    rapp_data *data;
    rapp_model *m;
    char err[RAPP_ERR_LEN] = "", path[128];
    write_dnns(s, poison);
    if (rapp_data_open(&data, s->dir, err)) fail_msg("%s", err);
    size_t n = rapp_data_n_points(data);
    unsigned char *use = malloc(n);
    assert_non_null(use);
    for (size_t i = 0; i < n; i++)
        use[i] = rapp_data_points(data)[i].model < UNSEEN && i % (n / DNNS) % 7 != 3;
    snprintf(path, sizeof path, "%s/model.json", s->dir);
    if (rapp_train(&m, kind, data, use, &options, err) || rapp_save(m, path, err)) fail_msg("%s", err);
    rapp_close(m);
    free(use);
    rapp_data_close(data);
    return read_text(path);
}

static void held_out_points_teach_nothing(void **state) {
    (void)state;
    for (size_t k = 0; rapp_kind_at(k); k++) {
        rapp_sample s;
        rapp_sample_open(&s);
        char *clean = train_on_rest(&s, rapp_kind_at(k), 1),
             *poisoned = train_on_rest(&s, rapp_kind_at(k), 7);
        if (strcmp(clean, poisoned) != 0) fail_msg("%s learns from what is held out", rapp_kind_at(k));
        free(poisoned);
        free(clean);
        rapp_sample_close(&s);
    }
}

/* ---- hostile files ---- */

/* text with the first "from" replaced by "to", as the sample's model.json */
static void write_changed(const rapp_sample *s, const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    if (!at) fail_msg("no %s in the model", from);
    char *changed = malloc(strlen(text) + strlen(to) + 1);
    if (!changed) abort(); /* gcc does not see that assert_non_null ends it */
    sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    rapp_sample_write(s, "model.json", changed);
    free(changed);
}

typedef struct {
    const char *kind, *from, *to, *found;
} fault;

static const fault faults[] = {
    {"table", "hassim-rapp-3", "hassim-rapp-4",
     "format: found \"hassim-rapp-4\", expected \"hassim-rapp-3\""},
    {"table", "\"kind\":\"table\"", "\"kind\":\"oracle\"", "kind: found \"oracle\", expected one of"},
    {"table", "\"kind\":\"table\"", "\"kind\":7", "kind: found 7"},
    {"table", "\"seed\":\"1\"", "\"seed\":\"-1\"", "seed: found \"-1\""},
    {"table", "\"seed\":\"1\"", "\"sead\":\"1\"", "sead: unknown key"},
    {"table", "\"points\":", "\"points\":0.5,\"x\":", "data.x: unknown key"},
    {"table", "\"state\":{", "\"state\":{\"x\":1,", "state: x: unknown key"},
    {"table", "\"batch\":[1,", "\"batch\":[2,", "state: grid.batch"},
    {"table", "\"batch\":[1,2,", "\"batch\":[1,1,", "state: grid.batch[1]: found 1"},
    {"table", "\"sm_pct\":[1,", "\"sm_pct\":[1e300,", "state: grid.sm_pct[0]: found 1e+300"},
    {"table", "\"values_ms\":[[", "\"values_ms\":[[-1,", "state: values_ms[0]: found something else at 0"},
    {"table", "\"values_ms\":[[", "\"values_ms\":[[1,", "state: values_ms[0]: found something else at"},
    {"table", "\"values_ms\":[[", "\"values_ms\":[[],[", "state: values_ms: found 2 values, expected 1 to 1"},
    {"roofline", "\"launch_ms\":[", "\"launch_ms\":[0.5,", "launch_ms: found 11 values"},
    {"roofline", "\"gpu_ms\":[", "\"gpu_ms\":[null,", "gpu_ms: found 5 values"},
    {"roofline", "\"gpu_ms\":[", "\"gpu_ms\":{},\"x\":[", "models[0].law.x: unknown key"},
    {"roofline", "\"models\":[", "\"models\":[7,", "state: models[0]: found 7, expected an object"},
    {"roofline", "\"is_known\":true", "\"is_known\":1", "transfer.is_known: found 1"},
    {"roofline", "}", "", "expected JSON"},
    {"roofline", "\"kind\":\"roofline\"", "\"kind\":\"table\"", "state: models: unknown key"},
};

static void refuses_hostile_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        rapp_sample s;
        rapp_data *data;
        rapp_model *loaded;
        char err[RAPP_ERR_LEN] = "", path[128];
        rapp_sample_open(&s);
        rapp_model *m = train_law(&s, faults[i].kind, &data);
        snprintf(path, sizeof path, "%s/model.json", s.dir);
        assert_int_equal(rapp_save(m, path, err), 0);
        char *text = read_text(path);
        write_changed(&s, text, faults[i].from, faults[i].to);
        assert_int_equal(rapp_load(&loaded, path, err), -1);
        assert_null(loaded);
        if (!strstr(err, faults[i].found)) fail_msg("found %s, expected %s", err, faults[i].found);
        if (strncmp(err, path, strlen(path)) != 0) fail_msg("found %s, expected the file's name", err);
        assert_null(strchr(err, '\n'));
        free(text);
        rapp_close(m);
        rapp_data_close(data);
        rapp_sample_close(&s);
    }
}

/* Whatever the file holds, the line can be printed: no control character, and nothing but UTF-8. */
static void broken_files_print_no_binary(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\x89PNG\r\n\x1a\n",
        "\xff\xfe\x80\x81",
        "{\"format\": \xc3\x28",
        "{\"format\": \"\x9b\x1b[2J\xed\xa0\x80\"}",
        "{\"format\": \"hassim-rapp-3\", \"kind\": \"\\u001b[31m\xc2\x85\xc3\xa9\xf8\"}",
        "{\"format\": \"hassim-rapp-3\", \"kind\": \"table\", \"program\": \"0\", \"seed\": \"\\u0007\xfe\"}",
        "{\"\xc3\\u001b\": 1, \"format\": \"hassim-rapp-3\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rapp_sample s;
        rapp_model *loaded;
        char err[RAPP_ERR_LEN] = "", path[128];
        rapp_sample_open(&s);
        rapp_sample_write(&s, "model.json", texts[i]);
        snprintf(path, sizeof path, "%s/model.json", s.dir);
        assert_int_equal(rapp_load(&loaded, path, err), -1);
        for (const unsigned char *c = (const unsigned char *)err; *c; c++) {
            int is_e_acute = c[0] == 0xc3 && c[1] == 0xa9; /* the only well-formed one above */
            if (is_e_acute) c++;
            if (!is_e_acute && (*c < 0x20 || *c >= 0x7f)) fail_msg("byte %02x in text %zu", *c, i);
        }
        assert_true(err[0]);
        rapp_sample_close(&s);
    }
}

/* A file cut off anywhere is refused, and never read beyond its end (run under the sanitizers). */
static void refuses_cut_off_files(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *data;
    rapp_model *loaded;
    char err[RAPP_ERR_LEN], path[128];
    rapp_sample_open(&s);
    rapp_model *m = train_law(&s, "table", &data);
    snprintf(path, sizeof path, "%s/model.json", s.dir);
    assert_int_equal(rapp_save(m, path, err), 0);
    char *text = read_text(path);
    size_t len = strlen(text), step = len / 50;
    for (size_t cut = len - step; cut > step; cut -= step) {
        text[cut] = '\0';
        rapp_sample_write(&s, "model.json", text);
        assert_int_equal(rapp_load(&loaded, path, err), -1);
    }
    free(text);
    rapp_close(m);
    rapp_data_close(data);
    rapp_sample_close(&s);
}

static void writes_whole_files_only(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *data;
    char err[RAPP_ERR_LEN];
    rapp_sample_open(&s);
    rapp_model *m = train_law(&s, "roofline", &data);
    assert_int_equal(rapp_save(m, s.dir, err), -1);
    assert_non_null(strstr(err, "found something that is no file"));
    assert_int_equal(rapp_save(m, "/tmp/hassim-no-such-folder/model.json", err), -1);
    assert_non_null(strstr(err, "found No such file"));
    rapp_close(m);
    rapp_data_close(data);
    rapp_sample_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_known_law),
        cmocka_unit_test(outside_is_unknown),
        cmocka_unit_test(one_point_is_not_certain),
        cmocka_unit_test(refuses_what_cannot_be_trained),
        cmocka_unit_test(refuses_hostile_files),
        cmocka_unit_test(refuses_cut_off_files),
        cmocka_unit_test(broken_files_print_no_binary),
        cmocka_unit_test(writes_whole_files_only),
        cmocka_unit_test(saved_is_loaded_bit_by_bit),
        cmocka_unit_test(falls_with_sm_and_quota),
        cmocka_unit_test(predicts_what_it_has_not_seen),
        cmocka_unit_test(percentiles_of_few),
        cmocka_unit_test(held_out_points_teach_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
