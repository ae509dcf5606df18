/* cli_bench_queue.c - how fast the global order's queue is: hold operations on a winner tree.
 *
 * A hold takes the earliest event and gives its function another, later by a drawn exponential time: what each event of
 * the global order costs beside the event itself. (Jones 1986, An empirical comparison of priority-queue and event-set
 * implementations.) */
#include <argp.h>
#include <stdint.h>
#include <stdio.h>

#include "cli.h"
#include "cli_bench_int.h"
#include "draw.h"
#include "winner_tree_int.h"

static const struct argp_option options[] = {
    {"functions", 'f', "N", 0, "functions, each with an event in the queue (default 1000)", 0},
    {"requests", 'r', "N", 0, "hold operations (default 10000000)", 0},
    {"repeat", 'n', "N", 0, "repetitions: the median is reported (default 5)", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    return cli_bench_option(key, arg, state, state->input);
}

static event_key later(event_key now, uint64_t n) {
    return event_key_of(event_key_ns(now) + 1 + (int64_t)(1e6 * draw_exp(draw_bits(1, n))), EV_ARRIVAL);
}

static int hold(const bench_args *a, double *wall_s, double *cpu_s) {
    winner_tree tree;
    int rc = winner_tree_open(&tree, a->functions);
    for (uint32_t i = 0; i < a->functions && !rc; i++) winner_tree_set(&tree, i, later(0, i));
    double begin_s = cli_bench_now_s(), begin_cpu_s = cli_bench_cpu_s();
    for (uint64_t n = 0; n < a->requests && !rc; n++) {
        winner first = winner_tree_first(&tree);
        winner_tree_set(&tree, first.leaf, later(first.key, a->functions + n));
    }
    *wall_s = cli_bench_now_s() - begin_s;
    *cpu_s = cli_bench_cpu_s() - begin_cpu_s;
    winner_tree_close(&tree);
    return rc;
}

static void print(const bench_args *a, const double *wall_s, const double *cpu_s) {
    double n = (double)a->requests, median = wall_s[a->repeat / 2], cpu = cpu_s[a->repeat / 2],
           least = wall_s[0], most = wall_s[a->repeat - 1], rss_mib = cli_bench_rss_mib();
    if (a->json)
        printf("{\"benchmark\": \"queue\", \"functions\": %lu, \"repeat\": %lu,\n \"requests\": %.0f, "
               "\"wall_s\": %.6f, \"wall_min_s\": %.6f, \"wall_max_s\": %.6f, \"cpu_s\": %.6f, "
               "\"requests_per_s\": %.0f,\n \"ns_per_hold\": %.2f, \"max_rss_mib\": %.1f}\n",
               a->functions, a->repeat, n, median, least, most, cpu, n / median, 1e9 * cpu / n, rss_mib);
    else
        printf("queue: %.0f holds, %lu functions\n"
               "  wall      %.3f s (median of %lu; %.3f to %.3f)\n"
               "  speed     %.2f million holds/s\n"
               "  processor %.1f ns a hold (median), a logarithm included\n"
               "  memory    %.1f MiB\n",
               n, a->functions, median, a->repeat, least, most, n / median * 1e-6, 1e9 * cpu / n, rss_mib);
}

int cli_bench_queue(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        NULL,
        "Measure hold operations on the queue of the global order: the earliest event is taken "
        "and its function gets a later one.",
        NULL,
        NULL,
        NULL};
    bench_args a = {.functions = 1000, .requests = 10000000, .repeat = 5};
    if (cli_parse(&argp, argv[0], argc, argv, &a) != 0) return CLI_USAGE;
    if (a.help) return CLI_OK;
    double wall_s[BENCH_REPEAT_MAX], cpu_s[BENCH_REPEAT_MAX];
    for (size_t i = 0; i < a.repeat; i++)
        if (hold(&a, &wall_s[i], &cpu_s[i])) {
            cli_complain(argv[0], "out of memory");
            return CLI_USAGE;
        }
    cli_bench_sort(wall_s, a.repeat);
    cli_bench_sort(cpu_s, a.repeat);
    print(&a, wall_s, cpu_s);
    return CLI_OK;
}
