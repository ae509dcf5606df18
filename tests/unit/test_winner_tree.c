/* The queue of the global order, and of functions with many pods: against a look at every key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draw.h"
#include "winner_tree_int.h"

enum { N_MAX = 70, CHANGES = 5000 };

static uint32_t first_of(const event_key *keys, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (keys[i] < keys[best]) best = i; /* ties: the lowest index */
    return best;
}

static void the_earliest_is_found_after_every_change(void **state) {
    (void)state;
    uint64_t key = draw_key(3, 0, DRAW_POLICY), k = 0;
    for (uint32_t n = 1; n <= N_MAX; n++) {
        winner_tree t;
        event_key keys[N_MAX];
        assert_int_equal(winner_tree_open(&t, n), 0);
        assert_true(winner_tree_first(&t).key == NEVER);
        for (uint32_t i = 0; i < n; i++) keys[i] = (event_key)(draw_bits(key, k++) % 20); /* many ties */
        winner_tree_fill(&t, keys, n);
        for (int change = 0; change < CHANGES / (int)n; change++) {
            winner first = winner_tree_first(&t);
            uint32_t expected = first_of(keys, n), i = (uint32_t)(draw_bits(key, k++) % n);
            assert_int_equal(first.leaf, expected);
            assert_int_equal(first.key, keys[expected]);
            keys[i] = draw_bits(key, k++) % 10 ? (event_key)(draw_bits(key, k++) % 20) : NEVER;
            winner_tree_set(&t, i, keys[i]);
        }
        winner_tree_close(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_earliest_is_found_after_every_change)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
