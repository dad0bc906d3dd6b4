/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata of a LUKS2 header as bytes (LUKS2 On-Disk Format Specification 1.1, section 3): two
 * copies of a binary part and a JSON area, here 16 KiB each. Read without libcryptsetup, as hostile
 * input: this is what stands between a header from the datastore and any library that parses it.
 */
#ifndef QUOIN_SEAL_HEADER_METADATA_H
#define QUOIN_SEAL_HEADER_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "seal/header.h"

/* "luks2", "luks1", "none" (no magic, or all zeros) or "other" (a LUKS of another version). */
const char *header_kind(const unsigned char *bytes, size_t length);
/* Both copies whole, equal and of `uuid`; then their JSON, not yet judged. The caller drops it. */
bool header_metadata_read(const unsigned char *bytes, size_t length, const char *uuid, json_t **out,
                          struct err *err);
/* The JSON has exactly the shape that we write. Borrows the token: its fields have their types. */
bool header_metadata_check(const json_t *metadata, const json_t **out_token, struct err *err);

#endif
