/* test_rapp_data.c - the reader of what RaPP learns from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rapp_data.h"
#include "rapp_sample.h"

static void reads_all_three(void **state) {
    (void)state;
    rapp_sample s;
    rapp_data *d;
    char err[RAPP_ERR_LEN];
    rapp_sample_open(&s);
    assert_int_equal(rapp_data_open(&d, s.dir, err), 0);
    assert_int_equal(rapp_data_n_models(d), 3);
    assert_string_equal(rapp_data_model_name(d, 0), "both");
    assert_string_equal(rapp_data_model_name(d, 1), "seen");
    assert_string_equal(rapp_data_model_name(d, 2), "unseen");
    assert_int_equal(rapp_data_n_points(d), 4);
    const rapp_point *p = &rapp_data_points(d)[3];
    assert_int_equal(p->model, 1);
    assert_int_equal(p->batch, 8);
    assert_int_equal(p->sm_pct, 5);
    assert_int_equal(p->quota_pct, 10);
    assert_true(p->ms == 900.5);
    assert_false(rapp_prior_is_complete(rapp_data_prior(d, 1)));
    for (size_t m = 0; m <= 2; m += 2) {
        const rapp_prior *prior = rapp_data_prior(d, m);
        assert_true(rapp_prior_is_complete(prior));
        assert_true(prior->quota_ms[0] == (m ? 60 : 30) && prior->gmac == (m ? 3 : 1.5));
        assert_int_equal(prior->n_operators, 2);
        assert_string_equal(prior->operators[0].type, "conv2d");
        assert_string_equal(prior->operators[1].type, "relu");
        assert_true(prior->operators[0].attributes[2] == 64 && prior->operators[0].attributes[11] == 1);
        assert_true(prior->operators[0].shape[1] == 3 && prior->operators[0].ms[5] == 2);
    }
    rapp_data_close(d);
    rapp_data_close(NULL);
    rapp_sample_close(&s);
}

typedef struct {
    const char *file, *text, *found;
} fault;

static void refuses_faults(void **state) {
    (void)state;
    static const fault faults[] = {
        {"latency.csv", "", "latency.csv:0: file: found \"no rows\""},
        {"latency.csv", "model,batch\n", "latency.csv:1: header: found \"model\", expected sm_pct"},
        {"latency.csv", RAPP_SAMPLE_POINT_HEAD "a,1,5\n", "latency.csv:2: row: found \"a\""},
        {"latency.csv", RAPP_SAMPLE_POINT_HEAD "a,1,5,10,1\na,1,5,10,nan\n", ":3: latency_ms: found \"nan\""},
        {"latency.csv", RAPP_SAMPLE_POINT_HEAD "a,33,5,10,1\n", ":2: batch: found \"33\""},
        {"latency.csv", RAPP_SAMPLE_POINT_HEAD "a,1,0,10,1\n", ":2: sm_pct: found \"0\""},
        {"latency.csv", RAPP_SAMPLE_POINT_HEAD "a b,1,5,10,1\n", ":2: model: found \"a b\""},
        {"latency.csv", RAPP_SAMPLE_POINT_HEAD ",1,5,10,1\n", ":2: model: found \"\""},
        {"graphs.csv", RAPP_SAMPLE_GRAPH_HEAD "a,1,inf,1,1,1,5,4,3,2,1\n",
         "graphs.csv:2: gmac: found \"inf\""},
        {"graphs.csv", RAPP_SAMPLE_GRAPH_HEAD "a,1,1,1,1,1,5,4,3,2,0\n",
         ":2: lat_ms_b4_sm100_q100: found \"0\""},
        {"graphs.csv", RAPP_SAMPLE_GRAPH_HEAD "a,1,1,1,1,1,5,4,3,2,1\na,1,1,1,1,1,5,4,3,2,1\n",
         ":3: model: found \"a\", expected one row per model"},
        {"operators.csv", RAPP_SAMPLE_OPERATOR_HEAD "a,1," RAPP_SAMPLE_RELU,
         "operators.csv:2: node: found \"1\""},
        {"operators.csv",
         RAPP_SAMPLE_OPERATOR_HEAD "a,0," RAPP_SAMPLE_RELU "b,0," RAPP_SAMPLE_RELU "a,1," RAPP_SAMPLE_RELU,
         ":4: node: found \"1\", expected a model's nodes together"},
        {"operators.csv", RAPP_SAMPLE_OPERATOR_HEAD "a,0,relu,-1\n", "operators.csv:2: row: found \"a\""},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        rapp_sample s;
        rapp_data *d;
        char err[RAPP_ERR_LEN] = "";
        rapp_sample_open(&s);
        rapp_sample_write(&s, faults[i].file, faults[i].text);
        assert_int_equal(rapp_data_open(&d, s.dir, err), -1);
        assert_null(d);
        if (!strstr(err, faults[i].found)) fail_msg("found %s, expected %s", err, faults[i].found);
        assert_null(strchr(err, '\n'));
        rapp_sample_close(&s);
    }
}

static void refuses_missing_folder(void **state) {
    (void)state;
    rapp_data *d;
    char err[RAPP_ERR_LEN];
    assert_int_equal(rapp_data_open(&d, "/tmp/hassim-no-such-folder", err), -1);
    assert_non_null(strstr(err, "latency.csv: found No such file"));
}

/* The numbers of ../shared/data/README.md */
static void reads_the_public_data(void **state) {
    (void)state;
    rapp_data *d;
    char err[RAPP_ERR_LEN];
    if (access(RAPP_SAMPLE_V100 "/latency.csv", R_OK)) {
        print_message("no public measurements at " RAPP_SAMPLE_V100 ": skipped\n");
        skip();
    }
    assert_int_equal(rapp_data_open(&d, RAPP_SAMPLE_V100, err), 0);
    assert_int_equal(rapp_data_n_points(d), 44345);
    assert_int_equal(rapp_data_n_models(d), 62);
    size_t complete = 0, operators = 0;
    for (size_t m = 0; m < 62; m++) {
        complete += (size_t)rapp_prior_is_complete(rapp_data_prior(d, m));
        operators += rapp_data_prior(d, m)->n_operators;
    }
    assert_int_equal(complete, 60);
    assert_int_equal(operators, 10610);
    rapp_data_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_three),
        cmocka_unit_test(refuses_faults),
        cmocka_unit_test(refuses_missing_folder),
        cmocka_unit_test(reads_the_public_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
