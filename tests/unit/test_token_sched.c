/* The artifact's token scheduler: the published vectors through a whole run, its rules one by one, and what must hold
 * under any load. */
#include "process_fixture.h"
#include "token_sched_int.h"

#include "process_int.h"

/* ---- the vectors of spec 2.3 c: resnet50, whose launches take 20.4 ms, alone in a fresh window ---- */

static void expect_vector(uint32_t quota_pct, double early_share, double end_ms) {
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 1, 0, 30, quota_pct);
    s.process.launch_ms = 20.4;
    s.process.early_share = early_share;
    scene_requests(&s, 0, 1, (double[]){0});
    scene_expect(&s, 1, &end_ms);
}

/* A token of q * 40 ms can be used but for its last ms.
 *   20 %: 7 + 7 + 6.4. Early: 0-7, 7-14, and then when 6 ms of the first have left the window, at 46: 52.4. Late: the
 *         token has been used up when the next is asked for, one in each window: 80 + 6.4.
 *   30 %: 11 + 9.4: 20.4, or 40 + 9.4.    40 %: 15 + 5.4.    50 %: 19 + 1.4.    60 %: 23 > 20.4.
 *   10 %: 3 * 6 + 2.4. Late: six windows. Early: 0-3, 3-6 and, 2 ms having left the window, 42-45; at 45 the window
 *         begins in the midst of 3-6's end: 3 + 1 = 4, not less, but an instant later; so two every 42: 126 + 2.4. */
static void spec_vectors(void **state) {
    (void)state;
    const struct {
        uint32_t quota_pct;
        double early_ms, late_ms;
    } vectors[] = {{10, 128.4, 242.4}, {20, 52.4, 86.4}, {30, 20.4, 49.4},
                   {40, 20.4, 45.4},   {50, 20.4, 41.4}, {60, 20.4, 20.4}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        expect_vector(vectors[i].quota_pct, 1, vectors[i].early_ms);
        expect_vector(vectors[i].quota_pct, 0, vectors[i].late_ms);
    }
}

/* Half a ms of round trip. 20 %, early: 0-7, heard at 7.5 (usage 7.5), 7.5-14.5, heard at 15: usage 15, so 7 ms must
 * have left: 47, 53.4. Late: 0-8, heard at 8.5, next at 40; 40-48, next at 80: 86.4; the trip is in the pause. A trip
 * of 1 ms leaves nothing unused, and early is late: at 8, usage 8. */
static void the_round_trip_eats_what_is_unused(void **state) {
    (void)state;
    const struct {
        double round_trip_ms, early_share, end_ms;
    } cases[] = {{0.5, 1, 53.4}, {0.5, 0, 86.4}, {1, 1, 86.4}};
    for (size_t i = 0; i < 3; i++) {
        scene s;
        scene_open(&s, ENGINE_TOKEN_EXACT, 1, 0, 30, 20);
        s.process.launch_ms = 20.4;
        s.process.early_share = cases[i].early_share;
        s.process.round_trip_ms = cases[i].round_trip_ms;
        scene_requests(&s, 0, 1, (double[]){0});
        double first_token_ms = cases[i].round_trip_ms; /* the first one is asked for, too */
        scene_expect(&s, 1, (double[]){cases[i].end_ms + first_token_ms});
    }
}

/* Batches of 3 ms of launches, quota 20 %, the first at 0. A second one at
 *   7.5  finds the token's last ms begun: its first launch asks, early whatever the share: usage 7.5 < 8, 7.5-10.5
 *   10   finds a token that is over and charged in full: at 40
 *   5    has what is left to 7; the rest at 40 */
static void idle_time_burns_tokens(void **state) {
    (void)state;
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 1, 0, 30, 20);
    s.process.launch_ms = 3;
    scene_requests(&s, 0, 2, (double[]){0, 7.5});
    scene_expect(&s, 2, (double[]){3, 10.5});
    scene_open(&s, ENGINE_TOKEN_EXACT, 1, 0, 30, 20);
    s.process.launch_ms = 3;
    scene_requests(&s, 0, 2, (double[]){0, 10}); /* 0-8 was charged: the next at 40 */
    scene_expect(&s, 2, (double[]){3, 43});
    scene_open(&s, ENGINE_TOKEN_EXACT, 1, 0, 30, 20);
    s.process.launch_ms = 3;
    scene_requests(&s, 0, 2, (double[]){0, 5}); /* 5-7 of the first, 1 more of the next */
    scene_expect(&s, 2, (double[]){3, 41});
}

/* The GPU goes on with what was launched, token or not: G = 22, launched from 0 to 7 (7/20.4 of it), 40-47, 80-86.4.
 * It runs 7.5 of 22 by 7.5, stands to 40, to 47.5 and 15.1, stands to 80, and ends 6.9 later, before the token does.
 * With G = 28 it ends at 88.8, 0.8 after the token; what follows takes the next, at 120. */
static void the_gpu_goes_on_without_a_token(void **state) {
    (void)state;
    const double gpu_ms[] = {22, 28}, end_ms[] = {80 + 22 - 22 * 14 / 20.4, 120};
    for (size_t i = 0; i < 2; i++) {
        scene s;
        scene_open(&s, ENGINE_TOKEN_EXACT, gpu_ms[i], 0, 30, 20);
        s.process.launch_ms = 20.4;
        scene_requests(&s, 0, 1, (double[]){0});
        scene_expect(&s, 1, (double[]){end_ms[i]});
    }
}

/* After the GPU, one launch more. It finds
 *   a token of 12 ms that is over at 20, and used up: the next window, 40
 *   one of 8 ms, granted at 0.5, at 8: its last ms has begun, usage 7.5, but the scheduler hears at 8.5, 8 of 8: 40.5
 *   the same at 7.7: the scheduler hears at 8.2, usage 7.7, and grants
 *   the same at 7: it has more than a ms left */
static void what_follows_the_gpu_needs_a_token(void **state) {
    (void)state;
    const struct {
        double launch_ms, gpu_ms, round_trip_ms;
        uint32_t quota_pct;
        double end_ms;
    } cases[] = {{1, 20, 0, 30, 40}, {1, 7.5, 0.5, 20, 40.5}, {1, 7.2, 0.5, 20, 8.2}, {1, 6.5, 0.5, 20, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene s;
        scene_open(&s, ENGINE_TOKEN_EXACT, cases[i].gpu_ms, 0, 30, cases[i].quota_pct);
        s.process.launch_ms = cases[i].launch_ms;
        s.process.round_trip_ms = cases[i].round_trip_ms;
        scene_requests(&s, 0, 1, (double[]){0});
        scene_expect(&s, 1, (double[]){cases[i].end_ms});
    }
}

/* A pod that is killed while it waits for that token, from 20 to 40, loses its batch. */
static void a_killed_pod_waits_for_no_token(void **state) {
    (void)state;
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 20, 0, 30, 30);
    s.process.launch_ms = 1;
    scene_then(30, (pol_action){.verb = POL_KILL});
    scene_requests(&s, 0, 1, (double[]){0});
    scene_expect(&s, 1, (double[]){-1});
}

/* Two pods of a row, launches 1, G 30, each with tokens enough: requests at 0 and 10. The first has 20 left at 10, at half
 * speed: 50. The second has 20 done by then, and ends at 60: 60 ms of the row in 60 ms. */
static void the_pods_of_a_row_share_it(void **state) {
    (void)state;
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 30, 0, 50, 50);
    s.process.launch_ms = 1;
    script.lines[0].action.balance = POL_ROUND_ROBIN;
    scene_then(0, (pol_action){.verb = POL_START, .row = 0, .sm_pct = 50, .quota_pct = 50});
    scene_requests(&s, 0, 2, (double[]){0, 10});
    scene_expect(&s, 2, (double[]){50, 60});
}

/* Rows of 80 and 70 %: tokens of 4 ms, one after the other. The first has 26 of 30 left at 4, when the second launches: 150
 * % are asked for, 26 take 39, to 43. The second has 26 done by then: 47. */
static void rows_share_the_gpu(void **state) {
    (void)state;
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 30, 0, 80, 10);
    s.process.launch_ms = 1;
    s.f.setup.oversubscribe = 1;
    script.lines[0].action.balance = POL_ROUND_ROBIN;
    scene_then(0, (pol_action){.verb = POL_START, .row = POL_NEW_ROW, .sm_pct = 70, .quota_pct = 10});
    scene_requests(&s, 0, 2, (double[]){0, 0});
    scene_expect(&s, 2, (double[]){43, 47});
}

/* What a pod without a token has left on the GPU is over at some time; who shares the row goes faster then. Quota 10 %: 3
 * ms of launches of 4, by then 7.5 of G = 10. Nobody waits for it at 10: a request at 5, launches 3 in a token of 20 ms, G
 * 10, has its share of the row until 10 (2.5 each) and the row alone from then on: 7.5 more, to 17.5. The first's last
 * quarter comes at 40, with the next token. */
static void what_is_over_frees_the_row(void **state) {
    (void)state;
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 10, 0, 50, 10);
    s.process.launch_ms = 4;
    script.lines[0].action.balance = POL_ROUND_ROBIN;
    scene_then(0, (pol_action){.verb = POL_START, .row = 0, .sm_pct = 50, .quota_pct = 50});
    scene_requests(&s, 0, 2, (double[]){0, 5});
    scene_expect(&s, 2, (double[]){42.5, 17.5});
}

/* The quota grows from 20 to 50 % at 40 ms (a window's start), asked for at 10: the second token is one of 20 ms. */
static void a_resize_counts_from_the_next_token(void **state) {
    (void)state;
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 1, 0, 30, 20);
    s.process.launch_ms = 20.4;
    scene_then(10, (pol_action){.verb = POL_RESIZE, .quota_pct = 50});
    scene_requests(&s, 0, 1, (double[]){0});
    scene_expect(&s, 1, (double[]){40 + 13.4});
}

/* A token shorter than 2 ms can be used by half. 1 %: 0.4 ms, 0.2 of use; late: one in each window, 4 * 0.2 + 0.1.
 * Early: 0-0.2, 0.2-0.4, and when some of the first has left, 40-40.1. */
static void tiny_quotas_creep(void **state) {
    (void)state;
    scene s;
    scene_open(&s, ENGINE_TOKEN_EXACT, 0.1, 0, 30, 1);
    s.process.launch_ms = 0.9;
    scene_requests(&s, 0, 1, (double[]){0});
    scene_expect(&s, 1, (double[]){160.1});
    scene_open(&s, ENGINE_TOKEN_EXACT, 0.1, 0, 30, 1);
    s.process.launch_ms = 0.5;
    s.process.early_share = 1;
    scene_requests(&s, 0, 1, (double[]){0});
    scene_expect(&s, 1, (double[]){40.1});
}

/* ---- rules, one by one ---- */

enum { PODS_MAX = 6 };

typedef struct {
    engine_process spec;
    token_sched tokens;
    pod pods[PODS_MAX];
    uint32_t n;
} bench;

static void bench_open(bench *b, uint32_t n, const uint32_t *sm_pct, const uint32_t *quota_pct) {
    *b = (bench){.spec = {.cpus = 1, .launch_weight = 1}, .n = n};
    for (uint32_t i = 0; i < n; i++) {
        b->pods[i] = (pod){.id = i,
                           .sm_pct = sm_pct[i],
                           .quota_pct = quota_pct[i],
                           .end_ns = NEVER,
                           .ready_ns = NEVER,
                           .quota_ns = NEVER,
                           .due_ns = NEVER,
                           .rare = NEVER,
                           .next = &b->pods[i].own_next,
                           .own_next = NEVER};
        b->pods[i].process = process_open(&b->spec, 1, 2);
        assert_non_null(b->pods[i].process);
        b->pods[i].process->tokens = &b->tokens;
        b->pods[i].process->launch_ns = 1e18; /* a batch without end, and without work for the GPU */
        b->pods[i].process->gpu_ns = 1;
        assert_int_equal(token_sched_join(&b->tokens, &b->pods[i], i), 0);
    }
}

static void bench_close(bench *b) {
    for (uint32_t i = 0; i < b->n; i++) process_close(b->pods[i].process);
    token_sched_close(&b->tokens);
}

static void ask(bench *b, uint32_t i, double at_ms, double delay_ms, int is_early) {
    b->pods[i].process->launch = LAUNCH_BLOCKED;
    token_sched_ask(&b->tokens, &b->pods[i], (int64_t)(at_ms * 1e6 + 0.5), (int64_t)(delay_ms * 1e6 + 0.5),
                    is_early);
}

static int waits(const bench *b, uint32_t i) {
    return b->pods[i].process->launch == LAUNCH_BLOCKED;
}

/* Grants what can be granted; the pods that still wait afterwards, as bits. */
static unsigned waiting_after(bench *b, int64_t now_ns) {
    unsigned bits = 0;
    assert_int_equal(token_sched_round(&b->tokens, now_ns), 0);
    for (uint32_t i = 0; i < b->n; i++) bits |= (unsigned)waits(b, i) << i;
    return bits;
}

static int64_t next_ns(const bench *b, uint32_t i) {
    event_key next = *b->pods[i].next;
    return next == NEVER ? NEVER : event_key_ns(next);
}

/* When the pod's own event comes: it waits, and must be looked at then. */
static void expect_due(const bench *b, uint32_t i, int64_t at_ns) {
    assert_true(waits(b, i));
    assert_int_equal(next_ns(b, i), at_ns);
    assert_int_equal(event_key_kind(*b->pods[i].next), EV_PROCESS);
}

/* 20 %: at 40 ms the window holds 8 ms of 8; an ns later it holds less. */
static void less_than_the_quota_is_strict(void **state) {
    (void)state;
    bench b;
    bench_open(&b, 1, (uint32_t[]){30}, (uint32_t[]){20});
    ask(&b, 0, 0, 0, 0);
    assert_int_equal(waiting_after(&b, 0), 0);
    ask(&b, 0, 7, 0, 0);
    expect_due(&b, 0, 40 * MS_NS + 1);
    assert_int_equal(waiting_after(&b, 40 * MS_NS), 1);
    assert_int_equal(waiting_after(&b, 40 * MS_NS + 1), 0);
    bench_close(&b);
}

/* 60 + 50 > 100, but 60 + 40 = 100: the third overtakes the second, which gets its turn when the first's 8 ms are over:
 * at the earliest, and then. 50 + 40 fit; the first must wait. */
static void one_that_does_not_fit_is_passed_over(void **state) {
    (void)state;
    bench b;
    bench_open(&b, 3, (uint32_t[]){60, 50, 40}, (uint32_t[]){20, 20, 80});
    for (uint32_t i = 0; i < 3; i++) ask(&b, i, 0, 0, 0);
    assert_int_equal(waiting_after(&b, 0), 2);
    expect_due(&b, 1, 8 * MS_NS);
    assert_int_equal(waiting_after(&b, 8 * MS_NS - 1), 2);
    assert_int_equal(waiting_after(&b, 8 * MS_NS), 0);
    bench_close(&b);
}

/* Both want 60 %. By part: 18 of 32 ms unused against 6 of 8: the second. */
static void the_larger_unused_part_comes_first(void **state) {
    (void)state;
    bench b;
    bench_open(&b, 2, (uint32_t[]){60, 60}, (uint32_t[]){80, 20});
    ask(&b, 0, 0, 0, 0);
    waiting_after(&b, 0);
    ask(&b, 0, 14, 0, 1);
    assert_int_equal(waiting_after(&b, 14 * MS_NS), 0);
    ask(&b, 1, 14, 0, 0);
    expect_due(&b, 1, 46 * MS_NS); /* the first holds 60 % until then */
    ask(&b, 0, 14, 0, 1);          /* gives it back unused */
    assert_int_equal(waiting_after(&b, 14 * MS_NS), 1);
    ask(&b, 1, 16, 0, 1);
    assert_int_equal(waiting_after(&b, 16 * MS_NS), 1); /* 18 / 32 < 6 / 8: the second once more, to 24 */
    expect_due(&b, 0, 24 * MS_NS);
    ask(&b, 1, 20, 0, 1); /* 2 of 8: now the first */
    assert_int_equal(waiting_after(&b, 20 * MS_NS), 2);
    bench_close(&b);
}

/* The scheduler hears of the first's wish half a ms later; its SMs are free for others then, not before. */
static void a_token_is_held_until_the_scheduler_hears(void **state) {
    (void)state;
    bench b;
    bench_open(&b, 2, (uint32_t[]){60, 60}, (uint32_t[]){50, 50});
    ask(&b, 0, 0, 0, 0);
    waiting_after(&b, 0);
    ask(&b, 1, 3, 0, 0);
    expect_due(&b, 1, 20 * MS_NS);
    ask(&b, 0, 19, 0.5, 1);
    expect_due(&b, 1, 19 * MS_NS + MS_NS / 2);
    assert_int_equal(waiting_after(&b, 19 * MS_NS), 3);
    assert_int_equal(waiting_after(&b, 19 * MS_NS + MS_NS / 2), 1);
    bench_close(&b);
}

/* Others are told at once that a pod has gone, and that a quota has grown. */
static void who_waits_is_told(void **state) {
    (void)state;
    bench b;
    bench_open(&b, 2, (uint32_t[]){60, 60}, (uint32_t[]){50, 20});
    ask(&b, 0, 0, 0, 0);
    waiting_after(&b, 0);
    ask(&b, 1, 3, 0, 0);
    expect_due(&b, 1, 20 * MS_NS);
    token_sched_leave(&b.tokens, &b.pods[0], 5 * MS_NS);
    expect_due(&b, 1, 5 * MS_NS);
    assert_int_equal(waiting_after(&b, 5 * MS_NS), 0);
    ask(&b, 1, 13, 0, 0);
    expect_due(&b, 1, 45 * MS_NS + 1);
    b.pods[1].quota_pct = 30;
    token_sched_reshare(&b.tokens, 14 * MS_NS);
    expect_due(&b, 1, 14 * MS_NS);
    bench_close(&b);
}

/* ---- any load ---- */

enum { TOKENS_MAX = 20000, ROUNDS = 60, STEPS = 1500 };

typedef struct {
    int64_t start_ns, end_ns, heard_ns; /* heard: when the next was asked for, as the scheduler hears it */
} token;

typedef struct {
    bench b;
    token log[PODS_MAX][TOKENS_MAX];
    size_t n[PODS_MAX];
    int64_t asks_ns[PODS_MAX]; /* when the pod asks next; NEVER while it waits */
    uint64_t key, draws;
} load;

static double unit(load *l) {
    return draw_unit(draw_bits(l->key, l->draws++));
}

static int64_t length_ns(const load *l, uint32_t i) {
    return ENGINE_WINDOW_NS / 100 * l->b.pods[i].quota_pct;
}

static int64_t overlap(const token *t, int64_t from_ns, int64_t to_ns) {
    int64_t end = t->end_ns < t->heard_ns ? t->end_ns : t->heard_ns;
    if (end > to_ns) end = to_ns;
    return end > (t->start_ns > from_ns ? t->start_ns : from_ns)
               ? end - (t->start_ns > from_ns ? t->start_ns : from_ns)
               : 0;
}

static int64_t usage(const load *l, uint32_t i, int64_t now_ns) {
    int64_t sum = 0;
    for (size_t k = l->n[i]; k-- > 0 && l->log[i][k].end_ns > now_ns - 2 * ENGINE_WINDOW_NS;)
        sum += overlap(&l->log[i][k], now_ns - ENGINE_WINDOW_NS, now_ns);
    return sum;
}

static uint32_t held(const load *l, int64_t now_ns) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < l->b.n; i++) {
        const token *t = l->n[i] ? &l->log[i][l->n[i] - 1] : NULL;
        if (t && t->end_ns > now_ns && t->heard_ns > now_ns) sum += l->b.pods[i].sm_pct;
    }
    return sum;
}

/* Asks within the token's last ms, early or late, or some time after it; sometimes with a delay. */
static void pod_asks(load *l, uint32_t i, int64_t now_ns) {
    token *t = l->n[i] ? &l->log[i][l->n[i] - 1] : NULL;
    int is_early = unit(l) < 0.5;
    int64_t delay_ns = unit(l) < 0.5 ? 0 : (int64_t)(2e6 * unit(l)), end_ns = t ? t->end_ns : 0;
    if (t) t->heard_ns = (is_early || now_ns > end_ns ? now_ns : end_ns) + delay_ns;
    l->b.pods[i].process->launch = LAUNCH_BLOCKED;
    token_sched_ask(&l->b.tokens, &l->b.pods[i], now_ns, delay_ns, is_early);
    l->asks_ns[i] = NEVER;
}

static void pod_is_granted(load *l, uint32_t i, int64_t now_ns) {
    /* as it was granted: strictly less than the quota was used, and the SMs are there */
    assert_true(usage(l, i, now_ns) < length_ns(l, i));
    assert_true(l->n[i] < TOKENS_MAX);
    int64_t end_ns = now_ns + length_ns(l, i);
    l->log[i][l->n[i]++] = (token){now_ns, end_ns, NEVER};
    assert_true(held(l, now_ns) <= 100);
    l->asks_ns[i] = unit(l) < 0.8 ? end_ns - (int64_t)(0.4e6 * unit(l)) : end_ns + (int64_t)(30e6 * unit(l));
    if (l->asks_ns[i] < now_ns) l->asks_ns[i] = now_ns;
}

static void round_at(load *l, int64_t now_ns) {
    unsigned before = 0;
    for (uint32_t i = 0; i < l->b.n; i++) before |= (unsigned)waits(&l->b, i) << i;
    unsigned after = waiting_after(&l->b, now_ns);
    for (uint32_t i = 0; i < l->b.n; i++)
        if ((before & ~after) >> i & 1) pod_is_granted(l, i, now_ns);
    for (uint32_t i = 0; i < l->b.n; i++) {
        const token *t = l->n[i] ? &l->log[i][l->n[i] - 1] : NULL;
        if (!(after >> i & 1)) continue;
        /* nobody waits for what is there, and each will be looked at again, later */
        int is_heard = !t || t->heard_ns <= now_ns;
        if (t)
            assert_true(!is_heard || usage(l, i, now_ns) >= length_ns(l, i) ||
                        held(l, now_ns) + l->b.pods[i].sm_pct > 100);
        assert_true(next_ns(&l->b, i) > now_ns && next_ns(&l->b, i) < NEVER);
    }
}

static int64_t next_of(const load *l) {
    int64_t at = NEVER;
    for (uint32_t i = 0; i < l->b.n; i++) {
        int64_t of = waits(&l->b, i) ? next_ns(&l->b, i) : l->asks_ns[i];
        if (of < at) at = of;
    }
    return at;
}

/* In any window of 40 ms: tokens are granted while less than the quota is used, and are a quota long. */
static void expect_windows(const load *l) {
    for (uint32_t i = 0; i < l->b.n; i++)
        for (size_t k = 0; k < l->n[i]; k++) {
            int64_t most = 2 * length_ns(l, i);
            assert_true(usage(l, i, l->log[i][k].end_ns) < most);
            assert_true(usage(l, i, l->log[i][k].start_ns + ENGINE_WINDOW_NS) < most);
        }
}

static void quotas_and_widths_hold_under_any_load(void **state) {
    (void)state;
    static load l;
    size_t granted = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint32_t sm[PODS_MAX], quota[PODS_MAX];
        memset(&l, 0, sizeof l);
        l.key = draw_key(20261122, (uint32_t)round, DRAW_POLICY);
        uint32_t n = 1 + (uint32_t)(PODS_MAX * unit(&l));
        for (uint32_t i = 0; i < n; i++) {
            sm[i] = 1 + (uint32_t)(100 * unit(&l));
            quota[i] = 1 + (uint32_t)(100 * unit(&l));
        }
        bench_open(&l.b, n, sm, quota);
        int64_t now = 0;
        for (int step = 0; step < STEPS; step++) {
            int64_t next = next_of(&l);
            assert_true(next >= now && next < NEVER);
            now = next;
            for (uint32_t i = 0; i < n; i++)
                if (!waits(&l.b, i) && l.asks_ns[i] <= now) pod_asks(&l, i, now);
            int is_due = 0;
            for (uint32_t i = 0; i < n; i++) is_due |= waits(&l.b, i) && next_ns(&l.b, i) <= now;
            if (is_due) round_at(&l, now);
        }
        expect_windows(&l);
        for (uint32_t i = 0; i < n; i++) granted += l.n[i];
        bench_close(&l.b);
    }
    assert_true(granted > ROUNDS * 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spec_vectors),
        cmocka_unit_test(the_round_trip_eats_what_is_unused),
        cmocka_unit_test(idle_time_burns_tokens),
        cmocka_unit_test(the_gpu_goes_on_without_a_token),
        cmocka_unit_test(what_follows_the_gpu_needs_a_token),
        cmocka_unit_test(a_killed_pod_waits_for_no_token),
        cmocka_unit_test(the_pods_of_a_row_share_it),
        cmocka_unit_test(rows_share_the_gpu),
        cmocka_unit_test(what_is_over_frees_the_row),
        cmocka_unit_test(a_resize_counts_from_the_next_token),
        cmocka_unit_test(tiny_quotas_creep),
        cmocka_unit_test(less_than_the_quota_is_strict),
        cmocka_unit_test(one_that_does_not_fit_is_passed_over),
        cmocka_unit_test(the_larger_unused_part_comes_first),
        cmocka_unit_test(a_token_is_held_until_the_scheduler_hears),
        cmocka_unit_test(who_waits_is_told),
        cmocka_unit_test(quotas_and_widths_hold_under_any_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
