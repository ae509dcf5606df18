/* test_harness_kernels.c - the harness's CUDA kernels, run on the CPU against the reference.
 *
 * The kernels are written in the common subset of C17 and CUDA C++. Here 256 threads of the host are the threads of a
 * block: all of them run the test in step, each LAUNCH is a loop over the blocks, __syncthreads is a barrier and shared
 * memory is static (blocks run one after another). What this cannot see is what only the GPU does: warps, caches, limits
 * of a launch. Those `hassim-calibrate` verifies on the GPU itself before it measures. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness_random.h"
#include "harness_reference.h"

typedef struct {
    unsigned x, y, z;
} dim3;

/* What CUDA gives each thread. */
static _Thread_local dim3 threadIdx, blockIdx, gridDim;
static const dim3 blockDim = {256, 1, 1};
static pthread_barrier_t barrier;

#define __global__ static
#define __device__
#define __forceinline__  inline
#define __shared__       static
#define __syncthreads()  pthread_barrier_wait(&barrier)
#define GLOBAL_TIMER(to) ((to) = 0)
#define LAUNCH(kernel, blocks, stream, ...)                                                                  \
    for (int more = block_first(blocks); (void)(stream), more; more = block_next()) kernel(__VA_ARGS__)

static int launched(void) {
    return 0;
}

static int block_first(dim3 blocks) {
    gridDim = blocks;
    blockIdx = (dim3){0, 0, 0};
    pthread_barrier_wait(&barrier);
    return 1;
}

static int block_next(void) {
    pthread_barrier_wait(&barrier);
    if (++blockIdx.x < gridDim.x) return 1;
    blockIdx.x = 0;
    if (++blockIdx.y < gridDim.y) return 1;
    blockIdx.y = 0;
    return ++blockIdx.z < gridDim.z;
}

#pragma GCC diagnostic ignored "-Wconversion" /* CUDA code converts as its authors are used to */
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "../../calib/harness/harness_kernels.cu"

typedef struct {
    const harness_op *op;
    uint32_t batch, index;
    float *x, *y, *w, *out;
} job;

static void *run_thread(void *argument) {
    job *j = argument;
    threadIdx.x = j->index;
    harness_kernel_op(j->op, j->batch, j->x, j->y, j->w, j->out, NULL);
    return NULL;
}

static float *filled(uint64_t n, uint32_t seed, float scale) {
    float *x = malloc((n + 1) * sizeof *x);
    for (uint64_t i = 0; i < n; i++) x[i] = harness_random(seed, i, scale);
    return x;
}

static void run_op(job all) {
    enum { N = 256 };
    pthread_t threads[N];
    job jobs[N];
    pthread_barrier_init(&barrier, NULL, N);
    for (uint32_t t = 0; t < N; t++) {
        jobs[t] = all;
        jobs[t].index = t;
        assert_int_equal(pthread_create(&threads[t], NULL, run_thread, &jobs[t]), 0);
    }
    for (uint32_t t = 0; t < N; t++) pthread_join(threads[t], NULL);
    pthread_barrier_destroy(&barrier);
}

/* Every output, written and right. */
static void check(const harness_op *op, uint32_t batch) {
    uint64_t n = harness_op_output_count(op, batch);
    job j = {.op = op,
             .batch = batch,
             .x = filled(harness_op_input_count(op, batch), HARNESS_SEED_INPUT, 1),
             .y = filled(harness_op_second_count(op, batch), HARNESS_SEED_SECOND, 1),
             .w =
                 filled(harness_op_weight_count(op), HARNESS_SEED_WEIGHT, harness_reference_weight_scale(op)),
             .out = malloc(n * sizeof(float))};
    memset(j.out, 0xff, n * sizeof(float));
    run_op(j);
    for (uint64_t i = 0; i < n; i++) {
        harness_reference r = harness_reference_at(op, batch, i);
        if (!(fabs((double)j.out[i] - r.value) <= 1e-5 * r.magnitude))
            fail_msg("%s, output %llu of %llu: found %g, expected %g", harness_op_name(op->kind),
                     (unsigned long long)i, (unsigned long long)n, (double)j.out[i], r.value);
    }
    free(j.x);
    free(j.y);
    free(j.w);
    free(j.out);
}

/* Sizes that no tile divides, and one that it does. */
static void test_products(void **state) {
    static const harness_op ops[] = {
        {.kind = HARNESS_GEMM, .m = 37, .n = 70, .k = 35},
        {.kind = HARNESS_GEMM, .m = 32, .n = 64, .k = 16},
        {.kind = HARNESS_GEMM, .m = 1, .n = 130, .k = 3},
        {.kind = HARNESS_BMM, .count = 3, .m = 9, .n = 17, .k = 20},
        {.kind = HARNESS_BMM, .count = 2, .m = 65, .n = 1, .k = 33},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) check(&ops[i], 2);
}

/* With and without padding, stride, groups; through the tile and one by one (depthwise). */
static void test_convolutions(void **state) {
    static const harness_op ops[] = {
        {.kind = HARNESS_CONV,
         .c = 5,
         .h = 9,
         .w = 11,
         .out = 20,
         .k = 3,
         .stride = 1,
         .pad = 1,
         .groups = 1},
        {.kind = HARNESS_CONV,
         .c = 3,
         .h = 14,
         .w = 13,
         .out = 65,
         .k = 7,
         .stride = 2,
         .pad = 3,
         .groups = 1},
        {.kind = HARNESS_CONV, .c = 8, .h = 6, .w = 6, .out = 32, .k = 1, .stride = 1, .pad = 0, .groups = 2},
        {.kind = HARNESS_CONV, .c = 6, .h = 8, .w = 8, .out = 6, .k = 5, .stride = 2, .pad = 2, .groups = 6},
        {.kind = HARNESS_CONV, .c = 4, .h = 5, .w = 5, .out = 8, .k = 3, .stride = 1, .pad = 0, .groups = 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) check(&ops[i], 2);
}

static void test_the_rest(void **state) {
    static const harness_op ops[] = {
        {.kind = HARNESS_SCALE, .n = 1000},
        {.kind = HARNESS_RELU, .n = 255},
        {.kind = HARNESS_GELU, .n = 300},
        {.kind = HARNESS_HARDSWISH, .n = 300},
        {.kind = HARNESS_ADD, .n = 700},
        {.kind = HARNESS_MUL, .n = 1},
        {.kind = HARNESS_MAXPOOL, .c = 3, .h = 9, .w = 8, .k = 3, .stride = 2, .pad = 1},
        {.kind = HARNESS_AVGPOOL, .c = 5, .h = 7, .w = 7, .k = 7, .stride = 1, .pad = 0},
        {.kind = HARNESS_SOFTMAX, .rows = 3, .cols = 300},
        {.kind = HARNESS_SOFTMAX, .rows = 4, .cols = 7},
        {.kind = HARNESS_LAYERNORM, .rows = 3, .cols = 513},
        {.kind = HARNESS_GATHER, .rows = 9, .cols = 33, .table = 50},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) check(&ops[i], 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
