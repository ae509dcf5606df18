/* sweep_database.c - the file that a sweep writes to: what was there steps aside, what is there stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "sweep_int.h"

enum { ASIDE_LEN = 4096, ASIDE_MOST = 1000000 };

/* The first of PATH~, PATH~2, PATH~3, ... that is free; -1: none, or the name is long */
static int find_aside(char aside[ASIDE_LEN], const char *path) {
    struct stat st;
    for (int i = 1; i <= ASIDE_MOST; i++) {
        int n =
            i == 1 ? snprintf(aside, ASIDE_LEN, "%s~", path) : snprintf(aside, ASIDE_LEN, "%s~%d", path, i);
        if (n < 0 || n >= ASIDE_LEN) return -1;
        if (lstat(aside, &st) != 0) return errno == ENOENT ? 0 : -1;
    }
    return -1;
}

/* SQLite mends a database that a killed program left from the journal beside it, by its name */
static void move_journal(const char *path, const char *aside) {
    char from[ASIDE_LEN + 16], to[ASIDE_LEN + 16];
    snprintf(from, sizeof from, "%s-journal", path);
    snprintf(to, sizeof to, "%s-journal", aside);
    rename(from, to); /* mostly there is none */
}

/* An old database steps aside: renamed, so that nothing finished is lost, nor what stepped aside before */
static int move_aside(const sweep *s, char *err) {
    const char *path = s->options.db_path;
    char aside[ASIDE_LEN];
    struct stat st;
    if (lstat(path, &st) != 0) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int is_held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    int moved = !is_held && find_aside(aside, path) == 0 && rename(path, aside) == 0;
    if (moved) move_journal(path, aside);
    if (fd >= 0) close(fd);
    if (is_held)
        return config_fail(err, path, NULL, "results that another hassim is writing",
                           "it to end, or another -o");
    if (!moved)
        return config_fail(err, path, NULL, "a file that cannot be moved aside", "to keep it as PATH~");
    if (s->options.progress != SWEEP_QUIET) fprintf(s->options.log, "old results: %s\n", aside);
    return 0;
}

/* Creates the database before any worker needs it; closed again, as SQLite must not cross a fork */
static int prepare_database(const sweep *s, char *err) {
    results *r = NULL;
    if (s->options.force && !s->options.resume && move_aside(s, err) != 0) return -1;
    if (cli_make_folder_of(s->options.db_path, err, CONFIG_ERR_LEN) != 0) return -1;
    if (results_open(&r, s->options.db_path, s->first->name, s->first->question, err) != 0) return -1;
    results_close(r);
    return 0;
}

static int is_at(int fd, const char *path) {
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}

int sweep_hold_database(const sweep *s, char *err) {
    const char *path = s->options.db_path;
    if (prepare_database(s, err) != 0) return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) flock(fd, LOCK_SH); /* where a file system knows no such locks, it goes without */
    if (fd >= 0 && is_at(fd, path)) return fd;
    if (fd >= 0) close(fd);
    return config_fail(err, path, NULL, "a database that was moved away just now",
                       "it to stay while runs are made");
}
