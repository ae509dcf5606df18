/* The testbed's client against servers that are worked by hand, and what must hold against any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "draw.h"

#define MS_NS INT64_C(1000000)

enum { EVENTS_MAX = 4096 };

typedef struct {
    int64_t at_ns;
    client_move move; /* CLIENT_IDLE is not noted */
} event;

typedef struct { /* answers the k-th request answer_ns[k % n] after it was sent */
    const int64_t *answer_ns;
    size_t n;
    int64_t pending_ns[EVENTS_MAX]; /* when each in flight is answered */
    size_t in_flight, most_in_flight, sent;
    event log[EVENTS_MAX];
    size_t n_log, steps;
    int64_t done_ns;
} server;

static size_t first_of(const server *s) {
    size_t first = 0;
    for (size_t i = 1; i < s->in_flight; i++)
        if (s->pending_ns[i] < s->pending_ns[first]) first = i;
    return first;
}

static void answer(server *s, client *c) {
    size_t i = first_of(s);
    int64_t now = s->pending_ns[i];
    s->pending_ns[i] = s->pending_ns[--s->in_flight];
    client_answered(c, now);
    s->done_ns = now;
}

static void step(server *s, client *c, int64_t now_ns) {
    client_move move = client_step(c, now_ns);
    s->done_ns = now_ns;
    s->steps++;
    if (move == CLIENT_IDLE) return;
    assert_true(s->n_log < EVENTS_MAX);
    s->log[s->n_log++] = (event){now_ns, move};
    if (move == CLIENT_LOSES) {
        client_answered(c, now_ns);
        return;
    }
    s->pending_ns[s->in_flight++] = now_ns + s->answer_ns[s->sent++ % s->n];
    if (s->in_flight > s->most_in_flight) s->most_in_flight = s->in_flight;
}

/* From start_ns to its end. */
static void serve(server *s, const client_spec *spec, int64_t start_ns, size_t n, const int64_t *answer_ns) {
    memset(s, 0, sizeof *s);
    s->answer_ns = answer_ns;
    s->n = n;
    client *c = client_open(spec, start_ns);
    assert_non_null(c);
    while (!client_is_done(c)) {
        int64_t next = client_next(c);
        assert_true(s->in_flight || next < INT64_MAX); /* stuck otherwise */
        assert_true(next >= s->done_ns);
        if (s->in_flight && s->pending_ns[first_of(s)] <= next)
            answer(s, c);
        else
            step(s, c, next);
        assert_true(s->steps < 100000);
    }
    assert_true(client_next(c) == INT64_MAX);
    assert_int_equal(s->in_flight, 0);
    client_close(c);
}

/* at_ms < 0: lost then */
static void expect_log(const server *s, size_t n, const int64_t *at_ms) {
    assert_int_equal(s->n_log, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s->log[i].move, at_ms[i] < 0 ? CLIENT_LOSES : CLIENT_SENDS);
        assert_int_equal(s->log[i].at_ns, (at_ms[i] < 0 ? -at_ms[i] : at_ms[i]) * MS_NS);
    }
}

static const int64_t quick_ns[] = {10 * MS_NS};
static server s;

/* Rate 4: every 250 ms; a second of it ends at 1000, after the last sleep. 100 of pause, rate 2. */
static void arrivals_are_even(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 4}, {.rate_rps = 2, .pause_ns = 100 * MS_NS}};
    client_spec spec = {.stages = stages, .n_stages = 2, .stage_s = 1, .threads_per_rps = 2};
    serve(&s, &spec, 3000 * MS_NS, 1, quick_ns);
    expect_log(&s, 6, (int64_t[]){3000, 3250, 3500, 3750, 4100, 4600});
    assert_true(s.done_ns == 5100 * MS_NS);
}

/* A ms late each: 251 apart, and the stage is 4 ms longer. The first stage's pause counts, too. */
static void sleeps_last_longer(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 4, .pause_ns = 5 * MS_NS}, {.rate_rps = 1}};
    client_spec spec = {
        .stages = stages, .n_stages = 2, .stage_s = 1, .threads_per_rps = 2, .late_ns = MS_NS};
    serve(&s, &spec, 0, 1, quick_ns);
    expect_log(&s, 5, (int64_t[]){5, 256, 507, 758, 1009});
    assert_true(s.done_ns == 2010 * MS_NS);
}

/* Two threads, 1200 ms an answer, requests at 0, 500, 1000, 1500 for two seconds: the third and fourth wait for a thread.
 * The stage ends with the fourth's answer, 1700 + 1200, not at 2000. */
static void threads_bound_what_is_in_flight(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 2}, {.rate_rps = 2}};
    client_spec spec = {.stages = stages, .n_stages = 2, .stage_s = 2, .threads_per_rps = 1};
    serve(&s, &spec, 0, 1, (int64_t[]){1200 * MS_NS});
    expect_log(&s, 8, (int64_t[]){0, 500, 1200, 1700, 2900, 3400, 4100, 4600});
    assert_int_equal(s.most_in_flight, 2);
}

/* One thread, requests at 0, 1000, 2000, closed at 3000; 2500 an answer. At 2500 the thread takes both first tasks, which
 * submit their calls, and then the first call: neither is lost, though the last is sent at 5000, long after the close. */
static void first_tasks_go_before_calls(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 1}};
    client_spec spec = {.stages = stages, .n_stages = 1, .stage_s = 3, .threads_per_rps = 1};
    serve(&s, &spec, 0, 1, (int64_t[]){2500 * MS_NS});
    expect_log(&s, 3, (int64_t[]){0, 2500, 5000});
    assert_true(s.done_ns == 7500 * MS_NS);
}

/* Two threads, closed at 2000; answers after 3000: at 3000 and 3500 each takes a first task that cannot submit, and is
 * kept 700 by it. The next stage begins when both are done, at 4200. */
static void late_first_tasks_are_lost(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 2}, {.rate_rps = 1}};
    client_spec spec = {.stages = stages, .n_stages = 2, .stage_s = 2, .threads_per_rps = 1};
    serve(&s, &spec, 0, 6, (int64_t[]){3000 * MS_NS, 3000 * MS_NS, MS_NS, MS_NS, MS_NS, MS_NS});
    expect_log(&s, 6, (int64_t[]){0, 500, -3700, -4200, 4200, 5200});
    assert_true(s.done_ns == 6200 * MS_NS);
}

/* One thread, requests at 0 .. 4000, closed at 5000, the first answer at 7500: the others are lost one after the other. */
static void back_offs_keep_their_thread(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 1}};
    client_spec spec = {.stages = stages, .n_stages = 1, .stage_s = 5, .threads_per_rps = 1};
    serve(&s, &spec, 0, 1, (int64_t[]){7500 * MS_NS});
    expect_log(&s, 5, (int64_t[]){0, -8200, -8900, -9600, -10300});
}

/* An answer at the very instant of the close comes before it, or after it: both are a matter of the engine's order. Here
 * the server answers first, so that the waiting task still submits. */
static void an_answer_before_the_close_saves_the_request(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 1}};
    client_spec spec = {.stages = stages, .n_stages = 1, .stage_s = 2, .threads_per_rps = 1};
    serve(&s, &spec, 0, 1, (int64_t[]){1999 * MS_NS});
    expect_log(&s, 2, (int64_t[]){0, 1999});
    serve(&s, &spec, 0, 1, (int64_t[]){2001 * MS_NS});
    expect_log(&s, 2, (int64_t[]){0, -2701});
}

/* Random stages against random servers, from instant to hopeless: every request of every stage is sent or lost, threads
 * bound what is in flight, nothing is sent before its time, and the client ends. */
static void everything_is_sent_or_lost(void **state) {
    (void)state;
    uint64_t lost = 0, sent = 0;
    for (uint64_t round = 0; round < 300; round++) {
        uint64_t key = draw_key(20261122, (uint32_t)round, DRAW_POLICY), k = 0;
        client_stage stages[8];
        int64_t answers[64];
        size_t n = 1 + (size_t)(draw_unit(draw_bits(key, k++)) * 8), total = 0, most = 0;
        for (size_t i = 0; i < n; i++) {
            stages[i].rate_rps = 1 + (uint32_t)(draw_unit(draw_bits(key, k++)) * 30);
            stages[i].pause_ns = (int64_t)(draw_unit(draw_bits(key, k++)) * 3e8);
            total += 5 * stages[i].rate_rps;
            if (stages[i].rate_rps > most) most = stages[i].rate_rps;
        }
        double mean_ns = 1e6 * (double)(UINT64_C(1) << (round % 14)); /* 1 ms .. 8 s */
        for (size_t i = 0; i < 64; i++)
            answers[i] = i % 7 == 0 ? 0 : (int64_t)(mean_ns * draw_exp(draw_bits(key, k++)));
        client_spec spec = {
            .stages = stages, .n_stages = n, .stage_s = 5, .threads_per_rps = 2, .late_ns = 250000};
        serve(&s, &spec, 0, 64, answers);
        assert_int_equal(s.n_log, total);
        assert_true(s.most_in_flight <= 2 * most);
        int64_t nominal = 0;
        for (size_t i = 0; i < n; i++)
            nominal +=
                stages[i].pause_ns + 5 * stages[i].rate_rps * (1000 * MS_NS / stages[i].rate_rps + 250000);
        assert_true(s.done_ns >= nominal);
        if (mean_ns < 2e6) assert_true(s.done_ns < nominal + 100 * MS_NS && s.sent == total);
        sent += s.sent;
        lost += total - s.sent;
    }
    assert_true(sent > 10000 && lost > 1000);
}

/* Rate 5 and ten threads hold five in flight of 1 s each. Of 4 s each, ten are sent by 1800. At 4000 the first thread is
 * free, eleven first tasks wait and submit their calls, and the first of these is made; the others follow every 200, to
 * 5800. The first tasks of 4200 to 4800 have calls before them, and the pool is closed at 5000: at 8000 the eleventh call is
 * made, from 8200 on these four meet a closed pool. All is over with the eleventh call, at 12000. */
static void a_slow_server_slows_the_client(void **state) {
    (void)state;
    const client_stage stages[] = {{.rate_rps = 5}};
    client_spec spec = {.stages = stages, .n_stages = 1, .stage_s = 5, .threads_per_rps = 2};
    serve(&s, &spec, 0, 1, (int64_t[]){1000 * MS_NS});
    assert_int_equal(s.sent, 25);
    assert_int_equal(s.most_in_flight, 5);
    assert_true(s.done_ns == 5800 * MS_NS);
    serve(&s, &spec, 0, 1, (int64_t[]){4000 * MS_NS});
    assert_int_equal(s.most_in_flight, 10);
    for (size_t i = 0; i < 10; i++) assert_true(s.log[i].at_ns == (int64_t)i * 200 * MS_NS);
    for (size_t i = 10; i < 20; i++) assert_true(s.log[i].at_ns == (4000 + ((int64_t)i - 10) * 200) * MS_NS);
    assert_int_equal(s.sent, 21);
    assert_true(s.log[20].move == CLIENT_SENDS && s.log[20].at_ns == 8000 * MS_NS);
    for (size_t i = 21; i < 25; i++)
        assert_true(s.log[i].move == CLIENT_LOSES &&
                    s.log[i].at_ns == (8900 + ((int64_t)i - 21) * 200) * MS_NS);
    assert_true(s.done_ns == 12000 * MS_NS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrivals_are_even),
        cmocka_unit_test(sleeps_last_longer),
        cmocka_unit_test(threads_bound_what_is_in_flight),
        cmocka_unit_test(first_tasks_go_before_calls),
        cmocka_unit_test(late_first_tasks_are_lost),
        cmocka_unit_test(back_offs_keep_their_thread),
        cmocka_unit_test(an_answer_before_the_close_saves_the_request),
        cmocka_unit_test(everything_is_sent_or_lost),
        cmocka_unit_test(a_slow_server_slows_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
