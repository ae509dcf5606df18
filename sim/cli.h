/* cli.h - the commands of `hassim`: one file each, one row each in main.c's table.
 *
 * A command gets its own arguments (argv[0] is its name) and returns the exit code: 0, 1 failed, 2 bad usage
 * or input. Each parses with argp, by cli_parse, and answers --help. Messages go to stderr as "hassim COMMAND:
 * what", bad usage and input as one line; results to stdout.
 */
#ifndef CLI_H
#define CLI_H

#include <argp.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cli_run(int argc, char **argv);      /* cli_run.c */
int cli_compare(int argc, char **argv);  /* cli_compare.c */
int cli_figures(int argc, char **argv);  /* cli_figures.c */
int cli_trace(int argc, char **argv);    /* cli_trace.c */
int cli_calib(int argc, char **argv);    /* cli_calib.c */
int cli_rapp(int argc, char **argv);     /* cli_rapp.c */
int cli_policy(int argc, char **argv);   /* cli_policy.c */
int cli_bench(int argc, char **argv);    /* cli_bench.c */
int cli_validate(int argc, char **argv); /* cli_validate.c */

/* argp_parse for the command of this name ("hassim run"): errors are one line that says what was found and what
 * was expected. 0, or -1 after that line. Parsers complain by cli_refuse, and answer --help by cli_help. */
int cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input);
error_t cli_refuse(const struct argp_state *state, const char *format, ...); /* returns EINVAL */
void cli_help(const struct argp_state *state);
/* For commands that take one word: at ARGP_KEY_ARG, which refuses a second ("expected one SECOND"), and at ARGP_KEY_END,
 * which prints the help, or refuses none ("found no WHAT, expected EXPECTED"). */
error_t cli_take_word(const struct argp_state *state, const char *arg, const char **word, const char *second);
error_t cli_take_end(const struct argp_state *state, int help, const char *word, const char *what,
                     const char *expected);

/* A command of a command: `hassim policy test`. Called with argv[0] its full name. A table ends with a row of 0. */
typedef struct {
    const char *name, *takes, *what;
    int (*run)(int argc, char **argv);
} cli_verb;
/* Runs the one that argv[1] names, prints them all for --help, or says which there are. */
int cli_run_verb(const cli_verb *verbs, const char *command, int argc, char **argv);

/* "COMMAND: MESSAGE" on stderr, in one line whatever a name in it holds */
void cli_complain(const char *command, const char *format, ...);

/* Where commands write. What -o names is replaced once the new one is whole; but a database of results (run: its --force
 * keeps the old ones as DB~, DB~2, ...) and the source of a policy (policy new) are never replaced unasked. Folders that are missing
 * are made, when all input is read: with those above, by these two, for a folder, and for a file that will be in it. 0,
 * or -1 with err, of len bytes. */
int cli_make_folder(const char *folder, char *err, unsigned long len);
int cli_make_folder_of(const char *path, char *err, unsigned long len);
/* Refuses an output that is one of the command's inputs, by whatever name or link: it, or the temporary file beside it
 * (.part, .tmp), would take the input's place. Asked for each input, before anything is written; NULL is none. 0, or -1
 * with err. cli_spare_input_in: of the input FOLDER/NAME. */
int cli_spare_input(const char *output, const char *input, char *err, unsigned long len);
int cli_spare_input_in(const char *output, const char *folder, const char *name, char *err,
                       unsigned long len);

/* Finds a file that the program ships ("calib/data/v100.json"): in $HASSIM_HOME, share/hassim of the prefix that the
 * program is installed in, the source tree, share/hassim as configured. path is a buffer of len bytes. 0, or -1:
 * nowhere, err says where was looked. */
int cli_find_shipped(const char *relative, char *path, unsigned long len, char *err, unsigned long err_len);

#endif
