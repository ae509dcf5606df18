/* rapp_grid_int.h - latencies on a grid of batch, SM share and quota. Private to rapp/.
 *
 * Between nodes: linear in batch, in 1 / SM and in 1 / quota, the terms of max(G, f); a grid that is monotone at its
 * nodes is so everywhere. The axes span all that may be asked (batch 1 to 32, SM and quota 1 to 100 %), so that nothing
 * lies outside. Values are in the order batch, SM, quota: the quota varies fastest.
 */
#ifndef RAPP_GRID_INT_H
#define RAPP_GRID_INT_H

#include "calib_json.h"
#include "rapp_int.h"

enum { RAPP_GRID_BATCH, RAPP_GRID_SM, RAPP_GRID_QUOTA, RAPP_GRID_AXES };

typedef struct {
    uint32_t n, node[100]; /* rising */
    uint8_t at[101];       /* the node at or below a coordinate */
    double part[101];      /* of the next node, 0 at a node */
} rapp_axis;

typedef struct {
    rapp_axis axis[RAPP_GRID_AXES];
} rapp_grid;

/* The axes: nodes that are always there, and every coordinate of the used points. */
void rapp_grid_make(rapp_grid *g, const rapp_data *data, const unsigned char *use);
size_t rapp_grid_size(const rapp_grid *g); /* number of values */
double rapp_grid_at(const rapp_grid *g, const double *values, uint32_t batch, uint32_t sm_pct,
                    uint32_t quota_pct);
/* Makes values fall weakly with SM and with quota, changing their logarithms little. room: 3 times the size. */
void rapp_grid_make_monotone(const rapp_grid *g, double *values, double *room);

cJSON *rapp_grid_save(const rapp_grid *g);                           /* NULL: out of memory */
void rapp_grid_load(rapp_grid *g, calib_json *j, const cJSON *from); /* j->failed tells */

#endif
