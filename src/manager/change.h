/* SPDX-License-Identifier: Apache-2.0 */
/* What became different between two answers of a host, as events. Called by one thread at a time.
 */
#ifndef QUOIN_MANAGER_CHANGE_H
#define QUOIN_MANAGER_CHANGE_H

#include "manager/database.h"

struct change;

struct change *change_new(struct database *database); /* borrowed */
void change_free(struct change *change);

void change_up(struct change *change, const char *host);
void change_away(struct change *change, const char *host, const char *why);
/* `before` is NULL at the first answer. */
void change_report(struct change *change, const char *host, const json_t *before,
                   const json_t *after);

#endif
