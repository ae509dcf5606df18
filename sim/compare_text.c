#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare_int.h"

enum { CELL_LEN = 128, NAME_WIDTH = 30, TABLE_WIDTH = 110, LABEL_MAX = 40 };

typedef struct {
    char text[CELL_LEN];
} cell;

/* Columns on the screen: bytes of UTF-8 that do not continue a character. */
static int width_of(const char *text) {
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Digits after the point that show so many significant ones of x. */
static int decimals_of(double x, int significant) {
    if (x == 0 || !isfinite(x)) return 0;
    double digits = significant - 1 - floor(log10(fabs(x)));
    return digits < 0 ? 0 : digits > 9 ? 9 : (int)digits;
}

/* Two digits of the uncertainty, but never more than most digits of the value itself. */
static int decimals_for(const stats_interval *v, int most) {
    double half = (v->hi - v->lo) / 2;
    if (!(half > 0)) return decimals_of(v->mean, 4);
    int by_half = decimals_of(half, 2), by_mean = v->mean == 0 ? by_half : decimals_of(v->mean, most);
    return by_half < by_mean ? by_half : by_mean;
}

static cell mean_cell(const compare_group *g, int metric) {
    const stats_interval *v = &g->means[metric];
    cell c;
    int places = decimals_for(v, 6);
    char runs[64] = "";
    if (v->n < g->n_runs) snprintf(runs, sizeof runs, " (%zu of %zu runs)", v->n, g->n_runs);
    if (v->n == 0)
        snprintf(c.text, CELL_LEN, "n/a%s", runs);
    else if (v->n == 1)
        snprintf(c.text, CELL_LEN, "%.*f%s", places, v->mean, runs);
    else
        snprintf(c.text, CELL_LEN, "%.*f ± %.*f%s", places, v->mean, places, (v->hi - v->lo) / 2, runs);
    return c;
}

static cell ratio_cell(const compare_table *t, const compare_group *g, int metric) {
    compare_ratio r = compare_int_ratio(g, compare_int_baseline(t, g), metric);
    cell c;
    int places = decimals_for(&r.value, 5);
    if (!r.known)
        snprintf(c.text, CELL_LEN, "%s", r.note);
    else if (r.value.n < 2)
        snprintf(c.text, CELL_LEN, "%.*f", places, r.value.mean);
    else
        snprintf(c.text, CELL_LEN, "%.*f [%.*f, %.*f]%s", places, r.value.mean, places, r.value.lo, places,
                 r.value.hi, compare_int_within_error(t, g, metric) == 1 ? " ~" : "");
    return c;
}

/* The head of a column, "kserve" or "kserve / has": without control characters, of bounded width. */
static cell label_cell(const char *label, const char *divisor) {
    cell c;
    snprintf(c.text, CELL_LEN, "%.*s%s%.*s", LABEL_MAX, label, divisor ? " / " : "", LABEL_MAX,
             divisor ? divisor : "");
    for (char *p = c.text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?';
    return c;
}

static void print_padded(FILE *out, const char *text, int width) {
    fprintf(out, "%*s%s", width - width_of(text), "", text);
}

/* cells: a head and one cell per line for each column */
static void print_block(FILE *out, const char *const *names, size_t n_lines, const cell *cells,
                        const int *widths, size_t from, size_t to) {
    for (size_t line = 0; line < n_lines; line++) {
        fprintf(out, "%-*s", NAME_WIDTH, names[line]);
        for (size_t c = from; c < to; c++) print_padded(out, cells[c * n_lines + line].text, widths[c] + 3);
        fputc('\n', out);
    }
}

/* Columns beside each other as far as they fit, the rest below. */
static void print_columns(FILE *out, const char *const *names, size_t n_lines, const cell *cells,
                          const int *widths, size_t n) {
    for (size_t from = 0, to; from < n; from = to) {
        int total = NAME_WIDTH;
        for (to = from; to < n && (to == from || total + widths[to] + 3 <= TABLE_WIDTH); to++)
            total += widths[to] + 3;
        if (from) fputc('\n', out);
        print_block(out, names, n_lines, cells, widths, from, to);
    }
}

enum { MEAN_LINES = COMPARE_METRICS + 3, RATIO_LINES = COMPARE_METRICS + 1 };

static void fill_means(const compare_group *g, cell *column) {
    column[0] = label_cell(g->label, NULL);
    snprintf(column[1].text, CELL_LEN, "%.12s, %.12s", g->mode, g->billing);
    snprintf(column[2].text, CELL_LEN, "%zu", g->n_runs);
    for (int m = 0; m < COMPARE_METRICS; m++) column[m + 3] = mean_cell(g, m);
}

static void fill_ratios(const compare_table *t, const compare_group *g, cell *column) {
    column[0] = label_cell(g->label, t->baseline);
    for (int m = 0; m < COMPARE_METRICS; m++) column[m + 1] = ratio_cell(t, g, m);
}

static int widest(const cell *column, size_t n_lines) {
    int width = 0;
    for (size_t i = 0; i < n_lines; i++)
        if (width_of(column[i].text) > width) width = width_of(column[i].text);
    return width;
}

/* One table of the groups [from, to), which share a grid point; the ratios' leaves out the baseline. */
static void print_table(const compare_table *t, size_t from, size_t to, int ratios, FILE *out) {
    const char *names[MEAN_LINES] = {"", "mode, billing", "runs"};
    size_t n_lines = ratios ? RATIO_LINES : MEAN_LINES, n = 0;
    for (int m = 0; m < COMPARE_METRICS; m++)
        names[(size_t)m + n_lines - COMPARE_METRICS] = compare_metrics[m].text;
    cell *cells = calloc((to - from) * n_lines, sizeof *cells);
    int *widths = calloc(to - from, sizeof *widths);
    for (size_t i = from; cells && widths && i < to; i++) {
        const compare_group *g = &t->groups[i];
        cell *column = cells + n * n_lines;
        if (ratios && strcmp(g->label, t->baseline) == 0) continue;
        if (ratios)
            fill_ratios(t, g, column);
        else
            fill_means(g, column);
        widths[n++] = widest(column, n_lines);
    }
    print_columns(out, names, n_lines, cells, widths, n);
    free(cells);
    free(widths);
}

static size_t end_of_grid(const compare_table *t, size_t from) {
    size_t to = from;
    while (to < t->n_groups && strcmp(t->groups[to].grid, t->groups[from].grid) == 0) to++;
    return to;
}

static double mean_requests(const compare_table *t) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < t->n_groups; i++)
        for (size_t k = 0; k < t->groups[i].n_runs; k++, n++) sum += t->groups[i].runs[k].requests;
    return sum / n;
}

static void print_head(const compare_table *t, FILE *out) {
    fprintf(out, "%s%s%s\n", t->name, t->question[0] ? ": " : "", t->question);
    if (t->duration_s[0] == t->duration_s[1] && t->warmup_s[0] == t->warmup_s[1])
        fprintf(out, "%g s simulated, the first %g s not counted; ", t->duration_s[0], t->warmup_s[0]);
    fprintf(out, "%.0f requests counted per run on average\n", mean_requests(t));
}

static size_t most_runs(const compare_table *t) {
    size_t most = 0;
    for (size_t i = 0; i < t->n_groups; i++)
        if (t->groups[i].n_runs > most) most = t->groups[i].n_runs;
    return most;
}

static int has_drawn(const compare_table *t) {
    for (size_t i = 0; i < t->n_groups; i++)
        if (t->groups[i].model_error > 0) return 1;
    return 0;
}

/* Whether every policy's seeds, two or more, agree in every metric. */
static int is_without_chance(const compare_table *t) {
    for (size_t i = 0; i < t->n_groups; i++) {
        const compare_group *g = &t->groups[i];
        if (g->n_runs < 2) return 0;
        for (int m = 0; m < COMPARE_METRICS; m++)
            if (g->means[m].n > 1 && g->means[m].hi > g->means[m].lo) return 0;
    }
    return 1;
}

static void print_meaning(const compare_table *t, FILE *out) {
    if (most_runs(t) < 2)
        fprintf(out, "\nOne run each: no confidence intervals; run more seeds for those.\n");
    else
        fprintf(out, "\n± is half of the 95 %% confidence interval of the mean over runs, one run per seed "
                     "(Student t).\n");
    if (is_without_chance(t))
        fprintf(
            out,
            "All seeds of a policy gave the same (± 0): nothing here is drawn by chance, as with recorded "
            "arrivals, so\nthese intervals say nothing of how sure the results are.\n");
    fprintf(out, "GPU time allocated = SM share x time quota of every pod, summed over its life. Latencies "
                 "are of the\n"
                 "requests that were served; cost and violations count all that arrived.\n");
    if (!has_drawn(t)) return;
    fprintf(
        out,
        "model_error: each seed draws its GPUs from the calibration's uncertainty. One of them may be real,\n"
        "so intervals are those of one more draw, model and chance together; more seeds do not narrow "
        "them.\n");
}

static int has_ratios(const compare_table *t) {
    for (size_t i = 0; i < t->n_groups; i++)
        if (strcmp(t->groups[i].label, t->baseline) != 0) return 1;
    return 0;
}

static int has_client(const compare_table *t) {
    for (size_t i = 0; i < t->n_groups; i++)
        if (t->groups[i].has_client) return 1;
    return 0;
}

static void print_tables(const compare_table *t, int ratios, FILE *out) {
    for (size_t from = 0, to; from < t->n_groups; from = to) {
        to = end_of_grid(t, from);
        fputc('\n', out);
        if (strcmp(t->groups[from].grid, "{}") != 0) fprintf(out, "grid point %s\n", t->groups[from].grid);
        print_table(t, from, to, ratios, out);
    }
}

void compare_int_text(const compare_table *t, FILE *out) {
    print_head(t, out);
    print_tables(t, 0, out);
    print_meaning(t, out);
    if (!has_ratios(t)) return;
    fprintf(out, "\nRatios to %s, %s%s:\n", t->baseline,
            has_client(t) ? "unpaired (a test client's requests come as it is answered)" : "paired by seed",
            most_runs(t) < 2 ? "" : ", with 95 % confidence intervals");
    print_tables(t, 1, out);
    if (has_drawn(t))
        fprintf(out, "\n~ within the model's error: with the GPUs drawn, the interval covers 1.\n");
}
