/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second host for tests of the agent: the world's agent (world.h) is h1 with its datastore,
 * enrolled; this one is h2, as its package was installed, over the same datastore.
 */
#ifndef QUOIN_TESTS_AGENT_SECOND_H
#define QUOIN_TESTS_AGENT_SECOND_H

#include "world.h"

extern struct agent second;
extern char *second_address;

/* For each test. */
int second_begin(void **state);
int second_end(void **state);
#define JOINS(test) cmocka_unit_test_setup_teardown(test, second_begin, second_end)

/* A step of h2, under a name and in a cluster; `params` is taken. */
struct outcome second_as(const char *name, const char *cluster, const char *kind, json_t *params);
struct outcome second_try(const char *kind, json_t *params);
/* Must succeed; the caller drops what it gives. */
json_t *second_does(const char *kind, json_t *params);
/* The same where nobody asks what it gave. */
void second_did(const char *kind, json_t *params);
/* h1's, likewise. */
json_t *first_does(const char *kind, json_t *params);

json_t *sign_params(const char *request, const char *name);
/* h2 asks, h1 signs: {"certificate","ca"}. */
json_t *signed_for_second(void);
/* h2 has its certificate: {"parcel","proof",…} for it, with the provider's words. */
json_t *shared(void);
json_t *join_params(const json_t *parcel);
/* h2 is a host of the cluster like h1, and the datastore's maps tell of both. */
void second_joins(void);

#endif
