/* cuda_program.c - memory and launches of a workload. */
#include "cuda_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_driver.h"
#include "harness_kernels.h"
#include "harness_random.h"
#include "harness_reference.h"

enum { ALIGN = 64 }; /* elements: 256 bytes, as cudaMalloc aligns */

static uint64_t aligned(uint64_t n) {
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void lay_out(cuda_program *p) {
    for (size_t i = 0; i < p->w->n_ops; i++) {
        const harness_op *op = &p->w->ops[i];
        p->weight_at[i] = p->n_weights;
        p->n_weights += aligned(harness_op_weight_count(op));
        p->n_buffer = larger(p->n_buffer, harness_op_input_count(op, p->batch));
        p->n_buffer = larger(p->n_buffer, harness_op_output_count(op, p->batch));
        p->n_second = larger(p->n_second, harness_op_second_count(op, p->batch));
    }
    p->n_buffer = aligned(p->n_buffer);
    p->n_second = aligned(p->n_second);
}

uint64_t cuda_program_weight_bytes(const cuda_program *p) {
    return p->n_weights * sizeof(float);
}

int cuda_program_allocate(cuda_program *p, const harness_workload *w, uint32_t batch, cuda_handles *handles,
                          cudaStream_t stream, char *err) {
    *p = (cuda_program){.w = w, .batch = batch, .handles = handles, .stream = stream};
    p->weight_at = calloc(w->n_ops, sizeof *p->weight_at);
    p->convs = calloc(w->n_ops, sizeof *p->convs);
    if (!p->weight_at || !p->convs) {
        snprintf(err, HARNESS_ERR_LEN, "out of memory");
        return -1;
    }
    lay_out(p);
    uint64_t all = p->n_weights + 2 * p->n_buffer + p->n_second;
    if (cuda_runtime_check(cudaMalloc((void **)&p->memory, all * sizeof(float)), "cudaMalloc", err))
        return -1;
    p->buffer[0] = p->memory + p->n_weights;
    p->buffer[1] = p->buffer[0] + p->n_buffer;
    p->second = p->buffer[1] + p->n_buffer;
    return 0;
}

static int fill(const cuda_program *p, float *x, uint64_t n, uint32_t seed, float scale, char *err) {
    return cuda_runtime_check((cudaError_t)harness_kernel_fill(x, n, seed, scale, p->stream),
                              "filling memory", err);
}

static int fill_weights(const cuda_program *p, size_t i, char *err) {
    const harness_op *op = &p->w->ops[i];
    return fill(p, p->memory + p->weight_at[i], harness_op_weight_count(op), HARNESS_SEED_WEIGHT,
                harness_reference_weight_scale(op), err);
}

int cuda_program_fill(cuda_program *p, char *err) {
    for (size_t i = 0; i < p->w->n_ops; i++)
        if (fill_weights(p, i, err)) return -1;
    if (fill(p, p->buffer[0], p->n_buffer, HARNESS_SEED_INPUT, 1, err) ||
        fill(p, p->buffer[1], p->n_buffer, HARNESS_SEED_INPUT, 1, err) ||
        fill(p, p->second, p->n_second, HARNESS_SEED_SECOND, 1, err))
        return -1;
    return cuda_runtime_check(cudaStreamSynchronize(p->stream), "filling memory", err);
}

int cuda_program_prepare(cuda_program *p, char *err) {
    err[0] = '\0';
    for (size_t i = 0; i < p->w->n_ops; i++) {
        size_t workspace = 0;
        if (p->w->ops[i].kind != HARNESS_CONV) continue;
        p->convs[i] = cuda_conv_open(p->handles, &p->w->ops[i], p->batch, &workspace, err);
        if (!p->convs[i] && err[0]) return -1;
        if (workspace > p->workspace_len) p->workspace_len = workspace;
    }
    if (!p->workspace_len) return 0;
    return cuda_runtime_check(cudaMalloc(&p->workspace, p->workspace_len), "cudaMalloc of a workspace", err);
}

void cuda_program_free(cuda_program *p) {
    for (size_t i = 0; p->convs && i < p->w->n_ops; i++) cuda_conv_close(p->handles, p->convs[i]);
    if (p->workspace) cudaFree(p->workspace);
    if (p->memory) cudaFree(p->memory);
    free(p->convs);
    free(p->weight_at);
    *p = (cuda_program){0};
}

/* 0 done, 1 not by a library, -1 failed */
static int by_library(const cuda_program *p, size_t i, const float *x, const float *w, float *out,
                      char *err) {
    const harness_op *op = &p->w->ops[i];
    int rows = (int)(op->m * (op->kind == HARNESS_GEMM ? p->batch : 1)), n = (int)op->n, k = (int)op->k;
    switch (op->kind) {
    case HARNESS_CONV:
        return p->convs[i]
                   ? cuda_conv_run(p->handles, p->convs[i], x, w, out, p->workspace, p->workspace_len, err)
                   : 1;
    case HARNESS_GEMM:
        return cuda_handles_product(p->handles, rows, n, k, 1, x, w, out, err);
    case HARNESS_BMM:
        return cuda_handles_product(p->handles, rows, n, k, (int)(op->count * p->batch), x, p->second, out,
                                    err);
    default:
        return 1;
    }
}

static int launch_one(const cuda_program *p, size_t i, const float *x, float *out, char *err) {
    const harness_op *op = &p->w->ops[i];
    const float *w = p->memory + p->weight_at[i];
    int rc = by_library(p, i, x, w, out, err);
    if (rc <= 0) return rc;
    rc = harness_kernel_op(op, p->batch, x, p->second, w, out, p->stream);
    return cuda_runtime_check((cudaError_t)rc, harness_op_name(op->kind), err);
}

int cuda_program_launch(const cuda_program *p, size_t first, size_t n, char *err) {
    for (size_t i = first; i < first + n; i++)
        if (launch_one(p, i, p->buffer[i % 2], p->buffer[1 - i % 2], err)) return -1;
    return 0;
}

/* The output is poisoned with NaN first: what was not written does not pass. */
int cuda_program_probe(cuda_program *p, size_t op, size_t n, const uint64_t *at, float *out, char *err) {
    uint64_t n_out = harness_op_output_count(&p->w->ops[op], p->batch);
    if (fill_weights(p, op, err) || fill(p, p->buffer[0], p->n_buffer, HARNESS_SEED_INPUT, 1, err) ||
        cuda_runtime_check(cudaMemsetAsync(p->buffer[1], 0xff, n_out * sizeof(float), p->stream),
                           "cudaMemset", err) ||
        launch_one(p, op, p->buffer[0], p->buffer[1], err) ||
        cuda_runtime_check(cudaStreamSynchronize(p->stream), harness_op_name(p->w->ops[op].kind), err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (cuda_runtime_check(
                cudaMemcpy(&out[i], p->buffer[1] + at[i], sizeof(float), cudaMemcpyDeviceToHost),
                "cudaMemcpy", err))
            return -1;
    return 0;
}
