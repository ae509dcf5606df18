/* results_int.h - what the files of results share: the handle, and how a database is opened for reading.
 *
 * Readers (compare, figures) open for writing without creating: only so can SQLite roll back what a killed
 * writer left in its journal. Afterwards the connection refuses every change.
 */
#ifndef RESULTS_INT_H
#define RESULTS_INT_H

#include <sqlite3.h>

#include "results.h"

enum {
    RESULTS_APPLICATION_ID = 0x4853494d, /* "HSIM" */
    RESULTS_SCHEMA_VERSION = 3,
    RESULTS_BUSY_MS = 60000,     /* writers wait for each other: a run takes well under a second to write */
    RESULTS_FNS_IN_DETAIL = 200, /* runs of at most so many functions keep every function's histogram */
    RESULTS_T_DF_MAX = 1000,     /* rows of student_t95 */
};

extern const char results_schema_sql[]; /* results_schema.sql, made into C by the build */

struct results {
    sqlite3 *db;
    char *path;
};

/* An existing results database of this version, for reading; the caller closes it. 0, or -1 and err. */
int results_int_open_reader(sqlite3 **out, const char *path, char err[RESULTS_ERR_LEN]);
/* Reads every page: a file damaged in its middle would otherwise fail half-way. */
int results_int_check_whole(sqlite3 *db, const char *path, char err[RESULTS_ERR_LEN]);

/* "PATH: what SQLite says", or plainer words where it is known what they mean to a user. Always -1. */
int results_int_fail(sqlite3 *db, const char *path, char err[RESULTS_ERR_LEN]);

#endif
