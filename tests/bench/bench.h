/* SPDX-License-Identifier: Apache-2.0 */
/* What the benches share: a clock, and medians of rounds in turns. */
#ifndef QUOIN_TESTS_BENCH_H
#define QUOIN_TESTS_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

#define MAX_ROUNDS 99u
#define HELPER     __attribute__((unused)) static

/* Seconds. */
HELPER double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

HELPER void need(bool done, const struct err *err)
{
    if (!done) {
        fprintf(stderr, "bench: %s\n", err->what);
        exit(7);
    }
}

HELPER int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of at most MAX_ROUNDS. */
HELPER double median(const double *values, size_t count)
{
    double sorted[MAX_ROUNDS];

    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), by_value);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* The ratio is taken in each round, between neighbours: what else the machine did cancels out. */
HELPER double median_ratio(const double *a, const double *b, size_t count)
{
    double ratios[MAX_ROUNDS];

    for (size_t i = 0; i < count; i++) {
        ratios[i] = a[i] / b[i];
    }
    return median(ratios, count);
}

#endif
