/* harness_workload.h - what is measured: a workload is a chain of operators with their shapes, from a JSON file.
 *
 * A model description (models/NAME.json, format "hassim-model-1") lists the operators in the order in which an eager
 * framework launches them, with the shapes of ONE item; the batch multiplies what depends on it. Shapes are facts of the
 * published architectures; numbers are single precision (4 bytes). What a kernel costs depends on its shape, not on its
 * values: weights and inputs are random. An object {"repeat": N, "ops": [...]} stands for N copies, each with weights of
 * its own.
 *
 *   op           keys                                   per item
 *   conv         c h w out k stride pad groups          NCHW, square kernel; out = floor((h + 2 pad - k) / stride) + 1
 *   gemm         m n k                                  [m*batch, k] x weights [k, n]
 *   bmm          count m n k                            count x [m, k] x [k, n]; both operands belong to the item
 *   scale, relu, gelu, hardswish   n                    y = f(x); scale: a*x + b (batch normalisation at inference, STREAM)
 *   add, mul     n                                      two inputs
 *   maxpool, avgpool               c h w k stride pad
 *   softmax, layernorm             rows cols            along cols
 *   gather       rows cols table                        rows of a table (embedding)
 *
 * An operator's traffic is the compulsory one: each input, weight and output once. Everything is checked on loading:
 * unknown operators, missing or absurd shapes are errors with file and operator number.
 */
#ifndef HARNESS_WORKLOAD_H
#define HARNESS_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "harness_json.h"

#define HARNESS_NAME_LEN 32
#define HARNESS_OPS_MAX  4096

typedef enum {
    HARNESS_CONV,
    HARNESS_GEMM,
    HARNESS_BMM,
    HARNESS_SCALE,
    HARNESS_RELU,
    HARNESS_GELU,
    HARNESS_HARDSWISH,
    HARNESS_ADD,
    HARNESS_MUL,
    HARNESS_MAXPOOL,
    HARNESS_AVGPOOL,
    HARNESS_SOFTMAX,
    HARNESS_LAYERNORM,
    HARNESS_GATHER,
    HARNESS_OP_KINDS
} harness_op_kind;

typedef struct {
    harness_op_kind kind;
    uint32_t c, h, w, out, k, stride, pad, groups; /* conv, pools (out = c); k also of gemm and bmm */
    uint32_t count, m, n;                          /* gemm, bmm; n of the elementwise */
    uint32_t rows, cols, table;
} harness_op;

typedef struct {
    char name[HARNESS_NAME_LEN];
    char group
        [HARNESS_NAME_LEN]; /* "model", or of micro-benchmarks: "dense", "memory", "launch", "attention", ... */
    char *description;
    harness_op *ops;
    size_t n_ops;
} harness_workload;

typedef struct {
    harness_workload *items; /* by name */
    size_t n;
} harness_workloads;

const char *harness_op_name(harness_op_kind kind);
uint32_t harness_op_out_h(const harness_op *op);
uint32_t harness_op_out_w(const harness_op *op);
uint64_t harness_op_input_count(const harness_op *op, uint32_t batch); /* elements of the first operand */
uint64_t harness_op_second_count(const harness_op *op,
                                 uint32_t batch); /* of the second, where it is no weight */
uint64_t harness_op_weight_count(const harness_op *op);
uint64_t harness_op_output_count(const harness_op *op, uint32_t batch);
double harness_op_flops(const harness_op *op, uint32_t batch); /* a multiply-add is two */
double harness_op_bytes(const harness_op *op, uint32_t batch);

double harness_workload_flops(const harness_workload *w, uint32_t batch);
double harness_workload_bytes(const harness_workload *w, uint32_t batch);
uint64_t harness_workload_weight_bytes(const harness_workload *w);

/* All *.json of a folder, or an error; either way harness_workloads_free. A file is one workload or {"workloads": [...]}. */
int harness_workloads_read(harness_workloads *all, const char *folder, char err[HARNESS_ERR_LEN]);
int harness_workloads_parse(harness_workloads *all, const char *name, const harness_json *root,
                            char err[HARNESS_ERR_LEN]);
const harness_workload *harness_workloads_find(const harness_workloads *all, const char *name);
void harness_workloads_free(harness_workloads *all);

#endif
