/* conformance.c - each item in a process of its own, under a time limit. */
#include "conformance.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance_int.h"

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits for the child; 1: it took too long and was stopped */
static int await(pid_t child, double limit_s, int *status) {
    const struct timespec pause = {0, 5000000};
    const double until_s = now_s() + limit_s;
    for (;;) {
        pid_t got = waitpid(child, status, WNOHANG);
        if (got == child || (got < 0 && errno != EINTR)) return 0;
        if (now_s() > until_s) break;
        nanosleep(&pause, NULL);
    }
    kill(child, SIGKILL);
    while (waitpid(child, status, 0) < 0 && errno == EINTR) {
    }
    return 1;
}

/* A child that gave no verdict */
static void describe_end(const conformance_env *env, int is_late, double limit_s, int status, char *text,
                         size_t len) {
    char how[120], place[200];
    const heartbeat_news news = heartbeat_read(env->beat);
    heartbeat_describe(&news, NULL, place, sizeof place);
    if (is_late)
        snprintf(how, sizeof how, "no end within %.9g s (--timeout)", limit_s);
    else if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended the program with status %d", WEXITSTATUS(status));
    snprintf(text, len, "%s%s%s (config %zu)", how, *place == '\0' ? "" : ", ", place, env->board->config);
}

static int judge(const conformance_env *env, const conformance_item *item, double limit_s,
                 conformance_verdict *verdict, char *err) {
    int status = 0;
    *env->board = (conformance_board){.is_done = 0};
    heartbeat_clear(env->beat);
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) return config_fail(err, "conformance", NULL, strerror(errno), "a process for each item");
    if (child == 0) {
        item->judge(env);
        _exit(0); /* not exit: the parent's buffers and handlers are not ours */
    }
    int is_late = await(child, limit_s, &status);
    *verdict = (conformance_verdict){.item = item->name, .grade = CONFORMANCE_FAIL};
    if (env->board->is_done && !is_late && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        verdict->grade = env->board->grade;
        snprintf(verdict->text, sizeof verdict->text, "%s", env->board->text);
    } else {
        describe_end(env, is_late, limit_s, status, verdict->text, sizeof verdict->text);
    }
    return 0;
}

static int judge_all(const conformance_env *env, const conformance_options *options,
                     conformance_summary *summary, char *err) {
    size_t n = 0;
    const conformance_item *items = conformance_items(&n);
    for (size_t i = 0; i < n; i++) {
        conformance_verdict verdict;
        if (judge(env, &items[i], options->timeout_s, &verdict, err) != 0) return -1;
        summary->items++;
        summary->failed += verdict.grade == CONFORMANCE_FAIL;
        summary->warned += verdict.grade == CONFORMANCE_WARN;
        options->report(options->report_arg, &verdict);
    }
    return 0;
}

/* Zeroed memory that the children write to and the parent reads; MAP_FAILED: none */
static void *share(size_t len) {
    return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

int conformance_run(const plugin_set *plugins, const pol_ops *ops, const conformance_options *options,
                    conformance_summary *summary, char err[CONFIG_ERR_LEN]) {
    conformance_board *board = share(sizeof *board);
    const size_t record_len = sizeof(conformance_record) + options->configs * sizeof(uint64_t);
    conformance_record *record = share(record_len);
    heartbeat *beat = heartbeat_new(1);
    setup_store *store = setup_store_new();
    int rc = -1;
    *summary = (conformance_summary){0};
    if (board == MAP_FAILED || record == MAP_FAILED || beat == NULL || store == NULL) {
        config_fail(err, "conformance", NULL, "no memory", "enough of it");
        goto out;
    }
    const conformance_env env = {plugins, ops, store, options->configs, board, record, beat};
    conformance_trial first; /* reads the calibration once for all children */
    if (conformance_open(&first, &env, CONFIG_SHORT, 0, err) != 0) goto out;
    conformance_close(&first);
    rc = judge_all(&env, options, summary, err);
out:
    setup_store_free(store);
    heartbeat_free(beat, 1);
    if (record != MAP_FAILED) munmap(record, record_len);
    if (board != MAP_FAILED) munmap(board, sizeof *board);
    return rc;
}
