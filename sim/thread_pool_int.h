/* thread_pool_int.h - runs one function over an index range in several threads. Private to the engine.
 *
 * The caller's thread takes part. Indices are handed out in no fixed order: the work must not
 * depend on it. With one thread nothing is started.
 */
#ifndef THREAD_POOL_INT_H
#define THREAD_POOL_INT_H

#include <stddef.h>

typedef struct thread_pool thread_pool;

thread_pool *thread_pool_open(unsigned threads); /* NULL: out of memory or threads */
void thread_pool_close(thread_pool *pool);       /* NULL is fine */
/* Calls work(arg, i) for every i < n; returns when all are done. */
void thread_pool_run(thread_pool *pool, size_t n, void (*work)(void *arg, size_t i), void *arg);

#endif
