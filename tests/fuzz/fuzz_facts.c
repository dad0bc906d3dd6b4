/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile host: what it says of itself is read, checked and planned with. */
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char yaml[] =
    "quoin: 1\n"
    "cluster: {name: c}\n"
    "hosts:\n"
    "  - name: h1\n"
    "    address: 10.77.0.11\n"
    "    disks: [{wwn: \"0x5000c50000000101\"}, {path: /dev/disk/by-id/scsi-quoin-h1-2}, {serial: "
    "S, "
    "wipe: true}]\n"
    "datastore: {network: 10.77.0.0/24}\n"
    "manager:\n"
    "  name: mgr\n"
    "  image: i\n"
    "  image_sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n"
    "  disks: [{name: system, size: 4G}, {name: data, size: 4G}]\n"
    "  network: {bridge: br0, address: 10.77.0.10/24}\n"
    "  admin: {password_file: p}\n";

static const char cluster[] = "3b1dde21-af0e-4097-9452-7695f036aeb0";

static struct blueprint *wanted(void)
{
    static struct blueprint *blueprint;
    const struct blueprint_limits limits = {.form_only = true};
    AUTO(drop_findings) struct findings findings = {0};
    struct err err = {0};

    if (!blueprint &&
        !blueprint_parse(yaml, strlen(yaml), "y", &limits, &blueprint, &findings, &err)) {
        abort();
    }
    return blueprint;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_facts) struct facts *facts = NULL;
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_plan) struct plan *plan = NULL;
    struct err err = {0};

    if (!facts_read((const char *)data, size, &facts, &err)) {
        return 0;
    }
    const struct host_answer answer = {.facts = facts, .began = 1000, .ended = 1006};
    const struct facts *const list[] = {facts};

    plan_check(wanted(), &answer, cluster, &findings);
    if (plan_make(wanted(), list, cluster, &plan, &err)) {
        json_decref(plan_json(plan));
    }
    json_t *json = findings_json(&findings);

    if (!json) {
        abort(); /* some text in it is not UTF-8 */
    }
    json_decref(json);
    return 0;
}
