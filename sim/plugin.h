/* plugin.h - the policies that a config may name: the built-in ones, and those of shared objects.
 *
 * A plug-in is a shared object that defines policy_export (policy.h). plugin_load refuses, in one line that
 * says what to do, what is no ELF file or is cut off, lacks the symbol, was compiled against another contract,
 * has a table that makes no sense, or a name that is taken. The file is first tried in a process of its own, so
 * that one that crashes or hangs while it is loaded is refused, too. Loading runs the file's code: it is
 * trusted as far as any program that its user starts.
 *
 * A set holds what was loaded, in order; the built-in policies come first in every set, and NULL stands for a
 * set without plug-ins. It must outlive every config and run that may use it: plugin_set_free unloads the code.
 * Errors: -1 and one line in err.
 */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "config_json.h"
#include "policy.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plugin_set plugin_set;

typedef struct {
    char *path;
    uint64_t hash; /* of the file's bytes */
    const pol_ops *ops;
} plugin;

plugin_set *plugin_set_new(void);      /* NULL: no memory */
void plugin_set_free(plugin_set *set); /* NULL is fine */
int plugin_load(plugin_set *set, const char *path, char err[CONFIG_ERR_LEN]);

const pol_ops *plugin_policy_find(const plugin_set *set, const char *name); /* NULL: unknown */
const pol_ops *plugin_policy_at(const plugin_set *set, size_t i);           /* NULL: past the last */
const plugin *plugin_of(const plugin_set *set, const pol_ops *ops);         /* NULL: built in */

/* Whether a policy's contract, name, functions and table of parameters make sense. what stands for it in the
 * message: its file, or its name. */
int plugin_check_ops(const pol_ops *ops, const char *what, char err[CONFIG_ERR_LEN]);

#ifdef __cplusplus
}
#endif
#endif
