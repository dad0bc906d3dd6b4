/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live migration. The two daemons are spoken to from here ("managed direct"), the other one by TLS;
 * QEMU's stream is its own TLS (VIR_MIGRATE_TLS). swtpm's state is in QEMU's stream, encrypted by
 * swtpm under the passphrase that the other host was given; the firmware's variables are the
 * content of a flash device, which is in the stream as well. The images' exclusive locks go over
 * by librbd's own asking.
 */
#include <string.h>

#include "hv/libvirt.h"

/* A quiet guest of 1 GiB needs seconds; one that writes all the time is slowed down until it does.
 */
#define DOWNTIME_MS 500u

static bool move_expect(struct hv *hv, const struct domain *domain, const struct hv_keys *keys,
                        struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;
    AUTO(drop_domain) virDomainPtr there = NULL;
    AUTO(drop_free) char *xml = NULL;

    if (!libvirt_connection(hv, &connection, err) || !libvirt_check_host(err) ||
        !domain_xml(domain, &xml, err) || !libvirt_find(connection, domain->uuid, &there, err)) {
        return false;
    }
    if (there) {
        return err_set(err, ERR_CLASH, "virtual machine '%s' runs on this host", domain->name);
    }
    return libvirt_secrets_set(connection, domain, keys, err);
}

static bool move_forget(struct hv *hv, const char *uuid, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;

    return libvirt_connection(hv, &connection, err) &&
           libvirt_secrets_forget(connection, uuid, err);
}

/* An IPv6 address stands in brackets in a URI. */
static char *uri_host(const char *address)
{
    return strchr(address, ':') ? text_make("[%s]", address) : text_copy(address);
}

static bool peer_is_plain(const struct hv_peer *peer, struct err *err)
{
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:-";

    return (peer->address && *peer->address &&
            strspn(peer->address, plain) == strlen(peer->address) && peer->certificates &&
            peer->certificates[0] == '/' && !strpbrk(peer->certificates, "?&#%")) ||
           err_set(err, ERR_INPUT, "'%.64s' is no host's address",
                   peer->address ? peer->address : "");
}

static bool peer_open(const struct hv_peer *peer, const char *host, virConnectPtr *out,
                      struct err *err)
{
    AUTO(drop_free)
    char *uri = text_make("qemu+tls://%s/system?pkipath=%s", host, peer->certificates);

    *out = virConnectOpen(uri);
    return *out || libvirt_err(err, "reach the other host's");
}

static bool add_text(virTypedParameterPtr *params, int *count, int *room, const char *name,
                     const char *value, struct err *err)
{
    return virTypedParamsAddString(params, count, room, name, value) == 0 ||
           libvirt_err(err, "be told of a migration");
}

static bool migrate(virDomainPtr domain, virConnectPtr peer, const struct hv_peer *to,
                    const char *host, const char *xml, struct err *err)
{
    const unsigned flags =
        VIR_MIGRATE_LIVE | VIR_MIGRATE_TLS | VIR_MIGRATE_AUTO_CONVERGE | VIR_MIGRATE_ABORT_ON_ERROR;
    AUTO(drop_free) char *uri = text_make("tcp://%s", host);
    virTypedParameterPtr params = NULL;
    virDomainPtr there = NULL;
    int count = 0, room = 0;

    if (add_text(&params, &count, &room, VIR_MIGRATE_PARAM_URI, uri, err) &&
        add_text(&params, &count, &room, VIR_MIGRATE_PARAM_DEST_XML, xml, err) &&
        add_text(&params, &count, &room, VIR_MIGRATE_PARAM_TLS_DESTINATION, to->address, err)) {
        (void)virDomainMigrateSetMaxDowntime(domain, DOWNTIME_MS, 0);
        there = virDomainMigrate3(domain, peer, params, (unsigned)count, flags);
        if (!there) {
            libvirt_err(err, "migrate it");
        }
    }
    virTypedParamsFree(params, count);
    bool moved = there != NULL;

    drop_domain(&there);
    return moved;
}

static bool move_send(struct hv *hv, const struct domain *domain, const struct hv_peer *peer,
                      struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL, other = NULL;
    AUTO(drop_domain) virDomainPtr here = NULL;
    AUTO(drop_free) char *xml = NULL, *host = NULL;

    if (!peer_is_plain(peer, err) || !domain_xml(domain, &xml, err) ||
        !libvirt_connection(hv, &connection, err) ||
        !libvirt_find(connection, domain->uuid, &here, err)) {
        return false;
    }
    host = uri_host(peer->address);
    if (!here) {
        return err_set(err, ERR_ABSENT, "virtual machine '%s' does not run here", domain->name);
    }
    return (peer_open(peer, host, &other, err) && migrate(here, other, peer, host, xml, err)) ||
           err_add(err, "move virtual machine '%s' to %s", domain->name, peer->address);
}

const struct hv_moves libvirt_moves = {
    .expect = move_expect,
    .forget = move_forget,
    .send = move_send,
};
