/* cli_trace.c - hassim trace: its verbs. */
#include "cli.h"
#include "cli_trace_int.h"

int cli_trace(int argc, char **argv) {
    static const cli_verb verbs[] = {
        {"info", "FILE", "what a trace holds: totals, rate over time, burstiness, busiest functions, defects",
         cli_trace_info},
        {"import", "FILE", "read a trace of any format and write it in the packed one", cli_trace_import},
        {"sample", "FILE", "a representative subset of the functions, and how far it is from the whole",
         cli_trace_sample},
        {"lint", "FILE", "count the known defects of a file, and say what is done with each", cli_trace_lint},
        {"generate", "", "write a trace in the Azure Functions 2019 format", cli_trace_generate},
        {0},
    };
    return cli_run_verb(verbs, "hassim trace", argc, argv);
}
