/* conformance_trial.c - one config run under a probe that counts what the policy does. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance_int.h"
#include "draw.h"

/* What the hooks get: they tell the heartbeat, and count where asked to. Counting takes one thread. */
typedef struct {
    tap_hooks beat;
    conformance_counts *counts; /* may be NULL */
    int64_t bytes;              /* in use when the policy was entered */
    struct timespec since;
    int64_t now_ns;
} probe;

int64_t conformance_bytes_in_use(void) {
    struct mallinfo2 all = mallinfo2();
    return (int64_t)(all.uordblks + all.hblkhd);
}

static double ns_since(const struct timespec *t0) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)(t.tv_sec - t0->tv_sec) + (double)(t.tv_nsec - t0->tv_nsec);
}

/* The policy's code runs from here ... */
static void begin_count(probe *p) {
    if (p->counts->counts_memory) p->bytes = conformance_bytes_in_use();
    if (p->counts->counts_time) clock_gettime(CLOCK_MONOTONIC, &p->since);
}

/* ... to here */
static void end_count(probe *p, int is_act) {
    conformance_counts *n = p->counts;
    if (n->counts_time) n->ns[is_act] += ns_since(&p->since);
    if (!n->counts_memory) return;
    n->held += conformance_bytes_in_use() - p->bytes;
    for (int third = 0; third < 3; third++)
        if (p->now_ns <= n->third_ns * (third + 1)) n->held_at[third] = n->held;
}

/* Planning is the engine's: the policy's count stops as it begins, and goes on as it ends */
static void on_enter(void *arg, tap_call call, uint32_t fn, int64_t now_ns) {
    probe *p = arg;
    if (call == TAP_PLAN) {
        if (p->counts != NULL) end_count(p, 1);
        return;
    }
    p->beat.enter(p->beat.arg, call, fn, now_ns);
    if (p->counts == NULL || (call != TAP_OBSERVE && call != TAP_ACT)) return;
    if (p->counts->counts_memory) p->now_ns = now_ns;
    begin_count(p);
}

static void on_leave(void *arg, tap_call call, uint32_t fn) {
    probe *p = arg;
    if (call == TAP_PLAN) {
        if (p->counts != NULL) begin_count(p);
        return;
    }
    if (p->counts != NULL && (call == TAP_OBSERVE || call == TAP_ACT)) {
        end_count(p, call == TAP_ACT);
        p->counts->calls[call == TAP_ACT]++;
    }
    p->beat.leave(p->beat.arg, call, fn);
}

static const char *badly_opened(const tap_opening *o) {
    if (o->status != POL_OK && o->status != POL_BAD_PARAM && o->status != POL_NO_MEM)
        return "open returned no pol_status";
    if (memchr(o->err, '\0', POL_ERR_LEN) == NULL) return "open wrote beyond err";
    if (o->status == POL_BAD_PARAM && *o->err == '\0')
        return "open returned POL_BAD_PARAM and left err empty";
    if (o->status != POL_OK) return NULL;
    if (o->tick_ns <= 0) return "open set no positive *tick_ns";
    return (o->flags & ~(uint32_t)POL_GLOBAL) != 0 ? "open set *flags that do not exist" : NULL;
}

static void on_opened(void *arg, const tap_opening *opening) {
    probe *p = arg;
    const char *why = badly_opened(opening);
    if (p->counts == NULL || why == NULL) return;
    p->counts->opened_badly = 1;
    snprintf(p->counts->why, sizeof p->counts->why, "%s", why);
}

/* Acts come in one order, whatever the mode: so do the refusals */
static int on_allows(void *arg, const pol_action *action) {
    probe *p = arg;
    (void)action;
    if (p->counts == NULL || p->counts->refuse_pct == 0) return 1;
    if (draw_unit(draw_mix(p->counts->n_plans++)) * 100 >= p->counts->refuse_pct) return 1;
    p->counts->refusals++;
    return 0;
}

int conformance_open(conformance_trial *t, const conformance_env *env, conformance_kind kind, size_t k,
                     char *err) {
    char *text = conformance_text(env->ops, kind, k);
    *t = (conformance_trial){.doc = NULL};
    int rc = text == NULL ? config_fail(err, "conformance", NULL, "no memory", "enough of it")
                          : config_parse(&t->doc, "conformance", text, strlen(text), NULL, 0, err);
    free(text);
    if (rc == 0) config_use_plugins(t->doc, env->plugins);
    if (rc == 0) rc = config_at(&t->c, t->doc, 0, err);
    if (rc == 0) rc = setup_open(&t->s, env->store, t->c, err);
    if (rc == 0) rc = setup_engine(t->s, 0, t->c->seeds[0], &t->input, err);
    if (rc == 0) {
        t->values = t->c->policies[0].params;
    } else {
        conformance_close(t);
    }
    return rc;
}

void conformance_close(conformance_trial *t) {
    setup_close(t->s);
    config_free(t->c);
    config_close(t->doc);
    *t = (conformance_trial){.doc = NULL};
}

int conformance_execute(const conformance_trial *t, const conformance_env *env, const engine_options *options,
                        conformance_counts *counts, engine_result *result, char *err) {
    probe p = {.beat = heartbeat_hooks(env->beat), .counts = counts};
    const tap_hooks hooks = {
        .arg = &p, .enter = on_enter, .leave = on_leave, .opened = on_opened, .allows = on_allows};
    engine_setup input = t->input;
    tap *watched = tap_new(input.policy, t->values, &hooks);
    if (watched == NULL) return config_fail(err, "conformance", NULL, "no memory", "enough of it");
    input.policy = tap_ops(watched);
    input.params = tap_values(watched);
    int rc = engine_run(&input, options, result, err);
    tap_free(watched);
    return rc;
}
