/* The policy that does what was recorded: the allocation of every time is the recorded one, and pods that there is no room
 * for are asked for again, tick by tick, whether or not anything else happens. */
#include "engine_fixture.h"
#include "validate_replay_int.h"

enum { STEPS_MAX = 8 };

typedef struct {
    fixture f;
    pol_ops ops;
    double params[1 + STEPS_MAX * REPLAY_FIELDS];
} stage;

/* 16000 MiB of memory: four pods of 3700. */
static void stage_open(stage *s, size_t n, const double (*steps)[REPLAY_FIELDS]) {
    assert_true(n <= STEPS_MAX);
    fixture_open(&s->f, fixture_flat_device(5, 0, 1), 1, 1, 20);
    s->ops = validate_replay_policy(n);
    s->params[0] = (double)n;
    memcpy(s->params + 1, steps, n * sizeof *steps);
    for (size_t i = 0; i < n; i++) s->params[1 + i * REPLAY_FIELDS + REPLAY_TIME] *= 1e9;
    assert_int_equal(s->ops.n_params, 1 + n * REPLAY_FIELDS);
    s->f.setup.policy = &s->ops;
    s->f.setup.params = s->params;
    s->f.setup.runtime = ENGINE_TOKEN;
    s->f.setup.oversubscribe = 1;
    s->f.setup.rows_per_gpu = 48;
    s->f.fns[0].memory_mib = 3700;
}

typedef struct {
    uint32_t pods, quota_pct[64], sm_pct, refused;
} allocation;

/* After all actions up to then; every pod is there once, killed ones are gone. */
static allocation allocation_at(const engine_result *r, double at_s) {
    allocation a = {0};
    int is_there[64] = {0};
    uint32_t quota[64] = {0};
    for (size_t i = 0; i < r->n_actions && (double)r->actions[i].at_ns <= at_s * 1e9; i++) {
        const engine_action *x = &r->actions[i];
        a.refused += x->refused != 0;
        if (x->refused || x->action.verb == POL_ROUTE) continue;
        assert_true(x->pod < 64);
        assert_true(x->action.verb == POL_START || is_there[x->pod]);
        is_there[x->pod] = x->action.verb != POL_KILL;
        if (x->action.sm_pct) a.sm_pct = x->action.sm_pct;
        if (x->action.quota_pct) quota[x->pod] = x->action.quota_pct;
    }
    for (int k = 0; k < 64; k++)
        if (is_there[k]) a.quota_pct[a.pods++] = quota[k];
    return a;
}

static void expect_allocation(const engine_result *r, double at_s, uint32_t pods, uint32_t sm_pct,
                              uint32_t quota_pct) {
    allocation a = allocation_at(r, at_s);
    if (a.pods != pods) fail_msg("at %g s %u pods, expected %u", at_s, a.pods, pods);
    assert_int_equal(a.sm_pct, sm_pct);
    for (uint32_t i = 0; i < pods; i++) assert_int_equal(a.quota_pct[i], quota_pct);
}

static const double recorded[][REPLAY_FIELDS] = {{0, 2, 30, 20},  {4.2, 2, 30, 40},   {5, 6, 30, 40},
                                                 {10, 3, 30, 40}, {10.4, 1, 30, 100}, {15, 0, 30, 100}};

/* Steps take effect at the first tick of half a second. Six pods do not fit: four are there, and the fifth is asked for at
 * 5, 5.5 .. 9.5: ten times. */
static void expect_recorded(const engine_result *r) {
    expect_allocation(r, 0, 2, 30, 20);
    expect_allocation(r, 4.4, 2, 30, 20);
    expect_allocation(r, 4.5, 2, 30, 40);
    expect_allocation(r, 5, 4, 30, 40);
    expect_allocation(r, 9.9, 4, 30, 40);
    expect_allocation(r, 10, 3, 30, 40);
    expect_allocation(r, 10.5, 1, 30, 100);
    expect_allocation(r, 15, 0, 30, 100);
    expect_allocation(r, 20, 0, 30, 100);
    assert_int_equal(allocation_at(r, 4.9).refused, 0);
    assert_int_equal(allocation_at(r, 5).refused, 1);
    assert_int_equal(allocation_at(r, 7.2).refused, 5);
    assert_int_equal(allocation_at(r, 20).refused, 10);
}

static void the_allocation_is_the_recorded_one(void **state) {
    (void)state;
    for (int is_idle = 0; is_idle < 2; is_idle++)
        for (int eager = 0; eager < 2; eager++) {
            stage s;
            stage_open(&s, 6, recorded);
            s.f.fns[0].trace.mean_rps = is_idle ? 1e-6 : 20;
            s.f.options.eager = eager;
            engine_result r = fixture_run(&s.f);
            assert_true(is_idle == (r.fns[0].arrivals == 0));
            expect_recorded(&r);
            engine_result_free(&r);
            fixture_close(&s.f);
        }
}

/* The youngest go first: pods 2 and 1. */
static void the_youngest_are_killed(void **state) {
    (void)state;
    static const double steps[][REPLAY_FIELDS] = {{0, 3, 30, 20}, {2, 1, 30, 20}};
    stage s;
    stage_open(&s, 2, steps);
    engine_result r = fixture_run(&s.f);
    uint32_t killed = 0;
    for (size_t i = 0; i < r.n_actions; i++)
        if (r.actions[i].action.verb == POL_KILL) {
            assert_true(r.actions[i].pod > 0);
            killed++;
        }
    assert_int_equal(killed, 2);
    engine_result_free(&r);
    fixture_close(&s.f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_allocation_is_the_recorded_one),
        cmocka_unit_test(the_youngest_are_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
