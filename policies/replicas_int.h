/* replicas_int.h - as many equal pods as the request rate needs: the other half, to rate_watch_int.h, of a policy
 * that scales in number alone. What a pod is good for and where a new one goes is the policy's.
 *
 * More pods while the rate is above what they are good for together; fewer, the youngest first, while the rest
 * suffices, but not within the cooldown of a change. A start that finds no room is tried again after a while. An
 * arrival without any pod starts what is missing.
 */
#ifndef REPLICAS_INT_H
#define REPLICAS_INT_H

#include "policy.h"
#include "rate_watch_int.h"

typedef struct {
    const pol_host *host;
    rate_clock clock;
    uint32_t min_pods, cooldown_ticks, retry_ticks;
    rate_watch *fns;
    /* requests per second that a pod is good for, > 0 */
    double (*pod_rps)(const pol_ctx *ctx, uint32_t fn, uint32_t device, uint32_t sm_pct);
    /* starts a pod; what it is good for, or 0: there is no room */
    double (*start)(pol_ctx *ctx, uint32_t fn, const pol_view *view);
} replicas;

/* 0, or -1: out of memory. Leaves the functions to the policy. */
int replicas_open(replicas *r, const pol_host *host, size_t n_fns, double tick_s, double min_pods,
                  double cooldown_s, double retry_s);
void replicas_close(replicas *r);

int replicas_observe(replicas *r, const pol_obs *obs, int64_t *next_ns); /* the whole of observe */
void replicas_act(replicas *r, pol_ctx *ctx, uint32_t fn, const pol_view *view);

#endif
