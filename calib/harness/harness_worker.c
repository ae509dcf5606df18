/* harness_worker.c - one request, one answer. */
#include "harness_worker.h"

#include <string.h>

static int describe(harness_device *d, harness_text *reply, char err[HARNESS_ERR_LEN]) {
    harness_device_info info;
    if (d->ops->describe(d, &info, err)) return -1;
    harness_info_write(&info, reply);
    return 0;
}

static int answer(harness_device *d, const harness_workloads *w, const harness_measure_options *options,
                  const char *request, harness_text *reply, char err[HARNESS_ERR_LEN]) {
    harness_step step;
    if (strcmp(request, "describe") == 0) return describe(d, reply, err);
    if (!harness_step_parse(&step, request)) return harness_measure(d, w, &step, options, reply, err);
    snprintf(err, HARNESS_ERR_LEN, "found request \"%.80s\", expected a step's key", request);
    return -1;
}

int harness_worker_serve(harness_device *d, const harness_workloads *w,
                         const harness_measure_options *options, FILE *in, FILE *out) {
    char request[HARNESS_KEY_LEN + 2], err[HARNESS_ERR_LEN];
    int failed = 0;
    while (!failed && fgets(request, sizeof request, in)) {
        harness_text reply = {0};
        request[strcspn(request, "\n")] = '\0';
        failed = answer(d, w, options, request, &reply, err);
        if (failed) {
            reply.len = 0;
            harness_text_add(&reply, "{\"key\": ");
            harness_text_quote(&reply, request);
            harness_text_add(&reply, ", \"error\": ");
            harness_text_quote(&reply, err);
            harness_text_add(&reply, "}");
        }
        if (fprintf(out, "%s\n", reply.text ? reply.text : "{}") < 0 || fflush(out)) failed = 1;
        harness_text_free(&reply);
    }
    return failed ? 1 : 0;
}
