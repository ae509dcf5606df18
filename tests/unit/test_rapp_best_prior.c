/* test_rapp_best_prior.c - what the kind `best` makes of a prior, on DNNs whose truth is known.
 *
 * Half of these DNNs have grouped convolutions, which batches 1 and 2 (only 1, if groups are wide) launch faster: by the
 * law of rapp_best_grouped.c, with a share of our own. Each (batch, SM) is a session of its own speed, as in RaPP's data.
 * The linker puts a wrapper before rapp_trees_train: it keeps what trees are taught, and may exchange what they learned.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rapp_best_int.h"

enum { DNNS = 24, TAUGHT = 20, OPERATORS = 10, FORESTS_MOST = 64 };

static const double share = 0.03;                  /* of launching that a group per operator takes */
static const double session = 0.05, jitter = 0.01; /* uniform, of ln(ms) */

/* ---- the DNNs ---- */

typedef struct {
    rapp_operator operators[OPERATORS];
    rapp_prior prior;
    double launch_ms; /* at batch 4 and quota 100 % */
    double gpu_ms;    /* at batch 1 and SM 5 % */
    best_sample samples[BEST_LATTICE];
    size_t n;
} dnn;

static double draw(uint64_t *state) { /* in [-1, 1) */
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-52 - 1;
}

static int is_grouped(size_t i) {
    return i % 2 == 1;
}

static int is_wide(size_t i) {
    return i % 4 == 3;
}

/* Five that take long to compute show G at all widths. */
static int is_heavy(size_t i) {
    return i % 4 == 0 && i < TAUGHT;
}

/* Groups per operator. The last DNNs, which nobody learns from, have more than all others. */
static double groups_of(size_t i) {
    return is_grouped(i) ? (i < TAUGHT ? 4 + 1.6 * (double)(i / 4) : 24) : 0;
}

/* f(4) / f(batch) */
static double true_ratio(size_t i, int batch) {
    return batch == 0 || (batch == 1 && !is_wide(i)) ? 1 + share * groups_of(i) : 1;
}

static double true_launch(const dnn *d, size_t i, int batch, int q) {
    return log(d->launch_ms * 10 / (q + 1) / true_ratio(i, batch));
}

static double true_gpu(const dnn *d, int batch, int sm) {
    return log(d->gpu_ms * (1 << batch) / (sm + 1));
}

static double true_ln_ms(const dnn *d, size_t i, int place) {
    int w = place / BEST_QUOTAS, batch = w / BEST_SMS;
    return fmax(true_gpu(d, batch, w % BEST_SMS), true_launch(d, i, batch, place % BEST_QUOTAS));
}

/* Small SM shares, where G rules; large ones, where launching does; of batch 4 all that may serve as a prior's session. */
static int is_sampled(int batch, int sm) {
    if (batch > 3) return 0;
    return sm < 2 || sm == 3 || (batch == 2 ? sm >= 11 : sm == 15 || sm == 19);
}

static void make_samples(dnn *d, size_t i, uint64_t *seed) {
    for (int w = 0; w < BEST_WIDTHS; w++) {
        double slow = session * draw(seed);
        for (int q = 0; q < BEST_QUOTAS && is_sampled(w / BEST_SMS, w % BEST_SMS); q++) {
            int place = w * BEST_QUOTAS + q;
            double launch = true_launch(d, i, w / BEST_SMS, q) + slow;
            double gpu = true_gpu(d, w / BEST_SMS, w % BEST_SMS);
            d->samples[d->n++] = (best_sample){place, fmax(launch, gpu) + jitter * draw(seed)};
        }
    }
}

static void make_operators(dnn *d, size_t i) {
    static const int sm[RAPP_PRIOR_SMS] = {0, 1, 5, 11, 15, 19};
    double groups = is_grouped(i) ? groups_of(i) * OPERATORS / 2 : 1, width = is_wide(i) ? 64 : 8;
    for (int o = 0; o < OPERATORS; o++) {
        rapp_operator *p = &d->operators[o];
        *p = (rapp_operator){.type = "batch_norm", .shape = {64}};
        if (o < 2)
            *p = (rapp_operator){.type = "conv2d",
                                 .attributes = {3, 3, groups * width, 1, 1, 1, 1, 1, 1, 1, 1, groups},
                                 .shape = {groups * width, width, 3, 3}};
        for (int s = 0; s < RAPP_PRIOR_SMS; s++)
            p->ms[s] = fmax(exp(true_gpu(d, 0, sm[s])), 0.4 * d->launch_ms) / OPERATORS;
    }
}

static dnn *make_dnns(void) {
    uint64_t seed = 1;
    dnn *all = calloc(DNNS, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < DNNS; i++) {
        dnn *d = &all[i];
        double gmac = exp(1.2 * draw(&seed)), slow = session * draw(&seed);
        d->gpu_ms = 12 * gmac;
        d->launch_ms = d->gpu_ms * (is_heavy(i) ? 0.02 : 1.25 + 0.25 * draw(&seed));
        make_samples(d, i, &seed);
        make_operators(d, i);
        d->prior = (rapp_prior){1, gmac, 2, 0, 0, {0}, d->operators, OPERATORS};
        for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++)
            d->prior.quota_ms[q] =
                exp(fmax(true_launch(d, i, 2, 2 * q + 1) + slow, true_gpu(d, 2, BEST_SMS - 1)) +
                    jitter * draw(&seed));
    }
    return all;
}

/* ---- what trees are taught ---- */

typedef struct { /* of a forest that is learned from all DNNs (others are learned to tell the error) */
    double *x, *y;
    uint32_t *dnn;
    rapp_trees trees;
} lesson;

typedef struct {
    size_t rows, n; /* of a lesson; lessons */
    int features;
    lesson lessons[FORESTS_MOST];
    int no_trees;        /* nothing is learned from what is taught: quick */
    const lesson *alone; /* NULL, or the only forest that counts */
} watch;

static watch *watched; /* a linker's wrapper has no argument for it */

int __real_rapp_trees_train(rapp_trees *out, const double *x, const double *y, const uint32_t *group,
                            size_t rows, int features, const rapp_trees_options *options);
int __wrap_rapp_trees_train(rapp_trees *out, const double *x, const double *y, const uint32_t *group,
                            size_t rows, int features, const rapp_trees_options *options);

static void *copy(const void *from, size_t size) {
    void *to = malloc(size);
    assert_non_null(to);
    return memcpy(to, from, size);
}

int __wrap_rapp_trees_train(rapp_trees *out, const double *x, const double *y, const uint32_t *group,
                            size_t rows, int features, const rapp_trees_options *options) {
    watch *c = watched;
    *out = (rapp_trees){.n_features = features};
    if (c->alone) return rows == c->rows ? rapp_trees_add(out, &c->alone->trees, 1) : 0;
    if (rows != c->rows) return 0;
    assert_true(c->n < FORESTS_MOST);
    lesson *l = &c->lessons[c->n++];
    c->features = features;
    l->x = copy(x, rows * (size_t)features * sizeof *x);
    l->y = copy(y, rows * sizeof *y);
    l->dnn = copy(group, rows * sizeof *group);
    if (c->no_trees) return 0;
    int rc = __real_rapp_trees_train(out, x, y, group, rows, features, options);
    return rc ? rc : rapp_trees_add(&l->trees, out, 1);
}

static void watch_free(watch *c) {
    for (size_t k = 0; k < c->n; k++) {
        free(c->lessons[k].x), free(c->lessons[k].y), free(c->lessons[k].dnn);
        rapp_trees_free(&c->lessons[k].trees);
    }
}

static best_prior *learn(watch *c, dnn *all) {
    const rapp_prior *priors[TAUGHT];
    best_sample *samples[TAUGHT];
    size_t n[TAUGHT];
    best_prior *p = NULL;
    c->rows = 0;
    for (size_t i = 0; i < TAUGHT; i++)
        priors[i] = &all[i].prior, samples[i] = all[i].samples, n[i] = all[i].n, c->rows += n[i];
    watched = c;
    assert_int_equal(best_prior_learn(&p, priors, samples, n, TAUGHT), 0);
    watched = NULL;
    return p;
}

/* ---- tests ---- */

static double ln_ratio(const best_surface *s, int batch, int q) { /* of f(4) to f(batch), SM 80 % */
    return s->ln_ms[best_width_of(2, 15) * BEST_QUOTAS + q] -
           s->ln_ms[best_width_of(batch, 15) * BEST_QUOTAS + q];
}

/* DNNs left out, with more groups per operator than any other: the law holds of them, too, and trees could not know. */
static void assert_ratios(const best_prior *p, const dnn *all) {
    const double near = 0.05;
    static best_surface s;
    for (size_t i = TAUGHT; i < DNNS; i++) {
        assert_int_equal(best_prior_surface(p, &all[i].prior, &s), 0);
        for (int batch = 0; batch < 2; batch++)
            for (int q = 0; q < 4; q++) {
                double found = exp(ln_ratio(&s, batch, q)), truth = true_ratio(i, batch);
                if (!(fabs(found / truth - 1) < near))
                    fail_msg("DNN %zu, batch %d, quota %d %%: f(4) / f is %.3f, in truth %.3f", i, 1 << batch,
                             10 * (q + 1), found, truth);
            }
    }
}

static void small_batches_spare_launches(void **state) {
    (void)state;
    dnn *all = make_dnns();
    watch physics = {.no_trees = 1}, whole = {0};
    best_prior *by_physics = learn(&physics, all), *by_all = learn(&whole, all);
    assert_ratios(by_physics, all);
    assert_ratios(by_all, all);
    best_prior_free(by_physics), best_prior_free(by_all);
    watch_free(&physics), watch_free(&whole);
    free(all);
}

/* Kernels that take 1.3 times as long, at batches 1, 2 and 8 (of batch 4 are the sessions that stand for a prior). */
static void slow_down(dnn *d, size_t i) {
    for (size_t k = 0; k < d->n; k++) {
        int place = d->samples[k].place, w = place / BEST_QUOTAS, batch = w / BEST_SMS;
        double above =
            true_gpu(d, batch, w % BEST_SMS) - true_launch(d, i, batch, place % BEST_QUOTAS) - session;
        if (batch != 2 && above > 0.1) d->samples[k].ln_ms += log(1.3);
    }
}

/* Rows of a DNN whose features changed; changed targets[0], unchanged [1]. */
static size_t count_changed(const watch *a, const watch *b, uint32_t of, size_t targets[2]) {
    size_t changed = 0, size = (size_t)a->features * sizeof(double);
    targets[0] = targets[1] = 0;
    assert_true(a->rows == b->rows && a->n == b->n && a->n > 0);
    for (size_t k = 0; k < a->n; k++)
        for (size_t r = 0; r < a->rows; r++) {
            const lesson *la = &a->lessons[k], *lb = &b->lessons[k];
            assert_int_equal(la->dnn[r], lb->dnn[r]);
            if (la->dnn[r] != of) continue;
            const double *xa = &la->x[r * (size_t)a->features], *xb = &lb->x[r * (size_t)a->features];
            changed += memcmp(xa, xb, size) != 0;
            targets[fabs(la->y[r] - lb->y[r]) < 1e-12]++;
        }
    return changed;
}

/* What trees see of a DNN was taught by others: were its kernels slower, its targets would be others, not what physics
 * says of it. Those of most others would be: they learn from it. */
static void physics_is_taught_by_others(void **state) {
    (void)state;
    static const uint32_t slow[] = {2, 11, 19};
    dnn *all = make_dnns();
    watch before = {.no_trees = 1};
    best_prior_free(learn(&before, all));
    for (size_t k = 0; k < sizeof slow / sizeof *slow; k++) {
        watch after = {.no_trees = 1};
        dnn kept = all[slow[k]];
        size_t targets[2], taught = 0;
        slow_down(&all[slow[k]], slow[k]);
        best_prior_free(learn(&after, all));
        assert_int_equal(count_changed(&before, &after, slow[k], targets), 0);
        assert_true(targets[0] > 0 && targets[1] > 0);
        for (uint32_t i = 0; i < TAUGHT; i++) taught += count_changed(&before, &after, i, targets) > 0;
        assert_true(taught > TAUGHT / 2);
        all[slow[k]] = kept;
        watch_free(&after);
    }
    watch_free(&before);
    free(all);
}

/* Share of rows that two forests see alike. */
static double alike(const watch *c, size_t a, size_t b) {
    double same = 0;
    size_t size = (size_t)c->features;
    for (size_t r = 0; r < c->rows; r++)
        same += memcmp(&c->lessons[a].x[r * size], &c->lessons[b].x[r * size], size * sizeof(double)) == 0;
    return same / (double)c->rows;
}

/* Mean |ln error| at DNNs left out, where launching rules. */
static double error_of(const best_prior *p, const dnn *all) {
    static best_surface s;
    double sum = 0, n = 0;
    for (size_t i = TAUGHT; i < DNNS; i++) {
        assert_int_equal(best_prior_surface(p, &all[i].prior, &s), 0);
        for (int w = 0; w < best_width_of(4, 0); w++)
            for (int q = 0; q < BEST_QUOTAS && w % BEST_SMS >= 9; q++, n++)
                sum += fabs(s.ln_ms[w * BEST_QUOTAS + q] - true_ln_ms(&all[i], i, w * BEST_QUOTAS + q));
    }
    return sum / n;
}

/* A row sees one of nine sessions: two forests agree by chance on a ninth of the rows. What they learn differs, so their
 * mean is less wrong than they are on average (the error is convex). */
static void forests_see_other_sessions(void **state) {
    (void)state;
    dnn *all = make_dnns();
    watch c = {0};
    best_prior *p = learn(&c, all);
    double together = error_of(p, all), alone = 0;
    assert_true(c.n > 1);
    for (size_t a = 0; a < c.n; a++) {
        for (size_t b = 0; b < a; b++) assert_true(fabs(alike(&c, a, b) - 1.0 / 9) < 0.03);
        c.alone = &c.lessons[a];
        best_prior *one = learn(&c, all);
        alone += error_of(one, all) / (double)c.n;
        best_prior_free(one);
    }
    print_message("mean error: of a forest %.3f %%, of their mean %.3f %%\n", 100 * alone, 100 * together);
    assert_true(together < 0.995 * alone);
    best_prior_free(p);
    watch_free(&c);
    free(all);
}

/* Narrower than 32 channels: spared at batch 2, too. RaPP's RegNets have 8 to 24, and 48 and more. */
static void narrow_groups_are_spared_longer(void **state) {
    (void)state;
    for (int width = 2; width <= 64; width++) {
        rapp_operator conv = {
            .type = "conv2d", .attributes = {[11] = 6}, .shape = {6.0 * width, width, 3, 3}};
        rapp_prior p = {.operators = &conv, .n_operators = 1};
        assert_true(fabs(best_grouped_spared(&p, 0) - 6) < 1e-12);
        assert_true(fabs(best_grouped_spared(&p, 1) - (width < 32 ? 6 : 0)) < 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_groups_are_spared_longer),
        cmocka_unit_test(small_batches_spare_launches),
        cmocka_unit_test(physics_is_taught_by_others),
        cmocka_unit_test(forests_see_other_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
