#include "trace_generate.h"

#include "draw.h"
#include "trace_int.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    trace_kind kind;
    double rps;
    trace_member member; /* like azure2019 only */
} function_plan;

/* What all functions are drawn with, and what is found of them on the way. */
typedef struct {
    const trace_generate_spec *spec;
    double *elapsed_s; /* at each minute's begin, on the clock of a function whose rate follows the day */
    uint32_t *counts;  /* of the function being drawn */
    uint64_t *sums, *hours;
    double *gap_cv;
} drawing;

/* Ordinals of DRAW_GENERATE, per function. Names take four draws each. */
enum {
    ORDINAL_PHASE,
    ORDINAL_DURATION,
    ORDINAL_MEMORY,
    ORDINAL_OWNER = 4,
    ORDINAL_APP = 8,
    ORDINAL_NAME = 12
};

const char *trace_kind_name(trace_kind kind) {
    static const char *const names[] = {"steady", "diurnal", "bursty", "rare"};
    return names[kind];
}

static int check_spec(const trace_generate_spec *spec, double *mix_sum, char *err) {
    if (spec->functions < 1 || spec->functions > 1000000)
        return trace_fail(err, "--functions: found %u, expected 1 to 1000000", spec->functions);
    if (spec->minutes < 1 || spec->minutes > TRACE_MINUTES_MAX)
        return trace_fail(err, "--minutes: found %u, expected 1 to %d", spec->minutes, TRACE_MINUTES_MAX);
    if (!(spec->mean_rps > 0 && spec->mean_rps <= 1e6))
        return trace_fail(err, "--mean-rps: found %g, expected above 0 to 1e6", spec->mean_rps);
    *mix_sum = 0;
    if (spec->like == TRACE_LIKE_AZURE2019) return 0;
    for (int k = 0; k < TRACE_N_KINDS; k++) {
        if (!(spec->mix[k] >= 0 && spec->mix[k] <= 1e9))
            return trace_fail(err, "--mix: found %s %g, expected 0 to 1e9", trace_kind_name((trace_kind)k),
                              spec->mix[k]);
        *mix_sum += spec->mix[k];
    }
    return *mix_sum > 0 ? 0 : trace_fail(err, "--mix: found 0 for all kinds, expected at least one above");
}

/* Whole functions per kind: largest remainders. */
static void divide(const trace_generate_spec *spec, double mix_sum, uint32_t quota[TRACE_N_KINDS]) {
    double remainder[TRACE_N_KINDS];
    uint32_t left = spec->functions;
    for (int k = 0; k < TRACE_N_KINDS; k++) {
        double exact = spec->functions * (spec->mix[k] / mix_sum);
        quota[k] = (uint32_t)exact;
        if (quota[k] > left) quota[k] = left; /* rounding */
        remainder[k] = exact - quota[k];
        left -= quota[k];
    }
    for (; left; left--) {
        int best = 0;
        for (int k = 1; k < TRACE_N_KINDS; k++)
            if (remainder[k] > remainder[best]) best = k;
        quota[best]++;
        remainder[best] -= 1;
    }
}

/* The kind of which most is still to place, so that kinds alternate; rare ones last. */
static trace_kind next_kind(const uint32_t quota[TRACE_N_KINDS], const uint32_t placed[TRACE_N_KINDS]) {
    trace_kind best = TRACE_KIND_RARE;
    double most = 0;
    for (int k = 0; k < TRACE_KIND_RARE; k++) {
        double open = quota[k] ? (double)(quota[k] - placed[k]) / quota[k] : 0;
        if (open <= most) continue;
        best = (trace_kind)k;
        most = open;
    }
    return best;
}

static int plan_population(function_plan *plan, const trace_generate_spec *spec, char *err) {
    static const trace_kind kinds[] = {TRACE_KIND_STEADY, TRACE_KIND_DIURNAL, TRACE_KIND_BURSTY};
    trace_member *members = calloc(spec->functions, sizeof *members);
    int rc = members ? trace_population_draw(members, spec->functions, spec->mean_rps, spec->seed) : -1;
    for (uint32_t i = 0; i < spec->functions && !rc; i++) {
        bool is_rare = members[i].gaps == TRACE_GAPS_BURSTY && members[i].rps < 1.0 / 60;
        plan[i] =
            (function_plan){is_rare ? TRACE_KIND_RARE : kinds[members[i].gaps], members[i].rps, members[i]};
    }
    free(members);
    return rc ? trace_fail(err, "out of memory") : 0;
}

static int plan_functions(function_plan **out, const trace_generate_spec *spec, char *err) {
    double mix_sum = 0, weights = 0;
    uint32_t quota[TRACE_N_KINDS], placed[TRACE_N_KINDS] = {0};
    if (check_spec(spec, &mix_sum, err)) return -1;
    function_plan *plan = calloc(spec->functions, sizeof *plan);
    if (!plan) return trace_fail(err, "out of memory");
    *out = plan;
    if (spec->like == TRACE_LIKE_AZURE2019) return plan_population(plan, spec, err);
    divide(spec, mix_sum, quota);
    uint32_t n_busy = spec->functions - quota[TRACE_KIND_RARE];
    double fair = spec->mean_rps / spec->functions, rare = n_busy && fair > 0.005 ? 0.005 : fair;
    for (uint32_t i = 0; i < n_busy; i++) weights += 1.0 / (i + 1);
    for (uint32_t i = 0; i < spec->functions; i++) {
        plan[i].kind = next_kind(quota, placed);
        placed[plan[i].kind]++;
        double rest = spec->mean_rps - rare * quota[TRACE_KIND_RARE];
        plan[i].rps = plan[i].kind == TRACE_KIND_RARE ? rare : rest / (i + 1) / weights;
    }
    return 0;
}

static trace_spec source_spec(const function_plan *plan, const trace_generate_spec *spec, uint32_t fn) {
    static const trace_shape shapes[] = {TRACE_SHAPE_STEADY, TRACE_SHAPE_DIURNAL, TRACE_SHAPE_BURSTY,
                                         TRACE_SHAPE_RARE};
    double span_s = spec->minutes * 60.0, period_s = span_s < 86400 ? span_s : 86400;
    double u = draw_unit(draw_bits(draw_key(spec->seed, fn, DRAW_GENERATE), ORDINAL_PHASE));
    return (trace_spec){.shape = shapes[plan->kind],
                        .mean_rps = plan->rps,
                        .amplitude = 0.8,
                        .period_s = period_s,
                        .phase_s = u * period_s / 4, /* peaks within a quarter of each other, as days have */
                        .burst_factor = 10,
                        .burst_s = 60,
                        .burst_every_s = 600,
                        .duration_ns = spec->minutes * MINUTE_NS};
}

/* Like azure2019: on a clock that runs with the day, except for timers. The rarest are sessions, see trace.h. */
static trace_spec member_spec(const function_plan *plan, const drawing *d) {
    static const trace_shape shapes[] = {TRACE_SHAPE_EVEN, TRACE_SHAPE_STEADY, TRACE_SHAPE_BURSTY};
    const trace_member *m = &plan->member;
    bool is_regular = m->gaps == TRACE_GAPS_REGULAR;
    double end_s = m->gaps == TRACE_GAPS_PERIODIC ? d->spec->minutes * 60.0 : d->elapsed_s[d->spec->minutes];
    return (trace_spec){.shape = plan->kind == TRACE_KIND_RARE ? TRACE_SHAPE_RARE : shapes[m->gaps],
                        .mean_rps = is_regular ? plan->rps * m->stages : plan->rps,
                        .burst_factor = 10,
                        .burst_s = 60,
                        .burst_every_s = 600,
                        .duration_ns = (int64_t)(end_s * 1e9)};
}

/* The integral of 1 + amplitude sin: the least load at the beginning, which is midnight. */
static void fill_clock(drawing *d) {
    double turn = 2 * 3.14159265358979324 / TRACE_PERIOD_S;
    for (uint32_t m = 0; m <= d->spec->minutes; m++)
        d->elapsed_s[m] = m * 60.0 - TRACE_AMPLITUDE * sin(m * 60.0 * turn) / turn;
}

typedef struct {
    const double *elapsed_s; /* NULL: the clock is the wall's */
    uint32_t minute, keep_one_in, dropped;
    uint64_t n;
    double last_s, sum, squares; /* of gaps */
} counter;

static double count_one(counter *c, double s, uint32_t *counts, uint32_t n_minutes) {
    if (c->elapsed_s) {
        const double *e = c->elapsed_s;
        while (c->minute + 1 < n_minutes && s >= e[c->minute + 1]) c->minute++;
        s = 60 * (c->minute + (s - e[c->minute]) / (e[c->minute + 1] - e[c->minute]));
    }
    uint32_t minute = (uint32_t)(s / 60);
    counts[minute < n_minutes ? minute : n_minutes - 1]++;
    return s;
}

static void take_one(counter *c, double s, uint32_t *counts, uint32_t n_minutes) {
    if (++c->dropped < c->keep_one_in) return;
    c->dropped = 0;
    s = count_one(c, s, counts, n_minutes);
    if (c->n++) {
        c->sum += s - c->last_s;
        c->squares += (s - c->last_s) * (s - c->last_s);
    }
    c->last_s = s;
}

static double gap_cv_of(const counter *c) {
    if (c->n < 11) return NAN;
    double n = (double)(c->n - 1), mean = c->sum / n, variance = c->squares / n - mean * mean;
    return mean > 0 ? sqrt(variance > 0 ? variance : 0) / mean : NAN;
}

static int draw_counts(drawing *d, const function_plan *plan, uint32_t fn, char *err) {
    enum { BLOCK = 512 };
    const trace_generate_spec *spec = d->spec;
    bool is_member = spec->like == TRACE_LIKE_AZURE2019;
    trace_spec source_of = is_member ? member_spec(plan, d) : source_spec(plan, spec, fn);
    counter c = {.keep_one_in = 1};
    if (is_member && plan->member.gaps != TRACE_GAPS_PERIODIC) c.elapsed_s = d->elapsed_s;
    if (is_member && plan->member.gaps == TRACE_GAPS_REGULAR) c.keep_one_in = plan->member.stages;
    trace_source *source;
    int64_t ns[BLOCK];
    memset(d->counts, 0, spec->minutes * sizeof *d->counts);
    if (trace_source_open(&source, &source_of, spec->seed, fn, err)) return -1;
    for (size_t n; (n = trace_source_next(source, ns, BLOCK)) > 0;)
        for (size_t i = 0; i < n; i++)
            if (is_member)
                take_one(&c, (double)ns[i] * 1e-9, d->counts, spec->minutes);
            else
                d->counts[ns[i] / MINUTE_NS]++;
    trace_source_close(source);
    d->gap_cv[fn] = gap_cv_of(&c);
    for (uint32_t m = 0; m < spec->minutes; m++) d->hours[m / 60] += d->counts[m];
    return 0;
}

static uint64_t summarise(trace_kind_summary *kind, uint32_t fn, double rps, const uint32_t *counts,
                          uint32_t n_minutes) {
    uint64_t sum = 0;
    double squares = 0, busy = 0;
    for (uint32_t m = 0; m < n_minutes; m++) {
        sum += counts[m];
        squares += (double)counts[m] * counts[m];
        busy += counts[m] > 0;
    }
    double mean = (double)sum / n_minutes;
    if (sum) kind->dispersion += (squares / n_minutes - mean * mean) / mean; /* a sum; averaged at the end */
    kind->busy += busy / n_minutes;
    if (kind->functions < TRACE_SUMMARY_ROWS) kind->rows[kind->functions] = fn + 1;
    kind->functions++;
    kind->invocations += sum;
    kind->asked_rps += rps;
    return sum;
}

enum { INVOCATIONS, DURATIONS, MEMORY, N_FILES };

typedef struct {
    FILE *files[N_FILES];
    char *paths[N_FILES], *parts[N_FILES]; /* in the end; while written */
} file_set;

static void put_name(FILE *f, uint64_t key, uint64_t ordinal) {
    for (uint64_t i = 0; i < 4; i++) fprintf(f, "%016llx", (unsigned long long)draw_bits(key, ordinal + i));
}

/* Three applications to an owner; of a mix, each function is one. */
static void put_identity(FILE *f, uint64_t seed, uint32_t fn, uint32_t app) {
    put_name(f, draw_key(seed, app / 3, DRAW_GENERATE), ORDINAL_OWNER);
    putc(',', f);
    put_name(f, draw_key(seed, app, DRAW_GENERATE), ORDINAL_APP);
    putc(',', f);
    put_name(f, draw_key(seed, fn, DRAW_GENERATE), ORDINAL_NAME);
}

static void put_counts(FILE *f, const uint32_t *counts, uint32_t n) {
    for (uint32_t m = 0; m < n; m++) {
        if (counts[m])
            fprintf(f, ",%u", counts[m]);
        else
            fputs(",0", f);
    }
    putc('\n', f);
}

static void put_headers(const file_set *set, uint32_t n_minutes) {
    fputs("HashOwner,HashApp,HashFunction,Trigger", set->files[INVOCATIONS]);
    for (uint32_t m = 1; m <= n_minutes; m++) fprintf(set->files[INVOCATIONS], ",%u", m);
    putc('\n', set->files[INVOCATIONS]);
    fputs("HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,"
          "percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75,"
          "percentile_Average_99,percentile_Average_100\n",
          set->files[DURATIONS]);
    fputs(
        "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1,"
        "AverageAllocatedMb_pct5,AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,"
        "AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n",
        set->files[MEMORY]);
}

/* A mean, then percentiles at fixed multiples of it. */
static void put_percentiles(FILE *f, double mean, const double *factors, size_t n) {
    for (size_t i = 0; i < n; i++) fprintf(f, ",%.1f", mean * factors[i]);
    putc('\n', f);
}

/* Mean durations of 20 ms to 1 s, mostly short; memory of 500 to 4,000 MB. */
static void put_function(const file_set *set, const trace_generate_spec *spec, uint32_t fn,
                         const function_plan *plan, const uint32_t *counts, uint64_t sum) {
    static const char *const triggers[] = {"queue", "http", "event", "timer"};
    static const double spread_ms[] = {0.5, 2.5, 0.5, 0.6, 0.8, 0.95, 1.15, 2, 2.5};
    static const double spread_mb[] = {0.8, 0.85, 0.95, 1, 1.05, 1.15, 1.2, 1.25};
    uint64_t key = draw_key(spec->seed, fn, DRAW_GENERATE);
    double u = draw_unit(draw_bits(key, ORDINAL_DURATION)), v = draw_unit(draw_bits(key, ORDINAL_MEMORY));
    double mean_ms = 20 + 980 * u * u * u, mean_mb = 500 + 3500 * v;
    uint32_t app = fn;
    if (spec->like == TRACE_LIKE_AZURE2019) {
        mean_ms = plan->member.mean_ms;
        mean_mb = plan->member.mean_mb;
        app = plan->member.app;
    }
    for (int i = 0; i < N_FILES; i++) put_identity(set->files[i], spec->seed, fn, app);
    const char *trigger = triggers[plan->kind];
    if (spec->like == TRACE_LIKE_AZURE2019 && plan->kind == TRACE_KIND_STEADY) trigger = "timer";
    if (spec->like == TRACE_LIKE_AZURE2019 && plan->kind == TRACE_KIND_RARE) trigger = "http";
    fprintf(set->files[INVOCATIONS], ",%s", trigger);
    put_counts(set->files[INVOCATIONS], counts, spec->minutes);
    fprintf(set->files[DURATIONS], ",%.1f,%llu", mean_ms, (unsigned long long)sum);
    put_percentiles(set->files[DURATIONS], mean_ms, spread_ms, sizeof spread_ms / sizeof spread_ms[0]);
    fprintf(set->files[MEMORY], ",%u,%.1f", spec->minutes, mean_mb);
    put_percentiles(set->files[MEMORY], mean_mb, spread_mb, sizeof spread_mb / sizeof spread_mb[0]);
}

static int set_open(file_set *set, const char *directory, char *err) {
    static const char *const names[N_FILES][2] = {{"invocations.csv", ".invocations.csv.part"},
                                                  {"durations.csv", ".durations.csv.part"},
                                                  {"memory.csv", ".memory.csv.part"}};
    if (mkdir(directory, 0777) && errno != EEXIST)
        return trace_fail(err, "%s: found %s, expected a folder or room for one", directory, strerror(errno));
    for (int i = 0; i < N_FILES; i++) {
        set->paths[i] = trace_path_in(directory, names[i][0]);
        set->parts[i] = trace_path_in(directory, names[i][1]);
        if (!set->paths[i] || !set->parts[i]) return trace_fail(err, "out of memory");
        set->files[i] = fopen(set->parts[i], "wx");
        if (!set->files[i] && errno == EEXIST)
            return trace_fail(err, "%s: is there, another generate at work or one that was killed; remove it",
                              set->parts[i]);
        if (!set->files[i])
            return trace_fail(err, "%s: found %s, expected a folder that takes files", directory,
                              strerror(errno));
    }
    return 0;
}

/* Everything on disk before the first is renamed. */
static int set_commit(file_set *set, char *err) {
    for (int i = 0; i < N_FILES; i++)
        if (fflush(set->files[i]) || ferror(set->files[i]) || fsync(fileno(set->files[i])))
            return trace_fail(err, "%s: %s", set->parts[i], strerror(errno));
    for (int i = 0; i < N_FILES; i++)
        if (rename(set->parts[i], set->paths[i]))
            return trace_fail(err, "%s: %s", set->paths[i], strerror(errno));
    return 0;
}

static void set_close(file_set *set, int remove_parts) {
    for (int i = 0; i < N_FILES; i++) {
        if (set->files[i]) {
            fclose(set->files[i]);
            if (remove_parts) unlink(set->parts[i]);
        }
        free(set->paths[i]);
        free(set->parts[i]);
    }
}

static int write_functions(const file_set *set, drawing *d, const function_plan *plan, trace_summary *summary,
                           char *err) {
    const trace_generate_spec *spec = d->spec;
    put_headers(set, spec->minutes);
    for (uint32_t fn = 0; fn < spec->functions; fn++) {
        if (spec->is_stopped && spec->is_stopped()) return trace_fail(err, "stopped before all was written");
        if (draw_counts(d, &plan[fn], fn, err)) return -1;
        trace_kind_summary *kind = &summary->kinds[plan[fn].kind];
        d->sums[fn] = summarise(kind, fn, plan[fn].rps, d->counts, spec->minutes);
        summary->invocations += d->sums[fn];
        put_function(set, spec, fn, &plan[fn], d->counts, d->sums[fn]);
    }
    return 0;
}

static int measure(const drawing *d, const function_plan *plan, trace_summary *summary, char *err) {
    uint32_t n = d->spec->functions, days = d->spec->minutes / 1440;
    trace_member *members = malloc(n * sizeof *members);
    for (uint32_t i = 0; i < n && members; i++) members[i] = plan[i].member;
    int rc = !members || trace_population_measure(members, n, d->sums, d->gap_cv, d->spec->minutes * 60.0,
                                                  d->hours, 24 * days, &summary->marginals)
                 ? trace_fail(err, "out of memory")
                 : 0;
    free(members);
    return rc;
}

static int drawing_open(drawing *d, const trace_generate_spec *spec, char *err) {
    *d = (drawing){.spec = spec,
                   .elapsed_s = malloc((spec->minutes + 1) * sizeof *d->elapsed_s),
                   .counts = malloc(spec->minutes * sizeof *d->counts),
                   .sums = calloc(spec->functions, sizeof *d->sums),
                   .hours = calloc(spec->minutes / 60 + 1, sizeof *d->hours),
                   .gap_cv = malloc(spec->functions * sizeof *d->gap_cv)};
    if (!d->elapsed_s || !d->counts || !d->sums || !d->hours || !d->gap_cv)
        return trace_fail(err, "out of memory");
    fill_clock(d);
    return 0;
}

static void drawing_close(drawing *d) {
    free(d->elapsed_s);
    free(d->counts);
    free(d->sums);
    free(d->hours);
    free(d->gap_cv);
}

int trace_generate_check(const trace_generate_spec *spec, char err[TRACE_ERR_LEN]) {
    double mix_sum;
    return check_spec(spec, &mix_sum, err);
}

int trace_generate(const trace_generate_spec *spec, const char *directory, trace_summary *summary,
                   char err[TRACE_ERR_LEN]) {
    file_set set = {0};
    function_plan *plan = NULL;
    drawing d = {0};
    *summary = (trace_summary){0};
    int rc = plan_functions(&plan, spec, err);
    if (!rc) rc = drawing_open(&d, spec, err);
    if (!rc) rc = set_open(&set, directory, err);
    if (!rc) rc = write_functions(&set, &d, plan, summary, err);
    if (!rc && spec->like == TRACE_LIKE_AZURE2019) rc = measure(&d, plan, summary, err);
    if (!rc) rc = set_commit(&set, err);
    set_close(&set, rc);
    drawing_close(&d);
    free(plan);
    for (int k = 0; k < TRACE_N_KINDS; k++) {
        trace_kind_summary *kind = &summary->kinds[k];
        if (!kind->functions) continue;
        kind->dispersion /= kind->functions;
        kind->busy /= kind->functions;
    }
    return rc;
}
