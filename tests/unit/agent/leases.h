/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases in tests of the agent: clocks are the tests' own, the other host is what it wrote. The VM
 * is "mgr", this host is h1.
 */
#ifndef QUOIN_TESTS_AGENT_LEASES_H
#define QUOIN_TESTS_AGENT_LEASES_H

#include "world.h"

#include "agent/lease.h"
#include "agent/lease_record.h"

#define SECOND 1000
#define OTHERS "127.99.0.2"

#define HELPER __attribute__((unused)) static

/* Both clocks go on, and everything that is due is done, once each half second. */
HELPER void pass(int seconds)
{
    for (int i = 0; i < 2 * seconds; i++) {
        world.now += SECOND / 2;
        fake_leases.now += SECOND / 2;
        lease_renew_due(&world.agent);
        lease_guard_due(&world.agent);
    }
}

HELPER json_t *record_now(uint64_t *out_version)
{
    json_t *record = NULL;
    struct err err = {0};

    assert_true(lease_record_read(stores[0], (struct store *)(void *)&fake_store, vm_uuid("mgr"),
                                  &record, out_version, &err));
    return record;
}

/* `record` is given away. */
HELPER void record_write(json_t *record, uint64_t version)
{
    struct err err = {0};

    assert_true(lease_record_write(stores[0], (struct store *)(void *)&fake_store, vm_uuid("mgr"),
                                   record, &version, &err));
    json_decref(record);
}

HELPER void holder_is(const char *host)
{
    uint64_t version = 0;
    AUTO(drop_json) json_t *record = record_now(&version);

    assert_string_equal(lease_record_host(record), host);
}

HELPER bool holds(void)
{
    return lease_holds(&world.agent, vm_uuid("mgr"));
}

/* Another host writes what it would: the lock and the record. */
HELPER void other_takes(const char *host)
{
    uint64_t version = 0;
    AUTO(drop_json) json_t *before = record_now(&version);

    (void)snprintf(fake_leases.holder, sizeof(fake_leases.holder), "%s/boot", host);
    (void)snprintf(fake_leases.address, sizeof(fake_leases.address), "%s", OTHERS);
    fake_leases.ends = fake_leases.now + LEASE_SECONDS * SECOND;
    record_write(lease_record_taken(before, host, OTHERS), version);
}

#endif
