/* cuda_libraries.h - products by cuBLAS and convolutions by cuDNN, where they are there.
 *
 * Both are loaded at run time (CUDA 11 to 13, cuDNN 8 and 9); the few functions used are declared here, as their headers
 * need not be installed. fp32 forbids TensorFloat-32 (cuBLAS default mathematics, cuDNN FMA), tf32 allows it. Without a
 * library, or for a shape that it refuses, harness_kernels does the work; the names say which were loaded.
 *
 * Handles belong to the context that is current when they are made, and to one stream. In a green context cuBLAS is told
 * the number of SMs (cublasSetSmCountTarget), as it would see it under MPS.
 */
#ifndef CUDA_LIBRARIES_H
#define CUDA_LIBRARIES_H

#include <cuda_runtime_api.h>

#include "harness_device.h"

typedef struct cuda_libraries cuda_libraries;
typedef struct cuda_handles cuda_handles;
typedef struct cuda_conv cuda_conv;

/* Never NULL but for lack of memory. use: 0 loads nothing. */
cuda_libraries *cuda_libraries_open(int use, int tf32);
void cuda_libraries_name(const cuda_libraries *l, char names[HARNESS_LABEL_LEN]);
void cuda_libraries_close(cuda_libraries *l);

cuda_handles *cuda_handles_open(const cuda_libraries *l, cudaStream_t stream, uint32_t sms, char *err);
void cuda_handles_close(cuda_handles *h);

/* 0 done, 1 not by a library, -1 failed. Row-major out = left x right, z of them, strides in elements. */
int cuda_handles_product(cuda_handles *h, int m, int n, int k, int z, const float *left, const float *right,
                         float *out, char *err);

/* A convolution made ready; NULL: not by a library (or err is set). Workspace: bytes that a run needs. */
cuda_conv *cuda_conv_open(cuda_handles *h, const harness_op *op, uint32_t batch, size_t *workspace,
                          char *err);
int cuda_conv_run(cuda_handles *h, cuda_conv *c, const float *x, const float *w, float *out, void *workspace,
                  size_t workspace_len, char *err);
void cuda_conv_close(cuda_handles *h, cuda_conv *c);

#endif
