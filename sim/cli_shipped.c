#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0: path holds an existing file or folder. */
static int found_in(const char *root, const char *relative, char *path, unsigned long len) {
    if (!root || !root[0]) return -1;
    int n = snprintf(path, len, "%s/%s", root, relative);
    return n > 0 && (unsigned long)n < len && access(path, R_OK) == 0 ? 0 : -1;
}

/* share/hassim of the prefix that the running program is installed in; empty where that cannot be told. */
static void installed_share(char *path, size_t len) {
    ssize_t n = readlink("/proc/self/exe", path, len - 1);
    path[n > 0 ? n : 0] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (slash) *slash = '\0';
    }
    size_t at = strlen(path);
    snprintf(path + at, len - at, "%s", at ? "/share/hassim" : "");
}

int cli_find_shipped(const char *relative, char *path, unsigned long len, char *err, unsigned long err_len) {
    const char *home = getenv("HASSIM_HOME");
    char share[4096];
    installed_share(share, sizeof share);
    const char *roots[] = {home, share, HASSIM_ROOT, HASSIM_SHARE};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (found_in(roots[i], relative, path, len) == 0) return 0;
    if (len) path[0] = '\0';
    snprintf(err, err_len, "%s: not found in %s, %s%s", relative,
             home && home[0] ? home : "$HASSIM_HOME (not set)", HASSIM_ROOT, " or " HASSIM_SHARE);
    return -1;
}
