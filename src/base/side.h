/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Side by side: one piece of work for each of many, a few at a time. A cluster has one host or a
 * thousand; threads, programs and connections stay few either way.
 */
#ifndef QUOIN_BASE_SIDE_H
#define QUOIN_BASE_SIDE_H

#include <stddef.h>

/* For work that waits for other machines more than it works. */
#define SIDE_HOSTS 32u

/* Calls `each` once for every number below `count`, at most `at_once` of them at the same time, the
 * lower ones first, and returns when all have returned. Where the system gives no threads there are
 * fewer at a time, and in the end none but the caller's. */
void side_by_side(size_t count, unsigned at_once, void (*each)(void *context, size_t number),
                  void *context);

#endif
