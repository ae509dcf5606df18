#include "validate_params.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_json.h"
#include "cli.h"

_Static_assert(VALIDATE_ERR_LEN >= CALIB_ERR_LEN, "messages of the JSON reader fit");

/* The doubts, each the standard deviation of a logarithm, the same for all systems: what was thought by hand, or, where it
 * is more, how far fits with those ended from where they began (root mean square over the groups but HAS-GPU's image
 * runs, which are judged most). By hand, with those runs in view:
 * - travel, accept, prepare, respond (0.7, 0.7, 1, 1): the notes give what they and the wait are together, not what
 *   each is
 * - wait (0.2): a timer of the kernel and a network; the shares of chance (0.5; launch_cv, gpu_cv 0.7): a factor of two
 * - launch_ms (0.5): calibrated on another host; launch_weight, early_share, keep_alive (1): nobody has measured them
 * - cpus (one interpreter lock), wake_ms, round_trip_ms: known, or too small to be told from the rest
 * By the fits, of a model whose kernels varied as its launches: accept 1.4, wait 0.7, work_cv 1, launch_weight 1.1,
 * launch_ms 0.6, launch_cv 2, early_share 1.7. */
const validate_param_info validate_param_infos[VALIDATE_N_PARAMS] = {
    [VALIDATE_BATCH_MAX] = {"batch_max", "requests in a batch, at most", 1, 32, 1, VALIDATE_KNOWN, 0},
    [VALIDATE_WORKERS] = {"workers", "requests between prepare and respond at once", 1, 1000, 1,
                          VALIDATE_KNOWN, 0},
    [VALIDATE_MEMORY_MIB] = {"memory_mib", "GPU memory of a pod", 1, 1 << 20, 1, VALIDATE_KNOWN, 0},
    [VALIDATE_TRAVEL_MS] = {"travel_ms", "to the pod and back, beside the processor", 0, 1000, 0,
                            VALIDATE_SHARED, 0.7},
    [VALIDATE_ACCEPT_MS] = {"accept_ms", "work when a request comes in", 0.01, 1000, 0, VALIDATE_SHARED, 1.4},
    [VALIDATE_WAIT_MS] = {"wait_ms", "wait beside the processor", 0.01, 1000, 0, VALIDATE_SHARED, 0.7},
    [VALIDATE_WAIT_CV] = {"wait_cv", "its coefficient of variation", 0, 3, 0, VALIDATE_SHARED, 0.5},
    [VALIDATE_PREPARE_MS] = {"prepare_ms", "work before a batch", 0.01, 1000, 0, VALIDATE_SHARED, 1},
    [VALIDATE_RESPOND_MS] = {"respond_ms", "work after it", 0.01, 1000, 0, VALIDATE_SHARED, 1},
    [VALIDATE_WORK_CV] = {"work_cv", "coefficient of variation of a request's work", 0, 3, 0, VALIDATE_SHARED,
                          1},
    [VALIDATE_CPUS] = {"cpus", "processors that a pod's work shares", 1, 64, 0, VALIDATE_KNOWN, 0},
    [VALIDATE_LAUNCH_WEIGHT] = {"launch_weight", "of launching, against 1 of other work", 0.01, 10, 0,
                                VALIDATE_SHARED, 1.1},
    [VALIDATE_WAKE_MS] = {"wake_ms", "work more after an idle time", 0, 1000, 0, VALIDATE_KNOWN, 0},
    [VALIDATE_LAUNCH_MS] = {"launch_ms", "work of launching a batch", 0.01, 1000, 0, VALIDATE_OWN, 0.6},
    [VALIDATE_LAUNCH_CV] = {"launch_cv", "its coefficient of variation", 0, 3, 0, VALIDATE_SHARED, 2},
    [VALIDATE_GPU_CV] = {"gpu_cv", "coefficient of variation of kernels' time", 0, 3, 0, VALIDATE_SHARED,
                         0.7},
    [VALIDATE_FIRST_BATCH_MS] = {"first_batch_ms", "the first batch of each size, at least", 0, 60000, 0,
                                 VALIDATE_SHARED, 0.5},
    [VALIDATE_EARLY_SHARE] = {"early_share", "share of tokens asked for early", 0, 1, 0, VALIDATE_SHARED,
                              1.7},
    [VALIDATE_ROUND_TRIP_MS] = {"round_trip_ms", "from asking for a token to the decision", 0, 100, 0,
                                VALIDATE_KNOWN, 0},
    [VALIDATE_COLD_START_S] = {"cold_start_s", "from a pod's creation to its readiness", 0, 1000, 0,
                               VALIDATE_KNOWN, 0},
    [VALIDATE_KEEP_ALIVE_S] = {"keep_alive_s", "the gateway keeps idle connections for so long", 0, 1000, 0,
                               VALIDATE_SHARED, 1},
    [VALIDATE_LINGER_S] = {"linger_s", "killed pods stay in the gateway's table for so long", 0, 1000, 0,
                           VALIDATE_KNOWN, 0},
};

/* ---- reading ---- */

/* A text of at most cap - 1 bytes. */
static void read_text(calib_json *j, const cJSON *from, const char *key, char *out, size_t cap) {
    const char *text = calib_json_text(j, from, key);
    size_t mark = calib_json_enter(j, key);
    if (strlen(text) >= cap)
        calib_json_fail(j, "found %zu bytes, expected at most %zu", strlen(text), cap - 1);
    calib_json_leave(j, mark);
    snprintf(out, cap, "%s", text);
}

/* Members are named freely, but once. */
static void check_once(calib_json *j, const cJSON *object, const cJSON *member) {
    if (cJSON_GetObjectItemCaseSensitive(object, member->string) != member)
        calib_json_fail(j, "key appears twice, expected each key once");
}

static void read_entry(calib_json *j, const cJSON *from, const char *system, const char *model,
                       validate_entry *out) {
    const char *keys[VALIDATE_N_PARAMS + 3] = {"origin", "input"};
    for (int i = 0; i < VALIDATE_N_PARAMS; i++) keys[i + 2] = validate_param_infos[i].key;
    *out = (validate_entry){0};
    calib_json_keys(j, from, keys);
    snprintf(out->system, sizeof out->system, "%s", system);
    snprintf(out->model, sizeof out->model, "%s", model);
    snprintf(out->origin, sizeof out->origin, "%s", calib_json_text(j, from, "origin"));
    read_text(j, from, "input", out->input, sizeof out->input);
    for (int i = 0; i < VALIDATE_N_PARAMS; i++) {
        const validate_param_info *p = &validate_param_infos[i];
        out->v[i] = p->is_integer ? calib_json_uint(j, from, p->key, (uint32_t)p->min, (uint32_t)p->max)
                                  : calib_json_number(j, from, p->key, p->min, p->max);
    }
}

static int add_entry(validate_params *p, calib_json *j, const cJSON *from, const char *system) {
    validate_entry *v = realloc(p->entries, (p->n_entries + 1) * sizeof *v);
    if (!v) return calib_json_fail(j, "out of memory");
    p->entries = v;
    calib_json_name(j, from->string);
    read_entry(j, from, system, from->string, &v[p->n_entries]);
    p->n_entries++;
    return 0;
}

static void read_systems(validate_params *p, calib_json *j, const cJSON *systems) {
    for (const cJSON *s = systems ? systems->child : NULL; s && !j->failed; s = s->next) {
        size_t mark = calib_json_enter(j, s->string);
        calib_json_name(j, s->string);
        check_once(j, systems, s);
        if (!cJSON_IsObject(s)) calib_json_fail(j, "expected an object of models");
        for (const cJSON *m = s->child; m && !j->failed; m = m->next) {
            size_t inner = calib_json_enter(j, m->string);
            check_once(j, s, m);
            add_entry(p, j, m, s->string);
            calib_json_leave(j, inner);
        }
        calib_json_leave(j, mark);
    }
}

/* "Replay: ... Policy: ...": what concerns one mode only; a text without such words concerns both. */
static void split_note(validate_note *n) {
    static const char replay[] = "Replay: ", policy[] = "Policy: ";
    const char *at = strstr(n->why, policy);
    int is_general = !at && strncmp(n->why, replay, strlen(replay)) != 0;
    size_t skip = strncmp(n->why, replay, strlen(replay)) == 0 ? strlen(replay) : 0;
    size_t end = at ? (size_t)(at - n->why) : strlen(n->why);
    while (end > skip && n->why[end - 1] == ' ') end--;
    snprintf(n->replay, sizeof n->replay, "%.*s", (int)(end - skip), n->why + skip);
    snprintf(n->policy, sizeof n->policy, "%s", is_general ? n->why : at ? at + strlen(policy) : "");
}

static void read_notes(validate_params *p, calib_json *j, const cJSON *notes) {
    for (const cJSON *n = notes ? notes->child : NULL; n && !j->failed; n = n->next) {
        validate_note *v = realloc(p->notes, (p->n_notes + 1) * sizeof *v);
        if (!v) {
            calib_json_fail(j, "out of memory");
            return;
        }
        p->notes = v;
        size_t mark = calib_json_enter(j, n->string);
        calib_json_name(j, n->string);
        check_once(j, notes, n);
        calib_json_leave(j, mark);
        snprintf(v[p->n_notes].run, sizeof v->run, "%s", n->string);
        read_text(j, notes, n->string, v[p->n_notes].why, sizeof v->why);
        split_note(&v[p->n_notes]);
        p->n_notes++;
    }
}

int validate_params_open(validate_params **out, const char *path, char err[VALIDATE_ERR_LEN]) {
    static const char *const keys[] = {"format", "generated_by", "systems", "notes", NULL};
    char shipped[4096];
    *out = NULL;
    if (!path && cli_find_shipped("experiments/testbed.json", shipped, sizeof shipped, err, VALIDATE_ERR_LEN))
        return -1;
    if (!path) path = shipped;
    cJSON *root = calib_json_read(path, err);
    if (!root) return -1;
    calib_json j = {.file = path, .err = err};
    validate_params *p = calloc(1, sizeof *p);
    if (!p) calib_json_fail(&j, "out of memory");
    calib_json_keys(&j, root, keys);
    calib_json_is(&j, root, "format", "hassim-testbed-1");
    calib_json_text(&j, root, "generated_by");
    const cJSON *systems = calib_json_object(&j, root, "systems"),
                *notes = calib_json_object(&j, root, "notes");
    if (!j.failed) {
        size_t mark = calib_json_enter(&j, "systems");
        read_systems(p, &j, systems);
        calib_json_leave(&j, mark);
    }
    if (!j.failed) {
        size_t mark = calib_json_enter(&j, "notes");
        read_notes(p, &j, notes);
        calib_json_leave(&j, mark);
    }
    cJSON_Delete(root);
    if (j.failed) {
        validate_params_close(p);
        return -1;
    }
    *out = p;
    return 0;
}

/* ---- writing ---- */

/* Four digits that count: more would claim more than a fit gives. */
static double rounded(double x) {
    char text[32];
    snprintf(text, sizeof text, "%.4g", x);
    return strtod(text, NULL);
}

static cJSON *entry_to_json(const validate_entry *e) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "origin", e->origin);
    cJSON_AddStringToObject(o, "input", e->input);
    for (int i = 0; i < VALIDATE_N_PARAMS; i++) {
        const validate_param_info *p = &validate_param_infos[i];
        cJSON_AddNumberToObject(o, p->key, p->is_integer ? e->v[i] : rounded(e->v[i]));
    }
    return o;
}

static cJSON *to_json(const validate_params *p) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", "hassim-testbed-1");
    cJSON_AddStringToObject(root, "generated_by", "hassim validate RUNS_DIR --fit");
    cJSON *systems = cJSON_AddObjectToObject(root, "systems");
    for (size_t i = 0; i < p->n_entries; i++) {
        cJSON *s = cJSON_GetObjectItemCaseSensitive(systems, p->entries[i].system);
        if (!s) s = cJSON_AddObjectToObject(systems, p->entries[i].system);
        cJSON_AddItemToObject(s, p->entries[i].model, entry_to_json(&p->entries[i]));
    }
    cJSON *notes = cJSON_AddObjectToObject(root, "notes");
    for (size_t i = 0; i < p->n_notes; i++) cJSON_AddStringToObject(notes, p->notes[i].run, p->notes[i].why);
    return root;
}

/* What cannot be written whole is not there. */
static int write_whole(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    int rc = f && fprintf(f, "%s\n", text) > 0 ? 0 : -1;
    if (f && fclose(f)) rc = -1;
    if (f && rc) remove(path);
    return rc;
}

int validate_params_save_check(const char *path, char err[VALIDATE_ERR_LEN]) {
    char temporary[4096];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *f = n < (int)sizeof temporary ? fopen(temporary, "w") : NULL;
    if (!f) {
        snprintf(err, VALIDATE_ERR_LEN, "%.200s: cannot be written: %s", path, strerror(errno));
        return -1;
    }
    fclose(f);
    remove(temporary);
    return 0;
}

int validate_params_save(const validate_params *p, const char *path, char err[VALIDATE_ERR_LEN]) {
    char temporary[4096];
    int rc = -1, n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    cJSON *root = to_json(p);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) {
        snprintf(err, VALIDATE_ERR_LEN, "out of memory");
        return -1;
    }
    if (n < (int)sizeof temporary && write_whole(temporary, text) == 0) {
        rc = rename(temporary, path) ? -1 : 0;
        if (rc) remove(temporary);
    }
    if (rc) snprintf(err, VALIDATE_ERR_LEN, "%.200s: cannot be written", path);
    free(text);
    return rc;
}

/* ---- in memory ---- */

validate_params *validate_params_copy(const validate_params *p) {
    validate_params *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    q->entries = malloc((p->n_entries + 1) * sizeof *q->entries);
    q->notes = malloc((p->n_notes + 1) * sizeof *q->notes);
    if (!q->entries || !q->notes) {
        validate_params_close(q);
        return NULL;
    }
    if (p->n_entries) memcpy(q->entries, p->entries, p->n_entries * sizeof *q->entries);
    if (p->n_notes) memcpy(q->notes, p->notes, p->n_notes * sizeof *q->notes);
    q->n_entries = p->n_entries;
    q->n_notes = p->n_notes;
    return q;
}

void validate_params_close(validate_params *p) {
    if (!p) return;
    free(p->entries);
    free(p->notes);
    free(p);
}

validate_entry *validate_params_find(const validate_params *p, const char *system, const char *model) {
    for (size_t i = 0; i < p->n_entries; i++)
        if (strcmp(p->entries[i].system, system) == 0 && strcmp(p->entries[i].model, model) == 0)
            return &p->entries[i];
    return NULL;
}

const char *validate_params_why(const validate_params *p, const char *run, validate_mode mode) {
    for (size_t i = 0; i < p->n_notes; i++) {
        const char *why = mode == VALIDATE_REPLAY ? p->notes[i].replay : p->notes[i].policy;
        if (strcmp(p->notes[i].run, run) == 0) return *why ? why : NULL;
    }
    return NULL;
}
