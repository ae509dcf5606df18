/* harness_kernels.h - our own kernels, for what cuBLAS and cuDNN do not do or where they are not there.
 *
 * Plain single-precision kernels: tiled products through shared memory, one thread per output elsewhere. They are not
 * cuBLAS; the trace says which library ran (device.libraries). All pointers are device memory; every call enqueues
 * on the stream and returns what cudaGetLastError says, 0 for success. Layouts as in harness_reference.h.
 */
#ifndef HARNESS_KERNELS_H
#define HARNESS_KERNELS_H

#include <stdint.h>

#include "harness_workload.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *harness_stream;

int harness_kernel_fill(float *x, uint64_t n, uint32_t seed, float scale, harness_stream stream);
/* Any operator: x, y the first and second operand, w the weights, out the output, which is none of them. */
int harness_kernel_op(const harness_op *op, uint32_t batch, const float *x, const float *y, const float *w,
                      float *out, harness_stream stream);
/* A block, of which one thread waits ns nanoseconds of the GPU's global timer. */
int harness_kernel_spin(uint64_t ns, harness_stream stream);
/* Loads all kernels into the present context (they are loaded lazily else). */
int harness_kernel_load(void);

#ifdef __cplusplus
}
#endif

#endif
