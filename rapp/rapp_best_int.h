/* rapp_best_int.h - the parts of the kind `best`. Private to rapp/.
 *
 *     rapp_best.c           the kind: method, training, file, binding
 *     rapp_best_surface.c   a DNN's predicted latencies on a lattice, and between its points
 *     rapp_best_separate.c  max(G, f) with a free G per (batch, SM) and a free f per quota, from a DNN's points
 *     rapp_best_smooth.c    what max(G, f) leaves of a DNN's points, smoothed by a Gaussian process
 *     rapp_best_krige.c     G of a DNN that nobody measured, from its operators
 *     rapp_best_launch.c    f of a DNN that nobody measured, from its prior's five latencies
 *     rapp_best_grouped.c   how much less f is at batches 1 and 2, where grouped convolutions are launched at once
 *     rapp_best_prior.c     a whole surface from a prior: physics, then trees for what it leaves
 *     rapp_trees.c          gradient-boosted regression trees under absolute error (rapp_trees_int.h)
 *
 * The lattice is what was profiled: batches 1, 2, 4 .. 32, SM 5, 10 .. 100 %, quotas 10, 20 .. 100 %. All latencies in
 * here are ln(ms), since errors are relative.
 */
#ifndef RAPP_BEST_INT_H
#define RAPP_BEST_INT_H

#include "calib_json.h"
#include "rapp_int.h"
#include "rapp_trees_int.h"

enum {
    BEST_BATCHES = 6,
    BEST_SMS = 20,
    BEST_QUOTAS = 10,
    BEST_WIDTHS = BEST_BATCHES * BEST_SMS, /* (batch, SM) pairs */
    BEST_LATTICE = BEST_WIDTHS * BEST_QUOTAS
};

/* Index of a width is batch * BEST_SMS + sm, of a place width * BEST_QUOTAS + quota. */
static inline int best_width_of(int batch, int sm) {
    return batch * BEST_SMS + sm;
}

/* ---- surface ---- */

typedef struct {
    double ln_ms[BEST_LATTICE];
    double cv[BEST_QUOTAS]; /* 68 % of errors are below, by quota */
} best_surface;

#define BEST_LN_MOST 30.0 /* what a file may hold: |ln(ms)| */
#define BEST_CV_MOST 1e6

int best_place(uint32_t batch, uint32_t sm_pct, uint32_t quota_pct); /* the nearest */
/* Makes ln_ms fall weakly with SM and with quota: half way between the least such surface above it and the greatest
 * below. */
void best_surface_make_monotone(best_surface *s);
/* Within what a file may hold, and rounded as it holds it. */
void best_surface_round(best_surface *s);
/* Linear in ln(batch), ln(SM), ln(quota). Below 10 % quota the latency of the whole GPU is continued, below 5 % SM that of
 * quota 100 %, and the greater rules: f and G. A monotone lattice is monotone everywhere. */
rapp_estimate best_surface_at(const best_surface *s, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);

/* ---- what a DNN's points say ---- */

typedef struct { /* one measured place; several points there: their mean */
    int place;
    double ln_ms;
} best_sample;

typedef struct { /* max(G, f), in ln(ms) */
    double gpu[BEST_WIDTHS], launch[BEST_QUOTAS];
} best_law;

/* n >= 1. Least absolute deviation in ln(ms). G never exceeds what a larger batch or a smaller SM share took. */
void best_separate(best_law *law, const best_sample *samples, size_t n);
double best_law_at(const best_law *law, int place);

/* The mean of the process that has the law as its prior mean, given the samples: surface->ln_ms. 0; -1: no memory. */
int best_smooth(double ln_ms[BEST_LATTICE], const best_law *law, const best_sample *samples, size_t n);

/* ---- G from a prior ---- */

enum {
    BEST_DESCRIPTORS = 12,
    BEST_LEVEL_WIDTH = 3 * BEST_SMS /* batch 8, SM 5 %: there G shows for nearly all */
};

/* What decides G: GMACs, and what kind of operators they are made of. -1: the prior is incomplete. */
int best_describe(double out[BEST_DESCRIPTORS], const rapp_prior *p);
double best_operators_ms(const rapp_prior *p,
                         int sm); /* all operators, at the prior's SM share of that index */

typedef struct { /* G of a DNN at a width, where it shows */
    uint32_t model;
    int width;
    double left; /* ln G less ln GMACs, the level, and the width's offset */
} best_cell;

/* ln(G / GMACs) is what is usual (the level, and an offset from it per width) and a Gaussian process over descriptors
 * and widths, which n_cells cells show. */
typedef struct {
    size_t n_models, n_cells; /* n_cells 0: not learned */
    double *descriptors;      /* [n_models][BEST_DESCRIPTORS] */
    best_cell *cells;
    double level, offset[BEST_WIDTHS];
    /* made of the above */
    double mean[BEST_DESCRIPTORS], deviation[BEST_DESCRIPTORS];
    double near_batch[BEST_BATCHES], near_sm[BEST_SMS][BEST_SMS];
    double *z, *factor, *alpha;
} best_krige;

enum { BEST_CELLS_MAX = 1500 }; /* the work grows with the cube */

int best_krige_make(best_krige *k); /* 0; -1: no memory */
void best_krige_free(best_krige *k);
/* gpu: ln(G) of a DNN whose prior is complete; falls weakly with SM and rises weakly with batch. 0; -1: no memory */
int best_krige_gpu(double gpu[BEST_WIDTHS], const best_krige *k, const rapp_prior *p);

/* ---- f from a prior ---- */

/* What the interpolation of the five latencies leaves at 10, 30 .. 90 %, from rows in which all were measured. */
typedef struct {
    size_t n;             /* rows; 0: nothing is corrected */
    double *told, *alpha; /* [n][five]: ln of the latencies at the told quotas; weights for the others */
    double first;         /* ln(f(10 %) / f(20 %)), usually */
} best_launch;

enum { BEST_ROWS_MAX = 1500 };

/* rows: ln(ms) by quota, BEST_HIDDEN where nothing was measured, which no told quota is. 0; -1: no memory. Either way
 * best_launch_free. */
int best_launch_learn(best_launch *l, const double (*rows)[BEST_QUOTAS], size_t n);
void best_launch_complete(double f[BEST_QUOTAS], const best_launch *l, const double told[RAPP_PRIOR_QUOTAS]);
void best_launch_free(best_launch *l);

/* ---- grouped convolutions ---- */

enum { BEST_SPARED = 2 }; /* batches 1 and 2: what they spare of the launches of the others */

typedef struct {             /* of a DNN */
    double groups, ln_ratio; /* groups per operator; ln(f at batches 4 and 8 / f at the small batch) */
} best_grouped;

/* Groups per operator that are launched one by one at batches from 4, and at once at the batch of that index. */
double best_grouped_spared(const rapp_prior *p, int batch);
/* How much longer launching takes per such group, >= 0; those with groups > 0 count, none: 0. Least absolute deviation
 * of ln(1 + share * groups). */
double best_grouped_learn(const best_grouped *g, size_t n);

/* ---- what a prior says ---- */

typedef struct best_prior best_prior;

/* From n DNNs: their priors (incomplete ones are left out) and samples. May learn nothing: too few. 0; -1: no memory. */
int best_prior_learn(best_prior **out, const rapp_prior *const *priors, best_sample *const *samples,
                     const size_t *n_samples, size_t n);
/* 0; -1: the prior is incomplete, nothing was learned, or no memory */
int best_prior_surface(const best_prior *p, const rapp_prior *prior, best_surface *out);
cJSON *best_prior_save(const best_prior *p); /* NULL: no memory */
int best_prior_load(best_prior **out, calib_json *j, const cJSON *from, char err[RAPP_ERR_LEN]);
void best_prior_free(best_prior *p); /* NULL is fine */

/* ---- small things ---- */

/* a (its lower triangle, n x n) = L L^T, in place; and L L^T x = y. */
void best_factor(double *a, size_t n);
void best_solve(double *x, const double *l, const double *y, size_t n);
/* Fills y[i] that are hidden: linearly in ln(i + 1) between their neighbours, with the slope beyond the ends. */
void best_fill_line(double *y, int n, double slope);
#define BEST_HIDDEN (-20.0) /* ln(ms) of what nothing shows */
/* To 1e-9: numbers that a file holds are rounded when they are learned. cJSON writes 15 digits, and what is loaded must
 * equal what was trained. */
double best_round(double x);
double best_quantile(double *values, size_t n, double share); /* n >= 1; sorts */
/* A member that is an array of n numbers within +-most. */
void best_load_numbers(calib_json *j, const cJSON *from, const char *key, double *out, int n, double most);

#endif
