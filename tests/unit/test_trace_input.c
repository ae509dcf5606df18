#include <stdbool.h>
#include <zlib.h>
#include <zstd.h>

#include "trace_input.h"
#include "trace_sample.h"

enum { MOST = 1 << 20 };

typedef struct {
    unsigned char bytes[MOST];
    size_t n;
} blob;

static void add_gzip(blob *to, const void *bytes, size_t n) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (unsigned)n;
    z.next_out = to->bytes + to->n;
    z.avail_out = (unsigned)(MOST - to->n);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    to->n = MOST - z.avail_out;
    deflateEnd(&z);
}

static void add_zstd(blob *to, const void *bytes, size_t n) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t got = ZSTD_compress2(context, to->bytes + to->n, MOST - to->n, bytes, n);
    ZSTD_freeCCtx(context);
    assert_false(ZSTD_isError(got));
    to->n += got;
}

typedef void add_stream(blob *, const void *, size_t);
static add_stream *const kinds[] = {add_gzip, add_zstd};
static const char *const kind_names[] = {"gzip", "zstd"};

/* Reads path in pieces of this size; the bytes read, or -1 with err. */
static long read_all(const char *path, char *text, size_t size, size_t piece, char *err) {
    trace_input *input;
    size_t n = 0, got = 1;
    if (trace_input_open(&input, path, err)) return -1;
    int rc = 0;
    while (!rc && got && n < size) {
        rc = trace_input_read(input, text + n, size - n < piece ? size - n : piece, &got, err);
        n += got;
    }
    trace_input_close(input);
    return rc ? -1 : (long)n;
}

static const char text[] = "time_s,function\n1,a\n2,b\n3,a\n";
enum { TEXT = sizeof text - 1 };

static void streams_and_their_pieces_are_read(void **state) {
    (void)state;
    static blob b;
    char out[4 * TEXT], err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    for (size_t k = 0; k < 2; k++) {
        b.n = 0;
        kinds[k](&b, text, 10); /* three of them, the second empty */
        kinds[k](&b, text, 0);
        kinds[k](&b, text + 10, TEXT - 10);
        const char *path = sample_write_bytes(&dir, "trace.csv", b.bytes, b.n);
        for (size_t piece = 1; piece <= TEXT + 1; piece += 6) {
            assert_int_equal(read_all(path, out, sizeof out, piece, err), TEXT);
            assert_memory_equal(out, text, TEXT);
        }
        trace_input *input;
        size_t size;
        assert_int_equal(trace_input_open(&input, path, err), 0);
        assert_string_equal(trace_input_compression(input), kind_names[k]);
        assert_int_equal(trace_input_plain(input, &size), -1);
        trace_input_close(input);
    }
    sample_close(&dir);
}

static void what_is_neither_is_given_as_it_is(void **state) {
    (void)state;
    char out[64], err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    for (size_t n = 0; n <= 8; n++) { /* shorter than a magic, too */
        const char *path = sample_write_bytes(&dir, "trace.csv", "\x1f\x8c\x28\xb5\x2f\xfd\x50\x2a", n);
        assert_int_equal(read_all(path, out, sizeof out, 3, err), (long)n);
        assert_memory_equal(out, "\x1f\x8c\x28\xb5\x2f\xfd\x50\x2a", n);
    }
    sample_close(&dir);
}

/* Every prefix of two streams but the whole ones is refused as truncated, never taken for a shorter file. */
static void truncated_streams_are_refused(void **state) {
    (void)state;
    static blob b;
    char out[4 * TEXT], err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    for (size_t k = 0; k < 2; k++) {
        b.n = 0;
        kinds[k](&b, text, TEXT);
        size_t one = b.n;
        kinds[k](&b, text, TEXT);
        for (size_t n = 4; n < b.n; n++) {
            const char *path = sample_write_bytes(&dir, "trace.csv", b.bytes, n);
            long got = read_all(path, out, sizeof out, 7, err);
            assert_int_equal(got, n == one ? TEXT : -1);
            bool cut_in_magic = n > one && n < one + 4; /* not known for a stream's beginning, perhaps */
            if (got < 0 && !cut_in_magic && !strstr(err, "truncated")) fail_msg("%zu bytes: %s", n, err);
        }
    }
    sample_close(&dir);
}

/* A flipped bit is refused: both kinds end with a checksum. What zstd and gzip ignore, in headers, may pass. */
static void damaged_streams_are_refused(void **state) {
    (void)state;
    static blob b;
    static char out[1 << 16]; /* more than a damaged stream of so few bytes can become */
    char err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    for (size_t k = 0; k < 2; k++) {
        b.n = 0;
        kinds[k](&b, text, TEXT);
        for (size_t bit = 32; bit < 8 * b.n; bit++) {
            b.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            const char *path = sample_write_bytes(&dir, "trace.csv", b.bytes, b.n);
            long got = read_all(path, out, sizeof out, 64, err);
            if (got >= 0 && (got != TEXT || memcmp(out, text, TEXT)))
                fail_msg("%s bit %zu", kind_names[k], bit);
            if (got < 0 && !strstr(err, path)) fail_msg("%s", err);
            b.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        memcpy(b.bytes + b.n, "more", 4);
        const char *path = sample_write_bytes(&dir, "trace.csv", b.bytes, b.n + 4);
        assert_int_equal(read_all(path, out, sizeof out, 64, err), -1);
        assert_non_null(strstr(err, "after the end of a"));
    }
    sample_close(&dir);
}

/* A frame that wants a window of 1 GiB is refused before any of it is allocated. */
static void huge_windows_are_refused(void **state) {
    (void)state;
    char out[64], err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    const char *path = sample_write_bytes(&dir, "trace.csv", "\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00", 9);
    assert_int_equal(read_all(path, out, sizeof out, 64, err), -1);
    assert_non_null(strstr(err, "requires too much memory"));
    sample_close(&dir);
}

/* Streams of one byte over and over: 300 MB from some hundred KB of gzip, from some dozen KB of zstd. */
static void bombs_are_refused(void **state) {
    (void)state;
    enum { PIECE = 1 << 20, PIECES = 300 };
    static blob b;
    static char out[PIECE], zeros[PIECE];
    char err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    for (size_t k = 0; k < 2; k++) {
        b.n = 0;
        for (int i = 0; i < PIECES; i++) kinds[k](&b, zeros, PIECE);
        assert_true(b.n < PIECE);
        const char *path = sample_write_bytes(&dir, "trace.csv", b.bytes, b.n);
        trace_input *input;
        assert_int_equal(trace_input_open(&input, path, err), 0);
        int rc = 0;
        size_t n = 0, got = 1;
        while (!rc && got) {
            rc = trace_input_read(input, out, PIECE, &got, err);
            n += rc ? 0 : got;
        }
        trace_input_close(input);
        assert_int_equal(rc, -1);
        assert_int_equal(n, 256 * PIECE);
        assert_non_null(strstr(err, "that unpack to more than 200 times as many"));
        /* as a trace it is over before: no line is so long */
        static const char *const formats[] = {NULL,      "csv",   "azure2019", "azure2021", "azure-llm2023",
                                              "seconds", "packed"};
        for (size_t i = 0; i < sizeof formats / sizeof *formats && k; i++) {
            trace_file *file;
            assert_int_equal(trace_open(&file, formats[i], path, err), -1);
            if (!strstr(err,
                        i == 6 ? "expected a packed trace" : ":1: found a line of more than 67108864 bytes"))
                fail_msg("%s", err);
        }
    }
    sample_close(&dir);
}

/* A header, then a line without end; and a header without end. */
static void endless_lines_are_refused(void **state) {
    (void)state;
    enum { PIECE = 1 << 20, PIECES = 70 };
    static blob b;
    static char ones[PIECE];
    char err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    memset(ones, '1', PIECE);
    static const struct {
        const char *begins, *line;
    } cases[] = {{"time_s,function\n", ":2: "},
                 {"time_s,function", ":1: "},
                 {"requests\n5\n", ":3: "},
                 {"HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,", ":2: "},
                 {"HashOwner,HashApp,HashFunction,Trigger,", ":1: "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trace_file *file;
        b.n = 0;
        add_zstd(&b, cases[i].begins, strlen(cases[i].begins));
        for (int k = 0; k < PIECES; k++) add_zstd(&b, ones, PIECE);
        const char *path = sample_write_bytes(&dir, "invocations.csv", b.bytes, b.n);
        assert_int_equal(trace_open(&file, NULL, path, err), -1);
        if (!strstr(err, "found a line of more than 67108864 bytes") || !strstr(err, cases[i].line))
            fail_msg("%s", err);
    }
    sample_close(&dir);
}

static void compressed_traces_are_traces(void **state) {
    (void)state;
    static blob b;
    sample_dir dir;
    sample_open(&dir);
    const char *invocations = "HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,http,3,4\n",
               *durations = "HashOwner,HashApp,HashFunction,Average,Count\no,a,f,25,7\n";
    for (size_t k = 0; k < 2; k++) { /* whatever the names say */
        b.n = 0;
        kinds[k](&b, durations, strlen(durations));
        sample_write_bytes(&dir, "durations.csv.gz", b.bytes, b.n);
        b.n = 0;
        kinds[k](&b, invocations, strlen(invocations));
        trace_file *file = sample_trace(NULL, sample_write_bytes(&dir, "invocations.csv.zst", b.bytes, b.n));
        assert_string_equal(trace_format_of(file), "azure2019");
        assert_int_equal(trace_function_at(file, 0).count, 7);
        assert_true(trace_function_at(file, 0).mean_duration_ms == 25);
        trace_close(file);
    }
    sample_remove(&dir, "durations.csv.gz");
    sample_remove(&dir, "invocations.csv.zst");
    sample_close(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_and_their_pieces_are_read),
        cmocka_unit_test(what_is_neither_is_given_as_it_is),
        cmocka_unit_test(truncated_streams_are_refused),
        cmocka_unit_test(damaged_streams_are_refused),
        cmocka_unit_test(huge_windows_are_refused),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(compressed_traces_are_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
