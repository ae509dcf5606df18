/* plugin_check.c - does what a policy says about itself make sense? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config_keys.h"
#include "plugin.h"

enum { PARAMS_MAX = 256, NAME_MAX_LEN = 60, PLACE = 80 };

typedef struct {
    const pol_ops *ops;
    const char *what;
    char *err;
} checker;

static int fail(const checker *k, const char *place, const char *found, const char *expected) {
    return config_fail(k->err, k->what, place, found, expected);
}

static int is_word(const char *s, const char *extra) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t n = 0;
    for (; s[n] != '\0' && n <= NAME_MAX_LEN; n++)
        if (strchr(letters, s[n]) == NULL && strchr(extra, s[n]) == NULL) return 0;
    return n > 0 && n <= NAME_MAX_LEN;
}

static int check_abi(const checker *k) {
    char found[80], expected[80];
    if (k->ops->abi == POL_ABI) return 0;
    snprintf(found, sizeof found, "a policy built for contract %u", (unsigned)k->ops->abi);
    snprintf(expected, sizeof expected, "contract %u: rebuild it against this program's policy.h", POL_ABI);
    return fail(k, NULL, found, expected);
}

static int check_name(const checker *k) {
    char quoted[CONFIG_FOUND_LEN];
    const char *name = k->ops->name;
    if (name != NULL && is_word(name, "-.")) return 0;
    return fail(k, "name", name == NULL ? NULL : config_quote(quoted, name),
                "letters, digits, \"_\", \"-\" and \".\", 1 to 60 of them");
}

static int check_functions(const checker *k) {
    const pol_ops *o = k->ops;
    const char *missing = o->open == NULL      ? "open"
                          : o->observe == NULL ? "observe"
                          : o->act == NULL     ? "act"
                          : o->close == NULL   ? "close"
                                               : NULL;
    return missing == NULL ? 0 : fail(k, missing, NULL, "a function");
}

/* What the config's table allows an entry to say about billing, it allows its policy */
static int check_billing(const checker *k) {
    size_t n = 0;
    char quoted[CONFIG_FOUND_LEN], expected[120];
    const config_key *keys = config_keys(&n);
    const char *choices = "";
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].path, "policies[].billing") == 0) choices = keys[i].choices;
    if (k->ops->billing != NULL && config_choice_index(choices, k->ops->billing) >= 0) return 0;
    snprintf(expected, sizeof expected, "one of %.100s", choices);
    return fail(k, "billing", k->ops->billing == NULL ? NULL : config_quote(quoted, k->ops->billing),
                expected);
}

static int check_top(const checker *k) {
    if (check_abi(k) != 0 || check_name(k) != 0 || check_functions(k) != 0 || check_billing(k) != 0)
        return -1;
    if (k->ops->help == NULL || strpbrk(k->ops->help, "\r\n") != NULL)
        return fail(k, "help", k->ops->help == NULL ? NULL : "several lines", "one line of text");
    if (!(k->ops->scrape_s >= 0.001 && k->ops->scrape_s <= 86400))
        return fail(k, "scrape_s", "a metrics period out of range", "one from 0.001 to 86400 s");
    if (k->ops->n_params > PARAMS_MAX) return fail(k, "n_params", "more than 256", "at most 256");
    if (k->ops->n_params > 0 && k->ops->params == NULL) return fail(k, "params", NULL, "a table of n_params");
    return 0;
}

/* Number of choices in "a|b|c"; 0: not a list of short words */
static int count_choices(const char *choices) {
    int n = 0;
    for (const char *p = choices;; p++) {
        size_t len = strcspn(p, "|");
        if (len == 0 || len > NAME_MAX_LEN) return 0;
        n++;
        p += len;
        if (*p == '\0') return n;
    }
}

static int check_choices(const checker *k, const pol_param *p, const char *place) {
    int n = count_choices(p->choices);
    if (n == 0)
        return fail(k, place, "choices that are no list", "words with \"|\" between them, as \"a|b\"");
    for (int mode = 0; mode < 2; mode++) {
        double value = p->by_default[mode];
        if (!(value >= 0 && value < n && floor(value) == value))
            return fail(k, place, "a default that is no choice", "the index of one, from 0");
    }
    return 0;
}

static int check_range(const checker *k, const pol_param *p, const char *place) {
    if (!isfinite(p->min) || !isfinite(p->max) || p->min > p->max)
        return fail(k, place, "a range that holds nothing", "finite min <= max");
    for (int mode = 0; mode < 2; mode++) {
        double value = p->by_default[mode];
        if (!(value >= p->min && value <= p->max))
            return fail(k, place, "a default out of its range", "one from min to max");
        if (p->is_integer && floor(value) != value)
            return fail(k, place, "a default with a fraction", "an integer, as is_integer says");
    }
    return 0;
}

static int check_param(const checker *k, size_t i) {
    const pol_param *p = &k->ops->params[i];
    char place[PLACE];
    snprintf(place, sizeof place, "params[%zu]", i);
    if (p->key == NULL || !is_word(p->key, ""))
        return fail(k, place, "a key that is no word", "letters, digits and \"_\", 1 to 60 of them");
    snprintf(place, sizeof place, "params.%s", p->key);
    for (size_t j = 0; j < i; j++)
        if (strcmp(k->ops->params[j].key, p->key) == 0)
            return fail(k, place, "the key twice", "each key once");
    if (p->unit == NULL || p->help == NULL)
        return fail(k, place, "no unit or no help", "text, \"\" for none");
    return p->choices != NULL ? check_choices(k, p, place) : check_range(k, p, place);
}

int plugin_check_ops(const pol_ops *ops, const char *what, char err[CONFIG_ERR_LEN]) {
    const checker k = {ops, what, err};
    if (check_top(&k) != 0) return -1;
    for (size_t i = 0; i < ops->n_params; i++)
        if (check_param(&k, i) != 0) return -1;
    return 0;
}
