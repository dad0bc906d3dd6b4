/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt.h"

#include <linux/magic.h>
#include <pthread.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#define URI "qemu:///system"
/* Where libvirtd keeps, for each running VM, the key under which QEMU is handed its secrets. */
#define KEYS_FOLDER "/var/lib/libvirt/qemu"
/* A daemon that says nothing for half a minute is as good as dead. */
#define ALIVE_SECONDS 5
#define ALIVE_COUNT   6
/* While waiting for a VM to end. */
#define LOOK_NS 200000000

struct hv {
    pthread_mutex_t lock;
    virConnectPtr connection;        /* NULL before the first call, and after it was lost */
    struct libvirt_attempt *attempt; /* to connect, that nobody has seen the end of; or NULL */
    int tie;                         /* of `events` to it */
    struct libvirt_events *events;
};

static void disconnect(struct hv *hv)
{
    if (hv->connection) {
        libvirt_events_untie(hv->connection, hv->tie);
        virConnectClose(hv->connection);
        hv->connection = NULL;
    }
}

/* A new reference to the living connection; made again when it was lost. */
static bool connect(struct hv *hv, virConnectPtr *out, struct err *err)
{
    AUTO(drop_connection) virConnectPtr fresh = NULL;

    if (hv->connection && virConnectIsAlive(hv->connection) != 1) {
        disconnect(hv);
    }
    if (!hv->connection) {
        if (!libvirt_open_in_time(URI, LIBVIRT_OPEN_MS, &hv->attempt, &fresh, err)) {
            return err_mend(err, "look at: systemctl status libvirtd");
        }
        (void)virConnectSetKeepAlive(fresh, ALIVE_SECONDS, ALIVE_COUNT);
        if (!libvirt_events_tie(hv->events, fresh, &hv->tie, err)) {
            return false;
        }
        hv->connection = TAKE(fresh);
    }
    virConnectRef(hv->connection);
    *out = hv->connection;
    return true;
}

bool libvirt_connection(struct hv *hv, virConnectPtr *out, struct err *err)
{
    pthread_mutex_lock(&hv->lock);
    bool good = connect(hv, out, err);
    pthread_mutex_unlock(&hv->lock);
    return good;
}

static void libvirt_close(struct hv *hv)
{
    if (!hv) {
        return;
    }
    libvirt_events_end(hv->events);
    libvirt_attempt_drop(hv->attempt);
    disconnect(hv);
    pthread_mutex_destroy(&hv->lock);
    free(hv);
}

DROP(hv, struct hv *, libvirt_close);

static bool libvirt_open(hv_changed *changed, void *context, struct hv **out, struct err *err)
{
    AUTO(drop_hv) struct hv *hv = NULL;
    AUTO(drop_connection) virConnectPtr connection = NULL;
    struct err failed = {0};

    if (!libvirt_loop_start(err)) {
        return false;
    }
    hv = text_room(1, sizeof(*hv));
    pthread_mutex_init(&hv->lock, NULL);
    hv->events = libvirt_events_new(changed, context);
    /* Away it may be: the attempt goes on, and there is no second one beside it. */
    if (!libvirt_connection(hv, &connection, &failed) && failed.kind != ERR_AWAY) {
        *err = failed;
        return false;
    }
    *out = TAKE(hv);
    return true;
}

/* NULL when there is no such VM. */
bool libvirt_find(virConnectPtr connection, const char *uuid, virDomainPtr *out, struct err *err)
{
    const virError *error;

    if (!uuid_valid(uuid)) {
        return err_set(err, ERR_INPUT, "'%.64s' is no virtual machine's UUID", uuid);
    }
    *out = virDomainLookupByUUIDString(connection, uuid);
    error = *out ? NULL : virGetLastError();
    return *out || (error && error->code == VIR_ERR_NO_DOMAIN) ||
           libvirt_err(err, "find a virtual machine");
}

static enum hv_state state_of(int state)
{
    switch (state) {
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
        return HV_PAUSED;
    case VIR_DOMAIN_CRASHED:
        return HV_CRASHED;
    case VIR_DOMAIN_SHUTOFF:
    case VIR_DOMAIN_NOSTATE:
        return HV_ABSENT;
    default:
        return HV_RUNNING;
    }
}

/* From the metadata that domain_xml wrote; 0 when there is none. */
static int64_t started_at(virDomainPtr domain)
{
    AUTO(drop_free)
    char *note = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_METADATA, 0);
    const char *field = note ? strstr(note, "started=") : NULL;

    return field ? strtoll(field + strlen("started=") + 1, NULL, 10) : 0;
}

/* A VM that ends between two questions is absent. */
static bool look_at(virConnectPtr connection, const char *uuid, struct hv_look *out,
                    struct err *err)
{
    AUTO(drop_domain) virDomainPtr domain = NULL;
    int state = VIR_DOMAIN_NOSTATE;
    struct err gone = {0};

    if (!libvirt_find(connection, uuid, &domain, err)) {
        return false;
    }
    if (domain && virDomainGetState(domain, &state, NULL, 0) < 0) {
        libvirt_err(&gone, "look at a virtual machine");
        if (gone.kind != ERR_ABSENT) {
            *err = gone;
            return false;
        }
        state = VIR_DOMAIN_NOSTATE;
    }
    out->state = state_of(state);
    out->since = out->state == HV_ABSENT ? 0 : started_at(domain);
    return true;
}

static bool libvirt_look(struct hv *hv, const char *uuid, struct hv_look *out, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;

    return libvirt_connection(hv, &connection, err) && look_at(connection, uuid, out, err);
}

DROP(domains, virDomainPtr *, free);

/* Ours by the metadata that domain_xml writes; one that ended meanwhile is nobody's. */
static bool add_ours(json_t *list, virDomainPtr domain, struct err *err)
{
    AUTO(drop_free)
    char *note = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_METADATA, 0);
    const virError *error = note ? NULL : virGetLastError();
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (error && error->code != VIR_ERR_NO_DOMAIN_METADATA && error->code != VIR_ERR_NO_DOMAIN) {
        return libvirt_err(err, "tell whose a virtual machine is");
    }
    if (!note) {
        return true;
    }
    if (virDomainGetUUIDString(domain, uuid) < 0) {
        return libvirt_err(err, "tell a virtual machine's UUID");
    }
    json_array_append_new(list, json_string(uuid));
    return true;
}

static bool libvirt_list(struct hv *hv, json_t **out, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;
    AUTO(drop_domains) virDomainPtr *domains = NULL;
    AUTO(drop_json) json_t *list = json_array();
    bool listed = true;

    if (!libvirt_connection(hv, &connection, err)) {
        return false;
    }
    int count = virConnectListAllDomains(connection, &domains, 0);

    if (count < 0) {
        return libvirt_err(err, "list virtual machines");
    }
    for (int i = 0; i < count; i++) {
        listed = listed && add_ours(list, domains[i], err);
        virDomainFree(domains[i]);
    }
    *out = listed ? TAKE(list) : NULL;
    return listed;
}

bool libvirt_in_memory(const char *folder)
{
    struct statfs is;

    return statfs(folder, &is) == 0 && (is.f_type == TMPFS_MAGIC || is.f_type == RAMFS_MAGIC);
}

bool libvirt_check_host(struct err *err)
{
    if (libvirt_in_memory(KEYS_FOLDER)) {
        return true;
    }
    err_set(err, ERR_SYSTEM, "%s is not in memory: libvirt would write keys to a disk",
            KEYS_FOLDER);
    return err_mend(err, "systemctl restart var-lib-libvirt-qemu.mount libvirtd");
}

static bool resume(virConnectPtr connection, const char *uuid, struct err *err)
{
    AUTO(drop_domain) virDomainPtr domain = NULL;

    if (!libvirt_find(connection, uuid, &domain, err)) {
        return false;
    }
    return (domain && virDomainResume(domain) == 0) || libvirt_err(err, "resume it");
}

static bool create(virConnectPtr connection, const struct domain *domain,
                   const struct hv_keys *keys, struct err *err)
{
    AUTO(drop_free) char *xml = NULL;
    AUTO(drop_domain) virDomainPtr created = NULL;
    struct err ignored = {0};
    bool good;

    if (!libvirt_check_host(err) || !domain_xml(domain, &xml, err)) {
        return false;
    }
    good = libvirt_secrets_set(connection, domain, keys, err);
    if (good) {
        created = virDomainCreateXML(connection, xml, VIR_DOMAIN_START_VALIDATE);
        good = created || libvirt_err(err, "start it");
    }
    return libvirt_secrets_forget(connection, domain->uuid, good ? err : &ignored) && good;
}

static bool libvirt_start(struct hv *hv, const struct domain *domain, const struct hv_keys *keys,
                          struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;
    struct hv_look now;
    bool good;

    if (!libvirt_connection(hv, &connection, err) ||
        !look_at(connection, domain->uuid, &now, err)) {
        return false;
    }
    switch (now.state) {
    case HV_RUNNING:
        return true;
    case HV_PAUSED:
        good = resume(connection, domain->uuid, err);
        break;
    case HV_CRASHED:
        good = err_set(err, ERR_CLASH, "it crashed and is still there");
        break;
    default:
        good = create(connection, domain, keys, err);
        break;
    }
    return good || err_add(err, "start virtual machine '%s'", domain->name);
}

/* Destroying what has just ended by itself is no error. */
static bool pull_plug(virConnectPtr connection, const char *uuid, struct err *err)
{
    AUTO(drop_domain) virDomainPtr domain = NULL;
    struct hv_look now;

    if (!libvirt_find(connection, uuid, &domain, err)) {
        return false;
    }
    if (domain && virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_DEFAULT) < 0) {
        struct err failed = {0};

        libvirt_err(&failed, "destroy it");
        if (!look_at(connection, uuid, &now, err)) {
            return false;
        }
        if (now.state != HV_ABSENT) {
            *err = failed;
            return false;
        }
    }
    return libvirt_secrets_forget(connection, uuid, err);
}

/* The guest may not listen yet, so the button is pressed again each time we look. */
static bool press_button(virConnectPtr connection, const char *uuid, unsigned seconds,
                         struct err *err)
{
    int64_t end = clock_ms() / 1000 + seconds;

    for (;;) {
        AUTO(drop_domain) virDomainPtr domain = NULL;

        if (!libvirt_find(connection, uuid, &domain, err)) {
            return false;
        }
        if (!domain || clock_ms() / 1000 >= end) {
            return true;
        }
        (void)virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
        for (unsigned i = 0; i < 5 && virDomainIsActive(domain) == 1; i++) {
            nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        }
    }
}

static bool libvirt_stop(struct hv *hv, const char *uuid, unsigned seconds, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;

    return (libvirt_connection(hv, &connection, err) &&
            press_button(connection, uuid, seconds, err) && pull_plug(connection, uuid, err)) ||
           err_add(err, "stop virtual machine %s", uuid);
}

static bool libvirt_destroy(struct hv *hv, const char *uuid, struct err *err)
{
    AUTO(drop_connection) virConnectPtr connection = NULL;

    return (libvirt_connection(hv, &connection, err) && pull_plug(connection, uuid, err)) ||
           err_add(err, "destroy virtual machine %s", uuid);
}

const struct hypervisor hypervisor_libvirt = {
    .type = "libvirt",
    .summary = "QEMU with KVM or emulation, by way of libvirt",
    .open = libvirt_open,
    .close = libvirt_close,
    .look = libvirt_look,
    .list = libvirt_list,
    .start = libvirt_start,
    .stop = libvirt_stop,
    .destroy = libvirt_destroy,
    .copies = &libvirt_copies,
    .moves = &libvirt_moves,
};
