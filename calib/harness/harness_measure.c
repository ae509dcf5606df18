/* harness_measure.c - warm-up, samples, statistics; one function per kind of step. */
#include "harness_measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness_random.h"
#include "harness_reference.h"
#include "harness_stats.h"
#include "harness_token.h"

enum { LEAST = 15, LEAST_SLOW = 7, MOST = 200, QUOTA_MOST = 60, PROBES = 64, VERIFY_BATCH = 2, RESIZES = 10 };

typedef struct {
    harness_device *d;
    const harness_workload *w, *other;
    const harness_step *step;
    double step_s;
    harness_text *out;
    char *err;
} job;

typedef struct {
    double wall[HARNESS_SAMPLES_MAX], gpu[HARNESS_SAMPLES_MAX], launch[HARNESS_SAMPLES_MAX];
    size_t n;
} series;

static int64_t now_ns(const job *j) {
    return j->d->ops->now_ns(j->d);
}

static double seconds_since(const job *j, int64_t start_ns) {
    return (double)(now_ns(j) - start_ns) * 1e-9;
}

static void write_field(harness_text *t, const char *name, double value) {
    harness_text_add(t, ", \"%s\": ", name);
    harness_text_number(t, value);
}

static void write_stats(harness_text *t, const char *name, double *samples, size_t n) {
    harness_stats s = harness_stats_of(samples, n);
    harness_text_add(t, ", \"%s\": {\"n\": %zu", name, s.n);
    write_field(t, "median", s.median);
    write_field(t, "mean", s.mean);
    write_field(t, "mad", s.mad);
    write_field(t, "lo", s.lo);
    write_field(t, "hi", s.hi);
    write_field(t, "min", s.min);
    write_field(t, "max", s.max);
    harness_text_add(t, "}");
}

static int write_telemetry(const job *j, const char *name, int64_t *throttle) {
    harness_telemetry t;
    if (j->d->ops->telemetry(j->d, &t, j->err)) return -1;
    harness_text_add(j->out, ", \"%s\": {\"throttle\": %lld", name, (long long)t.throttle);
    write_field(j->out, "sm_mhz", t.sm_mhz);
    write_field(j->out, "memory_mhz", t.memory_mhz);
    write_field(j->out, "temperature_c", t.temperature_c);
    write_field(j->out, "power_w", t.power_w);
    harness_text_add(j->out, "}");
    if (t.throttle > 0) *throttle |= t.throttle;
    return 0;
}

static int infer(const job *j, harness_program *p, size_t n_ops, harness_mode mode, harness_sample *out) {
    const harness_device_ops *o = j->d->ops;
    return o->begin(j->d, p, mode, j->err) || o->launch(j->d, p, 0, n_ops, j->err) ||
                   o->end(j->d, p, out, j->err)
               ? -1
               : 0;
}

/* Until the clocks are up and the times stay. */
static int warm_up(const job *j, harness_program *p, size_t n_ops) {
    double before = INFINITY, five[5];
    int64_t start = now_ns(j);
    for (;;) {
        for (int i = 0; i < 5; i++) {
            harness_sample s;
            if (infer(j, p, n_ops, HARNESS_IDLE, &s)) return -1;
            five[i] = s.wall_ms;
            if (seconds_since(j, start) >= 2) return 0;
        }
        double median = harness_stats_of(five, 5).median, elapsed = seconds_since(j, start);
        if (elapsed >= 0.05 && fabs(median - before) <= 0.02 * before) return 0;
        before = median;
    }
}

/* Every eighth sample the interval is looked at: sorting costs more than short kernels do. */
static int collect(const job *j, harness_program *p, size_t n_ops, harness_mode mode, series *s) {
    double copy[HARNESS_SAMPLES_MAX];
    int64_t start = now_ns(j);
    for (s->n = 0; s->n < MOST; s->n++) {
        harness_sample sample;
        double elapsed_s = seconds_since(j, start);
        if (s->n >= LEAST && elapsed_s >= j->step_s) break;
        if (s->n >= LEAST_SLOW && elapsed_s >= 2 * j->step_s) break;
        if (s->n >= LEAST && s->n % 8 == 0) {
            memcpy(copy, mode == HARNESS_IDLE ? s->wall : s->gpu, s->n * sizeof *copy);
            harness_stats so_far = harness_stats_of(copy, s->n);
            if (harness_stats_enough(&so_far, 40, 0.005)) break;
        }
        if (infer(j, p, n_ops, mode, &sample)) return -1;
        s->wall[s->n] = sample.wall_ms;
        s->gpu[s->n] = sample.gpu_ms;
        s->launch[s->n] = sample.launch_ms;
    }
    return 0;
}

static void write_workload(const job *j, const harness_workload *w, uint32_t batch) {
    write_field(j->out, "kernels", (double)w->n_ops);
    write_field(j->out, "flops", harness_workload_flops(w, batch));
    write_field(j->out, "bytes", harness_workload_bytes(w, batch));
    write_field(j->out, "weight_mib", (double)harness_workload_weight_bytes(w) / 1048576);
}

/* Bytes per ms are 1e-6 GB/s. */
static void write_rate(const job *j, const char *name, const harness_workload *w, uint32_t batch, double ms) {
    write_field(j->out, name, ms > 0 ? harness_workload_bytes(w, batch) / ms * 1e-6 : 0);
}

static int measure_program(const job *j, harness_program *p) {
    size_t n = j->w->n_ops;
    series *s = calloc(1, sizeof *s);
    int rc = s ? warm_up(j, p, n) || collect(j, p, n, HARNESS_IDLE, s) : -1;
    if (!rc) {
        write_stats(j->out, "wall_ms", s->wall, s->n);
        write_stats(j->out, "gpu_ms", s->gpu, s->n);
        write_stats(j->out, "launch_ms", s->launch, s->n);
        rc = collect(j, p, n, HARNESS_QUEUED, s);
    }
    if (!rc) {
        write_stats(j->out, "queued_ms", s->gpu, s->n);
        write_workload(j, j->w, j->step->batch);
        write_rate(j, "bandwidth_gb_per_s", j->w, j->step->batch, harness_stats_of(s->gpu, s->n).median);
    }
    if (!rc && strcmp(j->w->group, "model") != 0) {
        rc = collect(j, p, n, HARNESS_FLUSHED, s);
        write_stats(j->out, "flushed_ms", s->gpu, s->n);
    }
    free(s);
    return rc;
}

static int infer_token(const job *j, harness_program *p, harness_token *t, harness_sample *out) {
    const harness_device_ops *o = j->d->ops;
    int64_t start = now_ns(j);
    for (size_t i = 0; i < j->w->n_ops; i++) {
        int64_t now = now_ns(j), at = harness_token_ready_ns(t, now);
        if (at > now) o->sleep_until_ns(j->d, at);
        if ((!i && o->begin(j->d, p, HARNESS_IDLE, j->err)) || o->launch(j->d, p, i, 1, j->err)) return -1;
    }
    if (o->end(j->d, p, out, j->err)) return -1;
    out->wall_ms = (double)(now_ns(j) - start) * 1e-6;
    return 0;
}

/* How many operators from `first` on fit into the GPU time left; at least one, as a kernel cannot be divided. */
static size_t chunk(const job *j, const double *guess_ms, size_t first, int64_t left_ns) {
    double sum = guess_ms[first];
    size_t n = 1;
    while (first + n < j->w->n_ops && (sum += guess_ms[first + n]) * 1e6 <= (double)left_ns) n++;
    return n;
}

static int infer_metered(const job *j, harness_program *p, harness_meter *m, const double *guess_ms,
                         harness_sample *out) {
    const harness_device_ops *o = j->d->ops;
    int64_t start = now_ns(j);
    *out = (harness_sample){0};
    for (size_t i = 0; i < j->w->n_ops;) {
        harness_sample part;
        int64_t now = now_ns(j), at = harness_meter_ready_ns(m, now);
        if (at > now) o->sleep_until_ns(j->d, at);
        size_t n = chunk(j, guess_ms, i, harness_meter_left_ns(m, now_ns(j)));
        if (o->begin(j->d, p, HARNESS_IDLE, j->err) || o->launch(j->d, p, i, n, j->err) ||
            o->end(j->d, p, &part, j->err))
            return -1;
        harness_meter_charge(m, now_ns(j), (int64_t)(part.gpu_ms * 1e6));
        out->gpu_ms += part.gpu_ms;
        i += n;
    }
    out->wall_ms = (double)(now_ns(j) - start) * 1e-6;
    return 0;
}

/* Each operator's own time, by events around it alone: three runs, the least. Includes the launch where that is longer. */
static int guess_ops(const job *j, harness_program *p, double *guess_ms) {
    const harness_device_ops *o = j->d->ops;
    for (size_t i = 0; i < j->w->n_ops; i++)
        for (int k = 0; k < 3; k++) {
            harness_sample s;
            if (o->begin(j->d, p, HARNESS_IDLE, j->err) || o->launch(j->d, p, i, 1, j->err) ||
                o->end(j->d, p, &s, j->err))
                return -1;
            if (!k || s.gpu_ms < guess_ms[i]) guess_ms[i] = s.gpu_ms;
        }
    return 0;
}

static int collect_quota(const job *j, harness_program *p, const double *guess_ms, series *s) {
    harness_token token = harness_token_new(j->step->quota_pct);
    harness_meter meter = harness_meter_new(j->step->quota_pct, now_ns(j));
    int64_t start = now_ns(j);
    for (s->n = 0; s->n < QUOTA_MOST; s->n++) {
        harness_sample sample;
        double elapsed_s = seconds_since(j, start);
        if (s->n >= LEAST && elapsed_s >= 3 * j->step_s) break;
        if (s->n >= LEAST_SLOW && elapsed_s >= 6 * j->step_s) break;
        double phase = 0.5 + 0.5 * (double)harness_random(HARNESS_SEED_INPUT, s->n, 1.0f);
        j->d->ops->sleep_until_ns(j->d, now_ns(j) + (int64_t)(phase * (double)HARNESS_WINDOW_NS));
        int rc = j->step->runtime == HARNESS_TOKEN ? infer_token(j, p, &token, &sample)
                                                   : infer_metered(j, p, &meter, guess_ms, &sample);
        if (rc) return -1;
        s->wall[s->n] = sample.wall_ms;
        s->gpu[s->n] = sample.gpu_ms;
    }
    return 0;
}

static int measure_quota(const job *j, harness_program *p) {
    series *s = calloc(1, sizeof *s);
    double *guess_ms = calloc(j->w->n_ops, sizeof *guess_ms);
    int rc = s && guess_ms
                 ? warm_up(j, p, j->w->n_ops) || guess_ops(j, p, guess_ms) || collect_quota(j, p, guess_ms, s)
                 : -1;
    if (!rc) {
        harness_text_add(j->out, ", \"runtime\": \"%s\", \"quota_pct\": %u, \"window_ms\": 40",
                         j->step->runtime == HARNESS_TOKEN ? "token" : "metered",
                         (unsigned)j->step->quota_pct);
        write_stats(j->out, "wall_ms", s->wall, s->n);
        if (j->step->runtime == HARNESS_METERED) write_stats(j->out, "gpu_ms", s->gpu, s->n);
        write_workload(j, j->w, j->step->batch);
    }
    free(guess_ms);
    free(s);
    return rc;
}

static int sum_operators(const job *j, harness_text *faults, double tolerance, size_t *n_ops, double *worst,
                         harness_program *p) {
    for (size_t i = 0; i < j->w->n_ops; i++) {
        const harness_op *op = &j->w->ops[i];
        uint64_t at[PROBES], n_out = harness_op_output_count(op, VERIFY_BATCH);
        float got[PROBES];
        size_t k = 0;
        while (k < i && memcmp(&j->w->ops[k], op, sizeof *op) != 0) k++;
        if (k < i) continue; /* seen */
        for (size_t q = 0; q < PROBES; q++)
            at[q] = q == 0 ? 0 : q == 1 ? n_out - 1 : harness_mix((uint32_t)(q * 2654435761u)) % n_out;
        if (j->d->ops->program_probe(j->d, p, i, PROBES, at, got, j->err)) return -1;
        for (size_t q = 0; q < PROBES; q++) {
            harness_reference r = harness_reference_at(op, VERIFY_BATCH, at[q]);
            double off = fabs((double)got[q] - r.value) / r.magnitude;
            if (!(off <= *worst)) *worst = isfinite(off) ? off : HUGE_VAL;
            if (off <= tolerance || faults->len) continue;
            harness_text_add(faults, "operator %zu (%s), output %llu: found %.9g, expected %.9g", i,
                             harness_op_name(op->kind), (unsigned long long)at[q], (double)got[q], r.value);
        }
        ++*n_ops;
    }
    return 0;
}

static int measure_verify(const job *j, harness_program *p) {
    harness_device_info info;
    harness_text faults = {0};
    size_t n_ops = 0;
    double worst = 0;
    if (j->d->ops->describe(j->d, &info, j->err)) return -1;
    double tolerance = harness_reference_tolerance(info.precision);
    int rc = sum_operators(j, &faults, tolerance, &n_ops, &worst, p);
    harness_text_add(j->out, ", \"operators\": %zu, \"places\": %d, \"ok\": %s", n_ops, PROBES,
                     faults.len ? "false" : "true");
    write_field(j->out, "worst", isfinite(worst) ? worst : 1e300);
    write_field(j->out, "tolerance", tolerance);
    if (faults.len) {
        harness_text_add(j->out, ", \"fault\": ");
        harness_text_quote(j->out, faults.text);
    }
    harness_text_free(&faults);
    return rc;
}

static const char *partition_name(harness_partition_kind kind) {
    return kind == HARNESS_WHOLE ? "whole" : kind == HARNESS_GREEN ? "green" : "mps";
}

static void write_partition(const job *j, uint32_t sms) {
    harness_text_add(j->out, ", \"partition\": {\"kind\": \"%s\", \"asked\": %u, \"sms\": %u}",
                     partition_name(j->step->partition), (unsigned)j->step->size, (unsigned)sms);
}

static int measure_in_partition(const job *j) {
    const harness_device_ops *o = j->d->ops;
    harness_partition *part = NULL;
    harness_program *p = NULL;
    uint32_t sms = 0, batch = j->step->kind == HARNESS_STEP_VERIFY ? VERIFY_BATCH : j->step->batch;
    if (o->partition_open(j->d, j->step->partition, j->step->size, &part, &sms, j->err)) return -1;
    int rc = o->program_open(j->d, part, j->w, batch, &p, j->err);
    if (!rc) {
        write_partition(j, sms);
        rc = j->step->kind == HARNESS_STEP_VERIFY  ? measure_verify(j, p)
             : j->step->kind == HARNESS_STEP_QUOTA ? measure_quota(j, p)
                                                   : measure_program(j, p);
    }
    o->program_close(j->d, p);
    o->partition_close(j->d, part);
    return rc;
}

static int background_rate(const job *j, harness_program *b, double *per_s) {
    uint64_t count = 0;
    double ms = 0;
    if (j->d->ops->background_start(j->d, b, j->err)) return -1;
    j->d->ops->sleep_until_ns(j->d, now_ns(j) + (int64_t)(j->step_s * 1e9));
    if (j->d->ops->background_stop(j->d, &count, &ms, j->err)) return -1;
    *per_s = ms > 0 ? (double)count / ms * 1000 : 0;
    return 0;
}

/* Both are warm before anything counts. The background's rate is taken over the whole time that the other is sampled. */
static int measure_pair_programs(const job *j, harness_program *a, harness_program *b, series *alone,
                                 series *with) {
    const harness_device_ops *o = j->d->ops;
    job other = *j;
    double alone_per_s = 0, ms = 0;
    uint64_t count = 0;
    other.w = j->other;
    if (warm_up(&other, b, j->other->n_ops) || background_rate(j, b, &alone_per_s)) return -1;
    if (warm_up(j, a, j->w->n_ops) || collect(j, a, j->w->n_ops, HARNESS_IDLE, alone)) return -1;
    if (o->background_start(j->d, b, j->err)) return -1;
    int rc = collect(j, a, j->w->n_ops, HARNESS_IDLE, with);
    if (o->background_stop(j->d, &count, &ms, rc ? (char[HARNESS_ERR_LEN]){0} : j->err) || rc) return -1;
    double alone_ms = harness_stats_of(alone->wall, alone->n).median;
    double with_ms = harness_stats_of(with->wall, with->n).median;
    double with_per_s = ms > 0 ? (double)count / ms * 1000 : 0;
    write_stats(j->out, "alone_ms", alone->wall, alone->n);
    write_stats(j->out, "with_ms", with->wall, with->n);
    write_field(j->out, "slowdown", alone_ms > 0 ? with_ms / alone_ms : 0);
    write_rate(j, "alone_gb_per_s", j->w, j->step->batch, alone_ms);
    write_rate(j, "with_gb_per_s", j->w, j->step->batch, with_ms);
    write_field(j->out, "other_alone_per_s", alone_per_s);
    write_field(j->out, "other_with_per_s", with_per_s);
    write_field(j->out, "other_slowdown", with_per_s > 0 ? alone_per_s / with_per_s : 0);
    write_rate(j, "other_alone_gb_per_s", j->other, j->step->other_batch,
               alone_per_s > 0 ? 1000 / alone_per_s : 0);
    write_rate(j, "other_with_gb_per_s", j->other, j->step->other_batch,
               with_per_s > 0 ? 1000 / with_per_s : 0);
    return 0;
}

static int measure_pair(const job *j) {
    const harness_device_ops *o = j->d->ops;
    uint32_t n[2] = {j->step->size, j->step->other_size}, sms[2] = {0, 0};
    harness_partition *part[2] = {NULL, NULL};
    harness_program *p[2] = {NULL, NULL};
    series *s = calloc(2, sizeof *s);
    if (!s || o->partition_open_pair(j->d, n, part, sms, j->err)) {
        free(s);
        return -1;
    }
    int rc = o->program_open(j->d, part[0], j->w, j->step->batch, &p[0], j->err) ||
             o->program_open(j->d, part[1], j->other, j->step->other_batch, &p[1], j->err);
    if (!rc) {
        write_partition(j, sms[0]);
        harness_text_add(j->out, ", \"other\": \"%s\", \"other_batch\": %u, \"other_sms\": %u",
                         j->step->other, (unsigned)j->step->other_batch, (unsigned)sms[1]);
        rc = measure_pair_programs(j, p[0], p[1], &s[0], &s[1]);
    }
    for (int i = 0; i < 2; i++) {
        o->program_close(j->d, p[i]);
        o->partition_close(j->d, part[i]);
    }
    free(s);
    return rc ? -1 : 0;
}

static int measure_cold(const job *j) {
    harness_cold c;
    if (j->d->ops->cold_start(j->d, j->w, j->step->batch, &c, j->err)) return -1;
    write_field(j->out, "context_ms", c.context_ms);
    write_field(j->out, "module_ms", c.module_ms);
    write_field(j->out, "library_ms", c.library_ms);
    write_field(j->out, "allocate_ms", c.allocate_ms);
    write_field(j->out, "copy_pageable_ms", c.copy_pageable_ms);
    write_field(j->out, "copy_pinned_ms", c.copy_pinned_ms);
    write_field(j->out, "pin_ms", c.pin_ms);
    write_field(j->out, "first_ms", c.first_ms);
    write_field(j->out, "weight_mib", c.weight_mib);
    return 0;
}

static int measure_resize(const job *j) {
    double create[RESIZES], stream[RESIZES], change[RESIZES], destroy[RESIZES];
    for (int i = -1; i < RESIZES; i++) { /* the first is warm-up */
        harness_resize r;
        int k = i < 0 ? 0 : i;
        if (j->d->ops->partition_resize(j->d, j->step->size, &r, j->err)) return -1;
        create[k] = r.create_ms;
        stream[k] = r.stream_ms;
        change[k] = r.switch_ms;
        destroy[k] = r.destroy_ms;
    }
    write_partition(j, j->step->size);
    write_stats(j->out, "create_ms", create, RESIZES);
    write_stats(j->out, "stream_ms", stream, RESIZES);
    write_stats(j->out, "switch_ms", change, RESIZES);
    write_stats(j->out, "destroy_ms", destroy, RESIZES);
    return 0;
}

/* A cold start begins before anything has touched CUDA: no telemetry before it. */
static int measure_step(const job *j) {
    int64_t throttle = 0;
    const harness_step *s = j->step;
    if (s->kind != HARNESS_STEP_COLD && write_telemetry(j, "before", &throttle)) return -1;
    int rc = s->kind == HARNESS_STEP_PAIR     ? measure_pair(j)
             : s->kind == HARNESS_STEP_COLD   ? measure_cold(j)
             : s->kind == HARNESS_STEP_RESIZE ? measure_resize(j)
                                              : measure_in_partition(j);
    if (rc || write_telemetry(j, "after", &throttle)) return -1;
    harness_text_add(j->out, ", \"throttled\": %s}", throttle & HARNESS_THROTTLE_BAD ? "true" : "false");
    return 0;
}

static int find_workload(const harness_workloads *w, const char *name, const harness_workload **out,
                         char *err) {
    *out = harness_workloads_find(w, name);
    if (*out || !name[0]) return 0;
    snprintf(err, HARNESS_ERR_LEN, "found workload \"%s\", expected one of the model descriptions", name);
    return -1;
}

int harness_measure(harness_device *d, const harness_workloads *w, const harness_step *s,
                    const harness_measure_options *options, harness_text *record, char err[HARNESS_ERR_LEN]) {
    static const char *const kinds[] = {"verify", "latency", "quota", "pair", "cold", "resize"};
    char key[HARNESS_KEY_LEN];
    job j = {.d = d, .step = s, .step_s = options->step_s, .out = record, .err = err};
    snprintf(err, HARNESS_ERR_LEN, "out of memory");
    if (find_workload(w, s->workload, &j.w, err) || find_workload(w, s->other, &j.other, err)) return -1;
    harness_step_key(s, key);
    harness_text_add(record, "{\"key\": \"%s\", \"kind\": \"%s\"", key, kinds[s->kind]);
    if (j.w) harness_text_add(record, ", \"workload\": \"%s\"", s->workload);
    if (s->batch) harness_text_add(record, ", \"batch\": %u", (unsigned)s->batch);
    if (s->repeat) harness_text_add(record, ", \"repeat\": %u", (unsigned)s->repeat);
    return measure_step(&j) || record->failed ? -1 : 0;
}

void harness_info_write(const harness_device_info *i, harness_text *t) {
    harness_text_add(t, "{\"name\": ");
    harness_text_quote(t, i->name);
    harness_text_add(t, ", \"uuid\": ");
    harness_text_quote(t, i->uuid);
    harness_text_add(t, ", \"libraries\": ");
    harness_text_quote(t, i->libraries);
    harness_text_add(t, ", \"kernel_driver\": ");
    harness_text_quote(t, i->kernel_driver);
    harness_text_add(t, ", \"precision\": \"%s\"", i->precision);
    write_field(t, "cc_major", i->cc_major);
    write_field(t, "cc_minor", i->cc_minor);
    write_field(t, "sm_count", i->sm_count);
    write_field(t, "l2_kib", i->l2_kib);
    write_field(t, "memory_mib", i->memory_mib);
    write_field(t, "driver", i->driver);
    write_field(t, "runtime", i->runtime);
    write_field(t, "sm_mhz_max", i->sm_mhz_max);
    write_field(t, "theoretical_gb_per_s", i->memory_gb_per_s);
    write_field(t, "theoretical_flops_per_s", i->flops_per_s);
    write_field(t, "green_unit", i->green_unit);
    harness_text_add(t, ", \"green_sizes\": [");
    for (uint32_t k = 0; k < i->n_green_sizes; k++)
        harness_text_add(t, "%s%u", k ? ", " : "", (unsigned)i->green_sizes[k]);
    harness_text_add(t, "], \"mps\": %s, \"nvml\": %s}", i->mps ? "true" : "false",
                     i->nvml ? "true" : "false");
}

static uint32_t read_uint(const harness_json *j, const char *key) {
    double v = harness_json_number(j, key, 0);
    return v > 0 && v < UINT32_MAX ? (uint32_t)v : 0;
}

void harness_info_read(harness_device_info *i, const harness_json *j) {
    *i = (harness_device_info){.cc_major = read_uint(j, "cc_major"),
                               .cc_minor = read_uint(j, "cc_minor"),
                               .sm_count = read_uint(j, "sm_count"),
                               .l2_kib = read_uint(j, "l2_kib"),
                               .memory_mib = read_uint(j, "memory_mib"),
                               .driver = read_uint(j, "driver"),
                               .runtime = read_uint(j, "runtime"),
                               .green_unit = read_uint(j, "green_unit"),
                               .sm_mhz_max = harness_json_number(j, "sm_mhz_max", 0),
                               .memory_gb_per_s = harness_json_number(j, "theoretical_gb_per_s", 0),
                               .flops_per_s = harness_json_number(j, "theoretical_flops_per_s", 0),
                               .mps = harness_json_number(j, "mps", 0) > 0,
                               .nvml = harness_json_number(j, "nvml", 0) > 0};
    snprintf(i->name, sizeof i->name, "%s", harness_json_string(j, "name", ""));
    snprintf(i->uuid, sizeof i->uuid, "%s", harness_json_string(j, "uuid", ""));
    snprintf(i->libraries, sizeof i->libraries, "%s", harness_json_string(j, "libraries", ""));
    snprintf(i->kernel_driver, sizeof i->kernel_driver, "%s", harness_json_string(j, "kernel_driver", ""));
    snprintf(i->precision, sizeof i->precision, "%s", harness_json_string(j, "precision", ""));
    const harness_json *sizes = harness_json_at(j, "green_sizes");
    for (const harness_json *k = sizes ? sizes->child : NULL; k && i->n_green_sizes < HARNESS_SIZES_MAX;
         k = k->next)
        i->green_sizes[i->n_green_sizes++] = (uint32_t)k->number;
}
