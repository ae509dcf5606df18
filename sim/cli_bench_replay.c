/* cli_bench_replay.c - how fast the engine is on the workload of experiments/bench.json.
 *
 * The workload is scaled, not changed: 10,000 requests/s in all over any number of functions, their
 * popularity by Zipf's law within each of the config's entries; the cluster grows with the number of
 * functions, because each may hold a pod's memory, and offers at least twice the GPU time that the requests
 * need (load 0.5). */
#include <argp.h>

#include "cli.h"
#include "cli_bench_int.h"

enum { KEY_EAGER = BENCH_KEY_JSON + 1 };

static const double TOTAL_RPS = 10000;

static const struct argp_option options[] = {
    {"functions", 'f', "N", 0, "functions (default 1000)", 0},
    {"requests", 'r', "N", 0, "requests, about (default 2000000)", 0},
    {"engine", 'e', "ENGINE", 0, "islands (default) or global", 0},
    {"policy", 'p', "POLICY", 0, "a policy of experiments/bench.json (default has)", 0},
    {"threads", 't', "N", 0, "threads, islands only (default 1)", 0},
    {"repeat", 'n', "N", 0, "repetitions: the median is reported (default 5)", 0},
    {"eager", KEY_EAGER, NULL, 0, "visit every function at every tick", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    bench_args *a = state->input;
    if (key != KEY_EAGER) return cli_bench_option(key, arg, state, a);
    a->eager = 1;
    return 0;
}

/* How many entries of functions the config has, as it is. */
static int count_entries(const bench_args *a, unsigned long *entries, char err[CONFIG_ERR_LEN]) {
    char path[4096];
    config_doc *doc = NULL;
    config *c = NULL;
    if (cli_find_shipped(a->file, path, sizeof path, err, CONFIG_ERR_LEN)) return -1;
    int rc = config_open(&doc, path, NULL, 0, err) || config_at(&c, doc, 0, err) ? -1 : 0;
    if (!rc) *entries = c->n_fns;
    config_free(c);
    config_close(doc);
    return rc;
}

int cli_bench_scale_replay(bench_overrides *o, const bench_args *a, char err[CONFIG_ERR_LEN]) {
    unsigned long entries, nodes = 200 + a->functions / 2;
    if (count_entries(a, &entries, err)) return -1;
    unsigned long each = a->functions / entries;
    cli_bench_set(o, "duration_s=%.9g", (double)a->requests / TOTAL_RPS);
    cli_bench_set(o, "engine=%s", a->engine);
    cli_bench_set(o, "threads=%lu", a->threads);
    cli_bench_set(o, "cluster.gpus[0].nodes=%lu", nodes < 100000 ? nodes : 100000);
    for (unsigned long i = 0; i < entries && i < 16; i++) {
        unsigned long count = i + 1 < entries ? each : a->functions - each * (entries - 1);
        if (count == 0) count = 1;
        cli_bench_set(o, "functions[%lu].count=%lu", i, count);
        cli_bench_set(o, "functions[%lu].trace.mean_rps=%.17g", i,
                      TOTAL_RPS / (double)entries / (double)count);
    }
    if (a->functions > 1000) cli_bench_set(o, "policies.has.params.min_pods=0");
    return 0;
}

int cli_bench_replay(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        NULL,
        "Measure how fast the engine replays the workload of experiments/bench.json: 10,000 "
        "requests/s in all, Zipf popularity, load 0.5, batches of 4; has keeps one pod per function, none "
        "above 1,000 functions.",
        NULL,
        NULL,
        NULL};
    bench_args a = {.name = "replay",
                    .file = "experiments/bench.json",
                    .functions = 1000,
                    .requests = 2000000,
                    .threads = 1,
                    .repeat = 5,
                    .engine = "islands",
                    .policy = "has"};
    if (cli_parse(&argp, argv[0], argc, argv, &a) != 0) return CLI_USAGE;
    if (a.help) return CLI_OK;
    bench_figures f = {0};
    char err[CONFIG_ERR_LEN] = "";
    if (cli_bench_measure(&a, cli_bench_scale_replay, &f, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    cli_bench_print(&a, &f);
    return CLI_OK;
}
