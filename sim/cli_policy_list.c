/* cli_policy_list.c - hassim policy list: the policies and their parameters, plug-ins' included. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_policy_int.h"
#include "plugin.h"

enum { KEY_PLUGIN = 0x100 };

typedef struct {
    const char *name; /* NULL: all */
    const char **plugins;
    size_t n_plugins;
    int help;
} list_args;

static const struct argp_option options[] = {
    {"plugin", KEY_PLUGIN, "FILE", 0, "list this shared object's policy, too; repeatable", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    list_args *a = state->input;
    switch (key) {
    case 'h':
        a->help = 1;
        cli_help(state);
        return 0;
    case KEY_PLUGIN:
        a->plugins[a->n_plugins++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (a->name == NULL) {
            a->name = arg;
            return 0;
        }
        cli_refuse(state, "found '%s', expected one policy, or none for all", arg);
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
    char corrected[64], artifact[64], takes[160];
    format_default(p, POL_CORRECTED, corrected, sizeof corrected);
    format_default(p, POL_ARTIFACT, artifact, sizeof artifact);
    if (p->choices != NULL)
        snprintf(takes, sizeof takes, "%s", p->choices);
    else
        snprintf(takes, sizeof takes, "%s%.10g to %.10g%s%s", p->is_integer ? "integer " : "", p->min, p->max,
                 *p->unit == '\0' ? "" : " ", p->unit);
    printf("  %-26s %-12s %-12s %s\n  %-26s   %s\n", p->key, corrected, artifact, takes, "", p->help);
}

static void print_policy(const pol_ops *ops, const plugin *from) {
    printf("%s: %s\n  billing %s, metrics every %g s%s%s\n", ops->name, ops->help, ops->billing,
           ops->scrape_s, from == NULL ? "" : ", from ", from == NULL ? "" : from->path);
    if (ops->n_params > 0) printf("  %-26s %-12s %-12s %s\n", "params", "corrected", "artifact", "takes");
    for (size_t i = 0; i < ops->n_params; i++) print_param(&ops->params[i]);
}

static int list(const list_args *a, const plugin_set *plugins) {
    const pol_ops *ops;
    if (a->name != NULL && plugin_policy_find(plugins, a->name) == NULL) {
        cli_complain("hassim policy list", "found '%s', expected one policy that exists, or none for all",
                     a->name);
        return CLI_USAGE;
    }
    for (size_t i = 0; (ops = plugin_policy_at(plugins, i)) != NULL; i++)
        if (a->name == NULL || strcmp(a->name, ops->name) == 0) print_policy(ops, plugin_of(plugins, ops));
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_OK;
    perror("hassim policy list: standard output");
    return CLI_FAILED;
}

static int load_and_list(const list_args *a) {
    char err[CONFIG_ERR_LEN] = "no memory";
    plugin_set *plugins = plugin_set_new();
    int rc = plugins == NULL ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < a->n_plugins; i++) rc = plugin_load(plugins, a->plugins[i], err);
    if (rc != 0) cli_complain("hassim policy list", "%s", err);
    rc = rc == 0 ? list(a, plugins) : CLI_USAGE;
    plugin_set_free(plugins);
    return rc;
}

int cli_policy_list(int argc, char **argv) {
    const struct argp argp = {
        options, parse, "[NAME]", "List the policies with their parameters, and the defaults of both modes.",
        NULL,    NULL,  NULL};
    list_args a = {.plugins = calloc((size_t)argc + 1, sizeof *a.plugins)};
    int rc = CLI_USAGE;
    if (a.plugins == NULL)
        cli_complain("hassim policy list", "no memory");
    else if (cli_parse(&argp, "hassim policy list", argc, argv, &a) == 0)
        rc = a.help ? CLI_OK : load_and_list(&a);
    free(a.plugins);
    return rc;
}
