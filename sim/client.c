#include "client.h"

#include <stdlib.h>

#define NEVER INT64_MAX

static const int64_t SECOND_NS = 1000000000, GIVE_UP_NS = 700000000;

enum { TASK, CALL };

typedef struct { /* FIFO ring */
    int64_t *v;
    size_t head, n, cap;
} ring;

struct client {
    const client_spec *spec;
    size_t stage;
    int64_t gap_ns;    /* between submissions of the stage */
    int64_t submit_ns; /* the next one; NEVER after the last */
    int64_t close_ns;  /* of the pool; NEVER once closed */
    uint64_t to_submit;
    uint64_t threads, busy;
    ring jobs;       /* queued in the pool: TASK or CALL */
    ring giving_up;  /* when the threads that cannot submit are free again */
    int64_t able_ns; /* since when a thread can take a job; NEVER: none can */
    int is_done;
};

static void push(ring *r, int64_t x) {
    r->v[(r->head + r->n++) % r->cap] = x;
}

static int64_t pop(ring *r) {
    int64_t x = r->v[r->head];
    r->head = (r->head + 1) % r->cap;
    r->n--;
    return x;
}

static void note_able(client *c, int64_t now_ns) {
    c->able_ns = c->jobs.n && c->busy < c->threads ? now_ns : NEVER;
}

static void begin_stage(client *c, int64_t now_ns) {
    const client_stage *s = &c->spec->stages[c->stage];
    c->gap_ns = SECOND_NS / s->rate_rps + c->spec->late_ns;
    c->to_submit = (uint64_t)s->rate_rps * c->spec->stage_s;
    c->threads = (uint64_t)s->rate_rps * c->spec->threads_per_rps;
    c->submit_ns = now_ns + s->pause_ns;
    c->close_ns = c->submit_ns + (int64_t)c->to_submit * c->gap_ns;
}

client *client_open(const client_spec *spec, int64_t start_ns) {
    client *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    uint64_t most = 1;
    for (size_t i = 0; i < spec->n_stages; i++)
        if (spec->stages[i].rate_rps > most) most = spec->stages[i].rate_rps;
    c->spec = spec;
    c->able_ns = NEVER;
    c->jobs.cap = most * spec->stage_s;
    c->giving_up.cap = most * spec->threads_per_rps;
    c->jobs.v = malloc(c->jobs.cap * sizeof *c->jobs.v);
    c->giving_up.v = malloc(c->giving_up.cap * sizeof *c->giving_up.v);
    if (!c->jobs.v || !c->giving_up.v) {
        client_close(c);
        return NULL;
    }
    begin_stage(c, start_ns);
    return c;
}

void client_close(client *c) {
    if (!c) return;
    free(c->jobs.v);
    free(c->giving_up.v);
    free(c);
}

int64_t client_next(const client *c) {
    int64_t at = c->able_ns;
    if (c->submit_ns < at) at = c->submit_ns;
    if (c->close_ns < at) at = c->close_ns;
    if (c->giving_up.n && c->giving_up.v[c->giving_up.head] < at) at = c->giving_up.v[c->giving_up.head];
    return at;
}

int client_is_done(const client *c) {
    return c->is_done;
}

static void end_stage_if_over(client *c, int64_t now_ns) {
    if (c->close_ns != NEVER || c->jobs.n || c->busy || c->is_done) return;
    c->stage++;
    c->is_done = c->stage == c->spec->n_stages;
    if (!c->is_done) begin_stage(c, now_ns);
}

/* A free thread takes jobs until one keeps it. */
static client_move work(client *c, int64_t now_ns) {
    client_move move = CLIENT_IDLE;
    while (c->jobs.n && c->busy < c->threads && move == CLIENT_IDLE) {
        if (pop(&c->jobs) == CALL) {
            move = CLIENT_SENDS;
        } else if (c->close_ns != NEVER) {
            push(&c->jobs, CALL);
        } else {
            push(&c->giving_up, now_ns + GIVE_UP_NS);
            c->busy++;
        }
    }
    c->busy += move == CLIENT_SENDS;
    return move;
}

static void submit(client *c) {
    push(&c->jobs, TASK);
    c->submit_ns = --c->to_submit ? c->submit_ns + c->gap_ns : NEVER;
}

client_move client_step(client *c, int64_t now_ns) {
    if (c->giving_up.n && c->giving_up.v[c->giving_up.head] <= now_ns) {
        pop(&c->giving_up);
        return CLIENT_LOSES;
    }
    if (c->submit_ns <= now_ns)
        submit(c);
    else if (c->close_ns <= now_ns)
        c->close_ns = NEVER;
    client_move move = work(c, now_ns);
    note_able(c, now_ns);
    end_stage_if_over(c, now_ns);
    return move;
}

void client_answered(client *c, int64_t now_ns) {
    c->busy--;
    note_able(c, now_ns);
    end_stage_if_over(c, now_ns);
}
