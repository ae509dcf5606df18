/* cuda_driver.c - entry points, and green contexts built with them. */
#include "cuda_driver.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { GROUPS_MAX = 128, SINCE = 12040 };

double cuda_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int cuda_runtime_check(cudaError_t rc, const char *what, char err[HARNESS_ERR_LEN]) {
    if (rc == cudaSuccess) return 0;
    snprintf(err, HARNESS_ERR_LEN, "%s: %s (%s)", what, cudaGetErrorName(rc), cudaGetErrorString(rc));
    return -1;
}

int cuda_driver_check(const cuda_driver *d, CUresult rc, const char *what, char err[HARNESS_ERR_LEN]) {
    const char *name = NULL;
    if (rc == CUDA_SUCCESS) return 0;
    if (d->get_error_name) d->get_error_name(rc, &name);
    snprintf(err, HARNESS_ERR_LEN, "%s: %s (%d)", what, name ? name : "unknown error", (int)rc);
    return -1;
}

/* A function pointer comes as void *, which C17 does not convert: it is copied. NULL where the driver has none. */
static int find(const char *symbol, void *function) {
    void *found = NULL;
#if CUDART_VERSION >= 12000
    enum cudaDriverEntryPointQueryResult status = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    cudaError_t rc = cudaGetDriverEntryPointByVersion(symbol, &found, SINCE, cudaEnableDefault, &status);
#else
    cudaError_t rc = cudaGetDriverEntryPoint(symbol, &found, cudaEnableDefault, &status);
#endif
    if (status != cudaDriverEntryPointSuccess) found = NULL;
#else
    cudaError_t rc = cudaGetDriverEntryPoint(symbol, &found, cudaEnableDefault);
#endif
    if (rc != cudaSuccess) found = NULL;
    if (rc != cudaSuccess) cudaGetLastError(); /* an absent function is no error of ours */
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

int cuda_driver_open(cuda_driver *d, char err[HARNESS_ERR_LEN]) {
    memset(d, 0, sizeof *d);
    int ok = find("cuGetErrorName", &d->get_error_name) & find("cuDeviceGet", &d->device_get) &
             find("cuDevicePrimaryCtxRetain", &d->primary_retain) &
             find("cuDevicePrimaryCtxRelease", &d->primary_release) &
             find("cuCtxSetCurrent", &d->set_current);
#if CUDA_DRIVER_GREEN
    d->has_green =
        find("cuDeviceGetDevResource", &d->get_resource) & find("cuDevSmResourceSplitByCount", &d->split) &
        find("cuDevResourceGenerateDesc", &d->describe) & find("cuGreenCtxCreate", &d->green_create) &
        find("cuGreenCtxDestroy", &d->green_destroy) & find("cuCtxFromGreenCtx", &d->from_green) &
        find("cuGreenCtxStreamCreate", &d->green_stream);
#endif
    if (ok) return 0;
    snprintf(err, HARNESS_ERR_LEN,
             "the CUDA driver lacks basic functions: is libcuda.so.1 there, and new enough?");
    return -1;
}

#if CUDA_DRIVER_GREEN

/* At least n SMs, as the device rounds it. The remainder of a split promises less than its groups and is not used. */
static CUresult split_one(const cuda_driver *d, CUdevice device, uint32_t n, CUdevResource *out) {
    CUdevResource all;
    unsigned groups = 1;
    CUresult rc = d->get_resource(device, &all, CU_DEV_RESOURCE_TYPE_SM);
    if (rc == CUDA_SUCCESS) rc = d->split(out, &groups, &all, NULL, 0, n);
    return rc == CUDA_SUCCESS && groups != 1 ? CUDA_ERROR_INVALID_VALUE : rc;
}

uint32_t cuda_green_sizes(const cuda_driver *d, CUdevice device, uint32_t *sizes, uint32_t most) {
    CUdevResource all, one;
    uint32_t n = 0;
    if (!d->has_green || d->get_resource(device, &all, CU_DEV_RESOURCE_TYPE_SM) != CUDA_SUCCESS) return 0;
    for (unsigned least = 1; least < all.sm.smCount && n < most; least++) {
        if (split_one(d, device, least, &one) != CUDA_SUCCESS || one.sm.smCount >= all.sm.smCount) break;
        if (!n || one.sm.smCount > sizes[n - 1]) sizes[n++] = one.sm.smCount;
        if (one.sm.smCount > least) least = one.sm.smCount; /* the counts between are rounded to this one */
    }
    return n;
}

static int create(const cuda_driver *d, CUdevice device, CUdevResource *parts, unsigned n, cuda_green *out,
                  double stage_ms[2], char err[HARNESS_ERR_LEN]) {
    CUdevResourceDesc description;
    CUgreenCtx green = NULL;
    CUstream stream = NULL;
    *out = (cuda_green){0};
    for (unsigned i = 0; i < n; i++) out->sms += parts[i].sm.smCount;
    double start = cuda_now_ms();
    if (cuda_driver_check(d, d->describe(&description, parts, n), "cuDevResourceGenerateDesc", err) ||
        cuda_driver_check(d, d->green_create(&green, description, device, CU_GREEN_CTX_DEFAULT_STREAM),
                          "cuGreenCtxCreate", err))
        return -1;
    out->green = green;
    double created = cuda_now_ms();
    if (cuda_driver_check(d, d->from_green(&out->context, green), "cuCtxFromGreenCtx", err) ||
        cuda_driver_check(d, d->green_stream(&stream, green, CU_STREAM_NON_BLOCKING, 0),
                          "cuGreenCtxStreamCreate", err)) {
        cuda_green_close(d, out);
        return -1;
    }
    out->stream = stream;
    if (stage_ms) {
        stage_ms[0] = created - start;
        stage_ms[1] = cuda_now_ms() - created;
    }
    return 0;
}

int cuda_green_open(const cuda_driver *d, CUdevice device, uint32_t n, cuda_green *out, double stage_ms[2],
                    char err[HARNESS_ERR_LEN]) {
    CUdevResource one;
    if (!d->has_green) {
        snprintf(err, HARNESS_ERR_LEN, "found a driver without green contexts, expected CUDA 12.4 or later");
        return -1;
    }
    double start = cuda_now_ms();
    if (cuda_driver_check(d, split_one(d, device, n, &one), "cuDevSmResourceSplitByCount", err)) return -1;
    double split_ms = cuda_now_ms() - start;
    if (create(d, device, &one, 1, out, stage_ms, err)) return -1;
    if (stage_ms) stage_ms[0] += split_ms;
    return 0;
}

int cuda_green_open_pair(const cuda_driver *d, CUdevice device, uint32_t unit, const uint32_t n[2],
                         cuda_green out[2], char err[HARNESS_ERR_LEN]) {
    CUdevResource all, parts[GROUPS_MAX];
    unsigned first = unit ? (n[0] + unit - 1) / unit : 0, second = unit ? (n[1] + unit - 1) / unit : 0;
    unsigned groups = first + second;
    if (!d->has_green || !first || !second || groups > GROUPS_MAX) {
        snprintf(err, HARNESS_ERR_LEN, "found %u + %u SMs in units of %u, expected two green contexts",
                 (unsigned)n[0], (unsigned)n[1], (unsigned)unit);
        return -1;
    }
    if (cuda_driver_check(d, d->get_resource(device, &all, CU_DEV_RESOURCE_TYPE_SM), "cuDeviceGetDevResource",
                          err) ||
        cuda_driver_check(d, d->split(parts, &groups, &all, NULL, 0, unit), "cuDevSmResourceSplitByCount",
                          err))
        return -1;
    if (groups < first + second) {
        snprintf(err, HARNESS_ERR_LEN, "found %u groups of %u SMs, expected %u", groups, (unsigned)unit,
                 first + second);
        return -1;
    }
    if (create(d, device, parts, first, &out[0], NULL, err)) return -1;
    if (!create(d, device, parts + first, second, &out[1], NULL, err)) return 0;
    cuda_green_close(d, &out[0]);
    return -1;
}

void cuda_green_close(const cuda_driver *d, cuda_green *g) {
    if (g->stream) cudaStreamDestroy(g->stream);
    if (d->set_current) d->set_current(NULL);
    if (g->green) d->green_destroy((CUgreenCtx)g->green);
    *g = (cuda_green){0};
}

#else

static int without(char err[HARNESS_ERR_LEN]) {
    snprintf(err, HARNESS_ERR_LEN, "built with a CUDA toolkit before 12.4, which has no green contexts");
    return -1;
}

uint32_t cuda_green_sizes(const cuda_driver *d, CUdevice device, uint32_t *sizes, uint32_t most) {
    (void)d, (void)device, (void)sizes, (void)most;
    return 0;
}

int cuda_green_open(const cuda_driver *d, CUdevice device, uint32_t n, cuda_green *out, double stage_ms[2],
                    char err[HARNESS_ERR_LEN]) {
    (void)d, (void)device, (void)n, (void)out, (void)stage_ms;
    return without(err);
}

int cuda_green_open_pair(const cuda_driver *d, CUdevice device, uint32_t unit, const uint32_t n[2],
                         cuda_green out[2], char err[HARNESS_ERR_LEN]) {
    (void)d, (void)device, (void)unit, (void)n, (void)out;
    return without(err);
}

void cuda_green_close(const cuda_driver *d, cuda_green *g) {
    (void)d, (void)g;
}

#endif
