/* harness_worker.h - the process that holds the GPU: it answers requests, one line each, with one line each.
 *
 * "describe" is answered with the device's facts (harness_info_write), a step's key with its record. What fails is
 * answered with {"key": ..., "error": ...}; then the worker ends, since CUDA errors stick to a process: the next step gets a
 * fresh one. It also ends at the end of its input, so that it never outlives the run that started it.
 */
#ifndef HARNESS_WORKER_H
#define HARNESS_WORKER_H

#include <stdio.h>

#include "harness_device.h"
#include "harness_measure.h"

/* 0 at the end of the input, 1 after an error. */
int harness_worker_serve(harness_device *d, const harness_workloads *w,
                         const harness_measure_options *options, FILE *in, FILE *out);

#endif
