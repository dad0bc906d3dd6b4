/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) through jansson, with ceilings. Everything that comes from outside is read by
 * json_read and then by the json_get_* functions, whose errors say which field is wrong.
 * Never for secrets: jansson's memory is ordinary (the identity document is built in a secret).
 */
#ifndef QUOIN_BASE_JSON_H
#define QUOIN_BASE_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

/* A status of 1,000 hosts fits; nothing of ours is larger. */
#define JSON_MAX_BYTES (16u * 1024u * 1024u)

DROP(json, json_t *, json_decref);

/* One object or array, no duplicate keys, nothing after it. ERR_INPUT with line and column. */
bool json_read(const char *bytes, size_t length, json_t **out, struct err *err);
/* Compact, keys in the order they were set; the caller frees. Never NULL. */
char *json_write(const json_t *value);
/* Keys sorted and compact: equal values give equal bytes, for hashes and MACs. The caller frees. */
char *json_write_canonical(const json_t *value);

/* Borrowed from `object`. ERR_INPUT when absent, of another type, or longer than `max` bytes. */
bool json_get_string(const json_t *object, const char *key, size_t max, const char **out,
                     struct err *err);
bool json_get_integer(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out,
                      struct err *err);
bool json_get_bool(const json_t *object, const char *key, bool *out, struct err *err);
bool json_get_object(const json_t *object, const char *key, const json_t **out, struct err *err);
bool json_get_array(const json_t *object, const char *key, size_t max, const json_t **out,
                    struct err *err);
/* The string, or `otherwise` when the key is absent or no string. */
const char *json_string_or(const json_t *object, const char *key, const char *otherwise);
/* The first object of `array` whose `key` is the string `value`, borrowed; NULL: there is none. */
const json_t *json_find(const json_t *array, const char *key, const char *value);
/* The format of something that is kept or sent, 1 … newest. ERR_CLASH: above that, so a newer quoin
 * wrote it; whoever reads it leaves it as it is. */
bool json_get_format(const json_t *object, const char *key, int newest, struct err *err);
/* Refuses as a newer quoin's what says so; what says nothing is of format 1. */
bool json_format_known(const json_t *object, int newest, struct err *err);
/* text_flatten of every string in it, before a person sees what a peer said. Keys are left alone.
 */
void json_flatten(json_t *value);
/* err as {"kind","what","remedy"} (a new reference), and back. */
json_t *json_of_err(const struct err *err);
bool json_to_err(const json_t *object, struct err *err);

#endif
