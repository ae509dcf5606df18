/* config_path.h - override paths: one value of a config replaced, before the config is checked.
 *
 * "a.b[0].c" walks objects and arrays; "policies.NAME..." and "functions.NAME..." reach every element of that
 * array whose label or name is NAME (NAME may hold dots). Missing objects on the way are created, missing
 * array elements and names are errors.
 */
#ifndef CONFIG_PATH_H
#define CONFIG_PATH_H

#include <cjson/cJSON.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sets a copy of value at path. 0, or -1: why is a static string that says what was expected. */
int config_path_set(cJSON *root, const char *path, const cJSON *value, const char **why);

#ifdef __cplusplus
}
#endif
#endif
