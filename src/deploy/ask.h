/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents are asked for, out of the blueprint: the params of steps that more than one host is
 * asked for (docs/protocol.md). Each gives a new reference.
 */
#ifndef QUOIN_DEPLOY_ASK_H
#define QUOIN_DEPLOY_ASK_H

#include "deploy/deploy.h"

/* "auto", "required", "off" */
/* {"name","type","tpm","recovery","pcrs","cache"}: what every step says that names the provider. A
 * new reference. */
json_t *ask_provider_basics(const struct blueprint *blueprint);
const char *ask_tpm_word(const struct blueprint *blueprint);
/* provider.open; an external provider's secrets go to the host's agent first. */
bool ask_provider(struct deploy *deploy, struct remote *remote, json_t **out, struct err *err);
/* store.begin, store.join, store.settle */
json_t *ask_store(const struct blueprint *blueprint);
/* store.disk, for a disk as its host's facts show it. ERR_BUG: the facts do not. */
bool ask_disk(const struct blueprint_disk *disk, const struct facts *facts, json_t **out,
              struct err *err);
/* Takes a host out of what a status says of the datastore. */
void ask_forget_host(json_t *datastore, const char *host);

#endif
