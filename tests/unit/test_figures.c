/* Figures: the rows that gnuplot gets, and what is said when a database, a name or gnuplot is missing. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli.h"
#include "figures.h"
#include "figures_int.h"
#include "results_sample.h"
#include "stats.h"

typedef struct {
    char dir[64], db[96], out[96], plots[96];
} place;

static void write_runs(const char *path) {
    char err[RESULTS_ERR_LEN] = "";
    const char *labels[] = {"has", "kserve warm"};
    results *r = NULL;
    if (results_open(&r, path, "exp", "why?", err)) fail_msg("%s", err);
    for (uint64_t k = 0; k < 4; k++) {
        sample s;
        sample_make(&s, labels[k / 2], k % 2 + 1);
        s.run.plan = k;
        s.result.cost_usd = 0.5 + 0.1 * (double)k;
        if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
        sample_free(&s);
    }
    results_close(r);
}

static int make_place(void **state) {
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    strcpy(p->dir, "test_figures_XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/r.db", p->dir);
    snprintf(p->out, sizeof p->out, "%s/it's out", p->dir);
    snprintf(p->plots, sizeof p->plots, "%s/plots", p->dir);
    assert_int_equal(mkdir(p->plots, 0700), 0);
    write_runs(p->db);
    *state = p;
    return 0;
}

static void remove_folder(const char *dir) {
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path); /* fails for "." and "..", as it should */
    }
    if (d) closedir(d);
    rmdir(dir);
}

static int clear_place(void **state) {
    place *p = *state;
    remove_folder(p->out);
    remove_folder(p->plots);
    unlink(p->db);
    int rc = rmdir(p->dir);
    free(p);
    return rc;
}

static void put_plot(const place *p, const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", p->plots, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

typedef struct {
    figures_status status;
    char err[FIGURES_ERR_LEN];
    char *paths, *log; /* what was printed */
} outcome;

static outcome draw(const place *p, const char *plots, const char *only, unsigned formats) {
    outcome o = {.err = ""};
    size_t paths_len = 0, log_len = 0;
    FILE *paths = open_memstream(&o.paths, &paths_len), *log = open_memstream(&o.log, &log_len);
    assert_true(paths && log);
    const figures_request request = {.db_path = p->db,
                                     .plots_dir = plots,
                                     .out_dir = p->out,
                                     .only = only,
                                     .formats = formats,
                                     .paths = paths,
                                     .log = log};
    o.status = figures_draw(&request, o.err);
    fclose(paths);
    fclose(log);
    return o;
}

static void contains(const char *text, const char *part) {
    if (!text || !strstr(text, part)) fail_msg("expected '%s' in:\n%s", part, text ? text : "");
}

static void ends(outcome o, figures_status status, const char *err, const char *log) {
    if (o.status != status) fail_msg("found status %d, '%s'", (int)o.status, o.err);
    contains(o.err, err);
    contains(o.log, log);
    free(o.paths);
    free(o.log);
}

static void rows_come_in_blocks(void **state) {
    const place *p = *state;
    char path[160], text[512] = "";
    put_plot(
        p, "f.sql",
        "SELECT label, seed, NULL AS none, 0.5 AS half, 'a' || char(9) || 'b' AS t FROM run ORDER BY plan");
    ends(draw(p, p->plots, NULL, 0), FIGURES_OK, "", "");
    snprintf(path, sizeof path, "%s/f.tsv", p->out);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, "has\tseed\tnone\thalf\tt\nhas\t1\tNaN\t0.5\ta b\nhas\t2\tNaN\t0.5\ta b\n\n\n"
                              "kserve warm\tseed\tnone\thalf\tt\nkserve warm\t1\tNaN\t0.5\ta b\n"
                              "kserve warm\t2\tNaN\t0.5\ta b\n");
}

static void a_figure_without_data_says_so(void **state) {
    const place *p = *state;
    put_plot(p, "empty.sql", "SELECT label FROM run WHERE seed = 9");
    ends(draw(p, p->plots, NULL, FIGURES_PNG), FIGURES_FAILED, "no figure could be drawn",
         "empty: no data for it");
    put_plot(p, "full.sql", "SELECT label FROM run");
    ends(draw(p, p->plots, NULL, 0), FIGURES_OK, "", "empty: no data for it");
}

static void bad_queries_and_names_are_refused(void **state) {
    const place *p = *state;
    ends(draw(p, p->plots, NULL, 0), FIGURES_BAD_INPUT, "holds no figure", "");
    put_plot(p, "f.sql", "DELETE FROM run");
    ends(draw(p, p->plots, NULL, 0), FIGURES_BROKEN, "1 figure could not", "expected one SELECT");
    put_plot(p, "f.sql", "SELECT absent FROM run");
    ends(draw(p, p->plots, NULL, 0), FIGURES_BROKEN, "1 figure could not", "no such column: absent");
    put_plot(p, "g.sql", "SELECT 1");
    ends(draw(p, p->plots, "h", 0), FIGURES_BAD_INPUT, "no figure 'h'; expected one of: f, g", "");
    ends(draw(p, "no/plots", NULL, 0), FIGURES_BAD_INPUT, "no/plots: No such file", "");
}

static void skip_without_gnuplot(void) {
    if (system("gnuplot --version >/dev/null 2>&1") == 0) return;
    print_message("skipped: gnuplot is not installed\n");
    skip();
}

static void a_broken_figure_stops_no_other(void **state) {
    const place *p = *state;
    char path[160];
    skip_without_gnuplot();
    put_plot(p, "a.sql", "SELECT absent FROM run");
    put_plot(p, "b.sql", "SELECT label FROM run");
    put_plot(p, "b.gp", "exit status 1");
    put_plot(p, "c.sql", "SELECT label FROM run");
    put_plot(p, "c.gp", "set terminal svg; set output ARG2; plot x");
    ends(draw(p, p->plots, NULL, FIGURES_SVG), FIGURES_BROKEN, "2 figures could not be drawn", "a: ");
    ends(draw(p, p->plots, NULL, FIGURES_SVG), FIGURES_BROKEN, "", "b: ");
    snprintf(path, sizeof path, "%s/c.svg", p->out);
    assert_int_equal(access(path, R_OK), 0);
}

static void gnuplot_is_asked_for(void **state) {
    const place *p = *state;
    char *path = strdup(getenv("PATH"));
    assert_int_equal(setenv("PATH", p->plots, 1), 0); /* nothing to be found there */
    put_plot(p, "f.sql", "SELECT label FROM run");
    ends(draw(p, p->plots, NULL, FIGURES_SVG), FIGURES_FAILED, "apt install gnuplot-nox", "");
    assert_int_equal(setenv("PATH", path, 1), 0);
    free(path);
}

/* The shipped figures, on a path that a shell would trip over; some have no data here, and say so. */
static void shipped_figures_are_drawn(void **state) {
    const place *p = *state;
    const char *const drawn[] = {"cost_ratio", "cost_violation", "fragmentation",
                                 "pareto",     "tail_latency",   "timeline"};
    const char *const empty[] = {"ablation", "latency_surface", "predictor_error", "violation_slo"};
    char line[128];
    skip_without_gnuplot();
    outcome o = draw(p, HASSIM_ROOT "/plots", NULL, FIGURES_SVG | FIGURES_PNG);
    if (o.status != FIGURES_OK) fail_msg("%s", o.err);
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
        snprintf(line, sizeof line, "it's out/%s.svg\n", drawn[i]);
        contains(o.paths, line);
        snprintf(line, sizeof line, "it's out/%s.png\n", drawn[i]);
        contains(o.paths, line);
    }
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        snprintf(line, sizeof line, "%s: no data for it", empty[i]);
        contains(o.log, line);
    }
    for (char *path = strtok(o.paths, "\n"); path; path = strtok(NULL, "\n")) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 5000);
    }
    free(o.paths);
    free(o.log);
}

/* ---- an experiment that has data for every figure ---- */

typedef struct {
    const char *label, *policy, *params;
    double cost_usd;     /* at seed 1; a tenth more at seed 2 */
    uint64_t violations; /* of each function's 100 requests */
} system_made;

static const system_made systems[] = {
    {"has", "has", "", 1, 5},
    {"no \"alignment\", enhanced_text", "has", ",\"params\":{\"alignment\":\"off\"}", 2, 4},
    {"fast-gshare", "fast-gshare", "", 1.5, 10},
    {"kserve", "kserve", "", 8, 0},
};
enum { SYSTEMS = sizeof systems / sizeof *systems, POINTS = 2, SEEDS = 2 };

/* The label as JSON has it. */
static const char *in_json(const char *label) {
    return strchr(label, '"') ? "no \\\"alignment\\\", enhanced_text" : label;
}

static void write_made(results *r, const system_made *made, size_t plan, int multiplier, uint64_t seed,
                       const engine_device *device, const engine_fit *fit) {
    char err[RESULTS_ERR_LEN] = "", grid[64], config[256];
    sample s;
    snprintf(grid, sizeof grid, "{\"slo_multiplier\":%d}", multiplier);
    snprintf(config, sizeof config, "{\"slo_multiplier\":%d,\"policies\":[{\"label\":\"%s\"%s}]}", multiplier,
             in_json(made->label), made->params);
    sample_make(&s, made->label, seed);
    s.run.policy = made->policy;
    s.run.plan = plan;
    s.run.grid = grid;
    s.run.config_json = config;
    s.setup.devices = device;
    s.setup.n_devices = 1;
    s.result.cost_usd = made->cost_usd * (seed == 1 ? 1 : 1.1);
    for (size_t fn = 0; fn < SAMPLE_FNS; fn++) {
        s.fns[fn].on = fit;
        s.of[fn].window_violations = made->violations * (uint64_t)multiplier;
    }
    for (size_t k = 0; k < SAMPLE_BINS; k++) s.total[k].share_gpus = seed == 1 ? 0.3 : 0.6; /* of 1.5 GPUs */
    if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
    sample_free(&s);
}

static void make_experiment(const char *path) {
    char err[CALIB_ERR_LEN] = "";
    results *r = NULL;
    calib *c = NULL;
    unlink(path);
    if (calib_open(&c, HASSIM_ROOT "/calib/data/v100.json", err)) fail_msg("%s", err);
    const engine_device device = {.facts = calib_device_of(c)};
    const engine_fit fit = {.model = calib_model_find(c, "resnet152")};
    if (results_open(&r, path, "exp", "why?", err)) fail_msg("%s", err);
    for (size_t k = 0; k < POINTS * SYSTEMS * SEEDS; k++)
        write_made(r, &systems[k / SEEDS % SYSTEMS], k, 2 << k / SEEDS / SYSTEMS, k % SEEDS + 1, &device,
                   &fit);
    results_close(r);
    calib_close(c);
}

/* The value of that column in the first row of FIGURE.tsv that begins so. */
static double cell(const place *p, const char *figure, const char *begin, const char *column) {
    char path[192], head[1024] = "", line[1024] = "";
    snprintf(path, sizeof path, "%s/%s.tsv", p->out, figure);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(head, sizeof head, f));
    while (strncmp(line, begin, strlen(begin)) != 0 || strstr(line, column))
        if (!fgets(line, sizeof line, f)) fail_msg("%s: no row '%s'", path, begin);
    fclose(f);
    head[strcspn(head, "\n")] = '\0';
    char *names = head, *values = line, *name = NULL, *value = NULL;
    do {
        name = strsep(&names, "\t");
        value = strsep(&values, "\t");
    } while (name && value && strcmp(name, column) != 0);
    if (!name || !value) fail_msg("%s: no column '%s'", path, column);
    return strtod(value, NULL);
}

static void is(const place *p, const char *figure, const char *begin, const char *column, double expected) {
    double found = cell(p, figure, begin, column);
    if (!(fabs(found - expected) <= 1e-9 * (1 + fabs(expected))))
        fail_msg("%s, '%s', %s: found %.12g, expected %.12g", figure, begin, column, found, expected);
}

static void every_figure_has_data(void **state) {
    const place *p = *state;
    size_t drawn = 0;
    skip_without_gnuplot();
    make_experiment(p->db);
    outcome o = draw(p, HASSIM_ROOT "/plots", NULL, FIGURES_SVG | FIGURES_PNG);
    if (o.status != FIGURES_OK) fail_msg("%s", o.err);
    for (const char *at = o.paths; (at = strchr(at, '\n')); at++) drawn++;
    if (drawn != 18)
        fail_msg("found %zu files, expected 9 figures in 2 formats:\n%s%s", drawn, o.paths, o.log);
    const char *lines = strchr(o.log, '\n'); /* drawn below, from runs of its own */
    if (!strstr(o.log, "predictor_error: no data") || !lines || lines[1]) fail_msg("found '%s'", o.log);
    free(o.paths);
    free(o.log);
}

/* Two policies, two seeds, as calibrated and with errors: at seed 2 and 3 x the error the first misses all. */
static void make_errors(const char *path) {
    char err[RESULTS_ERR_LEN] = "";
    results *r = NULL;
    unlink(path);
    if (results_open(&r, path, "exp", "why?", err)) fail_msg("%s", err);
    for (size_t k = 0; k < 8; k++) {
        const size_t seed = k % 2 + 1, policy = k / 2 % 2, error = k / 4 * 3;
        sample s;
        sample_make(&s, policy == 0 ? "table" : "online", seed);
        s.run.plan = k;
        s.run.grid = error == 0 ? "{\"model_error\":0}" : "{\"model_error\":3}";
        s.run.model_error = (double)error;
        s.result.cost_usd = policy == 0 ? 1 : 2;
        for (size_t fn = 0; fn < SAMPLE_FNS; fn++)
            s.of[fn].window_violations = policy == 0 && error > 0 && seed == 2 ? 100 : 0;
        for (size_t b = 0; b < SAMPLE_BINS; b++) s.total[b].violations = policy == 0 ? error * seed : 0;
        if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
        sample_free(&s);
    }
    results_close(r);
}

static void errors_of_predictors(void **state) {
    const place *p = *state;
    const double t = 12.706204736174698;
    make_errors(p->db);
    ends(draw(p, HASSIM_ROOT "/plots", NULL, 0), FIGURES_OK, "", "");
    is(p, "predictor_error", "0 table\t0\ttable\t1\t0\t", "miss", 0);
    is(p, "predictor_error", "0 table\t0\ttable\t1\t3\t", "miss", 50);
    is(p, "predictor_error", "0 table\t0\ttable\t1\t3\t", "miss_half2",
       t * t * 5000 / 2 * 3); /* of one more draw */
    is(p, "cost_violation", "table\t2\t5\t50\t", "violation_half2", t * t * 5000 / 2 * 3);
    is(p, "predictor_error", "0 online\t0\tonline\t2\t3\t", "cost", 10);
    is(p, "predictor_error", "1 table\t1\ttable\t1\t15\t", "miss", 100.0 * (3 + 6) / (2 * 59));
    is(p, "predictor_error", "1 online\t1\tonline\t2\t0\t", "miss", 0);
    skip_without_gnuplot();
    outcome o = draw(p, HASSIM_ROOT "/plots", "predictor_error", FIGURES_SVG | FIGURES_PNG);
    if (o.status != FIGURES_OK || !strstr(o.paths, "predictor_error.svg")) fail_msg("%s%s", o.err, o.paths);
    free(o.paths);
    free(o.log);
}

static void draw_data(const place *p) {
    make_experiment(p->db);
    ends(draw(p, HASSIM_ROOT "/plots", NULL, 0), FIGURES_OK, "", "");
}

/* Costs of 1 and 1.1 USD per 200 requests; t(1) = 12.7062. */
static void ratios_and_the_papers_marks(void **state) {
    const place *p = *state;
    const double t = 12.706204736174698;
    draw_data(p);
    is(p, "cost_ratio", "has\t", "cost", 5.25);
    is(p, "cost_ratio", "has\t", "cost_half2", t * t * 0.125 / 2);
    is(p, "cost_ratio", "kserve\t", "cost_ratio", 8);
    is(p, "cost_ratio", "kserve\t", "cost_ratio_half2", 0); /* proportional, seed by seed */
    is(p, "cost_ratio", "kserve\t", "cost_paper", 10.8);
    is(p, "cost_ratio", "fast-gshare\t", "cost_paper", 1.72);
    is(p, "cost_ratio", "fast-gshare\t", "miss_ratio", 2);
    is(p, "cost_ratio", "fast-gshare\t", "miss_paper", 4.8);
    assert_true(isnan(cell(p, "cost_ratio", "has\t", "cost_paper")));
}

static void the_multiplier_is_swept(void **state) {
    const place *p = *state;
    draw_data(p);
    is(p, "violation_slo", "0 fast-gshare\t0\tall functions\tfast-gshare\t3\t2\t", "violation_pct", 20);
    is(p, "violation_slo", "0 fast-gshare\t0\tall functions\tfast-gshare\t3\t4\t", "violation_pct", 40);
    is(p, "violation_slo", "0 paper: 4.8 × has\t", "violation_pct", 48);
    is(p, "violation_slo", "1 has\t1\tclassify\t", "violation_pct", 10);
}

static void parts_points_and_packing(void **state) {
    const place *p = *state;
    draw_data(p);
    is(p, "ablation", "has\t", "cost", 5.25);
    is(p, "ablation", "no \"alignment\", enhanced_text\t", "cost", 10.5);
    is(p, "fragmentation", "has\t", "packed", 0.3);
    is(p, "fragmentation", "has\t", "share", 0.45);
    is(p, "tail_latency", "0 has\t", "half2", 0);
    is(p, "tail_latency", "1 has\t1\tclassify\thas\t1\t1\t", "slo_ms", 60);
    /* at the first multiplier: kserve has no violations, has is cheapest, fast-gshare is beaten by both */
    is(p, "pareto", "not dominated\t", "cost", 5.25);
    is(p, "pareto", "fast-gshare\t", "best", 0);
    is(p, "pareto", "kserve\t", "best", 1);
}

/* In plain words: gnuplot ends a cell at a quote of JSON's. */
static void the_grid_point_is_named(void **state) {
    static const char *const figures[] = {"cost_ratio", "tail_latency"};
    const place *p = *state;
    char path[192], line[1024];
    draw_data(p);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s.tsv", p->out, figures[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_non_null(fgets(line, sizeof line, f));
        assert_non_null(fgets(line, sizeof line, f));
        fclose(f);
        contains(line, "\tslo_multiplier 2\n");
    }
}

static void a_surface_of_the_calibration(void **state) {
    const place *p = *state;
    char err[CALIB_ERR_LEN] = "";
    calib *c = NULL;
    draw_data(p);
    if (calib_open(&c, HASSIM_ROOT "/calib/data/v100.json", err)) fail_msg("%s", err);
    double expected = calib_latency_ms(calib_model_find(c, "resnet152"), 8, 5, 10);
    double found = cell(p, "latency_surface", "batch 8\t8\t5\t10\t", "latency_ms");
    assert_true(fabs(found - expected) < 1e-9 * expected);
    calib_close(c);
}

#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

static double asked(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    double v = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
    return v;
}

/* y / x = 2, 2, 2, ... pair by pair: an interval only where they are no pairs, and then that of sim/stats.h */
static void ratios_have_the_intervals_of_compare(void **state) {
    (void)state;
    sqlite3 *db = NULL;
    double y[20], x[20];
    char sql[256];
    stats_interval v;
    for (int i = 0; i < 20; i++) y[i] = 2 * (x[i] = 5 + i % 7);
    assert_int_equal(stats_ratio_unpaired(y, 20, x, 20, &v), 0);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(figures_int_add_functions(db), 0);
    const struct {
        const char *rest;
        double expected;
    } cases[] = {{"1, 0) FROM n", 0},
                 {"0, 0) FROM n", (v.hi - v.mean) * (v.hi - v.mean)},
                 {"0, 2) FROM n", 21 * (v.hi - v.mean) * (v.hi - v.mean)},
                 {"0, 0) FROM n WHERE i = 3", 0},
                 {"0, 0) FROM n WHERE i > 30", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
                 "SELECT ratio_half2(CASE WHEN i < 20 THEN 2 * (5 + i %% 7) END, 5 + i %% 7, %s",
                 cases[i].rest);
        assert_true(fabs(asked(db, sql) - cases[i].expected) < 1e-9);
    }
    sqlite3_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        AT_PLACE(rows_come_in_blocks),
        AT_PLACE(a_figure_without_data_says_so),
        AT_PLACE(bad_queries_and_names_are_refused),
        AT_PLACE(a_broken_figure_stops_no_other),
        AT_PLACE(gnuplot_is_asked_for),
        AT_PLACE(shipped_figures_are_drawn),
        AT_PLACE(every_figure_has_data),
        AT_PLACE(errors_of_predictors),
        AT_PLACE(ratios_and_the_papers_marks),
        AT_PLACE(the_multiplier_is_swept),
        AT_PLACE(parts_points_and_packing),
        AT_PLACE(the_grid_point_is_named),
        AT_PLACE(a_surface_of_the_calibration),
        cmocka_unit_test(ratios_have_the_intervals_of_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
