/* trace_packed.h - hassim's own trace file: any trace, checked once, then mapped and replayed without being read.
 *
 * A packed file replays bit for bit as the file that it was made from. All integers are little-endian, doubles IEEE
 * 754 binary64, sections follow each other without gaps:
 *
 *      0   8  magic "HASSIMTR"
 *      8   4  version, 1
 *     12   4  CRC-32 (zlib's) of all that follows, byte 16 to the end
 *     16   8  size of the file
 *     24   8  bin_ns: what a count counts, 60000000000 or 1000000000; 0: the records are arrivals
 *     32   8  span_ns: end of the last bin, or the last arrival
 *     40   8  n, the number of functions
 *     48   8  flags: 1 = arrivals have sizes; 3 = and these are tokens, in and out
 *     56   8  bytes of keys
 *     64   8  bytes of provenance
 *     72   8  bytes of records
 *     80  64  known defects of the original, in the order of trace_defects
 *    144 40n  functions, in the original's order: count (8), bytes of its records (8), mean duration in ms (double, -1:
 *             unknown), mean memory in MiB (double, -1: unknown), bytes of its key (4), of which its name (4), at the end
 *      .   .  keys: what tells functions apart (2019: owner,app,function), one after the other
 *      .   .  provenance: text, what it was made from and by what
 *      .   .  records, grouped by function, of numbers in base 128, low digits first, all but the last byte + 128:
 *             counts: distance to the previous bin that has any (the first: bin + 1), count; distance 0 ends a function
 *             arrivals: ns since the previous one (the first: since 0), then the size where there are sizes,
 *             then how many tokens of it are generated where they are tokens
 *
 * A time takes at most 8 bytes (gaps are below 2^56), mostly 3 to 5; a size 1 or 2. A file that is truncated, damaged,
 * of another version, or that breaks any rule above is refused with what was found, before anything uses it: every
 * record is decoded once on opening. Compressed packed files work, but are unpacked into memory. A file that is cut
 * by another process while it is mapped kills this one (SIGBUS): replace such files, do not rewrite them.
 */
#ifndef TRACE_PACKED_H
#define TRACE_PACKED_H

#include "trace.h"

typedef struct {
    uint64_t functions, requests, bytes, record_bytes;
} trace_packed_size;

/* Writes path whole (under a temporary name, then renamed) or not at all. functions: which ones, in this order, n of
 * them; NULL: all. provenance: a few lines of text. */
int trace_packed_write(const trace_file *file, const uint32_t *functions, size_t n, const char *provenance,
                       const char *path, trace_packed_size *size, char err[TRACE_ERR_LEN]);
/* "": not a packed file. */
const char *trace_provenance_of(const trace_file *file);

#endif
