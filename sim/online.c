#include "online_int.h"

static const double MEMORY_BATCHES = 20, NEWS = 0.02;

void online_begin(online_fit *fits, size_t n_devices) {
    for (size_t i = 0; i < n_devices; i++) fits[i] = (online_fit){.learnt = 1, .factor = 1};
}

void online_note(online_fit *f, double observed_ms, double predicted_ms) {
    if (!(predicted_ms > 0)) return;
    f->observed_ms += observed_ms;
    f->predicted_ms += predicted_ms;
    f->n++;
}

static int learn(online_fit *f) {
    double n = (double)f->n, ratio = f->observed_ms / f->predicted_ms;
    f->learnt = (MEMORY_BATCHES * f->learnt + n * ratio) / (MEMORY_BATCHES + n);
    f->observed_ms = f->predicted_ms = 0;
    f->n = 0;
    if (f->learnt <= (1 + NEWS) * f->factor && f->factor <= (1 + NEWS) * f->learnt) return 0;
    f->factor = f->learnt;
    return 1;
}

int online_scrape(online_fit *fits, size_t n_devices) {
    int changed = 0;
    for (size_t i = 0; i < n_devices; i++)
        if (fits[i].n) changed |= learn(&fits[i]);
    return changed;
}
