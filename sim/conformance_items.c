/* conformance_items.c - the items, and what each asks of a policy. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK
#endif
#endif
#ifdef HAS_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
#endif

#include "conformance_int.h"

enum {
    PASSES = 24,         /* over all values of all parameters, for leaks */
    SETTLED = 12,        /* of them, the first so many fill malloc's caches of freed blocks: 7 of each size */
    REFUSE_PCT = 30,     /* of the actions, in "refusals" */
    GROWTH_BYTES = 4096, /* less than that in hours is no growth */
    SLOW_NS = 10000,     /* an observe that takes longer is worth a warning: there are many */
};

static void say(const conformance_env *env, conformance_grade grade, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(env->board->text, sizeof env->board->text, format, args);
    va_end(args);
    env->board->grade = grade;
    env->board->is_done = 1;
}

/* ---- comparing runs of random configs ---- */

typedef struct {
    engine_options options;
    unsigned refuse_pct;
    const char *name;
} manner;

static const manner plain = {{.order = ENGINE_ISLANDS, .threads = 1, .check = 1}, 0, "one thread"};

typedef struct {
    uint64_t hash, arrivals, actions, refused, refusals;
    const char *unfit; /* the first refusal that could be foreseen; NULL: none */
    size_t unfit_config;
    /* of a sum */
    double refused_pct; /* mean over the configs with actions, as one of them may have most of the actions */
    double worst_pct;
    size_t worst, n_acting;
} outcome;

/* Could the policy know it from its view, its host and policy.h alone? Where it is a matter of room it could too,
 * but may well try. */
static int is_foreseeable(const char *why) {
    static const char *const all[] = {
        "outside of act",
        "no such function",
        "function is not acting",
        "no such action",
        "no such GPU",
        "no such pod",
        "row is not on this GPU",
        "SM and quota must be 1..100 %",
        "SM width is fixed at process start",
        "batch too large",
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(why, all[i]) == 0) return 1;
    return 0;
}

static const char *find_unfit(const engine_result *result) {
    for (size_t i = 0; i < result->n_actions; i++)
        if (result->actions[i].refused && is_foreseeable(result->actions[i].why))
            return result->actions[i].why;
    return NULL;
}

/* Compares with what config k gave in the processes of other items */
static void record(const conformance_env *env, size_t k, uint64_t hash) {
    uint64_t *known = &env->record->hashes[k];
    if (*known == 0)
        *known = hash;
    else if (*known != hash && env->record->other == 0)
        env->record->other = k + 1;
}

static void add(outcome *sum, const outcome *one, size_t k) {
    double pct = one->actions > 0 ? 100 * (double)one->refused / (double)one->actions : 0;
    sum->arrivals += one->arrivals;
    sum->actions += one->actions;
    sum->refused += one->refused;
    sum->refusals += one->refusals;
    if (sum->unfit == NULL && one->unfit != NULL) {
        sum->unfit = one->unfit;
        sum->unfit_config = k;
    }
    if (one->actions == 0) return;
    sum->refused_pct += (pct - sum->refused_pct) / (double)++sum->n_acting;
    if (pct <= sum->worst_pct) return;
    sum->worst_pct = pct;
    sum->worst = k;
}

/* 0; -1 the engine did not run it, -2 open broke the contract: err says how */
static int run(const conformance_trial *t, const conformance_env *env, const manner *how, outcome *out,
               char *err) {
    engine_result result = {0};
    conformance_counts counts = {.refuse_pct = how->refuse_pct};
    /* counting takes one thread, and counts nothing here */
    int rc =
        conformance_execute(t, env, &how->options, how->options.threads > 1 ? NULL : &counts, &result, err);
    if (counts.opened_badly) {
        snprintf(err, CONFIG_ERR_LEN, "%s", counts.why);
        if (rc == 0) engine_result_free(&result);
        return -2;
    }
    if (rc != 0) return -1;
    *out = (outcome){.hash = result.hash,
                     .actions = result.actions_seen,
                     .refused = result.actions_refused,
                     .unfit = find_unfit(&result),
                     .refusals = counts.refusals};
    for (size_t i = 0; i < result.n_fns; i++) out->arrivals += result.fns[i].arrivals;
    engine_result_free(&result);
    return 0;
}

/* Opens config k and runs it plainly; where the policy refuses its params or metrics, with the policy's own */
static int open_and_run(conformance_trial *t, const conformance_env *env, size_t k, const manner *how,
                        outcome *out, char *err) {
    env->board->config = k;
    if (conformance_open(t, env, CONFIG_RANDOM, k, err) != 0) return -1;
    int rc = run(t, env, how, out, err);
    if (rc == -1) {
        conformance_close(t);
        if (conformance_open(t, env, CONFIG_RANDOM_DEFAULTS, k, err) != 0) return -1;
        rc = run(t, env, how, out, err);
    }
    if (rc != 0) conformance_close(t);
    return rc;
}

/* Runs every config in the first manner and in the others, which must give the same bits. 0: they do, and sum says
 * what was compared; else the verdict is written. */
static int compare(const conformance_env *env, const manner *ways, size_t n, outcome *sum) {
    char err[CONFIG_ERR_LEN] = "";
    *sum = (outcome){0};
    for (size_t k = 0; k < env->configs; k++) {
        conformance_trial t;
        outcome first = {0}, other = {0};
        int rc = open_and_run(&t, env, k, &ways[0], &first, err);
        if (rc != 0) {
            say(env, CONFORMANCE_FAIL, "config %zu: %.300s", k, err);
            return -1;
        }
        if (ways[0].refuse_pct == 0) record(env, k, first.hash);
        for (size_t i = 1; rc == 0 && i < n; i++) {
            rc = run(&t, env, &ways[i], &other, err);
            if (rc != 0)
                say(env, CONFORMANCE_FAIL, "config %zu, %s: %.300s", k, ways[i].name, err);
            else if (other.hash != first.hash) {
                say(env, CONFORMANCE_FAIL, "config %zu: %s gives other results than %s", k, ways[i].name,
                    ways[0].name);
                rc = -1;
            }
        }
        conformance_close(&t);
        if (rc != 0) return -1;
        add(sum, &first, k);
    }
    return 0;
}

static void say_same(const conformance_env *env, const outcome *sum) {
    say(env, CONFORMANCE_PASS, "%zu configs, %" PRIu64 " requests, %" PRIu64 " actions: the same",
        env->configs, sum->arrivals, sum->actions);
}

static void compare_and_say(const conformance_env *env, const manner *ways, size_t n) {
    outcome sum;
    if (compare(env, ways, n, &sum) == 0) say_same(env, &sum);
}

static void judge_repeat(const conformance_env *env) {
    const manner ways[] = {plain, {plain.options, 0, "the second run"}};
    outcome sum;
    if (compare(env, ways, 2, &sum) != 0) return;
    if (env->record->other > 0)
        say(env, CONFORMANCE_FAIL,
            "config %zu: another process gave another result: time, addresses or the process id leak into "
            "decisions",
            env->record->other - 1);
    else
        say_same(env, &sum);
}

static void judge_threads(const conformance_env *env) {
    const manner ways[] = {plain, {{.order = ENGINE_ISLANDS, .threads = 2}, 0, "two threads"}};
    compare_and_say(env, ways, 2);
}

static void judge_lazy(const conformance_env *env) {
    const manner ways[] = {plain, {{.order = ENGINE_ISLANDS, .threads = 1, .eager = 1}, 0, "--eager"}};
    compare_and_say(env, ways, 2);
}

static void judge_order(const conformance_env *env) {
    const manner ways[] = {plain, {{.order = ENGINE_GLOBAL, .threads = 1}, 0, "engine global"}};
    compare_and_say(env, ways, 2);
}

static void judge_legal(const conformance_env *env) {
    outcome sum;
    if (compare(env, &plain, 1, &sum) != 0) return;
    if (sum.unfit != NULL)
        say(env, CONFORMANCE_FAIL, "config %zu: an action that its view rules out was refused: %s",
            sum.unfit_config, sum.unfit);
    else if (sum.actions == 0)
        say(env, CONFORMANCE_WARN, "no action at all in %zu configs", env->configs);
    else if (sum.refused == 0)
        say(env, CONFORMANCE_PASS, "none of %" PRIu64 " actions refused", sum.actions);
    else
        say(env, sum.refused_pct > CONFORMANCE_REFUSED_PCT ? CONFORMANCE_WARN : CONFORMANCE_PASS,
            "%.1f %% of a config's actions refused, most in config %zu (%.1f %%): a run's action table says "
            "why",
            sum.refused_pct, sum.worst, sum.worst_pct);
}

static void judge_refusals(const conformance_env *env) {
    const manner ways[] = {
        {plain.options, REFUSE_PCT, "one thread"},
        {{.order = ENGINE_GLOBAL, .threads = 1}, REFUSE_PCT, "engine global"},
        {{.order = ENGINE_ISLANDS, .threads = 1, .eager = 1}, REFUSE_PCT, "--eager"},
    };
    outcome sum;
    if (compare(env, ways, 3, &sum) != 0) return;
    say(env, CONFORMANCE_PASS, "%" PRIu64 " of %" PRIu64 " actions refused at random, and it went on",
        sum.refusals, sum.actions + sum.refusals);
}

/* ---- one by one ---- */

static void judge_contract(const conformance_env *env) {
    char err[CONFIG_ERR_LEN] = "";
    if (plugin_check_ops(env->ops, "policy", err) != 0) {
        say(env, CONFORMANCE_FAIL, "%.300s", err);
        return;
    }
    env->ops->close(NULL);
    say(env, CONFORMANCE_PASS, "contract %u, %zu parameters", (unsigned)env->ops->abi, env->ops->n_params);
}

/* A short run, which opens and closes the policy: 0; 1 it refuses the values, and err is why; -1 it breaks the
 * contract, and err is how */
static int open_once(const conformance_env *env, conformance_trial *t, pol_mode mode, char *err) {
    conformance_counts counts = {.refuse_pct = 0};
    engine_result result = {0};
    t->input.mode = mode;
    int rc = conformance_execute(t, env, &plain.options, &counts, &result, err);
    if (rc == 0) engine_result_free(&result);
    if (counts.opened_badly) snprintf(err, CONFIG_ERR_LEN, "%s", counts.why);
    return counts.opened_badly ? -1 : rc != 0;
}

static int open_with_value(const conformance_env *env, conformance_trial *t, pol_mode mode, size_t param,
                           double value, char *err) {
    char why[CONFIG_ERR_LEN] = "";
    const pol_ops *ops = env->ops;
    for (size_t i = 0; i < ops->n_params; i++) t->values[i] = ops->params[i].by_default[mode];
    if (param < ops->n_params) t->values[param] = value;
    int is_default = param >= ops->n_params, rc = open_once(env, t, mode, why);
    if (rc == 0 || (rc > 0 && !is_default)) return 0;
    if (is_default)
        snprintf(err, CONFIG_ERR_LEN, "the defaults of mode %s: %.300s",
                 mode == POL_ARTIFACT ? "artifact" : "corrected", why);
    else
        snprintf(err, CONFIG_ERR_LEN, "%s = %.9g: %.300s", ops->params[param].key, value, why);
    return -1;
}

static double last_choice(const pol_param *p) {
    double last = 0;
    for (const char *s = p->choices; (s = strchr(s, '|')) != NULL; s++) last++;
    return last;
}

static int open_with_param(const conformance_env *env, conformance_trial *t, pol_mode mode, size_t i,
                           char *err) {
    const pol_param *p = &env->ops->params[i];
    if (p->choices == NULL)
        return open_with_value(env, t, mode, i, p->min, err) != 0 ||
                       open_with_value(env, t, mode, i, p->max, err) != 0
                   ? -1
                   : 0;
    for (double value = last_choice(p); value >= 0; value--)
        if (open_with_value(env, t, mode, i, value, err) != 0) return -1;
    return 0;
}

static int open_with_all(const conformance_env *env, conformance_trial *t, char *err) {
    for (int mode = 0; mode < 2; mode++) {
        if (open_with_value(env, t, (pol_mode)mode, SIZE_MAX, 0, err) != 0) return -1;
        for (size_t i = 0; i < env->ops->n_params; i++)
            if (open_with_param(env, t, (pol_mode)mode, i, err) != 0) return -1;
    }
    return 0;
}

/* Bytes per pass that are never given back; 0: none. A leak shows in every pass once malloc's caches are full. */
static int64_t lost_per_pass(const int64_t *used) {
    for (int i = SETTLED; i < PASSES; i++)
        if (used[i] <= used[i - 1]) return 0;
    return (used[PASSES - 1] - used[SETTLED - 1]) / (PASSES - SETTLED);
}

static void judge_open(const conformance_env *env) {
    char err[CONFIG_ERR_LEN] = "";
    int64_t used[PASSES];
    conformance_trial t;
    int rc = conformance_open(&t, env, CONFIG_SHORT, 0, err);
    for (int pass = 0; rc == 0 && pass < PASSES; pass++) {
        rc = open_with_all(env, &t, err);
        used[pass] = conformance_bytes_in_use();
    }
    conformance_close(&t);
    if (rc != 0) {
        say(env, CONFORMANCE_FAIL, "%.300s", err);
        return;
    }
#ifdef HAS_LEAK_CHECK
    if (__lsan_do_recoverable_leak_check() != 0) {
        say(env, CONFORMANCE_FAIL, "leaks memory: see LeakSanitizer's report");
        return;
    }
#endif
    if (lost_per_pass(used) > 0)
        say(env, CONFORMANCE_FAIL, "leaks: %" PRId64 " bytes in %zu times of open and close",
            lost_per_pass(used), 4 * env->ops->n_params + 2);
    else
        say(env, CONFORMANCE_PASS, "every parameter at its ends, both modes, no leak");
}

static int run_long(const conformance_env *env, conformance_counts *counts) {
    char err[CONFIG_ERR_LEN] = "";
    conformance_trial t;
    engine_result result = {0};
    int rc = conformance_open(&t, env, CONFIG_LONG, 0, err);
    if (rc == 0) {
        counts->third_ns = t.input.duration_ns / 3;
        rc = conformance_execute(&t, env, &plain.options, counts, &result, err);
        if (rc == 0) engine_result_free(&result);
        conformance_close(&t);
    }
    if (rc != 0) say(env, CONFORMANCE_FAIL, "%.300s", err);
    return rc;
}

static void judge_memory(const conformance_env *env) {
    conformance_counts counts = {.counts_memory = 1};
    if (run_long(env, &counts) != 0) return;
    int64_t before = counts.held_at[1] - counts.held_at[0], after = counts.held_at[2] - counts.held_at[1];
    if (after > GROWTH_BYTES && 2 * after > before)
        say(env, CONFORMANCE_FAIL,
            "grows: %" PRId64 " bytes more in the third hour, %" PRId64 " in the second", after, before);
    else
        say(env, CONFORMANCE_PASS, "steady over three hours of %" PRIu64 " calls",
            counts.calls[0] + counts.calls[1]);
}

static void judge_cost(const conformance_env *env) {
    conformance_counts counts = {.counts_time = 1};
    if (run_long(env, &counts) != 0) return;
    double ns[2];
    for (int i = 0; i < 2; i++) ns[i] = counts.calls[i] > 0 ? counts.ns[i] / (double)counts.calls[i] : 0;
    say(env, ns[0] > SLOW_NS ? CONFORMANCE_WARN : CONFORMANCE_PASS,
        "observe %.0f ns (%" PRIu64 " calls), act %.0f ns (%" PRIu64
        " calls), two readings of the clock included%s",
        ns[0], counts.calls[0], ns[1], counts.calls[1],
        ns[0] > SLOW_NS ? ": large simulations call observe millions of times" : "");
}

/* repeat comes after those that run the same configs plainly, each in its process */
static const conformance_item items[] = {
    {"contract", judge_contract}, {"open", judge_open},         {"threads", judge_threads},
    {"lazy", judge_lazy},         {"order", judge_order},       {"legal", judge_legal},
    {"repeat", judge_repeat},     {"refusals", judge_refusals}, {"memory", judge_memory},
    {"cost", judge_cost},
};

const conformance_item *conformance_items(size_t *n) {
    *n = sizeof items / sizeof *items;
    return items;
}
