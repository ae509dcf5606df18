/* harness_device.h - the narrow door to a GPU: everything that needs one is behind this table of functions.
 *
 * device_cuda.c implements it with CUDA, tests with a simulated GPU of known latency law. All decisions (what to
 * measure, how often, when to stop, what to believe) are on this side of the door.
 *
 * A *partition* is a part of the GPU's SMs: the whole GPU, a green context, or what MPS gives this process. A *program*
 * is a workload with a batch, loaded in a partition: weights, inputs and buffers in GPU memory, filled with random
 * numbers. One *inference* is
 *
 *     begin(program, mode) ; launch(program, first, n) ... ; end(program, &sample)
 *
 * begin records the first event (in HARNESS_QUEUED mode behind a filled queue, see there), launch enqueues operators
 * first..first+n-1, end records the second event, waits for it and tells the times. A launcher that meters waits
 * between launches. Every function returns 0, or -1 with one line in err; a device that failed once may fail from then on
 * (CUDA errors stick): the process is then replaced (harness_run.h).
 *
 * Handles belong to the device and die with their close function, programs before their partition. One inference is in
 * flight per program; a device is used by one thread.
 */
#ifndef HARNESS_DEVICE_H
#define HARNESS_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "harness_json.h"
#include "harness_workload.h"

#define HARNESS_SIZES_MAX 160
#define HARNESS_LABEL_LEN 96

typedef enum { HARNESS_WHOLE, HARNESS_GREEN, HARNESS_MPS } harness_partition_kind;

typedef struct {
    char name[HARNESS_LABEL_LEN], uuid[HARNESS_LABEL_LEN],
        libraries[HARNESS_LABEL_LEN]; /* "cublas 130000, cudnn 91900" */
    char precision[8];                /* "fp32", "tf32" */
    uint32_t cc_major, cc_minor, sm_count, l2_kib, memory_mib;
    uint32_t driver, runtime;                        /* 13000: CUDA 13.0 */
    char kernel_driver[HARNESS_LABEL_LEN];           /* "580.159.04", by NVML; empty without */
    double sm_mhz_max, memory_gb_per_s, flops_per_s; /* theoretical: for estimates only, never for results */
    uint32_t green_sizes
        [HARNESS_SIZES_MAX]; /* SM counts that a green context can have, rising; whole GPU not included */
    uint32_t n_green_sizes, green_unit; /* unit: smallest group; 0 where there are no green contexts */
    int mps;                            /* an MPS daemon could be started here */
    int nvml;
} harness_device_info;

/* As NVML tells it; -1 where it does not. */
typedef struct {
    double sm_mhz, memory_mhz, temperature_c, power_w;
    int64_t throttle; /* nvmlClocksEventReasons bits */
} harness_telemetry;

/* Bits of throttle that spoil a measurement: software power cap, hardware slowdown, thermal (both), power brake. Idle,
 * application clocks and sync boost do not. */
#define HARNESS_THROTTLE_BAD INT64_C(0xec)

typedef enum {
    HARNESS_IDLE,   /* the GPU is idle when the first operator is launched: what a lone request meets */
    HARNESS_QUEUED, /* all operators wait behind a kernel that spins until they are launched: pure GPU time */
    HARNESS_FLUSHED /* queued, and the L2 cache was overwritten before */
} harness_mode;

typedef struct {
    double gpu_ms;    /* between the events */
    double wall_ms;   /* host clock, from begin to the end of the wait */
    double launch_ms; /* host clock, until the last launch call returned */
} harness_sample;

typedef struct {
    double context_ms;                       /* first CUDA call: driver, primary context */
    double module_ms;                        /* kernels loaded (lazy loading forced) */
    double library_ms;                       /* dlopen and handles of cuBLAS and cuDNN */
    double allocate_ms;                      /* GPU memory of the weights and buffers */
    double copy_pageable_ms, copy_pinned_ms; /* the weights, host to device */
    double pin_ms;                           /* page-locking the host buffer */
    double first_ms;                         /* first inference, wall */
    double weight_mib;
} harness_cold;

typedef struct {
    double create_ms, stream_ms, switch_ms, destroy_ms; /* green context, its stream, first work after, end */
} harness_resize;

typedef struct harness_partition harness_partition;
typedef struct harness_program harness_program;
typedef struct harness_device harness_device;

typedef struct {
    int (*describe)(harness_device *d, harness_device_info *out, char *err);
    int (*telemetry)(harness_device *d, harness_telemetry *out, char *err);
    int64_t (*now_ns)(harness_device *d);
    void (*sleep_until_ns)(harness_device *d, int64_t at_ns);

    /* n: SMs (green), percent (MPS), ignored (whole). *sms: what it really has. */
    int (*partition_open)(harness_device *d, harness_partition_kind kind, uint32_t n, harness_partition **out,
                          uint32_t *sms, char *err);
    /* Two disjoint green contexts, from one split. */
    int (*partition_open_pair)(harness_device *d, const uint32_t n[2], harness_partition *out[2],
                               uint32_t sms[2], char *err);
    void (*partition_close)(harness_device *d, harness_partition *p);
    int (*partition_resize)(harness_device *d, uint32_t n, harness_resize *out, char *err);

    int (*program_open)(harness_device *d, harness_partition *p, const harness_workload *w, uint32_t batch,
                        harness_program **out, char *err);
    void (*program_close)(harness_device *d, harness_program *p);
    /* Runs operator op alone on fresh random operands and reads outputs at n places. The operands are
     * harness_random(seed, i) (harness_random.h) with seeds HARNESS_SEED_INPUT, _SECOND and _WEIGHT. */
    int (*program_probe)(harness_device *d, harness_program *p, size_t op, size_t n, const uint64_t *at,
                         float *out, char *err);
    int (*begin)(harness_device *d, harness_program *p, harness_mode mode, char *err);
    int (*launch)(harness_device *d, harness_program *p, size_t first, size_t n, char *err);
    int (*end)(harness_device *d, harness_program *p, harness_sample *out, char *err);

    /* Another thread runs p over and over; stop tells how many inferences it finished and in what time. */
    int (*background_start)(harness_device *d, harness_program *p, char *err);
    int (*background_stop)(harness_device *d, uint64_t *count, double *elapsed_ms, char *err);

    /* In a process that has not touched CUDA yet: calls describe and partition_open only afterwards. */
    int (*cold_start)(harness_device *d, const harness_workload *w, uint32_t batch, harness_cold *out,
                      char *err);
    void (*close)(harness_device *d);
} harness_device_ops;

/* First member of every implementation's own struct. */
struct harness_device {
    const harness_device_ops *ops;
};

#endif
