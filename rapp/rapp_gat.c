/* rapp_gat.c - the kind `gat`: RaPP's graph attention network (rapp_gat_int.h), trained, kept and bound.
 *
 * State: the network, the scale of its features, and for each DNN of the training the table of its answers, so that
 * it can be bound without its prior. In the file, numbers that make the state are hexadecimal floats, 8 digits each.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_json.h"
#include "rapp_gat_int.h"
#include "rapp_int.h"

enum {
    MODELS_MAX = 4096,
    TABLE_SIZE = sizeof(rapp_gat_table) / sizeof(float),
    SCALE_SIZE = sizeof(rapp_gat_scale) / sizeof(float)
};

typedef struct {
    char *name;
    rapp_gat_table table;
} gat_known;

typedef struct {
    float *net;
    rapp_gat_scale scale;
    rapp_gat_grid grid;
    double cv;        /* error of ln(ms), root mean square, at points held out */
    double cv_unseen; /* the same of DNNs held out */
    gat_known *known;
    size_t n_known;
} gat_state;

typedef struct {
    const gat_state *state;
    const rapp_gat_table *table; /* NULL: unknown */
    rapp_gat_table *own;         /* NULL: the state's */
} gat_bound;

static void gat_close(void *state) {
    gat_state *s = state;
    if (!s) return;
    for (size_t i = 0; i < s->n_known; i++) free(s->known[i].name);
    free(s->known);
    free(s->net);
    free(s);
}

static gat_state *gat_state_open(size_t n_known) {
    gat_state *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->net = calloc(rapp_gat_net_size(), sizeof *s->net);
    s->known = calloc(n_known + 1, sizeof *s->known);
    if (!s->net || !s->known) {
        gat_close(s);
        return NULL;
    }
    rapp_gat_grid_make(&s->grid);
    return s;
}

/* ---- training ---- */

typedef struct {
    const rapp_data *data;
    const unsigned char *use;
    size_t n_models, *models; /* with a used point and a complete prior */
    rapp_gat_graph *graphs;   /* [n_models] */
    size_t *slot;             /* of a model of the data: its place in models, or SIZE_MAX */
    rapp_gat_group *groups;   /* to learn from */
    size_t n_groups;
    rapp_gat_group *held; /* to judge by */
    size_t n_held;
} gat_lesson;

static void lesson_close(gat_lesson *l) {
    for (size_t i = 0; l->graphs && i < l->n_models; i++) rapp_gat_graph_free(&l->graphs[i]);
    free(l->graphs);
    free(l->models);
    free(l->slot);
    free(l->groups);
    free(l->held);
}

static void choose_models(gat_lesson *l) {
    const rapp_point *points = rapp_data_points(l->data);
    for (size_t m = 0; m < rapp_data_n_models(l->data); m++) l->slot[m] = SIZE_MAX;
    for (size_t p = 0; p < rapp_data_n_points(l->data); p++) {
        size_t m = points[p].model;
        if (!l->use[p] || l->slot[m] != SIZE_MAX || !rapp_prior_is_complete(rapp_data_prior(l->data, m)))
            continue;
        l->slot[m] = l->n_models;
        l->models[l->n_models++] = m;
    }
}

static int make_graphs(gat_lesson *l, rapp_gat_scale *scale) {
    const rapp_prior **priors = calloc(l->n_models + 1, sizeof *priors);
    if (!priors) return -1;
    for (size_t i = 0; i < l->n_models; i++) priors[i] = rapp_data_prior(l->data, l->models[i]);
    rapp_gat_scale_fit(scale, priors, l->n_models);
    int rc = 0;
    for (size_t i = 0; i < l->n_models; i++) rc |= rapp_gat_graph_make(&l->graphs[i], priors[i], scale);
    free(priors);
    return rc;
}

/* By model, batch, SM share, then place in the file: a total order. The points stand in one array. */
static int compare_points(const void *a, const void *b) {
    const rapp_point *x = *(const rapp_point *const *)a, *y = *(const rapp_point *const *)b;
    if (x->model != y->model) return x->model < y->model ? -1 : 1;
    if (x->batch != y->batch) return x->batch < y->batch ? -1 : 1;
    if (x->sm_pct != y->sm_pct) return x->sm_pct < y->sm_pct ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Into the last group if it is the point's, or a new one. Order of points is that of compare_points. */
static void add_point(const gat_lesson *l, rapp_gat_group *groups, size_t *n, const rapp_point *p) {
    const rapp_gat_graph *graph = &l->graphs[l->slot[p->model]];
    rapp_gat_group *g = *n ? &groups[*n - 1] : NULL;
    if (!g || g->graph != graph || g->batch != p->batch || g->sm_pct != p->sm_pct ||
        g->n == RAPP_GAT_ASK_MAX) {
        g = &groups[(*n)++];
        *g = (rapp_gat_group){.graph = graph, .batch = p->batch, .sm_pct = p->sm_pct};
    }
    g->quota_pct[g->n] = p->quota_pct;
    g->ln_ms[g->n++] = (float)rapp_gat_log(p->ms);
}

enum { TRIAL_EPOCHS = 12, LEAVE_EVERY = 5 };
enum { HOLD_EVERY = 19 }; /* one point in so many is held out: 19 and the ten quotas of a group are coprime */

static int make_groups(gat_lesson *l) {
    size_t n = 0, n_points = rapp_data_n_points(l->data);
    const rapp_point *points = rapp_data_points(l->data), **sorted = calloc(n_points + 1, sizeof *sorted);
    if (!sorted) return -1;
    for (size_t p = 0; p < n_points; p++)
        if (l->use[p] && l->slot[points[p].model] != SIZE_MAX) sorted[n++] = &points[p];
    qsort(sorted, n, sizeof *sorted, compare_points);
    l->groups = calloc(n + 1, sizeof *l->groups);
    l->held = calloc(n / HOLD_EVERY + 1, sizeof *l->held);
    if (l->groups && l->held)
        for (size_t i = 0; i < n; i++) {
            int hold = i % HOLD_EVERY == HOLD_EVERY - 1;
            add_point(l, hold ? l->held : l->groups, hold ? &l->n_held : &l->n_groups, sorted[i]);
        }
    free(sorted);
    return l->groups && l->held ? 0 : -1;
}

/* Root mean square error of ln(ms), bias included; 1 where there is nothing to judge by */
static double judge(const rapp_gat_group *held, size_t n, rapp_gat_work *w, const float *net) {
    double sum = 0, points = 0;
    for (size_t i = 0; i < n; i++) {
        const rapp_gat_group *g = &held[i];
        float answer[RAPP_GAT_ASK_MAX];
        rapp_gat_net_embed(w, net, g->graph, g->batch, g->sm_pct);
        rapp_gat_net_answer(w, net, g->graph, g->batch, g->quota_pct, g->n, answer);
        for (size_t k = 0; k < g->n; k++)
            sum += ((double)answer[k] - g->ln_ms[k]) * ((double)answer[k] - g->ln_ms[k]);
        points += (double)g->n;
    }
    return points > 0 ? sqrt(sum / points) : 1;
}

static float mean_ln_ms(const rapp_gat_group *groups, size_t n) {
    double sum = 0, points = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < groups[i].n; k++) sum += groups[i].ln_ms[k];
        points += (double)groups[i].n;
    }
    return points > 0 ? (float)(sum / points) : 0;
}

static size_t nodes_max(const gat_lesson *l) {
    size_t n = 1;
    for (size_t i = 0; i < l->n_models; i++)
        if (l->graphs[i].n_nodes > n) n = l->graphs[i].n_nodes;
    return n;
}

/* Groups of every fifth DNN (of the last, if there are fewer) go to *left, the others to *kept. */
static void leave_out(const gat_lesson *l, rapp_gat_group *kept, size_t *n_kept, rapp_gat_group *left,
                      size_t *n_left) {
    size_t out = l->n_models < LEAVE_EVERY ? l->n_models - 1 : LEAVE_EVERY - 1;
    for (size_t i = 0; i < l->n_groups; i++) {
        const rapp_gat_group *g = &l->groups[i];
        if ((size_t)(g->graph - l->graphs) % LEAVE_EVERY == out)
            left[(*n_left)++] = *g;
        else
            kept[(*n_kept)++] = *g;
    }
}

/* How far off is the network for DNNs that it has not seen? A short training without some of them tells. */
static int try_unseen(gat_state *s, const gat_lesson *l, const rapp_options *options,
                      char err[RAPP_ERR_LEN]) {
    rapp_gat_plan plan = rapp_gat_default_plan;
    rapp_options quiet = {.seed = options->seed, .threads = options->threads};
    rapp_gat_group *kept = calloc(l->n_groups, sizeof *kept), *left = calloc(l->n_groups, sizeof *left);
    float *net = calloc(rapp_gat_net_size(), sizeof *net);
    rapp_gat_work *w = rapp_gat_work_open(nodes_max(l));
    size_t n_kept = 0, n_left = 0;
    double loss;
    int rc = kept && left && net && w ? 0 : rapp_fail_memory(err);
    s->cv_unseen = 1; /* of one DNN, nothing can be learned about others */
    if (rc) goto done;
    leave_out(l, kept, &n_kept, left, &n_left);
    if (!n_kept || !n_left) goto done;
    plan.epochs = TRIAL_EPOCHS;
    rapp_gat_net_init(net, options->seed, mean_ln_ms(kept, n_kept));
    rc = rapp_gat_train(net, kept, n_kept, &plan, &quiet, &loss, err);
    if (!rc) s->cv_unseen = judge(left, n_left, w, net);
done:
    rapp_gat_work_close(w);
    free(net);
    free(left);
    free(kept);
    return rc;
}

/* The trained DNNs' tables, and the error at the points held out */
static int keep_answers(gat_state *s, const gat_lesson *l) {
    rapp_gat_work *w = rapp_gat_work_open(nodes_max(l));
    if (!w) return -1;
    for (size_t i = 0; i < l->n_models; i++) {
        s->known[i].name = strdup(rapp_data_model_name(l->data, l->models[i]));
        if (!s->known[i].name) break;
        rapp_gat_table_fill(&s->known[i].table, w, s->net, &l->graphs[i]);
        s->n_known++;
    }
    s->cv = judge(l->held, l->n_held, w, s->net);
    rapp_gat_work_close(w);
    return s->n_known == l->n_models ? 0 : -1;
}

static int lesson_open(gat_lesson *l, rapp_gat_scale *scale) {
    size_t n = rapp_data_n_models(l->data);
    l->models = calloc(n + 1, sizeof *l->models);
    l->slot = calloc(n + 1, sizeof *l->slot);
    l->graphs = calloc(n + 1, sizeof *l->graphs);
    if (!l->models || !l->slot || !l->graphs) return -1;
    choose_models(l);
    return make_graphs(l, scale) || make_groups(l) ? -1 : 0;
}

static int gat_train(void **state, const rapp_data *data, const unsigned char *use,
                     const rapp_options *options, char err[RAPP_ERR_LEN]) {
    gat_lesson lesson = {.data = data, .use = use};
    gat_state *s = gat_state_open(rapp_data_n_models(data));
    double loss;
    int rc = !s || lesson_open(&lesson, &s->scale) ? rapp_fail_memory(err) : 0;
    if (!rc && lesson.n_groups == 0) {
        snprintf(err, RAPP_ERR_LEN,
                 "gat: found no model with points, a row of graphs.csv and rows of operators.csv, "
                 "expected at least one");
        rc = -1;
    }
    if (!rc) rc = try_unseen(s, &lesson, options, err);
    if (!rc) {
        rapp_gat_net_init(s->net, options->seed, mean_ln_ms(lesson.groups, lesson.n_groups));
        rc = rapp_gat_train(s->net, lesson.groups, lesson.n_groups, &rapp_gat_default_plan, options, &loss,
                            err);
    }
    if (!rc && keep_answers(s, &lesson)) rc = rapp_fail_memory(err);
    lesson_close(&lesson);
    if (rc) {
        gat_close(s);
        s = NULL;
    }
    *state = s;
    return rc;
}

/* ---- the file ---- */

/* Eight digits a number, the highest first: the number's bits, whatever the byte order here. */
static cJSON *save_floats(const float *x, size_t n) {
    static const char DIGITS[] = "0123456789abcdef";
    char *text = malloc(8 * n + 1);
    if (!text) return NULL;
    for (size_t i = 0; i < 8 * n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i / 8], sizeof bits);
        text[i] = DIGITS[bits >> (28 - 4 * (i % 8)) & 15];
    }
    text[8 * n] = '\0';
    cJSON *item = cJSON_CreateString(text);
    free(text);
    return item;
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_float(float *out, const char *text) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 8; i++) {
        int d = digit(text[i]);
        if (d < 0) return -1;
        bits = bits << 4 | (uint32_t)d;
    }
    memcpy(out, &bits, sizeof *out);
    return fabsf(*out) <= 1e6F ? 0 : -1; /* nor infinite, nor no number */
}

static void load_floats(calib_json *j, const cJSON *object, const char *key, float *out, size_t n) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    size_t mark = calib_json_enter(j, key), length = text ? strlen(text) : 0;
    if (length != 8 * n)
        calib_json_fail(j,
                        "found %s of %zu bytes, expected a string of %zu: eight hexadecimal digits a number",
                        text ? "a string" : "no string,", length, 8 * n);
    for (size_t i = 0; !j->failed && i < n; i++)
        if (read_float(&out[i], text + 8 * i))
            calib_json_fail(j, "found \"%.8s\" as number %zu, expected the bits of a float of at most 1e6",
                            text + 8 * i, i);
    calib_json_leave(j, mark);
}

static cJSON *save_known(const gat_known *k) {
    cJSON *o = cJSON_CreateObject();
    if (o && cJSON_AddStringToObject(o, "name", k->name) &&
        cJSON_AddItemToObject(o, "ln_ms", save_floats(&k->table.ln_ms[0][0][0], TABLE_SIZE)))
        return o;
    cJSON_Delete(o);
    return NULL;
}

static cJSON *gat_save(const void *state) {
    const gat_state *s = state;
    cJSON *o = cJSON_CreateObject(), *models;
    if (!o || !cJSON_AddNumberToObject(o, "cv", s->cv)) goto fail;
    if (!cJSON_AddNumberToObject(o, "cv_unseen", s->cv_unseen)) goto fail;
    if (!cJSON_AddItemToObject(o, "scale", save_floats((const float *)&s->scale, SCALE_SIZE))) goto fail;
    if (!cJSON_AddItemToObject(o, "net", save_floats(s->net, rapp_gat_net_size()))) goto fail;
    models = cJSON_AddArrayToObject(o, "models");
    if (!models) goto fail;
    for (size_t i = 0; i < s->n_known; i++)
        if (!cJSON_AddItemToArray(models, save_known(&s->known[i]))) goto fail;
    return o;
fail:
    cJSON_Delete(o);
    return NULL;
}

static int load_known(gat_known *k, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"name", "ln_ms", NULL};
    calib_json_keys(j, from, keys);
    const char *name = calib_json_text(j, from, "name");
    load_floats(j, from, "ln_ms", &k->table.ln_ms[0][0][0], TABLE_SIZE);
    k->name = strdup(name);
    return k->name ? 0 : -1;
}

static int load_models(gat_state *s, calib_json *j, const cJSON *models) {
    size_t mark = calib_json_enter(j, "models");
    int rc = 0, n = cJSON_GetArraySize(models);
    for (int i = 0; !rc && !j->failed && i < n; i++) {
        size_t inner = calib_json_enter_at(j, i);
        rc = load_known(&s->known[i], j, cJSON_GetArrayItem(models, i));
        s->n_known = (size_t)i + 1;
        calib_json_leave(j, inner);
    }
    calib_json_leave(j, mark);
    return rc;
}

static int gat_load(void **state, const cJSON *from, char err[RAPP_ERR_LEN]) {
    static const char *const keys[] = {"cv", "cv_unseen", "scale", "net", "models", NULL};
    calib_json j = {.file = "state", .err = err};
    *state = NULL;
    calib_json_keys(&j, from, keys);
    const cJSON *models = calib_json_array(&j, from, "models", 1, MODELS_MAX);
    if (j.failed) return -1;
    gat_state *s = gat_state_open((size_t)cJSON_GetArraySize(models));
    if (!s) return rapp_fail_memory(err);
    s->cv = calib_json_number(&j, from, "cv", 0, 1e6);
    s->cv_unseen = calib_json_number(&j, from, "cv_unseen", 0, 1e6);
    load_floats(&j, from, "scale", (float *)&s->scale, SCALE_SIZE);
    load_floats(&j, from, "net", s->net, rapp_gat_net_size());
    int rc = load_models(s, &j, models) ? rapp_fail_memory(err) : j.failed ? -1 : 0;
    if (rc)
        gat_close(s);
    else
        *state = s;
    return rc;
}

/* ---- binding ---- */

static const rapp_gat_table *find_known(const gat_state *s, const char *dnn) {
    for (size_t i = 0; i < s->n_known; i++)
        if (strcmp(s->known[i].name, dnn) == 0) return &s->known[i].table;
    return NULL;
}

/* The table of a DNN that has only its prior. NULL: out of memory */
static rapp_gat_table *ask_network(const gat_state *s, const rapp_prior *prior) {
    rapp_gat_graph graph = {0};
    rapp_gat_work *w = rapp_gat_work_open(prior->n_operators);
    rapp_gat_table *t = malloc(sizeof *t);
    int rc = !w || !t || rapp_gat_graph_make(&graph, prior, &s->scale) ? -1 : 0;
    if (!rc) rapp_gat_table_fill(t, w, s->net, &graph);
    rapp_gat_graph_free(&graph);
    rapp_gat_work_close(w);
    if (!rc) return t;
    free(t);
    return NULL;
}

static void gat_unbind(void *bound) {
    gat_bound *b = bound;
    if (!b) return;
    free(b->own);
    free(b);
}

static int gat_bind(void **bound, const void *state, const char *dnn, const rapp_prior *prior,
                    char err[RAPP_ERR_LEN]) {
    const gat_state *s = state;
    const rapp_gat_table *table = find_known(s, dnn);
    *bound = NULL;
    if (!table && !prior) return rapp_fail_unknown(dnn, err);
    gat_bound *b = calloc(1, sizeof *b);
    if (!b) return rapp_fail_memory(err);
    *b = (gat_bound){.state = s, .table = table};
    if (!table && rapp_prior_is_complete(prior)) {
        b->table = b->own = ask_network(s, prior);
        if (!b->own) {
            free(b);
            return rapp_fail_memory(err);
        }
    }
    *bound = b;
    return 0;
}

static rapp_estimate gat_estimate(const void *bound, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    const gat_bound *b = bound;
    if (!b->table) return (rapp_estimate){.ms = -1};
    return (rapp_estimate){rapp_gat_table_ms(b->table, &b->state->grid, batch, sm_pct, quota_pct),
                           b->own ? b->state->cv_unseen : b->state->cv};
}

const rapp_kind rapp_kind_gat = {
    .name = "gat",
    .help = "RaPP's graph attention network over the chain of operators, smaller; needs priors, keeps no "
            "order in SM and quota",
    .train = gat_train,
    .save = gat_save,
    .load = gat_load,
    .close = gat_close,
    .bind = gat_bind,
    .estimate = gat_estimate,
    .unbind = gat_unbind,
};
