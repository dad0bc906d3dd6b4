/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: every use of a KEK on this host, whether it worked or not. An event goes to the
 * journal, with fields (QUOIN_EVENT=key, QUOIN_VERB, QUOIN_KEK, QUOIN_PURPOSE, QUOIN_VM,
 * QUOIN_RESULT), and into a ring of the last ones, which the manager asks for: GET /v1/events. The
 * journal is the record; the ring is forgotten with the agent. No secret is in an event.
 *
 * A failure that repeats (a host that waits for its key server tries for ever) is one event that
 * counts how often, once a minute at most. What worked is never folded.
 */
#ifndef QUOIN_AGENT_AUDIT_H
#define QUOIN_AGENT_AUDIT_H

#include <stdint.h>
#include <time.h>

#include "key/key.h"

/* 300 bytes each; a rotation of a hundred VMs makes six hundred. */
#define AUDIT_EVENTS 2048u
/* In one answer, so that it stays below what a client takes. */
#define AUDIT_MAX_ANSWER 512u
/* Repeated failures become one event for so long. */
#define AUDIT_FOLD_SECONDS 60

struct audit;

struct audit *audit_new(void);
void audit_free(struct audit *audit);
DROP(audit, struct audit *, audit_free);
/* For key_listen: `audit` is a struct audit. From any thread. */
void audit_key(void *audit, const struct key_use *use);
/* How the use of keys went last, but for canaries (a proof ends with one that must fail): "" while
 * nothing failed since it last went well. Times are Unix seconds, 0: never. */
struct audit_health {
    time_t success, failure;
    char why[256], remedy[256];
    time_t found; /* when a use worked and yet there was something to mend; 0: never */
    char finding[256];
    char finding_kek[ENVELOPE_MAX_KEK_ID + 1]; /* it is about this one */
};
struct audit_health audit_health(struct audit *audit);
/* Something to mend that was found otherwise. */
void audit_found(struct audit *audit, const char *kek, const struct err *finding);
/* What is to be mended of this KEK though it worked, as "finding" into a step's result; nothing
 * where there is nothing. */
void audit_add_finding(struct audit *audit, const char *kek, json_t *result);
/* A provider that could not even be opened, or was (`err` NULL). */
void audit_opened(struct audit *audit, const struct err *err);
/* {"source","next"} of the last event, as the manager asks after it. A new reference. */
json_t *audit_where(struct audit *audit);

/* {"source":UUID,"next":n,"lost":bool,"events":[{"id","at","kind":"key","verb","kek","purpose",
 * "vm","result","why","times"}]}: the oldest AUDIT_MAX_ANSWER of those whose id is above `after`. A
 * `source` (or NULL) that is not this ring's: ids began anew, so all. `lost`: some that were asked
 * for are not in the ring any more. A new reference. From any thread. */
json_t *audit_after(struct audit *audit, const char *source, uint64_t after);

#endif
