/* hist.h - a log-bucket histogram of times, relative error at most 0.8 %.
 *
 * 64 buckets per octave of nanoseconds from 2^14 (16 us) to 2^46 (19 h); what is below or above goes to the
 * first or last bucket. Exact counts, integer only: adding is commutative, so that merged results do not
 * depend on order or threads. Octaves are allocated when first touched: an idle histogram costs its pointers.
 */
#ifndef HIST_H
#define HIST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { HIST_FIRST_OCTAVE = 14, HIST_OCTAVES = 32, HIST_PER_OCTAVE = 64 };
#define HIST_BUCKETS ((size_t)HIST_OCTAVES * HIST_PER_OCTAVE)

typedef struct {
    uint32_t *octave[HIST_OCTAVES]; /* NULL: no count there */
} hist;

/* bucket of a time, 0..HIST_BUCKETS-1; and its lower bound and representative (middle) value, ns */
size_t hist_bucket(int64_t ns);
int64_t hist_bucket_low_ns(size_t bucket);
double hist_bucket_mid_ns(size_t bucket);

int hist_add_first(hist *h, int64_t ns); /* the same where the octave may be missing */

/* 0, or -1: out of memory, not counted. The exponent of a double and the first six bits of its fraction are the octave
 * and the bucket within it. */
static inline int hist_add(hist *h, int64_t ns) {
    const int64_t low = INT64_C(1) << HIST_FIRST_OCTAVE, high = INT64_C(1)
                                                                << (HIST_FIRST_OCTAVE + HIST_OCTAVES);
    if ((uint64_t)ns - (uint64_t)low >= (uint64_t)(high - low)) return hist_add_first(h, ns);
    double x = (double)ns;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t bucket = (bits >> 46) - (1023 + HIST_FIRST_OCTAVE) * HIST_PER_OCTAVE;
    uint32_t *octave = h->octave[bucket / HIST_PER_OCTAVE];
    if (!octave) return hist_add_first(h, ns);
    octave[bucket % HIST_PER_OCTAVE]++;
    return 0;
}

uint64_t hist_count(const hist *h, size_t bucket);
uint64_t hist_total(const hist *h);
int hist_merge(hist *into, const hist *from); /* 0 or -1 */
/* The p-quantile (0..1) in ns: representative of the bucket that holds the ceil(p * total)-th value. -1:
 * empty */
double hist_quantile_ns(const hist *h, double p);
void hist_clear(hist *h); /* frees the octaves */

#endif
