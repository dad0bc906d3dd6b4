/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU says of its block nodes (the answers to query-named-block-nodes and query-block), and
 * the words in which a new image is named to it. Pure. Nodes are known by the image that they
 * lead to, never by how libvirt happens to call them.
 */
#ifndef QUOIN_HV_NODES_H
#define QUOIN_HV_NODES_H

#include "base/base.h"
#include "hv/hv.h"

/* The name of the bitmap in which QEMU remembers where a guest wrote. */
#define NODES_BITMAP "quoin"
/* Nodes that we added begin with this; QEMU's limit for a node's name is 31 characters. */
#define NODES_PREFIX "quoin-"
#define NODES_NAME   32

/* "POOL/IMAGE" of a node, or NULL when it leads to no image of a datastore; the caller frees. */
char *nodes_image(const json_t *nodes, const char *name);
/* The node that we added for this image, borrowed, or NULL. */
const char *nodes_added(const json_t *nodes, const char *source);
/* Whether it is what a device of the guest's uses. `blocks`: the answer to query-block. */
bool nodes_used(const json_t *blocks, const char *name);
/* Bytes that our bitmap of this node counts; -1: it has none. */
int64_t nodes_dirty(const json_t *nodes, const char *name);
/* A job of QEMU's that does not come forward for so long is given up: an operation on a datastore
 * that works on ends in seconds, also while a host of it fails (it is held for failed after 10 s),
 * and whoever waits holds up all other work on the host. A copy that is limited to less than some
 * KiB a second would end by it, which no one has use for. */
#define NODES_STILL_SECONDS 120
/* Begins all zero. */
struct nodes_pace {
    int64_t since; /* milliseconds: when it came forward last; 0: it was not looked at yet */
    int64_t done;
};
/* As query-jobs tells a job at `now` (a clock that nobody sets); false: it is to be given up. */
bool nodes_pace(struct nodes_pace *pace, const json_t *job, int64_t now);
/* How the node of a new image is called: the same for the same image. */
void nodes_name(const char *source, char out[NODES_NAME]);
/* The arguments of blockdev-add. ERR_INPUT: `target` has a field without its shape. */
bool nodes_order(const struct hv_target *target, json_t **out, struct err *err);

#endif
