/* cli_validate.c - hassim validate: recorded runs, simulated and compared. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "validate_cv.h"
#include "validate_params.h"
#include "validate_plot.h"
#include "validate_report.h"
#include "validate_sim.h"

enum {
    KEY_MODE = 0x100,
    KEY_PARAMS,
    KEY_SEEDS,
    KEY_JSON,
    KEY_FIGURES,
    KEY_THREADS,
    KEY_CV,
    KEY_FIT,
    KEY_SEARCHES,
    KEY_STEPS,
    KEY_PROGRESS,
    SEARCHES_DEFAULT = 8,
    SEARCHES_MAX = 1000,
    STEPS_DEFAULT = 6000,
    STEPS_MAX = 1000000,
    SEEDS_MAX = 100,
    THREADS_MAX = 256
};

typedef struct {
    const char *dir, *params, *figures, *fit;
    const char **only; /* room for every argument */
    size_t n_only;
    validate_mode mode;
    unsigned seeds, threads, formats, searches, steps; /* searches, steps: 0 until the end: not given */
    int json, cv, help, progress;                      /* progress: of --cv, on stderr */
} validate_args;

typedef struct {
    calib *device;
    validate_data *data;
    validate_params *params;
    validate_params *start; /* of fits; NULL: none was asked for */
    validate_cv *cv;        /* NULL: all with params */
} scene;

static const struct argp_option options[] = {
    {"run", 'r', "NAME", 0, "only this run; repeatable", 0},
    {"mode", KEY_MODE, "MODE", 0,
     "replay (default): the recorded allocation drives the pods; policy: the policy of the run's system "
     "decides",
     0},
    {"params", KEY_PARAMS, "FILE", 0,
     "how the testbed served its models (default: experiments/testbed.json; for --cv and --fit "
     "experiments/testbed_start.json)",
     0},
    {"seeds", KEY_SEEDS, "N", 0, "simulate each run with seeds 1 to N (default: 10)", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"figures", KEY_FIGURES, "DIR", 0, "draw each run and a summary into this folder, made if missing", 0},
    {"format", 'f', "LIST", 0, "of figures: svg, png, pdf, with commas (default: svg,png)", 0},
    {"cv", KEY_CV, NULL, 0,
     "cross-validate: simulate each run with numbers fitted to the other runs of its system and kind of "
     "input, from those of --params on, which must not have been fitted to it",
     0},
    {"fit", KEY_FIT, "FILE", 0,
     "fit the numbers to all runs given, from those of --params on, and write them to FILE; missing folders "
     "are made",
     0},
    {"searches", KEY_SEARCHES, "N", 0,
     "begun for each fit of --cv or --fit; on the way the better half goes on, until one is left (default: "
     "8)",
     0},
    {"steps", KEY_STEPS, "N", 0,
     "of the search that is left, each a simulation of all runs of the fit (default: 6000)", 0},
    {"progress", KEY_PROGRESS, "WHEN", 0,
     "say on stderr how far --cv has come: auto (on a terminal; the default), always, never", 0},
    {"threads", KEY_THREADS, "N", 0, "simulations at a time (default: as many as there are cores)", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static error_t parse_count(struct argp_state *state, const char *what, const char *text, unsigned max,
                           unsigned *out) {
    char *end = NULL;
    errno = 0;
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (!end || *end || errno || n < 1 || n > max)
        return cli_refuse(state, "%s: found '%s', expected an integer from 1 to %u", what, text, max);
    *out = (unsigned)n;
    return 0;
}

static error_t parse_mode(struct argp_state *state, const char *text, validate_mode *out) {
    *out = strcmp(text, "policy") == 0 ? VALIDATE_POLICY : VALIDATE_REPLAY;
    if (*out == VALIDATE_POLICY || strcmp(text, "replay") == 0) return 0;
    return cli_refuse(state, "--mode: found '%s', expected replay or policy", text);
}

static error_t parse_formats(struct argp_state *state, const char *text, unsigned *out) {
    *out = figures_formats_of(text);
    return *out ? 0 : cli_refuse(state, "--format: found '%s', expected some of svg,png,pdf", text);
}

static error_t parse_progress(struct argp_state *state, const char *text, int *out) {
    *out = strcmp(text, "always") == 0 || (strcmp(text, "auto") == 0 && isatty(STDERR_FILENO));
    if (*out || strcmp(text, "auto") == 0 || strcmp(text, "never") == 0) return 0;
    return cli_refuse(state, "--progress: found '%s', expected auto, always or never", text);
}

static error_t parse_argument(struct argp_state *state, const char *text, validate_args *a) {
    if (a->dir) return cli_refuse(state, "found '%s', expected one folder of runs", text);
    a->dir = text;
    return 0;
}

static error_t parse_end(struct argp_state *state, const validate_args *a) {
    if (a->help) cli_help(state);
    if (a->fit && a->cv) return cli_refuse(state, "found --fit and --cv, expected one of them");
    if ((a->searches || a->steps) && !a->fit && !a->cv)
        return cli_refuse(state, "found %s without --fit or --cv, expected one of them",
                          a->steps ? "--steps" : "--searches");
    if (a->help || a->dir) return 0;
    return cli_refuse(state,
                      "found no folder, expected one with runs.csv, workloads.csv and RUN/requests.csv");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    validate_args *a = state->input;
    switch (key) {
    case 'r':
        a->only[a->n_only++] = arg;
        return 0;
    case KEY_MODE:
        return parse_mode(state, arg, &a->mode);
    case KEY_PARAMS:
        a->params = arg;
        return 0;
    case KEY_SEEDS:
        return parse_count(state, "--seeds", arg, SEEDS_MAX, &a->seeds);
    case KEY_JSON:
        a->json = 1;
        return 0;
    case KEY_CV:
        a->cv = 1;
        return 0;
    case KEY_FIT:
        a->fit = arg;
        return 0;
    case KEY_SEARCHES:
        return parse_count(state, "--searches", arg, SEARCHES_MAX, &a->searches);
    case KEY_STEPS:
        return parse_count(state, "--steps", arg, STEPS_MAX, &a->steps);
    case KEY_PROGRESS:
        return parse_progress(state, arg, &a->progress);
    case KEY_FIGURES:
        a->figures = arg;
        return 0;
    case 'f':
        return parse_formats(state, arg, &a->formats);
    case KEY_THREADS:
        return parse_count(state, "--threads", arg, THREADS_MAX, &a->threads);
    case 'h':
        a->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return parse_argument(state, arg, a);
    case ARGP_KEY_END:
        return parse_end(state, a);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int simulate(void *arg, validate_trace *out, const validate_run *run, validate_mode mode,
                    uint64_t seed, char err[VALIDATE_ERR_LEN]) {
    const scene *s = arg;
    const validate_params *params = s->cv ? validate_cv_params(s->cv, run) : s->params;
    if (params) return validate_simulate_on(out, run, s->device, params, mode, seed, err);
    snprintf(err, VALIDATE_ERR_LEN, "no other run of its system and kind of input to fit on");
    return 1;
}

static const char *why(void *arg, const validate_run *run, validate_mode mode) {
    return validate_params_why(((const scene *)arg)->params, run->name, mode);
}

/* After the table, or, beside JSON, on stderr. */
static int draw(const validate_report *r, const validate_args *a) {
    char plots[4096], err[FIGURES_ERR_LEN];
    const figures_request request = {.plots_dir = plots,
                                     .out_dir = a->figures,
                                     .formats = a->formats,
                                     .paths = a->json ? stderr : stdout,
                                     .log = stderr};
    if (!a->json) putchar('\n');
    if (cli_find_shipped("plots", plots, sizeof plots, err, sizeof err) == 0 &&
        validate_plot(r, &request, err) == FIGURES_OK)
        return CLI_OK;
    cli_complain("hassim validate", "%s", err);
    return CLI_FAILED;
}

static int print(const validate_report *r, const validate_args *a) {
    int rc = 0;
    if (a->json)
        rc = validate_report_json(r, stdout);
    else
        validate_report_text(r, stdout);
    if (!rc) return a->figures ? draw(r, a) : CLI_OK;
    cli_complain("hassim validate", "out of memory");
    return CLI_FAILED;
}

/* Before work begins: a folder that figures can be written to */
static int make_folder(const char *dir, char err[VALIDATE_ERR_LEN]) {
    if (!dir) return 0;
    if (cli_make_folder(dir, err, VALIDATE_ERR_LEN)) return -1;
    if (!access(dir, W_OK | X_OK)) return 0;
    snprintf(err, VALIDATE_ERR_LEN, "--figures: %.300s: found %s, expected a folder to write to", dir,
             strerror(errno));
    return -1;
}

static void print_line(void *arg, const char *line) {
    fprintf((FILE *)arg, "%s\n", line);
    fflush(arg); /* it may be long until the next */
}

/* log: NULL, silent */
static validate_fit_options fit_options(const validate_args *a, FILE *log) {
    return (validate_fit_options){.searches = a->searches ? a->searches : SEARCHES_DEFAULT,
                                  .steps = a->steps ? a->steps : STEPS_DEFAULT,
                                  .threads = a->threads,
                                  .progress = log ? print_line : NULL,
                                  .progress_arg = log};
}

static int report(const validate_args *a, scene *s, char err[VALIDATE_ERR_LEN]) {
    const validate_plan plan = {.mode = a->mode,
                                .cross_validated = a->cv,
                                .n_seeds = a->seeds,
                                .threads = a->threads,
                                .only = a->only,
                                .n_only = a->n_only,
                                .simulate = simulate,
                                .why = why,
                                .arg = s};
    const validate_fit_options fit = fit_options(a, a->progress ? stderr : NULL);
    validate_report *r;
    if (a->cv && validate_cv_make(&s->cv, s->data, s->start, s->device, a->only, a->n_only, &fit, err))
        return CLI_FAILED;
    int rc = validate_report_make(&r, s->data, &plan, err);
    if (rc) return rc == -1 ? CLI_USAGE : CLI_FAILED;
    err[0] = '\0';
    rc = print(r, a);
    validate_report_free(r);
    return rc;
}

static int fit(const validate_args *a, scene *s, char err[VALIDATE_ERR_LEN]) {
    const validate_fit_options how = fit_options(a, stdout);
    size_t n = validate_n_runs(s->data);
    unsigned char *use = calloc(n + 1, 1);
    if (!use) {
        snprintf(err, VALIDATE_ERR_LEN, "out of memory");
        return CLI_FAILED;
    }
    for (size_t i = 0; i < n; i++)
        use[i] = (unsigned char)validate_is_among(validate_run_at(s->data, i), a->only, a->n_only);
    int rc = validate_fit(s->start, s->data, use, s->device, &how, err) ||
             validate_params_save(s->start, a->fit, err);
    free(use);
    return rc ? CLI_FAILED : CLI_OK;
}

static int open_device(calib **device, char err[VALIDATE_ERR_LEN]) {
    char path[4096];
    return cli_find_shipped("calib/data/v100.json", path, sizeof path, err, VALIDATE_ERR_LEN) ||
           calib_open(device, path, err);
}

/* The shipped numbers are fitted to these very runs: not where a fit begins, unless --params says so. */
static int open_start(const validate_args *a, validate_params **start, char err[VALIDATE_ERR_LEN]) {
    char path[4096];
    if (!a->cv && !a->fit) return 0;
    if (a->params) return validate_params_open(start, a->params, err);
    return cli_find_shipped("experiments/testbed_start.json", path, sizeof path, err, VALIDATE_ERR_LEN) ||
           validate_params_open(start, path, err);
}

/* --fit must not write over what it reads */
static int spare_inputs(const validate_args *a, const validate_data *data, char err[VALIDATE_ERR_LEN]) {
    int rc = cli_spare_input(a->fit, a->params, err, VALIDATE_ERR_LEN) ||
             cli_spare_input_in(a->fit, a->dir, "runs.csv", err, VALIDATE_ERR_LEN) ||
             cli_spare_input_in(a->fit, a->dir, "workloads.csv", err, VALIDATE_ERR_LEN);
    for (size_t i = 0; !rc && i < validate_n_runs(data); i++) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%s/%s", a->dir, validate_run_at(data, i)->name);
        rc = cli_spare_input_in(a->fit, folder, "requests.csv", err, VALIDATE_ERR_LEN) ||
             cli_spare_input_in(a->fit, folder, "usage.csv", err, VALIDATE_ERR_LEN);
    }
    return rc ? -1 : 0;
}

static int validate(const validate_args *a) {
    char err[VALIDATE_ERR_LEN];
    scene s = {.cv = NULL};
    int code = CLI_USAGE;
    /* --cv fits to runs that are not asked for */
    if (!validate_open_some(&s.data, a->dir, a->only, a->cv ? 0 : a->n_only, err) &&
        !spare_inputs(a, s.data, err) && !validate_params_open(&s.params, a->params, err) &&
        !open_start(a, &s.start, err) && !open_device(&s.device, err) && !make_folder(a->figures, err) &&
        !(a->fit && (cli_make_folder_of(a->fit, err, sizeof err) || validate_params_save_check(a->fit, err))))
        code = a->fit ? fit(a, &s, err) : report(a, &s, err);
    if (code != CLI_OK && *err) cli_complain("hassim validate", "%s", err);
    validate_cv_free(s.cv);
    validate_params_close(s.start);
    calib_close(s.device);
    validate_params_close(s.params);
    validate_close(s.data);
    return code;
}

static unsigned default_threads(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores;
}

int cli_validate(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "RUNS_DIR",
        "Simulate recorded runs of a real testbed, and report how far off the simulation is."
        "\vRUNS_DIR holds runs.csv, workloads.csv, RUN/requests.csv and RUN/usage.csv "
        "(sim/validate.h). Errors are of the mean over the seeds, against the recording. With --run, a "
        "run that is not named may lack its folder; what compares runs is then without it.\n\n"
        "A step of a fit simulates all of its runs with one set of numbers. Its lines tell the best "
        "distance so far: deviations of latencies, violation rates and spans, weighted and added up, "
        "0 where there is none (sim/validate_distance.h). --fit writes numbers and prints no validation: "
        "validate with --params FILE then. --cv fits to all other runs of the same system and kind of "
        "input, also where --run names one.",
        NULL,
        NULL,
        NULL};
    validate_args args = {.seeds = 10,
                          .threads = default_threads(),
                          .formats = FIGURES_SVG | FIGURES_PNG,
                          .progress = isatty(STDERR_FILENO)};
    int code = CLI_USAGE;
    args.only = calloc((size_t)argc + 1, sizeof *args.only);
    if (!args.only)
        cli_complain("hassim validate", "out of memory");
    else if (cli_parse(&argp, "hassim validate", argc, argv, &args) == 0)
        code = args.help ? CLI_OK : validate(&args);
    free(args.only);
    return code;
}
