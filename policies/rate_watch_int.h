/* rate_watch_int.h - looking at a function for policies that follow its request rate: half of such a policy.
 *
 * The rate is what the counter gained between the scrapes that this tick and the last one saw, per second, kept
 * until a tick sees a newer scrape. act leaves behind a band of rates within which nothing is to be done, so that
 * observe needs no pods; it wants to act when
 *   - the number of pods is not the one that act left (one has failed, or an arrival has brought one), or
 *   - the rate is above the band, and not before the retry tick (a scale-up that found no room waits), or
 *   - the rate is below the band, and not before the calm tick (no scale-down soon after a change).
 *
 * Laziness: a skipped tick is one with unchanged counters, after which the rate stays, or is 0 once a newer scrape
 * is seen; both are made up for. The next tick asked for is the first of: a newer scrape (if there is a rate to
 * lose), the retry tick, the calm tick (if they matter).
 */
#ifndef RATE_WATCH_INT_H
#define RATE_WATCH_INT_H

#include "policy.h"

typedef struct { /* when ticks and scrapes are; of the policy */
    int64_t tick_ns, scrape_ns, scrape_phase_ns;
} rate_clock;

typedef struct { /* one function; all zero at first */
    double rps;
    double up_above, down_below; /* the band */
    uint64_t count;
    uint32_t tick; /* the last one lived through */
    uint32_t retry_tick, calm_tick;
    uint32_t pods; /* that act left */
} rate_watch;

rate_clock rate_clock_of(const pol_host *host, double tick_s);
uint32_t rate_clock_ticks(const rate_clock *clock, double seconds); /* rounded up */

/* The whole of a policy's observe; count: the counter that is followed. */
int rate_watch_observe(rate_watch *w, const rate_clock *clock, const pol_obs *obs, uint64_t count,
                       int64_t *next_ns);
/* At the begin of act: with cause POL_ARRIVAL, ticks may have been skipped before. */
void rate_watch_begin_act(rate_watch *w, const rate_clock *clock, const pol_view *view);
/* At the end of act: the function's pods that do not drain, and the band. Does nothing with cause POL_ARRIVAL: what
 * comes between two ticks has not been observed, and the next tick may be skipped; where the number of pods differs
 * at a later one, act is called again. */
void rate_watch_end_act(rate_watch *w, pol_cause cause, uint32_t pods, double up_above, double down_below);

#endif
