/* harness_process.h - workers as child processes: one at a time, of the kind that a step needs.
 *
 * Steps on the whole GPU and in green contexts share a worker; a cold start gets a fresh one; each MPS percentage needs its
 * own, because CUDA_MPS_ACTIVE_THREAD_PERCENTAGE is read when a process creates its context. The MPS control daemon
 * (nvidia-cuda-mps-control -f) is ours: it has pipes and logs in a folder of its own, needs no change of the card's compute
 * mode, is started when the first MPS step comes and told to quit when the steps are over; should this process be killed,
 * the kernel ends it (PR_SET_PDEATHSIG).
 *
 * A worker that does not answer in time is killed; the step has failed and the next one gets a new worker.
 */
#ifndef HARNESS_PROCESS_H
#define HARNESS_PROCESS_H

#include "harness_plan.h"

/* How the run reaches a device. */
typedef struct harness_link harness_link;
struct harness_link {
    /* step NULL: "describe". 0 with the answer, a line without its end; -1 with a message. */
    int (*ask)(harness_link *l, const harness_step *step, double timeout_s, harness_text *reply, char *err);
    /* Whether MPS can be used; if not, why. */
    int (*has_mps)(harness_link *l, char why[HARNESS_ERR_LEN]);
    void (*close)(harness_link *l);
};

/* argv of a worker, NULL at its end; folder: for MPS's pipes, made when needed. Both outlive the link. NULL: no memory. */
harness_link *harness_process_link(char *const *argv, const char *folder);

#endif
