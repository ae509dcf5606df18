/* harness_reference.c - every operator in double precision, one output at a time. */
#include "harness_reference.h"

#include <math.h>
#include <string.h>

#include "harness_random.h"

static double input(uint64_t i) {
    return (double)harness_random(HARNESS_SEED_INPUT, i, 1.0f);
}

static double second(uint64_t i) {
    return (double)harness_random(HARNESS_SEED_SECOND, i, 1.0f);
}

float harness_reference_weight_scale(const harness_op *op) {
    double terms = op->kind == HARNESS_CONV ? (double)(op->c / op->groups) * op->k * op->k : (double)op->k;
    if (op->kind == HARNESS_GATHER || terms < 3) return 1.0f;
    return (float)exp2(floor(0.5 * log2(3 / terms) + 0.5));
}

double harness_reference_tolerance(const char *precision) {
    return strcmp(precision, "tf32") == 0 ? 4e-3 : 1e-4;
}

static void add_term(harness_reference *r, double term) {
    r->value += term;
    r->magnitude += fabs(term);
}

static harness_reference conv_at(const harness_op *op, uint64_t index) {
    uint32_t ow = harness_op_out_w(op), oh = harness_op_out_h(op), per_group = op->c / op->groups;
    uint32_t x = (uint32_t)(index % ow), y = (uint32_t)(index / ow % oh);
    uint32_t o = (uint32_t)(index / ow / oh % op->out);
    uint64_t b = index / ow / oh / op->out;
    uint32_t c0 = o / (op->out / op->groups) * per_group;
    float scale = harness_reference_weight_scale(op);
    harness_reference r = {0};
    for (uint32_t c = 0; c < per_group; c++)
        for (uint32_t i = 0; i < op->k * op->k; i++) {
            int64_t iy = (int64_t)y * op->stride + i / op->k - op->pad,
                    ix = (int64_t)x * op->stride + i % op->k - op->pad;
            if (iy < 0 || ix < 0 || iy >= op->h || ix >= op->w) continue;
            uint64_t at = ((b * op->c + c0 + c) * op->h + (uint64_t)iy) * op->w + (uint64_t)ix;
            uint64_t weight = ((uint64_t)o * per_group + c) * op->k * op->k + i;
            add_term(&r, input(at) * (double)harness_random(HARNESS_SEED_WEIGHT, weight, scale));
        }
    return r;
}

/* A gemm is a bmm of one, whose second operand is the weights. */
static harness_reference matrix_at(const harness_op *op, uint32_t batch, uint64_t index) {
    int is_gemm = op->kind == HARNESS_GEMM;
    uint64_t rows = is_gemm ? (uint64_t)op->m * batch : op->m;
    uint64_t col = index % op->n, row = index / op->n % rows, which = index / op->n / rows;
    float scale = harness_reference_weight_scale(op);
    harness_reference r = {0};
    for (uint64_t k = 0; k < op->k; k++) {
        uint64_t b = (which * op->k + k) * op->n + col;
        double right = is_gemm ? (double)harness_random(HARNESS_SEED_WEIGHT, b, scale) : second(b);
        add_term(&r, input((which * rows + row) * op->k + k) * right);
    }
    return r;
}

static harness_reference pool_at(const harness_op *op, uint64_t index) {
    uint32_t ow = harness_op_out_w(op), oh = harness_op_out_h(op);
    uint32_t x = (uint32_t)(index % ow), y = (uint32_t)(index / ow % oh);
    uint64_t plane = index / ow / oh;
    double most = -INFINITY;
    harness_reference r = {0};
    for (uint32_t i = 0; i < op->k * op->k; i++) {
        int64_t iy = (int64_t)y * op->stride + i / op->k - op->pad,
                ix = (int64_t)x * op->stride + i % op->k - op->pad;
        if (iy < 0 || ix < 0 || iy >= op->h || ix >= op->w) continue;
        double v = input((plane * op->h + (uint64_t)iy) * op->w + (uint64_t)ix);
        if (v > most) most = v;
        add_term(&r, v / (op->k * op->k));
    }
    if (op->kind == HARNESS_MAXPOOL) r = (harness_reference){most, fabs(most)};
    return r;
}

static harness_reference softmax_at(const harness_op *op, uint64_t index) {
    uint64_t row = index / op->cols * op->cols;
    double sum = 0; /* inputs are within [-1, 1): no need to subtract the largest */
    for (uint32_t c = 0; c < op->cols; c++) sum += exp(input(row + c));
    double v = exp(input(index)) / sum;
    return (harness_reference){v, v};
}

static harness_reference layernorm_at(const harness_op *op, uint64_t index) {
    uint64_t row = index / op->cols * op->cols;
    double sum = 0, squares = 0;
    for (uint32_t c = 0; c < op->cols; c++) sum += input(row + c);
    double mean = sum / op->cols;
    for (uint32_t c = 0; c < op->cols; c++) squares += (input(row + c) - mean) * (input(row + c) - mean);
    double v = (input(index) - mean) / sqrt(squares / op->cols + 1e-5);
    return (harness_reference){v, 1 + fabs(v)};
}

static harness_reference elementwise_at(const harness_op *op, uint64_t index) {
    double x = input(index), v = 0;
    switch (op->kind) {
    case HARNESS_SCALE:
        v = 1.25 * x + 0.0625;
        break;
    case HARNESS_RELU:
        v = x > 0 ? x : 0;
        break;
    case HARNESS_GELU: /* the tanh form */
        v = 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
        break;
    case HARNESS_HARDSWISH:
        v = x * fmin(fmax(x + 3, 0), 6) / 6;
        break;
    case HARNESS_ADD:
        v = x + second(index);
        break;
    default:
        v = x * second(index);
        break;
    }
    return (harness_reference){v, 1};
}

static harness_reference gather_at(const harness_op *op, uint64_t index) {
    uint64_t at = (uint64_t)harness_random_row(index / op->cols, op->table) * op->cols + index % op->cols;
    return (harness_reference){
        (double)harness_random(HARNESS_SEED_WEIGHT, at, harness_reference_weight_scale(op)), 1};
}

harness_reference harness_reference_at(const harness_op *op, uint32_t batch, uint64_t index) {
    harness_reference r;
    switch (op->kind) {
    case HARNESS_CONV:
        r = conv_at(op, index);
        break;
    case HARNESS_GEMM:
    case HARNESS_BMM:
        r = matrix_at(op, batch, index);
        break;
    case HARNESS_MAXPOOL:
    case HARNESS_AVGPOOL:
        r = pool_at(op, index);
        break;
    case HARNESS_SOFTMAX:
        r = softmax_at(op, index);
        break;
    case HARNESS_LAYERNORM:
        r = layernorm_at(op, index);
        break;
    case HARNESS_GATHER:
        r = gather_at(op, index);
        break;
    default:
        r = elementwise_at(op, index);
        break;
    }
    if (r.magnitude < 1e-3) r.magnitude = 1e-3;
    return r;
}
