/* calib_rows.h - the CSV files of measurements, row by row: a header that names the columns (in any order, further
 * ones ignored), then one record per line, of as many cells as the header, separated by commas, no quotes. A byte order
 * mark before the header is none of it.
 *
 *     calib_rows r;
 *     rc = calib_rows_open(&r, file, columns, n_columns, err);
 *     while (!rc && (rc = calib_rows_next(&r)) == 0) ... calib_rows_text(&r, column) ...
 *     calib_rows_close(&r);
 *
 * Lines before the header that begin with '#' are notes; "# source: TEXT", "# licence: TEXT" and "# method: TEXT" tell
 * where the numbers come from. A column is an index into the columns asked for. Strict: errors are one line that names file and line, what was
 * found and what was expected, in err (CALIB_ERR_LEN bytes). Hostile bytes: lines are at most 1,022 of them, cells 64
 * to a line; nothing else is allocated. */
#ifndef CALIB_ROWS_H
#define CALIB_ROWS_H

#include <stdint.h>
#include <stdio.h>

#include "calib.h"

enum { CALIB_ROWS_CELLS_MAX = 64, CALIB_ROWS_LINE_LEN = 1024 };

typedef struct {
    char source[512], licence[64], method[512]; /* "": not said */
} calib_series;

typedef struct {
    const char *file;
    size_t line; /* of the present row, from 1 */
    FILE *in;
    char *err;
    const char *const *columns;
    int n_columns, n_cells;       /* n_cells: of the header; CALIB_ROWS_CELLS_MAX + 1: more than are read */
    int at[CALIB_ROWS_CELLS_MAX]; /* where each column stands; -1: nowhere */
    calib_series series;          /* from the notes */
    char *cells[CALIB_ROWS_CELLS_MAX];
    char text[CALIB_ROWS_LINE_LEN];
} calib_rows;

/* Opens the file and reads its header. 0, or -1; either way calib_rows_close. file, columns and err must outlive r. */
int calib_rows_open(calib_rows *r, const char *file, const char *const columns[], int n_columns,
                    char err[CALIB_ERR_LEN]);
/* The same where columns from n_required on may be absent: ask calib_rows_has before reading them. */
int calib_rows_open_some(calib_rows *r, const char *file, const char *const columns[], int n_columns,
                         int n_required, char err[CALIB_ERR_LEN]);
int calib_rows_has(const calib_rows *r, int column);
int calib_rows_next(calib_rows *r); /* 0: a row; 1: no more; -1: error */
void calib_rows_close(calib_rows *r);

/* Of the present row; the text lives until the next. */
const char *calib_rows_text(const calib_rows *r, int column);
int calib_rows_uint(const calib_rows *r, int column, uint32_t min, uint32_t max, uint32_t *out);
int calib_rows_number(const calib_rows *r, int column, double min, double max, double *out);
int calib_rows_name(const calib_rows *r, int column, size_t len,
                    const char **out); /* 1 to len - 1 printable bytes */

/* -1 after a message about what stands in the present row. */
int calib_rows_fail(const calib_rows *r, const char *what, const char *found, const char *expected);

#endif
