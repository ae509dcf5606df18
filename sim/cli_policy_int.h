/* cli_policy_int.h - private to cli_policy*.c: the verbs of `hassim policy`. argv[0] is what their messages begin
 * with. */
#ifndef CLI_POLICY_INT_H
#define CLI_POLICY_INT_H

#include <stddef.h>

int cli_policy_list(int argc, char **argv);
int cli_policy_new(int argc, char **argv);
int cli_policy_test(int argc, char **argv);

/* The command that makes NAME.so of a policy NAME.c, as the shell takes it */
void cli_policy_build_line(const char *source, char *out, size_t len);

#endif
