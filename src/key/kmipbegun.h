/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KEKs that were begun at a key server and are not in use yet: a small file, written before the
 * server is asked to make one. A program that ended between the making and its caller's taking note
 * of the id finds the KEK again by its name, so no orphan stays behind.
 *
 *   {"cluster edge-01": {"name": "quoin: cluster edge-01 (uuid)", "id": "17"}}
 */
#ifndef QUOIN_KEY_KMIPBEGUN_H
#define QUOIN_KEY_KMIPBEGUN_H

#include <stdbool.h>

#include "base/err.h"

/* The name of the KEK for `label`: that of one begun before (`*out_again`), or a fresh one, which
 * is written down first. The caller frees. */
bool kmipbegun_name(const char *path, const char *label, char **out_name, bool *out_again,
                    struct err *err);
/* The KEK for `label` has this id now. */
bool kmipbegun_note(const char *path, const char *label, const char *id, struct err *err);
/* The KEK of this id is in use, or gone: what is begun next is another one. */
bool kmipbegun_settle(const char *path, const char *id, struct err *err);
/* The KEK for `label` is of no use: the next one is fresh. */
bool kmipbegun_forget(const char *path, const char *label, struct err *err);

#endif
