/* The testbed's parameters: what is saved is read again, what is wrong is named in one line, nothing is half-written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "validate_params.h"

typedef struct {
    char dir[64], path[96];
} place;

static void place_open(place *p) {
    snprintf(p->dir, sizeof p->dir, "/tmp/hassim-params-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/p.json", p->dir);
}

static void place_close(const place *p) {
    remove(p->path);
    assert_int_equal(remove(p->dir), 0); /* nothing else was left there */
}

static void write_text(const place *p, const char *text) {
    FILE *f = fopen(p->path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static validate_params *shipped(void) {
    char err[VALIDATE_ERR_LEN];
    validate_params *p;
    if (validate_params_open(&p, NULL, err)) fail_msg("%s", err);
    return p;
}

static void expect_equal(const validate_params *a, const validate_params *b) {
    assert_int_equal(a->n_entries, b->n_entries);
    assert_int_equal(a->n_notes, b->n_notes);
    for (size_t i = 0; i < a->n_entries; i++) {
        const validate_entry *x = &a->entries[i], *y = validate_params_find(b, x->system, x->model);
        assert_non_null(y);
        assert_string_equal(x->origin, y->origin);
        assert_string_equal(x->input, y->input);
        for (int k = 0; k < VALIDATE_N_PARAMS; k++)
            if (x->v[k] != y->v[k])
                fail_msg("%s.%s.%s: %.17g, saved and read %.17g", x->system, x->model,
                         validate_param_infos[k].key, x->v[k], y->v[k]);
    }
    for (size_t i = 0; i < a->n_notes; i++) assert_string_equal(b->notes[i].why, a->notes[i].why);
}

static validate_params *save_and_read(const place *at, const validate_params *p) {
    char err[VALIDATE_ERR_LEN];
    validate_params *q;
    if (validate_params_save(p, at->path, err)) fail_msg("%s", err);
    if (validate_params_open(&q, at->path, err)) fail_msg("%s", err);
    return q;
}

/* What was read once has four digits and comes back as it is. */
static void what_is_saved_is_read(void **state) {
    (void)state;
    place at;
    place_open(&at);
    validate_params *first = shipped(), *p = save_and_read(&at, first), *q = save_and_read(&at, p);
    assert_true(p->n_entries > 0);
    expect_equal(p, q);
    for (size_t i = 0; i < p->n_entries; i++)
        for (int k = 0; k < VALIDATE_N_PARAMS; k++) {
            double x = first->entries[i].v[k], y = p->entries[i].v[k];
            assert_true(y - x <= 0.0005 * x && x - y <= 0.0005 * x);
        }
    validate_params_close(first);
    validate_params_close(p);
    validate_params_close(q);
    place_close(&at);
}

/* Both ends of every range can be saved; whole numbers stay what they are, however many digits they have. */
static void ends_of_ranges_and_whole_numbers_survive(void **state) {
    (void)state;
    place at;
    place_open(&at);
    validate_params *p = shipped();
    for (int end = 0; end < 2; end++) {
        for (int k = 0; k < VALIDATE_N_PARAMS; k++)
            p->entries[0].v[k] = end ? validate_param_infos[k].max : validate_param_infos[k].min;
        validate_params *q = save_and_read(&at, p);
        for (int k = 0; k < VALIDATE_N_PARAMS; k++)
            assert_true(validate_params_find(q, p->entries[0].system, p->entries[0].model)->v[k] ==
                        p->entries[0].v[k]);
        validate_params_close(q);
    }
    p->entries[0].v[VALIDATE_MEMORY_MIB] = 16383;
    validate_params *q = save_and_read(&at, p);
    assert_true(validate_params_find(q, p->entries[0].system, p->entries[0].model)->v[VALIDATE_MEMORY_MIB] ==
                16383);
    validate_params_close(q);
    validate_params_close(p);
    place_close(&at);
}

static void a_copy_is_its_own(void **state) {
    (void)state;
    validate_params *p = shipped(), *q = validate_params_copy(p);
    assert_non_null(q);
    expect_equal(p, q);
    q->entries[0].v[0] += 1;
    assert_true(p->entries[0].v[0] != q->entries[0].v[0]);
    assert_null(validate_params_find(p, "has", "no-such-model"));
    assert_null(validate_params_why(p, "no-such-run", VALIDATE_REPLAY));
    validate_params_close(p);
    validate_params_close(q);
    validate_params_close(NULL);
}

/* A folder that is not there: an error, and no file. A place that is a folder: likewise, and it stays. */
static void what_cannot_be_written_is_not_there(void **state) {
    (void)state;
    place at;
    char err[VALIDATE_ERR_LEN] = "";
    place_open(&at);
    validate_params *p = shipped();
    assert_int_equal(validate_params_save(p, "/no/such/folder/p.json", err), -1);
    assert_non_null(strstr(err, "/no/such/folder/p.json: cannot be written"));
    assert_int_equal(mkdir(at.path, 0700), 0);
    assert_int_equal(validate_params_save(p, at.path, err), -1);
    assert_int_equal(rmdir(at.path), 0);
    validate_params_close(p);
    place_close(&at);
}

/* The shipped file with one piece of its text replaced, as it is read. */
static void expect_refused(const place *at, const char *text, const char *complaint) {
    char err[VALIDATE_ERR_LEN] = "";
    validate_params *p;
    write_text(at, text);
    if (validate_params_open(&p, at->path, err) == 0) fail_msg("accepted, expected: %s", complaint);
    assert_null(p);
    if (!strstr(err, complaint)) fail_msg("found \"%s\", expected \"%s\"", err, complaint);
    assert_null(strchr(err, '\n'));
    assert_ptr_equal(strstr(err, at->path), err);
}

#define HEAD "{\"format\": \"hassim-testbed-1\", \"generated_by\": \"test\", "

static void hostile_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"", "expected JSON"},
        {"{", "expected JSON"},
        {"[1]", "(top): found an array, expected an object"},
        {"[]", "expected an object"},
        {"7", "expected an object"},
        {"null", "expected an object"},
        {"{\"format\": \"hassim-testbed-2\", \"generated_by\": \"x\", \"systems\": {}, \"notes\": {}}",
         "expected \"hassim-testbed-1\""},
        {HEAD "\"systems\": {}}", "notes: missing"},
        {HEAD "\"systems\": [], \"notes\": {}}", "systems: found an array, expected an object"},
        {HEAD "\"systems\": {}, \"notes\": {}, \"more\": 1}", "more: unknown key"},
        {HEAD "\"systems\": {\"has\": [1]}, \"notes\": {}}", "systems.has: expected an object of models"},
        {HEAD "\"systems\": {\"has\": 3}, \"notes\": {}}", "systems.has: expected an object of models"},
        {HEAD "\"systems\": {\"has\": {\"bert\": [1, 2]}}, \"notes\": {}}",
         "systems.has.bert: found an array, expected an object"},
        {HEAD "\"systems\": {\"has\": {\"bert\": null}}, \"notes\": {}}",
         "systems.has.bert: found null, expected an object"},
        {HEAD "\"systems\": {\"has\": {\"bert\": {}}}, \"notes\": {}}", "systems.has.bert.origin: missing"},
        {HEAD "\"systems\": {\"has\": {\"bert\": {\"origin\": \"x\", \"speed\": 1}}}, \"notes\": {}}",
         "systems.has.bert.speed: unknown key"},
        {HEAD "\"systems\": {\"a\\u0007b\": {}}, \"notes\": {}}", "not a name"},
        {HEAD "\"systems\": {\"has\": {}, \"has\": {}}, \"notes\": {}}", "systems.has: key appears twice"},
        {HEAD "\"systems\": {}, \"notes\": {\"r\": 3}}", "notes.r: found 3, expected a text"},
        {HEAD "\"systems\": {}, \"notes\": {\"r\": \"x\", \"r\": \"y\"}}", "notes.r: key appears twice"},
        {HEAD "\"systems\": {}, \"notes\": [\"x\"]}", "notes: found an array, expected an object"},
    };
    place at;
    place_open(&at);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(&at, cases[i].text, cases[i].complaint);
    place_close(&at);
    char err[VALIDATE_ERR_LEN];
    validate_params *p;
    assert_int_equal(validate_params_open(&p, "/no/such/file.json", err), -1);
    assert_null(p);
}

/* A whole file in which one number is what it must not be. */
static void numbers_out_of_range_are_named(void **state) {
    (void)state;
    place at;
    char err[VALIDATE_ERR_LEN], text[1 << 16], expected[256];
    place_open(&at);
    validate_params *p = shipped(), one = {.entries = p->entries, .n_entries = 1};
    for (int k = 0; k < VALIDATE_N_PARAMS; k++) {
        const validate_param_info *info = &validate_param_infos[k];
        const double wrong[] = {info->min - 1, info->max * 2,
                                info->is_integer ? info->min + 0.5 : info->max * 1.01};
        for (size_t i = 0; i < 3; i++) {
            double was = one.entries[0].v[k];
            one.entries[0].v[k] = wrong[i];
            assert_int_equal(validate_params_save(&one, at.path, err), 0);
            one.entries[0].v[k] = was;
            FILE *f = fopen(at.path, "rb");
            assert_non_null(f);
            text[fread(text, 1, sizeof text - 1, f)] = '\0';
            fclose(f);
            snprintf(expected, sizeof expected, "systems.%s.%s.%s: found", one.entries[0].system,
                     one.entries[0].model, info->key);
            expect_refused(&at, text, expected);
        }
    }
    validate_params_close(p);
    place_close(&at);
}

static void long_texts_are_refused_not_cut(void **state) {
    (void)state;
    place at;
    static char text[4000], note[2000];
    place_open(&at);
    memset(note, 'x', 1500);
    snprintf(text, sizeof text, HEAD "\"systems\": {}, \"notes\": {\"r\": \"%s\"}}", note);
    expect_refused(&at, text, "notes.r: found 1500 bytes, expected at most 1023");
    place_close(&at);
}

static void a_note_speaks_of_its_mode(void **state) {
    (void)state;
    place at;
    char err[VALIDATE_ERR_LEN];
    validate_params *p;
    place_open(&at);
    FILE *f = fopen(at.path, "wb");
    assert_non_null(f);
    fputs(HEAD
          "\"systems\": {}, \"notes\": {\"both\": \"Days differ.\", \"one\": \"Policy: an older build\", "
          "\"two\": \"Replay: short tail. Policy: no phase.\"}}",
          f);
    fclose(f);
    if (validate_params_open(&p, at.path, err)) fail_msg("%s", err);
    assert_string_equal(validate_params_why(p, "both", VALIDATE_REPLAY), "Days differ.");
    assert_string_equal(validate_params_why(p, "both", VALIDATE_POLICY), "Days differ.");
    assert_null(validate_params_why(p, "one", VALIDATE_REPLAY));
    assert_string_equal(validate_params_why(p, "one", VALIDATE_POLICY), "an older build");
    assert_string_equal(validate_params_why(p, "two", VALIDATE_REPLAY), "short tail.");
    assert_string_equal(validate_params_why(p, "two", VALIDATE_POLICY), "no phase.");
    validate_params_close(p);
    place_close(&at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_read),
        cmocka_unit_test(ends_of_ranges_and_whole_numbers_survive),
        cmocka_unit_test(a_copy_is_its_own),
        cmocka_unit_test(a_note_speaks_of_its_mode),
        cmocka_unit_test(what_cannot_be_written_is_not_there),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_named),
        cmocka_unit_test(long_texts_are_refused_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
