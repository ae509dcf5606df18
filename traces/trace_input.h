/* trace_input.h - the bytes of a file, decompressed where they are gzip or zstd.
 *
 * What a file is, its first bytes say, never its name: gzip (1f 8b), zstd (28 b5 2f fd, or a skippable frame), or
 * neither. Several gzip members or zstd frames in a row are one stream. Nothing is unpacked to disk, and memory is
 * bounded whatever the file claims: a buffer of 256 KiB, and the decoder's window (zlib 32 KiB; zstd at most 128
 * MiB, frames that want more are refused).
 *
 * Readers keep what they read: a trace takes memory in proportion to its bytes, so that a few that unpack to very many
 * (a bomb) must not be taken for one. Beyond 256 MiB, what unpacks to more than 200 times its size is refused; the public
 * traces in plain text are 4 to 10 times what zstd makes of them. Plain files are taken whatever their size.
 *
 * Errors: -1 and "path: found ..., expected ..." in err. A stream that ends inside a member or frame, fails its
 * checksum, or goes on with bytes that begin no further one is refused when the reader gets there: what was read
 * before cannot be taken back, so a caller uses nothing until the end was reached.
 */
#ifndef TRACE_INPUT_H
#define TRACE_INPUT_H

#include <stddef.h>

#include "trace.h"

typedef struct trace_input trace_input;

/* path must be a regular file, and stay valid. *out is NULL on error. */
int trace_input_open(trace_input **out, const char *path, char err[TRACE_ERR_LEN]);
/* Writes 1 to cap (>= 1) next bytes and says how many; 0 at the end, and ever after. */
int trace_input_read(trace_input *input, void *bytes, size_t cap, size_t *got, char err[TRACE_ERR_LEN]);
/* "gzip", "zstd", or NULL: the bytes as they are. */
const char *trace_input_compression(const trace_input *input);
/* Of the plain file behind an input of which nothing was read; -1: compressed. Size as when it was opened. */
int trace_input_plain(const trace_input *input, size_t *size);
void trace_input_close(trace_input *input);

#endif
