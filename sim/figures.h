/* figures.h - figures of a results database: one query and one gnuplot script each.
 *
 * A figure NAME is two files in the folder of plots: NAME.sql, one SELECT, and NAME.gp, which draws its rows.
 * Adding a figure is adding these two. The rows go to NAME.tsv beside the pictures: tab-separated, NULL as
 * "NaN". Rows must come sorted by the first column; where it changes a new gnuplot data set begins ("index"),
 * headed by a line of the column names, with the first column's value in place of its name: what
 * "title columnheader(1)" prints. Queries have a function of their own, half2(variance, n, model_error): the
 * square of half the 95 % interval that hassim compare prints (compare.h), 0 with one value. gnuplot is called without a shell as
 *
 *     gnuplot --default-settings -c NAME.gp NAME.tsv PICTURE FORMAT style.gp
 *
 * so that ARG1..ARG4 are the data, the file to write, "svg", "png" or "pdf", and the common style. Files
 * appear under their name only when they are whole.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include <stdio.h>

#define FIGURES_ERR_LEN 5120

enum { FIGURES_SVG = 1, FIGURES_PNG = 2, FIGURES_PDF = 4 };

typedef enum {
    FIGURES_OK,
    FIGURES_BAD_INPUT, /* database, name or folder */
    FIGURES_FAILED,    /* disk, memory, no gnuplot; or no figure had data */
    FIGURES_BROKEN,    /* some figure's query or script fails; the others are drawn all the same */
} figures_status;

typedef struct {
    const char *db_path, *plots_dir;
    const char *out_dir; /* made if missing */
    const char *only;    /* NULL: all */
    unsigned formats;    /* FIGURES_SVG | ... */
    FILE *paths;         /* one line per file written */
    FILE *log;           /* one line per figure without data, and per broken one */
} figures_request;

/* "svg,pdf" as FIGURES_SVG | FIGURES_PDF; 0: one of the items is no format. */
unsigned figures_formats_of(const char *list);

figures_status figures_draw(const figures_request *request, char err[FIGURES_ERR_LEN]);

#endif
