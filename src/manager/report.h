/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent says of its host (docs/protocol.md, "Status of a host"), made fit to be kept and
 * shown: the known fields, of the right types and of bounded length, and nothing else. Whatever the
 * host cannot tell is null.
 */
#ifndef QUOIN_MANAGER_REPORT_H
#define QUOIN_MANAGER_REPORT_H

#include "base/json.h"

/* A new object. ERR_INPUT names the field that is wrong. */
bool report_make(const json_t *status, json_t **out, struct err *err);
/* It speaks for this host of this cluster, else ERR_CLASH. */
bool report_is_of(const json_t *report, const char *cluster_id, const char *host, struct err *err);

#endif
