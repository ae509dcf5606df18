/* client.h - a test client as the HAS-GPU testbed's: an arrival source that listens to the answers.
 *
 * The load comes in stages. In a stage of rate c the client submits 5c requests (stage_s = 5), one every 1/c s and a
 * little (each sleep lasts late_ns longer than asked), to a pool of 2c threads. A submission is a small task that
 * submits the call itself, as a second task, to the same pool (FIFO): at most 2c calls are in flight, the rest waits
 * inside the client, and that time is in no latency. At the end of a stage the pool is closed: what is queued as a
 * call is still made, but a first task that runs now cannot submit its call; it holds its thread for three back-offs
 * (0.1, 0.2, 0.4 s) and gives up: the request is *lost*, never sent. The next stage begins when all threads are done:
 * open loop within a stage, closed between stages. (spec 5.1, artifact: test_batch.py)
 *
 *     submit --> [task]--(a thread)--> [call] --(a thread, kept until the answer)--> sent --> answered
 *                   \--(pool closed)--> thread kept 0.7 s --> lost
 *
 * A config has one as "trace": {"format": "client"}; `hassim validate` replays the recorded runs with one.
 *
 * The client has no clock: the engine asks when something is due (client_next), lets one thing happen (client_step),
 * and reports answers (client_answered). Times are int64_t ns. All of it is deterministic. A spec is plain data and
 * must outlive the client.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t rate_rps; /* c >= 1 */
    int64_t pause_ns;  /* between the end of the stage before, or start_ns, and this one's first request */
} client_stage;

typedef struct {
    const client_stage *stages; /* [n_stages], n_stages >= 1 */
    size_t n_stages;
    uint32_t stage_s;         /* seconds per stage, >= 1 */
    uint32_t threads_per_rps; /* 2 on the testbed, >= 1 */
    int64_t late_ns;          /* >= 0 */
} client_spec;

typedef enum { CLIENT_IDLE, CLIENT_SENDS, CLIENT_LOSES } client_move;

typedef struct client client;

client *client_open(const client_spec *spec, int64_t start_ns); /* NULL: out of memory */
void client_close(client *c);                                   /* NULL is fine */

/* When client_step must be called next; INT64_MAX: when an answer has come, or never (client_is_done). */
int64_t client_next(const client *c);
/* Lets one thing happen that is due at now_ns >= client_next(c): a request is sent, or lost, or neither. */
client_move client_step(client *c, int64_t now_ns);
/* A request is over: one that was sent, well or badly; one that was lost, at once. To be called once for each. */
void client_answered(client *c, int64_t now_ns);
int client_is_done(const client *c);

#endif
