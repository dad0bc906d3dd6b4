/* SPDX-License-Identifier: Apache-2.0 */
#include <glob.h>
#include <libvirt/libvirt-qemu.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/secret_open.h"
#include "hv/libvirt.h"

/* An answer that lists a few disks; much more than any we ask for. */
#define MAX_ANSWER (4u << 20)
/* What libvirt and its QEMU share: 32 bytes, in memory (libvirt.c's check_host). */
#define MASTER_KEYS "/var/lib/libvirt/qemu/domain-%u-*/master-key.aes"
#define MASTER_KEY  32u
#define MASTER_NAME "masterKey0"
/* AES-256-CBC (what QEMU's "secret" object takes): block and IV. */
#define BLOCK 16u

static bool understand(const char *answer, const char *command, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *whole = NULL;
    size_t length = strnlen(answer, MAX_ANSWER);

    if (!json_read(answer, length, &whole, err)) {
        return err_add(err, "QEMU's answer to '%s'", command);
    }
    const json_t *error = json_object_get(whole, "error");

    if (error) {
        const char *class = json_string_or(error, "class", "");

        return err_set(err, strcmp(class, "DeviceNotFound") == 0 ? ERR_ABSENT : ERR_SYSTEM,
                       "QEMU refuses '%s': %s", command, json_string_or(error, "desc", "?"));
    }
    if (out) {
        *out = json_incref(json_object_get(whole, "return"));
    }
    return true;
}

bool libvirt_monitor(virDomainPtr domain, const char *command, json_t *arguments, json_t **out,
                     struct err *err)
{
    AUTO(drop_json)
    json_t *order = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    AUTO(drop_free) char *text = json_write(order);
    AUTO(drop_free) char *answer = NULL;

    if (virDomainQemuMonitorCommand(domain, text, &answer, 0) < 0) {
        return libvirt_err(err, command);
    }
    return understand(answer, command, out, err);
}

static bool master_key(virDomainPtr domain, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *pattern = text_make(MASTER_KEYS, virDomainGetID(domain));
    glob_t found = {0};
    bool one = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1;
    bool read = one && secret_read_file(found.gl_pathv[0], MASTER_KEY, false, out, err);

    globfree(&found);
    if (!one) {
        return err_set(err, ERR_SYSTEM, "the key that libvirt shares with QEMU is not there");
    }
    return read && (secret_size(*out) == MASTER_KEY ||
                    err_set(err, ERR_SYSTEM, "the key that libvirt shares with QEMU has %zu bytes",
                            secret_size(*out)));
}

static bool encrypt(const struct secret *key, const unsigned char iv[BLOCK],
                    const struct secret *secret, unsigned char *out, int *out_length)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int head = 0, tail = 0;
    bool done =
        cipher && EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, secret_look(key), iv) == 1 &&
        EVP_EncryptUpdate(cipher, out, &head, secret_look(secret), (int)secret_size(secret)) == 1 &&
        EVP_EncryptFinal_ex(cipher, out + head, &tail) == 1;

    EVP_CIPHER_CTX_free(cipher);
    *out_length = head + tail;
    return done;
}

static char *base64(const unsigned char *bytes, int length)
{
    char *text = text_room((size_t)(length + 2) / 3 * 4 + 1, 1);

    EVP_EncodeBlock((unsigned char *)text, bytes, length);
    return text;
}

bool libvirt_monitor_secret(virDomainPtr domain, const char *id, const struct secret *secret,
                            struct err *err)
{
    AUTO(drop_free) unsigned char *box = text_room(secret_size(secret) + BLOCK, 1);
    AUTO(drop_free) char *iv_text = NULL, *box_text = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    unsigned char iv[BLOCK];
    struct err absent = {0};
    int length = 0;

    if (!master_key(domain, &key, err)) {
        return false;
    }
    if (RAND_bytes(iv, sizeof(iv)) != 1 || !encrypt(key, iv, secret, box, &length)) {
        return err_set(err, ERR_SYSTEM, "OpenSSL does not encrypt a key for QEMU");
    }
    iv_text = base64(iv, sizeof(iv));
    box_text = base64(box, length);
    (void)libvirt_monitor(domain, "object-del", json_pack("{s:s}", "id", id), NULL, &absent);
    return libvirt_monitor(domain, "object-add",
                           json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "qom-type", "secret", "id",
                                     id, "keyid", MASTER_NAME, "iv", iv_text, "format", "base64",
                                     "data", box_text),
                           NULL, err);
}
