/* harness_process.c - starting, asking and ending workers and the MPS daemon. */
#include "harness_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NO_MPS = -1, UNKNOWN = -1, PATH_LEN = 4096 };

typedef struct {
    harness_link link;
    char *const *argv;
    const char *folder;
    pid_t worker, daemon; /* 0: none */
    int to, from;
    int mps_pct; /* of the present worker; NO_MPS without */
    int mps;     /* can it be used: UNKNOWN, 0, 1 */
    char why[HARNESS_ERR_LEN];
} process_link;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits up to a few seconds for a child to end by itself, then kills it. */
static void reap(pid_t pid, double patience_s) {
    for (double end = now_s() + patience_s; now_s() < end;) {
        if (waitpid(pid, NULL, WNOHANG) == pid) return;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void end_worker(process_link *p, double patience_s) {
    if (!p->worker) return;
    close(p->to);
    close(p->from);
    reap(p->worker, patience_s);
    p->worker = 0;
}

static void set_mps_folders(const process_link *p) {
    char log[PATH_LEN];
    snprintf(log, sizeof log, "%s/log", p->folder);
    setenv("CUDA_MPS_PIPE_DIRECTORY", p->folder, 1);
    setenv("CUDA_MPS_LOG_DIRECTORY", log, 1);
}

/* In the child. Without MPS, a daemon of someone else is kept out by naming a folder where none listens. */
static void become_worker(const process_link *p, int in, int out, int mps_pct) {
    char percent[16], none[PATH_LEN];
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (mps_pct == NO_MPS) {
        snprintf(none, sizeof none, "%s/none", p->folder);
        setenv("CUDA_MPS_PIPE_DIRECTORY", none, 1);
        unsetenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    } else {
        set_mps_folders(p);
        snprintf(percent, sizeof percent, "%d", mps_pct);
        setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", percent, 1);
    }
    execvp(p->argv[0], p->argv);
    _exit(127);
}

static int start_worker(process_link *p, int mps_pct, char err[HARNESS_ERR_LEN]) {
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    pid_t pid = -1;
    if (!pipe(to) && !pipe(from)) {
        for (int i = 0; i < 2; i++) {
            fcntl(to[i], F_SETFD, FD_CLOEXEC);
            fcntl(from[i], F_SETFD, FD_CLOEXEC);
        }
        pid = fork();
    }
    if (pid == 0) become_worker(p, to[0], from[1], mps_pct);
    if (pid < 0) snprintf(err, HARNESS_ERR_LEN, "cannot start a worker: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        int *unused = i ? from : to;
        if (unused[i] >= 0) close(unused[i]);
        if (pid < 0 && unused[1 - i] >= 0) close(unused[1 - i]);
    }
    if (pid < 0) return -1;
    p->worker = pid;
    p->to = to[1];
    p->from = from[0];
    p->mps_pct = mps_pct;
    return 0;
}

/* A line, without its end. */
static int read_line(int fd, double timeout_s, harness_text *line, char err[HARNESS_ERR_LEN]) {
    double end = now_s() + timeout_s;
    for (;;) {
        char part[4096];
        double left = end - now_s();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int n = left > 0 ? poll(&ready, 1, (int)(left * 1000) + 1) : 0;
        if (n < 0 && errno == EINTR) continue;
        ssize_t got = n > 0 ? read(fd, part, sizeof part - 1) : -1;
        if (got <= 0) {
            snprintf(err, HARNESS_ERR_LEN,
                     got == 0 ? "the worker ended without an answer" : "the worker gave no answer in %.0f s",
                     timeout_s);
            return -1;
        }
        part[got] = '\0';
        harness_text_add(line, "%s", part);
        if (part[got - 1] != '\n') continue;
        line->text[--line->len] = '\0';
        return line->failed ? -1 : 0;
    }
}

static int exchange(process_link *p, const char *request, double timeout_s, harness_text *reply,
                    char err[HARNESS_ERR_LEN]) {
    harness_text line = {0};
    harness_text_add(&line, "%s\n", request);
    int rc = line.failed || write(p->to, line.text, line.len) != (ssize_t)line.len;
    if (rc) snprintf(err, HARNESS_ERR_LEN, "the worker ended before it was asked");
    if (!rc) rc = read_line(p->from, timeout_s, reply, err);
    harness_text_free(&line);
    if (rc) end_worker(p, 0);
    return rc ? -1 : 0;
}

/* In the foreground, so that it is our child. */
static int start_daemon(process_link *p, char err[HARNESS_ERR_LEN]) {
    char log[PATH_LEN];
    if (p->daemon) return 0;
    snprintf(log, sizeof log, "%s/log", p->folder);
    mkdir(p->folder, 0700);
    mkdir(log, 0700);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        for (int fd = 0; null >= 0 && fd < 3; fd++) dup2(null, fd);
        set_mps_folders(p);
        unsetenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
        execlp("nvidia-cuda-mps-control", "nvidia-cuda-mps-control", "-f", (char *)NULL);
        _exit(127);
    }
    nanosleep(&(struct timespec){1, 0}, NULL); /* until it listens */
    if (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0) {
        p->daemon = pid;
        return 0;
    }
    snprintf(err, HARNESS_ERR_LEN, "nvidia-cuda-mps-control cannot be started");
    return -1;
}

/* "quit" ends the server and the daemon once no client is left. */
static void end_daemon(process_link *p) {
    if (!p->daemon) return;
    int to[2];
    pid_t pid = pipe(to) ? -1 : fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(to[0], STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(to[0]);
        close(to[1]);
        set_mps_folders(p);
        execlp("nvidia-cuda-mps-control", "nvidia-cuda-mps-control", (char *)NULL);
        _exit(127);
    }
    if (pid > 0) {
        close(to[0]);
        if (write(to[1], "quit\n", 5) != 5) kill(p->daemon, SIGTERM);
        close(to[1]);
        reap(pid, 10);
    }
    reap(p->daemon, 10);
    p->daemon = 0;
}

static int ask(harness_link *l, const harness_step *step, double timeout_s, harness_text *reply, char *err) {
    process_link *p = (process_link *)l;
    char key[HARNESS_KEY_LEN] = "describe";
    int mps_pct = step && step->partition == HARNESS_MPS ? (int)step->size : NO_MPS;
    int fresh = step && step->kind == HARNESS_STEP_COLD;
    if (step) harness_step_key(step, key);
    if (p->worker && (fresh || mps_pct != p->mps_pct)) end_worker(p, 10);
    if (mps_pct == NO_MPS)
        end_daemon(p);
    else if (start_daemon(p, err))
        return -1;
    if (!p->worker && start_worker(p, mps_pct, err)) return -1;
    if (exchange(p, key, timeout_s, reply, err)) return -1;
    if (fresh || strstr(reply->text, "\"error\": ")) end_worker(p, 10);
    return 0;
}

/* The proof is a client that comes up under the daemon. */
static int has_mps(harness_link *l, char why[HARNESS_ERR_LEN]) {
    process_link *p = (process_link *)l;
    if (p->mps == UNKNOWN) {
        harness_text reply = {0};
        end_worker(p, 10);
        p->mps = !start_daemon(p, p->why) && !start_worker(p, 100, p->why) &&
                 !exchange(p, "describe", 60, &reply, p->why);
        if (p->mps && strstr(reply.text, "\"error\": ")) {
            snprintf(p->why, sizeof p->why, "under MPS: %.400s", reply.text);
            p->mps = 0;
        }
        harness_text_free(&reply);
        end_worker(p, 10);
        end_daemon(p);
    }
    snprintf(why, HARNESS_ERR_LEN, "%s", p->mps ? "" : p->why);
    return p->mps;
}

static void close_link(harness_link *l) {
    process_link *p = (process_link *)l;
    char log[PATH_LEN];
    if (!p) return;
    end_worker(p, 10);
    end_daemon(p);
    snprintf(log, sizeof log, "%s/log", p->folder);
    rmdir(log); /* stay where there are logs to read */
    rmdir(p->folder);
    free(p);
}

harness_link *harness_process_link(char *const *argv, const char *folder) {
    process_link *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    *p = (process_link){.link = {ask, has_mps, close_link}, .argv = argv, .folder = folder, .mps = UNKNOWN};
    signal(SIGPIPE, SIG_IGN); /* a worker that died is an answer, not the end of the run */
    return &p->link;
}
