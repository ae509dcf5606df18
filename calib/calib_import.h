/* calib_import.h - measurements in other people's layouts become one list of samples.
 *
 * A sample is the mean latency of one batch of one model under one allocation: batch, SM share, time quota, and how
 * many processes of the same model shared that partition (MPS) at the time; fits use those measured alone. Every file
 * says, or its layout implies, where its numbers come from and under which licence (calib_series).
 *
 * An importer is one file, calib_import_NAME.c, and one line in calib_import.c:
 *
 *     plain         model,batch,sm_pct,latency_ms and, optional, quota_pct (100), processes (1), repetitions (unknown)
 *     rapp          the same columns as published from KontonGu/RaPP's V100 profiles
 *     parvagpu      MunQ-Lee/ParvaGPU_SC24, A100: MIG instance, batch, processes -> throughput, latency
 *     gpu-percent   MPS thread percentage -> times of LLM requests, as from a GH200
 *     trace         JSON that hassim-calibrate measured (calib/harness)
 *
 * Reading is strict: a file is taken whole or refused with one line: file, line, column, found, expected. Rows that say
 * that nothing was measured there (ParvaGPU's zeros) are counted, not errors. The list grows with each file read, up
 * to CALIB_IMPORT_SAMPLES_MAX.
 */
#ifndef CALIB_IMPORT_H
#define CALIB_IMPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "calib.h"
#include "calib_rows.h"

enum {
    CALIB_IMPORT_NAME_LEN = 64,
    CALIB_IMPORT_BATCH_MAX = 65536,
    CALIB_IMPORT_PROCESSES_MAX = 1000,
    CALIB_IMPORT_SAMPLES_MAX = 4000000
};
#define CALIB_IMPORT_MS_MIN 1e-3
#define CALIB_IMPORT_MS_MAX 1e6

typedef struct {
    char model[CALIB_IMPORT_NAME_LEN];
    uint32_t batch, sm_pct, quota_pct;
    uint32_t processes;   /* that shared the partition; 1: alone */
    uint32_t repetitions; /* that ms is the mean of; 0: not said */
    double ms;
} calib_sample;

typedef struct {
    calib_sample *samples;
    size_t n, capacity;
    size_t n_unmeasured; /* rows that tell no latency */
    calib_series series; /* of the last file read */
} calib_import;

typedef struct {
    const char *name, *summary;
    int (*read)(calib_import *to, const char *file, char err[CALIB_ERR_LEN]);
} calib_importer;

/* NULL: unknown, or beyond the last */
const calib_importer *calib_importer_find(const char *name);
const calib_importer *calib_importer_at(size_t i);

/* Adds the samples of a file to a list that began as {0}. 0, or -1 with a message; then the list holds part of it. */
int calib_import_read(calib_import *to, const calib_importer *importer, const char *file,
                      char err[CALIB_ERR_LEN]);
/* Gives a model another name, such as the one it has on another device. Returns how many samples had it. */
size_t calib_import_rename(calib_import *list, const char *from, const char *to);
/* As CSV that `plain` reads: what the series says as notes, then one line per sample. 0, or -1: errno. */
int calib_import_write(FILE *to, const calib_import *list);
void calib_import_free(calib_import *list);

/* For importers. Adds one; 0, or -1: too many for the memory or the list, said of the present row (NULL: the importer says
 * so itself). */
int calib_import_add(calib_import *to, const calib_sample *sample, const calib_rows *row);
/* The file's name without folder and ".csv", up to end ("": all of it): "a/b_c.csv", "_" -> "b". -1: not a name that a
 * model can have. */
int calib_import_name_of(char name[CALIB_IMPORT_NAME_LEN], const char *file, const char *end,
                         char err[CALIB_ERR_LEN]);

#endif
