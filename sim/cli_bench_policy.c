/* cli_bench_policy.c - how long a policy thinks: ns per call of observe and of act, on the workload of `bench replay`.
 *
 * Each call is timed from outside (tap.h), less what the engine does within an act to carry out the actions, and less
 * what two readings of the clock take, which is measured first. */
#include <argp.h>
#include <stdio.h>

#include "cli.h"
#include "cli_bench_int.h"

static const struct argp_option options[] = {
    {"functions", 'f', "N", 0, "functions (default 1000)", 0},
    {"requests", 'r', "N", 0, "requests, about (default 2000000)", 0},
    {"policy", 'p', "POLICY", 0, "a policy of experiments/bench.json (default has)", 0},
    {"repeat", 'n', "N", 0, "repetitions: the median is reported (default 5)", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

typedef struct { /* of all repetitions */
    double began_s[TAP_PLAN + 1], total_s[TAP_PLAN + 1], calls[TAP_PLAN + 1];
} stopwatch;

static error_t parse(int key, char *arg, struct argp_state *state) {
    return cli_bench_option(key, arg, state, state->input);
}

static void enter(void *arg, tap_call call, uint32_t fn, int64_t now_ns) {
    stopwatch *w = arg;
    (void)fn, (void)now_ns;
    w->began_s[call] = cli_bench_now_s();
}

static void leave(void *arg, tap_call call, uint32_t fn) {
    stopwatch *w = arg;
    (void)fn;
    w->total_s[call] += cli_bench_now_s() - w->began_s[call];
    w->calls[call]++;
}

/* What a call that does nothing seems to take. */
static double empty_call_s(void) {
    enum { CALLS = 1000000 };
    stopwatch w = {0};
    for (int i = 0; i < CALLS; i++) {
        enter(&w, TAP_OBSERVE, 0, 0);
        leave(&w, TAP_OBSERVE, 0);
    }
    return w.total_s[TAP_OBSERVE] / CALLS;
}

static double per_call_ns(double total_s, double calls) {
    return calls > 0 && total_s > 0 ? 1e9 * total_s / calls : 0;
}

static void print(const bench_args *a, const bench_figures *f, const stopwatch *w, double empty_s) {
    double acts = w->calls[TAP_ACT], visits = w->calls[TAP_OBSERVE], plans = w->calls[TAP_PLAN];
    double observe_s = w->total_s[TAP_OBSERVE] - visits * empty_s;
    /* a plan within an act costs the act two readings more than the plan's own clock sees */
    double act_s = w->total_s[TAP_ACT] - w->total_s[TAP_PLAN] - (acts + plans) * empty_s;
    double median = f->wall_s[a->repeat / 2], rss_mib = cli_bench_rss_mib();
    double observe_ns = per_call_ns(observe_s, visits), act_ns = per_call_ns(act_s, acts),
           decision_ns = per_call_ns(observe_s + act_s, visits + acts),
           request_ns = per_call_ns(observe_s + act_s, f->requests * (double)a->repeat);
    if (a->json)
        printf("{\"benchmark\": \"policy\", \"functions\": %lu, \"policy\": \"%s\", \"repeat\": %lu,\n "
               "\"requests\": %.0f, \"wall_s\": %.6f, \"wall_min_s\": %.6f, \"wall_max_s\": %.6f, "
               "\"requests_per_s\": %.0f,\n \"ns_per_decision\": %.1f, \"ns_per_observe\": %.1f, "
               "\"ns_per_act\": %.1f, \"ns_per_request\": %.2f, \"observes\": %.0f, \"acts\": %.0f, "
               "\"max_rss_mib\": %.1f}\n",
               a->functions, a->policy, a->repeat, f->requests, median, f->wall_s[0],
               f->wall_s[a->repeat - 1], f->requests / median, decision_ns, observe_ns, act_ns, request_ns,
               f->visits, f->acts, rss_mib);
    else
        printf("policy: %s, %.0f requests of %lu functions\n"
               "  observe   %.0f ns a call, %.0f calls\n"
               "  act       %.0f ns a call, %.0f calls, without what the engine does to carry it out\n"
               "  both      %.0f ns a decision, %.1f ns a request\n"
               "  wall      %.3f s (median of %lu; %.3f to %.3f), clock readings included\n",
               a->policy, f->requests, a->functions, observe_ns, f->visits, act_ns, f->acts, decision_ns,
               request_ns, median, a->repeat, f->wall_s[0], f->wall_s[a->repeat - 1]);
}

int cli_bench_policy(int argc, char **argv) {
    const struct argp argp = {options,
                              parse,
                              NULL,
                              "Measure how long a policy takes to observe and to act, on the workload of "
                              "experiments/bench.json.",
                              NULL,
                              NULL,
                              NULL};
    stopwatch watch = {0};
    const tap_hooks hooks = {.arg = &watch, .enter = enter, .leave = leave};
    bench_args a = {.name = "policy",
                    .file = "experiments/bench.json",
                    .functions = 1000,
                    .requests = 2000000,
                    .threads = 1,
                    .repeat = 5,
                    .engine = "islands",
                    .policy = "has",
                    .hooks = &hooks};
    if (cli_parse(&argp, argv[0], argc, argv, &a) != 0) return CLI_USAGE;
    if (a.help) return CLI_OK;
    bench_figures f = {0};
    char err[CONFIG_ERR_LEN] = "";
    double empty_s = empty_call_s();
    if (cli_bench_measure(&a, cli_bench_scale_replay, &f, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    print(&a, &f, &watch, empty_s);
    return CLI_OK;
}
