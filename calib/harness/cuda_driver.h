/* cuda_driver.h - the driver's functions that the runtime has no words for: green contexts.
 *
 * Found by cudaGetDriverEntryPoint, so that nothing links libcuda and a driver without green contexts (before CUDA 12.4, or a
 * GPU that has none) leaves the pointers NULL. Asked for as of CUDA 12.4: later drivers then keep that version's structures.
 * A toolkit before 12.4 has not the types: then there are no green contexts at all.
 */
#ifndef CUDA_DRIVER_H
#define CUDA_DRIVER_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <stdint.h>

#include "harness_device.h"

#if CUDA_VERSION >= 12040
#define CUDA_DRIVER_GREEN 1
#else
#define CUDA_DRIVER_GREEN 0
#endif

typedef struct {
    CUresult (*get_error_name)(CUresult rc, const char **name);
    CUresult (*device_get)(CUdevice *device, int ordinal);
    CUresult (*primary_retain)(CUcontext *context, CUdevice device);
    CUresult (*primary_release)(CUdevice device);
    CUresult (*set_current)(CUcontext context);
#if CUDA_DRIVER_GREEN
    CUresult (*get_resource)(CUdevice device, CUdevResource *resource, CUdevResourceType type);
    CUresult (*split)(CUdevResource *result, unsigned *groups, const CUdevResource *input,
                      CUdevResource *remaining, unsigned flags, unsigned least);
    CUresult (*describe)(CUdevResourceDesc *description, CUdevResource *resources, unsigned n);
    CUresult (*green_create)(CUgreenCtx *context, CUdevResourceDesc description, CUdevice device,
                             unsigned flags);
    CUresult (*green_destroy)(CUgreenCtx context);
    CUresult (*from_green)(CUcontext *context, CUgreenCtx green);
    CUresult (*green_stream)(CUstream *stream, CUgreenCtx green, unsigned flags, int priority);
#endif
    int has_green; /* all of them are there */
} cuda_driver;

int cuda_driver_open(cuda_driver *d, char err[HARNESS_ERR_LEN]);
/* 0 for CUDA_SUCCESS, else -1 with "what: NAME" in err. */
int cuda_driver_check(const cuda_driver *d, CUresult rc, const char *what, char err[HARNESS_ERR_LEN]);
int cuda_runtime_check(cudaError_t rc, const char *what, char err[HARNESS_ERR_LEN]);

typedef struct {
    void *green; /* CUgreenCtx */
    CUcontext context;
    cudaStream_t stream;
    uint32_t sms;
} cuda_green;

/* The SM counts that one green context can have, rising, below the whole GPU. */
uint32_t cuda_green_sizes(const cuda_driver *d, CUdevice device, uint32_t *sizes, uint32_t most);
/* One of at least n SMs. stage_ms, if not NULL: what creating the context and its stream took. */
int cuda_green_open(const cuda_driver *d, CUdevice device, uint32_t n, cuda_green *out, double stage_ms[2],
                    char err[HARNESS_ERR_LEN]);
/* Two disjoint ones: groups of `unit` SMs of one split, shared out. */
int cuda_green_open_pair(const cuda_driver *d, CUdevice device, uint32_t unit, const uint32_t n[2],
                         cuda_green out[2], char err[HARNESS_ERR_LEN]);
/* Its stream first: the driver does not destroy that. Leaves no context current. */
void cuda_green_close(const cuda_driver *d, cuda_green *g);

double cuda_now_ms(void);

#endif
