/* rapp_sample.h - a small data folder for tests of RaPP, and the public one where it is. */
#ifndef RAPP_SAMPLE_H
#define RAPP_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RAPP_SAMPLE_POINT_HEAD "model,batch,sm_pct,quota_pct,latency_ms\n"
#define RAPP_SAMPLE_GRAPH_HEAD                                                                               \
    "model,batch,gmac,conv2d_count,dense_count,relu_count,lat_ms_b4_sm100_q20,lat_ms_b4_sm100_q40,"          \
    "lat_ms_b4_sm100_q60,lat_ms_b4_sm100_q80,lat_ms_b4_sm100_q100\n"
#define RAPP_SAMPLE_OPERATOR_HEAD                                                                            \
    "model,node,op,kernel_h,kernel_w,channels,stride_h,stride_w,pad_top,pad_left,pad_bottom,pad_right,"      \
    "dilation_h,dilation_w,groups,shape0,shape1,shape2,shape3,t_ms_sm5,t_ms_sm10,t_ms_sm30,t_ms_sm60,"       \
    "t_ms_sm80,t_ms_sm100\n"
#define RAPP_SAMPLE_CONV "conv2d,7,7,64,2,2,3,3,3,3,1,1,1,64,3,7,7,20,10,4,2.5,2.2,2\n"
#define RAPP_SAMPLE_RELU "relu,0,0,0,0,0,0,0,0,0,0,0,0,64,0,0,0,1,0.5,0.2,0.1,0.1,0.1\n"

#define RAPP_SAMPLE_V100 HASSIM_SHARED "/v100"

typedef struct {
    char dir[64];
} rapp_sample;

static inline void rapp_sample_write(const rapp_sample *s, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fputs(text, f) < 0 || fclose(f)) abort();
}

/* A new folder of the three files: "both" has points and a prior, "seen" only points, "unseen" only a prior. */
static inline void rapp_sample_open(rapp_sample *s) {
    snprintf(s->dir, sizeof s->dir, "/tmp/hassim-rapp-XXXXXX");
    if (!mkdtemp(s->dir)) abort();
    rapp_sample_write(s, "latency.csv",
                      RAPP_SAMPLE_POINT_HEAD
                      "both,1,50,100,5\nboth,1,100,100,4\nboth,4,100,20,30\nseen,8,5,10,900.5\n");
    rapp_sample_write(s, "graphs.csv",
                      RAPP_SAMPLE_GRAPH_HEAD
                      "both,1,1.5,1,0,1,30,20,15,12,10\nunseen,1,3,1,0,1,60,40,30,24,20\n");
    rapp_sample_write(s, "operators.csv",
                      RAPP_SAMPLE_OPERATOR_HEAD "unseen,0," RAPP_SAMPLE_CONV "unseen,1," RAPP_SAMPLE_RELU
                                                "both,0," RAPP_SAMPLE_CONV "both,1," RAPP_SAMPLE_RELU);
}

static inline void rapp_sample_close(const rapp_sample *s) {
    static const char *const names[] = {"latency.csv", "graphs.csv", "operators.csv", "model.json"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", s->dir, names[i]);
        unlink(path);
    }
    rmdir(s->dir);
}

#endif
