/* trace_sample.h - trace files written by a test into its own directory, removed with it. */
#ifndef TRACE_SAMPLE_H
#define TRACE_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace.h"

typedef struct {
    char directory[64], path[128];
} sample_dir;

static inline void sample_open(sample_dir *dir) {
    strcpy(dir->directory, "/tmp/hassim-test-XXXXXX");
    assert_non_null(mkdtemp(dir->directory));
}

static inline const char *sample_path(sample_dir *dir, const char *name) {
    snprintf(dir->path, sizeof dir->path, "%s/%s", dir->directory, name);
    return dir->path;
}

static inline const char *sample_write_bytes(sample_dir *dir, const char *name, const void *bytes, size_t n) {
    unlink(sample_path(dir, name)); /* some file systems write a truncated file out at once */
    FILE *f = fopen(dir->path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return dir->path;
}

static inline const char *sample_write(sample_dir *dir, const char *name, const char *text) {
    return sample_write_bytes(dir, name, text, strlen(text));
}

/* One Azure 2019 function f with these counts. */
static inline const char *sample_minutes(sample_dir *dir, const uint32_t *counts, size_t n) {
    FILE *f = fopen(sample_path(dir, "invocations.csv"), "wb");
    assert_non_null(f);
    fputs("HashOwner,HashApp,HashFunction,Trigger", f);
    for (size_t i = 1; i <= n; i++) fprintf(f, ",%zu", i);
    fputs("\no,a,f,http", f);
    for (size_t i = 0; i < n; i++) fprintf(f, ",%u", counts[i]);
    fputc('\n', f);
    assert_int_equal(fclose(f), 0);
    return dir->path;
}

static inline void sample_remove(sample_dir *dir, const char *name) {
    unlink(sample_path(dir, name));
}

/* With whichever of these names were written. */
static inline void sample_close(sample_dir *dir) {
    static const char *const names[] = {"invocations.csv", "durations.csv", "memory.csv", "trace.csv"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) sample_remove(dir, names[i]);
    assert_int_equal(rmdir(dir->directory), 0);
}

static inline trace_file *sample_trace(const char *format, const char *path) {
    trace_file *file;
    char err[TRACE_ERR_LEN] = "";
    if (trace_open(&file, format, path, err)) fail_msg("%s", err);
    return file;
}

#endif
