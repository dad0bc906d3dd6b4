/* SPDX-License-Identifier: Apache-2.0 */
/* What became different between two answers of a host, as events. They are gathered first and
 * written later, many in one transaction. One thread at a time calls these; change_write any. */
#ifndef QUOIN_MANAGER_CHANGE_H
#define QUOIN_MANAGER_CHANGE_H

#include "manager/database.h"

struct change;

struct change *change_new(void);
void change_free(struct change *change);

void change_up(struct change *change, const char *host);
void change_away(struct change *change, const char *host, const char *why);
/* `before` is NULL at the first answer. */
void change_report(struct change *change, const char *host, const json_t *before,
                   const json_t *after);

/* There are events that nobody took yet. */
bool change_waits(const struct change *change);
/* Those, for change_write; the caller owns them. */
json_t *change_take(struct change *change);
/* Into the journal, all or none. A database that cannot keep them is logged. */
void change_write(struct database *database, const json_t *events);

#endif
