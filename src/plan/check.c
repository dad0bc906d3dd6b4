/* SPDX-License-Identifier: Apache-2.0 */
/* The blueprint against what the hosts say of themselves; plan.h says what is promised. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blueprint/address.h"
#include "plan/check_disk.h"
#include "plan/finder.h"
#include "plan/plan.h"

/* Beyond this a certificate made now is not yet valid there, and the datastore's tickets fail. */
#define CLOCK_ERROR 30.0
/* Monitors want 0.05 s among each other; SSH can tell a clock that nobody keeps, not more. */
#define CLOCK_WARNING 1.0
/* Of one disk's daemon: the least that Ceph's osd_memory_target documentation calls workable. */
#define DISK_MEMORY (1ull << 30)
/* Monitor, manager daemon, agent and libvirt beside them. */
#define HOST_MEMORY (512ull << 20)

static const struct {
    const char *number;
    const char *user;
} ports[] = {{"3300", "the datastore's monitor"},
             {"6789", "the datastore's monitor"},
             {"7443", "the agent"},
             {"7444", "a virtual machine that moves to it"}};

/* How far the host's clock is off for certain: its first line was written after we began to ask,
 * its last before we had the answer. */
static double skew_of(const struct host_answer *answer)
{
    double least = answer->facts->ended - answer->ended,
           most = answer->facts->began - answer->began;

    return least > 0 ? least : most < 0 ? most : 0;
}

static void check_clock(struct finder *finder, const struct host_answer *answer)
{
    double skew = skew_of(answer), off = skew < 0 ? -skew : skew;

    if (off > CLOCK_WARNING) {
        find(finder, off > CLOCK_ERROR ? SEVERITY_ERROR : SEVERITY_WARNING, "",
             "set its clock: systemctl enable --now systemd-timesyncd, or chrony",
             "the clock of '%s' is %.0f s %s", finder->host->name, off, skew > 0 ? "fast" : "slow");
    }
}

static void check_packages(struct finder *finder)
{
    AUTO(drop_text) struct text missing = {0};
    const struct facts_pairs *packages = &finder->facts->packages;

    for (size_t i = 0; i < packages->count; i++) {
        if (!packages->items[i].value[0]) {
            text_addf(&missing, "%s%s", missing.length ? " " : "", packages->items[i].name);
        }
    }
    if (missing.length > 0) {
        AUTO(drop_free) char *remedy = text_make("on it: apt-get install %s", missing.bytes);

        find_kind(finder, ERR_ABSENT, "", remedy, "'%s' lacks packages: %s", finder->host->name,
                  missing.bytes);
    }
}

static void check_hypervisor(struct finder *finder)
{
    const struct facts *facts = finder->facts;

    switch (facts->hypervisor) {
    case HYPERVISOR_UNKNOWN:
        break;
    case HYPERVISOR_NONE:
        find_kind(finder, ERR_SYSTEM, "", "on it: apt-get install qemu-system-x86 ovmf",
                  "'%s' runs no virtual machine: its firmware did not start, with hardware "
                  "virtualization or without",
                  finder->host->name);
        break;
    case HYPERVISOR_TCG:
        find(finder, SEVERITY_WARNING, "",
             "switch virtualization on in its firmware, or go on if speed does not matter",
             "'%s' runs virtual machines in software only, which is slow", finder->host->name);
        break;
    case HYPERVISOR_KVM:
        find(finder, SEVERITY_INFO, "", "", "'%s' runs virtual machines in hardware (%u ms)",
             finder->host->name, facts->hypervisor_ms);
        break;
    }
}

static bool is_ours(const struct finder *finder)
{
    return finder->cluster_id && strcmp(finder->facts->agent_cluster, finder->cluster_id) == 0;
}

static void check_memory(struct finder *finder)
{
    const struct facts *facts = finder->facts;
    uint64_t need = finder->blueprint->manager.memory_bytes +
                    finder->host->disk_count * DISK_MEMORY + HOST_MEMORY;
    char needed[16], has[16];

    if (facts->memory_total < need) {
        find(finder, SEVERITY_ERROR, "", "add memory, give the manager less, or name fewer disks",
             "'%s' has %s of memory; the manager and a daemon for each disk need %s",
             finder->host->name, text_size(facts->memory_total, has), text_size(need, needed));
    } else if (facts->memory_available < need && !is_ours(finder)) {
        find(finder, SEVERITY_WARNING, "", "end what else runs there",
             "'%s' has %s of memory free; the manager and a daemon for each disk need %s",
             finder->host->name, text_size(facts->memory_available, has), text_size(need, needed));
    }
}

static void check_cpus(struct finder *finder)
{
    unsigned cpus = finder->facts->cpus, need = finder->blueprint->manager.cpus;

    if (cpus < need) {
        find(finder, SEVERITY_ERROR, "", "lower manager.cpus, or take another host",
             "'%s' has %u CPU%s; the manager wants %u", finder->host->name, cpus,
             cpus == 1 ? "" : "s", need);
    }
}

static void check_bridge(struct finder *finder)
{
    const char *bridge = finder->blueprint->manager.network.bridge;

    for (size_t i = 0; i < finder->facts->bridges.count; i++) {
        if (strcmp(finder->facts->bridges.items[i], bridge) == 0) {
            return;
        }
    }
    find_at(finder, SEVERITY_ERROR, "manager.network.bridge",
            "make it there, or name the bridge that is there", "'%s' has no bridge '%s'",
            finder->host->name, bridge);
    find_mark(finder, ERR_ABSENT);
}

static void check_network(struct finder *finder)
{
    struct address network, own;

    address_read_cidr(finder->blueprint->datastore.network, &network);
    for (size_t i = 0; i < finder->facts->addresses.count; i++) {
        if (address_read_cidr(finder->facts->addresses.items[i], &own) &&
            address_in(&own, &network)) {
            return;
        }
    }
    find_at(finder, SEVERITY_ERROR, "datastore.network",
            "give it one, or name the network that the hosts are on", "'%s' has no address on %s",
            finder->host->name, finder->blueprint->datastore.network);
}

static void check_names(struct finder *finder)
{
    for (size_t i = 0; i < finder->facts->names.count; i++) {
        const struct facts_pair *name = &finder->facts->names.items[i];

        if (!name->value[0]) {
            find_kind(finder, ERR_ABSENT, "",
                      "mend its name servers or /etc/hosts, or write the address",
                      "'%s' cannot resolve the name '%s'", finder->host->name, name->name);
        }
    }
}

/* Whose address it is, of those that the key unlocks; the caller frees, NULL: nobody's. */
static char *owner_of(const struct finder *finder, const struct host_answer *answers,
                      const struct facts_server *server)
{
    const struct blueprint *blueprint = finder->blueprint;
    struct address theirs, one;

    if (server->machine[0]) {
        return text_make("the virtual machine '%s'", server->machine);
    }
    if (!address_read(server->address, &theirs)) {
        return NULL;
    }
    if (address_read_cidr(blueprint->manager.network.address, &one) &&
        address_equal(&one, &theirs)) {
        return text_copy("the manager");
    }
    for (size_t i = 0; i < blueprint->host_count; i++) {
        const struct facts *facts = answers[i].facts;

        for (size_t j = 0; facts && j < facts->addresses.count; j++) {
            if (address_read_cidr(facts->addresses.items[j], &one) &&
                address_equal(&one, &theirs)) {
                return text_make("host '%s'", blueprint->hosts[i].name);
            }
        }
    }
    return NULL;
}

static const char *state_words(const char *state)
{
    return strcmp(state, "silent") == 0    ? "no answer within 2 seconds"
           : strcmp(state, "refused") == 0 ? "nobody listens there"
                                           : "its name is not resolved";
}

/* From every host, since each of them opens keys by itself after a power loss. */
static void check_servers(struct finder *finder, const struct host_answer *answers)
{
    const struct facts_servers *servers = &finder->facts->servers;
    size_t open = 0;

    for (size_t i = 0; i < servers->count; i++) {
        const struct facts_server *server = &servers->items[i];
        AUTO(drop_free) char *where = text_make("encryption.provider.servers[%zu]", i);
        AUTO(drop_free) char *owner = owner_of(finder, answers, server);

        open += strcmp(server->state, "open") == 0;
        if (owner) {
            find_at(finder, SEVERITY_ERROR, where,
                    "name a key server outside the cluster, or the native provider",
                    "the key server '%s' is %s, which its key unlocks: after a power loss neither "
                    "could start",
                    server->name, owner);
        }
    }
    for (size_t i = 0; i < servers->count; i++) {
        const struct facts_server *server = &servers->items[i];

        if (strcmp(server->state, "open") != 0) {
            find(finder, open ? SEVERITY_WARNING : SEVERITY_ERROR, "",
                 "is it up, and does no firewall between drop or refuse it?",
                 "'%s' does not reach the key server '%s': %s", finder->host->name, server->name,
                 state_words(server->state));
            find_mark(finder, open ? ERR_NONE : ERR_AWAY);
        }
    }
}

static const char *port_user(const char *number)
{
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        if (strcmp(ports[i].number, number) == 0) {
            return ports[i].user;
        }
    }
    return "quoin";
}

static void check_ports(struct finder *finder)
{
    for (size_t i = 0; i < finder->facts->ports.count && !is_ours(finder); i++) {
        const struct facts_pair *port = &finder->facts->ports.items[i];

        find_kind(finder, ERR_CLASH, "", "end that program, or take another host",
                  "port %s of '%s', which %s needs, is in use by '%s'", port->name,
                  finder->host->name, port_user(port->name),
                  port->value[0] ? port->value : "a program that hides");
    }
}

/* What a host's operators set that a VM's move depends on (/etc/libvirt/qemu.conf, its section on
 * TLS). A value that is fine, and what another one does. */
static const struct {
    const char *name, *fine, *effect, *remedy;
} move_settings[] = {
    {"migrate_tls_x509_cert_dir", "/etc/pki/qemu", "no virtual machine moves to or from it",
     "write migrate_tls_x509_cert_dir = \"/etc/pki/qemu\" in its /etc/libvirt/qemu.conf, then: "
     "systemctl restart libvirtd"},
    {"migrate_tls_x509_secret_uuid", "", "no virtual machine moves to or from it",
     "take that line out of its /etc/libvirt/qemu.conf, then: systemctl restart libvirtd"},
    {"migrate_tls_x509_verify", "1", "a virtual machine that moves to it is taken from anybody",
     "write migrate_tls_x509_verify = 1 in its /etc/libvirt/qemu.conf, then: systemctl restart "
     "libvirtd"},
    {"/etc/pki/libvirt-migrate", "", "no virtual machine moves to or from it",
     "take that folder away, then: systemctl restart libvirtd"},
    {"/etc/pki/qemu", "", "no virtual machine moves to or from it",
     "move the certificates in it elsewhere, then: systemctl start etc-pki-qemu.mount; systemctl "
     "restart quoind"},
};

/* The last line of a name counts. */
static const struct facts_pair *move_fact(const struct facts *facts, const char *name)
{
    const struct facts_pair *found = NULL;

    for (size_t i = 0; i < facts->moves.count; i++) {
        found = strcmp(facts->moves.items[i].name, name) == 0 ? &facts->moves.items[i] : found;
    }
    return found;
}

/* What is not set for migration is as it is set for all. */
static const struct facts_pair *move_setting(const struct facts *facts, const char *name)
{
    const struct facts_pair *found = move_fact(facts, name);

    if (!found && text_starts(name, "migrate_")) {
        AUTO(drop_free) char *general = text_make("default_%s", name + strlen("migrate_"));

        found = move_fact(facts, general);
    }
    return found;
}

/* A host alone has nobody to send one to. */
static void check_moves(struct finder *finder)
{
    for (size_t i = 0; i < COUNT_OF(move_settings) && finder->blueprint->host_count > 1; i++) {
        const struct facts_pair *set = move_setting(finder->facts, move_settings[i].name);

        /* libvirt looks for its own folder only where none is set. */
        if (strcmp(move_settings[i].name, "/etc/pki/libvirt-migrate") == 0 &&
            move_fact(finder->facts, "migrate_tls_x509_cert_dir")) {
            continue;
        }
        if (set && strcmp(set->value, move_settings[i].fine) != 0) {
            find(finder, SEVERITY_WARNING, "", move_settings[i].remedy, "'%s' has %s (%s): %s",
                 finder->host->name, set->name, set->value, move_settings[i].effect);
        }
    }
}

static void check_agent(struct finder *finder)
{
    const char *cluster = finder->facts->agent_cluster;

    if (cluster[0] && !is_ours(finder)) {
        find_kind(
            finder, ERR_CLASH, "",
            "destroy that cluster first, or name the --state folder that it was deployed with",
            "'%s' belongs to another cluster (%s)", finder->host->name, cluster);
    }
}

static void check_cache(struct finder *finder)
{
    if (finder->blueprint->encryption.cache_seconds > 0 && !finder->facts->tpm[0]) {
        find_at(finder, SEVERITY_ERROR, "encryption.cache",
                "switch it on in the firmware, or write cache: off",
                "'%s' has no TPM 2.0, and keys are kept by nothing else", finder->host->name);
    }
}

static void check_pcrs(struct finder *finder)
{
    if (finder->blueprint->encryption.pcr_count > 0 && !finder->facts->tpm[0]) {
        find_at(finder, SEVERITY_ERROR, "encryption.pcrs",
                "switch it on in the firmware, or leave pcrs out",
                "'%s' has no TPM 2.0, and nothing else looks at PCRs", finder->host->name);
    }
}

static void check_tpm(struct finder *finder)
{
    enum tpm_use use = finder->blueprint->encryption.tpm;
    bool native = strcmp(finder->blueprint->encryption.provider.type, "native") == 0;
    const char *tpm = finder->facts->tpm;

    if (use == TPM_REQUIRED && !tpm[0]) {
        find_at(finder, SEVERITY_ERROR, "encryption.tpm",
                "switch it on in the firmware, or write tpm: auto", "'%s' has no TPM 2.0",
                finder->host->name);
    } else if (native && (use == TPM_OFF || !tpm[0])) {
        find(finder, SEVERITY_WARNING, "",
             "use a host with a TPM, or an external provider (kmip), where hosts may be stolen",
             "the root key of '%s' will lie in a file that only root can read, not in a TPM: "
             "whoever takes its system disk and its data disks can open the manager",
             finder->host->name);
    } else if (tpm[0] && use != TPM_OFF) {
        find(finder, SEVERITY_INFO, "", "", "'%s' seals its keys in the TPM %s", finder->host->name,
             tpm);
    }
}

static void check_host(struct finder *finder, const struct host_answer *answers)
{
    const struct host_answer *answer = &answers[finder->number];

    if (!answer->facts->superuser) {
        find_kind(finder, ERR_DENIED, ".ssh.user", "write user: root, or let this user use sudo",
                  "is not root on '%s', so most cannot be looked at", finder->host->name);
    }
    check_clock(finder, answer);
    check_packages(finder);
    check_hypervisor(finder);
    check_memory(finder);
    check_cpus(finder);
    check_bridge(finder);
    check_network(finder);
    check_names(finder);
    check_servers(finder, answers);
    check_ports(finder);
    check_moves(finder);
    check_agent(finder);
    check_tpm(finder);
    check_cache(finder);
    check_pcrs(finder);
    check_disks(finder);
}

/* Cloned machines: two hosts with one id confuse journals, DHCP, libvirt and Ceph. */
static void check_ids(struct finder *finder, const struct host_answer *answers, size_t number)
{
    const struct facts *own = answers[number].facts;

    if (strlen(own->machine_id) != 32 ||
        strspn(own->machine_id, "0123456789abcdef") != strlen(own->machine_id)) {
        find(finder, SEVERITY_ERROR, "", "on it: systemd-machine-id-setup",
             "'%s' has no machine id", finder->host->name);
        return;
    }
    for (size_t i = 0; i < number; i++) {
        const struct facts *other = answers[i].facts;

        if (other && strcmp(own->machine_id, other->machine_id) == 0) {
            find_kind(finder, ERR_CLASH, "",
                      "on a clone: rm /etc/machine-id, then systemd-machine-id-setup; or the same "
                      "machine is named twice",
                      "'%s' has the machine id of '%s'", finder->host->name,
                      finder->blueprint->hosts[i].name);
        } else if (other && own->product_uuid[0] &&
                   strcmp(own->product_uuid, other->product_uuid) == 0) {
            find(finder, SEVERITY_WARNING, "", "ask the vendor how to set it",
                 "'%s' has the product UUID of '%s'", finder->host->name,
                 finder->blueprint->hosts[i].name);
        }
    }
}

void plan_check(const struct blueprint *blueprint, const struct host_answer *answers,
                const char *cluster_id, struct findings *findings)
{
    for (size_t i = 0; i < blueprint->host_count; i++) {
        struct finder finder = {.blueprint = blueprint,
                                .findings = findings,
                                .cluster_id = cluster_id,
                                .host = &blueprint->hosts[i],
                                .number = i,
                                .facts = answers[i].facts};

        if (!answers[i].facts && answers[i].may_be_away && answers[i].err.kind == ERR_AWAY) {
            find(&finder, SEVERITY_WARNING, ".address",
                 "the same command brings it in when it is back", "'%s' is left out for now: %s",
                 blueprint->hosts[i].name, answers[i].err.what);
            continue;
        }
        if (!answers[i].facts) {
            find_kind(&finder, answers[i].err.kind, ".address",
                      answers[i].err.remedy[0] ? answers[i].err.remedy
                                               : "look whether ssh reaches it by hand",
                      "'%s': %s", blueprint->hosts[i].name, answers[i].err.what);
            continue;
        }
        check_host(&finder, answers);
        check_ids(&finder, answers, i);
    }
    check_room(blueprint, answers, findings);
}

/* Host names among the addresses, and the servers of the provider. */
static void names_to_ask(const struct blueprint *blueprint, char **out, size_t *out_count)
{
    struct address address;

    for (size_t i = 0; i < blueprint->host_count; i++) {
        if (!address_read(blueprint->hosts[i].address, &address)) {
            out[(*out_count)++] = text_copy(blueprint->hosts[i].address);
        }
    }
    for (size_t i = 0; i < blueprint->encryption.provider.server_count; i++) {
        const char *server = blueprint->encryption.provider.servers[i];
        char *name = strndup(server, (size_t)(strrchr(server, ':') - server));

        if (name && name[0] != '[' && !address_read(name, &address)) {
            out[(*out_count)++] = TAKE(name);
        }
        free(name);
    }
}

/* Without the brackets of IPv6: the host's script parts address and port at the last colon. */
static void servers_to_ask(const struct blueprint *blueprint, char *out[FACTS_MAX_SERVERS + 1])
{
    const struct blueprint_provider *provider = &blueprint->encryption.provider;

    for (size_t i = 0; i < provider->server_count && i < FACTS_MAX_SERVERS; i++) {
        const char *server = provider->servers[i], *colon = strrchr(server, ':');

        out[i] = server[0] == '['
                     ? text_make("%.*s%s", (int)(colon - server) - 2, server + 1, colon)
                     : text_copy(server);
    }
}

bool plan_question(const struct blueprint *blueprint, const char *const *packages, bool boot,
                   char **out, struct err *err)
{
    size_t room = blueprint->host_count + blueprint->encryption.provider.server_count + 1,
           count = 0;
    AUTO(drop_free) char **names = text_room(room, sizeof(*names));
    const char *numbers[COUNT_OF(ports) + 1] = {0};
    char *servers[FACTS_MAX_SERVERS + 1] = {0};

    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        numbers[i] = ports[i].number;
    }
    names_to_ask(blueprint, names, &count);
    servers_to_ask(blueprint, servers);
    bool good = facts_script(&(struct facts_question){.packages = packages,
                                                      .names = (const char *const *)names,
                                                      .ports = numbers,
                                                      .servers = (const char *const *)servers,
                                                      .no_boot = !boot},
                             out, err);

    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    for (size_t i = 0; servers[i]; i++) {
        free(servers[i]);
    }
    return good;
}
