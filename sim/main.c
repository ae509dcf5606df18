/* main.c - hassim's commands, one row each. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "config_json.h"

typedef struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} command;

static const command commands[] = {
    {"run", cli_run, "run an experiment: policies x seeds x grid, and compare them"},
    {"compare", cli_compare, "the table of an experiment, with 95 % intervals and ratios"},
    {"figures", cli_figures, "draw an experiment's figures (gnuplot)"},
    {"trace", cli_trace, "info, import, sample, lint, generate: look at traces, make synthetic ones"},
    {"calib", cli_calib, "info, check, import, fit, figure: what the simulator knows about GPUs and models"},
    {"rapp", cli_rapp, "train, eval, cv, predict: latency predictors, and how good they are"},
    {"policy", cli_policy, "list, new, test: the policies, and yours among them"},
    {"validate", cli_validate, "recorded runs of a real testbed, simulated: how far off?"},
    {"bench", cli_bench, "replay, day, queue, policy, trace: how fast the parts are"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to) {
    fputs("Usage: hassim COMMAND [ARGUMENT...]\n"
          "Simulates GPU clusters that serve inference functions, and compares scaling policies on cost and "
          "SLO violation.\n\n",
          to);
    for (size_t i = 0; i < N_COMMANDS; i++) fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\n'hassim COMMAND --help' says more. Exit codes: 0 done, 1 failed, 2 bad usage or input.\n", to);
}

static int fail_unknown(const char *name) {
    const command *near = &commands[0];
    char quoted[CONFIG_FOUND_LEN];
    for (size_t i = 1; i < N_COMMANDS; i++)
        if (config_distance(name, commands[i].name) < config_distance(name, near->name)) near = &commands[i];
    int is_near = config_is_near(name, config_distance(name, near->name));
    cli_complain("hassim", "found %s, expected a command%s%s", config_quote(quoted, name),
                 is_near ? "; the nearest is " : " (see hassim --help)", is_near ? near->name : "");
    return CLI_USAGE;
}

static int run_command(int argc, char **argv) {
    if (argc < 2) {
        cli_complain("hassim", "found no command, expected one (see hassim --help)");
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("hassim " HASSIM_VERSION);
        return CLI_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    return fail_unknown(argv[1]);
}

/* What a command has printed must have arrived, or it has failed. A file that grows beyond the limit (ulimit -f) is a
 * write that fails, like a full disk, and no end of the program that leaves parts of files behind. */
int main(int argc, char **argv) {
    signal(SIGXFSZ, SIG_IGN);
    int rc = run_command(argc, argv);
    if (rc != CLI_OK || (fflush(stdout) == 0 && !ferror(stdout))) return rc;
    cli_complain("hassim", "standard output: cannot be written");
    return CLI_FAILED;
}
