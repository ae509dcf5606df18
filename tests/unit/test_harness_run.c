/* test_harness_run.c - a whole measurement with real processes and a simulated GPU: plan, workers, journal, trace; killed at
 * any point and resumed. This program is its own worker (--worker). */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "harness_fake.h"
#include "harness_journal.h"
#include "harness_run.h"
#include "harness_worker.h"

#define MODELS HASSIM_ROOT "/calib/harness/models"

enum { PATH = 512 };

typedef struct {
    char folder[PATH], out[PATH], journal[PATH + 16], mps[PATH], option[64];
    char *argv[4]; /* of a worker */
    harness_workloads w;
} fixture;

/* --worker [fails=W] [kills=W] [wrong] [device=NAME] */
static int serve(int argc, char **argv) {
    char err[HARNESS_ERR_LEN];
    harness_workloads w;
    harness_measure_options o = {0.05};
    fake_device f = fake_new();
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "fails=", 6) == 0) f.fails_on = argv[i] + 6;
        if (strncmp(argv[i], "kills=", 6) == 0) f.kills_on = argv[i] + 6;
        if (strcmp(argv[i], "wrong") == 0) f.wrong_conv = 1;
        if (strcmp(argv[i], "hangs") == 0) pause();
    }
    if (harness_workloads_read(&w, MODELS, err)) return 2;
    int rc = harness_worker_serve(&f.base, &w, &o, stdin, stdout);
    harness_workloads_free(&w);
    return rc;
}

static int set_up(void **state) {
    fixture *x = calloc(1, sizeof *x);
    char err[HARNESS_ERR_LEN];
    snprintf(x->folder, sizeof x->folder, "/tmp/hassim-harness-XXXXXX");
    if (!mkdtemp(x->folder)) return -1;
    snprintf(x->out, sizeof x->out, "%.400s/trace.json", x->folder);
    snprintf(x->journal, sizeof x->journal, "%s.journal", x->out);
    snprintf(x->mps, sizeof x->mps, "%.400s/mps", x->folder);
    *state = x;
    return harness_workloads_read(&x->w, MODELS, err);
}

static int tear_down(void **state) {
    fixture *x = *state;
    unlink(x->out);
    unlink(x->journal);
    rmdir(x->folder); /* fails, and shows in /tmp, where something else was left */
    int left = access(x->folder, F_OK) == 0;
    harness_workloads_free(&x->w);
    free(x);
    return left;
}

static harness_link *link_to(fixture *x, const char *option) {
    static char self[] = "/proc/self/exe", worker[] = "--worker";
    snprintf(x->option, sizeof x->option, "%s", option ? option : "");
    x->argv[0] = self;
    x->argv[1] = worker;
    x->argv[2] = option ? x->option : NULL;
    return harness_process_link(x->argv, x->mps);
}

static int run(fixture *x, const char *option, const char *only, size_t most, harness_run_result *r,
               char *err) {
    harness_run_options o = {
        .out = x->out, .version = "test", .only = only, .step_s = 0.05, .plain_only = 1, .most_steps = most};
    harness_link *l = link_to(x, option);
    int rc = harness_run(&o, &x->w, l, r, err);
    l->close(l);
    return rc;
}

static void run_well(fixture *x, const char *option, const char *only, size_t most, harness_run_result *r) {
    char err[HARNESS_ERR_LEN];
    if (run(x, option, only, most, r, err)) fail_msg("%s", err);
}

static harness_json *read_trace(const fixture *x) {
    char err[HARNESS_ERR_LEN];
    harness_json *j = harness_json_read(x->out, err);
    if (!j) fail_msg("%s", err);
    return j;
}

static size_t count(const harness_json *array) {
    size_t n = 0;
    assert_non_null(array);
    for (const harness_json *j = array->child; j; j = j->next) n++;
    return n;
}

static size_t n_lines(const char *path) {
    size_t n = 0;
    FILE *f = fopen(path, "rb");
    for (int c; f && (c = fgetc(f)) != EOF;) n += c == '\n';
    if (f) fclose(f);
    return n;
}

static void test_plan_to_trace(void **state) {
    fixture *x = *state;
    harness_run_result r;
    run_well(x, NULL, "latency/resnet50/b1", 0, &r);
    assert_true(r.planned >= 6 && r.measured == r.planned && r.now == r.planned && !r.failed);
    harness_json *j = read_trace(x);
    assert_string_equal(harness_json_string(j, "format", ""), HARNESS_TRACE_FORMAT);
    assert_string_equal(harness_json_string(j, "device.uuid", ""), "GPU-fake");
    assert_string_equal(harness_json_string(j, "mps", ""), "not asked for");
    assert_int_equal(count(harness_json_at(j, "records")), r.planned);
    assert_true(harness_json_number(j, "planned", 0) > 500); /* all that there is to measure */
    assert_int_equal(count(harness_json_at(j, "failed")), 0);
    assert_true(harness_json_number(j, "checks.noise_floor_pct", -1) >= 0);
    assert_int_equal(
        (int)harness_json_number(harness_json_at(j, "checks.monotonicity")->child, "contradictions", -1), 0);
    harness_json_free(j);
    run_well(x, NULL, "latency/resnet50/b1", 0, &r); /* nothing left to do */
    assert_int_equal(r.now, 0);
}

/* Every kind of step through the processes. */
static void test_every_kind(void **state) {
    static const char *const only[] = {"verify/vgg16", "cold/vgg16", "resize",
                                       "quota/vgg16/b1/whole/token-20", "pair/vgg16/b4/green-16/resnet50"};
    fixture *x = *state;
    for (size_t i = 0; i < sizeof only / sizeof *only; i++) {
        harness_run_result r;
        run_well(x, NULL, only[i], 0, &r);
        assert_true(r.planned > 0 && r.failed == 0 && r.now == r.planned);
    }
}

static void test_stopped_and_resumed(void **state) {
    fixture *x = *state;
    harness_run_result r;
    run_well(x, NULL, "latency/vgg16/b1", 3, &r);
    assert_int_equal(r.measured, 3);
    harness_json *first = read_trace(x);
    run_well(x, NULL, "latency/vgg16/b1", 0, &r);
    assert_int_equal(r.now, r.planned - 3);
    harness_json *all = read_trace(x);
    assert_int_equal(count(harness_json_at(all, "records")), r.planned);
    const harness_json *a = harness_json_at(first, "records")->child,
                       *b = harness_json_at(all, "records")->child;
    for (int i = 0; i < 3; i++, a = a->next, b = b->next)
        assert_true(harness_json_number(a, "wall_ms.median", 0) ==
                    harness_json_number(b, "wall_ms.median", -1));
    harness_json_free(first);
    harness_json_free(all);
}

/* SIGKILL in the middle of a step: everything before it is kept, and the trace's file does not exist yet. */
static void test_killed_and_resumed(void **state) {
    fixture *x = *state;
    harness_run_result r;
    char err[HARNESS_ERR_LEN];
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(run(x, "kills=resnet50", "latency", 0, &r, err) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(access(x->out, F_OK), -1);
    assert_int_equal(n_lines(x->journal), 1); /* the header: resnet50 is the first probe */

    pid = fork();
    if (pid == 0) _exit(run(x, "kills=decoder-decode", "latency", 0, &r, err) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    size_t kept = n_lines(x->journal) - 1;
    assert_true(kept > 2 && access(x->out, F_OK) == -1);

    run_well(x, NULL, "latency", kept + 2, &r);
    assert_int_equal(r.measured, kept + kept + 2);
}

/* A line that was being written when the power went. */
static void test_torn_line(void **state) {
    fixture *x = *state;
    harness_run_result r;
    run_well(x, NULL, "resize", 2, &r);
    FILE *f = fopen(x->journal, "ab");
    fputs("{\"key\": \"resize/green-32/r1\", \"create_ms\": {\"n\": 1", f);
    fclose(f);
    run_well(x, NULL, "resize", 0, &r);
    assert_int_equal(r.measured, r.planned);
    assert_int_equal(r.now, r.planned - 2);
}

static void test_foreign_journal_is_refused(void **state) {
    static const char *const bad[] = {
        "{\"format\": \"hassim-journal-1\", \"device\": {\"uuid\": \"GPU-other\"}}\n", "something else\n"};
    fixture *x = *state;
    for (size_t i = 0; i < 2; i++) {
        char err[HARNESS_ERR_LEN];
        harness_run_result r;
        FILE *f = fopen(x->journal, "wb");
        fputs(bad[i], f);
        fclose(f);
        assert_int_equal(run(x, NULL, "resize", 0, &r, err), -1);
        assert_non_null(strstr(err, "another device"));
        assert_int_equal(access(x->out, F_OK), -1);
        assert_int_equal(n_lines(x->journal), 1);
    }
}

/* A failing step costs itself: its worker is replaced, the error recorded, the step tried again the next time. */
static void test_failing_steps(void **state) {
    fixture *x = *state;
    harness_run_result r;
    run_well(x, "fails=resnet50", "pair", 3, &r);
    assert_true(r.failed > 0 && r.measured > 0);
    harness_json *j = read_trace(x);
    assert_int_equal(count(harness_json_at(j, "failed")), r.failed);
    assert_string_equal(harness_json_string(harness_json_at(j, "failed")->child, "error", ""),
                        "simulated: illegal \"address\"");
    harness_json_free(j);
    size_t tried = r.failed + r.measured;
    run_well(x, NULL, "pair", tried, &r);
    assert_int_equal(r.failed, 0);
}

static void test_gives_up_when_all_fail(void **state) {
    fixture *x = *state;
    harness_run_result r;
    run_well(x, "fails=vgg16", "latency/vgg16", 0, &r);
    assert_int_equal(r.now, 5);
    assert_int_equal(r.failed, 5);
}

/* Where operators give wrong values, nothing of that workload is measured. */
static void test_wrong_results_stop_a_workload(void **state) {
    fixture *x = *state;
    harness_run_result r;
    run_well(x, "wrong", "verify/vgg16", 0, &r);
    assert_int_equal(r.measured, 1);
    run_well(x, "wrong", "latency/vgg16/b1", 4, &r);
    assert_int_equal(r.failed, 4);
    harness_json *j = read_trace(x);
    assert_non_null(
        strstr(harness_json_string(harness_json_at(j, "failed")->child, "error", ""), "reference"));
    harness_json_free(j);
}

/* SIGTERM: the step in progress ends, the trace is written. */
static void test_terminated_politely(void **state) {
    fixture *x = *state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        harness_run_result r;
        char err[HARNESS_ERR_LEN];
        sigset_t term;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        raise(SIGTERM); /* pending before the first step */
        int rc = run(x, NULL, "resize", 0, &r, err);
        _exit(rc || !r.stopped || r.now ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(access(x->out, F_OK), 0);
}

static void test_hanging_worker_is_killed(void **state) {
    fixture *x = *state;
    char err[HARNESS_ERR_LEN];
    harness_text reply = {0};
    harness_link *l = link_to(x, "hangs");
    assert_int_equal(l->ask(l, NULL, 0.2, &reply, err), -1);
    assert_non_null(strstr(err, "no answer"));
    l->close(l);
    harness_text_free(&reply);
}

static void test_no_program_no_answer(void **state) {
    fixture *x = *state;
    char err[HARNESS_ERR_LEN];
    harness_text reply = {0};
    char *argv[] = {(char[]){"/nonexistent/worker"}, NULL};
    harness_link *l = harness_process_link(argv, x->mps);
    assert_int_equal(l->ask(l, NULL, 5, &reply, err), -1);
    assert_non_null(strstr(err, "ended"));
    l->close(l);
    harness_text_free(&reply);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--worker") == 0) return serve(argc, argv);
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_plan_to_trace),
        TEST(test_every_kind),
        TEST(test_stopped_and_resumed),
        TEST(test_killed_and_resumed),
        TEST(test_torn_line),
        TEST(test_foreign_journal_is_refused),
        TEST(test_failing_steps),
        TEST(test_gives_up_when_all_fail),
        TEST(test_wrong_results_stop_a_workload),
        TEST(test_terminated_politely),
        TEST(test_hanging_worker_is_killed),
        TEST(test_no_program_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
