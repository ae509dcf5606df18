/* predictor.h - what a policy may know about latency: one interface, several predictors.
 *
 * A policy never asks the truth of the simulated hardware; it asks a predictor, which the config chooses
 * ("predictor"), about a predict_dnn: a DNN on a kind of GPU, as the engine holds it.
 *
 *   table      what the calibration's file says: max(G, f) under the token runtime; under the metered runtime the
 *              time to obtain G of GPU time at quota * 40 ms per window
 *   oracle     the same of the truth of this run, which differs where the run draws it (config "model_error")
 *   trained    a rapp_model (rapp.h). Under the token runtime its latency is taken as it is; under the metered
 *              runtime its latency at quota 100 % is G, and the closed form of `table` does the rest. It knows one
 *              kind of GPU, the one that it was trained on: whoever opens it sees to that, and may leave a note.
 *
 * Any of them may be corrected by a factor on the time of a batch, which `online` learns during a run (island_int.h).
 *
 * Trained predictors are bound once to the DNNs that a run needs, and keep what they have answered by (batch, SM,
 * quota): a second question costs some ten ns. Units: ms, requests per second, percent of one GPU. An open predictor
 * may be shared by threads: answers are kept in atomics, and the same question has the same answer.
 */
#ifndef PREDICTOR_H
#define PREDICTOR_H

#include <stddef.h>
#include <stdint.h>

#include "calib.h"
#include "rapp.h"

typedef enum { PREDICT_METERED, PREDICT_TOKEN } predict_runtime;

typedef struct {                   /* what is asked about */
    const calib_model *calibrated; /* as the calibration's file says */
    const calib_model *truth;      /* as the run's GPUs are */
    double factor;                 /* on the time of a batch; 1: as predicted */
} predict_dnn;

typedef struct predictor {
    const char *name;
    predict_runtime runtime;
    int is_oracle;
    int is_online; /* the engine lends observations: factor is what was learnt from them */
    struct predictor_trained *trained; /* NULL: none */
    char note[200];                    /* what a reader of results should know; "": nothing */
} predictor;

/* Fills *out with `table` or `oracle`; nothing is to be closed. 0, or -1: another name. */
int predictor_find(predictor *out, const char *name, predict_runtime runtime);
const char *predictor_names(void); /* "table, oracle" */

/* Binds a trained model to the DNNs, which are told apart by their pointer as predict_dnn.calibrated. Those that it was
 * not trained on are told by their prior, if priors (NULL: none) hold it; -1 and one line that names the others.
 * model and priors must outlive the predictor. */
int predictor_open_trained(predictor *out, const rapp_model *model, const rapp_data *priors,
                           predict_runtime runtime, const calib_model *const *dnns, size_t n,
                           char err[RAPP_ERR_LEN]);
void predictor_close(predictor *p); /* of any; all zero is fine */

/* Mean time from launch to result of one batch that starts at a random moment, alone on its row; < 0: unknown. */
double predictor_latency_ms(const predictor *p, const predict_dnn *d, uint32_t batch, uint32_t sm_pct,
                            uint32_t quota_pct);
/* Requests per second of a pod that is never idle: batch / time per batch; < 0: unknown. */
double predictor_throughput_rps(const predictor *p, const predict_dnn *d, uint32_t batch, uint32_t sm_pct,
                                uint32_t quota_pct);
/* GPU time of one batch (metered), or its latency (token): what the factor is on; < 0: unknown. */
double predictor_batch_ms(const predictor *p, const predict_dnn *d, uint32_t batch, uint32_t sm_pct,
                          uint32_t quota_pct);

#endif
