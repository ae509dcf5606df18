/* conformance_int.h - private to conformance*.c: configs, trials, and the items that judge them. */
#ifndef CONFORMANCE_INT_H
#define CONFORMANCE_INT_H

#include "conformance.h"
#include "engine.h"
#include "heartbeat.h"
#include "setup.h"

/* ---- configs (conformance_config.c); the caller frees the text ---- */

typedef enum {
    CONFIG_RANDOM,
    CONFIG_RANDOM_DEFAULTS, /* the same with the policy's own params and metrics */
    CONFIG_SHORT,           /* a second of two functions */
    CONFIG_LONG             /* hours of a steady load that comes and goes, for memory and cost */
} conformance_kind;
char *conformance_text(const pol_ops *ops, conformance_kind kind, size_t k);

/* ---- what parent and child share ---- */

typedef struct {
    int is_done; /* the verdict holds */
    conformance_grade grade;
    char text[CONFORMANCE_TEXT_LEN];
    size_t config; /* being run */
} conformance_board;

typedef struct {       /* what each config gave in a plain run: of the first process that ran it */
    size_t other;      /* 1 + the first config that gave something else in another process; 0: none */
    uint64_t hashes[]; /* per config; 0: not run yet */
} conformance_record;

/* ---- trials (conformance_trial.c): a config opened, and run under a probe ---- */

typedef struct {
    const plugin_set *plugins;
    const pol_ops *ops;
    setup_store *store;
    size_t configs;
    conformance_board *board;
    conformance_record *record;
    heartbeat *beat;
} conformance_env;

typedef struct { /* what a probe counts; the time and memory of observe and act, planning apart */
    int counts_memory, counts_time;
    unsigned refuse_pct; /* actions refused at random */
    uint64_t refusals;   /* made so far */
    uint64_t n_plans;
    /* results */
    int64_t held;       /* bytes that the policy holds more than at the start, while it runs */
    int64_t held_at[3]; /* at each third of third_ns */
    int64_t third_ns;
    uint64_t calls[2]; /* observe, act */
    double ns[2];      /* in all */
    int opened_badly;  /* what open returned breaks the contract: why */
    char why[200];
} conformance_counts;

typedef struct {
    config_doc *doc;
    config *c;
    setup *s;
    engine_setup input;
    double *values; /* input.params points here: an item may change them */
} conformance_trial;

/* 0, or -1 with err */
int conformance_open(conformance_trial *t, const conformance_env *env, conformance_kind kind, size_t k,
                     char *err);
void conformance_close(conformance_trial *t);

/* One run of the trial under a probe. counts may be NULL. 0, or -1 with err: the engine refused to run it. */
int conformance_execute(const conformance_trial *t, const conformance_env *env, const engine_options *options,
                        conformance_counts *counts, engine_result *result, char *err);

/* Bytes that malloc has given out */
int64_t conformance_bytes_in_use(void);

/* ---- items (conformance_items.c): each writes its verdict to the board ---- */

typedef struct {
    const char *name;
    void (*judge)(const conformance_env *env);
} conformance_item;
const conformance_item *conformance_items(size_t *n);

#endif
