/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of deadlines: milliseconds since some moment, never set back or forth. A host that
 * comes back after a power cut sets its other clock while we wait.
 */
#ifndef QUOIN_BASE_CLOCK_H
#define QUOIN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The same, and it goes on while the machine sleeps: for what others count on meanwhile. */
static inline int64_t clock_boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
