#include <string.h>

#include "results_int.h"
#include "warnings.h"

/* The worst case of each policy stands for all: beside max(), SQLite takes bare columns from that very row. */
static const char worst_sql[] =
    "SELECT name, label, function, text, count(DISTINCT run_id), count(DISTINCT function),"
    " (SELECT count(*) FROM run WHERE run.label = w.label), max(value)"
    " FROM warning_log AS w GROUP BY name, label ORDER BY name, min(plan), label";

enum { NAME, LABEL, FUNCTION, TEXT, RUNS, FUNCTIONS, OF_RUNS };
enum { LINES_PER_KIND = 5, NAME_MAX_LEN = 40, NAME_CUT_LEN = 8 };

static warning_kind kind_of(const char *name) {
    int kind = 0;
    while (kind < WARNING_KINDS && (!name || strcmp(name, warnings_name((warning_kind)kind)) != 0)) kind++;
    return (warning_kind)kind;
}

/* Names come from a config or a trace: no control characters to the terminal, and no hashes in full. */
static void print_cell(FILE *out, sqlite3_stmt *stmt, int column, const char *after) {
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    size_t len = text ? strlen(text) : 0,
           shown = column == FUNCTION && len > NAME_MAX_LEN ? NAME_CUT_LEN : len;
    if (len == 0) return;
    for (size_t i = 0; i < shown; i++)
        fputc((unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i], out);
    fprintf(out, "%s%s", shown < len ? "..." : "", after);
}

static void print_line(FILE *out, sqlite3_stmt *stmt) {
    int runs = sqlite3_column_int(stmt, RUNS), functions = sqlite3_column_int(stmt, FUNCTIONS);
    fputs("warning: ", out);
    print_cell(out, stmt, NAME, ": ");
    print_cell(out, stmt, LABEL, ": ");
    print_cell(out, stmt, FUNCTION, ": ");
    print_cell(out, stmt, TEXT, "");
    if (runs > 0) fprintf(out, " (%d of %d runs", runs, sqlite3_column_int(stmt, OF_RUNS));
    if (runs > 0 && functions > 1) fprintf(out, "; %d functions, this one most", functions);
    fputs(runs > 0 ? ")\n" : "\n", out);
}

static void print_rest(FILE *out, const int *lines) {
    for (int kind = 0; kind < WARNING_KINDS; kind++)
        if (lines[kind] > LINES_PER_KIND)
            fprintf(out, "warning: %s: %d more lines (view warning_log)\n", warnings_name((warning_kind)kind),
                    lines[kind] - LINES_PER_KIND);
}

static int print_all(sqlite3_stmt *stmt, FILE *out, unsigned *found) {
    int lines[WARNING_KINDS + 1] = {0}, rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        warning_kind kind = kind_of((const char *)sqlite3_column_text(stmt, NAME));
        if (kind < WARNING_KINDS) *found |= 1u << kind;
        if (out && ++lines[kind] <= LINES_PER_KIND) print_line(out, stmt);
    }
    if (out) print_rest(out, lines);
    return rc;
}

int warnings_print(const char *db_path, FILE *out, unsigned *found, char err[WARNINGS_ERR_LEN]) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    *found = 0;
    if (results_int_open_reader(&db, db_path, err)) return -1;
    int rc = sqlite3_prepare_v2(db, worst_sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) rc = print_all(stmt, out, found);
    if (rc != SQLITE_DONE) results_int_fail(db, db_path, err);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return rc == SQLITE_DONE ? 0 : -1;
}
