/* cli_bench_trace.c - hassim bench trace: how fast a trace is read whole, and how fast its arrivals are drawn.
 *
 * Without a file, one is generated like Azure Functions 2019 (its counts per minute only are what this measures) into
 * a folder of its own, and removed. What is read comes from the page cache: the first reading is not counted. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cli_bench_int.h"
#include "trace_generate.h"

enum { KEY_JSON = 0x100, REPEAT_MAX = 100, DRAWN_MAX = 50000000 };

typedef struct {
    const char *path, *format;
    unsigned long functions, repeat;
    int json, help;
} trace_args;

typedef struct {
    double wall_s[REPEAT_MAX], cpu_s[REPEAT_MAX]; /* apart where the machine has other work */
    double functions, requests, bytes, drawn, draw_s;
} trace_figures;

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "of the file (default: by its first line)", 0},
    {"functions", 'N', "N", 0, "functions of the generated trace, without a file (default 10000)", 0},
    {"repeat", 'n', "N", 0, "readings: the median is reported (default 5)", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    trace_args *a = state->input;
    switch (key) {
    case 'f':
        a->format = arg;
        return 0;
    case 'N':
        return cli_bench_number(state, "--functions", arg, 1000000, &a->functions);
    case 'n':
        return cli_bench_number(state, "--repeat", arg, REPEAT_MAX, &a->repeat);
    case KEY_JSON:
        a->json = 1;
        return 0;
    case 'h':
        a->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return cli_take_word(state, arg, &a->path, "file");
    case ARGP_KEY_END:
        if (a->help) cli_help(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Arrivals of one function after the other, up to DRAWN_MAX. */
static int draw(const trace_file *file, trace_figures *out, char *err) {
    enum { BLOCK = 256 };
    int64_t ns[BLOCK];
    double begin_s = cli_bench_cpu_s();
    for (size_t f = 0; f < trace_n_functions(file) && out->drawn < DRAWN_MAX; f++) {
        trace_spec spec = {.file = file, .index = f, .scale = 1, .duration_ns = INT64_MAX / 2};
        trace_source *source;
        if (trace_source_open(&source, &spec, 1, (uint32_t)f, err)) return -1;
        for (size_t n; out->drawn < DRAWN_MAX && (n = trace_source_next(source, ns, BLOCK)) > 0;)
            out->drawn += (double)n;
        trace_source_close(source);
    }
    out->draw_s = cli_bench_cpu_s() - begin_s;
    return 0;
}

static int measure(const trace_args *a, const char *path, trace_figures *out, char *err) {
    for (size_t i = 0; i <= a->repeat; i++) { /* 0: into the page cache */
        trace_file *file;
        double begin_s = cli_bench_now_s(), begin_cpu_s = cli_bench_cpu_s();
        if (trace_open(&file, a->format, path, err)) return -1;
        if (i) out->wall_s[i - 1] = cli_bench_now_s() - begin_s;
        if (i) out->cpu_s[i - 1] = cli_bench_cpu_s() - begin_cpu_s;
        int rc = i == a->repeat ? draw(file, out, err) : 0;
        out->bytes = (double)trace_input_bytes_of(file);
        out->functions = (double)trace_n_functions(file);
        out->requests = 0;
        for (size_t f = 0; f < trace_n_functions(file); f++)
            out->requests += (double)trace_function_at(file, f).count;
        trace_close(file);
        if (rc) return rc;
    }
    cli_bench_sort(out->wall_s, a->repeat);
    cli_bench_sort(out->cpu_s, a->repeat);
    return 0;
}

static int measure_generated(const trace_args *a, trace_figures *out, char *err) {
    static const char *const names[] = {"invocations.csv", "durations.csv", "memory.csv"};
    trace_generate_spec spec = {.like = TRACE_LIKE_AZURE2019,
                                .functions = (uint32_t)a->functions,
                                .minutes = 1440,
                                .mean_rps =
                                    0.02 * (double)a->functions, /* the file's size hardly depends on it */
                                .seed = 1};
    trace_summary summary;
    char folder[] = "/tmp/hassim-bench-XXXXXX", path[64];
    if (!mkdtemp(folder)) {
        snprintf(err, TRACE_ERR_LEN, "%s: no folder can be made there", folder);
        return -1;
    }
    int rc = trace_generate(&spec, folder, &summary, err);
    snprintf(path, sizeof path, "%s/%s", folder, names[0]);
    if (!rc) rc = measure(a, path, out, err);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    return rc;
}

static void print(const trace_args *a, const trace_figures *f) {
    double median = f->wall_s[a->repeat / 2], draw_ns = f->drawn > 0 ? 1e9 * f->draw_s / f->drawn : 0;
    double mb_per_s = f->bytes * 1e-6 / median, rss_mib = cli_bench_rss_mib();
    if (a->json) {
        printf("{\"benchmark\": \"trace\", \"file\": \"%s\", \"functions\": %.0f, \"repeat\": %lu, "
               "\"requests\": %.0f, "
               "\"bytes\": %.0f,\n \"wall_s\": %.6f, \"wall_min_s\": %.6f, \"wall_max_s\": %.6f, "
               "\"cpu_s\": %.6f, \"mb_per_s\": %.1f, "
               "\"requests_per_s\": %.0f,\n \"drawn\": %.0f, \"draw_ns_per_request\": %.3f, \"max_rss_mib\": "
               "%.1f}\n",
               a->path ? "given" : "generated", f->functions, a->repeat, f->requests, f->bytes, median,
               f->wall_s[0], f->wall_s[a->repeat - 1], f->cpu_s[a->repeat / 2], mb_per_s,
               f->requests / median, f->drawn, draw_ns, rss_mib);
        return;
    }
    printf("trace: %.0f functions, %.0f requests, %.1f MB of input\n"
           "  read      %.3f s (median of %lu; %.3f to %.3f), %.0f MB/s, %.3g million requests/s\n"
           "  processor %.3f s (median), %.0f MB/s\n"
           "  draw      %.1f ns a request (%.0f drawn, one function after the other)\n"
           "  memory    %.1f MiB\n",
           f->functions, f->requests, f->bytes * 1e-6, median, a->repeat, f->wall_s[0],
           f->wall_s[a->repeat - 1], mb_per_s, f->requests / median * 1e-6, f->cpu_s[a->repeat / 2],
           f->bytes * 1e-6 / f->cpu_s[a->repeat / 2], draw_ns, f->drawn, rss_mib);
}

int cli_bench_trace(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "[FILE]",
        "Measure how fast a trace is read, from the page cache, with the files that are joined with "
        "it; without a file, one is generated. Bytes are those of the text, unpacked.",
        NULL,
        NULL,
        NULL};
    trace_args a = {.functions = 10000, .repeat = 5};
    trace_figures f = {0};
    char err[TRACE_ERR_LEN];
    if (cli_parse(&argp, argv[0], argc, argv, &a)) return CLI_USAGE;
    if (a.help) return CLI_OK;
    if (a.path ? measure(&a, a.path, &f, err) : measure_generated(&a, &f, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    print(&a, &f);
    return CLI_OK;
}
