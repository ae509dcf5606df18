/* validate_json.c - the report for programs. */
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "validate_report.h"

static void add_number(cJSON *object, const char *key, double value) {
    if (isfinite(value))
        cJSON_AddNumberToObject(object, key, value);
    else
        cJSON_AddNullToObject(object, key);
}

static void add_values(cJSON *object, const char *key, const validate_values *v) {
    cJSON *values = cJSON_AddObjectToObject(object, key);
    for (size_t m = 0; m < VALIDATE_METRICS; m++) add_number(values, validate_metrics[m].key, v->of[m]);
}

static cJSON *bounds(const validate_error *e) {
    if (!isfinite(e->lo)) return cJSON_CreateNull();
    return cJSON_CreateDoubleArray((const double[]){e->lo, e->hi}, 2);
}

static void add_errors(cJSON *object, const validate_row *row) {
    cJSON *errors = cJSON_AddObjectToObject(object, "error"),
          *intervals = cJSON_AddObjectToObject(object, "interval");
    for (size_t m = VALIDATE_MEAN; m < VALIDATE_METRICS; m++) {
        add_number(errors, validate_metrics[m].error, row->error[m].value);
        cJSON_AddItemToObject(intervals, validate_metrics[m].error, bounds(&row->error[m]));
    }
}

/* "p50" of "p50_ms" or of "p50_pct" */
static const char *stem(const char *key, char to[32]) {
    snprintf(to, 32, "%s", key);
    char *unit = strrchr(to, '_');
    if (unit) *unit = '\0';
    return to;
}

static void add_spread(cJSON *object, const validate_row *row) {
    char name[32];
    if (!row->n_replicates) {
        cJSON_AddNullToObject(object, "replicate_spread_pct");
        return;
    }
    cJSON *spread = cJSON_AddObjectToObject(object, "replicate_spread_pct");
    for (size_t m = VALIDATE_MEAN; m < VALIDATE_METRICS; m++)
        add_number(spread, stem(validate_metrics[m].error, name), row->spread[m]);
    cJSON_AddNumberToObject(object, "replicates", (double)row->n_replicates);
}

static void add_condition_spread(cJSON *object, const validate_row *row) {
    add_number(object, "condition_spread_p50_pct", row->condition_spread_pct);
    cJSON_AddNumberToObject(object, "runs_alike", (double)row->n_alike);
    cJSON_AddNumberToObject(object, "requests_alike", (double)row->n_alike_requests);
}

static void add_verdicts(cJSON *object, const validate_row *row) {
    static const char *const words[] = {[VALIDATE_MET] = "met",
                                        [VALIDATE_WITHIN_SPREAD] = "within replicate spread",
                                        [VALIDATE_MISSED] = "missed"};
    cJSON *targets = cJSON_AddObjectToObject(object, "targets");
    for (size_t m = 0; m < VALIDATE_METRICS; m++)
        if (row->verdict[m])
            cJSON_AddStringToObject(targets, validate_metrics[m].error, words[row->verdict[m]]);
    if (row->trajectory) cJSON_AddStringToObject(targets, "agreement_share_pct", words[row->trajectory]);
    if (row->why) cJSON_AddStringToObject(object, "why", row->why);
}

static void add_names(cJSON *object, const validate_run *run) {
    cJSON_AddStringToObject(object, "run", run->name);
    cJSON_AddStringToObject(object, "system", run->system);
    cJSON_AddStringToObject(object, "model", run->model);
    cJSON_AddStringToObject(object, "served_model", run->served_model);
    cJSON_AddStringToObject(object, "workload", run->workload);
    cJSON *tags = cJSON_AddArrayToObject(object, "tags");
    for (size_t i = 0; i < run->n_tags; i++) cJSON_AddItemToArray(tags, cJSON_CreateString(run->tags[i]));
}

/* Quota over time: [t_s, pods, sm_pct, quota_pct] where it changes */
static void add_allocation(cJSON *object, const char *key, const validate_trace *t) {
    cJSON *changes = cJSON_AddArrayToObject(object, key);
    for (size_t i = 0; i < t->n_shares; i++) {
        const validate_share *s = &t->shares[i];
        const double change[] = {s->t_s, s->pods, s->sm_pct, s->quota_pct};
        cJSON_AddItemToArray(changes, cJSON_CreateDoubleArray(change, 4));
    }
}

static cJSON *row_object(const validate_row *row) {
    cJSON *object = cJSON_CreateObject();
    add_names(object, row->run);
    add_values(object, "real", &row->real);
    add_allocation(object, "allocation", &row->run->real);
    add_spread(object, row);
    add_condition_spread(object, row);
    if (!row->simulated) {
        cJSON_AddFalseToObject(object, "simulated");
        cJSON_AddStringToObject(object, "reason", row->note);
        return object;
    }
    add_values(object, "simulated", &row->mean);
    add_allocation(object, "simulated_allocation", &row->traces[0]); /* of the first seed */
    add_errors(object, row);
    add_number(object, "agreement_share_pct", row->share_agreement_pct);
    add_number(object, "agreement_pods_pct", row->pods_agreement_pct);
    if (*row->note) cJSON_AddStringToObject(object, "note", row->note);
    add_verdicts(object, row);
    return object;
}

static void add_goals(cJSON *object, const validate_summary *s) {
    cJSON *goals = cJSON_AddArrayToObject(object, "targets");
    for (size_t i = 0; i < s->n_goals; i++) {
        const validate_goal *g = &s->goals[i];
        cJSON *goal = cJSON_CreateObject();
        cJSON_AddStringToObject(goal, "error", validate_metrics[g->metric].error);
        cJSON_AddNumberToObject(goal, "limit", g->limit);
        cJSON_AddNumberToObject(goal, "runs", (double)g->judged);
        cJSON_AddNumberToObject(goal, "runs_met", (double)g->met);
        cJSON_AddNumberToObject(goal, "runs_within_twice", (double)g->within_twice);
        cJSON_AddBoolToObject(goal, "met", g->is_met);
        cJSON_AddItemToArray(goals, goal);
    }
    if (!s->trajectories) return;
    cJSON_AddNumberToObject(object, "trajectories", (double)s->trajectories);
    cJSON_AddNumberToObject(object, "trajectories_met", (double)s->trajectories_met);
}

/* Violations without a limit in their name are those at 250 ms. */
static cJSON *set_object(const validate_summary *s) {
    cJSON *object = cJSON_CreateObject();
    char key[64];
    cJSON_AddNumberToObject(object, "runs", (double)s->runs);
    for (size_t m = VALIDATE_MEAN; m < VALIDATE_METRICS; m++) {
        const char *name = m == VALIDATE_VIOLATION_250 ? "violation_pp" : validate_metrics[m].error;
        snprintf(key, sizeof key, "median_abs_error_%s", name);
        add_number(object, key, s->median[m]);
        snprintf(key, sizeof key, "p80_abs_error_%s", name);
        add_number(object, key, s->p80[m]);
    }
    add_goals(object, s);
    return object;
}

int validate_report_json(const validate_report *r, FILE *out) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "mode", r->mode == VALIDATE_POLICY ? "policy" : "replay");
    cJSON_AddBoolToObject(root, "cross_validated", r->cross_validated);
    cJSON_AddNumberToObject(root, "seeds", r->n_seeds);
    cJSON *runs = cJSON_AddArrayToObject(root, "runs");
    for (size_t i = 0; i < r->n_rows; i++) cJSON_AddItemToArray(runs, row_object(&r->rows[i]));
    cJSON *summary = cJSON_AddObjectToObject(root, "summary");
    for (size_t i = 0; i < VALIDATE_SETS; i++)
        cJSON_AddItemToObject(summary, r->sets[i].name, set_object(&r->sets[i]));
    char *text = cJSON_Print(root);
    if (text) fprintf(out, "%s\n", text);
    cJSON_Delete(root);
    cJSON_free(text);
    return text ? 0 : -1;
}
