#include "figures.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "figures_int.h"
#include "results_int.h"

int figures_int_path(char path[FIGURES_PATH_LEN], const char *dir, const char *name, const char *suffix,
                     char err[FIGURES_ERR_LEN]) {
    int n = snprintf(path, FIGURES_PATH_LEN, "%s%s%s%s", dir, dir[0] ? "/" : "", name, suffix);
    if (n > 0 && n < FIGURES_PATH_LEN) return 0;
    snprintf(err, FIGURES_ERR_LEN, "a path of %d bytes; expected fewer than %d", n, (int)FIGURES_PATH_LEN);
    return -1;
}

/* Names of the figures, sorted: those of the .sql files. */
typedef struct {
    char **items;
    size_t n;
} name_list;

static void names_free(name_list *names) {
    for (size_t i = 0; i < names->n; i++) free(names->items[i]);
    free(names->items);
}

static int names_add(name_list *names, const char *file) {
    const char *dot = strrchr(file, '.');
    if (!dot || dot == file || strcmp(dot, ".sql") != 0) return 0;
    char **items = realloc(names->items, (names->n + 1) * sizeof *items);
    if (!items) return -1;
    names->items = items;
    char *name = strndup(file, (size_t)(dot - file));
    if (!name) return -1;
    items[names->n++] = name;
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static figures_status list_names(const char *dir, name_list *names, char err[FIGURES_ERR_LEN]) {
    DIR *d = opendir(dir);
    if (!d) {
        snprintf(err, FIGURES_ERR_LEN, "%s: %s", dir, strerror(errno));
        return FIGURES_BAD_INPUT;
    }
    int failed = 0;
    for (struct dirent *entry; !failed && (entry = readdir(d));) failed = names_add(names, entry->d_name);
    closedir(d);
    if (failed)
        snprintf(err, FIGURES_ERR_LEN, "%s: out of memory", dir);
    else if (names->n == 0)
        snprintf(err, FIGURES_ERR_LEN, "%s: holds no figure; expected NAME.sql and NAME.gp", dir);
    else
        qsort(names->items, names->n, sizeof *names->items, by_name);
    return failed ? FIGURES_FAILED : names->n ? FIGURES_OK : FIGURES_BAD_INPUT;
}

static figures_status check_only(const figures_request *request, const name_list *names,
                                 char err[FIGURES_ERR_LEN]) {
    if (!request->only) return FIGURES_OK;
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i], request->only) == 0) return FIGURES_OK;
    size_t used =
        (size_t)snprintf(err, FIGURES_ERR_LEN, "no figure '%.64s'; expected one of:", request->only);
    for (size_t i = 0; i < names->n && used < FIGURES_ERR_LEN; i++)
        used += (size_t)snprintf(err + used, FIGURES_ERR_LEN - used, "%s %s", i ? "," : "", names->items[i]);
    return FIGURES_BAD_INPUT;
}

/* *drawn counts the figures that had data. */
static figures_status draw_one(sqlite3 *db, const figures_request *request, const char *name, size_t *drawn,
                               char err[FIGURES_ERR_LEN]) {
    char data_path[FIGURES_PATH_LEN];
    size_t rows = 0;
    if (figures_int_path(data_path, request->out_dir, name, ".tsv", err) ||
        cli_spare_input(data_path, request->db_path, err, FIGURES_ERR_LEN))
        return FIGURES_BAD_INPUT;
    figures_status status = figures_int_write_data(db, request, name, data_path, &rows, err);
    if (status != FIGURES_OK) return status;
    if (rows == 0) {
        fprintf(request->log, "%s: no data for it in %s; not drawn\n", name, request->db_path);
        return FIGURES_OK;
    }
    ++*drawn;
    return figures_int_plot(request, name, data_path, err);
}

static figures_status draw_all(sqlite3 *db, const figures_request *request, const name_list *names,
                               char err[FIGURES_ERR_LEN]) {
    size_t drawn = 0, broken = 0;
    if (cli_make_folder(request->out_dir, err, FIGURES_ERR_LEN)) return FIGURES_FAILED;
    for (size_t i = 0; i < names->n; i++) {
        if (request->only && strcmp(names->items[i], request->only) != 0) continue;
        figures_status status = draw_one(db, request, names->items[i], &drawn, err);
        if (status != FIGURES_OK && status != FIGURES_BROKEN) return status;
        if (status == FIGURES_OK) continue;
        fprintf(request->log, "%s: %s\n", names->items[i], err);
        broken++;
    }
    if (broken) {
        snprintf(err, FIGURES_ERR_LEN, "%zu figure%s could not be drawn", broken, broken == 1 ? "" : "s");
        return FIGURES_BROKEN;
    }
    if (drawn) return FIGURES_OK;
    snprintf(err, FIGURES_ERR_LEN, "%s: no figure could be drawn from it", request->db_path);
    return FIGURES_FAILED;
}

figures_status figures_draw(const figures_request *request, char err[FIGURES_ERR_LEN]) {
    sqlite3 *db = NULL;
    name_list names = {0};
    figures_status status = FIGURES_BAD_INPUT;
    if (results_int_open_reader(&db, request->db_path, err)) return status;
    if (!results_int_check_whole(db, request->db_path, err))
        status = list_names(request->plots_dir, &names, err);
    if (status == FIGURES_OK) status = check_only(request, &names, err);
    if (status == FIGURES_OK && figures_int_add_functions(db)) {
        snprintf(err, FIGURES_ERR_LEN, "%s: %s", request->db_path, sqlite3_errmsg(db));
        status = FIGURES_FAILED;
    }
    if (status == FIGURES_OK) status = draw_all(db, request, &names, err);
    names_free(&names);
    sqlite3_close(db);
    return status;
}

unsigned figures_formats_of(const char *list) {
    static const char *const names[] = {"svg", "png", "pdf"};
    unsigned formats = 0;
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ","), i = 0;
        while (i < 3 && (len != 3 || strncmp(at, names[i], 3) != 0)) i++;
        if (i == 3) return 0;
        formats |= 1u << i;
        at += len;
        if (!*at) return formats;
    }
}
