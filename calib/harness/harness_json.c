/* harness_json.c - a reader by recursive descent, and a writer that appends. */
#include "harness_json.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 64 << 20 };

typedef struct {
    const char *name, *at, *end, *start;
    char *err;
    int depth;
} reader;

static harness_json *read_value(reader *r);

static harness_json *refuse(reader *r, const char *expected) {
    if (r->err[0]) return NULL;
    size_t line = 1;
    for (const char *p = r->start; p < r->at; p++) line += *p == '\n';
    char found[24] = "the end";
    if (r->at < r->end)
        snprintf(found, sizeof found, isprint((unsigned char)*r->at) ? "'%c'" : "byte %d",
                 (unsigned char)*r->at);
    snprintf(r->err, HARNESS_ERR_LEN, "%s:%zu: found %s, expected %s", r->name, line, found, expected);
    return NULL;
}

static void skip_space(reader *r) {
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at) r->at++;
}

static int take(reader *r, char c) {
    skip_space(r);
    if (r->at >= r->end || *r->at != c) return 0;
    r->at++;
    return 1;
}

static harness_json *new_node(reader *r, harness_json_type type) {
    harness_json *j = calloc(1, sizeof *j);
    if (!j) return refuse(r, "memory");
    j->type = type;
    return j;
}

static char unescape(char c) {
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    const char *k = c ? strchr(from, c) : NULL;
    return k ? to[k - from] : c;
}

static char *read_text(reader *r) {
    if (!take(r, '"')) return (char *)refuse(r, "a string");
    const char *from = r->at;
    while (r->at < r->end && *r->at != '"') r->at += *r->at == '\\' ? 2 : 1;
    if (r->at >= r->end) {
        r->at = r->end;
        return (char *)refuse(r, "the end of a string");
    }
    char *text = malloc((size_t)(r->at - from) + 1), *out = text;
    if (!text) return (char *)refuse(r, "memory");
    for (const char *p = from; p < r->at; p++) {
        if (*p != '\\') {
            *out++ = *p;
        } else if (*++p == 'u') {
            *out++ = '?';
            p += r->at - p > 4 ? 4 : 0;
        } else {
            *out++ = unescape(*p);
        }
    }
    *out = '\0';
    r->at++;
    return text;
}

static harness_json *read_string(reader *r) {
    char *text = read_text(r);
    harness_json *j = text ? new_node(r, HARNESS_JSON_STRING) : NULL;
    if (j)
        j->text = text;
    else
        free(text);
    return j;
}

static harness_json *read_member(reader *r, int in_object) {
    char *key = NULL;
    if (in_object) {
        key = read_text(r);
        if (!key) return NULL;
        if (!take(r, ':')) {
            free(key);
            return refuse(r, "':'");
        }
    }
    harness_json *j = read_value(r);
    if (j)
        j->key = key;
    else
        free(key);
    return j;
}

static harness_json *read_members(reader *r, harness_json_type type) {
    char close = type == HARNESS_JSON_OBJECT ? '}' : ']';
    harness_json *j = new_node(r, type), **last = j ? &j->child : NULL;
    if (!j || take(r, close)) return j;
    do {
        *last = read_member(r, type == HARNESS_JSON_OBJECT);
        if (!*last) break;
        last = &(*last)->next;
        if (take(r, close)) return j;
    } while (take(r, ','));
    harness_json_free(j);
    return refuse(r, "',' or the closing bracket");
}

static harness_json *read_word(reader *r) {
    static const struct {
        const char *word;
        harness_json_type type;
        double number;
    } words[] = {
        {"true", HARNESS_JSON_BOOL, 1}, {"false", HARNESS_JSON_BOOL, 0}, {"null", HARNESS_JSON_NULL, 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(r->end - r->at) < n || memcmp(r->at, words[i].word, n) != 0) continue;
        harness_json *j = new_node(r, words[i].type);
        if (j) j->number = words[i].number;
        r->at += n;
        return j;
    }
    return refuse(r, "a value");
}

static harness_json *read_number(reader *r) {
    char digits[64], *stop = NULL;
    size_t n = 0;
    while (n + 1 < sizeof digits && r->at + n < r->end && r->at[n] && strchr("+-.0123456789eE", r->at[n]))
        n++;
    memcpy(digits, r->at, n);
    digits[n] = '\0';
    double value = strtod(digits, &stop);
    if (!n || *stop || !isfinite(value)) return refuse(r, "a number");
    harness_json *j = new_node(r, HARNESS_JSON_NUMBER);
    if (j) j->number = value;
    r->at += n;
    return j;
}

static harness_json *read_value(reader *r) {
    skip_space(r);
    if (r->at >= r->end) return refuse(r, "a value");
    if (*r->at == '"') return read_string(r);
    if (*r->at == '{' || *r->at == '[') {
        if (r->depth >= HARNESS_JSON_DEPTH) return refuse(r, "less nesting");
        harness_json_type type = *r->at++ == '{' ? HARNESS_JSON_OBJECT : HARNESS_JSON_ARRAY;
        r->depth++;
        harness_json *j = read_members(r, type);
        r->depth--;
        return j;
    }
    if (*r->at == '-' || isdigit((unsigned char)*r->at)) return read_number(r);
    return read_word(r);
}

harness_json *harness_json_parse(const char *name, const char *text, size_t len, char err[HARNESS_ERR_LEN]) {
    reader r = {.name = name, .at = text, .start = text, .end = text + len, .err = err};
    err[0] = '\0';
    harness_json *j = read_value(&r);
    skip_space(&r);
    if (j && r.at == r.end) return j;
    refuse(&r, "the end");
    harness_json_free(j);
    return NULL;
}

harness_json *harness_json_read(const char *file, char err[HARNESS_ERR_LEN]) {
    struct stat st;
    FILE *f = NULL;
    harness_json *j = NULL;
    char *text = NULL;
    if (!stat(file, &st) && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX_BYTES) f = fopen(file, "rb");
    if (f) text = malloc((size_t)st.st_size + 1);
    if (!text)
        snprintf(err, HARNESS_ERR_LEN, "%s: found no readable file of at most 64 MiB, expected JSON", file);
    else
        j = harness_json_parse(file, text, fread(text, 1, (size_t)st.st_size, f), err);
    free(text);
    if (f) fclose(f);
    return j;
}

void harness_json_free(harness_json *j) {
    while (j) {
        harness_json *next = j->next;
        harness_json_free(j->child);
        free(j->key);
        free(j->text);
        free(j);
        j = next;
    }
}

const harness_json *harness_json_at(const harness_json *j, const char *path) {
    while (j && *path) {
        size_t n = strcspn(path, ".");
        const harness_json *c = j->type == HARNESS_JSON_OBJECT ? j->child : NULL;
        while (c && (strncmp(c->key, path, n) != 0 || c->key[n])) c = c->next;
        j = c;
        path += n + (path[n] == '.');
    }
    return j;
}

double harness_json_number(const harness_json *j, const char *path, double missing) {
    const harness_json *v = harness_json_at(j, path);
    return v && (v->type == HARNESS_JSON_NUMBER || v->type == HARNESS_JSON_BOOL) ? v->number : missing;
}

const char *harness_json_string(const harness_json *j, const char *path, const char *missing) {
    const harness_json *v = harness_json_at(j, path);
    return v && v->type == HARNESS_JSON_STRING ? v->text : missing;
}

/* Room for n more bytes and the NUL. */
static int grow(harness_text *t, size_t n) {
    if (t->failed) return -1;
    size_t capacity = t->capacity ? t->capacity : 256;
    while (capacity < t->len + n + 1) capacity *= 2;
    if (capacity == t->capacity) return 0;
    char *text = realloc(t->text, capacity);
    t->failed = !text;
    if (!text) return -1;
    t->text = text;
    t->capacity = capacity;
    return 0;
}

void harness_text_add(harness_text *t, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && !grow(t, (size_t)n)) {
        vsnprintf(t->text + t->len, (size_t)n + 1, format, again);
        t->len += (size_t)n;
    }
    va_end(again);
}

void harness_text_quote(harness_text *t, const char *s) {
    harness_text_add(t, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            harness_text_add(t, "\\%c", *s);
        else if ((unsigned char)*s < 0x20 || *s == 0x7f)
            harness_text_add(t, " "); /* messages of drivers: a line break is no loss */
        else
            harness_text_add(t, "%c", *s);
    }
    harness_text_add(t, "\"");
}

void harness_text_number(harness_text *t, double value) {
    if (isfinite(value))
        harness_text_add(t, "%.9g", value);
    else
        harness_text_add(t, "null");
}

void harness_text_free(harness_text *t) {
    free(t->text);
    *t = (harness_text){0};
}

int harness_text_write(const harness_text *t, const char *path, char err[HARNESS_ERR_LEN]) {
    char temporary[4096];
    if (t->failed || snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary) {
        snprintf(err, HARNESS_ERR_LEN, "%.300s: %s", path,
                 t->failed ? "out of memory" : "the name is too long");
        return -1;
    }
    struct stat st; /* a rename would put a file in a device's place */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        snprintf(err, HARNESS_ERR_LEN, "%.300s: found something that is no file, expected a name for one",
                 path);
        return -1;
    }
    FILE *f = fopen(temporary, "wb");
    int bad = !f || fwrite(t->text ? t->text : "", 1, t->len, f) != t->len || fflush(f) || fsync(fileno(f));
    if (f && fclose(f)) bad = 1;
    if (!bad && !rename(temporary, path)) return 0;
    snprintf(err, HARNESS_ERR_LEN, "%.300s: cannot write: %s", path, strerror(errno));
    if (f) unlink(temporary);
    return -1;
}
