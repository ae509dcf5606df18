/* cli_policy_test.c - hassim policy test: the conformance suite on a built-in policy or a shared object. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_policy_int.h"
#include "conformance.h"

enum { KEY_TIMEOUT = 0x100, KEY_SHOW };

typedef struct {
    const char *policy;
    unsigned long configs, show;
    double timeout_s;
    int has_show, help;
} test_args;

static const struct argp_option options[] = {
    {"configs", 'n', "N", 0, "random configs per item (default 50)", 0},
    {"timeout", KEY_TIMEOUT, "S", 0, "an item that takes longer has failed (default 300)", 0},
    {"show", KEY_SHOW, "K", 0, "print random config K, for hassim run, and test nothing", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static int parse_number(struct argp_state *state, const char *what, const char *text, unsigned long min,
                        unsigned long max, unsigned long *out) {
    char *end = NULL;
    errno = 0;
    *out = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (end != NULL && *end == '\0' && errno == 0 && *out >= min && *out <= max) return 0;
    cli_refuse(state, "%s: found '%s', expected an integer from %lu to %lu", what, text, min, max);
    return EINVAL;
}

static error_t parse_word(struct argp_state *state, test_args *a, const char *arg) {
    if (a->policy == NULL) {
        a->policy = arg;
        return 0;
    }
    cli_refuse(state, "found '%s', expected one policy", arg);
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    test_args *a = state->input;
    unsigned long seconds = 0;
    int rc;
    switch (key) {
    case 'h':
        a->help = 1;
        cli_help(state);
        return 0;
    case 'n':
        return parse_number(state, "--configs", arg, 1, 100000, &a->configs);
    case KEY_TIMEOUT:
        rc = parse_number(state, "--timeout", arg, 1, 86400, &seconds);
        a->timeout_s = (double)seconds;
        return rc;
    case KEY_SHOW:
        a->has_show = 1;
        return parse_number(state, "--show", arg, 0, 99999, &a->show);
    case ARGP_KEY_ARG:
        return parse_word(state, a, arg);
    case ARGP_KEY_END:
        if (a->help || a->policy != NULL) return 0;
        cli_refuse(state, "found no policy, expected a shared object's PATH or a built-in policy's NAME");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_verdict(void *arg, const conformance_verdict *v) {
    static const char *const grades[] = {"pass", "warn", "FAIL"};
    (void)arg;
    printf("  %s  %-9s %s\n", grades[v->grade], v->item, v->text);
    fflush(stdout);
}

static int fail(const char *err) {
    cli_complain("hassim policy test", "%s", err);
    return CLI_USAGE;
}

static int test(const test_args *a, const plugin_set *plugins, const pol_ops *ops) {
    char err[CONFIG_ERR_LEN] = "";
    conformance_summary sum;
    const conformance_options o = {
        .configs = a->configs, .timeout_s = a->timeout_s, .report = print_verdict, .report_arg = NULL};
    printf("%s: %s\n", ops->name, ops->help);
    fflush(stdout);
    if (conformance_run(plugins, ops, &o, &sum, err) != 0) {
        fail(err);
        return CLI_FAILED;
    }
    printf("%s: %zu of %zu items passed", ops->name, sum.items - sum.failed, sum.items);
    printf(sum.warned > 0 ? ", %zu with a warning\n" : "\n", sum.warned);
    if (sum.failed > 0)
        printf("Config K is what `hassim policy test %s --show K` prints; `hassim run` takes it.\n",
               a->policy);
    return sum.failed > 0 || fflush(stdout) != 0 || ferror(stdout) ? CLI_FAILED : CLI_OK;
}

static int show(const test_args *a, const pol_ops *ops) {
    char *text = conformance_config(ops, a->show);
    int rc = text != NULL && fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
    if (rc != CLI_OK) fail("standard output: cannot be written");
    free(text);
    return rc;
}

/* A path has a slash or ends in .so; anything else is a name */
static int is_path(const char *s) {
    size_t n = strlen(s);
    return strchr(s, '/') != NULL || (n > 3 && strcmp(s + n - 3, ".so") == 0);
}

static int find_and_test(const test_args *a) {
    char err[CONFIG_ERR_LEN] = "no memory", quoted[CONFIG_FOUND_LEN];
    const pol_ops *ops = NULL;
    plugin_set *plugins = plugin_set_new();
    int rc = plugins == NULL ? -1 : 0;
    if (rc == 0 && is_path(a->policy)) {
        rc = plugin_load(plugins, a->policy, err);
        for (size_t i = 0; rc == 0 && plugin_policy_at(plugins, i) != NULL; i++)
            ops = plugin_policy_at(plugins, i);
    } else if (rc == 0 && (ops = policy_find(a->policy)) == NULL) {
        rc = config_fail(
            err, "PATH|NAME", NULL, config_quote(quoted, a->policy),
            "a shared object's path (./mine.so), or a built-in policy (see `hassim policy list`)");
    }
    if (rc != 0)
        rc = fail(err);
    else
        rc = a->has_show ? show(a, ops) : test(a, plugins, ops);
    plugin_set_free(plugins);
    return rc;
}

int cli_policy_test(int argc, char **argv) {
    const struct argp argp = {options,
                              parse,
                              "PATH|NAME",
                              "Does a policy keep the contract? The contract itself, opening, threads, "
                              "laziness, order, legal actions, determinism, "
                              "refused actions, memory and cost, on random small configs, a verdict "
                              "each.\vExit codes: 0 all items passed, "
                              "1 one failed, 2 bad usage, or no policy that can be loaded.",
                              NULL,
                              NULL,
                              NULL};
    test_args a = {.configs = 50, .timeout_s = 300};
    if (cli_parse(&argp, "hassim policy test", argc, argv, &a) != 0) return CLI_USAGE;
    return a.help ? CLI_OK : find_and_test(&a);
}
