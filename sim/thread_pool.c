#include "thread_pool_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct thread_pool {
    pthread_t *threads;
    unsigned n_threads; /* besides the caller's */
    pthread_mutex_t lock;
    pthread_cond_t start, finished;
    unsigned long round; /* counts the calls of run */
    unsigned busy;
    int closing;
    void (*work)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
};

static void take_part(thread_pool *pool) {
    for (;;) {
        size_t i = atomic_fetch_add(&pool->next, 1);
        if (i >= pool->n) return;
        pool->work(pool->arg, i);
    }
}

static void *thread_main(void *arg) {
    thread_pool *pool = arg;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->round == seen && !pool->closing) pthread_cond_wait(&pool->start, &pool->lock);
        if (pool->closing) break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->lock);
        take_part(pool);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0) pthread_cond_signal(&pool->finished);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

thread_pool *thread_pool_open(unsigned threads) {
    thread_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->threads = calloc(threads, sizeof *pool->threads);
    while (pool->threads && pool->n_threads + 1 < threads) {
        if (pthread_create(&pool->threads[pool->n_threads], NULL, thread_main, pool)) break;
        pool->n_threads++;
    }
    if (pool->threads && pool->n_threads + 1 == threads) return pool;
    thread_pool_close(pool);
    return NULL;
}

void thread_pool_close(thread_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = 1;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->start);
    pthread_cond_destroy(&pool->finished);
    free(pool->threads);
    free(pool);
}

void thread_pool_run(thread_pool *pool, size_t n, void (*work)(void *arg, size_t i), void *arg) {
    if (pool->n_threads == 0 || n <= 1) {
        for (size_t i = 0; i < n; i++) work(arg, i);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->arg = arg;
    pool->n = n;
    atomic_store(&pool->next, 0);
    pool->busy = pool->n_threads;
    pool->round++;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    take_part(pool);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy) pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
