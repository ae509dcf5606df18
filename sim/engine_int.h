/* engine_int.h - the engine's own state: islands, ledger, policy, and what is to be committed. Private.
 *
 *   engine.c         opening, the two orders, the end
 *   engine_act.c     what the policy may ask and plan; acts and releases enter the ledger
 *   engine_result.c  what came of it, and its hash
 */
#ifndef ENGINE_INT_H
#define ENGINE_INT_H

#include "act_heap_int.h"
#include "engine.h"
#include "island_int.h"
#include "thread_pool_int.h"
#include "winner_tree_int.h"

#define ENGINE_NO_ACT (UINT32_MAX - 1)

typedef struct {
    run run;
    pol_host host;
    pol_fn *pol_fns;
    engine_result *result;
    size_t actions_cap;
    uint64_t *policy_keys, *cold_keys; /* draw keys by function */

    /* the act that is being committed */
    uint32_t acting_fn; /* POL_ALL: of a global policy. ENGINE_NO_ACT: none */
    pol_cause cause;
    int64_t now_ns;

    act_heap acts;     /* islands that want to act */
    act_heap releases; /* places freed, not yet in the ledger */
    uint32_t *pending; /* islands to advance */
    size_t n_pending;
    int64_t limit_ns; /* of the advance */
    thread_pool *pool;
    winner_tree tree;   /* ENGINE_GLOBAL */
    int64_t checked_ns; /* up to when check_serving has looked */
    pol_pod *view_pods;
    size_t view_pods_cap;
    uint32_t *view_changed;
    size_t view_changed_cap;
} engine;

/* Sets the flag that ends the run with "out of memory". */
void engine_no_memory(engine *e);

/* Opens the policy with its host. 0, or -1 with err. */
int engine_open_policy(engine *e, char err[ENGINE_ERR_LEN]);
/* Takes over the places that an island has freed. */
void engine_collect_releases(engine *e, island *s);
/* Enters what was freed up to then in the ledger. */
void engine_enter_releases(engine *e, int64_t until_ns);
/* Lets the policy act for a function, or POL_ALL. */
void engine_act(engine *e, uint32_t fn, int64_t now_ns, pol_cause cause);

/* Fills the result from islands and ledger, and hashes it. 0, or -1: out of memory. */
int engine_collect(engine *e);

#endif
