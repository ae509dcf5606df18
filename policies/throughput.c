#include "throughput_int.h"

#include <math.h>

double throughput_within(const pol_host *h, uint32_t fn, uint32_t device, uint32_t batch_max, uint32_t sm_pct,
                         uint32_t quota_pct, double slo_ns) {
    const pol_fn *spec = h->fn(h->impl, fn);
    double overhead_ns = h->overhead_ms(h->impl, fn, device) * 1e6, best = 0;
    if (batch_max == 0) batch_max = spec->batch_max;
    for (uint32_t k = 1; k <= batch_max; k++) {
        double gpu_rps = h->throughput_rps(h->impl, fn, device, k, sm_pct, quota_pct);
        if (gpu_rps <= 0) return k == 1 ? -1 : best;
        double service_ns = k * 1e9 / gpu_rps;
        double handlers_rps = spec->workers * 1e9 / (overhead_ns + 1.5 * service_ns);
        double rps = fmin(gpu_rps, handlers_rps);
        if (overhead_ns + 2 * service_ns <= slo_ns && rps > best) best = rps;
    }
    return best;
}
