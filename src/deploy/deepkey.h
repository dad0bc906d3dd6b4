/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep rekey over all hosts: each VM gets another VM key and each of its disks another data key, by
 * the agent of the host where it runs (vm.copy), one VM after the other.
 */
#ifndef QUOIN_DEPLOY_DEEPKEY_H
#define QUOIN_DEPLOY_DEEPKEY_H

#include "deploy/deploy.h"

/* `limit`: bytes a second for each VM, 0: none. `dry_run`: says what would be done, and does
 * nothing. `out`: {"deep":true,"dry_run":bool,"vms":[what vm.copy gives, and "name","host"]}, a new
 * reference. ERR_AWAY: a host is not reached; it may be the one that runs a VM. */
bool deploy_deepkey(struct deploy *deploy, uint64_t limit, bool dry_run, json_t **out,
                    struct err *err);

#endif
