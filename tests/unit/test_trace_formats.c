#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include "draw.h"
#include "trace_packed.h"
#include "trace_sample.h"
#include "trace_stats.h"
#include "trace_subset.h"

#define HEAD2019 "HashOwner,HashApp,HashFunction,Trigger,1,2,3\n"
#define HEADLLM  "TIMESTAMP,ContextTokens,GeneratedTokens\n"

/* A sample of each format, as its public files look. */
static const struct {
    const char *format, *text;
} samples[] = {
    {"azure2019", HEAD2019 "o,a,f1,http,0,2,300\no,a,f2,queue,7,0,0\no,b,f1,timer,1,1,1\n"},
    {"azure2021", "app,func,end_timestamp,duration\na,f,0.5,0.25\na,g,1.5,0.125\nb,f,61.5,1\na,f,70,0\n"},
    {"azure-llm2023", HEADLLM "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n"},
    {"azure-llm2024", HEADLLM "2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:00+00:00,1,0\n"},
    {"seconds", "requests\n52\n0\n0\n55\n48\n"},
    {"csv", "time_s,function\n1,a\n2.5,b\n2.5,b\n1000000,a\n"},
    {"csv", "time,function,size\n1,a,100\n2.5,b,7\n0.5,a,300\n"},
};
enum { N_SAMPLES = sizeof samples / sizeof samples[0] };

/* Every arrival and its work, of all functions, as one number. */
static uint64_t digest(const trace_file *file, double scale, double offset_s, uint64_t *n) {
    uint64_t hash = 0;
    *n = 0;
    for (size_t f = 0; f < trace_n_functions(file); f++) {
        trace_spec spec = {.file = file,
                           .index = f,
                           .scale = scale,
                           .offset_s = offset_s,
                           .out_weight = 3.5,
                           .duration_ns = INT64_MAX / 4};
        trace_source *source;
        char err[TRACE_ERR_LEN];
        int64_t ns[7];
        double work[7];
        assert_int_equal(trace_source_open(&source, &spec, 5, (uint32_t)f, err), 0);
        for (size_t got; (got = trace_source_next_work(source, ns, work, 7)) > 0; *n += got)
            for (size_t i = 0; i < got; i++) {
                uint64_t bits;
                memcpy(&bits, &work[i], sizeof bits);
                hash = draw_mix(hash ^ draw_mix((uint64_t)ns[i]) ^ bits);
            }
        trace_source_close(source);
    }
    return hash;
}

static void formats_are_guessed_and_known_by_name(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const char *path = sample_write(&dir, "trace.csv", samples[i].text);
        for (int named = 0; named < 2; named++) {
            trace_file *file = sample_trace(named ? samples[i].format : NULL, path);
            assert_string_equal(trace_format_of(file), samples[i].format);
            trace_close(file);
        }
    }
    sample_close(&dir);
}

static void tokens_become_sizes_and_work(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace(
        NULL, sample_write(&dir, "trace.csv",
                           HEADLLM "2024-02-28 23:59:59.5+01:00,10,20\n2024-02-29 00:00:01+01:00,50,20\n"
                                   "2024-03-01 00:00:00+01:00,0,0\n2024-02-28 22:59:59.75+00:00,9,0\n"));
    assert_string_equal(trace_format_of(file), "azure-llm2024");
    assert_int_equal(trace_n_functions(file), 1);
    trace_function f = trace_function_at(file, 0);
    assert_string_equal(f.name, "requests");
    assert_int_equal(f.count, 4);
    assert_true(f.mean_size == 27.5); /* 30, 70, 1 for none, 9 */
    assert_int_equal(trace_defects_of(file).zero_size, 1);
    assert_int_equal(trace_defects_of(file).disordered_rows, 1);
    assert_true(f.mean_out == 10);
    const int64_t at[] = {0, 250000000, 1500000000, INT64_C(86400500000000)}; /* a leap day long */
    static const struct {
        double out_weight, calibrated_size, size[4], divisor;
    } cases[] = {
        {1, 0, {30, 9, 70, 1}, 27.5},     {1, 10, {30, 9, 70, 1}, 10},      {0, 0, {10, 9, 50, 1}, 17.5},
        {21, 0, {430, 9, 470, 1}, 227.5}, {21, 100, {430, 9, 470, 1}, 100},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        trace_spec spec = {.file = file,
                           .scale = 1,
                           .out_weight = cases[c].out_weight,
                           .calibrated_size = cases[c].calibrated_size,
                           .duration_ns = INT64_C(100000000000000)};
        trace_source *source;
        char err[TRACE_ERR_LEN];
        int64_t ns[8];
        double work[8], sum = 0;
        assert_int_equal(trace_source_open(&source, &spec, 1, 0, err), 0);
        assert_int_equal(trace_source_next_work(source, ns, work, 8), 4);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(ns[i], at[i]);
            assert_true(work[i] == cases[c].size[i] / cases[c].divisor);
            sum += work[i] / 4;
        }
        assert_true(fabs(trace_mean_work(&spec) - sum) < 1e-9);
        assert_int_equal(trace_source_next_work(source, ns, work, 8), 0);
        trace_source_close(source);
    }
    trace_close(file);
    sample_close(&dir);
}

/* A request that is all generated, where that counts for nothing, has a size all the same. */
static void no_work_is_0(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file =
        sample_trace(NULL, sample_write(&dir, "trace.csv", HEADLLM "2024-02-28 23:59:59.5+01:00,0,8\n"));
    trace_spec spec = {.file = file, .scale = 1, .duration_ns = INT64_C(1000000000)};
    for (; spec.calibrated_size <= 4; spec.calibrated_size += 4) {
        trace_source *source;
        char err[TRACE_ERR_LEN];
        int64_t ns[1];
        double work[1] = {0};
        assert_int_equal(trace_source_open(&source, &spec, 1, 0, err), 0);
        assert_int_equal(trace_source_next_work(source, ns, work, 1), 1);
        assert_true(work[0] == (spec.calibrated_size > 0 ? 0.25 : 1));
        assert_true(trace_mean_work(&spec) == work[0]);
        trace_source_close(source);
    }
    trace_close(file);
    sample_close(&dir);
}

static void work_is_1_without_sizes(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace(NULL, sample_write(&dir, "trace.csv", samples[0].text));
    trace_spec counts = {.file = file, .scale = 1, .duration_ns = INT64_C(180000000000)},
               shape = {.mean_rps = 10, .duration_ns = INT64_C(180000000000)};
    const trace_spec *specs[] = {&counts, &shape};
    for (int i = 0; i < 2; i++) {
        trace_source *source;
        char err[TRACE_ERR_LEN];
        int64_t ns[64];
        double work[64];
        assert_int_equal(trace_source_open(&source, specs[i], 1, 0, err), 0);
        assert_int_equal(trace_source_next_work(source, ns, work, 64), 64);
        for (int k = 0; k < 64; k++) assert_true(work[k] == 1);
        trace_source_close(source);
    }
    assert_true(trace_function_at(file, 0).mean_size < 0);
    trace_close(file);
    sample_close(&dir);
}

static void a_byte_order_mark_is_no_name(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file =
        sample_trace(NULL, sample_write(&dir, "trace.csv", "\xef\xbb\xbftime_s,function\n1,a\n"));
    assert_int_equal(trace_n_functions(file), 1);
    assert_string_equal(trace_format_of(file), "csv");
    trace_close(file);
    sample_close(&dir);
}

static void seconds_are_kept_second_by_second(void **state) {
    (void)state;
    static const trace_within all[] = {TRACE_UNIFORM, TRACE_EVEN, TRACE_BURSTY};
    const uint64_t counts[] = {52, 0, 0, 55, 480};
    sample_dir dir;
    sample_open(&dir);
    trace_file *file =
        sample_trace("seconds", sample_write(&dir, "trace.csv", "requests\n52\n0\n0\n55\n480\n"));
    assert_int_equal(trace_span_ns(file), INT64_C(5000000000));
    assert_int_equal(trace_stats_minutes(file), 1);
    for (size_t w = 0; w < 3; w++) {
        trace_spec spec = {.file = file, .scale = 1, .within = all[w], .duration_ns = INT64_C(5000000000)};
        trace_source *source;
        char err[TRACE_ERR_LEN];
        int64_t ns[1000];
        uint64_t found[5] = {0};
        assert_int_equal(trace_source_open(&source, &spec, 3, 0, err), 0);
        size_t n = trace_source_next(source, ns, 1000);
        assert_int_equal(n, 587);
        for (size_t i = 0; i < n; i++) {
            found[ns[i] / 1000000000]++;
            assert_true(!i || ns[i] >= ns[i - 1]);
        }
        assert_memory_equal(found, counts, sizeof counts);
        trace_source_close(source);
    }
    trace_close(file);
    sample_close(&dir);
}

static void invitro_is_a_folder_of_three(void **state) {
    (void)state;
    sample_dir dir;
    char err[TRACE_ERR_LEN];
    sample_open(&dir);
    sample_write(&dir, "invocations.csv", HEAD2019 "o,a,f,http,0,2,3\no,a,g,http,1,0,0\n");
    trace_file *file;
    assert_int_equal(trace_open(&file, "invitro", dir.directory, err), -1);
    assert_non_null(strstr(err, "invocations.csv: found no durations file"));
    sample_write(&dir, "durations.csv",
                 "HashOwner,HashApp,HashFunction,Average,Count\no,a,f,100.0,5.0\no,a,g,7,1.0\n");
    sample_write(
        &dir, "memory.csv",
        "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb\no,a,f,9.0,120.0\no,a,g,9.0,60\n");
    file = sample_trace("invitro", dir.directory);
    assert_string_equal(trace_format_of(file), "invitro");
    assert_true(trace_function_at(file, 0).mean_memory_mib == 120 &&
                trace_function_at(file, 1).mean_memory_mib == 60);
    assert_int_equal(trace_defects_of(file).disagreeing_counts, 0);
    trace_close(file);
    sample_close(&dir);
}

static void bad_rows_are_refused_with_their_place(void **state) {
    (void)state;
    static const struct {
        const char *format, *text, *message;
    } cases[] = {
        {NULL, HEADLLM "2023-11-16T18:17:03,1,2\n",
         ":2:1: found \"2023-11-16T18:17:03\", expected a time such as 2023"},
        {NULL, HEADLLM "2023-13-16 18:17:03,1,2\n", ":2:1:"},
        {NULL, HEADLLM "2024-02-29 18:17:03,1,2\n2023-02-29 18:17:03,1,2\n", ":3:1:"},
        {NULL, HEADLLM "2023-12-31 18:17:03,1,2\n2023-11-31 18:17:03,1,2\n", ":3:1:"},
        {NULL, HEADLLM "2023-11-16 18:17:03.1234567890,1,2\n", ":2:1:"},
        {"azure-llm2023", HEADLLM "2024-05-10 00:00:00.009930+00:00,2162,5\n",
         "expected a time such as 2023"},
        {"azure-llm2024", HEADLLM "2023-11-16 18:17:03,1,2\n", "expected a time such as 2024"},
        {NULL, HEADLLM "2024-05-10 00:00:00+00:00,1,2\n2024-05-10 00:00:00,1,2\n", ":3:1:"},
        {NULL, HEADLLM "2023-11-16 18:17:03,1\n", "found the end of the line, expected a comma"},
        {NULL, HEADLLM "2023-11-16 18:17:03,-1,2\n", ":2:21: found \"-1\", expected a whole number"},
        {NULL, HEADLLM "2023-11-16 18:17:03,1,2,3\n", "expected the end of the line"},
        {NULL, HEADLLM "2022-11-16 18:17:03,1,2\n2023-12-16 18:17:03,1,2\n", "more than a year apart"},
        {NULL, "TIMESTAMP,ContextTokens,GeneratedTokens,x\n", ":1:40:"},
        {NULL, "requests\n1\n-2\n", ":3:1: found \"-2\", expected a whole number"},
        {NULL, "requests\n1\n\n", ":3:1: found the end of the line"},
        {NULL, "requests\n1000000001\n", "at most 1000000000"},
        {NULL, "requests\n1.5\n", "expected a whole number"},
        {NULL, "requests\n", "found no row"},
        {NULL, "requests,x\n1\n", ":1:9:"},
        {NULL, "time,function,size\n1,a\n", ":2:4: found the end of the line"},
        {NULL, "time,function,size\n1,a,x\n", ":2:5: found \"x\""},
        {NULL, "time,function,size\n1,a,4294967296\n", "at most 4294967295"},
        {NULL, "time,function,weight\n1,a,1\n", ":1:14:"},
        {"invitro", HEAD2019 "o,a,f,http,1,1,1\n", "trace.csv"},
        {"packed", "time,function\n1,a\n", ":1:1: found \"time,fun\", expected a packed trace"},
    };
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        trace_file *file;
        char err[TRACE_ERR_LEN] = "";
        const char *path = sample_write(&dir, "trace.csv", cases[i].text);
        int rc = trace_open(&file, cases[i].format, path, err);
        if (rc != -1 || file || !strstr(err, cases[i].message)) fail_msg("case %zu: %d \"%s\"", i, rc, err);
    }
    sample_close(&dir);
}

/* ---- the packed format ---- */

static const char *pack(sample_dir *dir, const trace_file *file) {
    trace_packed_size size;
    char err[TRACE_ERR_LEN];
    const char *path = sample_path(dir, "memory.csv"); /* a name that sample_close removes */
    unlink(path);
    if (trace_packed_write(file, NULL, 0, "by a test", path, &size, err)) fail_msg("%s", err);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, size.bytes);
    return path;
}

static void packed_traces_replay_as_their_originals(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        trace_file *file = sample_trace(NULL, sample_write(&dir, "trace.csv", samples[i].text)),
                   *again = sample_trace(NULL, pack(&dir, file));
        assert_string_equal(trace_format_of(again), "packed");
        assert_string_equal(trace_provenance_of(again), "by a test");
        assert_int_equal(trace_span_ns(again), trace_span_ns(file));
        assert_int_equal(trace_n_functions(again), trace_n_functions(file));
        trace_defects d = trace_defects_of(file), e = trace_defects_of(again);
        assert_memory_equal(&d, &e, sizeof d);
        for (size_t f = 0; f < trace_n_functions(file); f++) {
            trace_function x = trace_function_at(file, f), y = trace_function_at(again, f);
            assert_string_equal(x.name, y.name);
            assert_int_equal(x.count, y.count);
            assert_true(x.mean_duration_ms == y.mean_duration_ms && x.mean_memory_mib == y.mean_memory_mib &&
                        x.mean_size == y.mean_size && x.mean_out == y.mean_out);
        }
        static const double scales[] = {1, 2.5};
        for (int s = 0; s < 2; s++) {
            uint64_t n, m;
            assert_int_equal(digest(file, scales[s], 0.75, &n), digest(again, scales[s], 0.75, &m));
            assert_int_equal(n, m);
        }
        trace_close(file);
        trace_close(again);
    }
    sample_close(&dir);
}

static void provenance_is_shown_as_text(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace(NULL, sample_write(&dir, "trace.csv", samples[5].text));
    trace_packed_size size;
    char err[TRACE_ERR_LEN];
    const char *path = sample_path(&dir, "memory.csv");
    assert_int_equal(
        trace_packed_write(file, NULL, 0, "a\nb\x1b[2J\x9b\xc3\xa9\xff\xc2\x9b\t.", path, &size, err), 0);
    trace_file *again = sample_trace(NULL, path);
    assert_string_equal(trace_provenance_of(again), "a\nb?[2J?\xc3\xa9????.");
    trace_close(file);
    trace_close(again);
    sample_close(&dir);
}

static size_t read_file(const char *path, unsigned char *bytes, size_t size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, size, f);
    fclose(f);
    return n;
}

static void fix_checksum(unsigned char *bytes, size_t n) {
    uint32_t crc = (uint32_t)crc32(0, bytes + 16, (uInt)(n - 16));
    for (int i = 0; i < 4; i++) bytes[12 + i] = (unsigned char)(crc >> (8 * i));
}

static void bad_packed_files_are_refused(void **state) {
    (void)state;
    static unsigned char bytes[8192], good[8192];
    char err[TRACE_ERR_LEN];
    sample_dir dir;
    trace_file *file, *original;
    sample_open(&dir);
    original = sample_trace(NULL, sample_write(&dir, "trace.csv", HEADLLM "2023-11-16 18:17:03,7,3\n"));
    size_t end = read_file(pack(&dir, original), good, sizeof good);
    trace_close(original);
    good[end - 1] = 11; /* of 10 tokens */
    fix_checksum(good, end);
    assert_int_equal(trace_open(&file, "packed", sample_write_bytes(&dir, "trace.csv", good, end), err), -1);
    assert_non_null(strstr(err, "found more tokens generated than there are"));
    good[end - 1] = 3;
    good[48] = 2; /* tokens without sizes */
    fix_checksum(good, end);
    assert_int_equal(trace_open(&file, "packed", sample_write_bytes(&dir, "trace.csv", good, end), err), -1);
    assert_non_null(strstr(err, "unknown bin, span or flag"));
    original = sample_trace(NULL, sample_write(&dir, "trace.csv", samples[1].text));
    size_t n = read_file(pack(&dir, original), good, sizeof good);
    trace_close(original);
    for (size_t cut = 0; cut < n; cut++) { /* every truncation */
        assert_int_equal(trace_open(&file, "packed", sample_write_bytes(&dir, "trace.csv", good, cut), err),
                         -1);
        if (cut >= 8 && !strstr(err, "truncated")) fail_msg("%zu bytes: %s", cut, err);
    }
    for (size_t bit = 0; bit < 8 * n; bit++) { /* every flip */
        memcpy(bytes, good, n);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(trace_open(&file, "packed", sample_write_bytes(&dir, "trace.csv", bytes, n), err),
                         -1);
        if (bit >= 64 && bit < 96) assert_non_null(strstr(err, "of the packed format, expected 1"));
        if (bit >= 8 * 24) assert_non_null(strstr(err, "damaged"));
    }
    memcpy(bytes, good, n);
    assert_int_equal(trace_open(&file, "packed", sample_write_bytes(&dir, "trace.csv", bytes, n + 1), err),
                     -1);
    assert_non_null(strstr(err, "longer"));
    sample_close(&dir);
}

/* Bytes changed and the checksum made right again: what an attacker or a broken writer would hand over. A file that
 * is taken must be one that can be replayed. */
static void forged_packed_files_do_no_harm(void **state) {
    (void)state;
    static unsigned char bytes[8192], good[8192];
    char err[TRACE_ERR_LEN];
    size_t taken = 0, refused = 0;
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        trace_file *file = sample_trace(NULL, sample_write(&dir, "trace.csv", samples[i].text));
        size_t n = read_file(pack(&dir, file), good, sizeof good);
        trace_close(file);
        for (uint64_t round = 0; round < 3000; round++) {
            memcpy(bytes, good, n);
            uint64_t key = draw_key(i, (uint32_t)round, DRAW_POLICY), changes = 1 + draw_bits(key, 0) % 3;
            for (uint64_t c = 0; c < changes; c++) {
                size_t at = 16 + draw_bits(key, 2 * c + 1) % (n - 16);
                static const unsigned char edges[] = {0, 1, 0x7f, 0x80, 0xff};
                uint64_t what = draw_bits(key, 2 * c + 2);
                bytes[at] = what % 2 ? edges[what / 2 % 5] : (unsigned char)(what >> 8);
            }
            fix_checksum(bytes, n);
            int rc = trace_open(&file, "packed", sample_write_bytes(&dir, "trace.csv", bytes, n), err);
            if (rc) {
                refused++;
                continue;
            }
            taken++;
            uint64_t total = 0, given;
            for (size_t f = 0; f < trace_n_functions(file); f++) total += trace_function_at(file, f).count;
            if (total < 100000) {
                digest(file, 1, 0, &given);
                assert_int_equal(given, total);
            }
            trace_close(file);
        }
    }
    assert_true(taken > 100 && refused > 100);
    sample_close(&dir);
}

/* Every format with bytes changed, removed, doubled: read or refused with the file's name, at once. */
static void mutated_files_are_read_or_refused(void **state) {
    (void)state;
    static char text[1024];
    char err[TRACE_ERR_LEN];
    sample_dir dir;
    trace_file *file;
    sample_open(&dir);
    sample_write(&dir, "durations.csv", "HashOwner,HashApp,HashFunction,Average,Count\no,a,f1,100.0,5.0\n");
    for (size_t i = 0; i < N_SAMPLES; i++)
        for (uint64_t round = 0; round < 2000; round++) {
            uint64_t key = draw_key(i + 100, (uint32_t)round, DRAW_POLICY);
            size_t n = strlen(samples[i].text), at = draw_bits(key, 0) % n, from = draw_bits(key, 1) % n;
            memcpy(text, samples[i].text, n);
            static const char edges[] = {'\0', '\n', '\r', ',', '9',    '0', '-',
                                         '.',  'e',  ':',  '+', '\xff', ' '};
            switch (draw_bits(key, 2) % 4) {
            case 0:
                text[at] = (char)draw_bits(key, 3);
                break;
            case 1:
                text[at] = edges[draw_bits(key, 3) % sizeof edges];
                text[from] = edges[draw_bits(key, 4) % sizeof edges];
                break;
            case 2:
                n = at;
                break;
            default: /* a piece of it again */
                memcpy(text + n, samples[i].text + from, strlen(samples[i].text) - from);
                n += strlen(samples[i].text) - from;
            }
            const char *path = sample_write_bytes(&dir, "invocations.csv", text, n);
            int rc = trace_open(&file, draw_bits(key, 5) % 2 ? samples[i].format : NULL, path, err);
            if (rc && !strstr(err, "csv") && !strstr(err, "duplicate rows")) fail_msg("%s", err);
            uint64_t given, total = 0;
            for (size_t f = 0; !rc && f < trace_n_functions(file); f++)
                total += trace_function_at(file, f).count;
            if (!rc && total < 100000) digest(file, 1, 0, &given);
            trace_close(rc ? NULL : file);
        }
    sample_close(&dir);
}

/* ---- large real inputs, where they are ---- */

static trace_file *shared_trace(const char *name) {
    char path[512];
    snprintf(path, sizeof path, HASSIM_SHARED "/traces/%s", name);
    if (!access(path, R_OK)) return sample_trace(NULL, path);
    print_message("%s is not here: skipped\n", path);
    skip();
    return NULL;
}

static void twenty_two_days_by_the_second(void **state) {
    (void)state;
    trace_file *file = shared_trace("twitter/per_second_counts.csv.zst");
    assert_string_equal(trace_format_of(file), "seconds");
    assert_int_equal(trace_span_ns(file), INT64_C(1899061) * 1000000000);
    trace_function f = trace_function_at(file, 0);
    double mean = (double)f.count / 1899061;
    assert_true(mean > 63.5 && mean < 63.7);
    uint64_t n;
    digest(file, 0.01, 0, &n); /* 1.2 million of the 120 */
    double ratio = (double)n / ((double)f.count * 0.01);
    assert_true(ratio > 0.99 && ratio < 1.01);
    trace_close(file);
}

static void llm_traces_have_their_tokens(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint64_t requests;
    } files[] = {{"azure-llm2023/AzureLLMInferenceTrace_conv.csv", 19366},
                 {"azure-llm2023/AzureLLMInferenceTrace_code.csv", 8819}};
    sample_dir dir;
    sample_open(&dir);
    for (int i = 0; i < 2; i++) {
        trace_file *file = shared_trace(files[i].name);
        assert_string_equal(trace_format_of(file), "azure-llm2023");
        trace_function f = trace_function_at(file, 0);
        assert_int_equal(f.count, files[i].requests);
        assert_true(f.mean_size > 1000 && f.mean_size < 3000);
        trace_file *again = sample_trace(NULL, pack(&dir, file));
        uint64_t n, m;
        assert_int_equal(digest(file, 1, 0, &n), digest(again, 1, 0, &m));
        assert_int_equal(n, files[i].requests);
        struct stat st;
        assert_int_equal(stat(sample_path(&dir, "memory.csv"), &st), 0);
        assert_true((double)st.st_size < 8 * (double)n);
        trace_close(file);
        trace_close(again);
    }
    sample_close(&dir);
}

static void nine_functions_over_a_day(void **state) {
    (void)state;
    trace_file *file = shared_trace("azure2019/invocations_9fn_d1.csv");
    assert_int_equal(trace_n_functions(file), 9);
    assert_int_equal(trace_span_ns(file), INT64_C(86400) * 1000000000);
    uint64_t n, total = 0;
    for (size_t f = 0; f < 9; f++) total += trace_function_at(file, f).count;
    digest(file, 1, 0, &n);
    assert_int_equal(n, total);
    trace_close(file);
}

/* By hand: two seconds of 1 and 3, a second between. Pieces: 1/2, then 1/4s; the gap between them 1/2 + 1 + 1/4. */
static void expected_gaps_by_hand(void **state) {
    (void)state;
    sample_dir dir;
    char err[TRACE_ERR_LEN];
    sample_open(&dir);
    trace_file *file = sample_trace("seconds", sample_write(&dir, "trace.csv", "requests\n1\n0\n3\n"));
    trace_gap_stats g = trace_gaps_of(file, 0), all;
    assert_int_equal(trace_gaps_of_all(file, &all, err), 0);
    double mean = (1.75 + 2 * 0.25) / 3;
    double squares = (1. / 3 + 0.1 + 1 + 2 * (0.5 + 0.25 + 0.125) + 2 * 0.1) / 3,
           cv2 = squares / (mean * mean) - 1;
    assert_int_equal(g.n, 3);
    assert_true(g.mean_s > mean - 1e-12 && g.mean_s < mean + 1e-12);
    assert_true(g.cv * g.cv > cv2 - 1e-12 && g.cv * g.cv < cv2 + 1e-12);
    assert_true(all.n == g.n && all.cv == g.cv);
    trace_close(file);
    file = sample_trace("csv", sample_write(&dir, "trace.csv", "time_s,function\n1,a\n2,b\n4,a\n"));
    assert_int_equal(trace_gaps_of_all(file, &all, err), 0);
    assert_true(all.mean_s == 1.5 && all.cv > 1. / 3 - 1e-12 && all.cv < 1. / 3 + 1e-12);
    assert_true(trace_gaps_of(file, 0).mean_s == 3 && trace_gaps_of(file, 0).cv == 0);
    assert_true(trace_gaps_of(file, 1).n == 0);
    trace_close(file);
    sample_close(&dir);
}

static void wasserstein_by_hand(void **state) {
    (void)state;
    const double x[] = {0, 1, 3}, y[] = {5, 6, 8}, z[] = {0, 0, 1, 1, 3, 3}, w[] = {2};
    assert_true(trace_wasserstein(x, 3, y, 3) == 5);
    assert_true(trace_wasserstein(x, 3, z, 6) == 0);
    double d = trace_wasserstein(x, 3, w, 1); /* (2 + 1 + 1) / 3 */
    assert_true(d > 4. / 3 - 1e-12 && d < 4. / 3 + 1e-12);
}

/* Every fifth function has no duration, the others 1 or 10 s: a subset of one that has one is half a decade off, and
 * that is the median of the plainly random ones. */
static void candidates_without_a_property_do_not_count(void **state) {
    (void)state;
    enum { N = 30 };
    sample_dir dir;
    char text[40 * N] = "app,func,end_timestamp,duration\n", err[TRACE_ERR_LEN];
    for (int i = 0; i < N; i++)
        sprintf(text + strlen(text), "a,f%d,%d,%d\n", i, 100 + i, i % 5 == 4 ? 0 : i % 2 ? 10 : 1);
    sample_open(&dir);
    trace_file *file = sample_trace(NULL, sample_write(&dir, "trace.csv", text));
    for (uint64_t seed = 1; seed <= 20; seed++) {
        trace_subset subset;
        uint32_t chosen;
        if (trace_subset_choose(file, 1, seed, &chosen, &subset, err)) fail_msg("%s", err);
        const trace_marginal *duration = &subset.marginals[1];
        assert_int_equal(duration->all_functions, 24);
        assert_true(duration->random_distance > 0.5 - 1e-12 && duration->random_distance < 0.5 + 1e-12);
    }
    trace_close(file);
    sample_close(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_guessed_and_known_by_name),
        cmocka_unit_test(tokens_become_sizes_and_work),
        cmocka_unit_test(no_work_is_0),
        cmocka_unit_test(work_is_1_without_sizes),
        cmocka_unit_test(a_byte_order_mark_is_no_name),
        cmocka_unit_test(seconds_are_kept_second_by_second),
        cmocka_unit_test(invitro_is_a_folder_of_three),
        cmocka_unit_test(bad_rows_are_refused_with_their_place),
        cmocka_unit_test(packed_traces_replay_as_their_originals),
        cmocka_unit_test(provenance_is_shown_as_text),
        cmocka_unit_test(bad_packed_files_are_refused),
        cmocka_unit_test(forged_packed_files_do_no_harm),
        cmocka_unit_test(mutated_files_are_read_or_refused),
        cmocka_unit_test(expected_gaps_by_hand),
        cmocka_unit_test(wasserstein_by_hand),
        cmocka_unit_test(candidates_without_a_property_do_not_count),
        cmocka_unit_test(twenty_two_days_by_the_second),
        cmocka_unit_test(llm_traces_have_their_tokens),
        cmocka_unit_test(nine_functions_over_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
