/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep rekey over all hosts: each VM gets another VM key and each of its disks another data key, by
 * the agent of the host where it runs (vm.copy), one VM after the other. Then the KEK is rotated
 * (deploy/rekey.h) and the old one retired: an old home that somebody puts back, on whichever host,
 * opens no more.
 *
 * Interrupted anywhere, the same call goes on: state->deep is {"kek","began","vms"}, the KEK and
 * the time (seconds since 1970) at the first call, and the ids of the VMs that are done. After a
 * day, or when the KEK was changed meanwhile, all of them are done anew.
 */
#ifndef QUOIN_DEPLOY_DEEPKEY_H
#define QUOIN_DEPLOY_DEEPKEY_H

#include "deploy/deploy.h"

/* `limit`: bytes a second for each VM, 0: none. `dry_run`: says what would be done, and does
 * nothing. `out`, a new reference: {"deep":true,"dry_run":bool,"type": the provider's,"kek": the
 * new one or null,"retired": the old one,"vms":[what vm.copy gives, and "name","host"]}; a VM that
 * an interrupted call had done has "earlier":true and no figures. ERR_AWAY: a host is not reached;
 * it may be the one that runs a VM. */
bool deploy_deepkey(struct deploy *deploy, uint64_t limit, bool dry_run, json_t **out,
                    struct err *err);

#endif
