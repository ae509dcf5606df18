#include <argp.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_trace_int.h"
#include "trace_generate.h"

typedef struct {
    trace_generate_spec spec;
    const char *directory;
    int has_rps, help;
} generate_args;

static const struct argp_option options[] = {
    {"output", 'o', "DIR", 0,
     "folder to write to (needed), made if missing; its files are replaced when all is written", 0},
    {"functions", 'f', "N", 0, "how many functions (default 12)", 0},
    {"minutes", 'm', "N", 0, "how long (default 60)", 0},
    {"mean-rps", 'r', "RPS", 0,
     "requests per second, all functions together (default 60; like azure2019: 0.2494 a function)", 0},
    {"like", 'l', "WHAT", 0,
     "mix (default), or azure2019: a population with the published marginals of that trace", 0},
    {"mix", 'x', "S,D,B,R", 0, "steady, diurnal, bursty and rare functions, as parts (default 3,4,3,2)", 0},
    {"seed", 's', "N", 0, "same seed, same files (default 1)", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t bad_value(struct argp_state *state, const char *option, const char *found,
                         const char *expected) {
    cli_refuse(state, "--%s: found '%s', expected %s", option, found, expected);
    return EINVAL;
}

static error_t take_whole(struct argp_state *state, const char *option, const char *arg, uint64_t most,
                          uint64_t *value) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(arg, &end, 10);
    if (*arg < '0' || *arg > '9' || *end || errno || n > most)
        return bad_value(state, option, arg, "a whole number >= 0, not huge");
    *value = n;
    return 0;
}

static error_t take_u32(struct argp_state *state, const char *option, const char *arg, uint32_t *value) {
    uint64_t n = *value;
    error_t rc = take_whole(state, option, arg, UINT32_MAX, &n);
    *value = (uint32_t)n;
    return rc;
}

static error_t take_mix(struct argp_state *state, const char *arg, double mix[TRACE_N_KINDS]) {
    const char *at = arg;
    for (int k = 0; k < TRACE_N_KINDS; k++) {
        char *end;
        mix[k] = strtod(at, &end);
        if (end == at || *end != (k + 1 < TRACE_N_KINDS ? ',' : '\0'))
            return bad_value(state, "mix", arg, "four numbers, such as 3,4,3,2");
        at = end + 1;
    }
    return 0;
}

static error_t take_rps(struct argp_state *state, const char *arg, double *rps) {
    char *end;
    *rps = strtod(arg, &end);
    return end != arg && !*end ? 0 : bad_value(state, "mean-rps", arg, "a number");
}

static error_t take_like(struct argp_state *state, const char *arg, trace_like *like) {
    *like = strcmp(arg, "azure2019") ? TRACE_LIKE_MIX : TRACE_LIKE_AZURE2019;
    return *like == TRACE_LIKE_AZURE2019 || !strcmp(arg, "mix")
               ? 0
               : bad_value(state, "like", arg, "mix or azure2019");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    generate_args *args = state->input;
    switch (key) {
    case 'o':
        args->directory = arg;
        return 0;
    case 'f':
        return take_u32(state, "functions", arg, &args->spec.functions);
    case 'm':
        return take_u32(state, "minutes", arg, &args->spec.minutes);
    case 'l':
        return take_like(state, arg, &args->spec.like);
    case 'r':
        args->has_rps = 1;
        return take_rps(state, arg, &args->spec.mean_rps);
    case 'x':
        return take_mix(state, arg, args->spec.mix);
    case 's':
        return take_whole(state, "seed", arg, UINT64_MAX, &args->spec.seed);
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        cli_refuse(state, "found '%s', expected options only", arg);
        return EINVAL;
    case ARGP_KEY_END:
        if (args->help)
            cli_help(state);
        else if (!args->directory)
            cli_refuse(state, "found no directory, expected -o DIR");
        return args->help || args->directory ? 0 : EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_rows(const trace_kind_summary *kind) {
    for (uint32_t i = 0; i < kind->functions && i < TRACE_SUMMARY_ROWS; i++)
        printf("%s%u", i ? "," : "", kind->rows[i]);
    puts(kind->functions > TRACE_SUMMARY_ROWS ? ",..." : "");
}

static void print_summary(const generate_args *args, const trace_summary *summary) {
    double seconds = args->spec.minutes * 60.0;
    printf("%s: invocations.csv, durations.csv, memory.csv\n", args->directory);
    printf("%u functions, %u minutes, seed %llu: %llu invocations, %.2f/s (asked: %.2f/s)\n\n",
           args->spec.functions, args->spec.minutes, (unsigned long long)args->spec.seed,
           (unsigned long long)summary->invocations, (double)summary->invocations / seconds,
           args->spec.mean_rps);
    puts("kind     functions  invocations  share   mean/s  asked/s  var/mean  busy min  rows");
    for (int k = 0; k < TRACE_N_KINDS; k++) {
        const trace_kind_summary *kind = &summary->kinds[k];
        double share =
            summary->invocations ? 100.0 * (double)kind->invocations / (double)summary->invocations : 0;
        printf("%-8s %9u %12llu %5.1f%% %8.3f %8.3f %9.2f %8.1f%%  ", trace_kind_name((trace_kind)k),
               kind->functions, (unsigned long long)kind->invocations, share,
               (double)kind->invocations / seconds, kind->asked_rps, kind->dispersion, 100 * kind->busy);
        print_rows(kind);
    }
    puts("\nasked: the mean over many seeds. Bursts and rare calls are few in a short trace, so that one "
         "seed's rate\n"
         "differs from it, the more the shorter the trace is.");
    puts("var/mean: of a minute's count, averaged over functions (1 = Poisson). busy min: minutes with "
         "any.");
}

static void print_share(const char *what, double published, double got) {
    if (isnan(got))
        printf("  %-58s %8.1f %%       n/a\n", what, 100 * published);
    else
        printf("  %-58s %8.1f %% %7.1f %%\n", what, 100 * published, 100 * got);
}

static void print_marginals(const trace_population_marginals *got) {
    trace_population_marginals p = trace_population_published();
    puts("\nagainst the published marginals of Azure Functions 2019       published      here");
    print_share("applications with one function", p.one_function, got->one_function);
    print_share("applications with at most 10", p.ten_functions, got->ten_functions);
    print_share("applications invoked at most once an hour", p.hourly, got->hourly);
    print_share("applications invoked at most once a minute", p.minutely, got->minutely);
    print_share("invocations of the most invoked 18.6 % of applications", p.popular_share,
                got->popular_share);
    print_share("least hour of the mean hour (traces of whole days)", p.baseline, got->baseline);
    print_share("gap CV below 0.1 (functions with 10 gaps and more)", p.periodic, got->periodic);
    print_share("gap CV above 1", p.bursty, got->bursty);
    printf("  %-58s %7.0f ms %6.0f ms\n", "median of the mean durations", p.median_ms, got->median_ms);
    printf("  %-58s %7.0f MB %6.0f MB\n", "median memory", p.median_mb, got->median_mb);
}

static int is_stopped(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

/* A job in the background may have been told to ignore it; blocked, it would be pending all the same */
static void add_unless_ignored(sigset_t *set, int signal) {
    struct sigaction now;
    if (sigaction(signal, NULL, &now) == 0 && now.sa_handler != SIG_IGN) sigaddset(set, signal);
}

/* Ctrl-C waits until the parts of files are removed; then it ends the program as ever */
static int generate(generate_args *args, trace_summary *summary, char err[TRACE_ERR_LEN]) {
    sigset_t stops, before;
    sigemptyset(&stops);
    add_unless_ignored(&stops, SIGINT);
    add_unless_ignored(&stops, SIGTERM);
    args->spec.is_stopped = is_stopped;
    sigprocmask(SIG_BLOCK, &stops, &before);
    int rc = trace_generate(&args->spec, args->directory, summary, err);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int cli_trace_generate(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "-o DIR",
        "Write invocations.csv, durations.csv and memory.csv in the Azure Functions 2019 "
        "format: steady, diurnal, bursty and rare functions, busiest first; or a population like that of the "
        "public "
        "trace, and how closely it matches what is published of it.",
        NULL,
        NULL,
        NULL};
    generate_args args = {
        .spec = {.functions = 12, .minutes = 60, .mean_rps = 60, .mix = {3, 4, 3, 2}, .seed = 1}};
    trace_summary summary;
    char err[TRACE_ERR_LEN];
    if (cli_parse(&argp, "hassim trace generate", argc, argv, &args)) return CLI_USAGE;
    if (args.help) return CLI_OK;
    if (args.spec.like == TRACE_LIKE_AZURE2019 && !args.has_rps)
        args.spec.mean_rps = TRACE_AZURE2019_RPS_PER_FUNCTION * args.spec.functions;
    if (trace_generate_check(&args.spec, err) || cli_make_folder(args.directory, err, sizeof err) ||
        generate(&args, &summary, err)) {
        cli_complain("hassim trace generate", "%s", err);
        return CLI_USAGE;
    }
    print_summary(&args, &summary);
    if (args.spec.like == TRACE_LIKE_AZURE2019) print_marginals(&summary.marginals);
    if (fflush(stdout) || ferror(stdout)) {
        perror("hassim trace generate: standard output");
        return CLI_FAILED;
    }
    return CLI_OK;
}
