/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hosts say now. A few threads ask each host's agent for its status, by mutual TLS with
 * the manager's own certificate; the last answer is kept with its time. A host that is dead or slow
 * holds up nobody but itself. What changes becomes an event.
 */
#ifndef QUOIN_MANAGER_WATCH_H
#define QUOIN_MANAGER_WATCH_H

#include "manager/database.h"
#include "manager/identity.h"

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
/* {NAME: {"state","since","seen","trouble","report"}}: state is up, away or unknown; since and seen
 * are Unix seconds, seen is null before the first answer, trouble and report may be null. The
 * caller owns it; the reports in it are shared and not to be changed. */
json_t *watch_look(struct watch *watch);

#endif
