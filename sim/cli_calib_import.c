/* cli_calib_import.c - `hassim calib import`: measurements in other people's layouts become one CSV, which `hassim
 * calib fit` and `hassim calib figure` read. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_import.h"
#include "calib_json.h"
#include "cli.h"
#include "cli_calib_int.h"

enum { RENAMES_MAX = 256 };

typedef struct {
    const calib_importer *importer;
    const char *out;
    const char *renames[RENAMES_MAX];
    size_t n_renames;
    char **files; /* of argv */
    int n_files, help;
} import_args;

static const struct argp_option options[] = {
    {"format", 'f', "NAME", 0,
     "the layout of the files (needed): plain, rapp, parvagpu, gpu-percent or trace", 0},
    {"output", 'o', "FILE.csv", 0, "the file to write (needed), in place of an old one when all is written",
     0},
    {"rename", 'r', "OLD=NEW", 0,
     "call a model by another name, such as the one it has on another GPU; may be repeated", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse_format(import_args *args, const char *name, struct argp_state *state) {
    char known[256] = "";
    args->importer = calib_importer_find(name);
    if (args->importer) return 0;
    for (size_t i = 0; calib_importer_at(i); i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", calib_importer_at(i)->name);
    }
    return cli_refuse(state, "--format: found '%s', expected one of %s", name, known);
}

static error_t parse_rename(import_args *args, const char *text, struct argp_state *state) {
    const char *sign = strchr(text, '=');
    if (!sign || sign == text || !calib_name_is_good(sign + 1))
        return cli_refuse(
            state,
            "--rename: found '%s', expected OLD=NEW with a new name of 1 to 63 letters, digits, "
            "'_', '-' or '.'",
            text);
    if (args->n_renames == RENAMES_MAX)
        return cli_refuse(state, "--rename: found '%s', expected at most 256", text);
    args->renames[args->n_renames++] = text;
    return 0;
}

static error_t parse_end(const import_args *args, struct argp_state *state) {
    if (args->help) cli_help(state);
    if (args->help) return 0;
    if (!args->importer) return cli_refuse(state, "found no layout, expected --format NAME");
    if (!args->out) return cli_refuse(state, "found no output, expected -o FILE.csv");
    return args->n_files ? 0 : cli_refuse(state, "found no measurements, expected FILE...");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    import_args *args = state->input;
    switch (key) {
    case 'f':
        return parse_format(args, arg, state);
    case 'o':
        args->out = arg;
        return 0;
    case 'r':
        return parse_rename(args, arg, state);
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        args->files[args->n_files++] = arg;
        return 0;
    case ARGP_KEY_END:
        return parse_end(args, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int rename_models(const import_args *args, calib_import *list, char err[CALIB_ERR_LEN]) {
    for (size_t i = 0; i < args->n_renames; i++) {
        char old[CALIB_IMPORT_NAME_LEN];
        const char *sign = strchr(args->renames[i], '=');
        snprintf(old, sizeof old, "%.*s", (int)(sign - args->renames[i]), args->renames[i]);
        if (calib_import_rename(list, old, sign + 1)) continue;
        snprintf(err, CALIB_ERR_LEN, "--rename: found '%.200s', expected a model of these files",
                 args->renames[i]);
        return -1;
    }
    return 0;
}

static int read_files(const import_args *args, calib_import *list, char err[CALIB_ERR_LEN]) {
    for (int i = 0; i < args->n_files; i++)
        if (cli_spare_input(args->out, args->files[i], err, CALIB_ERR_LEN) ||
            calib_import_read(list, args->importer, args->files[i], err))
            return -1;
    if (list->n) return rename_models(args, list, err);
    snprintf(err, CALIB_ERR_LEN, "%.300s: found no row with a latency, expected at least one",
             args->files[0]);
    return -1;
}

static int write_file(const import_args *args, const calib_import *list, char err[CALIB_ERR_LEN]) {
    cli_calib_file f;
    FILE *to = cli_calib_file_open(&f, args->out, err);
    if (!to) return CLI_USAGE;
    calib_import_write(to, list); /* keep sees its errors */
    return cli_calib_file_keep(&f, err);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 0: no memory to count */
static size_t count_models(const calib_import *list) {
    const char **names = malloc(list->n * sizeof *names);
    size_t n = 0;
    if (!names) return 0;
    for (size_t i = 0; i < list->n; i++) names[i] = list->samples[i].model;
    qsort(names, list->n, sizeof *names, by_name);
    for (size_t i = 0; i < list->n; i++) n += i == 0 || strcmp(names[i], names[i - 1]) != 0;
    free(names);
    return n;
}

static void print_summary(const import_args *args, const calib_import *list) {
    size_t several = 0, large = 0, models = count_models(list);
    for (size_t i = 0; i < list->n; i++) {
        several += list->samples[i].processes > 1;
        large += list->samples[i].processes == 1 && list->samples[i].batch > CALIB_BATCH_MAX;
    }
    printf("%s: %zu measurements of %zu model%s", args->out, list->n, models, models == 1 ? "" : "s");
    if (list->n_unmeasured) printf("; %zu rows without a latency left out", list->n_unmeasured);
    printf("\n");
    if (several || large)
        printf("  fits leave out %zu of several processes in one partition and %zu of batches above %d\n",
               several, large, CALIB_BATCH_MAX);
    if (list->series.source[0]) printf("  source: %s\n", list->series.source);
    if (list->series.licence[0]) printf("  licence: %s\n", list->series.licence);
}

static int import(const import_args *args) {
    calib_import list = {.n = 0};
    char err[CALIB_ERR_LEN];
    int rc = read_files(args, &list, err) ? CLI_USAGE : write_file(args, &list, err);
    if (rc)
        cli_complain("hassim calib import", "%s", err);
    else
        print_summary(args, &list);
    calib_import_free(&list);
    if (!rc && (fflush(stdout) || ferror(stdout))) rc = CLI_FAILED;
    return rc;
}

int cli_calib_import(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "FILE...",
        "Turn measured latencies of a known layout into CSV that `hassim calib fit` reads: model, "
        "batch, sm_pct, quota_pct, processes, repetitions, latency_ms, after notes on source and "
        "licence. Several files of one layout become one.",
        NULL,
        NULL,
        NULL};
    import_args args = {.files = calloc((size_t)argc + 1, sizeof *args.files)};
    if (!args.files) return CLI_FAILED;
    int rc = cli_parse(&argp, argv[0], argc, argv, &args) ? CLI_USAGE : CLI_OK;
    if (rc == CLI_OK && !args.help) rc = import(&args);
    free(args.files);
    return rc;
}
