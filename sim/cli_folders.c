#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static int fail(const char *folder, const char *found, char *err, unsigned long len) {
    snprintf(err, len, "%.300s: found %s, expected a folder or room for one", folder, found);
    return -1;
}

/* Folder and those above it. Whether they are folders, only the last is asked: of others what is below would fail. */
static int make(char *folder, char *err, unsigned long len) {
    struct stat st;
    for (char *p = folder + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        int bad = mkdir(folder, 0777) && errno != EEXIST;
        if (bad) return fail(folder, strerror(errno), err, len);
        *p = '/';
    }
    if (mkdir(folder, 0777) && errno != EEXIST) return fail(folder, strerror(errno), err, len);
    return !stat(folder, &st) && S_ISDIR(st.st_mode) ? 0 : fail(folder, "Not a directory", err, len);
}

int cli_make_folder(const char *folder, char *err, unsigned long len) {
    char path[4096];
    size_t n = strlen(folder);
    if (!n) return fail(folder, "an empty name", err, len);
    if (n >= sizeof path) return fail(folder, "a long name", err, len);
    memcpy(path, folder, n + 1);
    return make(path, err, len);
}

int cli_make_folder_of(const char *path, char *err, unsigned long len) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (!n) return 0;
    if (n >= sizeof folder) return fail(path, "a long name", err, len);
    memcpy(folder, path, n);
    folder[n] = '\0';
    return make(folder, err, len);
}

/* The same device and inode; a name that leads nowhere is no file */
static int is_same_file(const char *path, const struct stat *other) {
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == other->st_dev && st.st_ino == other->st_ino;
}

int cli_spare_input(const char *output, const char *input, char *err, unsigned long len) {
    static const char *const suffixes[] = {"", ".part", ".tmp"};
    char path[4096];
    struct stat st;
    if (!output || !input || stat(input, &st)) return 0;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        int n = snprintf(path, sizeof path, "%s%s", output, suffixes[i]);
        if (n < 0 || n >= (int)sizeof path || !is_same_file(path, &st)) continue;
        snprintf(err, len, "%.300s: found the input %.300s, expected an output that replaces no input", path,
                 input);
        return -1;
    }
    return 0;
}

int cli_spare_input_in(const char *output, const char *folder, const char *name, char *err,
                       unsigned long len) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n < 0 || n >= (int)sizeof path ? 0 : cli_spare_input(output, path, err, len);
}
