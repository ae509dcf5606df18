/* calib_rows.c - CSV files of measurements, row by row. */
#include "calib_rows.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "calib_json.h"

static const char BYTE_ORDER_MARK[] = "\xef\xbb\xbf";

int calib_rows_fail(const calib_rows *r, const char *what, const char *found, const char *expected) {
    char shown[41];
    snprintf(shown, sizeof shown, "%.40s", found);
    for (char *c = shown; *c; c++)
        if (!isprint((unsigned char)*c)) *c = '?';
    snprintf(r->err, CALIB_ERR_LEN, "%s:%zu: %s: found \"%s\", expected %s", r->file, r->line, what, shown,
             expected);
    return -1;
}

/* How many cells the line has */
static int split(calib_rows *r) {
    int n = 0;
    r->text[strcspn(r->text, "\r\n")] = '\0';
    for (char *c = r->text; c && n < CALIB_ROWS_CELLS_MAX; n++) {
        r->cells[n] = c;
        c = strchr(c, ',');
        if (c) *c++ = '\0';
        if (c && n + 1 == CALIB_ROWS_CELLS_MAX) return CALIB_ROWS_CELLS_MAX + 1;
    }
    return n;
}

/* The next line in text: 1; 0: no more; -1: error */
static int read_line(calib_rows *r) {
    if (!fgets(r->text, sizeof r->text, r->in))
        return ferror(r->in) ? calib_rows_fail(r, "file", "a read error", "a readable file") : 0;
    r->line++;
    if (!strchr(r->text, '\n') && !feof(r->in))
        return calib_rows_fail(r, "line", r->text, "at most 1022 bytes, none of them NUL");
    if (r->line == 1 && strncmp(r->text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        memmove(r->text, r->text + strlen(BYTE_ORDER_MARK), strlen(r->text + strlen(BYTE_ORDER_MARK)) + 1);
    return 1;
}

/* "# licence: MIT"; other notes are for people. */
static int read_note(calib_rows *r) {
    const struct {
        const char *key;
        char *to;
        size_t len;
    } keys[] = {{"# source: ", r->series.source, sizeof r->series.source},
                {"# licence: ", r->series.licence, sizeof r->series.licence},
                {"# method: ", r->series.method, sizeof r->series.method}};
    r->text[strcspn(r->text, "\r\n")] = '\0';
    for (const char *c = r->text; *c; c++)
        if (iscntrl((unsigned char)*c)) return calib_rows_fail(r, "note", r->text, "no control characters");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = r->text + strlen(keys[i].key);
        if (strncmp(r->text, keys[i].key, strlen(keys[i].key)) != 0) continue;
        if (strlen(text) >= keys[i].len) return calib_rows_fail(r, "note", text, "a shorter text");
        memcpy(keys[i].to, text, strlen(text) + 1);
    }
    return 0;
}

static int find_columns(calib_rows *r, int n, int n_required) {
    for (int k = 0; k < r->n_columns; k++) {
        r->at[k] = -1;
        for (int i = 0; i < n && i < CALIB_ROWS_CELLS_MAX; i++)
            if (strcmp(r->cells[i], r->columns[k]) == 0) r->at[k] = i;
        if (r->at[k] < 0 && k < n_required) return calib_rows_fail(r, "header", r->cells[0], r->columns[k]);
    }
    return 0;
}

static int read_header(calib_rows *r, int n_required) {
    int rc;
    while ((rc = read_line(r)) == 1 && r->text[0] == '#')
        if (read_note(r)) return -1;
    if (rc < 0) return -1;
    if (rc == 0) return calib_rows_fail(r, "file", "no rows", "a header, then measurements");
    r->n_cells = split(r);
    return find_columns(r, r->n_cells, n_required);
}

int calib_rows_open_some(calib_rows *r, const char *file, const char *const columns[], int n_columns,
                         int n_required, char err[CALIB_ERR_LEN]) {
    *r = (calib_rows){.file = file, .err = err, .columns = columns, .n_columns = n_columns};
    r->in = calib_file_open(file, err);
    return r->in ? read_header(r, n_required) : -1;
}

int calib_rows_open(calib_rows *r, const char *file, const char *const columns[], int n_columns,
                    char err[CALIB_ERR_LEN]) {
    return calib_rows_open_some(r, file, columns, n_columns, n_columns, err);
}

int calib_rows_has(const calib_rows *r, int column) {
    return r->at[column] >= 0;
}

int calib_rows_next(calib_rows *r) {
    int rc = read_line(r);
    if (rc != 1) return rc ? -1 : 1;
    return split(r) != r->n_cells ? calib_rows_fail(r, "row", r->cells[0], "as many cells as the header") : 0;
}

void calib_rows_close(calib_rows *r) {
    if (r->in) fclose(r->in);
    r->in = NULL;
}

const char *calib_rows_text(const calib_rows *r, int column) {
    return r->cells[r->at[column]];
}

int calib_rows_uint(const calib_rows *r, int column, uint32_t min, uint32_t max, uint32_t *out) {
    const char *cell = calib_rows_text(r, column);
    char *end, expected[64];
    unsigned long value = isdigit((unsigned char)cell[0]) ? strtoul(cell, &end, 10) : 0;
    if (isdigit((unsigned char)cell[0]) && !*end && value >= min && value <= max) {
        *out = (uint32_t)value;
        return 0;
    }
    snprintf(expected, sizeof expected, "a whole number from %u to %u", (unsigned)min, (unsigned)max);
    return calib_rows_fail(r, r->columns[column], cell, expected);
}

int calib_rows_number(const calib_rows *r, int column, double min, double max, double *out) {
    const char *cell = calib_rows_text(r, column);
    char *end, expected[64];
    *out = strtod(cell, &end);
    if (end != cell && !*end && *out >= min && *out <= max) return 0;
    snprintf(expected, sizeof expected, "a number from %.9g to %.9g", min, max);
    return calib_rows_fail(r, r->columns[column], cell, expected);
}

int calib_rows_name(const calib_rows *r, int column, size_t len, const char **out) {
    const char *cell = calib_rows_text(r, column);
    char expected[64];
    size_t n = 0;
    while (isgraph((unsigned char)cell[n])) n++;
    *out = cell;
    if (n && n < len && !cell[n]) return 0;
    snprintf(expected, sizeof expected, "a name of 1 to %zu printable bytes without spaces", len - 1);
    return calib_rows_fail(r, r->columns[column], cell, expected);
}
