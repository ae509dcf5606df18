/* cuda_device.h - a GPU by CUDA, as harness_device.h wants it.
 *
 * Nothing touches CUDA before the first call, so that a cold start can be measured. GPU 0 of those that CUDA_VISIBLE_DEVICES
 * leaves. Each partition has one non-blocking stream, and its handles of cuBLAS and cuDNN; every call makes the
 * partition's context current first, because a green context may be current in one thread only and two of them are
 * open in an interference step. Events are made in the context that they are recorded in.
 *
 * Waiting for an event spins (the default of a process with few contexts on many cores): wall times have no wake-up in
 * them. In HARNESS_QUEUED mode a one-thread kernel spins for half as long again as launching took the last time; when that
 * was too short after all, it is doubled for the next inference, and the median shrugs the sample off.
 */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H

#include "harness_device.h"

/* tf32: TensorFloat-32 in products and convolutions; libraries 0: own kernels only. NULL: no memory. */
harness_device *cuda_device_new(int tf32, int libraries);

#endif
