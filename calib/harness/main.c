/* main.c - hassim-calibrate: measures a GPU for hassim. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cuda_device.h"
#include "harness_run.h"
#include "harness_worker.h"

enum { OK = 0, FAILED = 1, USAGE = 2, PATH_LEN = 4096 };
enum {
    KEY_BUDGET = 256,
    KEY_STEP,
    KEY_MODELS,
    KEY_ONLY,
    KEY_TF32,
    KEY_OWN,
    KEY_NO_MPS,
    KEY_DRY,
    KEY_ASSUME,
    KEY_WORKER
};

typedef struct {
    const char *out, *models, *only;
    double budget_s, step_s;
    int tf32, own_kernels, no_mps, dry_run, worker;
    unsigned assume_sms, assume_unit;
} arguments;

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0,
     "the calibration trace to write (FILE.journal beside it holds what is measured so far)", 0},
    {"budget-s", KEY_BUDGET, "SECONDS", 0,
     "stop after so long; the essential comes first (480 does it; default: no end)", 0},
    {"step-s", KEY_STEP, "SECONDS", 0, "measuring time per series (default 0.3)", 0},
    {"models", KEY_MODELS, "DIR", 0, "model descriptions (default: the source's calib/harness/models)", 0},
    {"only", KEY_ONLY, "PREFIX", 0, "only steps whose key begins so, as latency/resnet50", 0},
    {"tf32", KEY_TF32, NULL, 0, "let products and convolutions use TensorFloat-32", 0},
    {"own-kernels", KEY_OWN, NULL, 0, "do not load cuBLAS and cuDNN", 0},
    {"no-mps", KEY_NO_MPS, NULL, 0, "do not start an MPS daemon", 0},
    {"dry-run", KEY_DRY, NULL, 0, "print the plan with estimated times, measure nothing", 0},
    {"assume", KEY_ASSUME, "SMS[,UNIT]", 0,
     "with --dry-run: plan for a GPU of so many SMs, green contexts in units", 0},
    {"worker", KEY_WORKER, NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

static int read_seconds(const char *text, double *out) {
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return errno || *end || end == text || !(*out > 0 && *out <= 1e6);
}

static void refuse_seconds(struct argp_state *state, const char *arg) {
    argp_error(state, "found '%s', expected seconds above 0", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    arguments *a = state->input;
    switch (key) {
    case 'o':
        a->out = arg;
        return 0;
    case KEY_BUDGET:
        if (read_seconds(arg, &a->budget_s)) refuse_seconds(state, arg);
        return 0;
    case KEY_STEP:
        if (read_seconds(arg, &a->step_s)) refuse_seconds(state, arg);
        return 0;
    case KEY_MODELS:
        a->models = arg;
        return 0;
    case KEY_ONLY:
        a->only = arg;
        return 0;
    case KEY_TF32:
        a->tf32 = 1;
        return 0;
    case KEY_OWN:
        a->own_kernels = 1;
        return 0;
    case KEY_NO_MPS:
        a->no_mps = 1;
        return 0;
    case KEY_DRY:
        a->dry_run = 1;
        return 0;
    case KEY_WORKER:
        a->worker = 1;
        return 0;
    case KEY_ASSUME:
        a->assume_unit = 8;
        if (sscanf(arg, "%u,%u", &a->assume_sms, &a->assume_unit) < 1 || !a->assume_sms ||
            a->assume_sms > 4096 || !a->assume_unit || a->assume_unit > a->assume_sms)
            argp_error(state, "found '%s', expected SMS or SMS,UNIT, as 132,8", arg);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "found '%s', expected no argument", arg);
        return 0;
    case ARGP_KEY_END:
        if (!a->worker && !a->dry_run && !a->out) argp_error(state, "found no output, expected -o FILE");
        if (a->assume_sms && !a->dry_run)
            argp_error(state, "--assume goes with --dry-run: nothing is measured on a guess");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int complain(int code, const char *err) {
    fprintf(stderr, "hassim-calibrate: %s\n", err);
    return code;
}

static int run_worker(const arguments *a, const harness_workloads *w) {
    const harness_measure_options o = {a->step_s};
    harness_device *d = cuda_device_new(a->tf32, !a->own_kernels);
    if (!d) return complain(FAILED, "out of memory");
    int rc = harness_worker_serve(d, w, &o, stdin, stdout);
    d->ops->close(d);
    return rc ? FAILED : OK;
}

/* Round numbers near an A100's, where nothing is known: for the order of magnitude of a plan. */
static void assume(const arguments *a, harness_device_info *info) {
    *info = (harness_device_info){
        .sm_count = a->assume_sms, .green_unit = a->assume_unit, .memory_gb_per_s = 1500};
    info->flops_per_s = 0.18e12 * a->assume_sms;
    info->mps = !a->no_mps;
    for (uint32_t n = a->assume_unit; n < a->assume_sms && info->n_green_sizes < HARNESS_SIZES_MAX;
         n += a->assume_unit)
        info->green_sizes[info->n_green_sizes++] = n;
}

static int ask_device(harness_link *link, harness_device_info *info, char err[HARNESS_ERR_LEN]) {
    harness_text reply = {0};
    int rc = link->ask(link, NULL, 120, &reply, err);
    harness_json *j = rc ? NULL : harness_json_parse("worker", reply.text, reply.len, err);
    const char *error = harness_json_string(j, "error", NULL);
    if (error) snprintf(err, HARNESS_ERR_LEN, "%.400s (a plan without a GPU: --assume SMS,UNIT)", error);
    if (j && !error) harness_info_read(info, j);
    rc = j && !error ? 0 : -1;
    harness_json_free(j);
    harness_text_free(&reply);
    return rc;
}

static int dry_run(const arguments *a, const harness_workloads *w, harness_link *link) {
    char err[HARNESS_ERR_LEN], why[HARNESS_ERR_LEN];
    harness_device_info info;
    harness_plan plan;
    harness_plan_options o = {
        .budget_s = a->budget_s, .step_s = a->step_s, .setup_s = HARNESS_SETUP_S, .only = a->only};
    if (a->assume_sms)
        assume(a, &info);
    else if (ask_device(link, &info, err))
        return complain(FAILED, err);
    else
        info.mps = !a->no_mps && link->has_mps(link, why);
    if (harness_plan_make(&plan, &info, w, &o)) return complain(FAILED, "out of memory");
    harness_run_print_plan(&plan, stdout);
    harness_plan_free(&plan);
    return fflush(stdout) ? FAILED : OK;
}

static int measure(const arguments *a, const harness_workloads *w, harness_link *link) {
    char err[HARNESS_ERR_LEN];
    harness_run_result r;
    harness_run_options o = {.out = a->out,
                             .version = HASSIM_VERSION,
                             .only = a->only,
                             .budget_s = a->budget_s,
                             .step_s = a->step_s,
                             .plain_only = a->no_mps,
                             .log = stderr};
    if (harness_run(&o, w, link, &r, err)) return complain(FAILED, err);
    printf("%s: %zu of %zu steps measured (%zu now), %zu failed%s\n", a->out, r.measured, r.planned, r.now,
           r.failed, r.measured + r.failed < r.planned ? "; the same command again goes on" : "");
    return r.failed || r.stopped || !r.measured ? FAILED : OK;
}

static int run_parent(const arguments *a, const harness_workloads *w) {
    char self[PATH_LEN], step_s[32], folder[PATH_LEN];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return complain(FAILED, "cannot find itself in /proc/self/exe");
    self[n] = '\0';
    snprintf(step_s, sizeof step_s, "%.9g", a->step_s);
    snprintf(folder, sizeof folder, "%.4000s.mps", a->out ? a->out : "/tmp/hassim-calibrate");
    char *argv[16] = {self, (char[]){"--worker"}, (char[]){"--step-s"}, step_s, (char[]){"--models"}};
    char tf32[] = "--tf32", own[] = "--own-kernels";
    int argc = 5;
    argv[argc++] = (char *)(uintptr_t)a->models;
    if (a->tf32) argv[argc++] = tf32;
    if (a->own_kernels) argv[argc++] = own;
    harness_link *link = harness_process_link(argv, folder);
    if (!link) return complain(FAILED, "out of memory");
    int rc = a->dry_run ? dry_run(a, w, link) : measure(a, w, link);
    link->close(link);
    return rc;
}

int main(int argc, char **argv) {
    static const char doc[] = "Measure a GPU for hassim: latency by SM partition (green contexts, MPS) and "
                              "batch, time quotas, interference, "
                              "cold starts, resizing.\v"
                              "The result is one JSON file; check it with `hassim calib check FILE`. "
                              "Interrupt it when you like: the same command "
                              "goes on where it stopped. No setting of the GPU is changed.";
    const struct argp argp = {options, parse, "", doc, NULL, NULL, NULL};
    arguments a = {.step_s = 0.3, .models = HARNESS_MODELS};
    harness_workloads w;
    char err[HARNESS_ERR_LEN];
    argp_err_exit_status = USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a)) return USAGE;
    if (harness_workloads_read(&w, a.models, err)) {
        harness_workloads_free(&w);
        return complain(USAGE, err);
    }
    int rc = a.worker ? run_worker(&a, &w) : run_parent(&a, &w);
    harness_workloads_free(&w);
    return rc;
}
