/* rapp_best_grouped.c - launching grouped convolutions takes longer from batch 4 on.
 *
 * A prior's five latencies are of batch 4. At batches 1 and 2 RaPP's DNNs of grouped convolutions (RegNets, ResNeXts) are
 * launched faster, by up to 40 %, the more groups they have per operator; all others take as long as at batch 4, within 2 %.
 * That is what launching group by group would do, with one kernel for all groups at small batches. At batch 2 only those
 * narrower than 32 channels are spared: RegNets of 8 to 24 channels per group are as fast as at batch 1, those of 48 and
 * more as slow as at batch 4. Depthwise convolutions (one channel) have kernels of their own and spare nothing.
 *
 * f(4) / f(1) = 1 + share * groups / operators; the share is learned, 0.05 to 0.08. What it is at quota 10 % (f(4) / f(1),
 * and 1 + 0.062 * groups / operators): RegNet X 400MF 1.20 (1.16), 800MF 1.31 (1.21), 3.2GF 1.17 (1.08), Y 400MF 1.22
 * (1.19), ResNeXt-50 32x4d 1.28 (1.29), ResNeXt-101 64x4d 1.58 (1.62). ResNeXt-101 32x8d is the exception: 1.00 (1.31).
 * The form and the 32 were chosen on all of RaPP's DNNs, the share is learned from those in the training.
 */
#include <math.h>
#include <string.h>

#include "rapp_best_int.h"

static const double narrow = 32; /* channels per group; fewer are spared at batch 2, too */

static int is_grouped(const rapp_operator *o) {
    return strcmp(o->type, "conv2d") == 0 && o->attributes[11] > 1 && o->shape[1] > 1;
}

double best_grouped_spared(const rapp_prior *p, int batch) {
    double groups = 0;
    if (batch >= BEST_SPARED) return 0;
    for (size_t i = 0; i < p->n_operators; i++) {
        const rapp_operator *o = &p->operators[i];
        if (is_grouped(o) && (batch == 0 || o->shape[1] < narrow)) groups += o->attributes[11];
    }
    return p->n_operators ? groups / (double)p->n_operators : 0;
}

static double deviation(const best_grouped *g, size_t n, double share) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (g[i].groups > 0) sum += fabs(g[i].ln_ratio - log1p(share * g[i].groups));
    return sum;
}

/* Of those that fit a DNN exactly, and of 0, the best. */
double best_grouped_learn(const best_grouped *g, size_t n) {
    double best = 0, least = deviation(g, n, 0);
    for (size_t i = 0; i < n; i++) {
        if (!(g[i].groups > 0)) continue;
        double share = best_round(fmax(expm1(g[i].ln_ratio) / g[i].groups, 0)), cost = deviation(g, n, share);
        if (cost < least) least = cost, best = share;
    }
    return best;
}
