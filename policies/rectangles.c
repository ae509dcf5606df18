/* rectangles.c - see rectangles_int.h. J. Jylänki, "A Thousand Ways to Pack the Bin" (2010), describes the family. */
#include "rectangles_int.h"

#include <stdlib.h>
#include <string.h>

int rectangle_is_within(const rectangle *inner, const rectangle *outer) {
    return inner->x >= outer->x && inner->x + inner->w <= outer->x + outer->w && inner->y >= outer->y &&
           inner->y + inner->h <= outer->y + outer->h;
}

static int meets(const rectangle *a, const rectangle *b) {
    return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static int make_room(rectangles *f, size_t n) {
    if (n <= f->cap) return 1;
    rectangle *more = realloc(f->v, 2 * n * sizeof *more);
    if (!more) return 0;
    f->v = more;
    f->cap = (uint32_t)(2 * n);
    return 1;
}

static void add_if_not_empty(rectangles *f, rectangle r) {
    if (r.w > 0 && r.h > 0) f->v[f->n++] = r;
}

/* The maximal parts of `whole` outside of r, which meets it. */
static void split(rectangles *f, const rectangle *whole, const rectangle *r) {
    uint32_t right = whole->x + whole->w, top = whole->y + whole->h;
    uint32_t r_right = r->x + r->w, r_top = r->y + r->h;
    if (r->x > whole->x) add_if_not_empty(f, (rectangle){whole->x, whole->y, r->x - whole->x, whole->h});
    if (r_right < right) add_if_not_empty(f, (rectangle){r_right, whole->y, right - r_right, whole->h});
    if (r->y > whole->y) add_if_not_empty(f, (rectangle){whole->x, whole->y, whole->w, r->y - whole->y});
    if (r_top < top) add_if_not_empty(f, (rectangle){whole->x, r_top, whole->w, top - r_top});
}

/* Drops those from number `from` on that lie within another; of equal ones the first stays. Those before lie
 * within none: they are maximal, and the new ones are parts of others that were. */
static void drop_contained(rectangles *f, uint32_t from) {
    for (uint32_t i = f->n; i-- > from;) {
        int is_contained = 0;
        for (uint32_t k = 0; k < f->n && !is_contained; k++)
            is_contained = k != i && rectangle_is_within(&f->v[i], &f->v[k]);
        if (is_contained) memmove(f->v + i, f->v + i + 1, (--f->n - i) * sizeof *f->v);
    }
}

static rectangle clip(rectangle r) {
    if (r.x > RECTANGLES_SIDE) r.x = RECTANGLES_SIDE;
    if (r.y > RECTANGLES_SIDE) r.y = RECTANGLES_SIDE;
    if (r.w > RECTANGLES_SIDE - r.x) r.w = RECTANGLES_SIDE - r.x;
    if (r.h > RECTANGLES_SIDE - r.y) r.h = RECTANGLES_SIDE - r.y;
    return r;
}

int rectangles_take(rectangles *f, rectangle r) {
    r = clip(r);
    if (r.w == 0 || r.h == 0) return 0;
    uint32_t before = f->n, kept = 0;
    if (!make_room(f, (size_t)before * 5)) return -1;
    for (uint32_t i = 0; i < before; i++)
        if (meets(&f->v[i], &r)) split(f, &f->v[i], &r);
    for (uint32_t i = 0; i < before; i++)
        if (!meets(&f->v[i], &r)) f->v[kept++] = f->v[i];
    memmove(f->v + kept, f->v + before, (f->n - before) * sizeof *f->v);
    f->n -= before - kept;
    drop_contained(f, kept);
    return 0;
}

int rectangles_free_all(rectangles *f) {
    if (!make_room(f, 1)) return -1;
    f->v[0] = (rectangle){0, 0, RECTANGLES_SIDE, RECTANGLES_SIDE};
    f->n = 1;
    return 0;
}

void rectangles_close(rectangles *f) {
    if (!f) return;
    free(f->v);
    *f = (rectangles){0};
}

/* ---- invariants ---- */

enum { SIDE = RECTANGLES_SIDE };
typedef struct {
    uint8_t is_taken[SIDE][SIDE], is_covered[SIDE][SIDE]; /* by y, x */
} cells;

static void mark(uint8_t map[SIDE][SIDE], rectangle r) {
    for (uint32_t y = r.y; y < r.y + r.h; y++) memset(&map[y][r.x], 1, r.w);
}

static int is_free(const cells *c, uint32_t x, uint32_t y, uint32_t w, uint32_t h) {
    if (x + w > SIDE || y + h > SIDE) return 0;
    for (uint32_t i = y; i < y + h; i++)
        if (memchr(&c->is_taken[i][x], 1, w)) return 0;
    return 1;
}

static int can_grow(const cells *c, const rectangle *r) {
    return (r->x > 0 && is_free(c, r->x - 1, r->y, 1, r->h)) || is_free(c, r->x + r->w, r->y, 1, r->h) ||
           (r->y > 0 && is_free(c, r->x, r->y - 1, r->w, 1)) || is_free(c, r->x, r->y + r->h, r->w, 1);
}

static const char *check_cells(const rectangles *f, const cells *c) {
    for (uint32_t y = 0; y < SIDE; y++)
        for (uint32_t x = 0; x < SIDE; x++)
            if (!c->is_taken[y][x] && !c->is_covered[y][x]) return "free area is not covered";
    for (uint32_t i = 0; i < f->n; i++) {
        const rectangle *r = &f->v[i];
        if (!is_free(c, r->x, r->y, r->w, r->h)) return "a free rectangle meets what is taken";
        if (can_grow(c, r)) return "a free rectangle is not maximal";
        for (uint32_t k = 0; k < i; k++)
            if (memcmp(r, &f->v[k], sizeof *r) == 0) return "a free rectangle is there twice";
    }
    return NULL;
}

const char *rectangles_check(const rectangles *f, const rectangle *taken, size_t n) {
    cells c = {0};
    for (size_t i = 0; i < n; i++) mark(c.is_taken, clip(taken[i]));
    for (uint32_t i = 0; i < f->n; i++) {
        rectangle r = clip(f->v[i]);
        if (memcmp(&r, &f->v[i], sizeof r) != 0 || r.w == 0 || r.h == 0) return "a free rectangle is no part";
        mark(c.is_covered, r);
    }
    return check_cells(f, &c);
}
