/* registry.c - the built-in policies: one line each. */
#include <string.h>

#include "policy.h"

extern const pol_ops policy_fast_gshare, policy_fixed, policy_has, policy_horizontal, policy_kserve,
    policy_mig, policy_vertical, policy_whole_gpu;

static const pol_ops *const built_in[] = {&policy_has,         &policy_kserve,    &policy_fixed,
                                          &policy_fast_gshare, &policy_whole_gpu, &policy_horizontal,
                                          &policy_vertical,    &policy_mig};
enum { N_BUILT_IN = sizeof built_in / sizeof *built_in };

const pol_ops *policy_at(size_t i) {
    return i < N_BUILT_IN ? built_in[i] : NULL;
}

const pol_ops *policy_find(const char *name) {
    for (size_t i = 0; i < N_BUILT_IN; i++)
        if (strcmp(built_in[i]->name, name) == 0) return built_in[i];
    return NULL;
}
