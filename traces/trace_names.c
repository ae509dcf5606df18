/* trace_names.c - names to numbers: one text arena, one table with open addressing. */
#include "draw.h"
#include "trace_int.h"

#include <stdlib.h>
#include <string.h>

static uint64_t load(const char *at, size_t n) {
    uint64_t word = 0;
    memcpy(&word, at, n);
    return word;
}

/* Two multiplications in flight, 16 bytes at a time; names are long and many, and most of reading a trace of many
 * functions is finding them. */
static uint64_t hash_of(const char *name, size_t len) {
    uint64_t a = len, b = UINT64_C(0x9e3779b97f4a7c15);
    for (; len >= 16; len -= 16, name += 16) {
        a = (a ^ load(name, 8)) * UINT64_C(0xbf58476d1ce4e5b9);
        b = (b ^ load(name + 8, 8)) * UINT64_C(0x94d049bb133111eb);
        a ^= a >> 32;
        b ^= b >> 29;
    }
    if (len >= 8) {
        a = (a ^ load(name, 8)) * UINT64_C(0xbf58476d1ce4e5b9);
        name += 8;
        len -= 8;
    }
    return draw_mix(draw_mix(a ^ load(name, len)) ^ b);
}

const char *trace_names_at(const trace_names *names, uint32_t number) {
    return names->text + names->starts[number];
}

static size_t length_of(const trace_names *names, uint32_t number) {
    size_t end = number + 1 < names->n ? names->starts[number + 1] : names->text_used;
    return end - names->starts[number] - 1;
}

/* The slot that holds the name, or the free one where it belongs. A slot keeps 32 bits of the hash, so that other
 * names are hardly ever looked at. */
static size_t slot_of(const trace_names *names, const char *name, size_t len, uint64_t hash) {
    size_t slot = hash & (names->n_slots - 1);
    for (; names->slots[slot].number; slot = (slot + 1) & (names->n_slots - 1)) {
        if (names->slots[slot].hash != (uint32_t)(hash >> 32)) continue;
        uint32_t number = names->slots[slot].number - 1;
        if (length_of(names, number) == len && !memcmp(trace_names_at(names, number), name, len)) break;
    }
    return slot;
}

static int grow_slots(trace_names *names, char *err) {
    if (names->n * 2 < names->n_slots) return 0;
    size_t n_slots = names->n_slots ? names->n_slots * 2 : 64;
    trace_name_slot *slots = calloc(n_slots, sizeof *slots);
    if (!slots) return trace_fail(err, "out of memory");
    free(names->slots);
    names->slots = slots;
    names->n_slots = n_slots;
    for (uint32_t i = 0; i < names->n; i++) {
        uint64_t hash = hash_of(trace_names_at(names, i), length_of(names, i));
        size_t slot = hash & (n_slots - 1);
        while (slots[slot].number) slot = (slot + 1) & (n_slots - 1);
        slots[slot] = (trace_name_slot){(uint32_t)(hash >> 32), i + 1};
    }
    return 0;
}

bool trace_names_find(const trace_names *names, const char *name, size_t len, uint32_t *number) {
    if (!names->n) return false;
    uint32_t found = names->slots[slot_of(names, name, len, hash_of(name, len))].number;
    *number = found - 1;
    return found;
}

static int append(trace_names *names, const char *name, size_t len, char *err) {
    if (names->n >= UINT32_MAX - 1) return trace_fail(err, "too many names");
    if (trace_grow((void **)&names->text, &names->text_capacity, names->text_used + len + 1, 1, err) ||
        trace_grow((void **)&names->starts, &names->starts_capacity, names->n + 1, sizeof *names->starts,
                   err))
        return -1;
    memcpy(names->text + names->text_used, name, len);
    names->text[names->text_used + len] = '\0';
    names->starts[names->n++] = names->text_used;
    names->text_used += len + 1;
    return 0;
}

int trace_names_add(trace_names *names, const char *name, size_t len, uint32_t *number, bool *is_new,
                    char *err) {
    if (grow_slots(names, err)) return -1;
    uint64_t hash = hash_of(name, len);
    trace_name_slot *slot = &names->slots[slot_of(names, name, len, hash)];
    *is_new = !slot->number;
    if (*is_new) {
        if (append(names, name, len, err)) return -1;
        *slot = (trace_name_slot){(uint32_t)(hash >> 32), (uint32_t)names->n};
    }
    *number = slot->number - 1;
    return 0;
}

void trace_names_free(trace_names *names) {
    free(names->text);
    free(names->starts);
    free(names->slots);
    *names = (trace_names){0};
}
