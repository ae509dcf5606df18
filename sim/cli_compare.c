#include <argp.h>
#include <stdio.h>

#include "cli.h"
#include "compare.h"

typedef struct {
    const char *db, *baseline;
    int json, help;
} compare_args;

enum { KEY_JSON = 0x100 };

static const struct argp_option options[] = {
    {"baseline", 'b', "LABEL", 0, "policy that the others are divided by (default: the experiment's first)",
     0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    compare_args *args = state->input;
    switch (key) {
    case 'b':
        args->baseline = arg;
        return 0;
    case KEY_JSON:
        args->json = 1;
        return 0;
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return cli_take_word(state, arg, &args->db, "database");
    case ARGP_KEY_END:
        return cli_take_end(state, args->help, args->db, "database", "the file that 'hassim run' wrote");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_compare(int argc, char **argv) {
    const struct argp argp = {options,
                              parse,
                              "DB",
                              "Compare the policies of an experiment: each metric as mean and 95 % interval "
                              "over the seeds, and the "
                              "ratios to a baseline, paired by seed."
                              "\vThe database is only read.",
                              NULL,
                              NULL,
                              NULL};
    compare_args args = {0};
    if (cli_parse(&argp, "hassim compare", argc, argv, &args) != 0) return CLI_USAGE;
    if (args.help) return CLI_OK;
    char err[COMPARE_ERR_LEN];
    if (compare_print(args.db, args.baseline, args.json ? COMPARE_JSON : COMPARE_TEXT, stdout, err)) {
        cli_complain("hassim compare", "%s", err);
        return CLI_USAGE;
    }
    if (fflush(stdout) || ferror(stdout)) {
        perror("hassim compare: standard output");
        return CLI_FAILED;
    }
    return CLI_OK;
}
