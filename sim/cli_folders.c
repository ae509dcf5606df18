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
