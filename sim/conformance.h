/* conformance.h - does a policy keep the contract of policy.h? One verdict per item.
 *
 *   contract     ABI, name, functions, table of parameters
 *   open         opens and closes with each parameter at minimum, default and maximum, in both modes; where it
 *                refuses a combination it says why, and never the defaults; nothing leaks
 *   threads      two threads, same bits as one: observe touches its own function only
 *   lazy         visiting every tick changes nothing
 *   order        the global order of events changes nothing
 *   legal        no action that the engine refuses whatever the load, as a GPU that does not exist; of those that
 *                found no place, how many: warned above CONFORMANCE_REFUSED_PCT
 *   repeat       two runs, same bits, which are also those of the processes that judged the items above
 *   refusals     lives with actions that are refused at random, and stays deterministic
 *   memory       holds no more memory the longer it runs
 *   cost         nanoseconds per observe and per act
 *
 * Runs are of random small configs: clusters, functions, loads, runtimes, parameters. Config k is the same on
 * every machine, conformance_config prints it, and a verdict names the first one that failed. Each item is
 * judged in a process of its own, under a time limit, so that a crash or a hang is a verdict, too: it says what
 * the policy was doing. A leak is seen by malloc's own count, and by LeakSanitizer where it is compiled in; a
 * race between functions in every run where it changes the result, and by ThreadSanitizer.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <stddef.h>

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CONFORMANCE_TEXT_LEN    400
#define CONFORMANCE_REFUSED_PCT 20

typedef enum { CONFORMANCE_PASS, CONFORMANCE_WARN, CONFORMANCE_FAIL } conformance_grade;

typedef struct {
    conformance_grade grade;
    const char *item;
    char text[CONFORMANCE_TEXT_LEN]; /* one line: what was seen */
} conformance_verdict;

typedef struct {
    size_t configs;                                                /* random ones per item; > 0 */
    double timeout_s;                                              /* per item; > 0 */
    void (*report)(void *arg, const conformance_verdict *verdict); /* as each item is judged */
    void *report_arg;
} conformance_options;

typedef struct {
    size_t items, failed, warned;
} conformance_summary;

/* plugins: the set that the policy was found in. -1 and err: the suite itself could not run. */
int conformance_run(const plugin_set *plugins, const pol_ops *ops, const conformance_options *options,
                    conformance_summary *summary, char err[CONFIG_ERR_LEN]);

/* Random config k for the policy, as JSON text; free it. NULL: no memory. */
char *conformance_config(const pol_ops *ops, size_t k);

#ifdef __cplusplus
}
#endif
#endif
