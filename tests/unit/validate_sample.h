/* validate_sample.h - a small folder of recorded runs for tests, and the public one where it is. */
#ifndef VALIDATE_SAMPLE_H
#define VALIDATE_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALIDATE_SAMPLE_RUNS      "run,system,model,served_model,workload,requests,failed,span_s,usage,tags\n"
#define VALIDATE_SAMPLE_WORKLOADS "workload,stage,rate_rps\n"
#define VALIDATE_SAMPLE_REQUESTS  "start_s,latency_ms,status\n"
#define VALIDATE_SAMPLE_USAGE     "t_s,gpu,sm_pct,quota_pct,pods\n"

#define VALIDATE_SAMPLE_TESTBED HASSIM_SHARED "/testbed"

typedef struct {
    char dir[64];
} validate_sample;

/* name: of a file, or RUN/file */
static inline void validate_sample_write(const validate_sample *s, const char *name, const char *text) {
    char path[192];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
    FILE *f = fopen(path, "wb");
    if (!f || fputs(text, f) < 0 || fclose(f)) abort();
}

/* "one": has, resnet50, workload A (2 + 1 requests/s: 15), 4 recorded, two GPUs for a while.
 * "two": kserve, no usage. "three": has, mislabelled, its usage file stale. */
static inline void validate_sample_open(validate_sample *s) {
    snprintf(s->dir, sizeof s->dir, "/tmp/hassim-validate-XXXXXX");
    if (!mkdtemp(s->dir)) abort();
    validate_sample_write(s, "workloads.csv", VALIDATE_SAMPLE_WORKLOADS "A,0,2\nA,1,1\nB,0,3\n");
    validate_sample_write(s, "runs.csv",
                          VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,A,4,1,9.5,yes,clean\n"
                                               "two,kserve,bert,bert,B,2,0,1.0,no,overload;errors;new-tag\n"
                                               "three,has,convnext,mobilenet_v3_large,A,1,0,1.0,yes,"
                                               "mislabelled;stale-usage\n");
    validate_sample_write(s, "one/requests.csv",
                          VALIDATE_SAMPLE_REQUESTS
                          "0.000000,100.5,200\n9.0,500,200\n0.5,90,200\n4.5,10,502\n");
    validate_sample_write(s, "one/usage.csv",
                          VALIDATE_SAMPLE_USAGE "-2,a,30,20,1\n0,a,30,20,1\n2,a,61,40,2\n4,b,50,60,1\n"
                                                "4,a,100,119,2\n6,a,100,119,2\n6,b,50,60,1\n8,a,0,0,0\n");
    validate_sample_write(s, "two/requests.csv", VALIDATE_SAMPLE_REQUESTS "0,40,200\n0.3,50,200\n");
    validate_sample_write(s, "three/requests.csv", VALIDATE_SAMPLE_REQUESTS "0,40,200\n");
    validate_sample_write(s, "three/usage.csv", VALIDATE_SAMPLE_USAGE "0,a,30,20,1\n");
}

static inline void validate_sample_close(const validate_sample *s) {
    static const char *const names[] = {"workloads.csv",
                                        "runs.csv",
                                        "one/requests.csv",
                                        "one/usage.csv",
                                        "two/requests.csv",
                                        "three/requests.csv",
                                        "three/usage.csv",
                                        "one",
                                        "two",
                                        "three"};
    char path[192];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", s->dir, names[i]);
        remove(path);
    }
    remove(s->dir);
}

#endif
