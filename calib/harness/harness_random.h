/* harness_random.h - random operands that host and device compute alike: element i of a buffer is a hash of (seed, i).
 *
 * So a CPU reference needs no copy of a buffer to know its element, and two programs have the same operands. Values are
 * uniform in [-scale, scale), exact multiples of scale * 2^-23: integer arithmetic and one exact product when scale is a
 * power of two. The mixer is the 32-bit finaliser of MurmurHash3 (public domain), twice.
 */
#ifndef HARNESS_RANDOM_H
#define HARNESS_RANDOM_H

#include <stdint.h>

#ifdef __CUDACC__
#define HARNESS_HD __host__ __device__
#else
#define HARNESS_HD
#endif

#define HARNESS_SEED_INPUT  1u
#define HARNESS_SEED_SECOND 2u
#define HARNESS_SEED_WEIGHT 3u

static inline HARNESS_HD uint32_t harness_mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ (x >> 16);
}

static inline HARNESS_HD float harness_random(uint32_t seed, uint64_t i, float scale) {
    uint32_t h = harness_mix(harness_mix((uint32_t)i ^ (seed * 0x9e3779b9u)) ^ (uint32_t)(i >> 32));
    return ((float)(h >> 8) * (1.0f / 8388608.0f) - 1.0f) * scale;
}

/* Which row of its table a gather reads for row r of its output. */
static inline HARNESS_HD uint32_t harness_random_row(uint64_t r, uint32_t table) {
    return harness_mix((uint32_t)r * 0x9e3779b9u) % table;
}

#endif
