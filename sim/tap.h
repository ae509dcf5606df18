/* tap.h - stands between the engine and a policy, and sees every call.
 *
 * A tap looks like the policy to the engine and like the engine to the policy. It changes nothing: hooks are told
 * when a call begins and ends, and may refuse an action that the policy plans, as if there had been no room. Calls
 * of observe may come from many threads at once; hooks must bear that.
 *
 * The engine hands a policy the params that its setup points to; the tap's own lie before them, which is how its
 * functions find it without any global: a run takes both tap_ops and tap_values.
 */
#ifndef TAP_H
#define TAP_H

#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { TAP_OPEN, TAP_OBSERVE, TAP_ACT, TAP_CLOSE, TAP_PLAN } tap_call; /* PLAN: within an act */

typedef struct { /* what open returned */
    pol_status status;
    const char *err; /* POL_ERR_LEN bytes, as open left them */
    const pol_ctx *ctx;
    uint32_t flags;
    int64_t tick_ns;
} tap_opening;

typedef struct { /* any may be NULL */
    void *arg;
    /* fn: POL_ALL in a global act; meaningless in open and close */
    void (*enter)(void *arg, tap_call call, uint32_t fn, int64_t now_ns);
    void (*leave)(void *arg, tap_call call, uint32_t fn);
    void (*opened)(void *arg, const tap_opening *opening);
    int (*allows)(void *arg, const pol_action *action); /* 0: refused */
} tap_hooks;

typedef struct tap tap;

/* inner and values must outlive the tap, the tap its runs. NULL: no memory. */
tap *tap_new(const pol_ops *inner, const double *values, const tap_hooks *hooks);
void tap_free(tap *t); /* NULL is fine */
const pol_ops *tap_ops(const tap *t);
const double *tap_values(const tap *t);

#ifdef __cplusplus
}
#endif
#endif
