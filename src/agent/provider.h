/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key providers of this host: the one that wraps, and in the course of a move the one that is
 * left, which still opens what it wrapped. Which they are stands in the host's file (agent/host.h);
 * here they are open or not. agent_key and agent_key_for (agent/agent.h) give them out. Under
 * `work`.
 */
#ifndef QUOIN_AGENT_PROVIDER_H
#define QUOIN_AGENT_PROVIDER_H

#include "agent/agent.h"

/* Where its state lies; the caller frees. */
char *provider_path(const struct agent *agent, const struct host_provider *host);
/* What a step says of one, {"name","type","tpm","pcrs","cache"}, with neither folder nor KEK;
 * host_provider_clear. ERR_ABSENT: it needs a TPM, and this host has none. */
bool provider_read(const struct agent *agent, const json_t *params, struct host_provider *out,
                   struct err *err);
/* For how many seconds VM keys may be kept on this host; 0: not. */
unsigned provider_cache(const struct host_provider *host);
/* How its secrets rest. */
struct hostseal_conf provider_sealing(const struct agent *agent, const struct host_provider *host);
/* One that is neither, opened for the moment: `host` says which, and must outlive `out`. */
bool provider_open(struct agent *agent, const struct host_provider *host, struct provider *out,
                   struct key **out_key, struct err *err);
/* The same with all that an external one is reached with, which it keeps in its folder from then
 * on: docs/protocol.md, provider.open. The agent's private key and password are used up. */
bool provider_open_given(struct agent *agent, const struct host_provider *host,
                         const json_t *params, struct provider *out, struct key **out_key,
                         struct err *err);
void provider_close(struct provider *provider);
__attribute__((unused)) static inline void drop_provider(struct provider *provider)
{
    provider_close(provider);
}
/* What the host's file says is known from now on; what was open is closed. */
void provider_find(struct agent *agent);

#endif
