/* online_int.h - what an `online` predictor learns about one function on one kind of GPU. Private to the engine.
 *
 * A real platform measures how long its batches take. For each batch that ends, the engine notes what was observed and
 * what the predictor, uncorrected, had said of the batch's size, width and quota:
 *
 *   metered   GPU time of the batch: the runtime meters it anyhow. (Elapsed time would depend on where in a window the
 *             batch began, and on how much of the window the last one had used.)
 *   token     elapsed time from launch to result, slowed by row-mates as it is: nobody can tell them apart
 *
 * At a scrape, the n batches since the last one have the ratio R = sum of observed / sum of predicted, and
 *
 *     learnt = (M learnt + n R) / (M + n),   M = 20: a mean over batches that forgets, of about M of them
 *
 * Policies are told a factor, which follows `learnt` only when that is off by more than 2 %, so that noise does not make
 * them decide again and again. It begins at 1. Like counters, it is as of the last scrape and of the function alone, so
 * that islands, threads and laziness change nothing. */
#ifndef ONLINE_INT_H
#define ONLINE_INT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    double observed_ms, predicted_ms; /* sums since the last scrape */
    uint64_t n;                       /* batches in them */
    double learnt, factor;
} online_fit;

void online_begin(online_fit *fits, size_t n_devices);
void online_note(online_fit *f, double observed_ms,
                 double predicted_ms);                 /* predicted <= 0: unknown, not noted */
int online_scrape(online_fit *fits, size_t n_devices); /* 1: a factor has changed */

#endif
