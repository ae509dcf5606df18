/* cli_bench_replay.c - how fast the engine is on the workload of experiments/bench.json.
 *
 * The workload is scaled, not changed: 10,000 requests/s in all over any number of functions, their
 * popularity by Zipf's law within each of the config's entries; the cluster grows with the number of
 * functions, because each may hold a pod's memory, and offers at least twice the GPU time that the requests
 * need (load 0.5). */
#include <argp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_bench_int.h"
#include "config.h"
#include "setup.h"

enum { KEY_JSON = 0x100, KEY_EAGER, REPEAT_MAX = 100, SETS_MAX = 40, SET_LEN = 120 };

static const double TOTAL_RPS = 10000;

typedef struct {
    unsigned long functions, requests, threads, repeat;
    const char *engine, *policy;
    int json, eager, help;
} bench_args;

typedef struct {
    double wall_s[REPEAT_MAX], cpu_s[REPEAT_MAX]; /* apart where the machine has other work */
    double requests, events, visits, acts, violation_pct;
    uint64_t hash;
} bench_figures;

static const struct argp_option options[] = {
    {"functions", 'f', "N", 0, "functions (default 1000)", 0},
    {"requests", 'r', "N", 0, "requests, about (default 2000000)", 0},
    {"engine", 'e', "ENGINE", 0, "islands (default) or global", 0},
    {"policy", 'p', "POLICY", 0, "a policy of experiments/bench.json (default has)", 0},
    {"threads", 't', "N", 0, "threads, islands only (default 1)", 0},
    {"repeat", 'n', "N", 0, "repetitions: the median is reported (default 5)", 0},
    {"eager", KEY_EAGER, NULL, 0, "visit every function at every tick", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    bench_args *a = state->input;
    switch (key) {
    case 'f':
        return cli_bench_number(state, "--functions", arg, 1000000, &a->functions);
    case 'r':
        return cli_bench_number(state, "--requests", arg, 100000000000, &a->requests);
    case 't':
        return cli_bench_number(state, "--threads", arg, 256, &a->threads);
    case 'n':
        return cli_bench_number(state, "--repeat", arg, REPEAT_MAX, &a->repeat);
    case 'e':
        a->engine = arg;
        return 0;
    case 'p':
        a->policy = arg;
        return 0;
    case KEY_JSON:
        a->json = 1;
        return 0;
    case KEY_EAGER:
        a->eager = 1;
        return 0;
    case 'h':
        a->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return cli_refuse(state, "found '%s', expected options only", arg);
    case ARGP_KEY_END:
        if (a->help) cli_help(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the workload ---- */

typedef struct {
    char text[SETS_MAX][SET_LEN];
    const char *sets[SETS_MAX];
    size_t n;
} overrides;

static void override(overrides *o, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(o->text[o->n], SET_LEN, format, args);
    va_end(args);
    o->sets[o->n] = o->text[o->n];
    o->n++;
}

static void scale_to(overrides *o, const bench_args *a, const config *base) {
    unsigned long entries = base->n_fns, each = a->functions / entries;
    override(o, "duration_s=%.9g", (double)a->requests / TOTAL_RPS);
    override(o, "engine=%s", a->engine);
    override(o, "threads=%lu", a->threads);
    override(o, "cluster.gpus[0].nodes=%lu",
             200 + a->functions / 2 < 100000 ? 200 + a->functions / 2 : 100000);
    for (unsigned long i = 0; i < entries && i < 16; i++) {
        unsigned long count = i + 1 < entries ? each : a->functions - each * (entries - 1);
        if (count == 0) count = 1;
        override(o, "functions[%lu].count=%lu", i, count);
        override(o, "functions[%lu].trace.mean_rps=%.17g", i, TOTAL_RPS / (double)entries / (double)count);
    }
    if (a->functions > 1000) override(o, "policies.has.params.min_pods=0");
}

/* ---- measuring ---- */

static int measure_once(const bench_args *a, const engine_setup *run, size_t i, bench_figures *out,
                        char err[CONFIG_ERR_LEN]) {
    engine_options options_ = {.order = strcmp(a->engine, "global") == 0 ? ENGINE_GLOBAL : ENGINE_ISLANDS,
                               .threads = (unsigned)a->threads,
                               .eager = a->eager};
    engine_result r;
    double begin_s = cli_bench_now_s(), begin_cpu_s = cli_bench_cpu_s();
    if (engine_run(run, &options_, &r, err)) return -1;
    out->wall_s[i] = cli_bench_now_s() - begin_s;
    out->cpu_s[i] = cli_bench_cpu_s() - begin_cpu_s;
    double violations = 0;
    out->requests = 0;
    for (size_t k = 0; k < r.n_fns; k++) {
        out->requests += (double)r.fns[k].arrivals;
        violations += (double)r.fns[k].window_violations;
    }
    out->violation_pct = 100 * violations / out->requests;
    out->events = (double)r.events;
    out->visits = (double)r.visits;
    out->acts = (double)r.acts;
    out->hash = r.hash;
    engine_result_free(&r);
    return 0;
}

static int find_policy(const config *c, const char *name, size_t *at, char err[CONFIG_ERR_LEN]) {
    for (*at = 0; *at < c->n_policies; ++*at)
        if (strcmp(c->policies[*at].name, name) == 0) return 0;
    snprintf(err, CONFIG_ERR_LEN, "--policy: found '%s', expected a policy of %s", name, c->file);
    return -1;
}

static int measure_config(const bench_args *a, const config *c, bench_figures *out,
                          char err[CONFIG_ERR_LEN]) {
    int rc = -1;
    size_t policy;
    setup *s = NULL;
    setup_store *store = setup_store_new();
    if (!store) snprintf(err, CONFIG_ERR_LEN, "out of memory");
    if (!store || find_policy(c, a->policy, &policy, err) || setup_open(&s, store, c, err)) goto out;
    engine_setup run;
    if (setup_engine(s, policy, c->seeds[0], &run, err)) goto out;
    for (size_t i = 0; i < a->repeat; i++)
        if (measure_once(a, &run, i, out, err)) goto out;
    cli_bench_sort(out->wall_s, a->repeat);
    cli_bench_sort(out->cpu_s, a->repeat);
    rc = 0;
out:
    setup_close(s);
    setup_store_free(store);
    return rc;
}

static int measure(const bench_args *a, bench_figures *out, char err[CONFIG_ERR_LEN]) {
    int rc = -1;
    char path[4096];
    config_doc *doc = NULL;
    config *base = NULL, *scaled = NULL;
    overrides o = {.n = 0};
    if (cli_find_shipped("experiments/bench.json", path, sizeof path, err, CONFIG_ERR_LEN)) return -1;
    if (config_open(&doc, path, NULL, 0, err) || config_at(&base, doc, 0, err)) goto out;
    scale_to(&o, a, base);
    config_close(doc);
    doc = NULL;
    if (config_open(&doc, path, o.sets, o.n, err) || config_at(&scaled, doc, 0, err)) goto out;
    rc = measure_config(a, scaled, out, err);
out:
    config_free(base);
    config_free(scaled);
    config_close(doc);
    return rc;
}

static void print(const bench_args *a, const bench_figures *f) {
    double median = f->wall_s[a->repeat / 2], cpu_s = f->cpu_s[a->repeat / 2], rss_mib = cli_bench_rss_mib();
    if (a->json) {
        printf("{\"benchmark\": \"replay\", \"functions\": %lu, \"engine\": \"%s\", \"policy\": \"%s\", "
               "\"threads\": %lu, \"repeat\": %lu,\n \"requests\": %.0f, \"wall_s\": %.6f, \"wall_min_s\": "
               "%.6f, "
               "\"wall_max_s\": %.6f, \"cpu_s\": %.6f, \"requests_per_s\": %.0f,\n \"max_rss_mib\": %.1f, "
               "\"events\": %.0f, "
               "\"visits\": %.0f, \"acts\": %.0f, \"violation_pct\": %.4f, \"result_hash\": \"%016" PRIx64
               "\"}\n",
               a->functions, a->engine, a->policy, a->threads, a->repeat, f->requests, median, f->wall_s[0],
               f->wall_s[a->repeat - 1], cpu_s, f->requests / median, rss_mib, f->events, f->visits, f->acts,
               f->violation_pct, f->hash);
        return;
    }
    printf("replay: %.0f requests of %lu functions, policy %s, engine %s, %lu thread%s\n"
           "  wall      %.3f s (median of %lu; %.3f to %.3f)\n"
           "  speed     %.2f million requests/s, %.0f ns a request\n"
           "  processor %.3f s (median), %.0f ns a request\n"
           "  memory    %.1f MiB\n"
           "  work      %.0f events, %.0f visits, %.0f acts; %.2f %% violations\n",
           f->requests, a->functions, a->policy, a->engine, a->threads, a->threads > 1 ? "s" : "", median,
           a->repeat, f->wall_s[0], f->wall_s[a->repeat - 1], f->requests / median * 1e-6,
           1e9 * median / f->requests, cpu_s, 1e9 * cpu_s / f->requests, rss_mib, f->events, f->visits,
           f->acts, f->violation_pct);
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
    bench_args a = {.functions = 1000,
                    .requests = 2000000,
                    .threads = 1,
                    .repeat = 5,
                    .engine = "islands",
                    .policy = "has"};
    if (cli_parse(&argp, argv[0], argc, argv, &a) != 0) return CLI_USAGE;
    if (a.help) return CLI_OK;
    bench_figures f = {0};
    char err[CONFIG_ERR_LEN] = "";
    if (measure(&a, &f, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    print(&a, &f);
    return CLI_OK;
}
