#include <sys/stat.h>

#include "trace_generate.h"
#include "trace_sample.h"
#include "trace_stats.h"

#define HEAD2019 "HashOwner,HashApp,HashFunction,Trigger,1,2,3\n"
#define HEAD2021 "app,func,end_timestamp,duration\n"
#define HEADCSV  "time_s,function\n"
#define HEADDUR  "HashOwner,HashApp,HashFunction,Average,Count,Minimum\n"

static void minute_counts_are_read(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    const char *path = sample_write(&dir, "invocations.csv",
                                    HEAD2019 "o,a,f1,http,0,2,300\r\no,a,f2,queue,7,0,0\no,a,f3,queue,0,0,0");
    trace_file *file = sample_trace(NULL, path);
    assert_string_equal(trace_format_of(file), "azure2019");
    assert_int_equal(trace_n_functions(file), 3);
    assert_int_equal(trace_span_ns(file), INT64_C(180000000000));
    trace_function f = trace_function_at(file, 0);
    assert_string_equal(f.name, "f1");
    assert_int_equal(f.count, 302);
    assert_true(f.mean_duration_ms < 0 && f.mean_memory_mib < 0);
    uint64_t counts[3] = {0};
    trace_add_minutes(file, 0, counts, 3);
    trace_add_minutes(file, 1, counts, 3);
    trace_add_minutes(file, 2, counts, 3);
    assert_int_equal(counts[0], 7);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 300);
    trace_close(file);
    sample_close(&dir);
}

/* Runs of zeros are skipped eight bytes at a time: every length and what may follow it. */
static void runs_of_zeros_lose_nothing(void **state) {
    (void)state;
    enum { N = 40 };
    sample_dir dir;
    sample_open(&dir);
    for (size_t zeros = 0; zeros < N; zeros++) {
        uint32_t counts[N] = {0};
        counts[zeros] = zeros % 2 ? 5 : 12345;
        if (zeros + 9 < N) counts[zeros + 9] = 1;
        trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, N));
        uint64_t found[N] = {0};
        trace_add_minutes(file, 0, found, N);
        for (size_t i = 0; i < N; i++) assert_int_equal(found[i], counts[i]);
        trace_close(file);
    }
    sample_close(&dir);
}

static void numbers_after_zeros_are_whole_cells(void **state) {
    (void)state;
    static const char head[] = "HashOwner,HashApp,HashFunction,Trigger,1,2,3,4\n";
    char text[128], err[TRACE_ERR_LEN];
    sample_dir dir;
    sample_open(&dir);
    snprintf(text, sizeof text, "%so,a,f,http,0,0,0,05\n", head);
    trace_file *file = sample_trace("azure2019", sample_write(&dir, "trace.csv", text));
    assert_int_equal(trace_function_at(file, 0).count, 5);
    trace_close(file);
    snprintf(text, sizeof text, "%so,a,f,http,0,0,0,0x\n", head);
    assert_int_equal(trace_open(&file, "azure2019", sample_write(&dir, "trace.csv", text), err), -1);
    assert_non_null(strstr(err, ":2:18: found \"0x\", expected a whole number"));
    sample_close(&dir);
}

static void durations_and_memory_are_joined(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    sample_write(&dir, "durations.csv",
                 HEADDUR "o,a,f2,40,1,\no,a,f1,100.5,3,1\no,a,f2,10,2,\no,a,zero,0,1,0\no,a,gone,1,1,1\n");
    sample_write(&dir, "memory.csv", "HashOwner,HashApp,SampleCount,AverageAllocatedMb\no,a,10,256.25\n");
    const char *path = sample_write(
        &dir, "invocations.csv",
        HEAD2019 "o,a,f1,http,0,2,2\no,a,f2,queue,3,0,0\no,b,f3,queue,1,0,0\no,a,zero,queue,1,0,0\n");
    trace_file *file = sample_trace("azure2019", path);
    assert_true(trace_function_at(file, 0).mean_duration_ms == 100.5);
    assert_true(trace_function_at(file, 1).mean_duration_ms == 20); /* (40 * 1 + 10 * 2) / 3 */
    assert_true(trace_function_at(file, 2).mean_duration_ms < 0);
    assert_true(trace_function_at(file, 3).mean_duration_ms == 0);
    assert_true(trace_function_at(file, 1).mean_memory_mib == 256.25);
    assert_true(trace_function_at(file, 2).mean_memory_mib < 0);
    trace_defects d = trace_defects_of(file);
    assert_int_equal(d.duplicate_rows, 1);
    assert_int_equal(d.without_duration, 1);
    assert_int_equal(d.zero_duration, 1);
    assert_int_equal(d.disagreeing_counts, 2); /* f1: 4 against 3; gone */
    trace_close(file);
    sample_close(&dir);
}

static void public_names_find_their_siblings(void **state) {
    (void)state;
    static const char *const names[] = {"invocations_per_function_md.anon.d01.csv",
                                        "function_durations_percentiles.anon.d01.csv",
                                        "app_memory_percentiles.anon.d01.csv"};
    sample_dir dir;
    sample_open(&dir);
    sample_write(&dir, names[1], HEADDUR "o,a,f,5,1,5\n");
    sample_write(&dir, names[2], "HashOwner,HashApp,SampleCount,AverageAllocatedMb\no,a,10,99\n");
    trace_file *file = sample_trace("azure2019", sample_write(&dir, names[0], HEAD2019 "o,a,f,http,0,1,0\n"));
    assert_true(trace_function_at(file, 0).mean_duration_ms == 5);
    assert_true(trace_function_at(file, 0).mean_memory_mib == 99);
    trace_close(file);
    for (size_t i = 0; i < 3; i++) sample_remove(&dir, names[i]);
    sample_close(&dir);
}

static void duplicate_rows_add_up_and_repeats_do_not(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    const char *path = sample_write(&dir, "invocations.csv",
                                    HEAD2019 "o,a,f,http,1,0,2\no,a,g,http,1,1,1\no,a,f,http,1,0,2\n"
                                             "o,a,f,queue,1,0,2\no,a,g,http,0,0,200\no,b,f,http,1,0,2\n");
    trace_file *file = sample_trace("azure2019", path);
    assert_int_equal(trace_n_functions(file), 3);
    assert_int_equal(trace_defects_of(file).duplicate_rows, 3);
    assert_int_equal(trace_function_at(file, 0).count, 6);
    assert_int_equal(trace_function_at(file, 1).count, 203);
    assert_int_equal(trace_function_at(file, 2).count, 3);
    uint64_t counts[3] = {0};
    trace_add_minutes(file, 1, counts, 3);
    assert_true(counts[0] == 1 && counts[1] == 1 && counts[2] == 201);
    trace_close(file);
    sample_close(&dir);
}

/* Whichever earlier row is repeated, and whatever the rows before add up to. */
static void repeats_are_of_rows_not_of_sums(void **state) {
    (void)state;
    static const struct {
        const char *rows;
        uint64_t count, duplicates;
    } cases[] = {
        {"o,a,f,http,1,0,2\no,a,f,http,0,5,0\no,a,f,http,1,0,2\n", 8, 2},
        {"o,a,f,http,1,0,2\no,a,f,queue,0,5,0\no,a,f,queue,0,5,0\no,a,f,http,1,0,2\n", 8, 3},
        {"o,a,f,http,1,0,2\no,a,f,queue,1,0,2\no,a,f,http,1,0,2\no,a,f,queue,1,0,2\n", 6, 3},
        {"o,a,f,http,1,0,2\no,a,f,http,0,5,0\no,a,f,http,1,5,2\n", 16,
         2}, /* the sum of the two: a row of its own */
        {"o,a,f,http,0,0,0\no,a,f,http,1,0,0\no,a,f,http,0,0,0\n", 1, 2},
    };
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        snprintf(text, sizeof text, "%s%s", HEAD2019, cases[i].rows);
        trace_file *file = sample_trace("azure2019", sample_write(&dir, "invocations.csv", text));
        assert_int_equal(trace_n_functions(file), 1);
        assert_int_equal(trace_function_at(file, 0).count, cases[i].count);
        assert_int_equal(trace_defects_of(file).duplicate_rows, cases[i].duplicates);
        trace_close(file);
    }
    sample_close(&dir);
}

/* Hundreds of functions of three rows each, the third a repetition: names and rows are found again as tables grow. */
static void many_repeats_are_found(void **state) {
    (void)state;
    enum { N = 700 };
    static char text[N * 3 * 40];
    size_t n = (size_t)sprintf(text, HEAD2019);
    for (int row = 0; row < 3; row++)
        for (int f = 0; f < N; f++)
            n += (size_t)sprintf(text + n, "o,a,f%d,http,%d,128,%d\n", f, row == 1, f % 9);
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_write(&dir, "invocations.csv", text));
    assert_int_equal(trace_n_functions(file), N);
    assert_int_equal(trace_defects_of(file).duplicate_rows, 2 * N);
    for (size_t f = 0; f < N; f++) assert_int_equal(trace_function_at(file, f).count, 2 * (128 + f % 9) + 1);
    trace_close(file);
    sample_close(&dir);
}

static void names_are_printable_utf8(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int bad_at; /* byte of the name; -1: good */
    } names[] = {
        {"f", -1},
        {"caf\xc3\xa9", -1},
        {"eight-by\xc3\xa9", -1},
        {"\xe6\x97\xa5\xe6\x9c\xac-\xf0\x9f\x9a\x80-\xf4\x8f\xbf\xbf", -1},
        {"\xc2\xa0", -1},
        {"a\xc2\x9f", 1},         /* U+009F */
        {"a\x9b\xbf", 1},         /* what only continues */
        {"a\xc1\xbf", 1},         /* longer than needed */
        {"ab\xe0\x9f\xbf", 2},    /* the same */
        {"a\xf0\x8f\xbf\xbf", 1}, /* the same */
        {"a\xed\xa0\x80", 1},     /* a surrogate */
        {"a\xf4\x90\x80\x80", 1}, /* beyond U+10FFFF */
        {"a\xfc\xa0\x80\x80", 1}, /* no such byte */
        {"seven-b\x80", 7},
        {"eight-by\xe6\x97", 8}, /* cut */
        {"\xff", 0},
        {"a\x7f", 1},
        {"a\x1b[2J", 1},
    };
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[100], where[32], err[TRACE_ERR_LEN];
        snprintf(text, sizeof text, "time_s,function\n1,%s\n", names[i].name);
        trace_file *file;
        int rc = trace_open(&file, "csv", sample_write(&dir, "trace.csv", text), err);
        if (rc != (names[i].bad_at < 0 ? 0 : -1)) fail_msg("name %zu: %s", i, rc ? err : "taken");
        snprintf(where, sizeof where, ".csv:2:%d: found \"\\x", names[i].bad_at + 3);
        if (rc && !strstr(err, where)) fail_msg("name %zu: %s", i, err);
        for (const char *c = err; rc && *c; c++) assert_true(*c >= 0x20 && *c < 0x7f);
        if (!rc) assert_string_equal(trace_function_at(file, 0).name, names[i].name);
        trace_close(rc ? NULL : file);
    }
    sample_close(&dir);
}

static void invocations_arrive_at_end_less_duration(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    const char *path = sample_write(&dir, "trace.csv",
                                    HEAD2021 "a,f,10.5,0.5\na,g,11,0\na,f,12.25,1e-3\na,f,5,5.000000001\n");
    trace_file *file = sample_trace(NULL, path);
    trace_defects d = trace_defects_of(file);
    assert_int_equal(d.disordered_rows, 1);
    assert_int_equal(d.early_arrivals, 1);
    assert_int_equal(d.zero_duration, 1);
    assert_int_equal(trace_span_ns(file), INT64_C(12249000000));
    trace_spec spec = {.file = file, .index = 0, .scale = 1, .duration_ns = INT64_MAX};
    trace_source *source;
    char err[TRACE_ERR_LEN];
    int64_t ns[8];
    assert_int_equal(trace_source_open(&source, &spec, 1, 0, err), 0);
    assert_int_equal(trace_source_next(source, ns, 8), 3);
    assert_true(ns[0] == 0 && ns[1] == INT64_C(10000000000) && ns[2] == INT64_C(12249000000));
    trace_source_close(source);
    trace_close(file);
    sample_close(&dir);
}

static void decimals_are_rounded_to_the_nearest_ns(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"0", 0},
                 {"1", 1000000000},
                 {"0.0000000005", 1},
                 {"0.00000000049999", 0},
                 {".5", 500000000},
                 {"5.", 5000000000},
                 {"1.5e-7", 150},
                 {"2E3", 2000000000000},
                 {"1260.0557980537415", 1260055798054},
                 {"0000000000000000000000000000001.25", 1250000000},
                 {"1.00000000000000000000000000000000000000001", 1000000000},
                 {"0e999999999999", 0}};
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, HEADCSV "%s,f\n", cases[i].text);
        trace_file *file = sample_trace("csv", sample_write(&dir, "trace.csv", text));
        if (trace_span_ns(file) != cases[i].ns)
            fail_msg("%s is read as %lld ns", cases[i].text, (long long)trace_span_ns(file));
        trace_close(file);
    }
    sample_close(&dir);
}

/* Each is refused in one line that says where and what. */
static void bad_files_are_refused_with_their_place(void **state) {
    (void)state;
    static const struct {
        const char *format, *text, *message;
    } cases[] = {
        {NULL, "", "expected a header line"},
        {NULL, "\n", ":1:1: found the end of the line"},
        {NULL, "a,b,c\n1,2,3\n", ":1:1: found \"a\", expected the header line of"},
        {"tsv", HEADCSV "1,f\n", "\"tsv\" is unknown, expected one of: azure2019 azure2021 azure-llm2023"},
        {"azure2019", HEADCSV "1,f\n", ":1:1:"},
        {"csv", HEADCSV, "no row after the header"},
        {"csv", "time_s,function,more\n", ":1:16:"},
        {"csv", HEADCSV "1,f\n\n", ":3:1: found the end of the line, expected a decimal number"},
        {"csv", HEADCSV "nan,f\n", ":2:1: found \"nan\""},
        {"csv", HEADCSV "inf,f\n", ":2:1: found \"inf\""},
        {"csv", HEADCSV "-1,f\n", ":2:1: found \"-1\""},
        {"csv", HEADCSV "1e400,f\n", ":2:1: found \"1e400\", expected a smaller number"},
        {"csv", HEADCSV "99999999999999999999999999,f\n", ":2:1:"},
        {"csv", HEADCSV "31622400,f\n", "less than 31622400"},
        {"csv", HEADCSV "1.2.3,f\n", ":2:1:"},
        {"csv", HEADCSV "1e,f\n", ":2:1:"},
        {"csv", HEADCSV ".,f\n", ":2:1:"},
        {"csv", HEADCSV "1\n", ":2:2: found the end of the line, expected a comma"},
        {"csv", HEADCSV "1,\n", ":2:3: found the end of the line, expected a name"},
        {"csv", HEADCSV "1,\"f\"\n", ":2:3:"},
        {"csv", HEADCSV "1,f,2\n", ":2:4: found \",\", expected the end of the line"},
        {"csv", HEADCSV "1,f g\n", ":2:4: found \" g\""},
        {"csv", HEADCSV "1,\x01\x7f\n", "found \"\\x01\\x7f\""},
        {"azure2021", HEAD2021 "a,f,1,-1\n", ":2:7: found \"-1\""},
        {"azure2021", HEAD2021 "a,f,1\n", ":2:6:"},
        {"azure2021", HEAD2021 ",f,1,1\n", ":2:1: found \",\", expected a name"},
        {"azure2019", "HashOwner,HashApp,HashFunction,Trigger,\n", ":1:40:"},
        {"azure2019", "HashOwner,HashApp,HashFunction,Trigger,1,3\n",
         ":1:42: found \"3\", expected minute 2"},
        {"azure2019", HEAD2019 "o,a,f,http,1,2\n", ":2:15: found the end of the line, expected a comma"},
        {"azure2019", HEAD2019 "o,a,f,http,1,2,3,4\n", ":2:17: found \",\""},
        {"azure2019", HEAD2019 "o,a,f,http,1,-2,3\n", ":2:14: found \"-2\", expected a whole number"},
        {"azure2019", HEAD2019 "o,a,f,http,1,2.5,3\n", ":2:14: found \"2.5\""},
        {"azure2019", HEAD2019 "o,a,f,http,1,,3\n", ":2:14: found \",\""},
        {"azure2019", HEAD2019 "o,a,f,http,1,NaN,3\n", ":2:14: found \"NaN\""},
        {"azure2019", HEAD2019 "o,a,f,http,1,1000000001,3\n", "at most 1000000000"},
        {"azure2019", HEAD2019 "o,a,f,http,1,99999999999999999999999,3\n", ":2:14:"},
        {"azure2019", HEAD2019 "o,a,f,http,1000000000,0,0\no,a,f,q,1000000000,0,0\n",
         ":3: found rows of one function that add up to 2000000000 in minute 1"},
        {"azure2019", HEAD2019 "o,a\n", ":2:4:"},
        {NULL, "\x1f\x8b\x08 and so on\n", "damaged gzip stream"},
        {NULL, "\x28\xb5\x2f\xfd and so on\n", "damaged zstd stream"},
    };
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        trace_file *file = (trace_file *)1;
        char err[TRACE_ERR_LEN] = "";
        const char *path = sample_write(&dir, "trace.csv", cases[i].text);
        assert_int_equal(trace_open(&file, cases[i].format, path, err), -1);
        assert_null(file);
        if (!strstr(err, cases[i].message) || strchr(err, '\n'))
            fail_msg("case %zu: \"%s\", expected to contain \"%s\"", i, err, cases[i].message);
    }
    sample_close(&dir);
}

static void bad_siblings_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *durations, *message;
    } cases[] = {{"", "durations.csv: found an empty file"},
                 {"HashOwner,HashApp,HashFunction,Average\n", "durations.csv:1:1:"},
                 {"Average,Count\n1,1\n", "durations.csv:1:1:"},
                 {HEADDUR "o,a,f,1,1\n", "durations.csv:2:10:"},
                 {HEADDUR "o,a,f,x,1,1\n", "durations.csv:2:7: found \"x\""},
                 {HEADDUR "o,a,f,1,-1,1\n", "durations.csv:2:9: found \"-1\""}};
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        trace_file *file;
        char err[TRACE_ERR_LEN] = "";
        sample_write(&dir, "durations.csv", cases[i].durations);
        const char *path = sample_write(&dir, "invocations.csv", HEAD2019 "o,a,f,http,1,2,3\n");
        assert_int_equal(trace_open(&file, "azure2019", path, err), -1);
        if (!strstr(err, cases[i].message)) fail_msg("case %zu: \"%s\"", i, err);
    }
    sample_close(&dir);
}

static void directories_and_absent_files_are_refused(void **state) {
    (void)state;
    sample_dir dir;
    trace_file *file;
    char err[TRACE_ERR_LEN];
    sample_open(&dir);
    assert_int_equal(trace_open(&file, "csv", dir.directory, err), -1);
    assert_non_null(strstr(err, "found a directory"));
    assert_int_equal(trace_open(&file, "csv", sample_path(&dir, "absent"), err), -1);
    assert_non_null(strstr(err, "No such file"));
    const char *path = sample_path(&dir, "trace.csv");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(trace_open(&file, "csv", path, err), -1); /* does not wait for a writer */
    assert_non_null(strstr(err, "expected a regular file"));
    sample_close(&dir);
}

/* Every prefix, and every byte replaced by some others: an answer each time, never a crash (the sanitizers
 * watch), and a message whenever refused. */
static void damaged_files_never_crash(void **state) {
    (void)state;
    static const char text[] = HEAD2019 "o,a,f,http,0,0,12\no,a,g,http,100,0,0\no,a,f,http,0,1,1\n";
    static const char bytes[] = {'\0', '\n', '\r', ',', '9', '-', 'e', '"', (char)0xff};
    char copy[sizeof text];
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i + 1 < sizeof text; i++)
        for (size_t b = 0; b <= sizeof bytes; b++) {
            memcpy(copy, text, sizeof text);
            size_t n = b < sizeof bytes ? sizeof text - 1 : i;
            if (b < sizeof bytes) copy[i] = bytes[b];
            trace_file *file;
            char err[TRACE_ERR_LEN] = "";
            int rc = trace_open(&file, NULL, sample_write_bytes(&dir, "trace.csv", copy, n), err);
            assert_true(rc == 0 ? file != NULL : file == NULL && err[0]);
            trace_close(file);
        }
    sample_close(&dir);
}

static void lines_longer_than_the_buffer_are_read(void **state) {
    (void)state;
    enum { N = 500000 };
    uint32_t *counts = calloc(N, sizeof *counts);
    uint64_t *found = calloc(N, sizeof *found);
    assert_true(counts && found);
    for (uint32_t i = 0; i < N; i++) counts[i] = i % 1001;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file = sample_trace("azure2019", sample_minutes(&dir, counts, N));
    trace_add_minutes(file, 0, found, N);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(found[i], counts[i]);
    trace_close(file);
    sample_close(&dir);
    free(counts);
    free(found);
}

static void functions_are_selected(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    trace_file *file =
        sample_trace("csv", sample_write(&dir, "trace.csv", HEADCSV "0,ab\n1,ac\n1,b\n2,b\n3,ac\n"));
    static const struct {
        const char *select;
        int index; /* -1: refused */
    } cases[] = {{"rank:1", 1},
                 {"rank:2", 2},
                 {"rank:3", 0},
                 {"row:1", 0},
                 {"row:3", 2},
                 {"name:b", 2},
                 {"name:ac", 1},
                 {"name:a", -1},
                 {"name:x", -1},
                 {"rank:0", -1},
                 {"row:4", -1},
                 {"rank:-1", -1},
                 {"rank:", -1},
                 {"rank:1x", -1},
                 {"first", -1},
                 {"", -1},
                 {"row:99999999999999999999", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t index = 99;
        char err[TRACE_ERR_LEN] = "";
        int rc = trace_select(file, cases[i].select, &index, err);
        assert_int_equal(rc, cases[i].index < 0 ? -1 : 0);
        if (rc == 0) assert_int_equal(index, cases[i].index);
        if (rc) assert_true(err[0]);
    }
    trace_close(file);
    sample_close(&dir);
}

static void shared_samples_are_read(void **state) {
    (void)state;
    static const char azure2019[] = HASSIM_SHARED "/traces/azure2019/invocations.csv";
    static const char azure2021[] = HASSIM_SHARED "/traces/azure2021/sample_200.csv";
    if (access(azure2019, R_OK) || access(azure2021, R_OK)) {
        print_message("the shared trace samples are not here\n");
        skip();
    }
    trace_file *file = sample_trace(NULL, azure2019);
    assert_int_equal(trace_n_functions(file), 4);
    assert_int_equal(trace_function_at(file, 0).count, 1150);
    assert_true(trace_function_at(file, 0).mean_duration_ms == 100);
    assert_true(trace_function_at(file, 0).mean_memory_mib == 120);
    assert_int_equal(trace_defects_of(file).disagreeing_counts, 4);
    trace_close(file);
    file = sample_trace(NULL, azure2021);
    uint64_t sum = 0;
    for (size_t i = 0; i < trace_n_functions(file); i++) sum += trace_function_at(file, i).count;
    assert_int_equal(sum, 199);
    trace_close(file);
}

static void statistics_by_hand(void **state) {
    (void)state;
    const uint64_t counts[] = {2, 4, 4, 6};
    trace_minute_stats s = trace_stats_of(counts, 4, 240);
    assert_true(s.sum == 16 && s.peak == 6 && s.mean == 4 && s.dispersion == 0.5 && s.peak_to_mean == 1.5);
    const uint64_t none[] = {0, 0};
    s = trace_stats_of(none, 2, 120);
    assert_true(s.mean == 0 && s.cv != s.cv && s.dispersion != s.dispersion);
    const uint64_t cut[] = {2, 4, 4, 6, 1}; /* the last minute lasts 15 s */
    s = trace_stats_of(cut, 5, 255);
    assert_true(s.sum == 17 && s.peak == 6 && s.mean == 4 && s.dispersion == 0.5 && s.peak_to_mean == 1.5);
    s = trace_stats_of(cut, 1, 30); /* no whole minute */
    assert_true(s.sum == 2 && s.mean == 4 && s.cv != s.cv && s.peak_to_mean != s.peak_to_mean);
    s = trace_stats_of(cut, 1, 0);
    assert_true(s.mean == 2);
}

static char *read_whole(const char *path, size_t *n) {
    enum { MOST = 1 << 20 };
    char *text = malloc(MOST);
    FILE *f = fopen(path, "rb");
    assert_true(text && f);
    *n = fread(text, 1, MOST, f);
    assert_true(*n > 0 && *n < MOST);
    fclose(f);
    return text;
}

static void generated_files_are_read_back_and_repeat(void **state) {
    (void)state;
    const trace_generate_spec spec = {
        .functions = 11, .minutes = 90, .mean_rps = 20, .mix = {3, 4, 3, 2}, .seed = 5};
    sample_dir dir;
    trace_summary summary;
    char err[TRACE_ERR_LEN];
    sample_open(&dir);
    assert_int_equal(trace_generate(&spec, dir.directory, &summary, err), 0);
    size_t n, again_n;
    char *text = read_whole(sample_path(&dir, "invocations.csv"), &n);
    trace_file *file = sample_trace(NULL, sample_path(&dir, "invocations.csv"));
    assert_int_equal(trace_n_functions(file), 11);
    uint64_t sum = 0;
    for (size_t i = 0; i < 11; i++) {
        sum += trace_function_at(file, i).count;
        assert_true(trace_function_at(file, i).mean_duration_ms >= 20);
        assert_true(trace_function_at(file, i).mean_memory_mib >= 500);
    }
    assert_int_equal(sum, summary.invocations);
    assert_in_range(sum, 20 * 90 * 60 * 8 / 10, 20 * 90 * 60 * 12 / 10);
    trace_defects d = trace_defects_of(file), no_defects = {0};
    assert_memory_equal(&d, &no_defects, sizeof d);
    uint32_t functions = 0;
    for (int k = 0; k < TRACE_N_KINDS; k++) functions += summary.kinds[k].functions;
    assert_int_equal(functions, 11);
    assert_true(summary.kinds[TRACE_KIND_STEADY].dispersion < 1.5);
    assert_true(summary.kinds[TRACE_KIND_BURSTY].dispersion > 10);
    assert_true(summary.kinds[TRACE_KIND_DIURNAL].dispersion > 5);
    assert_true(summary.kinds[TRACE_KIND_RARE].busy < 0.5);
    trace_close(file);
    assert_int_equal(trace_generate(&spec, dir.directory, &summary, err), 0);
    char *again = read_whole(sample_path(&dir, "invocations.csv"), &again_n);
    assert_int_equal(again_n, n);
    assert_memory_equal(text, again, n);
    free(text);
    free(again);
    sample_close(&dir);
}

static void bad_generate_specs_are_refused(void **state) {
    (void)state;
    const trace_generate_spec good = {.functions = 2, .minutes = 2, .mean_rps = 1, .mix = {1, 0, 0, 0}};
    trace_generate_spec bad[6];
    for (size_t i = 0; i < 6; i++) bad[i] = good;
    bad[0].functions = 0;
    bad[1].minutes = 0;
    bad[2].mean_rps = 0;
    bad[3].mean_rps = 1e300;
    bad[4].mix[0] = 0;
    bad[5].mix[1] = -1;
    sample_dir dir;
    sample_open(&dir);
    for (size_t i = 0; i < 6; i++) {
        trace_summary summary;
        char err[TRACE_ERR_LEN] = "";
        assert_int_equal(trace_generate(&bad[i], dir.directory, &summary, err), -1);
        assert_true(err[0]);
        assert_int_not_equal(access(sample_path(&dir, "invocations.csv"), F_OK), 0);
    }
    sample_close(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minute_counts_are_read),
        cmocka_unit_test(runs_of_zeros_lose_nothing),
        cmocka_unit_test(numbers_after_zeros_are_whole_cells),
        cmocka_unit_test(durations_and_memory_are_joined),
        cmocka_unit_test(public_names_find_their_siblings),
        cmocka_unit_test(duplicate_rows_add_up_and_repeats_do_not),
        cmocka_unit_test(repeats_are_of_rows_not_of_sums),
        cmocka_unit_test(names_are_printable_utf8),
        cmocka_unit_test(many_repeats_are_found),
        cmocka_unit_test(invocations_arrive_at_end_less_duration),
        cmocka_unit_test(decimals_are_rounded_to_the_nearest_ns),
        cmocka_unit_test(bad_files_are_refused_with_their_place),
        cmocka_unit_test(bad_siblings_are_refused),
        cmocka_unit_test(directories_and_absent_files_are_refused),
        cmocka_unit_test(damaged_files_never_crash),
        cmocka_unit_test(lines_longer_than_the_buffer_are_read),
        cmocka_unit_test(functions_are_selected),
        cmocka_unit_test(shared_samples_are_read),
        cmocka_unit_test(statistics_by_hand),
        cmocka_unit_test(generated_files_are_read_back_and_repeat),
        cmocka_unit_test(bad_generate_specs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
