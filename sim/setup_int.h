/* setup_int.h - private to setup*.c: the store of what was read from files. plugin.c hashes its files alike, and
 * `hassim calib` finds devices alike. */
#ifndef SETUP_INT_H
#define SETUP_INT_H

#include "prices.h"
#include "setup.h"

/* FNV-1a, 64 bit (Fowler, Noll, Vo): provenance, not security */
#define SETUP_HASH_EMPTY UINT64_C(0xcbf29ce484222325)
uint64_t setup_hash_bytes(uint64_t hash, const void *bytes, size_t n);

typedef struct {
    char *path;
    calib *calibration;
    uint64_t hash;
} setup_calib;

typedef struct {
    char *path, *format;
    trace_file *file;
    uint64_t hash;
    uint32_t *ranked; /* its functions, most invoked first; ties in the file's order */
} setup_trace;

typedef struct {
    char *path;
    rapp_model *model;
    uint64_t hash;
} setup_rapp;

typedef struct {
    char *folder;
    rapp_data *data;
    uint64_t hash; /* of graphs.csv and operators.csv */
} setup_priors;

/* The calibration file that ships for a device. 1: path; 0: there is none, expected says what there is; -1: err */
enum { SETUP_PATH_LEN = 4096, SETUP_KNOWN_LEN = 300 };
int setup_find_device(const char *device, char path[SETUP_PATH_LEN], char expected[SETUP_KNOWN_LEN],
                      char err[CONFIG_ERR_LEN]);

/* Hash of the running program. */
uint64_t setup_store_program(const setup_store *store);

/* By the device's name (shipped), or by file. *out belongs to the store. place is where the config names it.
 */
int setup_store_calib(setup_store *store, const config *c, const char *place, const char *device, int is_file,
                      const setup_calib **out, char err[CONFIG_ERR_LEN]);
int setup_store_trace(setup_store *store, const char *format, const char *path, const setup_trace **out,
                      char err[CONFIG_ERR_LEN]);
/* What trained predictors need. *out belongs to the store. */
int setup_store_rapp(setup_store *store, const char *path, const setup_rapp **out, char err[CONFIG_ERR_LEN]);
int setup_store_priors(setup_store *store, const char *folder, const setup_priors **out,
                       char err[CONFIG_ERR_LEN]);

typedef struct {                      /* what predictors are asked about */
    const setup_calib *const *calibs; /* of the kinds of GPU */
    size_t n_calibs;
    const calib_model *const *dnns; /* on the first kind */
    size_t n_dnns;
} setup_predictor_use;

/* A policy's predictor, and the hash of the files that it is made of. (setup_predictor.c) */
int setup_predictor_open(predictor *out, uint64_t *hash, setup_store *store, const config *c, size_t policy,
                         const setup_predictor_use *use, char err[CONFIG_ERR_LEN]);

#endif
