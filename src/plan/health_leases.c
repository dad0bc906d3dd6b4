/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: who runs a virtual machine holds its lease, and renewed it lately (docs/protocol.md,
 * "Status of a host"; agent/lease.h has the times). What runs without one may be started elsewhere.
 */
#include <string.h>

#include "plan/health_find.h"

/* Milliseconds. Of twelve renewals a lease outlives, six were missed; when ten were, the host stops
 * the machine. */
#define LATE 12000

static void look_at_lease(struct health *health, const json_t *host, const json_t *vm)
{
    const char *name = json_string_or(vm, "name", json_string_or(vm, "id", ""));
    const char *on = json_string_or(host, "name", "");
    const json_t *lease = json_object_get(vm, "lease"), *hosts = json_object_get(host, "name");
    const char *state = json_string_or(lease, "state", "");
    json_int_t renewed = json_integer_value(json_object_get(lease, "renewed"));
    const struct health_place without = {"error", "lease.none", "vms", name, hosts};
    const struct health_place late = {"warning", "lease.late", "vms", name, hosts};

    if (!json_is_object(lease)) {
        return;
    }
    if (strcmp(state, "held") != 0) {
        health_find(health, &without,
                    "its host stops it by itself; its journal says more: journalctl -u quoind",
                    "virtual machine '%s' runs on '%s', which does not hold its lease (%s)", name,
                    on, state);
    } else if (renewed >= LATE) {
        health_find(health, &late,
                    "see to the datastore and to that host's way to it: without a renewal it stops "
                    "the machine, and another host starts it",
                    "the lease of virtual machine '%s' was renewed by '%s' %lld s ago", name, on,
                    (long long)renewed / 1000);
    }
}

void health_leases(struct health *health)
{
    size_t i, n;
    json_t *host, *vm;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        json_array_foreach(json_object_get(health_status(host), "vms"), n, vm)
        {
            if (strcmp(json_string_or(vm, "state", ""), "running") == 0) {
                look_at_lease(health, host, vm);
            }
        }
    }
}
