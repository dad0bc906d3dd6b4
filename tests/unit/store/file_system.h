/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system poured into an encrypted image without its zero objects, touched as a guest would,
 * read as a guest would, and looked at by e2fsck.
 */
#ifndef QUOIN_TESTS_STORE_FILE_SYSTEM_H
#define QUOIN_TESTS_STORE_FILE_SYSTEM_H

#include "store/store.h"

/* 64 hexadecimal digits. */
struct secret *passphrase_make(void);
/* With the settings of the host as they are; its files lie under `folder`. */
bool file_system_survives(struct store *with, const char *folder);

#endif
