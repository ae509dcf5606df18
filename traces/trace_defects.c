#include "trace_defects.h"

#include <string.h>

static const trace_defect kinds[] = {
    {"duplicate_rows", "rows of a function that is there already",
     "counts added, or ignored if all is equal; durations, memory averaged",
     offsetof(trace_defects, duplicate_rows)},
    {"without_duration", "functions that the durations file lacks", "kept, duration unknown",
     offsetof(trace_defects, without_duration)},
    {"zero_duration", "durations of 0", "kept as 0", offsetof(trace_defects, zero_duration)},
    {"disordered_rows", "rows earlier than the one before", "sorted",
     offsetof(trace_defects, disordered_rows)},
    {"disagreeing_counts", "functions whose durations file has another count", "the minutes are replayed",
     offsetof(trace_defects, disagreeing_counts)},
    {"early_arrivals", "invocations begun before the trace", "they arrive at 0",
     offsetof(trace_defects, early_arrivals)},
    {"simultaneous", "arrivals of a function at the same ns as another of it", "kept, both",
     offsetof(trace_defects, simultaneous)},
    {"zero_size", "requests of size 0", "size 1", offsetof(trace_defects, zero_size)},
};
_Static_assert(sizeof kinds / sizeof kinds[0] == TRACE_N_DEFECTS, "one row per defect");

const trace_defect *trace_defect_at(size_t i) {
    return &kinds[i];
}

uint64_t trace_defect_count(const trace_defects *defects, const trace_defect *defect) {
    uint64_t n;
    memcpy(&n, (const char *)defects + defect->offset, sizeof n);
    return n;
}
