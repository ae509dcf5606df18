/* cli_policy.c - hassim policy list: the built-in policies and their parameters. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "policy.h"

typedef struct {
    const char *verb, *name;
    int help;
} policy_args;

static const struct argp_option options[] = {
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static error_t parse_argument(struct argp_state *state, policy_args *a, const char *arg) {
    if (a->verb == NULL) {
        a->verb = arg;
        if (strcmp(arg, "list") == 0) return 0;
        argp_failure(state, 0, 0, "found '%s', expected list", arg);
        return EINVAL;
    }
    if (a->name == NULL && policy_find(arg) != NULL) {
        a->name = arg;
        return 0;
    }
    argp_failure(state, 0, 0, "'%s': expected one policy that exists, or none for all", arg);
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    policy_args *a = state->input;
    switch (key) {
    case 'h':
        a->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return parse_argument(state, a, arg);
    case ARGP_KEY_END:
        if (a->help) {
            argp_state_help(state, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK);
            return 0;
        }
        if (a->verb != NULL) return 0;
        argp_failure(state, 0, 0, "no verb given, expected list");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A default as the config would write it: a number, or the name of a choice */
static void format_default(const pol_param *p, pol_mode mode, char *out, size_t len) {
    if (p->choices == NULL) {
        snprintf(out, len, "%.10g", p->by_default[mode]);
        return;
    }
    const char *choice = p->choices;
    for (int i = 0; i < (int)p->by_default[mode] && strchr(choice, '|') != NULL; i++)
        choice = strchr(choice, '|') + 1;
    snprintf(out, len, "%.*s", (int)strcspn(choice, "|"), choice);
}

static void print_param(const pol_param *p) {
    char corrected[40], artifact[40], takes[160];
    format_default(p, POL_CORRECTED, corrected, sizeof corrected);
    format_default(p, POL_ARTIFACT, artifact, sizeof artifact);
    if (p->choices != NULL)
        snprintf(takes, sizeof takes, "%s", p->choices);
    else
        snprintf(takes, sizeof takes, "%s%.10g to %.10g%s%s", p->is_integer ? "integer " : "", p->min, p->max,
                 *p->unit == '\0' ? "" : " ", p->unit);
    printf("  %-26s %-12s %-12s %s\n  %-26s   %s\n", p->key, corrected, artifact, takes, "", p->help);
}

static void print_policy(const pol_ops *ops) {
    printf("%s: %s\n  billing %s, metrics every %g s\n", ops->name, ops->help, ops->billing, ops->scrape_s);
    if (ops->n_params > 0) printf("  %-26s %-12s %-12s %s\n", "params", "corrected", "artifact", "takes");
    for (size_t i = 0; i < ops->n_params; i++) print_param(&ops->params[i]);
}

int cli_policy(int argc, char **argv) {
    const struct argp argp = {
        options,       parse,
        "list [NAME]", "List the built-in policies with their parameters, and the defaults of both modes.",
        NULL,          NULL,
        NULL};
    policy_args a = {0};
    char name[] = "hassim policy"; /* what argp and getopt begin their messages with */
    argv[0] = name;
    if (argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, &a) != 0) return CLI_USAGE;
    for (size_t i = 0; !a.help && policy_at(i) != NULL; i++)
        if (a.name == NULL || strcmp(a.name, policy_at(i)->name) == 0) print_policy(policy_at(i));
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_OK;
    perror("hassim policy: standard output");
    return CLI_FAILED;
}
