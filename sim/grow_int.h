/* grow_int.h - arrays that grow by doubling. Private to sim/. */
#ifndef GROW_INT_H
#define GROW_INT_H

#include <stddef.h>
#include <stdlib.h>

/* The array with room for element n, moved perhaps, and *cap what it holds now. NULL: no memory, the array is as it
 * was. *cap 0 with a NULL array is an empty one. */
static inline void *grow_array(void *array, size_t n, size_t *cap, size_t size) {
    if (n < *cap) return array;
    size_t more = *cap ? 2 * *cap : 4;
    while (more <= n) more *= 2;
    void *moved = realloc(array, more * size);
    if (moved) *cap = more;
    return moved;
}

#endif
