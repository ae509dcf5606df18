/* cli_parse.c - command lines by argp, and one line about what is wrong with one. argp's own errors are two
 * lines long and do not say what was expected; they are switched off. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "config_json.h"

enum { LINE_LEN = 2048 };

typedef struct {
    const struct argp *inner;
    void *input; /* the inner parser's */
    int has_said;
} relay;

void cli_complain(const char *command, const char *format, ...) {
    char line[LINE_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    config_show(line);
    fprintf(stderr, "%s: %s\n", command, line);
}

static int is_option(const struct argp_option *o) {
    return o->name != NULL && (o->flags & OPTION_HIDDEN) == 0;
}

/* What getopt took word for: its own name, or the only one that begins so. NULL: none; *n says how many do */
static const struct argp_option *find_long(const struct argp_option *options, const char *word, size_t len,
                                           size_t *n) {
    const struct argp_option *match = NULL;
    *n = 0;
    for (const struct argp_option *o = options; o->name != NULL; o++) {
        if (!is_option(o) || strncmp(o->name, word, len) != 0) continue;
        match = o;
        ++*n;
        if (strlen(o->name) != len) continue;
        *n = 1;
        return o;
    }
    return *n == 1 ? match : NULL;
}

static void refuse_unknown(const struct argp_state *state, const struct argp_option *options,
                           const char *word, size_t len) {
    char name[CONFIG_FOUND_LEN];
    const struct argp_option *near = NULL;
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), word);
    for (const struct argp_option *o = options; o->name != NULL; o++)
        if (is_option(o) &&
            (near == NULL || config_distance(name, o->name) < config_distance(name, near->name)))
            near = o;
    if (near != NULL && config_is_near(name, config_distance(name, near->name)))
        cli_complain(state->name, "found the unknown option --%s, expected --%s", name, near->name);
    else
        cli_complain(state->name, "found the unknown option --%s, expected one of %s --help", name,
                     state->name);
}

static void refuse_long(const struct argp_state *state, const struct argp_option *options, const char *word) {
    size_t len = strcspn(word, "="), n = 0;
    const struct argp_option *o = find_long(options, word, len, &n);
    if (n > 1)
        cli_complain(state->name, "found --%.*s, which several options begin with, expected a whole name",
                     (int)len, word);
    else if (o == NULL)
        refuse_unknown(state, options, word, len);
    else if (o->arg == NULL)
        cli_complain(state->name, "--%s: found a value, expected none", o->name);
    else
        cli_complain(state->name, "--%s: found no value, expected %s", o->name, o->arg);
}

/* -x: the last letter of the word is wrong, or an unknown one before it is */
static void refuse_short(const struct argp_state *state, const struct argp_option *options,
                         const char *word) {
    for (; *word != '\0'; word++) {
        const struct argp_option *o = options;
        while (o->name != NULL && o->key != *word) o++;
        if (o->name == NULL)
            cli_complain(state->name, "found the unknown option -%c, expected one of %s --help", *word,
                         state->name);
        else if (o->arg != NULL)
            cli_complain(state->name, "-%c: found no value, expected %s", *word, o->arg);
        if (o->name == NULL || o->arg != NULL) return;
    }
}

/* state->next is past the word that getopt refused, or at it, where letters of it are left */
static void refuse_option(const struct argp_state *state, const struct argp_option *options) {
    int at = state->next - 1;
    if (state->next < state->argc && (at < 1 || state->argv[at][0] != '-')) at = state->next;
    const char *word = at < 1 ? "" : state->argv[at];
    if (strncmp(word, "--", 2) == 0)
        refuse_long(state, options, word + 2);
    else
        refuse_short(state, options, *word == '-' ? word + 1 : word);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    relay *r = state->input;
    state->input = r->input;
    error_t rc = r->inner->parser(key, arg, state);
    state->input = r;
    if (rc != 0 && rc != ARGP_ERR_UNKNOWN) r->has_said = 1;
    if (key != ARGP_KEY_ERROR || r->has_said) return rc;
    refuse_option(state, r->inner->options);
    return rc;
}

error_t cli_refuse(const struct argp_state *state, const char *format, ...) {
    char line[LINE_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    cli_complain(state->name, "%s", line);
    return EINVAL;
}

void cli_help(const struct argp_state *state) {
    struct argp_state loud = *state;
    loud.flags &= ~(unsigned)ARGP_NO_ERRS; /* with it, argp prints no help, either */
    argp_state_help(&loud, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK);
}

error_t cli_take_word(const struct argp_state *state, const char *arg, const char **word,
                      const char *second) {
    if (*word) return cli_refuse(state, "found '%s', expected one %s", arg, second);
    *word = arg;
    return 0;
}

error_t cli_take_end(const struct argp_state *state, int help, const char *word, const char *what,
                     const char *expected) {
    if (help) cli_help(state);
    return help || word ? 0 : cli_refuse(state, "found no %s, expected %s", what, expected);
}

int cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input) {
    char program[64], *given = argv[0];
    struct argp outer = *argp;
    relay r = {.inner = argp, .input = input};
    snprintf(program, sizeof program, "%s", name);
    outer.parser = parse;
    argv[0] = program; /* what messages begin with */
    error_t bad = argp_parse(&outer, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP | ARGP_NO_ERRS, NULL, &r);
    argv[0] = given;
    return bad ? -1 : 0;
}
