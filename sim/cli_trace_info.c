#include <argp.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_trace_int.h"
#include "trace.h"
#include "trace_stats.h"

enum { KEY_JSON = 0x100, TOP = 10, BINS_MAX = 60 };

typedef struct {
    const char *path, *format;
    int json, help;
} info_args;

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "azure2019, azure2021 or csv (default: by the header line)", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    info_args *args = state->input;
    switch (key) {
    case 'f':
        args->format = arg;
        return 0;
    case KEY_JSON:
        args->json = 1;
        return 0;
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        if (args->path) cli_refuse(state, "found '%s', expected one file", arg);
        if (args->path) return EINVAL;
        args->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (args->help)
            cli_help(state);
        else if (!args->path)
            cli_refuse(state, "found no trace file, expected one");
        return args->help || args->path ? 0 : EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

typedef struct {
    size_t row; /* from 0 */
    trace_function function;
    trace_minute_stats minutes;
} top_function;

typedef struct {
    const char *path, *format;
    size_t n_functions, n_minutes;
    double span_s;
    trace_minute_stats minutes;
    double rate_rps[BINS_MAX]; /* over time */
    size_t n_bins, bin_minutes;
    top_function top[TOP];
    size_t n_top;
    trace_defects defects;
} trace_picture;

/* Each defect: what it is called, and what is done with it. */
typedef struct {
    const char *key, *what, *handling;
    size_t offset;
} defect_row;

static const defect_row defect_rows[] = {
    {"duplicate_rows", "rows of a function that is there already",
     "counts added, or ignored if all is equal; durations, memory averaged",
     offsetof(trace_defects, duplicate_rows)},
    {"without_duration", "functions that the durations file lacks", "kept, duration unknown",
     offsetof(trace_defects, without_duration)},
    {"zero_duration", "durations of 0", "kept as 0", offsetof(trace_defects, zero_duration)},
    {"disordered_rows", "rows earlier than the one before", "sorted",
     offsetof(trace_defects, disordered_rows)},
    {"disagreeing_counts", "functions whose durations file has another count", "the minutes are replayed",
     offsetof(trace_defects, disagreeing_counts)},
    {"early_arrivals", "invocations begun before the trace", "they arrive at 0",
     offsetof(trace_defects, early_arrivals)},
};
enum { N_DEFECTS = sizeof defect_rows / sizeof defect_rows[0] };

static uint64_t defect_count(const trace_defects *defects, const defect_row *row) {
    uint64_t n;
    memcpy(&n, (const char *)defects + row->offset, sizeof n);
    return n;
}

static void fill_rates(trace_picture *p, const uint64_t *counts) {
    p->bin_minutes = (p->n_minutes + BINS_MAX - 1) / BINS_MAX;
    p->n_bins = (p->n_minutes + p->bin_minutes - 1) / p->bin_minutes;
    for (size_t i = 0; i < p->n_minutes; i++) p->rate_rps[i / p->bin_minutes] += (double)counts[i];
    for (size_t b = 0; b < p->n_bins; b++) {
        size_t left = p->n_minutes - b * p->bin_minutes;
        p->rate_rps[b] /= 60.0 * (double)(left < p->bin_minutes ? left : p->bin_minutes);
    }
}

static int fill_top(trace_picture *p, const trace_file *file, uint64_t *counts, char *err) {
    for (; p->n_top < TOP && p->n_top < p->n_functions; p->n_top++) {
        char select[32];
        top_function *top = &p->top[p->n_top];
        snprintf(select, sizeof select, "rank:%zu", p->n_top + 1);
        if (trace_select(file, select, &top->row, err)) return -1;
        memset(counts, 0, p->n_minutes * sizeof *counts);
        trace_add_minutes(file, top->row, counts, p->n_minutes);
        top->function = trace_function_at(file, top->row);
        top->minutes = trace_stats_of(counts, p->n_minutes);
    }
    return 0;
}

static int fill_picture(trace_picture *p, const trace_file *file, char *err) {
    p->format = trace_format_of(file);
    p->n_functions = trace_n_functions(file);
    p->n_minutes = trace_stats_minutes(file);
    p->span_s = (double)trace_span_ns(file) / 1e9;
    p->defects = trace_defects_of(file);
    uint64_t *counts = calloc(p->n_minutes, sizeof *counts);
    if (!counts) {
        snprintf(err, TRACE_ERR_LEN, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < p->n_functions; i++) trace_add_minutes(file, i, counts, p->n_minutes);
    p->minutes = trace_stats_of(counts, p->n_minutes);
    fill_rates(p, counts);
    int rc = fill_top(p, file, counts, err);
    free(counts);
    return rc;
}

/* A number, or what stands for one that does not exist. */
static void print_value(const char *format, double value, const char *absent) {
    if (isnan(value) || value < 0)
        fputs(absent, stdout);
    else
        printf(format, value);
}

static void print_rates(const trace_picture *p) {
    static const char *const levels[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    double most = 0;
    for (size_t b = 0; b < p->n_bins; b++)
        if (p->rate_rps[b] > most) most = p->rate_rps[b];
    printf("rate over time (a column is %zu min, full height %.4g/s)\n  |", p->bin_minutes, most);
    for (size_t b = 0; b < p->n_bins; b++)
        fputs(levels[most > 0 ? (size_t)ceil(8 * p->rate_rps[b] / most) : 0], stdout);
    puts("|");
}

static void print_totals(const trace_picture *p) {
    const trace_minute_stats *m = &p->minutes;
    printf("%s: %s\n", p->path, p->format);
    printf("functions     %zu\n", p->n_functions);
    printf("invocations   %llu\n", (unsigned long long)m->sum);
    printf("span          %.6g s (%zu min)\n", p->span_s, p->n_minutes);
    printf("mean rate     %.6g/s\n", m->mean / 60);
    printf("per minute    mean %.6g, peak %llu, peak/mean ", m->mean, (unsigned long long)m->peak);
    print_value("%.3g", m->peak_to_mean, "n/a (0 arrivals)");
    fputs(", CV ", stdout);
    print_value("%.3g", m->cv, "n/a (0 arrivals)");
    fputs(", var/mean ", stdout);
    print_value("%.4g", m->dispersion, "n/a (0 arrivals)");
    puts("\n");
}

static void print_top(const trace_picture *p) {
    puts("\nbusiest functions\n rank    row  name              invocations   share  per min  peak/mean  "
         "var/mean  "
         "mean ms  memory MiB");
    for (size_t i = 0; i < p->n_top; i++) {
        const top_function *t = &p->top[i];
        printf("%5zu %6zu  %-16.16s %12llu ", i + 1, t->row + 1, t->function.name,
               (unsigned long long)t->function.count);
        print_value("%6.2f%%",
                    p->minutes.sum ? 100 * (double)t->function.count / (double)p->minutes.sum : NAN,
                    "    n/a");
        printf(" %8.4g ", t->minutes.mean);
        print_value("%10.3g ", t->minutes.peak_to_mean, "       n/a ");
        print_value("%9.4g ", t->minutes.dispersion, "      n/a ");
        print_value("%8.5g ", t->function.mean_duration_ms, " unknown ");
        print_value("%11.5g", t->function.mean_memory_mib, "    unknown");
        putchar('\n');
    }
}

static void print_defects(const trace_picture *p) {
    puts("\nknown defects");
    for (size_t i = 0; i < N_DEFECTS; i++) {
        uint64_t n = defect_count(&p->defects, &defect_rows[i]);
        printf("%8llu  %s%s%s\n", (unsigned long long)n, defect_rows[i].what, n ? ": " : "",
               n ? defect_rows[i].handling : "");
    }
}

static void add_value(cJSON *object, const char *key, double value) {
    if (isnan(value) || value < 0)
        cJSON_AddNullToObject(object, key);
    else
        cJSON_AddNumberToObject(object, key, value);
}

static void add_minutes(cJSON *object, const trace_minute_stats *m) {
    cJSON *minutes = cJSON_AddObjectToObject(object, "per_minute");
    add_value(minutes, "mean", m->mean);
    add_value(minutes, "peak", (double)m->peak);
    add_value(minutes, "peak_to_mean", m->peak_to_mean);
    add_value(minutes, "cv", m->cv);
    add_value(minutes, "dispersion", m->dispersion);
}

static void add_top(cJSON *root, const trace_picture *p) {
    cJSON *top = cJSON_AddArrayToObject(root, "top");
    for (size_t i = 0; i < p->n_top; i++) {
        const top_function *t = &p->top[i];
        cJSON *f = cJSON_CreateObject();
        cJSON_AddItemToArray(top, f);
        add_value(f, "rank", (double)i + 1);
        add_value(f, "row", (double)t->row + 1);
        cJSON_AddStringToObject(f, "name", t->function.name);
        add_value(f, "invocations", (double)t->function.count);
        add_value(f, "mean_duration_ms", t->function.mean_duration_ms);
        add_value(f, "mean_memory_mib", t->function.mean_memory_mib);
        add_minutes(f, &t->minutes);
    }
}

static int print_json(const trace_picture *p) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "path", p->path);
    cJSON_AddStringToObject(root, "format", p->format);
    add_value(root, "functions", (double)p->n_functions);
    add_value(root, "invocations", (double)p->minutes.sum);
    add_value(root, "span_s", p->span_s);
    add_value(root, "mean_rps", p->minutes.mean / 60);
    add_minutes(root, &p->minutes);
    add_value(root, "bin_minutes", (double)p->bin_minutes);
    cJSON_AddItemToObject(root, "rate_rps", cJSON_CreateDoubleArray(p->rate_rps, (int)p->n_bins));
    add_top(root, p);
    cJSON *defects = cJSON_AddObjectToObject(root, "defects");
    for (size_t i = 0; i < N_DEFECTS; i++)
        add_value(defects, defect_rows[i].key, (double)defect_count(&p->defects, &defect_rows[i]));
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) return -1;
    puts(text);
    free(text);
    return 0;
}

static int print_picture(const trace_picture *p, int json) {
    if (json) return print_json(p);
    print_totals(p);
    print_rates(p);
    print_top(p);
    print_defects(p);
    return 0;
}

int cli_trace_info(int argc, char **argv) {
    const struct argp argp = {options,
                              parse,
                              "FILE",
                              "Tell what a trace file holds: totals, rate over time, burstiness, the busiest "
                              "functions, and the known defects found and what is done with each.",
                              NULL,
                              NULL,
                              NULL};
    info_args args = {0};
    if (cli_parse(&argp, "hassim trace info", argc, argv, &args)) return CLI_USAGE;
    if (args.help) return CLI_OK;
    char err[TRACE_ERR_LEN];
    trace_file *file;
    trace_picture picture = {.path = args.path};
    if (trace_open(&file, args.format, args.path, err) || fill_picture(&picture, file, err)) {
        cli_complain("hassim trace info", "%s", err);
        trace_close(file);
        return CLI_USAGE;
    }
    int rc = print_picture(&picture, args.json);
    trace_close(file);
    if (rc || fflush(stdout) || ferror(stdout)) {
        cli_complain("hassim trace info", "cannot write standard output");
        return CLI_FAILED;
    }
    return CLI_OK;
}
