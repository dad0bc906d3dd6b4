/* SPDX-License-Identifier: Apache-2.0 */
/* Files as a whole: read with a ceiling, write so that a crash leaves the old or the new one. */
#ifndef QUOIN_BASE_FILE_H
#define QUOIN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* The caller frees; a NUL follows the `*out_length` bytes. ERR_ABSENT; ERR_INPUT: over `max`. */
bool file_read(const char *path, size_t max, char **out, size_t *out_length, struct err *err);
/* Temporary file beside it, fsync, rename, fsync of the folder. Not for secrets. */
bool file_write(const char *path, const void *bytes, size_t length, mode_t mode, struct err *err);
/* The folder and those above it that are missing get `mode`; one that is there stays as it is. */
bool file_make_folder(const char *path, mode_t mode, struct err *err);
/* Removing what is not there succeeds. */
bool file_remove(const char *path, struct err *err);
/* A folder and all in it, symbolic links not followed; not there succeeds. */
bool file_remove_tree(const char *path, struct err *err);
bool file_exists(const char *path);
/* Exactly `length` bytes at `offset`; an early end is ERR_SYSTEM. */
bool file_pread(int fd, void *bytes, size_t length, off_t offset, struct err *err);
bool file_pwrite(int fd, const void *bytes, size_t length, off_t offset, struct err *err);

#endif
