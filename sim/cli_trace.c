#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cli_trace_int.h"

typedef struct {
    const char *name, *what;
    int (*run)(int argc, char **argv);
} subcommand;

static const subcommand subcommands[] = {
    {"info", "what a trace file holds: totals, rate over time, burstiness, busiest functions, defects",
     cli_trace_info},
    {"import", "read a trace of any format and write it in the packed one", cli_trace_import},
    {"sample", "a representative subset of the functions, and how far it is from the whole",
     cli_trace_sample},
    {"lint", "count the known defects of a file, and say what is done with each", cli_trace_lint},
    {"generate", "write a trace in the Azure Functions 2019 format from a few numbers", cli_trace_generate},
};
enum { N_SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void print_usage(FILE *to) {
    fputs("Usage: hassim trace COMMAND ...\n\n", to);
    for (size_t i = 0; i < N_SUBCOMMANDS; i++)
        fprintf(to, "  %-10s %s\n", subcommands[i].name, subcommands[i].what);
    fputs("\n'hassim trace COMMAND --help' tells the rest.\n", to);
}

int cli_trace(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name && (!strcmp(name, "--help") || !strcmp(name, "-h"))) {
        print_usage(stdout);
        return CLI_OK;
    }
    for (size_t i = 0; name && i < N_SUBCOMMANDS; i++) {
        if (strcmp(name, subcommands[i].name)) continue;
        char full_name[64]; /* argp speaks under argv[0] */
        snprintf(full_name, sizeof full_name, "hassim trace %s", name);
        argv[1] = full_name;
        return subcommands[i].run(argc - 1, argv + 1);
    }
    if (name)
        cli_complain("hassim trace", "found '%s', expected info, import, sample, lint or generate", name);
    else
        cli_complain("hassim trace", "found no command, expected info, import, sample, lint or generate");
    return CLI_USAGE;
}
