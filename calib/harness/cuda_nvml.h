/* cuda_nvml.h - clocks, temperature, power and throttle reasons, where libnvidia-ml is there. Reads only.
 *
 * Loaded at run time; the few functions and constants used are declared here, as nvml.h is not part of every toolkit. */
#ifndef CUDA_NVML_H
#define CUDA_NVML_H

#include "harness_device.h"

typedef struct cuda_nvml cuda_nvml;

/* uuid: "GPU-...". NULL where it cannot be used. */
cuda_nvml *cuda_nvml_open(const char *uuid);
void cuda_nvml_read(cuda_nvml *n, harness_telemetry *out); /* n may be NULL: everything -1 */
void cuda_nvml_driver(cuda_nvml *n, char version[HARNESS_LABEL_LEN]);
void cuda_nvml_close(cuda_nvml *n);

#endif
