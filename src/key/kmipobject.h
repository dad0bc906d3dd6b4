/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A KEK as an object at a key server: made, found again, looked at, used and destroyed, one
 * operation each (KMIP 1.4, section 4). Every answer must speak of the object that was asked for,
 * and a key must be what a KEK is: AES-256, raw, not zero.
 */
#ifndef QUOIN_KEY_KMIPOBJECT_H
#define QUOIN_KEY_KMIPOBJECT_H

#include "key/jwe.h"
#include "key/kmipserver.h"

/* Unique identifiers longer than this are refused: they must fit in an envelope. */
#define KMIPOBJECT_MAX_ID 250u
/* A name that people read at the server. */
#define KMIPOBJECT_MAX_NAME 200u

/* Not yet active. `cluster` and `purpose` are for the server's operators, beside the name. The
 * caller frees the id: printable, no blanks. Sent once, whatever happens. */
bool kmipobject_make(struct kmipserver *server, const char *name, const char *cluster,
                     const char *purpose, char **out_id, struct err *err);
/* The object of exactly this name; NULL: there is none. The caller frees. */
bool kmipobject_find(struct kmipserver *server, const char *name, char **out_id, struct err *err);
/* Activates it where it is not yet. */
bool kmipobject_activate(struct kmipserver *server, const char *id, struct err *err);
/* It is active; else ERR_DENIED or ERR_ABSENT, with a message for each state. */
bool kmipobject_is_active(struct kmipserver *server, const char *id, struct err *err);
/* The key itself, into locked memory. */
bool kmipobject_get(struct kmipserver *server, const char *id, struct secret **out,
                    struct err *err);
/* Wraps and unwraps at the server. ERR_CLASH: it does not do it this way, or its answer shows part
 * of the content key; ERR_CLASH also for what this object does not decrypt. */
bool kmipobject_encrypt(struct kmipserver *server, const char *id, enum jwe_alg alg,
                        const struct secret *content_key, struct jwe_wrapped *out, struct err *err);
bool kmipobject_decrypt(struct kmipserver *server, const char *id,
                        const struct jwe_wrapped *wrapped, struct secret **out, struct err *err);
/* Out of use, then gone. What is gone already is as good as destroyed. */
bool kmipobject_destroy(struct kmipserver *server, const char *id, struct err *err);

#endif
