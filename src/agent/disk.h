/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disks of a VM: an image each on the datastore, LUKS2 inside, poured and proven. A disk that
 * is marked as poured in the VM's home is not poured again: its header opens with the VM's key, or
 * the pour is refused and nothing changed. One that is not marked holds nothing of worth.
 */
#ifndef QUOIN_AGENT_DISK_H
#define QUOIN_AGENT_DISK_H

#include "agent/step.h"
#include "agent/vm.h"
#include "seal/seal.h"

/* Pours the stream of frames (base/frames.h) that `read` gives into a disk. Takes the work lock. */
bool disk_pour_image(struct agent *agent, const char *vm, const char *disk, frames_read *read,
                     void *context, struct making *making, struct err *err);
/* Examines every allocated block of every disk, and the home. `read` gives the set of the plain
 * image's block digests (base/blocks.h), or nothing. The result is docs/protocol.md's. Takes the
 * work lock; changes nothing. */
bool disk_prove(struct agent *agent, const char *vm, frames_read *read, void *context,
                struct making *making, struct err *err);
/* A disk without an image: sealed, all zeros. */
bool disk_pour_blank(struct vm *vm, const char *disk, struct making *making, struct err *err);
/* A disk with these few bytes at its start (the identity document), the rest zeros. */
bool disk_pour_bytes(struct vm *vm, const char *disk, const struct secret *bytes,
                     struct making *making, struct err *err);
/* The header as it lies on the datastore: policy, key, MAC and generation hold. `entry` is the
 * disk's in the VM's configuration. ERR_ABSENT: no image, or no header. */
bool disk_check(const struct vm *vm, const json_t *entry, struct err *err);
/* The image of a VM's disk on the datastore, as its entry in the configuration says; the caller
 * frees. */
char *disk_image_name(const struct vm *vm, const json_t *entry);
/* What lies on the disk `from` of `vm` now, poured into `to`, the same disk of the same VM as it
 * shall be: another image, another key (agent/copy.h). `out_written` are payload bytes. */
bool disk_copy(const struct vm *vm, const json_t *from, const struct vm *next, const json_t *to,
               uint64_t limit, const struct progress *progress, uint64_t *out_written,
               struct err *err);
/* Payload bytes of a disk that are allocated. */
bool disk_bytes(const struct vm *vm, const json_t *entry, uint64_t *out, struct err *err);
/* The raw image of a disk examined, by agent/proof.c. */
bool disk_examine(struct vm *vm, const json_t *entry, struct blocks *plain,
                  const struct progress *progress, struct proof_result *out, struct err *err);
/* The header's facts as they lie there, held against the shape alone: no key is needed. The caller
 * clears. ERR_ABSENT: no image, or no header. */
bool disk_look(const struct vm *vm, const json_t *entry, struct header_facts *out, struct err *err);
/* Other envelopes in the header of a disk, in its place and under the image's exclusive lock, which
 * a VM that runs hands over for the moment: one write of one object of the datastore, so the header
 * is the old one or the new one; then it is read back and opened. `plan` names no UUID. */
bool disk_rewrap(const struct vm *vm, const json_t *entry, const struct header_plan *plan,
                 struct err *err);

#endif
