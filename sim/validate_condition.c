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

/* The rate at which the client sent request i of the trace: 5 x rate requests in each stage, those lost spread evenly. */
static uint32_t rate_at(const validate_run *run, const validate_trace *t, size_t i) {
    double all = (double)(t->n_requests + t->lost), before = 0;
    double place = ((double)i + 0.5) * all / (double)t->n_requests;
    for (size_t k = 0; k + 1 < run->n_stages; k++)
        if (place < (before += 5.0 * run->rate_rps[k])) return run->rate_rps[k];
    return run->n_stages ? run->rate_rps[run->n_stages - 1] : 0;
}

static uint64_t condition_of(const validate_run *run, const validate_trace *t, size_t i) {
    validate_share s = validate_int_share_at(&run->real, t->requests[i].start_s);
    return (uint64_t)rate_at(run, t, i) << 48 | (uint64_t)(s.pods & 0xffff) << 32 |
           (uint64_t)(s.sm_pct & 0xffff) << 16 | (s.quota_pct & 0xffff);
}

int validate_conditions_open(validate_conditions *out, const validate_run *run, const validate_trace *t) {
    *out = (validate_conditions){.answers = malloc((t->n_requests + 1) * sizeof *out->answers)};
    if (!out->answers) return -1;
    for (size_t i = 0; i < t->n_requests; i++)
        if (t->requests[i].status == 200)
            out->answers[out->n++] = (validate_answer){condition_of(run, t, i), t->requests[i].latency_ms};
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
