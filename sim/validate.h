/* validate.h - the simulator held against recorded runs of a real testbed: what it gets right, and how far it is off.
 *
 * A folder of runs holds
 *   runs.csv        run,system,model,served_model,workload,requests,failed,span_s,usage,tags: the index. tags, separated
 *                   by ';': clean, overload, errors, mislabelled, runaway, stale-usage
 *   workloads.csv   workload,stage,rate_rps: the load, in stages of 5 s
 *   RUN/requests.csv  start_s,latency_ms,status: every request that the client recorded (status 0: no answer)
 *   RUN/usage.csv     t_s,gpu,sm_pct,quota_pct,pods: what was allocated, about every 2 s; sm_pct and quota_pct are
 *                   sums over the pods, which are equal. Absent where runs.csv says "no"
 * Times are in seconds since the first request; t_s may be negative: pods are there before the load.
 *
 * A run is simulated from its workload through the client model (client.h) - never from the recorded starts, which
 * already contain the system's answers - in one of two modes:
 *   replay   the recorded allocation drives the simulated pods: tests the GPU, queueing and overhead model alone
 *   policy   only the workload and the first recorded allocation are given, and the policy of the run's system decides,
 *            in artifact mode: tests the whole
 * Parameters of a model under a system (overheads, launch times) come from one file (validate_params.h).
 *
 * Failed (status not 200) and lost requests (the client dropped them; workload's total less recorded rows) count as
 * violations; latencies are of successful requests.
 * Errors: -1 and one line in err. Everything opened is closed by its opener; close accepts NULL.
 */
#ifndef VALIDATE_H
#define VALIDATE_H

#include <stddef.h>
#include <stdint.h>

#define VALIDATE_ERR_LEN 512

enum {
    VALIDATE_STAGE_S = 5, /* of the load */
    VALIDATE_LATE_NS =
        250000, /* the client sleeps so much longer between requests (median of the recordings) */
    /* From a row of usage.csv to its effect, in replay; in policy mode, what a policy does takes effect at once.
     * Measured on quotas: has-3-bert's stalls end 1.0 s after the row, has-2-bert's 0.7 s. Pods are taken to be as
     * late. */
    VALIDATE_SHARE_LAG_S = 1
};

typedef enum { VALIDATE_REPLAY, VALIDATE_POLICY } validate_mode;

typedef struct { /* one request that the client recorded */
    double start_s, latency_ms;
    int status; /* 200: success */
} validate_request;

typedef struct { /* an allocation, until the next one */
    double t_s;
    uint32_t gpus, pods;        /* pods: all of them, equal */
    uint32_t sm_pct, quota_pct; /* of one pod */
} validate_share;

typedef struct {                /* what was observed of a run: on the testbed, or of its simulation */
    validate_request *requests; /* by start */
    size_t n_requests;
    uint64_t lost;          /* never sent */
    validate_share *shares; /* by time; changes only; none: not recorded */
    size_t n_shares;
} validate_trace;

typedef struct {
    const char *name, *system, *model, *served_model, *workload; /* model: what the run was labelled as */
    const char **tags;                                           /* [n_tags] */
    size_t n_tags;
    const uint32_t *rate_rps; /* [n_stages] */
    size_t n_stages;
    int has_usage; /* an allocation that belongs to this run: neither absent nor stale */
    validate_trace real;
} validate_run;

typedef struct validate_data validate_data;

/* Every run of runs.csv; one whose files are missing or faulty is an error. */
int validate_open(validate_data **out, const char *dir, char err[VALIDATE_ERR_LEN]);
/* For work on these names alone (of none, on every run): a run that is not among them and has no folder is left out. One that
 * has a folder is read, since spreads are over runs of the same kind, asked for or not. */
int validate_open_some(validate_data **out, const char *dir, const char *const *only, size_t n_only,
                       char err[VALIDATE_ERR_LEN]);
void validate_close(validate_data *d);
size_t validate_n_runs(const validate_data *d);
const validate_run *validate_run_at(const validate_data *d, size_t i);
int validate_has_tag(const validate_run *r, const char *tag);
/* Whether the run is one of these names; of none given, every run is. */
int validate_is_among(const validate_run *r, const char *const *only, size_t n_only);

void validate_trace_free(validate_trace *t); /* frees what it points to */

#endif
