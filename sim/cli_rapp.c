/* cli_rapp.c - `hassim rapp train | eval | cv | predict`: latency predictors, and how good they are. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calib_json.h"
#include "cli.h"
#include "cli_rapp_int.h"

enum { KEY_JSON = 0x100, KEY_SEED, KEY_BY, KEY_DEVICE };

static const struct argp_option train_options[] = {
    {"data", 'd', "DIR", 0, "a folder with latency.csv, graphs.csv and operators.csv (needed)", 0},
    {"kind", 'k', "KIND", 0, "the kind of predictor (default: the first that `hassim rapp --help` lists)", 0},
    {"output", 'o', "MODEL", 0,
     "the file to write (needed), in place of an old one when all is written; missing folders are made", 0},
    {"device", KEY_DEVICE, "GPU", 0,
     "the GPU that was measured, as configs name it (v100-16gb): on another one a run then refuses the "
     "predictor",
     0},
    {"threads", 't', "N", 0, "threads (default 1); the result is the same", 0},
    {"seed", KEY_SEED, "N", 0, "seed of what is random in training (default 1)", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static const struct argp_option eval_options[] = {
    {"data", 'd', "DIR", 0, "a folder with latency.csv, graphs.csv and operators.csv (needed)", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static const struct argp_option cv_options[] = {
    {"data", 'd', "DIR", 0, "a folder with latency.csv, graphs.csv and operators.csv (needed)", 0},
    {"kind", 'k', "KIND", 0, "the kind of predictor (default: the first that `hassim rapp --help` lists)", 0},
    {"by", KEY_BY, "WHAT", 0, "what is left out: config (default) or model", 0},
    {"folds", 'f', "N", 0, "folds (default 5)", 0},
    {"threads", 't', "N", 0, "threads (default 1); the result is the same", 0},
    {"seed", KEY_SEED, "N", 0, "seed of the folds and of training (default 1)", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static const struct argp_option predict_options[] = {
    {"model", 'm', "NAME", 0, "the DNN (needed)", 0},
    {"data", 'd', "DIR", 0,
     "where the prior of a DNN stands that was not in the training, and where it was measured", 0},
    {"batch", 'b', "N", 0, "1 to 32 (default 1)", 0},
    {"sm", 's', "PCT", 0, "SM share in percent (default 100)", 0},
    {"quota", 'q', "PCT", 0, "time quota in percent (default 100)", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse_number(const struct argp_state *state, const char *name, const char *text,
                            unsigned long min, unsigned long max, unsigned long *out) {
    char *end = NULL;
    errno = 0;
    *out = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (end && *end == '\0' && errno == 0 && *out >= min && *out <= max) return 0;
    return cli_refuse(state, "%s: found '%s', expected an integer from %lu to %lu", name, text, min, max);
}

static error_t parse_kind(const struct argp_state *state, const char *text, const char **out) {
    char names[256] = "";
    size_t n = 0;
    *out = text;
    if (rapp_kind_help(text)) return 0;
    for (size_t i = 0; rapp_kind_at(i) && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, i ? ", %s" : "%s", rapp_kind_at(i));
    return cli_refuse(state, "--kind: found '%s', expected one of %s", text, names);
}

static error_t parse_by(const struct argp_state *state, const char *text, rapp_by *out) {
    *out = strcmp(text, "model") == 0 ? RAPP_BY_MODEL : RAPP_BY_CONFIG;
    if (*out == RAPP_BY_MODEL || strcmp(text, "config") == 0) return 0;
    return cli_refuse(state, "--by: found '%s', expected config or model", text);
}

static error_t parse_seed(const struct argp_state *state, const char *text, uint64_t *out) {
    unsigned long seed;
    error_t rc = parse_number(state, "--seed", text, 0, UINT64_MAX, &seed);
    *out = seed;
    return rc;
}

static error_t parse_file(const struct argp_state *state, rapp_args *args, const char *file) {
    int takes_file = strstr(args->name, " eval") || strstr(args->name, " predict");
    if (!takes_file) return cli_refuse(state, "found '%s', expected options only", file);
    if (args->model_file) return cli_refuse(state, "found '%s', expected one model file", file);
    args->model_file = file;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    rapp_args *args = state->input;
    switch (key) {
    case 'd':
        args->data_dir = arg;
        return 0;
    case 'k':
        return parse_kind(state, arg, &args->kind);
    case 'o':
        args->out = arg;
        return 0;
    case 'm':
        args->dnn = arg;
        return 0;
    case 't':
        return parse_number(state, "--threads", arg, 1, 1024, &args->threads);
    case 'f':
        return parse_number(state, "--folds", arg, 2, RAPP_FOLDS_MAX, &args->folds);
    case 'b':
        return parse_number(state, "--batch", arg, 1, 32, &args->batch);
    case 's':
        return parse_number(state, "--sm", arg, 1, 100, &args->sm_pct);
    case 'q':
        return parse_number(state, "--quota", arg, 1, 100, &args->quota_pct);
    case KEY_SEED:
        return parse_seed(state, arg, &args->seed);
    case KEY_DEVICE:
        args->device = arg;
        return calib_name_is_good(arg)
                   ? 0
                   : cli_refuse(state,
                                "--device: found '%s', expected letters, digits, '_', '-', '.'; at most 63",
                                arg);
    case KEY_BY:
        return parse_by(state, arg, &args->by);
    case KEY_JSON:
        args->json = 1;
        return 0;
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return parse_file(state, args, arg);
    case ARGP_KEY_END:
        if (args->help) cli_help(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_rapp_complain(const rapp_args *args, int code, const char *what) {
    cli_complain(args->name, "%s", what);
    return code;
}

static void print_progress(void *arg, const char *line) {
    fprintf(stderr, "%s: %s\n", (const char *)arg, line);
}

/* What training says goes to stderr, if someone watches. */
rapp_options cli_rapp_options(const rapp_args *args) {
    return (rapp_options){.seed = args->seed,
                          .threads = (unsigned)args->threads,
                          .progress = isatty(STDERR_FILENO) ? print_progress : NULL,
                          .progress_arg = (void *)(uintptr_t)args->name};
}

/* The last part of its path; "": none */
static const char *name_of_folder(const char *dir, char path[PATH_MAX]) {
    const char *slash = realpath(dir, path) ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : "";
}

static int spare_data(const rapp_args *args, char err[RAPP_ERR_LEN]) {
    int rc = 0;
    for (size_t i = 0; !rc && rapp_data_file_at(i); i++)
        rc = cli_spare_input_in(args->out, args->data_dir, rapp_data_file_at(i), err, RAPP_ERR_LEN);
    return rc;
}

static int run_train(const rapp_args *args) {
    char err[RAPP_ERR_LEN];
    rapp_data *data;
    rapp_model *m = NULL;
    rapp_options options = cli_rapp_options(args);
    char folder[PATH_MAX];
    if (!args->data_dir) return cli_rapp_complain(args, CLI_USAGE, "found no data, expected --data DIR");
    if (!args->out) return cli_rapp_complain(args, CLI_USAGE, "found no output, expected -o MODEL");
    if (spare_data(args, err) || rapp_data_open(&data, args->data_dir, err))
        return cli_rapp_complain(args, CLI_USAGE, err);
    options.device = args->device;
    options.data = name_of_folder(args->data_dir, folder);
    int rc = cli_make_folder_of(args->out, err, sizeof err) || rapp_save_check(args->out, err);
    if (!rc) rc = rapp_train(&m, args->kind, data, NULL, &options, err);
    if (!rc) rc = rapp_save(m, args->out, err);
    if (rc) {
        cli_rapp_complain(args, CLI_USAGE, err);
    } else {
        rapp_origin o = rapp_origin_of(m);
        printf("%s: %s, trained on %llu points of %llu models (GPU %s, data %s %016llx)\n", args->out,
               rapp_kind_of(m), (unsigned long long)o.points, (unsigned long long)o.models,
               *o.device ? o.device : "not said", o.data, (unsigned long long)o.data_hash);
    }
    rapp_close(m);
    rapp_data_close(data);
    return rc ? CLI_USAGE : CLI_OK;
}

/* The DNN's prior, if the data hold it; NULL: they do not, or there are none */
static const rapp_prior *find_prior(const rapp_data *data, const char *dnn) {
    for (size_t i = 0; data && i < rapp_data_n_models(data); i++)
        if (strcmp(rapp_data_model_name(data, i), dnn) == 0) return rapp_data_prior(data, i);
    return NULL;
}

static void print_json(const rapp_args *args, const char *kind, rapp_estimate e, const rapp_range *r) {
    int outside = cli_rapp_is_extrapolated(r, args);
    printf("{\"model\": \"%s\", \"kind\": \"%s\", \"batch\": %lu, \"sm_pct\": %lu, \"quota_pct\": %lu, "
           "\"latency_ms\": %.9g, \"cv\": %.4g, \"throughput_rps\": %.9g, \"extrapolated\": %s}\n",
           args->dnn, kind, args->batch, args->sm_pct, args->quota_pct, e.ms, e.cv,
           1000.0 * (double)args->batch / e.ms,
           !r->is_known ? "null"
           : outside    ? "true"
                        : "false");
}

static void print_text(const rapp_args *args, const char *kind, rapp_estimate e, const rapp_range *r) {
    printf("%s, batch %lu, SM %lu %%, quota %lu %%: %.4g ms +- %.2g %%, %.4g requests/s (%s)\n", args->dnn,
           args->batch, args->sm_pct, args->quota_pct, e.ms, 100 * e.cv, 1000.0 * (double)args->batch / e.ms,
           kind);
    if (!cli_rapp_is_extrapolated(r, args)) return;
    const calib_facts *f = &r->measured;
    printf("extrapolated: %s was measured at batch %u to %u, SM %u to %u %%, quota %u to %u %%; beyond, the "
           "error may be far greater than that\n",
           args->dnn, f->batch_min, f->batch_max, f->sm_min_pct, f->sm_max_pct, f->quota_min_pct,
           f->quota_max_pct);
}

/* One answer, or one line in err */
static int predict(const rapp_args *args, const rapp_model *m, const rapp_data *data,
                   char err[RAPP_ERR_LEN]) {
    rapp_bound *b;
    if (rapp_bind(&b, m, args->dnn, find_prior(data, args->dnn), err)) return -1;
    rapp_estimate e =
        rapp_estimate_of(b, (uint32_t)args->batch, (uint32_t)args->sm_pct, (uint32_t)args->quota_pct);
    rapp_unbind(b);
    rapp_range range = cli_rapp_range(data, rapp_origin_of(m).device, args->dnn);
    if (e.ms >= 0)
        (args->json ? print_json : print_text)(args, rapp_kind_of(m), e, &range);
    else
        snprintf(err, RAPP_ERR_LEN, "found a share that %s cannot tell, expected one nearer to its training",
                 rapp_kind_of(m));
    return e.ms >= 0 ? 0 : -1;
}

static int run_predict(const rapp_args *args) {
    char err[RAPP_ERR_LEN];
    rapp_model *m = NULL;
    rapp_data *data = NULL;
    if (!args->model_file) return cli_rapp_complain(args, CLI_USAGE, "found no model file, expected MODEL");
    if (!args->dnn) return cli_rapp_complain(args, CLI_USAGE, "found no DNN, expected --model NAME");
    int rc = rapp_load(&m, args->model_file, err);
    if (!rc && args->data_dir) rc = rapp_data_open(&data, args->data_dir, err);
    if (!rc) rc = predict(args, m, data, err);
    rapp_data_close(data);
    rapp_close(m);
    return rc ? cli_rapp_complain(args, CLI_USAGE, err) : CLI_OK;
}

typedef struct {
    const char *name, *usage, *doc;
    const struct argp_option *options;
    int (*run)(const rapp_args *args);
} rapp_command;

static const rapp_command commands[] = {
    {"train", "",
     "Train a predictor of latency on measurements. Its file carries where it comes from: kind, seed, GPU, "
     "name and hash of the data, version.",
     train_options, run_train},
    {"eval", "MODEL",
     "Hold a trained predictor against measurements. Models that it was not trained on are told by their "
     "prior "
     "(graphs.csv, operators.csv). Errors are |predicted / measured - 1|.",
     eval_options, cli_rapp_eval},
    {"cv", "",
     "Cross-validate a kind of predictor: each fold by one trained on the others. By model: whole models are "
     "left "
     "out, all that have a complete prior. Says also to what the measurements repeat.",
     cv_options, cli_rapp_cv},
    {"predict", "MODEL",
     "Ask a trained predictor. The mean latency of one batch, its uncertainty, and whether it lies outside "
     "what was measured for the DNN: by the points of --data, or else by the shipped calibration of the GPU "
     "that training named; where neither tells, JSON says null.",
     predict_options, run_predict},
};

static int run_command(const rapp_command *command, int argc, char **argv) {
    char name[64];
    snprintf(name, sizeof name, "hassim rapp %s", command->name);
    const struct argp argp = {command->options, parse, command->usage, command->doc, NULL, NULL, NULL};
    rapp_args args = {.name = name,
                      .kind = rapp_kind_at(0),
                      .threads = 1,
                      .folds = 5,
                      .batch = 1,
                      .sm_pct = 100,
                      .quota_pct = 100,
                      .seed = 1};
    if (cli_parse(&argp, name, argc, argv, &args) != 0) return CLI_USAGE;
    return args.help ? CLI_OK : command->run(&args);
}

static void print_usage(FILE *to) {
    fprintf(
        to,
        "Usage: hassim rapp COMMAND [ARGUMENT...]\n\nPredictors of latency, trained on measurements.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-8s %-6s %.*s.\n", commands[i].name, commands[i].usage,
                (int)strcspn(commands[i].doc, ".:"), commands[i].doc);
    fprintf(to, "\nKinds (the first is the default):\n\n");
    for (size_t i = 0; rapp_kind_at(i); i++)
        fprintf(to, "    %-10s %s\n", rapp_kind_at(i), rapp_kind_help(rapp_kind_at(i)));
    fprintf(to, "\nEach command answers --help.\n");
}

int cli_rapp(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0) return run_command(&commands[i], argc - 1, argv + 1);
    int help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help)
        print_usage(stdout);
    else if (argc > 1)
        cli_complain("hassim rapp", "found '%s', expected train, eval, cv or predict", name);
    else
        cli_complain("hassim rapp", "found no command, expected train, eval, cv or predict");
    return help ? CLI_OK : CLI_USAGE;
}
