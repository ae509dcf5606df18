/* calib_import_rapp.c - the V100 profiles of KontonGu/RaPP, as the CSV conversion model,batch,sm_pct,quota_pct,
 * latency_ms. The artifact embeds these profiles as JSON files, one per model and SM width, whose inner layout is not
 * documented anywhere that we know of: they are not read, and nothing is guessed. */
#include "calib_import_int.h"

enum { REPETITIONS = 180 }; /* timed single inferences per point, after 20 for warm-up */

static const calib_series published = {"KontonGu/RaPP: measured inference latencies on a V100", "Apache-2.0",
                                       "one pod alone, MPS active thread percentage = SM, HAS-GPU token "
                                       "window 40 ms with request = limit = quota; mean"};

int calib_import_rapp(calib_import *to, const char *file, char err[CALIB_ERR_LEN]) {
    size_t before = to->n;
    if (calib_import_plain(to, file, err)) return -1;
    for (size_t i = before; i < to->n; i++)
        if (!to->samples[i].repetitions) to->samples[i].repetitions = REPETITIONS;
    if (!to->series.source[0]) to->series = published;
    return 0;
}
