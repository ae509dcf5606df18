#include "pod_int.h"

#include <stdlib.h>

#include "process_int.h"

/* ---- queue ---- */

int queue_grow(request_queue *q) {
    uint32_t cap = q->cap ? 2 * q->cap : 4;
    held_request *v = malloc(cap * sizeof *v);
    if (!v) return -1;
    for (uint32_t i = 0; i < q->n; i++) v[i] = q->v[(q->head + i) & (q->cap - 1)];
    free(q->v);
    *q = (request_queue){.v = v, .n = q->n, .cap = cap};
    return 0;
}

/* ---- life ---- */

static uint32_t power_of_two(uint32_t at_least) {
    uint32_t n = 1;
    while (n < at_least) n *= 2;
    return n;
}

pod *pod_open(const engine_fn *fn, const calib_model *model, const pol_pod *p) {
    /* one allocation: pods come and go with every cold start */
    size_t room = power_of_two(fn->workers), n_gpu_ns = (size_t)p->batch_max + 1;
    pod *out = malloc(sizeof *out + room * sizeof *out->ring + n_gpu_ns * sizeof *out->gpu_ns);
    if (!out) return NULL;
    *out = (pod){.id = p->id,
                 .gpu = p->gpu,
                 .row = p->row,
                 .sm_pct = p->sm_pct,
                 .sm_next_pct = p->sm_pct,
                 .quota_next_pct = p->quota_pct,
                 .weight = p->weight,
                 .batch_max = p->batch_max,
                 .times_launches = fn->process != NULL,
                 .workers = fn->workers,
                 .ring = (held_request *)(out + 1),
                 .ring_mask = (uint32_t)room - 1,
                 .ready_ns = p->ready_ns,
                 .end_ns = NEVER,
                 .quota_ns = NEVER,
                 .due_ns = NEVER,
                 .window = -1,
                 .slow = 1};
    out->next = &out->own_next;
    out->gpu_ns = (double *)(out->ring + room);
    pod_set_share(out, model);
    pod_schedule_rare(out);
    return out;
}

void pod_close(pod *p) {
    if (!p) return;
    process_close(p->process);
    free(p->waiting.v);
    free(p);
}

void pod_set_share(pod *p, const calib_model *model) {
    p->sm_pct = p->sm_next_pct;
    p->quota_pct = p->quota_next_pct;
    p->launch_ns = 1e6 * calib_launch_ms(model, p->quota_pct);
    p->gpu_ns[0] = 0;
    for (uint32_t b = 1; b <= p->batch_max; b++)
        p->gpu_ns[b] = 1e6 * (p->times_launches ? calib_gpu_work_ms : calib_gpu_ms)(model, b, p->sm_pct);
}

void pod_schedule_rare(pod *p) {
    p->rare = event_key_earlier(event_key_of(p->ready_ns, EV_READY), event_key_of(p->quota_ns, EV_QUOTA));
    pod_schedule(p);
}

/* ---- the metered runtime ---- */

/* GPU time that the batch in flight has got by a window's start. */
static int64_t obtained_ns(const pod *p, int64_t now_ns) {
    if (now_ns <= p->from_ns) return 0;
    if (p->quota_pct == 100) return now_ns - p->from_ns;
    int64_t k = p->from_ns / ENGINE_WINDOW_NS, left = (k + 1) * ENGINE_WINDOW_NS - p->from_ns;
    int64_t first = pod_budget_ns(p) - p->from_used_ns < left ? pod_budget_ns(p) - p->from_used_ns : left;
    return first + (now_ns / ENGINE_WINDOW_NS - k - 1) * pod_budget_ns(p);
}

/* The part of the batch that is left goes on at the new width's rate. */
void pod_meter_reshare(pod *p, const calib_model *model, int64_t now_ns) {
    int64_t to_come = p->is_serving ? p->from_work_ns - obtained_ns(p, now_ns) : 0;
    double gpu_ns = p->gpu_ns[pod_n_flight(p)];
    pod_set_share(p, model);
    if (!p->is_serving) return;
    if (p->gpu_ns[pod_n_flight(p)] != gpu_ns) {
        int64_t rescaled = (int64_t)((double)to_come * p->gpu_ns[pod_n_flight(p)] / gpu_ns + 0.5);
        p->gpu_time_ns += (double)(rescaled - to_come);
        to_come = rescaled > 0 ? rescaled : 1;
    }
    pod_meter_from(p, now_ns > p->stalled_until_ns ? now_ns : p->stalled_until_ns, to_come, 0);
}

/* ---- the token runtime ---- */

double pod_token_ns(const pod *p) {
    double g = p->gpu_ns[pod_n_flight(p)];
    return p->noise * (g > p->launch_ns ? g : p->launch_ns);
}
