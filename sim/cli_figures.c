#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "figures.h"

typedef struct {
    figures_request request;
    int help;
} figures_args;

static const struct argp_option options[] = {
    {"out", 'o', "DIR", 0, "folder to write to, made if missing (default: figures)", 0},
    {"only", 'n', "NAME", 0, "draw this figure alone", 0},
    {"format", 'f', "LIST", 0, "of svg, png, pdf, with commas (default: svg,png)", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static error_t parse_argument(figures_args *args, char *arg, struct argp_state *state) {
    if (args->request.db_path) {
        cli_refuse(state, "found '%s', expected one database", arg);
        return EINVAL;
    }
    args->request.db_path = arg;
    return 0;
}

static error_t parse_end(const figures_args *args, struct argp_state *state) {
    if (args->help) cli_help(state);
    if (args->help || args->request.db_path) return 0;
    cli_refuse(state, "found no database, expected the file that 'hassim run' wrote");
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    figures_args *args = state->input;
    switch (key) {
    case 'o':
        args->request.out_dir = arg;
        return 0;
    case 'n':
        args->request.only = arg;
        return 0;
    case 'f':
        args->request.formats = figures_formats_of(arg);
        if (args->request.formats) return 0;
        cli_refuse(state, "--format: found '%s', expected some of svg,png,pdf", arg);
        return EINVAL;
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return parse_argument(args, arg, state);
    case ARGP_KEY_END:
        return parse_end(args, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int draw(figures_request *request) {
    static const int codes[] = {[FIGURES_OK] = CLI_OK,
                                [FIGURES_BAD_INPUT] = CLI_USAGE,
                                [FIGURES_FAILED] = CLI_FAILED,
                                [FIGURES_BROKEN] = CLI_FAILED};
    char plots[4096], err[FIGURES_ERR_LEN];
    figures_status status = FIGURES_FAILED;
    request->plots_dir = plots;
    if (cli_find_shipped("plots", plots, sizeof plots, err, sizeof err) == 0)
        status = figures_draw(request, err);
    if (status != FIGURES_OK) cli_complain("hassim figures", "%s", err);
    return codes[status];
}

int cli_figures(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "DB",
        "Draw the figures of an experiment with gnuplot, and print the paths of the files."
        "\vA figure is plots/NAME.sql and plots/NAME.gp; its data go to NAME.tsv.",
        NULL,
        NULL,
        NULL};
    figures_args args = {
        .request = {
            .out_dir = "figures", .formats = FIGURES_SVG | FIGURES_PNG, .paths = stdout, .log = stderr}};
    if (cli_parse(&argp, "hassim figures", argc, argv, &args) != 0) return CLI_USAGE;
    return args.help ? CLI_OK : draw(&args.request);
}
