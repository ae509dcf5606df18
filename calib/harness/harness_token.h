/* harness_token.h - when a throttled process may launch: two time quotas, as pure arithmetic on a clock.
 *
 * Launch tokens (harness_token): what the HAS-GPU artifact does (window 40 ms, guard 1 ms). A token of quota x window
 * milliseconds of wall time begins with the launch that asks for it; kernels may be launched while
 * now + guard <= its end. The next token begins no earlier than one window after the last one began. GPU time is not
 * limited. The artifact's scheduler sometimes grants a second token at once, because a token given back early leaves
 * usage below the limit of a sliding window; that race is not imitated here: what is measured is one token per window.
 * At 100 % nothing ever waits.
 *
 * Metered GPU time (harness_meter): the idea. At most quota x window of GPU time in each window [kW, (k+1)W) from the
 * meter's origin. Work is charged when it is done. A kernel cannot be stopped, so what exceeds a window is carried as
 * debt: the following windows start with less, and the average never exceeds the quota.
 *
 * Times are nanoseconds of one monotonic clock.
 */
#ifndef HARNESS_TOKEN_H
#define HARNESS_TOKEN_H

#include <stdint.h>

#define HARNESS_WINDOW_NS INT64_C(40000000)
#define HARNESS_GUARD_NS  INT64_C(1000000)

typedef struct {
    int64_t window_ns, guard_ns, token_ns;
    int64_t begun_ns; /* of the present token */
    int held;
} harness_token;

harness_token harness_token_new(uint32_t quota_pct);
/* The time >= now at which the next launch may happen; it takes a new token where that needs one. */
int64_t harness_token_ready_ns(harness_token *t, int64_t now_ns);

typedef struct {
    int64_t window_ns, budget_ns, origin_ns;
    int64_t window; /* index of the window that `left_ns` is about */
    int64_t left_ns;
} harness_meter;

harness_meter harness_meter_new(uint32_t quota_pct, int64_t origin_ns);
/* The time >= now at which work may start: now, or the start of the first window with budget left. */
int64_t harness_meter_ready_ns(harness_meter *m, int64_t now_ns);
/* GPU time that may still be used in the window of now, before it ends (after harness_meter_ready_ns). */
int64_t harness_meter_left_ns(harness_meter *m, int64_t now_ns);
/* Work that ran until now, without a pause: each window pays for its part. */
void harness_meter_charge(harness_meter *m, int64_t now_ns, int64_t gpu_ns);

#endif
