#include "trace_packed.h"

#include "trace_int.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    VERSION = 1,
    HEADER_BYTES = 144,
    FUNCTION_BYTES = 40,
    CHECKED_FROM = 16,
    N_DEFECTS = sizeof(trace_defects) / sizeof(uint64_t),
    FLAG_SIZED = 1,
    FLAG_TOKENS = 2, /* never alone */
    KEY_MAX_BYTES = 8192,
    PROVENANCE_MAX_BYTES = 4096
};
_Static_assert(N_DEFECTS == 8, "the header holds eight defects");
static const char magic[8] = {'H', 'A', 'S', 'S', 'I', 'M', 'T', 'R'};

static uint64_t get(const uint8_t *at, int n) {
    uint64_t value = 0;
    for (int i = 0; i < n; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static double get_double(const uint8_t *at) {
    uint64_t bits = get(at, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint8_t *put(uint8_t *at, uint64_t value, int n) {
    for (int i = 0; i < n; i++) at[i] = (uint8_t)(value >> (8 * i));
    return at + n;
}

static uint8_t *put_double(uint8_t *at, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put(at, bits, 8);
}

/* zlib counts bytes in 32 bits. */
static uint32_t add_crc(uint32_t crc, const uint8_t *at, size_t n) {
    for (size_t piece; n; at += piece, n -= piece) {
        piece = n < (1u << 30) ? n : 1u << 30;
        crc = (uint32_t)crc32(crc, at, (uInt)piece);
    }
    return crc;
}

/* ---- writing ---- */

/* Bytes of a row's records. */
static size_t row_bytes(const trace_file *file, const trace_row *row) {
    const uint8_t *start = file->data + row->data;
    if (!file->bin_ns) {
        trace_walk walk = trace_walk_of(file, row);
        while (trace_walk_next(&walk)) continue;
        return (size_t)(walk.at - start);
    }
    const uint8_t *at = start;
    int64_t bin = -1;
    uint32_t count;
    while (trace_counts_next(&at, &bin, &count)) continue;
    return (size_t)(at - start);
}

typedef struct {
    const trace_file *file;
    const uint32_t *functions;
    size_t n;
    uint8_t *front; /* all but the records */
    size_t front_bytes;
    size_t *row_bytes;
    trace_packed_size size;
} packing;

static const trace_row *row_at(const packing *p, size_t i) {
    return &p->file->rows[p->functions ? p->functions[i] : i];
}

static const char *key_at(const packing *p, size_t i) {
    return trace_names_at(&p->file->keys, p->functions ? p->functions[i] : (uint32_t)i);
}

static void put_header(packing *p, size_t key_bytes, size_t provenance_bytes) {
    const trace_file *file = p->file;
    uint64_t defects[N_DEFECTS];
    memcpy(defects, &file->defects, sizeof defects);
    memcpy(p->front, magic, sizeof magic);
    uint8_t *at = put(p->front + sizeof magic, VERSION, 4) + 4;
    at = put(at, p->size.bytes, 8);
    at = put(at, (uint64_t)file->bin_ns, 8);
    at = put(at, (uint64_t)file->span_ns, 8);
    at = put(at, p->n, 8);
    at = put(at, (file->is_sized ? FLAG_SIZED : 0) | (file->has_tokens ? FLAG_TOKENS : 0), 8);
    at = put(at, key_bytes, 8);
    at = put(at, provenance_bytes, 8);
    at = put(at, p->size.record_bytes, 8);
    for (size_t i = 0; i < N_DEFECTS; i++) at = put(at, defects[i], 8);
}

static uint8_t *put_functions(const packing *p) {
    uint8_t *at = p->front + HEADER_BYTES;
    for (size_t i = 0; i < p->n; i++) {
        const trace_row *row = row_at(p, i);
        size_t key = strlen(key_at(p, i));
        at = put(at, row->count, 8);
        at = put(at, p->row_bytes[i], 8);
        at = put_double(at, row->duration_ms);
        at = put_double(at, row->memory_mib);
        at = put(at, key, 4);
        at = put(at, key - row->name, 4);
    }
    for (size_t i = 0; i < p->n; i++) {
        size_t key = strlen(key_at(p, i));
        memcpy(at, key_at(p, i), key);
        at += key;
    }
    return at;
}

static int pack(packing *p, const char *provenance, char *err) {
    size_t key_bytes = 0, provenance_bytes = strlen(provenance);
    if (provenance_bytes > PROVENANCE_MAX_BYTES) provenance_bytes = PROVENANCE_MAX_BYTES;
    p->row_bytes = malloc((p->n + 1) * sizeof *p->row_bytes);
    if (!p->row_bytes) return trace_fail(err, "out of memory");
    for (size_t i = 0; i < p->n; i++) {
        key_bytes += strlen(key_at(p, i));
        p->row_bytes[i] = row_bytes(p->file, row_at(p, i));
        p->size.record_bytes += p->row_bytes[i];
        p->size.requests += row_at(p, i)->count;
    }
    p->front_bytes = HEADER_BYTES + FUNCTION_BYTES * p->n + key_bytes + provenance_bytes;
    p->size.functions = p->n;
    p->size.bytes = p->front_bytes + p->size.record_bytes;
    p->front = malloc(p->front_bytes);
    if (!p->front) return trace_fail(err, "out of memory");
    put_header(p, key_bytes, provenance_bytes);
    memcpy(put_functions(p), provenance, provenance_bytes);
    uint32_t crc = add_crc(0, p->front + CHECKED_FROM, p->front_bytes - CHECKED_FROM);
    for (size_t i = 0; i < p->n; i++) crc = add_crc(crc, p->file->data + row_at(p, i)->data, p->row_bytes[i]);
    put(p->front + 12, crc, 4);
    return 0;
}

static int write_bytes(const packing *p, FILE *f) {
    if (fwrite(p->front, 1, p->front_bytes, f) != p->front_bytes) return -1;
    for (size_t i = 0; i < p->n; i++)
        if (fwrite(p->file->data + row_at(p, i)->data, 1, p->row_bytes[i], f) != p->row_bytes[i]) return -1;
    return fflush(f) || fsync(fileno(f)) ? -1 : 0;
}

/* A rename would put a file in a device's place. */
static bool is_no_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static int write_file(const packing *p, const char *path, char *err) {
    size_t len = strlen(path);
    char *part = malloc(len + sizeof ".part");
    if (!part) return trace_fail(err, "out of memory");
    memcpy(part, path, len);
    memcpy(part + len, ".part", sizeof ".part");
    FILE *f = NULL;
    int rc = 0;
    if (is_no_file(path))
        rc = trace_fail(err, "%s: found something that is no file, expected a name for one", path);
    else if (!(f = fopen(part, "wbx")) && errno == EEXIST)
        rc = trace_fail(err, "%s: is there, another import at work or one that was killed; remove it", part);
    else if (!f)
        rc = trace_fail(err, "%s: found %s, expected a folder that takes files", path, strerror(errno));
    else {
        rc = write_bytes(p, f);
        if (fclose(f)) rc = -1;
        if (!rc) rc = rename(part, path);
        if (rc) rc = trace_fail(err, "%s: found %s, expected room for the file", path, strerror(errno));
        if (rc) unlink(part);
    }
    free(part);
    return rc;
}

int trace_packed_write(const trace_file *file, const uint32_t *functions, size_t n, const char *provenance,
                       const char *path, trace_packed_size *size, char err[TRACE_ERR_LEN]) {
    packing p = {.file = file, .functions = functions, .n = functions ? n : file->keys.n};
    int rc = pack(&p, provenance, err);
    if (!rc) rc = write_file(&p, path, err);
    *size = p.size;
    free(p.front);
    free(p.row_bytes);
    return rc;
}

const char *trace_provenance_of(const trace_file *file) {
    return file->provenance ? file->provenance : "";
}

/* ---- reading ---- */

/* A number of at most 63 bits that ends before `end`; false where none is. */
static bool take_digits(const uint8_t **at, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 63 && *at < end; shift += 7) {
        uint64_t byte = *(*at)++;
        *value |= (byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* NULL, or what is wrong. at moves to the end of the row's records. */
static const char *check_counts(const trace_file *file, trace_row *row, const uint8_t **at,
                                const uint8_t *end) {
    uint64_t bins = (uint64_t)(file->span_ns / file->bin_ns), next = 0, sum = 0, distance, count;
    for (;;) {
        if (!take_digits(at, end, &distance)) return "a record that is cut";
        if (!distance) break;
        if (distance > bins - next) return "a count after the end of the trace";
        next += distance;
        if (!take_digits(at, end, &count)) return "a record that is cut";
        if (count < 1 || count > TRACE_MAX_BIN) return "a count that is not from 1 to 1000000000";
        if (count > row->max_bin) row->max_bin = (uint32_t)count;
        sum += count;
    }
    return sum == row->count ? NULL : "counts that do not add up to the function's";
}

static const char *check_arrivals(const trace_file *file, trace_row *row, const uint8_t **at,
                                  const uint8_t *end) {
    uint64_t now = 0, gap, size = 1, out = 0;
    double sum = 0, sum_out = 0;
    for (uint64_t i = 0; i < row->count; i++) {
        if (!take_digits(at, end, &gap)) return "a record that is cut";
        if (gap > (uint64_t)file->span_ns - now) return "an arrival after the end of the trace";
        now += gap;
        if (file->is_sized && !take_digits(at, end, &size)) return "a record that is cut";
        if (size < 1 || size > UINT32_MAX) return "a size that is not from 1 to 4294967295";
        if (file->has_tokens && !take_digits(at, end, &out)) return "a record that is cut";
        if (out > size) return "more tokens generated than there are";
        sum += (double)size;
        sum_out += (double)out;
    }
    if (!row->count) return "a function without arrivals";
    if (file->is_sized) row->mean_size = sum / (double)row->count;
    if (file->has_tokens) row->mean_out = sum_out / (double)row->count;
    return NULL;
}

static int fail_rule(const char *path, const char *found, char *err) {
    return trace_fail(err, "%s: found %s, expected a whole packed trace", path, found);
}

typedef struct {
    const uint8_t *bytes;
    uint64_t size, n, key_bytes, provenance_bytes, record_bytes;
} packed;

static int check_front(const packed *p, const char *path, char *err) {
    char found[17] = "";
    for (size_t i = 0; i < 8 && i < p->size; i++)
        found[i] = p->bytes[i] > 0x20 && p->bytes[i] < 0x7f ? (char)p->bytes[i] : '?';
    if (p->size < sizeof magic || memcmp(p->bytes, magic, sizeof magic))
        return trace_fail(err, "%s:1:1: found \"%s\", expected a packed trace (\"HASSIMTR\")", path, found);
    if (p->size < HEADER_BYTES)
        return trace_fail(err, "%s: found %llu bytes, expected a header of %d: the file is truncated", path,
                          (unsigned long long)p->size, HEADER_BYTES);
    uint64_t version = get(p->bytes + 8, 4), size = get(p->bytes + 16, 8);
    if (version != VERSION)
        return trace_fail(
            err, "%s: found version %llu of the packed format, expected %d: import the original again", path,
            (unsigned long long)version, VERSION);
    if (p->size != size)
        return trace_fail(err, "%s: found %llu bytes, expected %llu: the file is %s", path,
                          (unsigned long long)p->size, (unsigned long long)size,
                          p->size < size ? "truncated" : "longer than what was written");
    uint32_t crc = add_crc(0, p->bytes + CHECKED_FROM, p->size - CHECKED_FROM),
             wanted = (uint32_t)get(p->bytes + 12, 4);
    if (crc != wanted)
        return trace_fail(err, "%s: found checksum %08x, expected %08x: the file is damaged", path, crc,
                          wanted);
    return 0;
}

static bool are_flags(uint64_t flags, uint64_t bin) {
    return !flags || (!bin && (flags == FLAG_SIZED || flags == (FLAG_SIZED | FLAG_TOKENS)));
}

/* The sections fill the file. Each is at most the file's size, so that no sum wraps. */
static int read_front(packed *p, trace_file *file, const char *path, char *err) {
    const uint8_t *b = p->bytes;
    uint64_t bin = get(b + 24, 8), span = get(b + 32, 8), flags = get(b + 48, 8), defects[N_DEFECTS];
    p->n = get(b + 40, 8);
    p->key_bytes = get(b + 56, 8);
    p->provenance_bytes = get(b + 64, 8);
    p->record_bytes = get(b + 72, 8);
    if (p->n < 1 || p->n > p->size / FUNCTION_BYTES || p->n >= UINT32_MAX || p->key_bytes > p->size ||
        p->provenance_bytes > PROVENANCE_MAX_BYTES || p->record_bytes > p->size ||
        HEADER_BYTES + FUNCTION_BYTES * p->n + p->key_bytes + p->provenance_bytes + p->record_bytes !=
            p->size)
        return fail_rule(path, "sections that do not fill the file", err);
    bool is_binned = bin == (uint64_t)MINUTE_NS || bin == (uint64_t)SECOND_NS;
    if ((bin && !is_binned) || !are_flags(flags, bin) || span > (uint64_t)TRACE_YEAR_NS ||
        (bin && (span % bin || !span)) || (!bin && span == (uint64_t)TRACE_YEAR_NS))
        return fail_rule(path, "a header with an unknown bin, span or flag", err);
    for (size_t i = 0; i < N_DEFECTS; i++) defects[i] = get(b + 80 + 8 * i, 8);
    memcpy(&file->defects, defects, sizeof defects);
    file->format = "packed";
    file->bin_ns = (int64_t)bin;
    file->span_ns = (int64_t)span;
    file->is_sized = flags & FLAG_SIZED;
    file->has_tokens = flags & FLAG_TOKENS;
    return 0;
}

static bool is_key(const char *key, size_t len, size_t name_len) {
    if (!len || len > KEY_MAX_BYTES || !name_len || name_len > len) return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)key[i] <= 0x20 || key[i] == 0x7f || key[i] == '"') return false;
    return trace_scan_text(key, key + len) == key + len;
}

static int read_function(trace_file *file, const packed *p, const uint8_t *entry, const uint8_t **key,
                         const uint8_t **at, const char *path, char *err) {
    const uint8_t *keys_end = p->bytes + p->size - p->record_bytes - p->provenance_bytes,
                  *records_end = p->bytes + p->size;
    uint64_t count = get(entry, 8), bytes = get(entry + 8, 8), len = get(entry + 32, 4),
             name_len = get(entry + 36, 4);
    uint32_t fn;
    bool is_new;
    if (len > (uint64_t)(keys_end - *key) || !is_key((const char *)*key, len, name_len))
        return fail_rule(path, "a function's name that is none", err);
    if (trace_file_add(file, (const char *)*key, len, name_len, &fn, &is_new, err)) return -1;
    if (!is_new) return fail_rule(path, "a function twice", err);
    *key += len;
    trace_row *row = &file->rows[fn];
    row->count = count;
    row->data = (size_t)(*at - file->data);
    row->duration_ms = get_double(entry + 16);
    row->memory_mib = get_double(entry + 24);
    if (!isfinite(row->duration_ms) || !isfinite(row->memory_mib))
        return fail_rule(path, "a duration or memory that is no number", err);
    if (bytes > (uint64_t)(records_end - *at))
        return fail_rule(path, "records after the end of the file", err);
    const uint8_t *end = *at + bytes;
    const char *wrong = file->bin_ns ? check_counts(file, row, at, end) : check_arrivals(file, row, at, end);
    if (!wrong && *at != end) wrong = "records of another length than the function's";
    return wrong ? fail_rule(path, wrong, err) : 0;
}

/* Lines of printable text; what is none becomes '?'. */
static void show_text(char *text) {
    for (char *c = text; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f) *c = '?';
    const char *end = text + strlen(text);
    for (const char *bad = text; (bad = trace_scan_text(bad, end)) < end;) text[bad - text] = '?';
}

static int read_functions(trace_file *file, const packed *p, const char *path, char *err) {
    const uint8_t *entry = p->bytes + HEADER_BYTES, *key = entry + FUNCTION_BYTES * p->n;
    const uint8_t *provenance = key + p->key_bytes, *at = provenance + p->provenance_bytes;
    file->data = at;
    for (uint64_t i = 0; i < p->n; i++, entry += FUNCTION_BYTES)
        if (read_function(file, p, entry, &key, &at, path, err)) return -1;
    if (key != provenance || at != p->bytes + p->size)
        return fail_rule(path, "sections that do not fill the file", err);
    file->provenance = malloc(p->provenance_bytes + 1);
    if (!file->provenance) return trace_fail(err, "out of memory");
    memcpy(file->provenance, provenance, p->provenance_bytes);
    file->provenance[p->provenance_bytes] = '\0';
    show_text(file->provenance);
    return 0;
}

/* A compressed file into file->bytes: as it comes, and no further than its header says that it goes. */
static int unpack(trace_file *file, trace_input *input, char *err) {
    enum { PIECE = 1 << 20 };
    uint64_t most = HEADER_BYTES;
    for (size_t got = 1; got && file->bytes_used <= most; file->bytes_used += got) {
        if (trace_grow((void **)&file->bytes, &file->bytes_capacity, file->bytes_used + PIECE, 1, err) ||
            trace_input_read(input, file->bytes + file->bytes_used, PIECE, &got, err))
            return -1;
        if (file->bytes_used + got >= HEADER_BYTES) most = get(file->bytes + 16, 8);
    }
    return 0;
}

static int map(trace_file *file, trace_input *input, const char *path, packed *p, char *err) {
    size_t size;
    int fd = trace_input_plain(input, &size);
    if (fd < 0) {
        if (unpack(file, input, err)) return -1;
        *p = (packed){.bytes = file->bytes, .size = file->bytes_used};
        return 0;
    }
    void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (bytes == MAP_FAILED)
        return trace_fail(err, "%s: found %s, expected a file to map", path, strerror(errno));
    file->map = bytes;
    file->map_size = size;
    *p = (packed){.bytes = bytes, .size = size};
    return 0;
}

int trace_packed_read(trace_file *file, trace_input *input, const char *path, char *err) {
    packed p = {0};
    if (map(file, input, path, &p, err) || check_front(&p, path, err) || read_front(&p, file, path, err))
        return -1;
    file->input_bytes = p.size;
    return read_functions(file, &p, path, err);
}

int trace_packed_detect(const char *path, bool *is_packed, char *err) {
    trace_input *input;
    char start[sizeof magic];
    size_t n = 0, got = 1;
    if (trace_input_open(&input, path, err)) return -1;
    int rc = 0;
    for (; !rc && got && n < sizeof start; n += got)
        rc = trace_input_read(input, start + n, sizeof start - n, &got, err);
    *is_packed = n == sizeof start && !memcmp(start, magic, sizeof start);
    trace_input_close(input);
    return rc;
}
