/* test_harness_cuda.c - cuda_device.c and cuda_program.c over a pretended CUDA runtime: memory is the host's, streams and
 * events do nothing but keep time, kernels compute by the operators' definitions on the operands that they are given. It
 * holds what these files do with memory, seeds, handles and contexts; what the real runtime does it cannot know.
 *
 * Built where CUDA's headers are (cuda_device.c needs their types). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cuda_device.h"
#include "cuda_driver.h"
#include "cuda_libraries.h"
#include "cuda_nvml.h"
#include "harness_kernels.h"
#include "harness_measure.h"
#include "harness_random.h"
#include "harness_reference.h"

/* What is open; a test's end finds it zero. */
static struct { int memory, events, streams, handles, greens, spins, calls, fails_after; } pretended;

static cudaError_t result(void) {
    pretended.calls++;
    if (pretended.fails_after && !--pretended.fails_after) {
        pretended.fails_after = 1; /* CUDA errors stick */
        return cudaErrorIllegalAddress;
    }
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n) {
    *n = 1;
    return result();
}
cudaError_t cudaSetDevice(int d) {
    (void)d;
    return result();
}
cudaError_t cudaMalloc(void **p, size_t n) {
    cudaError_t rc = result();
    *p = rc == cudaSuccess ? malloc(n) : NULL;
    if (*p) memset(*p, 0xff, n), pretended.memory++;
    return rc;
}
cudaError_t cudaFree(void *p) {
    if (!p) return result(); /* makes a context; the rest is closing, which must not mind */
    pretended.memory--;
    free(p);
    return cudaSuccess;
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t n, enum cudaMemcpyKind k) {
    (void)k;
    memcpy(to, from, n);
    return result();
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind k, cudaStream_t s) {
    (void)s;
    return cudaMemcpy(to, from, n, k);
}
cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t s) {
    (void)s;
    memset(p, v, n);
    return result();
}
cudaError_t cudaHostRegister(void *p, size_t n, unsigned f) {
    (void)p, (void)n, (void)f;
    return result();
}
cudaError_t cudaHostUnregister(void *p) {
    (void)p;
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned f) {
    (void)f;
    cudaError_t rc = result();
    *s = rc == cudaSuccess ? malloc(1) : NULL;
    pretended.streams += *s != NULL;
    return rc;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
    pretended.streams--;
    free(s);
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    (void)s;
    return result();
}
cudaError_t cudaEventCreate(cudaEvent_t *e) {
    pretended.events++;
    *e = calloc(1, sizeof(double));
    return result();
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
    pretended.events--;
    free(e);
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
    double now_ms = cuda_now_ms();
    (void)s;
    memcpy(e, &now_ms, sizeof now_ms);
    return result();
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    (void)e;
    return result();
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b) {
    double from, to;
    memcpy(&from, a, sizeof from);
    memcpy(&to, b, sizeof to);
    *ms = (float)(to - from);
    return result();
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int d) {
    (void)d;
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "Pretended GPU");
    p->major = 8;
    p->multiProcessorCount = 36;
    p->totalGlobalMem = (size_t)1 << 33;
    p->l2CacheSize = 1 << 16;
    return result();
}
cudaError_t cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr a, int d) {
    (void)a, (void)d;
    *v = 0; /* hides its clocks */
    return result();
}
cudaError_t cudaDriverGetVersion(int *v) {
    *v = 13000;
    return result();
}
cudaError_t cudaRuntimeGetVersion(int *v) {
    *v = 13000;
    return result();
}

/* Where cuda_driver.c, cuda_libraries.c and cuda_nvml.c have the driver and libraries. */
static CUresult device_get(CUdevice *d, int i) {
    *d = i;
    return CUDA_SUCCESS;
}
static CUresult primary_retain(CUcontext *c, CUdevice d) {
    static int context;
    (void)d;
    *c = (CUcontext)(void *)&context;
    return CUDA_SUCCESS;
}
static CUresult primary_release(CUdevice d) {
    (void)d;
    return CUDA_SUCCESS;
}
static CUresult set_current(CUcontext c) {
    (void)c;
    return CUDA_SUCCESS;
}

int cuda_driver_open(cuda_driver *d, char err[HARNESS_ERR_LEN]) {
    (void)err;
    *d = (cuda_driver){.device_get = device_get,
                       .primary_retain = primary_retain,
                       .primary_release = primary_release,
                       .set_current = set_current,
                       .has_green = 1};
    return 0;
}
int cuda_driver_check(const cuda_driver *d, CUresult rc, const char *what, char err[HARNESS_ERR_LEN]) {
    (void)d;
    if (rc != CUDA_SUCCESS) snprintf(err, HARNESS_ERR_LEN, "%s", what);
    return rc == CUDA_SUCCESS ? 0 : -1;
}
int cuda_runtime_check(cudaError_t rc, const char *what, char err[HARNESS_ERR_LEN]) {
    if (rc != cudaSuccess) snprintf(err, HARNESS_ERR_LEN, "%s: pretended %d", what, (int)rc);
    return rc == cudaSuccess ? 0 : -1;
}
uint32_t cuda_green_sizes(const cuda_driver *d, CUdevice device, uint32_t *sizes, uint32_t most) {
    (void)d, (void)device, (void)most;
    for (uint32_t i = 0; i < 4; i++) sizes[i] = 8 * (i + 1);
    return 4;
}
int cuda_green_open(const cuda_driver *d, CUdevice device, uint32_t n, cuda_green *out, double stage_ms[2],
                    char err[HARNESS_ERR_LEN]) {
    (void)device;
    *out = (cuda_green){.green = malloc(1), .sms = n};
    out->context = (CUcontext)out->green;
    pretended.greens++;
    if (stage_ms) stage_ms[0] = stage_ms[1] = 1;
    if (!cuda_runtime_check(cudaStreamCreateWithFlags(&out->stream, 0), "stream", err)) return 0;
    cuda_green_close(d, out);
    return -1;
}
int cuda_green_open_pair(const cuda_driver *d, CUdevice device, uint32_t unit, const uint32_t n[2],
                         cuda_green out[2], char err[HARNESS_ERR_LEN]) {
    (void)unit;
    if (cuda_green_open(d, device, n[0], &out[0], NULL, err)) return -1;
    if (!cuda_green_open(d, device, n[1], &out[1], NULL, err)) return 0;
    cuda_green_close(d, &out[0]);
    return -1;
}
void cuda_green_close(const cuda_driver *d, cuda_green *g) {
    (void)d;
    if (g->stream) cudaStreamDestroy(g->stream);
    pretended.greens -= g->green != NULL;
    free(g->green);
    *g = (cuda_green){0};
}
double cuda_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

cuda_libraries *cuda_libraries_open(int use, int tf32) {
    (void)use, (void)tf32;
    return malloc(1);
}
void cuda_libraries_name(const cuda_libraries *l, char names[HARNESS_LABEL_LEN]) {
    (void)l;
    snprintf(names, HARNESS_LABEL_LEN, "pretended");
}
void cuda_libraries_close(cuda_libraries *l) {
    free(l);
}
cuda_handles *cuda_handles_open(const cuda_libraries *l, cudaStream_t s, uint32_t sms, char *err) {
    (void)l, (void)s, (void)sms, (void)err;
    pretended.handles++;
    return malloc(1);
}
void cuda_handles_close(cuda_handles *h) {
    pretended.handles -= h != NULL;
    free(h);
}
int cuda_handles_product(cuda_handles *h, int m, int n, int k, int z, const float *x, const float *y,
                         float *out, char *err) {
    (void)h, (void)m, (void)n, (void)k, (void)z, (void)x, (void)y, (void)out, (void)err;
    return 1;
}
cuda_conv *cuda_conv_open(cuda_handles *h, const harness_op *op, uint32_t batch, size_t *workspace,
                          char *err) {
    (void)h, (void)op, (void)batch, (void)workspace, (void)err;
    return NULL;
}
int cuda_conv_run(cuda_handles *h, cuda_conv *c, const float *x, const float *w, float *out, void *workspace,
                  size_t workspace_len, char *err) {
    (void)h, (void)c, (void)x, (void)w, (void)out, (void)workspace, (void)workspace_len, (void)err;
    return -1;
}
void cuda_conv_close(cuda_handles *h, cuda_conv *c) {
    (void)h, (void)c;
}
cuda_nvml *cuda_nvml_open(const char *uuid) {
    (void)uuid;
    return NULL;
}
void cuda_nvml_read(cuda_nvml *n, harness_telemetry *out) {
    (void)n;
    *out = (harness_telemetry){-1, -1, -1, -1, -1};
}
void cuda_nvml_driver(cuda_nvml *n, char version[HARNESS_LABEL_LEN]) {
    (void)n;
    version[0] = '\0';
}
void cuda_nvml_close(cuda_nvml *n) {
    (void)n;
}

int harness_kernel_load(void) {
    return 0;
}
int harness_kernel_spin(uint64_t ns, harness_stream s) {
    (void)ns, (void)s;
    pretended.spins++;
    return 0;
}
int harness_kernel_fill(float *x, uint64_t n, uint32_t seed, float scale, harness_stream s) {
    (void)s;
    for (uint64_t i = 0; i < n; i++) x[i] = harness_random(seed, i, scale);
    return (int)result();
}

static float product_at(const harness_op *op, uint32_t batch, const float *x, const float *right,
                        uint64_t i) {
    uint64_t rows = op->kind == HARNESS_GEMM ? (uint64_t)op->m * batch : op->m, row = i / op->n,
             z = row / rows;
    float sum = 0;
    for (uint64_t k = 0; k < op->k; k++)
        sum += x[row * op->k + k] * right[(z * op->k + k) * op->n + i % op->n];
    return sum;
}

/* Products and elementwise operators, from the operands themselves: wrong offsets or seeds give wrong values. */
int harness_kernel_op(const harness_op *op, uint32_t batch, const float *x, const float *y, const float *w,
                      float *out, harness_stream s) {
    (void)s;
    for (uint64_t i = 0; i < harness_op_output_count(op, batch); i++)
        out[i] = op->kind == HARNESS_ADD     ? x[i] + y[i]
                 : op->kind == HARNESS_SCALE ? 1.25f * x[i] + 0.0625f
                                             : product_at(op, batch, x, op->kind == HARNESS_GEMM ? w : y, i);
    return (int)result();
}

static const char TINY[] =
    "{\"format\": \"hassim-model-1\", \"workloads\": [{\"name\": \"tiny\", \"group\": \"micro\", \"ops\": ["
    "{\"op\": \"gemm\", \"m\": 3, \"n\": 40, \"k\": 30}, {\"op\": \"gemm\", \"m\": 3, \"n\": 50, \"k\": 40},"
    "{\"op\": \"bmm\", \"count\": 2, \"m\": 3, \"n\": 7, \"k\": 25}, {\"op\": \"add\", \"n\": 42},"
    "{\"op\": \"scale\", \"n\": 42}]}]}";

static harness_workloads tiny(void) {
    char err[HARNESS_ERR_LEN];
    harness_workloads w = {0};
    harness_json *j = harness_json_parse("tiny", TINY, sizeof TINY - 1, err);
    assert_non_null(j);
    if (harness_workloads_parse(&w, "tiny", j, err)) fail_msg("%s", err);
    harness_json_free(j);
    return w;
}

static void nothing_is_open(void) {
    assert_int_equal(pretended.memory, 0);
    assert_int_equal(pretended.events, 0);
    assert_int_equal(pretended.streams, 0);
    assert_int_equal(pretended.handles, 0);
    assert_int_equal(pretended.greens, 0);
}

static int measure(const char *key, harness_text *record, char *err) {
    harness_workloads w = tiny();
    harness_device *d = cuda_device_new(0, 0);
    harness_step s;
    harness_measure_options o = {0.01};
    assert_int_equal(harness_step_parse(&s, key), 0);
    int rc = harness_measure(d, &w, &s, &o, record, err);
    d->ops->close(d);
    harness_workloads_free(&w);
    return rc;
}

static harness_json *measure_well(const char *key) {
    char err[HARNESS_ERR_LEN];
    harness_text record = {0};
    memset(&pretended, 0, sizeof pretended);
    if (measure(key, &record, err)) fail_msg("%s: %s", key, err);
    harness_json *j = harness_json_parse(key, record.text, record.len, err);
    assert_non_null(j);
    harness_text_free(&record);
    nothing_is_open();
    return j;
}

static void test_operands_are_where_they_should_be(void **state) {
    harness_json *j = measure_well("verify/tiny");
    (void)state;
    if (harness_json_number(j, "ok", 0) <= 0) fail_msg("%s", harness_json_string(j, "fault", ""));
    assert_int_equal((int)harness_json_number(j, "operators", 0), 5);
    harness_json_free(j);
}

static void test_each_kind_closes_what_it_opens(void **state) {
    static const char *const keys[] = {"latency/tiny/b4/whole/r1",
                                       "latency/tiny/b4/green-16/r1",
                                       "quota/tiny/b1/whole/token-60/r1",
                                       "quota/tiny/b1/green-8/metered-60/r1",
                                       "pair/tiny/b1/green-16/tiny/b4/8/r1",
                                       "cold/tiny/b1/r1",
                                       "resize/green-8/r1"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) harness_json_free(measure_well(keys[i]));
    harness_json *j = measure_well(keys[0]);
    assert_true(pretended.spins > 15 && harness_json_number(j, "queued_ms.n", 0) >= 7);
    assert_true(harness_json_number(j, "flushed_ms.median", 0) > 0);
    harness_json_free(j);
}

/* Whichever call fails, and all after it: the step fails with a message, and everything is closed. The last calls of a
 * step wait for its programs' streams before these are closed; there is nobody left to tell. */
static void test_any_call_may_fail(void **state) {
    static const char *const keys[] = {"verify/tiny", "latency/tiny/b1/green-8/r1",
                                       "pair/tiny/b1/green-16/tiny/b4/8/r1", "cold/tiny/b1/r1",
                                       "resize/green-8/r1"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        harness_json_free(measure_well(keys[i]));
        int most = pretended.calls - 2 < 60 ? pretended.calls - 2 : 60;
        for (int n = 1; n < most; n += 1 + n / 20) {
            char err[HARNESS_ERR_LEN] = "";
            harness_text record = {0};
            memset(&pretended, 0, sizeof pretended);
            pretended.fails_after = n;
            if (!measure(keys[i], &record, err)) fail_msg("%s: call %d failed and nobody saw it", keys[i], n);
            if (!strstr(err, "pretended"))
                fail_msg("%s: call %d failed, and the message is \"%s\"", keys[i], n, err);
            harness_text_free(&record);
            nothing_is_open();
        }
    }
}

/* A process that has touched the GPU cannot tell what a cold start takes. */
static void test_cold_start_needs_a_fresh_process(void **state) {
    char err[HARNESS_ERR_LEN];
    harness_workloads w = tiny();
    harness_device_info info;
    harness_cold cold;
    (void)state;
    memset(&pretended, 0, sizeof pretended);
    harness_device *d = cuda_device_new(0, 0);
    assert_int_equal(d->ops->describe(d, &info, err), 0);
    assert_string_equal(info.name, "Pretended GPU");
    assert_int_equal(info.green_unit, 8);
    assert_true(info.memory_gb_per_s > 0 && info.flops_per_s > 0);
    assert_int_equal(d->ops->cold_start(d, &w.items[0], 1, &cold, err), -1);
    assert_non_null(strstr(err, "fresh process"));
    d->ops->close(d);
    harness_workloads_free(&w);
    nothing_is_open();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operands_are_where_they_should_be),
        cmocka_unit_test(test_each_kind_closes_what_it_opens),
        cmocka_unit_test(test_any_call_may_fail),
        cmocka_unit_test(test_cold_start_needs_a_fresh_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
