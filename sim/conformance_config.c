/* conformance_config.c - the configs that a policy is tried with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance_int.h"
#include "draw.h"

enum { SEED = 20250502 };

typedef struct {
    uint64_t key, n;
} chooser;

static double unit(chooser *c) {
    return draw_unit(draw_bits(c->key, c->n++));
}

static unsigned below(chooser *c, unsigned n) {
    return (unsigned)(unit(c) * n);
}

static double between(chooser *c, double low, double high) {
    return low + unit(c) * (high - low);
}

/* The name of choice i in "a|b|c" */
static void print_choice(FILE *to, const char *choices, unsigned i) {
    while (i-- > 0 && strchr(choices, '|') != NULL) choices = strchr(choices, '|') + 1;
    fprintf(to, "\"%.*s\"", (int)strcspn(choices, "|"), choices);
}

static unsigned count_choices(const char *choices) {
    unsigned n = 1;
    for (; (choices = strchr(choices, '|')) != NULL; choices++) n++;
    return n;
}

/* One end of the range, or anything in it */
static double any_value(chooser *c, const pol_param *p) {
    unsigned what = below(c, 3);
    double value = what == 0 ? p->min : what == 1 ? p->max : between(c, p->min, p->max);
    return p->is_integer ? floor(value) : value;
}

/* Some of the parameters, at any value; is_used 0: drawn, but not printed, so that what follows stays the same */
static void print_params(FILE *to, chooser *c, const pol_ops *ops, int is_used) {
    const char *comma = "";
    if (is_used) fputs(", \"params\": {", to);
    for (size_t i = 0; i < ops->n_params; i++) {
        const pol_param *p = &ops->params[i];
        if (below(c, 8) > 0) continue;
        unsigned choice = p->choices == NULL ? 0 : below(c, count_choices(p->choices));
        double value = p->choices == NULL ? any_value(c, p) : 0;
        if (!is_used) continue;
        fprintf(to, "%s\"%s\": ", comma, p->key);
        if (p->choices != NULL)
            print_choice(to, p->choices, choice);
        else
            fprintf(to, "%.17g", value);
        comma = ", ";
    }
    if (is_used) fputs("}", to);
}

static void print_policy(FILE *to, chooser *c, const pol_ops *ops, int is_used) {
    static const char *const modes[] = {"corrected", "artifact"};
    fprintf(to, "\"policies\": [{\"name\": \"%s\", \"mode\": \"%s\"", ops->name, modes[below(c, 2)]);
    double scrape_s = between(c, 0.5, 6), phase_s = between(c, 0, 3);
    if (below(c, 2) && is_used)
        fprintf(to, ", \"metrics\": {\"scrape_s\": %.3f, \"phase_s\": %.3f}", scrape_s, phase_s);
    print_params(to, c, ops, is_used);
    fputs("}]", to);
}

static void print_trace(FILE *to, chooser *c) {
    static const char *const shapes[] = {"steady", "even", "diurnal", "bursty", "rare"};
    unsigned shape = below(c, 5);
    double mean_rps = below(c, 4) ? between(c, 0.1, 25) : between(c, 0.001, 0.2);
    fprintf(to, "\"trace\": {\"shape\": \"%s\", \"mean_rps\": %.9g", shapes[shape], mean_rps);
    if (shape == 2) fprintf(to, ", \"period_s\": %.9g, \"amplitude\": 0.9", between(c, 20, 120));
    if (shape == 3) fprintf(to, ", \"burst_factor\": 6, \"burst_s\": 5, \"burst_every_s\": 30");
    fputs("}", to);
}

static void print_functions(FILE *to, chooser *c) {
    static const char *const models[] = {"resnet50", "mobilenet_v3_large", "shufflenet_v2_x0_5",
                                         "efficientnet_b0", "vgg16"};
    unsigned n = 1 + below(c, 4);
    fputs("\"functions\": [", to);
    for (unsigned i = 0; i < n; i++) {
        fprintf(to, "%s\n  {\"name\": \"f%u\", \"model\": \"%s\", \"count\": %u, ", i > 0 ? "," : "", i,
                models[below(c, 5)], 1 + below(c, 2));
        fprintf(to, "\"batch_max\": %u, \"workers\": %u, \"batch_wait_ms\": %u, ", 1 + below(c, 8),
                1 + below(c, 12), below(c, 3) ? 0 : below(c, 40));
        print_trace(to, c);
        fputs("}", to);
    }
    fputs("],\n ", to);
}

static void print_random(FILE *to, const pol_ops *ops, int is_used, size_t k) {
    static const char *const runtimes[] = {"metered", "token"};
    chooser c = {.key = draw_key(SEED, (uint32_t)k, DRAW_POLICY)};
    fprintf(to, "{\"name\": \"conformance-%zu\", \"duration_s\": %u, \"warmup_s\": %u, \"drain_s\": %u, ", k,
            20 + below(&c, 180), 5 * below(&c, 3), 30 * below(&c, 2));
    fprintf(to, "\"seeds\": [%zu], \"slo_multiplier\": %.3f,\n ", k + 1, between(&c, 1.5, 10));
    fprintf(to, "\"cluster\": {\"gpus\": [{\"device\": \"v100-16gb\", \"nodes\": %u, \"per_node\": %u}], ",
            1 + below(&c, 4), 1 + below(&c, 2));
    fprintf(to, "\"rows_per_gpu\": %u", 1 + below(&c, 4));
    if (below(&c, 2)) fprintf(to, ", \"runtime\": \"%s\"", runtimes[below(&c, 2)]);
    fputs("},\n ", to);
    print_functions(to, &c);
    print_policy(to, &c, ops, is_used);
    fputs("}\n", to);
}

/* Load that comes and goes, so that a policy that scales keeps scaling */
static void print_plain(FILE *to, const pol_ops *ops, unsigned duration_s, unsigned n_fns) {
    fprintf(
        to,
        "{\"name\": \"conformance\", \"duration_s\": %u, \"drain_s\": 0, \"seeds\": 1,\n"
        " \"cluster\": {\"gpus\": [{\"device\": \"v100-16gb\", \"nodes\": 8}], \"rows_per_gpu\": 4},\n"
        " \"functions\": [{\"name\": \"f\", \"model\": \"resnet50\", \"count\": %u, \"trace\": {\"shape\": "
        "\"diurnal\", \"mean_rps\": 5, \"amplitude\": 1, \"period_s\": 600}}],\n"
        " \"policies\": [{\"name\": \"%s\"}]}\n",
        duration_s, n_fns, ops->name);
}

char *conformance_text(const pol_ops *ops, conformance_kind kind, size_t k) {
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL) return NULL;
    if (kind == CONFIG_SHORT)
        print_plain(to, ops, 1, 2);
    else if (kind == CONFIG_LONG)
        print_plain(to, ops, 3 * 3600, 8);
    else
        print_random(to, ops, kind == CONFIG_RANDOM, k);
    if (fclose(to) == 0) return text;
    free(text);
    return NULL;
}

char *conformance_config(const pol_ops *ops, size_t k) {
    return conformance_text(ops, CONFIG_RANDOM, k);
}
