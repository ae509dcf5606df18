/* config_json.c - strict JSON reading on top of cJSON, and messages. */
#include "config_json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    const char *name, *text;
    size_t len;
    char *err;
} source;

/* "NAME:LINE:COLUMN: found ..., expected ..."; columns count characters, not bytes */
static int fail_at(const source *s, size_t at, const char *found, const char *expected) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < s->len; i++) {
        unsigned char byte = (unsigned char)s->text[i];
        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xc0u) != 0x80u) {
            column++;
        }
    }
    snprintf(s->err, CONFIG_ERR_LEN, "%.300s:%zu:%zu: found %s, expected %s", s->name, line, column, found,
             expected);
    config_show(s->err);
    return -1;
}

/* Length of the UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates), 0 if there is none */
static size_t utf8_length(const unsigned char *p, size_t left) {
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0u) != 0x80u) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return n;
}

/* Control characters (C0, DEL and C1, which terminals obey) show as '?' */
static int is_control(const unsigned char *p, size_t n) {
    return p[0] < 0x20 || p[0] == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

void config_show(char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        size_t n = utf8_length((unsigned char *)text, left);
        if (n == 0 || is_control((unsigned char *)text, n)) *text = '?';
        if (n == 2 && *text == '?') text[1] = '?';
        n += n == 0;
        text += n;
        left -= n;
    }
}

typedef struct {
    int in_string;
    int depth;
} scan;

/* One character outside or inside a string; -1 with a message */
static int scan_char(scan *k, const source *s, size_t at) {
    char c = s->text[at];
    if (k->in_string) {
        if (c == '"') k->in_string = 0;
        if (c == '\\' && s->len - at >= 6 && memcmp(s->text + at, "\\u0000", 6) == 0)
            return fail_at(s, at, "\\u0000", "text without NUL");
        return 0;
    }
    if (c == '"') k->in_string = 1;
    if (c == '{' || c == '[') k->depth++;
    if (c == '}' || c == ']') k->depth--;
    if (k->depth > CONFIG_DEPTH_MAX)
        return fail_at(s, at, "objects or arrays nested deeper than 32", "a flat config");
    return 0;
}

/* What cJSON lets pass: bad UTF-8, control characters, NUL escapes, its own deep recursion */
static int scan_text(const source *s) {
    scan k = {0};
    for (size_t at = 0; at < s->len;) {
        const unsigned char *p = (const unsigned char *)s->text + at;
        size_t n = utf8_length(p, s->len - at);
        char found[32];
        snprintf(found, sizeof found, "byte 0x%02x", p[0]);
        if (n == 0) return fail_at(s, at, found, "UTF-8");
        if (*p < 0x20 && (k.in_string || (*p != '\n' && *p != '\r' && *p != '\t')))
            return fail_at(s, at, found, "text without control characters");
        if (scan_char(&k, s, at) != 0) return -1;
        at += n + (size_t)(k.in_string && *p == '\\' && at + 1 < s->len && (p[1] == '"' || p[1] == '\\'));
    }
    return 0;
}

/* Where cJSON wanted a key's quote it stands one behind: on the second character after '{' or ',' */
static int is_behind_key(const source *s, size_t at) {
    if (at < 2 || at >= s->len || strchr("{[,:\" \t\r\n0123456789-", s->text[at - 1]) != NULL) return 0;
    for (at -= 2; at > 0 && strchr(" \t\r\n", s->text[at]) != NULL;) at--;
    return s->text[at] == '{' || s->text[at] == ',';
}

static void fail_syntax(const source *s, const char *end) {
    size_t at = end == NULL ? 0 : (size_t)(end - s->text);
    at -= (size_t)is_behind_key(s, at);
    char one[8] = {0}, found[CONFIG_FOUND_LEN] = "the end of the text";
    if (at < s->len) {
        size_t n = utf8_length((const unsigned char *)s->text + at, s->len - at);
        memcpy(one, s->text + at, n);
        config_quote(found, one);
    }
    fail_at(s, at, found, "JSON: a value, a key in double quotes, a comma or a closing bracket");
}

cJSON *config_json_parse(const char *name, const char *text, size_t len, char err[CONFIG_ERR_LEN]) {
    source s = {name, text, len, err};
    if (scan_text(&s) != 0) return NULL;
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (root == NULL) {
        fail_syntax(&s, end);
        return NULL;
    }
    while (end < text + len && strchr(" \t\r\n", *end) != NULL) end++;
    if (end == text + len) return root;
    fail_at(&s, (size_t)(end - text), "more text", "the end of the file after one JSON value");
    cJSON_Delete(root);
    return NULL;
}

static int fail_file(char *err, const char *path, const char *found) {
    return config_fail(err, path, NULL, found, "a readable JSON file of at most 16 MiB");
}

/* The whole of an open regular file, or NULL */
static char *read_all(int fd, size_t size) {
    char *text = malloc(size + 1);
    size_t got = 0;
    while (text != NULL && got < size) {
        ssize_t n = read(fd, text + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        got += (size_t)n;
    }
    if (text != NULL && got == size) {
        text[size] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

cJSON *config_json_read(const char *path, char err[CONFIG_ERR_LEN]) {
    cJSON *root = NULL;
    char *text = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        fail_file(err, path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        fail_file(err, path, S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
        goto out;
    }
    if ((uintmax_t)st.st_size > CONFIG_BYTES_MAX) {
        fail_file(err, path, "a larger one");
        goto out;
    }
    text = read_all(fd, (size_t)st.st_size);
    if (text == NULL)
        fail_file(err, path, "a read error");
    else
        root = config_json_parse(path, text, (size_t)st.st_size, err);
out:
    free(text);
    if (fd >= 0) close(fd);
    return root;
}

int config_fail(char err[CONFIG_ERR_LEN], const char *file, const char *place, const char *found,
                const char *expected) {
    const char *colon = place == NULL || *place == '\0' ? "" : ": ";
    if (place == NULL) place = "";
    if (found == NULL)
        snprintf(err, CONFIG_ERR_LEN, "%.300s%s%.150s: missing, expected %.400s", file, colon, place,
                 expected);
    else
        snprintf(err, CONFIG_ERR_LEN, "%.300s%s%.150s: found %.120s, expected %.400s", file, colon, place,
                 found, expected);
    config_show(err);
    return -1;
}

const char *config_quote(char out[CONFIG_FOUND_LEN], const char *text) {
    enum { SHOWN = 48 };
    const unsigned char *p = (const unsigned char *)text;
    size_t left = strlen(text), used = 0;
    out[used++] = '"';
    while (left > 0 && used < SHOWN) {
        size_t n = utf8_length(p, left);
        if (n == 0 || is_control(p, n)) {
            out[used++] = '?';
        } else {
            memcpy(out + used, p, n);
            used += n;
        }
        n += n == 0;
        p += n;
        left -= n;
    }
    snprintf(out + used, CONFIG_FOUND_LEN - used, "%s", left > 0 ? "...\"" : "\"");
    return out;
}

const char *config_describe(char out[CONFIG_FOUND_LEN], const cJSON *item) {
    char quoted[CONFIG_FOUND_LEN];
    if (cJSON_IsString(item))
        snprintf(out, CONFIG_FOUND_LEN, "the string %.80s", config_quote(quoted, item->valuestring));
    else if (cJSON_IsNumber(item))
        snprintf(out, CONFIG_FOUND_LEN, "%.15g", item->valuedouble);
    else
        snprintf(out, CONFIG_FOUND_LEN, "%s",
                 cJSON_IsBool(item)     ? (cJSON_IsTrue(item) ? "true" : "false")
                 : cJSON_IsArray(item)  ? "an array"
                 : cJSON_IsObject(item) ? "an object"
                                        : "null");
    return out;
}

size_t config_distance(const char *a, const char *b) {
    enum { LONGEST = 64 };
    size_t row[LONGEST + 1], n = strlen(b);
    if (n > LONGEST || strlen(a) > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

int config_is_near(const char *word, size_t distance) {
    size_t allowed = strlen(word) / 3;
    return distance <= (allowed < 2 ? 2 : allowed);
}
