/* validate_text.c - the report for people: 30 columns for a run's name, then what fits into 120. */
#include <math.h>
#include <string.h>

#include "validate_report.h"

enum { NAME_WIDTH = 30 };

/* As errors are called in text, beside their unit */
static const char *const titles[VALIDATE_METRICS] = {
    [VALIDATE_N] = "requests",
    [VALIDATE_FAILED] = "failed",
    [VALIDATE_LOST] = "lost",
    [VALIDATE_SPAN] = "span",
    [VALIDATE_MEAN] = "mean",
    [VALIDATE_P50] = "P50",
    [VALIDATE_P90] = "P90",
    [VALIDATE_P95] = "P95",
    [VALIDATE_P99] = "P99",
    [VALIDATE_VIOLATION_150] = "violations at 150 ms",
    [VALIDATE_VIOLATION_250] = "violations at 250 ms",
    [VALIDATE_VIOLATION_500] = "violations at 500 ms",
    [VALIDATE_THROUGHPUT] = "throughput",
    [VALIDATE_GPU_S] = "GPU-seconds",
};

static const char *unit_of(validate_metric m) {
    return validate_metrics[m].in_points ? "pp" : "%";
}

/* A number, or n/a, to the right of so many columns */
static void put(FILE *out, int width, int decimals, int with_sign, double value) {
    if (fabs(value) < 0.05) value = 0; /* no -0.0 */
    if (!isfinite(value))
        fprintf(out, "%*s", width, "n/a");
    else if (with_sign)
        fprintf(out, "%+*.*f", width, fabs(value) < 999.95 ? decimals : 0, value);
    else
        fprintf(out, "%*.*f", width, decimals, value);
}

/* ---- errors with their intervals: 19 columns for each ---- */

static void put_error(FILE *out, const validate_row *row, validate_metric m, int decimals) {
    const validate_error *e = &row->error[m];
    put(out, 7, decimals, 0, row->real.of[m]);
    put(out, 7, 1, 1, e->value);
    if (isfinite(e->lo))
        fprintf(out, " ±%-4.*f", e->hi - e->lo < 200 ? 1 : 0, (e->hi - e->lo) / 2);
    else
        fprintf(out, "%6s", "");
}

static void print_latencies(const validate_report *r, FILE *out) {
    fprintf(out, "\n%-*s%12s%20s%20s%28s\n", NAME_WIDTH, "", "mean, ms", "P50, ms", "P95, ms",
            "violations, 250 ms");
    fprintf(out, "%-*s", NAME_WIDTH, "run");
    for (int i = 0; i < 3; i++) fprintf(out, "%7s%10s   ", "real", "error, %");
    fprintf(out, "%7s%11s\n", "real, %", "error, pp");
    for (size_t i = 0; i < r->n_rows; i++) {
        const validate_row *row = &r->rows[i];
        if (!row->simulated) continue;
        fprintf(out, "%-*.*s", NAME_WIDTH, NAME_WIDTH, row->run->name);
        put_error(out, row, VALIDATE_MEAN, 0);
        put_error(out, row, VALIDATE_P50, 0);
        put_error(out, row, VALIDATE_P95, 0);
        put_error(out, row, VALIDATE_VIOLATION_250, 1);
        fputc('\n', out);
    }
}

/* ---- the other numbers ---- */

static void put_pair(FILE *out, const validate_row *row, validate_metric m) {
    fprintf(out, "  %4.0f %4.0f", row->real.of[m], row->mean.of[m]);
}

static void print_rest(const validate_report *r, FILE *out) {
    static const validate_metric errors[] = {VALIDATE_P90, VALIDATE_P99, VALIDATE_VIOLATION_150,
                                             VALIDATE_VIOLATION_500, VALIDATE_THROUGHPUT};
    int policy = r->mode == VALIDATE_POLICY;
    fprintf(out, "\n%-*s%14s%16s%8s%17s%11s%11s%s\n", NAME_WIDTH, "", "errors, %", "violations, pp", "thr.",
            "GPU-seconds", "failed", "lost", policy ? "  same ticks, %" : "");
    fprintf(out, "%-*s%7s%7s%8s%8s%8s%8s%9s%6s%5s%6s%5s%s\n", NAME_WIDTH, "run", "P90", "P99", "150 ms",
            "500 ms", "%", "real", "error, %", "real", "sim.", "real", "sim.",
            policy ? "  share   pods" : "");
    for (size_t i = 0; i < r->n_rows; i++) {
        const validate_row *row = &r->rows[i];
        if (!row->simulated) continue;
        fprintf(out, "%-*.*s", NAME_WIDTH, NAME_WIDTH, row->run->name);
        for (size_t k = 0; k < 5; k++) put(out, k < 2 ? 7 : 8, 1, 1, row->error[errors[k]].value);
        put(out, 8, 1, 0, row->real.of[VALIDATE_GPU_S]);
        put(out, 9, 1, 1, row->error[VALIDATE_GPU_S].value);
        put_pair(out, row, VALIDATE_FAILED);
        put_pair(out, row, VALIDATE_LOST);
        if (policy) put(out, 7, 1, 0, row->share_agreement_pct);
        if (policy) put(out, 7, 1, 0, row->pods_agreement_pct);
        fputc('\n', out);
    }
}

/* ---- sets and targets ---- */

static void print_sets(const validate_report *r, FILE *out) {
    static const validate_metric shown[] = {VALIDATE_MEAN,       VALIDATE_P50,  VALIDATE_P90,
                                            VALIDATE_P95,        VALIDATE_P99,  VALIDATE_VIOLATION_250,
                                            VALIDATE_THROUGHPUT, VALIDATE_GPU_S};
    static const char *const heads[] = {"mean, %", "P50, %",     "P90, %",  "P95, %",
                                        "P99, %",  "250 ms, pp", "thr., %", "GPU-s, %"};
    fprintf(out, "\nAbsolute errors: median over the runs (four runs in five are below)\n%-10s%5s", "",
            "runs");
    for (size_t k = 0; k < 8; k++) fprintf(out, "%13s", heads[k]);
    fputc('\n', out);
    for (size_t i = 0; i < VALIDATE_SETS; i++) {
        const validate_summary *s = &r->sets[i];
        fprintf(out, "%-10s%5zu", s->name, s->runs);
        for (size_t k = 0; k < 8; k++) {
            char cell[32] = "n/a";
            if (isfinite(s->median[shown[k]]))
                snprintf(cell, sizeof cell, "%.1f (%.1f)", s->median[shown[k]], s->p80[shown[k]]);
            fprintf(out, "%13s", cell);
        }
        fputc('\n', out);
    }
}

static void print_goals(const validate_report *r, FILE *out) {
    fprintf(out, "\nTargets: the median within the limit, four runs in five within twice that\n");
    for (size_t i = 0; i < VALIDATE_SETS; i++) {
        const validate_summary *s = &r->sets[i];
        for (size_t k = 0; k < s->n_goals; k++) {
            const validate_goal *g = &s->goals[k];
            fprintf(out, "  %-10s%-22s%4g %-3s %-7s of %zu runs %zu within the limit, %zu within twice\n",
                    s->name, titles[g->metric], g->limit, unit_of(g->metric), g->is_met ? "met" : "missed",
                    g->judged, g->met, g->within_twice);
        }
        if (s->trajectories)
            fprintf(out, "  %-10sallocation the same in 90 %% of ticks: %zu of %zu runs of HAS-GPU\n",
                    s->name, s->trajectories_met, s->trajectories);
    }
}

/* ---- run by run ---- */

static void print_missed(const validate_row *row, FILE *out) {
    const char *comma = "";
    fprintf(out, "  %s:", row->run->name);
    for (size_t m = 0; m < VALIDATE_METRICS; m++) {
        if (row->verdict[m] != VALIDATE_MISSED) continue;
        fprintf(out, "%s %s %+.1f %s", comma, titles[m], row->error[m].value, unit_of((validate_metric)m));
        comma = ",";
    }
    if (row->trajectory == VALIDATE_MISSED)
        fprintf(out, "%s same ticks %.1f %%", comma, row->share_agreement_pct);
    fputc('\n', out);
    if (row->why) fprintf(out, "      %s\n", row->why);
}

static int has_missed(const validate_row *row) {
    int missed = row->trajectory == VALIDATE_MISSED;
    for (size_t m = 0; m < VALIDATE_METRICS; m++) missed |= row->verdict[m] == VALIDATE_MISSED;
    return missed;
}

static void print_all_missed(const validate_report *r, FILE *out) {
    int n = 0;
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!has_missed(&r->rows[i])) continue;
        if (!n++) fprintf(out, "\nOutside a target\n");
        print_missed(&r->rows[i], out);
    }
}

static void print_spread(const validate_report *r, FILE *out) {
    int n = 0;
    for (size_t i = 0; i < r->n_rows; i++) {
        const validate_row *row = &r->rows[i];
        if (!row->n_replicates) continue;
        if (!n++) fprintf(out, "\nReplicates on the testbed differ by, %%\n");
        fprintf(out, "  %-*s mean %.1f, P50 %.1f, P95 %.1f, throughput %.1f (%zu runs)\n", NAME_WIDTH,
                row->run->name, row->spread[VALIDATE_MEAN], row->spread[VALIDATE_P50],
                row->spread[VALIDATE_P95], row->spread[VALIDATE_THROUGHPUT], row->n_replicates + 1);
    }
}

static void print_condition_spread(const validate_report *r, FILE *out) {
    int n = 0;
    for (size_t i = 0; i < r->n_rows; i++) {
        const validate_row *row = &r->rows[i];
        if (!row->n_alike) continue;
        if (!n++)
            fprintf(out, "\nMedians at the same rate and allocation differ from other runs' by, %% (mean "
                         "over requests)\n");
        fprintf(out, "  %-*s %.1f (%zu requests, against %zu run%s)\n", NAME_WIDTH, row->run->name,
                row->condition_spread_pct, row->n_alike_requests, row->n_alike, row->n_alike == 1 ? "" : "s");
    }
}

static void print_notes(const validate_report *r, FILE *out) {
    for (int simulated = 1; simulated >= 0; simulated--) {
        int n = 0;
        for (size_t i = 0; i < r->n_rows; i++) {
            const validate_row *row = &r->rows[i];
            if (row->simulated != simulated || (simulated && !*row->note)) continue;
            if (!n++) fprintf(out, simulated ? "\nTo know\n" : "\nNot simulated\n");
            fprintf(out, "  %-*s %s\n", NAME_WIDTH, row->run->name, row->note);
        }
    }
}

void validate_report_text(const validate_report *r, FILE *out) {
    size_t simulated = 0;
    for (size_t i = 0; i < r->n_rows; i++) simulated += (size_t)r->rows[i].simulated;
    fprintf(out, "%s: %zu of %zu runs simulated, %u seed%s each\n",
            r->mode == VALIDATE_POLICY ? "Policies decide (policy)" : "Recorded allocation (replay)",
            simulated, r->n_rows, r->n_seeds, r->n_seeds == 1 ? "" : "s");
    if (simulated) {
        fputs(r->cross_validated
                  ? "Each run by numbers fitted to the others\n"
                  : "By numbers that may have been fitted to these very runs: --cv leaves each out\n",
              out);
        fprintf(out, "Errors: simulated against real; ± is half of the 95 %% interval (bootstrap of blocks "
                     "of requests, "
                     "and of seeds)\n");
        print_latencies(r, out);
        print_rest(r, out);
        print_sets(r, out);
        print_goals(r, out);
    }
    print_all_missed(r, out);
    print_spread(r, out);
    print_condition_spread(r, out);
    print_notes(r, out);
}
