/* trace_lines.c - a text file line by line, strict scanners, and messages that say where. */
#include "trace_int.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_START = 1 << 20, LINE_MAX_BYTES = 1 << 26, NAME_MAX_BYTES = 1024 };

static const char BYTE_ORDER_MARK[] = "\xef\xbb\xbf"; /* of UTF-8, before the first line */
enum { MARK_BYTES = sizeof BYTE_ORDER_MARK - 1 };

int trace_fail(char *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(err, TRACE_ERR_LEN, format, args);
    va_end(args);
    return -1;
}

int trace_grow(void **array, size_t *capacity, size_t n, size_t size, char *err) {
    if (n <= *capacity) return 0;
    size_t wanted = *capacity ? *capacity : 16;
    while (wanted < n) {
        if (wanted > SIZE_MAX / 2 / size) return trace_fail(err, "out of memory");
        wanted *= 2;
    }
    void *grown = realloc(*array, wanted * size);
    if (!grown) return trace_fail(err, "out of memory");
    *array = grown;
    *capacity = wanted;
    return 0;
}

int trace_lines_open(trace_lines *lines, const char *path, char *err) {
    *lines = (trace_lines){.path = path};
    if (trace_input_open(&lines->input, path, err)) return -1;
    return trace_grow((void **)&lines->buffer, &lines->capacity, BUFFER_START, 1, err);
}

void trace_lines_close(trace_lines *lines) {
    trace_input_close(lines->input);
    lines->input = NULL;
    free(lines->buffer);
    lines->buffer = NULL;
}

/* Moves what is left to the front and reads on. */
static int refill(trace_lines *lines, char *err) {
    size_t left = lines->used - lines->next;
    memmove(lines->buffer, lines->buffer + lines->next, left);
    lines->next = 0;
    lines->used = left;
    if (left >= LINE_MAX_BYTES)
        return trace_fail(err, "%s:%llu: found a line of more than %d bytes, expected a shorter one",
                          lines->path, (unsigned long long)lines->line + 1, LINE_MAX_BYTES);
    if (trace_grow((void **)&lines->buffer, &lines->capacity, left + BUFFER_START / 2, 1, err)) return -1;
    size_t got;
    if (trace_input_read(lines->input, lines->buffer + left, lines->capacity - left - TRACE_SLACK, &got, err))
        return -1;
    lines->at_end = got == 0;
    lines->used += got;
    lines->bytes += got;
    memset(lines->buffer + lines->used, '\n',
           TRACE_SLACK); /* a last line without its end; and the scanners' stop */
    return 0;
}

int trace_lines_next(trace_lines *lines, char *err) {
    size_t looked = 0;
    char *end = NULL;
    while (lines->next + looked == lines->used ||
           !(end = memchr(lines->buffer + lines->next + looked, '\n', lines->used - lines->next - looked))) {
        looked = lines->used - lines->next;
        if (lines->at_end) {
            if (!looked) return 0;
            end = lines->buffer + lines->used;
            break;
        }
        if (refill(lines, err)) return -1;
    }
    lines->line++;
    lines->begin = lines->buffer + lines->next;
    if (lines->line == 1 && end - lines->begin >= MARK_BYTES &&
        memcmp(lines->begin, BYTE_ORDER_MARK, MARK_BYTES) == 0)
        lines->begin += MARK_BYTES;
    lines->end = end > lines->begin && end[-1] == '\r' ? end - 1 : end;
    lines->next = (size_t)(end - lines->buffer) + (end < lines->buffer + lines->used);
    return 1;
}

/* The field at `at` for a message: cut, unprintable bytes as \xNN. */
static void quote_field(const char *at, const char *end, char *out, size_t size) {
    size_t n = 0;
    const char *stop = at + 24;
    for (; at < end && at < stop && *at != ','; at++) {
        unsigned char c = (unsigned char)*at;
        n += (size_t)snprintf(out + n, size - n, c < 0x20 || c > 0x7e ? "\\x%02x" : "%c", c);
    }
    if (at == stop && at < end && *at != ',') snprintf(out + n, size - n, "...");
}

int trace_fail_at(const trace_lines *lines, const char *at, const char *expected, char *err) {
    char found[24 * 4 + 4] = "";
    quote_field(at, lines->end, found, sizeof found);
    bool line_end = at >= lines->end;
    return trace_fail(err, "%s:%llu:%llu: found %s%s%s, expected %s", lines->path,
                      (unsigned long long)lines->line, (unsigned long long)(at - lines->begin) + 1,
                      line_end ? "the end of the line" : "\"",
                      line_end     ? ""
                      : *at == ',' ? ","
                                   : found,
                      line_end ? "" : "\"", expected);
}

int trace_scan_comma(const trace_lines *lines, const char **at, char *err) {
    if (*at >= lines->end || **at != ',') return trace_fail_at(lines, *at, "a comma and another column", err);
    ++*at;
    return 0;
}

int trace_scan_end(const trace_lines *lines, const char *at, char *err) {
    return at == lines->end ? 0 : trace_fail_at(lines, at, "the end of the line", err);
}

static bool ends_name(char c) {
    return (unsigned char)c <= 0x20 || c == 0x7f || c == '"' || c == ',';
}

/* Whether one of eight bytes is below 0x21, or is one of those that end a name: x - n borrows into the top bit of a
 * byte below n, unless it had the bit itself. The bytes after the line are the buffer's slack. */
static bool may_end_name(const char *c) {
    const uint64_t each = UINT64_C(0x0101010101010101), top = each << 7;
    uint64_t x, low, comma, quote, rubout;
    memcpy(&x, c, sizeof x);
    low = (x - each * 0x21) & ~x;
    comma = x ^ each * ',';
    quote = x ^ each * '"';
    rubout = x ^ each * 0x7f;
    return (low | ((comma - each) & ~comma) | ((quote - each) & ~quote) | ((rubout - each) & ~rubout)) & top;
}

/* Bytes of the character of UTF-8 at `at`, which begins with a byte from 0x80 on; 0: none (RFC 3629), or one of the
 * control characters U+0080 to U+009F. */
static size_t wide_length(const unsigned char *at, size_t left) {
    static const uint32_t least[] = {0, 0xa0, 0x800, 0x10000};
    size_t more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : 1;
    uint32_t code = at[0] & (0x3fu >> more);
    if (at[0] < 0xc2 || at[0] > 0xf4 || left <= more) return 0;
    for (size_t i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool is_surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[more] || code > 0x10ffff || is_surrogate ? 0 : more + 1;
}

const char *trace_scan_text(const char *at, const char *end) {
    const uint64_t top = UINT64_C(0x8080808080808080);
    while (at < end) {
        uint64_t x;
        if (end - at >= 8 && (memcpy(&x, at, sizeof x), !(x & top))) {
            at += 8;
            continue;
        }
        size_t n = 1;
        if ((unsigned char)*at >= 0x80) n = wide_length((const unsigned char *)at, (size_t)(end - at));
        if (!n) break;
        at += n;
    }
    return at;
}

int trace_scan_name(const trace_lines *lines, const char **at, char *err) {
    const char *c = *at;
    while (lines->end - c >= 8 && !may_end_name(c)) c += 8;
    while (c < lines->end && !ends_name(*c)) c++;
    if (c < lines->end && *c != ',')
        return trace_fail_at(lines, c, "a name of printable characters without blanks or quotes", err);
    if (c == *at) return trace_fail_at(lines, c, "a name", err);
    const char *text_end = trace_scan_text(*at, c);
    if (text_end < c) return trace_fail_at(lines, text_end, "a name of printable characters (UTF-8)", err);
    if (c - *at > NAME_MAX_BYTES) return trace_fail_at(lines, *at, "a name of at most 1024 bytes", err);
    *at = c;
    return 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* digits[.digits]: up to 19 significant digits in *mantissa, the rest only counted. */
static const char *scan_mantissa(const char *c, uint64_t *mantissa, int64_t *exponent) {
    bool fraction = false;
    const char *start = c;
    int digits = 0;
    for (; is_digit(*c) || (*c == '.' && !fraction); c++) {
        if (*c == '.') {
            fraction = true;
            continue;
        }
        if (digits < 19) {
            *mantissa = *mantissa * 10 + (uint64_t)(*c - '0');
            digits += *mantissa > 0;
            *exponent -= fraction;
        } else {
            *exponent += !fraction;
        }
    }
    bool any = c - start > (fraction ? 1 : 0);
    return any ? c : NULL;
}

static const char *scan_exponent(const char *c, int64_t *exponent) {
    if (*c != 'e' && *c != 'E') return c;
    bool negative = *++c == '-';
    if (*c == '-' || *c == '+') c++;
    if (!is_digit(*c)) return NULL;
    int64_t e = 0;
    for (; is_digit(*c); c++)
        if (e < 100000) e = e * 10 + (*c - '0');
    *exponent += negative ? -e : e;
    return c;
}

int trace_scan_decimal(const trace_lines *lines, const char **at, int decimals, int64_t *value, char *err) {
    uint64_t mantissa = 0;
    int64_t exponent = decimals;
    const char *c = scan_mantissa(*at, &mantissa, &exponent);
    if (c) c = scan_exponent(c, &exponent);
    if (!c || (c < lines->end && *c != ',')) return trace_fail_at(lines, *at, "a decimal number >= 0", err);
    for (; exponent < -1 && mantissa; exponent++) mantissa /= 10;
    if (exponent < 0) mantissa = mantissa / 10 + (mantissa % 10 >= 5);
    for (; exponent > 0 && mantissa; exponent--) {
        if (mantissa > INT64_MAX / 10) break;
        mantissa *= 10;
    }
    if (mantissa > INT64_MAX || (exponent > 0 && mantissa))
        return trace_fail_at(lines, *at, "a smaller number", err);
    *value = (int64_t)mantissa;
    *at = c;
    return 0;
}

int trace_scan_whole(const trace_lines *lines, const char **at, uint64_t most, uint64_t *value, char *err) {
    const char *c = *at;
    uint64_t n = 0;
    for (; is_digit(*c) && n <= most; c++) n = n * 10 + (uint64_t)(*c - '0');
    if (n > most) {
        char expected[64];
        snprintf(expected, sizeof expected, "a whole number of at most %llu", (unsigned long long)most);
        return trace_fail_at(lines, *at, expected, err);
    }
    if (c == *at || (c < lines->end && *c != ','))
        return trace_fail_at(lines, *at, "a whole number >= 0", err);
    *value = n;
    *at = c;
    return 0;
}

int trace_scan_time(const trace_lines *lines, const char **at, int64_t *ns, char *err) {
    const char *start = *at;
    if (trace_scan_decimal(lines, at, 9, ns, err)) return -1;
    if (*ns < TRACE_YEAR_NS) return 0;
    return trace_fail_at(lines, start, "seconds since the trace began, less than 31622400 (a year)", err);
}
