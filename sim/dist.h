/* dist.h - distributions that are sampled from a counter-based draw.
 *
 * A dist maps 64 random bits (draw.h) to a value by its quantile function, so that one draw gives one value
 * and a larger draw a larger value. Lognormals are tabulated: linear between 1024 quantiles, exact in the two
 * outer cells, and scaled so that the mean is the one asked for. A dist is plain data without ownership,
 * except the table of a lognormal: dist_free. Units are the caller's.
 */
#ifndef DIST_H
#define DIST_H

#include <stddef.h>
#include <stdint.h>

#include "draw.h"

typedef enum { DIST_CONSTANT, DIST_EXPONENTIAL, DIST_LOGNORMAL, DIST_HYPEREXPONENTIAL } dist_kind;

typedef struct {
    dist_kind kind;
    double mean;
    double p, mean_a, mean_b; /* hyperexponential: mean_a with probability p, else mean_b */
    double mu, sigma;         /* lognormal, of the logarithm */
    double *table;            /* lognormal: quantiles at i / 1024 */
} dist;

dist dist_constant(double mean);
dist dist_exponential(double mean);
/* Two balanced exponentials with that mean and coefficient of variation cv > 1 (p * mean_a = (1-p) * mean_b).
 */
dist dist_hyperexponential(double mean, double cv);
/* cv 0 gives a constant. table is NULL on return if memory is short: 0, else -1. */
int dist_lognormal(dist *out, double mean, double cv);
void dist_free(dist *d); /* NULL is fine */

double dist_sample_slow(const dist *d, uint64_t bits);

static inline double dist_sample(const dist *d, uint64_t bits) {
    if (d->kind == DIST_CONSTANT) return d->mean;
    if (d->kind == DIST_LOGNORMAL) {
        uint32_t cell = (uint32_t)(bits >> 54);
        if (cell != 0 && cell != 1023) {
            double part = (double)((bits >> 2) & UINT64_C(0xfffffffffffff)) * 0x1p-52;
            return d->table[cell] + part * (d->table[cell + 1] - d->table[cell]);
        }
    }
    return dist_sample_slow(d, bits);
}

/* out[i] = dist_sample(d, draw_bits(key, first + i)) for i < n. Several times faster than one by one. */
void dist_sample_many(const dist *d, double *out, size_t n, uint64_t key, uint64_t first);

#endif
