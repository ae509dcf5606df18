/* cli_calib_int.h - the commands of `hassim calib` that have files of their own, and what they share. */
#ifndef CLI_CALIB_INT_H
#define CLI_CALIB_INT_H

#include <stdio.h>

#include "calib.h"

enum { CLI_CALIB_PATH_LEN = 4096 };

/* Each as cli.h says; argv[0] is its full name ("hassim calib import"). */
int cli_calib_import(int argc, char **argv); /* cli_calib_import.c */
int cli_calib_figure(int argc, char **argv); /* cli_calib_figure.c */

/* FILE or DEVICE: where there is no such file and the word looks like none (no "/", no ".json" at the end), it is the
 * name of a device that ships. 0 with its path, or -1 with err. */
int cli_calib_find(const char *word, char path[CLI_CALIB_PATH_LEN], char err[CALIB_ERR_LEN]);

/* A file that appears under its name only when it is whole, so that a full disk leaves the old one: open gives a stream
 * on a temporary file beside it (NULL, a message in err), close keeps it if all went well, drop does not. keep returns
 * an exit code. */
typedef struct {
    const char *path;
    char part[CLI_CALIB_PATH_LEN];
    FILE *to;
} cli_calib_file;

FILE *cli_calib_file_open(cli_calib_file *f, const char *path, char err[CALIB_ERR_LEN]);
int cli_calib_file_keep(cli_calib_file *f, char err[CALIB_ERR_LEN]);

#endif
