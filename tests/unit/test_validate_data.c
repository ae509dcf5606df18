/* test_validate_data.c - the reader of recorded runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "validate.h"
#include "validate_sample.h"

static void reads_runs(void **state) {
    (void)state;
    validate_sample s;
    validate_data *d;
    char err[VALIDATE_ERR_LEN] = "";
    validate_sample_open(&s);
    if (validate_open(&d, s.dir, err)) fail_msg("%s", err);
    assert_int_equal(validate_n_runs(d), 3);
    const validate_run *one = validate_run_at(d, 0), *two = validate_run_at(d, 1);
    assert_string_equal(one->name, "one");
    assert_string_equal(one->system, "has");
    assert_string_equal(one->model, "resnet");
    assert_string_equal(one->served_model, "resnet50");
    assert_string_equal(one->workload, "A");
    assert_int_equal(one->n_stages, 2);
    assert_int_equal(one->rate_rps[0], 2);
    assert_int_equal(one->rate_rps[1], 1);
    assert_int_equal(one->n_tags, 1);
    assert_true(validate_has_tag(one, "clean"));
    assert_int_equal(one->real.n_requests, 4);
    assert_true(one->real.requests[1].start_s == 0.5 && one->real.requests[1].latency_ms == 90);
    assert_int_equal(one->real.requests[2].status, 502);
    assert_int_equal(one->real.lost, 11);
    assert_int_equal(two->n_tags, 3);
    assert_true(validate_has_tag(two, "errors") && validate_has_tag(two, "new-tag"));
    assert_false(validate_has_tag(two, "error"));
    assert_int_equal(two->real.lost, 13);
    assert_false(two->has_usage);
    assert_int_equal(two->real.n_shares, 0);
    validate_close(d);
    validate_close(NULL);
    validate_sample_close(&s);
}

static void is_share(const validate_share *s, double t_s, uint32_t gpus, uint32_t pods, uint32_t sm_pct,
                     uint32_t quota_pct) {
    assert_true(s->t_s == t_s);
    assert_int_equal(s->gpus, gpus);
    assert_int_equal(s->pods, pods);
    assert_int_equal(s->sm_pct, sm_pct);
    assert_int_equal(s->quota_pct, quota_pct);
}

/* 61 of two pods is 31 each; at 4 s three pods have 150 and 179 */
static void adds_up_gpus_and_keeps_changes(void **state) {
    (void)state;
    validate_sample s;
    validate_data *d;
    char err[VALIDATE_ERR_LEN] = "";
    validate_sample_open(&s);
    assert_int_equal(validate_open(&d, s.dir, err), 0);
    const validate_run *one = validate_run_at(d, 0);
    assert_true(one->has_usage);
    assert_int_equal(one->real.n_shares, 4);
    is_share(&one->real.shares[0], -2, 1, 1, 30, 20);
    is_share(&one->real.shares[1], 2, 1, 2, 31, 20);
    is_share(&one->real.shares[2], 4, 2, 3, 50, 60);
    is_share(&one->real.shares[3], 8, 0, 0, 0, 0);
    validate_close(d);
    validate_sample_close(&s);
}

static void leaves_stale_usage_alone(void **state) {
    (void)state;
    validate_sample s;
    validate_data *d;
    char err[VALIDATE_ERR_LEN] = "";
    validate_sample_open(&s);
    validate_sample_write(&s, "three/usage.csv", "not even a header\n");
    assert_int_equal(validate_open(&d, s.dir, err), 0);
    assert_false(validate_run_at(d, 2)->has_usage);
    assert_int_equal(validate_run_at(d, 2)->real.n_shares, 0);
    validate_close(d);
    validate_sample_close(&s);
}

static void takes_usage_without_rows(void **state) {
    (void)state;
    static const char *const texts[] = {VALIDATE_SAMPLE_USAGE, NULL};
    for (size_t i = 0; i < 2; i++) {
        validate_sample s;
        validate_data *d;
        char err[VALIDATE_ERR_LEN] = "", path[96];
        validate_sample_open(&s);
        snprintf(path, sizeof path, "%s/one/usage.csv", s.dir);
        if (texts[i])
            validate_sample_write(&s, "one/usage.csv", texts[i]);
        else
            unlink(path);
        if (validate_open(&d, s.dir, err)) fail_msg("%s", err);
        assert_false(validate_run_at(d, 0)->has_usage);
        validate_close(d);
        validate_sample_close(&s);
    }
}

/* The artifact's tool may have written a row more than its workload says: nothing is lost then */
static void more_rows_than_the_workload_lose_none(void **state) {
    (void)state;
    validate_sample s;
    validate_data *d;
    char err[VALIDATE_ERR_LEN] = "";
    validate_sample_open(&s);
    validate_sample_write(&s, "runs.csv", VALIDATE_SAMPLE_RUNS "two,kserve,bert,bert,B,16,0,1,,\n");
    validate_sample_write(&s, "two/requests.csv",
                          VALIDATE_SAMPLE_REQUESTS
                          "0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n"
                          "0,1,0\n0,1,0\n0,1,0\n0,1,0\n0,1,0\n");
    if (validate_open(&d, s.dir, err)) fail_msg("%s", err);
    assert_int_equal(validate_run_at(d, 0)->real.lost, 0);
    assert_int_equal(validate_run_at(d, 0)->n_tags, 0);
    validate_close(d);
    validate_sample_close(&s);
}

typedef struct {
    const char *file, *text, *found;
} fault;

#define ONE(requests) VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,A," requests ",1,9.5,yes,clean\n"

static const fault faults[] = {
    {"runs.csv", "", "runs.csv:0: file: found \"no rows\""},
    {"runs.csv", VALIDATE_SAMPLE_RUNS, "runs.csv:1: file: found \"no rows\", expected runs"},
    {"runs.csv", "run,system\none,has\n", "runs.csv:1: header: found \"run\", expected model"},
    {"runs.csv", VALIDATE_SAMPLE_RUNS "one,has\n", "runs.csv:2: row: found \"one\""},
    {"runs.csv", ONE("5"), "runs.csv:2: requests: found \"5\", expected 4, the rows of one/requests.csv"},
    {"runs.csv", ONE("4e0"), "runs.csv:2: requests: found \"4e0\""},
    {"runs.csv", ONE("4") "one,has,resnet,resnet50,A,4,1,9.5,yes,clean\n",
     "runs.csv:3: run: found \"one\", expected each run once"},
    {"runs.csv", VALIDATE_SAMPLE_RUNS "../one,has,resnet,resnet50,A,4,1,9.5,yes,clean\n",
     "runs.csv:2: run: found \"../one\", expected the name of a folder"},
    {"runs.csv", VALIDATE_SAMPLE_RUNS "one/,has,resnet,resnet50,A,4,1,9.5,yes,clean\n",
     "runs.csv:2: run: found \"one/\""},
    {"runs.csv", VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,C,4,1,9.5,yes,clean\n",
     "runs.csv:2: workload: found \"C\", expected a workload of workloads.csv"},
    {"runs.csv", VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,A,4,1,9.5,maybe,clean\n",
     "runs.csv:2: usage: found \"maybe\", expected yes or no"},
    {"runs.csv", VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,A,4,1,9.5,yes,cle\001an\n",
     "runs.csv:2: tags: found \"cle?an\""},
    {"runs.csv", VALIDATE_SAMPLE_RUNS "four,has,resnet,resnet50,A,4,1,9.5,yes,clean\n",
     "four/requests.csv: found No such file"},
    {"workloads.csv", VALIDATE_SAMPLE_WORKLOADS "A,1,2\n",
     "workloads.csv:2: stage: found \"1\", expected 0: a workload's stages in order"},
    {"workloads.csv",
     VALIDATE_SAMPLE_WORKLOADS "A,0,100000\nA,1,100000\nA,2,100000\nA,3,100000\nA,4,100000\n"
                               "A,5,100000\nA,6,100000\nA,7,100000\nA,8,100000\nA,9,100000\n"
                               "A,10,100000\nA,11,100000\nA,12,100000\nA,13,100000\nA,14,100000\n"
                               "A,15,100000\nA,16,100000\nA,17,100000\nA,18,100000\nA,19,100000\n"
                               "A,20,1\n",
     "workloads.csv:22: rate_rps: found \"1\", expected at most 10000000 requests"},
    {"workloads.csv", VALIDATE_SAMPLE_WORKLOADS "A,0,0\n", "workloads.csv:2: rate_rps: found \"0\""},
    {"workloads.csv", VALIDATE_SAMPLE_WORKLOADS "A,0,1.5\n", "workloads.csv:2: rate_rps: found \"1.5\""},
    {"one/requests.csv", VALIDATE_SAMPLE_REQUESTS, "requests.csv:1: file: found \"no rows\""},
    {"one/requests.csv", VALIDATE_SAMPLE_REQUESTS "0,nan,200\n", ":2: latency_ms: found \"nan\""},
    {"one/requests.csv", VALIDATE_SAMPLE_REQUESTS "0,1,200\n-1,1,200\n", ":3: start_s: found \"-1\""},
    {"one/requests.csv", VALIDATE_SAMPLE_REQUESTS "0,1,ok\n", ":2: status: found \"ok\""},
    {"one/requests.csv", VALIDATE_SAMPLE_REQUESTS "0,1\n", ":2: row: found \"0\""},
    {"one/requests.csv", VALIDATE_SAMPLE_REQUESTS "0,1,200,7\n", ":2: row: found \"0\", expected as many"},
    {"one/usage.csv", "", "usage.csv:0: file: found \"no rows\""},
    {"one/usage.csv", VALIDATE_SAMPLE_USAGE "0,a,30,20,1,1\n", ":2: row: found \"0\", expected as many"},
    {"one/usage.csv", "t,gpu\n", "usage.csv:1: header: found \"t\", expected t_s"},
    {"one/usage.csv", VALIDATE_SAMPLE_USAGE "0,a,201,20,2\n",
     ":2: sm_pct: found \"201\", expected at most 100 for each pod"},
    {"one/usage.csv", VALIDATE_SAMPLE_USAGE "0,a,30,101,1\n", ":2: quota_pct: found \"101\""},
    {"one/usage.csv", VALIDATE_SAMPLE_USAGE "0,a,30,20,-1\n", ":2: pods: found \"-1\""},
    {"one/usage.csv", VALIDATE_SAMPLE_USAGE "0,a,30,1e9,1\n", ":2: quota_pct: found \"1e9\""},
    {"one/usage.csv", VALIDATE_SAMPLE_USAGE "inf,a,30,20,1\n", ":2: t_s: found \"inf\""},
};

static void refuses_faults(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        validate_sample s;
        validate_data *d;
        char err[VALIDATE_ERR_LEN] = "";
        validate_sample_open(&s);
        validate_sample_write(&s, faults[i].file, faults[i].text);
        assert_int_equal(validate_open(&d, s.dir, err), -1);
        assert_null(d);
        if (!strstr(err, faults[i].found)) fail_msg("found %s, expected %s", err, faults[i].found);
        assert_null(strchr(err, '\n'));
        validate_sample_close(&s);
    }
}

static void takes_a_byte_order_mark(void **state) {
    (void)state;
    validate_sample s;
    validate_data *d;
    char err[VALIDATE_ERR_LEN] = "";
    validate_sample_open(&s);
    validate_sample_write(&s, "one/requests.csv",
                          "\xef\xbb\xbf" VALIDATE_SAMPLE_REQUESTS "0,1,200\n1,1,200\n2,1,200\n3,1,200\n");
    if (validate_open(&d, s.dir, err)) fail_msg("%s", err);
    assert_int_equal(validate_run_at(d, 0)->real.n_requests, 4);
    validate_close(d);
    validate_sample_close(&s);
}

/* What is asked for must be there; of the rest, what is there is read */
static void leaves_out_what_is_neither_asked_for_nor_there(void **state) {
    (void)state;
    static const char *const two[] = {"two"}, *const one[] = {"one"};
    validate_sample s;
    validate_data *d;
    char err[VALIDATE_ERR_LEN] = "", path[96];
    validate_sample_open(&s);
    snprintf(path, sizeof path, "%s/one/requests.csv", s.dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(validate_open_some(&d, s.dir, two, 1, err), -1); /* a folder that lacks a file */
    snprintf(path, sizeof path, "%s/one/usage.csv", s.dir);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/one", s.dir);
    assert_int_equal(rmdir(path), 0);
    if (validate_open_some(&d, s.dir, two, 1, err)) fail_msg("%s", err);
    assert_int_equal(validate_n_runs(d), 2);
    assert_string_equal(validate_run_at(d, 0)->name, "two");
    validate_close(d);
    assert_int_equal(validate_open_some(&d, s.dir, one, 1, err), -1);
    assert_int_equal(validate_open(&d, s.dir, err), -1);
    validate_sample_close(&s);
}

static void refuses_missing_folder(void **state) {
    (void)state;
    validate_data *d;
    char err[VALIDATE_ERR_LEN];
    assert_int_equal(validate_open(&d, "/tmp/hassim-no-such-folder", err), -1);
    assert_non_null(strstr(err, "/tmp/hassim-no-such-folder/workloads.csv: found No such file"));
}

/* Against the index of the public runs and ../shared/spec/systems.md, 5.5 */
static void reads_the_testbed(void **state) {
    (void)state;
    validate_data *d;
    char err[VALIDATE_ERR_LEN];
    if (access(VALIDATE_SAMPLE_TESTBED "/runs.csv", R_OK)) {
        print_message("no recorded runs at " VALIDATE_SAMPLE_TESTBED ": skipped\n");
        skip();
    }
    if (validate_open(&d, VALIDATE_SAMPLE_TESTBED, err)) fail_msg("%s", err);
    assert_int_equal(validate_n_runs(d), 30);
    size_t with_usage = 0, requests = 0;
    for (size_t i = 0; i < validate_n_runs(d); i++) {
        const validate_run *r = validate_run_at(d, i);
        with_usage += (size_t)r->has_usage;
        requests += r->real.n_requests;
        if (strcmp(r->name, "has-1-bert") == 0) assert_int_equal(r->real.lost, 99);
        if (strcmp(r->name, "has-5-resnet") != 0) continue;
        assert_int_equal(r->real.n_shares, 5); /* 30, 10@-8, 20@-1, 30@50, 40@52 */
        is_share(&r->real.shares[4], 52, 1, 1, 30, 40);
    }
    assert_int_equal(with_usage, 22);
    assert_true(requests > 100000);
    validate_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_runs),
        cmocka_unit_test(adds_up_gpus_and_keeps_changes),
        cmocka_unit_test(leaves_stale_usage_alone),
        cmocka_unit_test(takes_usage_without_rows),
        cmocka_unit_test(more_rows_than_the_workload_lose_none),
        cmocka_unit_test(refuses_faults),
        cmocka_unit_test(takes_a_byte_order_mark),
        cmocka_unit_test(leaves_out_what_is_neither_asked_for_nor_there),
        cmocka_unit_test(refuses_missing_folder),
        cmocka_unit_test(reads_the_testbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
