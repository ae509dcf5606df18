/* cli_policy.c - hassim policy: its verbs. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cli_policy_int.h"

typedef struct {
    const char *name, *takes, *what;
    int (*run)(int argc, char **argv);
} verb;

static const verb verbs[] = {
    {"list", "[NAME]", "the policies and their parameters", cli_policy_list},
    {"new", "NAME", "write a working policy of your own, and say how to build it", cli_policy_new},
    {"test", "PATH|NAME", "does a policy keep the contract? a verdict per item", cli_policy_test},
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static void print_usage(FILE *to) {
    fputs("Usage: hassim policy COMMAND [ARGUMENT...]\n\n", to);
    for (size_t i = 0; i < N_VERBS; i++)
        fprintf(to, "  %-5s %-10s %s\n", verbs[i].name, verbs[i].takes, verbs[i].what);
    fputs("\nEach answers --help.\n", to);
}

int cli_policy(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name != NULL && (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)) {
        print_usage(stdout);
        return CLI_OK;
    }
    for (size_t i = 0; name != NULL && i < N_VERBS; i++) {
        if (strcmp(name, verbs[i].name) != 0) continue;
        char full_name[64]; /* argp speaks under argv[0] */
        snprintf(full_name, sizeof full_name, "hassim policy %s", name);
        argv[1] = full_name;
        return verbs[i].run(argc - 1, argv + 1);
    }
    if (name == NULL)
        cli_complain("hassim policy", "found no command, expected list, new or test");
    else
        cli_complain("hassim policy", "found '%s', expected list, new or test", name);
    return CLI_USAGE;
}
