/* calib_int.h - what the files of this folder share: strict reading of JSON, and a model's parameters. */
#ifndef CALIB_INT_H
#define CALIB_INT_H

#include <stdio.h>

#include <cjson/cJSON.h>

#include "calib.h"

#define CALIB_FORMAT         "hassim-calib-1"
#define CALIB_FACTS_FORMAT   "hassim-facts-1"
#define CALIB_JSON_MAX_BYTES (16u << 20) /* a device file is well below 1 MiB */
#define CALIB_TEXT_MAX       4000        /* longest string in a file */
#define CALIB_MODELS_MAX     4096
#define CALIB_QUOTAS_MAX     100

/* G = max(launch at quota 100, fixed + fixed_per_batch * b + (work + work_per_batch * b) * 100 / SM %) */
typedef struct {
    double fixed_ms, fixed_ms_per_batch; /* does not shrink with more SMs */
    double work_ms, work_ms_per_batch;   /* at the whole GPU; inversely proportional to the SM share */
} calib_gpu_params;

double calib_gpu_params_ms(const calib_gpu_params *g, double floor_ms, uint32_t batch, uint32_t sm_pct);

/* A place in a document being checked: errors name it as file: path. Functions on it return -1 once failed.
 */
typedef struct {
    const char *file;
    char path[256];
    char *err;  /* CALIB_ERR_LEN bytes */
    int failed; /* the first error is kept */
} calib_json;

/* A regular file, open for reading: a FIFO never blocks. NULL: the error is in err. */
FILE *calib_file_open(const char *file, char err[CALIB_ERR_LEN]);
/* Reads and parses a whole file; NULL on error with "file:line:column: ..." in err. */
cJSON *calib_json_read(const char *file, char err[CALIB_ERR_LEN]);
cJSON *calib_json_parse(const char *name, const char *text, size_t len, char err[CALIB_ERR_LEN]);

/* Goes down to a member and back up; leave takes the length that enter returned. */
size_t calib_json_enter(calib_json *j, const char *key);
size_t calib_json_enter_at(calib_json *j, int index);
void calib_json_leave(calib_json *j, size_t mark);
int calib_json_fail(calib_json *j, const char *format, ...);

/* Rejects unknown and repeated keys. keys ends with NULL. */
int calib_json_keys(calib_json *j, const cJSON *object, const char *const *keys);
/* Each returns its default-free value or fails: missing, wrong type, out of range. */
const cJSON *calib_json_object(calib_json *j, const cJSON *object, const char *key);
const cJSON *calib_json_array(calib_json *j, const cJSON *object, const char *key, int min, int max);
double calib_json_number(calib_json *j, const cJSON *object, const char *key, double min, double max);
double calib_json_number_at(calib_json *j, const cJSON *array, int index, double min, double max);
uint32_t calib_json_uint(calib_json *j, const cJSON *object, const char *key, uint32_t min, uint32_t max);
uint32_t calib_json_uint_at(calib_json *j, const cJSON *array, int index, uint32_t min, uint32_t max);
int calib_json_bool(calib_json *j, const cJSON *object, const char *key);
const char *calib_json_text(calib_json *j, const cJSON *object, const char *key);
/* The text must be this one. */
int calib_json_is(calib_json *j, const cJSON *object, const char *key, const char *expected);
/* A key that configs use: letters, digits, '_', '-', '.'; at most 63 bytes. */
int calib_json_name(calib_json *j, const char *name);

/* From a document in memory; name stands in messages instead of a path. */
int calib_open_text(calib **out, const char *name, const char *text, size_t len, char err[CALIB_ERR_LEN]);

#endif
