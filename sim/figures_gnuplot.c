#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "figures_int.h"

extern char **environ;

/* 0: it ran and was content. */
static figures_status run_gnuplot(char *const argv[], char err[FIGURES_ERR_LEN]) {
    pid_t pid;
    int status = 0, rc = posix_spawnp(&pid, "gnuplot", NULL, NULL, argv, environ);
    if (rc == ENOENT) {
        snprintf(err, FIGURES_ERR_LEN, "gnuplot is not installed (Debian, Ubuntu: apt install gnuplot-nox)");
        return FIGURES_FAILED;
    }
    if (rc) {
        snprintf(err, FIGURES_ERR_LEN, "gnuplot: %s", strerror(rc));
        return FIGURES_FAILED;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return FIGURES_OK;
    snprintf(err, FIGURES_ERR_LEN, "%s: gnuplot failed (its message is above)", argv[3]);
    return FIGURES_BROKEN;
}

/* gnuplot may be content and yet have written nothing: a terminal that it was built without. */
static figures_status keep_picture(const char *part, const char *picture, const char *format,
                                   char err[FIGURES_ERR_LEN]) {
    struct stat st;
    if (stat(part, &st) || st.st_size == 0)
        snprintf(err, FIGURES_ERR_LEN, "%s: gnuplot wrote nothing (was it built with %s?)", picture, format);
    else if (rename(part, picture))
        snprintf(err, FIGURES_ERR_LEN, "%s: %s", picture, strerror(errno));
    else
        return FIGURES_OK;
    return FIGURES_BROKEN;
}

static figures_status plot(const figures_request *request, const char *script_name, const char *name,
                           char *data_path, char *format, char err[FIGURES_ERR_LEN]) {
    char script[FIGURES_PATH_LEN], style[FIGURES_PATH_LEN], picture[FIGURES_PATH_LEN], part[FIGURES_PATH_LEN];
    char suffix[16];
    snprintf(suffix, sizeof suffix, ".%s", format);
    if (figures_int_path(script, request->plots_dir, script_name, ".gp", err) ||
        figures_int_path(style, request->plots_dir, "style", ".gp", err) ||
        figures_int_path(picture, request->out_dir, name, suffix, err) ||
        figures_int_path(part, "", picture, ".part", err) ||
        cli_spare_input(picture, request->db_path, err, FIGURES_ERR_LEN))
        return FIGURES_BAD_INPUT;
    char gnuplot[] = "gnuplot", defaults[] = "--default-settings", script_follows[] = "-c";
    char *argv[] = {gnuplot, defaults, script_follows, script, data_path, part, format, style, NULL};
    figures_status status = run_gnuplot(argv, err);
    if (status == FIGURES_OK) status = keep_picture(part, picture, format, err);
    if (status == FIGURES_OK)
        fprintf(request->paths, "%s\n", picture);
    else
        unlink(part);
    return status;
}

figures_status figures_int_plot_as(const figures_request *request, const char *script, const char *name,
                                   const char *data_path, char err[FIGURES_ERR_LEN]) {
    char formats[][4] = {"svg", "png", "pdf"}, data[FIGURES_PATH_LEN];
    figures_status status = FIGURES_OK;
    if (figures_int_path(data, "", data_path, "", err)) return FIGURES_BAD_INPUT;
    for (unsigned i = 0; i < 3 && status == FIGURES_OK; i++)
        if (request->formats & (1u << i)) status = plot(request, script, name, data, formats[i], err);
    return status;
}

figures_status figures_int_plot(const figures_request *request, const char *name, const char *data_path,
                                char err[FIGURES_ERR_LEN]) {
    return figures_int_plot_as(request, name, name, data_path, err);
}
