/* validate_params.h - how the testbed served its models: parameters per system and model, in one file.
 *
 * The file (experiments/testbed.json, "hassim-testbed-1") holds for each system (has, fast-gshare, kserve) and served
 * model the numbers below, where they come from, and for runs that are missed the reason, if it is known ("notes": a
 * text for both modes, or "Replay: ... Policy: ..." for each). They are
 * fitted per system and model, never per run, and most of them once for all models of a system that take the same kind
 * of input: what decodes an image does not know which network it is for (validate_fit.h).
 *
 * Units are in the keys. Errors: -1 and one line in err: file, place, what was found, what was expected.
 */
#ifndef VALIDATE_PARAMS_H
#define VALIDATE_PARAMS_H

#include <stddef.h>

#include "validate.h"

typedef enum {
    VALIDATE_BATCH_MAX,
    VALIDATE_WORKERS,
    VALIDATE_MEMORY_MIB,
    VALIDATE_TRAVEL_MS,
    VALIDATE_ACCEPT_MS,
    VALIDATE_WAIT_MS,
    VALIDATE_WAIT_CV,
    VALIDATE_PREPARE_MS,
    VALIDATE_RESPOND_MS,
    VALIDATE_WORK_CV,
    VALIDATE_CPUS,
    VALIDATE_LAUNCH_WEIGHT,
    VALIDATE_WAKE_MS,
    VALIDATE_LAUNCH_MS,
    VALIDATE_LAUNCH_CV,
    VALIDATE_GPU_CV,
    VALIDATE_FIRST_BATCH_MS,
    VALIDATE_EARLY_SHARE,
    VALIDATE_ROUND_TRIP_MS,
    VALIDATE_COLD_START_S,
    VALIDATE_KEEP_ALIVE_S,
    VALIDATE_LINGER_S,
    VALIDATE_N_PARAMS,
} validate_param;

typedef enum {
    VALIDATE_KNOWN,  /* or read off the recordings; not fitted */
    VALIDATE_SHARED, /* fitted, the same for all models of a system that take the same kind of input */
    VALIDATE_OWN,    /* fitted per system and model */
} validate_scope;

typedef struct {
    const char *key, *help;
    double min, max;
    int is_integer;
    validate_scope scope;
    double doubt; /* of the number a fit begins with: standard deviation of its logarithm */
} validate_param_info;

extern const validate_param_info validate_param_infos[VALIDATE_N_PARAMS];

typedef struct {
    char system[64], model[64]; /* model: the one that was served */
    char input[64];             /* what a request carries: "image", "text" */
    double v[VALIDATE_N_PARAMS];
    char origin[1024]; /* where the numbers come from */
} validate_entry;

typedef struct {
    char run[128], why[1024];
    char replay[1024], policy[1024]; /* its parts, by mode; "": none */
} validate_note;

typedef struct validate_params {
    validate_entry *entries;
    size_t n_entries;
    validate_note *notes; /* why runs are missed */
    size_t n_notes;
} validate_params;

/* path NULL: the shipped file. *out is NULL on error. */
int validate_params_open(validate_params **out, const char *path, char err[VALIDATE_ERR_LEN]);
int validate_params_save(const validate_params *p, const char *path, char err[VALIDATE_ERR_LEN]);
int validate_params_save_check(const char *path,
                               char err[VALIDATE_ERR_LEN]);      /* could it be? Before long work */
validate_params *validate_params_copy(const validate_params *p); /* NULL: out of memory */
void validate_params_close(validate_params *p);                  /* NULL is fine */

validate_entry *validate_params_find(const validate_params *p, const char *system,
                                     const char *model);                                        /* or NULL */
const char *validate_params_why(const validate_params *p, const char *run, validate_mode mode); /* or NULL */

#endif
