/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pour: a disk's content goes through the encryption into its image.
 *
 *   source ─► chunk ─► tag ─► encrypt ─► write (many in flight) ─► flush ─► compare ─► header
 *
 * The header is written last, when the payload is on stable storage, came back through the
 * datastore's own decryption as it was sent, and is what the sender announced. That decryption
 * needs a header too: for the comparison one stands there whose keyslot only a throw-away key in
 * locked memory opens. So until the end nothing in the image opens with any key that is kept, and
 * a pour that fails, is cancelled or is killed leaves it so. No plain byte rests anywhere: what is
 * kept for the comparison are tags under a random key.
 *
 * An image may be poured again: its old header goes first, and a chunk of it that holds old
 * ciphertext is written over even when it is all zeros now.
 *
 * Memory: POUR_BUFFERS chunks, and 20 bytes for each 4 MiB of the disk.
 */
#ifndef QUOIN_SEAL_POUR_H
#define QUOIN_SEAL_POUR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/image.h"
#include "base/progress.h"
#include "base/secret.h"
#include "seal/header.h"
#include "seal/source.h"

/* Chunks in memory at once, 28 MiB: what is being read, encrypted, and on its way to the disks. */
#define POUR_BUFFERS 7u
/* Besides the whole chunks, about so many of them are also read in pieces of 4 KiB. */
#define POUR_SAMPLES 128u

struct pour {
    struct source *source;
    uint64_t disk_size; /* bytes, a multiple of 4096, at least the content's */
    /* The header that the disk shall have. Its data key is made here and kept nowhere else. */
    const struct header_plan *plan;
    const struct secret *vm_key;
    struct medium raw; /* HEADER_SIZE + disk_size bytes, locked by the caller */
    bool skip_zero;    /* holes are proven to read as zeros: all-zero chunks need not be written */
    unsigned threads;  /* 0: one for each CPU */
    const atomic_bool *stop; /* becomes true: end with ERR_AWAY; or NULL */
    const struct progress *progress;

    /* The image through the datastore's decryption, opened by `passphrase`, for reading. Closed by
     * `reader_close` in any case once opened. */
    bool (*reader_open)(void *context, const struct secret *passphrase, struct medium *out,
                        struct err *err);
    void (*reader_close)(void *context, struct medium *reader);
    void *context;
};

struct pour_result {
    uint64_t content;   /* size of the content, bytes */
    uint64_t written;   /* payload bytes written as ciphertext */
    uint64_t skipped;   /* payload bytes left as holes */
    uint64_t compared;  /* bytes read back and found right */
    const char *engine; /* what encrypted */
    unsigned char digest[CONTENT_DIGEST];
};

/* All of it. On failure the image holds nothing that opens. ERR_INPUT: the stream is bad or larger
 * than the disk; ERR_CLASH: the content is not what was announced; ERR_SYSTEM: what came back
 * differs, the offset named. */
bool pour(const struct pour *pour, struct pour_result *out, struct err *err);

#endif
