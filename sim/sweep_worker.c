/* sweep_worker.c - one run, in a process of its own. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sweep_int.h"

typedef struct {
    int fd;
    int64_t step_ns, told_ns;
} reporter;

static void tell(int fd, const sweep_message *message) {
    ssize_t n = write(fd, message, sizeof *message);
    (void)n; /* a parent that is gone ends this process with SIGPIPE */
}

/* Every hundredth of the run is news enough */
static void on_progress(void *arg, int64_t now_ns) {
    reporter *r = arg;
    if (now_ns - r->told_ns < r->step_ns) return;
    r->told_ns = now_ns;
    sweep_message message = {.news = SWEEP_ADVANCED, .now_ns = now_ns};
    tell(r->fd, &message);
}

static double seconds_since(const struct timespec *t0) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec - t0->tv_sec) + (double)(t.tv_nsec - t0->tv_nsec) * 1e-9;
}

static int write_run(const sweep *s, const sweep_job *job, const config *c, const engine_setup *input,
                     const engine_result *result, double wall_s, char *err) {
    results *r = NULL;
    results_run run = sweep_identity(s, job);
    run.config_json = c->json;
    run.predictor = c->policies[job->policy].predictor.text;
    run.model_error = c->model_error;
    run.wall_s = wall_s;
    int rc = results_open(&r, s->options.db_path, c->name, c->question, err);
    if (rc == 0) rc = results_write_run(r, &run, input, result, err);
    results_close(r);
    return rc;
}

static int simulate(const sweep *s, const sweep_job *job, const config *c, setup *opened, sweep_message *last,
                    int fd, heartbeat *beat, char *err) {
    engine_setup input;
    engine_result result = {0};
    const tap_hooks hooks = heartbeat_hooks(beat);
    if (setup_engine(opened, job->policy, c->seeds[job->seed], &input, err) != 0) return -1;
    tap *watched = tap_new(input.policy, input.params, &hooks);
    if (watched == NULL) return config_fail(err, "sweep", NULL, "no memory", "enough of it");
    input.policy = tap_ops(watched);
    input.params = tap_values(watched);
    reporter r = {fd, input.duration_ns / 100, 0};
    const engine_options options = {.order = c->order,
                                    .threads = c->threads,
                                    .eager = s->options.eager,
                                    .progress = on_progress,
                                    .progress_arg = &r};
    struct timespec t0;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    int rc = s->options.engine(&input, &options, &result, err);
    last->wall_s = seconds_since(&t0);
    for (size_t i = 0; rc == 0 && i < result.n_fns; i++) last->arrivals += result.fns[i].arrivals;
    if (rc == 0) {
        rc = write_run(s, job, c, &input, &result, last->wall_s, err);
        engine_result_free(&result);
    }
    tap_free(watched);
    return rc;
}

/* The terminal's Ctrl-C is the parent's business, which ends us with SIGTERM */
static void take_signals(void) {
    sigset_t none;
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void sweep_work(const sweep *s, const sweep_job *job, int fd, heartbeat *beat) {
    char err[CONFIG_ERR_LEN] = "";
    sweep_message last = {.news = SWEEP_WROTE};
    config *c = NULL;
    setup *opened = NULL;
    take_signals();
    int rc = config_at(&c, s->doc, job->point, err);
    if (rc == 0) rc = setup_open(&opened, s->store, c, err);
    if (rc == 0) rc = simulate(s, job, c, opened, &last, fd, beat, err);
    if (rc != 0) {
        last.news = SWEEP_FAILED;
        snprintf(last.text, sizeof last.text, "%.*s", (int)sizeof last.text - 1, err);
    }
    tell(fd, &last);
    setup_close(opened);
    config_free(c);
}
