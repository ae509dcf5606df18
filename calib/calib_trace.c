/* calib_trace.c - reading and checking what hassim-calibrate wrote. */
#include "calib_trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib_json.h"

#define FORMAT "hassim-measured-1"

enum { RECORDS_MAX = 200000, SMS_MAX = 4096, KEY_LEN = 200 };

static const double MS_MAX = 1e8; /* a day */

struct calib_trace {
    cJSON *root;
    calib_trace_info info;
    calib_trace_latency *latencies;
    size_t n;
};

/* What a kind of record must have beside key, kind, before and after. S: an object of statistics (ms); N: a number >= 0. */
typedef struct {
    const char *kind;
    int has_workload, has_batch, has_partition, has_repeat;
    const char *stats[6], *numbers[12], *others[8];
} record_kind;

static const record_kind kinds[] = {
    {"verify",
     1,
     0,
     1,
     0,
     {NULL},
     {"operators", "places", "worst", "tolerance", NULL},
     {"ok", "fault", NULL}},
    {"latency",
     1,
     1,
     1,
     1,
     {"wall_ms", "gpu_ms", "launch_ms", "queued_ms", NULL},
     {"kernels", "flops", "bytes", "weight_mib", "bandwidth_gb_per_s", NULL},
     {"flushed_ms", NULL}},
    {"quota",
     1,
     1,
     1,
     1,
     {"wall_ms", NULL},
     {"kernels", "flops", "bytes", "weight_mib", "quota_pct", "window_ms", NULL},
     {"gpu_ms", "runtime", NULL}},
    {"pair",
     1,
     1,
     1,
     1,
     {"alone_ms", "with_ms", NULL},
     {"slowdown", "alone_gb_per_s", "with_gb_per_s", "other_alone_per_s", "other_with_per_s",
      "other_slowdown", "other_alone_gb_per_s", "other_with_gb_per_s", "other_batch", "other_sms", NULL},
     {"other", NULL}},
    {"cold",
     1,
     1,
     0,
     1,
     {NULL},
     {"context_ms", "module_ms", "library_ms", "allocate_ms", "copy_pageable_ms", "copy_pinned_ms", "pin_ms",
      "first_ms", "weight_mib", NULL},
     {NULL}},
    {"resize", 0, 0, 1, 1, {"create_ms", "stream_ms", "switch_ms", "destroy_ms", NULL}, {NULL}, {NULL}},
};

typedef struct {
    calib_json *j;
    calib_trace *t;
    const cJSON *device;
} reader;

static int is_among(const char *key, const char *const *list) {
    while (*list && strcmp(*list, key) != 0) list++;
    return *list != NULL;
}

static int check_keys(calib_json *j, const cJSON *record, const record_kind *k) {
    static const char *const always[] = {"key", "kind", "before", "after", "throttled", NULL};
    for (const cJSON *item = record->child; item; item = item->next) {
        const char *key = item->string;
        int known = is_among(key, always) || is_among(key, k->stats) || is_among(key, k->numbers) ||
                    is_among(key, k->others) || (k->has_workload && strcmp(key, "workload") == 0) ||
                    (k->has_batch && strcmp(key, "batch") == 0) ||
                    (k->has_partition && strcmp(key, "partition") == 0) ||
                    (k->has_repeat && strcmp(key, "repeat") == 0);
        if (known && cJSON_GetObjectItemCaseSensitive(record, key) == item) continue;
        size_t mark = calib_json_enter(j, key);
        calib_json_fail(j, known ? "key appears twice, expected each key once"
                                 : "unknown key, expected one of those in calib/harness/README.md");
        calib_json_leave(j, mark);
        return -1;
    }
    return 0;
}

static int check_order(calib_json *j, const char *const names[], const double *values, int n) {
    for (int i = 1; i < n; i++)
        if (values[i] < values[i - 1])
            return calib_json_fail(j,
                                   "found %s %.9g above %s %.9g, expected min <= lo <= median <= hi <= max",
                                   names[i - 1], values[i - 1], names[i], values[i]);
    return 0;
}

static int check_stats(calib_json *j, const cJSON *record, const char *key) {
    static const char *const keys[] = {"n", "median", "mean", "mad", "lo", "hi", "min", "max", NULL};
    static const char *const order[] = {"min", "lo", "median", "hi", "max"};
    const cJSON *s = calib_json_object(j, record, key);
    size_t mark = calib_json_enter(j, key);
    double values[5];
    calib_json_keys(j, s, keys);
    calib_json_uint(j, s, "n", 1, 1000000);
    calib_json_number(j, s, "mad", 0, MS_MAX);
    for (int i = 0; i < 5; i++) values[i] = calib_json_number(j, s, order[i], 0, MS_MAX);
    double mean = calib_json_number(j, s, "mean", 0, MS_MAX);
    if (!j->failed) check_order(j, order, values, 5);
    if (!j->failed && (mean < values[0] * (1 - 1e-6) || mean > values[4] * (1 + 1e-6)))
        calib_json_fail(j, "found mean %.9g, expected one from min to max", mean);
    calib_json_leave(j, mark);
    return j->failed;
}

static int check_telemetry(calib_json *j, const cJSON *record, const char *key) {
    static const char *const keys[] = {"throttle", "sm_mhz", "memory_mhz", "temperature_c", "power_w", NULL};
    const cJSON *s = calib_json_object(j, record, key);
    size_t mark = calib_json_enter(j, key);
    calib_json_keys(j, s, keys);
    for (const char *const *k = keys; *k; k++) calib_json_number(j, s, *k, -1, 9e15);
    calib_json_leave(j, mark);
    return j->failed;
}

static uint32_t sm_count(const reader *r) {
    return r->t->info.sm_count;
}

/* "whole", "green-32", "mps-30" as the key has it; *sms: what it has. */
static void read_partition(reader *r, const cJSON *record, char text[32], calib_trace_latency *out) {
    static const char *const keys[] = {"kind", "asked", "sms", NULL}, *const names[] = {"whole", "green",
                                                                                        "mps"};
    const cJSON *p = calib_json_object(r->j, record, "partition");
    size_t mark = calib_json_enter(r->j, "partition");
    calib_json_keys(r->j, p, keys);
    const char *kind = calib_json_text(r->j, p, "kind");
    uint32_t asked = calib_json_uint(r->j, p, "asked", 0, SMS_MAX);
    out->sms = calib_json_uint(r->j, p, "sms", 1, sm_count(r));
    int i = 0;
    while (i < 3 && strcmp(names[i], kind) != 0) i++;
    if (i == 3) calib_json_fail(r->j, "found kind \"%.20s\", expected whole, green or mps", kind);
    out->partition = (calib_trace_partition)(i < 3 ? i : 0);
    if (i == CALIB_TRACE_GREEN && !r->j->failed && out->sms < asked)
        calib_json_fail(r->j, "found %u SMs where %u were asked for, expected at least those",
                        (unsigned)out->sms, (unsigned)asked);
    snprintf(text, 32, i ? "%s-%u" : "%s", i < 3 ? names[i] : "", (unsigned)asked);
    calib_json_leave(r->j, mark);
}

/* Fields and key say the same; the key is put together as hassim-calibrate does. */
static int check_key(reader *r, const cJSON *record, const record_kind *k, const char *partition,
                     const calib_trace_latency *x) {
    char key[KEY_LEN];
    calib_json *j = r->j;
    const char *quota = x->quota == CALIB_TRACE_TOKEN ? "token" : "metered";
    const char *w = x->workload;
    unsigned b = (unsigned)x->batch, n = (unsigned)x->repeat;
    if (strcmp(k->kind, "verify") == 0)
        snprintf(key, sizeof key, "verify/%.60s", w);
    else if (strcmp(k->kind, "resize") == 0)
        snprintf(key, sizeof key, "resize/%s/r%u", partition, n);
    else if (strcmp(k->kind, "cold") == 0)
        snprintf(key, sizeof key, "cold/%.60s/b%u/r%u", w, b, n);
    else if (strcmp(k->kind, "quota") == 0)
        snprintf(key, sizeof key, "quota/%.60s/b%u/%s/%s-%u/r%u", w, b, partition, quota,
                 (unsigned)x->quota_pct, n);
    else if (strcmp(k->kind, "latency") == 0)
        snprintf(key, sizeof key, "latency/%.60s/b%u/%s/r%u", w, b, partition, n);
    else /* the other's size in the key is what was asked for, which the record does not say again */
        snprintf(key, sizeof key, "pair/%.60s/b%u/%s/%.60s/b%u/", w, b, partition,
                 calib_json_text(j, record, "other"),
                 (unsigned)calib_json_uint(j, record, "other_batch", 1, CALIB_BATCH_MAX));
    const char *found = calib_json_text(j, record, "key");
    int is_pair = strcmp(k->kind, "pair") == 0;
    if (j->failed || (is_pair ? strncmp(found, key, strlen(key)) == 0 : strcmp(found, key) == 0))
        return j->failed;
    return calib_json_fail(j, "found key \"%.80s\" with the fields of \"%.80s\", expected the same", found,
                           key);
}

static void read_quota(reader *r, const cJSON *record, calib_trace_latency *x) {
    const char *runtime = calib_json_text(r->j, record, "runtime");
    x->quota = strcmp(runtime, "token") == 0 ? CALIB_TRACE_TOKEN : CALIB_TRACE_METERED;
    if (x->quota == CALIB_TRACE_METERED && strcmp(runtime, "metered") != 0)
        calib_json_fail(r->j, "found runtime \"%.20s\", expected token or metered", runtime);
    x->quota_pct = calib_json_uint(r->j, record, "quota_pct", 1, 100);
}

static double stat(const cJSON *record, const char *key, const char *field) {
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(record, key);
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(s, field);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static void keep_latency(reader *r, const cJSON *record, calib_trace_latency *x) {
    x->n = (uint32_t)stat(record, "wall_ms", "n");
    x->ms = stat(record, "wall_ms", x->quota == CALIB_TRACE_NO_QUOTA ? "median" : "mean");
    x->lo_ms = stat(record, "wall_ms", "lo");
    x->hi_ms = stat(record, "wall_ms", "hi");
    x->gpu_ms = stat(record, "queued_ms", "median");
    if (x->ms <= 0) calib_json_fail(r->j, "found a latency of 0 ms, expected more");
    r->t->latencies[r->t->n++] = *x;
}

static const record_kind *kind_of(calib_json *j, const cJSON *record) {
    const char *kind = calib_json_text(j, record, "kind");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].kind, kind) == 0) return &kinds[i];
    calib_json_fail(j, "found kind \"%.20s\", expected verify, latency, quota, pair, cold or resize", kind);
    return NULL;
}

static int check_values(reader *r, const cJSON *record, const record_kind *k) {
    for (const char *const *s = k->stats; *s; s++) check_stats(r->j, record, *s);
    for (const char *const *n = k->numbers; *n; n++) calib_json_number(r->j, record, *n, 0, 1e300);
    for (const char *const *o = k->others; *o; o++) /* statistics that some workloads have */
        if (strstr(*o, "_ms") && cJSON_GetObjectItemCaseSensitive(record, *o)) check_stats(r->j, record, *o);
    if (strcmp(k->kind, "cold") != 0) check_telemetry(r->j, record, "before");
    return check_telemetry(r->j, record, "after");
}

static int read_record(reader *r, const cJSON *record) {
    char partition[32] = "";
    calib_trace_latency x = {.workload = "", .quota_pct = 100, .repeat = 1};
    if (!cJSON_IsObject(record)) return calib_json_fail(r->j, "found no object, expected a record");
    const record_kind *k = kind_of(r->j, record);
    if (!k || check_keys(r->j, record, k)) return -1;
    if (k->has_workload) x.workload = calib_json_text(r->j, record, "workload");
    if (k->has_workload) calib_json_name(r->j, x.workload);
    if (k->has_batch) x.batch = calib_json_uint(r->j, record, "batch", 1, CALIB_BATCH_MAX);
    if (k->has_repeat) x.repeat = calib_json_uint(r->j, record, "repeat", 1, 1000);
    if (k->has_partition) read_partition(r, record, partition, &x);
    if (strcmp(k->kind, "quota") == 0) read_quota(r, record, &x);
    x.throttled = calib_json_bool(r->j, record, "throttled");
    if (check_values(r, record, k) || check_key(r, record, k, partition, &x)) return -1;
    r->t->info.throttled += (size_t)(x.throttled != 0);
    if (strcmp(k->kind, "latency") == 0 || strcmp(k->kind, "quota") == 0) keep_latency(r, record, &x);
    return r->j->failed ? -1 : 0;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_unique(calib_json *j, const cJSON *records, int n) {
    const char **keys = malloc(((size_t)n + 1) * sizeof *keys);
    if (!keys) return calib_json_fail(j, "out of memory");
    int i = 0;
    for (const cJSON *r = records->child; r; r = r->next)
        keys[i++] = cJSON_GetObjectItemCaseSensitive(r, "key")->valuestring;
    qsort(keys, (size_t)n, sizeof *keys, by_text);
    for (i = 1; i < n && !j->failed; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            calib_json_fail(j, "found key \"%.80s\" twice, expected each once", keys[i]);
    free(keys);
    return j->failed;
}

/* Of a workload that gave wrong results nothing may have been measured. */
static int check_verified(calib_json *j, const cJSON *records) {
    for (const cJSON *v = records->child; v; v = v->next) {
        if (strcmp(cJSON_GetObjectItemCaseSensitive(v, "kind")->valuestring, "verify") != 0) continue;
        if (calib_json_bool(j, v, "ok") || j->failed) continue;
        const char *name = cJSON_GetObjectItemCaseSensitive(v, "workload")->valuestring;
        for (const cJSON *r = records->child; r; r = r->next) {
            const cJSON *w = cJSON_GetObjectItemCaseSensitive(r, "workload");
            if (r != v && cJSON_IsString(w) && strcmp(w->valuestring, name) == 0)
                return calib_json_fail(
                    j, "found measurements of \"%.40s\", whose operators failed verification, expected none",
                    name);
        }
    }
    return j->failed;
}

static void read_records(reader *r, const cJSON *root) {
    calib_json *j = r->j;
    const cJSON *records = calib_json_array(j, root, "records", 0, RECORDS_MAX);
    int n = cJSON_GetArraySize(records), i = 0;
    r->t->latencies = calloc((size_t)n + 1, sizeof *r->t->latencies);
    if (!r->t->latencies) calib_json_fail(j, "out of memory");
    size_t mark = calib_json_enter(j, "records");
    for (const cJSON *record = j->failed ? NULL : records->child; record && !j->failed;
         record = record->next, i++) {
        size_t inner = calib_json_enter_at(j, i);
        read_record(r, record);
        calib_json_leave(j, inner);
    }
    if (!j->failed && !check_unique(j, records, n)) check_verified(j, records);
    calib_json_leave(j, mark);
    if (!j->failed && (size_t)n != r->t->info.measured)
        calib_json_fail(j, "found %d records and measured %zu, expected the same", n, r->t->info.measured);
}

static void read_device(reader *r, const cJSON *root) {
    static const char *const keys[] = {"name",
                                       "uuid",
                                       "libraries",
                                       "kernel_driver",
                                       "precision",
                                       "cc_major",
                                       "cc_minor",
                                       "sm_count",
                                       "l2_kib",
                                       "memory_mib",
                                       "driver",
                                       "runtime",
                                       "sm_mhz_max",
                                       "theoretical_gb_per_s",
                                       "theoretical_flops_per_s",
                                       "green_unit",
                                       "green_sizes",
                                       "mps",
                                       "nvml",
                                       NULL};
    calib_json *j = r->j;
    calib_trace_info *i = &r->t->info;
    const cJSON *d = calib_json_object(j, root, "device");
    size_t mark = calib_json_enter(j, "device");
    calib_json_keys(j, d, keys);
    i->device = calib_json_text(j, d, "name");
    i->uuid = calib_json_text(j, d, "uuid");
    i->libraries = calib_json_text(j, d, "libraries");
    i->precision = calib_json_text(j, d, "precision");
    i->sm_count = calib_json_uint(j, d, "sm_count", 1, SMS_MAX);
    i->driver = calib_json_uint(j, d, "driver", 1, 1000000);
    calib_json_uint(j, d, "memory_mib", 1, 1u << 30);
    const cJSON *sizes = calib_json_array(j, d, "green_sizes", 0, SMS_MAX);
    for (int k = 0; k < cJSON_GetArraySize(sizes); k++) calib_json_uint_at(j, sizes, k, 1, i->sm_count);
    calib_json_leave(j, mark);
}

static void read_checks(reader *r, const cJSON *root) {
    calib_json *j = r->j;
    const cJSON *checks = calib_json_object(j, root, "checks");
    size_t mark = calib_json_enter(j, "checks");
    const cJSON *floor = cJSON_GetObjectItemCaseSensitive(checks, "noise_floor_pct");
    r->t->info.noise_floor_pct =
        !floor || cJSON_IsNull(floor) ? -1 : calib_json_number(j, checks, "noise_floor_pct", 0, 1e6);
    const cJSON *laws = calib_json_array(j, checks, "monotonicity", 0, 100);
    for (const cJSON *law = laws ? laws->child : NULL; law; law = law->next)
        r->t->info.contradictions += calib_json_uint(j, law, "contradictions", 0, UINT32_MAX);
    calib_json_leave(j, mark);
}

static void read_root(reader *r, const cJSON *root) {
    static const char *const keys[] = {
        "format",  "generated_by", "date",  "host",   "device", "mps",     "step_s", "settings_changed",
        "planned", "measured",     "tiers", "checks", "failed", "records", NULL};
    calib_json *j = r->j;
    calib_trace_info *i = &r->t->info;
    if (!cJSON_IsObject(root)) calib_json_fail(j, "found no object, expected a calibration trace");
    calib_json_is(j, root, "format", FORMAT);
    calib_json_keys(j, root, keys);
    i->generated_by = calib_json_text(j, root, "generated_by");
    i->date = calib_json_text(j, root, "date");
    i->mps = calib_json_text(j, root, "mps");
    i->planned = calib_json_uint(j, root, "planned", 0, RECORDS_MAX);
    i->measured = calib_json_uint(j, root, "measured", 0, RECORDS_MAX);
    i->failed = (size_t)cJSON_GetArraySize(calib_json_array(j, root, "failed", 0, RECORDS_MAX));
    if (calib_json_bool(j, root, "settings_changed"))
        calib_json_fail(j, "settings_changed: found true, expected measurements of the card as it was");
    read_device(r, root);
    read_checks(r, root);
    if (!j->failed) read_records(r, root);
}

static int read_trace(calib_trace **out, const char *name, cJSON *root, char err[CALIB_ERR_LEN]) {
    calib_json j = {.file = name, .err = err};
    calib_trace *t = calloc(1, sizeof *t);
    if (!t) {
        cJSON_Delete(root);
        snprintf(err, CALIB_ERR_LEN, "%.300s: out of memory", name);
        return -1;
    }
    t->root = root;
    read_root(&(reader){.j = &j, .t = t}, root);
    if (j.failed)
        calib_trace_close(t);
    else
        *out = t;
    return j.failed ? -1 : 0;
}

int calib_trace_open(calib_trace **out, const char *file, char err[CALIB_ERR_LEN]) {
    cJSON *root = calib_json_read(file, err);
    return root ? read_trace(out, file, root, err) : -1;
}

int calib_trace_open_text(calib_trace **out, const char *name, const char *text, size_t len,
                          char err[CALIB_ERR_LEN]) {
    cJSON *root = calib_json_parse(name, text, len, err);
    return root ? read_trace(out, name, root, err) : -1;
}

int calib_trace_is(const char *file) {
    char err[CALIB_ERR_LEN];
    cJSON *root = calib_json_read(file, err);
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format");
    int is = cJSON_IsString(format) && strcmp(format->valuestring, FORMAT) == 0;
    cJSON_Delete(root);
    return is;
}

void calib_trace_close(calib_trace *t) {
    if (!t) return;
    cJSON_Delete(t->root);
    free(t->latencies);
    free(t);
}

const calib_trace_info *calib_trace_info_of(const calib_trace *t) {
    return &t->info;
}

size_t calib_trace_n(const calib_trace *t) {
    return t->n;
}

const calib_trace_latency *calib_trace_at(const calib_trace *t, size_t i) {
    return &t->latencies[i];
}
