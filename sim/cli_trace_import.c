#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"
#include "cli_trace_int.h"
#include "trace_packed.h"

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "the packed trace (needed), in place of an old one when all is written", 0},
    {"format", 'f', "FORMAT", 0, CLI_TRACE_FORMAT_HELP, 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print(const cli_trace_args *args, const trace_file *file, const trace_packed_size *size,
                  double wall_s) {
    struct stat st;
    double in = stat(args->path, &st) ? 0 : (double)st.st_size;
    double each = size->requests ? (double)size->record_bytes / (double)size->requests : 0;
    if (args->json) {
        printf("{\"functions\": %llu, \"requests\": %llu, \"bytes\": %llu, \"record_bytes\": %llu, "
               "\"input_bytes\": "
               "%.0f, \"wall_s\": %.6f, \"mb_per_s\": %.1f}\n",
               (unsigned long long)size->functions, (unsigned long long)size->requests,
               (unsigned long long)size->bytes, (unsigned long long)size->record_bytes, in, wall_s,
               in * 1e-6 / wall_s);
        return;
    }
    printf("%s: %llu functions, %llu requests from %s, %llu bytes (records: %.2f a request)\n"
           "read, checked and written in %.3f s, %.0f MB/s of the input\n",
           args->output, (unsigned long long)size->functions, (unsigned long long)size->requests,
           trace_format_of(file), (unsigned long long)size->bytes, each, wall_s, in * 1e-6 / wall_s);
    cli_trace_print_defects(file, 0);
}

static int import(const cli_trace_args *args, char *err) {
    trace_file *file = NULL;
    trace_packed_size size;
    char provenance[1024];
    double begin_s = now_s();
    int rc = trace_open(&file, args->format, args->path, err);
    if (!rc) rc = cli_trace_spare(args, file, err);
    if (!rc) rc = cli_trace_provenance(provenance, sizeof provenance, file, "import", err);
    if (!rc) rc = cli_make_folder_of(args->output, err, TRACE_ERR_LEN);
    if (!rc) rc = trace_packed_write(file, NULL, 0, provenance, args->output, &size, err);
    if (!rc) print(args, file, &size, now_s() - begin_s);
    trace_close(file);
    return rc;
}

int cli_trace_import(int argc, char **argv) {
    static const char doc[] =
        "Read a trace of any format, check it, and write it in the packed one: at most 8 bytes "
        "per request, mapped when it is used. It replays as the original does, bit for bit.";
    cli_trace_args args = {0};
    char err[TRACE_ERR_LEN];
    if (cli_trace_parse(&args, options, "FILE -o PACKED", doc, 1, argc, argv)) return CLI_USAGE;
    if (args.help) return CLI_OK;
    if (import(&args, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    return cli_trace_flush(argv[0]);
}
