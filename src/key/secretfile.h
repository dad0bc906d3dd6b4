/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret that rests in a file of root's (mode 0600), read back by secret_read_file. Written whole
 * or not at all; wiped before it is removed. Wiping overwrites the file's blocks in place: a file
 * system that copies on write, or a disk that does (SSD), may keep the old ones for a while.
 */
#ifndef QUOIN_KEY_SECRETFILE_H
#define QUOIN_KEY_SECRETFILE_H

#include "base/secret.h"

/* By "PATH.new", on stable storage before it takes the place. */
bool secretfile_write(const char *path, const struct secret *secret, struct err *err);
/* Not there succeeds. */
bool secretfile_wipe(const char *path, struct err *err);

#endif
