/* cli_trace_int.h - the subcommands of `hassim trace`: each as cli.h says, argv[0] is its name. */
#ifndef CLI_TRACE_INT_H
#define CLI_TRACE_INT_H

int cli_trace_info(int argc, char **argv);     /* cli_trace_info.c */
int cli_trace_generate(int argc, char **argv); /* cli_trace_generate.c */

#endif
