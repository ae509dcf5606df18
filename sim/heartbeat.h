/* heartbeat.h - what a policy is doing in another process, to be read when that process is dead or hangs.
 *
 * The parent allocates heartbeats, which live in memory that forked children share. A child runs its policy under
 * heartbeat_hooks (tap.h), which note each call as it begins and ends; the parent reads the notes at any time.
 * Calls in progress at once, in threads, are kept apart by function as far as there is room.
 */
#ifndef HEARTBEAT_H
#define HEARTBEAT_H

#include <stddef.h>

#include "tap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct heartbeat heartbeat;

heartbeat *heartbeat_new(size_t n); /* n of them; NULL: no memory */
void heartbeat_free(heartbeat *all, size_t n);
heartbeat *heartbeat_at(heartbeat *all, size_t i);

void heartbeat_clear(heartbeat *h);
tap_hooks heartbeat_hooks(heartbeat *h);

typedef struct {
    int is_known;   /* 0: no call has begun */
    int is_inside;  /* that call has not ended */
    tap_call call;  /* not TAP_PLAN */
    uint32_t fn;    /* meaningless in open and close; POL_ALL: all */
    int64_t now_ns; /* simulated time */
} heartbeat_news;

/* The call that is in progress, the latest in simulated time of several; else the last that ended. */
heartbeat_news heartbeat_read(const heartbeat *h);

/* Whether any call is in progress; begun: how many calls have begun. While the one holds and the other stays the
 * same, nothing moves but that call. */
int heartbeat_is_inside(const heartbeat *h, uint64_t *begun);

/* "in act of NAME, at 12.5 s of simulated time"; name NULL: the function's number. "" if nothing is known. */
void heartbeat_describe(const heartbeat_news *news, const char *name, char *out, size_t len);

#ifdef __cplusplus
}
#endif
#endif
