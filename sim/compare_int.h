/* compare_int.h - the comparison as data, between what reads it (compare.c) and what prints it. */
#ifndef COMPARE_INT_H
#define COMPARE_INT_H

#include <stdint.h>

#include "compare.h"
#include "stats.h"

/* Metrics are columns of the view run_summary; a row here is all that one needs. */
enum { COMPARE_METRICS = 10, COMPARE_VIOLATION = 1 };
typedef struct {
    const char *key; /* column and JSON key */
    const char *text;
} compare_metric;
extern const compare_metric compare_metrics[COMPARE_METRICS];

typedef struct {
    int64_t seed;
    double requests;
    double values[COMPARE_METRICS]; /* NaN: none */
} compare_run;

typedef struct { /* one policy at one grid point */
    char *label, *policy, *mode, *billing, *grid;
    char *rest;         /* its grid point without model_error */
    double model_error; /* > 0: intervals are those of one more draw of the truth */
    int has_client;     /* a closed-loop client: its runs share no arrivals with other policies' */
    compare_run *runs;  /* by seed */
    size_t n_runs;
    stats_interval means[COMPARE_METRICS]; /* over the runs that have a value */
} compare_group;

typedef struct {
    char *name, *question;
    compare_group *groups; /* grid points together, in the order of the plan */
    size_t n_groups;
    const char *baseline;              /* a group's label */
    double warmup_s[2], duration_s[2]; /* least and greatest of all runs */
} compare_table;

typedef struct {
    int known;
    stats_interval value;
    char note[64]; /* why not known */
} compare_ratio;

/* The baseline's group at the same grid point; NULL: there is none. */
const compare_group *compare_int_baseline(const compare_table *table, const compare_group *of);
compare_ratio compare_int_ratio(const compare_group *group, const compare_group *base, int metric);

/* Whether the ratio to the baseline can be told from 1 once the model may be off: 1 no, it is within the model's error;
 * 0 yes; -1 unknown, because the group's policy has no runs with a drawn truth at this grid point. */
int compare_int_within_error(const compare_table *table, const compare_group *group, int metric);

void compare_int_text(const compare_table *table, FILE *out);
int compare_int_json(const compare_table *table, FILE *out); /* -1: out of memory */

#endif
