#include "endpoints_int.h"

#include <stdlib.h>
#include <string.h>

#include "grow_int.h"

int endpoints_add(endpoint_list *l, uint32_t pod, int64_t now_ns) {
    endpoint *v = grow_array(l->v, l->n, &l->cap, sizeof *v);
    if (!v) return -1;
    l->v = v;
    l->v[l->n++] = (endpoint){pod, now_ns};
    return 0;
}

void endpoints_expire(endpoint_list *l, int64_t now_ns, int64_t age_ns) {
    uint32_t old = 0;
    while (old < l->n && l->v[old].since_ns + age_ns <= now_ns) old++;
    if (!old) return;
    l->n -= old;
    memmove(l->v, l->v + old, l->n * sizeof *l->v);
}

void endpoints_forget(endpoint_list *l, uint32_t pod) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->n; i++)
        if (l->v[i].pod != pod) l->v[kept++] = l->v[i];
    l->n = kept;
}
