/* config.h - an experiment's config: a JSON file, checked key by key, as plain structs.
 *
 * A config_doc is the file as read, with its `--set` overrides; a config is that document at one point of its
 * grid, checked and with every default filled in. Without a grid there is one point, 0.
 *
 * All keys stand in one table (config_keys.h): path, type, range or choices, default, unit, help. The check,
 * the defaults and the README's reference are made from it. A policy's "params" are checked against the
 * policy's own table (policy.h) in the same way.
 *
 * Override paths ("grid", --set): "cluster.gpus[0].nodes", or by name: "policies.NAME.params.tick_s" reaches every
 * policy of that label, name or name:mode, "functions.NAME.model" every function of that name. Missing objects on the
 * way are created; misspelt keys are found by the check.
 *
 * Files named in a config are relative to the config's folder; the structs hold them resolved.
 *
 * Errors: -1, or NULL, and one line in err: "FILE:LINE:COLUMN: ..." for syntax, "FILE: JSON.PATH: found X,
 * expected Y" for meaning. Ownership: strings and arrays of a config belong to it, config_free; a config does
 * not need its document.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config_json.h"
#include "engine.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CONFIG_RUNS_MAX 1000000 /* points x policies x seeds */

typedef struct {
    const char *format; /* "synthetic", "client", or one of trace_open's */
    const char *path;   /* NULL: synthetic, client */
    const char *select; /* NULL: synthetic, client, or every function (functions_from) */
    trace_spec spec;    /* without file, index and duration_ns */
    client_spec client; /* no stages: arrivals are the trace's */
    client_stage *stages;
    double client_start_s;
} config_trace;

typedef struct {
    const char *name;  /* NULL in functions_from */
    const char *model; /* NULL in functions_from */
    uint32_t count;
    double zipf;         /* the copies' rates fall as k^-zipf */
    uint32_t memory_mib; /* 0: the calibration's */
    uint32_t batch_max, workers;
    double batch_wait_ms;
    double slo_multiplier; /* its own, or the config's */
    config_trace trace;
} config_fn;

typedef enum { CONFIG_BY_RANK, CONFIG_BY_DURATION } config_rule;

typedef struct { /* a function of functions_from for which the rule does not hold */
    const char *select, *model;
    uint32_t memory_mib;   /* 0: as the others */
    double slo_multiplier; /* its own, or the others' */
} config_explicit;

typedef struct {
    const char *device; /* a shipped calibration's device, or a calibration file */
    int is_file;
    uint32_t nodes, per_node;
    int sm_resizable;    /* -1: the calibration's */
    double sm_resize_ms; /* < 0: the calibration's */
} config_gpus;

typedef struct {
    const char *name;   /* "table", "oracle", or a kind of rapp.h */
    const char *model;  /* a trained one's file; NULL: table or oracle */
    const char *priors; /* a folder for rapp_data_open; NULL: none */
    int is_online;
    char text[64]; /* for results: "table", "trained best, online" */
} config_predictor;

typedef struct {
    const char *name, *label; /* label: unique; the name, or name:mode where two share it */
    const pol_ops *ops;
    const plugin *from; /* NULL: built in */
    pol_mode mode;
    config_predictor predictor;
    const char *billing;
    engine_billing bill;
    engine_runtime runtime; /* the cluster's, or by mode */
    int oversubscribe;
    double scrape_s, metrics_phase_s;
    double *params; /* [ops->n_params] */
    char *json;     /* its entry with defaults, as text; the policy's hash is of it */
} config_policy;

typedef struct {
    char *file; /* for messages */
    const char *name, *question;
    double duration_s, warmup_s, drain_s;
    uint64_t *seeds;
    size_t n_seeds;
    engine_order order;
    unsigned threads;
    config_gpus *gpus;
    size_t n_gpus; /* entries, not GPUs */
    uint32_t rows_per_gpu;
    double keep_alive_s, linger_s;
    const char *prices;     /* the price list's file; NULL: the shipped one */
    const char *provider;   /* in it; NULL: its only one */
    const char *slo_device; /* as config_gpus.device */
    int slo_device_is_file;
    double slo_multiplier;
    double model_error; /* 0: the truth is as calibrated */
    double report[ENGINE_MULTIPLIERS_MAX];
    size_t n_report;
    config_fn *fns;
    size_t n_fns;                /* entries, not functions */
    config_fn from;              /* template of functions_from */
    const char **models;         /* its models; n_models 0: no functions_from */
    size_t n_models, from_limit; /* limit 0: all */
    config_rule from_rule;
    int memory_from_trace, slo_from_duration;
    config_explicit *explicits;
    size_t n_explicits;
    config_policy *policies;
    size_t n_policies;
    double bin_s;
    size_t timeline_fns, actions_max;
    int record_requests;
    char *json;   /* this point's config, defaults filled in, as text */
    char *shared; /* the same without what does not shape a run's result: names, seeds, grid, engine, threads
                     and policies; the config's hash is of it and the policy's entry */
    char *grid;   /* this point as JSON, "{}" without a grid */
    cJSON *root;
    char **paths; /* resolved file names */
    size_t n_paths;
} config;

typedef struct config_doc config_doc;

/* sets: "path=value" each; the value is JSON, or else a string */
int config_open(config_doc **out, const char *path, const char *const *sets, size_t n_sets,
                char err[CONFIG_ERR_LEN]);
/* The same from text; path stands for it in messages and for its folder */
int config_parse(config_doc **out, const char *path, const char *text, size_t len, const char *const *sets,
                 size_t n_sets, char err[CONFIG_ERR_LEN]);
void config_close(config_doc *doc); /* NULL is fine */

/* Policies are found in this set from now on; it must outlive the document and its configs. Before: the
 * built-in ones. */
void config_use_plugins(config_doc *doc, const plugin_set *plugins);

size_t config_n_points(const config_doc *doc); /* >= 1 */
int config_at(config **out, const config_doc *doc, size_t point, char err[CONFIG_ERR_LEN]);
void config_free(config *c); /* NULL is fine */

/* Whether every built-in policy takes its params and metrics together: its own open says so. A plug-in's code is
 * not called: it may crash, and should then lose its own runs only. */
int config_check_params(const config *c, char err[CONFIG_ERR_LEN]);

/* The reference of all keys as Markdown */
void config_print_reference(FILE *to);

#ifdef __cplusplus
}
#endif
#endif
