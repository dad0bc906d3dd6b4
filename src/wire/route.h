/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes as a table: a method, a path in which {name} stands for one segment, who may use it, how
 * large a body it takes, and what answers it.
 */
#ifndef QUOIN_WIRE_ROUTE_H
#define QUOIN_WIRE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

/* For `body_max`: a stream whose length only its reader knows. */
#define ROUTE_NO_CEILING UINT64_MAX

struct route {
    const char *method;
    const char *path;  /* "/v1/vms/{name}/start" */
    unsigned roles;    /* enum role, or-ed */
    uint64_t body_max; /* bytes; 0: takes no body */
    /* Runs in a thread of its own; see wire/server.h for what it may call. Must reply. */
    void (*answer)(struct request *request, void *context);
};

/* A path has at most this many {name}; the value of one at most ROUTE_VALUE_MAX bytes. */
#define ROUTE_VALUES_MAX 4u
#define ROUTE_VALUE_MAX  255u

struct route_values {
    const char *path; /* the route's, borrowed: the names stand there */
    unsigned count;
    char value[ROUTE_VALUES_MAX][ROUTE_VALUE_MAX + 1];
};

enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

/* `path` is decoded already. A value is never empty, "." or "..", and has no '/' or control byte.
 */
enum route_match route_find(const struct route *routes, size_t count, const char *method,
                            const char *path, const struct route **out,
                            struct route_values *values);
/* The value of {name}, or NULL. */
const char *route_value(const struct route_values *values, const char *name);

#endif
