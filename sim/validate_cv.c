/* validate_cv.c - a fit for each run left out. */
#include "validate_cv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thread_pool_int.h"

typedef struct {
    const validate_run *run;
    validate_params *params;
    int rc;
    char err[VALIDATE_ERR_LEN];
} fold;

struct validate_cv {
    fold *folds;
    size_t n;
};

typedef struct {
    validate_cv *cv;
    const validate_data *data;
    const validate_params *start;
    const calib *device;
    validate_fit_options options; /* of one fold */
    const validate_fit_options *asked;
    pthread_mutex_t lock; /* of progress: */
    size_t n_done;
} job;

static int is_of_use(const job *j, const validate_run *left_out, const validate_run *r) {
    return r != left_out && validate_fit_concerns(j->start, left_out, r);
}

static size_t choose(const job *j, const validate_run *left_out, unsigned char *use) {
    size_t n = 0;
    for (size_t i = 0; i < validate_n_runs(j->data); i++) {
        use[i] = (unsigned char)is_of_use(j, left_out, validate_run_at(j->data, i));
        n += use[i];
    }
    return n;
}

static void tell(job *j, const fold *f) {
    char line[256];
    if (!j->asked->progress) return;
    pthread_mutex_lock(&j->lock);
    snprintf(line, sizeof line, "%zu of %zu: %s without %.100s", ++j->n_done, j->cv->n,
             f->params ? "fitted" : "nothing to fit", f->run->name);
    j->asked->progress(j->asked->progress_arg, line);
    pthread_mutex_unlock(&j->lock);
}

static void fit_one(void *arg, size_t i) {
    job *j = arg;
    fold *f = &j->cv->folds[i];
    unsigned char *use = calloc(validate_n_runs(j->data), 1);
    validate_params *p = use ? validate_params_copy(j->start) : NULL;
    if (!p) {
        snprintf(f->err, sizeof f->err, "out of memory");
        f->rc = -1;
    } else if (choose(j, f->run, use)) {
        f->rc = validate_fit(p, j->data, use, j->device, &j->options, f->err);
        f->params = p;
        p = NULL;
    }
    validate_params_close(p);
    free(use);
    tell(j, f);
}

static int open_folds(validate_cv *cv, const validate_data *data, const char *const *only, size_t n_only) {
    size_t n = validate_n_runs(data);
    cv->folds = calloc(n + 1, sizeof *cv->folds);
    if (!cv->folds) return -1;
    for (size_t i = 0; i < n; i++) {
        const validate_run *run = validate_run_at(data, i);
        if (validate_is_among(run, only, n_only) && !validate_has_tag(run, "runaway"))
            cv->folds[cv->n++].run = run;
    }
    return 0;
}

static int fit_all(job *j, unsigned threads, char err[VALIDATE_ERR_LEN]) {
    thread_pool *pool = thread_pool_open(threads);
    snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    if (!pool) return -1;
    thread_pool_run(pool, j->cv->n, fit_one, j);
    thread_pool_close(pool);
    for (size_t i = 0; i < j->cv->n; i++) {
        const fold *f = &j->cv->folds[i];
        if (!f->rc) continue;
        snprintf(err, VALIDATE_ERR_LEN, "without %.100s: %.380s", f->run->name, f->err);
        return -1;
    }
    return 0;
}

int validate_cv_make(validate_cv **out, const validate_data *data, const validate_params *start,
                     const calib *device, const char *const *only, size_t n_only,
                     const validate_fit_options *options, char err[VALIDATE_ERR_LEN]) {
    *out = NULL;
    validate_cv *cv = calloc(1, sizeof *cv);
    job j = {.cv = cv,
             .data = data,
             .start = start,
             .device = device,
             .options = *options,
             .asked = options,
             .lock = PTHREAD_MUTEX_INITIALIZER};
    j.options.threads = 1; /* the folds are what is shared out */
    j.options.progress = NULL;
    snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    if (!cv || open_folds(cv, data, only, n_only) || fit_all(&j, options->threads, err)) {
        validate_cv_free(cv);
        return -1;
    }
    *out = cv;
    return 0;
}

void validate_cv_free(validate_cv *cv) {
    if (!cv) return;
    for (size_t i = 0; cv->folds && i < cv->n; i++) validate_params_close(cv->folds[i].params);
    free(cv->folds);
    free(cv);
}

const validate_params *validate_cv_params(const validate_cv *cv, const validate_run *run) {
    for (size_t i = 0; i < cv->n; i++)
        if (cv->folds[i].run == run) return cv->folds[i].params;
    return NULL;
}
