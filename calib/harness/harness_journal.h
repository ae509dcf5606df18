/* harness_journal.h - what an interrupted run has already measured.
 *
 * A file of lines, each a JSON object: first a header that names the device, driver, libraries and settings, then one
 * record per finished step, each written and synchronised before the next step starts. A run that is killed, by
 * whatever, loses the step in progress. A last line without its end is cut off on opening. A journal of another device or
 * other settings is refused: measurements of two machines never mix. A failed step may be tried again: the last record
 * of a key counts.
 */
#ifndef HARNESS_JOURNAL_H
#define HARNESS_JOURNAL_H

#include "harness_json.h"

typedef struct {
    int fd;
    char *path;
    harness_json **records; /* the last one of each key */
    char **lines;           /* as written */
    size_t n, capacity;
} harness_journal;

/* header: one line. Made where absent. 0, or -1 with a message; either way harness_journal_close. */
int harness_journal_open(harness_journal *j, const char *path, const char *header, char err[HARNESS_ERR_LEN]);
int harness_journal_append(harness_journal *j, const char *line, char err[HARNESS_ERR_LEN]);
const harness_json *harness_journal_find(const harness_journal *j, const char *key);
void harness_journal_close(harness_journal *j);

#endif
