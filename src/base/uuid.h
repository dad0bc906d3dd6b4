/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs (RFC 4122) in their text form, lower case. */
#ifndef QUOIN_BASE_UUID_H
#define QUOIN_BASE_UUID_H

#include <stdbool.h>

#define UUID_SIZE 37 /* 36 characters and a NUL */

/* Random, version 4. */
void uuid_make(char out[UUID_SIZE]);
/* The same name under the same UUID gives the same UUID (version 5's layout, SHA-256 for SHA-1, so
 * version 8 of RFC 9562). */
void uuid_derive(const char *space, const char *name, char out[UUID_SIZE]);
/* 8-4-4-4-12 lower-case hexadecimal digits, nothing else. */
bool uuid_valid(const char *text);

#endif
