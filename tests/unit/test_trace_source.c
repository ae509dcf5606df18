#include <math.h>

#include "trace_packed.h"
#include "trace_sample.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)

/* All arrivals of a source, asked for `cap` at a time (0: block sizes that vary). */
typedef struct {
    int64_t *ns;
    size_t n;
} arrivals;

static arrivals drain(const trace_spec *spec, uint64_t seed, uint32_t fn, size_t cap) {
    enum { MOST = 1 << 22 };
    arrivals all = {malloc(MOST * sizeof(int64_t)), 0};
    assert_non_null(all.ns);
    trace_source *source;
    char err[TRACE_ERR_LEN];
    if (trace_source_open(&source, spec, seed, fn, err)) fail_msg("%s", err);
    for (size_t call = 0;; call++) {
        size_t block = cap ? cap : 1 + call * 7919 % 200;
        assert_true(all.n + block <= MOST);
        size_t n = trace_source_next(source, all.ns + all.n, block);
        assert_true(n <= block);
        all.n += n;
        if (!n) break;
    }
    int64_t after;
    assert_int_equal(trace_source_next(source, &after, 1), 0);
    trace_source_close(source);
    return all;
}

static void assert_ordered(const arrivals *a, int64_t duration_ns) {
    for (size_t i = 0; i < a->n; i++)
        if (a->ns[i] < (i ? a->ns[i - 1] : 0) || a->ns[i] >= duration_ns)
            fail_msg("arrival %zu at %lld", i, (long long)a->ns[i]);
}

static trace_spec synthetic(trace_shape shape, double rps, double seconds) {
    return (trace_spec){.shape = shape,
                        .mean_rps = rps,
                        .amplitude = 0.8,
                        .period_s = 600,
                        .phase_s = 50,
                        .burst_factor = 8,
                        .burst_s = 5,
                        .burst_every_s = 40,
                        .duration_ns = (int64_t)(seconds * 1e9)};
}

static trace_spec replay(const trace_file *file, trace_within within, int64_t duration_ns) {
    return (trace_spec){.file = file, .within = within, .scale = 1, .duration_ns = duration_ns};
}

static void assert_cut_does_not_show(const trace_spec *spec) {
    arrivals whole = drain(spec, 3, 4, 4096);
    assert_ordered(&whole, spec->duration_ns);
    assert_true(whole.n > 100);
    static const size_t caps[] = {1, 7, 64, 65, 0};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        arrivals cut = drain(spec, 3, 4, caps[i]);
        assert_int_equal(cut.n, whole.n);
        assert_memory_equal(cut.ns, whole.ns, whole.n * sizeof whole.ns[0]);
        free(cut.ns);
    }
    free(whole.ns);
}

static void times_do_not_depend_on_how_calls_are_cut(void **state) {
    (void)state;
    for (int shape = TRACE_SHAPE_STEADY; shape <= TRACE_SHAPE_RARE; shape++) {
        trace_spec spec = synthetic((trace_shape)shape, 10, 1000);
        assert_cut_does_not_show(&spec);
    }
    const uint32_t counts[] = {0, 1, 2, 11, 12, 63, 64, 65, 0, 0, 300, 5000, 1};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, 13));
    for (int within = TRACE_UNIFORM; within <= TRACE_BURSTY; within++) {
        trace_spec spec = replay(file, (trace_within)within, 13 * MINUTE);
        assert_cut_does_not_show(&spec);
        spec.offset_s = 90.5;
        spec.scale = 1.37;
        spec.duration_ns = 10 * MINUTE + 12345;
        assert_cut_does_not_show(&spec);
    }
    trace_close(file);
    sample_close(&dir);
}

static void counts_are_kept_minute_by_minute(void **state) {
    (void)state;
    const uint32_t counts[] = {3, 0, 1, 12, 63, 64, 65, 66, 129, 1000, 0, 100000, 7};
    enum { N = sizeof counts / sizeof counts[0] };
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, N));
    for (int within = TRACE_UNIFORM; within <= TRACE_BURSTY; within++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            trace_spec spec = replay(file, (trace_within)within, N * MINUTE);
            arrivals a = drain(&spec, seed, 0, 512);
            assert_ordered(&a, spec.duration_ns);
            uint32_t found[N] = {0};
            for (size_t i = 0; i < a.n; i++) found[a.ns[i] / MINUTE]++;
            assert_memory_equal(found, counts, sizeof counts);
            free(a.ns);
        }
    trace_close(file);
    sample_close(&dir);
}

/* Kolmogorov's statistic sqrt(n) D against uniform on [0, width); above 2.23 with probability 1e-4. */
static double kolmogorov(const int64_t *ns, size_t n, int64_t start, int64_t width) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double u = (double)(ns[i] - start) / (double)width;
        most = fmax(most, fmax(u - (double)i / (double)n, (double)(i + 1) / (double)n - u));
    }
    return most * sqrt((double)n);
}

static void positions_within_a_minute_are_uniform(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    static const uint32_t sizes[] = {40, 64, 1000, 200000};
    for (size_t k = 0; k < 4; k++) {
        trace_file *file = sample_trace("azure2019", sample_minutes(&dir, &sizes[k], 1));
        trace_spec spec = replay(file, TRACE_UNIFORM, MINUTE);
        for (uint32_t fn = 0; fn < 10; fn++) {
            arrivals a = drain(&spec, 11, fn, 4096);
            double found = kolmogorov(a.ns, a.n, 0, MINUTE);
            if (found > 2.23 || found < 0.2)
                fail_msg("%u per minute, fn %u: sqrt(n) D = %g", sizes[k], fn, found);
            free(a.ns);
        }
        trace_close(file);
    }
    sample_close(&dir);
}

/* Given 300 in a minute, the number in its first third is binomial (300, 1/3): mean and variance, over many
 * minutes; and what lies in the two halves of a minute is drawn anew in each. */
static void halves_of_a_minute_are_binomial(void **state) {
    (void)state;
    enum { N = 2000, COUNT = 300 };
    static uint32_t counts[N];
    for (size_t i = 0; i < N; i++) counts[i] = COUNT;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, N));
    trace_spec spec = replay(file, TRACE_UNIFORM, N * MINUTE);
    arrivals a = drain(&spec, 17, 0, 4096);
    static double first[N];
    for (size_t i = 0; i < a.n; i++) first[a.ns[i] / MINUTE] += a.ns[i] % MINUTE < 20 * SECOND;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < N; i++) mean += first[i] / N;
    for (size_t i = 0; i < N; i++) variance += (first[i] - mean) * (first[i] - mean) / N;
    double expected = COUNT / 3.0, expected_variance = COUNT * 2 / 9.0;
    assert_true(fabs(mean - expected) < 4 * sqrt(expected_variance / N));
    assert_true(fabs(variance / expected_variance - 1) < 4 * sqrt(2.0 / N));
    free(a.ns);
    trace_close(file);
    sample_close(&dir);
}

static void even_minutes_have_equal_gaps(void **state) {
    (void)state;
    const uint32_t counts[] = {6, 6, 6};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, 3));
    trace_spec spec = replay(file, TRACE_EVEN, 3 * MINUTE);
    arrivals a = drain(&spec, 1, 0, 4);
    assert_int_equal(a.n, 18);
    for (size_t i = 1; i < a.n; i++) assert_in_range(a.ns[i] - a.ns[i - 1], 10 * SECOND - 1, 10 * SECOND + 1);
    free(a.ns);
    trace_close(file);
    sample_close(&dir);
}

static void bursty_minutes_lie_in_three_seconds(void **state) {
    (void)state;
    const uint32_t counts[] = {3000};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, 1));
    trace_spec spec = replay(file, TRACE_BURSTY, MINUTE);
    arrivals a = drain(&spec, 1, 0, 100);
    for (int third = 0; third < 3; third++) {
        int64_t low = INT64_MAX, high = 0;
        uint32_t n = 0;
        for (size_t i = 0; i < a.n; i++) {
            if (a.ns[i] / (20 * SECOND) != third) continue;
            low = a.ns[i] < low ? a.ns[i] : low;
            high = a.ns[i] > high ? a.ns[i] : high;
            n++;
        }
        assert_true(high - low <= SECOND && high - low > SECOND / 2);
        assert_in_range(n, 1000 - 110, 1000 + 110); /* 4 standard deviations */
    }
    free(a.ns);
    trace_close(file);
    sample_close(&dir);
}

/* ---- every format of counts, every way to spread them ---- */

enum { PER_BIN = 600 }; /* in the first and in the third bin; the second is empty */

typedef struct {
    const char *format, *file, *text;
    int64_t bin_ns;
} count_format;
static const count_format count_formats[] = {
    {"azure2019", "invocations.csv", "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,http,600,0,600\n",
     MINUTE},
    {"invitro", "invocations.csv", "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,http,600,0,600\n",
     MINUTE},
    {"seconds", "trace.csv", "requests\n600\n0\n600\n", SECOND},
};

static trace_file *open_counts(sample_dir *dir, const count_format *f, int is_packed) {
    sample_write(dir, "durations.csv", "HashOwner,HashApp,HashFunction,Average,Count\no,a,f,25,1200\n");
    sample_write(dir, "memory.csv",
                 "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb\no,a,f,9,99\n");
    trace_file *file = sample_trace(f->format, sample_write(dir, f->file, f->text));
    if (!is_packed) return file;
    trace_packed_size size;
    char err[TRACE_ERR_LEN];
    const char *path = sample_path(dir, "trace.csv");
    if (trace_packed_write(file, NULL, 0, "by a test", path, &size, err)) fail_msg("%s", err);
    trace_close(file);
    return sample_trace("packed", path);
}

/* Equal gaps, but for rounding. */
static void expect_even(const int64_t *ns, int64_t bin_ns) {
    for (int i = 1; i < PER_BIN; i++)
        assert_in_range(ns[i] - ns[i - 1], bin_ns / PER_BIN - 1, bin_ns / PER_BIN + 1);
}

/* In each third a cluster of a sixtieth of the bin: a third of the arrivals, 4 standard deviations at most off. */
static void expect_bursty(const int64_t *ns, int64_t start, int64_t bin_ns) {
    int n[3] = {0};
    int64_t low[3], high[3];
    for (int i = 0; i < PER_BIN; i++) {
        int64_t third = (ns[i] - start) * 3 / bin_ns;
        if (!n[third]++) low[third] = ns[i];
        high[third] = ns[i];
    }
    for (int k = 0; k < 3; k++) {
        assert_in_range(n[k], PER_BIN / 3 - 47, PER_BIN / 3 + 47);
        assert_in_range(high[k] - low[k], bin_ns / 60 * 9 / 10, bin_ns / 60);
    }
}

static void expect_within(const arrivals *a, trace_within within, int64_t bin_ns) {
    assert_int_equal(a->n, 2 * PER_BIN);
    for (int k = 0; k < 2; k++) {
        const int64_t *ns = a->ns + k * PER_BIN, start = 2 * k * bin_ns;
        assert_true(ns[0] >= start && ns[PER_BIN - 1] < start + bin_ns);
        double d = kolmogorov(ns, PER_BIN, start, bin_ns);
        if (within == TRACE_EVEN) expect_even(ns, bin_ns);
        if (within == TRACE_BURSTY) expect_bursty(ns, start, bin_ns);
        if (within == TRACE_UNIFORM) assert_true(d > 0.3 && d < 2.23);
        if (within == TRACE_EVEN) assert_true(d < 0.1);
        if (within == TRACE_BURSTY) assert_true(d > 2.23);
    }
}

static void counts_of_every_format_lie_as_asked(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < sizeof count_formats / sizeof *count_formats; i++)
        for (int is_packed = 0; is_packed < 2; is_packed++) {
            const count_format *f = &count_formats[i];
            trace_file *file = open_counts(&dir, f, is_packed);
            for (int within = TRACE_UNIFORM; within <= TRACE_BURSTY; within++)
                for (uint64_t seed = 1; seed <= 8; seed++) {
                    trace_spec spec = replay(file, (trace_within)within, 3 * f->bin_ns);
                    arrivals a = drain(&spec, seed, 0, 0);
                    expect_within(&a, (trace_within)within, f->bin_ns);
                    free(a.ns);
                }
            trace_close(file);
        }
    sample_close(&dir);
}

static void scaled_counts_have_the_scaled_mean(void **state) {
    (void)state;
    enum { N = 4000 };
    static uint32_t counts[N];
    for (size_t i = 0; i < N; i++) counts[i] = 3;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, N));
    static const double scales[] = {0, 0.01, 0.5, 1.5, 40.1};
    for (size_t k = 0; k < 5; k++) {
        trace_spec spec = replay(file, TRACE_UNIFORM, N * MINUTE);
        spec.scale = scales[k];
        arrivals a = drain(&spec, 23, 0, 512);
        assert_true(fabs((double)a.n - 3 * scales[k] * N) <= 4 * 0.5 * sqrt(N)); /* a Bernoulli's sd <= 0.5 */
        assert_true(k || !a.n);
        free(a.ns);
    }
    trace_close(file);
    sample_close(&dir);
}

static void offsets_shift_without_redrawing(void **state) {
    (void)state;
    const uint32_t counts[] = {5, 200, 0, 7, 80};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, 5));
    static const double offsets[] = {0, 30.25, 60, 61, 150, 240, 299.5, 300, 1e6};
    for (int within = TRACE_UNIFORM; within <= TRACE_BURSTY; within++) {
        trace_spec spec = replay(file, (trace_within)within, 5 * MINUTE);
        arrivals all = drain(&spec, 2, 0, 512);
        for (size_t k = 0; k < sizeof offsets / sizeof offsets[0]; k++) {
            int64_t offset = (int64_t)(offsets[k] * 1e9);
            spec.offset_s = offsets[k];
            arrivals a = drain(&spec, 2, 0, 512);
            size_t skipped = 0;
            while (skipped < all.n && all.ns[skipped] < offset) skipped++;
            assert_int_equal(a.n, all.n - skipped);
            for (size_t i = 0; i < a.n; i++) assert_int_equal(a.ns[i], all.ns[skipped + i] - offset);
            free(a.ns);
        }
        free(all.ns);
    }
    trace_close(file);
    sample_close(&dir);
}

static void recorded_arrivals_are_replayed_and_scaled(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file =
        sample_trace("csv", sample_write(&dir, "trace.csv", "time_s,function\n3,f\n1,f\n2,f\n9,g\n2,f\n"));
    trace_spec spec = replay(file, TRACE_UNIFORM, 3 * SECOND);
    arrivals a = drain(&spec, 1, 0, 2);
    const int64_t expected[] = {SECOND, 2 * SECOND, 2 * SECOND};
    assert_int_equal(a.n, 3);
    assert_memory_equal(a.ns, expected, sizeof expected);
    free(a.ns);
    spec.scale = 3;
    spec.offset_s = 1.5;
    spec.duration_ns = 100 * SECOND;
    a = drain(&spec, 1, 0, 2);
    assert_int_equal(a.n, 9);
    for (size_t i = 0; i < 9; i++) assert_int_equal(a.ns[i], i < 6 ? SECOND / 2 : 3 * SECOND / 2);
    free(a.ns);
    trace_close(file);
    sample_close(&dir);
}

/* Mean rate and index of dispersion of the counts per window. */
static void count_windows(const arrivals *a, double seconds, double window_s, double *rate,
                          double *dispersion) {
    size_t n = (size_t)(seconds / window_s);
    double *counts = calloc(n, sizeof *counts), mean = 0, variance = 0;
    assert_non_null(counts);
    for (size_t i = 0; i < a->n; i++) counts[(size_t)((double)a->ns[i] / 1e9 / window_s)]++;
    for (size_t i = 0; i < n; i++) mean += counts[i] / (double)n;
    for (size_t i = 0; i < n; i++) variance += (counts[i] - mean) * (counts[i] - mean) / (double)n;
    *rate = mean / window_s;
    *dispersion = variance / mean;
    free(counts);
}

static void steady_is_poisson(void **state) {
    (void)state;
    trace_spec spec = synthetic(TRACE_SHAPE_STEADY, 50, 20000);
    arrivals a = drain(&spec, 1, 0, 4096);
    assert_ordered(&a, spec.duration_ns);
    double rate, dispersion;
    count_windows(&a, 20000, 2, &rate, &dispersion);
    assert_true(fabs(rate - 50) < 4 * sqrt(50 / 20000.0));
    assert_true(fabs(dispersion - 1) < 4 * sqrt(2 / 10000.0));
    assert_true(kolmogorov(a.ns, a.n, 0, spec.duration_ns) < 2.23);
    free(a.ns);
}

static void even_has_the_nth_arrival_after_n_gaps(void **state) {
    (void)state;
    trace_spec spec = synthetic(TRACE_SHAPE_EVEN, 3, 10);
    arrivals a = drain(&spec, 1, 0, 8);
    assert_int_equal(a.n, 29); /* the 30th is at 10 s, the end */
    assert_int_equal(a.ns[0], 333333333);
    assert_int_equal(a.ns[2], SECOND);
    assert_int_equal(a.ns[28], 9666666666);
    free(a.ns);
}

/* Compared with the integral of the rate, by libm: tenths of the period. */
static void diurnal_follows_its_rate(void **state) {
    (void)state;
    const double pi = 3.14159265358979;
    trace_spec spec = synthetic(TRACE_SHAPE_DIURNAL, 50, 600 * 60);
    arrivals a = drain(&spec, 1, 0, 4096);
    assert_ordered(&a, spec.duration_ns);
    double tenths[10] = {0};
    for (size_t i = 0; i < a.n; i++) tenths[a.ns[i] / (60 * SECOND) % 10]++;
    for (int t = 0; t < 10; t++) {
        double from = 60 * t + 50, to = from + 60, turn = 2 * pi / 600;
        double expected = 60 * 50 * (60 + 0.8 * (cos(turn * from) - cos(turn * to)) / turn);
        if (fabs(tenths[t] - expected) > 4 * sqrt(expected))
            fail_msg("tenth %d has %g arrivals, expected %g", t, tenths[t], expected);
    }
    free(a.ns);
}

static void bursty_has_its_mean_and_bursts(void **state) {
    (void)state;
    trace_spec spec = synthetic(TRACE_SHAPE_BURSTY, 20, 100000);
    arrivals a = drain(&spec, 1, 0, 4096);
    assert_ordered(&a, spec.duration_ns);
    /* Two-state process: variance of a long window's count is n (1 + excess), excess = 2 (r1 - r0)^2 p q tau
     * / mean with tau = 1 / (1/5 + 1/35), p = 1/8: base 10.67, burst 85.3, tau 4.375 -> 266. */
    double rate, dispersion;
    count_windows(&a, 100000, 200, &rate, &dispersion);
    assert_true(fabs(rate - 20) < 4 * sqrt(267 * 20 / 100000.0));
    assert_true(dispersion > 180 && dispersion < 340);
    count_windows(&a, 100000, 0.05, &rate, &dispersion);
    assert_true(dispersion > 2 && dispersion < 5); /* 1 + (r1 - r0)^2 p q * 0.05 / mean = 2.5 - 4 */
    free(a.ns);
}

static void rare_comes_in_sessions(void **state) {
    (void)state;
    double rate = 3.0 / 600;
    trace_spec spec = synthetic(TRACE_SHAPE_RARE, rate, 600 * 20000);
    arrivals a = drain(&spec, 1, 0, 4096);
    assert_ordered(&a, spec.duration_ns);
    size_t sessions = 0;
    for (size_t i = 0; i < a.n; i++) sessions += i == 0 || a.ns[i] - a.ns[i - 1] > 20 * SECOND;
    /* 20,000 cycles; sessions of 1 to 5: sd of a session's size 1.41 and of its gap about its mean */
    assert_true(fabs((double)a.n / 60000 - 1) < 0.04);
    assert_true(fabs((double)a.n / (double)sessions - 3) < 0.2);
    free(a.ns);
}

static void seeds_and_functions_differ(void **state) {
    (void)state;
    trace_spec spec = synthetic(TRACE_SHAPE_STEADY, 10, 100);
    arrivals a = drain(&spec, 1, 0, 512), b = drain(&spec, 2, 0, 512), c = drain(&spec, 1, 1, 512);
    assert_true(a.ns[0] != b.ns[0] && a.ns[0] != c.ns[0] && b.ns[0] != c.ns[0]);
    free(a.ns);
    free(b.ns);
    free(c.ns);
}

static void rates_at_the_edges_end(void **state) {
    (void)state;
    static const double rates[] = {0, 1e-300, 5e-324};
    for (int shape = TRACE_SHAPE_STEADY; shape <= TRACE_SHAPE_RARE; shape++)
        for (size_t k = 0; k < 3; k++) {
            trace_spec spec = synthetic((trace_shape)shape, rates[k], 1000);
            arrivals a = drain(&spec, 1, 0, 16);
            assert_int_equal(a.n, 0);
            free(a.ns);
        }
    trace_spec spec = synthetic(TRACE_SHAPE_STEADY, 1e9, 1e-4);
    arrivals a = drain(&spec, 1, 0, 512);
    assert_ordered(&a, spec.duration_ns);
    assert_true(fabs((double)a.n - 1e5) < 4 * sqrt(1e5));
    free(a.ns);
    spec.duration_ns = 0;
    a = drain(&spec, 1, 0, 1);
    assert_int_equal(a.n, 0);
    free(a.ns);
}

/* A minute of 10^9, read to its first thousands: no memory, no wait. */
static void huge_minutes_start_at_once(void **state) {
    (void)state;
    const uint32_t counts[] = {1000000000};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, 1));
    trace_spec spec = replay(file, TRACE_UNIFORM, MINUTE);
    trace_source *source;
    char err[TRACE_ERR_LEN];
    enum { N = 20000 };
    static int64_t ns[N];
    assert_int_equal(trace_source_open(&source, &spec, 1, 0, err), 0);
    assert_int_equal(trace_source_next(source, ns, N), N);
    for (size_t i = 1; i < N; i++) assert_true(ns[i] >= ns[i - 1]);
    double expected = N * 60.0, sd = 60 * sqrt(N); /* the N-th of 10^9: gamma, mean gap 60 ns */
    assert_true(fabs((double)ns[N - 1] - expected) < 5 * sd);
    trace_source_close(source);
    trace_close(file);
    sample_close(&dir);
}

static void assert_refused(const trace_spec *spec, const char *message) {
    trace_source *source = (trace_source *)1;
    char err[TRACE_ERR_LEN] = "";
    assert_int_equal(trace_source_open(&source, spec, 1, 0, err), -1);
    assert_null(source);
    if (!strstr(err, message)) fail_msg("\"%s\", expected to contain \"%s\"", err, message);
}

static void bad_specs_are_refused(void **state) {
    (void)state;
    trace_spec spec;
    spec = synthetic(TRACE_SHAPE_STEADY, -1, 1);
    assert_refused(&spec, "mean_rps is -1");
    spec = synthetic(TRACE_SHAPE_STEADY, NAN, 1);
    assert_refused(&spec, "mean_rps");
    spec = synthetic(TRACE_SHAPE_STEADY, 1, -1);
    assert_refused(&spec, "duration_ns");
    spec = synthetic(TRACE_SHAPE_DIURNAL, 1, 1);
    spec.amplitude = 1.5;
    assert_refused(&spec, "amplitude is 1.5");
    spec = synthetic(TRACE_SHAPE_DIURNAL, 1, 1);
    spec.period_s = 0;
    assert_refused(&spec, "period_s is 0");
    spec = synthetic(TRACE_SHAPE_BURSTY, 1, 1);
    spec.burst_factor = 0.5;
    assert_refused(&spec, "burst_factor is 0.5");
    spec = synthetic(TRACE_SHAPE_BURSTY, 1, 1);
    spec.burst_every_s = spec.burst_s;
    assert_refused(&spec, "burst_every_s is 5");
    spec = synthetic((trace_shape)77, 1, 1);
    assert_refused(&spec, "shape is 77");
    const uint32_t counts[] = {10};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, 1));
    spec = replay(file, TRACE_UNIFORM, MINUTE);
    spec.index = 1;
    assert_refused(&spec, "function 1 of a trace file that has 1");
    spec = replay(file, TRACE_UNIFORM, MINUTE);
    spec.scale = 1e9;
    assert_refused(&spec, "arrivals in a minute");
    spec.scale = -1;
    assert_refused(&spec, "scale is -1");
    spec = replay(file, TRACE_UNIFORM, MINUTE);
    spec.offset_s = -1;
    assert_refused(&spec, "offset_s is -1");
    spec = replay(file, (trace_within)9, MINUTE);
    assert_refused(&spec, "within is 9");
    trace_close(file);
    sample_close(&dir);
}

static uint64_t sum_of(const trace_spec *spec) {
    arrivals a = drain(spec, 5, 6, 512);
    uint64_t sum = a.n;
    for (size_t i = 0; i < a.n; i++) sum = (sum ^ (uint64_t)a.ns[i]) * UINT64_C(0x100000001b3);
    free(a.ns);
    return sum;
}

/* One number per kind of source: the same with every compiler and at every optimisation level. */
static void arrivals_are_as_they_always_were(void **state) {
    (void)state;
    static const uint64_t expected[] = {UINT64_C(0xc67854bf3a977349), UINT64_C(0xa8b99bb32c1e5a75),
                                        UINT64_C(0x44fb2a288a339a37), UINT64_C(0xc2d1ba3943f14e1c),
                                        UINT64_C(0x5e3a34564fc612ae), UINT64_C(0xc3622f599405cce7),
                                        UINT64_C(0x08f12c2ebba1e2b0), UINT64_C(0xc376a14e7803c7c9)};
    uint64_t found[8];
    for (int shape = TRACE_SHAPE_STEADY; shape <= TRACE_SHAPE_RARE; shape++) {
        trace_spec spec = synthetic((trace_shape)shape, 10, 1000);
        found[shape] = sum_of(&spec);
    }
    const uint32_t counts[] = {5, 200, 0, 7, 80};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, 5));
    for (int within = TRACE_UNIFORM; within <= TRACE_BURSTY; within++) {
        trace_spec spec = replay(file, (trace_within)within, 5 * MINUTE);
        spec.scale = 1.3;
        found[5 + within] = sum_of(&spec);
    }
    for (size_t i = 0; i < 8; i++)
        if (found[i] != expected[i]) fail_msg("source %zu: found 0x%016llx", i, (unsigned long long)found[i]);
    trace_close(file);
    sample_close(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_do_not_depend_on_how_calls_are_cut),
        cmocka_unit_test(counts_are_kept_minute_by_minute),
        cmocka_unit_test(positions_within_a_minute_are_uniform),
        cmocka_unit_test(halves_of_a_minute_are_binomial),
        cmocka_unit_test(even_minutes_have_equal_gaps),
        cmocka_unit_test(bursty_minutes_lie_in_three_seconds),
        cmocka_unit_test(counts_of_every_format_lie_as_asked),
        cmocka_unit_test(scaled_counts_have_the_scaled_mean),
        cmocka_unit_test(offsets_shift_without_redrawing),
        cmocka_unit_test(recorded_arrivals_are_replayed_and_scaled),
        cmocka_unit_test(steady_is_poisson),
        cmocka_unit_test(even_has_the_nth_arrival_after_n_gaps),
        cmocka_unit_test(diurnal_follows_its_rate),
        cmocka_unit_test(bursty_has_its_mean_and_bursts),
        cmocka_unit_test(rare_comes_in_sessions),
        cmocka_unit_test(seeds_and_functions_differ),
        cmocka_unit_test(rates_at_the_edges_end),
        cmocka_unit_test(huge_minutes_start_at_once),
        cmocka_unit_test(bad_specs_are_refused),
        cmocka_unit_test(arrivals_are_as_they_always_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
