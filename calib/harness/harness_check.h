/* harness_check.h - do the measurements agree with themselves?
 *
 * Noise floor: `within` is the half width of a step's 95 % interval over its median; `between` is half the range of the
 * medians of a step that was measured several times during the run, over their mean: it has the drift that a single
 * step cannot see. The noise floor is the larger of the two medians. No difference below it means anything.
 *
 * Monotonicity: with everything else equal, GPU time must not grow with SMs, latency must not fall with the batch, and the
 * mean under a quota must not grow with the quota. Two steps contradict where they differ in the wrong direction by more
 * than 2 % and their intervals (for quotas: one MAD) do not meet. A contradiction is listed, never repaired: some are real (a library that
 * picks another algorithm), and whoever fits must see them.
 *
 * Only the records that are not throttled take part.
 */
#ifndef HARNESS_CHECK_H
#define HARNESS_CHECK_H

#include "harness_json.h"

#define HARNESS_CONTRADICTIONS_MAX 100

/* records: an array of n parsed records. Appends a JSON object. */
void harness_check_write(const harness_json *const *records, size_t n, harness_text *out);

#endif
