/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live migration. The two daemons are spoken to from here ("managed direct"), the other one by a
 * socket that the caller made lead there; QEMU's stream is its own TLS (VIR_MIGRATE_TLS). swtpm's
 * state is in QEMU's stream, encrypted by swtpm under the passphrase that the other host was given;
 * the firmware's variables are the content of a flash device, which is in the stream as well. The
 * images' exclusive locks go over by librbd's own asking.
 *
 * VIR_MIGRATE_PAUSED, because libvirt alone cannot tell in each case which of the two is to go on:
 * when a daemon dies in the last moments, the one here is resumed though the one there runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "hv/libvirt.h"
#include "hv/place.h"

/* A quiet guest of 1 GiB needs seconds; one that writes all the time is slowed down until it does.
 */
#define DOWNTIME_MS 500u
/* Where QEMU finds certificates for this; a mount in memory (dist/host). */
#define PASS_FOLDER "/etc/pki/qemu"
/* Where libvirt looks first, if it is there. */
#define OTHER_FOLDER "/etc/pki/libvirt-migrate"
/* How often it is told how far it is. */
#define TELL_NS 200000000L
/* A peer that says nothing for half a minute is as good as dead. */
#define ALIVE_SECONDS 5
#define ALIVE_COUNT   6

/* ---- the pass ---- */

static const char *const pass_files[] = {"ca-cert.pem", "server-cert.pem", "client-cert.pem",
                                         "server-key.pem", "client-key.pem"};

static bool pass_forget(struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(pass_files); i++) {
        AUTO(drop_free) char *path = text_make(PASS_FOLDER "/%s", pass_files[i]);

        if (!file_remove(path, err)) {
            return false;
        }
    }
    return true;
}

/* For the user that QEMU runs as, and nobody else. */
static const struct place pass_place = {.user = "libvirt-qemu"};

static bool pass_open(const char *name, int *out, struct err *err)
{
    AUTO(drop_free) char *path = text_make(PASS_FOLDER "/%s", name);
    AUTO(drop_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    uid_t user;
    gid_t group;

    if (!place_owner(&pass_place, &user, &group, err)) {
        return false;
    }
    if (fd < 0 || fchown(fd, user, group) < 0) {
        return err_errno(err, errno, "make %s", path);
    }
    *out = TAKE_FD(fd);
    return true;
}

static bool pass_write(const char *name, const char *pem, struct err *err)
{
    AUTO(drop_fd) int fd = -1;

    return pass_open(name, &fd, err) && file_pwrite(fd, pem, strlen(pem), 0, err);
}

static bool pass_write_key(const char *name, const struct secret *key, struct err *err)
{
    AUTO(drop_fd) int fd = -1;

    return pass_open(name, &fd, err) && secret_write(key, fd, err);
}

/* `side` is "server" or "client". */
static bool pass_give(const struct hv_pass *pass, const char *side, struct err *err)
{
    AUTO(drop_free) char *certificate = text_make("%s-cert.pem", side);
    AUTO(drop_free) char *key = text_make("%s-key.pem", side);

    if (!libvirt_in_memory(PASS_FOLDER)) {
        err_set(err, ERR_SYSTEM, "%s is not in memory: a key would come to lie on a disk",
                PASS_FOLDER);
        return err_mend(
            err, "move the certificates in it elsewhere, then: systemctl start etc-pki-qemu.mount; "
                 "systemctl restart quoind");
    }
    if (file_exists(OTHER_FOLDER)) {
        err_set(err, ERR_CLASH, "%s is there: libvirt would move under what lies in it",
                OTHER_FOLDER);
        return err_mend(err, "take it away, then: systemctl restart libvirtd");
    }
    return pass_forget(err) && pass_write("ca-cert.pem", pass->ca, err) &&
           pass_write(certificate, pass->certificate, err) && pass_write_key(key, pass->key, err);
}

/* ---- there ---- */

static bool move_expect(struct hv *hv, const struct domain *domain, const struct hv_keys *keys,
                        const struct hv_pass *pass, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;
    AUTO(drop_domain) virDomainPtr there = NULL;
    AUTO(drop_free) char *xml = NULL;

    if (!libvirt_connection(hv, &connection, err) || !libvirt_check_host(err) ||
        !domain_xml(domain, &xml, err) || !libvirt_find(connection, domain->uuid, &there, err)) {
        return false;
    }
    if (there) {
        return err_set(err, ERR_CLASH, "virtual machine '%s' is on this host", domain->name);
    }
    return pass_give(pass, "server", err) && libvirt_secrets_set(connection, domain, keys, err);
}

static bool move_forget(struct hv *hv, const char *uuid, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;

    return pass_forget(err) && libvirt_connection(hv, &connection, err) &&
           libvirt_secrets_forget(connection, uuid, err);
}

/* ---- here ---- */

/* An IPv6 address stands in brackets in a URI. */
static char *uri_host(const char *address)
{
    return strchr(address, ':') ? text_make("[%s]", address) : text_copy(address);
}

static bool peer_is_plain(const struct hv_peer *peer, struct err *err)
{
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:-";

    return (peer->address && *peer->address &&
            strspn(peer->address, plain) == strlen(peer->address) && peer->socket &&
            peer->socket[0] == '/' && !strpbrk(peer->socket, "?&#%")) ||
           err_set(err, ERR_INPUT, "'%.64s' is no host's address",
                   peer->address ? peer->address : "");
}

static bool peer_open(const struct hv_peer *peer, virConnectPtr *out, struct err *err)
{
    AUTO(drop_free) char *uri = text_make("qemu+unix:///system?socket=%s", peer->socket);
    AUTO(drop_attempt) struct libvirt_attempt *attempt = NULL;

    if (!libvirt_open_in_time(uri, LIBVIRT_OPEN_MS, &attempt, out, err)) {
        return err_add(err, "reach the other host's hypervisor");
    }
    (void)virConnectSetKeepAlive(*out, ALIVE_SECONDS, ALIVE_COUNT);
    return true;
}

static bool add_text(virTypedParameterPtr *params, int *count, int *room, const char *name,
                     const char *value, struct err *err)
{
    return virTypedParamsAddString(params, count, room, name, value) == 0 ||
           libvirt_err(err, "be told of a migration");
}

/* Tells how much of the memory is there, by a thread: the one that moves it is in the library. */
struct teller {
    virDomainPtr domain;
    virConnectPtr peer;
    const struct progress *progress;
    atomic_bool ends;
    pthread_t thread;
    bool runs;
};

static void *tell(void *context)
{
    struct teller *teller = context;

    while (!teller->ends) {
        virDomainJobInfo info = {0};

        if (virDomainGetJobInfo(teller->domain, &info) == 0 && info.memTotal > 0 &&
            info.memRemaining <= info.memTotal) {
            progress_tell(teller->progress,
                          (unsigned)(100 - 100 * info.memRemaining / info.memTotal), "move memory");
        }
        /* The daemon here does not know of the other: a host that is gone would be waited for. */
        if (virConnectIsAlive(teller->peer) == 0) {
            (void)virDomainAbortJob(teller->domain);
        }
        nanosleep(&(struct timespec){.tv_nsec = TELL_NS}, NULL);
    }
    return NULL;
}

static void teller_start(struct teller *teller)
{
    teller->runs = pthread_create(&teller->thread, NULL, tell, teller) == 0;
}

static void teller_end(struct teller *teller)
{
    teller->ends = true;
    if (teller->runs) {
        (void)pthread_join(teller->thread, NULL);
    }
}

/* An emulated guest stands still while its memory goes over. Once in ten moves a guest that ran
 * on meanwhile was seen to hang on the other side, in a loop over a queue in its memory. */
static unsigned migrate_flags(bool kvm)
{
    const unsigned always = VIR_MIGRATE_TLS | VIR_MIGRATE_ABORT_ON_ERROR | VIR_MIGRATE_PAUSED;

    return kvm ? always | VIR_MIGRATE_LIVE | VIR_MIGRATE_AUTO_CONVERGE : always;
}

static bool migrate(virDomainPtr domain, virConnectPtr peer, const struct hv_peer *to,
                    const char *xml, unsigned flags, const struct progress *progress,
                    struct err *err)
{
    struct teller teller = {.domain = domain, .peer = peer, .progress = progress};
    AUTO(drop_free) char *host = uri_host(to->address);
    AUTO(drop_free) char *uri = text_make("tcp://%s", host);
    virTypedParameterPtr params = NULL;
    virDomainPtr there = NULL;
    int count = 0, room = 0;

    if (add_text(&params, &count, &room, VIR_MIGRATE_PARAM_URI, uri, err) &&
        add_text(&params, &count, &room, VIR_MIGRATE_PARAM_DEST_XML, xml, err) &&
        add_text(&params, &count, &room, VIR_MIGRATE_PARAM_TLS_DESTINATION, to->address, err)) {
        (void)virDomainMigrateSetMaxDowntime(domain, DOWNTIME_MS, 0);
        teller_start(&teller);
        there = virDomainMigrate3(domain, peer, params, (unsigned)count, flags);
        if (!there) {
            libvirt_err(err, "migrate it");
        }
        teller_end(&teller);
    }
    virTypedParamsFree(params, count);
    bool moved = there != NULL;

    drop_domain(&there);
    return moved;
}

/* What it is there must be what it is here, to the letter: "q35" is whatever the newest one is, and
 * a daemon that was started again since the VM was does not know any more which that was. */
static bool machine_of(virDomainPtr domain, char out[DOMAIN_MAX_NAME + 1], struct err *err)
{
    AUTO(drop_free) char *xml = virDomainGetXMLDesc(domain, 0);
    const char *type = xml ? strstr(xml, "<type ") : NULL;

    if (!xml) {
        return libvirt_err(err, "describe it");
    }
    return (type && sscanf(type, "<type arch='%*32[^']' machine='%63[^']'", out) == 1) ||
           err_set(err, ERR_SYSTEM, "libvirt does not say what machine it is");
}

static bool send_domain(virDomainPtr here, virConnectPtr other, const struct domain *domain,
                        const struct hv_peer *peer, const struct progress *progress,
                        struct err *err)
{
    char machine[DOMAIN_MAX_NAME + 1];
    AUTO(drop_free) char *xml = NULL;
    struct domain there = *domain;

    there.machine = machine;
    return machine_of(here, machine, err) && domain_xml(&there, &xml, err) &&
           migrate(here, other, peer, xml, migrate_flags(domain->kvm), progress, err);
}

static bool move_send(struct hv *hv, const struct domain *domain, const struct hv_peer *peer,
                      const struct hv_pass *pass, const struct progress *progress, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL, other = NULL;
    AUTO(drop_domain) virDomainPtr here = NULL;

    if (!peer_is_plain(peer, err) || !libvirt_connection(hv, &connection, err) ||
        !libvirt_find(connection, domain->uuid, &here, err)) {
        return false;
    }
    if (!here) {
        return err_set(err, ERR_ABSENT, "virtual machine '%s' does not run here", domain->name);
    }
    return (pass_give(pass, "client", err) && peer_open(peer, &other, err) &&
            send_domain(here, other, domain, peer, progress, err)) ||
           err_add(err, "move virtual machine '%s' to %s", domain->name, peer->address);
}

const struct hv_moves libvirt_moves = {
    .expect = move_expect,
    .forget = move_forget,
    .send = move_send,
};
