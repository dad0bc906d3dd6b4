/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a VM on their way to QEMU. They are in libvirtd's memory only while it starts the VM:
 * ephemeral, private, and forgotten right after.
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/secret_open.h"
#include "hv/libvirt.h"

/* A derived key: 256 bits as hexadecimal digits, the form that QEMU, librbd, cryptsetup and swtpm
 * all take. */
#define KEY_DIGITS 64
/* A Ceph key is 28 bytes, 40 as base64. */
#define MAX_STORAGE_KEY 256

static bool check_key(const struct secret *key, const char *name, struct err *err)
{
    const unsigned char *bytes = key ? secret_look(key) : NULL;
    bool good = key && secret_size(key) == KEY_DIGITS;

    for (size_t i = 0; good && i < KEY_DIGITS; i++) {
        good = bytes[i] != '\0' && strchr("0123456789abcdef", bytes[i]);
    }
    return good || err_set(err, ERR_INPUT, "the key of the %s is not 64 hexadecimal digits", name);
}

/* Base64 (RFC 4648 section 4); libvirt wants the bytes and encodes them again. */
bool libvirt_storage_bytes(const struct secret *text, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *bytes = NULL;
    size_t size = text ? secret_size(text) : 0;
    int length = -1;

    if (size == 0 || size > MAX_STORAGE_KEY || size % 4 != 0) {
        return err_set(err, ERR_INPUT, "the datastore user's key is not base64");
    }
    if (!secret_new(size / 4 * 3, &bytes, err)) {
        return false;
    }
    const unsigned char *from = secret_look(text);
    length = EVP_DecodeBlock(secret_bytes(bytes), from, (int)size);
    length -= (from[size - 1] == '=') + (from[size - 2] == '=');
    if (length < 1) {
        return err_set(err, ERR_INPUT, "the datastore user's key is not base64");
    }
    secret_cut(bytes, (size_t)length);
    *out = TAKE(bytes);
    return true;
}

static bool set_one(virConnectPtr connection, const char *uuid, enum domain_secret kind,
                    const char *disk, const struct secret *value, struct err *err)
{
    AUTO(drop_free) char *xml = domain_secret_xml(uuid, kind, disk);
    AUTO(drop_virsecret) virSecretPtr secret = virSecretDefineXML(connection, xml, 0);

    if (!secret || virSecretSetValue(secret, secret_look(value), secret_size(value), 0) < 0) {
        return libvirt_err(err, "hand over a key");
    }
    return true;
}

bool libvirt_secrets_set(virConnectPtr connection, const struct domain *domain,
                         const struct hv_keys *keys, struct err *err)
{
    AUTO(drop_secret) struct secret *storage = NULL;
    bool good =
        libvirt_storage_bytes(keys->storage, &storage, err) && check_key(keys->tpm, "TPM", err);

    for (size_t i = 0; good && i < domain->disk_count; i++) {
        good = check_key(keys->disks[i], domain->disks[i].name, err);
    }
    good = good && set_one(connection, domain->uuid, DOMAIN_SECRET_STORAGE, NULL, storage, err) &&
           set_one(connection, domain->uuid, DOMAIN_SECRET_TPM, NULL, keys->tpm, err);
    for (size_t i = 0; good && i < domain->disk_count; i++) {
        good = set_one(connection, domain->uuid, DOMAIN_SECRET_DISK, domain->disks[i].name,
                       keys->disks[i], err);
    }
    return good;
}

bool libvirt_secrets_forget(virConnectPtr connection, const char *uuid, struct err *err)
{
    AUTO(drop_free) char *prefix = domain_secret_prefix(uuid);
    virSecretPtr *all = NULL;
    int count = virConnectListAllSecrets(connection, &all, 0);
    bool good = count >= 0 || libvirt_err(err, "list the keys it was handed");

    for (int i = 0; i < count; i++) {
        const char *usage = virSecretGetUsageID(all[i]);

        if (usage && text_starts(usage, prefix) && virSecretUndefine(all[i]) < 0) {
            good = libvirt_err(err, "forget a key");
        }
        virSecretFree(all[i]);
    }
    free(all);
    return good;
}
