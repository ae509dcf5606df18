/* cli_policy_new.c - hassim policy new: a copy of policies/fixed.c under another name, and how to build it.
 *
 * Every "fixed" of the template becomes the name, which it is written for: the word stands there for nothing
 * else. In C's identifiers the name's "-" becomes "_". */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cli_policy_int.h"
#include "config_json.h"
#include "policy.h"

enum { NAME_LEN_MAX = 40, PATH_LEN = 4096, LINE_LEN = 3 * PATH_LEN };

static const char word[] = "fixed"; /* of the template */

typedef struct {
    const char *name, *folder;
    int help;
} new_args;

static const struct argp_option options[] = {
    {"output", 'o', "DIR", 0, "folder for NAME.c, made if missing (default: this one)", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {"usage", 0, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, -1},
    {0},
};

static int is_name(const char *s) {
    if (!islower((unsigned char)*s)) return 0;
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return s[n] == '\0' && n <= NAME_LEN_MAX;
}

static error_t parse_name(struct argp_state *state, new_args *a, const char *arg) {
    char quoted[CONFIG_FOUND_LEN];
    if (a->name != NULL || !is_name(arg))
        cli_refuse(state,
                   "found %s, expected one name: a lower-case letter, then letters, digits, \"_\", \"-\"",
                   config_quote(quoted, arg));
    else if (policy_find(arg) != NULL)
        cli_refuse(state, "found \"%s\", expected a name that no built-in policy has", arg);
    else
        a->name = arg;
    return a->name == arg ? 0 : EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    new_args *a = state->input;
    switch (key) {
    case 'h':
        a->help = 1;
        cli_help(state);
        return 0;
    case 'o':
        a->folder = arg;
        return 0;
    case ARGP_KEY_ARG:
        return parse_name(state, a, arg);
    case ARGP_KEY_END:
        if (a->help || a->name != NULL) return 0;
        cli_refuse(state, "found no name, expected one for the policy");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* text in single quotes, as a shell reads it back */
static void quote_for_shell(const char *text, char *out, size_t len) {
    size_t n = 0;
    if (strpbrk(text, " \t\n'\"\\$`&|;<>()*?[]#~!{}") == NULL) {
        snprintf(out, len, "%s", text);
        return;
    }
    out[n++] = '\'';
    for (; *text != '\0' && n + 6 < len; text++) {
        if (*text == '\'') {
            memcpy(out + n, "'\\''", 4);
            n += 4;
        } else {
            out[n++] = *text;
        }
    }
    out[n++] = '\'';
    out[n] = '\0';
}

/* The header's folder where there is a source tree, else what pkg-config knows of the installed one */
static void find_flags(char *out, size_t len) {
    char path[PATH_LEN], quoted[PATH_LEN + 64], err[PATH_LEN + 400];
    if (cli_find_shipped("policies/policy.h", path, sizeof path, err, sizeof err) == 0) {
        *strrchr(path, '/') = '\0';
        quote_for_shell(path, quoted, sizeof quoted);
        snprintf(out, len, "-I%s", quoted);
        return;
    }
    quote_for_shell(HASSIM_PKGCONFIG, quoted, sizeof quoted);
    snprintf(out, len, "$(PKG_CONFIG_PATH=%s:$PKG_CONFIG_PATH pkg-config --cflags hassim)", quoted);
}

void cli_policy_build_line(const char *source, char *out, size_t len) {
    char flags[2 * PATH_LEN], object[PATH_LEN], in[PATH_LEN + 64], to[PATH_LEN + 64];
    snprintf(object, sizeof object, "%s", source);
    memcpy(strrchr(object, '.'), ".so", 4); /* one byte longer than ".c": source has less than PATH_LEN - 1 */
    find_flags(flags, sizeof flags);
    quote_for_shell(source, in, sizeof in);
    quote_for_shell(object, to, sizeof to);
    snprintf(out, len, "cc -std=c17 -Wall -Wextra -O2 -ffp-contract=off -fPIC -shared %s -o %s %s -lm", flags,
             to, in);
}

/* The template with its word replaced */
static int copy_renamed(FILE *from, FILE *to, const char *name) {
    char line[1024], identifier[NAME_LEN_MAX + 1];
    snprintf(identifier, sizeof identifier, "%s", name);
    for (char *p = identifier; *p != '\0'; p++)
        if (*p == '-') *p = '_';
    while (fgets(line, sizeof line, from) != NULL) {
        const char *at = line, *next;
        for (; (next = strstr(at, word)) != NULL; at = next + strlen(word)) {
            int is_text = next[strlen(word)] == '"' || next[strlen(word)] == '.';
            fprintf(to, "%.*s%s", (int)(next - at), at, is_text ? name : identifier);
        }
        fputs(at, to);
    }
    return ferror(from) || ferror(to) ? -1 : 0;
}

static int fail(const char *what, const char *why) {
    cli_complain("hassim policy new", "%s: %s", what, why);
    return CLI_USAGE;
}

static int fail_open(const char *path) {
    if (errno == EEXIST) return fail(path, "found a file of that name, expected none");
    cli_complain("hassim policy new", "%s: found %s, expected a folder that takes files", path,
                 strerror(errno));
    return CLI_USAGE;
}

/* Never over a file that is there: it may be somebody's policy */
static int write_policy(const char *name, const char *path) {
    char template[PATH_LEN], err[PATH_LEN + 400];
    if (cli_find_shipped("policies/fixed.c", template, sizeof template, err, sizeof err) != 0)
        return fail("the template", err);
    FILE *from = fopen(template, "r");
    if (from == NULL) return fail(template, strerror(errno));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
    int rc = CLI_OK;
    if (fd < 0)
        rc = fail_open(path);
    else if (to == NULL || copy_renamed(from, to, name) != 0)
        rc = fail(path, "cannot be written");
    if (to != NULL && fclose(to) != 0 && rc == CLI_OK) rc = fail(path, strerror(errno));
    if (fd >= 0 && rc != CLI_OK) unlink(path);
    fclose(from);
    return rc;
}

static int fail_line(const char *line) {
    cli_complain("hassim policy new", "%s", line);
    return CLI_USAGE;
}

static int make(const new_args *a) {
    char path[PATH_LEN], line[LINE_LEN];
    int n = snprintf(path, sizeof path, "%s/%s.c", a->folder == NULL ? "." : a->folder, a->name);
    if (n < 0 || (size_t)n + 2 > sizeof path) return fail("-o", "a path that is too long");
    if (cli_make_folder_of(path, line, sizeof line)) return fail_line(line);
    int rc = write_policy(a->name, path);
    if (rc != CLI_OK) return rc;
    cli_policy_build_line(path, line, sizeof line);
    printf("wrote %s: a working policy, and small enough to read. Build it, test it, use it:\n\n  %s\n", path,
           line);
    path[n - 1] = '\0';
    printf("  hassim policy test %sso\n  hassim run CONFIG --plugin %sso\n\nIn the config: \"policies\": "
           "[{\"name\": "
           "\"%s\", \"params\": {\"pods\": 2}}]\n",
           path, path, a->name);
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_OK;
    perror("hassim policy new: standard output");
    return CLI_FAILED;
}

int cli_policy_new(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "NAME",
        "Write NAME.c, a working policy with comments, and print the command that builds it. "
        "Change it from there: policy.h says what a policy may do.",
        NULL,
        NULL,
        NULL};
    new_args a = {0};
    if (cli_parse(&argp, "hassim policy new", argc, argv, &a) != 0) return CLI_USAGE;
    return a.help ? CLI_OK : make(&a);
}
