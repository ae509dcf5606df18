/* rectangles_int.h - the free area of one GPU, kept as maximal rectangles.
 *
 * A GPU is a square of 100 (time quota, x) by 100 (SM partition, y) percent. Its free area is the set of all
 * maximal free rectangles: each is disjoint from what is taken and cannot grow in any direction; together they
 * cover all that is free. They overlap: where a pod stands in a corner of an empty GPU, two are left:
 *
 *     y                             y
 *     |BBBBBBBBBBBB                 |......AAAAAA
 *     |BBBBBBBBBBBB                 |......AAAAAA       A: beside the pod, over the whole height
 *     |pppppp......                 |ppppppAAAAAA       B: above the pod, over the whole width
 *     +------------ x               +------------ x
 *
 * The set depends on what is taken alone, not on the order in which it was taken.
 *
 * Taking a rectangle replaces each free one that it meets by the up to four that are left of it, and drops those
 * that lie within another. Giving back: free all, and take again what stays.
 */
#ifndef RECTANGLES_INT_H
#define RECTANGLES_INT_H

#include <stddef.h>
#include <stdint.h>

enum { RECTANGLES_SIDE = 100 };

typedef struct { /* [x, x + w) by [y, y + h) */
    uint32_t x, y, w, h;
} rectangle;

typedef struct { /* all zero: nothing is free */
    rectangle *v;
    uint32_t n, cap;
} rectangles;

int rectangle_is_within(const rectangle *inner, const rectangle *outer);

/* Both: 0, or -1: out of memory, nothing has changed. */
int rectangles_free_all(rectangles *free_area);
/* What lies beyond the square, or is empty, is ignored; taking what is taken already changes nothing. */
int rectangles_take(rectangles *free_area, rectangle r);

void rectangles_close(rectangles *free_area); /* NULL is fine */

/* What is wrong with it, given what is taken; NULL: nothing. */
const char *rectangles_check(const rectangles *free_area, const rectangle *taken, size_t n);

#endif
