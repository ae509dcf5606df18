/* calib_import_trace.c - what hassim-calibrate measured (calib/harness): one JSON document,
 *
 *     {"format": "hassim-measured-1", "generated_by": ..., "date": ..., "device": {"name": ..., "sm_count": 132, ...},
 *      "records": [{"kind": "latency", "workload": "resnet50", "batch": 4, "throttled": false,
 *                   "partition": {"kind": "green", "asked": 32, "sms": 32}, "wall_ms": {"n": 60, "mean": 2.1, ...}, ...}]}
 *
 * Samples are the records of kind "latency" (quota 100) and of kind "quota" under tokens ("runtime": "token",
 * "quota_pct"): the mean of wall_ms, what a request that finds the GPU idle waits. Metered quotas are left out, since the
 * engine meters by itself, and records measured while heat or power held the clocks down; the rest of the document is
 * for others. The SM share of a green context is its SMs / the device's in whole percent, under MPS the percentage.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calib_import_int.h"
#include "calib_json.h"

static const char FORMAT[] = "hassim-measured-1";

enum { RECORDS_MAX = 1000000, SMS_MAX = 4096, NOT_WHOLE = 99 };

static int text_is(const cJSON *object, const char *key, const char *expected) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text && strcmp(text, expected) == 0;
}

/* A share in whole percent: a part of the GPU is 1 to 99 of them. */
static uint32_t share_pct(uint32_t sms, uint32_t sm_count) {
    double pct = floor(100.0 * sms / sm_count + 0.5);
    return pct < 1 ? 1 : sms < sm_count && pct > NOT_WHOLE ? NOT_WHOLE : (uint32_t)pct;
}

static uint32_t read_partition(calib_json *j, const cJSON *record, uint32_t sm_count) {
    const cJSON *p = calib_json_object(j, record, "partition");
    if (!p) return 1;
    size_t mark = calib_json_enter(j, "partition");
    uint32_t pct = 100;
    if (text_is(p, "kind", "mps"))
        pct = calib_json_uint(j, p, "asked", 1, 100);
    else if (text_is(p, "kind", "green"))
        pct = share_pct(calib_json_uint(j, p, "sms", 1, sm_count), sm_count);
    else
        calib_json_is(j, p, "kind", "whole");
    calib_json_leave(j, mark);
    return pct;
}

static void read_time(calib_json *j, const cJSON *record, calib_sample *s) {
    const cJSON *wall = calib_json_object(j, record, "wall_ms");
    if (!wall) return;
    size_t mark = calib_json_enter(j, "wall_ms");
    s->ms = calib_json_number(j, wall, "mean", CALIB_IMPORT_MS_MIN, CALIB_IMPORT_MS_MAX);
    s->repetitions = calib_json_uint(j, wall, "n", 1, 1000000000);
    calib_json_leave(j, mark);
}

static void read_record(calib_json *j, const cJSON *record, uint32_t sm_count, calib_import *to) {
    calib_sample s = {.quota_pct = 100, .processes = 1};
    int is_quota = text_is(record, "kind", "quota");
    if (!cJSON_IsObject(record)) calib_json_fail(j, "expected an object");
    calib_json_text(j, record, "kind");
    if (j->failed || (!is_quota && !text_is(record, "kind", "latency"))) return;
    int is_throttled = calib_json_bool(j, record, "throttled");
    const char *model = calib_json_text(j, record, "workload");
    if (!calib_name_is_good(model))
        calib_json_fail(j, "workload: found \"%.40s\", expected a model's name", model);
    s.batch = calib_json_uint(j, record, "batch", 1, CALIB_IMPORT_BATCH_MAX);
    s.sm_pct = read_partition(j, record, sm_count);
    if (is_quota) s.quota_pct = calib_json_uint(j, record, "quota_pct", 1, 100);
    if (is_quota) calib_json_text(j, record, "runtime");
    read_time(j, record, &s);
    if (j->failed) return;
    if (is_throttled || (is_quota && !text_is(record, "runtime", "token"))) {
        to->n_unmeasured++;
        return;
    }
    snprintf(s.model, sizeof s.model, "%s", model);
    if (calib_import_add(to, &s, NULL))
        calib_json_fail(j, "one too many, expected fewer records, or more memory");
}

static void read_document(calib_json *j, const cJSON *root, calib_import *to) {
    if (!cJSON_IsObject(root)) calib_json_fail(j, "expected an object");
    calib_json_is(j, root, "format", FORMAT);
    const char *by = calib_json_text(j, root, "generated_by"), *date = calib_json_text(j, root, "date");
    const cJSON *device = calib_json_object(j, root, "device");
    size_t mark = calib_json_enter(j, "device");
    const char *name = device ? calib_json_text(j, device, "name") : "";
    uint32_t sm_count = device ? calib_json_uint(j, device, "sm_count", 1, SMS_MAX) : 1;
    calib_json_leave(j, mark);
    const cJSON *records = calib_json_array(j, root, "records", 1, RECORDS_MAX), *record;
    snprintf(to->series.source, sizeof to->series.source, "measured by %.100s on %.100s, %.100s", by, name,
             date);
    snprintf(to->series.method, sizeof to->series.method,
             "mean wall time of lone inferences from an idle GPU; quotas: launch tokens of a 40-ms window");
    mark = calib_json_enter(j, "records");
    int i = 0;
    cJSON_ArrayForEach(record, records) {
        size_t at = calib_json_enter_at(j, i++);
        read_record(j, record, sm_count, to);
        calib_json_leave(j, at);
        if (j->failed) break;
    }
    calib_json_leave(j, mark);
}

int calib_import_trace(calib_import *to, const char *file, char err[CALIB_ERR_LEN]) {
    calib_json j = {.file = file, .err = err};
    cJSON *root = calib_json_read(file, err);
    if (!root) return -1;
    read_document(&j, root, to);
    cJSON_Delete(root);
    return j.failed ? -1 : 0;
}
