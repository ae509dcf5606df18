/* harness_json.h - the JSON that the harness reads and writes.
 *
 * The machine that has the GPU has the CUDA toolkit, CMake and gcc, and often no network and no root: cJSON, which the
 * rest of hassim uses, is not there. What is needed is little: objects, arrays, numbers, strings and booleans,
 * read from files of our own (models, the journal of an interrupted run) and written line by line.
 *
 * Reading gives a tree in one allocation-per-node, freed whole; errors are one line "NAME:LINE: found ..., expected ...".
 * Nesting is limited to HARNESS_JSON_DEPTH. Strings keep their escapes undone, except \u, which is kept as '?' (names
 * here are ASCII). Writing appends to a growing text; a failed allocation is remembered and reported once, at the end.
 */
#ifndef HARNESS_JSON_H
#define HARNESS_JSON_H

#include <stddef.h>
#include <stdint.h>

#define HARNESS_ERR_LEN    512
#define HARNESS_JSON_DEPTH 16

typedef enum {
    HARNESS_JSON_NULL,
    HARNESS_JSON_BOOL,
    HARNESS_JSON_NUMBER,
    HARNESS_JSON_STRING,
    HARNESS_JSON_ARRAY,
    HARNESS_JSON_OBJECT
} harness_json_type;

typedef struct harness_json {
    harness_json_type type;
    char *key;  /* in an object, else NULL */
    char *text; /* of a string, else NULL */
    double number;
    struct harness_json *child, *next;
} harness_json;

/* NULL: err says why. text need not end with NUL. */
harness_json *harness_json_parse(const char *name, const char *text, size_t len, char err[HARNESS_ERR_LEN]);
harness_json *harness_json_read(const char *file, char err[HARNESS_ERR_LEN]);
void harness_json_free(harness_json *j);

/* NULL where absent. path: keys joined by '.'; a key itself holds no '.'. */
const harness_json *harness_json_at(const harness_json *j, const char *path);
/* The default where it is absent or of another type. */
double harness_json_number(const harness_json *j, const char *path, double missing);
const char *harness_json_string(const harness_json *j, const char *path, const char *missing);

/* A text that grows. Zero-initialise; free with harness_text_free. */
typedef struct {
    char *text;
    size_t len, capacity;
    int failed; /* out of memory: what came after is lost */
} harness_text;

void harness_text_add(harness_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string, with its quotes. */
void harness_text_quote(harness_text *t, const char *s);
/* A number with 9 significant digits; what is not finite is null, as JSON has no other word for it. */
void harness_text_number(harness_text *t, double value);
void harness_text_free(harness_text *t);

/* The whole file, by a temporary one beside it, synchronised to disk before it takes the name. */
int harness_text_write(const harness_text *t, const char *path, char err[HARNESS_ERR_LEN]);

#endif
