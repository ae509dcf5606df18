/* cuda_program.h - a workload in GPU memory: operands, and its launches on a stream.
 *
 * Every operator has weights of its own. Activations go to and fro between two buffers, each as large as the largest of
 * them; second operands (residuals, keys and values) are read from a third one, which is never written. All are filled
 * with random numbers before the first inference; a chain keeps its magnitude (harness_reference_weight_scale).
 */
#ifndef CUDA_PROGRAM_H
#define CUDA_PROGRAM_H

#include <cuda_runtime_api.h>

#include "cuda_libraries.h"
#include "harness_workload.h"

typedef struct {
    const harness_workload *w;
    uint32_t batch;
    cuda_handles *handles;
    cudaStream_t stream;
    float *memory; /* one allocation: weights, two buffers, second operands */
    float *buffer[2], *second;
    uint64_t n_buffer, n_second, n_weights;
    uint64_t *weight_at; /* element offset of each operator's weights */
    cuda_conv **convs;   /* NULL where own kernels do it */
    void *workspace;
    size_t workspace_len;
} cuda_program;

/* The three parts of making one, apart because a cold start times them. The context is current. On failure all is undone by
 * cuda_program_free. */
int cuda_program_allocate(cuda_program *p, const harness_workload *w, uint32_t batch, cuda_handles *handles,
                          cudaStream_t stream, char *err);
int cuda_program_fill(cuda_program *p, char *err);
int cuda_program_prepare(cuda_program *p, char *err);
void cuda_program_free(cuda_program *p);

uint64_t cuda_program_weight_bytes(const cuda_program *p);
/* Enqueues operators first to first + n - 1. */
int cuda_program_launch(const cuda_program *p, size_t first, size_t n, char *err);
/* harness_device_ops.program_probe. */
int cuda_program_probe(cuda_program *p, size_t op, size_t n, const uint64_t *at, float *out, char *err);

#endif
