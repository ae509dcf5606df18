/* rapp_physics_int.h - what is known of how a batch's time comes about, shared by the kinds. Private to rapp/.
 *
 *     latency(batch, SM, quota) = max( G(batch, SM), f(quota) )
 *     G = fixed + fixed_per_batch * batch + (work + work_per_batch * batch) * 100 / SM %
 *
 * G is the time of the kernels on the GPU, f the time in which they can be launched under the token window
 * (calib_fit.h fits both). f is known at some quotas; between them it is interpolated, and beyond them continued,
 * linearly in 1 / quota, since a fixed launch budget is spent at the rate of the quota.
 *
 * A *transfer* is how the law of a DNN follows from its prior alone; it is learned from DNNs that have both. Operator
 * times at the smallest SM share or, where launching hides them, GMACs give G there; the five latencies give f and the
 * level of G at batch 4 and the whole GPU.
 */
#ifndef RAPP_PHYSICS_INT_H
#define RAPP_PHYSICS_INT_H

#include "calib_json.h"
#include "rapp_int.h"

enum {
    RAPP_QUOTAS = 10, /* of f: 10, 20 .. 100 % */
    RAPP_FEW = 14     /* points: a law has as many numbers, and so few of them tell nothing of its error */
};
#define RAPP_FEW_ERROR 0.2 /* what it is then taken for, at least */

typedef struct {
    double fixed_ms, fixed_ms_per_batch;
    double work_ms, work_ms_per_batch;
    double launch_ms[RAPP_QUOTAS]; /* falls weakly */
    double error; /* mean |predicted / measured - 1| of what it was fitted to; of a prior: expected */
} rapp_physics;

double rapp_physics_gpu_ms(const rapp_physics *p, uint32_t batch, uint32_t sm_pct);
double rapp_physics_launch_ms(const rapp_physics *p, uint32_t quota_pct);

/* Fits one DNN's points, all of model points[i].model. 0, or -1: out of memory. */
int rapp_physics_fit(rapp_physics *out, const rapp_point *points, size_t n, char err[RAPP_ERR_LEN]);

typedef struct {
    int is_known;    /* 0: no training DNN had a complete prior */
    double shape[4]; /* G's four coefficients over G(1, 5 %): fixed, fixed_per_batch, work, work_per_batch */
    double
        gpu_per_op; /* G(1, 5 %) / the operators' times at 5 %, where these are more than launch overhead */
    double gpu_per_gmac;                  /* G(1, 5 %) ms / GMACs */
    double launch_per_op_ms[RAPP_QUOTAS]; /* f / number of operators */
    double between[RAPP_QUOTAS];          /* f / its interpolation from the prior's quotas */
    double error;
} rapp_transfer;

/* One DNN of the training: its law, and its prior. */
typedef struct {
    const rapp_physics *law;
    const rapp_prior *prior;
} rapp_example;

int rapp_transfer_learn(rapp_transfer *out, const rapp_example *examples, size_t n, char err[RAPP_ERR_LEN]);
/* 0, or -1: the prior is incomplete or the transfer unknown */
int rapp_physics_from_prior(rapp_physics *out, const rapp_transfer *t, const rapp_prior *prior);

cJSON *rapp_physics_save(const rapp_physics *p); /* NULL: out of memory */
cJSON *rapp_transfer_save(const rapp_transfer *t);
void rapp_physics_load(rapp_physics *p, calib_json *j, const cJSON *from); /* j->failed tells */
void rapp_transfer_load(rapp_transfer *t, calib_json *j, const cJSON *from);

/* The laws of all DNNs of a training, and the transfer: the state of `roofline`, and the ground of `table`. */
typedef struct {
    char name[64];
    rapp_physics law;
} rapp_law;

typedef struct {
    rapp_law *laws;
    size_t n;
    rapp_transfer transfer;
} rapp_laws;

int rapp_laws_train(rapp_laws *out, const rapp_data *data, const unsigned char *use,
                    const rapp_options *options, char err[RAPP_ERR_LEN]); /* either way rapp_laws_free */
void rapp_laws_free(rapp_laws *l);
cJSON *rapp_laws_save(const rapp_laws *l);
int rapp_laws_load(rapp_laws *l, calib_json *j, const cJSON *from); /* either way rapp_laws_free */
const rapp_law *rapp_laws_find(const rapp_laws *l, const char *dnn);

/* A law that is asked often: f by quota in percent. */
typedef struct {
    rapp_physics law;
    double launch_ms[101];
} rapp_law_bound;

void rapp_law_bind(rapp_law_bound *b, const rapp_physics *law);
rapp_estimate rapp_law_estimate(const rapp_law_bound *b, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);

/* The used points of one model, in a new array; *n may be 0. NULL: out of memory */
rapp_point *rapp_points_of(const rapp_data *data, const unsigned char *use, size_t model, size_t *n);
double rapp_median(double *values, size_t n); /* sorts; 0 of none */

#endif
