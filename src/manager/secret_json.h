/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one secret in a JSON document that lies in locked memory. It is moved out and blanked before
 * anything else reads the document, so that jansson, whose memory is ordinary, never sees it.
 */
#ifndef QUOIN_MANAGER_SECRET_JSON_H
#define QUOIN_MANAGER_SECRET_JSON_H

#include "base/json.h"
#include "base/secret.h"

/* The string that stands under `key`, wherever that is, without its quotes and escapes: 1 … `max`
 * bytes without a NUL. It is overwritten with spaces in `document`, and the rest is read as
 * json_read does. ERR_INPUT: no such key, or two; or a key written with escapes, which could hide
 * one. */
bool secret_json_read(struct secret *document, const char *key, size_t max,
                      struct secret **out_secret, json_t **out_rest, struct err *err);

#endif
