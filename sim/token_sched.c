#include "token_sched_int.h"

#include <stdlib.h>

#include "grow_int.h"
#include "process_int.h"

void token_sched_close(token_sched *t) {
    for (uint32_t i = 0; i < t->n; i++) free(t->clients[i].records);
    free(t->clients);
}

int token_sched_join(token_sched *t, pod *p, uint32_t fn) {
    token_client *v = grow_array(t->clients, t->n, &t->cap, sizeof *v);
    if (!v) return -1;
    t->clients = v;
    t->clients[t->n++] = (token_client){.pod = p, .fn = fn};
    return 0;
}

static token_client *find(const token_sched *t, const pod *p) {
    for (uint32_t i = 0; i < t->n; i++)
        if (t->clients[i].pod == p) return &t->clients[i];
    return NULL;
}

static int64_t limit_ns(const token_client *c) {
    return ENGINE_WINDOW_NS / 100 * c->pod->quota_pct;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* What of the record lies within the window that ends at now_ns. */
static int64_t within(const token_record *r, int64_t now_ns) {
    int64_t from = later(r->start_ns, now_ns - ENGINE_WINDOW_NS);
    int64_t to = r->end_ns < now_ns ? r->end_ns : now_ns;
    return to > from ? to - from : 0;
}

static int64_t usage_ns(const token_client *c, int64_t now_ns) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < c->n_records; i++) sum += within(&c->records[i], now_ns);
    return sum;
}

/* The first time, not before now, at which its usage is below its limit: the window slides over the oldest records. */
static int64_t eligible_ns(const token_client *c, int64_t now_ns) {
    int64_t excess = usage_ns(c, now_ns) - limit_ns(c);
    if (excess < 0) return now_ns;
    for (uint32_t i = 0; i < c->n_records; i++) {
        int64_t part = within(&c->records[i], now_ns);
        if (excess < part)
            return later(c->records[i].start_ns, now_ns - ENGINE_WINDOW_NS) + excess + 1 + ENGINE_WINDOW_NS;
        excess -= part;
    }
    return NEVER; /* a limit of 0 */
}

static int holds_token(const token_client *c, int64_t now_ns) {
    return c->n_records && c->records[c->n_records - 1].end_ns > now_ns;
}

static uint32_t held_sm_pct(const token_sched *t, int64_t now_ns) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (holds_token(&t->clients[i], now_ns)) sum += t->clients[i].pod->sm_pct;
    return sum;
}

/* When the next of the held tokens is over. */
static int64_t next_return_ns(const token_sched *t, int64_t now_ns) {
    int64_t at = NEVER;
    for (uint32_t i = 0; i < t->n; i++) {
        const token_client *c = &t->clients[i];
        if (holds_token(c, now_ns) && c->records[c->n_records - 1].end_ns < at)
            at = c->records[c->n_records - 1].end_ns;
    }
    return at;
}

/* When each who waits can be served at the earliest, or must be looked at again. */
static void look_again(const token_sched *t, int64_t now_ns) {
    for (uint32_t i = 0; i < t->n; i++) {
        const token_client *c = &t->clients[i];
        if (!c->is_waiting) continue;
        int64_t at = eligible_ns(c, later(now_ns, c->heard_ns));
        if (held_sm_pct(t, at) + c->pod->sm_pct > 100) at = next_return_ns(t, at);
        process_expect(c->pod, at);
    }
}

/* Pods of the row that have work on the GPU. */
static uint32_t mates(const token_sched *t, uint32_t row) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++)
        n += t->clients[i].pod->row == row && process_wants_gpu(t->clients[i].pod);
    return n;
}

void token_sched_share_gpu(const token_sched *t, int64_t now_ns) {
    double width = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const pod *p = t->clients[i].pod;
        if (process_wants_gpu(p)) width += 0.01 * p->sm_pct / mates(t, p->row);
    }
    for (uint32_t i = 0; i < t->n; i++) {
        pod *p = t->clients[i].pod;
        uint32_t n = mates(t, p->row);
        process_set_speed(p, now_ns, 1 / ((n > 1 ? n : 1) * (width > 1 ? width : 1)));
    }
}

void token_sched_leave(token_sched *t, const pod *p, int64_t now_ns) {
    token_client *c = find(t, p);
    if (!c) return;
    free(c->records);
    for (t->n--; c < t->clients + t->n; c++) *c = c[1];
    token_sched_share_gpu(t, now_ns);
    look_again(t, now_ns);
}

void token_sched_reshare(token_sched *t, int64_t now_ns) {
    look_again(t, now_ns);
}

void token_sched_ask(token_sched *t, const pod *p, int64_t now_ns, int64_t delay_ns, int is_early) {
    token_client *c = find(t, p);
    token_record *last = c->n_records ? &c->records[c->n_records - 1] : NULL;
    c->heard_ns = now_ns + delay_ns;
    if (last && !is_early) c->heard_ns = later(now_ns, last->end_ns) + delay_ns;
    if (last && last->end_ns > c->heard_ns) last->end_ns = c->heard_ns;
    c->is_waiting = 1;
    look_again(t, now_ns);
}

static void forget(token_client *c, int64_t now_ns) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n_records; i++)
        if (c->records[i].end_ns > now_ns - ENGINE_WINDOW_NS) c->records[kept++] = c->records[i];
    c->n_records = kept;
}

static int grant(token_client *c, int64_t now_ns) {
    forget(c, now_ns);
    token_record *v = grow_array(c->records, c->n_records, &c->records_cap, sizeof *v);
    if (!v) return -1;
    c->records = v;
    int64_t end = now_ns + limit_ns(c);
    c->records[c->n_records++] = (token_record){now_ns, end};
    c->is_waiting = 0;
    process_granted(c->pod, now_ns, end);
    return 0;
}

/* Who waits, may have a token, fits, and has the largest part of its quota unused; ties go to the first. */
static token_client *first_in_line(token_sched *t, int64_t now_ns) {
    token_client *best = NULL;
    double best_part = 0;
    uint32_t held = held_sm_pct(t, now_ns);
    for (uint32_t i = 0; i < t->n; i++) {
        token_client *c = &t->clients[i];
        if (!c->is_waiting || c->heard_ns > now_ns || held + c->pod->sm_pct > 100) continue;
        int64_t unused = limit_ns(c) - usage_ns(c, now_ns);
        double part = (double)unused / (double)limit_ns(c);
        if (unused <= 0 || (best && part <= best_part)) continue;
        best = c;
        best_part = part;
    }
    return best;
}

int token_sched_round(token_sched *t, int64_t now_ns) {
    for (token_client *c; (c = first_in_line(t, now_ns)) != NULL;)
        if (grant(c, now_ns)) return -1;
    look_again(t, now_ns);
    return 0;
}
