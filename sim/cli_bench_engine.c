/* cli_bench_engine.c - what the benchmarks that run the engine share: options, a shipped config scaled, repetitions,
 * figures. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cli_bench_int.h"
#include "setup.h"

error_t cli_bench_option(int key, char *arg, const struct argp_state *state, bench_args *a) {
    switch (key) {
    case 'f':
        return cli_bench_number(state, "--functions", arg, 1000000, &a->functions);
    case 'r':
        return cli_bench_number(state, "--requests", arg, 100000000000, &a->requests);
    case 't':
        return cli_bench_number(state, "--threads", arg, 256, &a->threads);
    case 'n':
        return cli_bench_number(state, "--repeat", arg, BENCH_REPEAT_MAX, &a->repeat);
    case 'e':
        a->engine = arg;
        return 0;
    case 'p':
        a->policy = arg;
        return 0;
    case BENCH_KEY_JSON:
        a->json = 1;
        return 0;
    case 'h':
        a->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return cli_refuse(state, "found '%s', expected options only", arg);
    case ARGP_KEY_END:
        if (a->help) cli_help(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void cli_bench_set(bench_overrides *o, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(o->text[o->n], BENCH_SET_LEN, format, args);
    va_end(args);
    o->sets[o->n] = o->text[o->n];
    o->n++;
}

static int measure_once(const bench_args *a, const engine_setup *run, size_t i, bench_figures *out,
                        char err[CONFIG_ERR_LEN]) {
    engine_options options = {.order = strcmp(a->engine, "global") == 0 ? ENGINE_GLOBAL : ENGINE_ISLANDS,
                              .threads = (unsigned)a->threads,
                              .eager = a->eager};
    engine_result r;
    double begin_s = cli_bench_now_s(), begin_cpu_s = cli_bench_cpu_s();
    if (engine_run(run, &options, &r, err)) return -1;
    out->wall_s[i] = cli_bench_now_s() - begin_s;
    out->cpu_s[i] = cli_bench_cpu_s() - begin_cpu_s;
    double violations = 0;
    out->requests = 0;
    for (size_t k = 0; k < r.n_fns; k++) {
        out->requests += (double)r.fns[k].arrivals;
        violations += (double)r.fns[k].window_violations;
    }
    out->violation_pct = out->requests > 0 ? 100 * violations / out->requests : 0;
    out->events = (double)r.events;
    out->visits = (double)r.visits;
    out->acts = (double)r.acts;
    out->hash = r.hash;
    engine_result_free(&r);
    return 0;
}

static int find_policy(const config *c, const char *name, size_t *at, char err[CONFIG_ERR_LEN]) {
    for (*at = 0; *at < c->n_policies; ++*at)
        if (strcmp(c->policies[*at].name, name) == 0) return 0;
    snprintf(err, CONFIG_ERR_LEN, "--policy: found '%s', expected a policy of %s", name, c->file);
    return -1;
}

static int measure_all(const bench_args *a, engine_setup *run, bench_figures *out, char err[CONFIG_ERR_LEN]) {
    int rc = 0;
    tap *t = a->hooks ? tap_new(run->policy, run->params, a->hooks) : NULL;
    if (a->hooks && !t) {
        snprintf(err, CONFIG_ERR_LEN, "out of memory");
        return -1;
    }
    if (t) {
        run->policy = tap_ops(t);
        run->params = tap_values(t);
    }
    for (size_t i = 0; i < a->repeat && !rc; i++) rc = measure_once(a, run, i, out, err);
    tap_free(t);
    cli_bench_sort(out->wall_s, a->repeat);
    cli_bench_sort(out->cpu_s, a->repeat);
    return rc;
}

static int measure_config(const bench_args *a, const config *c, bench_figures *out,
                          char err[CONFIG_ERR_LEN]) {
    int rc = -1;
    size_t policy;
    setup *s = NULL;
    setup_store *store = setup_store_new();
    if (!store) snprintf(err, CONFIG_ERR_LEN, "out of memory");
    if (!store || find_policy(c, a->policy, &policy, err) || setup_open(&s, store, c, err)) goto out;
    engine_setup run;
    if (setup_engine(s, policy, c->seeds[0], &run, err)) goto out;
    rc = measure_all(a, &run, out, err);
out:
    setup_close(s);
    setup_store_free(store);
    return rc;
}

int cli_bench_measure(const bench_args *a, bench_scale *scale, bench_figures *out, char err[CONFIG_ERR_LEN]) {
    char path[4096];
    config_doc *doc = NULL;
    config *scaled = NULL;
    bench_overrides o = {.n = 0};
    if (cli_find_shipped(a->file, path, sizeof path, err, CONFIG_ERR_LEN) || scale(&o, a, err)) return -1;
    int rc = config_open(&doc, path, o.sets, o.n, err) || config_at(&scaled, doc, 0, err) ? -1 : 0;
    if (!rc) rc = measure_config(a, scaled, out, err);
    config_free(scaled);
    config_close(doc);
    return rc;
}

void cli_bench_print(const bench_args *a, const bench_figures *f) {
    double median = f->wall_s[a->repeat / 2], cpu_s = f->cpu_s[a->repeat / 2], least = f->wall_s[0],
           most = f->wall_s[a->repeat - 1], rss_mib = cli_bench_rss_mib();
    if (a->json) {
        printf("{\"benchmark\": \"%s\", \"functions\": %lu, \"engine\": \"%s\", \"policy\": \"%s\", "
               "\"threads\": %lu, \"repeat\": %lu,\n \"requests\": %.0f, \"wall_s\": %.6f, "
               "\"wall_min_s\": %.6f, \"wall_max_s\": %.6f, \"cpu_s\": %.6f, \"requests_per_s\": %.0f,\n "
               "\"max_rss_mib\": %.1f, \"events\": %.0f, \"visits\": %.0f, \"acts\": %.0f, "
               "\"violation_pct\": %.4f, \"result_hash\": \"%016" PRIx64 "\"}\n",
               a->name, a->functions, a->engine, a->policy, a->threads, a->repeat, f->requests, median, least,
               most, cpu_s, f->requests / median, rss_mib, f->events, f->visits, f->acts, f->violation_pct,
               f->hash);
        return;
    }
    printf("%s: %.0f requests of %lu functions, policy %s, engine %s, %lu thread%s\n"
           "  wall      %.3f s (median of %lu; %.3f to %.3f)\n"
           "  speed     %.2f million requests/s, %.0f ns a request\n"
           "  processor %.3f s (median), %.0f ns a request\n"
           "  memory    %.1f MiB\n"
           "  work      %.0f events, %.0f visits, %.0f acts; %.2f %% violations\n",
           a->name, f->requests, a->functions, a->policy, a->engine, a->threads, a->threads > 1 ? "s" : "",
           median, a->repeat, least, most, f->requests / median * 1e-6, 1e9 * median / f->requests, cpu_s,
           1e9 * cpu_s / f->requests, rss_mib, f->events, f->visits, f->acts, f->violation_pct);
}
