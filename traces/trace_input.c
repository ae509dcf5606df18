#include "trace_input.h"

#include "trace_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { PACKED_BYTES = 1 << 18, MAGIC_BYTES = 4, FREE_BYTES = 1 << 28, RATIO_MAX = 200 };

typedef int input_decode(trace_input *input, void *bytes, size_t cap, size_t *got, char *err);

struct trace_input {
    const char *path;
    int fd;
    size_t size;
    uint64_t unpacked;
    input_decode *decode; /* NULL: plain */
    const char *compression;
    z_stream gzip;
    ZSTD_DCtx *zstd;
    unsigned char *packed; /* what was read and not yet decoded: from at to used */
    size_t at, used;
    bool at_end;    /* of the file */
    bool is_inside; /* of a member or frame: more must come */
};

static int fail_read(const trace_input *input, char *err) {
    return trace_fail(err, "%s: found %s while reading, expected more of the file", input->path,
                      strerror(errno));
}

static int read_some(const trace_input *input, void *bytes, size_t cap, size_t *got, char *err) {
    ssize_t n;
    do n = read(input->fd, bytes, cap);
    while (n < 0 && errno == EINTR);
    *got = n < 0 ? 0 : (size_t)n;
    return n < 0 ? fail_read(input, err) : 0;
}

/* At least `wanted` bytes to decode, unless the file ends before. */
static int refill(trace_input *input, size_t wanted, char *err) {
    memmove(input->packed, input->packed + input->at, input->used - input->at);
    input->used -= input->at;
    input->at = 0;
    while (!input->at_end && input->used < wanted) {
        size_t got;
        if (read_some(input, input->packed + input->used, PACKED_BYTES - input->used, &got, err)) return -1;
        input->at_end = got == 0;
        input->used += got;
    }
    return 0;
}

static int fail_truncated(const trace_input *input, char *err) {
    return trace_fail(err, "%s: found the end of the file inside a %s stream, expected more: it is truncated",
                      input->path, input->compression);
}

static bool begins_gzip(const unsigned char *bytes, size_t n) {
    return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* A frame, or one of the sixteen magics of frames to skip (RFC 8878, 3.1). */
static bool begins_zstd(const unsigned char *bytes, size_t n) {
    if (n < 4) return false;
    return !memcmp(bytes, "\x28\xb5\x2f\xfd", 4) ||
           ((bytes[0] & 0xf0) == 0x50 && !memcmp(bytes + 1, "\x2a\x4d\x18", 3));
}

/* Between members: 1 where another begins, 0 at the end of the file. */
static int next_member(trace_input *input, bool begins(const unsigned char *, size_t), char *err) {
    if (refill(input, MAGIC_BYTES, err)) return -1;
    if (input->used == 0) return 0;
    if (begins(input->packed, input->used)) return 1;
    return trace_fail(err, "%s: found bytes after the end of a %s stream, expected another or the end",
                      input->path, input->compression);
}

static int gzip_step(trace_input *input, char *err) {
    z_stream *z = &input->gzip;
    z->next_in = input->packed + input->at;
    z->avail_in = (unsigned)(input->used - input->at);
    int rc = inflate(z, Z_NO_FLUSH);
    input->at = input->used - z->avail_in;
    if (rc == Z_STREAM_END) input->is_inside = false;
    if (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR) return 0;
    if (rc == Z_MEM_ERROR) return trace_fail(err, "out of memory");
    return trace_fail(err, "%s: found a damaged gzip stream (%s), expected a whole one", input->path,
                      z->msg ? z->msg : "no reason given");
}

static int gzip_read(trace_input *input, void *bytes, size_t cap, size_t *got, char *err) {
    z_stream *z = &input->gzip;
    if (cap > UINT32_MAX / 2) cap = UINT32_MAX / 2;
    z->next_out = bytes;
    z->avail_out = (unsigned)cap;
    while (z->avail_out == cap) {
        if (!input->is_inside) {
            int more = next_member(input, begins_gzip, err);
            if (more <= 0) return more;
            inflateReset(z);
            input->is_inside = true;
        }
        if (input->at == input->used && refill(input, 1, err)) return -1;
        if (input->at == input->used) return fail_truncated(input, err);
        if (gzip_step(input, err)) return -1;
    }
    *got = cap - z->avail_out;
    return 0;
}

static int zstd_read(trace_input *input, void *bytes, size_t cap, size_t *got, char *err) {
    ZSTD_outBuffer out = {bytes, cap, 0};
    while (!out.pos) {
        if (!input->is_inside) {
            int more = next_member(input, begins_zstd, err);
            if (more <= 0) return more;
            input->is_inside = true;
        }
        ZSTD_inBuffer in = {input->packed, input->used, input->at};
        size_t rc = ZSTD_decompressStream(input->zstd, &out, &in);
        bool stuck = in.pos == input->at && !out.pos && rc && !ZSTD_isError(rc);
        input->at = in.pos;
        if (ZSTD_isError(rc))
            return trace_fail(err, "%s: found a damaged zstd stream (%s), expected a whole one", input->path,
                              ZSTD_getErrorName(rc));
        input->is_inside = rc != 0;
        if (stuck && input->at == input->used) {
            if (refill(input, 1, err)) return -1;
            if (!input->used) return fail_truncated(input, err);
        } else if (stuck) {
            return trace_fail(err, "%s: found a zstd stream that goes nowhere, expected a whole one",
                              input->path);
        }
    }
    *got = out.pos;
    return 0;
}

static int start_decoder(trace_input *input, char *err) {
    if (refill(input, MAGIC_BYTES, err)) return -1;
    if (begins_gzip(input->packed, input->used)) {
        input->compression = "gzip";
        input->decode = gzip_read;
        if (inflateInit2(&input->gzip, 15 + 16) != Z_OK) return trace_fail(err, "out of memory");
    } else if (begins_zstd(input->packed, input->used)) {
        input->compression = "zstd";
        input->decode = zstd_read;
        input->zstd = ZSTD_createDCtx();
        if (!input->zstd) return trace_fail(err, "out of memory");
    }
    return 0;
}

static int check_regular(trace_input *input, char *err) {
    struct stat st;
    if (fstat(input->fd, &st)) return trace_fail(err, "%s: %s", input->path, strerror(errno));
    input->size = (size_t)st.st_size;
    if (S_ISREG(st.st_mode)) return 0;
    if (S_ISDIR(st.st_mode))
        return trace_fail(err,
                          "%s: found a directory, expected a regular file, such as invocations.csv in it",
                          input->path);
    return trace_fail(err, "%s: found a device or pipe, expected a regular file", input->path);
}

int trace_input_open(trace_input **out, const char *path, char err[TRACE_ERR_LEN]) {
    *out = NULL;
    trace_input *input = calloc(1, sizeof *input);
    if (!input) return trace_fail(err, "out of memory");
    input->path = path;
    input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = 0;
    if (input->fd < 0)
        rc = trace_fail(err, "%s: found %s, expected a regular file", path, strerror(errno));
    else
        rc = check_regular(input, err);
    if (!rc && !(input->packed = malloc(PACKED_BYTES))) rc = trace_fail(err, "out of memory");
    if (!rc) rc = start_decoder(input, err);
    if (rc)
        trace_input_close(input);
    else
        *out = input;
    return rc;
}

static int check_ratio(const trace_input *input, char *err) {
    if (input->unpacked <= FREE_BYTES || input->unpacked / RATIO_MAX <= input->size) return 0;
    return trace_fail(
        err,
        "%s: found %zu bytes of %s that unpack to more than %d times as many, expected a trace; "
        "unpack it yourself if it is one",
        input->path, input->size, input->compression, RATIO_MAX);
}

int trace_input_read(trace_input *input, void *bytes, size_t cap, size_t *got, char err[TRACE_ERR_LEN]) {
    *got = 0;
    if (input->decode) {
        if (input->decode(input, bytes, cap, got, err)) return -1;
        input->unpacked += *got;
        return check_ratio(input, err);
    }
    if (input->at == input->used) return read_some(input, bytes, cap, got, err);
    size_t left = input->used - input->at; /* the bytes that were looked at to know what this is */
    *got = left < cap ? left : cap;
    memcpy(bytes, input->packed + input->at, *got);
    input->at += *got;
    return 0;
}

const char *trace_input_compression(const trace_input *input) {
    return input->compression;
}

int trace_input_plain(const trace_input *input, size_t *size) {
    *size = input->size;
    return input->decode ? -1 : input->fd;
}

void trace_input_close(trace_input *input) {
    if (!input) return;
    if (input->fd >= 0) close(input->fd);
    if (input->decode == gzip_read) inflateEnd(&input->gzip);
    ZSTD_freeDCtx(input->zstd);
    free(input->packed);
    free(input);
}
