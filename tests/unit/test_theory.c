/* The engine against queueing theory: mean waits of M/M/1, M/D/1, M/M/c and M/G/1, sojourn quantiles of
 * M/M/1, and cases worked by hand.
 *
 * Method. 30 independent replications per case, seeds 1..30 (fixed before the first run). Each is started in
 * the steady state up to a bias below e^-12 of the mean: the warm-up is 12 relaxation times or more, 1 / (mu
 * (1 - sqrt(rho))^2) being that of M/M/1 (Cohen: The single server queue, 1982, III.2.4), for others times (1
 * + cv^2) / 2 rounded up. The interval is Student's, at a level of 0.001 / N_CHECKS per check (Bonferroni:
 * 0.001 for the family), and must hold the theory's value; its half-width must be at most 2 % of that value,
 * or the case has too few requests to be a test. */
#include <math.h>

#include <gsl/gsl_cdf.h>

#include "engine_fixture.h"

enum { REPLICATIONS = 30, N_CHECKS = 16 };
static const double FAMILY_ALPHA = 0.001;

typedef enum { DETERMINISTIC, EXPONENTIAL, HYPEREXPONENTIAL } service;

typedef struct {
    service service;
    double rho;
    int servers;
    double requests; /* per replication, after the warm-up */
} queue_case;

static const double SERVICE_MS = 10, HYPER_CV = 1.5;

/* Erlang C: probability of waiting in M/M/c (Kleinrock I, 3.40). */
static double erlang_c(int c, double rho) {
    double a = c * rho, term = 1, sum = 1;
    for (int k = 1; k < c; k++) sum += term *= a / k;
    term *= a / c / (1 - rho);
    return term / (sum + term);
}

/* Mean wait, ms: Pollaczek-Khinchine for one server (Kleinrock I, 5.67), Erlang C for several. */
static double theory_wait_ms(const queue_case *q) {
    if (q->servers > 1) return erlang_c(q->servers, q->rho) * SERVICE_MS / (q->servers * (1 - q->rho));
    double cv = q->service == DETERMINISTIC ? 0 : q->service == EXPONENTIAL ? 1 : HYPER_CV;
    return q->rho / (1 - q->rho) * (1 + cv * cv) / 2 * SERVICE_MS;
}

static void set_up(fixture *f, const queue_case *q, double *pods) {
    double rps = q->rho * q->servers / SERVICE_MS * 1e3, root = 1 - sqrt(q->rho);
    double warmup_s = ceil(12 * 2 * SERVICE_MS * 1e-3 / (root * root)) + 10;
    fixture_open(f, fixture_flat_device(SERVICE_MS, 0, 1), (size_t)q->servers, 1,
                 warmup_s + q->requests / rps);
    *pods = q->servers;
    f->setup.policy = &fixture_policy;
    f->setup.params = pods;
    f->setup.warmup_ns = (int64_t)(warmup_s * 1e9);
    f->options.check = 0;
    f->fns[0].trace.mean_rps = rps;
    if (q->service == EXPONENTIAL) f->fns[0].noise = dist_exponential(1);
    if (q->service == HYPEREXPONENTIAL) f->fns[0].noise = dist_hyperexponential(1, HYPER_CV);
}

static void hold(const char *what, const queue_case *q, const double *x, double theory) {
    double mean = 0, squares = 0;
    for (int i = 0; i < REPLICATIONS; i++) mean += x[i] / REPLICATIONS;
    for (int i = 0; i < REPLICATIONS; i++) squares += (x[i] - mean) * (x[i] - mean);
    double t = gsl_cdf_tdist_Qinv(FAMILY_ALPHA / N_CHECKS / 2, REPLICATIONS - 1);
    double half = t * sqrt(squares / (REPLICATIONS - 1) / REPLICATIONS);
    print_message("%-22s rho %.2f, %d servers: %.4f +- %.4f, theory %.4f\n", what, q->rho, q->servers, mean,
                  half, theory);
    if (half > 0.02 * theory) fail_msg("interval too wide: half-width %.2f %%", 100 * half / theory);
    if (fabs(mean - theory) > half) fail_msg("theory lies outside the interval");
}

static void mean_wait(const char *name, const queue_case *q) {
    double wait_ms[REPLICATIONS], pods;
    for (int i = 0; i < REPLICATIONS; i++) {
        fixture f;
        set_up(&f, q, &pods);
        f.setup.seed = (uint64_t)i + 1;
        engine_result r = fixture_run(&f);
        const engine_fn_result *fn = &r.fns[0];
        /* sojourn minus the mean service time, whose own noise is not the queue's */
        wait_ms[i] = (double)fn->latency_sum_ns * 1e-6 / (double)fn->window_arrivals - SERVICE_MS;
        engine_result_free(&r);
        fixture_close(&f);
    }
    hold(name, q, wait_ms, theory_wait_ms(q));
}

static void mm1(void **state) {
    (void)state;
    mean_wait("M/M/1", &(queue_case){EXPONENTIAL, 0.3, 1, 150e3});
    mean_wait("M/M/1", &(queue_case){EXPONENTIAL, 0.7, 1, 600e3});
    mean_wait("M/M/1", &(queue_case){EXPONENTIAL, 0.9, 1, 1.5e6});
    mean_wait("M/M/1", &(queue_case){EXPONENTIAL, 0.95, 1, 6e6});
}

static void md1(void **state) {
    (void)state;
    mean_wait("M/D/1", &(queue_case){DETERMINISTIC, 0.5, 1, 60e3});
    mean_wait("M/D/1", &(queue_case){DETERMINISTIC, 0.8, 1, 250e3});
    mean_wait("M/D/1", &(queue_case){DETERMINISTIC, 0.95, 1, 2.5e6});
}

static void mmc(void **state) {
    (void)state;
    mean_wait("M/M/c", &(queue_case){EXPONENTIAL, 0.8, 2, 700e3});
    mean_wait("M/M/c", &(queue_case){EXPONENTIAL, 0.9, 8, 2e6});
    mean_wait("M/M/c", &(queue_case){EXPONENTIAL, 0.95, 3, 6e6});
}

static void mg1(void **state) {
    (void)state;
    mean_wait("M/G/1, cv 1.5", &(queue_case){HYPEREXPONENTIAL, 0.5, 1, 250e3});
    mean_wait("M/G/1, cv 1.5", &(queue_case){HYPEREXPONENTIAL, 0.8, 1, 1e6});
    mean_wait("M/G/1, cv 1.5", &(queue_case){HYPEREXPONENTIAL, 0.95, 1, 9e6});
}

/* The sojourn time of M/M/1 is exponential with mean s / (1 - rho). Shares of requests beyond the theoretical
 * quantiles are counted exactly by the SLO counters, so that no histogram's error enters. */
static void mm1_sojourn_quantiles(void **state) {
    (void)state;
    static const double beyond[] = {0.5, 0.1, 0.05};
    const queue_case q = {EXPONENTIAL, 0.8, 1, 4e6};
    double share[3][REPLICATIONS], pods;
    for (int i = 0; i < REPLICATIONS; i++) {
        fixture f;
        set_up(&f, &q, &pods);
        f.setup.seed = (uint64_t)i + 101;
        f.setup.n_report = 3;
        for (int k = 0; k < 3; k++)
            f.fns[0].report_slo_ns[k] = (int64_t)(-log(beyond[k]) * SERVICE_MS / (1 - q.rho) * 1e6);
        engine_result r = fixture_run(&f);
        for (int k = 0; k < 3; k++)
            share[k][i] = (double)r.fns[0].report_violations[k] / (double)r.fns[0].window_arrivals;
        engine_result_free(&r);
        fixture_close(&f);
    }
    for (int k = 0; k < 3; k++) hold("M/M/1 sojourn tail", &q, share[k], beyond[k]);
}

/* ---- worked by hand ---- */

static void give_requests(fixture *f, size_t n, const int64_t *at_ms, char path[64]) {
    strcpy(path, "/tmp/hassim-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    fprintf(out, "time_s,function\n");
    for (size_t i = 0; i < n; i++) fprintf(out, "%.3f,f\n", (double)at_ms[i] * 1e-3);
    fclose(out);
    trace_file *file;
    char err[TRACE_ERR_LEN];
    if (trace_open(&file, "csv", path, err)) fail_msg("%s", err);
    f->fns[0].trace.file = file;
    f->setup.record_requests = 1;
}

static void expect_ends(fixture *f, size_t n, const int64_t *end_ms) {
    engine_result r = fixture_run(f);
    assert_int_equal(r.n_requests, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(r.requests[i].end_ns, end_ms[i] * MS_NS);
    engine_result_free(&r);
}

/* Batches of at most 2 take 10 ms + 5 ms a request. Arrivals at 0, 1, 2, 3, 30 ms: the first is served alone
 * to 15, then 1 and 2 ms together to 35, then 3 and 30 ms to 55. */
static void batches_by_hand(void **state) {
    (void)state;
    fixture f;
    double pods = 1;
    char path[64];
    fixture_open(&f, fixture_flat_device(10, 5, 1), 1, 1, 10);
    f.setup.policy = &fixture_policy;
    f.setup.params = &pods;
    f.fns[0].batch_max = 2;
    f.fns[0].workers = 8;
    give_requests(&f, 5, (int64_t[]){0, 1, 2, 3, 30}, path);
    expect_ends(&f, 5, (int64_t[]){15, 35, 35, 55, 55});
    /* with a wait of 20 ms for a second request, the first two go together at 1 ms, 2 and 3 ms follow, and
     * the last waits in vain: 50 + 20 */
    f.fns[0].batch_wait_ns = 20 * MS_NS;
    expect_ends(&f, 5, (int64_t[]){21, 21, 41, 41, 65});
    trace_close((trace_file *)f.fns[0].trace.file);
    remove(path);
    fixture_close(&f);
}

/* Two pods, one queue, 10 ms each: 0 and 1 ms are served at once, 2 ms follows the first, 3 ms the second. */
static void two_pods_by_hand(void **state) {
    (void)state;
    fixture f;
    double pods = 2;
    char path[64];
    fixture_open(&f, fixture_flat_device(10, 0, 1), 2, 1, 10);
    f.setup.policy = &fixture_policy;
    f.setup.params = &pods;
    give_requests(&f, 5, (int64_t[]){0, 1, 2, 3, 50}, path);
    expect_ends(&f, 5, (int64_t[]){10, 11, 20, 21, 60});
    /* one worker that also parses for 4 ms: 14 ms a request */
    f.fns[0].overhead_ms = dist_constant(4);
    expect_ends(&f, 5, (int64_t[]){14, 15, 28, 29, 64});
    /* with two workers the parsing overlaps: 0 and 1 ms go to different pods, 2 and 3 ms are parsed meanwhile
     */
    f.fns[0].workers = 2;
    expect_ends(&f, 5, (int64_t[]){14, 15, 24, 25, 64});
    trace_close((trace_file *)f.fns[0].trace.file);
    remove(path);
    fixture_close(&f);
}

/* ---- works ---- */

static trace_file *shared_llm_trace(char path[512]) {
    trace_file *file;
    char err[TRACE_ERR_LEN];
    snprintf(path, 512, HASSIM_SHARED "/traces/azure-llm2023/AzureLLMInferenceTrace_conv.csv");
    FILE *f = fopen(path, "r");
    if (!f) {
        print_message("%s is not here: skipped\n", path);
        skip();
    }
    fclose(f);
    if (trace_open(&file, NULL, path, err)) fail_msg("%s", err);
    return file;
}

/* Lindley's recursion, token by token: a real hour of 19,366 requests, read here without our readers, on one server that
 * takes 100 ms for a mean request. */
static void llm_requests_by_lindley(void **state) {
    (void)state;
    char path[512], line[200];
    trace_file *file = shared_llm_trace(path);
    fixture f;
    double pods = 1, sum = 0;
    fixture_open(&f, fixture_flat_device(100, 0, 1), 1, 1, 3600);
    f.setup.policy = &fixture_policy;
    f.setup.params = &pods;
    f.setup.record_requests = 1;
    f.fns[0].trace.file = file;
    f.fns[0].trace.out_weight = 7;
    engine_result r = fixture_run(&f);
    assert_int_equal(r.n_requests, 19366);
    double *tokens = malloc(r.n_requests * sizeof *tokens);
    assert_non_null(tokens);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof line, in));
    for (size_t i = 0; i < r.n_requests; i++) {
        unsigned context, generated;
        assert_non_null(fgets(line, sizeof line, in));
        assert_int_equal(sscanf(strchr(line, ','), ",%u,%u", &context, &generated), 2);
        tokens[i] = context + 7.0 * generated;
        sum += tokens[i];
    }
    fclose(in);
    double mean = sum / (double)r.n_requests, busy_ns = 0;
    int64_t free_ns = 0;
    for (size_t i = 0; i < r.n_requests; i++) {
        const engine_request *q = &r.requests[i];
        int64_t begin_ns = q->arrival_ns > free_ns ? q->arrival_ns : free_ns;
        int64_t takes_ns = (int64_t)(1e8 * (tokens[i] / mean) + 0.5);
        free_ns = begin_ns + takes_ns;
        busy_ns += (double)takes_ns;
        assert_int_equal(q->end_ns, free_ns);
    }
    assert_true(fabs(busy_ns / (1e8 * (double)r.n_requests) - 1) < 1e-6); /* the mean work is 1 */
    free(tokens);
    engine_result_free(&r);
    trace_close(file);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_by_hand),
        cmocka_unit_test(two_pods_by_hand),
        cmocka_unit_test(mm1),
        cmocka_unit_test(md1),
        cmocka_unit_test(mmc),
        cmocka_unit_test(mg1),
        cmocka_unit_test(mm1_sojourn_quantiles),
        cmocka_unit_test(llm_requests_by_lindley),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
