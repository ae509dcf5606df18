/* route.c - which ready pod gets a request (pol_balance in policy.h). */
#include "island_int.h"

#include "grow_int.h"

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

/* ---- weighted, many pods ---- */

static int comes_first(const weighted_turn *a, const weighted_turn *b) {
    return a->fixed > b->fixed || (a->fixed == b->fixed && a->pod < b->pod);
}

static weighted_turn *turn_at(const weighted_turns *w, const weight_class *c, uint32_t place) {
    uint32_t at = c->head + place;
    return &w->turns[c->first + (at < c->n ? at : at - c->n)];
}

/* The class of a weight. NULL: out of memory. */
static weight_class *class_for(weighted_turns *w, uint32_t weight) {
    for (uint32_t k = 0; k < w->n_classes; k++)
        if (w->classes[k].weight == weight) return &w->classes[k];
    weight_class *classes = grow_array(w->classes, w->n_classes, &w->classes_cap, sizeof *classes);
    if (!classes) return NULL;
    w->classes = classes;
    classes[w->n_classes] = (weight_class){.weight = weight};
    return &classes[w->n_classes++];
}

/* Puts a turn where it belongs among the class's first n. */
static inline void place_turn(weighted_turns *w, const weight_class *c, uint32_t n, weighted_turn t) {
    for (; n > 0 && comes_first(&t, turn_at(w, c, n - 1)); n--) *turn_at(w, c, n) = *turn_at(w, c, n - 1);
    *turn_at(w, c, n) = t;
}

/* Classes and their sizes. 0, or -1: out of memory. */
static int count_classes(island *s) {
    weighted_turns *w = &s->weights;
    w->n_classes = 0;
    w->total = w->picks = 0;
    for (uint32_t i = 0; i < s->n_pods; i++) {
        if (!takes_work(s, s->pods[i])) continue;
        weight_class *c = class_for(w, s->pods[i]->weight);
        if (!c) return -1;
        c->n++;
        w->total += c->weight;
    }
    for (uint32_t k = 1; k < w->n_classes; k++)
        w->classes[k].first = w->classes[k - 1].first + w->classes[k - 1].n;
    return 0;
}

static void find_first(const weighted_turns *w, weight_class *c) {
    const weighted_turn *t = turn_at(w, c, 0);
    c->current = t->fixed + w->picks * c->weight;
    c->pod = t->pod;
}

/* From the pods' own numbers. 0, or -1: out of memory. */
static int lay_out_turns(island *s) {
    weighted_turns *w = &s->weights;
    weighted_turn *turns = grow_array(w->turns, s->n_pods, &w->turns_cap, sizeof *turns);
    if (!turns) return -1;
    w->turns = turns;
    if (count_classes(s)) return -1;
    for (uint32_t k = 0; k < w->n_classes; k++) {
        weight_class *c = &w->classes[k];
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->n_pods; i++)
            if (s->pods[i]->weight == c->weight && takes_work(s, s->pods[i]))
                place_turn(w, c, n++, (weighted_turn){s->pods[i]->weighted, i});
        find_first(w, c);
    }
    w->is_current = 1;
    return 0;
}

void route_changes(island *s) {
    weighted_turns *w = &s->weights;
    if (!w->is_current) return;
    w->is_current = 0;
    for (uint32_t k = 0; k < w->n_classes; k++) {
        const weight_class *c = &w->classes[k];
        for (uint32_t i = 0; i < c->n; i++) {
            const weighted_turn *t = &w->turns[c->first + i];
            s->pods[t->pod]->weighted = t->fixed + w->picks * c->weight;
        }
    }
}

/* The pod's index. */
static uint32_t pick_by_class(weighted_turns *w) {
    weight_class *best = w->classes;
    best->current += best->weight;
    for (weight_class *c = best + 1; c < w->classes + w->n_classes; c++) {
        c->current += c->weight;
        if (c->current > best->current || (c->current == best->current && c->pod < best->pod)) best = c;
    }
    const weighted_turn picked = {best->current - w->total - ++w->picks * best->weight, best->pod};
    best->head = best->head + 1 < best->n ? best->head + 1 : 0;
    place_turn(w, best, best->n - 1, picked);
    find_first(w, best);
    return picked.pod;
}

/* ---- weighted ---- */

static int has_classes(island *s) {
    return s->n_ready > MANY_PODS && s->pod_limit == 0 && (s->weights.is_current || lay_out_turns(s) == 0);
}

static pod *weighted(island *s) {
    if (has_classes(s)) return s->pods[pick_by_class(&s->weights)];
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
    switch (s->balance) {
    case POL_PULL:
        return pull(s);
    case POL_RANDOM:
        return from_nth(s, any_of(draw_bits(s->route_key, ordinal), s->n_ready));
    case POL_ROUND_ROBIN:
        return round_robin(s);
    case POL_TWO_CHOICES:
        return two_choices(s, draw_bits(s->route_key, ordinal));
    case POL_FIRST_FREE:
        return from_nth(s, 0);
    case POL_WEIGHTED:
        return weighted(s);
    }
    return NULL;
}

/* ---- many requests at once ---- */

/* What weighted() does for each, from copies of a few pods' numbers. */
static void deal_weighted(island *s, uint32_t n, uint32_t *to) {
    int64_t current[MANY_PODS], weight[MANY_PODS], total = 0;
    uint32_t pods[MANY_PODS], n_pods = 0;
    for (uint32_t i = 0; i < s->n_pods; i++) {
        const pod *p = s->pods[i];
        if (!takes_work(s, p)) continue;
        current[n_pods] = p->weighted;
        weight[n_pods] = p->weight;
        total += p->weight;
        pods[n_pods++] = i;
    }
    for (uint32_t r = 0; r < n; r++) {
        uint32_t best = 0;
        int64_t most = INT64_MIN;
        for (uint32_t k = 0; k < n_pods; k++) {
            current[k] += weight[k];
            best = current[k] > most ? k : best;
            most = current[k] > most ? current[k] : most;
        }
        current[best] -= total;
        to[r] = pods[best];
    }
    for (uint32_t k = 0; k < n_pods; k++) s->pods[pods[k]]->weighted = current[k];
}

void route_deal(island *s, uint64_t ordinal, uint32_t n, uint32_t *to) {
    if (s->balance == POL_WEIGHTED && s->n_pods <= MANY_PODS) {
        deal_weighted(s, n, to);
        return;
    }
    if (s->balance == POL_WEIGHTED && has_classes(s)) {
        for (uint32_t r = 0; r < n; r++) to[r] = pick_by_class(&s->weights);
        return;
    }
    for (uint32_t r = 0; r < n; r++) to[r] = (uint32_t)(route_pick(s, ordinal + r)->next - s->next);
}
