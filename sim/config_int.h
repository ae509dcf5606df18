/* config_int.h - private to config*.c: a checked JSON tree becomes a config. */
#ifndef CONFIG_INT_H
#define CONFIG_INT_H

#include "config.h"

/* root has passed config_keys_check and now belongs to the config, or is gone on error. */
int config_build(config **out, const char *path, cJSON *root, const cJSON *grid, const plugin_set *plugins,
                 char err[CONFIG_ERR_LEN]);

/* Checks the "params" of entry against ops's table, writes defaults into the entry and the values to
 * c->params */
int config_params(config_policy *p, cJSON *entry, const char *file, const char *place,
                  char err[CONFIG_ERR_LEN]);

#endif
