#include "heartbeat.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

enum { SLOTS = 16 };

/* One cache line each, as observing threads write to different ones. A slot is written by one thread at a time
 * unless functions collide; then a note may mix two calls, which harms nothing. */
typedef struct {
    _Alignas(64) _Atomic int64_t now_ns;
    _Atomic uint32_t fn;
    _Atomic int32_t state;         /* 0 nothing, call + 1 inside it, -(call + 1) after it */
    _Atomic uint64_t begun, ended; /* calls; exact, also of functions that collide */
} slot;

struct heartbeat {
    slot slots[SLOTS];
};

heartbeat *heartbeat_new(size_t n) {
    void *p = mmap(NULL, n * sizeof(heartbeat), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void heartbeat_free(heartbeat *all, size_t n) {
    if (all != NULL) munmap(all, n * sizeof *all);
}

heartbeat *heartbeat_at(heartbeat *all, size_t i) {
    return &all[i];
}

void heartbeat_clear(heartbeat *h) {
    for (size_t i = 0; i < SLOTS; i++) {
        atomic_store(&h->slots[i].state, 0);
        atomic_store(&h->slots[i].begun, 0);
        atomic_store(&h->slots[i].ended, 0);
    }
}

static slot *slot_of(heartbeat *h, tap_call call, uint32_t fn) {
    return &h->slots[call == TAP_OBSERVE ? fn % SLOTS : 0];
}

static void note_enter(void *arg, tap_call call, uint32_t fn, int64_t now_ns) {
    if (call == TAP_PLAN) return;
    slot *s = slot_of(arg, call, fn);
    atomic_store_explicit(&s->now_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&s->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&s->state, (int32_t)call + 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->begun, 1, memory_order_relaxed);
}

static void note_leave(void *arg, tap_call call, uint32_t fn) {
    if (call == TAP_PLAN) return;
    slot *s = slot_of(arg, call, fn);
    atomic_store_explicit(&s->state, -((int32_t)call + 1), memory_order_relaxed);
    atomic_fetch_add_explicit(&s->ended, 1, memory_order_relaxed);
}

tap_hooks heartbeat_hooks(heartbeat *h) {
    return (tap_hooks){.arg = h, .enter = note_enter, .leave = note_leave};
}

heartbeat_news heartbeat_read(const heartbeat *h) {
    heartbeat_news best = {0};
    for (size_t i = 0; i < SLOTS; i++) {
        const slot *s = &h->slots[i];
        int32_t state = atomic_load(&s->state);
        heartbeat_news news = {.is_known = 1,
                               .is_inside = state > 0,
                               .call = (tap_call)((state > 0 ? state : -state) - 1),
                               .fn = atomic_load(&s->fn),
                               .now_ns = atomic_load(&s->now_ns)};
        if (state == 0) continue;
        if (news.is_inside > best.is_inside || !best.is_known ||
            (news.is_inside == best.is_inside && news.now_ns > best.now_ns))
            best = news;
    }
    return best;
}

int heartbeat_is_inside(const heartbeat *h, uint64_t *begun) {
    int is_inside = 0;
    *begun = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        uint64_t n = atomic_load(&h->slots[i].begun);
        is_inside |= n != atomic_load(&h->slots[i].ended);
        *begun += n;
    }
    return is_inside;
}

void heartbeat_describe(const heartbeat_news *news, const char *name, char *out, size_t len) {
    static const char *const calls[] = {"open", "observe", "act", "close"};
    char of[120] = "";
    *out = '\0';
    if (!news->is_known) return;
    const char *when = news->is_inside ? "in" : "after";
    if (news->call == TAP_OPEN || news->call == TAP_CLOSE) {
        snprintf(out, len, "%s its policy's %s", when, calls[news->call]);
        return;
    }
    if (news->fn == POL_ALL)
        snprintf(of, sizeof of, "all functions");
    else if (name != NULL)
        snprintf(of, sizeof of, "\"%.80s\"", name);
    else
        snprintf(of, sizeof of, "function %u", (unsigned)news->fn);
    snprintf(out, len, "%s its policy's %s for %s, at %.9g s of simulated time", when, calls[news->call], of,
             (double)news->now_ns * 1e-9);
}
