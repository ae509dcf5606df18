#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "cli_trace_int.h"
#include "trace_packed.h"
#include "trace_subset.h"

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "the subset, packed (needed), in place of an old one when all is written", 0},
    {"functions", 'n', "N", 0, "how many functions (default 100)", 0},
    {"seed", 's', "N", 0, "same seed, same functions (default 1)", 0},
    {"format", 'f', "FORMAT", 0, CLI_TRACE_FORMAT_HELP, 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static void print_number(const char *format, double value, const char *absent) {
    if (isnan(value))
        fputs(absent, stdout);
    else
        printf(format, value);
}

static void print_json(const trace_subset *s, size_t n, size_t n_all) {
    printf("{\"functions\": %zu, \"all_functions\": %zu, \"requests\": %llu, \"all_requests\": %llu, "
           "\"marginals\": [",
           n, n_all, (unsigned long long)s->requests, (unsigned long long)s->all_requests);
    for (int m = 0; m < TRACE_N_MARGINALS; m++) {
        const trace_marginal *t = &s->marginals[m];
        printf("%s\n {\"name\": \"%s\", \"functions\": %llu, \"all_functions\": %llu, \"wasserstein\": ",
               m ? "," : "", t->name, (unsigned long long)t->functions, (unsigned long long)t->all_functions);
        print_number("%.6g", t->distance, "null");
        printf(", \"random_wasserstein\": ");
        print_number("%.6g", t->random_distance, "null");
        printf(", \"deviation\": ");
        print_number("%.6g}", t->deviation, "null}");
    }
    puts("]}");
}

static void print_text(const char *output, const trace_subset *s, size_t n, size_t n_all) {
    printf("%s: %zu of %zu functions, %llu of %llu requests (%.3g %%)\n\n", output, n, n_all,
           (unsigned long long)s->requests, (unsigned long long)s->all_requests,
           s->all_requests ? 100 * (double)s->requests / (double)s->all_requests : 0);
    puts("property      functions   of all  Wasserstein  of random subsets  standard deviation");
    for (int m = 0; m < TRACE_N_MARGINALS; m++) {
        const trace_marginal *t = &s->marginals[m];
        printf("%-10s %12llu %8llu ", t->name, (unsigned long long)t->functions,
               (unsigned long long)t->all_functions);
        print_number("%12.4g ", t->distance, "         n/a ");
        print_number("%18.4g ", t->random_distance, "               n/a ");
        print_number("%19.4g", t->deviation, "                n/a");
        printf(" %s\n", t->unit);
    }
    puts("\nWasserstein-1 distance to the whole trace, each function counting once. Random: the median of "
         "128 subsets.");
}

static int sample(const cli_trace_args *args, char *err) {
    trace_file *file = NULL;
    trace_subset subset;
    trace_packed_size size;
    char provenance[1024], how[64];
    size_t n = (size_t)args->functions;
    uint32_t *chosen = NULL;
    int rc = trace_open(&file, args->format, args->path, err);
    if (!rc) rc = cli_trace_spare(args, file, err);
    if (!rc && n <= trace_n_functions(file)) chosen = malloc((n + 1) * sizeof *chosen);
    snprintf(how, sizeof how, "sample (%zu functions, seed %llu)", n, (unsigned long long)args->seed);
    if (!rc) rc = trace_subset_choose(file, n, args->seed, chosen, &subset, err);
    if (!rc) rc = cli_trace_provenance(provenance, sizeof provenance, file, how, err);
    if (!rc) rc = cli_make_folder_of(args->output, err, TRACE_ERR_LEN);
    if (!rc) rc = trace_packed_write(file, chosen, n, provenance, args->output, &size, err);
    if (!rc && args->json) print_json(&subset, n, trace_n_functions(file));
    if (!rc && !args->json) print_text(args->output, &subset, n, trace_n_functions(file));
    free(chosen);
    trace_close(file);
    return rc;
}

int cli_trace_sample(int argc, char **argv) {
    static const char doc[] =
        "Take a representative subset of a trace's functions: of 256 candidates the one whose rates, "
        "durations and gaps "
        "are distributed most like the whole's. Says how far it is, and how far plain random subsets are.";
    cli_trace_args args = {.functions = 100, .seed = 1};
    char err[TRACE_ERR_LEN];
    if (cli_trace_parse(&args, options, "FILE -o PACKED", doc, 1, argc, argv)) return CLI_USAGE;
    if (args.help) return CLI_OK;
    if (sample(&args, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    return cli_trace_flush(argv[0]);
}
