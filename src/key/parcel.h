/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parcel: secrets on their way from one host of the cluster to another, opaque to whoever carries
 * it (the deployment unit). A JWE as in jwe.h whose wrapping key is agreed on with the key in the
 * receiver's certificate (ecdh.h), so it opens on the host that made that key and nowhere else:
 *
 *   header {"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":…,"apu":FROM,"apv":TO,
 *           "quoin":{"parcel":1,"cluster":UUID}}
 *
 * The sender looks at the certificate first: of this cluster's CA and valid now, for a client, in
 * the role of a host, of this cluster. Inside are named parts, each "NAME LENGTH\n" and LENGTH
 * bytes.
 *
 * What it does not say: who sent it. Whoever knows the receiver's certificate can make one; the
 * receiver proves what it got by opening an envelope that another host made under the cluster's
 * KEK, or the sender says under that KEK which parcel is its own (agent/word.h).
 */
#ifndef QUOIN_KEY_PARCEL_H
#define QUOIN_KEY_PARCEL_H

#include "base/json.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "wire/role.h"

/* The native provider's keys (32 KiB at most), the datastore's keyrings, a nonce; some room. */
#define PARCEL_MAX_BYTES (128u * 1024u)
#define PARCEL_MAX_PARTS 8u
/* Letters, digits, '-'. */
#define PARCEL_MAX_NAME 31u

struct parcel_part {
    char name[PARCEL_MAX_NAME + 1];
    struct secret *bytes;
};

struct parcel {
    size_t count;
    struct parcel_part parts[PARCEL_MAX_PARTS];
};

/* Empty; never NULL. */
struct parcel *parcel_new(void);
void parcel_free(struct parcel *parcel);
DROP(parcel, struct parcel *, parcel_free);
/* Takes `bytes` over, also when it fails (ERR_BUG: the name is taken or has no name's shape). */
bool parcel_add(struct parcel *parcel, const char *name, struct secret *bytes, struct err *err);
/* NULL: no such part. Borrowed. */
const struct secret *parcel_part(const struct parcel *parcel, const char *name);

/* On its way: the cluster, who sends, and to whom; names of hosts. */
struct parcel_about {
    const char *cluster, *from, *to;
};

/* Whom the certificate names, if it may have secrets of this cluster. ERR_DENIED: as below. */
bool parcel_receiver(const char *certificate, const char *authority, const char *cluster,
                     struct peer *out, struct err *err);
/* For the host that `certificate` names. `about->to` is not looked at. ERR_DENIED: the certificate
 * is not of `authority`, not valid now, or not a host's of this cluster. The JSON is a new
 * reference. */
bool parcel_seal(const struct parcel *parcel, const struct parcel_about *about,
                 const char *certificate, const char *authority, json_t **out, struct err *err);
/* `about->from` NULL: any host. ERR_INPUT: no parcel. ERR_CLASH: for another cluster, or another
 * host. ERR_DENIED: for another key, or changed on its way. */
bool parcel_open(const json_t *json, const struct parcel_about *about,
                 const struct secret *private_key, struct parcel **out, struct err *err);

/* What lies inside, for its fuzzer. ERR_INPUT: anything but what parcel_seal wrote. */
bool parcel_read(const struct secret *text, struct parcel **out, struct err *err);

#endif
