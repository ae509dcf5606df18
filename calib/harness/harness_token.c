/* harness_token.c - launch tokens and metered GPU time. */
#include "harness_token.h"

harness_token harness_token_new(uint32_t quota_pct) {
    return (harness_token){.window_ns = HARNESS_WINDOW_NS,
                           .guard_ns = HARNESS_GUARD_NS,
                           .token_ns = HARNESS_WINDOW_NS * quota_pct / 100};
}

int64_t harness_token_ready_ns(harness_token *t, int64_t now_ns) {
    if (t->token_ns >= t->window_ns) return now_ns;
    if (t->held && now_ns + t->guard_ns <= t->begun_ns + t->token_ns) return now_ns;
    int64_t next = t->held ? t->begun_ns + t->window_ns : now_ns;
    t->begun_ns = next > now_ns ? next : now_ns;
    t->held = 1;
    return t->begun_ns;
}

harness_meter harness_meter_new(uint32_t quota_pct, int64_t origin_ns) {
    int64_t budget = HARNESS_WINDOW_NS * quota_pct / 100;
    return (harness_meter){
        .window_ns = HARNESS_WINDOW_NS, .budget_ns = budget, .origin_ns = origin_ns, .left_ns = budget};
}

/* Each window adds its budget; what was not used is lost, what was used too much stays owed. */
static void advance(harness_meter *m, int64_t now_ns) {
    int64_t window = (now_ns - m->origin_ns) / m->window_ns;
    while (m->window < window && m->left_ns < m->budget_ns) {
        m->left_ns += m->budget_ns;
        if (m->left_ns > m->budget_ns) m->left_ns = m->budget_ns;
        m->window++;
    }
    if (m->window < window) m->window = window;
}

int64_t harness_meter_left_ns(harness_meter *m, int64_t now_ns) {
    advance(m, now_ns);
    int64_t end_ns = m->origin_ns + (m->window + 1) * m->window_ns;
    int64_t left_ns = m->left_ns < end_ns - now_ns ? m->left_ns : end_ns - now_ns;
    return left_ns > 0 ? left_ns : 0;
}

int64_t harness_meter_ready_ns(harness_meter *m, int64_t now_ns) {
    if (harness_meter_left_ns(m, now_ns) > 0) return now_ns;
    int64_t windows = -m->left_ns / m->budget_ns + 1;
    return m->origin_ns + (m->window + windows) * m->window_ns;
}

void harness_meter_charge(harness_meter *m, int64_t now_ns, int64_t gpu_ns) {
    for (int64_t at = now_ns - gpu_ns; at < now_ns;) {
        if (at >= m->origin_ns) advance(m, at);
        int64_t end_ns = m->origin_ns + (m->window + 1) * m->window_ns;
        int64_t part_ns = (end_ns > at && end_ns < now_ns ? end_ns : now_ns) - at;
        m->left_ns -= part_ns;
        at += part_ns;
    }
}
