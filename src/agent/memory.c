/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define MEMORY_FILE "/proc/meminfo"
#define MAX_FILE    16384u

/* "Name:   123 kB", in MiB; -1: there is no such line. */
static long long line_of(const char *text, const char *name)
{
    const char *line = strstr(text, name);

    return line ? strtoll(line + strlen(name), NULL, 10) / 1024 : -1;
}

bool memory_look(struct memory *out, struct err *err)
{
    AUTO(drop_free) char *text = NULL;

    if (!file_read(MEMORY_FILE, MAX_FILE, &text, NULL, err)) {
        return false;
    }
    const struct memory found = {line_of(text, "MemTotal:"), line_of(text, "MemAvailable:")};

    if (found.total < 0 || found.available < 0) {
        return err_set(err, ERR_SYSTEM, MEMORY_FILE " does not tell this host's memory");
    }
    *out = found;
    return true;
}
