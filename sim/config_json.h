/* config_json.h - JSON from outside, read strictly, and the one line that says what is wrong with it.
 *
 * A text is refused, with file:line:column, when it is no JSON, no UTF-8, holds control characters or NUL
 * escapes, or nests deeper than CONFIG_DEPTH_MAX. A path is refused when it is no regular file (a FIFO never
 * blocks) or larger than CONFIG_BYTES_MAX. Meaning is checked by whoever knows it, and reported by
 * config_fail: "FILE: JSON.PATH: found X, expected Y", always one line.
 *
 * The caller frees what is returned with cJSON_Delete. NULL: error, the line is in err.
 */
#ifndef CONFIG_JSON_H
#define CONFIG_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CONFIG_ERR_LEN   1024
#define CONFIG_BYTES_MAX ((size_t)16 << 20)
#define CONFIG_DEPTH_MAX 32
#define CONFIG_FOUND_LEN 96 /* a value as shown in a message */

/* name stands for the text in messages */
cJSON *config_json_parse(const char *name, const char *text, size_t len, char err[CONFIG_ERR_LEN]);
cJSON *config_json_read(const char *path, char err[CONFIG_ERR_LEN]);

/* Puts "FILE: PLACE: found FOUND, expected EXPECTED" into err and returns -1. Without a place (NULL or "")
 * and without found (NULL: "missing") it leaves them out. */
int config_fail(char err[CONFIG_ERR_LEN], const char *file, const char *place, const char *found,
                const char *expected);
/* Replaces by '?' what is no printable text: control characters (C0, DEL, C1), bytes that are no UTF-8 */
void config_show(char *text);
/* text in double quotes, printable and shortened; returns out */
const char *config_quote(char out[CONFIG_FOUND_LEN], const char *text);
/* an item as a message shows it: "the string "ten"", "the number 3", "an object" ...; returns out */
const char *config_describe(char out[CONFIG_FOUND_LEN], const cJSON *item);
/* Edit distance of two short words; and whether it is small enough for "did you mean" */
size_t config_distance(const char *a, const char *b);
int config_is_near(const char *word, size_t distance);

#ifdef __cplusplus
}
#endif
#endif
