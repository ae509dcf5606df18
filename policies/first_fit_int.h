/* first_fit_int.h - where a pod of a given size goes: the first GPU with room for it. */
#ifndef FIRST_FIT_INT_H
#define FIRST_FIT_INT_H

#include "policy.h"

/* The first GPU that knows the model and has memory, a process and a row to spare: one of the pod's own width with
 * quota left, else an empty one. Fills gpu and row; 0: there is none. */
int first_fit(const pol_host *host, const pol_view *view, uint32_t fn, uint32_t sm_pct, uint32_t quota_pct,
              uint32_t *gpu, uint32_t *row);

#endif
