/* prices.h - a price list: what a GPU-hour costs at a provider (experiments/prices.json).
 *
 *     {"version": "...", "note": "...", "prices": [{"provider": "gcp", "device": "v100-16gb",
 *      "usd_per_gpu_hour": 2.48, "source": "...", "date": "2024-12", "derived_from": "..."}, ...]}
 *
 * Every price says where it comes from and as of when; one that is no list price names what it was derived
 * from. Anything else is refused with one line in err. prices_close accepts NULL.
 */
#ifndef PRICES_H
#define PRICES_H

#include "config_json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct prices prices;

/* provider NULL: the file's only one */
int prices_open(prices **out, const char *path, const char *provider, char err[CONFIG_ERR_LEN]);
double prices_usd_per_gpu_hour(const prices *p, const char *device); /* < 0: none */
const char *prices_provider(const prices *p);
void prices_close(prices *p);

#ifdef __cplusplus
}
#endif
#endif
