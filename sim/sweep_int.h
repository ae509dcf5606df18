/* sweep_int.h - private to sweep*.c: the plan, the worker's messages, progress. */
#ifndef SWEEP_INT_H
#define SWEEP_INT_H

#include "heartbeat.h"
#include "results.h"
#include "setup.h"
#include "sweep.h"

typedef struct {
    size_t point, policy, seed; /* indices; seed in the config's list */
} sweep_job;

struct sweep {
    const config_doc *doc;
    sweep_options options;
    config *first; /* point 0: names, labels and seeds are the same at every point */
    setup_store *store;
    setup_hashes *hashes; /* [n_points * n_policies] */
    char **grids;         /* [n_points] as JSON */
    sweep_job *jobs;
    size_t n_jobs, n_points, skipped;
};

/* What a worker tells its parent: at most PIPE_BUF bytes, so that a write is whole */
typedef enum { SWEEP_ADVANCED, SWEEP_WROTE, SWEEP_FAILED } sweep_news;
typedef struct {
    sweep_news news;
    int64_t now_ns;
    double wall_s;
    uint64_t arrivals;
    char text[400]; /* SWEEP_FAILED: why */
} sweep_message;

/* "has, seed 3, {"slo_multiplier":2}" */
void sweep_describe(const sweep *s, const sweep_job *job, char *out, size_t len);
/* Identity of a job's run; the strings live in s, except config_json (NULL). What may vary within a label is as at
 * point 0. */
results_run sweep_identity(const sweep *s, const sweep_job *job);

/* The name of a function of the job's run; NULL if it cannot be had. It may take as long as opening a setup. */
const char *sweep_function_name(const sweep *s, const sweep_job *job, uint32_t fn, char *out, size_t len);

/* Creates the results database, or opens it; --force first moves an old one aside. Until the descriptor that it gives is
 * closed no other hassim moves it; writing to it, too, is open to all. -1 and err: as in sweep_execute. */
int sweep_hold_database(const sweep *s, char *err);

/* The whole life of a worker: one run, reported to fd. What its policy does is noted in beat. */
void sweep_work(const sweep *s, const sweep_job *job, int fd, heartbeat *beat);

typedef struct {
    sweep_progress kind;
    FILE *log;
    size_t total, done;
    double began_s, drawn_s; /* monotonic clock; of display alone */
} sweep_display;
void sweep_display_begin(sweep_display *d, const sweep *s);
void sweep_display_advance(sweep_display *d, double runs_done); /* fractions of running ones included */
void sweep_display_line(sweep_display *d, int always, const char *text);
void sweep_display_end(sweep_display *d);

#endif
