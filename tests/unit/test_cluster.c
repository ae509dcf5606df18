/* The ledger by hand: what a start, resize and stop take and give back, what is refused, and what is billed. */
#include <math.h>

#include "cluster.h"
#include "engine_fixture.h"

/* Two GPUs of 16000 MiB and two rows each; functions of 6000 and 100 MiB; ten seconds of which two are warm-up. */
static cluster *ledger_open(fixture *f) {
    fixture_open(f, fixture_flat_device(10, 0, 1), 2, 2, 10);
    f->fns[0].memory_mib = 6000;
    f->setup.warmup_ns = 2 * SECOND_NS;
    f->setup.bin_ns = 4 * SECOND_NS;
    cluster *c = cluster_open(&f->setup);
    assert_non_null(c);
    return c;
}

static void ledger_close(fixture *f, cluster *c) {
    cluster_check(c);
    cluster_close(c);
    fixture_close(f);
}

static pol_action start(uint32_t fn, uint32_t gpu, uint32_t row, uint32_t sm_pct, uint32_t quota_pct) {
    return (pol_action){
        .verb = POL_START, .fn = fn, .gpu = gpu, .row = row, .sm_pct = sm_pct, .quota_pct = quota_pct};
}

static uint32_t started(cluster *c, pol_action a, int64_t at_s) {
    pol_pod p;
    const char *why = NULL;
    if (cluster_start(c, &a, at_s * SECOND_NS, at_s * SECOND_NS, &p, &why)) fail_msg("refused: %s", why);
    cluster_check(c);
    return p.id;
}

static void refused(cluster *c, pol_action a, const char *expected) {
    pol_pod p;
    const char *why = NULL;
    size_t before = cluster_n_pods(c);
    assert_int_equal(cluster_start(c, &a, 0, 0, &p, &why), -1);
    assert_string_equal(why, expected);
    assert_int_equal(cluster_n_pods(c), before);
    cluster_check(c);
}

static pol_action resize(uint32_t fn, uint32_t pod, uint32_t sm_pct, uint32_t quota_pct) {
    return (pol_action){.verb = POL_RESIZE, .fn = fn, .pod = pod, .sm_pct = sm_pct, .quota_pct = quota_pct};
}

static void resized(cluster *c, pol_action a, int64_t at_s) {
    pol_pod p;
    const char *why = NULL;
    if (cluster_resize(c, &a, at_s * SECOND_NS, &p, &why)) fail_msg("refused: %s", why);
    cluster_check(c);
}

static void resize_refused(cluster *c, pol_action a, const char *expected) {
    pol_pod p;
    const char *why = NULL;
    assert_int_equal(cluster_resize(c, &a, 0, &p, &why), -1);
    assert_string_equal(why, expected);
    cluster_check(c);
}

static void expect_near(double found, double expected) {
    if (fabs(found - expected) > 1e-9) fail_msg("%.12g, expected %.12g", found, expected);
}

/* ---- admission ---- */

static void rows_keep_their_width(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    assert_int_equal(started(c, start(1, 0, 0, 60, 70), 0), 0);
    refused(c, start(1, 0, 0, 50, 10), "row has another SM width");
    refused(c, start(1, 0, 0, 60, 31), "row's quotas exceed 100 %");
    assert_int_equal(started(c, start(1, 0, 0, 60, 30), 0), 1);
    refused(c, start(1, 0, 1, 41, 10), "rows exceed 100 % SM");
    assert_int_equal(started(c, start(1, 0, POL_NEW_ROW, 40, 10), 0), 2);
    refused(c, start(1, 0, POL_NEW_ROW, 1, 10), "no empty row");
    refused(c, start(1, 0, 2, 60, 10), "row is not on this GPU");
    const pol_gpu *g = cluster_gpus(c);
    assert_int_equal(g[0].occupancy, 60 * 100 + 40 * 10);
    assert_int_equal(g[0].sm_free_pct, 0);
    assert_int_equal(g[1].sm_free_pct, 100);
    assert_int_equal(cluster_rows(c)[1].quota_free_pct, 90);
    cluster_release(c, 1, 0, 0);
    refused(c, start(1, 0, 0, 50, 10), "row has another SM width"); /* its second pod is still there */
    cluster_release(c, 1, 1, 0);
    started(c, start(1, 0, 0, 50, 100), 0);
    ledger_close(&f, c);
}

static void memory_admits(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    started(c, start(0, 0, 0, 100, 10), 0);
    assert_int_equal(cluster_gpus(c)[0].memory_free_mib, 10000);
    started(c, start(0, 0, 0, 100, 10), 0);
    refused(c, start(0, 0, 0, 100, 10), "not enough GPU memory");
    for (int i = 0; i < 40; i++) started(c, start(1, 0, 0, 100, 1), 0); /* the last 4000 MiB, to the last */
    assert_int_equal(cluster_gpus(c)[0].memory_free_mib, 0);
    refused(c, start(1, 0, 0, 100, 1), "not enough GPU memory");
    cluster_release(c, 0, 1, 0);
    started(c, start(0, 0, 0, 100, 10), 0);
    ledger_close(&f, c);
}

/* The fixture's GPU takes 48 processes. */
static void processes_are_limited(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    for (int i = 0; i < 48; i++) started(c, start(1, 0, 0, 100, 1), 0);
    refused(c, start(1, 0, 0, 100, 1), "too many processes on the GPU");
    cluster_release(c, 1, 7, 0);
    assert_int_equal(started(c, start(1, 0, 0, 100, 1), 0), 48); /* ids are never reused */
    refused(c, start(1, 0, 0, 100, 1), "too many processes on the GPU");
    ledger_close(&f, c);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    refused(c, start(2, 0, 0, 100, 100), "no such function");
    refused(c, start(0, 2, 0, 100, 100), "no such GPU");
    refused(c, start(0, 0, 0, 0, 100), "SM and quota must be 1..100 %");
    refused(c, start(0, 0, 0, 101, 100), "SM and quota must be 1..100 %");
    refused(c, start(0, 0, 0, 100, 0), "SM and quota must be 1..100 %");
    refused(c, start(0, 0, 0, 100, 101), "SM and quota must be 1..100 %");
    pol_action a = start(0, 0, 0, 100, 100);
    a.setup_ns = -1;
    refused(c, a, "setup time out of range");
    a.setup_ns = 0;
    a.batch_max = CALIB_BATCH_MAX + 1;
    refused(c, a, "batch too large");
    const char *why = NULL;
    assert_int_equal(cluster_drain(c, 0, 0, &why), -1);
    assert_string_equal(why, "no such pod");
    ledger_close(&f, c);
}

static void resizes_are_checked(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    const char *why = NULL;
    started(c, start(1, 0, 0, 60, 40), 0);
    started(c, start(1, 0, 0, 60, 40), 0);
    resize_refused(c, resize(1, 0, 0, 61), "row's quotas exceed 100 %");
    resized(c, resize(1, 0, 0, 60), 0);
    resize_refused(c, resize(1, 1, 0, 41), "row's quotas exceed 100 %");
    resize_refused(c, resize(1, 0, 50, 0), "SM width is fixed at process start");
    resize_refused(c, resize(1, 2, 0, 10), "no such pod");
    assert_int_equal(cluster_rows(c)[0].quota_free_pct, 0);
    assert_int_equal(cluster_drain(c, 1, 1, &why), 0);
    resize_refused(c, resize(1, 1, 0, 10), "pod is stopping");
    assert_int_equal(cluster_drain(c, 1, 1, &why), -1);
    assert_string_equal(why, "pod is stopping");
    ledger_close(&f, c);
}

static void widths_change_where_they_can(void **state) {
    (void)state;
    fixture f;
    fixture_open(&f, fixture_flat_device(10, 0, 1), 1, 1, 10);
    f.devices[0].sm_resizable = 1;
    cluster *c = cluster_open(&f.setup);
    started(c, start(0, 0, 0, 60, 40), 0);
    started(c, start(0, 0, 1, 30, 40), 0);
    resize_refused(c, resize(0, 0, 71, 0), "rows exceed 100 % SM");
    resized(c, resize(0, 0, 70, 0), 0);
    assert_int_equal(cluster_gpus(c)[0].sm_free_pct, 0);
    resized(c, resize(0, 0, 20, 0), 0);
    assert_int_equal(cluster_gpus(c)[0].sm_free_pct, 50);
    started(c, start(0, 0, 0, 20, 60), 0);
    resize_refused(c, resize(0, 0, 30, 0), "pod is not alone in its row");
    ledger_close(&f, c);
}

static void rows_may_be_oversubscribed(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    f.setup.oversubscribe = 1;
    started(c, start(1, 0, 0, 60, 100), 0);
    started(c, start(1, 0, 1, 60, 100), 0);
    assert_int_equal(cluster_gpus(c)[0].sm_free_pct, 0);
    assert_int_equal(cluster_gpus(c)[0].occupancy, 12000);
    cluster_release(c, 1, 0, 0);
    assert_int_equal(cluster_gpus(c)[0].sm_free_pct, 40);
    ledger_close(&f, c);
}

/* ---- bills ---- */

/* Function 0 holds half of GPU 0's SMs at quota 40 % from 1 to 6 s; function 1 a fifth at 50 %, from 4 s on, 100 % from
 * 8 s on. Counted from 2 to 10 s: GPU 0 is 0's alone for 2 s, shared for 2 s and 1's alone for 4 s. */
static void play(cluster *c) {
    started(c, start(0, 0, 0, 50, 40), 1);
    started(c, start(1, 0, 1, 20, 50), 4);
    cluster_release(c, 0, 0, 6 * SECOND_NS);
    resized(c, resize(1, 0, 0, 100), 8);
    cluster_finish(c);
}

static void shares_are_integrated(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    play(c);
    expect_near(cluster_share_gpu_s(c, 0), 4 * 0.5 * 0.4);
    expect_near(cluster_share_gpu_s(c, 1), 4 * 0.2 * 0.5 + 2 * 0.2);
    expect_near(cluster_held_gpu_s(c, 0), 2 + 2 / 2.);
    expect_near(cluster_held_gpu_s(c, 1), 2 / 2. + 4);
    expect_near(cluster_gpus_mean(c), 1);
    ledger_close(&f, c);
}

/* Three pods on a GPU, two of them of one function: it holds two thirds. A second GPU counts on its own. */
static void gpus_are_split_by_pod(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    started(c, start(0, 0, 0, 50, 40), 0);
    started(c, start(1, 0, 1, 20, 50), 0);
    started(c, start(1, 0, 1, 20, 50), 0);
    started(c, start(0, 1, 2, 20, 50), 6);
    cluster_finish(c);
    expect_near(cluster_held_gpu_s(c, 0), 8 / 3. + 4);
    expect_near(cluster_held_gpu_s(c, 1), 8 * 2 / 3.);
    expect_near(cluster_gpus_mean(c), 1.5);
    ledger_close(&f, c);
}

/* 3.6 USD an hour: 1 USD per 1000 s. */
static void each_billing_by_hand(void **state) {
    (void)state;
    static const double usd[][2] = {[ENGINE_BILL_SHARE] = {0.8e-3, 0.8e-3},
                                    [ENGINE_BILL_WHOLE_GPU] = {3e-3, 5e-3},
                                    [ENGINE_BILL_SLICE] = {2e-3, 1.2e-3}};
    for (size_t b = 0; b < sizeof usd / sizeof *usd; b++) {
        fixture f;
        cluster *c = ledger_open(&f);
        f.setup.billing = (engine_billing)b;
        play(c);
        for (uint32_t fn = 0; fn < 2; fn++) expect_near(cluster_cost_usd(c, fn), usd[b][fn]);
        ledger_close(&f, c);
    }
}

/* Bins of 4 s, the last of 2; they know no warm-up. */
static void bins_by_hand(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    engine_bin total[3] = {{0}}, by_fn[6] = {{0}};
    play(c);
    cluster_write_bins(c, total, by_fn, 3);
    const double gpus[] = {0.75, 1, 1}, share[][3] = {{0.15, 0.1, 0}, {0, 0.1, 0.2}};
    for (size_t k = 0; k < 3; k++) {
        expect_near(total[k].gpus, gpus[k]);
        expect_near(total[k].share_gpus, share[0][k] + share[1][k]);
        for (size_t fn = 0; fn < 2; fn++) expect_near(by_fn[fn * 3 + k].share_gpus, share[fn][k]);
    }
    ledger_close(&f, c);
}

/* What happens in the drain is not billed, nor what was over before the window. */
static void nothing_counts_outside_the_window(void **state) {
    (void)state;
    fixture f;
    cluster *c = ledger_open(&f);
    started(c, start(0, 0, 0, 50, 40), 0);
    cluster_release(c, 0, 0, 2 * SECOND_NS);
    started(c, start(0, 0, 0, 50, 40), 9);
    started(c, start(1, 1, 2, 50, 40), 10);
    cluster_release(c, 0, 1, 12 * SECOND_NS);
    cluster_release(c, 1, 0, 12 * SECOND_NS);
    cluster_finish(c);
    expect_near(cluster_share_gpu_s(c, 0), 0.2);
    expect_near(cluster_held_gpu_s(c, 0), 1);
    expect_near(cluster_share_gpu_s(c, 1), 0);
    expect_near(cluster_held_gpu_s(c, 1), 0);
    expect_near(cluster_gpus_mean(c), 1 / 8.);
    ledger_close(&f, c);
}

/* Which GPUs have changed: each once, by whatever changed it, until they are forgotten. */
static void changes_are_noted_once(void **state) {
    (void)state;
    fixture f;
    size_t n;
    cluster *c = ledger_open(&f);
    cluster_changed_gpus(c, &n);
    assert_int_equal(n, 0);
    uint32_t a = started(c, start(1, 1, 2, 50, 50), 0), b = started(c, start(1, 1, 2, 50, 20), 0);
    resized(c, resize(1, a, 0, 60), 1);
    assert_int_equal(cluster_changed_gpus(c, &n)[0], 1);
    assert_int_equal(n, 1);
    started(c, start(1, 0, 0, 50, 20), 1);
    assert_int_equal(cluster_changed_gpus(c, &n)[1], 0);
    assert_int_equal(n, 2);
    cluster_forget_changed(c);
    cluster_changed_gpus(c, &n);
    assert_int_equal(n, 0);
    cluster_release(c, 1, b, 2 * SECOND_NS);
    assert_int_equal(cluster_changed_gpus(c, &n)[0], 1);
    assert_int_equal(n, 1);
    refused(c, start(1, 0, 0, 40, 20), "row has another SM width");
    cluster_changed_gpus(c, &n);
    assert_int_equal(n, 1);
    ledger_close(&f, c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_keep_their_width),
        cmocka_unit_test(memory_admits),
        cmocka_unit_test(processes_are_limited),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(resizes_are_checked),
        cmocka_unit_test(widths_change_where_they_can),
        cmocka_unit_test(rows_may_be_oversubscribed),
        cmocka_unit_test(shares_are_integrated),
        cmocka_unit_test(gpus_are_split_by_pod),
        cmocka_unit_test(each_billing_by_hand),
        cmocka_unit_test(bins_by_hand),
        cmocka_unit_test(nothing_counts_outside_the_window),
        cmocka_unit_test(changes_are_noted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
