/* cli_calib.c - `hassim calib info | check | fit | import | figure`: what a calibration says and where it comes from;
 * making one. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calib.h"
#include "calib_fit.h"
#include "calib_trace.h"
#include "cli.h"
#include "cli_calib_int.h"
#include "setup_int.h"

static const char SHIPPED_FACTS[] = "calib/data/v100_facts.json";

enum { PATH_LEN = CLI_CALIB_PATH_LEN };

typedef struct {
    const char *name; /* "hassim calib info" */
    const char *file, *model, *facts, *out;
    int help;
} calib_args;

static const struct argp_option info_options[] = {
    {"model", 'm', "M", 0, "show one model: facts, G by batch and SM, f by quota", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static const struct argp_option fit_options[] = {
    {"output", 'o', "FILE", 0, "the device file (needed), in place of an old one when all is written", 0},
    {"facts", 'f', "FACTS.json", 0,
     "what no latency tells: device, sources, cold start, memory, overhead (default: the shipped "
     "calib/data/v100_facts.json)",
     0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static const struct argp_option check_options[] = {
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    calib_args *args = state->input;
    switch (key) {
    case 'm':
        args->model = arg;
        return 0;
    case 'f':
        args->facts = arg;
        return 0;
    case 'o':
        args->out = arg;
        return 0;
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        if (args->file) cli_refuse(state, "found '%s', expected one file", arg);
        if (args->file) return EINVAL;
        args->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (args->help) cli_help(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int complain(const calib_args *args, int code, const char *what) {
    cli_complain(args->name, "%s", what);
    return code;
}

static int finish(const calib_args *args) {
    if (!fflush(stdout) && !ferror(stdout)) return CLI_OK;
    fprintf(stderr, "%s: standard output: %s\n", args->name, strerror(errno));
    return CLI_FAILED;
}

/* A labelled text, broken between words. */
static void print_text(const char *label, const char *text) {
    enum { COLUMNS = 108, INDENT = 14 };
    size_t column = INDENT;
    printf("  %-11s", label);
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column + 1 + word > COLUMNS && column > INDENT)
            column = (size_t)printf("\n%*s", INDENT - 1, "") - 1;
        column += (size_t)printf(" %.*s", (int)word, text);
        text += word;
        text += strspn(text, " ");
    }
    printf("\n");
}

static void print_device(const calib *c, const char *file) {
    const calib_device *d = calib_device_of(c);
    printf("%s\n  device      %s: %s\n", file, d->name, d->description);
    printf("              %u SMs, %u MiB, at most %u processes, SM partition %s\n", (unsigned)d->sm_count,
           (unsigned)d->memory_mib, (unsigned)d->max_processes,
           d->sm_resizable ? "resizable while running" : "fixed at process start");
    print_text("", d->source);
    printf("  cold start  schedule %.0f + container %.0f + context %.0f ms + weights / %.0f MiB/s + warm-up; "
           "cv %.2f\n",
           d->schedule_ms, d->container_ms, d->context_ms, d->load_mib_per_s, d->cold_start_cv);
    print_text("", d->cold_start_source);
}

static void print_series(const calib_facts *f) {
    print_text("source", f->source);
    printf("  licence     %s; fitted %s\n", f->licence, f->date);
    print_text("method", f->method);
}

/* Each series once, in the order of the models. The strings of one series are the same pointers. */
static void print_all_series(const calib *c) {
    for (size_t i = 0; i < calib_n_models(c); i++) {
        const calib_facts *f = calib_facts_of(calib_model_at(c, i));
        size_t k = 0;
        while (k < i && calib_facts_of(calib_model_at(c, k))->source != f->source) k++;
        if (k == i) print_series(f);
    }
}

static char star(const calib_model *m, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    return calib_is_extrapolated(m, batch, sm_pct, quota_pct) ? '*' : ' ';
}

static const char *sd_text(char text[16], double sd_pct) {
    snprintf(text, 16, sd_pct < 0 ? "n/a" : "%.1f", sd_pct);
    return text;
}

static void print_models(const calib *c) {
    printf("\n%-20s %7s %7s %7s %7s  %9s %8s %6s %8s %6s  %8s %10s\n", "model", "points", "MAPE %", "med. %",
           "p90 %", "G(1,100)", "G(4,30)", "+- %", "f(30)", "+- %", "weights", "cold start");
    printf("%-20s %7s %7s %7s %7s  %9s %8s %6s %8s %6s  %8s %10s\n", "", "", "", "", "", "ms", "ms", "", "ms",
           "", "MiB", "s");
    for (size_t i = 0; i < calib_n_models(c); i++) {
        const calib_model *m = calib_model_at(c, i);
        const calib_facts *f = calib_facts_of(m);
        char gpu_sd[16], launch_sd[16];
        printf("%-20s %7llu %7.2f %7.2f %7.2f  %9.2f %7.2f%c %6s %7.2f%c %6s  %8.1f %10.2f%s\n", f->name,
               (unsigned long long)f->fit_points, f->fit_mape_pct, f->fit_median_pct, f->fit_p90_pct,
               calib_gpu_ms(m, 1, 100), calib_gpu_ms(m, 4, 30), star(m, 4, 30, 100),
               sd_text(gpu_sd, calib_gpu_sd_pct(m, 4, 30)), calib_launch_ms(m, 30),
               star(m, f->batch_min, f->sm_max_pct, 30), sd_text(launch_sd, calib_launch_sd_pct(m, 30)),
               f->weights_mib, calib_cold_start_ms(c, m) / 1000, f->weak ? "  WEAK" : "");
    }
    printf(
        "\nlatency = max(G(batch, SM %%), f(quota %%)), alone on its row; MAPE against the measured points.\n"
        "+-: how far G and f may be off (one standard deviation). *: outside what was measured.\n"
        "WEAK: from a few numbers only. One model in full: --model M\n");
}

static void print_facts(const calib *c, const calib_model *m) {
    const calib_facts *f = calib_facts_of(m);
    const calib_device *d = calib_device_of(c);
    printf("\n%s on %s%s\n", f->name, d->name, f->weak ? "  (WEAK: from a few numbers only)" : "");
    print_series(f);
    printf("  fit error   mean %.2f %%, median %.2f %%, p90 %.2f %% over %llu points\n", f->fit_mape_pct,
           f->fit_median_pct, f->fit_p90_pct, (unsigned long long)f->fit_points);
    printf(
        "  cold start  schedule %.0f + container %.0f + context %.0f + load %.0f (%.1f MiB) + warm-up %.0f = "
        "%.0f ms\n",
        d->schedule_ms, d->container_ms, d->context_ms, f->weights_mib / d->load_mib_per_s * 1000,
        f->weights_mib, f->warmup_ms, calib_cold_start_ms(c, m));
    printf("  pod         %.0f MiB; overhead %.1f ms (cv %.3f) per request; service noise cv %.3f\n",
           f->memory_mib, f->overhead_ms.mean, f->overhead_ms.cv, f->noise_cv);
    print_text("", f->facts_source);
}

static void print_uncertainty(const calib_model *m) {
    static const uint32_t at[][2] = {{1, 30}, {1, 100}, {4, 30}, {4, 100}, {8, 100}};
    if (calib_launch_sd_pct(m, 100) < 0) {
        printf("\nHow far G and f may be off: the file does not say.\n");
        return;
    }
    printf("\nHow far they may be off, %% (one standard deviation)\n  ");
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        printf(" G(%u, %u) %.1f;", (unsigned)at[i][0], (unsigned)at[i][1],
               calib_gpu_sd_pct(m, at[i][0], at[i][1]));
    printf(" f(10) %.1f; f(30) %.1f; f(100) %.1f\n", calib_launch_sd_pct(m, 10), calib_launch_sd_pct(m, 30),
           calib_launch_sd_pct(m, 100));
}

static void print_model(const calib *c, const calib_model *m) {
    static const uint32_t batches[] = {1, 2, 4, 8, 16, 32}, sms[] = {5, 10, 20, 30, 50, 70, 100};
    print_facts(c, m);
    printf("\nG(batch, SM), ms (* outside what was measured)\n   batch");
    for (size_t k = 0; k < sizeof sms / sizeof *sms; k++) printf("   SM %3u ", (unsigned)sms[k]);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        printf("\n%8u", (unsigned)batches[i]);
        for (size_t k = 0; k < sizeof sms / sizeof *sms; k++)
            printf(" %8.2f%c", calib_gpu_ms(m, batches[i], sms[k]), star(m, batches[i], sms[k], 100));
    }
    const calib_facts *f = calib_facts_of(m);
    printf("\n\nf(quota), ms\n   quota");
    for (unsigned q = 10; q <= 100; q += 10) printf(" %8u ", q);
    printf("\n        ");
    for (unsigned q = 10; q <= 100; q += 10)
        printf(" %8.2f%c", calib_launch_ms(m, q), star(m, f->batch_min, f->sm_max_pct, q));
    printf("\n");
    print_uncertainty(m);
}

static int is_path(const char *word) {
    size_t n = strlen(word);
    return strchr(word, '/') || (n >= 5 && !strcmp(word + n - 5, ".json")) || !access(word, F_OK);
}

int cli_calib_find(const char *word, char path[PATH_LEN], char err[CALIB_ERR_LEN]) {
    char expected[SETUP_KNOWN_LEN], why[CONFIG_ERR_LEN], quoted[CONFIG_FOUND_LEN];
    int found = 1;
    if (is_path(word))
        snprintf(path, PATH_LEN, "%s", word);
    else
        found = setup_find_device(word, path, expected, why);
    if (found < 0) snprintf(err, CALIB_ERR_LEN, "%.500s", why);
    if (!found) snprintf(err, CALIB_ERR_LEN, "found %s, expected %s", config_quote(quoted, word), expected);
    return found > 0 ? 0 : -1;
}

static int open_calib(const calib_args *args, calib **c, char path[PATH_LEN]) {
    char err[CALIB_ERR_LEN];
    if (cli_calib_find(args->file ? args->file : "v100-16gb", path, err) || calib_open(c, path, err))
        return complain(args, CLI_USAGE, err);
    return CLI_OK;
}

static int run_info(const calib_args *args) {
    calib *c;
    char path[PATH_LEN];
    int rc = open_calib(args, &c, path);
    if (rc) return rc;
    const calib_model *m = args->model ? calib_model_find(c, args->model) : NULL;
    if (args->model && !m) {
        cli_complain(args->name, "%s: --model: found \"%s\", expected one of the %zu that `%s` lists", path,
                     args->model, calib_n_models(c), args->name);
        rc = CLI_USAGE;
    } else {
        print_device(c, path);
        if (m) {
            print_model(c, m);
        } else {
            print_all_series(c);
            print_models(c);
        }
        rc = finish(args);
    }
    calib_close(c);
    return rc;
}

/* A file of hassim-calibrate: good when it is whole and in order; what it says of itself is told. */
static int check_trace(const calib_args *args) {
    char err[CALIB_ERR_LEN];
    calib_trace *t;
    if (calib_trace_open(&t, args->file, err)) return complain(args, CLI_USAGE, err);
    const calib_trace_info *i = calib_trace_info_of(t);
    printf("%s: good: measured on %s (%u SMs), %s, by %s\n", args->file, i->device, (unsigned)i->sm_count,
           i->date, i->generated_by);
    printf("  %zu of %zu steps measured, %zu failed, %zu throttled; %zu latencies; MPS: %s\n", i->measured,
           i->planned, i->failed, i->throttled, calib_trace_n(t), i->mps);
    if (i->noise_floor_pct >= 0)
        printf("  noise floor %.2f %%, %zu contradictions to monotonicity\n", i->noise_floor_pct,
               i->contradictions);
    calib_trace_close(t);
    return finish(args);
}

static int run_check(const calib_args *args) {
    calib *c;
    char path[PATH_LEN];
    if (args->file && calib_trace_is(args->file)) return check_trace(args);
    int rc = open_calib(args, &c, path);
    if (rc) return rc;
    printf("%s: good: %s, %zu models\n", path, calib_device_of(c)->name, calib_n_models(c));
    calib_close(c);
    return finish(args);
}

FILE *cli_calib_file_open(cli_calib_file *f, const char *path, char err[CALIB_ERR_LEN]) {
    struct stat st;
    if (cli_make_folder_of(path, err, CALIB_ERR_LEN)) return NULL;
    int is_long = snprintf(f->part, sizeof f->part, "%s.part", path) >= (int)sizeof f->part;
    int is_odd =
        stat(path, &st) == 0 && !S_ISREG(st.st_mode); /* a rename would put a file in a device's place */
    f->path = path;
    f->to = is_long || is_odd ? NULL : fopen(f->part, "wb");
    const char *found = is_long ? "a long name" : is_odd ? "something that is no file" : strerror(errno);
    if (!f->to)
        snprintf(err, CALIB_ERR_LEN, "%.300s: found %s, expected a file in a folder that takes files", path,
                 found);
    return f->to;
}

int cli_calib_file_keep(cli_calib_file *f, char err[CALIB_ERR_LEN]) {
    int bad = ferror(f->to);
    if (fclose(f->to)) bad = 1;
    if (!bad && !rename(f->part, f->path)) return CLI_OK;
    snprintf(err, CALIB_ERR_LEN, "%.400s: cannot write: %s", f->path, strerror(errno));
    unlink(f->part);
    return CLI_FAILED;
}

static int write_whole(const char *path, const char *text, char err[CALIB_ERR_LEN]) {
    cli_calib_file f;
    FILE *to = cli_calib_file_open(&f, path, err);
    if (!to) return CLI_USAGE;
    fputs(text, to); /* keep sees its errors */
    return cli_calib_file_keep(&f, err);
}

static int run_fit(const calib_args *args) {
    char err[CALIB_ERR_LEN], facts[PATH_LEN], *json = NULL;
    size_t n_left_out = 0;
    if (!args->file) return complain(args, CLI_USAGE, "found no measurements, expected LATENCY.csv");
    if (!args->out) return complain(args, CLI_USAGE, "found no output, expected -o FILE");
    if (args->facts)
        snprintf(facts, sizeof facts, "%s", args->facts);
    else if (cli_find_shipped(SHIPPED_FACTS, facts, sizeof facts, err, sizeof err))
        return complain(args, CLI_USAGE, err);
    if (cli_spare_input(args->out, args->file, err, sizeof err) ||
        cli_spare_input(args->out, facts, err, sizeof err))
        return complain(args, CLI_USAGE, err);
    if (calib_fit_files(&json, &n_left_out, args->file, facts, err)) return complain(args, CLI_USAGE, err);
    int rc = write_whole(args->out, json, err);
    free(json);
    calib *c;
    if (rc || calib_open(&c, args->out, err)) return complain(args, rc ? rc : CLI_FAILED, err);
    print_device(c, args->out);
    print_all_series(c);
    print_models(c);
    if (n_left_out)
        printf("Left out: %zu measurements of several processes in one partition or of batches above %d.\n",
               n_left_out, CALIB_BATCH_MAX);
    calib_close(c);
    return finish(args);
}

typedef struct {
    const char *name, *usage, *doc;
    const struct argp_option *options;
    int (*run)(const calib_args *args);
    int (*own)(int argc, char **argv); /* instead: it parses by itself */
} calib_command;

static const calib_command commands[] = {
    {"info", "[DEVICE]",
     "Show what a calibration says: device, sources, licence, fit errors, cold start; every model, or one in "
     "full. DEVICE: one that ships, by its name as in configs, or a device file (default: v100-16gb).",
     info_options, run_info, NULL},
    {"check", "[DEVICE]",
     "Check a device file, or a trace of hassim-calibrate: keys, types, ranges, monotonicity. Says the first "
     "fault with its place. DEVICE: as for info.",
     check_options, run_check, NULL},
    {"import", "FILE...", "Turn measurements of a known layout into CSV that fit reads.", NULL, NULL,
     cli_calib_import},
    {"fit", "LATENCY.csv",
     "Fit latency = max(G(batch, SM), f(quota)) to measurements, with uncertainties. Per model; the CSV has "
     "the columns "
     "model, batch, sm_pct, latency_ms and, where it is not 100, quota_pct; the result is a device file.",
     fit_options, run_fit, NULL},
    {"figure", "[DEVICE...]", "Draw latency against SM share, device by device.", NULL, NULL,
     cli_calib_figure},
};

static int run_command(const calib_command *command, int argc, char **argv) {
    char name[64];
    snprintf(name, sizeof name, "hassim calib %s", command->name);
    if (command->own) {
        argv[0] = name;
        return command->own(argc, argv);
    }
    const struct argp argp = {command->options, parse, command->usage, command->doc, NULL, NULL, NULL};
    calib_args args = {.name = name};
    if (cli_parse(&argp, name, argc, argv, &args) != 0) return CLI_USAGE;
    return args.help ? CLI_OK : command->run(&args);
}

static void print_usage(FILE *to) {
    fprintf(
        to,
        "Usage: hassim calib COMMAND [ARGUMENT...]\n\nCalibrations: what a kind of GPU does to a model.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-6s %-12s %.*s.\n", commands[i].name, commands[i].usage,
                (int)strcspn(commands[i].doc, ".:"), commands[i].doc);
    fprintf(to, "\nEach answers --help.\n");
}

int cli_calib(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0) return run_command(&commands[i], argc - 1, argv + 1);
    int help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help)
        print_usage(stdout);
    else if (argc > 1)
        cli_complain("hassim calib", "found '%s', expected info, check, fit, import or figure", name);
    else
        cli_complain("hassim calib", "found no command, expected info, check, fit, import or figure");
    return help ? CLI_OK : CLI_USAGE;
}
