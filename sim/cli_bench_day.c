/* cli_bench_day.c - how long days of a cloud's functions take, from counts per minute.
 *
 * The trace is generated like Azure Functions 2019 into a folder, which is not measured and takes about as long as the
 * replay; it is removed afterwards, or kept and used again with --trace. Its arrivals are drawn minute by minute as the
 * run comes to them. The functions' work is that of experiments/bench_day.json. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "cli_bench_int.h"
#include "trace_generate.h"

enum { PATH_LEN = 300 };

typedef struct {
    bench_args bench;  /* first: what cli_bench_measure hands on */
    const char *trace; /* folder to keep it in; NULL: one that is removed */
    unsigned long minutes, days;
    char folder[PATH_LEN];
} day_args;

static const struct argp_option options[] = {
    {"functions", 'f', "N", 0, "functions (default 46412)", 0},
    {"requests", 'r', "N", 0, "requests, about (default 1e9 a day and 46,412 functions)", 0},
    {"days", 'd', "N", 0, "days (default 1)", 0},
    {"minutes", 'm', "N", 0, "minutes, instead of days", 0},
    {"policy", 'p', "POLICY", 0, "a policy of experiments/bench_day.json (default has)", 0},
    {"threads", 't', "N", 0, "threads (default 1)", 0},
    {"repeat", 'n', "N", 0, "repetitions: the median is reported (default 1)", 0},
    {"trace", 'T', "DIR", 0, "where the generated trace is kept, and used again if it is there", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    day_args *a = state->input;
    switch (key) {
    case 'd':
        return cli_bench_number(state, "--days", arg, 366, &a->days);
    case 'm':
        return cli_bench_number(state, "--minutes", arg, 527040, &a->minutes);
    case 'T':
        a->trace = arg;
        return 0;
    case ARGP_KEY_END:
        if (!a->days || !a->minutes || a->bench.help) return cli_bench_option(key, arg, state, &a->bench);
        cli_refuse(state, "found both --days and --minutes, expected one of them");
        return EINVAL;
    default:
        return cli_bench_option(key, arg, state, &a->bench);
    }
}

static int scale(bench_overrides *o, const bench_args *bench, char err[CONFIG_ERR_LEN]) {
    const day_args *a = (const day_args *)bench;
    (void)err;
    cli_bench_set(o, "duration_s=%lu", 60 * a->minutes);
    cli_bench_set(o, "threads=%lu", bench->threads);
    cli_bench_set(o, "functions_from.trace.path=%s/invocations.csv", a->folder);
    return 0;
}

static void remove_trace(const char *folder) {
    static const char *const names[] = {"invocations.csv", "durations.csv", "memory.csv"};
    char path[PATH_LEN + 20];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* Into a->folder, unless it is there. */
static int make_trace(const day_args *a, char err[TRACE_ERR_LEN]) {
    char path[PATH_LEN + 20];
    trace_summary summary;
    trace_generate_spec spec = {.like = TRACE_LIKE_AZURE2019,
                                .functions = (uint32_t)a->bench.functions,
                                .minutes = (uint32_t)a->minutes,
                                .mean_rps = (double)a->bench.requests / (60.0 * (double)a->minutes),
                                .seed = 1};
    snprintf(path, sizeof path, "%s/invocations.csv", a->folder);
    if (a->trace && access(path, R_OK) == 0) return 0;
    return trace_generate(&spec, a->folder, &summary, err);
}

static int measure(day_args *a, bench_figures *f, char err[CONFIG_ERR_LEN]) {
    snprintf(a->folder, sizeof a->folder, "%s", a->trace ? a->trace : "/tmp/hassim-bench-XXXXXX");
    if (!a->trace && !mkdtemp(a->folder)) {
        snprintf(err, CONFIG_ERR_LEN, "%s: no folder can be made there", a->folder);
        return -1;
    }
    int rc = make_trace(a, err);
    if (!rc) rc = cli_bench_measure(&a->bench, scale, f, err);
    if (!a->trace) remove_trace(a->folder);
    return rc;
}

int cli_bench_day(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        NULL,
        "Measure how long days of a cloud's functions take, in islands: a trace like Azure "
        "Functions 2019 is generated, and its counts per minute are replayed.",
        NULL,
        NULL,
        NULL};
    day_args a = {.bench = {.name = "day",
                            .file = "experiments/bench_day.json",
                            .functions = 46412,
                            .threads = 1,
                            .repeat = 1,
                            .engine = "islands",
                            .policy = "has"}};
    if (cli_parse(&argp, argv[0], argc, argv, &a) != 0) return CLI_USAGE;
    if (a.bench.help) return CLI_OK;
    if (!a.minutes) a.minutes = 1440 * (a.days ? a.days : 1);
    if (!a.bench.requests)
        a.bench.requests = 1 + (unsigned long)(TRACE_AZURE2019_RPS_PER_FUNCTION * 60 * (double)a.minutes *
                                               (double)a.bench.functions);
    bench_figures f = {0};
    char err[CONFIG_ERR_LEN] = "";
    if (measure(&a, &f, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    cli_bench_print(&a.bench, &f);
    return CLI_OK;
}
