/* cuda_device.c - harness_device_ops by CUDA. */
#include "cuda_device.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cuda_driver.h"
#include "cuda_libraries.h"
#include "cuda_nvml.h"
#include "cuda_program.h"
#include "harness_kernels.h"

struct harness_partition {
    harness_partition_kind kind;
    cuda_green green; /* also of the whole GPU: context and stream, no green context */
    cuda_handles *handles;
};

struct harness_program {
    cuda_program p;
    harness_partition *part;
    cudaEvent_t from, to;
    double begun_ms, spin_ms,
        launched_ms; /* host clock of begin; length of the spin; host clock after the last launch */
    harness_mode mode;
};

/* The thread that keeps the other partition of a pair busy. */
typedef struct {
    pthread_t thread;
    harness_program *program;
    atomic_int stop;
    uint64_t count;
    double elapsed_ms;
    int failed, running;
    char err[HARNESS_ERR_LEN];
} background;

typedef struct {
    harness_device base;
    int tf32, use_libraries, started;
    CUdevice device;
    CUcontext primary;
    struct cudaDeviceProp prop;
    cuda_driver driver;
    cuda_libraries *libraries;
    cuda_nvml *nvml;
    uint32_t sizes[HARNESS_SIZES_MAX], n_sizes;
    void *flush;
    size_t flush_len;
    background back;
} cuda_device;

static cuda_device *self(harness_device *d) {
    return (cuda_device *)d;
}

/* --- starting ------------------------------------------------------------------------------------------------------ */

static void uuid_text(const cudaUUID_t *uuid, char text[HARNESS_LABEL_LEN]) {
    const unsigned char *b = (const unsigned char *)uuid->bytes;
    int n = snprintf(text, HARNESS_LABEL_LEN, "GPU-");
    for (int i = 0; i < 16; i++)
        n += snprintf(text + n, (size_t)(HARNESS_LABEL_LEN - n),
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
}

/* The first CUDA call makes the primary context: hundreds of milliseconds, most of a cold start on the GPU's side. */
static int start_context(cuda_device *d, char *err) {
    int n = 0;
    if (cuda_runtime_check(cudaGetDeviceCount(&n), "no usable GPU", err)) return -1;
    if (cuda_runtime_check(cudaSetDevice(0), "cudaSetDevice", err) ||
        cuda_runtime_check(cudaFree(NULL), "creating the context", err) || cuda_driver_open(&d->driver, err))
        return -1;
    return cuda_driver_check(&d->driver, d->driver.device_get(&d->device, 0), "cuDeviceGet", err) ||
                   cuda_driver_check(&d->driver, d->driver.primary_retain(&d->primary, d->device),
                                     "cuDevicePrimaryCtxRetain", err)
               ? -1
               : 0;
}

static int start(cuda_device *d, char *err) {
    char uuid[HARNESS_LABEL_LEN];
    if (d->started) return 0;
    if (start_context(d, err) ||
        cuda_runtime_check(cudaGetDeviceProperties(&d->prop, 0), "cudaGetDeviceProperties", err))
        return -1;
    if (!d->libraries) d->libraries = cuda_libraries_open(d->use_libraries, d->tf32);
    if (!d->libraries) {
        snprintf(err, HARNESS_ERR_LEN, "out of memory");
        return -1;
    }
    uuid_text(&d->prop.uuid, uuid);
    d->nvml = cuda_nvml_open(uuid);
    d->n_sizes = cuda_green_sizes(&d->driver, d->device, d->sizes, HARNESS_SIZES_MAX);
    d->flush_len = 2 * (size_t)(d->prop.l2CacheSize > 0 ? d->prop.l2CacheSize : 1 << 25);
    d->started = 1;
    return 0;
}

static double attribute(enum cudaDeviceAttr which) {
    int value = 0;
    return cudaDeviceGetAttribute(&value, which, 0) == cudaSuccess ? value : 0;
}

/* Single-precision units per SM; for estimates only. */
static int cores_per_sm(int major, int minor) {
    return major == 7 || (major == 8 && minor == 0) ? 64 : 128;
}

static int describe(harness_device *base, harness_device_info *out, char *err) {
    cuda_device *d = self(base);
    int driver = 0, runtime = 0;
    if (start(d, err) || cuda_runtime_check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion", err) ||
        cuda_runtime_check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion", err))
        return -1;
    double mhz = attribute(cudaDevAttrClockRate) / 1000;
    *out = (harness_device_info){.cc_major = (uint32_t)d->prop.major,
                                 .cc_minor = (uint32_t)d->prop.minor,
                                 .sm_count = (uint32_t)d->prop.multiProcessorCount,
                                 .l2_kib = (uint32_t)(d->prop.l2CacheSize / 1024),
                                 .memory_mib = (uint32_t)(d->prop.totalGlobalMem >> 20),
                                 .driver = (uint32_t)driver,
                                 .runtime = (uint32_t)runtime,
                                 .sm_mhz_max = mhz,
                                 .n_green_sizes = d->n_sizes,
                                 .green_unit = d->n_sizes ? d->sizes[0] : 0,
                                 .nvml = d->nvml != NULL};
    /* double data rate: two transfers per clock */
    out->memory_gb_per_s = attribute(cudaDevAttrMemoryClockRate) * 1e3 * 2 *
                           attribute(cudaDevAttrGlobalMemoryBusWidth) / 8 * 1e-9;
    out->flops_per_s =
        mhz * 1e6 * 2 * d->prop.multiProcessorCount * cores_per_sm(d->prop.major, d->prop.minor);
    if (out->memory_gb_per_s <= 0) out->memory_gb_per_s = 500; /* some virtual GPUs hide their clocks */
    if (out->flops_per_s <= 0) out->flops_per_s = 1e13;
    memcpy(out->green_sizes, d->sizes, sizeof d->sizes);
    snprintf(out->name, sizeof out->name, "%.90s", d->prop.name);
    snprintf(out->precision, sizeof out->precision, "%s", d->tf32 ? "tf32" : "fp32");
    uuid_text(&d->prop.uuid, out->uuid);
    cuda_libraries_name(d->libraries, out->libraries);
    cuda_nvml_driver(d->nvml, out->kernel_driver);
    return 0;
}

static int telemetry(harness_device *base, harness_telemetry *out, char *err) {
    if (start(self(base), err)) return -1;
    cuda_nvml_read(self(base)->nvml, out);
    return 0;
}

static int64_t now_ns(harness_device *base) {
    struct timespec t;
    (void)base;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Sleeps to a quarter of a millisecond before, then spins: a timer's wake-up is late by more than a kernel takes. */
static void sleep_until_ns(harness_device *base, int64_t at_ns) {
    int64_t early = at_ns - 250000;
    struct timespec t = {.tv_sec = (time_t)(early / 1000000000), .tv_nsec = (long)(early % 1000000000)};
    if (early > now_ns(base))
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) {
        }
    while (now_ns(base) < at_ns) {
    }
}

/* --- partitions ---------------------------------------------------------------------------------------------------- */

static int enter(cuda_device *d, const harness_partition *part, char *err) {
    return cuda_driver_check(&d->driver, d->driver.set_current(part->green.context), "cuCtxSetCurrent", err);
}

static void partition_close(harness_device *base, harness_partition *part) {
    cuda_device *d = self(base);
    if (!part) return;
    if (part->green.context) d->driver.set_current(part->green.context);
    cuda_handles_close(part->handles);
    cuda_green_close(&d->driver, &part->green);
    d->driver.set_current(d->primary);
    free(part);
}

/* With its stream there: the libraries' handles. SMs are told only where they are fewer than the GPU's. */
static int finish_partition(cuda_device *d, harness_partition *part, char *err) {
    if (enter(d, part, err)) return -1;
    part->handles =
        cuda_handles_open(d->libraries, part->green.stream, part->green.green ? part->green.sms : 0, err);
    return part->handles ? 0 : -1;
}

static int open_whole(cuda_device *d, harness_partition *part, char *err) {
    part->green.context = d->primary;
    part->green.sms = (uint32_t)d->prop.multiProcessorCount; /* under MPS: what the percentage leaves */
    return enter(d, part, err) ||
                   cuda_runtime_check(cudaStreamCreateWithFlags(&part->green.stream, cudaStreamNonBlocking),
                                      "cudaStreamCreate", err)
               ? -1
               : 0;
}

static int is_under_mps(uint32_t pct, char *err) {
    const char *text = getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    if (text && strtoul(text, NULL, 10) == pct) return 0;
    snprintf(err, HARNESS_ERR_LEN, "found CUDA_MPS_ACTIVE_THREAD_PERCENTAGE %.20s, expected %u",
             text ? text : "not set", (unsigned)pct);
    return -1;
}

static int partition_open(harness_device *base, harness_partition_kind kind, uint32_t n,
                          harness_partition **out, uint32_t *sms, char *err) {
    cuda_device *d = self(base);
    harness_partition *part =
        start(d, err) || (kind == HARNESS_MPS && is_under_mps(n, err)) ? NULL : calloc(1, sizeof *part);
    if (!part) return -1;
    part->kind = kind;
    int rc = kind == HARNESS_GREEN ? cuda_green_open(&d->driver, d->device, n, &part->green, NULL, err)
                                   : open_whole(d, part, err);
    if (rc || finish_partition(d, part, err)) {
        partition_close(base, part);
        return -1;
    }
    *out = part;
    *sms = part->green.sms;
    return 0;
}

static int partition_open_pair(harness_device *base, const uint32_t n[2], harness_partition *out[2],
                               uint32_t sms[2], char *err) {
    cuda_device *d = self(base);
    cuda_green green[2];
    if (start(d, err) ||
        cuda_green_open_pair(&d->driver, d->device, d->n_sizes ? d->sizes[0] : 0, n, green, err))
        return -1;
    int rc = 0;
    for (int i = 0; i < 2; i++) {
        out[i] = calloc(1, sizeof *out[i]);
        if (!out[i]) {
            cuda_green_close(&d->driver, &green[i]);
            snprintf(err, HARNESS_ERR_LEN, "out of memory");
            rc = -1;
            continue;
        }
        *out[i] = (harness_partition){.kind = HARNESS_GREEN, .green = green[i]};
        sms[i] = green[i].sms;
        if (!rc) rc = finish_partition(d, out[i], err);
    }
    for (int i = 0; i < 2 && rc; i++) {
        partition_close(base, out[i]);
        out[i] = NULL;
    }
    return rc;
}

/* The switch: from the decision to the first kernel's end in the new context. */
static int partition_resize(harness_device *base, uint32_t n, harness_resize *out, char *err) {
    cuda_device *d = self(base);
    cuda_green g;
    float *x = NULL;
    double stage_ms[2] = {0, 0};
    if (start(d, err) || cuda_runtime_check(cudaMalloc((void **)&x, 4096), "cudaMalloc", err)) return -1;
    int rc = cuda_green_open(&d->driver, d->device, n, &g, stage_ms, err);
    if (!rc) {
        double from_ms = cuda_now_ms();
        rc = cuda_driver_check(&d->driver, d->driver.set_current(g.context), "cuCtxSetCurrent", err) ||
             cuda_runtime_check((cudaError_t)harness_kernel_fill(x, 1024, 1, 1, g.stream), "first kernel",
                                err) ||
             cuda_runtime_check(cudaStreamSynchronize(g.stream), "first kernel", err);
        double done_ms = cuda_now_ms();
        cuda_green_close(&d->driver, &g);
        *out = (harness_resize){stage_ms[0], stage_ms[1], done_ms - from_ms, cuda_now_ms() - done_ms};
    }
    d->driver.set_current(d->primary);
    cudaFree(x);
    return rc ? -1 : 0;
}

/* --- programs ------------------------------------------------------------------------------------------------------ */

static void program_close(harness_device *base, harness_program *p) {
    if (!p) return;
    self(base)->driver.set_current(p->part->green.context);
    cudaStreamSynchronize(p->part->green.stream);
    if (p->from) cudaEventDestroy(p->from);
    if (p->to) cudaEventDestroy(p->to);
    cuda_program_free(&p->p);
    free(p);
}

static int make_events(harness_program *p, char *err) {
    return cuda_runtime_check(cudaEventCreate(&p->from), "cudaEventCreate", err) ||
                   cuda_runtime_check(cudaEventCreate(&p->to), "cudaEventCreate", err)
               ? -1
               : 0;
}

static int program_open(harness_device *base, harness_partition *part, const harness_workload *w,
                        uint32_t batch, harness_program **out, char *err) {
    harness_program *p = calloc(1, sizeof *p);
    if (!p) {
        snprintf(err, HARNESS_ERR_LEN, "out of memory");
        return -1;
    }
    p->part = part;
    p->spin_ms = 0.1;
    if (enter(self(base), part, err) || make_events(p, err) ||
        cuda_program_allocate(&p->p, w, batch, part->handles, part->green.stream, err) ||
        cuda_program_fill(&p->p, err) || cuda_program_prepare(&p->p, err)) {
        program_close(base, p);
        return -1;
    }
    *out = p;
    return 0;
}

static int program_probe(harness_device *base, harness_program *p, size_t op, size_t n, const uint64_t *at,
                         float *out, char *err) {
    return enter(self(base), p->part, err) ? -1 : cuda_program_probe(&p->p, op, n, at, out, err);
}

/* The buffer outlives the green contexts that it serves: it is the primary context's. */
static int flush(cuda_device *d, const harness_program *p, char *err) {
    if (!d->flush) {
        d->driver.set_current(d->primary);
        int rc = cuda_runtime_check(cudaMalloc(&d->flush, d->flush_len), "cudaMalloc", err);
        if (rc || enter(d, p->part, err)) return -1;
    }
    return cuda_runtime_check(cudaMemsetAsync(d->flush, 0x5a, d->flush_len, p->part->green.stream),
                              "cudaMemset", err);
}

static int begin(harness_device *base, harness_program *p, harness_mode mode, char *err) {
    if (enter(self(base), p->part, err)) return -1;
    p->mode = mode;
    if (mode == HARNESS_FLUSHED && flush(self(base), p, err)) return -1;
    p->begun_ms = cuda_now_ms();
    if (mode != HARNESS_IDLE) {
        int rc = harness_kernel_spin((uint64_t)(p->spin_ms * 1e6), p->part->green.stream);
        if (cuda_runtime_check((cudaError_t)rc, "spinning", err)) return -1;
    }
    return cuda_runtime_check(cudaEventRecord(p->from, p->part->green.stream), "cudaEventRecord", err);
}

static int launch(harness_device *base, harness_program *p, size_t first, size_t n, char *err) {
    if (enter(self(base), p->part, err) || cuda_program_launch(&p->p, first, n, err)) return -1;
    p->launched_ms = cuda_now_ms();
    return 0;
}

static int end(harness_device *base, harness_program *p, harness_sample *out, char *err) {
    float gpu_ms = 0;
    if (enter(self(base), p->part, err) ||
        cuda_runtime_check(cudaEventRecord(p->to, p->part->green.stream), "cudaEventRecord", err) ||
        cuda_runtime_check(cudaEventSynchronize(p->to), p->p.w->name, err))
        return -1;
    double now_ms = cuda_now_ms();
    if (cuda_runtime_check(cudaEventElapsedTime(&gpu_ms, p->from, p->to), "cudaEventElapsedTime", err))
        return -1;
    *out = (harness_sample){(double)gpu_ms, now_ms - p->begun_ms, p->launched_ms - p->begun_ms};
    double needed_ms = 1.5 * out->launch_ms + 0.02;
    if (p->mode == HARNESS_IDLE) p->spin_ms = needed_ms < 100 ? needed_ms : 100;
    if (p->mode != HARNESS_IDLE && out->launch_ms > p->spin_ms && p->spin_ms < 100) p->spin_ms *= 2;
    return 0;
}

/* --- the other side of a pair -------------------------------------------------------------------------------------- */

/* One inference is always queued behind the one that runs, so that its partition never idles. */
static void *run_background(void *argument) {
    background *b = argument;
    harness_program *p = b->program;
    cudaEvent_t done[2] = {p->from, p->to};
    double start_ms = cuda_now_ms();
    for (uint64_t i = 0; !b->failed && !atomic_load(&b->stop); i++) {
        b->failed = cuda_program_launch(&p->p, 0, p->p.w->n_ops, b->err) ||
                    cuda_runtime_check(cudaEventRecord(done[i % 2], p->part->green.stream), "cudaEventRecord",
                                       b->err) ||
                    (i && cuda_runtime_check(cudaEventSynchronize(done[(i + 1) % 2]), "background", b->err));
        b->count = i;
        b->elapsed_ms = cuda_now_ms() - start_ms;
    }
    if (!b->failed)
        b->failed = cuda_runtime_check(cudaStreamSynchronize(p->part->green.stream), "background", b->err);
    return NULL;
}

/* A context is current in its thread only while that thread runs. */
typedef struct {
    cuda_device *d;
    background *b;
} thread_start;

static void *enter_background(void *argument) {
    thread_start start_of = *(thread_start *)argument;
    free(argument);
    start_of.b->failed = enter(start_of.d, start_of.b->program->part, start_of.b->err);
    if (!start_of.b->failed) run_background(start_of.b);
    start_of.d->driver.set_current(NULL);
    return NULL;
}

static int background_start(harness_device *base, harness_program *p, char *err) {
    cuda_device *d = self(base);
    thread_start *argument = malloc(sizeof *argument);
    d->back = (background){.program = p};
    d->driver.set_current(d->primary); /* out of p's context */
    if (argument) *argument = (thread_start){d, &d->back};
    if (!argument || pthread_create(&d->back.thread, NULL, enter_background, argument)) {
        free(argument);
        snprintf(err, HARNESS_ERR_LEN, "a thread cannot be started");
        return -1;
    }
    d->back.running = 1;
    return 0;
}

static int background_stop(harness_device *base, uint64_t *count, double *elapsed_ms, char *err) {
    background *b = &self(base)->back;
    if (!b->running) {
        snprintf(err, HARNESS_ERR_LEN, "nothing runs in the background");
        return -1;
    }
    atomic_store(&b->stop, 1);
    pthread_join(b->thread, NULL);
    b->running = 0;
    *count = b->count;
    *elapsed_ms = b->elapsed_ms;
    if (b->failed) snprintf(err, HARNESS_ERR_LEN, "%s", b->err);
    return b->failed ? -1 : 0;
}

/* --- cold start ---------------------------------------------------------------------------------------------------- */

/* Page by page, so that no copy finds memory that is not there yet; random, so that nothing compresses it. */
static float *host_weights(size_t len) {
    uint32_t *words = NULL, state = 1;
    if (posix_memalign((void **)&words, 4096, len ? len : 4096)) return NULL;
    for (size_t i = 0; i < len / sizeof *words; i++) {
        state = state * 1664525u + 1013904223u;
        words[i] = (state >> 9) | 0x3f000000u; /* 0.5 to 2 */
    }
    return (float *)words;
}

static double lap(double *last_ms) {
    double now_ms = cuda_now_ms(), took_ms = now_ms - *last_ms;
    *last_ms = now_ms;
    return took_ms;
}

static int copy_weights(const cuda_program *p, harness_cold *out, char *err) {
    size_t len = cuda_program_weight_bytes(p);
    float *host = host_weights(len);
    double at_ms = cuda_now_ms();
    out->weight_mib = (double)len / 1048576;
    if (!host) {
        snprintf(err, HARNESS_ERR_LEN, "out of memory");
        return -1;
    }
    int rc = /* a copy from pageable memory returns when the last piece is staged: the GPU may not have it yet */
        cuda_runtime_check(cudaMemcpy(p->memory, host, len, cudaMemcpyHostToDevice), "copying weights",
                           err) ||
        cuda_runtime_check(cudaStreamSynchronize(NULL), "copying weights", err);
    out->copy_pageable_ms = lap(&at_ms);
    if (!rc && len) {
        rc =
            cuda_runtime_check(cudaHostRegister(host, len, cudaHostRegisterDefault), "cudaHostRegister", err);
        out->pin_ms = lap(&at_ms);
        if (!rc) {
            rc = cuda_runtime_check(cudaMemcpyAsync(p->memory, host, len, cudaMemcpyHostToDevice, p->stream),
                                    "copying weights", err) ||
                 cuda_runtime_check(cudaStreamSynchronize(p->stream), "copying weights", err);
            out->copy_pinned_ms = lap(&at_ms);
            cudaHostUnregister(host);
        }
    }
    free(host);
    return rc ? -1 : 0;
}

/* Choosing algorithms is part of the first inference, as in frameworks. */
static int first_inference(cuda_device *d, harness_program *p, harness_cold *out, char *err) {
    harness_sample s;
    if (cuda_program_fill(&p->p, err)) return -1;
    double at_ms = cuda_now_ms();
    int rc = cuda_program_prepare(&p->p, err) || begin(&d->base, p, HARNESS_IDLE, err) ||
             launch(&d->base, p, 0, p->p.w->n_ops, err) || end(&d->base, p, &s, err);
    out->first_ms = lap(&at_ms);
    return rc ? -1 : 0;
}

static int load_all(cuda_device *d, harness_partition *part, harness_cold *out, char *err) {
    double at_ms = cuda_now_ms();
    if (start_context(d, err)) return -1;
    out->context_ms = lap(&at_ms);
    if (cuda_runtime_check((cudaError_t)harness_kernel_load(), "loading kernels", err)) return -1;
    out->module_ms = lap(&at_ms);
    if (!d->libraries) d->libraries = cuda_libraries_open(d->use_libraries, d->tf32);
    if (!d->libraries) {
        snprintf(err, HARNESS_ERR_LEN, "out of memory");
        return -1;
    }
    if (open_whole(d, part, err) || finish_partition(d, part, err)) return -1;
    out->library_ms = lap(&at_ms);
    return 0;
}

static int cold_start(harness_device *base, const harness_workload *w, uint32_t batch, harness_cold *out,
                      char *err) {
    cuda_device *d = self(base);
    harness_program *p = calloc(1, sizeof *p);
    harness_partition *part = calloc(1, sizeof *part);
    *out = (harness_cold){0};
    if (!p || !part || d->started) {
        snprintf(err, HARNESS_ERR_LEN, d->started ? "a cold start needs a fresh process" : "out of memory");
        free(p);
        free(part);
        return -1;
    }
    p->part = part;
    int rc = load_all(d, part, out, err);
    if (!rc) {
        double at_ms = cuda_now_ms();
        rc = cuda_program_allocate(&p->p, w, batch, part->handles, part->green.stream, err);
        out->allocate_ms = lap(&at_ms);
        rc = rc || make_events(p, err) || copy_weights(&p->p, out, err) || first_inference(d, p, out, err);
    }
    if (d->driver.set_current) {
        program_close(base, p);
        partition_close(base, part);
    } else { /* the driver did not come up: there is nothing on the GPU */
        free(p);
        free(part);
    }
    return rc || start(d, err) ? -1 : 0;
}

static void close_device(harness_device *base) {
    cuda_device *d = self(base);
    if (!d) return;
    if (d->flush) cudaFree(d->flush);
    cuda_nvml_close(d->nvml);
    cuda_libraries_close(d->libraries);
    if (d->primary) d->driver.primary_release(d->device);
    free(d);
}

harness_device *cuda_device_new(int tf32, int libraries) {
    static const harness_device_ops ops = {
        .describe = describe,
        .telemetry = telemetry,
        .now_ns = now_ns,
        .sleep_until_ns = sleep_until_ns,
        .partition_open = partition_open,
        .partition_open_pair = partition_open_pair,
        .partition_close = partition_close,
        .partition_resize = partition_resize,
        .program_open = program_open,
        .program_close = program_close,
        .program_probe = program_probe,
        .begin = begin,
        .launch = launch,
        .end = end,
        .background_start = background_start,
        .background_stop = background_stop,
        .cold_start = cold_start,
        .close = close_device,
    };
    cuda_device *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->base.ops = &ops;
    d->tf32 = tf32;
    d->use_libraries = libraries;
    return &d->base;
}
