#include "validate_condition.h"

#include <math.h>
#include <stdlib.h>

#include "validate_report_int.h"

enum { FEW = 20 };

static int by_condition(const void *a, const void *b) {
    const validate_answer *x = a, *y = b;
    if (x->condition != y->condition) return x->condition < y->condition ? -1 : 1;
    return (x->ms > y->ms) - (x->ms < y->ms);
}

typedef struct { /* where in its stages the client stood when it sent a request */
    const validate_run *run;
    size_t stage;
    uint64_t sent;              /* in this stage, as far as it was not lost */
    double begin_s, answered_s; /* when the stage began, and when all that was sent until now is answered */
} progress;

/* A stage that has sent all it has is over. Where requests were lost, its end is known by the clock - half a request's
 * distance after its last is due - and by the barrier. */
static int begins_a_stage(const progress *p, double start_s) {
    double rate_rps = p->run->rate_rps[p->stage], all = VALIDATE_STAGE_S * rate_rps;
    double end_s = p->begin_s + (all - 0.5) * (1 / rate_rps + 1e-9 * VALIDATE_LATE_NS);
    if (p->stage + 1 >= p->run->n_stages) return 0;
    return (double)p->sent >= all || (start_s >= end_s && start_s >= p->answered_s);
}

/* The rate at which the client sent the request, the next of the trace. */
static uint32_t rate_of_next(progress *p, const validate_request *r) {
    double end_s = r->start_s + 1e-3 * r->latency_ms;
    if (!p->run->n_stages) return 0;
    if (begins_a_stage(p, r->start_s)) {
        p->stage++;
        p->sent = 0;
    }
    if (p->sent++ == 0) p->begin_s = r->start_s;
    if (end_s > p->answered_s) p->answered_s = end_s;
    return p->run->rate_rps[p->stage];
}

/* The first record tells of what was before it, too. */
static validate_share share_in_effect(const validate_trace *t, double t_s) {
    double recorded_s = t_s - VALIDATE_SHARE_LAG_S;
    if (t->n_shares && recorded_s < t->shares[0].t_s) return t->shares[0];
    return validate_int_share_at(t, recorded_s);
}

static uint64_t condition_of(const validate_run *run, const validate_request *r, uint32_t rate_rps) {
    validate_share s = share_in_effect(&run->real, r->start_s);
    return (uint64_t)rate_rps << 48 | (uint64_t)(s.pods & 0xffff) << 32 |
           (uint64_t)(s.sm_pct & 0xffff) << 16 | (s.quota_pct & 0xffff);
}

int validate_conditions_open(validate_conditions *out, const validate_run *run, const validate_trace *t) {
    *out = (validate_conditions){.answers = malloc((t->n_requests + 1) * sizeof *out->answers)};
    if (!out->answers) return -1;
    progress p = {.run = run};
    for (size_t i = 0; i < t->n_requests; i++) {
        const validate_request *r = &t->requests[i];
        uint32_t rate_rps = rate_of_next(&p, r);
        if (r->status == 200)
            out->answers[out->n++] = (validate_answer){condition_of(run, r, rate_rps), r->latency_ms};
    }
    qsort(out->answers, out->n, sizeof *out->answers, by_condition);
    return 0;
}

void validate_conditions_close(validate_conditions *c) {
    free(c->answers);
    *c = (validate_conditions){.n = 0};
}

static size_t count(const validate_conditions *c, size_t from) {
    size_t i = from;
    while (i < c->n && c->answers[i].condition == c->answers[from].condition) i++;
    return i - from;
}

int validate_next_shared(validate_shared_condition *at, const validate_conditions *a,
                         const validate_conditions *b) {
    while (at->next_a < a->n && at->next_b < b->n) {
        at->a = a->answers + at->next_a;
        at->b = b->answers + at->next_b;
        at->n_a = count(a, at->next_a);
        at->n_b = count(b, at->next_b);
        if (at->a->condition <= at->b->condition) at->next_a += at->n_a;
        if (at->b->condition <= at->a->condition) at->next_b += at->n_b;
        if (at->a->condition == at->b->condition && at->n_a >= FEW && at->n_b >= FEW) return 1;
    }
    return 0;
}

double validate_quantile_gap(const validate_shared_condition *c, double p) {
    static const double LEAST_MS = 1e-3;
    double a = c->a[(size_t)(p * (double)c->n_a)].ms, b = c->b[(size_t)(p * (double)c->n_b)].ms;
    return fabs(log(fmax(a, LEAST_MS) / fmax(b, LEAST_MS)));
}
