/* Configs: what is filled in, and where each mistake is said to be. */
#include <fcntl.h>
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

#include "config.h"

static const char valid[] =
    "{\"name\": \"t\", \"duration_s\": 100, \"seeds\": 2,\n"
    " \"cluster\": {\"gpus\": [{\"device\": \"v100-16gb\", \"nodes\": 2}]},\n"
    " \"functions\": [{\"name\": \"f\", \"model\": \"resnet50\", \"trace\": {\"mean_rps\": 5}},\n"
    "               {\"name\": \"g.h\", \"model\": \"resnet50\", \"trace\": {\"format\": \"csv\", \"path\": "
    "\"t.csv\"}}],\n"
    " \"policies\": [{\"name\": \"has\"}, {\"name\": \"kserve\"}]}";

static char folder[] = "test_config_XXXXXX";

static int make_folder(void **state) {
    char path[64];
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/t.csv", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL) return -1;
    fputs("time_s,function\n1,a\n", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/fifo", folder);
    return mkfifo(path, 0600);
}

static int remove_folder(void **state) {
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "%s/t.csv", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/fifo", folder);
    unlink(path);
    return rmdir(folder);
}

/* Parses text with one override (or none) and builds every grid point; the last config, or NULL and err */
static config *build(const char *text, size_t len, const char *set, char err[CONFIG_ERR_LEN]) {
    char path[64];
    config_doc *doc = NULL;
    config *c = NULL;
    snprintf(path, sizeof path, "%s/c.json", folder);
    if (config_parse(&doc, path, text, len, &set, set == NULL ? 0 : 1, err) != 0) return NULL;
    for (size_t i = 0; i < config_n_points(doc); i++) {
        config_free(c);
        if (config_at(&c, doc, i, err) != 0) break;
    }
    config_close(doc);
    return c;
}

static config *build_valid(const char *set) {
    char err[CONFIG_ERR_LEN] = "";
    config *c = build(valid, strlen(valid), set, err);
    if (c == NULL) fail_msg("%s", err);
    return c;
}

/* err is one line that names the file, and then begins with place */
static void check_error(const char *what, const config *c, const char *err, const char *place) {
    char file[64];
    snprintf(file, sizeof file, "%s/c.json", folder);
    if (c != NULL) fail_msg("%s was accepted", what);
    if (strchr(err, '\n') != NULL) fail_msg("%s: more than one line: %s", what, err);
    const char *rest = strncmp(err, file, strlen(file)) == 0 ? err + strlen(file) : err;
    if (strncmp(rest, place, strlen(place)) != 0)
        fail_msg("%s: found \"%s\", expected \"%s\"", what, err, place);
}

typedef struct {
    const char *set;   /* applied to the valid config */
    const char *place; /* what follows the file's name in the message */
} mistake;

static const mistake mistakes[] = {
    /* unknown keys, with the nearest known one */
    {"durations_s=1", ": found the unknown key \"durations_s\", expected \"duration_s\""},
    {"duration=1", ": found the unknown key \"duration\", expected \"duration_s\""},
    {"zzzzzzzzz=1", ": found the unknown key \"zzzzzzzzz\", expected one of: name, question"},
    {"cluster.gpu=1", ": cluster: found the unknown key \"gpu\", expected \"gpus\""},
    {"cluster.gpus[0].node=1", ": cluster.gpus[0]: found the unknown key \"node\", expected \"nodes\""},
    {"cluster.metrics.scrape=1", ": cluster.metrics: found the unknown key \"scrape\""},
    {"functions[1].modle=1", ": functions[1]: found the unknown key \"modle\", expected \"model\""},
    {"functions.f.trace.rps=1", ": functions[0].trace: found the unknown key \"rps\""},
    {"policies.has.parms={}", ": policies[0]: found the unknown key \"parms\", expected \"params\""},
    {"policies.has.params.tick=1",
     ": policies[0].params: found the unknown key \"tick\", expected \"tick_s\""},
    {"policies.has.params.qwertyuiop=1", ": policies[0].params: found the unknown key \"qwertyuiop\""},
    {"timeline.bin=1", ": timeline: found the unknown key \"bin\""},
    {"Name=x", ": found the unknown key \"Name\", expected \"name\""},
    /* types */
    {"name=3", ": name: found 3"},
    {"question=[]", ": question: found an array, expected a string"},
    {"duration_s=\"long\"", ": duration_s: found the string \"long\", expected a number"},
    {"duration_s=null", ": duration_s: found null"},
    {"cluster=[]", ": cluster: found an array, expected an object"},
    {"cluster.gpus={}", ": cluster.gpus: found an object, expected an array of objects"},
    {"cluster.gpus=[1]", ": cluster.gpus[0]: found 1, expected an object"},
    {"cluster.gpus[0].nodes=1.5", ": cluster.gpus[0].nodes: found 1.5, expected an integer"},
    {"cluster.oversubscribe=1", ": cluster.oversubscribe: found 1, expected true or false"},
    {"seeds=true", ": seeds: found true"},
    {"seeds=[1,\"2\"]", ": seeds[1]: found the string \"2\", expected an integer"},
    {"slo_report=3", ": slo_report: found 3, expected an array of numbers"},
    {"policies.has.params=[]", ": policies[0].params: found an array, expected an object"},
    {"policies.has.params.tick_s=\"2\"",
     ": policies[0].params.tick_s: found the string \"2\", expected a number"},
    {"policies.has.params.filter=1", ": policies[0].params.filter: found 1, expected one of shared|own"},
    {"record_requests=yes", ": record_requests: found the string \"yes\", expected true or false"},
    /* ranges */
    {"duration_s=0", ": duration_s: found 0"},
    {"duration_s=-1", ": duration_s: found -1"},
    {"duration_s=1e999", ": duration_s: found inf"},
    {"duration_s=1e300", ": duration_s: found 1e+300"},
    {"warmup_s=100", ": warmup_s: found no less than duration_s"},
    {"seeds=0", ": seeds: found 0"},
    {"seeds=10001", ": seeds: found 10001"},
    {"seeds=[]", ": seeds: found an empty array"},
    {"seeds=[1,2,1]", ": seeds: found the same seed twice"},
    {"seeds=[-1]", ": seeds[0]: found -1"},
    {"threads=0", ": threads: found 0"},
    {"cluster.gpus=[]", ": cluster.gpus: found an empty array"},
    {"cluster.gpus[0].nodes=0", ": cluster.gpus[0].nodes: found 0"},
    {"cluster.rows_per_gpu=49", ": cluster.rows_per_gpu: found 49"},
    {"cluster.metrics.scrape_s=0", ": cluster.metrics.scrape_s: found 0"},
    {"slo_multiplier=0", ": slo_multiplier: found 0"},
    {"slo_report=[2,1]", ": slo_report[1]: found one not above"},
    {"slo_report=[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", ": slo_report[16]: found one more"},
    {"functions.f.batch_max=33", ": functions[0].batch_max: found 33"},
    {"functions.f.workers=0", ": functions[0].workers: found 0"},
    {"functions.f.count=2000000", ": functions[0].count: found 2000000"},
    {"functions.f.trace.mean_rps=0", ": functions[0].trace.mean_rps: found 0"},
    {"policies.has.params.tick_s=0", ": policies[0].params.tick_s: found 0"},
    {"policies.has.params.min_pods=1.5", ": policies[0].params.min_pods: found 1.5, expected an integer"},
    {"policies.kserve.metrics.phase_s=-1", ": policies[1].metrics.phase_s: found -1"},
    {"timeline.bin_s=0.0001", ": timeline.bin_s: found 0.0001"},
    {"timeline={\"bins\": 3, \"bin_s\": 3}", ": timeline: found both bins and bin_s"},
    /* choices */
    {"engine=isles", ": engine: found the string \"isles\", expected one of \"islands\", \"global\""},
    {"engine=islands|global", ": engine: found the string \"islands|global\""},
    {"engine=", ": engine: found the string \"\""},
    {"cluster.runtime=mps", ": cluster.runtime: found the string \"mps\""},
    {"functions.f.trace.shape=wavy", ": functions[0].trace.shape: found the string \"wavy\""},
    {"functions.f.trace.format=azure2020", ": functions[0].trace.format: found the string \"azure2020\""},
    {"policies.has.mode=faithful", ": policies[0].mode: found the string \"faithful\""},
    {"policies.has.billing=free", ": policies[0].billing: found the string \"free\""},
    /* what belongs together */
    {"cluster={\"gpus\": [{\"device\": \"v100-16gb\"}], \"oversubscribe\": true, \"runtime\": \"metered\"}",
     ": cluster.oversubscribe: found true with the metered runtime"},
    {"functions.f.trace.path=t.csv",
     ": functions[0].trace.path: found the string \"t.csv\", expected this key only"},
    {"functions.f.trace.amplitude=0.5", ": functions[0].trace.amplitude: found 0.5, expected this key only"},
    {"functions.g.h.trace.mean_rps=3", ": functions[1].trace.mean_rps: found 3, expected this key only"},
    {"functions.f.trace.work=sizes",
     ": functions[0].trace.work: found the string \"sizes\", expected this key only"},
    {"functions.g.h.trace.calibrated_size=0",
     ": functions[1].trace.calibrated_size: found 0, expected a number"},
    {"functions.f.trace.out_weight=2",
     ": functions[0].trace.out_weight: found 2, expected this key only where format!=synthetic/client"},
    {"functions.f.trace={\"shape\": \"bursty\", \"mean_rps\": 1, \"burst_s\": 9, \"burst_every_s\": 9}",
     ": functions[0].trace.burst_s: found no less than burst_every_s"},
    {"functions[1].name=f", ": functions[1].name: found \"f\", expected another name than functions[0]'s"},
    {"functions=[]", ": functions: found none"},
    {"functions.f.trace={\"format\": \"client\"}",
     ": functions[0].trace.rates_rps: missing, expected an array"},
    {"functions.f.trace={\"format\": \"client\", \"rates_rps\": []}",
     ": functions[0].trace.rates_rps: found an empty array"},
    {"functions.f.trace={\"format\": \"client\", \"rates_rps\": [5, 0]}",
     ": functions[0].trace.rates_rps[1]: found 0, expected a number from 1"},
    {"functions.f.trace={\"format\": \"client\", \"rates_rps\": [2.5]}",
     ": functions[0].trace.rates_rps[0]: found 2.5, expected a whole number"},
    {"functions.f.trace={\"format\": \"client\", \"rates_rps\": [3, 1000], \"stage_s\": 1001}",
     ": functions[0].trace.rates_rps[1]: found 1000, expected at most 1000000 requests in a stage"},
    {"functions.f.trace={\"format\": \"client\", \"rates_rps\": [5], \"mean_rps\": 3}",
     ": functions[0].trace.mean_rps: found 3, expected this key only where format=synthetic"},
    {"functions.f.trace={\"format\": \"client\", \"rates_rps\": [5], \"path\": \"t.csv\"}",
     ": functions[0].trace.path: found the string \"t.csv\", expected this key only where "
     "format!=synthetic/client"},
    {"functions.f.trace={\"mean_rps\": 3, \"stage_s\": 5}",
     ": functions[0].trace.stage_s: found 5, expected this key only where format=client"},
    {"functions[0]={\"name\": \"f\", \"model\": \"bert\", \"count\": 2, \"zipf\": 1, \"trace\": {\"format\": "
     "\"client\", \"rates_rps\": [5]}}",
     ": functions[0].zipf: found a popularity of clients"},
    {"functions_from={\"trace\": {\"format\": \"client\", \"rates_rps\": [1]}, \"models\": [\"bert\"]}",
     ": functions_from.trace.format: found \"client\""},
    {"functions_from={\"trace\": {\"mean_rps\": 1}, \"models\": [\"bert\"]}",
     ": functions_from.trace.format: found \"synthetic\""},
    {"functions_from={\"trace\": {\"format\": \"csv\", \"path\": \"t.csv\", \"select\": \"row:1\"}, "
     "\"models\": [\"x\"]}",
     ": functions_from.trace.select: found"},
    {"functions_from={\"trace\": {\"format\": \"csv\", \"path\": \"t.csv\"}, \"models\": []}",
     ": functions_from.models: found an empty array"},
    /* missing */
    {"functions_from={\"models\": [\"bert\"]}", ": functions_from.trace: missing"},
    {"functions.f.trace={}", ": functions[0].trace.mean_rps: missing, expected a number"},
    {"functions.g.h.trace={\"format\": \"csv\"}", ": functions[1].trace.path: missing"},
    {"cluster={}", ": cluster.gpus: missing"},
    {"policies=[{}]", ": policies[0].name: missing"},
    /* names */
    {"name=../x", ": name: found the string \"../x\""},
    {"name=", ": name: found the string \"\""},
    {"name=.hidden", ": name: found the string \".hidden\""},
    {"name=\"a\\nb\"", ": name: found the string \"a?b\""},
    {"question=\"\\u001b[2J\"", ": question: found the string \"?[2J\""},
    {"policies=[]", ": policies: found an empty array"},
    {"policies.has.name=kserv",
     ": policies[0].name: found \"kserv\", expected a policy; the nearest is \"kserve\""},
    {"policies.has.name=xxxxxxxx", ": policies[0].name: found \"xxxxxxxx\", expected a policy: has"},
    {"policies.kserve.name=has", ": policies[1]: found \"has:corrected\", expected a \"label\""},
    {"policies.kserve.label=has", ": policies[1]: found \"has\", expected a \"label\""},
    {"policies.has.predictor=oracel", ": policies[0].predictor: found \"oracel\", expected one of: "},
    {"policies.has.predictor=best",
     ": policies[0].predictor: found \"best\", expected {\"name\": \"best\", \"model\": FILE}"},
    {"policies.has.predictor=7",
     ": policies[0].predictor: found 7, expected a string, not empty, or an object"},
    {"policies.has.predictor=", ": policies[0].predictor: found the string \"\""},
    {"policies.has.predictor={}", ": policies[0].predictor.name: missing"},
    {"policies.has.predictor={\"name\": 3}", ": policies[0].predictor.name: found 3"},
    {"policies.has.predictor={\"name\": \"table\", \"modle\": \"t.csv\"}",
     ": policies[0].predictor: found the unknown key \"modle\", expected \"model\""},
    {"policies.has.predictor={\"name\": \"oracle\", \"model\": \"t.csv\"}",
     ": policies[0].predictor.name: found \"oracle\", expected the kind of the trained model"},
    {"policies.has.predictor={\"name\": \"best\", \"model\": \"none.json\"}",
     ": policies[0].predictor.model: found \"test_config_"},
    {"policies.has.predictor={\"name\": \"best\", \"model\": \"t.csv\", \"priors\": \"t.csv\"}",
     ": policies[0].predictor.priors: found \"test_config_"},
    {"policies.has.predictor={\"name\": \"table\", \"priors\": \".\"}",
     ": policies[0].predictor.priors: found priors without a model"},
    {"policies.has.predictor={\"name\": \"table\", \"online\": 1}",
     ": policies[0].predictor.online: found 1, expected true or false"},
    {"model_error=-1", ": model_error: found -1, expected a number from 0 to 10"},
    {"model_error=11", ": model_error: found 11"},
    /* files */
    {"functions.g.h.trace.path=none.csv", ": functions[1].trace.path: found \"test_config_"},
    {"functions.g.h.trace.path=.", ": functions[1].trace.path: found \"test_config_"},
    {"functions.g.h.trace.path=fifo", ": functions[1].trace.path: found \"test_config_"},
    {"cluster.gpus[0].device=none.json", ": cluster.gpus[0].device: found \"test_config_"},
    {"slo_device=./none", ": slo_device: found \"test_config_"},
    {"prices=none.json#gcp", ": prices: found \"test_config_"},
    /* the grid */
    {"grid=[]", ": grid: found an array, expected an object"},
    {"grid={\"threads\": [1]}", ": grid.\"threads\": found a key that a grid cannot vary"},
    {"grid={\"seeds[0]\": [1]}", ": grid.\"seeds[0]\": found a key that a grid cannot vary"},
    {"grid={\"policies\": [[]]}", ": grid.\"policies\": found a key that a grid cannot vary"},
    {"grid={\"slo_multiplier\": []}", ": grid.\"slo_multiplier\": found an empty array"},
    {"grid={\"slo_multiplier\": [2, 3, 2.0]}", ": grid.\"slo_multiplier\": found a value twice"},
    {"grid={\"slo_multiplier\": 2}", ": grid.\"slo_multiplier\": found 2"},
    {"grid={\"slo_multiplier\": [2, 0]}", ": slo_multiplier: found 0"},
    {"grid={\"slo_multipler\": [2]}",
     ": found the unknown key \"slo_multipler\", expected \"slo_multiplier\""},
    {"grid={\"policies.hass.mode\": [\"artifact\"]}",
     ": grid: found \"policies.hass.mode\", expected a name"},
    {"grid={\"cluster.gpus[9].nodes\": [1]}",
     ": grid: found \"cluster.gpus[9].nodes\", expected an array element"},
    {"grid={\"\": [1]}", ": grid: found \"\""},
    /* --set itself */
    {"seeds", "--set: found \"seeds\", expected PATH=VALUE"},
    {"=1", "--set: found \"=1\", expected PATH=VALUE"},
    {"cluster.gpus[x].nodes=1", "--set: found \"cluster.gpus[x].nodes\", expected an index"},
    {"cluster.gpus[7].nodes=1", "--set: found \"cluster.gpus[7].nodes\", expected an array element"},
    {"cluster.gpus[99999999999999999999].nodes=1", "--set: found"},
    {"name.x=1", "--set: found \"name.x\", expected a path through objects"},
    {"a..b=1", "--set: found \"a..b\""},
    {"question=a\377b", "--set:1:3: found byte 0xff, expected UTF-8"},
};

static void mistakes_are_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char err[CONFIG_ERR_LEN] = "";
        config *c = build(valid, strlen(valid), mistakes[i].set, err);
        check_error(mistakes[i].set, c, err, mistakes[i].place);
    }
}

typedef struct {
    const char *text, *place;
} broken;

static const broken broken_texts[] = {
    {"", ":1:1: found the end of the text"},
    {"\n\n  {", ":3:3: found \"{\""},
    {"{\"a\":1,}", ":1:8: found \"}\""},
    {"{\"a\":1\n \"b\":2}", ":2:2: found"},
    {"{\"a\":tru}", ":1:6: found \"t\""},
    {"{\"a\":NaN}", ":1:6: found \"N\""},
    {"[1, 2x]", ":1:6: found \"x\""},
    {"{ a:1}", ":1:3: found \"a\""},
    {"{'a':1}", ":1:2: found \"'\""},
    {"{\"a\":1} x", ":1:9: found more text"},
    {"{\"a\":\"\\ud800\"}", ":1:"},
    {"{\"a\":\"\\u0000\"}", ":1:7: found \\u0000"},
    {"{\"a\":\"\x01\"}", ":1:7: found byte 0x01"},
    {"{\"a\":\"\xc3\x28\"}", ":1:7: found byte 0xc3, expected UTF-8"},
    {"{\"\xc3\xa9\":\"\xed\xa0\x80\"}", ":1:7: found byte 0xed, expected UTF-8"},
    {"{\"a\":\"\xf5\x80\x80\x80\"}", ":1:7: found byte 0xf5, expected UTF-8"},
    {"[]", ": found an array, expected an object"},
    {"3", ": found 3, expected an object"},
    {"{\"name\":\"a\",\"name\":\"b\"}", ": found the key \"name\" twice, expected each key once"},
    {"{\"name\":\"a\",\"nam\\u0065\":\"b\"}", ": found the key \"name\" twice"},
    {"{}", ": name: missing"},
};

static void broken_texts_are_placed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof broken_texts / sizeof *broken_texts; i++) {
        char err[CONFIG_ERR_LEN] = "";
        config *c = build(broken_texts[i].text, strlen(broken_texts[i].text), NULL, err);
        check_error(broken_texts[i].text, c, err, broken_texts[i].place);
    }
}

static void nesting_is_bounded(void **state) {
    (void)state;
    enum { DEEP = 1000000 };
    char err[CONFIG_ERR_LEN] = "", *text = malloc(DEEP + 1);
    assert_non_null(text);
    memset(text, '[', DEEP);
    text[DEEP] = '\0';
    check_error("deep nesting", build(text, DEEP, NULL, err), err, ":1:33: found objects or arrays nested");
    free(text);
}

static void nul_bytes_are_refused(void **state) {
    (void)state;
    const char text[] = "{\"name\":\0\"a\"}";
    char err[CONFIG_ERR_LEN] = "";
    check_error("a NUL byte", build(text, sizeof text - 1, NULL, err), err, ":1:9: found byte 0x00");
}

/* Whatever prefix of a config, and whatever byte is changed: an error or a config, never more than a line */
static void damaged_texts_are_survived(void **state) {
    (void)state;
    size_t len = strlen(valid);
    char text[sizeof valid];
    for (size_t i = 0; i < 4 * len; i++) {
        char err[CONFIG_ERR_LEN] = "";
        memcpy(text, valid, len);
        size_t n = i < len ? i : len;
        if (i >= len) text[i % len] = "\"{0\xff"[i / len];
        config *c = build(text, n, NULL, err);
        if (c == NULL) assert_true(*err != '\0' && strchr(err, '\n') == NULL);
        config_free(c);
    }
}

static void only_regular_files_are_read(void **state) {
    (void)state;
    const char *const names[] = {"", "/fifo", "/none"};
    for (size_t i = 0; i < 3; i++) {
        char path[64], err[CONFIG_ERR_LEN] = "";
        config_doc *doc = NULL;
        snprintf(path, sizeof path, "%s%s", folder, names[i]);
        assert_int_equal(config_open(&doc, path, NULL, 0, err), -1);
        assert_null(doc);
        assert_true(strncmp(err, path, strlen(path)) == 0 && strstr(err, ": found ") != NULL);
    }
}

static void defaults_are_filled_in(void **state) {
    (void)state;
    config *c = build_valid(NULL);
    assert_int_equal(c->n_seeds, 2);
    assert_int_equal(c->seeds[1], 2);
    assert_true(c->drain_s == 600 && c->warmup_s == 0 && c->slo_multiplier == 3);
    assert_int_equal(c->n_report, 5);
    assert_int_equal(c->fns[0].batch_max, 4);
    assert_int_equal(c->fns[0].workers, 8);
    assert_true(c->fns[0].slo_multiplier == 3);
    assert_int_equal(c->fns[1].trace.spec.within, TRACE_UNIFORM);
    assert_string_equal(c->slo_device, "v100-16gb");
    assert_string_equal(c->policies[0].label, "has");
    assert_string_equal(c->policies[0].billing, "share");
    assert_string_equal(c->policies[1].billing, "whole-gpu");
    assert_true(c->policies[0].scrape_s == c->policies[0].ops->scrape_s);
    assert_true(c->bin_s == 100.0 / 240);
    assert_non_null(strstr(c->json, "\"drain_s\":600"));
    assert_null(strstr(c->shared, "policies"));
    config_free(c);
}

/* A parameter's default is its mode's, and stands in the config's text */
static void params_follow_the_mode(void **state) {
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        config *c = build_valid(mode == 0 ? "policies.has.mode=corrected" : "policies.has.mode=artifact");
        const pol_ops *ops = c->policies[0].ops;
        for (size_t i = 0; i < ops->n_params; i++) {
            assert_true(c->policies[0].params[i] == ops->params[i].by_default[mode]);
            assert_non_null(strstr(c->policies[0].json, ops->params[i].key));
        }
        config_free(c);
    }
}

static void overrides_reach_by_name(void **state) {
    (void)state;
    config *c = build_valid("functions.g.h.batch_max=7");
    assert_int_equal(c->fns[0].batch_max, 4);
    assert_int_equal(c->fns[1].batch_max, 7);
    config_free(c);
    c = build_valid("policies.has.metrics.scrape_s=9");
    assert_true(c->policies[0].scrape_s == 9 && c->policies[1].scrape_s != 9);
    config_free(c);
    c = build_valid("question=why not");
    assert_string_equal(c->question, "why not");
    config_free(c);
}

static void the_last_axis_varies_fastest(void **state) {
    (void)state;
    const char *set = "grid={\"slo_multiplier\": [2, 3], \"policies.has.params.tick_s\": [1, 2, 5]}";
    char err[CONFIG_ERR_LEN] = "";
    config_doc *doc = NULL;
    assert_int_equal(config_parse(&doc, "c.json", valid, strlen(valid), &set, 1, err), 0);
    assert_int_equal(config_n_points(doc), 6);
    config_close(doc);
    set = "grid={\"slo_multiplier\": [2, 3], \"policies.has.params.tick_s\": [1, 2, 5]}";
    config *c = build_valid(set);
    assert_string_equal(c->grid, "{\"slo_multiplier\":3,\"policies.has.params.tick_s\":5}");
    assert_true(c->slo_multiplier == 3);
    assert_null(strstr(c->json, "grid\":{\"slo"));
    config_free(c);
}

static void two_modes_get_labels(void **state) {
    (void)state;
    config *c = build_valid("policies=[{\"name\":\"has\"},{\"name\":\"has\",\"mode\":\"artifact\"},"
                            "{\"name\":\"has\",\"label\":\"mine\"}]");
    assert_string_equal(c->policies[0].label, "has:corrected");
    assert_string_equal(c->policies[1].label, "has:artifact");
    assert_string_equal(c->policies[2].label, "mine");
    config_free(c);
}

/* What tells runs apart, or leaves their results as they are, is not in the text that is hashed */
static void shared_text_leaves_out_seeds_and_names(void **state) {
    (void)state;
    const char *const same[] = {"seeds=7", "name=other", "threads=2", "engine=global", "question=x"};
    config *base = build_valid(NULL);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        config *c = build_valid(same[i]);
        assert_string_equal(c->shared, base->shared);
        config_free(c);
    }
    config *c = build_valid("slo_multiplier=4");
    assert_string_not_equal(c->shared, base->shared);
    config_free(c);
    config_free(base);
}

static char *read_text(FILE *file) {
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    rewind(file);
    size_t n = fread(text, 1, (1 << 20) - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

/* The README's section, where it has one, is what the table says */
static void readme_has_the_reference(void **state) {
    (void)state;
    static const char open[] = "<!-- config reference -->\n", shut[] = "<!-- /config reference -->";
    FILE *readme = fopen(HASSIM_ROOT "/README.md", "r"), *scratch = tmpfile();
    assert_non_null(scratch);
    config_print_reference(scratch);
    char *reference = read_text(scratch), *text = readme == NULL ? NULL : read_text(readme);
    assert_non_null(strstr(reference, "| `functions[].trace.scale` |"));
    char *from = text == NULL ? NULL : strstr(text, open), *to = from == NULL ? NULL : strstr(from, shut);
    if (to != NULL) {
        from += strlen(open);
        *to = '\0';
        while (*from == '\n') from++;
        while (to > from && to[-1] == '\n' && to[-2] == '\n') *--to = '\0';
        assert_string_equal(from, reference); /* else: hassim run --config-help */
    } else {
        print_message("README.md has no config reference between its markers: not compared\n");
    }
    free(text);
    free(reference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(broken_texts_are_placed),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(damaged_texts_are_survived),
        cmocka_unit_test(only_regular_files_are_read),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(params_follow_the_mode),
        cmocka_unit_test(overrides_reach_by_name),
        cmocka_unit_test(the_last_axis_varies_fastest),
        cmocka_unit_test(two_modes_get_labels),
        cmocka_unit_test(shared_text_leaves_out_seeds_and_names),
        cmocka_unit_test(readme_has_the_reference),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
