/* rapp_gat_train.c - Adam over minibatches of groups, in threads that do not change the result.
 *
 * A minibatch is dealt to LANES lanes, whatever the number of threads; each lane sums its groups' gradients in order,
 * and the lanes' sums are added in order. Threads share out first the lanes, then the weights to be moved, and wait
 * for each other after both.
 */

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_gat_int.h"
#include "rapp_int.h"

enum { LANES = 8 };

const rapp_gat_plan rapp_gat_default_plan = {
    .epochs = 80, .minibatch = 16, .rate = 3e-3, .decay = 1e-2, .huber = 0.05};

typedef struct {
    float *net, *first, *second; /* weights; Adam's moments of the gradient */
    float *grads[LANES];
    rapp_gat_work *work[LANES]; /* one per thread */
    double loss[LANES];         /* of the epoch so far */
    size_t size;
    const rapp_gat_group *groups;
    size_t *order; /* of this epoch; order[n_groups] */
    size_t n_groups;
    const rapp_gat_plan *plan;
    const rapp_options *options;
    /* threads */
    unsigned n_threads; /* set before `gate` opens */
    pthread_mutex_t gate;
    pthread_barrier_t barrier;
    double last_loss;
} training;

typedef struct {
    training *t;
    unsigned index;
    pthread_t id;
} worker;

/* ---- one step ---- */

static float huber(float error, float delta, double *loss) {
    float size = fabsf(error);
    if (size <= delta) {
        *loss += 0.5 * (double)error * error / delta;
        return error / delta;
    }
    *loss += size - 0.5 * delta;
    return error > 0 ? 1.0F : -1.0F;
}

/* weight: one over the points of the minibatch */
static void learn_group(training *t, rapp_gat_work *w, size_t lane, const rapp_gat_group *g, float weight) {
    float answer[RAPP_GAT_ASK_MAX], d[RAPP_GAT_ASK_MAX];
    rapp_gat_net_embed(w, t->net, g->graph, g->batch, g->sm_pct);
    rapp_gat_net_answer(w, t->net, g->graph, g->batch, g->quota_pct, g->n, answer);
    for (size_t i = 0; i < g->n; i++)
        d[i] = weight * huber(answer[i] - g->ln_ms[i], (float)t->plan->huber, &t->loss[lane]);
    rapp_gat_net_learn(w, t->net, d, t->grads[lane]);
}

static void learn_lane(training *t, rapp_gat_work *w, size_t lane, size_t begin, size_t end) {
    size_t points = 0;
    for (size_t i = begin; i < end; i++) points += t->groups[t->order[i]].n;
    memset(t->grads[lane], 0, t->size * sizeof(float));
    for (size_t i = begin + lane; i < end; i += LANES)
        learn_group(t, w, lane, &t->groups[t->order[i]], 1.0F / (float)points);
}

typedef struct { /* of one step */
    float rate, decay, first_scale, second_scale;
} pace;

/* Adam (Kingma and Ba), with decay apart from the gradient (Loshchilov and Hutter) */
static void move(training *t, pace p, size_t begin, size_t end) {
    static const float KEEP_FIRST = 0.9F, KEEP_SECOND = 0.999F, TINY = 1e-8F;
    for (size_t i = begin; i < end; i++) {
        float grad = t->grads[0][i];
        for (size_t lane = 1; lane < LANES; lane++) grad += t->grads[lane][i];
        t->first[i] = KEEP_FIRST * t->first[i] + (1 - KEEP_FIRST) * grad;
        t->second[i] = KEEP_SECOND * t->second[i] + (1 - KEEP_SECOND) * grad * grad;
        float step = t->first[i] * p.first_scale / (sqrtf(t->second[i] * p.second_scale) + TINY);
        t->net[i] -= p.rate * (step + p.decay * t->net[i]);
    }
}

/* ---- an epoch ---- */

static uint64_t draw(uint64_t seed, uint64_t epoch, uint64_t n) {
    uint64_t z = (seed ^ (epoch << 32)) + (n + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void shuffle(training *t, size_t epoch) {
    for (size_t i = t->n_groups; i > 1; i--) {
        size_t other = (size_t)(draw(t->options->seed, epoch, i) % i), kept = t->order[i - 1];
        t->order[i - 1] = t->order[other];
        t->order[other] = kept;
    }
}

/* cos(pi x) for 0 <= x <= 1, by its series: libm's is not the same everywhere */
static double cos_pi(double x) {
    double y = 3.14159265358979324 * (x - 0.5), y2 = y * y, sum = 0; /* cos(pi x) = -sin(y) */
    for (int i = 21; i >= 3; i -= 2) sum = (1 + sum) * -y2 / (i * (i - 1));
    return -y * (1 + sum);
}

static pace pace_at(const training *t, size_t step, size_t steps, const double keep[2]) {
    double rate = t->plan->rate * 0.5 * (1 + cos_pi((double)step / (double)steps));
    double warm = fmin(1, (double)(step + 1) / 100); /* the first moments are of few gradients */
    return (pace){(float)(rate * warm), (float)t->plan->decay, (float)(1 / (1 - keep[0])),
                  (float)(1 / (1 - keep[1]))};
}

static void end_epoch(training *t, size_t epoch, size_t points) {
    double loss = 0;
    char line[96];
    for (size_t lane = 0; lane < LANES; lane++) {
        loss += t->loss[lane];
        t->loss[lane] = 0;
    }
    t->last_loss = loss / (double)points;
    snprintf(line, sizeof line, "gat: epoch %zu of %zu, loss %.5f", epoch + 1, t->plan->epochs, t->last_loss);
    if (t->options->progress) t->options->progress(t->options->progress_arg, line);
}

static size_t count_points(const rapp_gat_group *groups, size_t n) {
    size_t points = 0;
    for (size_t i = 0; i < n; i++) points += groups[i].n;
    return points;
}

/* What each thread does, in step with the others; thread 0 also shuffles and reports. */
static void work_through(training *t, unsigned index) {
    size_t per_epoch = (t->n_groups + t->plan->minibatch - 1) / t->plan->minibatch, step = 0;
    size_t points = count_points(t->groups, t->n_groups);
    size_t share = t->size / t->n_threads, from = index * share,
           to = index + 1 == t->n_threads ? t->size : from + share;
    double keep[2] = {1, 1}; /* powers of Adam's two constants */
    for (size_t epoch = 0; epoch < t->plan->epochs; epoch++) {
        if (index == 0) shuffle(t, epoch);
        pthread_barrier_wait(&t->barrier);
        for (size_t i = 0; i < per_epoch; i++, step++) {
            size_t begin = i * t->plan->minibatch, end = begin + t->plan->minibatch;
            if (end > t->n_groups) end = t->n_groups;
            for (size_t lane = index; lane < LANES; lane += t->n_threads)
                learn_lane(t, t->work[index], lane, begin, end);
            pthread_barrier_wait(&t->barrier);
            keep[0] *= 0.9;
            keep[1] *= 0.999;
            move(t, pace_at(t, step, per_epoch * t->plan->epochs, keep), from, to);
            pthread_barrier_wait(&t->barrier);
        }
        if (index == 0) end_epoch(t, epoch, points);
    }
}

/* ---- threads ---- */

static void *run_worker(void *arg) {
    worker *w = arg;
    pthread_mutex_lock(&w->t->gate); /* until it is known how many there are */
    pthread_mutex_unlock(&w->t->gate);
    work_through(w->t, w->index);
    return NULL;
}

/* Fewer threads than asked for, if the system has no more, do the same. */
static void run_threads(training *t, unsigned wanted) {
    worker workers[LANES];
    if (wanted > LANES) wanted = LANES;
    t->n_threads = 1;
    pthread_mutex_init(&t->gate, NULL);
    pthread_mutex_lock(&t->gate);
    for (; t->n_threads < wanted; t->n_threads++) {
        worker *w = &workers[t->n_threads];
        *w = (worker){.t = t, .index = t->n_threads};
        if (pthread_create(&w->id, NULL, run_worker, w)) break;
    }
    pthread_barrier_init(&t->barrier, NULL, t->n_threads);
    pthread_mutex_unlock(&t->gate);
    work_through(t, 0);
    for (unsigned i = 1; i < t->n_threads; i++) pthread_join(workers[i].id, NULL);
    pthread_barrier_destroy(&t->barrier);
    pthread_mutex_destroy(&t->gate);
}

/* ---- memory ---- */

static int training_open(training *t) {
    size_t nodes_max = 1;
    for (size_t i = 0; i < t->n_groups; i++)
        if (t->groups[i].graph->n_nodes > nodes_max) nodes_max = t->groups[i].graph->n_nodes;
    t->size = rapp_gat_net_size();
    t->first = calloc(t->size, sizeof(float));
    t->second = calloc(t->size, sizeof(float));
    t->order = malloc((t->n_groups + 1) * sizeof *t->order);
    int rc = t->first && t->second && t->order ? 0 : -1;
    for (size_t i = 0; i < LANES; i++) {
        t->grads[i] = calloc(t->size, sizeof(float));
        t->work[i] = rapp_gat_work_open(nodes_max);
        if (!t->grads[i] || !t->work[i]) rc = -1;
    }
    for (size_t i = 0; !rc && i < t->n_groups; i++) t->order[i] = i;
    return rc;
}

static void training_close(training *t) {
    for (size_t i = 0; i < LANES; i++) {
        free(t->grads[i]);
        rapp_gat_work_close(t->work[i]);
    }
    free(t->first);
    free(t->second);
    free(t->order);
}

int rapp_gat_train(float *net, const rapp_gat_group *groups, size_t n, const rapp_gat_plan *plan,
                   const rapp_options *options, double *loss, char err[RAPP_ERR_LEN]) {
    training t = {.net = net, .groups = groups, .n_groups = n, .plan = plan, .options = options};
    int rc = training_open(&t);
    if (rc)
        rapp_fail_memory(err);
    else
        run_threads(&t, options->threads);
    *loss = t.last_loss;
    training_close(&t);
    return rc;
}
