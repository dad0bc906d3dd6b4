/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hypervisor is told of a VM: the domain, out of the configuration in its home, and the
 * keys, out of the VM's key. Every disk's header is held against the policy and that key.
 */
#ifndef QUOIN_AGENT_VM_DOMAIN_H
#define QUOIN_AGENT_VM_DOMAIN_H

#include "agent/vm.h"

/* Zero-initialized; strings and keys that it owns are freed by vm_domain_clear. */
struct vm_domain {
    struct domain domain;
    struct hv_keys keys;
    struct store_attachment attachments[DOMAIN_MAX_DISKS];
    struct secret *owned[DOMAIN_MAX_DISKS + 1];
};

/* The VM is open. Under `work`. ERR_ABSENT: a disk is not poured; ERR_INPUT: the configuration. */
bool vm_domain_make(struct vm *vm, struct vm_domain *out, struct err *err);
void vm_domain_clear(struct vm_domain *domain);

#endif
