/* trace_defects.h - the known defects of trace files by name: what each is, and what reading a file does with it. */
#ifndef TRACE_DEFECTS_H
#define TRACE_DEFECTS_H

#include "trace.h"

typedef struct {
    const char *key, *what, *handling;
    size_t offset; /* of its count in trace_defects */
} trace_defect;

enum { TRACE_N_DEFECTS = sizeof(trace_defects) / sizeof(uint64_t) };

const trace_defect *trace_defect_at(size_t i); /* i < TRACE_N_DEFECTS, in the order of trace_defects */
uint64_t trace_defect_count(const trace_defects *defects, const trace_defect *defect);

#endif
