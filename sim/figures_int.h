/* figures_int.h - the two halves of a figure: rows to a file (figures_data.c), a picture of them
 * (figures_gnuplot.c). Paths are built in buffers of FIGURES_PATH_LEN. */
#ifndef FIGURES_INT_H
#define FIGURES_INT_H

#include <sqlite3.h>

#include "figures.h"

enum { FIGURES_PATH_LEN = 4096 };

/* DIR/NAME and suffix. -1: too long. */
int figures_int_path(char path[FIGURES_PATH_LEN], const char *dir, const char *name, const char *suffix,
                     char err[FIGURES_ERR_LEN]);

/* What the queries may call besides SQLite's own (figures_sql.c). -1: out of memory. */
int figures_int_add_functions(sqlite3 *db);

/* Runs plots/NAME.sql and writes its rows to data_path; *rows 0: there were none, and no file was written. */
figures_status figures_int_write_data(sqlite3 *db, const figures_request *request, const char *name,
                                      const char *data_path, size_t *rows, char err[FIGURES_ERR_LEN]);

/* Draws in every format asked for; NAME by plots/NAME.gp, or by plots/SCRIPT.gp. */
figures_status figures_int_plot(const figures_request *request, const char *name, const char *data_path,
                                char err[FIGURES_ERR_LEN]);
figures_status figures_int_plot_as(const figures_request *request, const char *script, const char *name,
                                   const char *data_path, char err[FIGURES_ERR_LEN]);

#endif
