#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figures_int.h"
#include "results_int.h"

enum { SQL_LEN_MAX = 1 << 16 };

static char *read_sql(const char *path, char err[FIGURES_ERR_LEN]) {
    FILE *f = fopen(path, "rb");
    char *sql = f ? malloc(SQL_LEN_MAX + 1) : NULL;
    if (!sql) {
        snprintf(err, FIGURES_ERR_LEN, "%s: %s", path, strerror(errno));
    } else {
        size_t n = fread(sql, 1, SQL_LEN_MAX + 1, f);
        sql[n < SQL_LEN_MAX ? n : SQL_LEN_MAX] = '\0';
        if (n > SQL_LEN_MAX || ferror(f)) {
            snprintf(err, FIGURES_ERR_LEN, "%s: unreadable or above %d bytes; expected one SELECT", path,
                     (int)SQL_LEN_MAX);
            free(sql);
            sql = NULL;
        }
    }
    if (f) fclose(f);
    return sql;
}

/* gnuplot reads a cell up to the next tab or line end, and an empty one as nothing at all. */
static void print_text(FILE *f, const char *text) {
    if (!text || !text[0]) text = "NaN";
    for (; *text; text++) fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
}

static void print_head(FILE *f, sqlite3_stmt *stmt) {
    print_text(f, (const char *)sqlite3_column_text(stmt, 0));
    for (int i = 1; i < sqlite3_column_count(stmt); i++) fprintf(f, "\t%s", sqlite3_column_name(stmt, i));
    fputc('\n', f);
}

static void print_row(FILE *f, sqlite3_stmt *stmt) {
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        if (i) fputc('\t', f);
        if (sqlite3_column_type(stmt, i) == SQLITE_FLOAT)
            fprintf(f, "%.12g", sqlite3_column_double(stmt, i));
        else
            print_text(f, (const char *)sqlite3_column_text(stmt, i));
    }
    fputc('\n', f);
}

/* Returns SQLite's code: SQLITE_DONE when all is written, SQLITE_NOMEM too. */
static int print_rows(FILE *f, sqlite3_stmt *stmt, size_t *rows) {
    char *block = NULL;
    int rc;
    for (*rows = 0; (rc = sqlite3_step(stmt)) == SQLITE_ROW; (*rows)++) {
        const char *first = (const char *)sqlite3_column_text(stmt, 0);
        if (!block || strcmp(block, first ? first : "") != 0) {
            if (block) fputs("\n\n", f);
            free(block);
            block = strdup(first ? first : "");
            if (!block) return SQLITE_NOMEM;
            print_head(f, stmt);
        }
        print_row(f, stmt);
    }
    free(block);
    return rc;
}

static figures_status fail_io(const char *path, char err[FIGURES_ERR_LEN]) {
    snprintf(err, FIGURES_ERR_LEN, "%s: %s", path, strerror(errno));
    return FIGURES_FAILED;
}

static figures_status write_rows(sqlite3 *db, sqlite3_stmt *stmt, const char *path, const char *sql_path,
                                 size_t *rows, char err[FIGURES_ERR_LEN]) {
    FILE *f = fopen(path, "wb");
    if (!f) return fail_io(path, err);
    int rc = print_rows(f, stmt, rows);
    int bad = ferror(f);
    if (fclose(f) || bad) return fail_io(path, err);
    if (rc == SQLITE_DONE) return FIGURES_OK;
    snprintf(err, FIGURES_ERR_LEN, "%s: %s", sql_path, sqlite3_errmsg(db));
    return FIGURES_BROKEN;
}

static figures_status prepare(sqlite3 *db, const char *sql, const char *sql_path, sqlite3_stmt **stmt,
                              char err[FIGURES_ERR_LEN]) {
    if (sqlite3_prepare_v2(db, sql, -1, stmt, NULL) != SQLITE_OK) {
        snprintf(err, FIGURES_ERR_LEN, "%s: %s", sql_path, sqlite3_errmsg(db));
        return FIGURES_BROKEN;
    }
    if (*stmt && sqlite3_stmt_readonly(*stmt) && sqlite3_column_count(*stmt) > 0) return FIGURES_OK;
    snprintf(err, FIGURES_ERR_LEN, "%s: returns no rows by its nature; expected one SELECT", sql_path);
    return FIGURES_BROKEN;
}

/* The file appears under its name only when it is whole and has rows. */
static figures_status write_file(sqlite3 *db, sqlite3_stmt *stmt, const char *data_path, const char *sql_path,
                                 size_t *rows, char err[FIGURES_ERR_LEN]) {
    char part[FIGURES_PATH_LEN];
    if (figures_int_path(part, "", data_path, ".part", err)) return FIGURES_BAD_INPUT;
    figures_status status = write_rows(db, stmt, part, sql_path, rows, err);
    if (status == FIGURES_OK && *rows && rename(part, data_path) == 0) return FIGURES_OK;
    if (status == FIGURES_OK && *rows) status = fail_io(data_path, err);
    unlink(part);
    return status;
}

figures_status figures_int_write_data(sqlite3 *db, const figures_request *request, const char *name,
                                      const char *data_path, size_t *rows, char err[FIGURES_ERR_LEN]) {
    char sql_path[FIGURES_PATH_LEN], *sql = NULL;
    sqlite3_stmt *stmt = NULL;
    if (figures_int_path(sql_path, request->plots_dir, name, ".sql", err)) return FIGURES_BAD_INPUT;
    if (!(sql = read_sql(sql_path, err))) return FIGURES_BROKEN;
    figures_status status = prepare(db, sql, sql_path, &stmt, err);
    if (status == FIGURES_OK) status = write_file(db, stmt, data_path, sql_path, rows, err);
    sqlite3_finalize(stmt);
    free(sql);
    return status;
}
