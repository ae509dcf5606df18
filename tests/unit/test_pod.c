/* A pod's GPU time: the metered runtime against a simulation step by step, and the token runtime's
 * sharing against cases worked by hand. */
#include "engine_fixture.h"
#include "gpu_share_int.h"

static pod *open_pod(const calib *device, const engine_fn *fn, uint32_t row, uint32_t sm_pct,
                     uint32_t quota_pct) {
    const pol_pod at = {.row = row, .sm_pct = sm_pct, .quota_pct = quota_pct, .batch_max = 1, .weight = 1};
    pod *p = pod_open(fn, calib_model_at(device, 0), &at);
    assert_non_null(p);
    return p;
}

static void load_one(pod *p, double gpu_ms) {
    p->gpu_ns[1] = gpu_ms * 1e6;
    p->noise = 1;
    pod_put_prepared(p, &(held_request){0});
    pod_load_batch(p);
}

static const engine_fn one_worker = {.workers = 1};

/* The vectors of the design: G = 20 ms at 50 % from 0: 20; G = 30: 50; G = 30 from 10: 50. */
static void design_vectors(void **state) {
    (void)state;
    calib *device = fixture_flat_device(1, 0, 1);
    const double cases[][3] = {{20, 0, 20}, {30, 0, 50}, {30, 10, 50}};
    for (size_t i = 0; i < 3; i++) {
        pod *p = open_pod(device, &one_worker, 0, 50, 50);
        load_one(p, cases[i][0]);
        pod_meter_start(p, (int64_t)cases[i][1] * MS_NS);
        assert_int_equal(p->end_ns, (int64_t)cases[i][2] * MS_NS);
        pod_close(p);
    }
    calib_close(device);
}

/* What the metered runtime means, step by step: in each window at most quota x W, taken as early as possible,
 * in steps of a tenth of a millisecond. */
typedef struct {
    int64_t budget_left, window;
} meter_by_steps;

enum { STEP_NS = 100000 };

static int64_t run_by_steps(meter_by_steps *m, int64_t from_ns, int64_t work_ns,
                            const uint32_t *quota_of_window) {
    int64_t now = from_ns;
    for (; work_ns > 0; now += STEP_NS) {
        int64_t window = now / ENGINE_WINDOW_NS;
        if (window != m->window) {
            m->window = window;
            m->budget_left = ENGINE_WINDOW_NS / 100 * quota_of_window[window];
        }
        if (m->budget_left == 0) continue;
        m->budget_left -= STEP_NS;
        work_ns -= STEP_NS;
    }
    return now;
}

static void metered_equals_step_by_step(void **state) {
    (void)state;
    enum { WINDOWS = 4000, BATCHES = 12 };
    calib *device = fixture_flat_device(1, 0, 1);
    uint64_t key = draw_key(7, 0, DRAW_POLICY), n = 0;
    for (int round = 0; round < 400; round++) {
        static uint32_t quota[WINDOWS];
        meter_by_steps truth = {.window = -1};
        quota[0] = 1 + (uint32_t)(draw_bits(key, n++) % 100);
        for (int w = 1; w < WINDOWS; w++)
            quota[w] = draw_bits(key, n++) % 4 ? quota[w - 1] : 1 + (uint32_t)(draw_bits(key, n++) % 100);
        pod *p = open_pod(device, &one_worker, 0, 50, quota[0]);
        int64_t now = 0, window = 0;
        for (int b = 0; b < BATCHES; b++) {
            now += (int64_t)(draw_bits(key, n++) % 300) * STEP_NS;
            int64_t work = (1 + (int64_t)(draw_bits(key, n++) % 800)) * STEP_NS;
            for (; window < now / ENGINE_WINDOW_NS; window++) {
                p->quota_next_pct = quota[window + 1];
                pod_meter_reshare(p, calib_model_at(device, 0), (window + 1) * ENGINE_WINDOW_NS);
            }
            load_one(p, 1);
            p->noise = (double)work * 1e-6; /* of a batch of 1 ms */
            pod_meter_start(p, now);
            for (; (window + 1) * ENGINE_WINDOW_NS < p->end_ns; window++) {
                p->quota_next_pct = quota[window + 1];
                pod_meter_reshare(p, calib_model_at(device, 0), (window + 1) * ENGINE_WINDOW_NS);
            }
            int64_t expected = run_by_steps(&truth, now, work, quota);
            if (p->end_ns != expected)
                fail_msg("round %d, batch %d: %lld instead of %lld", round, b, (long long)p->end_ns,
                         (long long)expected);
            now = p->end_ns;
            pod_unload_batch(p);
        }
        pod_close(p);
    }
    calib_close(device);
}

/* ---- token ---- */

typedef struct {
    calib *device;
    gpu_share share;
    pod *pods[3];
} shared_gpu;

/* f = 10 ms at 100 %, 20 ms at 50 % */
static void open_shared(shared_gpu *s, uint32_t n, const uint32_t *row, const uint32_t *sm,
                        const uint32_t *quota) {
    s->device = fixture_flat_device(1, 0, 10);
    assert_int_equal(gpu_share_open(&s->share, 0, 2), 0);
    for (uint32_t i = 0; i < n; i++) s->pods[i] = open_pod(s->device, &one_worker, row[i], sm[i], quota[i]);
}

static void close_shared(shared_gpu *s, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) pod_close(s->pods[i]);
    gpu_share_close(&s->share);
    calib_close(s->device);
}

static void join(shared_gpu *s, uint32_t i, double gpu_ms, int64_t now_ms) {
    load_one(s->pods[i], gpu_ms);
    assert_int_equal(gpu_share_join(&s->share, s->pods[i], i, now_ms * MS_NS), 0);
}

static void leave(shared_gpu *s, uint32_t i) {
    gpu_share_leave(&s->share, s->pods[i], s->pods[i]->end_ns);
    pod_unload_batch(s->pods[i]);
}

/* Alone: max(G, f). G = 5, f = 20: 20. G = 30: 30. */
static void token_alone(void **state) {
    (void)state;
    shared_gpu s;
    open_shared(&s, 1, (uint32_t[]){0}, (uint32_t[]){50}, (uint32_t[]){50});
    join(&s, 0, 5, 100);
    assert_int_equal(s.pods[0]->end_ns, 120 * MS_NS);
    leave(&s, 0);
    join(&s, 0, 30, 200);
    assert_int_equal(s.pods[0]->end_ns, 230 * MS_NS);
    close_shared(&s, 1);
}

/* Two of a row, each G = 30 >= f: D = 2. The first runs alone for 10 ms, then both at half speed: its 20 ms
 * take 40 (end 50); the second has done 20 by then and ends alone at 60. Together 60 ms of GPU time in 60 ms.
 */
static void token_row_mates(void **state) {
    (void)state;
    shared_gpu s;
    open_shared(&s, 2, (uint32_t[]){0, 0}, (uint32_t[]){50, 50}, (uint32_t[]){50, 50});
    join(&s, 0, 30, 0);
    join(&s, 1, 30, 10);
    assert_int_equal(s.pods[0]->end_ns, 50 * MS_NS);
    leave(&s, 0);
    assert_int_equal(s.pods[1]->end_ns, 60 * MS_NS);
    leave(&s, 1);
    assert_true(s.pods[0]->gpu_time_ns == 30e6 && s.pods[1]->gpu_time_ns == 30e6);
    close_shared(&s, 2);
}

/* Launch-bound row-mates that leave the GPU idle do not disturb each other: G = 5, f = 20, D = 0.5. */
static void token_launch_bound(void **state) {
    (void)state;
    shared_gpu s;
    open_shared(&s, 2, (uint32_t[]){0, 0}, (uint32_t[]){50, 50}, (uint32_t[]){50, 50});
    join(&s, 0, 5, 0);
    join(&s, 1, 5, 4);
    assert_int_equal(s.pods[0]->end_ns, 20 * MS_NS);
    leave(&s, 0);
    assert_int_equal(s.pods[1]->end_ns, 24 * MS_NS);
    close_shared(&s, 2);
}

/* Rows of 80 % and 70 %, both busy: 150 % of the SMs are asked for, everything takes 1.5 times as long. */
static void token_oversubscribed(void **state) {
    (void)state;
    shared_gpu s;
    open_shared(&s, 2, (uint32_t[]){0, 1}, (uint32_t[]){80, 70}, (uint32_t[]){100, 100});
    join(&s, 0, 30, 0);
    join(&s, 1, 30, 0);
    assert_int_equal(s.pods[0]->end_ns, 45 * MS_NS);
    assert_int_equal(s.pods[1]->end_ns, 45 * MS_NS);
    close_shared(&s, 2);
}

/* f falls from 20 to 10 ms half way through: the other half takes 5. */
static void token_requota(void **state) {
    (void)state;
    shared_gpu s;
    open_shared(&s, 1, (uint32_t[]){0}, (uint32_t[]){50}, (uint32_t[]){50});
    join(&s, 0, 5, 0);
    s.pods[0]->quota_next_pct = 100;
    gpu_share_reshare(&s.share, s.pods[0], calib_model_at(s.device, 0), 10 * MS_NS, 0);
    assert_int_equal(s.pods[0]->end_ns, 15 * MS_NS);
    close_shared(&s, 1);
}

/* A pod that is widened from 50 to 100 % at 40 ms, at a cost of 5 ms. G = 4 + 3 * 100 / SM: 10 ms, then 7. Under the
 * token runtime (f = 1) a batch begun at 36 has 6 of its 10 ms left, that is 4.2 of 7: it ends at 40 + 5 + 4.2. */
static void resized_width(void **state) {
    (void)state;
    calib *device = fixture_device(4, 0, 3, 1);
    const calib_model *model = calib_model_at(device, 0);
    gpu_share share;
    assert_int_equal(gpu_share_open(&share, 0, 1), 0);
    pod *metered = open_pod(device, &one_worker, 0, 50, 100),
        *token = open_pod(device, &one_worker, 0, 50, 100);
    load_one(metered, 10);
    load_one(token, 10);
    metered->sm_next_pct = token->sm_next_pct = 100;
    pod_meter_start(metered, 36 * MS_NS);
    metered->stalled_until_ns = 45 * MS_NS;
    pod_meter_reshare(metered, model, 40 * MS_NS);
    assert_int_equal(metered->end_ns, 49200000);
    assert_true(metered->gpu_time_ns == 8.2e6);
    assert_int_equal(gpu_share_join(&share, token, 0, 36 * MS_NS), 0);
    gpu_share_reshare(&share, token, model, 40 * MS_NS, 5 * MS_NS);
    assert_int_equal(token->end_ns, 49200000);
    pod_close(metered);
    pod_close(token);
    gpu_share_close(&share);
    calib_close(device);
}

/* The stall is no GPU time: quota 10 % gives 4 ms in each window. G = 10 ms from 0: 4 by 40, then widened with G
 * unchanged and a stall of 30 ms: 4 in [70, 74), 2 from 80 on. A change of quota at 80 does not end a longer stall. */
static void stall_is_not_metered(void **state) {
    (void)state;
    calib *device = fixture_flat_device(10, 0, 1);
    const calib_model *model = calib_model_at(device, 0);
    pod *p = open_pod(device, &one_worker, 0, 50, 10);
    load_one(p, 10);
    p->sm_next_pct = 60;
    pod_meter_start(p, 0);
    p->stalled_until_ns = 70 * MS_NS;
    pod_meter_reshare(p, model, 40 * MS_NS);
    assert_int_equal(p->end_ns, 82 * MS_NS);
    p->stalled_until_ns = 130 * MS_NS;
    p->quota_next_pct = 50;
    pod_meter_reshare(p, model, 80 * MS_NS); /* 2 left, from 130 on */
    assert_int_equal(p->end_ns, 132 * MS_NS);
    pod_close(p);
    calib_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(design_vectors),       cmocka_unit_test(metered_equals_step_by_step),
        cmocka_unit_test(token_alone),          cmocka_unit_test(token_row_mates),
        cmocka_unit_test(token_launch_bound),   cmocka_unit_test(token_oversubscribed),
        cmocka_unit_test(token_requota),        cmocka_unit_test(resized_width),
        cmocka_unit_test(stall_is_not_metered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
