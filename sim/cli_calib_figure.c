/* cli_calib_figure.c - `hassim calib figure`: what GPUs make of the same models, side by side. The data go to
 * devices.tsv, plots/devices.gp draws them. */
#include <argp.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_csv.h"
#include "cli.h"
#include "cli_calib_int.h"
#include "figures_int.h"

enum { DEVICES_MAX = 8, POINTS_MAX = 16 };

typedef struct {
    figures_request request;
    const char *files[DEVICES_MAX];
    const char *points[POINTS_MAX]; /* DEVICE=FILE.csv */
    int n_files, n_points, help;
    uint32_t batch;
} figure_args;

typedef struct {
    calib *calibs[DEVICES_MAX];
    calib_csv points[DEVICES_MAX];
    size_t n;
    uint32_t batch; /* asked for */
} devices;

/* A model, drawn for every device that has it, at the largest batch that all of them were measured with. */
typedef struct {
    const char *model;
    uint32_t batch;
    size_t n_devices;
} panel;

static const struct argp_option options[] = {
    {"out", 'o', "DIR", 0, "folder to write to, made if missing (default: figures)", 0},
    {"points", 'p', "DEVICE=FILE.csv", 0,
     "draw the measured points, too: a CSV of `hassim calib import`; may be repeated", 0},
    {"batch", 'b', "N", 0,
     "batch, or the largest below it that was measured on all devices of a panel (default: 8)", 0},
    {"format", 'f', "LIST", 0, "of svg, png, pdf, with commas (default: svg,png)", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static error_t parse_batch(figure_args *args, const char *text, struct argp_state *state) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || n < 1 || n > CALIB_BATCH_MAX)
        return cli_refuse(state, "--batch: found '%s', expected a whole number from 1 to %d", text,
                          CALIB_BATCH_MAX);
    args->batch = (uint32_t)n;
    return 0;
}

static error_t parse_points(figure_args *args, const char *text, struct argp_state *state) {
    if (!strchr(text, '=') || text[0] == '=' || args->n_points == POINTS_MAX)
        return cli_refuse(state, "--points: found '%s', expected DEVICE=FILE.csv, at most %d times", text,
                          (int)POINTS_MAX);
    args->points[args->n_points++] = text;
    return 0;
}

static error_t parse_file(figure_args *args, const char *file, struct argp_state *state) {
    if (args->n_files == DEVICES_MAX)
        return cli_refuse(state, "found '%s', expected at most %d device files", file, (int)DEVICES_MAX);
    args->files[args->n_files++] = file;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    figure_args *args = state->input;
    switch (key) {
    case 'o':
        args->request.out_dir = arg;
        return 0;
    case 'p':
        return parse_points(args, arg, state);
    case 'b':
        return parse_batch(args, arg, state);
    case 'f':
        args->request.formats = figures_formats_of(arg);
        if (args->request.formats) return 0;
        return cli_refuse(state, "--format: found '%s', expected some of svg,png,pdf", arg);
    case 'h':
        args->help = 1;
        return 0;
    case ARGP_KEY_ARG:
        return parse_file(args, arg, state);
    case ARGP_KEY_END:
        if (args->help) cli_help(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int is_device_file(const struct dirent *entry) {
    static const char facts[] = "_facts.json", json[] = ".json";
    const char *name = entry->d_name;
    size_t n = strlen(name);
    if (n < sizeof json || strcmp(name + n - strlen(json), json) != 0) return 0;
    return n < sizeof facts || strcmp(name + n - strlen(facts), facts) != 0;
}

static int open_device(devices *d, const char *path, char err[CALIB_ERR_LEN]) {
    calib *c;
    if (calib_open(&c, path, err)) return -1;
    d->calibs[d->n++] = c;
    return 0;
}

static int open_shipped(devices *d, char err[CALIB_ERR_LEN]) {
    char folder[CLI_CALIB_PATH_LEN], path[CLI_CALIB_PATH_LEN];
    struct dirent **list = NULL;
    if (cli_find_shipped("calib/data", folder, sizeof folder, err, CALIB_ERR_LEN)) return -1;
    int n = scandir(folder, &list, is_device_file, alphasort), rc = 0;
    for (int i = 0; i < n; i++) {
        int len = snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        free(list[i]);
        if (!rc && len < (int)sizeof path && d->n < DEVICES_MAX) rc = open_device(d, path, err);
    }
    free(list);
    return rc;
}

static int read_points(devices *d, const char *text, char err[CALIB_ERR_LEN]) {
    const char *file = strchr(text, '=') + 1;
    for (size_t i = 0; i < d->n; i++) {
        const char *name = calib_device_of(d->calibs[i])->name;
        if (strlen(name) != (size_t)(file - 1 - text) || strncmp(name, text, strlen(name)) != 0) continue;
        calib_csv_free(&d->points[i]);
        return calib_csv_read(&d->points[i], file, err);
    }
    snprintf(err, CALIB_ERR_LEN, "--points: found '%.200s', expected one of the devices drawn", text);
    return -1;
}

static int open_all(devices *d, const figure_args *args, char err[CALIB_ERR_LEN]) {
    char path[CLI_CALIB_PATH_LEN];
    int rc = args->n_files ? 0 : open_shipped(d, err);
    for (int i = 0; i < args->n_files && !rc; i++)
        rc = cli_calib_find(args->files[i], path, err) ? -1 : open_device(d, path, err);
    for (int i = 0; i < args->n_points && !rc; i++) rc = read_points(d, args->points[i], err);
    return rc;
}

static void close_all(devices *d) {
    for (size_t i = 0; i < d->n; i++) {
        calib_csv_free(&d->points[i]);
        calib_close(d->calibs[i]);
    }
}

static panel make_panel(const devices *d, const char *model) {
    panel p = {.model = model, .batch = d->batch};
    for (size_t i = 0; i < d->n; i++) {
        const calib_model *m = calib_model_find(d->calibs[i], model);
        if (!m) continue;
        const calib_facts *f = calib_facts_of(m);
        p.n_devices++;
        if (f->batch_max < p.batch) p.batch = f->batch_max;
    }
    return p;
}

static int shares_models(const devices *d, size_t device) {
    const calib *c = d->calibs[device];
    for (size_t i = 0; i < calib_n_models(c); i++)
        if (make_panel(d, calib_facts_of(calib_model_at(c, i))->name).n_devices > 1) return 1;
    return 0;
}

/* A data set: one device's fit or points in one panel. gnuplot counts them, so that none may be left out. */
typedef struct {
    FILE *to;
    const panel *panel;
    const char *device;
    size_t rows;
} set;

static void begin_set(set *s) {
    s->rows = 0;
    fprintf(s->to, "panel\tdevice\tsm_pct\tms\tlow_ms\thigh_ms\toutside\n");
}

static void write_row(set *s, int sm_pct, double ms, double sd, int outside) {
    fprintf(s->to, "%s, batch %u\t%s\t%d\t%.6g\t%.6g\t%.6g\t%d\n", s->panel->model, (unsigned)s->panel->batch,
            s->device, sm_pct, ms, ms / (1 + sd), ms * (1 + sd), outside);
    s->rows++;
}

/* gnuplot complains of empty data sets: one row outside of the picture stands for nothing. */
static void end_set(set *s) {
    if (!s->rows) write_row(s, -10, 1, 0, 0);
    fputs("\n\n", s->to);
}

static void write_fit(set *s, const calib_model *m) {
    uint32_t batch = s->panel->batch;
    begin_set(s);
    for (uint32_t sm = 5; m && sm <= 100; sm++) {
        double sd = calib_gpu_sd_pct(m, batch, sm) / 100;
        write_row(s, (int)sm, calib_gpu_ms(m, batch, sm), sd < 0 ? 0 : sd,
                  calib_is_extrapolated(m, batch, sm, 100));
    }
    end_set(s);
}

static void write_points(set *s, const calib_csv *csv) {
    begin_set(s);
    for (size_t i = 0; i < csv->n; i++) {
        if (strcmp(csv->models[i].name, s->panel->model) != 0) continue;
        for (size_t k = 0; k < csv->models[i].n; k++) {
            const calib_point *x = &csv->models[i].points[k];
            if (x->batch == s->panel->batch && x->quota_pct == 100) write_row(s, (int)x->sm_pct, x->ms, 0, 0);
        }
    }
    end_set(s);
}

/* For every device, in order, the fit and the measured points: empty where it has not the model. */
static void write_panel(FILE *to, const devices *d, const char *model) {
    panel p = make_panel(d, model);
    for (size_t i = 0; i < d->n; i++) {
        set s = {.to = to, .panel = &p, .device = calib_device_of(d->calibs[i])->name};
        write_fit(&s, calib_model_find(d->calibs[i], model));
        write_points(&s, &d->points[i]);
    }
}

static int had_before(const devices *d, size_t device, const char *model) {
    for (size_t i = 0; i < device; i++)
        if (calib_model_find(d->calibs[i], model)) return 1;
    return 0;
}

/* Models that several devices share; then those of a device that shares none. */
static void write_panels(FILE *to, const devices *d) {
    for (int shared = 1; shared >= 0; shared--)
        for (size_t i = 0; i < d->n; i++) {
            if (!shared && shares_models(d, i)) continue;
            for (size_t k = 0; k < calib_n_models(d->calibs[i]); k++) {
                const char *model = calib_facts_of(calib_model_at(d->calibs[i], k))->name;
                if (had_before(d, i, model) || (make_panel(d, model).n_devices > 1) != shared) continue;
                write_panel(to, d, model);
            }
        }
}

/* Files that are named; a device by its name is the program's */
static int spare_inputs(const char *data, const figure_args *args, char err[FIGURES_ERR_LEN]) {
    int rc = 0;
    for (int i = 0; i < args->n_files && !rc; i++)
        rc = cli_spare_input(data, args->files[i], err, FIGURES_ERR_LEN);
    for (int i = 0; i < args->n_points && !rc; i++)
        rc = cli_spare_input(data, strchr(args->points[i], '=') + 1, err, FIGURES_ERR_LEN);
    return rc;
}

static int draw(const figure_args *args, const devices *d, char err[FIGURES_ERR_LEN]) {
    static const int codes[] = {[FIGURES_OK] = CLI_OK,
                                [FIGURES_BAD_INPUT] = CLI_USAGE,
                                [FIGURES_FAILED] = CLI_FAILED,
                                [FIGURES_BROKEN] = CLI_FAILED};
    char plots[CLI_CALIB_PATH_LEN], data[FIGURES_PATH_LEN];
    figures_request request = args->request;
    cli_calib_file f;
    request.plots_dir = plots;
    if (cli_find_shipped("plots", plots, sizeof plots, err, FIGURES_ERR_LEN)) return CLI_FAILED;
    if (figures_int_path(data, request.out_dir, "devices", ".tsv", err) || spare_inputs(data, args, err))
        return CLI_USAGE;
    if (cli_make_folder(request.out_dir, err, FIGURES_ERR_LEN)) return CLI_USAGE;
    FILE *to = cli_calib_file_open(&f, data, err);
    if (!to) return CLI_USAGE;
    write_panels(to, d);
    int rc = cli_calib_file_keep(&f, err);
    return rc ? rc : codes[figures_int_plot(&request, "devices", data, err)];
}

static int figure(const figure_args *args) {
    devices d = {.batch = args->batch};
    char err[FIGURES_ERR_LEN] = "";
    int rc = open_all(&d, args, err) ? CLI_USAGE : draw(args, &d, err);
    if (rc) cli_complain("hassim calib figure", "%s", err);
    close_all(&d);
    return rc;
}

int cli_calib_figure(int argc, char **argv) {
    const struct argp argp = {
        options,
        parse,
        "[DEVICE...]",
        "Draw batch latency at full quota against SM share, device by device, for the models that several "
        "devices share "
        "(and all of a device that shares none), and print the paths of the files. DEVICE: as for info "
        "(default: all that ship). The bands are one standard deviation of the fit.\vThe data go to "
        "devices.tsv.",
        NULL,
        NULL,
        NULL};
    figure_args args = {
        .batch = 8,
        .request = {
            .out_dir = "figures", .formats = FIGURES_SVG | FIGURES_PNG, .paths = stdout, .log = stderr}};
    if (cli_parse(&argp, argv[0], argc, argv, &args) != 0) return CLI_USAGE;
    return args.help ? CLI_OK : figure(&args);
}
