/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manager: what a cluster looks like, for people and their programs. It keeps what they made in a
 * database, asks the hosts' agents what is so now, and shows both: an API and a page over HTTPS. It
 * holds no key of any disk and can ask nobody for one.
 */
#ifndef QUOIN_MANAGER_MANAGER_H
#define QUOIN_MANAGER_MANAGER_H

#include <pthread.h>
#include <time.h>

#include "manager/database.h"
#include "manager/identity.h"
#include "manager/rotate.h"
#include "manager/throttle.h"
#include "manager/watch.h"
#include "wire/server.h"

struct manager {
    struct identity *identity;
    struct database *database;
    struct watch *watch;
    struct rotate *rotate;
    struct throttle *throttle;
    struct server *server;
    time_t began;
    /* A password check takes 32 MiB: one at a time. */
    pthread_mutex_t judging;
};

struct manager_conf {
    const char *identity; /* path */
    const char *data;     /* folder */
    const char *address;  /* to listen on; NULL: all */
    unsigned port;        /* 0: any */
    unsigned agent_port;  /* 0: as usual */
    unsigned seconds;     /* between two questions to a host; 0: as usual */
    unsigned rotate;      /* seconds for a phase of a rotation on a host; 0: as usual */
};

/* It answers when this returns. */
bool manager_open(const struct manager_conf *conf, struct manager **out, struct err *err);
unsigned manager_port(const struct manager *manager);
void manager_close(struct manager *manager);
DROP(manager, struct manager *, manager_close);

#endif
