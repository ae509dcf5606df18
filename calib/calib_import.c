/* calib_import.c - the list of importers, and the list that they fill. */
#include "calib_import.h"

#include <stdlib.h>
#include <string.h>

#include "calib_import_int.h"
#include "calib_int.h"

static const calib_importer importers[] = {
    {"plain", "CSV: model,batch,sm_pct,latency_ms[,quota_pct][,processes][,repetitions]", calib_import_plain},
    {"rapp", "CSV of KontonGu/RaPP's V100 profiles: model,batch,sm_pct,quota_pct,latency_ms",
     calib_import_rapp},
    {"parvagpu", "MunQ-Lee/ParvaGPU_SC24's A100 CSV, MODEL.csv: MIG instance, batch, processes",
     calib_import_parvagpu},
    {"gpu-percent", "CSV of LLM requests by MPS thread percentage, MODEL_*.csv, as from a GH200",
     calib_import_gpu_percent},
    {"trace", "JSON that hassim-calibrate measured on a GPU", calib_import_trace},
};

const calib_importer *calib_importer_at(size_t i) {
    return i < sizeof importers / sizeof *importers ? &importers[i] : NULL;
}

const calib_importer *calib_importer_find(const char *name) {
    for (size_t i = 0; i < sizeof importers / sizeof *importers; i++)
        if (strcmp(importers[i].name, name) == 0) return &importers[i];
    return NULL;
}

int calib_import_read(calib_import *to, const calib_importer *importer, const char *file,
                      char err[CALIB_ERR_LEN]) {
    size_t before = to->n + to->n_unmeasured;
    to->series = (calib_series){.source = ""};
    if (importer->read(to, file, err)) return -1;
    if (to->n + to->n_unmeasured > before) return 0;
    snprintf(err, CALIB_ERR_LEN, "%.300s: found no rows, expected measurements", file);
    return -1;
}

int calib_import_add(calib_import *to, const calib_sample *sample, const calib_rows *row) {
    if (to->n == to->capacity) {
        size_t capacity = to->capacity ? 2 * to->capacity : 256;
        calib_sample *grown =
            to->n < CALIB_IMPORT_SAMPLES_MAX ? realloc(to->samples, capacity * sizeof *grown) : NULL;
        if (!grown && !row) return -1;
        if (!grown) return calib_rows_fail(row, "row", "one too many", "at most 4000000, or more memory");
        to->samples = grown;
        to->capacity = capacity;
    }
    to->samples[to->n++] = *sample;
    return 0;
}

int calib_import_name_of(char name[CALIB_IMPORT_NAME_LEN], const char *file, const char *end,
                         char err[CALIB_ERR_LEN]) {
    const char *base = strrchr(file, '/');
    base = base ? base + 1 : file;
    size_t len = strlen(base);
    if (len > 4 && strcmp(base + len - 4, ".csv") == 0) len -= 4;
    const char *stop = *end ? strstr(base, end) : NULL;
    if (stop && (size_t)(stop - base) < len) len = (size_t)(stop - base);
    snprintf(name, CALIB_IMPORT_NAME_LEN, "%.*s", (int)(len < CALIB_IMPORT_NAME_LEN ? len : 0), base);
    if (calib_name_is_good(name)) return 0;
    snprintf(err, CALIB_ERR_LEN, "%.300s: found no model in the file's name, expected MODEL%s.csv", file,
             *end ? "_ANYTHING" : "");
    return -1;
}

size_t calib_import_rename(calib_import *list, const char *from, const char *to) {
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->samples[i].model, from) != 0) continue;
        snprintf(list->samples[i].model, CALIB_IMPORT_NAME_LEN, "%s", to);
        n++;
    }
    return n;
}

static void write_note(FILE *to, const char *key, const char *text) {
    if (text[0]) fprintf(to, "# %s: %s\n", key, text);
}

int calib_import_write(FILE *to, const calib_import *list) {
    write_note(to, "source", list->series.source);
    write_note(to, "licence", list->series.licence);
    write_note(to, "method", list->series.method);
    fprintf(to, "model,batch,sm_pct,quota_pct,processes,repetitions,latency_ms\n");
    for (size_t i = 0; i < list->n; i++) {
        const calib_sample *s = &list->samples[i];
        fprintf(to, "%s,%u,%u,%u,%u,%u,%.9g\n", s->model, (unsigned)s->batch, (unsigned)s->sm_pct,
                (unsigned)s->quota_pct, (unsigned)s->processes, (unsigned)s->repetitions, s->ms);
    }
    return ferror(to) ? -1 : 0;
}

void calib_import_free(calib_import *list) {
    free(list->samples);
    *list = (calib_import){.n = 0};
}
