/* Figures: the rows that gnuplot gets, and what is said when a database, a name or gnuplot is missing. */
#include <dirent.h>
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
#include "results_sample.h"

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
    if (!strstr(text, part)) fail_msg("expected '%s' in:\n%s", part, text);
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
    ends(draw(p, p->plots, NULL, 0), FIGURES_BAD_INPUT, "expected one SELECT", "");
    put_plot(p, "f.sql", "SELECT absent FROM run");
    ends(draw(p, p->plots, NULL, 0), FIGURES_BAD_INPUT, "no such column: absent", "");
    put_plot(p, "g.sql", "SELECT 1");
    ends(draw(p, p->plots, "h", 0), FIGURES_BAD_INPUT, "no figure 'h'; expected one of: f, g", "");
    ends(draw(p, "no/plots", NULL, 0), FIGURES_BAD_INPUT, "no/plots: No such file", "");
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

/* The shipped figures, on a path that a shell would trip over. */
static void shipped_figures_are_drawn(void **state) {
    const place *p = *state;
    if (system("gnuplot --version >/dev/null 2>&1") != 0) {
        print_message("skipped: gnuplot is not installed\n");
        skip();
    }
    outcome o = draw(p, HASSIM_ROOT "/plots", NULL, FIGURES_SVG | FIGURES_PNG);
    if (o.status != FIGURES_OK) fail_msg("%s", o.err);
    contains(o.paths, "it's out/cost_violation.svg\n");
    contains(o.paths, "it's out/cost_violation.png\n");
    contains(o.paths, "it's out/timeline.svg\n");
    contains(o.paths, "it's out/timeline.png\n");
    for (char *path = strtok(o.paths, "\n"); path; path = strtok(NULL, "\n")) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 5000);
    }
    free(o.paths);
    free(o.log);
}

#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        AT_PLACE(rows_come_in_blocks),
        AT_PLACE(a_figure_without_data_says_so),
        AT_PLACE(bad_queries_and_names_are_refused),
        AT_PLACE(gnuplot_is_asked_for),
        AT_PLACE(shipped_figures_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
