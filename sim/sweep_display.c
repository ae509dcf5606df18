/* sweep_display.c - how far a sweep is: a bar, or lines. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sweep_int.h"

static double clock_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void sweep_display_begin(sweep_display *d, const sweep *s) {
    *d = (sweep_display){s->options.progress, s->options.log, s->n_jobs, 0, clock_s(), 0};
}

static void print_left(FILE *log, double seconds) {
    if (seconds < 90)
        fprintf(log, "%.0f s left", ceil(seconds));
    else if (seconds < 5400)
        fprintf(log, "%.0f min left", ceil(seconds / 60));
    else
        fprintf(log, "%.1f h left", seconds / 3600);
}

void sweep_display_advance(sweep_display *d, double runs_done) {
    enum { WIDTH = 30 };
    double now = clock_s(), part = d->total == 0 ? 1 : runs_done / (double)d->total;
    if (d->kind != SWEEP_BAR || now - d->drawn_s < 0.1) return;
    d->drawn_s = now;
    char bar[WIDTH + 1];
    int filled = (int)(part * WIDTH);
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)(filled > WIDTH ? WIDTH : filled));
    bar[WIDTH] = '\0';
    fprintf(d->log, "\r[%s] %3.0f %%  %zu/%zu runs  ", bar, floor(part * 100), d->done, d->total);
    if (part > 0.02) print_left(d->log, (now - d->began_s) * (1 - part) / part);
    fputs("\033[K", d->log);
    fflush(d->log);
}

void sweep_display_line(sweep_display *d, int always, const char *text) {
    if (d->kind != SWEEP_LINES && !always) return;
    fprintf(d->log, "%s%s\n", d->kind == SWEEP_BAR ? "\r\033[K" : "", text);
    fflush(d->log);
    d->drawn_s = 0;
}

void sweep_display_end(sweep_display *d) {
    if (d->kind == SWEEP_BAR) fputs("\r\033[K", d->log);
    fflush(d->log);
}
