/* harness_kernels.cu - our own kernels (harness_kernels.h). Written in the common subset of C17 and CUDA C++, so that
 * tests/unit/test_harness_kernels.c runs them on the CPU, thread by thread, against the reference. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" { /* the headers of the C17 side */
#endif
#include "harness_kernels.h"
#ifdef __cplusplus
}
#endif

#include "harness_random.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define LAUNCH(kernel, blocks, stream, ...) kernel<<<(blocks), THREADS, 0, (stream)>>>(__VA_ARGS__)

static int launched(void) {
    return (int)cudaGetLastError();
}

#define GLOBAL_TIMER(to) asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(to))
#endif

#define THREADS    256
#define TILE       64 /* outputs per block and side */
#define STEP       16 /* depth of a tile */
#define PER_THREAD 4  /* outputs per thread and side: TILE / 16 */

/* A grid-stride loop: the grid need not cover n, and n may exceed 2^32. */
#define FOR_EACH(i, n)                                                                                       \
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                              \
         i += (uint64_t)gridDim.x * blockDim.x)

static dim3 blocks_for(uint64_t n) {
    uint64_t blocks = (n + THREADS - 1) / THREADS;
    dim3 grid = {blocks > 65536 ? 65536u : blocks < 1 ? 1u : (unsigned)blocks, 1, 1};
    return grid;
}

/* --- products: gemm, bmm and convolution are one tiled loop that differs in where the operands come from ---------- */

/* What a product is: out[m][n] = sum over k of left[m][k] * right[k][n], `z` of them. A convolution is the product of its
 * filters (m: channels of the group, k: channel and place in the window) with its input unfolded on the fly (n: image
 * and place); its z are the groups. */
typedef struct {
    uint64_t m, n, k;
    uint64_t left_stride, right_stride, out_stride; /* from z to z + 1 */
    int is_conv;
    uint32_t c, h, w, window, stride, pad, out_h, out_w, out_c; /* of a convolution; c, out_c: of one group */
    uint64_t groups;
} product;

static __device__ __forceinline__ float unfolded(const float *x, const product *p, uint64_t z, uint64_t k,
                                                 uint64_t n) {
    uint32_t area = p->window * p->window, c = (uint32_t)k / area, place = (uint32_t)k % area;
    uint32_t column = (uint32_t)(n % p->out_w), row = (uint32_t)(n / p->out_w % p->out_h);
    uint64_t image = n / p->out_w / p->out_h;
    int y = (int)(row * p->stride + place / p->window) - (int)p->pad;
    int v = (int)(column * p->stride + place % p->window) - (int)p->pad;
    if (y < 0 || v < 0 || y >= (int)p->h || v >= (int)p->w) return 0.0f;
    return x[((image * p->groups + z) * p->c + c) * p->h * p->w + (uint64_t)y * p->w + (uint64_t)v];
}

/* Where output (m, n) of product z lies. */
static __device__ __forceinline__ uint64_t output_at(const product *p, uint64_t z, uint64_t m, uint64_t n) {
    if (!p->is_conv) return z * p->out_stride + m * p->n + n;
    uint64_t area = (uint64_t)p->out_h * p->out_w;
    return ((n / area * p->groups + z) * p->out_c + m) * area + n % area;
}

/* A block of 256 threads makes 64 x 64 outputs, each thread 4 x 4 of them, from tiles in shared memory. */
__global__ void harness_product(product p, const float *left, const float *right, float *out) {
    __shared__ float a[STEP][TILE + 1]; /* one more: no bank conflicts when it is written by columns */
    __shared__ float b[STEP][TILE];
    uint64_t z = blockIdx.z, m0 = (uint64_t)blockIdx.y * TILE, n0 = (uint64_t)blockIdx.x * TILE;
    uint32_t t = threadIdx.x, tx = t % 16, ty = t / 16;
    float sum[PER_THREAD][PER_THREAD] = {{0.0f}};
    for (uint64_t k0 = 0; k0 < p.k; k0 += STEP) {
        for (uint32_t i = t; i < STEP * TILE; i += THREADS) {
            uint64_t k = k0 + i % STEP, m = m0 + i / STEP;
            a[i % STEP][i / STEP] = k < p.k && m < p.m ? left[z * p.left_stride + m * p.k + k] : 0.0f;
        }
        for (uint32_t i = t; i < STEP * TILE; i += THREADS) {
            uint64_t k = k0 + i / TILE, n = n0 + i % TILE;
            float v = 0.0f;
            if (k < p.k && n < p.n)
                v = p.is_conv ? unfolded(right, &p, z, k, n) : right[z * p.right_stride + k * p.n + n];
            b[i / TILE][i % TILE] = v;
        }
        __syncthreads();
        for (uint32_t k = 0; k < STEP; k++)
            for (uint32_t i = 0; i < PER_THREAD; i++)
                for (uint32_t j = 0; j < PER_THREAD; j++) sum[i][j] += a[k][ty + 16 * i] * b[k][tx + 16 * j];
        __syncthreads();
    }
    for (uint32_t i = 0; i < PER_THREAD; i++)
        for (uint32_t j = 0; j < PER_THREAD; j++) {
            uint64_t m = m0 + ty + 16 * i, n = n0 + tx + 16 * j;
            if (m < p.m && n < p.n) out[output_at(&p, z, m, n)] = sum[i][j];
        }
}

/* Few channels per group leave a 64-wide tile empty: one thread per output. */
__global__ void harness_conv_direct(product p, const float *filters, const float *x, float *out, uint64_t n) {
    FOR_EACH(i, n) {
        uint64_t area = (uint64_t)p.out_h * p.out_w, o = i / area % (p.groups * p.out_c), z = o / p.out_c;
        uint64_t image = i / area / (p.groups * p.out_c);
        float sum = 0.0f;
        for (uint64_t k = 0; k < p.k; k++)
            sum += filters[o * p.k + k] * unfolded(x, &p, z, k, image * area + i % area);
        out[i] = sum;
    }
}

static int run_product(const product *p, uint64_t z, const float *left, const float *right, float *out,
                       harness_stream stream) {
    dim3 grid = {(unsigned)((p->n + TILE - 1) / TILE), (unsigned)((p->m + TILE - 1) / TILE), (unsigned)z};
    LAUNCH(harness_product, grid, stream, *p, left, right, out);
    return launched();
}

static int run_conv(const harness_op *op, uint32_t batch, const float *x, const float *w, float *out,
                    harness_stream stream) {
    product p;
    memset(&p, 0, sizeof p);
    p.is_conv = 1;
    p.c = op->c / op->groups;
    p.h = op->h;
    p.w = op->w;
    p.window = op->k;
    p.stride = op->stride;
    p.pad = op->pad;
    p.out_h = harness_op_out_h(op);
    p.out_w = harness_op_out_w(op);
    p.out_c = op->out / op->groups;
    p.groups = op->groups;
    p.m = p.out_c;
    p.k = (uint64_t)p.c * op->k * op->k;
    p.n = (uint64_t)batch * p.out_h * p.out_w;
    p.left_stride = p.m * p.k;
    if (p.out_c >= 16 && op->groups <= 65535) return run_product(&p, op->groups, w, x, out, stream);
    uint64_t n = harness_op_output_count(op, batch);
    LAUNCH(harness_conv_direct, blocks_for(n), stream, p, w, x, out, n);
    return launched();
}

static int run_matrix(const harness_op *op, uint32_t batch, const float *x, const float *y, const float *w,
                      float *out, harness_stream stream) {
    int is_gemm = op->kind == HARNESS_GEMM;
    product p;
    memset(&p, 0, sizeof p);
    p.m = is_gemm ? (uint64_t)op->m * batch : op->m;
    p.n = op->n;
    p.k = op->k;
    p.left_stride = p.m * p.k;
    p.right_stride = p.k * p.n;
    p.out_stride = p.m * p.n;
    return run_product(&p, is_gemm ? 1 : (uint64_t)op->count * batch, x, is_gemm ? w : y, out, stream);
}

/* --- elementwise, pools, rows -------------------------------------------------------------------------------------- */

static __device__ __forceinline__ float element(harness_op_kind kind, float x, float y) {
    switch (kind) {
    case HARNESS_SCALE:
        return 1.25f * x + 0.0625f;
    case HARNESS_RELU:
        return x > 0.0f ? x : 0.0f;
    case HARNESS_GELU:
        return 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    case HARNESS_HARDSWISH:
        return x * fminf(fmaxf(x + 3.0f, 0.0f), 6.0f) / 6.0f;
    case HARNESS_ADD:
        return x + y;
    default:
        return x * y;
    }
}

__global__ void harness_unary(harness_op_kind kind, const float *x, float *out, uint64_t n) {
    FOR_EACH(i, n) out[i] = element(kind, x[i], 0.0f);
}

__global__ void harness_binary(harness_op_kind kind, const float *x, const float *y, float *out, uint64_t n) {
    FOR_EACH(i, n) out[i] = element(kind, x[i], y[i]);
}

__global__ void harness_fill(float *x, uint64_t n, uint32_t seed, float scale) {
    FOR_EACH(i, n) x[i] = harness_random(seed, i, scale);
}

__global__ void harness_gather(const float *table, uint32_t rows, uint32_t cols, float *out, uint64_t n) {
    FOR_EACH(i, n) out[i] = table[(uint64_t)harness_random_row(i / cols, rows) * cols + i % cols];
}

/* Padding counts as zeros in the average and not at all in the maximum, as frameworks have it. */
__global__ void harness_pool(harness_op op, uint32_t out_h, uint32_t out_w, const float *x, float *out,
                             uint64_t n) {
    FOR_EACH(i, n) {
        uint32_t column = (uint32_t)(i % out_w), row = (uint32_t)(i / out_w % out_h);
        const float *plane = x + i / out_w / out_h * op.h * op.w;
        int is_max = op.kind == HARNESS_MAXPOOL;
        float v = is_max ? -3.0e38f : 0.0f;
        for (uint32_t k = 0; k < op.k * op.k; k++) {
            int y = (int)(row * op.stride + k / op.k) - (int)op.pad,
                u = (int)(column * op.stride + k % op.k) - (int)op.pad;
            if (y < 0 || u < 0 || y >= (int)op.h || u >= (int)op.w) continue;
            float in = plane[(uint64_t)y * op.w + (uint64_t)u];
            v = is_max ? fmaxf(v, in) : v + in;
        }
        out[i] = is_max ? v : v / (float)(op.k * op.k);
    }
}

/* The sum (or the largest) of a value per thread, to all threads of the block. */
static __device__ __forceinline__ float across(float v, int largest, float *shared) {
    uint32_t t = threadIdx.x;
    shared[t] = v;
    __syncthreads();
    for (uint32_t half = THREADS / 2; half; half /= 2) {
        if (t < half) shared[t] = largest ? fmaxf(shared[t], shared[t + half]) : shared[t] + shared[t + half];
        __syncthreads();
    }
    float all = shared[0];
    __syncthreads();
    return all;
}

/* One block per row, for both: softmax and layer normalisation over cols. */
__global__ void harness_rows(harness_op_kind kind, uint32_t cols, const float *x, float *out) {
    __shared__ float shared[THREADS];
    const float *row = x + (uint64_t)blockIdx.x * cols;
    float *to = out + (uint64_t)blockIdx.x * cols;
    int is_softmax = kind == HARNESS_SOFTMAX;
    float part = is_softmax ? -3.0e38f : 0.0f;
    for (uint32_t c = threadIdx.x; c < cols; c += THREADS)
        part = is_softmax ? fmaxf(part, row[c]) : part + row[c];
    float centre = across(part, is_softmax, shared);
    if (!is_softmax) centre /= (float)cols;
    part = 0.0f;
    for (uint32_t c = threadIdx.x; c < cols; c += THREADS) {
        float d = row[c] - centre;
        part += is_softmax ? expf(d) : d * d;
    }
    float sum = across(part, 0, shared);
    float factor = is_softmax ? 1.0f / sum : 1.0f / sqrtf(sum / (float)cols + 1e-5f);
    for (uint32_t c = threadIdx.x; c < cols; c += THREADS) {
        float d = row[c] - centre;
        to[c] = (is_softmax ? expf(d) : d) * factor;
    }
}

/* The global timer ticks in steps of up to a microsecond, which does not matter here; clock64 would follow the clock rate. */
__global__ void harness_spin(uint64_t ns) {
    uint64_t start, now;
    if (threadIdx.x) return;
    GLOBAL_TIMER(start);
    do {
        GLOBAL_TIMER(now);
    } while (now - start < ns);
}

int harness_kernel_fill(float *x, uint64_t n, uint32_t seed, float scale, harness_stream stream) {
    if (!n) return 0;
    LAUNCH(harness_fill, blocks_for(n), stream, x, n, seed, scale);
    return launched();
}

int harness_kernel_spin(uint64_t ns, harness_stream stream) {
    LAUNCH(harness_spin, blocks_for(1), stream, ns);
    return launched();
}

int harness_kernel_op(const harness_op *op, uint32_t batch, const float *x, const float *y, const float *w,
                      float *out, harness_stream stream) {
    uint64_t n = harness_op_output_count(op, batch);
    switch (op->kind) {
    case HARNESS_CONV:
        return run_conv(op, batch, x, w, out, stream);
    case HARNESS_GEMM:
    case HARNESS_BMM:
        return run_matrix(op, batch, x, y, w, out, stream);
    case HARNESS_MAXPOOL:
    case HARNESS_AVGPOOL:
        LAUNCH(harness_pool, blocks_for(n), stream, *op, harness_op_out_h(op), harness_op_out_w(op), x, out,
               n);
        break;
    case HARNESS_SOFTMAX:
    case HARNESS_LAYERNORM: {
        dim3 rows = {(unsigned)(n / op->cols), 1, 1};
        LAUNCH(harness_rows, rows, stream, op->kind, op->cols, x, out);
        break;
    }
    case HARNESS_GATHER:
        LAUNCH(harness_gather, blocks_for(n), stream, w, op->table, op->cols, out, n);
        break;
    case HARNESS_ADD:
    case HARNESS_MUL:
        LAUNCH(harness_binary, blocks_for(n), stream, op->kind, x, y, out, n);
        break;
    default:
        LAUNCH(harness_unary, blocks_for(n), stream, op->kind, x, out, n);
        break;
    }
    return launched();
}

#ifdef __CUDACC__
int harness_kernel_load(void) {
    const void *const kernels[] = {
        (const void *)harness_product, (const void *)harness_conv_direct, (const void *)harness_unary,
        (const void *)harness_binary,  (const void *)harness_fill,        (const void *)harness_gather,
        (const void *)harness_pool,    (const void *)harness_rows,        (const void *)harness_spin};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        cudaFuncAttributes attributes;
        cudaError_t rc = cudaFuncGetAttributes(&attributes, kernels[i]);
        if (rc != cudaSuccess) return (int)rc;
    }
    return 0;
}
#endif
