#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_trace_int.h"
#include "config_json.h"
#include "trace_defects.h"
#include "trace_packed.h"
#include "trace_stats.h"

enum { TOP = 10, BINS_MAX = 60 };

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, CLI_TRACE_FORMAT_HELP, 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

typedef struct {
    size_t row; /* from 0 */
    trace_function function;
    trace_minute_stats minutes;
    trace_gap_stats gaps;
} top_function;

typedef struct {
    const char *path, *format, *provenance;
    size_t n_functions, n_minutes;
    double span_s, mean_size, mean_out;
    trace_minute_stats minutes;
    trace_gap_stats gaps;
    int has_recorded_gaps;
    double rate_rps[BINS_MAX]; /* over time */
    size_t n_bins, bin_minutes;
    top_function top[TOP];
    size_t n_top;
    trace_defects defects;
} trace_picture;

static void fill_rates(trace_picture *p, const uint64_t *counts) {
    p->bin_minutes = (p->n_minutes + BINS_MAX - 1) / BINS_MAX;
    p->n_bins = (p->n_minutes + p->bin_minutes - 1) / p->bin_minutes;
    for (size_t i = 0; i < p->n_minutes; i++) p->rate_rps[i / p->bin_minutes] += (double)counts[i];
    for (size_t b = 0; b < p->n_bins; b++) {
        double bin_s = 60.0 * (double)p->bin_minutes, left_s = p->span_s - bin_s * (double)b;
        p->rate_rps[b] /= left_s > 0 && left_s < bin_s ? left_s : bin_s;
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
        top->minutes = trace_stats_of(counts, p->n_minutes, p->span_s);
        top->gaps = trace_gaps_of(file, top->row);
    }
    return 0;
}

/* Over all requests; -1 without sizes, or tokens. */
static void fill_sizes(trace_picture *p, const trace_file *file) {
    double size = 0, out = 0, n = 0;
    for (size_t i = 0; i < trace_n_functions(file); i++) {
        trace_function f = trace_function_at(file, i);
        size += f.mean_size * (double)f.count;
        out += f.mean_out * (double)f.count;
        n += (double)f.count;
    }
    p->mean_size = trace_has_sizes(file) ? size / n : -1;
    p->mean_out = trace_has_tokens(file) ? out / n : -1;
}

static int fill_picture(trace_picture *p, const trace_file *file, char *err) {
    p->format = trace_format_of(file);
    p->provenance = trace_provenance_of(file);
    fill_sizes(p, file);
    p->has_recorded_gaps = trace_has_recorded_gaps(file);
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
    p->minutes = trace_stats_of(counts, p->n_minutes, p->span_s);
    fill_rates(p, counts);
    int rc = fill_top(p, file, counts, err) || trace_gaps_of_all(file, &p->gaps, err) ? -1 : 0;
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
    print_value("%.3g", m->peak_to_mean, "n/a");
    fputs(", CV ", stdout);
    print_value("%.3g", m->cv, "n/a");
    fputs(", var/mean ", stdout);
    print_value("%.4g", m->dispersion, "n/a (no arrivals in whole minutes)");
    printf("\ngaps          mean ");
    print_value("%.4g s", p->gaps.mean_s, "n/a (fewer than 2 arrivals)");
    fputs(", CV ", stdout);
    print_value("%.3g", p->gaps.cv, "n/a");
    puts(p->has_recorded_gaps ? "" : " (expected, for arrivals uniform within each count)");
    if (p->mean_size >= 0) printf("size          mean %.6g a request", p->mean_size);
    if (p->mean_out >= 0) printf(": %.6g tokens in, %.6g out", p->mean_size - p->mean_out, p->mean_out);
    if (p->mean_size >= 0) putchar('\n');
    if (*p->provenance) printf("made by       %s", p->provenance);
    putchar('\n');
}

static void print_top(const trace_picture *p) {
    puts("\nbusiest functions\n rank    row  name              invocations   share  per min  peak/mean  "
         "var/mean   gap CV  mean ms  memory MiB");
    for (size_t i = 0; i < p->n_top; i++) {
        const top_function *t = &p->top[i];
        char name[17];
        snprintf(name, sizeof name, "%s", t->function.name);
        config_show(name); /* a character may be cut */
        printf("%5zu %6zu  %-16s %12llu ", i + 1, t->row + 1, name, (unsigned long long)t->function.count);
        print_value("%6.2f%%",
                    p->minutes.sum ? 100 * (double)t->function.count / (double)p->minutes.sum : NAN,
                    "    n/a");
        printf(" %8.4g ", t->minutes.mean);
        print_value("%10.3g ", t->minutes.peak_to_mean, "       n/a ");
        print_value("%9.4g ", t->minutes.dispersion, "      n/a ");
        print_value("%8.3g ", t->gaps.cv, "     n/a ");
        print_value("%8.5g ", t->function.mean_duration_ms, " unknown ");
        print_value("%11.5g", t->function.mean_memory_mib, "    unknown");
        putchar('\n');
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

static void add_gaps(cJSON *object, const trace_gap_stats *gaps) {
    cJSON *item = cJSON_AddObjectToObject(object, "inter_arrival");
    add_value(item, "mean_s", gaps->mean_s);
    add_value(item, "cv", gaps->cv);
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
        add_value(f, "mean_size", t->function.mean_size);
        add_value(f, "mean_out", t->function.mean_out);
        add_minutes(f, &t->minutes);
        add_gaps(f, &t->gaps);
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
    add_gaps(root, &p->gaps);
    cJSON_AddBoolToObject(root, "inter_arrival_recorded", p->has_recorded_gaps);
    add_value(root, "mean_size", p->mean_size);
    add_value(root, "mean_out", p->mean_out);
    cJSON_AddStringToObject(root, "provenance", p->provenance);
    add_value(root, "bin_minutes", (double)p->bin_minutes);
    cJSON_AddItemToObject(root, "rate_rps", cJSON_CreateDoubleArray(p->rate_rps, (int)p->n_bins));
    add_top(root, p);
    cJSON *defects = cJSON_AddObjectToObject(root, "defects");
    for (size_t i = 0; i < TRACE_N_DEFECTS; i++)
        add_value(defects, trace_defect_at(i)->key,
                  (double)trace_defect_count(&p->defects, trace_defect_at(i)));
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) return -1;
    puts(text);
    free(text);
    return 0;
}

static int print_picture(const trace_picture *p, const trace_file *file, int json) {
    if (json) return print_json(p);
    print_totals(p);
    print_rates(p);
    print_top(p);
    puts("\nknown defects");
    cli_trace_print_defects(file, 1);
    return 0;
}

int cli_trace_info(int argc, char **argv) {
    static const char doc[] = "Tell what a trace file holds: totals, rate over time, burstiness, the busiest "
                              "functions, and the known defects found and what is done with each.";
    cli_trace_args args = {0};
    if (cli_trace_parse(&args, options, "FILE", doc, 0, argc, argv)) return CLI_USAGE;
    if (args.help) return CLI_OK;
    char err[TRACE_ERR_LEN];
    trace_file *file;
    trace_picture picture = {.path = args.path};
    if (trace_open(&file, args.format, args.path, err) || fill_picture(&picture, file, err)) {
        cli_complain(argv[0], "%s", err);
        trace_close(file);
        return CLI_USAGE;
    }
    int rc = print_picture(&picture, file, args.json);
    trace_close(file);
    return rc ? CLI_FAILED : cli_trace_flush(argv[0]);
}
