/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that make a host one of a cluster: the monitors' own, the administrator's, the
 * agents' and the hypervisors'; as files on a host, and as one secret on its way to a further host:
 *
 *     quoin-store-keys-1 <cluster UUID>\n
 *     mon. <key>\n
 *     client.admin <key>\n
 *     client.quoin <key>\n
 *     client.quoin-vm <key>\n
 *
 * A key is base64 of 28 bytes (Ceph's type, time, length and 16 bytes of AES), so 40 digits.
 */
#ifndef QUOIN_STORE_CEPH_KEYS_H
#define QUOIN_STORE_CEPH_KEYS_H

#include "store/ceph.h"

#define CEPH_KEY_DIGITS 40u
enum ceph_key { CEPH_KEY_MONITORS, CEPH_KEY_ADMIN, CEPH_KEY_USER, CEPH_KEY_VM, CEPH_KEYS };

struct ceph_keys {
    char cluster[UUID_SIZE];
    struct secret *each[CEPH_KEYS]; /* CEPH_KEY_DIGITS bytes */
};
void ceph_keys_clear(struct ceph_keys *keys);
__attribute__((unused)) static inline void drop_keys(struct ceph_keys *keys)
{
    ceph_keys_clear(keys);
}

/* Pure. The caller frees, or clears. Strict: any other byte is ERR_INPUT. */
bool ceph_keys_write(const struct ceph_keys *keys, struct secret **out, struct err *err);
bool ceph_keys_read(const struct secret *text, struct ceph_keys *out, struct err *err);

/* store_build.keys */
bool ceph_keys_gather(const struct store_conf *conf, struct secret **out, struct err *err);
/* As keyrings of root's, mode 0600; written when they differ. */
bool ceph_keys_put(const struct store_conf *conf, const struct ceph_keys *keys, struct err *err);
/* A monitor's keyring, from the monitors' key of this host; owned by the daemons. */
bool ceph_keys_seed(const struct store_conf *conf, const char *path, struct err *err);
/* New ones: the keyring of the first monitor of a cluster, and the administrator's in its place. */
bool ceph_keys_first(const struct store_conf *conf, const char *keyring, struct err *err);
/* The first monitor's key, made with its folder, is from now on where the others look for it. */
bool ceph_keys_keep(const struct store_conf *conf, const char *monitor_folder, struct err *err);
bool ceph_keys_remove(const struct store_conf *conf, struct err *err);

#endif
