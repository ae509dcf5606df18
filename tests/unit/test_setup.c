/* Setups: SLOs, prices, memory and functions as the config and the calibration say, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "prices.h"
#include "rapp_sample.h"
#include "setup.h"

static const char valid[] =
    "{\"name\": \"t\", \"duration_s\": 100, \"warmup_s\": 10, \"seeds\": 2, \"slo_report\": [1, 2],\n"
    " \"cluster\": {\"gpus\": [{\"device\": \"v100-16gb\", \"nodes\": 2, \"per_node\": 3}]},\n"
    " \"functions\": [{\"name\": \"f\", \"model\": \"resnet50\", \"trace\": {\"mean_rps\": 6}},\n"
    "               {\"name\": \"g\", \"model\": \"resnet50\", \"trace\": {\"format\": \"csv\", \"path\": "
    "\"t.csv\"}}],\n"
    " \"policies\": [{\"name\": \"has\"}, {\"name\": \"kserve\", \"mode\": \"artifact\"}]}";

static char folder[] = "test_setup_XXXXXX";

static void write_file(const char *name, const char *text) {
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    write_file("t.csv", "time_s,function\n1,a\n2,b\n3,b\n4,c\n5,b\n6,a\n");
    return 0;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"t.csv",      "prices.json", "invocations.csv", "durations.csv",
                                        "memory.csv", "m.json",      "llm.csv"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

typedef struct {
    setup_store *store;
    config *c;
    setup *s;
} opened;

static void close_all(opened *o) {
    setup_close(o->s);
    config_free(o->c);
    setup_store_free(o->store);
    *o = (opened){0};
}

/* The valid config with overrides; o->s is NULL on error */
static void open_with(opened *o, const char *const *sets, size_t n, char err[CONFIG_ERR_LEN]) {
    char path[64];
    config_doc *doc = NULL;
    *o = (opened){.store = setup_store_new()};
    snprintf(path, sizeof path, "%s/c.json", folder);
    if (config_parse(&doc, path, valid, strlen(valid), sets, n, err) == 0 &&
        config_at(&o->c, doc, 0, err) == 0)
        setup_open(&o->s, o->store, o->c, err);
    config_close(doc);
}

static engine_setup open_valid(opened *o, const char *set) {
    char err[CONFIG_ERR_LEN] = "";
    engine_setup e;
    open_with(o, &set, set == NULL ? 0 : 1, err);
    if (o->s == NULL) fail_msg("%s", err);
    if (setup_engine(o->s, 0, 7, &e, err)) fail_msg("%s", err);
    return e;
}

static void times_gpus_and_policy(void **state) {
    (void)state;
    opened o;
    engine_setup e = open_valid(&o, NULL);
    assert_int_equal(e.seed, 7);
    assert_int_equal(e.duration_ns, INT64_C(100000000000));
    assert_int_equal(e.warmup_ns, INT64_C(10000000000));
    assert_int_equal(e.drain_ns, INT64_C(600000000000));
    assert_int_equal(e.n_gpus, 6);
    assert_int_equal(e.gpus[2].node, 0);
    assert_int_equal(e.gpus[3].node, 1);
    assert_int_equal(e.n_devices, 1);
    assert_true(e.devices[0].usd_per_gpu_hour == 2.48); /* experiments/prices.json, gcp */
    assert_int_equal(e.mode, POL_CORRECTED);
    assert_int_equal(e.billing, ENGINE_BILL_SHARE);
    char err[CONFIG_ERR_LEN];
    assert_int_equal(setup_engine(o.s, 1, 7, &e, err), 0);
    assert_int_equal(e.mode, POL_ARTIFACT);
    assert_int_equal(e.billing, ENGINE_BILL_WHOLE_GPU);
    assert_string_equal(e.policy->name, "kserve");
    close_all(&o);
}

/* The definition, from the calibration itself */
static void slo_is_multiplier_times_base(void **state) {
    (void)state;
    char err[CALIB_ERR_LEN];
    calib *k = NULL;
    opened o;
    assert_int_equal(calib_open(&k, HASSIM_ROOT "/calib/data/v100.json", err), 0);
    const calib_model *m = calib_model_find(k, "resnet50");
    double base_ms = calib_latency_ms(m, 1, 100, 100) + calib_facts_of(m)->overhead_ms.mean;
    engine_setup e = open_valid(&o, "functions.g.slo_multiplier=4.5");
    assert_int_equal(e.fns[0].slo_ns, llround(3 * base_ms * 1e6));
    assert_int_equal(e.fns[1].slo_ns, llround(4.5 * base_ms * 1e6));
    assert_int_equal(e.fns[1].report_slo_ns[0], llround(base_ms * 1e6));
    assert_int_equal(e.fns[1].report_slo_ns[1], llround(2 * base_ms * 1e6));
    assert_true(e.fns[0].on[0].cold_start_ms == calib_cold_start_ms(k, m));
    assert_true(e.fns[0].overhead_ms.mean == calib_facts_of(m)->overhead_ms.mean);
    assert_true(e.fns[0].noise.mean == 1 && e.fns[0].cold_start.mean == 1);
    assert_int_equal(e.fns[0].memory_mib, (uint32_t)ceil(calib_facts_of(m)->memory_mib));
    close_all(&o);
    calib_close(k);
}

static void a_device_named_twice_is_one_kind(void **state) {
    (void)state;
    opened o;
    engine_setup e =
        open_valid(&o, "cluster.gpus=[{\"device\":\"v100-16gb\",\"nodes\":2},{\"device\":\"v100-16gb\"}]");
    assert_int_equal(e.n_devices, 1);
    assert_int_equal(e.n_gpus, 3);
    assert_int_equal(e.gpus[2].node, 2);
    close_all(&o);
}

/* Rates 1, 1/2, 1/3 of a mean of 6: 6 x 3 x (6, 3, 2) / 11 */
static void copies_share_by_popularity(void **state) {
    (void)state;
    opened o;
    const char *const sets[] = {"functions.f.count=3", "functions[0].zipf=1"};
    char err[CONFIG_ERR_LEN] = "";
    open_with(&o, sets, 2, err);
    assert_non_null(o.s);
    engine_setup e;
    assert_int_equal(setup_engine(o.s, 0, 1, &e, err), 0);
    const double expected[] = {108 / 11.0, 54 / 11.0, 36 / 11.0};
    assert_int_equal(e.n_fns, 4);
    for (size_t i = 0; i < 3; i++) assert_true(fabs(e.fns[i].trace.mean_rps - expected[i]) < 1e-9);
    assert_string_equal(e.fns[0].name, "f-1");
    assert_string_equal(e.fns[2].name, "f-3");
    assert_string_equal(e.fns[3].name, "g");
    close_all(&o);
}

/* An LLM's requests: 300 tokens on average, of which 100 were calibrated */
static void sizes_become_work(void **state) {
    (void)state;
    write_file("llm.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,26\n"
                          "2023-11-16 18:15:50.9951690,180,20\n");
    static const struct {
        const char *set;
        double mean_work;
    } cases[] = {
        {"functions.g.trace={\"format\":\"azure-llm2023\",\"path\":\"llm.csv\"}", 1},
        {"functions.g.trace={\"format\":\"azure-llm2023\",\"path\":\"llm.csv\",\"calibrated_size\":100}", 3},
        {"functions.g.trace={\"format\":\"azure-llm2023\",\"path\":\"llm.csv\",\"work\":\"equal\"}", 1},
        {"functions.g.trace={\"format\":\"azure-llm2023\",\"path\":\"llm.csv\",\"out_weight\":11,"
         "\"calibrated_size\":53}",
         10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o;
        engine_setup e = open_valid(&o, cases[i].set);
        assert_int_equal(trace_has_work(&e.fns[1].trace), i != 2);
        assert_true(trace_mean_work(&e.fns[1].trace) == cases[i].mean_work);
        assert_false(trace_has_work(&e.fns[0].trace));
        close_all(&o);
    }
}

/* 10, then 20 requests, and 10 again: even gaps, and nothing of a stage before the last answer of the one before */
static void a_client_sends_its_stages(void **state) {
    (void)state;
    opened o;
    engine_setup e =
        open_valid(&o, "functions=[{\"name\":\"c\",\"model\":\"resnet50\",\"count\":2,\"trace\":{\"format\":"
                       "\"client\",\"rates_rps\":[2,4,2],\"late_ms\":0,\"start_s\":20}}]");
    assert_int_equal(e.n_fns, 2);
    assert_ptr_equal(e.fns[0].client, e.fns[1].client);
    assert_int_equal(e.fns[0].client->n_stages, 3);
    assert_int_equal(e.fns[0].client->threads_per_rps, 2);
    assert_int_equal(e.fns[0].client->stages[0].pause_ns, 0);
    assert_int_equal(e.fns[0].client->stages[2].pause_ns, 2000000);
    e.record_requests = 1;
    engine_options options = {.threads = 1, .check = 1};
    engine_result r;
    char err[ENGINE_ERR_LEN];
    if (engine_run(&e, &options, &r, err)) fail_msg("%s", err);
    assert_int_equal(r.n_requests, 80);
    for (size_t fn = 0; fn < 2; fn++) {
        const engine_request *q = r.requests + 40 * fn;
        int64_t last_end = 0;
        assert_int_equal(r.fns[fn].completed, 40);
        assert_int_equal(q[0].arrival_ns, INT64_C(20000000000));
        for (size_t i = 0; i < 40; i++) {
            int begins = i == 0 || i == 10 || i == 30;
            int64_t gap_ns = i >= 10 && i < 30 ? 250000000 : 500000000;
            if (!begins) assert_int_equal(q[i].arrival_ns - q[i - 1].arrival_ns, gap_ns);
            if (begins && i > 0) assert_true(q[i].arrival_ns >= last_end + 2000000);
            if (q[i].end_ns > last_end) last_end = q[i].end_ns;
        }
    }
    engine_result_free(&r);
    close_all(&o);
}

/* b 3 times, a twice, c once */
static void a_traces_functions_come_by_rank(void **state) {
    (void)state;
    opened o;
    engine_setup e =
        open_valid(&o, "functions_from={\"trace\":{\"format\":\"csv\",\"path\":\"t.csv\",\"scale\":2},"
                       "\"models\":[\"bert\",\"resnet50\"]}");
    assert_int_equal(e.n_fns, 5);
    assert_string_equal(e.fns[2].name, "b");
    assert_string_equal(e.fns[3].name, "a");
    assert_string_equal(e.fns[4].name, "c");
    assert_string_equal(e.fns[2].model_name, "bert");
    assert_string_equal(e.fns[3].model_name, "resnet50");
    assert_string_equal(e.fns[4].model_name, "bert");
    assert_true(e.fns[2].trace.scale == 2 && e.fns[2].trace.file == e.fns[1].trace.file);
    assert_int_equal(e.fns[1].trace.index, e.fns[2].trace.index); /* g: rank 1, too */
    close_all(&o);
    e = open_valid(&o, "functions_from={\"trace\":{\"format\":\"csv\",\"path\":\"t.csv\"},"
                       "\"models\":[\"bert\"],\"limit\":1}");
    assert_int_equal(e.n_fns, 3);
    close_all(&o);
}

/* Durations of 10 ms, 400 ms, unknown: the nearest of two models, and an entry that says otherwise */
static void rules_choose_models_memory_and_slo(void **state) {
    (void)state;
    opened o;
    write_file("invocations.csv",
               "HashOwner,HashApp,HashFunction,Trigger,1\no,a,quick,http,9\no,a,slow,http,8\n"
               "o,a,unknown,http,7\no,a,mine,http,6\n");
    write_file(
        "durations.csv",
        "HashOwner,HashApp,HashFunction,Average,Count\no,a,quick,10,9\no,a,slow,400,8\no,a,mine,10,6\n");
    write_file("memory.csv",
               "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb\no,a,slow,1,5000.5\n");
    engine_setup e = open_valid(
        &o, "functions_from={\"trace\":{\"format\":\"azure2019\",\"path\":\"invocations.csv\"},"
            "\"models\":[\"vgg16\",\"bert\"],\"rule\":\"duration\",\"memory_from\":\"trace\","
            "\"slo_from\":\"duration\",\"slo_multiplier\":2,\"explicit\":[{\"select\":\"name:mine\","
            "\"model\":\"resnet50\",\"memory_mib\":2000,\"slo_multiplier\":5}]}");
    assert_int_equal(e.n_fns, 6);
    const engine_fn *f = e.fns + 2;
    assert_string_equal(f[0].name, "quick");
    assert_string_equal(f[0].model_name, "bert");
    assert_string_equal(f[1].model_name, "vgg16");
    assert_string_equal(f[2].model_name, "vgg16"); /* third by rank, in turn */
    assert_string_equal(f[3].model_name, "resnet50");
    assert_int_equal(f[1].memory_mib, 5001);
    assert_int_equal(f[3].memory_mib, 2000);
    assert_int_equal(f[0].slo_ns, 20000000);
    assert_int_equal(f[1].slo_ns, 800000000);
    assert_int_equal(f[3].slo_ns, 50000000);
    assert_true(f[2].slo_ns > 0 && f[2].slo_ns != f[1].slo_ns);
    close_all(&o);
    e = open_valid(&o, "functions_from={\"trace\":{\"format\":\"invitro\",\"path\":\"invocations.csv\"},"
                       "\"models\":[\"bert\"]}");
    assert_int_equal(e.n_fns, 6);
    close_all(&o);
}

typedef struct {
    const char *set, *place;
} mistake;

static void mistakes_are_named(void **state) {
    (void)state;
    static const mistake mistakes[] = {
        {"cluster.gpus[0].device=v100-32gb",
         ": cluster.gpus[0].device: found \"v100-32gb\", expected a calibrated"},
        {"slo_device=h200", ": slo_device: found \"h200\", expected a calibrated device (a100-80gb, gh200, "},
        {"functions.f.model=resnet5",
         ": functions[0].model: found the model \"resnet5\", expected a model calibrated "
         "on v100-16gb; the nearest is resnet50"},
        {"functions.f.memory_mib=16385",
         ": functions[0].memory_mib: found 16385 MiB per pod, expected at most 16384"},
        {"functions.g.trace.select=rank:4", ": functions[1].trace.select: "},
        {"functions.g.trace.select=nonsense", ": functions[1].trace.select: "},
        {"functions.g.trace.format=azure2019", "/t.csv"},
        {"functions.g.trace.calibrated_size=100", ": functions[1].trace.calibrated_size: found 100 for a "
                                                  "trace without sizes, expected a trace of requests"},
        {"functions_from={\"trace\":{\"format\":\"csv\",\"path\":\"t.csv\",\"calibrated_size\":2},\"models\":"
         "[\"bert\"]}",
         ": functions_from.trace.calibrated_size: found 2 for a trace without sizes"},
        {"functions.g.trace.out_weight=20", ": functions[1].trace.out_weight: found 20 for a trace without "
                                            "tokens, expected a trace of requests"},
        {"functions.g.name=f-2", NULL},
        {"prices=azure",
         "experiments/prices.json: prices: found no price of provider \"azure\", expected one of gcp aws"},
        {"prices=prices.json", "/prices.json: prices[0].usd_per_gpu_hour: found -1"},
        {"functions_from={\"trace\":{\"format\":\"csv\",\"path\":\"t.csv\"},\"models\":[\"bert\"],"
         "\"explicit\":"
         "[{\"select\":\"name:zz\",\"model\":\"bert\"}]}",
         ": functions_from.explicit[0].select: \"name:zz\" fits 0"},
        {"functions_from={\"trace\":{\"format\":\"csv\",\"path\":\"t.csv\"},\"models\":[\"bert\"],"
         "\"explicit\":"
         "[{\"select\":\"row:1\",\"model\":\"bert\"},{\"select\":\"row:1\",\"model\":\"bert\"}]}",
         ": functions_from.explicit[1].select: found \"row:1\", expected a function that no other"},
        {"functions_from={\"trace\":{\"format\":\"csv\",\"path\":\"t.csv\"},\"models\":[\"bert\"],"
         "\"explicit\":"
         "[{\"select\":\"row:1\",\"model\":\"bart\"}]}",
         ": functions_from.explicit[0].model: found the model \"bart\""},
        {"functions_from={\"trace\":{\"format\":\"csv\",\"path\":\"t.csv\"},\"models\":[\"bart\"]}",
         ": functions_from.models: found the model \"bart\""},
    };
    write_file("prices.json",
               "{\"prices\": [{\"provider\": \"p\", \"device\": \"v100-16gb\", \"usd_per_gpu_hour\": -1,"
               " \"source\": \"s\", \"date\": \"d\"}]}");
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        opened o;
        char err[CONFIG_ERR_LEN] = "";
        const char *const sets[] = {mistakes[i].set,
                                    mistakes[i].place == NULL ? "functions[0].count=2" : "seeds=1"};
        const char *place =
            mistakes[i].place == NULL ? ": functions: found two functions \"f-2\"" : mistakes[i].place;
        open_with(&o, sets, 2, err);
        if (o.s != NULL) fail_msg("%s was accepted", mistakes[i].set);
        if (strstr(err, place) == NULL)
            fail_msg("%s: found \"%s\", expected \"%s\"", mistakes[i].set, err, place);
        assert_null(strchr(err, '\n'));
        close_all(&o);
    }
}

static void price_lists_are_checked(void **state) {
    (void)state;
    static const mistake lists[] = {
        {"{\"prices\": []}", "prices: found an array"},
        {"{\"price\": []}", "found the key \"price\""},
        {"{\"prices\": [3]}", "prices[0]: found 3, expected an object"},
        {"{\"prices\": [{\"provider\": \"p\"}]}", "prices[0].device: missing"},
        {"{\"prices\": [{\"provider\": \"p\", \"usd\": 3}]}", "prices[0]: found the key \"usd\""},
        {"{\"prices\": [{\"provider\": \"p\", \"device\": \"d\", \"source\": \"s\", \"date\": \"d\"}]}",
         "prices[0].usd_per_gpu_hour: missing"},
        {"{\"prices\": [{\"provider\": \"p\", \"device\": \"d\", \"source\": \"s\", \"date\": \"d\","
         " \"usd_per_gpu_hour\": 1},{\"provider\": \"p\", \"device\": \"d\", \"source\": \"s\", \"date\": "
         "\"d\","
         " \"usd_per_gpu_hour\": 2}]}",
         "prices[1]: found this provider and device again"},
        {"{\"prices\": [{\"provider\": \"p\", \"device\": \"d\", \"source\": \"s\", \"date\": \"d\","
         " \"usd_per_gpu_hour\": 1},{\"provider\": \"q\", \"device\": \"d\", \"source\": \"s\", \"date\": "
         "\"d\","
         " \"usd_per_gpu_hour\": 2}]}",
         "prices: found several providers and none chosen"},
    };
    char path[64], err[CONFIG_ERR_LEN];
    snprintf(path, sizeof path, "%s/prices.json", folder);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        prices *p = NULL;
        write_file("prices.json", lists[i].set);
        assert_int_equal(prices_open(&p, path, NULL, err), -1);
        if (strstr(err, lists[i].place) == NULL)
            fail_msg("found \"%s\", expected \"%s\"", err, lists[i].place);
    }
    prices *p = NULL; /* the last one, its provider chosen */
    assert_int_equal(prices_open(&p, path, "q", err), 0);
    assert_true(prices_usd_per_gpu_hour(p, "d") == 2 && prices_usd_per_gpu_hour(p, "e") < 0);
    prices_close(p);
}

/* A MIG slice that no cloud sells says what it was derived from, and costs no more than the whole */
static void shipped_slices_are_derived(void **state) {
    (void)state;
    static const char *const providers[] = {"gcp", "aws"};
    char err[CONFIG_ERR_LEN];
    for (size_t i = 0; i < 2; i++) {
        prices *p = NULL;
        if (prices_open(&p, HASSIM_ROOT "/experiments/prices.json", providers[i], err) != 0)
            fail_msg("%s", err);
        double whole = prices_usd_per_gpu_hour(p, "a100-40gb"),
               slice = prices_usd_per_gpu_hour(p, "a100-40gb-mig-1g.5gb");
        assert_true(whole > 0 && fabs(slice - whole / 7) < 1e-3);
        assert_true(prices_usd_per_gpu_hour(p, "h100-80gb") > prices_usd_per_gpu_hour(p, "v100-16gb"));
        prices_close(p);
    }
}

static setup_hashes hash_with(const char *set, size_t policy) {
    opened o;
    setup_hashes h;
    open_valid(&o, set);
    setup_hash(o.s, policy, &h);
    close_all(&o);
    return h;
}

/* What a policy is told stays, what is true is drawn: for a seed, the same for all policies. */
static void the_truth_is_drawn_by_seed(void **state) {
    (void)state;
    opened o;
    engine_setup e = open_valid(&o, NULL);
    assert_ptr_equal(engine_calibrated(&e.fns[0].on[0]), e.fns[0].on[0].model);
    const int64_t slo_ns = e.fns[0].slo_ns;
    close_all(&o);
    e = open_valid(&o, "model_error=1.5"); /* seed 7, policy 0 */
    char err[CONFIG_ERR_LEN] = "";
    calib *k = NULL, *drawn = NULL;
    assert_int_equal(calib_open(&k, HASSIM_ROOT "/calib/data/v100.json", err), 0);
    assert_int_equal(calib_perturb(&drawn, k, 7, 1.5, err), 0);
    const engine_fit *fit = &e.fns[0].on[0];
    const calib_model *nominal = calib_model_find(k, "resnet50"),
                      *expected = calib_model_find(drawn, "resnet50");
    assert_true(calib_latency_ms(engine_calibrated(fit), 4, 30, 50) == calib_latency_ms(nominal, 4, 30, 50));
    const double of_7 = calib_latency_ms(fit->model, 4, 30, 50);
    assert_true(of_7 == calib_latency_ms(expected, 4, 30, 50));
    assert_true(of_7 != calib_latency_ms(nominal, 4, 30, 50));
    assert_true(fit->cold_start_ms == calib_cold_start_ms(k, nominal));
    assert_int_equal(e.fns[0].slo_ns, slo_ns);
    assert_int_equal(setup_engine(o.s, 1, 8, &e, err), 0);
    assert_true(calib_latency_ms(e.fns[0].on[0].model, 4, 30, 50) != of_7);
    assert_int_equal(setup_engine(o.s, 1, 7, &e, err), 0);
    assert_true(calib_latency_ms(e.fns[0].on[0].model, 4, 30, 50) == of_7);
    assert_true(calib_latency_ms(engine_calibrated(fit), 4, 30, 50) == calib_latency_ms(nominal, 4, 30, 50));
    close_all(&o);
    calib_close(drawn);
    calib_close(k);
}

/* A table trained on one point per batch of resnet50, measured on device (NULL: not said) in data of that name */
static void write_model_of(const char *ms, const char *device, const char *name) {
    char err[RAPP_ERR_LEN] = "", path[64], text[200];
    const rapp_options options = {.seed = 1, .threads = 1, .device = device, .data = name};
    rapp_sample sample;
    rapp_data *data = NULL;
    rapp_model *m = NULL;
    rapp_sample_open(&sample);
    snprintf(text, sizeof text, "%sresnet50,1,100,100,%s\nresnet50,4,100,100,40\n", RAPP_SAMPLE_POINT_HEAD,
             ms);
    rapp_sample_write(&sample, "latency.csv", text);
    snprintf(path, sizeof path, "%s/m.json", folder);
    if (rapp_data_open(&data, sample.dir, err) || rapp_train(&m, "table", data, NULL, &options, err) ||
        rapp_save(m, path, err))
        fail_msg("%s", err);
    rapp_close(m);
    rapp_data_close(data);
    rapp_sample_close(&sample);
}

static void write_model(const char *ms) {
    write_model_of(ms, "v100-16gb", "anything");
}

/* Refused on another GPU; noted where the file does not say and its data are not called after this one. */
static void predictors_know_their_gpu(void **state) {
    (void)state;
    static const struct {
        const char *device, *data, *err, *note;
    } cases[] = {
        {"v100-16gb", "h100", NULL, ""},
        {NULL, "v100", NULL, ""},
        {NULL, "V100-16GB", NULL, ""},
        {NULL, "v1", NULL, "does not say which GPU was measured (data \"v1\"); this one is a v100-16gb"},
        {NULL, NULL, NULL, "(data \"\"); this one is a v100-16gb"},
        {"h100", "v100", ": policies[0].predictor.model: found ", NULL},
    };
    const char *set = "policies.has.predictor={\"name\": \"table\", \"model\": \"m.json\"}";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o;
        char err[CONFIG_ERR_LEN] = "";
        write_model_of("10", cases[i].device, cases[i].data);
        if (cases[i].err != NULL) {
            open_with(&o, &set, 1, err);
            assert_null(o.s);
            if (strstr(err, cases[i].err) == NULL ||
                strstr(err, "m.json of a h100 (data \"v100\"), expected a "
                            "predictor of this cluster's GPU, v100-16gb") == NULL)
                fail_msg("%s", err);
        } else {
            engine_setup e = open_valid(&o, set);
            const char *note = e.predictor->note;
            if (cases[i].note[0] ? strstr(note, cases[i].note) == NULL : note[0] != '\0')
                fail_msg("case %zu: %s", i, note);
        }
        close_all(&o);
    }
}

static void policies_ask_trained_predictors(void **state) {
    (void)state;
    opened o;
    const char *set = "policies.has.predictor={\"name\": \"table\", \"model\": \"m.json\"}";
    write_model("10");
    engine_setup e = open_valid(&o, set);
    const engine_fit *fit = &e.fns[0].on[0];
    const predict_dnn d = {engine_calibrated(fit), fit->model, 1};
    assert_true(fabs(predictor_latency_ms(e.predictor, &d, 1, 100, 100) - 10) < 1e-6);
    char err[CONFIG_ERR_LEN];
    assert_int_equal(setup_engine(o.s, 1, 7, &e, err), 0); /* the other policy's is the calibration */
    assert_string_equal(e.predictor->name, "table");
    assert_true(predictor_latency_ms(e.predictor, &d, 1, 100, 100) ==
                calib_latency_ms(fit->model, 1, 100, 100));
    close_all(&o);
    const char *wrong[][2] = {
        {"policies.has.predictor={\"name\": \"best\", \"model\": \"m.json\"}",
         ": policies[0].predictor.name: found \"best\" for "},
        {"policies.has.predictor={\"name\": \"table\", \"model\": \"t.csv\"}", "t.csv"},
        {"functions.f.model=\"bert\"", ": policies[0].predictor: found \"bert\", expected models that"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *sets[] = {set, wrong[i][0]};
        open_with(&o, sets, 2, err);
        assert_null(o.s);
        if (strstr(err, wrong[i][1]) == NULL) fail_msg("found %s, expected %s", err, wrong[i][1]);
        close_all(&o);
    }
    const char *two[] = {set, "cluster.gpus=[{\"device\":\"v100-16gb\"},{\"device\":\"a100-80gb\"}]"};
    open_with(&o, two, 2, err);
    assert_null(o.s);
    if (strstr(err, ": policies[0].predictor: found a trained predictor for v100-16gb and a100") == NULL)
        fail_msg("%s", err);
    close_all(&o);
    setup_hashes of_10 = hash_with(set, 0), of_12;
    write_model("12");
    of_12 = hash_with(set, 0);
    assert_string_not_equal(of_10.policy, of_12.policy);
    assert_string_equal(of_10.config, of_12.config);
    assert_string_equal(of_10.calibration, of_12.calibration);
}

static void hashes_tell_what_changed(void **state) {
    (void)state;
    setup_hashes base = hash_with(NULL, 0), h = hash_with("seeds=9", 0);
    assert_memory_equal(&base, &h, sizeof h);
    h = hash_with(NULL, 1);
    assert_string_not_equal(base.policy, h.policy);
    assert_string_not_equal(base.config, h.config);
    assert_string_equal(base.trace, h.trace);
    h = hash_with("policies.kserve.mode=corrected", 0); /* another policy's affair */
    assert_memory_equal(&base, &h, sizeof h);
    h = hash_with("policies.has.params.tick_s=1", 0);
    assert_string_not_equal(base.policy, h.policy);
    h = hash_with("prices=aws", 0);
    assert_string_not_equal(base.config, h.config);
    h = hash_with("slo_multiplier=9", 0);
    assert_string_not_equal(base.config, h.config);
    assert_string_equal(base.calibration, h.calibration);
    write_file("t.csv", "time_s,function\n1,a\n2,b\n3,b\n4,c\n5,b\n7,a\n");
    h = hash_with(NULL, 0);
    assert_string_not_equal(base.trace, h.trace);
    assert_string_equal(base.config, h.config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_gpus_and_policy),
        cmocka_unit_test(slo_is_multiplier_times_base),
        cmocka_unit_test(a_device_named_twice_is_one_kind),
        cmocka_unit_test(copies_share_by_popularity),
        cmocka_unit_test(sizes_become_work),
        cmocka_unit_test(a_client_sends_its_stages),
        cmocka_unit_test(a_traces_functions_come_by_rank),
        cmocka_unit_test(rules_choose_models_memory_and_slo),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(price_lists_are_checked),
        cmocka_unit_test(shipped_slices_are_derived),
        cmocka_unit_test(the_truth_is_drawn_by_seed),
        cmocka_unit_test(policies_ask_trained_predictors),
        cmocka_unit_test(predictors_know_their_gpu),
        cmocka_unit_test(hashes_tell_what_changed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
