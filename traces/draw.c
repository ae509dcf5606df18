#include "draw.h"

DRAW_WIDE void draw_many_bits(uint64_t *out, size_t n, uint64_t key, uint64_t first) {
    for (size_t i = 0; i < n; i++) out[i] = draw_bits(key, first + i);
}

DRAW_WIDE void draw_many_exps(double *out, size_t n, uint64_t key, uint64_t first) {
    for (size_t i = 0; i < n; i++) out[i] = draw_exp(draw_bits(key, first + i));
}
