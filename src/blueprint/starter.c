/* SPDX-License-Identifier: Apache-2.0 */
/* The commented file that `quoin blueprint new` writes: every key that a first cluster needs. */
#include "base/text.h"
#include "blueprint/blueprint.h"

static const char starter[] =
    "# What a cluster is made of; quoin-blueprint(5) has every key. Then: quoin check, quoin "
    "deploy.\n"
    "quoin: 1                              # the format of this file\n"
    "cluster: {name: edge-01, datacenter: fra1}\n"
    "hosts:                                # the first one begins the cluster, the others join\n"
    "  - name: h1\n"
    "    address: 192.0.2.11               # IPv4, IPv6 or a DNS name\n"
    "    ssh: {user: root}                 # key: FILE, host_key: \"SHA256:…\", port: 22\n"
    "    disks:                            # exactly these are wiped and used\n"
    "      - wwn: \"0x5000c50000000101\"     # or serial, uuid, path; wipe: true if it is not "
    "empty\n"
    "datastore: {type: ceph, name: ds1, network: 192.0.2.0/24, replicas: 1}\n"
    "manager:\n"
    "  name: mgr\n"
    "  image: quoin-manager.img            # raw or qcow2, relative to this file\n"
    "  image_sha256: \"0000000000000000000000000000000000000000000000000000000000000000\"\n"
    "  cpus: 2\n"
    "  memory: 1G\n"
    "  disks: [{name: system, size: 4G}, {name: data, size: 4G}]\n"
    "  network: {bridge: br0, address: 192.0.2.10/24, gateway: 192.0.2.1, hostname: "
    "mgr.edge-01.test}\n"
    "  admin: {user: admin, password_file: admin.password}  # one line, chmod 600\n"
    "encryption:\n"
    "  provider: {name: native, type: native}\n";

char *blueprint_starter(void)
{
    return text_copy(starter);
}
