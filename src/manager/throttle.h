/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often somebody may guess a password: so many failures a minute from one address, and so many
 * from all of them together. An IPv6 address counts by its /64, which is one network.
 */
#ifndef QUOIN_MANAGER_THROTTLE_H
#define QUOIN_MANAGER_THROTTLE_H

#include <stdbool.h>
#include <time.h>

#include "base/auto.h"

struct throttle;

/* A person mistypes a few times; five million guesses a year find no good password. */
#define THROTTLE_ADDRESS 10u
/* Each costs 60 ms of one processor: at most a tenth of it. */
#define THROTTLE_ALL     100u
#define THROTTLE_SECONDS 60

struct throttle *throttle_new(void);
void throttle_free(struct throttle *throttle);
DROP(throttle, struct throttle *, throttle_free);

/* Counts an attempt before it is judged, so that many at once gain nothing. False: too many;
 * `*out_wait` seconds until the next is heard. `now` is of a clock that never goes back. */
bool throttle_try(struct throttle *throttle, const char *address, time_t now, unsigned *out_wait);
/* It was no failure: the attempts of this address are forgotten. */
void throttle_forgive(struct throttle *throttle, const char *address);

#endif
