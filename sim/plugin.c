/* plugin.c - shared objects with policies: tried in a process of their own, then loaded. */
#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "setup_int.h"

enum { LOAD_S = 20 }; /* a file that takes longer to load hangs */

static const char what_to_load[] =
    "a shared object with a policy (`hassim policy new` prints how to build one)";

typedef struct {
    plugin about;
    void *code; /* of dlopen */
} entry;

struct plugin_set {
    entry **entries;
    size_t n;
};

plugin_set *plugin_set_new(void) {
    return calloc(1, sizeof(plugin_set));
}

static void free_entry(entry *e) {
    if (e == NULL) return;
    if (e->code != NULL) dlclose(e->code);
    free(e->about.path);
    free(e);
}

void plugin_set_free(plugin_set *set) {
    if (set == NULL) return;
    for (size_t i = 0; i < set->n; i++) free_entry(set->entries[i]);
    free(set->entries);
    free(set);
}

const pol_ops *plugin_policy_at(const plugin_set *set, size_t i) {
    size_t n_built_in = 0;
    while (policy_at(n_built_in) != NULL) n_built_in++;
    if (i < n_built_in) return policy_at(i);
    return set != NULL && i - n_built_in < set->n ? set->entries[i - n_built_in]->about.ops : NULL;
}

const pol_ops *plugin_policy_find(const plugin_set *set, const char *name) {
    const pol_ops *ops;
    for (size_t i = 0; (ops = plugin_policy_at(set, i)) != NULL; i++)
        if (strcmp(ops->name, name) == 0) return ops;
    return NULL;
}

const plugin *plugin_of(const plugin_set *set, const pol_ops *ops) {
    for (size_t i = 0; set != NULL && i < set->n; i++)
        if (set->entries[i]->about.ops == ops) return &set->entries[i]->about;
    return NULL;
}

/* ---- the file ---- */

/* The whole file; NULL with a message. A FIFO never blocks, a device is never read. */
static unsigned char *read_file(const char *path, size_t *size, char *err) {
    struct stat st;
    FILE *file = NULL;
    unsigned char *bytes = NULL;
    const char *found = NULL;
    if (stat(path, &st) != 0)
        found = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        found = S_ISDIR(st.st_mode) ? "a directory" : "no regular file";
    else if ((file = fopen(path, "rb")) == NULL || (bytes = malloc((size_t)st.st_size + 1)) == NULL)
        found = strerror(errno);
    else if ((*size = fread(bytes, 1, (size_t)st.st_size, file)) != (size_t)st.st_size)
        found = "a read error";
    if (file != NULL) fclose(file);
    if (found == NULL) return bytes;
    free(bytes);
    config_fail(err, path, NULL, found, what_to_load);
    return NULL;
}

/* The loader maps what a file's headers promise, and dies where the file ends before */
static int check_elf(const char *path, const unsigned char *bytes, size_t size, char *err) {
    ElfW(Ehdr) head;
    if (size < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return config_fail(err, path, NULL, "a file that is no ELF object", what_to_load);
    if (size < sizeof head)
        return config_fail(err, path, NULL, "a file that is cut off", "all of it: rebuild it");
    memcpy(&head, bytes, sizeof head);
    for (size_t i = 0; i < head.e_phnum; i++) {
        ElfW(Phdr) part;
        size_t at = i * sizeof part;
        if (head.e_phoff > size || size - head.e_phoff < at + sizeof part)
            return config_fail(err, path, NULL, "a file that is cut off", "all of it: rebuild it");
        memcpy(&part, bytes + head.e_phoff + at, sizeof part);
        if (part.p_offset > size || size - part.p_offset < part.p_filesz)
            return config_fail(err, path, NULL, "a file that is cut off", "all of it: rebuild it");
    }
    return 0;
}

static int check_file(const char *path, uint64_t *hash, char *err) {
    size_t size = 0;
    unsigned char *bytes = read_file(path, &size, err);
    if (bytes == NULL) return -1;
    int rc = check_elf(path, bytes, size, err);
    *hash = setup_hash_bytes(SETUP_HASH_EMPTY, bytes, size);
    free(bytes);
    return rc;
}

/* ---- the code ---- */

/* ISO C has no cast from an object's to a function's pointer; POSIX says that dlsym's result is one */
static const pol_ops *ask(void *symbol) {
    const pol_ops *(*export_policy)(void);
    memcpy(&export_policy, &symbol, sizeof export_policy);
    return export_policy();
}

/* dlerror in one line that leaves out the path, which the message begins with */
static int fail_load(const char *path, char *err) {
    const char *why = dlerror(), *colon = why == NULL ? NULL : strstr(why, ": ");
    char quoted[CONFIG_FOUND_LEN];
    return config_fail(err, path, NULL,
                       why == NULL ? "a file that cannot be loaded"
                                   : config_quote(quoted, colon == NULL ? why : colon + 2),
                       what_to_load);
}

/* Loads the file and asks it; what it says is checked. e->code is set as soon as there is some. */
static int open_code(entry *e, const char *path, char *err) {
    char *real = realpath(path, NULL); /* a name without a slash would be searched for elsewhere */
    if (real == NULL) return config_fail(err, path, NULL, strerror(errno), what_to_load);
    e->code = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    free(real);
    if (e->code == NULL) return fail_load(path, err);
    void *symbol = dlsym(e->code, "policy_export");
    if (symbol == NULL)
        return config_fail(err, path, NULL, "no function policy_export",
                           "`const pol_ops *policy_export(void)` as in policy.h, not static");
    e->about.ops = ask(symbol);
    if (e->about.ops == NULL)
        return config_fail(err, path, NULL, "NULL from policy_export", "the policy's pol_ops");
    return plugin_check_ops(e->about.ops, path, err);
}

/* What a child that tries the file says: nothing, or why not */
static void try_in_child(const char *path, int fd) {
    char err[CONFIG_ERR_LEN] = "";
    entry e = {.code = NULL};
    alarm(LOAD_S); /* for when the parent is gone, which has a deadline of its own */
    open_code(&e, path, err);
    ssize_t n = write(fd, err, strlen(err) + 1); /* the NUL says that it came to the end */
    _exit(n < 0);
}

/* Left to be waited for, so that its process group's number stays its own */
static int has_ended(pid_t child) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == child;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Reads until the answer's NUL, the child's end or the deadline. The pipe's end says nothing: a child may close it
 * and live on, and children of its own may hold it open. 1: it took too long */
static int listen_to(pid_t child, int fd, char answer[CONFIG_ERR_LEN], size_t *got) {
    struct pollfd news = {fd, POLLIN, 0};
    for (const double until_s = now_s() + LOAD_S;;) {
        int ended = has_ended(child); /* asked first: what it wrote before is read below */
        ssize_t n = -1;
        if (poll(&news, 1, ended ? 0 : 10) > 0) n = read(fd, answer + *got, CONFIG_ERR_LEN - *got);
        if (n == 0) news.fd = -1; /* else poll would no longer wait */
        if (n > 0) *got += (size_t)n;
        if (*got == CONFIG_ERR_LEN || memchr(answer, '\0', *got) != NULL) return 0;
        if (ended && n <= 0) return 0;
        if (now_s() > until_s) return 1;
    }
}

/* Ends the child and what it has started, whatever they do about signals */
static int end_child(pid_t child) {
    int status = 0;
    kill(-child, SIGKILL);
    kill(child, SIGKILL); /* it may have left its group */
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static int take_answer(const char *path, pid_t child, int fd, char *err) {
    char answer[CONFIG_ERR_LEN], found[200];
    size_t got = 0;
    int is_late = listen_to(child, fd, answer, &got), status = end_child(child);
    if (memchr(answer, '\0', got) != NULL) {
        strcpy(err, answer);
        return *err == '\0' ? 0 : -1;
    }
    if (is_late || (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM))
        snprintf(found, sizeof found, "code that hangs while it is loaded");
    else if (WIFSIGNALED(status))
        snprintf(found, sizeof found, "code that crashes while it is loaded, with signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(found, sizeof found, "code that ends the program while it is loaded");
    return config_fail(err, path, NULL, found, "a policy_export that only returns its pol_ops");
}

static int try_file(const char *path, char *err) {
    int ends[2];
    if (pipe(ends) != 0) return config_fail(err, path, NULL, strerror(errno), "a process to try it in");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        close(ends[0]);
        try_in_child(path, ends[1]);
    }
    close(ends[1]);
    if (child > 0) setpgid(child, child); /* whichever of the two comes first */
    int rc = child < 0 ? config_fail(err, path, NULL, strerror(errno), "a process to try it in")
                       : take_answer(path, child, ends[0], err);
    close(ends[0]);
    return rc;
}

static int check_taken(const plugin_set *set, const char *path, const char *name, char *err) {
    const pol_ops *other = plugin_policy_find(set, name);
    if (other == NULL) return 0;
    const plugin *from = plugin_of(set, other);
    char found[CONFIG_FOUND_LEN + 60], quoted[CONFIG_FOUND_LEN], expected[200];
    snprintf(found, sizeof found, "a policy %s", config_quote(quoted, name));
    if (from == NULL)
        snprintf(expected, sizeof expected, "a name that no built-in policy has");
    else
        snprintf(expected, sizeof expected, "a name that %.100s does not have", from->path);
    return config_fail(err, path, "name", found, expected);
}

int plugin_load(plugin_set *set, const char *path, char err[CONFIG_ERR_LEN]) {
    entry **list = realloc(set->entries, (set->n + 1) * sizeof *list);
    if (list != NULL) set->entries = list;
    entry *e = calloc(1, sizeof *e);
    if (list == NULL || e == NULL || (e->about.path = strdup(path)) == NULL) {
        free_entry(e);
        return config_fail(err, path, NULL, "no memory", "enough of it");
    }
    if (check_file(path, &e->about.hash, err) != 0 || try_file(path, err) != 0 ||
        open_code(e, path, err) != 0 || check_taken(set, path, e->about.ops->name, err) != 0) {
        free_entry(e);
        return -1;
    }
    set->entries[set->n++] = e;
    return 0;
}
