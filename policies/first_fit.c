#include "first_fit_int.h"

static int find_row(const pol_view *view, const pol_gpu *gpu, uint32_t sm_pct, uint32_t quota_pct,
                    uint32_t *row) {
    int has_empty_row = 0;
    for (uint32_t r = gpu->first_row; r < gpu->first_row + gpu->n_rows; r++) {
        *row = r;
        if (view->rows[r].sm_pct == sm_pct && view->rows[r].quota_free_pct >= quota_pct) return 1;
        has_empty_row |= view->rows[r].sm_pct == 0;
    }
    *row = POL_NEW_ROW;
    return has_empty_row && gpu->sm_free_pct >= sm_pct;
}

int first_fit(const pol_host *host, const pol_view *view, uint32_t fn, uint32_t sm_pct, uint32_t quota_pct,
              uint32_t *gpu, uint32_t *row) {
    uint32_t memory_mib = host->fn(host->impl, fn)->memory_mib;
    for (*gpu = 0; *gpu < view->n_gpus; ++*gpu) {
        const pol_gpu *g = &view->gpus[*gpu];
        if (g->n_pods >= g->pods_max || g->memory_free_mib < memory_mib) continue;
        if (!find_row(view, g, sm_pct, quota_pct, row)) continue;
        if (host->latency_ns(host->impl, fn, g->device, 1, sm_pct, quota_pct) >= 0) return 1;
    }
    return 0;
}
