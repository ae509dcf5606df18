/* cli_bench.c - hassim bench: its benchmarks. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "cli.h"
#include "cli_bench_int.h"

static double clock_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double cli_bench_now_s(void) {
    return clock_s(CLOCK_MONOTONIC);
}

double cli_bench_cpu_s(void) {
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

double cli_bench_rss_mib(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_maxrss / 1024;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void cli_bench_sort(double *wall_s, size_t n) {
    qsort(wall_s, n, sizeof *wall_s, by_value);
}

error_t cli_bench_number(const struct argp_state *state, const char *name, const char *text,
                         unsigned long max, unsigned long *out) {
    char *end = NULL;
    errno = 0;
    *out = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (end && *end == '\0' && errno == 0 && *out >= 1 && *out <= max) return 0;
    return cli_refuse(state, "%s: found '%s', expected an integer from 1 to %lu", name, text, max);
}

int cli_bench(int argc, char **argv) {
    static const cli_verb verbs[] = {
        {"replay", "", "how fast the engine replays the workload of experiments/bench.json",
         cli_bench_replay},
        {"day", "", "how long a day of a cloud's functions takes, from counts per minute", cli_bench_day},
        {"queue", "", "how fast the queue of the global order is", cli_bench_queue},
        {"policy", "", "how long a policy takes to decide", cli_bench_policy},
        {"trace", "[FILE]", "how fast a trace is read, and its arrivals drawn", cli_bench_trace},
        {0},
    };
    return cli_run_verb(verbs, "hassim bench", argc, argv);
}
