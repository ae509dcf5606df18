/* A pod's process worked by hand: requests at given times on one whole GPU, and when each must end (ms). */
#include <math.h>

#include "process_fixture.h"

static void open_whole(scene *s, double gpu_ms, double further_ms) {
    scene_open(s, ENGINE_METERED, gpu_ms, further_ms, 100, 100);
}

/* Travel 0.5, accept 2, wait 3, prepare 4: 19.5. Launches 5, G 8: over when both are, 27.5. Respond 1. */
static void alone(void **state) {
    (void)state;
    for (int is_launch_bound = 0; is_launch_bound < 2; is_launch_bound++) {
        scene s;
        open_whole(&s, is_launch_bound ? 3 : 8, 0);
        s.process.travel_ms = 0.5;
        s.process.accept_ms = 2;
        s.process.wait_ms = dist_constant(3);
        s.process.prepare_ms = 4;
        s.process.launch_ms = 5;
        s.process.respond_ms = 1;
        scene_requests(&s, 0, 1, (double[]){10});
        scene_expect(&s, 1, (double[]){is_launch_bound ? 25.5 : 28.5});
    }
}

/* Accept 10 each, from 0 and 4. One processor: the first has 4 by then, its 6 take 12, to 16; the second has 6 then and
 * its 4 end at 20. Two: 10 and 14. One and a half: 6 / 0.75 = 8, to 12; the second's 4 alone, at no more than one
 * processor, to 16. Half a one: 2 by 4, the other 8 at a quarter, to 36; the second has 2 left, to 40. Then 5 of
 * waiting, in which nobody works, and 1 on the GPU. */
static void work_shares_the_processors(void **state) {
    (void)state;
    const struct {
        double cpus, end_ms[2];
    } cases[] = {{1, {22, 26}}, {2, {16, 20}}, {1.5, {18, 22}}, {0.5, {42, 46}}};
    for (size_t i = 0; i < 4; i++) {
        scene s;
        open_whole(&s, 1, 0);
        s.f.fns[0].workers = 2;
        s.process.cpus = cases[i].cpus;
        s.process.accept_ms = 10;
        s.process.wait_ms = dist_constant(5);
        scene_requests(&s, 0, 2, (double[]){0, 4});
        scene_expect(&s, 2, cases[i].end_ms);
    }
}

/* Accept 6, launches 6, G 1. The first launches from 6 on; the second comes at 8, with 4 of the launches to go.
 *   weight 1/2: it works at 2/3, launches at 1/3: 17 = 8 + 6 / (2/3), 3 of 4 launched, the last alone: 18
 *   weight 2: the other way round: launched at 8 + 4 / (2/3) = 14; it has 4 of 6 left, and is accepted at 18
 *   1.5 processors, weight 0.1: its share would be more than one processor; it gets one, the launcher the other half:
 *   accepted at 14, 3 of 4 launched, 15
 *   1.5 processors, weight 9: the launcher gets one, to 12, the second half of one: 2 of 6, and the rest alone, 16
 * The second's launches follow: 6 more, from when the GPU is free and it is accepted. */
static void launches_have_their_weight(void **state) {
    (void)state;
    const struct {
        double cpus, weight, end_ms[2];
    } cases[] = {
        {1, 0.5, {18, 24}}, {1, 2, {14, 24}}, {1.5, 0.1, {15, 21}}, {1.5, 9, {12, 22}}, {2, 1, {12, 20}}};
    for (size_t i = 0; i < 5; i++) {
        scene s;
        open_whole(&s, 1, 0);
        s.f.fns[0].workers = 2;
        s.process.cpus = cases[i].cpus;
        s.process.launch_weight = cases[i].weight;
        s.process.accept_ms = s.process.launch_ms = 6;
        scene_requests(&s, 0, 2, (double[]){0, 8});
        scene_expect(&s, 2, cases[i].end_ms);
    }
}

/* Half a processor is half a processor for a launcher alone, too. */
static void a_launcher_alone_has_no_more_than_there_is(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 1, 0);
    s.process.cpus = 0.5;
    s.process.launch_ms = 6;
    scene_requests(&s, 0, 1, (double[]){0});
    scene_expect(&s, 1, (double[]){12});
}

/* As above with weight 1/2 and G = 10. The GPU runs a tenth per ms from 6 on: 0.2 at 8, when 1/3 is launched. Then
 * launches come at 1/18 per ms: it has caught up at 11 (1/2), and is held up until 17 (5/6). From there the launcher is
 * faster again: 18 for the launches, 5/6 + 0.1 for the GPU by then, the last 1/15 to 18 2/3. The second: launched by 24
 * 2/3, but 10 on the GPU. */
static void the_gpu_is_never_ahead_of_launches(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 10, 0);
    s.f.fns[0].workers = 2;
    s.process.accept_ms = s.process.launch_ms = 6;
    scene_requests(&s, 0, 2, (double[]){0, 8});
    scene_expect(&s, 2, (double[]){18 + 2.0 / 3, 28 + 2.0 / 3});
}

/* Launches of 10, G 30: who launches twice as slowly is ahead of the GPU still, 30. G 4: it follows the launches, 20. A
 * GPU that is twice as slow slows no launches: 60, and 10. */
static void launches_and_kernels_vary_apart(void **state) {
    (void)state;
    const struct {
        double gpu_ms, launch_factor, gpu_factor, end_ms;
    } cases[] = {{30, 2, 1, 30}, {4, 2, 1, 20}, {30, 1, 2, 60}, {4, 1, 2, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene s;
        open_whole(&s, cases[i].gpu_ms, 0);
        s.process.launch_ms = 10;
        s.process.launch_noise = dist_constant(cases[i].launch_factor);
        s.f.fns[0].noise = dist_constant(cases[i].gpu_factor);
        scene_requests(&s, 0, 1, (double[]){0});
        scene_expect(&s, 1, (double[]){cases[i].end_ms});
    }
}

enum { LONE = 100 };

/* What each of a hundred lone requests took, ms: waits, work or launches of mean 10, exponential where `which` says so */
static void lone_latencies(double ms[LONE], char which) {
    double at_ms[LONE];
    scene s;
    open_whole(&s, 0.001, 0);
    s.process.wait_ms = which == 'w' ? dist_exponential(10) : dist_constant(0);
    s.process.respond_ms = which == 'r' ? 10 : 0;
    s.process.work_noise = which == 'r' ? dist_exponential(1) : dist_constant(1);
    s.process.launch_ms = which == 'l' ? 10 : 0;
    s.process.launch_noise = which == 'l' ? dist_exponential(1) : dist_constant(1);
    for (size_t i = 0; i < LONE; i++) at_ms[i] = 90.0 * (double)i;
    scene_requests(&s, 0, LONE, at_ms);
    engine_result r = fixture_run(&s.f);
    assert_int_equal(r.n_requests, LONE);
    for (size_t i = 0; i < LONE; i++)
        ms[i] = 1e-6 * (double)(r.requests[i].end_ns - r.requests[i].arrival_ns);
    engine_result_free(&r);
    scene_close(&s);
}

/* Their mean is within four deviations of its own, and they know nothing of the request's wait and work. */
static void each_batch_has_launches_of_its_own(void **state) {
    (void)state;
    double launch[LONE], other[LONE], sum = 0;
    lone_latencies(launch, 'l');
    for (size_t i = 0; i < LONE; i++) sum += launch[i];
    assert_true(fabs(sum / LONE - 10) < 4);
    for (const char *which = "wrl"; *which; which++) {
        double product = 0;
        lone_latencies(other, *which);
        for (size_t i = 0; i < LONE; i++) product += (launch[i] / 10 - 1) * (other[i] / 10 - 1) / LONE;
        assert_true(*which == 'l' ? product > 0.5 : fabs(product) < 0.4);
    }
}

/* G(1) = 10, G(2) = 12; the first batch of each size takes 50. Requests that come while the GPU is busy make batches of
 * two. A first batch that is slower than that anyway is not slowed. */
static void the_first_batch_of_a_size_is_slow(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 10, 2);
    s.f.fns[0].workers = 4;
    s.f.fns[0].batch_max = 2;
    s.process.first_batch_ms = 50;
    scene_requests(&s, 0, 8, (double[]){0, 100, 200, 203, 205, 300, 303, 305});
    scene_expect(&s, 8, (double[]){50, 110, 210, 260, 260, 310, 322, 322});
    open_whole(&s, 10, 2);
    s.process.first_batch_ms = 7;
    scene_requests(&s, 0, 1, (double[]){0});
    scene_expect(&s, 1, (double[]){10});
}

/* Accept 1, G 10, wake 5 after 60 ms without work. The first: 0 + 6 + 10. At 17, 1 ms after the answer: none. At 87, 59
 * ms after the last: none. At 159, 61 after: woken. */
static void an_idle_processor_must_wake(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 10, 0);
    s.process.accept_ms = 1;
    s.process.wake_ms = 5;
    scene_requests(&s, 0, 4, (double[]){0, 17, 87, 159});
    scene_expect(&s, 4, (double[]){16, 28, 98, 175});
}

/* Travel 20, accept 4, wake 5 after 60 ms without work, G 10. Accepted at 20, and woken: 39. At 45, 6 ms after that
 * answer: 59. At 120, 61 ms after, though it set out 41 after: woken, 139. At 170: 184. */
static void on_the_road_nobody_works(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 10, 0);
    s.process.travel_ms = 20;
    s.process.accept_ms = 4;
    s.process.wake_ms = 5;
    scene_requests(&s, 0, 4, (double[]){0, 25, 100, 150});
    scene_expect(&s, 4, (double[]){39, 59, 139, 184});
}

/* Prepare 4, G 10, respond 2; at 0 and 1. One worker: the second begins at 16. Two: both prepare at half speed from 1
 * on, the first to 7, the second to 8; on the GPU to 17 and 27. */
static void a_worker_is_kept_to_the_answer(void **state) {
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        scene s;
        open_whole(&s, 10, 0);
        s.f.fns[0].workers = workers;
        s.process.prepare_ms = 4;
        s.process.respond_ms = 2;
        scene_requests(&s, 0, 2, (double[]){0, 1});
        scene_expect(&s, 2, workers == 1 ? (double[]){16, 32} : (double[]){19, 29});
    }
}

/* Killed at 20: one has been answered, one is on the GPU, one waits, one is accepted and waits for the worker. */
static void what_is_in_a_killed_process_is_lost(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 10, 0);
    s.process.wait_ms = dist_constant(2);
    scene_then(20, (pol_action){.verb = POL_KILL, .pod = 0});
    scene_requests(&s, 0, 4, (double[]){0, 13, 14, 19});
    scene_expect(&s, 4, (double[]){12, -1, -1, -1});
}

/* Under the metered runtime nothing would hold a process to less than its whole GPU: neither at its start nor later. */
static void quotas_are_not_pretended(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 10, 0);
    scene_then(20, (pol_action){.verb = POL_RESIZE, .quota_pct = 50});
    scene_then(20, (pol_action){.verb = POL_RESIZE, .quota_pct = 100, .weight = 3});
    scene_then(30, (pol_action){.verb = POL_START, .row = 0, .sm_pct = 100, .quota_pct = 50});
    engine_result r = fixture_run(&s.f);
    assert_int_equal(r.actions_refused, 2);
    assert_string_equal(r.actions[2].why, "nothing meters a process: its quota is 100 %");
    assert_null(r.actions[3].why);
    engine_result_free(&r);
    fixture_close(&s.f);
}

/* An event of another falls into the last ns of a batch's launches: what is left of them must not hold up a GPU that is
 * much slower. Accept 1, G 400, launches 0.3000003 from 1 on, when the second comes: it works at 1 / 1.3, until 2.3, and
 * 0.3 of a ns is left to launch then, a millionth of the batch and 400 ns of the GPU. */
static void rounding_holds_up_no_batch(void **state) {
    (void)state;
    scene s;
    open_whole(&s, 400, 0);
    s.f.fns[0].workers = 2;
    s.process.launch_weight = 0.3;
    s.process.accept_ms = 1;
    s.process.launch_ms = 0.2999993; /* and a ns */
    scene_requests(&s, 0, 2, (double[]){0, 1});
    scene_expect(&s, 2, (double[]){401, 801});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone),
        cmocka_unit_test(work_shares_the_processors),
        cmocka_unit_test(launches_have_their_weight),
        cmocka_unit_test(a_launcher_alone_has_no_more_than_there_is),
        cmocka_unit_test(the_gpu_is_never_ahead_of_launches),
        cmocka_unit_test(launches_and_kernels_vary_apart),
        cmocka_unit_test(each_batch_has_launches_of_its_own),
        cmocka_unit_test(the_first_batch_of_a_size_is_slow),
        cmocka_unit_test(an_idle_processor_must_wake),
        cmocka_unit_test(on_the_road_nobody_works),
        cmocka_unit_test(a_worker_is_kept_to_the_answer),
        cmocka_unit_test(what_is_in_a_killed_process_is_lost),
        cmocka_unit_test(quotas_are_not_pretended),
        cmocka_unit_test(rounding_holds_up_no_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
