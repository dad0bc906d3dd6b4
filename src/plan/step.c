/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/step.h"

#include <string.h>

static const char *const phases[PHASE_COUNT] = {
    [PHASE_CHECK] = "check",         [PHASE_HOSTS] = "hosts", [PHASE_PROVIDER] = "provider",
    [PHASE_DATASTORE] = "datastore", [PHASE_SEAL] = "seal",   [PHASE_POUR] = "pour",
    [PHASE_START] = "start",         [PHASE_PROVE] = "prove", [PHASE_CLUSTER] = "cluster",
    [PHASE_JOIN] = "join",
};

/* clang-format off: a table is read by its columns */
const struct step_kind step_kinds[] = {
    {"agent.install", PHASE_HOSTS, "install the agent", NULL},
    {"provider.open", PHASE_PROVIDER, "open the key provider and prove it with a round trip",
     "provider"},
    {"ca.make", PHASE_PROVIDER, "make the cluster's certificate authority", "cluster"},
    {"agent.enrol", PHASE_PROVIDER, "sign the host's certificate", "host"},
    {"store.begin", PHASE_DATASTORE, "begin the datastore", "datastore"},
    {"store.disk", PHASE_DATASTORE, "give a disk to the datastore", "disk"},
    {"store.pool", PHASE_DATASTORE, "make the pool and wait until it takes writes", "datastore"},
    {"store.holes", PHASE_DATASTORE, "prove that holes read as zeros through the encryption",
     "datastore"},
    {"recovery.make", PHASE_SEAL, "make the recovery key, which the user fetches", "cluster"},
    {"vm.seal", PHASE_SEAL, "make the manager's keys and wrap them", "manager"},
    {"disk.pour", PHASE_POUR, "write a disk through the encryption and compare",
     "disk of the manager"},
    {"vm.start", PHASE_START, "start the manager and wait until it answers", "manager"},
    {"vm.verify", PHASE_PROVE, "read the raw storage and prove that it is ciphertext", "manager"},
    {"cluster.make", PHASE_CLUSTER, "make data center and cluster in the manager", "cluster"},
    {"host.join", PHASE_JOIN, "join a host to the datastore and the cluster", "host"},
    {NULL, PHASE_COUNT, NULL, NULL},
};
/* clang-format on */

const struct step_kind *step_kind_find(const char *name)
{
    for (const struct step_kind *kind = step_kinds; kind->name; kind++) {
        if (strcmp(kind->name, name) == 0) {
            return kind;
        }
    }
    return NULL;
}

const char *phase_name(enum phase phase)
{
    return phase < PHASE_COUNT ? phases[phase] : "unknown";
}
