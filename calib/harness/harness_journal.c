/* harness_journal.c - append, synchronise, read again. */
#include "harness_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int complain(const harness_journal *j, const char *what, char err[HARNESS_ERR_LEN]) {
    snprintf(err, HARNESS_ERR_LEN, "%.300s: %s", j->path ? j->path : "journal", what);
    return -1;
}

static size_t place_of(const harness_journal *j, const char *key) {
    size_t i = 0;
    while (i < j->n && strcmp(harness_json_string(j->records[i], "key", ""), key) != 0) i++;
    return i;
}

const harness_json *harness_journal_find(const harness_journal *j, const char *key) {
    size_t i = place_of(j, key);
    return i < j->n ? j->records[i] : NULL;
}

static int reserve(harness_journal *j) {
    if (j->n < j->capacity) return 0;
    size_t capacity = j->capacity ? 2 * j->capacity : 64;
    harness_json **records = realloc(j->records, capacity * sizeof *records);
    if (records) j->records = records;
    char **lines = realloc(j->lines, capacity * sizeof *lines);
    if (lines) j->lines = lines;
    if (!records || !lines) return -1;
    j->capacity = capacity;
    return 0;
}

static int remember(harness_journal *j, const char *line, size_t len, char err[HARNESS_ERR_LEN]) {
    harness_json *record = harness_json_parse(j->path, line, len, err);
    if (!record) return -1;
    char *copy = reserve(j) ? NULL : strndup(line, len);
    if (!copy || !harness_json_string(record, "key", "")[0]) {
        free(copy);
        harness_json_free(record);
        return complain(
            j, copy ? "found a record without key, expected a journal of hassim-calibrate" : "out of memory",
            err);
    }
    size_t i = place_of(j, harness_json_string(record, "key", ""));
    if (i < j->n) {
        harness_json_free(j->records[i]);
        free(j->lines[i]);
    }
    j->records[i] = record;
    j->lines[i] = copy;
    if (i == j->n) j->n++;
    return 0;
}

static int write_line(harness_journal *j, const char *line, char err[HARNESS_ERR_LEN]) {
    harness_text t = {0};
    harness_text_add(&t, "%s\n", line);
    int rc = t.failed || write(j->fd, t.text, t.len) != (ssize_t)t.len || fsync(j->fd);
    harness_text_free(&t);
    return rc ? complain(j, strerror(errno), err) : 0;
}

static int read_lines(harness_journal *j, const char *text, size_t len, const char *header,
                      char err[HARNESS_ERR_LEN]) {
    size_t at = 0;
    for (int first = 1; at < len; first = 0) {
        const char *end = memchr(text + at, '\n', len - at);
        if (!end) break;
        size_t n = (size_t)(end - (text + at));
        if (first && (n != strlen(header) || memcmp(text, header, n) != 0))
            return complain(
                j,
                "found measurements of another device, driver, version or other settings, expected this "
                "run's; choose another output, or remove it",
                err);
        if (!first && remember(j, text + at, n, err)) return -1;
        at += n + 1;
    }
    if (at < len && ftruncate(j->fd, (off_t)at)) return complain(j, strerror(errno), err);
    if (lseek(j->fd, 0, SEEK_END) < 0) return complain(j, strerror(errno), err);
    return at ? 0 : write_line(j, header, err);
}

int harness_journal_open(harness_journal *j, const char *path, const char *header,
                         char err[HARNESS_ERR_LEN]) {
    struct stat st;
    *j = (harness_journal){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), .path = strdup(path)};
    if (j->fd < 0 || !j->path || fstat(j->fd, &st)) return complain(j, strerror(errno), err);
    if (flock(j->fd, LOCK_EX | LOCK_NB)) return complain(j, "another run is writing it", err);
    char *text = malloc((size_t)st.st_size + 1);
    ssize_t n = text ? read(j->fd, text, (size_t)st.st_size) : -1;
    int rc =
        n == st.st_size ? read_lines(j, text, (size_t)n, header, err) : complain(j, "cannot be read", err);
    free(text);
    return rc;
}

int harness_journal_append(harness_journal *j, const char *line, char err[HARNESS_ERR_LEN]) {
    return remember(j, line, strlen(line), err) ? -1 : write_line(j, line, err);
}

void harness_journal_close(harness_journal *j) {
    for (size_t i = 0; i < j->n; i++) {
        harness_json_free(j->records[i]);
        free(j->lines[i]);
    }
    free(j->records);
    free(j->lines);
    free(j->path);
    if (j->fd >= 0) close(j->fd);
    *j = (harness_journal){.fd = -1};
}
