/* Plug-ins: what is loaded, what is refused and how, and that one that crashes or hangs loses its own run. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "plugin_fixture.h"
#include "setup.h"
#include "sweep.h"

enum { PATH_LEN = 4096 };

/* Loading is refused with a line that has `expected` */
static void check_refused(const char *path, const char *expected) {
    char err[CONFIG_ERR_LEN] = "";
    plugin_set *set = plugin_set_new();
    assert_non_null(set);
    assert_int_equal(plugin_load(set, path, err), -1);
    if (strstr(err, expected) == NULL) fail_msg("found \"%s\", expected \"%s\"", err, expected);
    if (strncmp(err, path, strlen(path)) != 0)
        fail_msg("found \"%s\", expected it to begin with %s", err, path);
    assert_null(strchr(err, '\n'));
    assert_null(plugin_policy_find(set, "faulty"));
    plugin_set_free(set);
}

static void check_fault(const char *fault, const char *expected) {
    char path[PATH_LEN];
    check_refused(plugin_path(fault, path), expected);
}

static plugin_set *load(const char *fault) {
    char path[PATH_LEN], err[CONFIG_ERR_LEN] = "";
    plugin_set *set = plugin_set_new();
    assert_non_null(set);
    if (plugin_load(set, plugin_path(fault, path), err) != 0) fail_msg("%s", err);
    return set;
}

static void a_good_one_stands_behind_the_built_in(void **state) {
    (void)state;
    plugin_set *set = load("none");
    const pol_ops *ops = plugin_policy_find(set, "faulty");
    assert_non_null(ops);
    assert_ptr_equal(plugin_of(set, ops)->ops, ops);
    assert_null(plugin_policy_find(NULL, "faulty"));
    size_t n = 0;
    for (; policy_at(n) != NULL; n++) {
        assert_ptr_equal(plugin_policy_at(set, n), policy_at(n));
        assert_ptr_equal(plugin_policy_at(NULL, n), policy_at(n));
        assert_null(plugin_of(set, policy_at(n)));
    }
    assert_ptr_equal(plugin_policy_at(set, n), ops);
    assert_null(plugin_policy_at(set, n + 1));
    assert_null(plugin_policy_at(NULL, n));
    plugin_set_free(set);
}

static void what_breaks_the_contract_is_refused(void **state) {
    (void)state;
    char expected[200];
    snprintf(expected, sizeof expected,
             ": found a policy built for contract %u, expected contract %u: rebuild it against this "
             "program's policy.h",
             POL_ABI - 1, POL_ABI);
    check_fault("abi", expected);
    check_fault("no_symbol",
                ": found no function policy_export, expected `const pol_ops *policy_export(void)`");
    check_fault("no_ops", ": found NULL from policy_export");
    check_fault("taken_name", ": name: found a policy \"has\", expected a name that no built-in policy has");
    check_fault("bad_default", ": params.part: found a default out of its range");
    check_fault("no_observe", ": observe: missing, expected a function");
}

static void code_that_dies_while_it_is_loaded_is_refused(void **state) {
    (void)state;
    check_fault("load_ends", ": found code that ends the program while it is loaded");
    check_fault("load_crashes", ": found code that crashes while it is loaded, with signal 11");
}

static void a_name_is_taken_once(void **state) {
    (void)state;
    char path[PATH_LEN], err[CONFIG_ERR_LEN] = "";
    plugin_set *set = load("none");
    assert_int_equal(plugin_load(set, plugin_path("none", path), err), -1);
    if (strstr(err, "name: found a policy \"faulty\", expected a name that ") == NULL) fail_msg("%s", err);
    assert_non_null(plugin_policy_find(set, "faulty"));
    plugin_set_free(set);
}

static void write_file(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* A good plug-in's bytes, to be freed */
static char *read_good(size_t *size) {
    char path[PATH_LEN];
    FILE *file = fopen(plugin_path("none", path), "rb");
    char *bytes = malloc(1 << 24);
    assert_non_null(file);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 24, file);
    fclose(file);
    return bytes;
}

/* The first n bytes of a good plug-in */
static size_t cut_off(const char *to, size_t n) {
    size_t size;
    char *bytes = read_good(&size);
    write_file(to, bytes, n < size ? n : size);
    free(bytes);
    return size;
}

static void what_is_no_shared_object_is_refused(void **state) {
    (void)state;
    char dir[] = "test_plugin_XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/p.so", dir);
    check_refused(path, ": found No such file or directory, expected a shared object");
    check_refused(dir, ": found a directory, expected a shared object");
    write_file(path, "", 0);
    check_refused(path, ": found a file that is no ELF object");
    write_file(path, "int main(void) { return 0; }\n", 29);
    check_refused(path, ": found a file that is no ELF object");
    size_t size = cut_off(path, 20);
    check_refused(path, ": found a file that is cut off");
    for (size_t n = 100; n + 200 < size; n += size / 9) {
        cut_off(path,
                n); /* refused here or, when only what the loader ignores is missing, loaded: never a crash */
        char err[CONFIG_ERR_LEN] = "";
        plugin_set *set = plugin_set_new();
        if (n < size / 4) assert_int_equal(plugin_load(set, path, err), -1);
        plugin_set_free(set);
    }
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_refused(path, ": found no regular file");
    unlink(path);
    rmdir(dir);
}

/* A copy of a good plug-in with another digit at the end of its mark, see faulty.c */
static void write_faulty_at_load(const char *to, char digit) {
    static const char mark[] = "faulty at load: 0";
    size_t size, marks = 0;
    char *bytes = read_good(&size);
    for (size_t i = 0; i + sizeof mark <= size; i++) {
        if (memcmp(bytes + i, mark, sizeof mark) != 0) continue;
        bytes[i + sizeof mark - 2] = digit;
        marks++;
    }
    assert_int_equal(marks, 1);
    write_file(to, bytes, size);
    free(bytes);
}

/* Refused, and every process that had a part in it is gone: each would hold the pipe. The alarm is for a program
 * that waits for them; it is longer than what loading may take. */
static void check_refused_at_load(char digit, const char *expected) {
    char dir[] = "test_plugin_XXXXXX", path[64], byte;
    int ends[2];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/p.so", dir);
    write_faulty_at_load(path, digit);
    assert_int_equal(pipe(ends), 0);
    alarm(120);
    check_refused(path, expected);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    alarm(0);
    close(ends[0]);
    unlink(path);
    rmdir(dir);
}

static void code_that_hangs_while_it_is_loaded_is_refused(void **state) {
    (void)state;
    check_refused_at_load('1', ": found code that hangs while it is loaded");
}

static void what_loading_leaves_behind_is_ended(void **state) {
    (void)state;
    check_refused_at_load('2', ": found NULL from policy_export");
}

/* ---- in a sweep ---- */

static const char text[] =
    "{\"name\": \"t\", \"duration_s\": 20, \"seeds\": 2, \"timeline\": {\"bins\": 4},\n"
    " \"cluster\": {\"gpus\": [{\"device\": \"v100-16gb\", \"nodes\": 2}]},\n"
    " \"functions\": [{\"name\": \"classify\", \"model\": \"resnet50\", \"trace\": {\"mean_rps\": 5}}],\n"
    " \"policies\": [{\"name\": \"faulty\", \"params\": {\"part\": 40}}, {\"name\": \"fixed\"}]}";

typedef struct {
    plugin_set *plugins;
    config_doc *doc;
    char dir[64], db[96];
} place;

static void open_place(place *p, const char *fault) {
    char err[CONFIG_ERR_LEN] = "";
    strcpy(p->dir, "test_plugin_XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/r.db", p->dir);
    p->plugins = load(fault);
    assert_int_equal(config_parse(&p->doc, "c.json", text, strlen(text), NULL, 0, err), 0);
    config_use_plugins(p->doc, p->plugins);
}

static void close_place(place *p) {
    config_close(p->doc);
    plugin_set_free(p->plugins);
    unlink(p->db);
    assert_int_equal(rmdir(p->dir), 0);
}

/* Runs all; what was reported is in log */
static sweep_report execute(const place *p, double timeout_s, double stall_s, char *log, size_t len) {
    char err[CONFIG_ERR_LEN] = "";
    FILE *to = tmpfile();
    assert_non_null(to);
    const sweep_options o = {.db_path = p->db,
                             .jobs = 2,
                             .timeout_s = timeout_s,
                             .stall_s = stall_s,
                             .progress = SWEEP_LINES,
                             .log = to};
    sweep *s = NULL;
    sweep_report report;
    if (sweep_plan(&s, p->doc, &o, err) != 0) fail_msg("plan: %s", err);
    if (sweep_execute(s, &report, err) != 0) fail_msg("execute: %s", err);
    sweep_free(s);
    rewind(to);
    log[fread(log, 1, len - 1, to)] = '\0';
    fclose(to);
    return report;
}

static void check_log(const char *log, const char *expected) {
    if (strstr(log, expected) == NULL) fail_msg("found \"%s\", expected \"%s\"", log, expected);
}

static void configs_find_them_by_name(void **state) {
    (void)state;
    place p;
    char log[8192], err[CONFIG_ERR_LEN] = "";
    config *c = NULL;
    open_place(&p, "none");
    sweep_report r = execute(&p, 0, 0, log, sizeof log);
    assert_int_equal(r.finished, 4);
    config_use_plugins(p.doc, NULL);
    assert_int_equal(config_at(&c, p.doc, 0, err), -1);
    check_log(err, "c.json: policies[0].name: found \"faulty\", expected a policy: ");
    check_log(err, "or --plugin FILE that brings it");
    close_place(&p);
}

static void hash_policy(const char *fault, setup_hashes *hashes) {
    char err[CONFIG_ERR_LEN] = "";
    place p;
    config *c = NULL;
    setup *s = NULL;
    setup_store *store = setup_store_new();
    open_place(&p, fault);
    assert_int_equal(config_at(&c, p.doc, 0, err), 0);
    assert_int_equal(setup_open(&s, store, c, err), 0);
    setup_hash(s, 0, hashes);
    setup_close(s);
    setup_store_free(store);
    config_free(c);
    close_place(&p);
}

static void the_policy_hash_is_of_its_file(void **state) {
    (void)state;
    setup_hashes one, again, other;
    hash_policy("none", &one);
    hash_policy("none", &again);
    hash_policy("leaks", &other);
    assert_string_equal(one.policy, again.policy);
    assert_string_not_equal(one.policy, other.policy);
    assert_string_equal(one.config, other.config);
}

static void a_crash_says_what_the_policy_did(void **state) {
    (void)state;
    place p;
    char log[8192];
    open_place(&p, "crashes");
    sweep_report r = execute(&p, 0, 0, log, sizeof log);
    assert_int_equal(r.failed, 2);
    assert_int_equal(r.finished, 2);
    check_log(log, "hassim run: faulty, seed 2: failed: its worker was killed by signal 11 (Segmentation "
                   "fault), in its policy's act for \"classify\", at 6 s of simulated time");
    close_place(&p);
}

static void a_hang_is_given_up(void **state) {
    (void)state;
    place p;
    char log[8192];
    open_place(&p, "hangs");
    sweep_report r = execute(&p, 3, 0, log, sizeof log);
    assert_int_equal(r.failed, 2);
    assert_int_equal(r.finished, 2);
    check_log(
        log,
        "faulty, seed 1: failed: no result within 3 s (--timeout), in its policy's observe for \"classify\", "
        "at 6 s of simulated time");
    close_place(&p);
}

static void a_policy_stuck_in_a_call_is_given_up_without_a_timeout(void **state) {
    (void)state;
    place p;
    char log[8192];
    open_place(&p, "hangs");
    sweep_report r = execute(&p, 0, 2, log, sizeof log);
    assert_int_equal(r.failed, 2);
    assert_int_equal(r.finished, 2);
    check_log(log,
              "faulty, seed 1: failed: no progress within 2 s, in its policy's observe for \"classify\", "
              "at 6 s of simulated time");
    close_place(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_stands_behind_the_built_in),
        cmocka_unit_test(what_breaks_the_contract_is_refused),
        cmocka_unit_test(code_that_dies_while_it_is_loaded_is_refused),
        cmocka_unit_test(a_name_is_taken_once),
        cmocka_unit_test(what_is_no_shared_object_is_refused),
        cmocka_unit_test(code_that_hangs_while_it_is_loaded_is_refused),
        cmocka_unit_test(what_loading_leaves_behind_is_ended),
        cmocka_unit_test(configs_find_them_by_name),
        cmocka_unit_test(the_policy_hash_is_of_its_file),
        cmocka_unit_test(a_crash_says_what_the_policy_did),
        cmocka_unit_test(a_hang_is_given_up),
        cmocka_unit_test(a_policy_stuck_in_a_call_is_given_up_without_a_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
