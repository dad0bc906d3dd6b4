/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of this host, as the kernel tells it (proc(5), /proc/meminfo). */
#ifndef QUOIN_AGENT_MEMORY_H
#define QUOIN_AGENT_MEMORY_H

#include <stdbool.h>

#include "base/err.h"

struct memory {
    long long total, available; /* MiB */
};

bool memory_look(struct memory *out, struct err *err);

#endif
