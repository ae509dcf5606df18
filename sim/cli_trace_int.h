/* cli_trace_int.h - the subcommands of `hassim trace`: each as cli.h says, argv[0] is its name. Those that read a
 * trace share their arguments. */
#ifndef CLI_TRACE_INT_H
#define CLI_TRACE_INT_H

#include <argp.h>
#include <stdint.h>

#include "trace.h"

int cli_trace_info(int argc, char **argv);     /* cli_trace_info.c */
int cli_trace_import(int argc, char **argv);   /* cli_trace_import.c */
int cli_trace_sample(int argc, char **argv);   /* cli_trace_sample.c */
int cli_trace_lint(int argc, char **argv);     /* cli_trace_lint.c */
int cli_trace_generate(int argc, char **argv); /* cli_trace_generate.c */

typedef struct {
    const char *path, *format; /* the trace; NULL: guessed */
    const char *output;
    uint64_t functions, seed;
    int json, help;
} cli_trace_args;

/* Keys of options, by what they set: format 'f', output 'o', functions 'n', seed 's', json, help 'h'. A command's own
 * table has those that it takes. */
enum { KEY_JSON = 0x100 };
#define CLI_TRACE_FORMAT_HELP "what the file is (default: by its first line): one of " TRACE_FORMATS

/* 0, or -1 after a message. needs_output: -o must be there. argv[0] is the name in messages. */
int cli_trace_parse(cli_trace_args *args, const struct argp_option *options, const char *usage,
                    const char *doc, int needs_output, int argc, char **argv);
/* The defects found, one a line: count, what, handling; only those with any unless all. */
void cli_trace_print_defects(const trace_file *file, int all);
/* Whether the trace's files will still be there when the output is: 0, or -1 with err, of TRACE_ERR_LEN. */
int cli_trace_spare(const cli_trace_args *args, const trace_file *file, char *err);
/* CLI_OK, or CLI_FAILED and a message: whether standard output took everything. */
int cli_trace_flush(const char *name);
/* What a packed file says of its origin: name, format, bytes and CRC-32 of the file that was opened. */
int cli_trace_provenance(char *text, size_t size, const trace_file *file, const char *how, char *err);

#endif
