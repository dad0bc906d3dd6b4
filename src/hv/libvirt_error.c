/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "hv/libvirt.h"

/* What QEMU, librbd and swtpm say, as libvirt passes it on, in our words. The first that fits. */
static const struct {
    const char *sign;
    enum err_kind kind;
    const char *what;
} signs[] = {
    {"encryption load fail: Operation not permitted", ERR_DENIED,
     "the key of a disk opens no keyslot of it"},
    {"encryption load fail: ", ERR_SYSTEM, "a disk has no header that can be used"},
    {"TPM result for CMD_INIT", ERR_DENIED, "the key of the TPM does not open its state"},
    {"error connecting: Permission denied", ERR_DENIED, "the datastore refuses the user's key"},
    {"error connecting: ", ERR_AWAY, "the datastore does not answer"},
    {"error reading header from ", ERR_ABSENT, "the image of a disk is not there"},
    {"Cannot get interface MTU on ", ERR_ABSENT, "the network bridge is not there"},
    {"already exists with uuid", ERR_CLASH, "another virtual machine has this name"},
};

static enum err_kind kind_of(const virError *error)
{
    switch (error->code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_SECRET:
        return ERR_ABSENT;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_RPC:
    case VIR_ERR_OPERATION_TIMEOUT:
        return ERR_AWAY;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_ACCESS_DENIED:
        return ERR_DENIED;
    default:
        return error->domain == VIR_FROM_RPC ? ERR_AWAY : ERR_SYSTEM;
    }
}

/* Its messages may have many lines, and QEMU begins with the whole argument: keep what follows. */
static const char *essence(char *message)
{
    char *end = strrchr(message, '}');

    message[strcspn(message, "\n")] = '\0';
    return end && text_starts(end, "}: ") ? end + strlen("}: ") : message;
}

bool libvirt_err(struct err *err, const char *doing)
{
    const virError *error = virGetLastError();
    const char *said = error && error->message ? error->message : "it does not say why";

    for (size_t i = 0; i < COUNT_OF(signs); i++) {
        if (strstr(said, signs[i].sign)) {
            return err_set(err, signs[i].kind, "%s", signs[i].what);
        }
    }
    AUTO(drop_free) char *message = text_copy(said);
    return err_set(err, error ? kind_of(error) : ERR_BUG, "libvirt could not %s: %s", doing,
                   essence(message));
}
