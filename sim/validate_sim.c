#include "validate_sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "engine.h"
#include "validate_replay_int.h"

static const double NS = 1e9;
static const int64_t SECOND_NS = 1000000000;

enum { THREADS_PER_RPS = 2, WARMUP_RPS = 5, REPLAY_LEAD_S = 60 };
static const int64_t TURNAROUND_NS =
    2000000; /* from the last answer of a stage to the next stage's first request */
static const int64_t WARMUP_LEAD_NS =
    6000000000; /* the warm-up begins so long before the load (has-5-resnet: between
                                                     the ticks that see it, spec 5.5) */
static const int64_t LAST_ANSWER_NS = 200000000; /* of the warm-up, about so long after its last request */
static const int64_t SLO_NS = 250000000;
enum { ROWS = 48, GPUS_MAX = 2, BREAKER_S = 120 };

typedef struct {
    const validate_run *run;
    const validate_entry *entry;
    validate_mode mode;
    int64_t zero_ns; /* simulated time of the recording's 0 */
    client_stage *stages;
    client_spec client;
    engine_process process;
    engine_device device;
    engine_gpu gpus[GPUS_MAX];
    engine_fit fit;
    engine_fn fn;
    predictor predict;
    pol_ops replay;
    double *params;
    engine_setup setup;
} scene;

static int is_system(const scene *s, const char *name) {
    return strcmp(s->run->system, name) == 0;
}

static double value(const scene *s, validate_param p) {
    return s->entry->v[p];
}

/* ---- the load ---- */

static int64_t stage_length_ns(uint32_t rate_rps) {
    return (int64_t)rate_rps * VALIDATE_STAGE_S * (SECOND_NS / rate_rps + VALIDATE_LATE_NS);
}

static int set_load(scene *s) {
    size_t n = s->run->n_stages;
    s->stages = malloc((n + 1) * sizeof *s->stages);
    if (!s->stages) return -1;
    s->stages[0] = (client_stage){.rate_rps = WARMUP_RPS};
    for (size_t i = 0; i < n; i++)
        s->stages[i + 1] = (client_stage){.rate_rps = s->run->rate_rps[i], .pause_ns = TURNAROUND_NS};
    s->stages[1].pause_ns = WARMUP_LEAD_NS - stage_length_ns(WARMUP_RPS) - LAST_ANSWER_NS;
    s->client = (client_spec){.stages = s->stages,
                              .n_stages = n + 1,
                              .stage_s = VALIDATE_STAGE_S,
                              .threads_per_rps = THREADS_PER_RPS,
                              .late_ns = VALIDATE_LATE_NS};
    s->fn.client = &s->client;
    s->fn.client_start_ns = s->zero_ns - WARMUP_LEAD_NS;
    return 0;
}

/* ---- pods ---- */

static int set_process(scene *s) {
    s->process = (engine_process){.travel_ms = value(s, VALIDATE_TRAVEL_MS),
                                  .accept_ms = value(s, VALIDATE_ACCEPT_MS),
                                  .prepare_ms = value(s, VALIDATE_PREPARE_MS),
                                  .respond_ms = value(s, VALIDATE_RESPOND_MS),
                                  .cpus = value(s, VALIDATE_CPUS),
                                  .launch_weight = value(s, VALIDATE_LAUNCH_WEIGHT),
                                  .wake_ms = value(s, VALIDATE_WAKE_MS),
                                  .launch_ms = value(s, VALIDATE_LAUNCH_MS),
                                  .first_batch_ms = value(s, VALIDATE_FIRST_BATCH_MS),
                                  .early_share = value(s, VALIDATE_EARLY_SHARE),
                                  .round_trip_ms = value(s, VALIDATE_ROUND_TRIP_MS)};
    s->fn.process = &s->process;
    return dist_lognormal(&s->process.wait_ms, value(s, VALIDATE_WAIT_MS), value(s, VALIDATE_WAIT_CV)) ||
           dist_lognormal(&s->process.work_noise, 1, value(s, VALIDATE_WORK_CV)) ||
           dist_lognormal(&s->process.launch_noise, 1, value(s, VALIDATE_LAUNCH_CV)) ||
           dist_lognormal(&s->fn.noise, 1, value(s, VALIDATE_GPU_CV));
}

static void set_function(scene *s, const calib_model *model) {
    s->fit = (engine_fit){.model = model, .cold_start_ms = 1000 * value(s, VALIDATE_COLD_START_S)};
    s->fn.name = s->run->model;
    s->fn.model_name = s->run->model; /* what the policy takes it for: the label, right or wrong */
    s->fn.on = &s->fit;
    s->fn.memory_mib = (uint32_t)value(s, VALIDATE_MEMORY_MIB);
    s->fn.batch_max = (uint32_t)value(s, VALIDATE_BATCH_MAX);
    s->fn.workers = (uint32_t)value(s, VALIDATE_WORKERS);
    s->fn.slo_ns = SLO_NS;
    s->fn.overhead_ms = dist_constant(value(s, VALIDATE_TRAVEL_MS) + value(s, VALIDATE_ACCEPT_MS) +
                                      value(s, VALIDATE_WAIT_MS) + value(s, VALIDATE_PREPARE_MS) +
                                      value(s, VALIDATE_RESPOND_MS));
    s->fn.cold_start = dist_constant(1);
    s->fn.keep_alive_ns = (int64_t)(NS * value(s, VALIDATE_KEEP_ALIVE_S));
    s->fn.linger_ns = (int64_t)(NS * value(s, VALIDATE_LINGER_S));
}

/* ---- the policy ---- */

static int set_replay(scene *s) {
    const validate_trace *real = &s->run->real;
    s->replay = validate_replay_policy(real->n_shares);
    s->params = malloc(s->replay.n_params * sizeof *s->params);
    if (!s->params) return -1;
    s->params[0] = (double)real->n_shares;
    for (size_t i = 0; i < real->n_shares; i++) {
        double *step = s->params + 1 + i * REPLAY_FIELDS;
        step[REPLAY_TIME] = i ? (double)s->zero_ns + (real->shares[i].t_s + VALIDATE_SHARE_LAG_S) * NS : 0;
        step[REPLAY_PODS] = real->shares[i].pods;
        step[REPLAY_SM] = real->shares[i].sm_pct;
        step[REPLAY_QUOTA] = real->shares[i].quota_pct;
    }
    s->setup.policy = &s->replay;
    s->setup.params = s->params;
    return 0;
}

static void set_param(scene *s, const char *key, double x) {
    for (size_t i = 0; i < s->setup.policy->n_params; i++)
        if (strcmp(s->setup.policy->params[i].key, key) == 0) s->params[i] = x;
}

/* As the runs were configured (spec 1.6, 3.3, 4.4): the first allocation is given, replicas of KServe by the name of
 * the run. */
static int set_policy(scene *s) {
    const pol_ops *ops = s->setup.policy = policy_find(s->run->system);
    if (!(s->params = malloc((ops->n_params + 1) * sizeof *s->params))) return -1;
    s->setup.params = s->params;
    for (size_t i = 0; i < ops->n_params; i++) s->params[i] = ops->params[i].by_default[POL_ARTIFACT];
    if (is_system(s, "kserve")) {
        set_param(s, "container_concurrency", strcmp(s->run->model, "bert") == 0 ? 20 : 15);
        return 0;
    }
    if (!s->run->real.n_shares)
        return 0; /* FaST-GShare: the published configuration is the policy's default */
    const validate_share *first = s->run->real.shares;
    const char *sm = is_system(s, "has") ? "initial_sm_pct" : "sm_pct";
    const char *quota = is_system(s, "has") ? "initial_quota_pct" : "quota_pct";
    set_param(s, sm, first->sm_pct);
    set_param(s, quota, first->quota_pct);
    return 0;
}

/* ---- the run ---- */

static void set_cluster(scene *s, const calib *device) {
    int is_kserve = is_system(s, "kserve");
    s->device = (engine_device){.facts = calib_device_of(device)};
    for (uint32_t g = 0; g < GPUS_MAX; g++) s->gpus[g] = (engine_gpu){.node = g};
    s->setup.devices = &s->device;
    s->setup.n_devices = 1;
    s->setup.gpus = s->gpus;
    s->setup.n_gpus = is_kserve && !strstr(s->run->name, "1-gpu") ? 2 : 1;
    s->setup.rows_per_gpu = is_kserve ? 1 : s->mode == VALIDATE_REPLAY || !is_system(s, "has") ? ROWS : 2;
    s->setup.runtime = is_kserve ? ENGINE_METERED : ENGINE_TOKEN_EXACT;
    s->setup.oversubscribe = !is_kserve;
    s->setup.fns = &s->fn;
    s->setup.n_fns = 1;
    s->setup.billing = is_kserve ? ENGINE_BILL_WHOLE_GPU : ENGINE_BILL_SHARE;
}

static void set_times(scene *s, uint64_t seed) {
    int64_t nominal_ns = (int64_t)s->run->n_stages * VALIDATE_STAGE_S * SECOND_NS;
    s->setup.seed = seed;
    s->setup.duration_ns = s->zero_ns + 4 * nominal_ns + BREAKER_S * SECOND_NS;
    s->setup.drain_ns = BREAKER_S * SECOND_NS;
    s->setup.bin_ns = s->setup.duration_ns;
    s->setup.scrape_ns = is_system(s, "kserve") ? SECOND_NS : 5 * SECOND_NS;
    /* when monitoring looked was not recorded: any phase, by seed, in whole tenths of its period */
    s->setup.scrape_phase_ns =
        (int64_t)(10 * draw_unit(draw_bits(draw_key(seed, 0, DRAW_POLICY), 0))) * (s->setup.scrape_ns / 10);
    s->setup.mode = POL_ARTIFACT;
    s->setup.actions_max = 100000;
    s->setup.record_requests = 1;
    s->setup.predictor = &s->predict;
}

/* Recorded times are whole seconds; the policy mode begins with the recording, replay earlier, for the pods to be ready
 * when it does. KServe was not recorded: its pods were ready before the load. */
static int64_t lead_ns(const scene *s) {
    if (s->mode == VALIDATE_REPLAY || !s->run->real.n_shares) return REPLAY_LEAD_S * SECOND_NS;
    double lead_s = -s->run->real.shares[0].t_s;
    return lead_s * NS < (double)WARMUP_LEAD_NS ? WARMUP_LEAD_NS : (int64_t)(lead_s * NS);
}

static int set_scene(scene *s, const calib *device, const calib_model *model, uint64_t seed) {
    s->zero_ns = lead_ns(s);
    predictor_find(&s->predict, "table", PREDICT_TOKEN);
    set_times(s, seed);
    set_cluster(s, device);
    set_function(s, model);
    return set_load(s) || set_process(s) || (s->mode == VALIDATE_REPLAY ? set_replay(s) : set_policy(s)) ? -1
                                                                                                         : 0;
}

static void close_scene(scene *s) {
    dist_free(&s->process.wait_ms);
    dist_free(&s->process.work_noise);
    dist_free(&s->process.launch_noise);
    dist_free(&s->fn.noise);
    free(s->stages);
    free(s->params);
}

/* ---- what came out ---- */

static int take_requests(validate_trace *out, const engine_result *r) {
    size_t warm_up = WARMUP_RPS * VALIDATE_STAGE_S;
    out->requests = calloc(r->n_requests + 1, sizeof *out->requests);
    if (!out->requests) return -1;
    if (r->n_requests <= warm_up) return 0;
    int64_t zero_ns = r->requests[warm_up].arrival_ns;
    for (size_t i = warm_up; i < r->n_requests; i++) {
        const engine_request *q = &r->requests[i];
        if (q->fate == ENGINE_LOST && q->pod == UINT32_MAX) {
            out->lost++;
            continue;
        }
        double end_ns = (double)(q->end_ns < 0 ? q->arrival_ns : q->end_ns);
        out->requests[out->n_requests++] =
            (validate_request){.start_s = (double)(q->arrival_ns - zero_ns) / NS,
                               .latency_ms = (end_ns - (double)q->arrival_ns) / 1e6,
                               .status = q->fate == ENGINE_COMPLETED ? 200
                                         : q->fate == ENGINE_DROPPED ? 502
                                                                     : 0};
    }
    return 0;
}

/* Allocations after each instant's actions, when the recording would have them. */
static int take_shares(validate_trace *out, const engine_result *r, const scene *s) {
    double later_s = s->mode == VALIDATE_REPLAY ? VALIDATE_SHARE_LAG_S : 0;
    out->shares = calloc(r->n_actions + 1, sizeof *out->shares);
    if (!out->shares) return -1;
    validate_share now = {.gpus = 1};
    for (size_t i = 0; i < r->n_actions; i++) {
        const engine_action *a = &r->actions[i];
        if (a->refused || a->action.verb == POL_ROUTE) continue;
        now.t_s = (double)(a->at_ns - s->zero_ns) / NS - later_s;
        now.pods += a->action.verb == POL_START;
        now.pods -= a->action.verb == POL_STOP || a->action.verb == POL_KILL;
        if (a->action.sm_pct) now.sm_pct = a->action.sm_pct;
        if (a->action.quota_pct) now.quota_pct = a->action.quota_pct;
        if (out->n_shares && out->shares[out->n_shares - 1].t_s == now.t_s) out->n_shares--;
        out->shares[out->n_shares++] = now;
    }
    return 0;
}

static int refuse(char err[VALIDATE_ERR_LEN], const char *why, const char *a, const char *b) {
    snprintf(err, VALIDATE_ERR_LEN, why, a, b);
    return 1;
}

static int check(const scene *s, const calib_model *model, char err[VALIDATE_ERR_LEN]) {
    const validate_run *run = s->run;
    if (!policy_find(run->system)) return refuse(err, "no policy of the system %s%s", run->system, "");
    if (!s->entry) return refuse(err, "no parameters of %s under %s", run->served_model, run->system);
    if (!model) return refuse(err, "no calibration of %s%s", run->served_model, "");
    if (s->mode == VALIDATE_REPLAY && !run->has_usage)
        return refuse(err, "its allocation was not recorded%s%s", "", "");
    if (strcmp(run->system, "has") == 0 && !run->real.n_shares)
        return refuse(err, "its first allocation was not recorded%s%s", "", "");
    return 0;
}

int validate_simulate_on(validate_trace *out, const validate_run *run, const calib *device,
                         const validate_params *params, validate_mode mode, uint64_t seed,
                         char err[VALIDATE_ERR_LEN]) {
    const calib_model *model = calib_model_find(device, run->served_model);
    engine_options options = {.order = ENGINE_GLOBAL, .threads = 1};
    engine_result result = {0};
    char why[ENGINE_ERR_LEN];
    *out = (validate_trace){0};
    scene *s = calloc(1, sizeof *s);
    if (!s) goto no_memory;
    *s = (scene){
        .run = run, .entry = validate_params_find(params, run->system, run->served_model), .mode = mode};
    int rc = check(s, model, err);
    if (rc) goto done;
    if (set_scene(s, device, model, seed)) goto no_memory;
    rc = -1;
    if (engine_run(&s->setup, &options, &result, why))
        snprintf(err, VALIDATE_ERR_LEN, "run %.100s: %.300s", run->name, why);
    else if (take_requests(out, &result) || take_shares(out, &result, s))
        goto no_memory;
    else
        rc = 0;
    goto done;
no_memory:
    snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    rc = -1;
done:
    engine_result_free(&result);
    if (s) close_scene(s);
    free(s);
    if (rc) validate_trace_free(out);
    return rc;
}

int validate_simulate(validate_trace *out, const validate_run *run, const validate_params *params,
                      validate_mode mode, uint64_t seed, char err[VALIDATE_ERR_LEN]) {
    char path[4096];
    calib *device = NULL;
    *out = (validate_trace){0};
    if (cli_find_shipped("calib/data/v100.json", path, sizeof path, err, VALIDATE_ERR_LEN)) return -1;
    if (calib_open(&device, path, err)) return -1;
    int rc = validate_simulate_on(out, run, device, params, mode, seed, err);
    calib_close(device);
    return rc;
}
