/* validate_plot.c - what the figures of a report are drawn from. Each file of data is blocks of rows under a line of
 * names; a block's name stands in its first column (figures.h). */
#include "validate_plot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "figures_int.h"
#include "validate_report_int.h"

enum { CDF_POINTS = 240, BINS_MAX = 20000 };
static const double BIN_S = 5, TICK_S = 2;

typedef struct { /* the successes of a trace, ascending */
    double *ms;
    size_t n;
} sorted;

static int sort_trace(sorted *s, const validate_trace *t) {
    s->ms = malloc((t->n_requests + 1) * sizeof *s->ms);
    if (!s->ms) return -1;
    for (size_t i = 0; i < t->n_requests; i++)
        if (t->requests[i].status == 200) s->ms[s->n++] = t->requests[i].latency_ms;
    qsort(s->ms, s->n, sizeof *s->ms, validate_int_by_value);
    return 0;
}

static void print_number(FILE *f, double value) {
    if (isfinite(value))
        fprintf(f, "\t%.9g", value);
    else
        fputs("\tNaN", f);
}

/* ---- distribution: block RUN, the share of requests up to ms ---- */

static double share_up_to(const sorted *s, double ms) {
    size_t low = 0, high = s->n; /* the first above ms is in [low, high] */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->ms[mid] <= ms)
            low = mid + 1;
        else
            high = mid;
    }
    return s->n ? (double)low / (double)s->n : NAN;
}

static void print_shares(FILE *f, const char *name, const sorted *all, size_t n, double ms) {
    double least = 1, most = 0, sum = 0;
    for (size_t i = 1; i < n; i++) {
        double share = share_up_to(&all[i], ms);
        least = fmin(least, share);
        most = fmax(most, share);
        sum += share;
    }
    fprintf(f, "%s", name);
    print_number(f, ms);
    print_number(f, share_up_to(&all[0], ms));
    print_number(f, least);
    print_number(f, sum / (double)(n - 1));
    print_number(f, most);
    fputc('\n', f);
}

/* all: real, then the seeds */
static void print_cdf(FILE *f, const char *name, const sorted *all, size_t n) {
    double from = 1e9, to = 1;
    for (size_t i = 0; i < n; i++) {
        if (!all[i].n) continue;
        from = fmin(from, fmax(validate_int_quantile(all[i].ms, all[i].n, 0.001), 0.1));
        to = fmax(to, all[i].ms[all[i].n - 1]);
    }
    fprintf(f, "%s\tms\treal\tsim_lo\tsim\tsim_hi\n", name);
    for (int k = 0; k < CDF_POINTS && from < to; k++)
        print_shares(f, name, all, n, from * pow(to / from, k / (CDF_POINTS - 1.0)));
}

static int write_cdf(FILE *f, const validate_report *r, const validate_row *row) {
    size_t n = 1 + r->n_seeds;
    sorted *all = calloc(n, sizeof *all);
    int rc = all ? sort_trace(&all[0], &row->run->real) : -1;
    for (size_t i = 1; !rc && i < n; i++) rc = sort_trace(&all[i], &row->traces[i - 1]);
    if (!rc) print_cdf(f, row->run->name, all, n);
    for (size_t i = 0; all && i < n; i++) free(all[i].ms);
    free(all);
    return rc;
}

/* ---- timeline: blocks RUN (bins of 5 s) and "allocation" (ticks of 2 s) ---- */

typedef struct {
    double rps, p50, p95;
} bin;

/* bins[n]: of requests by their start */
static int fill_bins(bin *bins, size_t n, const validate_trace *t) {
    double *ms = malloc((t->n_requests + 1) * sizeof *ms);
    if (!ms) return -1;
    for (size_t b = 0, i = 0; b < n; b++) {
        size_t ok = 0, all = 0;
        for (; i < t->n_requests && t->requests[i].start_s < (double)(b + 1) * BIN_S; i++, all++)
            if (t->requests[i].status == 200) ms[ok++] = t->requests[i].latency_ms;
        qsort(ms, ok, sizeof *ms, validate_int_by_value);
        bins[b].rps = (double)all / BIN_S;
        bins[b].p50 = validate_int_quantile(ms, ok, 0.5);
        bins[b].p95 = validate_int_quantile(ms, ok, 0.95);
    }
    free(ms);
    return 0;
}

/* Mean over the seeds that have a value: at the end, some have ended */
static double mean_of(const bin *bins, size_t n_bins, unsigned n_seeds, size_t at, size_t offset) {
    double sum = 0;
    unsigned n = 0;
    for (unsigned k = 0; k < n_seeds; k++) {
        double value;
        memcpy(&value, (const char *)&bins[k * n_bins + at] + offset, sizeof value);
        if (!isfinite(value)) continue;
        sum += value;
        n++;
    }
    return n ? sum / n : NAN;
}

static void print_bins(FILE *f, const validate_row *row, const bin *real, const bin *simulated, size_t n_bins,
                       unsigned n_seeds) {
    static const size_t offsets[] = {offsetof(bin, rps), offsetof(bin, p50), offsetof(bin, p95)};
    fprintf(f, "%s\tt_s\treal_rps\tsim_rps\treal_p50\tsim_p50\treal_p95\tsim_p95\n", row->run->name);
    for (size_t b = 0; b < n_bins; b++) {
        const double values[] = {real[b].rps, real[b].p50, real[b].p95};
        fprintf(f, "%s\t%g", row->run->name, (double)b * BIN_S);
        for (size_t k = 0; k < 3; k++) {
            print_number(f, values[k]);
            print_number(f, mean_of(simulated, n_bins, n_seeds, b, offsets[k]));
        }
        fputc('\n', f);
    }
}

static double gpus_at(const validate_trace *t, double t_s, double *pods) {
    validate_share s = validate_int_share_at(t, t_s);
    *pods = t->n_shares ? (double)s.pods : NAN;
    return t->n_shares ? (double)s.pods * s.sm_pct * s.quota_pct / 1e4 : NAN;
}

static void print_allocation(FILE *f, const validate_report *r, const validate_row *row, double end_s) {
    fputs("\n\nallocation\tt_s\treal_gpus\tsim_gpus\treal_pods\tsim_pods\n", f);
    for (double t = 0; t <= end_s; t += TICK_S) {
        double real_pods, gpus = 0, pods = 0, real_gpus = gpus_at(&row->run->real, t, &real_pods);
        for (unsigned k = 0; k < r->n_seeds; k++) {
            double some;
            gpus += gpus_at(&row->traces[k], t, &some) / r->n_seeds;
            pods += some / r->n_seeds;
        }
        fprintf(f, "allocation\t%g", t);
        print_number(f, real_gpus);
        print_number(f, gpus);
        print_number(f, real_pods);
        print_number(f, pods);
        fputc('\n', f);
    }
}

static int write_timeline(FILE *f, const validate_report *r, const validate_row *row) {
    double end_s = row->real.of[VALIDATE_SPAN];
    for (unsigned k = 0; k < r->n_seeds; k++) end_s = fmax(end_s, row->by_seed[k].of[VALIDATE_SPAN]);
    end_s = fmin(end_s, BIN_S * BINS_MAX);
    size_t n = (size_t)(end_s / BIN_S) + 2; /* the last is empty: steps are drawn up to it */
    bin *bins = calloc((r->n_seeds + 1) * n, sizeof *bins);
    int rc = bins ? fill_bins(bins, n, &row->run->real) : -1;
    for (unsigned k = 0; !rc && k < r->n_seeds; k++) rc = fill_bins(bins + (k + 1) * n, n, &row->traces[k]);
    if (!rc) {
        print_bins(f, row, bins, bins + n, n, r->n_seeds);
        print_allocation(f, r, row, end_s);
    }
    free(bins);
    return rc;
}

/* ---- summary: a block per system ---- */

static int is_shown(const validate_row *row) {
    return row->simulated && !row->mislabelled && row->real.of[VALIDATE_P95] > 0 &&
           row->mean.of[VALIDATE_P95] > 0;
}

static int is_first_of_system(const validate_report *r, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (is_shown(&r->rows[k]) && strcmp(r->rows[k].run->system, r->rows[i].run->system) == 0) return 0;
    return 1;
}

static int write_summary(FILE *f, const validate_report *r, const validate_row *row) {
    static const validate_metric shown[] = {VALIDATE_P50, VALIDATE_P95};
    const char *gap = "";
    (void)row;
    for (size_t i = 0; i < r->n_rows; i++) {
        const char *system = r->rows[i].run->system;
        if (!is_shown(&r->rows[i]) || !is_first_of_system(r, i)) continue;
        fprintf(f, "%s%s\trun\treal_p50\tsim_p50\treal_p95\tsim_p95\n", gap, system);
        gap = "\n\n";
        for (size_t k = i; k < r->n_rows; k++) {
            const validate_row *of = &r->rows[k];
            if (!is_shown(of) || strcmp(of->run->system, system) != 0) continue;
            fprintf(f, "%s\t%s", system, of->run->name);
            for (size_t m = 0; m < 2; m++) {
                print_number(f, of->real.of[shown[m]]);
                print_number(f, of->mean.of[shown[m]]);
            }
            fputc('\n', f);
        }
    }
    return 0;
}

/* ---- about: the last block of each file, one line that says how it was simulated ---- */

static void print_about(FILE *f, const validate_report *r) {
    fprintf(f, "\n\nabout\t%s, %s%u seed%s%s\n",
            r->mode == VALIDATE_REPLAY ? "allocation as recorded" : "allocation by the policy",
            r->n_seeds > 1 ? "mean of " : "", r->n_seeds, r->n_seeds > 1 ? "s" : "",
            r->cross_validated ? ", left out of the fit" : "");
}

/* ---- files ---- */

typedef struct {
    const char *script, *suffix; /* of the name, after the run's */
    int (*write)(FILE *f, const validate_report *r, const validate_row *row);
} kind;

static const kind cdf = {"validate_cdf", "_cdf", write_cdf},
                  timeline = {"validate_timeline", "_timeline", write_timeline},
                  summary = {"validate_summary", "", write_summary};

static figures_status fail_errno(const char *path, char err[FIGURES_ERR_LEN]) {
    snprintf(err, FIGURES_ERR_LEN, "%s: %s", path, strerror(errno));
    return FIGURES_FAILED;
}

static figures_status write_data(const kind *k, const validate_report *r, const validate_row *row,
                                 const char *path, char err[FIGURES_ERR_LEN]) {
    char part[FIGURES_PATH_LEN];
    if (figures_int_path(part, "", path, ".part", err)) return FIGURES_FAILED;
    FILE *f = fopen(part, "wb");
    if (!f) return fail_errno(part, err);
    errno = ENOMEM;
    int bad = k->write(f, r, row);
    print_about(f, r);
    bad |= ferror(f);
    bad |= fclose(f);
    if (!bad && rename(part, path) == 0) return FIGURES_OK;
    figures_status status = fail_errno(path, err);
    unlink(part);
    return status;
}

static figures_status draw(const kind *k, const validate_report *r, const validate_row *row,
                           const figures_request *request, char err[FIGURES_ERR_LEN]) {
    char name[256], data[FIGURES_PATH_LEN];
    snprintf(name, sizeof name, "%.200s%s", row ? row->run->name : "summary", k->suffix);
    if (figures_int_path(data, request->out_dir, name, ".tsv", err)) return FIGURES_FAILED;
    figures_status status = write_data(k, r, row, data, err);
    return status == FIGURES_OK ? figures_int_plot_as(request, k->script, name, data, err) : status;
}

figures_status validate_plot(const validate_report *r, const figures_request *request,
                             char err[FIGURES_ERR_LEN]) {
    figures_status status = FIGURES_OK;
    size_t shown = 0;
    if (cli_make_folder(request->out_dir, err, FIGURES_ERR_LEN)) return FIGURES_FAILED;
    for (size_t i = 0; i < r->n_rows && status == FIGURES_OK; i++) {
        const validate_row *row = &r->rows[i];
        shown += (size_t)is_shown(row);
        int has_latencies = row->real.of[VALIDATE_P95] > 0 && row->mean.of[VALIDATE_P95] > 0;
        if (row->simulated && has_latencies) status = draw(&cdf, r, row, request, err);
        if (row->simulated && status == FIGURES_OK) status = draw(&timeline, r, row, request, err);
    }
    return shown && status == FIGURES_OK ? draw(&summary, r, NULL, request, err) : status;
}
