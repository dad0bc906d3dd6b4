/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hosts' audits, gathered: every use of a KEK that an agent tells of (docs/protocol.md, "Events
 * of a host") is one event here, once, whichever of the two was started again in between. How far
 * each host was read is kept in the same transaction as what was read.
 */
#ifndef QUOIN_MANAGER_AUDIT_H
#define QUOIN_MANAGER_AUDIT_H

#include "manager/database.h"
#include "wire/client.h"

/* Asks the host for what is new, if its report says that there is anything; without it, does
 * nothing. What fails is logged and asked for again with the next report. */
void audit_gather(struct database *database, struct client *client, const char *host,
                  const json_t *report);
/* One answer into the database, `*out_more`: there may be another. ERR_INPUT names the field that
 * is wrong; nothing is kept then. */
bool audit_keep(struct database *database, const char *host, const json_t *report,
                const json_t *answer, bool *out_more, struct err *err);

#endif
