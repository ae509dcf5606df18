/* config_keys.h - the table of a config's keys, and the check that is made from it.
 *
 * A path is a pattern: "functions[].trace.scale"; [] stands for any element. Conditions compare a sibling:
 * "format=synthetic", "format!=synthetic/client" (neither of the two); where one does not hold, the key is refused and has no default.
 * The default is JSON text; "" means required; in parentheses it says in words what a missing key means.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config_json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    CONFIG_NUMBER,
    CONFIG_INTEGER,
    CONFIG_BOOL,
    CONFIG_STRING, /* not empty, without control characters */
    CONFIG_TEXT,   /* may be empty */
    CONFIG_NAME,   /* a string that is safe as a file name */
    CONFIG_CHOICE,
    CONFIG_NUMBERS, /* array; the range is of its elements */
    CONFIG_STRINGS, /* array, not empty */
    CONFIG_OBJECT,
    CONFIG_OBJECTS, /* array of objects */
    CONFIG_SEEDS,   /* integer, or array of integers */
    CONFIG_NAMED,   /* an object, or the string that would be its "name" */
    CONFIG_SAME,    /* an object with the keys of the path in choices */
    CONFIG_PARAMS,  /* checked elsewhere: the policy's */
    CONFIG_GRID,    /* checked elsewhere: paths to arrays */
} config_type;

typedef struct {
    const char *path;
    config_type type;
    double min, max;     /* numbers, inclusive */
    const char *choices; /* "a|b" */
    const char *by_default;
    const char *unit; /* "" for none */
    const char *only; /* condition on a sibling; NULL: always */
    const char *help;
} config_key;

const config_key *config_keys(size_t *n);

/* Checks root against the table and fills in the defaults; -1 and a message, root half filled. */
int config_keys_check(cJSON *root, const char *file, char err[CONFIG_ERR_LEN]);

/* Index of s in choices "a|b|c", or -1 */
int config_choice_index(const char *choices, const char *s);

/* "a number from 0 to 1 (s)": what a key takes */
void config_key_expected(const config_key *key, char *out, size_t len);

#ifdef __cplusplus
}
#endif
#endif
