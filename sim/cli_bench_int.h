/* cli_bench_int.h - the benchmarks of `hassim bench`, one file each, and what they share. */
#ifndef CLI_BENCH_INT_H
#define CLI_BENCH_INT_H

#include <argp.h>
#include <stddef.h>

#include "config.h"
#include "tap.h"

int cli_bench_replay(int argc, char **argv); /* cli_bench_replay.c */
int cli_bench_day(int argc, char **argv);    /* cli_bench_day.c */
int cli_bench_queue(int argc, char **argv);  /* cli_bench_queue.c */
int cli_bench_policy(int argc, char **argv); /* cli_bench_policy.c */
int cli_bench_trace(int argc, char **argv);  /* cli_bench_trace.c */

double cli_bench_now_s(void);                  /* a clock that only goes forward */
double cli_bench_cpu_s(void);                  /* of this process */
double cli_bench_rss_mib(void);                /* the most that this process ever held */
void cli_bench_sort(double *wall_s, size_t n); /* ascending; the median is at n / 2 */
/* An option's whole number from 1 to max */
error_t cli_bench_number(const struct argp_state *state, const char *name, const char *text,
                         unsigned long max, unsigned long *out);

/* ---- benchmarks that run the engine (cli_bench_engine.c) ---- */

enum { BENCH_REPEAT_MAX = 100, BENCH_SETS_MAX = 40, BENCH_SET_LEN = 400, BENCH_KEY_JSON = 0x100 };

typedef struct { /* what a benchmark changes of a shipped config, as --set does */
    char text[BENCH_SETS_MAX][BENCH_SET_LEN];
    const char *sets[BENCH_SETS_MAX];
    size_t n;
} bench_overrides;

void cli_bench_set(bench_overrides *o, const char *format, ...);

typedef struct {
    const char *name, *file; /* the shipped config */
    unsigned long functions, requests, threads, repeat;
    const char *engine, *policy;
    int json, eager, help;
    const tap_hooks *hooks; /* between engine and policy; NULL: none */
} bench_args;

typedef struct {
    double wall_s[BENCH_REPEAT_MAX], cpu_s[BENCH_REPEAT_MAX]; /* apart where the machine has other work */
    double requests, events, visits, acts, violation_pct;
    uint64_t hash;
} bench_figures;

/* -f -r -e -p -t -n --eager --json -h, as far as the benchmark's options have them */
error_t cli_bench_option(int key, char *arg, const struct argp_state *state, bench_args *a);
/* The sets of a benchmark. 0, or -1 with err. */
typedef int bench_scale(bench_overrides *o, const bench_args *a, char err[CONFIG_ERR_LEN]);
/* 10,000 requests/s over a->functions (cli_bench_replay.c) */
bench_scale cli_bench_scale_replay;
int cli_bench_measure(const bench_args *a, bench_scale *scale, bench_figures *out, char err[CONFIG_ERR_LEN]);
void cli_bench_print(const bench_args *a, const bench_figures *f);

#endif
