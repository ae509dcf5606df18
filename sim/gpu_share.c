#include "gpu_share_int.h"

#include <math.h>
#include <stdlib.h>

#include "grow_int.h"

int gpu_share_open(gpu_share *s, uint32_t first_row, uint32_t n_rows) {
    *s = (gpu_share){.first_row = first_row, .n_rows = n_rows};
    s->row_demand = calloc(n_rows, sizeof *s->row_demand);
    return s->row_demand ? 0 : -1;
}

void gpu_share_close(gpu_share *s) {
    free(s->sharers);
    free(s->row_demand);
}

/* Takes the time since the last change off what each batch has left. */
static void advance(gpu_share *s, int64_t now_ns) {
    for (uint32_t i = 0; i < s->n; i++) {
        pod *p = s->sharers[i].pod;
        double done = (double)(now_ns - p->since_ns) / p->slow;
        if (done > p->left_ns) done = p->left_ns; /* the end was rounded up to whole ns */
        p->left_ns -= done;
        p->since_ns = now_ns;
        p->gpu_time_ns += done * p->demand;
    }
}

static double greater(double a, double b) {
    return a > b ? a : b;
}

/* Sets each batch's slowdown and end for the present set. */
static void retime(gpu_share *s, int64_t now_ns) {
    double width = 0;
    for (uint32_t r = 0; r < s->n_rows; r++) s->row_demand[r] = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const pod *p = s->sharers[i].pod;
        double *row = &s->row_demand[p->row - s->first_row];
        double before = *row < 1 ? *row : 1;
        *row += p->demand;
        width += ((*row < 1 ? *row : 1) - before) * p->sm_pct * 0.01;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        pod *p = s->sharers[i].pod;
        p->slow = greater(1, s->row_demand[p->row - s->first_row]) * greater(1, width);
        p->end_ns = now_ns + (int64_t)ceil(p->left_ns * p->slow);
        pod_schedule(p);
    }
}

static void begin(pod *p, int64_t now_ns) {
    p->left_ns = pod_token_ns(p);
    p->demand = p->noise * p->gpu_ns[pod_n_flight(p)] / p->left_ns;
    p->since_ns = now_ns;
    p->slow = 1;
}

int gpu_share_join(gpu_share *s, pod *p, uint32_t fn, int64_t now_ns) {
    sharer *v = grow_array(s->sharers, s->n, &s->cap, sizeof *v);
    if (!v) return -1;
    s->sharers = v;
    advance(s, now_ns);
    begin(p, now_ns);
    s->sharers[s->n++] = (sharer){p, fn};
    retime(s, now_ns);
    return 0;
}

void gpu_share_leave(gpu_share *s, const pod *p, int64_t now_ns) {
    advance(s, now_ns);
    uint32_t i = 0;
    while (i < s->n && s->sharers[i].pod != p) i++;
    if (i == s->n) return;
    for (s->n--; i < s->n; i++) s->sharers[i] = s->sharers[i + 1];
    retime(s, now_ns);
}

/* The part of the batch that is left goes on at the new rate. */
void gpu_share_reshare(gpu_share *s, pod *p, const calib_model *model, int64_t now_ns, int64_t stall_ns) {
    advance(s, now_ns);
    double part = p->is_serving ? p->left_ns / pod_token_ns(p) : 0;
    pod_set_share(p, model);
    if (!p->is_serving) return;
    begin(p, now_ns);
    p->left_ns = p->left_ns * part + (double)stall_ns;
    retime(s, now_ns);
}
