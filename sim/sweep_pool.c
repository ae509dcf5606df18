/* sweep_pool.c - the parent: starts workers, listens, and stops them on a signal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sweep_int.h"

typedef struct {
    pid_t pid; /* 0: free */
    int fd;
    const sweep_job *job;
    heartbeat *beat;
    double began_s; /* monotonic clock */
    double part;    /* of its run, 0..1 */
    sweep_message message;
    size_t got;               /* bytes of message */
    int reported;             /* its last message came */
    int is_late;              /* and was stopped for it */
    uint64_t begun;           /* calls of its policy when it was last looked at, */
    double looked_s, stuck_s; /* when that was, and for how long no other call has begun */
} worker;

typedef struct {
    sweep *s;
    worker *workers;
    heartbeat *beats;
    struct pollfd *polls;
    size_t n, running, next;
    sweep_display display;
    sweep_report *report;
    sigset_t stops;
    char *err;
} pool;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_worker(const pool *p, const sweep_job *job, int fd, heartbeat *beat) {
    for (size_t i = 0; i < p->n; i++)
        if (p->workers[i].pid != 0) close(p->workers[i].fd); /* else a parent's death goes unseen */
    sweep_work(p->s, job, fd, beat);
    _exit(0); /* not exit: the parent's buffers and handlers are not ours */
}

/* 1: started; 0: not now; -1: never */
static int start_worker(pool *p, worker *w) {
    int ends[2];
    heartbeat *beat = heartbeat_at(p->beats, (size_t)(w - p->workers));
    heartbeat_clear(beat);
    if (pipe(ends) != 0) return p->running > 0 ? 0 : -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_worker(p, &p->s->jobs[p->next], ends[1], beat);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return p->running > 0 ? 0 : -1;
    }
    *w = (worker){.pid = pid,
                  .fd = ends[0],
                  .job = &p->s->jobs[p->next],
                  .beat = beat,
                  .began_s = now_s(),
                  .looked_s = now_s()};
    p->next++;
    p->running++;
    return 1;
}

static int start_workers(pool *p) {
    for (size_t i = 0; i < p->n && p->next < p->s->n_jobs; i++) {
        if (p->workers[i].pid != 0) continue;
        int rc = start_worker(p, &p->workers[i]);
        if (rc < 0) return config_fail(p->err, "sweep", NULL, strerror(errno), "a worker process to start");
        if (rc == 0) break;
    }
    return 0;
}

static void report_failure(pool *p, const worker *w, const char *why) {
    char run[400], line[1000];
    sweep_describe(p->s, w->job, run, sizeof run);
    snprintf(line, sizeof line, "hassim run: %s: failed: %s", run, why);
    p->report->failed++;
    sweep_display_line(&p->display, 1, line);
}

static void report_finish(pool *p, const worker *w) {
    char run[400], line[500];
    sweep_describe(p->s, w->job, run, sizeof run);
    snprintf(line, sizeof line, "[%zu/%zu] %s: %llu requests in %.2f s", p->display.done, p->display.total,
             run, (unsigned long long)w->message.arrivals, w->message.wall_s);
    p->report->finished++;
    sweep_display_line(&p->display, 0, line);
}

/* A worker that said nothing: what its policy was doing says more than how it ended */
static void report_silence(pool *p, const worker *w, const char *how) {
    heartbeat_news news = heartbeat_read(w->beat);
    char text[100], place[300], why[550];
    const char *name = NULL;
    if (news.is_known && (news.call == TAP_OBSERVE || news.call == TAP_ACT) && news.fn != POL_ALL)
        name = sweep_function_name(p->s, w->job, news.fn, text, sizeof text);
    heartbeat_describe(&news, name, place, sizeof place);
    snprintf(why, sizeof why, "%s%s%s", how, *place == '\0' ? "" : ", ", place);
    report_failure(p, w, why);
}

static double stall_limit_s(const pool *p) {
    return p->s->options.stall_s > 0 ? p->s->options.stall_s : SWEEP_STALL_S;
}

/* The worker's pipe is shut: it has ended, or is about to */
static void end_worker(pool *p, worker *w) {
    int status = 0;
    char why[200];
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(w->fd);
    p->running--;
    p->display.done++;
    if (w->is_late && !w->reported) {
        if (w->stuck_s >= stall_limit_s(p))
            snprintf(why, sizeof why, "no progress within %.9g s", stall_limit_s(p));
        else
            snprintf(why, sizeof why, "no result within %.9g s (--timeout)", p->s->options.timeout_s);
        report_silence(p, w, why);
    } else if (WIFSIGNALED(status) && !w->reported) {
        snprintf(why, sizeof why, "its worker was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
        report_silence(p, w, why);
    } else if (!w->reported) {
        snprintf(why, sizeof why, "its worker ended with status %d and no result", WEXITSTATUS(status));
        report_silence(p, w, why);
    } else if (w->message.news == SWEEP_FAILED) {
        report_failure(p, w, w->message.text);
    } else {
        report_finish(p, w);
    }
    *w = (worker){0};
}

static void take_message(pool *p, worker *w) {
    w->got = 0;
    if (w->message.news == SWEEP_ADVANCED) {
        double part = (double)w->message.now_ns / (p->s->first->duration_s * 1e9);
        w->part = part > 1 ? 1 : part;
    } else {
        w->reported = 1;
    }
}

static void listen_to(pool *p, worker *w) {
    if (w->reported) { /* nothing follows a last message but the end */
        end_worker(p, w);
        return;
    }
    ssize_t n = read(w->fd, (char *)&w->message + w->got, sizeof w->message - w->got);
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) {
        end_worker(p, w);
        return;
    }
    w->got += (size_t)n;
    if (w->got == sizeof w->message) take_message(p, w);
}

/* Whether the policy has been in one call for too long. A look counts for a second at most: all may have been
 * suspended since the last */
static int is_stuck(const pool *p, worker *w, double now) {
    uint64_t begun;
    double step_s = now - w->looked_s < 1 ? now - w->looked_s : 1;
    int is_same = heartbeat_is_inside(w->beat, &begun) && begun == w->begun;
    w->stuck_s = is_same ? w->stuck_s + step_s : 0;
    w->begun = begun;
    w->looked_s = now;
    return w->stuck_s >= stall_limit_s(p);
}

/* Gives up the runs that take longer than --timeout, or whose policy hangs. A plug-in's children may hold the pipe: it is not waited for */
static void stop_late(pool *p) {
    double limit_s = p->s->options.timeout_s, now = now_s();
    for (size_t i = 0; i < p->n; i++) {
        worker *w = &p->workers[i];
        if (w->pid == 0 || w->reported) continue;
        if (!is_stuck(p, w, now) && (limit_s <= 0 || now - w->began_s < limit_s)) continue;
        w->is_late = 1;
        kill(w->pid, SIGKILL);
        end_worker(p, w);
    }
}

static void draw(pool *p) {
    double done = (double)p->display.done;
    for (size_t i = 0; i < p->n; i++) done += p->workers[i].pid != 0 ? p->workers[i].part : 0;
    sweep_display_advance(&p->display, done);
}

/* Waits for news for at most a tenth of a second; a signal that came is the report's */
static void wait_for_news(pool *p) {
    for (size_t i = 0; i < p->n; i++)
        p->polls[i] = (struct pollfd){p->workers[i].pid != 0 ? p->workers[i].fd : -1, POLLIN, 0};
    int n_ready = poll(p->polls, (nfds_t)p->n, 100);
    const struct timespec now = {0, 0};
    int got = sigtimedwait(&p->stops, NULL, &now);
    if (got > 0) { /* it may have gone to the workers too: their end is no failure then */
        p->report->interrupted = got;
        return;
    }
    if (n_ready > 0) {
        for (size_t i = 0; i < p->n; i++)
            if (p->workers[i].pid != 0 && p->polls[i].revents != 0) listen_to(p, &p->workers[i]);
    }
    stop_late(p);
}

/* A run whose last message came has been written: it counts, whatever happens to its worker now */
static void stop_workers(pool *p) {
    for (size_t i = 0; i < p->n; i++)
        if (p->workers[i].pid != 0) kill(p->workers[i].pid, SIGTERM);
    for (size_t i = 0; i < p->n; i++) {
        worker *w = &p->workers[i];
        if (w->pid == 0) continue;
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        while (!w->reported && read(w->fd, &w->message, sizeof w->message) == (ssize_t)sizeof w->message)
            take_message(p, w);
        if (w->reported && w->message.news == SWEEP_WROTE) p->report->finished++;
        close(w->fd);
        *w = (worker){0};
    }
}

static int run_pool(pool *p) {
    int rc = 0;
    while (rc == 0 && p->report->interrupted == 0 && (p->running > 0 || p->next < p->s->n_jobs)) {
        rc = start_workers(p);
        if (rc != 0) break;
        draw(p);
        wait_for_news(p);
    }
    stop_workers(p);
    return rc;
}

int sweep_execute(sweep *s, sweep_report *report, char err[CONFIG_ERR_LEN]) {
    *report = (sweep_report){.planned = s->n_jobs + s->skipped, .skipped = s->skipped};
    int database = sweep_hold_database(s, err);
    if (database < 0) return -1;
    pool p = {.s = s, .n = s->options.jobs, .report = report, .err = err};
    if (p.n > s->n_jobs) p.n = s->n_jobs;
    p.workers = calloc(p.n + 1, sizeof *p.workers);
    p.polls = calloc(p.n + 1, sizeof *p.polls);
    p.beats = heartbeat_new(p.n + 1);
    int rc = p.workers == NULL || p.polls == NULL || p.beats == NULL
                 ? config_fail(err, "sweep", NULL, "no memory", "enough of it")
                 : 0;
    if (rc == 0) {
        sigset_t before;
        sigemptyset(&p.stops);
        sigaddset(&p.stops, SIGINT);
        sigaddset(&p.stops, SIGTERM);
        sigaddset(&p.stops, SIGHUP);
        sigprocmask(SIG_BLOCK, &p.stops, &before);
        sweep_display_begin(&p.display, s);
        rc = run_pool(&p);
        sweep_display_end(&p.display);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    heartbeat_free(p.beats, p.n + 1);
    free(p.workers);
    free(p.polls);
    close(database);
    return rc;
}
