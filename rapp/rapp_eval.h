/* rapp_eval.h - how good predictions are: cross-validation, errors, and the floor below which no predictor can get.
 *
 * Everything is per point of a rapp_data, in its order: predicted ms (< 0: the model cannot tell; NaN: not asked) and
 * the fold in which the point is tested.
 *
 * Folds. By config: every point is in the fold that a hash of (model, batch, SM, quota, seed) gives it. By model: all
 * points of a DNN with a complete prior are in the fold that a hash of (its name, seed) gives it; points of others are
 * in no fold (-1): they are trained on, never tested. Fold k is tested by a model that was trained on all points
 * outside k; priors of DNNs in fold k are not part of the training.
 *
 * Error of a point: |predicted / measured - 1|.
 */
#ifndef RAPP_EVAL_H
#define RAPP_EVAL_H

#include "rapp.h"

typedef enum { RAPP_BY_CONFIG, RAPP_BY_MODEL } rapp_by;

enum { RAPP_FOLDS_MAX = 100 };

/* fold[n_points] */
void rapp_eval_assign(int *fold, const rapp_data *data, rapp_by by, int folds, uint64_t seed);

/* Asks m about the points with use[p] != 0 (NULL: all); ms[n_points], NaN elsewhere. */
int rapp_eval_ask(double *ms, const rapp_model *m, const rapp_data *data, const unsigned char *use,
                  char err[RAPP_ERR_LEN]);

/* Trains one model per fold and asks it about its fold. last: the last fold's model, if not NULL. */
int rapp_eval_cv(double *ms, const int *fold, int folds, const char *kind, const rapp_data *data,
                 const rapp_options *options, rapp_model **last, char err[RAPP_ERR_LEN]);

typedef struct {
    size_t n, n_unknown;                          /* n: asked and answered */
    double mape_pct, median_ape_pct, p95_ape_pct; /* 0 where n is 0 */
} rapp_errors;

/* Errors over the points for which is_in(arg, p) != 0. room: n_points doubles. */
rapp_errors rapp_eval_errors(const rapp_data *data, const double *ms,
                             int (*is_in)(const void *arg, size_t point), const void *arg, double *room);

/* The repeatability of the data. Under max(G, f), points of a DNN whose f is well above G differ by nothing but noise
 * if their quota is equal; those whose G is well above f, if batch and SM are equal. "Well": by 25 %, by the law fitted
 * to all points. Deviation of the points of such a group from its median, as a mean over points; once with the point
 * itself in the median (too small: it takes part) and once without (too large: the others' median is noisy, too).
 *
 * It is a floor only in so far as the law holds: what varies systematically within a group, as between days of
 * measuring, counts as noise. Hence the launch-bound points a second time, in groups of equal batch as well. */
typedef enum { RAPP_FLOOR_LAUNCH, RAPP_FLOOR_LAUNCH_BATCH, RAPP_FLOOR_GPU, RAPP_FLOORS } rapp_floor_kind;

typedef struct {
    size_t points, groups;
    double within_pct, without_pct;
} rapp_floor;

/* Groups of fewer than three points are left out. */
int rapp_eval_floor(rapp_floor out[RAPP_FLOORS], const rapp_data *data, char err[RAPP_ERR_LEN]);

#endif
