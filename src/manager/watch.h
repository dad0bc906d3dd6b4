/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hosts say now. Threads, as many as there is work for, ask each host's agent for its
 * status, by mutual TLS with the manager's own certificate; the last answer is kept with its time.
 * A host that is dead or slow holds up nobody but itself, a thousand hosts are asked as often as
 * one. What changes becomes an event, and so does every use of a KEK that a host's audit tells.
 */
#ifndef QUOIN_MANAGER_WATCH_H
#define QUOIN_MANAGER_WATCH_H

#include "manager/database.h"
#include "manager/identity.h"
#include "wire/client.h"

struct watch;

struct watch_conf {
    const struct identity *identity; /* borrowed, as is the database */
    struct database *database;
    unsigned port;    /* of the agents; 0 means 7443 */
    unsigned seconds; /* between two questions to a host; 0 means 5 */
};

bool watch_start(const struct watch_conf *conf, struct watch **out, struct err *err);
void watch_stop(struct watch *watch);
DROP(watch, struct watch *, watch_stop);

/* The hosts in the database are not those of before. */
bool watch_again(struct watch *watch, struct err *err);
/* {NAME: {"state","since","seen","trouble","skew","report"}}: state is up, away or unknown; since
 * and seen are Unix seconds, seen is null before the first answer; skew is how many seconds its
 * clock is ahead of ours for certain; trouble, skew and report may be null. The caller owns it; the
 * reports in it are shared and not to be changed. */
json_t *watch_look(struct watch *watch);
/* Every event of what was seen so far is in the database when it returns. */
void watch_settle(struct watch *watch);
/* A connection of its own to a host's agent. ERR_ABSENT: no such host. */
bool watch_reach(struct watch *watch, const char *host, struct client **out, struct err *err);

#endif
