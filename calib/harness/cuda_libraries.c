/* cuda_libraries.c - cuBLAS and cuDNN behind dlopen. */
#include "cuda_libraries.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Constants of cublas_api.h and cudnn_graph.h, the same since CUDA 11 and cuDNN 8. */
enum { BLAS_NO_TRANSPOSE = 0, BLAS_DEFAULT_MATH = 0, BLAS_TF32_MATH = 3 };
enum { DNN_NCHW = 0, DNN_FLOAT = 0, DNN_CROSS_CORRELATION = 1, DNN_DEFAULT_MATH = 0, DNN_FMA_MATH = 3 };
enum { CANDIDATES = 8, WORKSPACE_MAX = 1 << 30 };

/* cudnnConvolutionFwdAlgoPerf_t */
typedef struct {
    int algorithm, status;
    float time;
    size_t memory;
    int determinism, math;
    int reserved[3];
} dnn_choice;

struct cuda_libraries {
    void *blas, *dnn;
    int tf32;
    int (*blas_create)(void **handle);
    int (*blas_destroy)(void *handle);
    int (*blas_property)(int which, int *value); /* 0 major, 1 minor, 2 patch */
    int (*blas_stream)(void *handle, cudaStream_t stream);
    int (*blas_math)(void *handle, int mode);
    int (*blas_sms)(void *handle, int sms); /* may be NULL: since CUDA 11.5 */
    int (*blas_product)(void *handle, int ta, int tb, int m, int n, int k, const float *alpha, const float *a,
                        int lda, long long stride_a, const float *b, int ldb, long long stride_b,
                        const float *beta, float *c, int ldc, long long stride_c, int count);
    size_t (*dnn_version)(void);
    int (*dnn_create)(void **handle);
    int (*dnn_destroy)(void *handle);
    int (*dnn_stream)(void *handle, cudaStream_t stream);
    int (*dnn_tensor)(void **d);
    int (*dnn_filter)(void **d);
    int (*dnn_conv)(void **d);
    int (*dnn_tensor_end)(void *d);
    int (*dnn_filter_end)(void *d);
    int (*dnn_conv_end)(void *d);
    int (*dnn_tensor_set)(void *d, int format, int type, int n, int c, int h, int w);
    int (*dnn_filter_set)(void *d, int type, int format, int k, int c, int h, int w);
    int (*dnn_conv_set)(void *d, int ph, int pw, int sh, int sw, int dh, int dw, int mode, int type);
    int (*dnn_groups)(void *d, int groups);
    int (*dnn_math)(void *d, int math);
    int (*dnn_choose)(void *handle, void *x, void *w, void *conv, void *y, int most, int *n,
                      dnn_choice *choices);
    int (*dnn_workspace)(void *handle, void *x, void *w, void *conv, void *y, int algorithm, size_t *bytes);
    int (*dnn_forward)(void *handle, const void *alpha, void *xd, const void *x, void *wd, const void *w,
                       void *conv, int algorithm, void *workspace, size_t bytes, const void *beta, void *yd,
                       void *y);
};

struct cuda_handles {
    const cuda_libraries *l;
    void *blas, *dnn;
};

struct cuda_conv {
    void *x, *w, *y, *conv;
    int algorithm;
    size_t workspace;
};

static int find(void *library, const char *symbol, void *function) {
    void *found = dlsym(library, symbol);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static void *load(const char *const *names) {
    void *library = NULL;
    for (; *names && !library; names++) library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    return library;
}

/* The library of the toolkit that this was built with first: another major version would bring a second runtime. */
static void load_blas(cuda_libraries *l) {
    static const char *const names[] = {
#if CUDART_VERSION >= 13000
        "libcublas.so.13",
#elif CUDART_VERSION >= 12000
        "libcublas.so.12",
#else
        "libcublas.so.11",
#endif
        "libcublas.so",
        NULL
    };
    void *b = load(names);
    if (!b) return;
    int ok = find(b, "cublasCreate_v2", &l->blas_create) & find(b, "cublasDestroy_v2", &l->blas_destroy) &
             find(b, "cublasGetProperty", &l->blas_property) &
             find(b, "cublasSetStream_v2", &l->blas_stream) & find(b, "cublasSetMathMode", &l->blas_math) &
             find(b, "cublasSgemmStridedBatched", &l->blas_product);
    find(b, "cublasSetSmCountTarget", &l->blas_sms);
    if (ok)
        l->blas = b;
    else
        dlclose(b);
}

static void load_dnn(cuda_libraries *l) {
    static const char *const names[] = {"libcudnn.so.9", "libcudnn.so.8", "libcudnn.so", NULL};
    void *d = load(names);
    if (!d) return;
    int ok = find(d, "cudnnGetVersion", &l->dnn_version) & find(d, "cudnnCreate", &l->dnn_create) &
             find(d, "cudnnDestroy", &l->dnn_destroy) & find(d, "cudnnSetStream", &l->dnn_stream) &
             find(d, "cudnnCreateTensorDescriptor", &l->dnn_tensor) &
             find(d, "cudnnCreateFilterDescriptor", &l->dnn_filter) &
             find(d, "cudnnCreateConvolutionDescriptor", &l->dnn_conv) &
             find(d, "cudnnDestroyTensorDescriptor", &l->dnn_tensor_end) &
             find(d, "cudnnDestroyFilterDescriptor", &l->dnn_filter_end) &
             find(d, "cudnnDestroyConvolutionDescriptor", &l->dnn_conv_end) &
             find(d, "cudnnSetTensor4dDescriptor", &l->dnn_tensor_set) &
             find(d, "cudnnSetFilter4dDescriptor", &l->dnn_filter_set) &
             find(d, "cudnnSetConvolution2dDescriptor", &l->dnn_conv_set) &
             find(d, "cudnnSetConvolutionGroupCount", &l->dnn_groups) &
             find(d, "cudnnSetConvolutionMathType", &l->dnn_math) &
             find(d, "cudnnGetConvolutionForwardAlgorithm_v7", &l->dnn_choose) &
             find(d, "cudnnGetConvolutionForwardWorkspaceSize", &l->dnn_workspace) &
             find(d, "cudnnConvolutionForward", &l->dnn_forward);
    if (ok)
        l->dnn = d;
    else
        dlclose(d);
}

cuda_libraries *cuda_libraries_open(int use, int tf32) {
    cuda_libraries *l = calloc(1, sizeof *l);
    if (!l || !use) return l;
    l->tf32 = tf32;
    load_blas(l);
    load_dnn(l);
    return l;
}

void cuda_libraries_name(const cuda_libraries *l, char names[HARNESS_LABEL_LEN]) {
    char blas[40] = "", dnn[40] = "";
    int v[3] = {0, 0, 0};
    for (int i = 0; i < 3 && l->blas; i++) l->blas_property(i, &v[i]);
    if (l->blas) snprintf(blas, sizeof blas, "cublas %d.%d.%d", v[0], v[1], v[2]);
    if (l->dnn) snprintf(dnn, sizeof dnn, "cudnn %zu", l->dnn_version());
    snprintf(names, HARNESS_LABEL_LEN, "%s%s%s", blas, blas[0] && dnn[0] ? ", " : "", dnn);
    if (!names[0]) snprintf(names, HARNESS_LABEL_LEN, "own kernels");
}

void cuda_libraries_close(cuda_libraries *l) {
    if (!l) return;
    if (l->blas) dlclose(l->blas);
    if (l->dnn) dlclose(l->dnn);
    free(l);
}

static int fail(char *err, const char *what, int rc) {
    snprintf(err, HARNESS_ERR_LEN, "%s: status %d", what, rc);
    return -1;
}

static int open_blas(cuda_handles *h, cudaStream_t stream, uint32_t sms, char *err) {
    const cuda_libraries *l = h->l;
    int rc = l->blas_create(&h->blas);
    if (rc) return fail(err, "cublasCreate", rc);
    rc = l->blas_stream(h->blas, stream);
    if (!rc) rc = l->blas_math(h->blas, l->tf32 ? BLAS_TF32_MATH : BLAS_DEFAULT_MATH);
    if (!rc && sms && l->blas_sms) rc = l->blas_sms(h->blas, (int)sms);
    return rc ? fail(err, "setting up cuBLAS", rc) : 0;
}

static int open_dnn(cuda_handles *h, cudaStream_t stream, char *err) {
    int rc = h->l->dnn_create(&h->dnn);
    if (!rc) rc = h->l->dnn_stream(h->dnn, stream);
    return rc ? fail(err, "setting up cuDNN", rc) : 0;
}

cuda_handles *cuda_handles_open(const cuda_libraries *l, cudaStream_t stream, uint32_t sms, char *err) {
    cuda_handles *h = calloc(1, sizeof *h);
    if (!h) {
        snprintf(err, HARNESS_ERR_LEN, "out of memory");
        return NULL;
    }
    h->l = l;
    if ((!l->blas || !open_blas(h, stream, sms, err)) && (!l->dnn || !open_dnn(h, stream, err))) return h;
    cuda_handles_close(h);
    return NULL;
}

void cuda_handles_close(cuda_handles *h) {
    if (!h) return;
    if (h->blas) h->l->blas_destroy(h->blas);
    if (h->dnn) h->l->dnn_destroy(h->dnn);
    free(h);
}

/* Row-major out = left x right is column-major out' = right' x left'. */
int cuda_handles_product(cuda_handles *h, int m, int n, int k, int z, const float *left, const float *right,
                         float *out, char *err) {
    static const float one = 1, zero = 0;
    if (!h->blas) return 1;
    int rc =
        h->l->blas_product(h->blas, BLAS_NO_TRANSPOSE, BLAS_NO_TRANSPOSE, n, m, k, &one, right, n,
                           (long long)k * n, left, k, (long long)m * k, &zero, out, n, (long long)m * n, z);
    return rc ? fail(err, "cublasSgemmStridedBatched", rc) : 0;
}

void cuda_conv_close(cuda_handles *h, cuda_conv *c) {
    if (!c) return;
    if (c->x) h->l->dnn_tensor_end(c->x);
    if (c->y) h->l->dnn_tensor_end(c->y);
    if (c->w) h->l->dnn_filter_end(c->w);
    if (c->conv) h->l->dnn_conv_end(c->conv);
    free(c);
}

static int describe(const cuda_libraries *l, cuda_conv *c, const harness_op *op, uint32_t batch) {
    int n = (int)batch, k = (int)op->k, s = (int)op->stride, p = (int)op->pad;
    return l->dnn_tensor(&c->x) || l->dnn_tensor(&c->y) || l->dnn_filter(&c->w) || l->dnn_conv(&c->conv) ||
           l->dnn_tensor_set(c->x, DNN_NCHW, DNN_FLOAT, n, (int)op->c, (int)op->h, (int)op->w) ||
           l->dnn_tensor_set(c->y, DNN_NCHW, DNN_FLOAT, n, (int)op->out, (int)harness_op_out_h(op),
                             (int)harness_op_out_w(op)) ||
           l->dnn_filter_set(c->w, DNN_FLOAT, DNN_NCHW, (int)op->out, (int)(op->c / op->groups), k, k) ||
           l->dnn_conv_set(c->conv, p, p, s, s, 1, 1, DNN_CROSS_CORRELATION, DNN_FLOAT) ||
           l->dnn_groups(c->conv, (int)op->groups);
}

/* The library's heuristics choose, as frameworks let them; the first choice that keeps to the precision and a workspace of
 * 1 GiB. */
static int choose(cuda_handles *h, cuda_conv *c) {
    dnn_choice choices[CANDIDATES];
    const cuda_libraries *l = h->l;
    int n = 0, math = l->tf32 ? DNN_DEFAULT_MATH : DNN_FMA_MATH;
    if (l->dnn_math(c->conv, math) ||
        l->dnn_choose(h->dnn, c->x, c->w, c->conv, c->y, CANDIDATES, &n, choices))
        return -1;
    for (int i = 0; i < n; i++) {
        int may = l->tf32 || choices[i].math == DNN_FMA_MATH || choices[i].math == DNN_DEFAULT_MATH;
        if (choices[i].status || !may) continue;
        if (l->dnn_math(c->conv, l->tf32 ? choices[i].math : DNN_FMA_MATH)) return -1;
        if (l->dnn_workspace(h->dnn, c->x, c->w, c->conv, c->y, choices[i].algorithm, &c->workspace))
            continue;
        if (c->workspace > WORKSPACE_MAX) continue;
        c->algorithm = choices[i].algorithm;
        return 0;
    }
    return -1;
}

cuda_conv *cuda_conv_open(cuda_handles *h, const harness_op *op, uint32_t batch, size_t *workspace,
                          char *err) {
    if (!h->dnn) return NULL;
    cuda_conv *c = calloc(1, sizeof *c);
    if (!c || describe(h->l, c, op, batch)) {
        snprintf(err, HARNESS_ERR_LEN, "a cuDNN descriptor of a convolution cannot be made");
        cuda_conv_close(h, c);
        return NULL;
    }
    if (choose(h, c)) { /* not for this shape */
        cuda_conv_close(h, c);
        return NULL;
    }
    *workspace = c->workspace;
    return c;
}

int cuda_conv_run(cuda_handles *h, cuda_conv *c, const float *x, const float *w, float *out, void *workspace,
                  size_t workspace_len, char *err) {
    static const float one = 1, zero = 0;
    int rc = h->l->dnn_forward(h->dnn, &one, c->x, x, c->w, w, c->conv, c->algorithm, workspace,
                               workspace_len, &zero, c->y, out);
    return rc ? fail(err, "cudnnConvolutionForward", rc) : 0;
}
