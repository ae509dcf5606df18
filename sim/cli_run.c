/* cli_run.c - hassim run: policies x seeds x grid points of a config, then the table. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "compare.h"
#include "config.h"
#include "sweep.h"
#include "warnings.h"

enum {
    KEY_RESUME = 0x100,
    KEY_FORCE,
    KEY_ONLY,
    KEY_SEEDS,
    KEY_SET,
    KEY_EAGER,
    KEY_PLUGIN,
    KEY_TIMEOUT,
    KEY_PROGRESS,
    KEY_JSON,
    KEY_CHECK,
    KEY_REFERENCE,
    KEY_FAIL_ON
};

typedef struct {
    const char *config, *db, *progress;
    unsigned jobs; /* 0: as many as the cores allow */
    int resume, force, eager, json, check_only, reference, help;
    const char **only, **sets, **plugins; /* room for every argument */
    size_t n_only, n_sets, n_plugins;
    double timeout_s;
    char seeds[32];   /* --seeds as an override */
    unsigned fail_on; /* bits of warning_kind */
} run_args;

static const struct argp_option options[] = {
    {"output", 'o', "DB", 0, "results database (default: results/NAME.db); missing folders are made", 0},
    {"jobs", 'j', "N", 0, "runs at a time (default: cores / threads per run)", 0},
    {"resume", KEY_RESUME, NULL, 0, "make only the runs that the database lacks", 0},
    {"force", KEY_FORCE, NULL, 0, "begin anew; an existing one is kept as DB~, DB~2, ...", 0},
    {"only", KEY_ONLY, "POLICY", 0, "only this policy, by label or name; repeatable", 0},
    {"seeds", KEY_SEEDS, "N", 0, "seeds 1 to N, whatever the config says", 0},
    {"set", KEY_SET, "PATH=VALUE", 0, "override a key, as in policies.has.params.tick_s=1; repeatable", 0},
    {"plugin", KEY_PLUGIN, "FILE", 0, "a shared object with a policy of your own; repeatable", 0},
    {"timeout", KEY_TIMEOUT, "S", 0,
     "give a run up after S seconds of real time (default: never, but for a policy that stays 120 s in one "
     "call)",
     0},
    {"eager", KEY_EAGER, NULL, 0, "visit every function at every tick: slow, same results", 0},
    {"progress", KEY_PROGRESS, "WHEN", 0, "show a bar: auto (on a terminal; the default), always, never", 0},
    {"json", KEY_JSON, NULL, 0, "print the comparison as JSON", 0},
    {"fail-on", KEY_FAIL_ON, "WARNING,...", 0,
     "exit with 1 if the results have one of these warnings, or any (README, \"Warnings\")", 0},
    {"check-only", KEY_CHECK, NULL, 0, "check the config and all that it names, run nothing", 0},
    {"config-help", KEY_REFERENCE, NULL, 0, "print the reference of a config's keys as Markdown", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

/* An integer from 1 to max; 0 after a message */
static unsigned parse_count(struct argp_state *state, const char *what, const char *text, unsigned max) {
    char *end = NULL;
    errno = 0;
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (end != NULL && *end == '\0' && errno == 0 && n >= 1 && n <= max) return (unsigned)n;
    cli_refuse(state, "%s: found '%s', expected an integer from 1 to %u", what, text, max);
    return 0;
}

/* Seconds, from a millisecond to a year */
static int parse_timeout(struct argp_state *state, run_args *a, const char *text) {
    char *end = NULL;
    a->timeout_s = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;
    if (end != NULL && *end == '\0' && a->timeout_s >= 0.001 && a->timeout_s <= 31622400) return 0;
    cli_refuse(state, "--timeout: found '%s', expected seconds from 0.001 to 31622400", text);
    return EINVAL;
}

static int parse_progress(struct argp_state *state, run_args *a, const char *text) {
    a->progress = text;
    if (strcmp(text, "auto") == 0 || strcmp(text, "always") == 0 || strcmp(text, "never") == 0) return 0;
    cli_refuse(state, "--progress: found '%s', expected auto, always or never", text);
    return EINVAL;
}

static int parse_fail_on(struct argp_state *state, run_args *a, const char *text) {
    char err[WARNINGS_ERR_LEN];
    unsigned kinds = 0;
    if (warnings_parse(text, &kinds, err) != 0) {
        cli_refuse(state, "--fail-on: %s", err);
        return EINVAL;
    }
    a->fail_on |= kinds;
    return 0;
}

static int parse_end(struct argp_state *state, const run_args *a) {
    if (a->help) {
        cli_help(state);
        return 0;
    }
    if (a->resume && a->force) {
        cli_refuse(state, "found both --resume and --force, expected one of them");
        return EINVAL;
    }
    if (a->config != NULL || a->reference) return 0;
    cli_refuse(state, "found no config, expected a JSON file such as experiments/quickstart.json");
    return EINVAL;
}

static error_t parse_argument(struct argp_state *state, run_args *a, const char *arg) {
    if (a->config != NULL) {
        cli_refuse(state, "found '%s', expected one config", arg);
        return EINVAL;
    }
    a->config = arg;
    return 0;
}

static error_t parse_switch(int key, run_args *a) {
    switch (key) {
    case KEY_RESUME:
        a->resume = 1;
        return 0;
    case KEY_FORCE:
        a->force = 1;
        return 0;
    case KEY_EAGER:
        a->eager = 1;
        return 0;
    case KEY_JSON:
        a->json = 1;
        return 0;
    case KEY_CHECK:
        a->check_only = 1;
        return 0;
    case KEY_REFERENCE:
        a->reference = 1;
        return 0;
    case 'h':
        a->help = 1;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    run_args *a = state->input;
    unsigned n = 0;
    switch (key) {
    case 'o':
        a->db = arg;
        if (*arg != '\0') return 0;
        cli_refuse(state, "--output: found an empty name, expected a file");
        return EINVAL;
    case 'j':
        a->jobs = parse_count(state, "-j", arg, 1024);
        return a->jobs > 0 ? 0 : EINVAL;
    case KEY_ONLY:
        a->only[a->n_only++] = arg;
        return 0;
    case KEY_SET:
        a->sets[a->n_sets++] = arg;
        return 0;
    case KEY_PLUGIN:
        a->plugins[a->n_plugins++] = arg;
        return 0;
    case KEY_TIMEOUT:
        return parse_timeout(state, a, arg);
    case KEY_SEEDS:
        n = parse_count(state, "--seeds", arg, 10000);
        snprintf(a->seeds, sizeof a->seeds, "seeds=%u", n);
        return n > 0 ? 0 : EINVAL;
    case KEY_PROGRESS:
        return parse_progress(state, a, arg);
    case KEY_FAIL_ON:
        return parse_fail_on(state, a, arg);
    case ARGP_KEY_ARG:
        return parse_argument(state, a, arg);
    case ARGP_KEY_END:
        return parse_end(state, a);
    default:
        return parse_switch(key, a);
    }
}

static int complain(const char *err) {
    cli_complain("hassim run", "%s", err);
    return CLI_USAGE;
}

static unsigned default_jobs(unsigned threads) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned long jobs = cores < 1 ? 1 : (unsigned long)cores / threads;
    return jobs < 1 ? 1 : jobs > 1024 ? 1024 : (unsigned)jobs;
}

static sweep_progress progress_of(const run_args *a) {
    if (a->progress == NULL || strcmp(a->progress, "auto") == 0)
        return isatty(STDERR_FILENO) ? SWEEP_BAR : SWEEP_LINES;
    return strcmp(a->progress, "always") == 0 ? SWEEP_BAR : SWEEP_LINES;
}

/* results/NAME.db, or what -o says */
static void choose_database(const run_args *a, const config *c, char *path, size_t len) {
    if (a->db != NULL)
        snprintf(path, len, "%s", a->db);
    else
        snprintf(path, len, "results/%s.db", c->name);
}

static int print_table(const run_args *a, const char *db) {
    char err[COMPARE_ERR_LEN];
    if (compare_print(db, NULL, a->json ? COMPARE_JSON : COMPARE_TEXT, stdout, err) != 0) {
        cli_complain("hassim run", "%s", err);
        return CLI_FAILED;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("hassim run: standard output");
        return CLI_FAILED;
    }
    return CLI_OK;
}

/* The warnings, and whether --fail-on minds them. */
static int print_warnings(const run_args *a, const char *db) {
    char err[WARNINGS_ERR_LEN];
    unsigned found = 0, minded;
    if (warnings_print(db, stderr, &found, err) != 0) {
        cli_complain("hassim run", "%s", err);
        return CLI_FAILED;
    }
    minded = found & a->fail_on;
    for (int kind = 0; kind < WARNING_KINDS; kind++)
        if (minded >> kind & 1u)
            cli_complain("hassim run", "--fail-on: %s", warnings_name((warning_kind)kind));
    return minded ? CLI_FAILED : CLI_OK;
}

/* The table and the warnings; the first failure counts. */
static int print_summary(const run_args *a, const char *db) {
    int table = print_table(a, db), warnings = print_warnings(a, db);
    return table != CLI_OK ? table : warnings;
}

static int finish(const run_args *a, const sweep_report *r, const char *db) {
    if (r->interrupted != 0) {
        fprintf(stderr, "hassim run: interrupted; %zu of %zu runs are in %s, --resume makes the rest\n",
                r->finished + r->skipped, r->planned, db);
        return 128 + r->interrupted;
    }
    if (r->failed > 0)
        cli_complain("hassim run", "%zu of %zu runs failed%s%s", r->failed, r->planned,
                     r->failed < r->planned ? "; the others are in " : "", r->failed < r->planned ? db : "");
    int rc = r->finished + r->skipped > 0 ? print_summary(a, db) : CLI_OK;
    fprintf(stderr, "results: %s\n", db);
    return r->failed > 0 ? CLI_FAILED : rc;
}

static int execute(const run_args *a, sweep *s, const char *db) {
    char err[CONFIG_ERR_LEN];
    sweep_report report;
    if (sweep_execute(s, &report, err) != 0) {
        complain(err);
        return CLI_FAILED;
    }
    return finish(a, &report, db);
}

static int run_document(const run_args *a, const config_doc *doc) {
    char err[CONFIG_ERR_LEN], db[4096];
    config *c = NULL;
    sweep *s = NULL;
    if (config_at(&c, doc, 0, err) != 0) return complain(err);
    choose_database(a, c, db, sizeof db);
    const sweep_options o = {.db_path = db,
                             .jobs = a->jobs > 0 ? a->jobs : default_jobs(c->threads),
                             .resume = a->resume,
                             .force = a->force || a->check_only,
                             .eager = a->eager,
                             .only = a->only,
                             .n_only = a->n_only,
                             .timeout_s = a->timeout_s,
                             .progress = progress_of(a),
                             .log = stderr};
    int rc = sweep_plan(&s, doc, &o, err) != 0 ? complain(err) : CLI_OK;
    if (rc == CLI_OK && a->check_only)
        printf("%s: valid; %zu runs (%zu policies, %zu seeds, %zu grid points)\n", a->config, sweep_n_runs(s),
               c->n_policies, c->n_seeds, config_n_points(doc));
    else if (rc == CLI_OK)
        rc = execute(a, s, db);
    sweep_free(s);
    config_free(c);
    return rc;
}

static int run_config(run_args *a, const plugin_set *plugins) {
    char err[CONFIG_ERR_LEN];
    config_doc *doc = NULL;
    if (*a->seeds != '\0') a->sets[a->n_sets++] = a->seeds;
    if (config_open(&doc, a->config, a->sets, a->n_sets, err) != 0) return complain(err);
    config_use_plugins(doc, plugins);
    int rc = run_document(a, doc);
    config_close(doc);
    return rc;
}

static int run(run_args *a) {
    char err[CONFIG_ERR_LEN];
    if (a->reference) {
        config_print_reference(stdout);
        return CLI_OK;
    }
    plugin_set *plugins = plugin_set_new();
    int rc = plugins == NULL ? complain("no memory") : CLI_OK;
    for (size_t i = 0; rc == CLI_OK && i < a->n_plugins; i++)
        if (plugin_load(plugins, a->plugins[i], err) != 0) rc = complain(err);
    if (rc == CLI_OK) rc = run_config(a, plugins);
    plugin_set_free(plugins);
    return rc;
}

int cli_run(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "CONFIG",
        "Run an experiment: its policies x seeds x grid points, each in a worker process, "
        "into one results database; then compare the policies.\vExit codes: 0 all runs "
        "finished, 1 some failed or --fail-on, 2 bad usage or config (nothing is written), 130 "
        "interrupted (finished runs are kept).",
        NULL,
        NULL,
        NULL};
    run_args a = {0};
    char name[] = "hassim run"; /* what argp and getopt begin their messages with */
    argv[0] = name;
    a.only = calloc((size_t)argc + 1, sizeof *a.only);
    a.sets = calloc((size_t)argc + 1, sizeof *a.sets);
    a.plugins = calloc((size_t)argc + 1, sizeof *a.plugins);
    int rc = CLI_USAGE;
    if (a.only == NULL || a.sets == NULL || a.plugins == NULL)
        rc = complain("no memory");
    else if (cli_parse(&argp, "hassim run", argc, argv, &a) == 0)
        rc = a.help ? CLI_OK : run(&a);
    free(a.only);
    free(a.sets);
    free(a.plugins);
    return rc;
}
