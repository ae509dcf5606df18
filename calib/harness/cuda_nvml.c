/* cuda_nvml.c - a few readings of NVML. */
#include "cuda_nvml.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_SM = 1, CLOCK_MEMORY = 2, TEMPERATURE_GPU = 0 };

struct cuda_nvml {
    void *library, *device;
    int (*init)(void);
    int (*shutdown)(void);
    int (*handle)(const char *uuid, void **device);
    int (*clock)(void *device, int type, unsigned *mhz);
    int (*temperature)(void *device, int sensor, unsigned *celsius);
    int (*power)(void *device, unsigned *milliwatt);
    int (*reasons)(void *device, unsigned long long *bits);
    int (*version)(char *text, unsigned len);
};

static int find(void *library, const char *symbol, void *function) {
    void *found = dlsym(library, symbol);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static int load(cuda_nvml *n) {
    n->library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!n->library) return -1;
    int ok = find(n->library, "nvmlInit_v2", &n->init) & find(n->library, "nvmlShutdown", &n->shutdown) &
             find(n->library, "nvmlDeviceGetHandleByUUID", &n->handle) &
             find(n->library, "nvmlDeviceGetClockInfo", &n->clock) &
             find(n->library, "nvmlDeviceGetTemperature", &n->temperature) &
             find(n->library, "nvmlDeviceGetPowerUsage", &n->power) &
             find(n->library, "nvmlSystemGetDriverVersion", &n->version);
    /* renamed in driver 535; the old name is still there, and will not be for ever */
    if (!find(n->library, "nvmlDeviceGetCurrentClocksEventReasons", &n->reasons))
        find(n->library, "nvmlDeviceGetCurrentClocksThrottleReasons", &n->reasons);
    return ok ? 0 : -1;
}

cuda_nvml *cuda_nvml_open(const char *uuid) {
    cuda_nvml *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    if (!load(n) && n->init() == 0) {
        if (n->handle(uuid, &n->device) == 0) return n;
        n->shutdown();
    }
    if (n->library) dlclose(n->library);
    free(n);
    return NULL;
}

void cuda_nvml_read(cuda_nvml *n, harness_telemetry *out) {
    unsigned value = 0;
    unsigned long long bits = 0;
    *out = (harness_telemetry){-1, -1, -1, -1, -1};
    if (!n) return;
    if (n->clock(n->device, CLOCK_SM, &value) == 0) out->sm_mhz = value;
    if (n->clock(n->device, CLOCK_MEMORY, &value) == 0) out->memory_mhz = value;
    if (n->temperature(n->device, TEMPERATURE_GPU, &value) == 0) out->temperature_c = value;
    if (n->power(n->device, &value) == 0) out->power_w = value / 1000.0;
    if (n->reasons && n->reasons(n->device, &bits) == 0) out->throttle = (int64_t)bits;
}

void cuda_nvml_driver(cuda_nvml *n, char version[HARNESS_LABEL_LEN]) {
    version[0] = '\0';
    if (n && n->version(version, HARNESS_LABEL_LEN - 1) != 0) version[0] = '\0';
}

void cuda_nvml_close(cuda_nvml *n) {
    if (!n) return;
    n->shutdown();
    dlclose(n->library);
    free(n);
}
