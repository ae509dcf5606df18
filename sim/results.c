#include "results.h"

#include <errno.h>
#include <gsl/gsl_cdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "results_int.h"

static const char damaged[] = "damaged or cut off; expected a whole results database of hassim";

int results_int_fail(sqlite3 *db, const char *path, char err[RESULTS_ERR_LEN]) {
    int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;
    const char *what = db ? sqlite3_errmsg(db) : "out of memory";
    if (code == SQLITE_NOTADB) what = "not a SQLite database; expected a results database of hassim";
    if (code == SQLITE_CORRUPT) what = damaged;
    if (code == SQLITE_BUSY) what = "locked by another program for a minute; gave up";
    if (code == SQLITE_CANTOPEN) what = "unable to open database file; expected a folder and permission";
    if (code == SQLITE_READONLY) what = "cannot be written; expected write permission on it and its folder";
    snprintf(err, RESULTS_ERR_LEN, "%s: %s", path, what);
    return -1;
}

/* The first column of the first row; -1 if there is none. */
static sqlite3_int64 query_int(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    sqlite3_int64 value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* Is it ours, and of this version? */
static int check_kind(sqlite3 *db, const char *path, char err[RESULTS_ERR_LEN]) {
    sqlite3_int64 application = query_int(db, "PRAGMA application_id");
    if (application == -1 && sqlite3_errcode(db) != SQLITE_DONE) return results_int_fail(db, path, err);
    if (application != RESULTS_APPLICATION_ID) {
        snprintf(err, RESULTS_ERR_LEN,
                 "%s: a SQLite database with application_id %lld; expected a results database of hassim (%d)",
                 path, (long long)application, (int)RESULTS_APPLICATION_ID);
        return -1;
    }
    sqlite3_int64 version = query_int(db, "PRAGMA user_version");
    if (version == RESULTS_SCHEMA_VERSION) return 0;
    snprintf(err, RESULTS_ERR_LEN,
             "%s: found results schema version %lld, expected version %d of this program", path,
             (long long)version, (int)RESULTS_SCHEMA_VERSION);
    return -1;
}

static int insert_t_quantiles(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO student_t95 VALUES (?, ?)", -1, &stmt, NULL);
    for (int df = 1; rc == SQLITE_OK && df <= RESULTS_T_DF_MAX; df++) {
        sqlite3_bind_int(stmt, 1, df);
        sqlite3_bind_double(stmt, 2, gsl_cdf_tdist_Pinv(0.975, df));
        sqlite3_step(stmt);
        rc = sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? 0 : -1;
}

static int insert_experiment(sqlite3 *db, const char *name, const char *question) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO experiment VALUES (1, ?, ?, ?)", -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, question ? question : "", -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 3, HASSIM_VERSION, -1, SQLITE_STATIC);
        sqlite3_step(stmt);
        rc = sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? 0 : -1;
}

static int create_schema(sqlite3 *db, const char *name, const char *question) {
    char pragmas[96];
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             (int)RESULTS_APPLICATION_ID, (int)RESULTS_SCHEMA_VERSION);
    if (sqlite3_exec(db, pragmas, NULL, NULL, NULL) != SQLITE_OK) return -1;
    if (sqlite3_exec(db, results_schema_sql, NULL, NULL, NULL) != SQLITE_OK) return -1;
    if (insert_t_quantiles(db)) return -1;
    return insert_experiment(db, name, question);
}

static int check_experiment(sqlite3 *db, const char *path, const char *name, char err[RESULTS_ERR_LEN]) {
    sqlite3_stmt *stmt = NULL;
    int rc = -1;
    if (sqlite3_prepare_v2(db, "SELECT name FROM experiment", -1, &stmt, NULL) != SQLITE_OK) {
        results_int_fail(db, path, err);
    } else if (sqlite3_step(stmt) != SQLITE_ROW) {
        snprintf(err, RESULTS_ERR_LEN, "%s: its table experiment is empty; expected one row", path);
    } else {
        const char *found = (const char *)sqlite3_column_text(stmt, 0);
        rc = found && strcmp(found, name) == 0 ? 0 : -1;
        if (rc)
            snprintf(err, RESULTS_ERR_LEN,
                     "%s: holds experiment '%s'; expected '%s' (one experiment per file)", path,
                     found ? found : "", name);
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* A file without any table is a new one, also when another process is making its schema at this moment: the
 * transaction waits for it. */
static int create_or_check(results *r, const char *name, const char *question, char err[RESULTS_ERR_LEN]) {
    if (sqlite3_exec(r->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return results_int_fail(r->db, r->path, err);
    int rc = 0;
    int is_new = query_int(r->db, "SELECT count(*) FROM sqlite_schema") == 0 &&
                 query_int(r->db, "PRAGMA application_id") == 0;
    if (is_new) {
        rc = create_schema(r->db, name, question);
        if (rc) results_int_fail(r->db, r->path, err);
    } else if (check_kind(r->db, r->path, err) || check_experiment(r->db, r->path, name, err)) {
        rc = -1;
    }
    if (rc == 0 && sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        rc = results_int_fail(r->db, r->path, err);
    if (rc) sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* foreign_keys is off by default for old callers' sake; an untrusted file's schema may call no functions. */
static int open_connection(sqlite3 **db, const char *path, int flags, char err[RESULTS_ERR_LEN]) {
    if (sqlite3_open_v2(path, db, flags, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(*db, RESULTS_BUSY_MS);
        if (sqlite3_exec(*db, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF", NULL, NULL, NULL) ==
            SQLITE_OK)
            return 0;
    }
    results_int_fail(*db, path, err);
    sqlite3_close(*db);
    *db = NULL;
    return -1;
}

/* The rollback journal, not WAL: one file when nobody writes, readable from a read-only folder, and sound on
 * network file systems. */
int results_open(results **out, const char *path, const char *name, const char *question,
                 char err[RESULTS_ERR_LEN]) {
    *out = NULL;
    results *r = calloc(1, sizeof *r);
    if (r) r->path = strdup(path);
    if (!r || !r->path) {
        snprintf(err, RESULTS_ERR_LEN, "%s: out of memory", path);
        goto fail;
    }
    if (open_connection(&r->db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err)) goto fail;
    if (create_or_check(r, name, question, err)) goto fail;
    *out = r;
    return 0;
fail:
    results_close(r);
    return -1;
}

void results_close(results *r) {
    if (!r) return;
    sqlite3_close(r->db);
    free(r->path);
    free(r);
}

int results_int_open_reader(sqlite3 **out, const char *path, char err[RESULTS_ERR_LEN]) {
    struct stat st;
    *out = NULL;
    if (stat(path, &st)) {
        snprintf(err, RESULTS_ERR_LEN, "%s: %s; expected a results database of hassim", path,
                 strerror(errno));
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(err, RESULTS_ERR_LEN, "%s: not a file; expected a results database of hassim", path);
        return -1;
    }
    if (open_connection(out, path, SQLITE_OPEN_READWRITE, err)) return -1;
    if (check_kind(*out, path, err) == 0) {
        if (sqlite3_exec(*out, "PRAGMA query_only = ON", NULL, NULL, NULL) == SQLITE_OK) return 0;
        results_int_fail(*out, path, err);
    }
    sqlite3_close(*out);
    *out = NULL;
    return -1;
}

int results_int_check_whole(sqlite3 *db, const char *path, char err[RESULTS_ERR_LEN]) {
    sqlite3_stmt *stmt = NULL;
    int is_whole = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
                   sqlite3_step(stmt) == SQLITE_ROW &&
                   strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
    sqlite3_finalize(stmt);
    if (!is_whole) snprintf(err, RESULTS_ERR_LEN, "%s: %s", path, damaged);
    return is_whole ? 0 : -1;
}

/* Seeds are unsigned, SQLite's integers are not: the same 64 bits are kept. */
int results_has_run(results *r, const results_run *run) {
    static const char sql[] =
        "SELECT 1 FROM run WHERE config_hash = ? AND label = ? AND grid = ? AND seed = ?"
        " AND trace_hash = ? AND calibration_hash = ? AND policy_hash = ?";
    const char *texts[] = {run->config_hash,      run->label,      run->grid, NULL, run->trace_hash,
                           run->calibration_hash, run->policy_hash};
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) != SQLITE_OK) return -1;
    for (int i = 0; i < 7; i++)
        if (texts[i]) sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, (sqlite3_int64)run->seed);
    int rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}
