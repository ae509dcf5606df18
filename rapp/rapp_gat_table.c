/* rapp_gat_table.c - the network's answers for one DNN on a grid, so that asking again costs eight loads and an exp.
 *
 * An answer of the network takes about a tenth of a millisecond, most of it for the node part; a policy asks millions
 * of times. The training data lie on this grid (but for its edges), where the table says what the network says.
 */
#include "rapp_gat_int.h"

static uint32_t sm_at(size_t i) {
    return i == 0 ? 1 : (uint32_t)(5 * i);
}

static uint32_t quota_at(size_t i) {
    return i == 0 ? 1 : (uint32_t)(10 * i);
}

static uint32_t batch_at(size_t i) {
    return 1U << i;
}

void rapp_gat_table_fill(rapp_gat_table *t, rapp_gat_work *w, const float *net, const rapp_gat_graph *g) {
    uint32_t quota_pct[RAPP_GAT_QUOTAS];
    for (size_t q = 0; q < RAPP_GAT_QUOTAS; q++) quota_pct[q] = quota_at(q);
    for (size_t b = 0; b < RAPP_GAT_BATCHES; b++)
        for (size_t s = 0; s < RAPP_GAT_SMS; s++) {
            rapp_gat_net_embed(w, net, g, batch_at(b), sm_at(s));
            rapp_gat_net_answer(w, net, g, batch_at(b), quota_pct, RAPP_GAT_QUOTAS, t->ln_ms[b][s]);
        }
}

/* places[x] for x = 1 ... last; on a grid point share is exactly 0, or 1 at the end */
static void place_all(rapp_gat_place *places, uint32_t last, uint32_t (*at)(size_t)) {
    uint32_t i = 0;
    for (uint32_t x = 1; x <= last; x++) {
        while (x >= at(i + 1) && at(i + 1) < last) i++;
        double from = rapp_gat_log(at(i)), to = rapp_gat_log(at(i + 1));
        double share = x == at(i + 1) ? 1 : (rapp_gat_log(x) - from) / (to - from);
        places[x] = (rapp_gat_place){i, (float)share};
    }
}

void rapp_gat_grid_make(rapp_gat_grid *g) {
    *g = (rapp_gat_grid){0};
    place_all(g->batch, 32, batch_at);
    place_all(g->sm, 100, sm_at);
    place_all(g->quota, 100, quota_at);
}

static double between(double a, double b, double share) {
    return (1 - share) * a + share * b;
}

static double along_quota(const float *row, rapp_gat_place q) {
    return between(row[q.i], row[q.i + 1], q.share);
}

static double over_sm_quota(const float (*rows)[RAPP_GAT_QUOTAS], rapp_gat_place s, rapp_gat_place q) {
    return between(along_quota(rows[s.i], q), along_quota(rows[s.i + 1], q), s.share);
}

double rapp_gat_table_ms(const rapp_gat_table *t, const rapp_gat_grid *g, uint32_t batch, uint32_t sm_pct,
                         uint32_t quota_pct) {
    rapp_gat_place b = g->batch[batch], s = g->sm[sm_pct], q = g->quota[quota_pct];
    return rapp_gat_exp(
        between(over_sm_quota(t->ln_ms[b.i], s, q), over_sm_quota(t->ln_ms[b.i + 1], s, q), b.share));
}
