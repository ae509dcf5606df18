/* validate_replay_int.h - a policy that does what was recorded: the pods of each time, with their SM and quota.
 *
 * Its parameters are the recording itself, four numbers per step: time_ns since the run began, pods, SM %, quota %.
 * Pods of a step that the cluster refuses (memory) are asked for again at every tick, as the artifact's controller
 * requeues them. Those that are too many are killed, the youngest first. Private to validate*.c.
 */
#ifndef VALIDATE_REPLAY_INT_H
#define VALIDATE_REPLAY_INT_H

#include "policy.h"

enum { REPLAY_TIME, REPLAY_PODS, REPLAY_SM, REPLAY_QUOTA, REPLAY_FIELDS };

/* n_steps >= 1; the first step is in force from the run's begin. */
pol_ops validate_replay_policy(size_t n_steps);

#endif
