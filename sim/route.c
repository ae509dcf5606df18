/* route.c - which ready pod gets a request (pol_balance in policy.h). */
#include "island_int.h"

static int takes_work(const island *s, const pod *p) {
    return p->is_ready && !p->is_draining && (s->pod_limit == 0 || p->held < s->pod_limit);
}

static pod *pull(island *s) {
    pod *best = NULL;
    for (uint32_t i = 0; i < s->n_pods; i++) {
        pod *p = s->pods[i];
        if (takes_work(s, p) && p->held < p->workers && (!best || p->held < best->held)) best = p;
    }
    return best;
}

/* The first pod that takes work, from the nth ready one on, around. */
static pod *from_nth(island *s, uint32_t nth) {
    pod *first = NULL;
    for (uint32_t i = 0; i < s->n_pods; i++) {
        pod *p = s->pods[i];
        if (!p->is_ready || p->is_draining) continue;
        if (!first && takes_work(s, p)) first = p;
        if (nth > 0)
            nth--;
        else if (takes_work(s, p))
            return p;
    }
    return first;
}

static uint32_t any_of(uint64_t bits, uint32_t n) {
    return (uint32_t)(((bits >> 32) * n) >> 32);
}

static pod *two_choices(island *s, uint64_t bits) {
    pod *a = from_nth(s, any_of(bits, s->n_ready));
    pod *b = from_nth(s, any_of(draw_mix(bits), s->n_ready));
    if (!a || a == b) return a;
    if (a->held == b->held) return a->id < b->id ? a : b;
    return a->held < b->held ? a : b;
}

static pod *round_robin(island *s) {
    pod *lowest = NULL, *next = NULL;
    for (uint32_t i = 0; i < s->n_pods && !next; i++) {
        pod *p = s->pods[i];
        if (!takes_work(s, p)) continue;
        if (!lowest) lowest = p;
        if (p->id >= s->turn) next = p;
    }
    if (!next) next = lowest;
    if (next) s->turn = next->id + 1;
    return next;
}

static pod *weighted(island *s) {
    pod *best = NULL;
    int64_t total = 0;
    for (uint32_t i = 0; i < s->n_pods; i++) {
        pod *p = s->pods[i];
        if (!takes_work(s, p)) continue;
        p->weighted += p->weight;
        total += p->weight;
        if (!best || p->weighted > best->weighted) best = p;
    }
    if (best) best->weighted -= total;
    return best;
}

/* One pod needs no choice: most functions have one. */
static pod *only(island *s) {
    pod *p = s->pods[0];
    if (!takes_work(s, p)) return NULL;
    s->turn = p->id + 1;
    return p;
}

pod *route_reuse(island *s, int64_t now_ns) {
    endpoints_expire(&s->connections, now_ns, s->spec->keep_alive_ns);
    while (s->connections.n) {
        uint32_t id = s->connections.v[--s->connections.n].pod;
        for (uint32_t i = 0; i < s->n_pods; i++)
            if (s->pods[i]->id == id && takes_work(s, s->pods[i])) return s->pods[i];
    }
    return NULL;
}

int route_is_dead(island *s, uint64_t ordinal, int64_t now_ns) {
    endpoints_expire(&s->dead, now_ns, s->spec->linger_ns);
    if (!s->dead.n) return 0;
    uint64_t bits =
        draw_mix(~draw_bits(s->route_key, ordinal)); /* not the bits that choose among the ready */
    return any_of(bits, s->n_ready + s->dead.n) >= s->n_ready;
}

pod *route_pick(island *s, uint64_t ordinal) {
    if (s->n_ready == 0) return NULL;
    if (s->n_pods == 1 && s->balance != POL_PULL) return only(s);
    uint64_t bits = draw_bits(s->route_key, ordinal);
    switch (s->balance) {
    case POL_PULL:
        return pull(s);
    case POL_RANDOM:
        return from_nth(s, any_of(bits, s->n_ready));
    case POL_ROUND_ROBIN:
        return round_robin(s);
    case POL_TWO_CHOICES:
        return two_choices(s, bits);
    case POL_FIRST_FREE:
        return from_nth(s, 0);
    case POL_WEIGHTED:
        return weighted(s);
    }
    return NULL;
}
