/* endpoints_int.h - what a gateway does between a function's requests and its pods, where that is modelled. Private to
 * the engine.
 *
 * Connections. With keep_alive_ns > 0 the gateway keeps a connection to a pod after its answer and uses the one that was
 * idle last first; one that has been idle for longer is closed. Only a request that finds none opens a new one, to a pod
 * chosen by the policy's routing. So pods that are started under load see little of it: the connections of then stay.
 *
 * Dead endpoints. With linger_ns > 0 a pod that was killed stays in the routing table for so long: a new connection
 * draws among the ready pods and the dead endpoints alike, and one to a dead endpoint fails its request at once (HTTP
 * 502, spec 5.6).
 */
#ifndef ENDPOINTS_INT_H
#define ENDPOINTS_INT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t pod;
    int64_t since_ns; /* idle, or dead */
} endpoint;

typedef struct { /* by time; the oldest first */
    endpoint *v;
    uint32_t n;
    size_t cap;
} endpoint_list;

int endpoints_add(endpoint_list *l, uint32_t pod, int64_t now_ns); /* 0, or -1: out of memory */
/* Drops what is older than age_ns. */
void endpoints_expire(endpoint_list *l, int64_t now_ns, int64_t age_ns);
/* Drops those of the pod. */
void endpoints_forget(endpoint_list *l, uint32_t pod);

#endif
