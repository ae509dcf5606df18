/* trace_shapes.c - synthetic sources: steady, even, diurnal, bursty, rare.
 *
 * Each is a recursion in real-valued nanoseconds whose k-th step uses the k-th draws: how the calls are cut
 * cannot show. At 10^14 ns (a day) a double still resolves 1/64 ns. A rate of 0 makes the gaps infinite. */
#include "draw.h"
#include "trace_int.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWN_AT_ONCE = 64 };

typedef struct {
    trace_source base;
    uint64_t ordinal;
    double now_ns, gap_ns;
} steady_source;

static size_t steady_next(trace_source *base, int64_t *ns, size_t cap) {
    steady_source *s = (steady_source *)base;
    double now = s->now_ns, gap = s->gap_ns, end = (double)base->end_ns, gaps[DRAWN_AT_ONCE];
    size_t n = 0, drawn = 0, used = 0;
    for (; n < cap; n++) {
        if (used == drawn) {
            drawn = cap - n < DRAWN_AT_ONCE ? cap - n : DRAWN_AT_ONCE;
            used = 0;
            draw_many_exps(gaps, drawn, base->key, s->ordinal);
            s->ordinal += drawn;
        }
        now += gap * gaps[used++];
        if (now >= end) break;
        ns[n] = (int64_t)now;
    }
    s->now_ns = now;
    return n;
}

typedef struct {
    trace_source base;
    uint64_t given;
    double rate_rps;
} even_source;

/* Each arrival from its number alone: no error adds up. */
static size_t even_next(trace_source *base, int64_t *ns, size_t cap) {
    even_source *s = (even_source *)base;
    double end = (double)base->end_ns;
    size_t n = 0;
    if (!(s->rate_rps > 0)) return 0;
    for (; n < cap; n++) {
        double at = (double)(s->given + 1) * 1e9 / s->rate_rps;
        if (at >= end) break;
        ns[n] = (int64_t)at;
        s->given++;
    }
    return n;
}

typedef struct {
    trace_source base;
    uint64_t shape_key, ordinal;
    double now_ns, gap_ns; /* gap at the peak rate */
    double amplitude, per_period, phase;
} diurnal_source;

/* sin(2 pi x), x >= 0, by its Taylor series on a quarter turn: error below 1e-9, same bits everywhere. */
static double sine_of_turns(double x) {
    x -= (double)(int64_t)x;
    if (x > 0.75)
        x -= 1.0;
    else if (x > 0.25)
        x = 0.5 - x;
    double a = 6.2831853071795865 * x, z = a * a;
    double p = -1.0 / 1307674368000; /* 15! */
    p = p * z + 1.0 / 6227020800;
    p = p * z - 1.0 / 39916800;
    p = p * z + 1.0 / 362880;
    p = p * z - 1.0 / 5040;
    p = p * z + 1.0 / 120;
    p = p * z - 1.0 / 6;
    return a + a * z * p;
}

/* Thinning (Lewis and Shedler 1979): candidates at the peak rate, each kept with the rate's ratio to it. */
static size_t diurnal_next(trace_source *base, int64_t *ns, size_t cap) {
    diurnal_source *s = (diurnal_source *)base;
    double now = s->now_ns, end = (double)base->end_ns, peak = 1 + s->amplitude;
    uint64_t ordinal = s->ordinal;
    size_t n = 0;
    while (n < cap) {
        double u = draw_unit(draw_bits(s->shape_key, ordinal));
        now += s->gap_ns * draw_exp(draw_bits(base->key, ordinal++));
        if (now >= end) break;
        ns[n] = (int64_t)now;
        n += u * peak < 1 + s->amplitude * sine_of_turns(now * s->per_period + s->phase);
    }
    s->now_ns = now;
    s->ordinal = ordinal;
    return n;
}

typedef struct {
    trace_source base;
    uint64_t shape_key, ordinal, phases;
    double now_ns, phase_end_ns;
    double gap_ns[2], mean_ns[2]; /* off, on */
    bool on;
} bursty_source;

static void bursty_turn(bursty_source *s) {
    s->now_ns = s->phase_end_ns;
    s->on = !s->on;
    s->phase_end_ns += s->mean_ns[s->on] * draw_exp(draw_bits(s->shape_key, s->phases++));
}

/* The arrivals' unit exponentials are spent at the phases' rates, so no draw depends on where a phase ends.
 */
static size_t bursty_next(trace_source *base, int64_t *ns, size_t cap) {
    bursty_source *s = (bursty_source *)base;
    double end = (double)base->end_ns;
    for (size_t n = 0; n < cap; n++) {
        double left = draw_exp(draw_bits(base->key, s->ordinal++));
        while (s->now_ns + left * s->gap_ns[s->on] >= s->phase_end_ns) {
            if (s->phase_end_ns >= end) return n;
            left -= (s->phase_end_ns - s->now_ns) / s->gap_ns[s->on];
            if (left < 0) left = 0; /* rounding */
            bursty_turn(s);
        }
        s->now_ns += left * s->gap_ns[s->on];
        if (s->now_ns >= end) return n;
        ns[n] = (int64_t)s->now_ns;
    }
    return cap;
}

typedef struct {
    trace_source base;
    uint64_t shape_key, ordinal, sessions;
    double now_ns, gap_within_ns, gap_between_ns;
    uint64_t left; /* of the session */
} rare_source;

static size_t rare_next(trace_source *base, int64_t *ns, size_t cap) {
    rare_source *s = (rare_source *)base;
    size_t n = 0;
    for (; n < cap; n++) {
        double gap = s->gap_within_ns;
        if (!s->left) {
            gap = s->gap_between_ns;
            s->left = 1 + (uint64_t)(5 * draw_unit(draw_bits(s->shape_key, s->sessions++)));
        }
        s->now_ns += gap * draw_exp(draw_bits(base->key, s->ordinal++));
        if (s->now_ns >= (double)base->end_ns) break;
        s->left--;
        ns[n] = (int64_t)s->now_ns;
    }
    return n;
}

static double gap_of(double rate_rps) {
    return rate_rps > 0 ? 1e9 / rate_rps : INFINITY;
}

static void diurnal_start(diurnal_source *s, const trace_spec *spec, uint64_t shape_key) {
    double phase = fmod(spec->phase_s, spec->period_s) / spec->period_s;
    s->shape_key = shape_key;
    s->amplitude = spec->amplitude;
    s->gap_ns = gap_of(spec->mean_rps * (1 + spec->amplitude));
    s->per_period = 1 / (spec->period_s * 1e9);
    s->phase = phase < 0 ? phase + 1 : phase;
}

/* Phases are memoryless: drawing the first one's state by its share of time starts in the steady state. */
static void bursty_start(bursty_source *s, const trace_spec *spec, uint64_t shape_key) {
    double share = spec->burst_s / spec->burst_every_s;
    double base_rps = spec->mean_rps / (1 + (spec->burst_factor - 1) * share);
    s->shape_key = shape_key;
    s->gap_ns[0] = gap_of(base_rps);
    s->gap_ns[1] = gap_of(base_rps * spec->burst_factor);
    s->mean_ns[0] = (spec->burst_every_s - spec->burst_s) * 1e9;
    s->mean_ns[1] = spec->burst_s * 1e9;
    s->on = !(draw_unit(draw_bits(shape_key, s->phases++)) < share); /* turned at once */
    bursty_turn(s);
}

static void rare_start(rare_source *s, const trace_spec *spec, uint64_t shape_key) {
    double cycle = 3 * gap_of(spec->mean_rps);
    s->shape_key = shape_key;
    s->gap_within_ns = cycle / 20 < 2e9 ? cycle / 20 : 2e9;
    s->gap_between_ns = cycle - 2 * s->gap_within_ns;
}

static int check_shape(const trace_spec *spec, char *err) {
    if (!(spec->mean_rps >= 0 && spec->mean_rps <= 1e9))
        return trace_fail(err, "mean_rps is %g, expected 0 to 1e9", spec->mean_rps);
    if (spec->shape == TRACE_SHAPE_DIURNAL) {
        if (!(spec->amplitude >= 0 && spec->amplitude <= 1))
            return trace_fail(err, "amplitude is %g, expected 0 to 1", spec->amplitude);
        if (!(spec->period_s >= 1e-3 && spec->period_s <= 1e12))
            return trace_fail(err, "period_s is %g, expected 0.001 to 1e12", spec->period_s);
        if (!isfinite(spec->phase_s))
            return trace_fail(err, "phase_s is %g, expected a number", spec->phase_s);
    }
    if (spec->shape == TRACE_SHAPE_BURSTY) {
        if (!(spec->burst_factor >= 1 && spec->burst_factor <= 1e9))
            return trace_fail(err, "burst_factor is %g, expected 1 to 1e9", spec->burst_factor);
        if (!(spec->burst_s >= 1e-3))
            return trace_fail(err, "burst_s is %g, expected >= 0.001", spec->burst_s);
        if (!(spec->burst_every_s - spec->burst_s >= 1e-3 && spec->burst_every_s <= 1e12))
            return trace_fail(err, "burst_every_s is %g, expected from 0.001 above burst_s (%g) to 1e12",
                              spec->burst_every_s, spec->burst_s);
    }
    return 0;
}

typedef union {
    trace_source base;
    steady_source steady;
    even_source even;
    diurnal_source diurnal;
    bursty_source bursty;
    rare_source rare;
} shape_source;

static bool shape_start(shape_source *s, const trace_spec *spec, uint64_t shape_key) {
    switch (spec->shape) {
    case TRACE_SHAPE_STEADY:
        s->base.next = steady_next;
        s->steady.gap_ns = gap_of(spec->mean_rps);
        return true;
    case TRACE_SHAPE_EVEN:
        s->base.next = even_next;
        s->even.rate_rps = spec->mean_rps;
        return true;
    case TRACE_SHAPE_DIURNAL:
        s->base.next = diurnal_next;
        diurnal_start(&s->diurnal, spec, shape_key);
        return true;
    case TRACE_SHAPE_BURSTY:
        s->base.next = bursty_next;
        bursty_start(&s->bursty, spec, shape_key);
        return true;
    case TRACE_SHAPE_RARE:
        s->base.next = rare_next;
        rare_start(&s->rare, spec, shape_key);
        return true;
    }
    return false;
}

int trace_shape_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn, char *err) {
    if (check_shape(spec, err)) return -1;
    shape_source *s = calloc(1, sizeof *s);
    if (!s) return trace_fail(err, "out of memory");
    s->base.key = draw_key(seed, fn, DRAW_ARRIVAL);
    s->base.end_ns = spec->duration_ns;
    if (!shape_start(s, spec, draw_key(seed, fn, DRAW_SHAPE))) {
        free(s);
        return trace_fail(err, "shape is %d, expected one of trace_shape", (int)spec->shape);
    }
    *out = &s->base;
    return 0;
}
