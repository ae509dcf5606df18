/* calib_perturb.c - a calibration drawn from the uncertainty of another (calib.h). */
#include <string.h>

#include "calib_int.h"

enum { N_COEF = 4, UNIFORMS = 12 };

/* Which deviate: coefficients 0..3, then the factors of G and f, then f by quota % */
enum { DRAW_GPU_FACTOR = N_COEF, DRAW_LAUNCH_FACTOR, DRAW_LAUNCH };

static const char *const coefs[N_COEF] = {"fixed_ms", "fixed_ms_per_batch", "work_ms", "work_ms_per_batch"};

typedef struct {
    uint64_t key;
    double scale;
} drawer;

/* The finalizer of splitmix64 (Steele, Lea and Flood 2014): every bit of x reaches every bit. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t key_of(uint64_t seed, const char *model) {
    uint64_t key = mix(seed + UINT64_C(0x9e3779b97f4a7c15));
    for (const char *c = model; *c; c++) key = mix(key ^ (unsigned char)*c);
    return key;
}

/* A sum of twelve uniforms has variance 1 and is nearly normal; sums of 32-bit integers are exact. */
static double deviate(const drawer *d, uint32_t which) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < UNIFORMS; i++)
        sum += (int64_t)(mix(d->key ^ mix((uint64_t)which * UNIFORMS + i + 1)) >> 32);
    return (double)(sum - ((int64_t)6 << 32)) / 4294967296.0;
}

static double factor(const drawer *d, uint32_t which, double sd_pct) {
    double f = 1 + d->scale * sd_pct / 100 * deviate(d, which);
    return f > 0.1 ? f : 0.1;
}

static cJSON *member(const cJSON *o, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static double within(double v, double least, double most) {
    return v < least ? least : v > most ? most : v;
}

static void draw_gpu(const drawer *d, const cJSON *gpu, const cJSON *u) {
    const cJSON *l = member(u, "gpu_factor_ms");
    double all = factor(d, DRAW_GPU_FACTOR, member(u, "gpu_residual_pct")->valuedouble);
    for (int i = 0, at = 0; i < N_COEF; i++) {
        double shift = 0;
        for (int k = 0; k <= i; k++)
            shift += cJSON_GetArrayItem(l, at++)->valuedouble * deviate(d, (uint32_t)k);
        cJSON *coef = member(gpu, coefs[i]);
        cJSON_SetNumberValue(coef, within((coef->valuedouble + d->scale * shift) * all, 0, 1e6));
    }
}

static void draw_launch(const drawer *d, const cJSON *launch, const cJSON *u) {
    const cJSON *quotas = member(launch, "quota_pct"), *ms = member(launch, "ms"),
                *sds = member(u, "launch_sd_pct");
    double all = factor(d, DRAW_LAUNCH_FACTOR, member(u, "launch_residual_pct")->valuedouble), least = 1e-6;
    for (int k = cJSON_GetArraySize(ms) - 1; k >= 0; k--) {
        cJSON *item = cJSON_GetArrayItem(ms, k);
        uint32_t which = DRAW_LAUNCH + (uint32_t)cJSON_GetArrayItem(quotas, k)->valueint;
        double own = factor(d, which, cJSON_GetArrayItem(sds, k)->valuedouble);
        least = within(item->valuedouble * own * all, least, 1e6);
        cJSON_SetNumberValue(item, least);
    }
}

int calib_perturb(calib **out, const calib *c, uint64_t seed, double scale, char err[CALIB_ERR_LEN]) {
    *out = NULL;
    if (!(scale >= 0 && scale <= 10)) {
        snprintf(err, CALIB_ERR_LEN, "calib_perturb: scale: found %g, expected a number from 0 to 10", scale);
        return -1;
    }
    cJSON *root = cJSON_Duplicate(calib_int_root(c), 1);
    if (!root) {
        snprintf(err, CALIB_ERR_LEN, "calib_perturb: out of memory");
        return -1;
    }
    for (const cJSON *m = member(root, "models")->child; m; m = m->next) {
        const cJSON *u = member(m, "uncertainty");
        const drawer d = {key_of(seed, m->string), scale};
        if (!u) continue;
        draw_gpu(&d, member(m, "gpu"), u);
        draw_launch(&d, member(m, "launch"), u);
    }
    return calib_int_open_root(out, "a perturbed calibration", root, err);
}
