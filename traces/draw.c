#include "draw.h"

DRAW_WIDE static void bits(uint64_t *out, size_t n, uint64_t key, uint64_t first) {
    for (size_t i = 0; i < n; i++) out[i] = draw_bits(key, first + i);
}

DRAW_WIDE static void exps(double *out, size_t n, uint64_t key, uint64_t first) {
    for (size_t i = 0; i < n; i++) out[i] = draw_exp(draw_bits(key, first + i));
}

void draw_many_bits(uint64_t *out, size_t n, uint64_t key, uint64_t first) {
    bits(out, n, key, first);
}

void draw_many_exps(double *out, size_t n, uint64_t key, uint64_t first) {
    exps(out, n, key, first);
}
