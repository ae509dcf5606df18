/* harness_measure.h - one step of the plan on a device, as one record (a JSON object in one line).
 *
 * Latency. The program is run until the GPU's clocks have come up and its times no longer fall (warm-up: at least 5 runs
 * and 50 ms of work, then until two consecutive medians of five agree within 2 %, at most 2 s). Then samples are taken
 * until the 95 % interval of the median is within 0.5 % of it, at least 15 (7 where that takes twice the step's time) and at
 * most 200, or the step's time is up. Two
 * series: from an idle GPU (wall_ms, gpu_ms between CUDA events, launch_ms on the host), and queued_ms behind a spinning
 * kernel, which leaves out all waiting for launches. wall_ms is what a lone request waits; queued_ms what the GPU needs.
 * A run finds in the L2 cache what the run before left there, as back-to-back requests of one model do; for the
 * micro-benchmarks there is a third series, flushed_ms, which finds nothing.
 *
 * Quotas. The inference's launches are metered (harness_token.h); between inferences is a pause, uniform in one window,
 * so that samples meet the window at every phase. Under tokens the time is often bimodal: mean and median both count.
 *
 * Pairs. Both alone in the same two partitions, one idle; then together. The second runs without pause in a thread of
 * its own and is judged by inferences per second. Bandwidth is the operators' compulsory traffic over the time.
 *
 * Verification. Every different operator, at batch 2, at 64 places, against harness_reference.h.
 *
 * Each record carries clocks, temperature, power and throttle reasons before and after, and `throttled` where power or
 * heat held the clocks down: such a record is kept, but no check rests on it.
 */
#ifndef HARNESS_MEASURE_H
#define HARNESS_MEASURE_H

#include "harness_device.h"
#include "harness_plan.h"

typedef struct {
    double step_s; /* measuring time per series */
} harness_measure_options;

/* 0, and a JSON object without line break in *record; or -1 with a message. The caller frees the record. */
int harness_measure(harness_device *d, const harness_workloads *w, const harness_step *s,
                    const harness_measure_options *options, harness_text *record, char err[HARNESS_ERR_LEN]);

/* The device's facts as a JSON object in one line, and back. */
void harness_info_write(const harness_device_info *info, harness_text *t);
void harness_info_read(harness_device_info *info, const harness_json *j);

#endif
