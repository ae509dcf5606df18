/* calib_json.h - strict reading of JSON: every complaint is one line that names the file, the place in the document,
 * what was found and what was expected.
 *
 *     cJSON *root = calib_json_read(file, err);
 *     calib_json j = {.file = file, .err = err};
 *     double ms = calib_json_number(&j, root, "ms", 0, 1e6); ... if (j.failed) ...
 *
 * The first complaint is kept and what follows it is ignored, so that a whole object may be read before asking
 * j.failed; what a failed reader returns is then a value in range, or NULL or "" (cJSON's getters take NULL). err has
 * CALIB_ERR_LEN bytes. Files are at most 64 MiB.
 */
#ifndef CALIB_JSON_H
#define CALIB_JSON_H

#include <stdio.h>

#include <cjson/cJSON.h>

#include "calib.h"

#define CALIB_JSON_MAX_BYTES (64u << 20)
#define CALIB_TEXT_MAX       4000 /* longest string in a file */

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
/* What hostile input says never reaches a terminal as it is: control characters, and bytes that are no UTF-8 (or were
 * cut out of it), become '?'. */
void calib_make_printable(char *text);

/* Rejects what is no object, and unknown and repeated keys. keys ends with NULL. */
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
int calib_name_is_good(const char *name);

#endif
