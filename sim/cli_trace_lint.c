#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "cli_trace_int.h"
#include "trace_defects.h"

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, CLI_TRACE_FORMAT_HELP, 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"help", 'h', NULL, 0, "print this help", -1},
    {0},
};

static uint64_t total_of(const trace_defects *defects) {
    uint64_t total = 0;
    for (size_t i = 0; i < TRACE_N_DEFECTS; i++) total += trace_defect_count(defects, trace_defect_at(i));
    return total;
}

static void print_json(const char *path, const trace_file *file, const trace_defects *defects) {
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "defects");
    cJSON_AddStringToObject(root, "path", path);
    cJSON_AddStringToObject(root, "format", trace_format_of(file));
    cJSON_AddNumberToObject(root, "total", (double)total_of(defects));
    for (size_t i = 0; i < TRACE_N_DEFECTS; i++) {
        const trace_defect *d = trace_defect_at(i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        cJSON_AddStringToObject(item, "defect", d->key);
        cJSON_AddNumberToObject(item, "count", (double)trace_defect_count(defects, d));
        cJSON_AddStringToObject(item, "what", d->what);
        cJSON_AddStringToObject(item, "handling", d->handling);
    }
    char *text = cJSON_Print(root);
    if (text) puts(text);
    free(text);
    cJSON_Delete(root);
}

int cli_trace_lint(int argc, char **argv) {
    static const char doc[] =
        "Look for the known defects of real trace files, count them, and say what reading the "
        "file does with each.\vExit code 0: none; 1: some; 2: the file cannot be read at all.";
    cli_trace_args args = {0};
    char err[TRACE_ERR_LEN];
    trace_file *file;
    if (cli_trace_parse(&args, options, "FILE", doc, 0, argc, argv)) return CLI_USAGE;
    if (args.help) return CLI_OK;
    if (trace_open(&file, args.format, args.path, err)) {
        cli_complain(argv[0], "%s", err);
        return CLI_USAGE;
    }
    trace_defects defects = trace_defects_of(file);
    uint64_t total = total_of(&defects);
    if (args.json) {
        print_json(args.path, file, &defects);
    } else {
        printf("%s: %s, %zu functions: %llu known defects\n", args.path, trace_format_of(file),
               trace_n_functions(file), (unsigned long long)total);
        cli_trace_print_defects(file, 1);
    }
    trace_close(file);
    int rc = cli_trace_flush(argv[0]);
    return rc ? rc : total ? CLI_FAILED : CLI_OK;
}
