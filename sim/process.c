#include "process_int.h"

#include <math.h>
#include <stdlib.h>

#include "grow_int.h"

/* The hook asks when so much of its token is left (spec 2.1). The launch that asked is let through whatever the new
 * token's length, so that a pod with a tiny quota creeps: here, for half of it. */
static const int64_t GUARD_NS = 1000000;
static const int64_t IDLE_NS = 60000000; /* after so long without work a processor must wake */
static const double DONE_NS = 0.5;       /* rounding of event times to ns leaves less than this */

process *process_open(const engine_process *spec, uint64_t request_key, uint64_t token_key) {
    process *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->spec = spec;
    x->request_key = request_key;
    x->token_key = token_key;
    x->busy_ns = -IDLE_NS;
    x->token_due_ns = NEVER;
    x->gpu_speed = 1;
    return x;
}

void process_close(process *x) {
    if (!x) return;
    free(x->jobs);
    free(x);
}

static int64_t after(int64_t now_ns, double ns) {
    return now_ns + (ns > 0 ? (int64_t)ceil(ns) : 0);
}

/* ---- the processor ---- */

static int is_work(const process_job *j) {
    return j->stage != JOB_TRAVEL && j->stage != JOB_WAIT;
}

typedef struct {
    double job, launch; /* 0..1: of a processor */
} speeds;

static double lesser(double a, double b) {
    return a < b ? a : b;
}

/* Of n jobs and a launcher of that weight; more than one processor for either is of no use to it, and the other's. */
static speeds share_out(double cpus, uint32_t n, double weight) {
    double each = cpus / (n + weight);
    if (each > 1) return (speeds){1, lesser(1, cpus - n)};
    if (weight * each > 1) return (speeds){(cpus - 1) / n, 1};
    return (speeds){each, weight * each};
}

static speeds speeds_of(const process *x) {
    double cpus = x->spec->cpus;
    uint32_t n = 0, launches = x->launch == LAUNCH_RUNS;
    for (uint32_t i = 0; i < x->n_jobs; i++) n += (uint32_t)is_work(&x->jobs[i]);
    if (n + launches <= cpus) return (speeds){1, 1};
    return share_out(cpus, n, launches ? x->spec->launch_weight : 0);
}

static int is_busy(const process *x) {
    for (uint32_t i = 0; i < x->n_jobs; i++)
        if (is_work(&x->jobs[i])) return 1;
    return x->launch == LAUNCH_RUNS;
}

static void advance(process *x, int64_t now_ns) {
    double dt = (double)(now_ns - x->now_ns);
    speeds v = speeds_of(x);
    if (is_busy(x)) x->busy_ns = now_ns;
    for (uint32_t i = 0; i < x->n_jobs; i++)
        if (is_work(&x->jobs[i])) x->jobs[i].left_ns -= dt * v.job;
    if (x->launch == LAUNCH_RUNS) x->launched = lesser(1, x->launched + dt * v.launch / x->launch_ns);
    if (x->launch != LAUNCH_NONE)
        x->executed = lesser(x->launched, x->executed + dt * x->gpu_speed / x->gpu_ns);
    x->now_ns = now_ns;
}

/* ---- requests ---- */

static uint64_t bits_of(const process *x, uint64_t ordinal, uint64_t which) {
    return draw_bits(x->request_key, 3 * ordinal + which);
}

static double work_ns(const process *x, double mean_ms, uint64_t ordinal) {
    return 1e6 * mean_ms * dist_sample(&x->spec->work_noise, bits_of(x, ordinal, 0));
}

static int add_job(process *x, process_job j) {
    process_job *v = grow_array(x->jobs, x->n_jobs, &x->jobs_cap, sizeof *v);
    if (!v) return -1;
    x->jobs = v;
    x->jobs[x->n_jobs++] = j;
    return 0;
}

static held_request remove_job(process *x, uint32_t i) {
    held_request r = x->jobs[i].request;
    for (x->n_jobs--; i < x->n_jobs; i++) x->jobs[i] = x->jobs[i + 1];
    return r;
}

static void accept(process *x, process_job *j, int64_t now_ns) {
    double accept_ms = x->spec->accept_ms;
    if (now_ns - x->busy_ns >= IDLE_NS) accept_ms += x->spec->wake_ms;
    x->busy_ns = now_ns;
    j->stage = JOB_ACCEPT;
    j->left_ns = work_ns(x, accept_ms, j->request.ordinal);
}

int process_take(pod *p, held_request r, int64_t now_ns) {
    process *x = p->process;
    process_job j = {.request = r, .stage = JOB_TRAVEL, .until_ns = after(now_ns, 1e6 * x->spec->travel_ms)};
    advance(x, now_ns);
    p->held++;
    if (x->spec->travel_ms <= 0) accept(x, &j, now_ns);
    return add_job(x, j);
}

static int prepare(pod *p, held_request r) {
    process *x = p->process;
    p->busy++;
    return add_job(x, (process_job){.request = r,
                                    .stage = JOB_PREPARE,
                                    .left_ns = work_ns(x, x->spec->prepare_ms, r.ordinal)});
}

int process_fill_workers(pod *p, int64_t now_ns) {
    advance(p->process, now_ns);
    while (p->waiting.n && p->busy < p->workers)
        if (prepare(p, queue_pop(&p->waiting))) return -1;
    return 0;
}

int process_respond(pod *p, int64_t now_ns) {
    process *x = p->process;
    advance(x, now_ns);
    for (uint32_t i = p->head; i != p->launched; i++) {
        process_job j = {.request = *pod_request(p, i), .stage = JOB_RESPOND};
        j.left_ns = work_ns(x, x->spec->respond_ms, j.request.ordinal);
        if (add_job(x, j)) return -1;
    }
    return 0;
}

/* ---- the GPU ---- */

static double backlog_ns(const process *x) {
    return (x->launched - x->executed) * x->gpu_ns;
}

int process_wants_gpu(const pod *p) {
    const process *x = p->process;
    return x->launch == LAUNCH_RUNS || (x->launch != LAUNCH_NONE && backlog_ns(x) >= DONE_NS);
}

void process_set_speed(pod *p, int64_t now_ns, double speed) {
    process *x = p->process;
    x->wants_gpu = process_wants_gpu(p);
    if (x->gpu_speed == speed) return;
    advance(x, now_ns);
    x->gpu_speed = speed;
    pod_schedule(p);
}

/* Who shares the GPU must hear of it. */
static void share_gpu(pod *p, int64_t now_ns) {
    process *x = p->process;
    if (x->tokens && process_wants_gpu(p) != x->wants_gpu) token_sched_share_gpu(x->tokens, now_ns);
}

/* ---- launches ---- */

static void ask(pod *p, int64_t now_ns, int is_early) {
    process *x = p->process;
    x->launch = LAUNCH_BLOCKED;
    token_sched_ask(x->tokens, p, now_ns, (int64_t)(1e6 * x->spec->round_trip_ms), is_early);
}

/* In the midst of a batch. Whether some launch falls into the token's last millisecond, so that the scheduler hears of
 * it early, is chance: kernels are not launched at every instant. */
static void ask_between_launches(pod *p, int64_t now_ns) {
    process *x = p->process;
    uint64_t bits = draw_bits(x->token_key, (uint64_t)p->id << 40 | x->n_tokens++);
    ask(p, now_ns, draw_unit(bits) < x->spec->early_share);
}

static int needs_token(const process *x, int64_t now_ns) {
    return x->tokens && now_ns >= x->ask_ns;
}

/* A batch's first launch. */
static void launch_or_ask(pod *p, int64_t now_ns) {
    if (needs_token(p->process, now_ns))
        ask(p, now_ns, 1);
    else
        p->process->launch = LAUNCH_RUNS;
}

void process_launch(pod *p, int64_t now_ns, double noise) {
    process *x = p->process;
    uint32_t size = UINT32_C(1) << (pod_n_flight(p) - 1);
    advance(x, now_ns);
    x->launch_ns =
        1 + 1e6 * x->spec->launch_ms *
                dist_sample(&x->spec->launch_noise, bits_of(x, pod_request(p, p->head)->ordinal, 2));
    x->gpu_ns = 1 + noise * p->gpu_ns[pod_n_flight(p)];
    if (!(x->sizes_seen & size) && x->gpu_ns < 1e6 * x->spec->first_batch_ms)
        x->gpu_ns = 1e6 * x->spec->first_batch_ms;
    x->sizes_seen |= size;
    x->launched = x->executed = 0;
    p->gpu_time_ns += x->gpu_ns;
    launch_or_ask(p, now_ns);
    share_gpu(p, now_ns);
}

void process_expect(pod *p, int64_t due_ns) {
    p->process->token_due_ns = due_ns;
    pod_schedule(p);
}

void process_granted(pod *p, int64_t now_ns, int64_t end_ns) {
    process *x = p->process;
    int64_t half_ns = (end_ns - now_ns) / 2;
    advance(x, now_ns);
    x->ask_ns = end_ns - (half_ns < GUARD_NS ? half_ns : GUARD_NS);
    if (x->launch == LAUNCH_BLOCKED) x->launch = LAUNCH_RUNS;
    share_gpu(p, now_ns);
    pod_schedule(p);
}

/* ---- what is due ---- */

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_of_launch(const process *x, double rate) {
    switch (x->launch) {
    case LAUNCH_RUNS: {
        int64_t at = after(x->now_ns, (1 - x->launched) * x->launch_ns / rate);
        return x->tokens ? sooner(at, x->ask_ns) : at;
    }
    case LAUNCH_BLOCKED: /* once its backlog is over, others go faster */
        if (backlog_ns(x) < DONE_NS) return x->token_due_ns;
        return sooner(x->token_due_ns, after(x->now_ns, backlog_ns(x) / x->gpu_speed));
    case LAUNCH_OVER:
        return after(x->now_ns, (1 - x->executed) * x->gpu_ns / x->gpu_speed);
    default:
        return NEVER;
    }
}

int64_t process_next(const pod *p) {
    const process *x = p->process;
    speeds v = speeds_of(x);
    int64_t at = next_of_launch(x, v.launch);
    for (uint32_t i = 0; i < x->n_jobs; i++) {
        const process_job *j = &x->jobs[i];
        at = sooner(at, is_work(j) ? after(x->now_ns, j->left_ns / v.job) : j->until_ns);
    }
    return at;
}

/* One job goes on to its next stage. */
static process_event move_on(pod *p, uint32_t i, int64_t now_ns, held_request *out) {
    process *x = p->process;
    process_job *j = &x->jobs[i];
    switch (j->stage) {
    case JOB_TRAVEL:
        accept(x, j, now_ns);
        return PROCESS_WAITS;
    case JOB_ACCEPT:
        j->stage = JOB_WAIT;
        j->until_ns = after(now_ns, 1e6 * dist_sample(&x->spec->wait_ms, bits_of(x, j->request.ordinal, 1)));
        return PROCESS_WAITS;
    case JOB_WAIT:
        *out = remove_job(x, i);
        if (queue_push(&p->waiting, out) || process_fill_workers(p, now_ns)) return PROCESS_NO_MEMORY;
        return PROCESS_WAITS;
    case JOB_PREPARE:
        *out = remove_job(x, i);
        out->prepared_ns = now_ns;
        pod_put_prepared(p, out);
        return PROCESS_PREPARED;
    default:
        *out = remove_job(x, i);
        return PROCESS_ANSWERED;
    }
}

static int is_due(const process_job *j, int64_t now_ns) {
    return is_work(j) ? j->left_ns < DONE_NS : j->until_ns <= now_ns;
}

static int has_results(process *x) {
    if (x->launch == LAUNCH_RUNS && (1 - x->launched) * x->launch_ns < DONE_NS) {
        x->launch = LAUNCH_OVER;
        x->launched = 1; /* what rounding has left of it would hold up the GPU for ever */
    }
    return x->launch == LAUNCH_OVER && (1 - x->executed) * x->gpu_ns < DONE_NS;
}

static process_event do_one(pod *p, int64_t now_ns, held_request *out) {
    process *x = p->process;
    if (has_results(x)) {
        if (!needs_token(x, now_ns)) {
            x->launch = LAUNCH_NONE;
            return PROCESS_SERVED;
        }
        ask(p, now_ns, 1);
    }
    if (x->launch == LAUNCH_RUNS && needs_token(x, now_ns)) ask_between_launches(p, now_ns);
    for (uint32_t i = 0; i < x->n_jobs; i++)
        if (is_due(&x->jobs[i], now_ns)) {
            process_event e = move_on(p, i, now_ns, out);
            if (e != PROCESS_WAITS) return e;
            i = UINT32_MAX; /* from the first again: the job has moved */
        }
    if (x->launch == LAUNCH_BLOCKED && x->token_due_ns <= now_ns && token_sched_round(x->tokens, now_ns))
        return PROCESS_NO_MEMORY;
    return PROCESS_WAITS;
}

process_event process_step(pod *p, int64_t now_ns, held_request *out) {
    advance(p->process, now_ns);
    process_event e = do_one(p, now_ns, out);
    share_gpu(p, now_ns);
    return e;
}
