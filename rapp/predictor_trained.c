/* predictor_trained.c - a rapp_model behind predictor.h: bound once, asked once for each share. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predictor_int.h"

typedef struct { /* one DNN */
    const calib_model *dnn;
    rapp_bound *bound;
    /* answers by batch, SM and, under the token runtime, quota; 0: not asked yet. The system gives their pages as they
     * are touched: a run asks about few */
    _Atomic double *ms;
} answers;

struct predictor_trained {
    answers *dnns;
    size_t n, n_quotas;
};

enum { N_SHARES = CALIB_BATCH_MAX * 100 };

/* A few dozen pointers at most: a search through them takes less than one through a tree. */
static const answers *answers_of(const struct predictor_trained *t, const calib_model *dnn) {
    for (size_t i = 0; i < t->n; i++)
        if (t->dnns[i].dnn == dnn) return &t->dnns[i];
    return NULL;
}

double predictor_trained_ms(const struct predictor_trained *t, const calib_model *dnn, uint32_t batch,
                            uint32_t sm_pct, uint32_t quota_pct) {
    const answers *a = answers_of(t, dnn);
    if (!a) return -1;
    size_t share = (batch - 1) * 100 + sm_pct - 1;
    _Atomic double *kept = &a->ms[share * t->n_quotas + (t->n_quotas > 1 ? quota_pct - 1 : 0)];
    double ms = atomic_load_explicit(kept, memory_order_relaxed);
    if (ms != 0) return ms;
    ms = rapp_estimate_of(a->bound, batch, sm_pct, quota_pct).ms;
    if (!(ms > 0)) ms = -1;
    atomic_store_explicit(kept, ms, memory_order_relaxed);
    return ms;
}

static const rapp_prior *prior_of(const rapp_data *priors, const char *dnn) {
    for (size_t i = 0; priors && i < rapp_data_n_models(priors); i++)
        if (strcmp(rapp_data_model_name(priors, i), dnn) == 0) return rapp_data_prior(priors, i);
    return NULL;
}

/* Binds all; the names of those that cannot be are listed in unknown. */
static int bind_all(struct predictor_trained *t, const rapp_model *model, const rapp_data *priors,
                    char *unknown, size_t len) {
    size_t used = 0;
    unknown[0] = '\0';
    for (size_t i = 0; i < t->n; i++) {
        char why[RAPP_ERR_LEN];
        answers *a = &t->dnns[i];
        const char *name = calib_facts_of(a->dnn)->name;
        a->ms = calloc(N_SHARES * t->n_quotas, sizeof *a->ms);
        if (!a->ms) return -1;
        if (rapp_bind(&a->bound, model, name, prior_of(priors, name), why) == 0) continue;
        a->bound = NULL;
        int n = snprintf(unknown + used, len - used, "%s\"%.60s\"", used ? ", " : "", name);
        if (n > 0) used = used + (size_t)n < len ? used + (size_t)n : len - 1;
    }
    return 0;
}

int predictor_open_trained(predictor *out, const rapp_model *model, const rapp_data *priors,
                           predict_runtime runtime, const calib_model *const *dnns, size_t n,
                           char err[RAPP_ERR_LEN]) {
    char unknown[300];
    struct predictor_trained *t = calloc(1, sizeof *t);
    *out = (predictor){.name = rapp_kind_of(model), .runtime = runtime, .trained = t};
    if (t) t->dnns = calloc(n + 1, sizeof *t->dnns);
    if (!t || !t->dnns) goto no_memory;
    t->n = n;
    t->n_quotas = runtime == PREDICT_TOKEN ? 100 : 1;
    for (size_t i = 0; i < n; i++) t->dnns[i].dnn = dnns[i];
    if (bind_all(t, model, priors, unknown, sizeof unknown)) goto no_memory;
    if (!unknown[0]) return 0;
    snprintf(err, RAPP_ERR_LEN, "found %s, expected models that it was trained on%s", unknown,
             priors ? ", or whose priors are in the folder" : ", or a folder of priors");
    predictor_close(out);
    return -1;
no_memory:
    snprintf(err, RAPP_ERR_LEN, "found no memory, expected enough of it");
    predictor_close(out);
    return -1;
}

void predictor_close(predictor *p) {
    struct predictor_trained *t = p->trained;
    for (size_t i = 0; t && i < t->n; i++) {
        rapp_unbind(t->dnns[i].bound);
        free((void *)t->dnns[i].ms);
    }
    if (t) free(t->dnns);
    free(t);
    *p = (predictor){0};
}
