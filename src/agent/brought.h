/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of keys that the user brings with its password, as one body: a line with the password,
 * then the file's text (docs/protocol.md).
 */
#ifndef QUOIN_AGENT_BROUGHT_H
#define QUOIN_AGENT_BROUGHT_H

#include "base/secret.h"
#include "key/protect.h"

#define BROUGHT_MAX (PROTECT_MAX_PASSWORD + 1 + PROTECT_MAX_TEXT)

/* `*out_text` points into `body`, no NUL follows it. ERR_INPUT: no password stands before it. */
bool brought_part(const struct secret *body, struct secret **out_password, const char **out_text,
                  size_t *out_length, struct err *err);

#endif
