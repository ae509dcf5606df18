/* setup.h - a config becomes what the engine runs: calibrations, traces, prices, SLOs, distributions.
 *
 * A setup_store keeps what is read from files (calibrations, traces, prices, with their hashes), each once
 * per process; a setup is one config, that is one grid point, built on it. Runs of all its policies and seeds
 * share the setup. Opening a setup reads everything that its runs need, so that later nothing is missing.
 *
 *   SLO      = slo_multiplier x base; base = mean latency of batch 1 on a whole, idle slo_device, plus the
 *              function's mean request overhead there
 *   truth    = the calibration; with model_error, for each seed another one drawn from its uncertainty
 *              (calib_perturb), the same for all policies of that seed. Drawn are the times of batches alone: how
 *              uncertain overheads, noise, cold starts and slowdowns are, nobody has measured. SLOs stay as the
 *              calibration has them, and so does what the predictor `table` says
 *   noise    = lognormal, mean 1, from the calibration; overhead: lognormal; cold start: its mean per device,
 *              times a lognormal factor of mean 1. Overhead, noise and factor are those of the first kind of
 *              GPU that the model can run on.
 *
 * Ownership: store and config outlive the setup, the setup outlives the runs. Errors: -1 and one line in err,
 * "FILE: PLACE: found X, expected Y". Close accepts NULL.
 */
#ifndef SETUP_H
#define SETUP_H

#include "config.h"
#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SETUP_HASH_LEN 17 /* 64 bits in hex, and NUL */

typedef struct setup_store setup_store;
typedef struct setup setup;

typedef struct {
    char config[SETUP_HASH_LEN]; /* of all that shapes the run, the policy's entry and the prices included */
    char trace[SETUP_HASH_LEN], calibration[SETUP_HASH_LEN]; /* of the files' bytes, in order of use */
    char policy
        [SETUP_HASH_LEN]; /* of the policy's entry, the program, a plug-in's file and a trained predictor's */
} setup_hashes;

setup_store *setup_store_new(void); /* NULL: no memory */
void setup_store_free(setup_store *store);

int setup_open(setup **out, setup_store *store, const config *c, char err[CONFIG_ERR_LEN]);
void setup_close(setup *s);

/* The engine's setup for one run; it points into s, and lives until the next call. */
int setup_engine(setup *s, size_t policy, uint64_t seed, engine_setup *out, char err[CONFIG_ERR_LEN]);
void setup_hash(const setup *s, size_t policy, setup_hashes *out);

#ifdef __cplusplus
}
#endif
#endif
