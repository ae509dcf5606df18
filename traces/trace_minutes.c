/* trace_minutes.c - a function's counts per minute (or per second: all is the same) as arrivals, lazily.
 *
 * The n arrivals of a minute are n independent uniform positions, in order. They are never all held: a minute
 * with many is halved, the left half's share being the number of ones among n random bits - exactly binomial
 * (n, 1/2), in integer arithmetic - and so on until a cell holds at most CELL_MAX arrivals. A cell's are
 * drawn and sorted on the stack, again when a call was cut inside the cell, so that between calls a source
 * holds nothing but where it stands in the tree: the cell, and the counts of the right halves still to come.
 *
 * A position is a 64-bit fraction of the minute. All draws of a minute hang from (key, minute), of a cell
 * from (minute's key, number of the cell in the tree, root 1): what comes before does not matter, and no draw
 * is used twice (a cell is halved or drawn, never both).
 */
#include "draw.h"
#include "trace_int.h"

#include <stdlib.h>

enum { CELL_MAX = 64, DEPTH_MAX = 26 }; /* at depth 26 a cell is 0.9 us wide */

typedef struct {
    trace_source base;
    const uint8_t *counts; /* the next busy minute */
    uint64_t shape_key, minute_key;
    int64_t minute; /* of the file */
    int64_t bin_ns; /* what is called a minute here may be a second */
    int64_t offset_ns;
    double scale;
    uint32_t cell, n, given; /* number within its depth; its arrivals; how many of them were given */
    uint8_t depth;
    uint8_t within;   /* trace_within */
    uint32_t right[]; /* by depth, arrivals of the sibling on the right; only where a minute can be halved */
} minutes_source;

static uint32_t ones(uint64_t x) {
    x = x - ((x >> 1) & UINT64_C(0x5555555555555555));
    x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)((x * UINT64_C(0x0101010101010101)) >> 56);
}

static uint64_t cell_key(const minutes_source *s) {
    return draw_bits(s->minute_key, (UINT64_C(1) << s->depth) | s->cell);
}

static uint32_t binomial_half(uint64_t key, uint32_t n) {
    uint32_t sum = 0;
    uint64_t ordinal = 0;
    for (; n >= 64; n -= 64) sum += ones(draw_bits(key, ordinal++));
    return n ? sum + ones(draw_bits(key, ordinal) >> (64 - n)) : sum;
}

static void halve(minutes_source *s) {
    while (s->n > CELL_MAX && s->depth < DEPTH_MAX) {
        uint32_t left = binomial_half(cell_key(s), s->n);
        s->depth++;
        s->cell *= 2;
        s->right[s->depth] = s->n - left;
        s->n = left;
    }
}

/* To the next cell of the minute that was not yet given; false when the minute is over. */
static bool next_cell(minutes_source *s) {
    for (; s->depth; s->depth--, s->cell /= 2) {
        if (s->cell % 2) continue;
        s->cell++;
        s->n = s->right[s->depth];
        halve(s);
        return true;
    }
    return false;
}

static bool next_minute(minutes_source *s) {
    uint32_t count;
    if (!trace_counts_next(&s->counts, &s->minute, &count)) return false;
    double u = draw_unit(draw_bits(draw_bits(s->shape_key, (uint64_t)s->minute), 0));
    s->minute_key = draw_bits(s->base.key, (uint64_t)s->minute);
    s->n = (uint32_t)((double)count * s->scale + u);
    s->cell = 0;
    if (s->within != TRACE_EVEN) halve(s);
    return true;
}

static void sort_few(uint64_t *x, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        uint64_t v = x[i];
        uint32_t j = i;
        for (; j && x[j - 1] > v; j--) x[j] = x[j - 1];
        x[j] = v;
    }
}

/* n uniform 64-bit numbers in order: thrown into buckets by their leading bits, so that the sort that follows
 * finds little to do. */
static void draw_sorted(uint64_t key, uint64_t *x, uint32_t n) {
    enum { BITS = 6, BUCKETS = 1 << BITS };
    if (n < 12) {
        for (uint32_t i = 0; i < n; i++) x[i] = draw_bits(key, i);
        sort_few(x, n);
        return;
    }
    uint64_t raw[CELL_MAX];
    uint8_t at[BUCKETS + 1] = {0};
    draw_many_bits(raw, n, key, 0);
    for (uint32_t i = 0; i < n; i++) at[(raw[i] >> (64 - BITS)) + 1]++;
    for (uint32_t b = 1; b < BUCKETS; b++) at[b] = (uint8_t)(at[b] + at[b - 1]);
    for (uint32_t i = 0; i < n; i++) x[at[raw[i] >> (64 - BITS)]++] = raw[i];
    sort_few(x, n);
}

/* Of the cell's arrivals the next ones, `take` of them, as fractions of the cell; x is scratch. Below a
 * microsecond, the arrivals of a cell that still holds too many are spread evenly. */
static const uint64_t *draw_cell(const minutes_source *s, uint64_t x[CELL_MAX], uint32_t take) {
    if (s->n <= CELL_MAX) {
        draw_sorted(cell_key(s), x, s->n);
        return x + s->given;
    }
    for (uint32_t i = 0; i < take; i++) x[i] = UINT64_MAX / s->n * (s->given + i);
    return x;
}

/* Fractions of a cell as times; left: where the cell begins, as a fraction of the minute. */
DRAW_WIDE static void place(int64_t *ns, const uint64_t *x, uint32_t n, uint64_t left, uint8_t depth,
                            int64_t start_ns, double bin_ns) {
    for (uint32_t i = 0; i < n; i++) {
        int64_t position = (int64_t)((left | x[i] >> depth) >> 11);
        ns[i] = start_ns + (int64_t)((double)position * (bin_ns * 0x1p-53));
    }
}

static void give_uniform(const minutes_source *s, int64_t start_ns, int64_t *ns, uint32_t take) {
    uint64_t scratch[CELL_MAX], left = s->depth ? (uint64_t)s->cell << (64 - s->depth) : 0;
    place(ns, draw_cell(s, scratch, take), take, left, s->depth, start_ns, (double)s->bin_ns);
}

/* Uniform positions, taken through the inverse of the clusters' distribution: each cluster has a third. */
static void give_bursty(const minutes_source *s, int64_t start_ns, int64_t *ns, uint32_t take) {
    uint64_t key = draw_bits(s->shape_key, (uint64_t)s->minute);
    int64_t third_ns = s->bin_ns / 3;
    double starts_ns[3], third = (double)third_ns, room = third - third / 20;
    for (uint32_t c = 0; c < 3; c++) starts_ns[c] = third * c + room * draw_unit(draw_bits(key, c + 1));
    give_uniform(s, 0, ns, take);
    for (uint32_t i = 0; i < take; i++) {
        int64_t cluster = ns[i] / third_ns < 2 ? ns[i] / third_ns : 2;
        double within = (double)(ns[i] - cluster * third_ns) / 20; /* a cluster is a twentieth of its third */
        ns[i] = start_ns + (int64_t)(starts_ns[cluster] + within);
    }
}

/* The phase has 20 bits, so that n - 1 + phase is exact and below n. */
static void give_even(const minutes_source *s, int64_t start_ns, int64_t *ns, uint32_t take) {
    double phase = (double)(draw_bits(s->shape_key, UINT64_MAX) >> 44) * 0x1p-20;
    for (uint32_t i = 0; i < take; i++)
        ns[i] = start_ns + (int64_t)(((double)(s->given + i) + phase) * (double)s->bin_ns / s->n);
}

static uint32_t give(minutes_source *s, int64_t *ns, size_t cap) {
    int64_t start_ns = s->minute * s->bin_ns - s->offset_ns;
    uint32_t take = s->n - s->given;
    if (take > CELL_MAX) take = CELL_MAX;
    if (take > cap) take = (uint32_t)cap;
    if (s->within == TRACE_UNIFORM)
        give_uniform(s, start_ns, ns, take);
    else if (s->within == TRACE_EVEN)
        give_even(s, start_ns, ns, take);
    else
        give_bursty(s, start_ns, ns, take);
    s->given += take;
    return take;
}

/* The minute that the offset cuts: what lies before it is not given. */
static uint32_t drop_negative(int64_t *ns, uint32_t n) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (ns[i] >= 0) ns[kept++] = ns[i];
    return kept;
}

static size_t minutes_next(trace_source *base, int64_t *ns, size_t cap) {
    minutes_source *s = (minutes_source *)base;
    size_t n = 0;
    while (n < cap) {
        if (s->given == s->n) {
            s->given = 0;
            if (!next_cell(s) && !next_minute(s)) break;
            if (s->minute * s->bin_ns - s->offset_ns >= base->end_ns) break;
            continue;
        }
        uint32_t got = give(s, ns + n, cap - n);
        if (ns[n] < 0) got = drop_negative(ns + n, got);
        n += got;
        if (got && ns[n - 1] >= base->end_ns) {
            while (n && ns[n - 1] >= base->end_ns) n--;
            break;
        }
    }
    return n;
}

static void skip_minutes_before(minutes_source *s) {
    const uint8_t *next = s->counts;
    int64_t minute = s->minute;
    uint32_t count;
    while (trace_counts_next(&next, &minute, &count) && (minute + 1) * s->bin_ns <= s->offset_ns) {
        s->counts = next;
        s->minute = minute;
    }
}

int trace_minutes_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn, char *err) {
    const trace_row *row = &spec->file->rows[spec->index];
    double most = row->max_bin * spec->scale;
    if (spec->within > TRACE_BURSTY)
        return trace_fail(err, "within is %d, expected one of trace_within", (int)spec->within);
    if (!(most <= TRACE_MAX_BIN))
        return trace_fail(err, "scale %g makes %g arrivals in a %s, expected at most %d", spec->scale, most,
                          spec->file->bin_ns == MINUTE_NS ? "minute" : "second", TRACE_MAX_BIN);
    size_t depths = most + 1 > CELL_MAX ? DEPTH_MAX + 1 : 0;
    minutes_source *s = calloc(1, sizeof *s + depths * sizeof s->right[0]);
    if (!s) return trace_fail(err, "out of memory");
    s->base = (trace_source){minutes_next, draw_key(seed, fn, DRAW_ARRIVAL), spec->duration_ns, NULL};
    s->counts = spec->file->data + row->data;
    s->shape_key = draw_key(seed, fn, DRAW_SHAPE);
    s->minute = -1;
    s->bin_ns = spec->file->bin_ns;
    s->offset_ns = (int64_t)(spec->offset_s * 1e9);
    s->scale = spec->scale;
    s->within = (uint8_t)spec->within;
    skip_minutes_before(s);
    *out = &s->base;
    return 0;
}
