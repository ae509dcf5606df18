/* cli_bench_int.h - the benchmarks of `hassim bench`, one file each, and what they share. */
#ifndef CLI_BENCH_INT_H
#define CLI_BENCH_INT_H

#include <argp.h>
#include <stddef.h>

int cli_bench_replay(int argc, char **argv); /* cli_bench_replay.c */
int cli_bench_trace(int argc, char **argv);  /* cli_bench_trace.c */

double cli_bench_now_s(void);                  /* a clock that only goes forward */
double cli_bench_cpu_s(void);                  /* of this process */
double cli_bench_rss_mib(void);                /* the most that this process ever held */
void cli_bench_sort(double *wall_s, size_t n); /* ascending; the median is at n / 2 */
/* An option's whole number from 1 to max */
error_t cli_bench_number(const struct argp_state *state, const char *name, const char *text,
                         unsigned long max, unsigned long *out);

#endif
