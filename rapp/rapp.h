/* rapp.h - trained latency predictors: what will a batch of a model take on a share of a GPU that nobody measured?
 *
 * A *kind* (table, roofline, gat, best) is an algorithm; a *rapp_model* is one that has been trained on a rapp_data.
 * To ask it about a DNN, *bind* it to that DNN once: by name, if it was trained on it, or by its prior. A bound
 * predictor answers for any batch, SM share and quota.
 *
 *     rapp_train(&m, "best", data, NULL, options, err)  -> rapp_save(m, path)         hassim rapp train
 *     rapp_load(&m, path) -> rapp_bind(&b, m, "resnet50", prior) -> rapp_estimate_of  hassim rapp eval, policies
 *
 * The latency predicted is the mean of one batch, from launch to result, alone on its row, under the token runtime,
 * in ms: what latency.csv holds. Estimates fall (weakly) with SM and quota and rise (weakly) with batch wherever the
 * kind promises it (rapp_kind_help says so).
 *
 * Prior knowledge. Of a DNN that was not in the training, only its rapp_prior is used. Of one that was, both its
 * prior and its training points are; the points under test never are.
 *
 * Training is deterministic: same data, options and program, same bits, whatever the number of threads. A trained
 * model is one file (JSON, versioned), written whole or not at all, that carries its origin: kind, options, the GPU that
 * was measured, name and hash of the training data, program version. It knows that GPU alone. A loaded model is read-only and may be shared by threads; a bound predictor,
 * too. Ownership: whoever trains, loads or binds closes; every close accepts NULL. A bound predictor needs its
 * rapp_model alive. Errors: -1 and one line in err.
 */
#ifndef RAPP_H
#define RAPP_H

#include <stddef.h>
#include <stdint.h>

#include "rapp_data.h"

typedef struct rapp_model rapp_model;
typedef struct rapp_bound rapp_bound;

typedef struct {
    double ms; /* < 0: unknown */
    double cv; /* how far ms may be off, relative: about two errors in three are smaller */
} rapp_estimate;

typedef struct {
    uint64_t seed;
    unsigned threads;                              /* >= 1; does not change the result */
    void (*progress)(void *arg, const char *line); /* NULL: silent */
    void *progress_arg;
    const char *device; /* the GPU that was measured, as configs name it ("v100-16gb"); NULL: not said */
    const char *data;   /* a name for the data; NULL: none */
} rapp_options;

typedef struct {
    uint64_t seed;
    uint64_t data_hash; /* of the points it was trained on, and of the priors of their models */
    uint64_t points, models;
    const char *program; /* version; this and what follows live until rapp_close */
    const char *device;  /* "": not said */
    const char *data;    /* "": without a name */
} rapp_origin;

const char *rapp_kind_at(size_t i);           /* NULL past the last; the first is the default */
const char *rapp_kind_help(const char *kind); /* one line; NULL: unknown kind */

/* Trains on the points p of data with use[p] != 0 (NULL: all). Priors of models without a used point are not looked
 * at. */
int rapp_train(rapp_model **out, const char *kind, const rapp_data *data, const unsigned char *use,
               const rapp_options *options, char err[RAPP_ERR_LEN]);
int rapp_load(rapp_model **out, const char *path, char err[RAPP_ERR_LEN]);
int rapp_save(const rapp_model *m, const char *path, char err[RAPP_ERR_LEN]);
int rapp_save_check(const char *path, char err[RAPP_ERR_LEN]); /* could it be saved there? Before long work */
void rapp_close(rapp_model *m);
const char *rapp_kind_of(const rapp_model *m);
rapp_origin rapp_origin_of(const rapp_model *m);

/* prior: NULL if nothing is known beforehand; a DNN that the model was trained on needs none. -1: neither. */
int rapp_bind(rapp_bound **out, const rapp_model *m, const char *dnn, const rapp_prior *prior,
              char err[RAPP_ERR_LEN]);
void rapp_unbind(rapp_bound *b);
/* 1 <= batch <= 32, 1 <= sm_pct, quota_pct <= 100; anything else, or what the kind cannot tell: ms < 0. */
rapp_estimate rapp_estimate_of(const rapp_bound *b, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);

#endif
