/* faulty.c - policies that break the contract, one for each value of FAULT, for tests of what then happens.
 *
 * All start one pod per function at the begin. Those that act later do so once FAULT_AT_NS has passed. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"

enum {
    NONE,
    /* refused when they are loaded */
    ABI,
    NO_OPS,
    LOAD_CRASHES,
    LOAD_ENDS,
    TAKEN_NAME,
    BAD_DEFAULT,
    NO_OBSERVE,
    /* lose their run */
    CRASHES,
    HANGS,
    /* judged by the conformance suite */
    LEAKS,
    GROWS,
    DIFFERS,
    SHARES,
    COUNTS_VISITS,
    ASKS_TOO_MUCH,
    ASKS_NONSENSE,
    USES_PID,
    REFUSES_DEFAULTS,
    DIES_OF_REFUSALS,
    REFUSES_SILENTLY
};
/* A last kind of fault is a digit in the file, which tests change in a copy: 1 hangs while it is loaded and ignores
 * the alarm, 2 is refused and leaves a process behind that holds what was open. */
static const volatile char at_load[] = "faulty at load: 0";

#define FAULT_AT_NS INT64_C(6000000000)
#define TICK_NS     INT64_C(2000000000)

struct pol_ctx {
    const pol_host *host;
    uint64_t observed, visits[64];
    void *kept;
};

static uint64_t times_opened; /* DIFFERS: what a policy must not have */

/* As any program that does not catch it: cmocka and the sanitizers do */
static void crash(void) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static const pol_param params[] = {
    {"part", "%", "for tests", NULL, {FAULT == BAD_DEFAULT ? 200 : 50, 50}, 0, 100, 0},
    {"kind", "", "for tests", "a|b|c", {0, 2}, 0, 0, 0},
};

static pol_status faulty_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                              const double *values, uint32_t *flags, int64_t *tick_ns,
                              char err[POL_ERR_LEN]) {
    (void)n_fns;
    if (FAULT == REFUSES_DEFAULTS && mode == POL_ARTIFACT) {
        strcpy(err, "no such mode");
        return POL_BAD_PARAM;
    }
    if (FAULT == REFUSES_SILENTLY && values[0] == 0) return POL_BAD_PARAM;
    pol_ctx *ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL) return POL_NO_MEM;
    ctx->host = host;
    if (FAULT == LEAKS) ctx->kept = malloc(100);
    times_opened++;
    *out = ctx;
    *flags = 0;
    *tick_ns = TICK_NS;
    return POL_OK;
}

static void faulty_close(pol_ctx *ctx) {
    free(ctx);
}

static int faulty_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    volatile int forever = FAULT == HANGS && obs->now_ns >= FAULT_AT_NS;
    *next_ns = POL_NEVER;
    if (FAULT == CRASHES || FAULT == DIES_OF_REFUSALS || FAULT == ASKS_TOO_MUCH || FAULT == ASKS_NONSENSE)
        *next_ns = obs->now_ns + TICK_NS;
    while (forever) {
    }
    if (FAULT == GROWS) {
        void **more = malloc(64);
        if (more != NULL) *more = ctx->kept;
        ctx->kept = more;
    }
    if (FAULT == SHARES) return ++ctx->observed % 7 == 0; /* of all functions */
    if (FAULT == COUNTS_VISITS) return ++ctx->visits[obs->fn % 64] % 5 == 0;
    if (FAULT == DIFFERS) return times_opened % 2 == 0;
    return *next_ns != POL_NEVER;
}

static int64_t start(const pol_ctx *ctx, uint32_t fn, uint32_t gpu, uint32_t sm_pct) {
    const pol_action a = {.verb = POL_START,
                          .fn = fn,
                          .gpu = gpu,
                          .row = POL_NEW_ROW,
                          .sm_pct = sm_pct,
                          .quota_pct = 50,
                          .reason = "a test"};
    return ctx->host->plan(ctx->host->impl, &a);
}

static void faulty_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    if (FAULT == CRASHES && view->now_ns >= FAULT_AT_NS) crash();
    if (view->cause == POL_ARRIVAL) return;
    if (FAULT == ASKS_TOO_MUCH && view->cause == POL_TICK) start(ctx, fn, 0, 100);
    if (FAULT == ASKS_NONSENSE && view->cause == POL_TICK) start(ctx, fn, 0, 250);
    if (view->cause == POL_TICK && (FAULT == CRASHES || FAULT == ASKS_TOO_MUCH || FAULT == ASKS_NONSENSE))
        return;
    uint32_t gpu = (uint32_t)(fn % view->n_gpus);
    if (FAULT == DIES_OF_REFUSALS && view->cause == POL_TICK && view->n_pods > 0) {
        const pol_action a = {
            .verb = POL_RESIZE, .fn = fn, .pod = view->pods[0].id, .quota_pct = 40, .reason = "a test"};
        if (ctx->host->plan(ctx->host->impl, &a) < 0) abort();
        return;
    }
    if (view->n_pods < 2) start(ctx, fn, gpu, FAULT == USES_PID ? 20 + (uint32_t)getpid() % 4 : 20);
}

static const pol_ops ops = {
    .abi = FAULT == ABI ? POL_ABI - 1 : POL_ABI,
    .name = FAULT == TAKEN_NAME ? "has" : "faulty",
    .help = "breaks the contract",
    .params = params,
    .n_params = 2,
    .scrape_s = 1,
    .billing = "share",
    .open = faulty_open,
    .observe = FAULT == NO_OBSERVE ? NULL : faulty_observe,
    .act = faulty_act,
    .close = faulty_close,
};

static void hang(void) {
    signal(SIGALRM, SIG_IGN);
    for (;;) pause();
}

static void leave_child(void) {
    if (fork() != 0) return;
    sleep(300);
    _exit(0);
}

const pol_ops *policy_export(void) {
    char fault = at_load[sizeof at_load - 2];
    if (fault == '1') hang();
    if (fault == '2') leave_child();
    if (fault == '2') return NULL;
    if (FAULT == LOAD_CRASHES) crash();
    if (FAULT == LOAD_ENDS) _exit(0);
    return FAULT == NO_OPS ? NULL : &ops;
}
