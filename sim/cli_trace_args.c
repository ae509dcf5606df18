/* cli_trace_args.c - what the subcommands of `hassim trace` have in common. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli.h"
#include "cli_trace_int.h"
#include "trace_defects.h"
#include "trace_packed.h"

typedef struct {
    cli_trace_args *args;
    int needs_output;
} parsing;

static error_t take_number(struct argp_state *state, const char *option, const char *arg, uint64_t *value) {
    char *end;
    errno = 0;
    *value = strtoull(arg, &end, 10);
    if (*arg >= '0' && *arg <= '9' && !*end && !errno) return 0;
    return cli_refuse(state, "--%s: found '%s', expected a whole number >= 0, not huge", option, arg);
}

static error_t parse_end(const parsing *p, struct argp_state *state) {
    const cli_trace_args *args = p->args;
    error_t rc = cli_take_end(state, args->help, args->path, "trace file", "one");
    if (!rc && !args->help && p->needs_output && !args->output)
        return cli_refuse(state, "found no output, expected -o FILE");
    return rc;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    const parsing *p = state->input;
    cli_trace_args *args = p->args;
    switch (key) {
    case 'f':
        args->format = arg;
        return 0;
    case 'o':
        args->output = arg;
        return 0;
    case 'n':
        return take_number(state, "functions", arg, &args->functions);
    case 's':
        return take_number(state, "seed", arg, &args->seed);
    case KEY_JSON:
        args->json = 1;
        return 0;
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return cli_take_word(state, arg, &args->path, "file");
    case ARGP_KEY_END:
        return parse_end(p, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_trace_parse(cli_trace_args *args, const struct argp_option *options, const char *usage,
                    const char *doc, int needs_output, int argc, char **argv) {
    const struct argp argp = {options, parse, usage, doc, NULL, NULL, NULL};
    parsing p = {args, needs_output};
    return cli_parse(&argp, argv[0], argc, argv, &p);
}

void cli_trace_print_defects(const trace_file *file, int all) {
    trace_defects defects = trace_defects_of(file);
    for (size_t i = 0; i < TRACE_N_DEFECTS; i++) {
        const trace_defect *d = trace_defect_at(i);
        uint64_t n = trace_defect_count(&defects, d);
        if (n || all)
            printf("%8llu  %s%s%s\n", (unsigned long long)n, d->what, n ? ": " : "", n ? d->handling : "");
    }
}

int cli_trace_spare(const cli_trace_args *args, const trace_file *file, char *err) {
    int rc = cli_spare_input(args->output, trace_path_of(file), err, TRACE_ERR_LEN);
    for (size_t i = 0; !rc && trace_path_joined(file, i); i++)
        rc = cli_spare_input(args->output, trace_path_joined(file, i), err, TRACE_ERR_LEN);
    return rc;
}

int cli_trace_flush(const char *name) {
    if (!fflush(stdout) && !ferror(stdout)) return CLI_OK;
    cli_complain(name, "cannot write standard output");
    return CLI_FAILED;
}

int cli_trace_provenance(char *text, size_t size, const trace_file *file, const char *how, char *err) {
    const char *path = trace_path_of(file);
    enum { PIECE = 1 << 16 };
    uint64_t bytes = 0;
    unsigned long crc = crc32(0, NULL, 0);
    unsigned char *piece = malloc(PIECE);
    FILE *f = piece ? fopen(path, "rb") : NULL;
    if (!f) {
        snprintf(err, TRACE_ERR_LEN, "%s: %s", path, piece ? strerror(errno) : "out of memory");
        free(piece);
        return -1;
    }
    for (size_t n; (n = fread(piece, 1, PIECE, f)) > 0; bytes += n) crc = crc32(crc, piece, (unsigned)n);
    fclose(f);
    free(piece);
    const char *slash = strrchr(path, '/'), *before = trace_provenance_of(file);
    snprintf(text, size, "%s of %s: format %s, %llu bytes, CRC-32 %08lx; hassim %s%s%s\n", how,
             slash ? slash + 1 : path, trace_format_of(file), (unsigned long long)bytes, crc, HASSIM_VERSION,
             *before ? "\n" : "", before);
    return 0;
}
