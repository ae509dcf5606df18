/* rapp_data.h - what RaPP learns from: measured latencies of models, and what is known of a model beforehand.
 *
 * A data folder holds three CSV files, as published by RaPP (KontonGu/RaPP) and converted:
 *   latency.csv    model,batch,sm_pct,quota_pct,latency_ms: a point each, measured alone under the token runtime
 *   graphs.csv     per model: batch, GMACs, counts of operators, and five latencies (batch 4, SM 100 %, quota 20,
 *                  40, 60, 80, 100 %), which RaPP takes as prior knowledge
 *   operators.csv  per model, its operators in order (a chain): type, convolution attributes, weight shape, and its
 *                  measured time in ms (batch 1) at six SM shares
 * The rows of graphs.csv and operators.csv are a model's *prior*: all that may be used of a model that nobody
 * measured. A model may have points and no prior, a prior and no points, or both.
 *
 * Models are in order of their first appearance in latency.csv, then graphs.csv, then operators.csv. Everything
 * belongs to the rapp_data and lives until rapp_data_close. Errors: -1 and one line in err: file, line, what was
 * found, what was expected. The files are hostile input: no crash, no unbounded allocation.
 */
#ifndef RAPP_DATA_H
#define RAPP_DATA_H

#include <stddef.h>
#include <stdint.h>

#define RAPP_ERR_LEN 512

enum { RAPP_PRIOR_QUOTAS = 5, RAPP_PRIOR_SMS = 6, RAPP_OP_ATTRIBUTES = 12, RAPP_OP_SHAPE = 4 };
extern const uint32_t rapp_prior_quota_pct[RAPP_PRIOR_QUOTAS]; /* 20, 40, 60, 80, 100; at batch 4, SM 100 % */
extern const uint32_t rapp_prior_sm_pct[RAPP_PRIOR_SMS];       /* 5, 10, 30, 60, 80, 100; at batch 1 */

typedef struct { /* one operator of the chain */
    const char *type;
    double attributes
        [RAPP_OP_ATTRIBUTES];    /* kernel h w, channels, stride h w, pad t l b r, dilation h w, groups */
    double shape[RAPP_OP_SHAPE]; /* of its weights */
    double ms[RAPP_PRIOR_SMS];   /* its time, batch 1 */
} rapp_operator;

typedef struct {   /* what is known of a model beforehand */
    int has_graph; /* a row in graphs.csv; else the five below are 0 */
    double gmac, n_conv2d, n_dense, n_relu;
    double quota_ms[RAPP_PRIOR_QUOTAS];
    const rapp_operator *operators; /* [n_operators]; none: no row in operators.csv */
    size_t n_operators;
} rapp_prior;

typedef struct {
    uint32_t model; /* index */
    uint32_t batch, sm_pct, quota_pct;
    double ms;
} rapp_point;

typedef struct rapp_data rapp_data;

int rapp_data_open(rapp_data **out, const char *dir, char err[RAPP_ERR_LEN]); /* *out is NULL on error */
void rapp_data_close(rapp_data *d);                                           /* NULL is fine */

const char *rapp_data_file_at(size_t index); /* "latency.csv", ...; NULL: no more */
size_t rapp_data_n_models(const rapp_data *d);
const char *rapp_data_model_name(const rapp_data *d, size_t model);
const rapp_prior *rapp_data_prior(const rapp_data *d, size_t model); /* never NULL; may be empty */
int rapp_prior_is_complete(const rapp_prior *p);                     /* graph row and operators */

/* In the order of the file. */
size_t rapp_data_n_points(const rapp_data *d);
const rapp_point *rapp_data_points(const rapp_data *d);

#endif
