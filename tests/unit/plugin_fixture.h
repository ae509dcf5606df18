/* plugin_fixture.h - the shared objects that tests/CMakeLists.txt makes of tests/plugins/faulty.c. */
#ifndef PLUGIN_FIXTURE_H
#define PLUGIN_FIXTURE_H

#include <stdio.h>

#include "plugin.h"

/* "hangs" -> the path of faulty.c built with FAULT=HANGS; in a buffer of the caller's */
static inline const char *plugin_path(const char *fault, char out[4096]) {
    snprintf(out, 4096, "%s/plugin_%s.so", HASSIM_TEST_PLUGINS, fault);
    return out;
}

#endif
