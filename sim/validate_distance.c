#include "validate_distance.h"

#include <math.h>

#include "validate_report_int.h"
#include "validate_sim.h"

/* Less than a microsecond is as good as nothing, which has no logarithm; what no request has is far from anything. */
static double log_error(double simulated, double recorded) {
    static const double LEAST = 1e-3, FAR = 20; /* ms; of spans, s */
    if (isnan(simulated) || isnan(recorded)) return isnan(simulated) && isnan(recorded) ? 0 : FAR;
    return fabs(log(fmax(simulated, LEAST) / fmax(recorded, LEAST)));
}

/* Of the 10, 20, ... 90 % quantiles */
static double distance_of_condition(const validate_shared_condition *c) {
    double sum = 0;
    for (int k = 1; k < 10; k++) sum += validate_quantile_gap(c, 0.1 * k);
    return sum / 9;
}

/* The mean over the conditions of both, each with its requests, but a hundred tell as much as more. */
static double distance_of_conditions(const validate_conditions *a, const validate_conditions *b) {
    static const double MANY = 100;
    double sum = 0, weights = 0;
    for (validate_shared_condition c = {.n_a = 0}; validate_next_shared(&c, a, b);) {
        double weight = fmin((double)c.n_b, MANY);
        sum += weight * distance_of_condition(&c);
        weights += weight;
    }
    return weights > 0 ? sum / weights : 0;
}

static double distance(const validate_recording *a, const validate_recording *b) {
    static const struct {
        validate_metric metric;
        double weight;
    } of_all[] = {{VALIDATE_MEAN, 1}, {VALIDATE_P50, 0.5}, {VALIDATE_P95, 0.5}, {VALIDATE_SPAN, 5}};
    double sum = 4 * distance_of_conditions(&a->conditions, &b->conditions);
    for (size_t i = 0; i < sizeof of_all / sizeof *of_all; i++) {
        validate_metric m = of_all[i].metric;
        sum += of_all[i].weight * log_error(a->values.of[m], b->values.of[m]);
    }
    return sum + 0.05 * fabs(a->values.of[VALIDATE_VIOLATION_250] - b->values.of[VALIDATE_VIOLATION_250]);
}

static validate_mode mode_of(const validate_run *r) {
    return r->has_usage ? VALIDATE_REPLAY : VALIDATE_POLICY;
}

static int open_of(validate_recording *out, const validate_run *run, const validate_trace *t) {
    out->run = run;
    if (validate_conditions_open(&out->conditions, run, t)) return -1;
    if (!validate_measure(&out->values, t)) return 0;
    validate_recording_close(out);
    return -1;
}

int validate_recording_open(validate_recording *out, const validate_run *run) {
    return open_of(out, run, &run->real);
}

void validate_recording_close(validate_recording *r) {
    validate_conditions_close(&r->conditions);
}

double validate_distance(const validate_recording *r, const calib *device, const validate_params *p,
                         uint64_t seed) {
    char err[VALIDATE_ERR_LEN];
    validate_trace t = {0};
    validate_recording simulated = {0};
    int rc = validate_simulate_on(&t, r->run, device, p, mode_of(r->run), seed, err) ||
             open_of(&simulated, r->run, &t);
    validate_trace_free(&t);
    if (rc) return -1;
    double d = distance(&simulated, r);
    validate_recording_close(&simulated);
    return d;
}
