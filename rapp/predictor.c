/* predictor.c - every predictor says how long a batch takes; from there one way leads on, by runtime. */
#include "predictor.h"

#include <math.h>
#include <string.h>

#include "predictor_int.h"

static const double WINDOW_MS = 40.0; /* of both runtimes (design, "The GPU model") */

static int known(uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    return batch >= 1 && batch <= CALIB_BATCH_MAX && sm_pct >= 1 && sm_pct <= 100 && quota_pct >= 1 &&
           quota_pct <= 100;
}

/* Mean completion time of gpu_ms of GPU time, at most budget B = quota * W of it per window W, for a start
 * uniform in a window and no budget used before.
 *
 *     window      |<------- W ------>|
 *     start u:    A: u <= W - B: the whole budget fits before the window ends, then a gap of W - B - u
 *                 B: u >  W - B: v = W - u of GPU time, then the next window's budget without a gap
 *
 * Later windows each run B at once, then a gap of W - B. With n gaps after the first window's, A takes
 * (W - u) + n (W - B) + (gpu - B) and B takes gpu + n (W - B). With gpu = m B + r, 0 <= r < B: in B n is m
 * where v < r, and max(m - 1, 0) elsewhere. Both integrate over u in closed form. */
static double metered_ms(double gpu_ms, uint32_t quota_pct) {
    if (quota_pct == 100) return gpu_ms;
    double budget = WINDOW_MS * quota_pct / 100.0, gap = WINDOW_MS - budget;
    double m = floor(gpu_ms / budget), r = gpu_ms - m * budget;
    double early = gpu_ms; /* mean over A */
    if (gpu_ms > budget) {
        double rest = gpu_ms - budget;
        early = (WINDOW_MS + budget) / 2 + (ceil(rest / budget) - 1) * gap + rest;
    }
    double late = gpu_ms + gap * (r * m + (budget - r) * fmax(m - 1, 0)) / budget; /* mean over B */
    return (gap * early + budget * late) / WINDOW_MS;
}

double predictor_batch_ms(const predictor *p, const predict_dnn *d, uint32_t batch, uint32_t sm_pct,
                          uint32_t quota_pct) {
    if (!known(batch, sm_pct, quota_pct)) return -1;
    if (p->runtime == PREDICT_METERED) quota_pct = 100;
    if (p->trained) {
        double ms = predictor_trained_ms(p->trained, d->calibrated, batch, sm_pct, quota_pct);
        return ms < 0 ? -1 : d->factor * ms;
    }
    const calib_model *m = p->is_oracle ? d->truth : d->calibrated;
    return d->factor * (p->runtime == PREDICT_METERED ? calib_gpu_ms(m, batch, sm_pct)
                                                      : calib_latency_ms(m, batch, sm_pct, quota_pct));
}

double predictor_latency_ms(const predictor *p, const predict_dnn *d, uint32_t batch, uint32_t sm_pct,
                            uint32_t quota_pct) {
    double ms = predictor_batch_ms(p, d, batch, sm_pct, quota_pct);
    return ms < 0 || p->runtime == PREDICT_TOKEN ? ms : metered_ms(ms, quota_pct);
}

/* A pod that is never idle uses its whole budget under `metered`; under `token` batches follow each other. */
double predictor_throughput_rps(const predictor *p, const predict_dnn *d, uint32_t batch, uint32_t sm_pct,
                                uint32_t quota_pct) {
    double ms = predictor_batch_ms(p, d, batch, sm_pct, quota_pct);
    if (ms < 0) return -1;
    if (p->runtime == PREDICT_TOKEN) return batch * 1000.0 / ms;
    return batch * 1000.0 * (quota_pct / 100.0) / ms;
}

int predictor_find(predictor *out, const char *name, predict_runtime runtime) {
    int is_oracle = strcmp(name, "oracle") == 0;
    if (!is_oracle && strcmp(name, "table") != 0) return -1;
    *out = (predictor){.name = is_oracle ? "oracle" : "table", .runtime = runtime, .is_oracle = is_oracle};
    return 0;
}

const char *predictor_names(void) {
    return "table, oracle";
}
