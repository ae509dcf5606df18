/* calib_json.c - strict reading of JSON: every complaint names the file, the place, what was found and what
 * was expected. */
#include "calib_json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of a well-formed UTF-8 sequence of two to four that is no control character; 0: none. */
static size_t utf8_length(const unsigned char *c) {
    size_t n = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (c[0] < 0xc2 || c[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80) return 0;
    uint32_t first = (uint32_t)c[0] << 8 | c[1]; /* longer than need be, surrogates, and beyond the last */
    int is_bad = first < 0xc2a0 || (n == 3 && first < 0xe0a0) || (first >= 0xeda0 && first < 0xee80) ||
                 (n == 4 && first < 0xf090) || first >= 0xf490;
    return is_bad ? 0 : n;
}

void calib_make_printable(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c;) {
        size_t n = *c >= 0x80 ? utf8_length(c) : *c >= 0x20 && *c != 0x7f;
        if (n == 0) *c = '?', n = 1;
        c += n;
    }
}

int calib_json_fail(calib_json *j, const char *format, ...) {
    if (j->failed) return -1;
    j->failed = 1;
    int n = snprintf(j->err, CALIB_ERR_LEN, "%s: %s: ", j->file, j->path[0] ? j->path : "(top)");
    if (n < 0 || n >= CALIB_ERR_LEN) return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(j->err + n, CALIB_ERR_LEN - (size_t)n, format, args);
    va_end(args);
    calib_make_printable(j->err + n);
    return -1;
}

static const char *describe(const cJSON *item, char *text, size_t len) {
    if (cJSON_IsString(item)) {
        snprintf(text, len, "\"%.40s\"", item->valuestring);
        calib_make_printable(text);
    } else if (cJSON_IsNumber(item)) {
        snprintf(text, len, "%.9g", item->valuedouble);
    } else {
        snprintf(text, len, "%s",
                 cJSON_IsObject(item)  ? "an object"
                 : cJSON_IsArray(item) ? "an array"
                 : cJSON_IsTrue(item)  ? "true"
                 : cJSON_IsFalse(item) ? "false"
                                       : "null");
    }
    return text;
}

/* cJSON stops at the byte that it cannot take or, where a string was due, one behind it. */
static void parse_error(const char *name, const char *text, size_t at, char err[CALIB_ERR_LEN]) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    char near[25];
    snprintf(near, sizeof near, "%.24s", text + at);
    calib_make_printable(near);
    if (near[0])
        snprintf(err, CALIB_ERR_LEN, "%s:%zu:%zu: found \"%s\" here or just before, expected JSON", name,
                 line, column, near);
    else
        snprintf(err, CALIB_ERR_LEN, "%s:%zu:%zu: found the end of the text or a NUL byte, expected JSON",
                 name, line, column);
}

/* text[len] is NUL. */
cJSON *calib_json_parse(const char *name, const char *text, size_t len, char err[CALIB_ERR_LEN]) {
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len + 1, &end, 1);
    if (root && end == text + len) return root;
    cJSON_Delete(root);
    size_t at = end && end >= text && end <= text + len ? (size_t)(end - text) : 0;
    parse_error(name, text, at, err);
    return NULL;
}

static char *read_all(const char *file, FILE *in, size_t *len, char err[CALIB_ERR_LEN]) {
    size_t size = 1u << 16, used = 0;
    char *text = malloc(size + 1);
    while (text) {
        used += fread(text + used, 1, size - used, in);
        if (used < size) break;
        if (size >= CALIB_JSON_MAX_BYTES) {
            snprintf(err, CALIB_ERR_LEN, "%s: found a file larger than %u MiB, expected a smaller one", file,
                     CALIB_JSON_MAX_BYTES >> 20);
            free(text);
            return NULL;
        }
        size *= 2;
        char *larger = realloc(text, size + 1);
        if (!larger) free(text);
        text = larger;
    }
    if (!text) {
        snprintf(err, CALIB_ERR_LEN, "%s: out of memory", file);
        return NULL;
    }
    text[used] = '\0';
    *len = used;
    return text;
}

FILE *calib_file_open(const char *file, char err[CALIB_ERR_LEN]) {
    struct stat st = {0};
    FILE *in = NULL;
    const char *found = NULL;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st))
        found = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        found = S_ISDIR(st.st_mode) ? "a directory" : "a device or pipe";
    else if (!(in = fdopen(fd, "rb")))
        found = strerror(errno);
    if (found) snprintf(err, CALIB_ERR_LEN, "%s: found %s, expected a readable file", file, found);
    if (found && fd >= 0) close(fd);
    return in;
}

cJSON *calib_json_read(const char *file, char err[CALIB_ERR_LEN]) {
    FILE *in = calib_file_open(file, err);
    if (!in) return NULL;
    size_t len = 0;
    cJSON *root = NULL;
    char *text = read_all(file, in, &len, err);
    if (text && ferror(in))
        snprintf(err, CALIB_ERR_LEN, "%s: found %s, expected a readable file", file, strerror(errno));
    else if (text)
        root = calib_json_parse(file, text, len, err);
    free(text);
    fclose(in);
    return root;
}

size_t calib_json_enter(calib_json *j, const char *key) {
    size_t mark = strlen(j->path);
    snprintf(j->path + mark, sizeof j->path - mark, mark ? ".%.64s" : "%.64s", key);
    calib_make_printable(j->path + mark);
    return mark;
}

size_t calib_json_enter_at(calib_json *j, int index) {
    size_t mark = strlen(j->path);
    snprintf(j->path + mark, sizeof j->path - mark, "[%d]", index);
    return mark;
}

void calib_json_leave(calib_json *j, size_t mark) {
    j->path[mark] = '\0';
}

static const cJSON *need(calib_json *j, const cJSON *object, const char *key, const char *expected) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item && !j->failed) {
        size_t mark = calib_json_enter(j, key);
        calib_json_fail(j, "missing, expected %s", expected);
        calib_json_leave(j, mark);
    }
    return item;
}

static int wrong(calib_json *j, const cJSON *found, const char *key, const char *expected) {
    char text[64];
    size_t mark = key ? calib_json_enter(j, key) : strlen(j->path);
    calib_json_fail(j, "found %s, expected %s", describe(found, text, sizeof text), expected);
    calib_json_leave(j, mark);
    return -1;
}

/* A key seen twice would leave open which value counts. Quadratic only in the few keys that are allowed. */
int calib_json_keys(calib_json *j, const cJSON *object, const char *const *keys) {
    if (object && !cJSON_IsObject(object))
        return wrong(j, object, NULL, "an object"); /* its members have no names */
    for (const cJSON *item = object ? object->child : NULL; item; item = item->next) {
        const char *const *k = keys;
        while (*k && strcmp(*k, item->string) != 0) k++;
        size_t mark = calib_json_enter(j, item->string);
        if (!*k) calib_json_fail(j, "unknown key, expected one of those of its format");
        if (*k && cJSON_GetObjectItemCaseSensitive(object, *k) != item)
            calib_json_fail(j, "key appears twice, expected each key once");
        calib_json_leave(j, mark);
        if (j->failed) return -1;
    }
    return 0;
}

const cJSON *calib_json_object(calib_json *j, const cJSON *object, const char *key) {
    const cJSON *item = need(j, object, key, "an object");
    if (item && !cJSON_IsObject(item)) wrong(j, item, key, "an object");
    return j->failed ? NULL : item;
}

const cJSON *calib_json_array(calib_json *j, const cJSON *object, const char *key, int min, int max) {
    const cJSON *item = need(j, object, key, "an array");
    if (!item) return NULL;
    if (!cJSON_IsArray(item)) wrong(j, item, key, "an array");
    int n = cJSON_GetArraySize(item);
    if (!j->failed && (n < min || n > max)) {
        size_t mark = calib_json_enter(j, key);
        calib_json_fail(j, "found %d values, expected %d to %d", n, min, max);
        calib_json_leave(j, mark);
    }
    return j->failed ? NULL : item;
}

static double check_number(calib_json *j, const cJSON *item, const char *key, double min, double max) {
    char expected[80];
    snprintf(expected, sizeof expected, "a number from %g to %g", min, max);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= min && item->valuedouble <= max)) {
        wrong(j, item, key, expected);
        return min;
    }
    return item->valuedouble;
}

static uint32_t check_uint(calib_json *j, const cJSON *item, const char *key, uint32_t min, uint32_t max) {
    double value = check_number(j, item, key, min, max);
    if (!j->failed && value != floor(value)) wrong(j, item, key, "a whole number");
    return j->failed ? min : (uint32_t)value;
}

double calib_json_number(calib_json *j, const cJSON *object, const char *key, double min, double max) {
    const cJSON *item = need(j, object, key, "a number");
    return item ? check_number(j, item, key, min, max) : min;
}

uint32_t calib_json_uint(calib_json *j, const cJSON *object, const char *key, uint32_t min, uint32_t max) {
    const cJSON *item = need(j, object, key, "a whole number");
    return item ? check_uint(j, item, key, min, max) : min;
}

double calib_json_number_at(calib_json *j, const cJSON *array, int index, double min, double max) {
    size_t mark = calib_json_enter_at(j, index);
    double value = check_number(j, cJSON_GetArrayItem(array, index), NULL, min, max);
    calib_json_leave(j, mark);
    return value;
}

uint32_t calib_json_uint_at(calib_json *j, const cJSON *array, int index, uint32_t min, uint32_t max) {
    size_t mark = calib_json_enter_at(j, index);
    uint32_t value = check_uint(j, cJSON_GetArrayItem(array, index), NULL, min, max);
    calib_json_leave(j, mark);
    return value;
}

int calib_json_bool(calib_json *j, const cJSON *object, const char *key) {
    const cJSON *item = need(j, object, key, "true or false");
    if (item && !cJSON_IsBool(item)) wrong(j, item, key, "true or false");
    return item && cJSON_IsTrue(item);
}

/* Printable UTF-8 (RFC 3629): without C0, DEL and C1, which terminals obey. */
static int is_printable(const char *text) {
    static const uint32_t least[] = {0x20, 0xa0, 0x800, 0x10000};
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        int more = *c >= 0xf0 ? 3 : *c >= 0xe0 ? 2 : *c >= 0x80 ? 1 : 0;
        uint32_t code = more ? *c & (0x3fu >> more) : *c;
        if (*c > 0xf4 || (*c >= 0x7f && *c < 0xc2)) return 0;
        for (int i = 0; i < more; i++) {
            if ((*++c & 0xc0) != 0x80) return 0;
            code = code << 6 | (*c & 0x3f);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
    }
    return 1;
}

const char *calib_json_text(calib_json *j, const cJSON *object, const char *key) {
    const cJSON *item = need(j, object, key, "a text");
    if (!item) return "";
    if (!cJSON_IsString(item) || !item->valuestring[0] || strlen(item->valuestring) > CALIB_TEXT_MAX) {
        wrong(j, item, key, "a text of 1 to 4000 bytes");
        return "";
    }
    if (is_printable(item->valuestring)) return item->valuestring;
    wrong(j, item, key, "a text in UTF-8 without control characters");
    return "";
}

int calib_json_is(calib_json *j, const cJSON *object, const char *key, const char *expected) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", expected);
    const cJSON *item = need(j, object, key, quoted);
    if (!item || (cJSON_IsString(item) && strcmp(item->valuestring, expected) == 0)) return item ? 0 : -1;
    return wrong(j, item, key, quoted);
}

int calib_name_is_good(const char *name) {
    size_t ok = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return ok && !name[ok] && ok <= 63;
}

int calib_json_name(calib_json *j, const char *name) {
    if (calib_name_is_good(name)) return 0;
    return calib_json_fail(j, "not a name, expected 1 to 63 letters, digits, '_', '-' or '.'");
}
