/* token_sched_int.h - the artifact's token scheduler of one GPU, grant by grant. Private to the engine.
 *
 * (spec 2.1; KontonGu/ST-vGPU.) A pod may launch kernels only while it holds a token. A token is quota * W long, W =
 * 40 ms, and is a span of wall time: nothing measures the GPU. The pod's hook asks for a new one at the first launch
 * that finds less than a millisecond left. When the scheduler hears of it, it closes the record of the last token (at
 * the earlier of now and its end), and it grants when
 *   - the pod's records within the last W sum to less than quota * W (strictly), and
 *   - the SM partitions of the tokens that are held, and the pod's, sum to at most 100 %.
 * Of several, those with the larger unused part of their quota come first; one that does not fit is passed over. A
 * token is held until it ends, or until the scheduler hears that its pod asks for the next one.
 *
 *        token     token                      token
 *     |=======|=======|                   |=======|           quota 20 %: 8 ms tokens. The first two follow each
 *     0       7      14                  46      54 ms        other, because the hook asks 1 ms early (usage 7 < 8);
 *             '-- usage 7 < 8    '-- 14 >= 8 until the first has slid out of the window far enough
 *
 * Whenever something changes, every pod that waits is told when it can be served at the earliest (process_expect); a
 * round is due then. token_sched_round grants; who got a token is told, too (process_granted).
 */
#ifndef TOKEN_SCHED_INT_H
#define TOKEN_SCHED_INT_H

#include "pod_int.h"

typedef struct {
    int64_t start_ns, end_ns;
} token_record;

typedef struct {
    pod *pod;
    uint32_t fn;
    token_record *records; /* by time, disjoint; the last is the present token's, or was */
    uint32_t n_records;
    size_t records_cap;
    int is_waiting;
    int64_t heard_ns; /* when the scheduler hears of its wish */
} token_client;

typedef struct {
    token_client *clients; /* in the order of the pods' start */
    uint32_t n;
    size_t cap;
} token_sched;

void token_sched_close(token_sched *t);
int token_sched_join(token_sched *t, pod *p, uint32_t fn); /* 0, or -1: out of memory */
void token_sched_leave(token_sched *t, const pod *p, int64_t now_ns);
/* A pod's quota or width has changed. */
void token_sched_reshare(token_sched *t, int64_t now_ns);
/* The pod asks; the scheduler hears it delay_ns later. is_early: now, be there left of its token what may; else once
 * the token is used up. */
void token_sched_ask(token_sched *t, const pod *p, int64_t now_ns, int64_t delay_ns, int is_early);
/* Who has work on the GPU has changed: sets the speed of each (process_int.h). */
void token_sched_share_gpu(const token_sched *t, int64_t now_ns);
int token_sched_round(token_sched *t, int64_t now_ns); /* 0, or -1: out of memory */

#endif
