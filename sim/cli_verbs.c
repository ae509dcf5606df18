/* cli_verbs.c - commands that are only a table of others. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static void print_usage(const cli_verb *verbs, const char *command) {
    printf("Usage: %s COMMAND [ARGUMENT...]\n\n", command);
    for (const cli_verb *v = verbs; v->name; v++) printf("  %-8s %-11s %s\n", v->name, v->takes, v->what);
    puts("\nEach answers --help.");
}

/* "list, new or test" */
static void list_names(const cli_verb *verbs, char *text, size_t size) {
    size_t used = 0;
    for (const cli_verb *v = verbs; v->name && used < size; v++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 v == verbs  ? ""
                                 : v[1].name ? ", "
                                             : " or ",
                                 v->name);
}

int cli_run_verb(const cli_verb *verbs, const char *command, int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name && (!strcmp(name, "--help") || !strcmp(name, "-h"))) {
        print_usage(verbs, command);
        return CLI_OK;
    }
    for (const cli_verb *v = verbs; name && v->name; v++) {
        if (strcmp(name, v->name)) continue;
        char full_name[64]; /* argp speaks under argv[0] */
        snprintf(full_name, sizeof full_name, "%s %s", command, name);
        argv[1] = full_name;
        return v->run(argc - 1, argv + 1);
    }
    char known[160];
    list_names(verbs, known, sizeof known);
    if (name)
        cli_complain(command, "found '%s', expected %s", name, known);
    else
        cli_complain(command, "found no command, expected %s", known);
    return CLI_USAGE;
}
