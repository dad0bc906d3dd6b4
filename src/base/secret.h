/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret: bytes that live only in locked memory. Its pages are mlock()ed (so never swapped), left
 * out of core dumps, wiped in a forked child, and wiped before they are given back. A secret that
 * cannot be locked is refused, never made in ordinary memory. Who needs to see the bytes includes
 * base/secret_open.h; a test keeps the list of files that may.
 */
#ifndef QUOIN_BASE_SECRET_H
#define QUOIN_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"

/* The largest secret: the home of a VM (firmware variables of 528 KiB, vTPM state) with room. */
#define SECRET_MAX (8u * 1024u * 1024u)

struct secret;

/* `size` zero bytes, 1 … SECRET_MAX. ERR_SYSTEM: cannot be locked (the remedy names LimitMEMLOCK).
 */
bool secret_new(size_t size, struct secret **out, struct err *err);
/* `size` bytes from the kernel's generator, by way of OpenSSL's private DRBG. */
bool secret_random(size_t size, struct secret **out, struct err *err);
bool secret_copy(const struct secret *from, struct secret **out, struct err *err);
/* All that `fd` gives until its end, at most `max` bytes; never through an unlocked buffer. */
bool secret_read(int fd, size_t max, struct secret **out, struct err *err);
/* A file owned by us or root (for root: by anyone) and closed to group and others, else ERR_DENIED;
 * one trailing newline is cut if `line`. */
bool secret_read_file(const char *path, size_t max, bool line, struct secret **out,
                      struct err *err);
/* The same bytes as lower-case hexadecimal digits (no NUL at the end), and back. */
bool secret_to_hex(const struct secret *from, struct secret **out, struct err *err);
bool secret_from_hex(const struct secret *from, struct secret **out, struct err *err);
/* The same as base64url without padding (RFC 4648 section 5), and back; strict, as base/encode.h.
 */
bool secret_to_base64url(const struct secret *from, struct secret **out, struct err *err);
bool secret_from_base64url(const struct secret *from, struct secret **out, struct err *err);
/* To a descriptor: a pipe to a program, or a memfd. */
bool secret_write(const struct secret *secret, int fd, struct err *err);

size_t secret_size(const struct secret *secret);
/* In constant time for equal sizes. */
bool secret_equal(const struct secret *a, const struct secret *b);
void secret_free(struct secret *secret);
DROP(secret, struct secret *, secret_free);

/* Once at the start of every program that may hold one: no core dumps, not traceable by others. */
bool secret_guard_process(struct err *err);

#endif
