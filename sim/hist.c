#include "hist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t hist_bucket(int64_t ns) {
    if (ns < (INT64_C(1) << HIST_FIRST_OCTAVE)) return 0;
    if (ns >= (INT64_C(1) << (HIST_FIRST_OCTAVE + HIST_OCTAVES))) return HIST_BUCKETS - 1;
    double x = (double)ns;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (size_t)(bits >> 46) - (1023 + HIST_FIRST_OCTAVE) * HIST_PER_OCTAVE;
}

int64_t hist_bucket_low_ns(size_t bucket) {
    int octave = (int)(bucket / HIST_PER_OCTAVE) + HIST_FIRST_OCTAVE;
    return ((int64_t)(bucket % HIST_PER_OCTAVE) + HIST_PER_OCTAVE) << (octave - 6);
}

double hist_bucket_mid_ns(size_t bucket) {
    int octave = (int)(bucket / HIST_PER_OCTAVE) + HIST_FIRST_OCTAVE;
    return (double)hist_bucket_low_ns(bucket) + 0.5 * (double)(INT64_C(1) << (octave - 6));
}

int hist_add_first(hist *h, int64_t ns) {
    size_t bucket = hist_bucket(ns), octave = bucket / HIST_PER_OCTAVE;
    if (!h->octave[octave]) {
        h->octave[octave] = calloc(HIST_PER_OCTAVE, sizeof **h->octave);
        if (!h->octave[octave]) return -1;
    }
    h->octave[octave][bucket % HIST_PER_OCTAVE]++;
    return 0;
}

uint64_t hist_count(const hist *h, size_t bucket) {
    const uint32_t *octave = h->octave[bucket / HIST_PER_OCTAVE];
    return octave ? octave[bucket % HIST_PER_OCTAVE] : 0;
}

uint64_t hist_total(const hist *h) {
    uint64_t total = 0;
    for (size_t b = 0; b < HIST_BUCKETS; b++) total += hist_count(h, b);
    return total;
}

int hist_merge(hist *into, const hist *from) {
    for (size_t o = 0; o < HIST_OCTAVES; o++) {
        if (!from->octave[o]) continue;
        if (!into->octave[o]) into->octave[o] = calloc(HIST_PER_OCTAVE, sizeof **into->octave);
        if (!into->octave[o]) return -1;
        for (size_t i = 0; i < HIST_PER_OCTAVE; i++) into->octave[o][i] += from->octave[o][i];
    }
    return 0;
}

double hist_quantile_ns(const hist *h, double p) {
    uint64_t total = hist_total(h), seen = 0;
    if (total == 0) return -1;
    uint64_t rank = (uint64_t)ceil(p * (double)total);
    if (rank < 1) rank = 1;
    if (rank > total) rank = total;
    for (size_t b = 0; b < HIST_BUCKETS; b++)
        if ((seen += hist_count(h, b)) >= rank) return hist_bucket_mid_ns(b);
    return -1;
}

void hist_clear(hist *h) {
    for (size_t o = 0; o < HIST_OCTAVES; o++) {
        free(h->octave[o]);
        h->octave[o] = NULL;
    }
}
