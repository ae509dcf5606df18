/* draw.h - counter-based randomness: a draw is a pure function of (seed, function, purpose, ordinal).
 *
 * Nothing here has state. The ordinal is the number of the thing drawn for (a request's, a pod's, a
 * minute's), never a position in a stream, so that one decision more or less anywhere shifts no other draw,
 * and policies that are compared meet the same arrivals and the same noise (common random numbers).
 *
 *     uint64_t key = draw_key(seed, fn, DRAW_OVERHEAD);      once per function and purpose
 *     double u = draw_unit(draw_bits(key, ordinal));         [0, 1)
 *     double e = draw_exp(draw_bits(key, ordinal));          exponential, mean 1
 *
 * The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, OOPSLA 2014), applied to key + ordinal * golden gamma. Only IEEE + - * / are used, so that the
 * bits are the same with every compiler and libm.
 */
#ifndef DRAW_H
#define DRAW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of a function that draws many numbers, one version for each width of vector registers; the program takes the widest
 * that its processor has. Each number is computed by the same IEEE operations, so that the bits are the same. Sanitizers
 * cannot watch the choice, which is made before they start. Static functions only: clang gives such a function another
 * name where other files look for it. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define DRAW_IS_WATCHED 1
#elif defined __has_feature
#define DRAW_IS_WATCHED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define DRAW_IS_WATCHED 0
#endif
#if defined __GNUC__ && defined __x86_64__ && defined __gnu_linux__ && !DRAW_IS_WATCHED
#define DRAW_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DRAW_WIDE
#endif

/* What a draw is for. Append only: a new purpose must not move the others' numbers. */
typedef enum {
    DRAW_ARRIVAL = 1, /* ordinal: request, or as the arrival process defines it */
    DRAW_SHAPE,       /* synthetic rate shapes (phases, burst starts); ordinal: the shape's own count */
    DRAW_OVERHEAD,    /* request overhead outside the GPU; ordinal: request */
    DRAW_SERVICE,     /* service noise; ordinal: first request of the batch */
    DRAW_ROUTE,       /* choice of a pod; ordinal: request */
    DRAW_COLD_START,  /* duration of a cold start; ordinal: pod */
    DRAW_POLICY,      /* what the host lends to a policy; ordinal: the policy's own */
    DRAW_GENERATE,    /* generated traces: names, durations, memory, phases; ordinal: see trace_generate.c */
    DRAW_PROCESS,     /* work and waits of a pod's process; ordinal: 2 * request, + 1 for the wait */
    DRAW_TOKEN,       /* whether a token is asked for early; ordinal: pod << 40 | token */
} draw_purpose;

static inline uint64_t draw_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t draw_key(uint64_t seed, uint32_t fn, draw_purpose purpose) {
    uint64_t k = draw_mix(seed + UINT64_C(0x9e3779b97f4a7c15));
    k = draw_mix(k ^ ((uint64_t)fn + UINT64_C(0xd1b54a32d192ed03)));
    return draw_mix(k ^ ((uint64_t)purpose * UINT64_C(0x8cb92ba72f3d8dd7)));
}

static inline uint64_t draw_bits(uint64_t key, uint64_t ordinal) {
    return draw_mix(key + ordinal * UINT64_C(0x9e3779b97f4a7c15));
}

/* [0, 1), 53 bits */
static inline double draw_unit(uint64_t bits) {
    return (double)(int64_t)(bits >> 11) * 0x1p-53; /* signed: one instruction */
}

/* (0, 1): for what must not see 0 */
static inline double draw_open_unit(uint64_t bits) {
    return ((double)(int64_t)(bits >> 12) + 0.5) * 0x1p-52;
}

/* Natural logarithm of x > 0, normal; error below 2 ulp. ln x = e ln 2 + 2 artanh((m - 1) / (m + 1)). */
static inline double draw_log(double x) {
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    uint64_t fraction = b & UINT64_C(0x000fffffffffffff);
    uint64_t upper =
        (UINT64_C(0x6a09e667f3bcd) - fraction) >> 63; /* above sqrt 2; no branch, no comparison */
    int64_t e = (int64_t)((b >> 52) + upper) - 1023;
    b = fraction | (UINT64_C(1023) - upper) << 52;
    double m;
    memcpy(&m, &b, sizeof m);
    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double y = z * z; /* two short chains instead of one long */
    double p = (((1.0 / 19 * y + 1.0 / 15) * y + 1.0 / 11) * y + 1.0 / 7) * y + 1.0 / 3;
    double q = (((1.0 / 21 * y + 1.0 / 17) * y + 1.0 / 13) * y + 1.0 / 9) * y + 1.0 / 5;
    p += z * q;
    return (double)e * 0.69314718055994531 + (2.0 * s + 2.0 * s * z * p);
}

/* Exponential with mean 1, in (0, 36.7] */
static inline double draw_exp(uint64_t bits) {
    return -draw_log(draw_open_unit(bits));
}

/* out[i] = draw_bits(key, first + i), and its draw_exp, for i < n. Several times faster than one by one. (draw.c) */
void draw_many_bits(uint64_t *out, size_t n, uint64_t key, uint64_t first);
void draw_many_exps(double *out, size_t n, uint64_t key, uint64_t first);

#endif
