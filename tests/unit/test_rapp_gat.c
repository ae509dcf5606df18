/* test_rapp_gat.c - the graph attention network: its mathematics, its gradient, its training, its file, its table. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rapp_gat_int.h"
#include "rapp_int.h"
#include "rapp_sample.h"

static double draw(uint64_t *state) { /* in [-1, 1) */
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-52 - 1;
}

static void mathematics_is_as_exact_as_needed(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        double x = 300 * draw(&seed), y = exp(x / 10);
        assert_true(fabs(rapp_gat_exp(x) / exp(x) - 1) < 1e-14);
        assert_true(fabs(rapp_gat_log(y) - log(y)) < 1e-14 * fmax(1, fabs(log(y))));
    }
    assert_true(rapp_gat_exp(0) == 1 && rapp_gat_log(1) == 0);
    assert_true(rapp_gat_exp(1e9) <= DBL_MAX && rapp_gat_exp(-1e9) > 0);
}

/* As it is, and across; with more than one strip of columns. */
static void multiplies(void **state) {
    (void)state;
    enum { ROWS = 7, INNER = 5, COLUMNS = 96 };
    float a[ROWS * INNER], across[INNER * ROWS], b[INNER * COLUMNS], out[ROWS * COLUMNS],
        same[ROWS * COLUMNS];
    uint64_t seed = 2;
    for (size_t i = 0; i < ROWS * INNER; i++) a[i] = (float)draw(&seed);
    for (size_t i = 0; i < ROWS * INNER; i++) across[i % INNER * ROWS + i / INNER] = a[i];
    for (size_t i = 0; i < INNER * COLUMNS; i++) b[i] = (float)draw(&seed);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) out[i] = same[i] = (float)draw(&seed);
    double expected[ROWS * COLUMNS];
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        expected[i] = (double)out[i];
        for (size_t p = 0; p < INNER; p++)
            expected[i] += (double)a[i / COLUMNS * INNER + p] * (double)b[p * COLUMNS + i % COLUMNS];
    }
    rapp_gat_multiply(out, (rapp_gat_view){a, INNER, 1}, b, ROWS, INNER, COLUMNS);
    rapp_gat_multiply(same, (rapp_gat_view){across, 1, ROWS}, b, ROWS, INNER, COLUMNS);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) assert_true(fabs((double)out[i] - expected[i]) < 1e-5);
    assert_memory_equal(out, same, sizeof out);
    double dot = 0;
    for (size_t i = 0; i < 32; i++) dot += (double)b[i] * (double)b[i + 32];
    assert_true(fabs((double)rapp_gat_dot(b, b + 32, 32) - dot) < 1e-5);
}

/* ---- DNNs made up ---- */

enum { NODES_MAX = 12 };
static const char *const SOME_TYPES[] = {"conv2d", "batch_norm", "dense", "nobody_knows"};

typedef struct {
    rapp_operator operators[NODES_MAX];
    rapp_prior prior;
} sample;

static void make_sample(sample *s, uint64_t seed, size_t n) {
    *s = (sample){.prior = {1, 3 + draw(&seed), 5, 1, 4, {0}, s->operators, n}};
    for (size_t i = 0; i < RAPP_PRIOR_QUOTAS; i++) s->prior.quota_ms[i] = (double)(6 * n) / (double)(i + 1);
    for (size_t i = 0; i < n; i++) {
        rapp_operator *o = &s->operators[i];
        o->type = SOME_TYPES[(i + seed) % 4];
        for (size_t k = 0; k < RAPP_OP_ATTRIBUTES; k++) o->attributes[k] = floor(4 + 4 * draw(&seed));
        for (size_t k = 0; k < RAPP_OP_SHAPE; k++) o->shape[k] = floor(64 + 64 * draw(&seed));
        for (size_t k = 0; k < RAPP_PRIOR_SMS; k++) o->ms[k] = (1.1 + draw(&seed)) / (double)(k + 1);
    }
}

static void features_know_16_types_and_bear_anything(void **state) {
    (void)state;
    sample s;
    make_sample(&s, 4, 4);
    const rapp_prior *priors[] = {&s.prior};
    rapp_gat_scale scale;
    rapp_gat_scale_fit(&scale, priors, 1);
    s.operators[0].ms[0] = NAN;
    s.operators[1].ms[0] = INFINITY;
    s.operators[2].attributes[3] = -1e300;
    s.prior.quota_ms[2] = 0;
    rapp_gat_graph g;
    assert_int_equal(rapp_gat_graph_make(&g, &s.prior, &scale), 0);
    assert_int_equal(g.n_nodes, 4);
    for (size_t i = 0; i < 4; i++) {
        const float *node = g.nodes + i * RAPP_GAT_NODE_STATIC;
        float known = 0;
        for (size_t k = 0; k < RAPP_GAT_TYPES; k++) known += node[k];
        assert_true(known == (strcmp(s.operators[i].type, "nobody_knows") != 0));
        for (size_t k = 0; k < RAPP_GAT_NODE_STATIC; k++) assert_true(fabsf(node[k]) <= 5);
    }
    assert_true(g.nodes[0] == (strcmp(s.operators[0].type, "conv2d") == 0));
    for (size_t k = 0; k < RAPP_GAT_GRAPH_STATIC; k++) assert_true(fabsf(g.graph[k]) <= 5);
    rapp_gat_graph_free(&g);
}

/* ---- the gradient ---- */

typedef struct {
    rapp_gat_graph graph;
    rapp_gat_work *work;
    float *net, *grad;
} bench;

static const uint32_t QUOTAS[] = {10, 40, 100};
static const float DIRECTION[] = {0.7F, -0.4F, 1.1F};

static void open_bench(bench *b, size_t nodes) {
    sample s;
    make_sample(&s, 7, nodes);
    const rapp_prior *priors[] = {&s.prior};
    rapp_gat_scale scale;
    rapp_gat_scale_fit(&scale, priors, 1);
    assert_int_equal(rapp_gat_graph_make(&b->graph, &s.prior, &scale), 0);
    b->work = rapp_gat_work_open(nodes);
    b->net = calloc(rapp_gat_net_size(), sizeof(float));
    b->grad = calloc(rapp_gat_net_size(), sizeof(float));
    assert_true(b->work && b->net && b->grad);
    rapp_gat_net_init(b->net, 3, 2);
    uint64_t seed = 5; /* biases, too, shall do something */
    for (size_t i = 0; i < rapp_gat_net_size(); i++) b->net[i] += (float)(0.02 * draw(&seed));
}

static void close_bench(bench *b) {
    rapp_gat_graph_free(&b->graph);
    rapp_gat_work_close(b->work);
    free(b->net);
    free(b->grad);
}

static double ask(bench *b) {
    float ln_ms[3];
    double sum = 0;
    rapp_gat_net_embed(b->work, b->net, &b->graph, 4, 30);
    rapp_gat_net_answer(b->work, b->net, &b->graph, 4, QUOTAS, 3, ln_ms);
    for (size_t i = 0; i < 3; i++) sum += (double)DIRECTION[i] * (double)ln_ms[i];
    return sum;
}

/* Change of the answer per step along the gradient of net[from .. from + n), by differences */
static double slope_along(bench *b, size_t from, size_t n, double length, double step) {
    float kept[64];
    double answer[2];
    memcpy(kept, b->net + from, n * sizeof *kept);
    for (int side = 0; side < 2; side++) {
        double by = (side ? step : -step) / length;
        for (size_t i = 0; i < n; i++) b->net[from + i] = kept[i] + (float)(by * (double)b->grad[from + i]);
        answer[side] = ask(b);
    }
    memcpy(b->net + from, kept, n * sizeof *kept);
    return (answer[1] - answer[0]) / (2 * step);
}

/* Every stretch of 32 weights: the gradient's length is the slope along it. ReLUs have kinks, floats have noise: where
 * a stretch hardly matters it proves nothing, and a few may be off. */
static void check_gradient(size_t nodes) {
    bench b;
    open_bench(&b, nodes);
    ask(&b);
    rapp_gat_net_learn(b.work, b.net, DIRECTION, b.grad);
    size_t good = 0, tried = 0, size = rapp_gat_net_size();
    for (size_t from = 0; from < size; from += 32) {
        size_t n = size - from < 32 ? size - from : 32;
        double square = 0;
        for (size_t i = from; i < from + n; i++) square += (double)b.grad[i] * (double)b.grad[i];
        double length = sqrt(square);
        if (length < 0.01) continue;
        double slope = slope_along(&b, from, n, length, 2e-4 / length);
        tried++;
        good += fabs(slope / length - 1) < 0.02;
    }
    print_message("%zu nodes: %zu of %zu stretches agree, of %zu\n", nodes, good, tried, (size + 31) / 32);
    assert_true(tried > size / 32 / 3);
    assert_true(good > tried * 97 / 100);
    close_bench(&b);
}

static void gradient_is_the_slope(void **state) {
    (void)state;
    check_gradient(1);
    check_gradient(2);
    check_gradient(NODES_MAX);
}

static void gradients_add_up(void **state) {
    (void)state;
    bench b;
    open_bench(&b, 5);
    ask(&b);
    rapp_gat_net_learn(b.work, b.net, DIRECTION, b.grad);
    float *once = malloc(rapp_gat_net_size() * sizeof *once);
    assert_non_null(once);
    memcpy(once, b.grad, rapp_gat_net_size() * sizeof *once);
    ask(&b);
    rapp_gat_net_learn(b.work, b.net, DIRECTION, b.grad);
    for (size_t i = 0; i < rapp_gat_net_size(); i++)
        assert_true(fabsf(b.grad[i] - 2 * once[i]) <= 1e-4F * fabsf(once[i]) + 1e-6F);
    free(once);
    close_bench(&b);
}

/* ---- training ---- */

enum { DNNS = 3, GROUPS = DNNS * 6 };

typedef struct {
    sample samples[DNNS];
    rapp_gat_graph graphs[DNNS];
    rapp_gat_group groups[GROUPS];
    rapp_gat_scale scale;
} school;

/* Latencies of a law: the more operators, the longer; less with SM share and quota */
static void open_school(school *s) {
    const rapp_prior *priors[DNNS];
    for (size_t i = 0; i < DNNS; i++) {
        make_sample(&s->samples[i], i, 4 * i + 2);
        priors[i] = &s->samples[i].prior;
    }
    rapp_gat_scale_fit(&s->scale, priors, DNNS);
    for (size_t i = 0; i < DNNS; i++)
        assert_int_equal(rapp_gat_graph_make(&s->graphs[i], priors[i], &s->scale), 0);
    for (size_t i = 0; i < GROUPS; i++) {
        rapp_gat_group *g = &s->groups[i];
        *g = (rapp_gat_group){.graph = &s->graphs[i % DNNS], .batch = 1U << i / DNNS % 3, .n = 10};
        g->sm_pct = i < GROUPS / 2 ? 20 : 80;
        for (uint32_t q = 0; q < 10; q++) {
            g->quota_pct[q] = 10 * (q + 1);
            double gpu = (double)(g->batch * g->graph->n_nodes) * 100 / g->sm_pct;
            double launch = (double)(60 * g->graph->n_nodes) / (q + 1);
            g->ln_ms[q] = (float)rapp_gat_log(fmax(gpu, launch));
        }
    }
}

static void close_school(school *s) {
    for (size_t i = 0; i < DNNS; i++) rapp_gat_graph_free(&s->graphs[i]);
}

static const rapp_gat_plan SHORT = {.epochs = 3, .minibatch = 5, .rate = 3e-3, .decay = 1e-2, .huber = 0.05};

static float *train(const school *s, rapp_gat_plan plan, unsigned threads, double *loss) {
    char err[RAPP_ERR_LEN];
    rapp_options options = {.seed = 9, .threads = threads};
    float *net = malloc(rapp_gat_net_size() * sizeof *net);
    assert_non_null(net);
    rapp_gat_net_init(net, options.seed, 4);
    assert_int_equal(rapp_gat_train(net, s->groups, GROUPS, &plan, &options, loss, err), 0);
    return net;
}

static void training_learns(void **state) {
    (void)state;
    school s;
    double first, last;
    open_school(&s);
    rapp_gat_plan plan = SHORT;
    plan.epochs = 1;
    free(train(&s, plan, 1, &first));
    plan.epochs = 50;
    free(train(&s, plan, 1, &last));
    print_message("loss %.4f after one epoch, %.4f after 50\n", first, last);
    assert_true(last < 0.05 * first);
    close_school(&s);
}

static uint64_t hash_floats(const float *x, size_t n) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        hash = (hash ^ bits) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Whatever the threads, and, since the number stands here, whatever the compiler and its level. A change of the
 * network or its training changes the number. */
static void training_gives_the_same_bits(void **state) {
    (void)state;
    static const unsigned THREADS[] = {1, 2, 3, 8, 64};
    school s;
    open_school(&s);
    for (size_t i = 0; i < sizeof THREADS / sizeof *THREADS; i++) {
        double loss;
        float *net = train(&s, SHORT, THREADS[i], &loss);
        uint64_t hash = hash_floats(net, rapp_gat_net_size());
        free(net);
        if (hash != UINT64_C(0x7f6c954328bb96e7))
            print_message("%u threads: %016llx\n", THREADS[i], (unsigned long long)hash);
        assert_true(hash == UINT64_C(0x7f6c954328bb96e7));
    }
    close_school(&s);
}

/* ---- the table ---- */

static void table_says_what_the_network_says(void **state) {
    (void)state;
    bench b;
    rapp_gat_grid grid;
    rapp_gat_table *t = malloc(sizeof *t);
    assert_non_null(t);
    open_bench(&b, 3);
    rapp_gat_grid_make(&grid);
    rapp_gat_table_fill(t, b.work, b.net, &b.graph);
    for (uint32_t batch = 1; batch <= 32; batch *= 2)
        for (uint32_t sm = 5; sm <= 100; sm += 5) {
            uint32_t quotas[10];
            float ln_ms[10];
            for (uint32_t q = 0; q < 10; q++) quotas[q] = 10 * (q + 1);
            rapp_gat_net_embed(b.work, b.net, &b.graph, batch, sm);
            rapp_gat_net_answer(b.work, b.net, &b.graph, batch, quotas, 10, ln_ms);
            for (uint32_t q = 0; q < 10; q++)
                assert_true(rapp_gat_table_ms(t, &grid, batch, sm, quotas[q]) ==
                            rapp_gat_exp((double)ln_ms[q]));
        }
    double low = rapp_gat_table_ms(t, &grid, 4, 50, 20), high = rapp_gat_table_ms(t, &grid, 4, 50, 30);
    double mid = rapp_gat_table_ms(t, &grid, 4, 50, 25);
    assert_true((mid - low) * (high - mid) > 0);
    for (uint32_t x = 1; x <= 100; x++) assert_true(rapp_gat_table_ms(t, &grid, (x + 3) / 4 + 7, x, x) > 0);
    free(t);
    close_bench(&b);
}

/* ---- the kind ---- */

static void count_lines(void *arg, const char *line) {
    *(int *)arg += strncmp(line, "gat: ", 5) == 0;
}

static void *trained(const rapp_data *d) {
    static const unsigned char USE[] = {1, 1, 1, 1};
    int said = 0;
    char err[RAPP_ERR_LEN] = "";
    void *gat;
    rapp_options options = {.seed = 1, .threads = 2, .progress = count_lines, .progress_arg = &said};
    assert_int_equal(rapp_data_n_points(d), 4);
    if (rapp_kind_gat.train(&gat, d, USE, &options, err)) fail_msg("%s", err);
    assert_true(said > 0);
    return gat;
}

static rapp_data *open_data(rapp_sample *s) {
    char err[RAPP_ERR_LEN] = "";
    rapp_data *d;
    rapp_sample_open(s);
    if (rapp_data_open(&d, s->dir, err)) fail_msg("%s", err);
    return d;
}

static double ask_kind(const void *gat, const char *dnn, const rapp_prior *prior, uint32_t quota_pct) {
    char err[RAPP_ERR_LEN] = "";
    void *bound;
    if (rapp_kind_gat.bind(&bound, gat, dnn, prior, err)) fail_msg("%s", err);
    rapp_estimate e = rapp_kind_gat.estimate(bound, 2, 37, quota_pct);
    rapp_kind_gat.unbind(bound);
    return e.ms;
}

static void binds_by_name_or_prior(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *d = open_data(&s);
    void *gat = trained(d), *bound;
    char err[RAPP_ERR_LEN] = "";
    assert_true(ask_kind(gat, "both", NULL, 30) > 0);
    assert_true(ask_kind(gat, "both", NULL, 30) == ask_kind(gat, "another", rapp_data_prior(d, 0), 30));
    assert_true(ask_kind(gat, "unseen", rapp_data_prior(d, 2), 30) > 0);
    assert_true(ask_kind(gat, "seen", rapp_data_prior(d, 1), 30) < 0); /* it has no prior */
    assert_int_equal(rapp_kind_gat.bind(&bound, gat, "nobody", NULL, err), -1);
    assert_non_null(strstr(err, "nobody"));
    rapp_kind_gat.close(gat);
    rapp_kind_gat.close(NULL);
    rapp_kind_gat.unbind(NULL);
    rapp_data_close(d);
    rapp_sample_close(&s);
}

static double ask_cv(const void *gat, const char *dnn, const rapp_prior *prior) {
    char err[RAPP_ERR_LEN] = "";
    void *bound;
    if (rapp_kind_gat.bind(&bound, gat, dnn, prior, err)) fail_msg("%s", err);
    rapp_estimate e = rapp_kind_gat.estimate(bound, 2, 37, 30);
    rapp_kind_gat.unbind(bound);
    return e.cv;
}

/* Of one DNN nothing is learned about others; of two, by leaving one out. */
static void unseen_dnns_have_an_error_of_their_own(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *d = open_data(&s), *two;
    void *gat = trained(d), *of_two;
    char err[RAPP_ERR_LEN] = "";
    static const unsigned char USE[] = {1, 1};
    rapp_options options = {.seed = 1, .threads = 1};
    double none = ask_cv(gat, "unseen", rapp_data_prior(d, 2));
    if (none != 1) fail_msg("%g", none);
    rapp_sample_write(&s, "latency.csv", RAPP_SAMPLE_POINT_HEAD "both,1,50,100,5\nunseen,1,100,100,40\n");
    if (rapp_data_open(&two, s.dir, err)) fail_msg("%s", err);
    if (rapp_kind_gat.train(&of_two, two, USE, &options, err)) fail_msg("%s", err);
    double cv = ask_cv(of_two, "third", rapp_data_prior(two, 0));
    print_message("error of a DNN not seen: %g\n", cv);
    assert_true(cv > 0.1 && cv != 1);
    rapp_kind_gat.close(of_two);
    rapp_kind_gat.close(gat);
    rapp_data_close(two);
    rapp_data_close(d);
    rapp_sample_close(&s);
}

static void needs_a_model_with_prior(void **state) {
    (void)state;
    static const unsigned char USE[] = {0, 0, 0, 1}; /* that of "seen" */
    rapp_sample s;
    rapp_data *d = open_data(&s);
    void *gat;
    char err[RAPP_ERR_LEN] = "";
    rapp_options options = {.seed = 1, .threads = 1};
    assert_int_equal(rapp_kind_gat.train(&gat, d, USE, &options, err), -1);
    assert_null(gat);
    assert_non_null(strstr(err, "operators.csv"));
    rapp_data_close(d);
    rapp_sample_close(&s);
}

static void file_keeps_every_bit(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *d = open_data(&s);
    void *gat = trained(d), *again;
    char err[RAPP_ERR_LEN] = "";
    cJSON *file = rapp_kind_gat.save(gat);
    assert_non_null(file);
    if (rapp_kind_gat.load(&again, file, err)) fail_msg("%s", err);
    cJSON *same = rapp_kind_gat.save(again);
    assert_true(cJSON_Compare(file, same, 1));
    for (uint32_t q = 1; q <= 100; q++) {
        assert_true(ask_kind(gat, "both", NULL, q) == ask_kind(again, "both", NULL, q));
        assert_true(ask_kind(gat, "unseen", rapp_data_prior(d, 2), q) ==
                    ask_kind(again, "unseen", rapp_data_prior(d, 2), q));
    }
    cJSON_Delete(same);
    cJSON_Delete(file);
    rapp_kind_gat.close(again);
    rapp_kind_gat.close(gat);
    rapp_data_close(d);
    rapp_sample_close(&s);
}

/* One change of a good file, and what the message must hold */
static void refuse(const cJSON *good, const char *key, cJSON *instead, const char *found) {
    char err[RAPP_ERR_LEN] = "";
    void *gat = NULL;
    cJSON *bad = cJSON_Duplicate(good, 1);
    if (instead)
        cJSON_ReplaceItemInObjectCaseSensitive(bad, key, instead);
    else
        cJSON_DeleteItemFromObjectCaseSensitive(bad, key);
    assert_int_equal(rapp_kind_gat.load(&gat, bad, err), -1);
    assert_null(gat);
    if (!strstr(err, found)) fail_msg("%s: no \"%s\" in: %s", key, found, err);
    cJSON_Delete(bad);
}

/* The text of a key with its first digits exchanged */
static cJSON *with_digits(const cJSON *good, const char *key, const char *digits) {
    cJSON *text = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(good, key), 1);
    memcpy(cJSON_GetStringValue(text), digits, strlen(digits));
    return text;
}

static void file_is_checked(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *d = open_data(&s);
    void *gat = trained(d);
    cJSON *good = rapp_kind_gat.save(gat);
    assert_non_null(good);
    refuse(good, "net", NULL, "net: found no string");
    refuse(good, "net", cJSON_CreateString("00"), "net: found a string of 2 bytes, expected a string of");
    refuse(good, "net", with_digits(good, "net", "0000000g"), "net: found \"0000000g\" as number 0");
    refuse(good, "net", with_digits(good, "net", "7fc00000"), "bits of a float");
    refuse(good, "net", with_digits(good, "net", "7f800000"), "bits of a float");
    refuse(good, "scale", cJSON_CreateNumber(1), "scale: found no string");
    refuse(good, "cv", cJSON_CreateNumber(-1), "cv");
    refuse(good, "cv_unseen", NULL, "cv_unseen");
    refuse(good, "models", cJSON_CreateArray(), "models");
    refuse(good, "models", cJSON_Parse("[1]"), "models[0]");
    refuse(good, "models", cJSON_Parse("[{\"name\": \"a\", \"ln_ms\": \"\"}]"), "models[0].ln_ms: found");
    cJSON_Delete(good);
    rapp_kind_gat.close(gat);
    rapp_data_close(d);
    rapp_sample_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mathematics_is_as_exact_as_needed),
        cmocka_unit_test(multiplies),
        cmocka_unit_test(features_know_16_types_and_bear_anything),
        cmocka_unit_test(gradient_is_the_slope),
        cmocka_unit_test(gradients_add_up),
        cmocka_unit_test(training_learns),
        cmocka_unit_test(training_gives_the_same_bits),
        cmocka_unit_test(table_says_what_the_network_says),
        cmocka_unit_test(binds_by_name_or_prior),
        cmocka_unit_test(unseen_dnns_have_an_error_of_their_own),
        cmocka_unit_test(needs_a_model_with_prior),
        cmocka_unit_test(file_keeps_every_bit),
        cmocka_unit_test(file_is_checked),
    };
    return cmocka_run_group_tests_name("rapp gat", tests, NULL, NULL);
}
