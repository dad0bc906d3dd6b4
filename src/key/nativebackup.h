/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which backup of the native provider was made and which was fetched: backup.json in its folder,
 * {"made":{"at":…,"keks":[…]},"fetched":{…}}. It guards nothing; it reminds a user.
 */
#ifndef QUOIN_KEY_NATIVEBACKUP_H
#define QUOIN_KEY_NATIVEBACKUP_H

#include "key/ledger.h"

/* "none": never fetched; "current": what was fetched holds every active KEK; "stale": not all. */
const char *nativebackup_state(const char *folder, const struct ledger *ledger);
/* A backup of the ledger's active KEKs was made. */
bool nativebackup_made(const char *folder, const struct ledger *ledger, struct err *err);

#endif
