/* harness_fake.h - a simulated GPU for the harness's tests: its latency law is known, its clock is virtual.
 *
 * An operator takes max(flops / (SMs x 50 GFLOP/s), bytes / 1 TB/s, 2 us) of GPU time, a launch 4 us of host time. While a
 * program runs in the background, others are FAKE_SLOWDOWN times slower. Times carry +-0.5 % of deterministic noise.
 */
#ifndef HARNESS_FAKE_H
#define HARNESS_FAKE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness_device.h"
#include "harness_random.h"
#include "harness_reference.h"

#define FAKE_SLOWDOWN  1.25
#define FAKE_LAUNCH_NS 4000

struct harness_partition {
    uint32_t sms;
};

struct harness_program {
    const harness_workload *w;
    uint32_t batch, sms;
    harness_mode mode;
    int64_t begun_ns, gpu_begun_ns;
};

typedef struct {
    harness_device base;
    int64_t clock_ns, gpu_free_ns, background_ns;
    harness_program *background;
    uint64_t draws;
    int wrong_conv;       /* convolutions give wrong values */
    int throttled;        /* telemetry says: power cap */
    int inverted;         /* wider partitions are slower */
    int open;             /* partitions and programs that are open: 0 at the end */
    const char *fails_on; /* workload whose launches fail */
    const char *kills_on; /* workload whose opening kills the parent process */
} fake_device;

static inline fake_device *fake_of(harness_device *d) {
    return (fake_device *)d;
}

static inline double fake_op_ms(const harness_op *op, uint32_t batch, uint32_t sms) {
    double compute = harness_op_flops(op, batch) / (sms * 50e9) * 1e3,
           memory = harness_op_bytes(op, batch) / 1e12 * 1e3;
    double most = compute > memory ? compute : memory;
    return most > 0.002 ? most : 0.002;
}

static inline double fake_gpu_ms(const harness_workload *w, uint32_t batch, uint32_t sms) {
    double sum = 0;
    for (size_t i = 0; i < w->n_ops; i++) sum += fake_op_ms(&w->ops[i], batch, sms);
    return sum;
}

static int fake_describe(harness_device *d, harness_device_info *out, char *err) {
    (void)d, (void)err;
    *out = (harness_device_info){.name = "Simulated GPU",
                                 .uuid = "GPU-fake",
                                 .libraries = "none",
                                 .precision = "fp32",
                                 .cc_major = 9,
                                 .sm_count = 36,
                                 .memory_mib = 8192,
                                 .driver = 13000,
                                 .runtime = 13000,
                                 .sm_mhz_max = 1000,
                                 .memory_gb_per_s = 1000,
                                 .flops_per_s = 36 * 50e9,
                                 .green_sizes = {8, 16, 24, 32},
                                 .n_green_sizes = 4,
                                 .green_unit = 8};
    return 0;
}

static int fake_telemetry(harness_device *d, harness_telemetry *out, char *err) {
    (void)err;
    *out = (harness_telemetry){1000, 2000, 50, 200, fake_of(d)->throttled ? 4 : 0};
    return 0;
}

static int64_t fake_now_ns(harness_device *d) {
    return fake_of(d)->clock_ns;
}

static void fake_sleep_until_ns(harness_device *d, int64_t at_ns) {
    if (at_ns > fake_of(d)->clock_ns) fake_of(d)->clock_ns = at_ns;
}

static int fake_partition_open(harness_device *d, harness_partition_kind kind, uint32_t n,
                               harness_partition **out, uint32_t *sms, char *err) {
    (void)err;
    *out = malloc(sizeof **out);
    *sms = (*out)->sms = kind == HARNESS_WHOLE ? 36 : kind == HARNESS_MPS ? 36 * n / 100 : (n + 7) / 8 * 8;
    fake_of(d)->open++;
    return 0;
}

static int fake_partition_open_pair(harness_device *d, const uint32_t n[2], harness_partition *out[2],
                                    uint32_t sms[2], char *err) {
    for (int i = 0; i < 2; i++) fake_partition_open(d, HARNESS_GREEN, n[i], &out[i], &sms[i], err);
    return 0;
}

static void fake_partition_close(harness_device *d, harness_partition *p) {
    if (p) fake_of(d)->open--;
    free(p);
}

static int fake_partition_resize(harness_device *d, uint32_t n, harness_resize *out, char *err) {
    (void)d, (void)err;
    *out = (harness_resize){1 + 0.01 * n, 0.1, 0.05, 0.5};
    return 0;
}

static int fake_program_open(harness_device *d, harness_partition *p, const harness_workload *w,
                             uint32_t batch, harness_program **out, char *err) {
    fake_device *f = fake_of(d);
    (void)err;
    if (f->kills_on && strcmp(f->kills_on, w->name) == 0) {
        kill(getppid(), SIGKILL);
        _exit(0);
    }
    *out = malloc(sizeof **out);
    **out = (harness_program){.w = w, .batch = batch, .sms = p->sms};
    f->open++;
    return 0;
}

static void fake_program_close(harness_device *d, harness_program *p) {
    if (p) fake_of(d)->open--;
    free(p);
}

static int fake_probe(harness_device *d, harness_program *p, size_t op, size_t n, const uint64_t *at,
                      float *out, char *err) {
    (void)err;
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)harness_reference_at(&p->w->ops[op], p->batch, at[i]).value;
        if (fake_of(d)->wrong_conv && p->w->ops[op].kind == HARNESS_CONV) out[i] += 0.5f;
    }
    return 0;
}

static int fake_begin(harness_device *d, harness_program *p, harness_mode mode, char *err) {
    (void)err;
    p->mode = mode;
    p->begun_ns = p->gpu_begun_ns = fake_of(d)->clock_ns;
    if (mode != HARNESS_IDLE) p->gpu_begun_ns += 1000000000; /* the spin ends when all is launched */
    fake_of(d)->gpu_free_ns = p->gpu_begun_ns;
    return 0;
}

static int fake_launch(harness_device *d, harness_program *p, size_t first, size_t n, char *err) {
    fake_device *f = fake_of(d);
    if (f->fails_on && strcmp(f->fails_on, p->w->name) == 0) {
        snprintf(err, HARNESS_ERR_LEN, "simulated: illegal \"address\"");
        return -1;
    }
    for (size_t i = first; i < first + n; i++) {
        f->clock_ns += FAKE_LAUNCH_NS;
        double ms = fake_op_ms(&p->w->ops[i], p->batch, f->inverted ? 40 - p->sms : p->sms);
        ms *= 1 + 0.005 * (double)harness_random(7, f->draws++, 1.0f);
        if (f->background && f->background != p) ms *= FAKE_SLOWDOWN;
        if (f->gpu_free_ns < f->clock_ns) f->gpu_free_ns = f->clock_ns;
        f->gpu_free_ns += (int64_t)(ms * 1e6);
    }
    return 0;
}

static int fake_end(harness_device *d, harness_program *p, harness_sample *out, char *err) {
    fake_device *f = fake_of(d);
    (void)err;
    double launched_ms = (double)(f->clock_ns - p->begun_ns) * 1e-6;
    if (f->gpu_free_ns > f->clock_ns) f->clock_ns = f->gpu_free_ns;
    *out = (harness_sample){(double)(f->gpu_free_ns - p->gpu_begun_ns) * 1e-6,
                            (double)(f->clock_ns - p->begun_ns) * 1e-6, launched_ms};
    return 0;
}

static int fake_background_start(harness_device *d, harness_program *p, char *err) {
    (void)err;
    fake_of(d)->background = p;
    fake_of(d)->background_ns = fake_of(d)->clock_ns;
    return 0;
}

static int fake_background_stop(harness_device *d, uint64_t *count, double *elapsed_ms, char *err) {
    fake_device *f = fake_of(d);
    (void)err;
    *elapsed_ms = (double)(f->clock_ns - f->background_ns) * 1e-6;
    *count =
        (uint64_t)(*elapsed_ms / fake_gpu_ms(f->background->w, f->background->batch, f->background->sms));
    f->background = NULL;
    return 0;
}

static int fake_cold_start(harness_device *d, const harness_workload *w, uint32_t batch, harness_cold *out,
                           char *err) {
    double mib = (double)harness_workload_weight_bytes(w) / 1048576;
    (void)d, (void)err, (void)batch;
    *out = (harness_cold){300, 20, 100, 1, mib / 4, mib / 20, mib / 2, 30, mib};
    return 0;
}

static void fake_close(harness_device *d) {
    (void)d;
}

static inline fake_device fake_new(void) {
    static const harness_device_ops ops = {
        .describe = fake_describe,
        .telemetry = fake_telemetry,
        .now_ns = fake_now_ns,
        .sleep_until_ns = fake_sleep_until_ns,
        .partition_open = fake_partition_open,
        .partition_open_pair = fake_partition_open_pair,
        .partition_close = fake_partition_close,
        .partition_resize = fake_partition_resize,
        .program_open = fake_program_open,
        .program_close = fake_program_close,
        .program_probe = fake_probe,
        .begin = fake_begin,
        .launch = fake_launch,
        .end = fake_end,
        .background_start = fake_background_start,
        .background_stop = fake_background_stop,
        .cold_start = fake_cold_start,
        .close = fake_close,
    };
    return (fake_device){.base = {&ops}};
}

#endif
