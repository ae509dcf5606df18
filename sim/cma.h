/* cma.h - the least value of a function of a few numbers, of which nothing is known but what it is at a point.
 *
 * Evolution strategy with covariance matrix adaptation (CMA-ES; Hansen, The CMA Evolution Strategy: A Tutorial, 2016,
 * arXiv 1604.00772; its symbols and its standard constants): each generation draws points from a normal distribution,
 * and the better half of them moves its mean, its width and its shape. It takes noise, ridges and many dimensions
 * better than changes of one number at a time do.
 *
 * The function may be noisy: it is told the generation, and may draw anew for each as long as all points of one meet the
 * same chance. That is why the answer is the last mean and not the best point drawn, which is often only a lucky one.
 *
 * The numbers should be of like scale: a step of `width` should mean as much in one as in another. The result depends on
 * the function, the start and the options alone.
 */
#ifndef CMA_H
#define CMA_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t n;     /* numbers, at least 1 */
    double width; /* standard deviation of the first draws */
    uint64_t key; /* of the draws */
} cma_spec;

/* NaN or infinite: no good. */
typedef double (*cma_function)(void *arg, const double *x, unsigned generation);

typedef struct cma cma;

double cma_normal(uint64_t bits); /* a standard normal deviate */
size_t cma_generation_size(size_t n);

cma *cma_open(const cma_spec *spec, const double *x); /* at x. NULL: out of memory */
void cma_close(cma *s);                               /* NULL is fine */
/* Generations of cma_generation_size(n) points each, where the last call left off. One in which less than half of the
 * points are good changes nothing. */
void cma_advance(cma *s, unsigned generations, cma_function f, void *arg);
unsigned cma_generation(const cma *s); /* how many there have been */
const double *cma_mean(const cma *s);  /* [n]; the search's */

#endif
