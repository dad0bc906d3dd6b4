/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster's CA and this host's place in it. The CA's private key is made on the first host and
 * rests only in an envelope under the provider's KEK; the agent's own private key is made here and
 * rests sealed to the host. Both are opened into locked memory for the moment of their use.
 */
#ifndef QUOIN_AGENT_ENROL_H
#define QUOIN_AGENT_ENROL_H

#include "agent/agent.h"

/* Ten years: as long as a cluster lives. Nothing renews a CA by itself. */
#define CA_DAYS 3650u
/* Certificates of hosts and managers; expiry is a finding weeks ahead. */
#define PEER_DAYS 825u

/* The CA's certificate; ERR_ABSENT before ca.make. The caller frees. */
bool enrol_ca(const struct agent *agent, char **out_pem, struct err *err);
/* A fresh key, and a certificate of the cluster's CA for it, for a manager; under `work`. */
bool enrol_manager(struct agent *agent, const char *name, const char *hostname, const char *address,
                   struct secret **out_key, char **out_certificate, struct err *err);
/* Opens the mutual TLS door if this host is enrolled; nothing otherwise. */
bool enrol_serve(struct agent *agent, struct err *err);

#endif
