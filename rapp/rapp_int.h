/* rapp_int.h - what a kind of predictor implements. Private to rapp/.
 *
 * A kind is one file, rapp_NAME.c, that defines one rapp_kind, and one line in rapp.c's list. rapp.c does what is
 * the same for all: the file's envelope (version, kind, origin, hash), the errors, the checks of arguments.
 */
#ifndef RAPP_INT_H
#define RAPP_INT_H

#include <cjson/cJSON.h>

#include "rapp.h"

typedef struct {
    const char *name, *help;
    /* *state is the kind's own, or NULL on error. use is never NULL. */
    int (*train)(void **state, const rapp_data *data, const unsigned char *use, const rapp_options *options,
                 char err[RAPP_ERR_LEN]);
    /* A new JSON object, or NULL: out of memory; and back. load checks all that it reads: hostile input. Its errors
     * begin with the place ("state: models[2].name: ..."; read by calib_json.h with file "state"); rapp.c puts the
     * file's name before. */
    cJSON *(*save)(const void *state);
    int (*load)(void **state, const cJSON *from, char err[RAPP_ERR_LEN]);
    void (*close)(void *state); /* NULL is fine */
    int (*bind)(void **bound, const void *state, const char *dnn, const rapp_prior *prior,
                char err[RAPP_ERR_LEN]);
    rapp_estimate (*estimate)(const void *bound, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);
    void (*unbind)(void *bound);
} rapp_kind;

extern const rapp_kind rapp_kind_table, rapp_kind_roofline, rapp_kind_gat, rapp_kind_best;

int rapp_fail_unknown(const char *dnn, char err[RAPP_ERR_LEN]); /* bind's answer to neither: -1 */
int rapp_fail_memory(char err[RAPP_ERR_LEN]);                   /* -1 */

#endif
