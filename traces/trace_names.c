/* trace_names.c - names to numbers: one text arena, one table with open addressing. */
#include "draw.h"
#include "trace_int.h"

#include <stdlib.h>
#include <string.h>

/* Eight bytes at a time through draw.h's mixer; names are long and many. */
static uint64_t hash_of(const char *name, size_t len) {
    uint64_t h = len, word;
    for (; len >= 8; len -= 8, name += 8) {
        memcpy(&word, name, 8);
        h = draw_mix(h ^ word);
    }
    word = 0;
    memcpy(&word, name, len);
    return draw_mix(h ^ word);
}

const char *trace_names_at(const trace_names *names, uint32_t number) {
    return names->text + names->starts[number];
}

/* The slot that holds the name, or the free one where it belongs. */
static size_t slot_of(const trace_names *names, const char *name, size_t len) {
    size_t slot = hash_of(name, len) & (names->n_slots - 1);
    for (; names->slots[slot]; slot = (slot + 1) & (names->n_slots - 1)) {
        const char *other = trace_names_at(names, names->slots[slot] - 1);
        if (!strncmp(other, name, len) && !other[len]) break;
    }
    return slot;
}

static int grow_slots(trace_names *names, char *err) {
    if (names->n * 2 < names->n_slots) return 0;
    size_t n_slots = names->n_slots ? names->n_slots * 2 : 64;
    uint32_t *slots = calloc(n_slots, sizeof *slots);
    if (!slots) return trace_fail(err, "out of memory");
    free(names->slots);
    names->slots = slots;
    names->n_slots = n_slots;
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = trace_names_at(names, i);
        slots[slot_of(names, name, strlen(name))] = i + 1;
    }
    return 0;
}

bool trace_names_find(const trace_names *names, const char *name, size_t len, uint32_t *number) {
    if (!names->n) return false;
    uint32_t found = names->slots[slot_of(names, name, len)];
    *number = found - 1;
    return found;
}

int trace_names_add(trace_names *names, const char *name, size_t len, uint32_t *number, bool *is_new,
                    char *err) {
    if (grow_slots(names, err)) return -1;
    size_t slot = slot_of(names, name, len);
    *is_new = !names->slots[slot];
    if (*is_new) {
        if (names->n >= UINT32_MAX - 1) return trace_fail(err, "too many names");
        if (trace_grow((void **)&names->text, &names->text_capacity, names->text_used + len + 1, 1, err) ||
            trace_grow((void **)&names->starts, &names->starts_capacity, names->n + 1, sizeof *names->starts,
                       err))
            return -1;
        memcpy(names->text + names->text_used, name, len);
        names->text[names->text_used + len] = '\0';
        names->starts[names->n] = names->text_used;
        names->text_used += len + 1;
        names->slots[slot] = (uint32_t)++names->n;
    }
    *number = names->slots[slot] - 1;
    return 0;
}

void trace_names_free(trace_names *names) {
    free(names->text);
    free(names->starts);
    free(names->slots);
    *names = (trace_names){0};
}
