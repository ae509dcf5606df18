/* The online predictor: what it learns, by hand and in runs; the same bits in every order, lazily and in threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "online_int.h"
#include "setup.h"

static void mean_forgets(void **state) {
    (void)state;
    online_fit f[2];
    online_begin(f, 2);
    assert_int_equal(online_scrape(f, 2), 0); /* nothing seen */
    for (int i = 0; i < 20; i++) online_note(&f[1], 30, 10);
    online_note(&f[1], 30, -1); /* nothing was predicted */
    assert_true(f[1].factor == 1);
    assert_int_equal(online_scrape(f, 2), 1);
    assert_true(fabs(f[1].factor - (20 * 1 + 20 * 3) / 40.0) < 1e-12);
    assert_true(f[0].factor == 1);
    assert_int_equal(online_scrape(f, 2), 0);
    for (int i = 0; i < 60; i++) online_note(&f[1], 30, 10);
    assert_int_equal(online_scrape(f, 2), 1);
    assert_true(fabs(f[1].factor - (20 * 2 + 60 * 3) / 80.0) < 1e-12);
}

static void noise_is_no_news(void **state) {
    (void)state;
    online_fit f;
    online_begin(&f, 1);
    online_note(&f, 13, 10); /* 1 + 0.3 / 21 */
    assert_int_equal(online_scrape(&f, 1), 0);
    assert_true(f.factor == 1 && f.learnt > 1.014);
    online_note(&f, 13, 10);
    assert_int_equal(online_scrape(&f, 1), 1);
    assert_true(f.factor == f.learnt && f.factor > 1.02);
}

/* ---- in runs ---- */

static const char text[] =
    "{\"name\": \"o\", \"duration_s\": 240, \"warmup_s\": 30, \"seeds\": 1, \"model_error\": 6,\n"
    " \"cluster\": {\"gpus\": [{\"device\": \"v100-16gb\", \"nodes\": 4}], \"rows_per_gpu\": 3},\n"
    " \"functions\": [{\"name\": \"f\", \"model\": \"resnet50\", \"count\": 2, \"trace\": {\"mean_rps\": "
    "25}},\n"
    "   {\"name\": \"g\", \"model\": \"vgg16\", \"trace\": {\"shape\": \"bursty\", \"mean_rps\": 10}}],\n"
    " \"policies\": [{\"name\": \"has\", \"predictor\": {\"name\": \"table\", \"online\": true}},\n"
    "   {\"name\": \"fast-gshare\", \"predictor\": {\"name\": \"table\", \"online\": true}}]}";

typedef struct {
    setup_store *store;
    config_doc *doc;
    config *c;
    setup *s;
} opened;

static void open_config(opened *o, const char *set) {
    char err[CONFIG_ERR_LEN] = "";
    o->store = setup_store_new();
    if (config_parse(&o->doc, "o.json", text, strlen(text), &set, set != NULL, err) ||
        config_at(&o->c, o->doc, 0, err) || setup_open(&o->s, o->store, o->c, err))
        fail_msg("%s", err);
}

static void close_config(opened *o) {
    setup_close(o->s);
    config_free(o->c);
    config_close(o->doc);
    setup_store_free(o->store);
}

static uint64_t hash_of(opened *o, size_t policy, uint64_t seed, engine_options options) {
    char err[CONFIG_ERR_LEN] = "";
    engine_setup e;
    engine_result r;
    if (setup_engine(o->s, policy, seed, &e, err) || engine_run(&e, &options, &r, err)) fail_msg("%s", err);
    uint64_t hash = r.hash;
    engine_result_free(&r);
    return hash;
}

static void every_order_gives_the_same_bits(void **state) {
    static const char *const runtimes[] = {"cluster.runtime=metered", "cluster.runtime=token"};
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        opened o;
        open_config(&o, runtimes[k / 2]);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            const engine_options plain = {.order = ENGINE_ISLANDS, .threads = 1, .check = 1};
            engine_options global = plain, eager = plain, threads = plain;
            global.order = ENGINE_GLOBAL;
            eager.eager = 1;
            threads.threads = 2;
            uint64_t expected = hash_of(&o, k % 2, seed, plain);
            assert_int_equal(hash_of(&o, k % 2, seed, global), expected);
            assert_int_equal(hash_of(&o, k % 2, seed, eager), expected);
            assert_int_equal(hash_of(&o, k % 2, seed, threads), expected);
            if (k == 0) {
                opened plainly;
                open_config(&plainly, "policies.has.predictor=table");
                assert_int_not_equal(hash_of(&plainly, 0, seed, plain), expected); /* it does learn */
                close_config(&plainly);
            }
        }
        close_config(&o);
    }
}

/* Truth is 1.5 x what the policy is told: after the first scrapes it is told the truth, to the noise of its batches. */
typedef struct {
    const pol_host *host;
    int64_t first_ns, last_ns, others_ns;
    uint32_t learned;
} learner;

static learner seen; /* set up and read by one test alone: policies have no other way out */

static pol_status learner_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                               const double *values, uint32_t *flags, int64_t *tick_ns,
                               char err[POL_ERR_LEN]) {
    pol_status status = fixture_policy_open(out, host, n_fns, mode, values, flags, tick_ns, err);
    seen = (learner){.host = host, .first_ns = host->latency_ns(host->impl, 0, 0, 1, 100, 100)};
    return status;
}

static int learner_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    (void)ctx, (void)next_ns;
    if (obs->fn != 0) return 0;
    seen.last_ns = seen.host->latency_ns(seen.host->impl, 0, 0, 1, 100, 100);
    seen.others_ns = seen.host->latency_ns(seen.host->impl, 1, 0, 1, 100, 100);
    seen.learned = obs->learned;
    return 0;
}

static learner run_learner(int is_online) {
    static const double pods = 1;
    fixture f;
    calib *told = fixture_flat_device(10, 0, 1), *truth = fixture_flat_device(15, 0, 1);
    fixture_open(&f, truth, 2, 2, 60);
    for (size_t i = 0; i < 2; i++) f.fits[i].calibrated = calib_model_at(told, 0);
    f.predict.is_online = is_online;
    pol_ops ops = fixture_policy;
    ops.open = learner_open;
    ops.observe = learner_observe;
    f.setup.policy = &ops;
    f.setup.params = &pods;
    engine_result r = fixture_run(&f);
    engine_result_free(&r);
    fixture_close(&f);
    calib_close(told);
    return seen;
}

static void the_truth_is_learnt(void **state) {
    (void)state;
    learner l = run_learner(1);
    assert_int_equal(l.first_ns, 10000000);
    if (llabs(l.last_ns - 15000000) > 300000)
        fail_msg("learnt %lld ns, expected 15 ms", (long long)l.last_ns);
    assert_int_equal(l.others_ns, 10000000); /* which may be ahead in time */
    assert_in_range(l.learned, 1, 20);
    l = run_learner(0);
    assert_int_equal(l.last_ns, 10000000);
    assert_int_equal(l.learned, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_forgets),
        cmocka_unit_test(noise_is_no_news),
        cmocka_unit_test(every_order_gives_the_same_bits),
        cmocka_unit_test(the_truth_is_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
