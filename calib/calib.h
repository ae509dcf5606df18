/* calib.h - the calibration store: what one kind of GPU does to one model.
 *
 * A device file (calib/data/GPU.json) holds, per series, where its numbers come from (source, licence, date,
 * method, fit error) and the parameters of
 *
 *     latency(model, batch, SM %, quota %) = max( G(batch, SM), f(quota) )          [design, spec 2.3]
 *
 * G is the GPU-bound time of one batch at full quota; f is the launch-bound time under the HAS-GPU token
 * window (40 ms): the quota limits when kernels may be launched, not GPU time. Under the `metered` runtime
 * only G counts, and the engine meters it.
 *
 * Units: milliseconds (double), percent of one GPU (1..100), MiB. Everything returned by pointer belongs to
 * the calib and lives until calib_close. Files are checked as they are loaded (keys, types, ranges,
 * monotonicity: G falls with SM and rises with batch, f falls with quota); errors are one line: file, JSON
 * path, what was found, what was expected. A loaded calib is read-only and may be shared by threads.
 */
#ifndef CALIB_H
#define CALIB_H

#include <stddef.h>
#include <stdint.h>

#define CALIB_ERR_LEN   512
#define CALIB_BATCH_MAX 32

typedef struct calib calib;
typedef struct calib_model calib_model;

typedef struct {
    const char *name; /* the config's key: "v100-16gb" */
    const char *description;
    uint32_t sm_count; /* streaming multiprocessors */
    uint32_t memory_mib;
    uint32_t max_processes; /* MPS clients per GPU: 48 */
    int sm_resizable;       /* 0: the SM partition is fixed at process start (MPS) */
    double sm_resize_ms;    /* what a change of width costs a running pod; 0 where it cannot be changed */
    double schedule_ms;     /* cold start: control plane until the container starts */
    double container_ms;    /* cold start: container start */
    double context_ms;      /* cold start: runtime, CUDA and MPS context */
    double load_mib_per_s;  /* cold start: weights to the GPU */
    double cold_start_cv;   /* coefficient of variation of the whole cold start (lognormal) */
    const char *source, *cold_start_source;
} calib_device;

/* A distribution of a time or a factor, by mean and coefficient of variation (lognormal; cv 0: constant). */
typedef struct {
    double mean, cv;
} calib_spread;

typedef struct { /* the facts about one model; its latency is asked by function */
    const char *name;
    double weights_mib;       /* loaded at a cold start */
    double memory_mib;        /* a pod's need of GPU memory */
    double warmup_ms;         /* cold start: framework import, first inference */
    calib_spread overhead_ms; /* per request, outside the GPU (decode, HTTP) */
    double noise_cv;          /* service time: multiplicative, mean 1 */
    double fit_mape_pct;      /* of the fitted latency against the measured points; < 0: not fitted */
    uint64_t fit_points;
    int weak;                                     /* 1: from a few numbers only */
    const char *source, *licence, *method, *date; /* of the latencies */
    const char *facts_source;                     /* of overhead, noise, memory, warm-up */
    double fit_median_pct, fit_p90_pct;           /* quantiles of the error whose mean is fit_mape_pct */
    uint32_t batch_min, batch_max, sm_min_pct, sm_max_pct, quota_min_pct, quota_max_pct; /* measured */
} calib_facts;

/* Loads and checks a device file. *out is NULL on error (-1, message in err). */
int calib_open(calib **out, const char *path, char err[CALIB_ERR_LEN]);
void calib_close(calib *c);

const calib_device *calib_device_of(const calib *c);
size_t calib_n_models(const calib *c);
const calib_model *calib_model_at(const calib *c, size_t i);
const calib_model *calib_model_find(const calib *c, const char *name); /* NULL: unknown */
const calib_facts *calib_facts_of(const calib_model *m);

/* G: GPU-bound time of one batch, 1 <= batch <= CALIB_BATCH_MAX, 1 <= sm_pct <= 100. Falls (weakly) with SM,
 * rises (weakly) with batch. */
double calib_gpu_ms(const calib_model *m, uint32_t batch, uint32_t sm_pct);
/* The GPU's own part of it, for who times the launching of kernels himself: G is at least f(100), the time in which the
 * calibration's host launches them, and another host need not take so long. */
double calib_gpu_work_ms(const calib_model *m, uint32_t batch, uint32_t sm_pct);
/* f: launch-bound time of one batch under the token window, 1 <= quota_pct <= 100. Falls (weakly) with quota.
 */
double calib_launch_ms(const calib_model *m, uint32_t quota_pct);
/* max(G, f): mean latency under the token runtime, alone on its row */
double calib_latency_ms(const calib_model *m, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);
/* 1 if (batch, sm, quota) lies outside what was measured: of such facts; for the model */
int calib_is_outside(const calib_facts *f, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);
int calib_is_extrapolated(const calib_model *m, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);

/* How far G and f may be off, as a standard deviation in % of them: by chance (few or noisy measurements) and by form
 * (the model's shape is not the truth's), calib_uncertainty.h. < 0: the file does not say. */
double calib_gpu_sd_pct(const calib_model *m, uint32_t batch, uint32_t sm_pct);
double calib_launch_sd_pct(const calib_model *m, uint32_t quota_pct);

/* A calibration as it might be as well: *out is c with the parameters of every model drawn from their uncertainty. It
 * passes the same checks as a file does, so that G and f stay monotone, and is the caller's to close. Per model, with
 * independent standard deviates z:
 *
 *     coefficients   each + scale (L z), L L' their covariance; those that fall below 0 become 0
 *     G              all four coefficients x (1 + scale gpu_residual z)       its scale: one for the model
 *     f(quota)       each x (1 + scale launch_sd z), then all x (1 + scale launch_residual z);
 *                    where that makes f rise with quota, the lower quota gets the higher one's f
 *
 * The residuals, which differ between configurations in truth, are drawn as one factor per model: a run keeps to few
 * configurations, and an error budget had better be too wide than too narrow. Not drawn, because nobody measured how
 * uncertain they are: overheads, noise, memory, cold starts; models without an uncertainty stay as they are.
 *
 * Deterministic: a function of (seed, the model's name, the parameter), whatever other models there are. z is a sum of
 * twelve uniforms less 6, so in -6..6, in integers; no function of libm is called: the same bits on every machine.
 * Factors are at least 0.1. scale 1: as estimated; 0: c again. 0 <= scale <= 10. */
int calib_perturb(calib **out, const calib *c, uint64_t seed, double scale, char err[CALIB_ERR_LEN]);

/* Mean cold start of a pod of m on c's device: the sum of its stages, ms. */
double calib_cold_start_ms(const calib *c, const calib_model *m);

#endif
