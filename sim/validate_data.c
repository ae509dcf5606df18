/* validate_data.c - reads a folder of recorded runs. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "calib_rows.h"
#include "validate.h"

_Static_assert(VALIDATE_ERR_LEN >= CALIB_ERR_LEN, "a reader's message fits");

enum {
    NAME_LEN = 128,
    TAGS_LEN = 512,
    PATH_LEN = 4096,
    RUNS_MAX = 10000,
    STAGES_MAX = 100000,
    ROWS_MAX = 10000000,
    RATE_MAX = 100000
};

typedef struct {
    char name[NAME_LEN];
    uint32_t *rate_rps;
    size_t n, capacity;
    uint64_t requests; /* of all stages */
} workload;

typedef struct { /* what a validate_run points into */
    char name[NAME_LEN], system[NAME_LEN], model[NAME_LEN], served_model[NAME_LEN], workload[NAME_LEN];
    char tags[TAGS_LEN];
    const char **tag;
    uint32_t *rate_rps;
    validate_run run;
} recorded;

struct validate_data {
    recorded **runs; /* each by itself: what is pointed into does not move */
    size_t n, capacity;
};

typedef struct {
    workload *items;
    size_t n, capacity;
} workload_list;

typedef struct { /* the runs asked for; none: all */
    const char *const *items;
    size_t n;
} names;

/* Room for one more of `size` bytes; NULL: too many, or no memory. Capacities double. */
static void *grow(void *items, size_t n, size_t *capacity, size_t size, size_t most) {
    if (n < *capacity) return items;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *grown = n < most ? realloc(items, wanted * size) : NULL;
    if (grown) *capacity = wanted;
    return grown;
}

static int fail_room(const calib_rows *r) {
    return calib_rows_fail(r, "row", r->cells[0], "fewer rows, or more memory");
}

static int join(char path[PATH_LEN], const char *dir, const char *run, const char *file, char *err) {
    int n = snprintf(path, PATH_LEN, "%s/%s%s%s", dir, run, *run ? "/" : "", file);
    if (n > 0 && n < PATH_LEN) return 0;
    snprintf(err, VALIDATE_ERR_LEN, "%s: found a path of %d bytes, expected fewer than %d", file, n,
             (int)PATH_LEN);
    return -1;
}

/* ---- workloads.csv ---- */

typedef enum { W_WORKLOAD, W_STAGE, W_RATE, N_W } workload_column;
static const char *const workload_columns[N_W] = {"workload", "stage", "rate_rps"};

static workload *find_workload(const workload_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].name, name) == 0) return &list->items[i];
    return NULL;
}

static workload *add_workload(workload_list *list, const char *name) {
    workload *grown = grow(list->items, list->n, &list->capacity, sizeof *grown, RUNS_MAX);
    if (!grown) return NULL;
    list->items = grown;
    workload *w = &grown[list->n++];
    *w = (workload){.n = 0};
    snprintf(w->name, sizeof w->name, "%s", name);
    return w;
}

static int read_stage(const calib_rows *r, workload_list *list) {
    const char *name;
    char expected[64];
    uint32_t stage, rate;
    if (calib_rows_name(r, W_WORKLOAD, NAME_LEN, &name) ||
        calib_rows_uint(r, W_STAGE, 0, STAGES_MAX, &stage) || calib_rows_uint(r, W_RATE, 1, RATE_MAX, &rate))
        return -1;
    workload *w = find_workload(list, name);
    if (!w && !(w = add_workload(list, name))) return fail_room(r);
    if (stage != w->n) {
        snprintf(expected, sizeof expected, "%zu: a workload's stages in order", w->n);
        return calib_rows_fail(r, "stage", calib_rows_text(r, W_STAGE), expected);
    }
    w->requests += (uint64_t)VALIDATE_STAGE_S * rate;
    if (w->requests > ROWS_MAX)
        return calib_rows_fail(r, "rate_rps", calib_rows_text(r, W_RATE), "at most 10000000 requests in all");
    uint32_t *grown = grow(w->rate_rps, w->n, &w->capacity, sizeof *grown, STAGES_MAX);
    if (!grown) return fail_room(r);
    w->rate_rps = grown;
    w->rate_rps[w->n++] = rate;
    return 0;
}

static int read_workloads(workload_list *list, const char *dir, char *err) {
    char path[PATH_LEN];
    calib_rows r;
    if (join(path, dir, "", "workloads.csv", err)) return -1;
    int rc = calib_rows_open(&r, path, workload_columns, N_W, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_stage(&r, list);
    calib_rows_close(&r);
    return rc < 0 ? -1 : 0;
}

static void free_workloads(workload_list *list) {
    for (size_t i = 0; i < list->n; i++) free(list->items[i].rate_rps);
    free(list->items);
}

/* ---- RUN/requests.csv ---- */

typedef enum { Q_START, Q_LATENCY, Q_STATUS, N_Q } request_column;
static const char *const request_columns[N_Q] = {"start_s", "latency_ms", "status"};

static int read_request(const calib_rows *r, validate_trace *t, size_t *capacity) {
    validate_request q = {0};
    uint32_t status;
    if (calib_rows_number(r, Q_START, 0, 1e7, &q.start_s) ||
        calib_rows_number(r, Q_LATENCY, 0, 1e9, &q.latency_ms) ||
        calib_rows_uint(r, Q_STATUS, 0, 999, &status))
        return -1;
    q.status = (int)status;
    validate_request *grown = grow(t->requests, t->n_requests, capacity, sizeof *grown, ROWS_MAX);
    if (!grown) return fail_room(r);
    t->requests = grown;
    t->requests[t->n_requests++] = q;
    return 0;
}

/* Of one start, the order of the file's rows does not matter: what is left equal is equal. */
static int by_start(const void *a, const void *b) {
    const validate_request *x = a, *y = b;
    if (x->start_s != y->start_s) return x->start_s < y->start_s ? -1 : 1;
    if (x->latency_ms != y->latency_ms) return x->latency_ms < y->latency_ms ? -1 : 1;
    return (x->status > y->status) - (x->status < y->status);
}

static int read_requests(validate_trace *t, const char *path, char *err) {
    calib_rows r;
    size_t capacity = 0;
    int rc = calib_rows_open(&r, path, request_columns, N_Q, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_request(&r, t, &capacity);
    if (rc > 0 && !t->n_requests) rc = calib_rows_fail(&r, "file", "no rows", "requests");
    calib_rows_close(&r);
    if (rc < 0) return -1;
    qsort(t->requests, t->n_requests, sizeof *t->requests, by_start);
    return 0;
}

/* ---- RUN/usage.csv ---- */

typedef enum { U_T, U_GPU, U_SM, U_QUOTA, U_PODS, N_U } usage_column;
static const char *const usage_columns[N_U] = {"t_s", "gpu", "sm_pct", "quota_pct", "pods"};

typedef struct {
    double t_s;
    uint32_t sm_pct, quota_pct, pods; /* sums over the pods of a GPU */
    char gpu[NAME_LEN];
} usage;

typedef struct {
    usage *items;
    size_t n, capacity;
} usage_list;

/* No pod has more than all of a GPU: a simulation would refuse it and go on without. */
static int check_most(const calib_rows *r, usage_column column, uint32_t sum, uint32_t pods) {
    if (!pods || sum <= 100 * pods) return 0;
    return calib_rows_fail(r, usage_columns[column], calib_rows_text(r, (int)column),
                           "at most 100 for each pod");
}

static int read_usage_row(const calib_rows *r, usage_list *list) {
    usage u;
    const char *gpu;
    if (calib_rows_number(r, U_T, -1e7, 1e7, &u.t_s) || calib_rows_name(r, U_GPU, NAME_LEN, &gpu) ||
        calib_rows_uint(r, U_SM, 0, 1000000, &u.sm_pct) ||
        calib_rows_uint(r, U_QUOTA, 0, 1000000, &u.quota_pct) ||
        calib_rows_uint(r, U_PODS, 0, 10000, &u.pods) || check_most(r, U_SM, u.sm_pct, u.pods) ||
        check_most(r, U_QUOTA, u.quota_pct, u.pods))
        return -1;
    snprintf(u.gpu, sizeof u.gpu, "%s", gpu);
    usage *grown = grow(list->items, list->n, &list->capacity, sizeof *grown, ROWS_MAX);
    if (!grown) return fail_room(r);
    list->items = grown;
    list->items[list->n++] = u;
    return 0;
}

static int by_time_and_gpu(const void *a, const void *b) {
    const usage *x = a, *y = b;
    if (x->t_s != y->t_s) return x->t_s < y->t_s ? -1 : 1;
    return strcmp(x->gpu, y->gpu);
}

static uint32_t per_pod(uint64_t sum, uint64_t pods) {
    return pods ? (uint32_t)((2 * sum + pods) / (2 * pods)) : 0;
}

/* The rows of one time, from `from` on, added up; the end of them. */
static size_t add_up(const usage_list *list, size_t from, validate_share *s) {
    uint64_t sm = 0, quota = 0, pods = 0;
    size_t i = from;
    *s = (validate_share){.t_s = list->items[from].t_s};
    for (; i < list->n && list->items[i].t_s == s->t_s; i++) {
        const usage *u = &list->items[i];
        int again = i > from && strcmp(u->gpu, u[-1].gpu) == 0;
        s->gpus += u->pods && !again;
        sm += u->pods ? u->sm_pct : 0;
        quota += u->pods ? u->quota_pct : 0;
        pods += u->pods;
    }
    s->pods = (uint32_t)pods;
    s->sm_pct = per_pod(sm, pods);
    s->quota_pct = per_pod(quota, pods);
    return i;
}

static int is_change(const validate_trace *t, const validate_share *s) {
    if (!t->n_shares) return 1;
    const validate_share *last = &t->shares[t->n_shares - 1];
    return last->gpus != s->gpus || last->pods != s->pods || last->sm_pct != s->sm_pct ||
           last->quota_pct != s->quota_pct;
}

static int keep_changes(usage_list *list, validate_trace *t) {
    if (!list->n) return 0;
    qsort(list->items, list->n, sizeof *list->items, by_time_and_gpu);
    t->shares = malloc(list->n * sizeof *t->shares);
    if (!t->shares) return -1;
    for (size_t i = 0; i < list->n;) {
        validate_share s;
        i = add_up(list, i, &s);
        if (is_change(t, &s)) t->shares[t->n_shares++] = s;
    }
    return 0;
}

/* Absent, or without rows: the allocation was not recorded. An empty file was cut off: not even its header is there. */
static int read_usage(validate_trace *t, const char *path, char *err) {
    struct stat st;
    calib_rows r;
    usage_list list = {0};
    if (stat(path, &st)) return 0;
    int rc = calib_rows_open(&r, path, usage_columns, N_U, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_usage_row(&r, &list);
    if (rc > 0 && keep_changes(&list, t)) rc = calib_rows_fail(&r, "file", "many rows", "more memory");
    calib_rows_close(&r);
    free(list.items);
    return rc < 0 ? -1 : 0;
}

/* ---- runs.csv ---- */

typedef enum { R_RUN, R_SYSTEM, R_MODEL, R_SERVED, R_WORKLOAD, R_REQUESTS, R_USAGE, R_TAGS, N_R } run_column;
static const char *const run_columns[N_R] = {"run",      "system",   "model", "served_model",
                                             "workload", "requests", "usage", "tags"};

static int read_name(const calib_rows *r, int column, char to[NAME_LEN]) {
    const char *name;
    if (calib_rows_name(r, column, NAME_LEN, &name)) return -1;
    snprintf(to, NAME_LEN, "%s", name);
    return 0;
}

/* The run's name is a folder's: it must not lead elsewhere. */
static int read_names(const calib_rows *r, recorded *x) {
    if (read_name(r, R_RUN, x->name) || read_name(r, R_SYSTEM, x->system) ||
        read_name(r, R_MODEL, x->model) || read_name(r, R_SERVED, x->served_model) ||
        read_name(r, R_WORKLOAD, x->workload))
        return -1;
    if (x->name[0] == '.' || strchr(x->name, '/'))
        return calib_rows_fail(r, "run", x->name, "the name of a folder beside runs.csv");
    return 0;
}

static int split_tags(const calib_rows *r, recorded *x) {
    const char *text = calib_rows_text(r, R_TAGS);
    if (strlen(text) >= sizeof x->tags) return calib_rows_fail(r, "tags", text, "at most 511 bytes");
    for (const char *c = text; *c; c++)
        if (!isprint((unsigned char)*c)) return calib_rows_fail(r, "tags", text, "printable bytes");
    strcpy(x->tags, text);
    x->tag = calloc(sizeof x->tags / 2, sizeof *x->tag);
    if (!x->tag) return fail_room(r);
    x->run.tags = x->tag;
    char *rest = NULL;
    for (char *tag = strtok_r(x->tags, "; ", &rest); tag; tag = strtok_r(NULL, "; ", &rest))
        x->tag[x->run.n_tags++] = tag;
    return 0;
}

static int copy_rates(const calib_rows *r, recorded *x, const workload_list *list) {
    const workload *w = find_workload(list, x->workload);
    if (!w) return calib_rows_fail(r, "workload", x->workload, "a workload of workloads.csv");
    x->rate_rps = malloc(w->n * sizeof *x->rate_rps);
    if (!x->rate_rps) return fail_room(r);
    memcpy(x->rate_rps, w->rate_rps, w->n * sizeof *x->rate_rps);
    x->run.rate_rps = x->rate_rps;
    x->run.n_stages = w->n;
    return 0;
}

static uint64_t requests_of(const validate_run *run) {
    uint64_t n = 0;
    for (size_t i = 0; i < run->n_stages; i++) n += (uint64_t)VALIDATE_STAGE_S * run->rate_rps[i];
    return n;
}

/* What the index says of the run's files. A count that disagrees is a file that was cut off, or another run's. */
static int read_files(const calib_rows *r, recorded *x, const char *dir) {
    char path[PATH_LEN];
    uint32_t n;
    validate_trace *t = &x->run.real;
    const char *says = calib_rows_text(r, R_USAGE);
    int has = strcmp(says, "yes") == 0;
    if (calib_rows_uint(r, R_REQUESTS, 1, ROWS_MAX, &n)) return -1;
    if (!has && strcmp(says, "no") != 0 && *says) return calib_rows_fail(r, "usage", says, "yes or no");
    if (join(path, dir, x->name, "requests.csv", r->err) || read_requests(t, path, r->err)) return -1;
    if (n != t->n_requests) {
        char expected[NAME_LEN + 64];
        snprintf(expected, sizeof expected, "%zu, the rows of %s/requests.csv", t->n_requests, x->name);
        return calib_rows_fail(r, "requests", calib_rows_text(r, R_REQUESTS), expected);
    }
    uint64_t sent = requests_of(&x->run);
    t->lost = sent > n ? sent - n : 0;
    if (!has || validate_has_tag(&x->run, "stale-usage")) return 0;
    if (join(path, dir, x->name, "usage.csv", r->err) || read_usage(t, path, r->err)) return -1;
    x->run.has_usage = t->n_shares > 0;
    return 0;
}

static void free_recorded(recorded *x) {
    if (!x) return;
    validate_trace_free(&x->run.real);
    free(x->rate_rps);
    free(x->tag);
    free(x);
}

static int find_run(const validate_data *d, const char *name) {
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->runs[i]->name, name) == 0) return 1;
    return 0;
}

/* Neither asked for nor there */
static int is_left_out(const names *only, const char *dir, const validate_run *run) {
    char path[PATH_LEN], err[VALIDATE_ERR_LEN];
    struct stat st;
    return !validate_is_among(run, only->items, only->n) && join(path, dir, run->name, "", err) == 0 &&
           stat(path, &st) != 0 && errno == ENOENT;
}

static int read_run(const calib_rows *r, validate_data *d, const char *dir, const workload_list *workloads,
                    const names *only) {
    recorded **grown = grow(d->runs, d->n, &d->capacity, sizeof *grown, RUNS_MAX);
    if (grown) d->runs = grown;
    recorded *x = grown ? calloc(1, sizeof *x) : NULL;
    if (!x) return fail_room(r);
    int rc = read_names(r, x);
    if (!rc && find_run(d, x->name)) rc = calib_rows_fail(r, "run", x->name, "each run once");
    x->run.name = x->name;
    x->run.system = x->system;
    x->run.model = x->model;
    x->run.served_model = x->served_model;
    x->run.workload = x->workload;
    if (!rc) rc = split_tags(r, x);
    if (!rc) rc = copy_rates(r, x, workloads);
    int left_out = !rc && is_left_out(only, dir, &x->run);
    if (!rc && !left_out) rc = read_files(r, x, dir);
    if (rc || left_out)
        free_recorded(x);
    else
        d->runs[d->n++] = x;
    return rc;
}

static int read_runs(validate_data *d, const char *dir, const workload_list *workloads, const names *only,
                     char *err) {
    char path[PATH_LEN];
    calib_rows r;
    if (join(path, dir, "", "runs.csv", err)) return -1;
    int rc = calib_rows_open(&r, path, run_columns, N_R, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_run(&r, d, dir, workloads, only);
    if (rc > 0 && !d->n) rc = calib_rows_fail(&r, "file", "no rows", "runs that have a folder");
    calib_rows_close(&r);
    return rc < 0 ? -1 : 0;
}

int validate_open(validate_data **out, const char *dir, char err[VALIDATE_ERR_LEN]) {
    return validate_open_some(out, dir, NULL, 0, err);
}

int validate_open_some(validate_data **out, const char *dir, const char *const *only, size_t n_only,
                       char err[VALIDATE_ERR_LEN]) {
    const names asked = {only, n_only};
    workload_list workloads = {0};
    validate_data *d = calloc(1, sizeof *d);
    int rc = -1;
    if (!d)
        snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    else if (!read_workloads(&workloads, dir, err))
        rc = read_runs(d, dir, &workloads, &asked, err);
    free_workloads(&workloads);
    if (rc) {
        validate_close(d);
        d = NULL;
    }
    *out = d;
    return rc;
}

void validate_close(validate_data *d) {
    if (!d) return;
    for (size_t i = 0; i < d->n; i++) free_recorded(d->runs[i]);
    free(d->runs);
    free(d);
}

size_t validate_n_runs(const validate_data *d) {
    return d->n;
}

const validate_run *validate_run_at(const validate_data *d, size_t i) {
    return &d->runs[i]->run;
}

int validate_has_tag(const validate_run *r, const char *tag) {
    for (size_t i = 0; i < r->n_tags; i++)
        if (strcmp(r->tags[i], tag) == 0) return 1;
    return 0;
}

int validate_is_among(const validate_run *r, const char *const *only, size_t n_only) {
    for (size_t i = 0; i < n_only; i++)
        if (strcmp(only[i], r->name) == 0) return 1;
    return n_only == 0;
}

void validate_trace_free(validate_trace *t) {
    free(t->requests);
    free(t->shares);
    *t = (validate_trace){.n_requests = 0};
}
